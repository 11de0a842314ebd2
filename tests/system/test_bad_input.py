#!/usr/bin/env python3
"""Bad input at the broker, the socket and the command line: each a clear message that names the address or the line, a
sound exit status, and nothing else lost. What files do is in test_cli.py, test_ingest.py and test_demo.py."""
import json
import os
import socket
import subprocess
import threading

from fabric import SIGTERM, WEFT, FabricTest, events, main, sessions, wait_for

TEN_MB = 10 * 1024 * 1024
LINE_MAX = 1024 * 1024
EVENT_MAX = 192 * 1024


def start_of(session):
    return {"type": "session_start", "sessionId": session}


class Socket(FabricTest):
    """Lines by hand: what the node answers to each."""

    def setUp(self):
        super().setUp()
        self.fabric.start_broker()
        node = self.fabric.start_node("host-a")
        self.sub = self.fabric.start_sub("--topic", "session", "--topic", "system")
        self.fabric.wait_connected(node)
        self.feeder = self.fabric.feeder(self.fabric.socket_of("host-a"))

    def ask(self, *lines):
        """The answers; lines are sent as they are."""
        def send():
            for line in lines:
                self.feeder.stream.sendall(line + b"\n")

        sender = threading.Thread(target=send)
        sender.start()
        answers = [self.feeder.answer() for _ in lines]
        sender.join()
        return answers

    def test_each_bad_line_is_answered_with_its_reason_and_the_others_arrive(self):
        good = json.dumps(start_of("good")).encode()
        bad = {
            b"no json": "column 1: not JSON",
            b'{"type":"session_start"': "ends too early",
            b"[]": "expected an object",
            b'{"type":"session_start","sessionId":7}': "sessionId: expected a string",
            b'{"type":"token_usage","tokenUsage":{"inputTokens":"many"}}': "tokenUsage.inputTokens: expected a whole",
            b'{"type":"token_usage","tokenUsage":{"inputTokens":-1}}': "tokenUsage.inputTokens: ",
            b'{"type":"token_usage","tokenUsage":{"input":1}}': "tokenUsage.input: unknown member",
            b'{"type":"tool_call_end","toolCallEnd":{"success":"yes"}}': "toolCallEnd.success: expected true or false",
            b'{"type":"session_start","sessionId":"\xff"}': "column 38: not JSON",
            b'{"type":"session_start","sessionId":"a\\u0000b"}': "sessionId: ",
            b'{"type":"session_start","sessionId":"' + b"x" * 129 + b'"}': "session_id: larger than allowed",
            b'{"type":"session_start"}': "session_id: missing",
            b'{"type":"tool_call_start","toolCallStart":{"callId":"c"}}': "tool_name: missing",
            b'{"type":"token_usage","tokenUsage":{"costUsd":-0.5}}': "cost_usd: negative",
            b'{"type":"session_stop"}': 'did you mean "session_start"?',
            b'{"type":"custom","custom":{"eventType":"t","dataJson":"{"}}': "data_json: not well-formed",
            b'{"feed":7}': "feed",
            b'{"events":[{"type":"config_reloaded"},7]}': "events[1], ",
            b'{"type":"custom","custom":{"eventType":"t","data":"' + b"x" * EVENT_MAX + b'"}}': "data_json: larger",
            b'{"type":"custom","custom":{"eventType":"t","data":"' + b"x" * LINE_MAX + b'"}}': "at most 1 MiB",
            b"x" * TEN_MB: "at most 1 MiB",
        }
        lines = [line for one in bad for line in (one, good)]
        answers = self.ask(*lines)
        for number, (line, answer) in enumerate(zip(lines, answers), 1):
            if line == good:
                self.assertEqual(answer, {"ok": number})
                continue
            self.assertEqual(answer.get("line"), number, (line[:80], answer))
            self.assertIn(bad[line], answer["error"], line[:80])
            self.assertLess(len(answer["error"]), 400)
        # A feeder that dies in the middle of a line loses only that.
        self.feeder.stream.sendall(b'{"type":"session_start","sessionId":"half')
        self.feeder.close()
        other = self.fabric.feeder(self.fabric.socket_of("host-a"))
        other.send(start_of("other"))
        other.flush()
        wait_for(lambda: len(events(self.sub)) > len(bad), "the good ones arrive")
        self.assertEqual(sessions(self.sub), ["good"] * len(bad) + ["other"])

    def test_ten_megabytes_over_pub_are_refused_and_the_next_event_goes(self):
        big = json.dumps({"type": "custom", "custom": {"eventType": "big", "data": "x" * TEN_MB}}).encode()
        lines = big + b"\n" + json.dumps(start_of("after")).encode() + b"\n"
        for way in (["--node", "host-a"], ["--broker", self.fabric.url]):
            self.expect(self.fabric.weft("pub", *way, "--json", "-", stdin=lines), 2, "standard input:1:", "1 MiB")
        wait_for(lambda: len(events(self.sub)) >= 2, "the others arrive")
        self.assertEqual(sessions(self.sub), ["after"] * 2)


