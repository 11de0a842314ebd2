"""What can be done to a part of a running cluster and undone again, for a storm of it.

A Harm has a target (a host's name, "broker" or "proxy"; one harm at a time each), begins, and ends some time later. It
waits for nothing in between: other harm goes on meanwhile.
"""
import os
import random
import resource
import signal

from faults_disk import fill
from watch import descriptors

HARM = {}


def harm(target):
    def add(kind):
        kind.target = target
        HARM[kind.__name__] = kind
        return kind
    return add


class Harm:
    deadly = False  # ends a node's process

    def __init__(self, cluster, name, seed):
        self.cluster = cluster
        self.name = name
        self.chance = random.Random(seed)

    def process(self):
        c = self.cluster
        if self.name == "broker":
            return c.broker
        return c.nodes[self.name] if self.name in c.nodes else c.observers[self.name].process


# ---- the broker ----

@harm("broker")
class BrokerKilled(Harm):
    def begin(self):
        self.cluster.broker.kill()

    def end(self):
        self.cluster.start_broker()


@harm("broker")
class BrokerFrozen(Harm):
    def begin(self):
        self.process().signal(signal.SIGSTOP)

    def end(self):
        self.process().signal(signal.SIGCONT)


# ---- nodes ----

@harm("node")
class NodeKilled(Harm):
    deadly = True

    def begin(self):
        self.cluster.kill_node(self.name)

    def end(self):
        self.cluster.start_cluster_node(self.name)


@harm("node")
class NodeKilledAtStep(Harm):
    """Killed now; its next life dies in the middle of its work, if it comes so far before this ends."""
    deadly = True
    STEPS = ("appended", "synced", "sent", "acknowledged")

    def begin(self):
        self.cluster.kill_node(self.name)
        step = f"{self.chance.choice(self.STEPS)}:{self.chance.randint(1, 20)}"
        self.cluster.start_cluster_node(self.name, ready=False, env={"WEFT_KILL_AT": step})

    def end(self):
        self.cluster.restart_node(self.name)


@harm("node")
class NodeStopped(Harm):
    deadly = True

    def begin(self):
        self.process().signal(signal.SIGTERM)

    def end(self):
        self.cluster.restart_node(self.name)  # whether or not it has drained by now


@harm("node")
class NodeFrozen(BrokerFrozen):
    pass


@harm("node")
class DescriptorsExhausted(Harm):
    def begin(self):
        self.pid = self.process().child.pid
        self.before = resource.prlimit(self.pid, resource.RLIMIT_NOFILE)
        resource.prlimit(self.pid, resource.RLIMIT_NOFILE, (descriptors(self.pid) // 2, self.before[1]))

    def end(self):
        resource.prlimit(self.pid, resource.RLIMIT_NOFILE, self.before)


@harm("node")
class FileSizeLimit(Harm):
    def begin(self):
        self.pid = self.process().child.pid
        self.before = resource.prlimit(self.pid, resource.RLIMIT_FSIZE)
        resource.prlimit(self.pid, resource.RLIMIT_FSIZE, (self.chance.choice((0, 65536)), self.before[1]))

    def end(self):
        resource.prlimit(self.pid, resource.RLIMIT_FSIZE, self.before)


@harm("disk")
class DiskFull(Harm):
    def begin(self):
        self.filler = fill(self.cluster.disks[self.name])

    def end(self):
        os.unlink(self.filler)


# ---- the network of nodes and observers ----

class OnHost(Harm):
    def end(self):
        self.cluster.hosts.clear(self.name)


@harm("host")
class PartitionBothWays(OnHost):
    def begin(self):
        self.cluster.hosts.drop(self.name, "INPUT")
        self.cluster.hosts.drop(self.name, "OUTPUT")


@harm("host")
class PartitionOneWay(OnHost):
    def begin(self):
        self.cluster.hosts.drop(self.name, self.chance.choice(("INPUT", "OUTPUT")))


@harm("host")
class LinkDown(OnHost):
    def begin(self):
        self.cluster.hosts.link(self.name, False)


@harm("host")
class PacketLoss(OnHost):
    def begin(self):
        self.cluster.hosts.drop_share(self.name, "INPUT", 0.3)


@harm("host")
class SlowLink(OnHost):
    def begin(self):
        self.cluster.hosts.slow(self.name, 256)


# ---- observers ----

@harm("observer")
class ObserverFrozen(BrokerFrozen):
    pass


@harm("recorder")
class RecorderKilled(Harm):
    def begin(self):
        self.process().kill()

    def end(self):
        self.cluster.start_recorder(self.name)


# ---- connections ----

class OnProxy(Harm):
    def end(self):
        self.cluster.chaos.calm()


@harm("proxy")
class ConnectionResets(OnProxy):
    def begin(self):
        self.cluster.chaos.set(reset_every_ms=self.chance.randint(100, 1000))


@harm("proxy")
class Delay(OnProxy):
    def begin(self):
        self.cluster.chaos.set(delay_ms=self.chance.randint(0, 200), jitter_ms=self.chance.randint(0, 800))


@harm("proxy")
class Hold(OnProxy):
    def begin(self):
        self.cluster.chaos.set(hold=self.chance.choice(("up", "down", "both")))


@harm("proxy")
class HalfOpen(OnProxy):
    def begin(self):
        self.cluster.chaos.set(act="half_open")


@harm("proxy")
class Refuse(OnProxy):
    def begin(self):
        self.cluster.chaos.set(refuse=True, act="reset")
