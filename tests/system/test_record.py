#!/usr/bin/env python3
"""The recorder's database holds each accepted event once, whoever is killed: the recorder in a loop, at its own commit
too, the broker, publishers; and what a host said that never comes back.

WEFT_TEST_SEED repeats a run: its choices are the same, though not the scheduling of the processes.
"""
import json
import os
import random
import secrets
import sqlite3

from fabric import SIGTERM, WEFT, FabricTest, main, numbered, wait_for

NODES = ("host-a", "host-b", "host-c")
ROUNDS = 12
BURST = 400
SEED = int(os.environ.get("WEFT_TEST_SEED", 0)) or secrets.randbelow(10**9)


class Record(FabricTest):
    def setUp(self):
        super().setUp()
        print(f"WEFT_TEST_SEED={SEED}", flush=True)
        self.random = random.Random(SEED)
        self.db = self.fabric.path("events.db")
        self.fabric.start_broker()
        self.nodes = {name: self.fabric.start_node(name) for name in NODES}
        self.feeders = {name: self.fabric.feeder(self.fabric.socket_of(name), feed="trace") for name in NODES}
        self.fabric.wait_connected(*self.nodes.values())

    def record(self, *words, env=None):
        recorder = self.fabric.spawn("record", [WEFT, "record", "--broker", self.fabric.url, "--db", self.db,
                                                "--since", "1h", *words], env=env)
        wait_for(lambda: "ready " in recorder.out() or recorder.child.poll() is not None, "the recorder is ready")
        return recorder

    def query(self, sql):
        with sqlite3.connect(f"file:{self.db}?mode=ro", uri=True, timeout=30) as db:
            rows = db.execute(sql).fetchall()
        db.close()
        return rows

    def send(self, name, count):
        feeder = self.feeders[name]
        for _ in range(count):
            feeder.send(numbered(name, feeder.next))

    def flush(self):
        for feeder in self.feeders.values():
            feeder.flush()

    def sent(self):
        return [f"{name}/{number}" for name in NODES for number in range(1, self.feeders[name].next)]

    def expect_all_recorded_once(self):
        sent = self.sent()
        wait_for(lambda: self.query("SELECT count(*) FROM events")[0][0] >= len(sent), f"{len(sent)} rows")
        self.expect_each_once([session for session, in self.query("SELECT session FROM events")], sent)
        self.assertEqual(self.query("SELECT * FROM lost"), [])

    def kill_node(self, name):
        self.nodes[name].kill()
        self.feeders[name].take_answers()
        self.nodes[name] = self.fabric.start_node(name)

    def test_each_event_is_in_it_once_whoever_is_killed(self):
        for round_number in range(ROUNDS):
            kill_at = {"WEFT_KILL_AT": f"handled:{self.random.randint(1, 20)}"} if self.random.random() < 0.5 else None
            recorder = self.record(env=kill_at)
            for name in NODES:
                self.send(name, self.random.randint(1, BURST))
            if round_number % 4 == 1:
                self.fabric.broker.kill()
                self.send(self.random.choice(NODES), self.random.randint(1, BURST))
                self.fabric.start_broker()
            if round_number % 4 == 3:
                self.kill_node(self.random.choice(NODES))
            for feeder in self.feeders.values():
                feeder.take_answers()
            if self.random.random() < 0.5:
                self.flush()
            recorder.kill()
        self.flush()
        recorder = self.record("--stats")
        self.expect_all_recorded_once()
        recorder.signal(SIGTERM)
        self.assertEqual(recorder.wait(), 0)
        self.assertEqual(json.loads(recorder.lines()[-1])["rows"], len(self.sent()))
        self.assertEqual(self.query("PRAGMA integrity_check"), [("ok",)])

    def test_a_host_that_never_comes_back_is_in_it(self):
        self.record()
        for name in NODES:
            self.send(name, 1000)
        self.flush()
        wait_for(lambda: self.query("SELECT count(*) FROM events WHERE node = 'host-b'")[0][0] == 1000, "host-b's rows")
        self.nodes["host-b"].kill()
        for name in ("host-a", "host-c"):
            self.send(name, 500)
            self.feeders[name].flush()
        self.expect_all_recorded_once()
        rows = self.query("SELECT node, topic, type, session, json_extract(event, '$.tokenUsage.inputTokens') FROM events "
                          "WHERE node = 'host-b' AND type = 'token_usage' ORDER BY seq LIMIT 1")
        self.assertEqual(rows, [("host-b", "cost", "token_usage", "host-b/2", "2")])

    def test_chosen_topics_only_and_what_is_too_old_goes(self):
        recorder = self.record("--topic", "cost", "--retain-size", "1MiB")
        for name in NODES:
            self.send(name, 6000)
        self.flush()
        wait_for(self.has_let_the_old_go, "a host's newest row without its oldest")
        self.assertEqual(self.query("SELECT DISTINCT topic FROM events"), [("cost",)])
        recorder.signal(SIGTERM)
        self.assertEqual(recorder.wait(), 0)
        self.assertIn("removed", recorder.err())

    def has_let_the_old_go(self):
        kept = {session for session, in self.query("SELECT session FROM events")}
        return any(f"{name}/5999" in kept and f"{name}/2" not in kept for name in NODES)

    def test_what_it_cannot_use_is_said(self):
        self.expect(self.fabric.weft("record"), 2, "--db")
        for wrong in (["--retain", "soon"], ["--retain-size", "10"], ["--topic", "costs"], ["--since", "tomorrow"]):
            self.expect(self.fabric.weft("record", "--db", self.db, *wrong), 2, wrong[0], wrong[1])
        self.record()
        self.expect(self.fabric.weft("record", "--broker", self.fabric.url, "--db", self.db), 1, self.db, "open")


if __name__ == "__main__":
    main()
