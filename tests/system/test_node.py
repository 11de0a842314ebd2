"""The daemon against a real broker: what it promises a feeder when processes die, and how it comes and goes."""
import json
import os
import socket
import subprocess

from fabric import SIGINT, SIGKILL, SIGTERM, WEFT, FabricTest, events, main, sessions, wait_for


def numbered(count, start=0):
    return [f"s{i}" for i in range(start, start + count)]


def start_of(session):
    return {"type": "session_start", "sessionId": session}


class ComesAndGoes(FabricTest):
    def test_it_says_when_it_is_ready_to_a_script_and_to_systemd(self):
        path = self.fabric.path("notify")
        with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as notify:
            notify.bind(path)
            notify.settimeout(30)
            node = self.fabric.start_node("host-a", env={"NOTIFY_SOCKET": path})
            self.assertEqual(node.out(), f"ready {self.fabric.socket_of('host-a')}\n")
            self.assertEqual(notify.recv(100), b"READY=1")
            node.signal(SIGTERM)
            self.assertEqual(notify.recv(100), b"STOPPING=1")
        self.assertEqual(node.wait(), 0)
        self.assertFalse(os.path.exists(self.fabric.socket_of("host-a")))

    def test_an_occupied_socket_and_an_open_journal_are_named(self):
        self.fabric.start_node("host-a")
        path = self.fabric.socket_of("host-a")
        other = self.fabric.start_node("host-b", "--socket", path, ready=False)
        self.assertEqual(other.wait(), 1)
        self.assertIn(path, other.err())
        self.assertIn("occupied", other.err())
        twin = self.fabric.start_node("host-a", "--socket", self.fabric.path("other.sock"), ready=False)
        self.assertEqual(twin.wait(), 1)
        self.assertIn("journal.db", twin.err())
        feeder = self.fabric.feeder(path)
        feeder.send(start_of("s1"))
        feeder.flush()

    def test_a_socket_left_by_a_killed_node_is_replaced(self):
        node = self.fabric.start_node("host-a")
        node.kill()
        self.assertTrue(os.path.exists(self.fabric.socket_of("host-a")))
        self.fabric.start_node("host-a")
        self.fabric.feeder(self.fabric.socket_of("host-a"))

    def test_the_older_of_two_nodes_with_one_name_stops_and_says_so(self):
        self.fabric.start_broker()
        older = self.fabric.start_up("host-a")
        newer = self.fabric.start_up("host-a", "--state-dir", self.fabric.path("elsewhere"), "--socket",
                                     self.fabric.path("newer.sock"))
        self.assertEqual(older.wait(), 4)
        self.assertIn("node-fenced", older.err())
        feeder = self.fabric.feeder(self.fabric.path("newer.sock"))
        feeder.send(start_of("s1"))
        feeder.flush()
        newer.signal(SIGTERM)
        self.assertEqual(newer.wait(), 0)

    def test_a_stop_takes_everything_accepted_to_the_broker_first(self):
        self.fabric.start_broker()
        node = self.fabric.start_up("host-a")
        sub = self.fabric.start_sub("--topic", "session", "--topic", "system")
        feeder = self.fabric.feeder(self.fabric.socket_of("host-a"))
        for session in numbered(2000):
            feeder.send(start_of(session))
        feeder.flush()
        node.signal(SIGTERM)
        self.assertEqual(node.wait(), 0)
        wait_for(lambda: len(sessions(sub)) >= 2000, "all events arrive")
        self.assertEqual(sessions(sub), numbered(2000))

    def test_a_second_signal_ends_at_once(self):
        node = self.fabric.start_node("host-a", "--drain-timeout", "1000")
        feeder = self.fabric.feeder(self.fabric.socket_of("host-a"))
        feeder.send(start_of("s1"))
        feeder.flush()
        node.signal(SIGINT)
        wait_for(lambda: "node-stopping" in node.err(), "it drains")
        self.assertIsNone(node.child.poll())
        node.signal(SIGINT)
        self.assertEqual(node.wait(), 128 + SIGINT)

    def test_standard_input_ends_the_node_when_the_broker_has_it_all(self):
        self.fabric.start_broker()
        sub = self.fabric.start_sub("--topic", "session", "--topic", "system")
        lines = b"".join(json.dumps(start_of(s)).encode() + b"\n" for s in numbered(100)) + b"no json\n"
        result = self.fabric.weft("node", "--broker", self.fabric.url, "--node", "host-a", "--stdin", stdin=lines)
        self.expect(result, 0, "standard input, line 101")
        wait_for(lambda: len(sessions(sub)) >= 100, "all events arrive")
        self.assertEqual(sessions(sub), numbered(100))

    def test_an_observer_prints_what_passes(self):
        self.fabric.start_broker()
        observer = self.fabric.start_up("observer", "--print")
        self.fabric.start_up("host-a")

        def printed():
            self.expect(self.fabric.weft("pub", "--node", "host-a", "tool_call_start", "session_id=s1",
                                         "tool_name=Bash"), 0)
            return "host-a tool_call_start session=s1 tool_name=Bash" in observer.out()

        wait_for(printed, "the observer prints an event of another node")


