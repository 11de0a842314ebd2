"""A cluster for a scenario: a broker, nodes and observers, each on a host of its own, a load, and the check at the end.

Without hosts (a broker that is somebody else's, named by URL) everything runs here, and only what needs no host or
broker of our own can be done to it.
"""
import contextlib
import json
import os
import re
import sqlite3
import subprocess
import sys
import time
from collections import Counter

import hosts
from chaos_proxy import Chaos
from history import History
from load import Publisher, Synthetic
from shared import SIGINT, SIGTERM, WEFT, Fabric, free_port, wait_for
from watch import Watch, cpu_s

HERE = os.path.dirname(os.path.abspath(__file__))
PORT = 1883
HEALED_S = 60  # after the end of a fault
PATIENCE_S = 60
DRAIN_S = 30
ACCOUNT_S = 20
MEMORY_MAX_MB = 200
DESCRIPTORS_MAX = 100
DISK_MAX_MB = 1200
ALL_TOPICS = 16  # among the first so many events of a load are some of every topic
RECOMMENDED = "allow_anonymous true\nmax_inflight_messages 128\nmax_queued_messages 100000\n"
STOCK = "allow_anonymous true\n"  # 20 in flight, 1,000 queued
LOST = re.compile(r"lost: (?:(\d+) events?|events)(?: of ([^/]+)/(\w+), epoch (\d+), seq (\d+) to (\d+))?: (\w+)")


class Broken(AssertionError):
    """A promise did not hold."""


class Skipped(Exception):
    """It cannot be tried here."""


class Observer:
    """`weft sub --json` and the history of what it printed, read as it grows."""

    def __init__(self, name, process, loads):
        self.name = name
        self.process = process
        self.history = History(name, loads)
        self.position = 0
        self.rest = b""
        self.marked = False

    def read(self):
        """What is there by now, however fast it grows."""
        with open(self.process.out_path, "rb") as file:
            end = file.seek(0, os.SEEK_END)
            file.seek(self.position)
            while self.position < end:
                chunk = file.read(1 << 20)
                self.position += len(chunk)
                lines = (self.rest + chunk).split(b"\n")
                self.rest = lines.pop()
                for line in lines:
                    self.take(json.loads(line))

    def take(self, event):
        if event.get("sessionId") == "marker":
            self.marked = True
        else:
            self.history.take(event)

    def losses(self):
        """What it was told of missing events: (count or 0, node, topic, epoch, from, to, reason)."""
        return LOST.findall(self.process.err())


class Recorder(Observer):
    """`weft record` and the history that is in its database, whatever lives it took to write it."""

    def __init__(self, name, process, loads, database):
        super().__init__(name, process, loads)
        self.database = database

    def rows(self, query, *values):
        if not os.path.exists(self.database):
            return []
        with contextlib.closing(sqlite3.connect(f"file:{self.database}?mode=ro", uri=True, timeout=PATIENCE_S)) as db:
            return db.execute(query, values).fetchall()

    def read(self):
        """What is new. A recorder that stands still while it opens its database keeps it locked: there is a next time,
        and what is never read is missing in the end."""
        try:
            while rows := self.rows("SELECT id, event FROM events WHERE id > ? ORDER BY id LIMIT 10000", self.position):
                for self.position, event in rows:
                    self.take(json.loads(event))
        except sqlite3.OperationalError as error:
            if "lock" not in str(error):
                raise

    def losses(self):
        return self.rows("SELECT events, node, topic, epoch, from_seq, to_seq, reason FROM lost")


