"""What can happen to those who listen."""
import signal

from catalogue import fault
from cluster import STOCK, Broken


@fault("slow subscriber", quick=True, settings=STOCK, rate=600, observers=2, seconds=16)
def slow_subscriber(c):
    """One observer stands still again and again; the other is not touched by it."""
    slow = c.observers["observer-1"].process
    for _ in range(5):
        slow.signal(signal.SIGSTOP)
        c.wait_accepted(2500)
        lag = c.accepted() - c.observers["observer-2"].history.handled
        slow.signal(signal.SIGCONT)
        c.wait_accepted(300)
        c.read()
        if lag > 20000:
            raise Broken(f"the other observer lags {lag} events behind")
    c.wait_flow()


@fault("stopped subscriber, until the broker lets go of it", settings=STOCK, rate=600, observers=2, seconds=25)
def stopped_subscriber(c):
    stopped = c.observers["observer-1"].process
    stopped.signal(signal.SIGSTOP)
    c.wait_accepted(25000, deadline_s=120)
    stopped.signal(signal.SIGCONT)
    c.wait_flow()


@fault("a node stands still: it is a subscriber and a publisher", seconds=20)
def stopped_node(c):
    c.nodes["host-a"].signal(signal.SIGSTOP)
    c.wait_said("host-b", "host-a is down: ")
    c.nodes["host-a"].signal(signal.SIGCONT)
    c.wait_flow()
