#!/usr/bin/env python3
"""`weft account` against what the test has sent and seen itself: with kills, with a node that does not answer."""
import json
import os
import random
import secrets
import signal
import subprocess
from collections import Counter

from fabric import FabricTest, events, main, numbered, sessions, wait_for
from wire import TRAILER, events_pb2

NODES = ("host-a", "host-b")
ROUNDS = 12
BURST_MAX = 60
WAIT_S = 60
SEED = int(os.environ.get("WEFT_TEST_SEED", 0)) or secrets.randbelow(10**9)
TOPICS = ("session", "tool", "cost")


def varint(number):
    found = b""
    while number > 127:
        found += bytes([number & 127 | 128])
        number >>= 7
    return found + bytes([number])


class Account(FabricTest):
    def setUp(self):
        super().setUp()
        self.fabric.start_broker()
        self.nodes = {name: self.fabric.start_node(name) for name in NODES}
        self.fabric.wait_connected(*self.nodes.values())
        self.sub = self.fabric.start_sub(*(word for topic in TOPICS + ("system",) for word in ("--topic", topic)))

    def account(self, *words):
        return self.fabric.weft("account", "--broker", self.fabric.url, *words, timeout=2 * WAIT_S)

    def settled(self, *words):
        """The accounts of these nodes and of the subscriber, once everything adds up."""
        def ask():
            result = self.account("--wait", str(WAIT_S), "--json", *words)
            self.assertEqual(result.returncode, 0, result.stdout.decode() + result.stderr.decode())
            told = json.loads(result.stdout)
            return told if any(node["listener"] for node in told["nodes"]) else None

        return wait_for(ask, "the subscriber answers too", 2 * WAIT_S)

    def expect_own_lists(self, told, sent):
        """The accounts say what the test has counted: sent is {(node, topic): events}."""
        own, delivered = Counter(), {}
        for one in told["accounts"]:
            row = one.get("own", {})
            if one["state"] == "own":
                own[row["node"], row["topic"]] += row.get("published", 0)
            elif row and one["listener"]:
                delivered[row["node"], str(row["epoch"]), row["topic"]] = one["received"].get("delivered", 0)
                self.assertEqual(one["state"], "adds up", one)
        seen = Counter((event["node"], event["epoch"], event["topic"]) for event in events(self.sub))
        self.assertEqual({stream: count for stream, count in own.items() if stream[1] != "system"}, sent)
        self.assertEqual({stream: count for stream, count in delivered.items() if count > 0}, dict(seen))

    def test_what_it_says_is_what_was_sent_and_seen_whoever_is_killed(self):
        print(f"WEFT_TEST_SEED={SEED}", flush=True)
        chance, sent = random.Random(SEED), Counter()
        feeders = {name: self.fabric.feeder(self.fabric.socket_of(name), feed="trace") for name in NODES}
        for turn in range(ROUNDS):
            for name, feeder in feeders.items():
                for _ in range(chance.randint(1, BURST_MAX)):
                    event = numbered(name, feeder.next)
                    sent[name, TOPICS[feeder.next % 3]] += 1
                    feeder.send(event)
                feeder.take_answers()
            if turn % 4 == 1:
                name = chance.choice(NODES)
                self.nodes[name].kill()
                self.nodes[name] = self.fabric.start_node(name)
            elif turn % 4 == 3:
                self.sub.signal(signal.SIGSTOP)
                self.fabric.broker.kill()
                self.sub.signal(signal.SIGCONT)
                self.fabric.start_broker()
        for feeder in feeders.values():
            feeder.flush()
            self.assertEqual(feeder.refused, {})
        told = self.settled(*NODES)
        wait_for(lambda: len(sessions(self.sub)) >= sum(sent.values()), "the subscriber has printed them all")
        self.assertEqual(len(sessions(self.sub)), sum(sent.values()))
        self.expect_own_lists(told, dict(sent))
        self.assertEqual((told["whole"], told["under_way"], told["differ"]), (True, 0, 0))
        self.assertNotIn("unaccounted", self.sub.err())

    def test_a_node_that_does_not_answer_is_named(self):
        self.fabric.weft("pub", "--node", "host-a", "session_start", "session_id=s1")
        self.settled("host-a")
        self.nodes["host-b"].signal(signal.SIGSTOP)
        try:
            result = self.account("--timeout", "1")
        finally:
            self.nodes["host-b"].signal(signal.SIGCONT)
        self.assertEqual(result.returncode, 1, result.stdout)
        self.assertIn("host-b has not answered", result.stdout.decode().splitlines()[-1])
        self.assertEqual(self.account("host-c", "--timeout", "1").returncode, 1)

    def test_events_without_an_end_are_under_way_not_lost(self):
        """A publisher whose broker is away has events pending: that is no verdict against anybody."""
        self.fabric.weft("pub", "--node", "host-a", "session_start", "session_id=s1")
        self.settled("host-a")
        self.sub.signal(signal.SIGSTOP)
        self.fabric.weft("pub", "--node", "host-a", "session_start", "session_id=s2")
        try:
            result = self.account("--timeout", "1", "--json")
        finally:
            self.sub.signal(signal.SIGCONT)
        told = json.loads(result.stdout)
        self.assertEqual(told["differ"], 0)
        self.settled("host-a")

    def test_what_the_broker_cannot_carry_is_lost_on_both_sides(self):
        """An event that the node takes and the broker does not: never a reconnect loop, and counted here and there."""
        self.fabric.weft("pub", "--node", "host-a", "session_start", "session_id=first")
        wait_for(lambda: sessions(self.sub) == ["first"], "the subscriber knows the stream")
        self.fabric.broker.kill()
        self.fabric.start_broker("allow_anonymous true\nmax_packet_size 20000\n")
        for node in self.nodes.values():
            wait_for(lambda node=node: node.err().count("broker-connected") == 2, "the nodes are back")
        feeder = self.fabric.feeder(self.fabric.socket_of("host-a"))
        for session in ("before", "big", "after"):
            feeder.send({"type": "session_start", "sessionId": session,
                         "attributes": {"text": "x" * (100000 if session == "big" else 1)}})
        feeder.flush()
        self.assertEqual(feeder.refused, {})
        told = self.settled("host-a")
        [own] = [one["own"] for one in told["accounts"] if one["state"] == "own" and one["own"]["topic"] == "session"]
        self.assertEqual((own["published"], own["acknowledged"], own["lost_too_large"]), (4, 3, 1))
        [received] = [one["received"] for one in told["accounts"] if one["state"] == "adds up" and one["listener"]
                      and one["own"]["topic"] == "session"]
        self.assertEqual((received["delivered"], received["lost_too_large"]), (3, 1))
        wait_for(lambda: sessions(self.sub) == ["first", "before", "after"], "the others arrive")
        self.assertEqual(self.nodes["host-a"].err().count("broker-connected"), 2)
        self.assertIn("events-lost", self.nodes["host-a"].err())

    def junk(self):
        """What anybody may publish who may publish at all, and what it is counted as."""
        batch = events_pb2.EventBatch(node="stranger", epoch=7)
        batch.events.add(seq=1, timestamp_ms=1767614400000, session_id="s1").session_start.SetInParent()
        good = batch.SerializeToString()
        deep = b""
        for _ in range(3000):
            deep = b"\x22" + varint(len(deep)) + deep
        return [(good + TRAILER + b"\0\0\0\0", "dropped_corrupt"),
                (b"\x0a\x04host\x10\x07", "dropped_foreign"),
                (deep, "dropped_malformed"),
                (b"\x22\xff\xff\xff\xff\x07x", "dropped_malformed"),  # 2 GB, it says
                (b"\x0a\x02\xff\xfe\x10\x07", "dropped_malformed"),
                (b"\x0a\x09stranger\0\x10\x07", "dropped_malformed"),
                (good.replace(b"stranger", b"strange\xc3"), "dropped_malformed"),
                (b"\xff" * 1000, "dropped_malformed")]

    def test_junk_is_counted_by_who_sent_it_and_stops_nobody(self):
        junk = self.junk()
        for payload, _ in junk:
            subprocess.run(["mosquitto_pub", "-p", str(self.fabric.port), "-q", "1", "-t",
                            "weft/v1/default/evt/session/stranger", "-s"], input=payload, check=True)
        self.fabric.weft("pub", "--node", "host-a", "session_start", "session_id=s1")
        wait_for(lambda: sessions(self.sub) == ["s1"], "the good one arrives")
        told = self.settled("host-a")
        [dropped] = [row for node in told["nodes"] for row in node["dropped"] if node["listener"]]
        self.assertEqual((dropped["node"], dropped["topic"]), ("stranger", "session"))
        for kind, count in Counter(kind for _, kind in junk).items():
            self.assertEqual(dropped.get(kind), count, dropped)
        self.assertEqual(self.nodes["host-a"].err().count("broker-connected"), 1)

    def test_the_command_line_is_checked(self):
        self.expect(self.account("Host A"), 2, "'Host A' is no node's name")
        nowhere = self.fabric.weft("account", "--broker", "mqtt://127.0.0.1:1", "--timeout", "1")
        self.expect(nowhere, 3, "cannot reach the broker")


if __name__ == "__main__":
    main()
