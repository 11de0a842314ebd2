#!/usr/bin/env python3
"""Who comes late asks for the past: it comes from the journals of the nodes that said it, over all their lives, old
before new within a stream, each event once; what is too old stays away without a word, what is gone is called lost."""
import datetime
import threading
import time

from fabric import WEFT, FabricTest, events, losses, main, sessions, wait_for

NODES = ("host-a", "host-b", "host-c")
CLOCK_SKEW_S = 5.1


def usage(session, tokens=1):
    return {"type": "token_usage", "sessionId": session, "tokenUsage": {"model": "m", "inputTokens": tokens}}


def tool(session):
    return {"type": "tool_call_start", "sessionId": session, "toolCallStart": {"toolName": "Bash", "callId": "c"}}


class Since(FabricTest):
    def setUp(self):
        super().setUp()
        self.fabric.start_broker()
        self.sent = {name: [] for name in NODES}
        self.feeders = {}

    def start(self, *names):
        nodes = [self.fabric.start_node(name) for name in names]
        for name in names:
            self.feeders[name] = self.fabric.feeder(self.fabric.socket_of(name), feed=f"trace-{len(self.sent[name])}")
        self.fabric.wait_connected(*nodes)
        return nodes

    def publish(self, name, count):
        for _ in range(count):
            session = f"{name}/{len(self.sent[name])}"
            self.sent[name].append(session)
            self.feeders[name].send((usage if len(self.sent[name]) % 3 else tool)(session))
        self.feeders[name].flush()

    def listen(self, since, *words):
        return self.fabric.spawn("sub", [WEFT, "sub", "--broker", self.fabric.url, "--json", "--since", since, *words])

    def all_sent(self):
        return [session for name in NODES for session in self.sent[name]]

    def expect_old_before_new(self, sub):
        last = {}
        for event in events(sub):
            stream = (event["node"], event["epoch"], event["topic"])
            self.assertGreater(int(event["seq"]), last.get(stream, 0), event)
            last[stream] = int(event["seq"])

    def test_a_late_listener_gets_the_past_of_all_lives_before_the_present(self):
        nodes = self.start(*NODES)
        for name in NODES:
            self.publish(name, 3000)
        nodes[0].kill()
        self.start("host-a")
        self.publish("host-a", 500)
        stop = threading.Event()
        flow = threading.Thread(target=lambda: self.flow("host-b", stop))
        flow.start()
        self.addCleanup(stop.set)
        sub = self.listen("10m")
        wait_for(lambda: len(events(sub)) >= 9500, "the past arrives")
        stop.set()
        flow.join()
        wait_for(lambda: len(events(sub)) >= len(self.all_sent()), "the present arrives")
        self.expect_each_once(sessions(sub), self.all_sent())
        self.expect_old_before_new(sub)
        self.assertEqual(losses(sub), [])
        self.assertTrue(all(int(event.get("flags", 0)) & 1 for event in events(sub) if event["node"] == "host-c"))

    def flow(self, name, stop):
        while not stop.is_set():
            self.publish(name, 10)

    def test_only_what_was_accepted_since_then_comes(self):
        self.start("host-a")
        self.publish("host-a", 1000)
        old_at = time.time()
        wait_for(lambda: time.time() > old_at + CLOCK_SKEW_S, "the clock is beyond what is granted to it")
        since = datetime.datetime.now(datetime.timezone.utc).isoformat(timespec="milliseconds").replace("+00:00", "Z")
        old = len(self.sent["host-a"])
        self.publish("host-a", 100)
        sub = self.listen(since)
        wait_for(lambda: self.sent["host-a"][-1] in sessions(sub), "the newest arrives")
        self.expect_each_once(sessions(sub), self.sent["host-a"][old:])
        self.assertEqual(losses(sub), [])

    def test_a_listener_for_one_topic_gets_its_past_only(self):
        self.start("host-a")
        self.publish("host-a", 300)
        sub = self.listen("2025-01-01T00:00:00Z", "--topic", "tool", "--count", "100")
        self.assertEqual(sub.wait(), 0)
        self.assertEqual({event["topic"] for event in events(sub)}, {"tool"})
        self.expect_old_before_new(sub)

    def test_a_time_that_is_none_is_refused(self):
        for wrong in ("yesterday", "10", "-5m", "2026-13-01T00:00:00Z"):
            self.expect(self.fabric.weft("sub", f"--since={wrong}"), 2, wrong, "10m")


if __name__ == "__main__":
    main()
