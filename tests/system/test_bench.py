"""The command bench against a real broker: what it counts is what was published, and it leaves nothing behind."""
import json
import os
import pty

from fabric import DEADLINE_S, SIGINT, WEFT, FabricTest, main, wait_for


class Bench(FabricTest):
    def bench(self, verb, *words):
        broker = [] if verb == "local" else ["--broker", self.fabric.url]
        return self.fabric.weft("bench", verb, *broker, *words, timeout=4 * DEADLINE_S)

    def result(self, verb, *words, status=0):
        run = self.bench(verb, "--json", *words)
        self.assertEqual(run.returncode, status, run.stderr.decode())
        self.assertNotIn(b"\033", run.stderr)
        return json.loads(run.stdout)

    def spawn(self, verb, *words):
        return self.fabric.spawn(f"bench-{verb}", [WEFT, "bench", verb, "--broker", self.fabric.url, *words])

    def start_sub(self, *words):
        sub = self.spawn("sub", "--json", *words)
        wait_for(lambda: "hears the fabric" in sub.err() or sub.child.poll() is not None, "the bench listens")
        return sub


class WithoutBroker(Bench):
    def test_bad_options_are_refused_by_name(self):
        self.expect(self.fabric.weft("bench"), 2, "pub, sub, rtt or local")
        self.expect(self.fabric.weft("bench", "pup"), 2, "'pup'", "'pub'")
        self.expect(self.bench("pub", "--kinds", "tools"), 2, "'tools'", "mixed tool llm")
        self.expect(self.bench("pub", "--kinds", "delta"), 2, "best-effort")
        self.expect(self.bench("pub", "--rate", "-1"), 2, "--rate", "'-1'")
        self.expect(self.bench("pub", "--no-journal", "--journal-dir", "/tmp"), 2, "--no-journal", "--journal-dir")
        self.expect(self.bench("pub", "--journal-dir", "/none"), 2, "/none")
        self.expect(self.bench("pub", "--node", "x" * 64, "--nodes", "2"), 2, "too long")
        self.expect(self.bench("sub", "--count", "3"), 2, "--count")
        self.expect(self.bench("rtt", "--respond", "--to", "host-b"), 2, "--respond", "--to")
        self.expect(self.bench("rtt", "--to", "Host"), 2, "'Host'")
        self.expect(self.bench("local", "more"), 2, "'more'")

    def test_an_unreachable_broker_is_named(self):
        for verb in "pub", "sub", "rtt":
            self.expect(self.bench(verb, "--timeout", "0.3"), 3, f"weft bench {verb}: cannot reach", self.fabric.url)

    def test_a_broker_that_denies_is_named_before_time_is_up(self):
        with open(self.fabric.path("acl"), "w", encoding="utf-8") as file:
            file.write("topic read weft/#\n")
        os.chmod(self.fabric.path("acl"), 0o600)
        self.fabric.start_broker(f"allow_anonymous true\nacl_file {self.fabric.path('acl')}\n")
        run = self.bench("pub", "--node", "host-a", "--count", "100", "--no-journal", "--timeout", "600", "--json")
        self.expect(run, 1, "as host-a", "ACL")
        self.assertEqual(json.loads(run.stdout)["acknowledged"], 0)

    def test_local_needs_none(self):
        result = self.result("local", "--duration", "0.01")
        for part in "unheard", "inline", "inline_8", "queued", "encode", "decode", "json":
            self.assertGreater(result[f"{part}_per_s"], 0)
            self.assertLessEqual(result[f"{part}_best_ns"], result[f"{part}_ns"])
        self.assertIn("events/s", self.bench("local", "--duration", "0.01").stdout.decode())


