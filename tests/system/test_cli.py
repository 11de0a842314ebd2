"""The commands pub, sub and decode against a real broker, as a user types them."""
import json
import os
import subprocess

from fabric import SIGINT, WEFT, FabricTest, events, main, sessions, wait_for


class Usage(FabricTest):
    def test_mistakes_are_named_with_what_was_meant(self):
        weft = self.fabric.weft
        self.expect(weft("nood"), 2, "unknown command 'nood'", "'node'")
        self.expect(weft("sub", "--brokr", "x"), 2, "--brokr", "--broker")
        self.expect(weft("sub", "--count"), 2, "--count needs N")
        self.expect(weft("sub", "--type", "token_usge"), 2, "token_usage")
        self.expect(weft("sub", "--topic", "costs"), 2, "costs", "cost")
        self.expect(weft("sub", "--fabric", "No Good"), 2, "'No Good'")
        self.expect(weft("node", "--node", "-"), 2, "'-'")
        self.expect(weft("node", "--password-file", "/none"), 2, "--user")
        self.expect(weft("node", "--ca", "/none/ca.pem"), 2, "/none/ca.pem")
        self.expect(weft("pub", "token_usage", "input_token=9"), 2, "input_tokens")
        self.expect(weft("pub", "--json", "/none/events"), 2, "/none/events")
        self.expect(weft("up", "--port", "70000"), 2, "70000")

    def test_help_is_there_for_every_command(self):
        overview = self.fabric.weft("help").stdout.decode()
        names = [line.split()[0] for line in overview.splitlines() if line.startswith("  ")]
        self.assertTrue({"up", "node", "pub", "sub", "decode"} <= set(names), overview)
        for name in names:
            page = self.fabric.weft("help", name)
            self.assertEqual(page.returncode, 0)
            self.assertIn(f"usage: weft {name} ".encode(), page.stdout)
            self.assertEqual(self.fabric.weft(name, "--help").stdout, page.stdout)
        self.assertIn(b"weft ", self.fabric.weft("--version").stdout)


class NoBroker(FabricTest):
    def test_an_unreachable_broker_is_named(self):
        weft, url = self.fabric.weft, self.fabric.url
        self.expect(weft("sub", "--broker", url, "--timeout", "1"), 3, url)
        self.expect(weft("pub", "--broker", url, "--timeout", "1", "session_start"), 3, url)
        self.expect(weft("sub", "--broker", "http://x", "--timeout", "1"), 2, "http://x", "mqtt://")
        self.expect(weft("pub", "--socket", "/none/n.sock", "session_start"), 3, "/none/n.sock")


