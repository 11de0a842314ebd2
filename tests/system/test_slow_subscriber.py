#!/usr/bin/env python3
"""A subscriber stands still while far more is published than a stock mosquitto keeps for it (20 messages in flight,
1,000 queued, the rest dropped behind a success). When it goes on it handles every event once, healed by the nodes."""
import json
import signal

from fabric import SIGTERM, FabricTest, disorder, events, losses, main, sessions, wait_for

NODES = ("host-a", "host-b", "host-c")
STOCK = "allow_anonymous true\n"
QUEUED_MAX = 1000 + 20
KINDS = (
    {"type": "tool_call_start", "toolCallStart": {"toolName": "Bash", "callId": "c"}},
    {"type": "llm_request_start", "llmRequestStart": {"model": "m", "requestId": "r"}},
    {"type": "agent_error", "agentId": "a", "agentError": {"error": "e"}},
    {"type": "session_start"},
    {"type": "token_usage", "tokenUsage": {"model": "m", "inputTokens": 1}},
    {"type": "custom", "custom": {"eventType": "x", "dataJson": "1"}},
)
EACH = 3  # events of a kind in a group: what a stream sends together at most, when the broker keeps up


class SlowSubscriber(FabricTest):
    def setUp(self):
        super().setUp()
        self.fabric.start_broker(STOCK)
        self.nodes = {name: self.fabric.start_node(name, "--stats") for name in NODES}
        self.sub = self.fabric.start_sub()
        self.fabric.wait_connected(*self.nodes.values())
        self.feeders = [self.fabric.feeder(self.fabric.socket_of(name), feed="trace") for name in NODES]
        self.sent = []

    def publish(self, count):
        """In small groups, each accepted before the next: that makes many messages."""
        end = len(self.sent) + count
        while len(self.sent) < end:
            for feeder in self.feeders:
                for kind in KINDS * EACH:
                    self.sent.append(f"s{len(self.sent)}")
                    feeder.send({**kind, "sessionId": self.sent[-1]})
            for feeder in self.feeders:
                feeder.flush()

    def stand_still(self):
        self.sub.signal(signal.SIGSTOP)
        self.addCleanup(self.sub.signal, signal.SIGCONT)

    def go_on_and_expect_everything(self):
        self.sub.signal(signal.SIGCONT)
        self.publish(len(NODES) * len(KINDS) * EACH)
        wait_for(lambda: len(events(self.sub)) >= len(self.sent), f"{len(self.sent)} events arrive")
        self.expect_each_once(sessions(self.sub), self.sent)
        self.assertEqual(disorder(events(self.sub)), [])
        self.assertEqual(losses(self.sub), [])

    def stop_nodes(self):
        """Their figures, summed."""
        figures = []
        for node in self.nodes.values():
            node.signal(SIGTERM)
            self.assertEqual(node.wait(), 0)
            figures.append(json.loads(node.lines()[-1]))
        return {name: sum(f[name] for f in figures) for name in figures[0]}

    def test_what_the_broker_dropped_is_healed(self):
        self.publish(100)
        self.stand_still()
        self.publish(20000)
        self.go_on_and_expect_everything()
        sums = self.stop_nodes()
        print(f"{sums['sent_messages']} messages, {sums['replayed_events']} of {sums['sent_events']} events replayed")
        self.assertGreater(sums["sent_messages"], 3 * QUEUED_MAX)
        self.assertGreater(sums["replayed_events"], 0)
        self.assertEqual(sums["lost_events"], 0)

    def test_what_a_killed_broker_forgot_is_healed_also_from_a_nodes_earlier_life(self):
        self.publish(100)
        self.stand_still()
        self.publish(3000)
        self.nodes["host-b"].kill()
        self.fabric.broker.kill()
        self.fabric.start_broker()
        self.nodes["host-b"] = self.fabric.start_up("host-b", "--stats")
        self.publish(3000)
        self.go_on_and_expect_everything()
        self.assertGreater(self.stop_nodes()["replayed_events"], 0)


if __name__ == "__main__":
    main()
