"""An hour's load in minutes, with a fault every two seconds, drawn by a seed.

WEFT_STORM_SEED repeats a storm: the same harm at the same moments, though not the same scheduling of the processes.
WEFT_STORM_MINUTES is its length."""
import os
import random
import secrets
import time

import traces
from catalogue import fault
from cluster import Broken, Cluster
from faults_disk import mount_for
from harm import HARM
from load import Recorded

EVERY_S = 2
AT_ONCE = 3
LONG_S = 20  # outlasts every keep-alive
LONG_SHARE = 0.08
DISK_KB = 64 * 1024
SEED = int(os.environ.get("WEFT_STORM_SEED") or 0) or secrets.randbelow(10**6) + 1
SECONDS = 60 * float(os.environ.get("WEFT_STORM_MINUTES") or 0.3)


def targets(c, kind):
    """Who can suffer it: hosts and a broker, only where they are ours."""
    ours = c.hosts is not None
    return {"broker": ["broker"] if ours else [], "proxy": ["proxy"] if c.chaos else [], "node": c.names,
            "observer": list(c.observers), "recorder": c.recorder_names, "disk": list(c.disks),
            "host": [*c.names, *c.observers] if ours else []}[kind]


class Storm:
    def __init__(self, cluster, seed, spared=()):
        self.cluster = cluster
        self.spared = spared  # those whose process is not to end
        self.chance = random.Random(seed)
        self.began = time.monotonic()
        self.under_way = {}  # target: (harm, when it ends)
        self.told = []
        self.counts = {}

    def now(self):
        return time.monotonic() - self.began

    def tell(self, what, harm):
        self.told.append(f"{self.now():6.1f} s  {what} {type(harm).__name__} {harm.name}")

    def draw(self):
        kind = HARM[self.chance.choice([name for name in sorted(HARM) if targets(self.cluster, HARM[name].target)])]
        return kind(self.cluster, self.chance.choice(targets(self.cluster, kind.target)), self.chance.random())

    def begin(self):
        """Some harm to somebody who is well."""
        if len(self.under_way) >= AT_ONCE:
            return
        harm = self.draw()
        while harm.name in self.under_way or (harm.deadly and harm.name in self.spared):
            harm = self.draw()
        length_s = LONG_S if self.chance.random() < LONG_SHARE else self.chance.uniform(0.3, 5)
        self.tell("begins", harm)
        harm.begin()
        self.under_way[harm.name] = (harm, self.now() + length_s)
        name = type(harm).__name__
        self.counts[name] = self.counts.get(name, 0) + 1

    def end_due(self, whatever=False):
        for name, (harm, due_s) in list(self.under_way.items()):
            if whatever or self.now() >= due_s:
                self.tell("ends  ", harm)
                harm.end()
                del self.under_way[name]

    def blow(self, seconds):
        due_s = 0
        try:
            while self.now() < seconds:
                self.end_due()
                if self.now() >= due_s:
                    self.begin()
                    due_s += EVERY_S
                self.cluster.read()
                time.sleep(0.02)
        finally:
            self.end_due(whatever=True)


@fault("all of them, one every two seconds", quick=True, start=False, seconds=60, nodes=5, observers=2, recorders=1,
       rate=100, through_proxy=("host-a", "host-b", "observer-1"))
def storm(c):
    print(f"storm: seed {SEED}, {SECONDS:.0f} s", flush=True)
    prepare(c, SECONDS)
    blown = Storm(c, SEED)
    try:
        blown.blow(SECONDS)
        c.wait_flow()
    except Exception:
        print("\n".join(blown.told), flush=True)
        raise
    c.told = blown.told
    c.notes += [f"seed {SEED}", ", ".join(f"{count} {name}" for name, count in sorted(blown.counts.items()))]
    if not blown.counts:
        raise Broken("a storm without a fault")


def check_broker(url, seconds, seed):
    """The same against a broker that is somebody else's: on this host, without root."""
    proxied = ("host-a", "host-b", "observer-1") if url.startswith("mqtt://") else ()
    c = Cluster(url=url, nodes=3, observers=1, recorders=1, rate=200, through_proxy=proxied,
                fabric_name=f"check-{os.getpid()}")
    try:
        c.start()
        c.wait_beats()
        blown = Storm(c, seed)
        blown.blow(seconds)
        c.told = blown.told
        c.wait_flow()
        c.finish()
        c.forget_nodes()
        return c.summary()
    except (AssertionError, OSError):
        print(c.tails(), flush=True)
        raise
    finally:
        c.close()


def prepare(c, seconds):
    """A cluster that publishes what happened in a month within so many seconds, and can suffer all harm there is."""
    events, what = traces.record(SEED)
    c.notes.append(what)
    for name, share in traces.divide(events, c.names).items():
        c.loads[name] = Recorded(name, share)
    c.disks["host-e"] = mount_for(c, "host-e", DISK_KB)
    c.rate = max(c.rate, len(events) / len(c.names) / seconds)
    c.start()
    c.wait_beats()
