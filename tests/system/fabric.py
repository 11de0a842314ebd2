"""A broker and weft processes for the system tests: everything on loopback, in one directory, and ended at the end.

Waits poll a condition against a deadline. The tests find the program in $WEFT; without mosquitto they are skipped (77).
"""
import json
import os
import select
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time
import unittest
from collections import Counter
from concurrent.futures import ThreadPoolExecutor

# A shell that runs the tests in the background ignores SIGINT, and every child of ours would inherit that.
signal.signal(signal.SIGINT, signal.default_int_handler)

WEFT = os.environ.get("WEFT", "weft")
DEADLINE_S = 30


def mosquitto():
    return shutil.which("mosquitto", path=os.environ.get("PATH", "") + ":/usr/sbin:/usr/local/sbin")


def main(at_once=1):
    """Runs the tests of the calling script, so many at once; skipped as a whole where there is no broker."""
    if mosquitto() is None or shutil.which("mosquitto_sub") is None:
        print("skipped: mosquitto and its clients are not installed")
        sys.exit(77)
    if at_once > 1:
        unittest.defaultTestLoader.suiteClass = type("Suite", (SuiteAtOnce,), {"at_once": at_once})
    unittest.main(verbosity=2)


class SuiteAtOnce(unittest.TestSuite):
    """Runs its cases in threads: for those that wait most of the time. Each has a fabric, thus a broker, of its own."""

    def run(self, result, debug=False):
        cases = list(flat(self))
        with ThreadPoolExecutor(self.at_once) as pool:
            for case, one in zip(cases, pool.map(run_alone, cases)):
                result.stream.writeln(f"{case.id()} ... {'ok' if one.wasSuccessful() else 'FAILED'}")
                result.testsRun += one.testsRun
                for kind in "failures", "errors", "skipped":
                    getattr(result, kind).extend(getattr(one, kind))
        return result


def flat(suite):
    for part in suite:
        yield from flat(part) if isinstance(part, unittest.TestSuite) else (part,)


def run_alone(case):
    result = unittest.TestResult()
    case.run(result)
    return result


def free_port():
    with socket.socket() as s:
        s.bind(("127.0.0.1", 0))
        return s.getsockname()[1]


def wait_for(condition, what, deadline_s=DEADLINE_S):
    end = time.monotonic() + deadline_s
    while True:
        value = condition()
        if value:
            return value
        if time.monotonic() > end:
            raise AssertionError(f"waited {deadline_s} s in vain: {what}")
        time.sleep(0.01)


class Process:
    """A child whose output goes to files, so that nothing ever blocks on a pipe."""

    def __init__(self, fabric, name, argv, stdin=subprocess.DEVNULL, env=None):
        self.out_path = os.path.join(fabric.directory, f"{name}.out")
        self.err_path = os.path.join(fabric.directory, f"{name}.err")
        self.read_bytes = 0
        self.read_lines = []
        self.parsed = []
        with open(self.out_path, "ab") as out, open(self.err_path, "ab") as err:
            self.child = subprocess.Popen(argv, stdin=stdin, stdout=out, stderr=err, env={**fabric.env, **(env or {})})

    def out(self):
        with open(self.out_path, encoding="utf-8") as file:
            return file.read()

    def err(self):
        with open(self.err_path, encoding="utf-8") as file:
            return file.read()

    def lines(self):
        """The whole lines printed so far. Reads only what is new, so that long output can be polled."""
        with open(self.out_path, "rb") as file:
            file.seek(self.read_bytes)
            text = file.read()
        whole = text[:text.rfind(b"\n") + 1]
        self.read_bytes += len(whole)
        self.read_lines += whole.decode().split("\n")[:-1]
        return self.read_lines

    def signal(self, number):
        self.child.send_signal(number)

    def wait(self, deadline_s=DEADLINE_S):
        return self.child.wait(deadline_s)

    def kill(self):
        if self.child.poll() is None:
            self.child.kill()
        self.child.wait()