class WithBroker(Bench):
    def setUp(self):
        super().setUp()
        self.fabric.start_broker()

    def test_sub_counts_what_pub_has_published(self):
        sub = self.start_sub("--expect", "20000", "--timeout", str(4 * DEADLINE_S))
        published = self.result("pub", "--count", "20000", "--journal-dir", self.fabric.directory)
        self.assertEqual((published["events"], published["acknowledged"]), (20000, 20000))
        self.assertEqual(published["durability"], "power")
        self.assertEqual(sub.wait(), 0, sub.err())
        heard = json.loads(sub.out())
        self.assertEqual((heard["events"], heard["streams"], heard["others"]), (20000, 7, 0))
        self.assertEqual((heard["missing"], heard["duplicates"], heard["disordered"], heard["lost"]), (0, 0, 0, 0))
        latency = heard["latency_us"]
        self.assertTrue(0 < latency["p50"] <= latency["p90"] <= latency["p99"] <= latency["max"], latency)
        self.assertEqual(self.fabric.retained("weft/v1/bench/#"), b"")
        self.assertEqual([name for name in os.listdir(self.fabric.directory) if name.startswith("weft-bench")], [])

    def test_several_nodes_keep_to_a_rate_and_a_time(self):
        sub = self.start_sub("--idle", "1", "--timeout", str(4 * DEADLINE_S))
        published = self.result("pub", "--nodes", "2", "--rate", "1000", "--duration", "0.5", "--kinds", "cost",
                                "--kinds", "tool", "--size", "400", "--no-journal")
        self.assertEqual((published["events"], published["acknowledged"], published["nodes"]), (500, 500, 2))
        self.assertEqual(published["durability"], "none")
        self.assertIn("p99", published["behind_schedule_us"])
        self.assertEqual(sub.wait(), 0, sub.err())
        heard = json.loads(sub.out())
        self.assertEqual((heard["events"], heard["streams"], heard["missing"]), (500, 4, 0))

    def test_in_a_fabric_of_others_totals_leave_it_out(self):
        flagged = self.fabric.spawn("sub", [WEFT, "sub", "--broker", self.fabric.url, "--json", "--fabric", "team",
                                            "--count", "1"])

        def heard():
            self.result("pub", "--fabric", "team", "--count", "16", "--no-journal")
            return flagged.child.poll() is not None

        wait_for(heard, "a listener of the other fabric hears it", 4 * DEADLINE_S)
        self.assertEqual(int(json.loads(flagged.out())["flags"]) & 2, 2)

    def test_sub_says_what_is_missing(self):
        sub = self.start_sub("--idle", "0.5")
        lines = [{"type": "session_start", "sessionId": "s", "attributes": {"bench": f"0000002a.{n:012x}.{1:016x}"}}
                 for n in (1, 2, 5, 3)]
        lines.append({"type": "session_start", "sessionId": "s"})
        result = self.fabric.weft("pub", "--broker", self.fabric.url, "--fabric", "bench", "--json", "-",
                                  stdin="\n".join(map(json.dumps, lines)).encode() + b"\n")
        self.expect(result, 0)
        self.assertEqual(sub.wait(), 1, sub.err())
        heard = json.loads(sub.out())
        self.assertEqual((heard["events"], heard["others"], heard["missing"], heard["disordered"]), (4, 1, 1, 1))
        self.assertIsNone(heard["latency_us"])
        self.assertIn("another host", heard["latency_remark"])

    def test_sub_fails_when_fewer_come_than_expected(self):
        self.expect(self.bench("sub", "--expect", "5", "--timeout", "2"), 1, "0 of 5 events")

    def test_ctrl_c_ends_early_and_prints_the_result(self):
        first = self.start_sub("--expect", "5")
        sub = self.start_sub()
        pub = self.spawn("pub", "--json", "--rate", "500", "--duration", "600", "--journal-dir", self.fabric.directory)
        self.assertEqual(first.wait(), 0, first.err())
        pub.signal(SIGINT)
        self.assertEqual(pub.wait(), 0, pub.err())
        published = json.loads(pub.out())
        self.assertTrue(published["interrupted"])
        self.assertGreaterEqual(published["acknowledged"], 5)
        self.assertEqual(published["acknowledged"], published["events"])
        self.assertEqual([name for name in os.listdir(self.fabric.directory) if name.startswith("weft-bench")], [])
        sub.signal(SIGINT)
        self.assertEqual(sub.wait(), 0, sub.err())
        self.assertTrue(json.loads(sub.out())["interrupted"])

    def test_rtt_answers_itself(self):
        result = self.result("rtt", "--count", "20", "--size", "100")
        self.assertEqual((result["asked"], result["answered"], result["unanswered"]), (20, 20, 0))
        self.assertTrue(0 < result["rtt_us"]["p50"] <= result["rtt_us"]["p99"] <= result["rtt_us"]["max"])
        quiet = self.bench("rtt", "--count", "5", "--rate", "50", "--no-journal", "--quiet")
        self.assertEqual(quiet.stderr, b"")
        for part in "p50 ", "p90 ", "p99 ", "max ":
            self.assertIn(part, quiet.stdout.decode())

    def test_rtt_of_a_node_that_does_not_answer_fails(self):
        self.expect(self.bench("rtt", "--to", "host-c", "--count", "1", "--timeout", "3"), 1, "--respond")

    def test_rtt_asks_another_process(self):
        responder = self.spawn("rtt", "--respond", "--node", "host-b", "--json")
        wait_for(lambda: "answers in the fabric" in responder.err(), "the responder listens")
        result = self.result("rtt", "--to", "host-b", "--count", "20")
        self.assertEqual((result["to"], result["answered"]), ("host-b", 20))
        responder.signal(SIGINT)
        self.assertEqual(responder.wait(), 0, responder.err())
        self.assertEqual(json.loads(responder.out())["answered"], 20)

    def test_a_bar_is_drawn_on_a_terminal(self):
        words = ["--rate", "100", "--duration", "0.7", "--no-journal"]
        screen, terminal = pty.openpty()
        child = self.fabric.spawn("bench-pub", ["sh", "-c", 'exec "$@" 2>"$0"', os.ttyname(terminal), WEFT, "bench",
                                                "pub", "--broker", self.fabric.url, *words])
        self.assertEqual(child.wait(), 0)
        os.set_blocking(screen, False)
        drawn = os.read(screen, 65536)
        os.close(terminal)
        os.close(screen)
        self.assertIn(b"\033[K[", drawn)
        self.assertIn(b"events, ", drawn)


if __name__ == "__main__":
    main(at_once=4)
