#!/usr/bin/env python3
"""Two brokers that mirror each other: what goes from the first to the second comes back to the first. Each event is
handled once on both sides, a node does not take its own events for another's, and the messages do not multiply."""
import json

from fabric import Fabric, FabricTest, disorder, events, main, sessions, wait_for

EVENTS = 300
WAIT_S = 60

# `both` sends and fetches; a connection that does not say it is a bridge gets back what it has sent.
BRIDGE = """connection mirror
address 127.0.0.1:{port}
topic weft/# both 1
try_private {private}
notifications false
restart_timeout 1
"""


class Mirror(FabricTest):
    def setUp(self):
        super().setUp()
        self.far = Fabric()
        self.addCleanup(self.far.close)

    def start(self, private):
        """Both brokers, a node and a subscriber at each; and all messages of events that pass the brokers."""
        self.far.start_broker()
        limits = self.fabric.broker_settings
        self.fabric.start_broker(limits + BRIDGE.format(port=self.far.port, private=private))
        sides = ((self.fabric, "near"), (self.far, "far"))
        self.subs = [fabric.start_sub("--topic", "session", "--topic", "system") for fabric, _ in sides]
        for sub in self.subs:
            wait_for(lambda sub=sub: self.is_heard(sub), "the brokers have found each other")
        for fabric, name in sides:  # last: a mirror that is no bridge passes births on, but does not retain them
            fabric.start_up(name)
        self.taps = [fabric.spawn("tap", ["mosquitto_sub", "-p", str(fabric.port), "-F", "%t", "-t",
                                          "weft/v1/default/evt/session/+"]) for fabric, _ in sides]

    def is_heard(self, sub):
        """Whether a subscriber has both sides' markers; each says one more."""
        for fabric in (self.fabric, self.far):
            fabric.weft("pub", "--broker", fabric.url, "shutdown_requested", f"reason=from-{fabric.port}",
                        "session_id=marker", "agent_id=marker")
        return all(f"from-{fabric.port}" in sub.out() for fabric in (self.fabric, self.far))

    def publish(self, fabric, name):
        lines = "".join(json.dumps({"type": "session_start", "sessionId": f"{name}/{number}"}) + "\n"
                        for number in range(EVENTS))
        self.expect(fabric.weft("pub", "--node", name, "--json", "-", stdin=lines.encode()), 0)

    def expect_once_on_both_sides(self):
        self.publish(self.fabric, "near")
        self.publish(self.far, "far")
        sent = [f"{name}/{number}" for name in ("near", "far") for number in range(EVENTS)]
        for sub in self.subs:
            wait_for(lambda sub=sub: len(sessions(sub)) >= len(sent), "all events arrive")
        for fabric in (self.fabric, self.far):  # it waits for beats that come after all of that
            told = fabric.weft("account", "--broker", fabric.url, "--wait", str(WAIT_S), timeout=2 * WAIT_S)
            self.assertEqual(told.returncode, 0, told.stdout.decode())
        for sub in self.subs:
            self.expect_each_once(sessions(sub), sent)
            self.assertEqual(disorder(events(sub)), [])
        for tap in self.taps:
            self.assertLessEqual(len(tap.lines()), 4 * len(sent), "the messages multiply")

    def test_each_event_once_where_brokers_mirror_each_other(self):
        self.start("true")
        self.expect_once_on_both_sides()

    def test_each_event_once_where_all_comes_back(self):
        """The loop: near says it, far gets it, near gets it back."""
        self.start("false")
        self.expect_once_on_both_sides()
        told = json.loads(self.fabric.weft("account", "--broker", self.fabric.url, "--json").stdout)
        repeated = sum(one["received"].get("duplicates", 0) for one in told["accounts"] if "received" in one)
        self.assertGreater(repeated, 0, "nothing came back: the loop was none")


if __name__ == "__main__":
    main()