class Fabric:
    """One broker (started by start_broker), any number of nodes and subscribers."""

    def __init__(self):
        self.directory = tempfile.mkdtemp(prefix="weft-system-")
        os.mkdir(self.path("run"), 0o700)
        self.env = {**os.environ, "XDG_RUNTIME_DIR": self.path("run"), "XDG_STATE_HOME": self.path("state")}
        self.scheme = "mqtt"
        self.address = "127.0.0.1"
        self.host = None  # what clients call it; the address
        self.port = free_port()
        self.broker = None
        self.broker_settings = "allow_anonymous true\nmax_inflight_messages 128\nmax_queued_messages 100000\n"
        self.processes = []
        self.feeders = []
        self.count = 0

    @property
    def url(self):
        return f"{self.scheme}://{self.host or self.address}:{self.port}"

    def path(self, *parts):
        return os.path.join(self.directory, *parts)

    def close(self):
        for feeder in self.feeders:
            feeder.close()
        for process in reversed(self.processes):
            process.kill()
        reports = [process.err() for process in self.processes if "Sanitizer" in process.err()]
        shutil.rmtree(self.directory)
        assert not reports, "\n".join(reports)

    def spawn(self, name, argv, **more):
        self.count += 1
        process = Process(self, f"{self.count}-{name}", argv, **more)
        self.processes.append(process)
        return process

    def start_broker(self, settings=None):
        """Starts it, after a kill too; settings replace the limits and access that weft recommends, and stay."""
        if settings is not None:
            self.broker_settings = settings
        with open(self.path("mosquitto.conf"), "w", encoding="utf-8") as file:
            file.write(f"listener {self.port} {self.address}\n{self.broker_settings}persistence true\n"
                       f"persistence_location {self.directory}/\n" + ("user root\n" if os.geteuid() == 0 else ""))
        self.broker = self.spawn("broker", [mosquitto(), "-c", self.path("mosquitto.conf")])
        wait_for(self.accepts, "the broker accepts connections")

    def accepts(self):
        with socket.socket() as s:
            return s.connect_ex((self.address, self.port)) == 0

    def weft(self, *words, stdin=None, timeout=DEADLINE_S):
        """Runs a command to its end; returns what subprocess.run does."""
        return subprocess.run([WEFT, *words], input=stdin, capture_output=True, env=self.env, timeout=timeout,
                              check=False)

    def start_node(self, name, *words, ready=True, **more):
        node = self.spawn(name, [WEFT, "node", "--broker", self.url, "--node", name, *words], **more)
        if ready:
            wait_for(lambda: "ready " in node.out() or node.child.poll() is not None, f"{name} is ready")
            assert node.child.poll() is None, node.err()
        return node

    def start_up(self, name, *words):
        """A node that is also connected."""
        node = self.start_node(name, *words)
        self.wait_connected(node)
        return node

    def wait_connected(self, *nodes):
        """A connection takes a while: start what else is needed before."""
        for node in nodes:
            wait_for(lambda node=node: "broker-connected" in node.err(), f"{node.err_path} tells of a connection")

    def retained(self, topic):
        """What the broker retains under a topic; empty if nothing."""
        return subprocess.run(["mosquitto_sub", "-p", str(self.port), "-t", topic, "--retained-only", "-C", "1", "-W",
                               "2", "-N"], capture_output=True, timeout=DEADLINE_S, check=False).stdout

    def socket_of(self, name):
        return self.path("run", "weft", f"{name}.sock")

    def feeder(self, path, feed=None):
        self.feeders.append(Feeder(path, feed))
        return self.feeders[-1]

    def start_sub(self, *words):
        """A subscriber that hears already; its events are lines of JSON."""
        sub = self.spawn("sub", [WEFT, "sub", "--broker", self.url, "--json", *words])
        wait_for(lambda: self.hears(sub), "the subscriber hears")
        return sub

    def hears(self, sub):
        """Says something with a marker until it arrives: a subscription has no other sign from outside."""
        self.weft("pub", "--broker", self.url, "shutdown_requested", "reason=marker", "session_id=marker",
                  "agent_id=marker")
        return "marker" in sub.out() or sub.child.poll() is not None


def numbered(node, number):
    """Event number N of a node, in one of three streams."""
    session = f"{node}/{number}"
    return ({"type": "session_start", "sessionId": session},
            {"type": "tool_call_start", "sessionId": session, "toolCallStart": {"toolName": "Bash", "callId": "c"}},
            {"type": "token_usage", "sessionId": session, "tokenUsage": {"model": "m", "inputTokens": number}}
            )[number % 3]


def events(process):
    """The events that a subscriber has printed, without the markers and what it made up when a node died."""
    process.parsed += map(json.loads, process.lines()[len(process.parsed):])
    return [event for event in process.parsed if event.get("sessionId") != "marker" and not is_synthetic(event)]