class WithBroker(FabricTest):
    def setUp(self):
        super().setUp()
        self.fabric.start_broker()

    def pub(self, *words, stdin=None):
        return self.fabric.weft("pub", "--broker", self.fabric.url, *words, stdin=stdin)

    def test_pub_arrives_at_sub_field_by_field(self):
        sub = self.fabric.start_sub("--topic", "cost", "--topic", "system")
        result = self.pub("token_usage", "session_id=s1", "model=m", "input_tokens=9007199254740993", "cost_usd=0.02",
                          "tag=nightly", "attr.stream=main")
        self.expect(result, 0)
        wait_for(lambda: events(sub), "the event arrives")
        event = events(sub)[0]
        self.assertEqual(event["type"], "token_usage")
        self.assertEqual(event["sessionId"], "s1")
        self.assertEqual(event["tags"], ["nightly"])
        self.assertEqual(event["attributes"], {"stream": "main"})
        self.assertEqual(event["tokenUsage"]["inputTokens"], "9007199254740993")
        self.assertEqual(event["tokenUsage"]["costUsd"], 0.02)
        self.assertIn(".cli.", event["node"])

    def test_sub_filters_by_topic_type_session_and_node(self):
        self.fabric.start_up("host-a")
        marker = ["--type", "shutdown_requested"]
        by_type = self.fabric.start_sub("--type", "tool_call_end", *marker)
        by_topic = self.fabric.start_sub("--topic", "tool", "--topic", "system")
        by_node = self.fabric.spawn("sub", [WEFT, "sub", "--broker", self.fabric.url, "--json", "--node", "host-a",
                                            "--session", "s2", "--count", "1"])
        through_node = ["pub", "--node", "host-a"]
        self.expect(self.pub("tool_call_start", "session_id=s1", "tool_name=a"), 0)
        self.expect(self.pub("tool_call_end", "session_id=s2", "tool_name=b"), 0)
        self.expect(self.fabric.weft(*through_node, "session_start", "session_id=s1"), 0)

        def heard():
            self.expect(self.fabric.weft(*through_node, "session_start", "session_id=s2"), 0)
            return by_node.child.poll() is not None

        wait_for(heard, "the subscriber by node has its one event")
        self.assertEqual(by_node.wait(), 0)
        self.assertEqual([(e["node"], e["sessionId"]) for e in events(by_node)], [("host-a", "s2")])
        wait_for(lambda: len(events(by_topic)) == 2, "both tool events arrive")
        self.assertEqual([e["type"] for e in events(by_topic)], ["tool_call_start", "tool_call_end"])
        self.assertEqual([e["type"] for e in events(by_type)], ["tool_call_end"])

    def test_sub_ends_by_count_by_time_and_by_ctrl_c(self):
        self.assertEqual(self.fabric.weft("sub", "--broker", self.fabric.url, "--timeout", "1").returncode, 0)
        self.expect(self.fabric.weft("sub", "--broker", self.fabric.url, "--timeout", "1", "--count", "2"), 1,
                    "0 of 2 events")
        sub = self.fabric.start_sub()
        sub.signal(SIGINT)
        self.assertEqual(sub.wait(), 0)

    def test_sub_prints_exactly_as_many_as_asked(self):
        counted = self.fabric.start_sub("--type", "session_start", "--type", "shutdown_requested", "--count", "7")
        self.pub("--json", "-", stdin=b'{"type":"session_start","sessionId":"s"}\n' * 50)
        self.assertEqual(counted.wait(), 0)
        self.assertEqual(len(counted.out().splitlines()), 7)

    def test_sub_ends_quietly_when_its_reader_goes(self):
        argv = [WEFT, "sub", "--broker", self.fabric.url]
        with subprocess.Popen(argv, stdout=subprocess.PIPE, stderr=subprocess.PIPE, env=self.fabric.env) as sub:
            sub.stdout.close()

            def gone():
                self.pub("session_start", "session_id=s")
                return sub.poll() is not None

            wait_for(gone, "the subscriber ends")
            self.assertEqual(sub.returncode, 0)
            self.assertEqual(sub.stderr.read(), b"")

    def test_pub_of_many_lines_skips_and_names_the_bad_ones(self):
        sub = self.fabric.start_sub("--topic", "session", "--topic", "system")
        lines = [b'{"type":"session_start","sessionId":"s1"}', b"no json", b"",
                 b'{"type":"token_usage","tokenUsage":{"inputTokens":"many"}}', b"x" * (10 * 1024 * 1024),
                 b'{"type":"session_start","sessionId":"' + b"x" * 200 + b'"}',
                 b'{"type":"session_start","sessionId":"s7"}']
        path = os.path.join(self.fabric.directory, "lines.jsonl")
        with open(path, "wb") as file:
            file.write(b"\n".join(lines))
        self.expect(self.pub("--json", path), 2, f"{path}:2: ", f"{path}:4: ", "inputTokens", f"{path}:5: ", "1 MiB",
                    f"{path}:6: ")
        wait_for(lambda: len(sessions(sub)) == 2, "the good lines arrive")
        self.assertEqual(sessions(sub), ["s1", "s7"])
        self.fabric.start_up("host-a")
        self.expect(self.fabric.weft("pub", "--node", "host-a", "--json", path), 2, f"{path}:2: ", f"{path}:4: ",
                    f"{path}:5: ", f"{path}:6: ")
        wait_for(lambda: len(sessions(sub)) == 4, "the good lines arrive through the node too")
        self.assertEqual(sessions(sub), ["s1", "s7"] * 2)

    def test_an_event_that_is_too_large_is_refused_by_name(self):
        data = json.dumps({"type": "custom", "custom": {"eventType": "big", "data": "x" * 300000}}).encode()
        self.expect(self.pub("--json", "-", stdin=data), 2, "standard input:1:", "larger")
        self.fabric.start_up("host-a")
        self.expect(self.fabric.weft("pub", "--node", "host-a", "--json", "-", stdin=data), 2, "standard input:1:",
                    "larger")

    def test_pub_goes_through_the_node_of_this_host_when_there_is_one(self):
        host = self.fabric.start_node("host-a")
        sub = self.fabric.start_sub("--topic", "session", "--topic", "system")
        self.expect(self.fabric.weft("pub", "--socket", self.fabric.socket_of("host-a"), "session_start",
                                     "session_id=s1"), 0)
        wait_for(lambda: events(sub), "the event arrives")
        self.assertEqual(events(sub)[0]["node"], "host-a")
        host.kill()
        self.expect(self.fabric.weft("pub", "--node", "host-a", "session_start"), 3, self.fabric.socket_of("host-a"))

    def test_decode_reads_what_mosquitto_sub_prints(self):
        listen = ["mosquitto_sub", "-p", str(self.fabric.port), "-t", "weft/v1/#", "-F", "%t %x"]
        capture = self.fabric.spawn("mosquitto_sub", listen)

        def captured():
            self.pub("tool_call_end", "session_id=s1", "tool_name=Bash", "success=true")
            return "/evt/tool/" in capture.out()

        wait_for(captured, "mosquitto_sub prints a message")
        self.fabric.start_up("host-a")
        wait_for(lambda: "/live/host-a" in capture.out(), "mosquitto_sub prints the birth")
        capture.kill()
        whole = capture.out()[:capture.out().rindex("\n") + 1]
        decoded = self.fabric.weft("decode", stdin=whole.encode())
        self.expect(decoded, 0)
        objects = [json.loads(line) for line in decoded.stdout.splitlines()]
        self.assertEqual({o["toolCallEnd"]["toolName"] for o in objects if o.get("type") == "tool_call_end"}, {"Bash"})
        births = [o for o in objects if o.get("topic", "").endswith("/live/host-a")]
        self.assertEqual(births[0]["message"]["status"], "LIVE_STATUS_BIRTH")

        first, *others = whole.splitlines()
        bad = "\n".join([first, "no topic", first[:-1], first[:-2] + "zz", first[:-2] + "00", "", first])
        result = self.fabric.weft("decode", stdin=bad.encode())
        self.expect(result, 2, "line 2", "line 3", "line 4", "line 5")
        self.assertNotIn(b"line 6", result.stderr)
        self.assertEqual(len(result.stdout.splitlines()), 2)

        topic, payload = next(line for line in others + [first] if "/evt/tool/" in line).split(" ")
        for more in ([], ["--topic", topic]):
            raw = self.fabric.weft("decode", "--raw", *more, stdin=bytes.fromhex(payload))
            self.expect(raw, 0)
            self.assertEqual(json.loads(raw.stdout.splitlines()[0])["sessionId"], "s1")
        self.expect(self.fabric.weft("decode", "--raw", stdin=b"\xff" * 20), 2, "20 bytes")
        self.expect(self.fabric.weft("decode", "--raw", stdin=b"\0" * (1 << 20)), 2, "larger")


if __name__ == "__main__":
    main()
