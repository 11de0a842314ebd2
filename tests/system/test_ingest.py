#!/usr/bin/env python3
"""`weft ingest` into a real node: what a subscriber on the fabric gets is what the reference counts in the files, however
often the node or the ingestion is killed."""
import collections
import json
import os
import signal
import subprocess
import sys
import unittest

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
import fabric  # noqa: E402

REFERENCE = os.path.join(os.path.dirname(os.path.abspath(__file__)), "transcript_totals.py")
UNKNOWN_TOOL = "(unknown)"  # of a result without a call
USAGE = {"inputTokens": "input_tokens", "outputTokens": "output_tokens", "cacheReadTokens": "cache_read_tokens",
         "cacheWriteTokens": "cache_write_tokens"}


def totals(events):
    """The figures of the reference, from events."""
    found = collections.Counter()
    for event in events:
        kind = event["type"]
        found["llm_requests"] += kind == "llm_response_end"
        found["tool_calls"] += kind == "tool_call_start"
        found["agent_errors"] += kind == "agent_error"
        if kind == "tool_call_end" and event["toolCallEnd"]["toolName"] != UNKNOWN_TOOL:
            found["tool_errors"] += not event["toolCallEnd"]["success"]
        if kind == "token_usage":
            for theirs, ours in USAGE.items():
                found[ours] += int(event["tokenUsage"][theirs])
            found["nano_usd"] += round(event["tokenUsage"]["costUsd"] * 1e9)
    found["sessions"] = len({event["sessionId"] for event in events})
    return dict(found)


