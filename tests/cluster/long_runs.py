"""The long runs: ten thousand for an offline subscriber, a million for a stopped one, ten minutes of chaos."""
import os
import signal
import statistics
import time

from catalogue import fault
from cluster import STOCK, Broken
from shared import wait_for
from storm import Storm, prepare

OFFLINE = 10_000
MILLION = 1_000_000
STOPPED_S = 60
CHAOS_S = 60 * float(os.environ.get("WEFT_FLAT_MINUTES") or 10)
SEED = 1
GROWTH_MAX_MB = 6
MORE_DESCRIPTORS_MAX = 4


@fault("broker killed with 10,000 events acknowledged but not delivered to an offline subscriber", observers=2,
       rate=2000, group=10, seconds=25)
def offline_10000(c):
    """That the other observer has them all says that the broker acknowledged them."""
    offline, online = (c.observers[name].history for name in c.observer_names)
    c.hosts.link("observer-1", False)
    c.read()
    before = offline.handled
    c.wait_accepted(OFFLINE + 1000)
    for name in c.names:
        c.publishers[name].paused.set()
    c.wait_handled_by("observer-2")
    c.read()
    waiting = online.handled - offline.handled
    if waiting < OFFLINE or offline.handled > before + 1000:
        raise Broken(f"only {waiting} events wait for the offline observer")
    c.broker.kill()
    c.start_broker()
    c.hosts.clear("observer-1")
    for name in c.names:
        c.resume(name)
    c.wait_flow()
    c.notes.append(f"{waiting} were undelivered when the broker died")


@fault("1,000,000 events while a subscriber is stopped for 60 s, stock settings", start=False, settings=STOCK, nodes=3,
       seconds=240)
def stopped_million(c):
    c.start()
    observer = c.observers["observer-1"]
    observer.process.signal(signal.SIGSTOP)
    for publisher in c.publishers.values():
        publisher.rate, publisher.group = 12000, 100
    stopped_s = time.monotonic()
    c.wait_accepted(MILLION, deadline_s=600)
    for publisher in c.publishers.values():
        publisher.rate, publisher.group = 100, 1
    wait_for(lambda: time.monotonic() > stopped_s + STOPPED_S, "it has been stopped for long enough", 2 * STOPPED_S)
    c.read()
    missing = c.accepted() - observer.history.handled
    observer.process.signal(signal.SIGCONT)
    began = time.monotonic()
    c.wait_flow(deadline_s=300)
    c.wait_caught_up(300)
    healed_s = time.monotonic() - began
    c.notes.append(f"stopped for {time.monotonic() - stopped_s - healed_s:.0f} s, {missing} behind then; caught up in "
                   f"{healed_s:.1f} s, {missing / healed_s:.0f}/s, the checker's reading included; "
                   f"{observer.history.overtaken} replayed ones came after later ones of their stream")


def level(samples, first_s, last_s):
    found = [(mb, count) for at, mb, count in samples if first_s <= at < last_s]
    return (statistics.median(mb for mb, _ in found), max(count for _, count in found)) if found else (0, 0)


@fault("memory and descriptors over ten minutes of chaos", start=False, seconds=700, nodes=5, observers=2,
       recorders=1, rate=100, through_proxy=("host-a", "host-b", "observer-1"))
def flat(c):
    """host-a and the observers suffer all but their own death; what they hold at the end is what they held before."""
    prepare(c, CHAOS_S)
    blown = Storm(c, SEED, spared={"host-a"})
    began = time.monotonic() - c.watch.started_s
    blown.blow(CHAOS_S)
    c.told = blown.told
    c.wait_flow()
    print("\n".join(c.watch.table()), flush=True)
    quarter = CHAOS_S / 4
    for name in ["host-a", *c.observer_names]:
        samples = c.watch.samples[name]
        early, late = level(samples, began + quarter, began + 2 * quarter), level(samples, began + 3 * quarter, 1e9)
        c.notes.append(f"{name}: {early[0]:.1f} MB and {early[1]} descriptors in the second quarter, {late[0]:.1f} MB "
                       f"and {late[1]} in the last")
        if late[0] > early[0] + GROWTH_MAX_MB or late[1] > early[1] + MORE_DESCRIPTORS_MAX:
            raise Broken(f"it grows (I5): {c.notes[-1]}")
