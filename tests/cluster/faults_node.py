"""What can happen to a node's process."""
import random
import resource

from catalogue import fault
from cluster import Broken
from shared import SIGTERM
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