class Places(FabricTest):
    def test_places_that_cannot_be_used_are_named(self):
        file = self.fabric.path("file")
        with open(file, "w", encoding="utf-8") as out:
            out.write("x")
        long, nowhere = "/tmp/" + "x" * 200, self.fabric.path("no/such/directory/socket")
        for words, status, name in ((["--socket", long], 2, long), (["--socket", file], 1, file),
                                    (["--socket", nowhere], 1, nowhere), (["--state-dir", file], 1, file)):
            node = self.fabric.start_node("host-a", *words, ready=False)
            self.assertEqual(node.wait(), status, node.err())
            self.assertIn(name, node.err())
        with open(file, encoding="utf-8") as kept:
            self.assertEqual(kept.read(), "x")


class Broker(FabricTest):
    def web_server(self):
        """Something that takes connections and is no broker; its URL."""
        listener = socket.socket()
        self.addCleanup(listener.close)
        listener.bind(("127.0.0.1", 0))
        listener.listen(16)

        def serve():
            while listener.fileno() >= 0:
                try:
                    with listener.accept()[0] as stream:
                        stream.sendall(b"HTTP/1.1 400 Bad Request\r\n\r\n")
                except OSError:
                    pass

        threading.Thread(target=serve, daemon=True).start()
        return f"mqtt://127.0.0.1:{listener.getsockname()[1]}"

    def expect_no_peer(self, *parts):
        """Of pub and sub, with each list of options: run at the same time, they wait for nothing but their timeouts."""
        def check(options, *named):
            short = ["--timeout", "1", *options]
            return [(self.fabric.spawn("pub", [WEFT, "pub", *short, "session_start"]), named),
                    (self.fabric.spawn("sub", [WEFT, "sub", *short]), named)]

        for process, named in [one for options, *named in parts for one in check(options, *named)]:
            self.assertEqual(process.wait(), 3, process.err())
            for part in named:
                self.assertIn(part, process.err())

    def test_what_is_no_broker_is_named(self):
        url = self.web_server()
        self.expect_no_peer((["--broker", url], url, "no MQTT 5 broker"))

    def password(self, text):
        path = self.fabric.path(f"password-{text}")
        with open(path, "w", encoding="utf-8") as file:
            file.write(text + "\n")
        os.chmod(path, 0o600)
        return ["--user", "ana", "--password-file", path]

    def test_a_broker_that_refuses_is_named_and_the_node_goes_on(self):
        users = self.fabric.path("users")
        subprocess.run(["mosquitto_passwd", "-b", "-c", users, "ana", "secret"], check=True)
        self.fabric.start_broker(f"allow_anonymous false\npassword_file {users}\n")
        url, wrong, right = self.fabric.url, self.password("wrong"), self.password("secret")
        self.expect_no_peer(*((["--broker", url, *login], url, "refuses", "--user") for login in ([], wrong)))

        node = self.fabric.start_node("host-a", "--drain-timeout", "1", *wrong)
        wait_for(lambda: "broker-refused" in node.err(), "the node says so")
        self.assertIn(url, node.err())
        self.assertIn("password", node.err())
        self.assertNotIn("wrong", node.err().replace(wrong[-1], ""))
        self.expect(self.fabric.weft("pub", "--node", "host-a", "session_start", "session_id=kept"), 0)
        node.signal(SIGTERM)
        self.assertEqual(node.wait(), 0)
        self.assertIn("node-undrained", node.err())

        sub = self.fabric.spawn("mosquitto_sub", ["mosquitto_sub", "-p", str(self.fabric.port), "-u", "ana", "-P",
                                                  "secret", "-t", "weft/v1/+/evt/#", "-F", "%t %x"])
        self.fabric.start_up("host-a", *right)
        wait_for(sub.lines, "what was accepted before goes out")
        decoded = self.fabric.weft("decode", stdin=sub.out().encode())
        self.assertEqual(json.loads(decoded.stdout.splitlines()[0])["sessionId"], "kept")


if __name__ == "__main__":
    main()
