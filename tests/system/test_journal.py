"""`weft journal` on the journals of real nodes: running, killed, stopped, damaged."""
import json
import os

from fabric import SIGTERM, FabricTest, main, wait_for


def usage_of(session, tokens):
    return {"type": "token_usage", "sessionId": session, "tokenUsage": {"model": "m", "inputTokens": str(tokens)}}


def tool_of(session):
    return {"type": "tool_call_start", "sessionId": session, "toolCallStart": {"toolName": "t", "callId": "c"}}


class Journal(FabricTest):
    def setUp(self):
        super().setUp()
        self.path = self.fabric.path("state", "weft", "default", "host-a", "journal.db")

    def journal(self, *words):
        return self.fabric.weft("journal", *words, "--node", "host-a")

    def lines(self, *words):
        result = self.journal(*words)
        self.expect(result, 0)
        return [json.loads(line) for line in result.stdout.splitlines()]

    def feed(self, feeder, count):
        for i in range(count):
            feeder.send(usage_of(f"s{i}", i))
            feeder.send(tool_of(f"s{i}"))
        feeder.flush()

    def start_fed(self, count, feed="agents"):
        node = self.fabric.start_node("host-a", "--drain-timeout", "0.5")
        self.feed(self.fabric.feeder(self.fabric.socket_of("host-a"), feed), count)
        return node

    def all_acknowledged(self):
        return self.lines("stat", "--json")[0]["pending_events"] == 0

    def test_a_running_node_is_looked_into(self):
        node = self.start_fed(50)
        stat = self.lines("stat", "--json")[0]
        self.assertEqual((stat["events"], stat["pending_events"], stat["feeds"]), (100, 100, 1))
        self.assertEqual(stat["path"], self.path)
        text = self.journal("stat").stdout.decode()
        self.assertIn("100 events in", text)
        self.assertIn("cost", text)
        self.assertEqual(sum(row["events"] for row in self.lines("ls", "--json", "--topic", "cost")), 50)
        self.assertEqual({s["topic"] for s in self.lines("ls", "streams", "--json")}, {"cost", "tool"})
        self.assertEqual([(f["feed"], f["line"]) for f in self.lines("ls", "feeds", "--json")], [("agents", 100)])
        self.assertIn("pending", self.journal("ls").stdout.decode())
        self.assertEqual(self.lines("verify", "--json"), [{"sound": True, "damages": 0}])
        self.expect(self.journal("purge", "--yes"), 1, "in use")
        node.signal(SIGTERM)
        node.wait()

    def test_export_gives_what_was_published(self):
        node = self.start_fed(50)
        node.kill()
        exported = self.lines("export")
        self.assertEqual(sorted(int(e["tokenUsage"]["inputTokens"]) for e in exported if e["type"] == "token_usage"),
                         list(range(50)))
        self.assertEqual([int(e["seq"]) for e in exported if e["topic"] == "cost"],
                         sorted(int(e["seq"]) for e in exported if e["topic"] == "cost"))
        self.assertEqual(len(self.lines("export", "--topic", "tool")), 50)
        self.assertEqual(len(self.lines("export", "--session", "s7")), 2)
        self.assertEqual(len(self.lines("export", "--since", "1h")), 100)
        self.assertEqual(len(self.lines("export", "--until", "1h")), 0)
        accepted = sorted(int(e["acceptedMs"]) for e in exported)
        self.assertTrue(os.path.exists(self.path + "-wal"), "a look must not hide that the node was killed")
        self.assertLessEqual(accepted[-1] - accepted[0], 60000)
        # What another node takes in is the same again.
        self.fabric.start_node("host-b")
        again = b"\n".join(json.dumps(e).encode() for e in exported)
        self.expect(self.fabric.weft("pub", "--node", "host-b", "--json", "-", stdin=again), 0)
        taken = [json.loads(line) for line in
                 self.fabric.weft("journal", "export", "--node", "host-b").stdout.splitlines()]
        self.assertEqual(sorted((e["type"], e["sessionId"]) for e in taken),
                         sorted((e["type"], e["sessionId"]) for e in exported))

    def test_what_is_acknowledged_is_purged_when_the_node_is_down(self):
        self.fabric.start_broker()
        node = self.start_fed(500)
        wait_for(self.all_acknowledged, "the broker has all")
        node.signal(SIGTERM)
        self.assertEqual(node.wait(), 0)
        would = self.lines("purge", "--json")[0]
        self.assertEqual((would["deleted"], would["events"]), (False, 1000))
        self.assertEqual(self.lines("stat", "--json")[0]["events"], 1000)
        self.expect(self.journal("purge"), 0)
        self.assertEqual(self.lines("purge", "--yes", "--json")[0]["events"], 1000)
        self.assertEqual(self.lines("stat", "--json")[0]["events"], 0)
        self.assertEqual(self.lines("verify", "--json"), [{"sound": True, "damages": 0}])
        self.fabric.start_node("host-a")
        feeder = self.fabric.feeder(self.fabric.socket_of("host-a"), "agents2")
        self.feed(feeder, 5)
        self.assertEqual(self.lines("stat", "--json")[0]["events"], 10)

    def test_what_waits_for_the_broker_is_purged_only_on_request(self):
        node = self.start_fed(20)
        node.signal(SIGTERM)
        node.wait()
        self.assertEqual(self.lines("purge", "--yes", "--json")[0]["events"], 0)
        would = self.journal("purge", "--all").stdout.decode()
        self.assertIn("40 of these events the broker has not acknowledged", would)
        self.assertEqual(self.lines("purge", "--all", "--yes", "--json")[0]["pending_events"], 40)
        self.assertEqual(self.lines("ls", "feeds", "--json")[0]["line"], 40)

    def test_damage_is_named_with_its_row(self):
        node = self.start_fed(100)
        node.signal(SIGTERM)
        node.wait()
        with open(self.path, "r+b") as file:
            content = file.read()
            file.seek(0)
            file.write(content.replace(b"s42", b"s4x"))
        result = self.journal("verify")
        self.expect(result, 1, "weft journal export")
        self.assertRegex(result.stdout.decode(), r"damaged: row \d+ of (cost|tool), epoch \d+, seq \d+ to \d+: "
                                                 r"the message's checksum does not hold")
        exported = self.journal("export")
        self.expect(exported, 1, "is left out")
        self.assertLess(len(exported.stdout.splitlines()), 200)

    def test_mistakes_are_named(self):
        self.expect(self.journal("stat"), 2, self.path, "no such file")
        self.expect(self.journal("verifi"), 2, "'verify'")
        self.expect(self.journal(), 2, "stat, ls")
        self.expect(self.journal("ls", "flows"), 2, "'flows'", "streams")
        self.expect(self.journal("export", "--since", "soon"), 2, "'soon'", "10m")
        self.expect(self.journal("stat", "--fabric", "No"), 2, "'No'")
        with open(self.fabric.path("noise"), "wb") as file:
            file.write(b"noise" * 1000)
        self.expect(self.fabric.weft("journal", "stat", "--journal", self.fabric.path("noise")), 1, "not a database")


if __name__ == "__main__":
    main()