def is_synthetic(event):
    return int(event.get("flags", 0)) & 2 != 0


def synthetic(process):
    """What a subscriber has made up, because a node died or came back."""
    events(process)
    return [event for event in process.parsed if is_synthetic(event)]


def sessions(process):
    return [event.get("sessionId") for event in events(process)]


def disorder(found):
    """Pairs of ids that came in the wrong order within a stream; replayed events stand outside of it."""
    last, pairs = {}, []
    for event in found:
        stream, seq = (event["node"], event["epoch"], event["topic"]), int(event["seq"])
        if int(event.get("flags", 0)) & 1:
            continue
        if seq <= last.get(stream, 0):
            pairs.append((stream, last[stream], seq))
        last[stream] = seq
    return pairs


def losses(sub):
    """What a subscriber has said about missing events."""
    return [line for line in sub.err().splitlines() if "lost: " in line]


class Feeder:
    """A feeder of a node's socket with bare hands: keeps what is unanswered, repeats it after a loss."""

    def __init__(self, path, feed=None, deadline_s=DEADLINE_S):
        self.path = path
        self.feed = feed
        self.deadline_s = deadline_s
        self.unanswered = {}
        self.next = 1
        self.refused = {}
        self.connections = 0
        self.connect()

    def connect(self):
        self.stream = wait_for(self.try_connect, f"somebody listens at {self.path}", self.deadline_s)
        self.connections += 1
        self.buffer = b""
        if self.feed is None:
            return
        greeting = {"feed": self.feed, "line": min(self.unanswered, default=self.next)}
        self.stream.sendall(json.dumps(greeting).encode() + b"\n")
        answer = self.answer()
        assert answer["feed"] == self.feed, answer

    def try_connect(self):
        stream = socket.socket(socket.AF_UNIX)
        stream.settimeout(DEADLINE_S)
        try:
            stream.connect(self.path)
            return stream
        except OSError:
            stream.close()
            return None

    def answer(self):
        while b"\n" not in self.buffer:
            more = self.stream.recv(65536)
            if not more:
                raise ConnectionError("the node went")
            self.buffer += more
        line, self.buffer = self.buffer.split(b"\n", 1)
        return json.loads(line)

    def send(self, event):
        self.send_line(json.dumps(event).encode() + b"\n")

    def send_line(self, line):
        self.unanswered[self.next] = line
        self.next += 1
        try:
            self.stream.sendall(self.unanswered[self.next - 1])
        except OSError:
            self.recover()

    def recover(self):
        while True:
            self.stream.close()
            try:
                self.connect()
                for line in sorted(self.unanswered):
                    self.stream.sendall(self.unanswered[line])
                return
            except (OSError, ConnectionError):
                continue

    def flush(self):
        while self.unanswered:
            try:
                self.take(self.answer())
            except (OSError, ConnectionError):
                self.recover()

    def take_answers(self):
        """Takes the answers that are there, without waiting and without repeating anything."""
        try:
            while b"\n" in self.buffer or select.select([self.stream], [], [], 0)[0]:
                self.take(self.answer())
        except (OSError, ConnectionError):
            pass

    def take(self, answer):
        line = answer.get("ok", answer.get("line"))
        assert line == min(self.unanswered), (answer, min(self.unanswered))
        if "error" in answer:
            self.refused[line] = answer["error"]
        del self.unanswered[line]

    def close(self):
        self.stream.close()


class FabricTest(unittest.TestCase):
    """A fabric for each test, without a broker yet."""

    def setUp(self):
        self.fabric = Fabric()
        self.addCleanup(self.fabric.close)

    def expect(self, result, status, *parts):
        text = result.stderr.decode()
        self.assertEqual(result.returncode, status, text)
        for part in parts:
            self.assertIn(part, text)

    def expect_each_once(self, found, sent):
        """Both lists hold the same, whatever the order; says what is missing, what came twice, what nobody sent."""
        missing, too_many = Counter(sent) - Counter(found), Counter(found) - Counter(sent)
        known = set(sent)
        twice, strangers = [one for one in too_many if one in known], [one for one in too_many if one not in known]
        self.assertEqual((len(missing), len(twice), len(strangers)), (0, 0, 0),
                         f"missing {list(missing)[:9]}, more than once {twice[:9]}, never sent {strangers[:9]}")


SIGINT, SIGTERM, SIGKILL = signal.SIGINT, signal.SIGTERM, signal.SIGKILL
