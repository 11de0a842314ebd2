"""What can happen to the broker."""
import signal

from catalogue import fault
from cluster import STOCK, Broken
from shared import mosquitto, wait_for


@fault("broker killed and restarted, also in a loop", quick=True, observers=2)
def broker_kill_loop(c):
    for _ in range(4):
        c.broker.kill()
        c.wait_accepted(100)
        c.start_broker()
        c.wait_flow()
    c.broker.kill()  # and once more before anybody has settled
    c.start_broker()
    c.broker.kill()
    c.wait_accepted(50)
    c.start_broker()
    c.wait_flow()


@fault("broker absent at start", quick=True, start=False)
def broker_absent_at_start(c):
    c.start_broker()
    c.start_observer("observer-1")
    c.broker.kill()
    for name in c.names:
        c.start_cluster_node(name)
        c.start_publisher(name)
    c.wait_accepted(1000)
    c.start_broker()
    c.wait_flow()


@fault("broker away for long", rate=None, group=20)
def broker_away_long(c):
    """Far more than the memory of an uplink holds."""
    c.broker.kill()
    c.wait_accepted(150000, deadline_s=180)
    for publisher in c.publishers.values():
        publisher.rate, publisher.group = 200, 1
    c.start_broker()
    c.wait_flow()


@fault("broker frozen", quick=True, seconds=30)
def broker_frozen(c):
    c.broker.signal(signal.SIGSTOP)
    for name in c.names:
        c.wait_said(name, "broker-disconnected")
    c.wait_accepted(100)  # local publishing goes on
    c.broker.signal(signal.SIGCONT)
    c.wait_flow()


@fault("broker queue overflow: an offline session under stock settings", quick=True, settings=STOCK, rate=1200)
def queue_overflow(c):
    """The observer's host is cut off; the broker keeps its session, 1,000 messages of it, and drops the rest."""
    c.hosts.link("observer-1", False)
    before = c.observers["observer-1"].history.handled
    c.wait_accepted(8000)
    c.hosts.clear("observer-1")
    c.wait_flow()
    c.notes.append(f"{c.observers['observer-1'].history.handled - before} after the cut")


@fault("a broker with a smaller limit than the events it gets", rate=50)
def over_the_limit(c):
    """Accepted while the broker was away, and over its limit when it comes: given up, counted, told, and no loop."""
    c.broker.kill()
    load = c.loads["host-a"]
    load.padding = "x" * 40000
    c.wait_accepted(20, ["host-a"])
    c.publishers["host-a"].finish()
    c.start_broker("allow_anonymous true\nmax_packet_size 20000\n")
    c.wait_said("host-a", "events-lost")
    c.wait_flow(["host-b"])
    connects = c.said("host-a", "broker-connected")
    wait_for(lambda: c.observers["observer-1"].losses(), "the observer is told of the loss")
    c.wait_flow(["host-b"])
    if c.said("host-a", "broker-connected") > connects + 1:
        raise Broken("host-a connects again and again")
    missing = sum(map(len, c.observers["observer-1"].history.missing(
        {"host-a": c.publishers["host-a"].accepted}).values()))
    told = sum(int(count or 0) for count, *_ in c.observers["observer-1"].losses())
    c.notes.append(f"{missing} over the limit, {told} told as lost")
    c.lost_allowed = missing


MIRROR = """connection mirror
address {address}:1883
topic # both 1
restart_timeout 1
"""


@fault("loop A→B→A over two brokers that mirror each other", quick=True, start=False, observers=2)
def mirrored_brokers(c):
    """host-b and observer-2 are at the second broker; everybody hears everything, each event once."""
    second = c.hosts.add("broker-2")
    path = c.path("second.conf")
    with open(path, "w", encoding="utf-8") as file:
        file.write(f"listener 1883 {second}\n{c.broker_settings}user root\n")
    broker = c.spawn_on("broker-2", "second-broker", [mosquitto(), "-c", path])
    c.start_broker(c.broker_settings + MIRROR.format(address=second))
    wait_for(lambda: "mirror" in broker.err(), "the brokers are connected")
    c.urls["host-b"] = c.urls["observer-2"] = f"mqtt://{second}:1883"
    for name in c.names:
        c.start_cluster_node(name)
    for name in c.observer_names:
        c.start_observer(name)
    c.wait_up(*c.names)
    c.start_load()
    c.wait_accepted(500)
    c.broker.kill()  # the mirror goes with it
    c.wait_accepted(200)
    c.start_broker()
    c.wait_flow()


@fault("broker killed before a new subscriber has heard of any stream", quick=True, start=False, observers=2,
       rate=1000, seconds=20)
def broker_kill_at_first(c):
    """The nodes were there before the observers, which have heard a beat of each and no event: that is what they know
    of the streams. And the nodes are back at the broker before the observers: what they send then is for nobody."""
    c.start_broker()
    for name in c.names:
        c.start_cluster_node(name)
    c.wait_up(*c.names)
    for name in c.observer_names:
        c.start_observer(name)
    c.wait_beats()
    for name in c.names:
        c.start_publisher(name)
    c.wait_accepted(5)
    for times in (2, 3, 4):
        c.broker.kill()
        c.wait_accepted(100)
        for name in c.observer_names:
            c.hosts.link(name, False)
        c.start_broker()
        for name in c.names:
            c.wait_said(name, "broker-connected", times)
        c.wait_accepted(100)
        for name in c.observer_names:
            c.hosts.clear(name)
    c.wait_flow()