class SurvivesKills(FabricTest):
    """Each accepted event reaches a live subscriber once, in order, whoever is killed meanwhile."""

    def setUp(self):
        super().setUp()
        self.fabric.start_broker()
        self.node = self.fabric.start_up("host-a")
        self.sub = self.fabric.start_sub("--topic", "session", "--topic", "system")

    def expect_all(self, count):
        wait_for(lambda: len(sessions(self.sub)) >= count, f"{count} events arrive")
        self.assertEqual(sorted(sessions(self.sub)), sorted(numbered(count)))
        live = [e["sessionId"] for e in events(self.sub) if not int(e.get("flags", 0)) & 1]
        self.assertEqual(live, sorted(live, key=lambda s: int(s[1:])))

    def test_the_node_is_killed_while_it_is_fed(self):
        feeder = self.fabric.feeder(self.fabric.socket_of("host-a"), feed="trace")
        for i, session in enumerate(numbered(3000)):
            feeder.send(start_of(session))
            if i in (700, 1900):
                self.node.signal(SIGKILL)
                self.node.wait()
                self.node = self.fabric.start_node("host-a")
        feeder.flush()
        self.assertEqual(feeder.connections, 3)
        self.assertEqual(feeder.refused, {})
        self.expect_all(3000)

    def test_the_broker_is_killed_while_the_node_is_fed(self):
        feeder = self.fabric.feeder(self.fabric.socket_of("host-a"))
        for i, session in enumerate(numbered(3000)):
            feeder.send(start_of(session))
            if i in (700, 1900):
                self.fabric.broker.kill()
                self.fabric.start_broker()
        feeder.flush()
        self.expect_all(3000)

    def test_lines_are_taken_while_the_broker_is_away_and_sent_when_it_is_back(self):
        feeder = self.fabric.feeder(self.fabric.socket_of("host-a"))
        first, *others = numbered(500)
        feeder.send(start_of(first))
        wait_for(lambda: sessions(self.sub) == [first], "the subscriber knows the stream")
        self.fabric.broker.kill()
        for session in others:
            feeder.send(start_of(session))
        feeder.flush()
        self.assertEqual(sessions(self.sub), [first])
        self.fabric.start_broker()
        self.expect_all(500)

    def test_a_group_and_its_state_are_both_there_or_neither(self):
        feeder = self.fabric.feeder(self.fabric.socket_of("host-a"), feed="groups")
        for i in range(200):
            feeder.send({"events": [start_of(f"s{2 * i}"), start_of(f"s{2 * i + 1}")], "state": f"group {i}"})
            if i == 120:
                self.node.signal(SIGKILL)
                self.node.wait()
                self.node = self.fabric.start_node("host-a")
                feeder.recover()
                last = self.position("groups")
                self.assertEqual(last["state"], f"group {last['line'] - 1}")
                feeder.recover()
        feeder.flush()
        self.assertEqual(self.position("groups"), {"feed": "groups", "line": 200, "state": "group 199"})
        self.expect_all(400)

    def position(self, feed):
        with socket.socket(socket.AF_UNIX) as stream:
            stream.settimeout(30)
            stream.connect(self.fabric.socket_of("host-a"))
            stream.sendall(json.dumps({"feed": feed}).encode() + b"\n")
            return json.loads(stream.makefile().readline())


class Up(FabricTest):
    def start_up_command(self):
        up = self.fabric.spawn("up", [WEFT, "up", "--node", "host-a"])
        wait_for(lambda: "Ctrl-C" in up.out() or up.child.poll() is not None, "weft up is ready")
        self.assertIsNone(up.child.poll(), up.err())
        return up, next(word for word in up.out().split() if word.startswith("mqtt://"))

    def is_listening(self, url):
        with socket.socket() as s:
            return s.connect_ex(("127.0.0.1", int(url.rsplit(":", 1)[1]))) == 0

    def test_the_lines_that_it_prints_work(self):
        up, url = self.start_up_command()
        lines = [line.strip() for line in up.out().splitlines()]
        pub = next(line for line in lines if line.startswith("weft pub "))
        sub_line = next(line for line in lines if line.startswith("weft sub "))
        shell = {**self.fabric.env, "PATH": os.path.dirname(WEFT) + ":" + os.environ["PATH"]}
        sub = self.fabric.spawn("sub", ["sh", "-c", "exec " + sub_line], env={"PATH": shell["PATH"]})

        def arrived():
            self.assertEqual(subprocess.run(["sh", "-c", pub], env=shell, check=False, timeout=30).returncode, 0)
            return "token_usage" in sub.out()

        wait_for(arrived, "the event arrives")
        up.signal(SIGINT)
        self.assertEqual(up.wait(), 0)
        self.assertFalse(self.is_listening(url))

    def test_the_broker_ends_with_it_even_when_it_is_killed(self):
        up, url = self.start_up_command()
        up.signal(SIGKILL)
        up.wait()
        wait_for(lambda: not self.is_listening(url), "the broker is gone")


if __name__ == "__main__":
    main()
