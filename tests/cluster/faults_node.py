"""What can happen to a node's process."""
import os
import random
import resource
import struct
import time

from catalogue import fault
from cluster import Broken, Skipped
from shared import SIGTERM, WEFT, wait_for
from watch import descriptors

NODE_KILLS = 6
SPIN_SHARE = 0.7  # of a core: more than this is a loop without a pause


@fault("node killed, again and again", quick=True, group=3, rate=600)
def node_kill_loop(c):
    chance = random.Random(7)
    for _ in range(NODE_KILLS):
        c.wait_accepted(chance.randint(1, 200), ["host-a"])
        c.kill_node("host-a")
        c.start_cluster_node("host-a", ready=chance.random() < 0.5)
    c.wait_flow()


@fault("node and broker killed, in any order")
def node_and_broker_kill(c):
    for first_node in (True, False, True, False):
        for kills in (first_node, not first_node):
            c.wait_accepted(50)
            if kills:
                c.kill_node("host-a")
            else:
                c.broker.kill()
        if first_node:
            c.start_cluster_node("host-a")
            c.start_broker()
        else:
            c.start_broker()
            c.start_cluster_node("host-a")
        c.wait_flow()


@fault("graceful stop under load", quick=True, rate=None, group=4)
def stop_under_load(c):
    for _ in range(3):
        c.wait_accepted(2000, ["host-a"])
        c.nodes["host-a"].signal(SIGTERM)
        if c.nodes["host-a"].wait(60) != 0:
            raise Broken(f"a graceful stop failed: {c.nodes['host-a'].err()[-1000:]}")
        c.start_cluster_node("host-a")
    c.publishers["host-a"].rate = c.publishers["host-b"].rate = 200
    c.wait_flow()


@fault("descriptors exhausted", quick=True)
def descriptors_exhausted(c):
    pid = c.nodes["host-a"].child.pid
    soft, hard = resource.prlimit(pid, resource.RLIMIT_NOFILE)
    resource.prlimit(pid, resource.RLIMIT_NOFILE, (descriptors(pid) // 2, hard))
    c.broker.kill()
    c.wait_accepted(100)
    c.start_broker()
    c.wait_flow(["host-b"])
    c.wait_said("host-a", "broker-unreachable")
    share = c.cpu_share("host-a", 2)
    c.notes.append(f"{share:.0%} of a core without a descriptor")
    if share > SPIN_SHARE:
        raise Broken(f"host-a spins without a descriptor: {share:.0%} of a core (I6)")
    resource.prlimit(pid, resource.RLIMIT_NOFILE, (soft, hard))
    c.wait_flow()


HOUR_MS = 3600 * 1000
JUMPS_MS = (HOUR_MS, -2 * HOUR_MS, 0, 3 * 24 * HOUR_MS, -3 * 24 * HOUR_MS, 0)


class ShiftedClock:
    """The wall clock of one host's process."""

    def __init__(self, c, name):
        library = os.environ.get("WEFT_CLOCK_SHIFT_LIBRARY", "")
        if not os.path.exists(library) or c.sanitized():
            raise Skipped("WEFT_CLOCK_SHIFT_LIBRARY names no clock_shift, or the build has a sanitizer")
        self.path = c.path(f"clock-{name}")
        self.set(0)
        c.node_prefix[name] = ["env", f"LD_PRELOAD={library}", f"WEFT_CLOCK_SHIFT={self.path}"]

    def set(self, shift_ms):
        with open(self.path, "r+b" if os.path.exists(self.path) else "wb", buffering=0) as file:
            file.write(struct.pack("q", shift_ms))


@fault("clock jumps back and forth", quick=True, start=False, observers=2)
def clock_jumps(c):
    """Of a publisher and of an observer, against each other; what a broker forgets meanwhile is healed; a life that
    begins in the past is newer than the one before it all the same."""
    clocks = [ShiftedClock(c, name) for name in ("host-a", "observer-1")]
    c.start()
    for shift_ms in JUMPS_MS:
        clocks[0].set(shift_ms)
        clocks[1].set(-shift_ms // 2)
        c.wait_flow()
        c.broker.kill()
        c.wait_accepted(100)
        if shift_ms < 0:
            c.kill_node("host-a")
            c.start_cluster_node("host-a")
        c.start_broker()
        c.wait_flow()


@fault("two nodes of one name, on two hosts", quick=True)
def two_of_a_name(c):
    """The clone's coming ends the first, with what it has not got rid of; that comes when it is back."""
    first = c.nodes["host-a"]
    c.hosts.slow("host-a", 64)
    clone = c.spawn_on("stranger", "clone", [WEFT, "node", *c.place(), "--node", "host-a", "--state-dir",
                                             c.path("clone"), "--socket", c.path("clone.sock")])
    wait_for(lambda: first.child.poll() is not None, "the first one ends", 60)
    if first.child.returncode != 4:
        raise Broken(f"the first one ended with {first.child.returncode}, not 4: {first.err()[-500:]}")
    c.hosts.clear("host-a")
    wait_for(lambda: "broker-connected" in clone.err(), "the clone stays")
    c.start_cluster_node("host-a")
    if clone.wait(60) != 4:
        raise Broken(f"the clone ended with {clone.child.returncode}, not 4")
    c.wait_flow()


HERD = 60


@fault("a herd of nodes reconnects at once", seconds=60)
def thundering_herd(c):
    """As many processes as a small machine bears; the thousand are the simulator's."""
    herd = [c.spawn_on("stranger", f"herd-{index}",
                       [WEFT, "node", *c.place(), "--node", f"herd-{index}", "--state-dir", c.path("herd"), "--socket",
                        c.path(f"herd-{index}.sock")]) for index in range(HERD)]
    wait_for(lambda: all("broker-connected" in node.err() for node in herd), "the herd is there", 120)
    c.broker.kill()
    for node in herd:
        wait_for(lambda node=node: "broker-disconnected" in node.err(), "the herd knows")
    c.start_broker()
    began = time.monotonic()
    wait_for(lambda: all(node.err().count("broker-connected") == 2 for node in herd), "the herd is back", 60)
    c.notes.append(f"{HERD} nodes were back after {time.monotonic() - began:.1f} s")
    c.wait_flow()