class Ingest(unittest.TestCase):
    def setUp(self):
        self.fabric = fabric.Fabric()
        self.addCleanup(self.fabric.close)
        self.fabric.start_broker()

    def simulate(self, sessions):
        directory = self.fabric.path("traces")
        made = self.fabric.weft("simulate", "--seed", "3", "--sessions", str(sessions), "--out", directory)
        self.assertEqual(made.returncode, 0, made.stderr)
        return sorted(os.path.join(directory, name) for name in os.listdir(directory))

    def reference(self, files):
        counted = json.loads(subprocess.run([sys.executable, REFERENCE, *files], capture_output=True, check=True).stdout)
        expected = {name: counted[name] for name in ("sessions", "llm_requests", "tool_calls", "tool_errors",
                                                     "agent_errors", *USAGE.values())}
        expected["nano_usd"] = round(counted["cost_usd"] * 1e9)
        return expected

    def expect_totals(self, sub, files):
        expected = self.reference(files)
        try:
            fabric.wait_for(lambda: totals(fabric.events(sub)) == expected, "all events arrive")
        except AssertionError:
            self.assertEqual(totals(fabric.events(sub)), expected)

    def spawn_ingest(self, *words):
        return self.fabric.spawn("ingest", [fabric.WEFT, "ingest", "--node", "host-a", *words])

    def test_delivers_the_files_once(self):
        files = self.simulate(10)
        self.fabric.start_up("host-a")
        sub = self.fabric.start_sub()
        for _ in range(2):
            run = self.fabric.weft("ingest", "--format", "claude-code", "--node", "host-a", *files)
            self.assertEqual(run.returncode, 0, run.stderr)
        self.assertIn(b" 0 events sent", run.stderr)
        self.expect_totals(sub, files)

    def test_survives_kills_of_the_node(self):
        files = self.simulate(60)
        node = self.fabric.start_up("host-a")
        sub = self.fabric.start_sub()
        ingest = self.spawn_ingest(*files)
        kills = 0
        for wanted in (2000, 6000, 10000):
            fabric.wait_for(lambda n=wanted: len(sub.out()) > n * 300 or ingest.child.poll() is not None, "events come")
            kills += ingest.child.poll() is None
            node.kill()
            node = self.fabric.start_node("host-a")
        self.assertEqual(ingest.wait(), 0, ingest.err())
        self.assertGreater(kills, 0)
        self.expect_totals(sub, files)

    def test_survives_kills_of_the_ingestion(self):
        files = self.simulate(60)
        self.fabric.start_up("host-a")
        sub = self.fabric.start_sub()
        cut = 0
        for wanted in (300, 3000, 8000, None):
            ingest = self.spawn_ingest(*files)
            if wanted is not None:
                fabric.wait_for(lambda n=wanted, i=ingest: len(sub.out()) > n * 300 or i.child.poll() is not None,
                                "events come")
                cut += ingest.child.poll() is None
                ingest.kill()
            else:
                self.assertEqual(ingest.wait(), 0, ingest.err())
        self.assertGreater(cut, 0)
        self.expect_totals(sub, files)

    def test_follows_a_growing_file(self):
        files = self.simulate(2)
        grown = self.fabric.path("growing.jsonl")
        with open(files[0], encoding="utf-8") as file:
            lines = file.readlines()
        half = len(lines) // 2
        with open(grown, "w", encoding="utf-8") as file:
            file.writelines(lines[:half])
        self.fabric.start_up("host-a")
        sub = self.fabric.start_sub()
        ingest = self.spawn_ingest("--follow", grown)
        fabric.wait_for(lambda: fabric.events(sub), "the first half is read")
        with open(grown, "a", encoding="utf-8") as file:
            file.writelines(lines[half:])
        calls = self.reference([files[0]])["tool_calls"]
        fabric.wait_for(lambda: totals(fabric.events(sub)).get("tool_calls") == calls, "the second half comes")
        ingest.signal(signal.SIGTERM)
        self.assertEqual(ingest.wait(), 0, ingest.err())
        self.assertNotIn("session_end", [event["type"] for event in fabric.events(sub)])
        ended = self.fabric.weft("ingest", "--node", "host-a", grown)
        self.assertEqual(ended.returncode, 0, ended.stderr)
        self.expect_totals(sub, [files[0]])

    def test_reads_standard_input_and_resumes_it_by_name(self):
        files = self.simulate(2)
        with open(files[0], "rb") as file:
            text = file.read()
        self.fabric.start_up("host-a")
        sub = self.fabric.start_sub()
        first = self.fabric.weft("ingest", "--node", "host-a", "--feed", "piped", "-",
                                 stdin=text[: text.index(b"\n", len(text) // 2) + 1])
        self.assertEqual(first.returncode, 0, first.stderr)
        second = self.fabric.weft("ingest", "--node", "host-a", "--feed", "piped", "-", stdin=text)
        self.assertEqual(second.returncode, 0, second.stderr)
        fabric.wait_for(lambda: totals(fabric.events(sub)).get("tool_calls") == self.reference([files[0]])["tool_calls"],
                        "all calls arrive")

    def test_names_bad_input_and_delivers_the_rest(self):
        path = self.fabric.path("bad.jsonl")
        with open(path, "w", encoding="utf-8") as file:
            file.write('{"type":"user","sessionId":"s1","message":{"content":"x"}}\nno JSON\n'
                       '{"type":"assistant","sessionId":"s1","message":{"usage":{"output_tokens":"many"}}}\n'
                       '{"type":"assistant","sessionId":"s1","message":{"id":"m","model":"new","usage":{}}}\n')
        self.fabric.start_up("host-a")
        sub = self.fabric.start_sub()
        run = self.fabric.weft("ingest", "--node", "host-a", path, self.fabric.path("missing.jsonl"))
        said = run.stderr.decode()
        self.assertEqual(run.returncode, 2, said)
        self.assertIn(f"{path}:2: no JSON", said)
        self.assertIn(f"{path}:3: message.usage.output_tokens: expected a whole number", said)
        self.assertIn("missing.jsonl: No such file or directory", said)
        self.assertIn("model 'new' has no price", said)
        fabric.wait_for(lambda: totals(fabric.events(sub)).get("llm_requests") == 1, "the good lines arrive")

    def test_refuses_two_runs_under_one_name(self):
        path = self.fabric.path("one.jsonl")
        with open(path, "w", encoding="utf-8"):
            pass
        self.fabric.start_up("host-a")
        sub = self.fabric.start_sub()
        self.spawn_ingest("--follow", path)
        with open(path, "a", encoding="utf-8") as file:
            file.write('{"type":"user","sessionId":"s1","message":{"content":"x"}}\n')
        fabric.wait_for(lambda: fabric.events(sub), "the first run is at work")
        second = self.fabric.weft("ingest", "--node", "host-a", path)
        self.assertEqual(second.returncode, 2)
        self.assertIn(b"--feed", second.stderr)

    def test_says_when_there_is_no_node(self):
        run = self.fabric.weft("ingest", "--timeout", "0", "--socket", self.fabric.path("none.sock"), "-", stdin=b"")
        self.assertEqual(run.returncode, 3)
        self.assertIn(b"none.sock", run.stderr)


fabric.main()