class Cluster(Fabric):
    def __init__(self, network=None, nodes=2, observers=1, recorders=0, rate=200, group=1, settings=RECOMMENDED,
                 through_proxy=(), url=None, fabric_name="cluster"):
        super().__init__()
        self.hosts = network
        self.foreign_url = url
        self.fabric_name = fabric_name
        self.broker_settings = settings
        self.names = [f"host-{chr(ord('a') + index)}" for index in range(nodes)]
        self.observer_names = [f"observer-{index + 1}" for index in range(observers)]
        self.recorder_names = [f"recorder-{index + 1}" for index in range(recorders)]
        self.through_proxy = set(through_proxy)
        self.rate, self.group = rate, group
        self.loads = {name: Synthetic(name) for name in self.names}
        self.nodes, self.observers, self.publishers = {}, {}, {}
        self.node_words, self.node_prefix = {}, {}
        self.urls = {}   # of those that are at another broker
        self.databases = self.directory
        self.disks = {}  # of those that have one of their own: where it is
        self.told = []   # what was done when, for a failure
        self.chaos = None
        self.watch = Watch(self.path("state"))
        self.watch.start()
        self.healed_s = None
        self.notes = []
        self.lost_allowed = 0
        self.books_lost = False  # a node's journal, and its account with it
        self.statuses_allowed = {0}
        if network is not None:
            self.port = PORT
            self.address = network.add("broker")
            for name in [*self.names, *self.observer_names, *self.recorder_names, "proxy", "stranger"]:
                network.add(name)

    # ---- processes on hosts ----

    @property
    def url(self):
        return self.foreign_url or super().url

    def url_of(self, name):
        if name not in self.through_proxy:
            return self.urls.get(name, self.url)
        return f"mqtt://{self.hosts.addresses['proxy'] if self.hosts else '127.0.0.1'}:{self.proxy_port}"

    def place(self, name=None):
        """Options that say where the fabric is, for a host or for this program."""
        return ["--broker", self.url if name is None else self.url_of(name), "--fabric", self.fabric_name]

    def spawn_on(self, host, name, argv, **more):
        return self.spawn(name, argv if self.hosts is None else self.hosts.command(host, argv), **more)

    def spawn(self, name, argv, **more):
        if name == "broker" and self.hosts is not None:
            argv = self.hosts.command("broker", argv)
        return super().spawn(name, argv, **more)

    def start_proxy(self):
        self.proxy_port = PORT if self.hosts else free_port()
        listen = f"{self.hosts.addresses['proxy'] if self.hosts else '127.0.0.1'}:{self.proxy_port}"
        to = self.url.split("//")[1]
        control = self.path("chaos.sock")
        self.spawn_on("proxy", "proxy", [sys.executable, os.path.join(HERE, "chaos_proxy.py"), listen,
                                         to if ":" in to else f"{to}:{PORT}", control])
        wait_for(lambda: os.path.exists(control), "the proxy listens")
        self.chaos = Chaos(control)

    def start_cluster_node(self, name, ready=True, **more):
        words = [*self.place(name), "--node", name, "--stats", "--drain-timeout", str(DRAIN_S),
                 *self.node_words.get(name, [])]
        node = self.spawn_on(name, name, [*self.node_prefix.get(name, []), WEFT, "node", *words], **more)
        self.nodes[name] = node
        self.watch.add(name, node.child.pid)
        if ready:
            wait_for(lambda: "ready " in node.out() or node.child.poll() is not None, f"{name} is ready", PATIENCE_S)
            if node.child.poll() is not None:
                raise Broken(f"{name} ended: {node.err()}")
        return node

    def start_observer(self, name, *words, hears=True):
        """An observer that hears already."""
        process = self.spawn_on(name, name, [*self.node_prefix.get(name, []), WEFT, "sub", *self.place(name), "--json",
                                             *words])
        observer = self.observers[name] = Observer(name, process, self.loads)
        self.watch.add(name, process.child.pid)
        if hears:
            wait_for(lambda: self.hears_marker(observer), f"{name} hears", PATIENCE_S)

    def start_recorder(self, name):
        """A recorder that records already, with or without a broker; in a later life the same history goes on."""
        database = os.path.join(self.databases, f"{name}.db")
        process = self.spawn_on(name, name, [*self.node_prefix.get(name, []), WEFT, "record", *self.place(name), "--db",
                                             database, "--node", name])
        if name in self.observers:
            self.observers[name].process = process
        else:
            self.observers[name] = Recorder(name, process, self.loads, database)
        self.watch.add(name, process.child.pid)
        wait_for(lambda: "ready " in process.out() or process.child.poll() is not None, f"{name} is ready", PATIENCE_S)
        if process.child.poll() is not None:
            raise Broken(f"{name} ended: {process.err()}")

    def hears_marker(self, observer):
        self.weft("pub", *self.place(), "shutdown_requested", "reason=marker", "session_id=marker", "agent_id=marker",
                  timeout=PATIENCE_S)
        observer.read()
        return observer.marked

    def start_publisher(self, name, **more):
        how = {"rate": self.rate, "group": self.group, **more}
        self.publishers[name] = Publisher(self.loads[name], self.socket_of(name), self.path(f"{name}.accepted"), **how)
        self.publishers[name].start()

    def start(self):
        """Everything, up to a flow of events to every observer."""
        if self.foreign_url is None:
            self.start_broker()
        if self.through_proxy:
            self.start_proxy()
        for name in self.names:
            self.start_cluster_node(name, ready=False)
        for name in self.observer_names:
            self.start_observer(name)
        for name in self.recorder_names:
            self.start_recorder(name)
        self.wait_up(*self.names)
        self.start_load()

    def start_load(self, **more):
        for name in self.names:
            self.start_publisher(name, **more)
        wait_for(self.all_streams_flow, "something of every topic of every node is handled", PATIENCE_S)

    def all_streams_flow(self):
        """An observer that was there after a node has a stream's beginning from what it hears of it first."""
        self.read()
        return all(observer.history.highest[name] >= ALL_TOPICS or self.publishers[name].done()
                   for observer in self.observers.values() for name in self.publishers)

    def wait_beats(self):
        """Until each node has said once more how far its streams are."""
        asked = self.weft("node", "ls", *self.place(), "--wait", "10", timeout=PATIENCE_S)
        if asked.returncode != 0:
            raise Broken(f"weft node ls ended with {asked.returncode}: {asked.stderr.decode()}")

    def forget_nodes(self):
        """Leaves nothing at a broker that is not ours."""
        for name in self.names:
            self.weft("node", "forget", name, *self.place(), timeout=PATIENCE_S)

    # ---- waiting ----

    def wait_up(self, *names):
        for name in names:
            self.wait_said(name, "broker-connected")

    def said(self, name, what):
        return self.nodes[name].err().count(what)

    def wait_said(self, name, what, times=1, deadline_s=PATIENCE_S):
        wait_for(lambda: self.said(name, what) >= times, f"{name} says {what} ({times})", deadline_s)

    def accepted(self, names=None):
        return sum(self.publishers[name].accepted.count for name in names or self.publishers)

    def wait_accepted(self, more, names=None, deadline_s=PATIENCE_S):
        """Until so many more events are in the journals."""
        wanted = self.accepted(names) + more
        wait_for(lambda: self.accepted(names) >= wanted, f"{more} more events are accepted", deadline_s)

    def read(self):
        for observer in self.observers.values():
            observer.read()

    def wait_flow(self, names=None, deadline_s=HEALED_S):
        """Until every observer has handled something that each publisher sent after now. Returns how long that took."""
        began = time.monotonic()
        marks = {name: self.publishers[name].offered for name in names or self.publishers}

        def flows():
            self.read()
            return all(observer.history.highest[name] > mark or self.publishers[name].done()
                       for observer in self.observers.values() for name, mark in marks.items())
        wait_for(flows, f"new events of {', '.join(marks)} are handled", deadline_s)
        return time.monotonic() - began

    def pause(self, name):
        """No event of it is under way then, to nobody."""
        self.publishers[name].paused.set()
        wait_for(lambda: not self.publishers[name].spans, f"all lines to {name} are answered", PATIENCE_S)
        seen = {name: self.publishers[name].accepted}
        wait_for(lambda: self.complete(seen), f"what {name} accepted is handled", HEALED_S)

    def wait_handled_by(self, observer):
        """Only while no publisher goes on."""
        wait_for(lambda: not any(publisher.spans for publisher in self.publishers.values()), "all lines are answered")
        wait_for(lambda: self.complete(observers=[observer]), f"{observer} has handled all", HEALED_S)

    def wait_caught_up(self, deadline_s):
        """Until as many are handled as were accepted by now."""
        wanted = self.accepted()
        wait_for(lambda: self.read() or all(observer.history.handled >= wanted for observer in self.observers.values()),
                 f"{wanted} events are handled", deadline_s)

    def resume(self, name):
        self.publishers[name].paused.clear()

    # ---- faults that several scenarios share ----

    def kill_node(self, name):
        self.nodes[name].kill()

    def restart_node(self, name):
        self.kill_node(name)
        self.start_cluster_node(name)

    def alive(self):
        return [name for name, node in self.nodes.items() if node.child.poll() is None]

    def cpu_share(self, name, seconds):
        """What part of a core the node takes."""
        pid, began = self.nodes[name].child.pid, time.monotonic()
        before = cpu_s(pid)
        while time.monotonic() < began + seconds:
            self.read()
            time.sleep(0.05)
        return (cpu_s(pid) - before) / (time.monotonic() - began)

    # ---- the end ----

    def complete(self, accepted=None, observers=None):
        """Whether every observer, or these, have handled what is accepted by now."""
        self.read()
        accepted = accepted or {name: publisher.accepted for name, publisher in self.publishers.items()}
        wanted = sum(numbers.count for numbers in accepted.values()) - self.lost_allowed
        histories = [self.observers[name].history for name in observers or self.observers]
        return all(history.handled >= wanted and
                   sum(map(len, history.missing(accepted).values())) <= self.lost_allowed for history in histories)

    def settle(self, deadline_s=HEALED_S):
        """Ends the load; waits until every observer has handled all of it."""
        began = time.monotonic()
        for publisher in self.publishers.values():
            publisher.finish()
        end = time.monotonic() + deadline_s
        while not self.complete() and time.monotonic() < end:
            time.sleep(0.05)
        self.healed_s = time.monotonic() - began

    def stop_nodes(self):
        """Gracefully; returns their figures."""
        figures = {}
        for name in self.alive():
            self.nodes[name].signal(SIGTERM)
        for name, node in self.nodes.items():
            status = node.wait(DRAIN_S + PATIENCE_S)
            if status not in self.statuses_allowed:
                raise Broken(f"{name} ended with {status}: {node.err()[-2000:]}")
            if status == 0:
                figures[name] = json.loads(node.lines()[-1])
        return figures

    def stop_observers(self):
        for observer in self.observers.values():
            observer.process.signal(SIGINT)
        for observer in self.observers.values():
            try:
                observer.process.wait(PATIENCE_S)
            except subprocess.TimeoutExpired:
                raise Broken(f"{observer.name} does not end: {observer.process.err()[-2000:]}") from None
        self.read()

    def finish(self):
        """The load ends, everything settles and stops, and the histories are held against each other."""
        self.settle()
        broken = self.account()
        self.figures = self.stop_nodes()
        self.stop_observers()
        self.watch.finish()
        broken += self.judge()
        if broken:
            raise Broken("\n".join(broken))

    def account(self):
        """What nodes and observers themselves say became of every event: that it adds up, and that it is what our own
        lists say."""
        asked = self.weft("account", *self.place(), "--wait", str(ACCOUNT_S), "--json",
                          timeout=2 * ACCOUNT_S + PATIENCE_S)
        if self.books_lost:
            return []
        if asked.returncode not in (0, 1):
            return [f"weft account ended with {asked.returncode}: {asked.stderr.decode()}"]
        said = json.loads(asked.stdout)
        rows = said["accounts"]
        broken = self.compare_account(rows)
        if asked.returncode != 0:
            wrong = [row for row in rows if row["state"] not in ("own", "adds up", "one side only")]
            broken.append(f"the account does not add up (I8): {json.dumps(wrong[:3])}")
        return broken

    def compare_account(self, rows):
        published, delivered = Counter(), Counter()
        for row in rows:
            if row["state"] == "own":
                published[row["own"]["node"]] += row["own"]["published"]
            elif "received" in row and row["received"]["node"] in self.publishers and \
                    row["observer"].startswith("listener."):
                delivered[row["observer"]] += row["received"].get("delivered", 0)
        accepted = {name: publisher.accepted.count for name, publisher in self.publishers.items()}
        broken = [f"{name} accounts for {published[name]} events, {count} were accepted (I8)"
                  for name, count in accepted.items() if published[name] != count]
        handled = sorted(self.observers[name].history.handled for name in self.observer_names)
        if sorted(delivered.values()) != handled:
            broken.append(f"observers account for {sorted(delivered.values())} events, {handled} were handled (I8)")
        return broken

    def judge(self):
        accepted = {name: publisher.accepted for name, publisher in self.publishers.items()}
        offered = {name: publisher.offered for name, publisher in self.publishers.items()}
        broken = []
        for observer in self.observers.values():
            broken += observer.history.judge(accepted, offered, self.lost_allowed)
            if observer.losses() and not self.lost_allowed:
                broken.append(f"{observer.name}: reported lost (I8), though nothing may be: {observer.losses()[:4]}")
        if self.healed_s > HEALED_S:
            broken.append(f"not whole {HEALED_S} s after the fault (I6)")
        memory, files = self.watch.peak(self.watch.samples)
        if memory > MEMORY_MAX_MB and not self.sanitized():
            broken.append(f"a process grew to {memory:.0f} MB (I5)")
        if files > DESCRIPTORS_MAX:
            broken.append(f"a process held {files} descriptors (I5)")
        if self.watch.disk_mb > DISK_MAX_MB:
            broken.append(f"the journals took {self.watch.disk_mb:.0f} MB (I5)")
        return broken

    def sanitized(self):
        with open(WEFT, "rb") as file:
            text = file.read()
        return b"__asan_init" in text or b"__tsan_init" in text

    def summary(self):
        handled = "/".join(str(observer.history.handled) for observer in self.observers.values())
        replayed = sum(observer.history.replayed for observer in self.observers.values())
        memory, files = self.watch.peak(self.watch.samples)
        healed = sum(figures["replayed_events"] for figures in self.figures.values())
        return "; ".join([f"{self.accepted()} accepted, {handled} handled ({healed} replayed, {replayed} of them late)",
                          f"whole {self.healed_s:.1f} s after", f"at most {memory:.0f} MB, {files} descriptors",
                          *self.notes])

    def tails(self):
        """The last lines of what each process said, for a failure."""
        found = list(self.told)
        for process in self.processes:
            lines = process.err().splitlines()
            found += [f"--- {os.path.basename(process.err_path)}", *lines[-12:]]
        return "\n".join(found)

    def close(self):
        for publisher in self.publishers.values():
            publisher.ending.set()
        if self.chaos is not None:
            self.chaos.close()
        self.watch.finish()
        for mounted in hosts.mounted_below(self.directory):
            hosts.run("umount", "-l", mounted)
        super().close()
