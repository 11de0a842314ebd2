"""What can happen between the hosts."""
import time

from catalogue import fault
from shared import wait_for


def peers_know(c, name, times):
    """Waits until the other node has heard of the death of this one, and this one that it is cut off."""
    began = time.monotonic()
    c.wait_said("host-b", f"{name} is down: ", times)
    c.notes.append(f"host-b knew of {name} after {time.monotonic() - began:.1f} s")
    c.wait_said(name, "broker-disconnected", times)
    c.notes.append(f"{name} itself after {time.monotonic() - began:.1f} s")


@fault("connection resets", quick=True, through_proxy=("host-a", "host-b", "observer-1"))
def connection_resets(c):
    c.chaos.set(reset_every_ms=400)
    c.wait_accepted(1500)
    c.chaos.set(reset_every_ms=2000)
    c.wait_accepted(1500)
    c.notes.append(f"{c.chaos.calm()['resets']} connections reset")
    c.wait_flow()


@fault("partition of one node, both ways", quick=True, seconds=30)
def partition_both_ways(c):
    c.hosts.drop("host-a", "INPUT")
    c.hosts.drop("host-a", "OUTPUT")
    peers_know(c, "host-a", 1)
    c.hosts.clear("host-a")
    c.wait_flow()


@fault("partition one way: nothing comes in", seconds=30)
def partition_one_way_in(c):
    c.hosts.drop("host-a", "INPUT")
    c.wait_said("host-a", "broker-disconnected")
    c.hosts.clear("host-a")
    c.wait_flow()


@fault("partition one way: nothing goes out", seconds=30)
def partition_one_way_out(c):
    c.hosts.drop("host-a", "OUTPUT")
    c.wait_said("host-a", "broker-disconnected")
    c.hosts.clear("host-a")
    c.wait_flow()


@fault("partition: the link goes down", seconds=30)
def link_down(c):
    for round_ in (1, 2):
        c.hosts.link("host-a", False)
        c.wait_accepted(500)
        if round_ == 2:
            peers_know(c, "host-a", 1)
        c.hosts.clear("host-a")
        c.wait_flow()


@fault("partition of an observer", seconds=30)
def observer_cut_off(c):
    c.hosts.drop("observer-1", "INPUT")
    c.hosts.drop("observer-1", "OUTPUT")
    wait_for(lambda: "broker-disconnected" in c.observers["observer-1"].process.err(), "the observer knows")
    c.hosts.clear("observer-1")
    c.wait_flow()


@fault("30% packet loss", quick=True, rate=50)
def packet_loss_30(c):
    for name in ("host-a", "observer-1"):
        c.hosts.drop_share(name, "INPUT", 0.3)
    c.wait_accepted(500)
    c.hosts.clear("host-a")
    c.hosts.clear("observer-1")
    c.wait_flow()


@fault("256 kbit/s", quick=True, rate=100)
def slow_link_256k(c):
    for name in ("host-a", "observer-1"):
        c.hosts.slow(name, 256)
    c.wait_accepted(1000)
    c.wait_flow()  # also while it is slow
    c.hosts.clear("host-a")
    c.hosts.clear("observer-1")
    c.wait_flow()


@fault("delay, reordering of connections", quick=True, through_proxy=("host-a", "host-b", "observer-1"), seconds=13)
def delay_and_reorder(c):
    c.chaos.set(delay_ms=100, jitter_ms=400)
    c.wait_accepted(1000)
    c.chaos.set(act="reset")
    c.wait_accepted(500)
    c.wait_flow()
    c.chaos.calm()
    c.wait_flow()


@fault("a proxy that takes everything and passes nothing on, then one whose server's end is gone",
       through_proxy=("host-a", "observer-1"), seconds=55)
def half_open(c):
    c.chaos.set(hold="both")
    c.wait_said("host-a", "broker-disconnected")
    c.chaos.calm()
    c.wait_flow()
    c.chaos.set(act="half_open")
    c.wait_said("host-a", "broker-disconnected", 2)
    c.wait_flow()


@fault("one direction of a connection stands still", through_proxy=("host-a", "host-b", "observer-1"), seconds=30)
def one_direction(c):
    for way in ("up", "down"):
        c.chaos.set(hold=way)
        c.wait_said("host-a", "broker-disconnected")
        c.chaos.calm()
        c.wait_flow()
