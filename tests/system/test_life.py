#!/usr/bin/env python3
"""Nodes that end, one way or another: what others are told, and what is kept of what was accepted."""
import json
from signal import SIGCONT, SIGSTOP

from fabric import SIGKILL, SIGTERM, FabricTest, events, main, sessions, synthetic, wait_for


def start_of(session):
    return {"type": "session_start", "sessionId": session}


class Ends(FabricTest):
    def setUp(self):
        super().setUp()
        self.fabric.start_broker()
        self.node = self.fabric.start_up("host-a", "--stats", "--drain-timeout", "2")
        self.sub = self.fabric.start_sub("--topic", "session", "--topic", "system")

    def feed(self, feeder, count):
        for i in range(count):
            feeder.send(start_of(f"s{i}"))

    def feed_until_it_ends(self, feeder):
        """At full speed; in the middle of it the node is told to stop."""
        try:
            for i in range(1000000):
                if i == 3000:
                    self.node.signal(SIGTERM)
                feeder.unanswered[feeder.next] = json.dumps(start_of(f"s{i}")).encode() + b"\n"
                feeder.next += 1
                feeder.stream.sendall(feeder.unanswered[feeder.next - 1])
                feeder.take_answers()
        except OSError:
            pass

    def accepted(self, feeder):
        """The sessions whose lines were answered, in the end."""
        feeder.take_answers()
        return [f"s{line - 1}" for line in range(1, feeder.next) if line not in feeder.unanswered]

    def expect_all(self, accepted):
        """Each accepted one arrives, once; ones that were not answered may."""
        wait_for(lambda: set(accepted) <= set(sessions(self.sub)), "all accepted events arrive")
        self.assertEqual(len(sessions(self.sub)), len(set(sessions(self.sub))))

    def test_what_a_killed_node_left_open_is_closed_at_each_observer(self):
        feeder = self.fabric.feeder(self.fabric.socket_of("host-a"))
        feeder.send(start_of("done"))
        feeder.send({"type": "session_end", "sessionId": "done"})
        feeder.send(start_of("open"))
        feeder.flush()
        wait_for(lambda: len(events(self.sub)) == 3, "all events arrive")
        self.node.signal(SIGKILL)
        made_up = wait_for(lambda: synthetic(self.sub), "the open session is closed")
        self.assertEqual([(e["type"], e["sessionId"], e["node"]) for e in made_up], [("session_end", "open", "host-a")])
        self.assertEqual(made_up[0]["attributes"], {"weft.closed": "lost"})
        self.assertEqual(int(made_up[0].get("seq", 0)), 0)
        self.assertEqual(len(events(self.sub)), 3)

    def test_a_node_that_stood_still_has_its_sessions_back(self):
        node = self.fabric.start_up("host-b", "--keep-alive", "1")
        feeder = self.fabric.feeder(self.fabric.socket_of("host-b"))
        feeder.send(start_of("s1"))
        feeder.flush()
        wait_for(lambda: sessions(self.sub) == ["s1"], "the session begins")
        node.signal(SIGSTOP)  # the broker publishes its will after 1.5 keep-alives
        wait_for(lambda: synthetic(self.sub), "the session is closed")
        node.signal(SIGCONT)
        again = wait_for(lambda: synthetic(self.sub)[1:], "it is open again")
        self.assertEqual([(e["type"], e["sessionId"], e["attributes"]) for e in again],
                         [("session_start", "s1", {"weft.still_open": "lost"})])
        self.assertEqual(again[0]["timestampMs"], events(self.sub)[0]["timestampMs"])
        feeder.send({"type": "session_end", "sessionId": "s1"})
        feeder.flush()
        wait_for(lambda: [e["type"] for e in events(self.sub)] == ["session_start", "session_end"], "it really ends")
        self.assertEqual(len(synthetic(self.sub)), 2)

    def test_a_stop_under_load_keeps_what_was_accepted_and_says_goodbye(self):
        feeder = self.fabric.feeder(self.fabric.socket_of("host-a"))
        self.feed_until_it_ends(feeder)
        self.assertEqual(self.node.wait(), 0, self.node.err())
        accepted = self.accepted(feeder)
        self.assertGreater(len(accepted), 0)
        self.assertGreater(len(feeder.unanswered), 0)
        figures = json.loads(self.node.lines()[-1])
        self.assertGreaterEqual(figures["written"], len(accepted))
        nodes = self.fabric.weft("node", "ls", "--json", "--broker", self.fabric.url)
        self.assertEqual([json.loads(line)["state"] for line in nodes.stdout.splitlines()], ["goodbye"])
        self.fabric.start_node("host-a")  # sends what the other had not got rid of
        self.expect_all(accepted)

    def test_a_stop_at_a_frozen_broker_ends_in_time_and_the_journal_keeps_the_rest(self):
        self.fabric.broker.signal(SIGSTOP)
        feeder = self.fabric.feeder(self.fabric.socket_of("host-a"))
        self.feed(feeder, 2000)
        feeder.flush()  # the journal has it: that is all that accepting needs
        self.node.signal(SIGTERM)
        self.assertEqual(self.node.wait(), 0, self.node.err())
        self.assertIn("node-undrained", self.node.err())
        self.assertGreater(json.loads(self.node.lines()[-1])["pending_events"], 0)
        self.fabric.broker.signal(SIGCONT)
        self.fabric.start_node("host-a")
        self.expect_all([f"s{i}" for i in range(2000)])

    def test_a_second_signal_under_load_ends_at_once_and_loses_nothing(self):
        self.fabric.broker.signal(SIGSTOP)
        feeder = self.fabric.feeder(self.fabric.socket_of("host-a"))
        self.feed(feeder, 2000)
        feeder.flush()
        self.node.signal(SIGTERM)
        wait_for(lambda: "node-stopping" in self.node.err(), "it drains")
        self.node.signal(SIGTERM)
        self.assertEqual(self.node.wait(), 128 + SIGTERM)
        self.fabric.broker.signal(SIGCONT)
        self.fabric.start_node("host-a")
        self.expect_all([f"s{i}" for i in range(2000)])


if __name__ == "__main__":
    main()
