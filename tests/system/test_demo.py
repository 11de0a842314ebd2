#!/usr/bin/env python3
"""`weft demo` on transcripts that it makes itself, that are damaged, missing or of unknown people and models: its
totals, its words, its exit status and how it ends."""
import json
import os
import signal
import subprocess
import tempfile

from capture import CaptureTest
from demo_runs import RUN_S, count_files, run_demo, simulate
from fabric import DEADLINE_S, WEFT, main, wait_for
from transcript_totals import differences

TIME = "2026-03-01T10:00:%02d.000Z"


def transcript(session, model, **more):
    """A small session by hand: a prompt, an answer over two lines, a call that fails, a call that never ends."""
    usage = {"input_tokens": 10, "cache_creation_input_tokens": 200, "cache_read_input_tokens": 3000}
    call = {"type": "tool_use", "id": f"call-{session}", "name": "Bash", "input_bytes": 5}
    open_call = {"type": "tool_use", "id": f"open-{session}", "name": "Task", "input_bytes": 5}
    result = {"type": "tool_result", "tool_use_id": call["id"], "is_error": True, "content_bytes": 9}

    def answer(identity, tokens, *content):
        return {"type": "assistant", "message": {"id": identity, "model": model, "role": "assistant",
                                                 "usage": {**usage, "output_tokens": tokens}, "content": content}}

    records = [{"type": "user", "message": {"role": "user", "content": "go"}},
               answer(f"one-{session}", 1), answer(f"one-{session}", 40, call),
               {"type": "user", "message": {"role": "user", "content": [result]}},
               answer(f"two-{session}", 7, open_call)]
    return [{**record, "uuid": f"{session}-{number}", "sessionId": session, "timestamp": TIME % number, **more}
            for number, record in enumerate(records)]


def assistant(session, message, tool):
    return {"type": "assistant", "uuid": f"{session}-{message}", "sessionId": session,
            "timestamp": "2026-01-05T10:00:00.000Z", "requestId": f"req-{message}",
            "message": {"id": message, "role": "assistant", "model": "claude-opus-4-5",
                        "content": [{"type": "tool_use", "id": tool, "name": "Bash", "input": {}}],
                        "usage": {"input_tokens": 10, "output_tokens": 5}}}


class DemoTest(CaptureTest):
    def write(self, path, records):
        path = self.fabric.path(path)
        os.makedirs(os.path.dirname(path), exist_ok=True)
        with open(path, "w", encoding="utf-8") as file:
            file.writelines(json.dumps(record) + "\n" for record in records)
        return path

    def demo(self, *words, stdout=subprocess.PIPE):
        return subprocess.run([WEFT, "demo", "--json", "--speed", "max", *words], stdin=subprocess.DEVNULL,
                              stdout=stdout, stderr=subprocess.PIPE, env=self.fabric.env, timeout=RUN_S, check=False)

    def expect_files_counted(self, said, files, *options):
        self.assertEqual(differences(said, count_files(files, *options)), [])


class Totals(DemoTest):
    def test_without_traces_it_plays_what_the_simulation_knows(self):
        known = json.loads(self.fabric.weft("simulate", "--out", self.fabric.path("same")).stdout)
        del known["records"]
        self.assertEqual(differences(run_demo(self), known), [])

    def test_killed_brokers_and_a_killed_node_change_no_total(self):
        files = simulate(self.fabric.path("traces"), sessions=24)
        self.expect_files_counted(run_demo(self, "--chaos", *files), files)

    def test_without_operators_the_project_directories_are_the_nodes(self):
        files = [self.write("projects/-home-Ana-shop/a.jsonl", transcript("s1", "claude-opus-4-5")),
                 self.write("projects/-home-ana-shop/b.jsonl", transcript("s2", "claude-haiku-4-5")),
                 self.write("projects/site/c.jsonl", transcript("s3", "claude-opus-4-5"))]
        _, messages, _ = self.check(files)
        owned = {(message.stream[0], event.session_id) for message in messages for event in message.events.values()}
        self.assertEqual(owned, {("-home-ana-shop-0f5f748b", "s1"), ("-home-ana-shop", "s2"), ("site", "s3")})

    def test_unknown_people_and_models_among_damaged_lines_come_out_right(self):
        wrong = transcript("s5", "nimbus-2")[1]
        wrong["message"]["usage"]["output_tokens"] = "many"
        files = [self.write("t/a.jsonl", transcript("s1", "nimbus-2", operator="Zoë")
                            + ["no record", wrong] + transcript("s2", "claude-opus-4-5", operator="max")),
                 self.write("t/b.jsonl", transcript("s1", "nimbus-2", operator="max") + transcript("s4", "nimbus-2"))]
        with open(files[1], "a", encoding="utf-8") as file:
            file.write('\n{"type":"assistant"')
        people = self.fabric.weft("demo", "--speed", "max", *files, timeout=RUN_S)
        self.expect(people, 0, 'no price for model "nimbus-2"', f"{files[0]}:6: ", f"{files[0]}:7: ", "output_tokens",
                    f"{files[1]}:12: ")
        lines = people.stdout.decode().splitlines()
        self.assertEqual(lines[-1].strip(), "every total matches")
        row = next(line.split() for line in lines if line.strip().startswith("output tokens"))
        self.assertEqual(row[2:], ["141", "141", "ok"])

        prices = self.fabric.path("prices.json")
        with open(prices, "w", encoding="utf-8") as file:
            json.dump({"nimbus-2": {"input": 1, "output": 2, "cache_read": 0.5, "cache_write": 3}}, file)
        said = run_demo(self, "--prices", prices, *files)
        self.expect_files_counted(said, files, "--prices", prices)
        self.assertEqual((said["nodes"], said["sessions"], said["llm_requests"]), (3, 3, 6))
        self.assertEqual(said["tools"], {"Bash": {"calls": 3, "errors": 3}, "Task": {"calls": 3, "errors": 0}})
        # Two sessions of two requests: 20 in, 47 out, 6000 read from and 400 written to the cache.
        self.assertAlmostEqual(said["models"]["nimbus-2"]["cost_usd"], 2 * (20 + 2 * 47 + 3000 + 1200) / 1e6, 12)

    def test_a_message_that_stands_in_two_projects_counts_once(self):
        files = [self.write(f"{name}/session.jsonl", [assistant(name, "m1", "t1"),
                                                         assistant(name, f"m-{name}", f"t-{name}")])
                 for name in ("api", "web")]
        result = self.demo(*files)
        self.assertEqual(result.returncode, 0, result.stderr)
        totals = json.loads(result.stdout)
        self.assertTrue(totals["match"])
        self.assertEqual((totals["nodes"], totals["llm_requests"], totals["tool_calls"]), (2, 3, 3))


class Manners(DemoTest):
    def test_what_cannot_be_read_is_named(self):
        folder = self.fabric.directory
        missing, empty = self.fabric.path("missing.jsonl"), self.write("empty/a.jsonl", [])
        good = self.write("good/a.jsonl", transcript("s1", "claude-opus-4-5"))
        prose = self.write("prose.txt", ["not a record"])
        for words, name in (([missing], missing), ([good, missing], missing), ([folder], folder), ([empty], empty),
                            ([empty, prose], empty), ([prose], prose), ([good, "--prices", missing], missing),
                            (["--speed", "fast", good], "--speed"), (["--port", "65536", good], "--port")):
            run = self.demo(*words)
            self.expect(run, 2, name)
            self.assertEqual(run.stdout, b"", words)

    def test_a_port_that_is_taken_is_named(self):
        self.fabric.start_broker()
        good = self.write("good/a.jsonl", transcript("s1", "claude-opus-4-5"))
        self.expect(self.demo("--port", str(self.fabric.port), good), 3, str(self.fabric.port), "taken")

    def test_a_full_output_is_no_success(self):
        file = self.write("api/session.jsonl", [assistant("s1", "m1", "t1")])
        with open("/dev/full", "wb") as full:
            result = self.demo(file, stdout=full)
        self.assertEqual(result.returncode, 1)
        self.assertIn(b"standard output", result.stderr)

    def test_a_signal_leaves_nothing_behind(self):
        file = self.write("api/session.jsonl", [assistant("s1", f"m{i}", f"t{i}") for i in range(40)])
        for number in (signal.SIGINT, signal.SIGTERM):
            # Sockets' paths must fit below it, or the demo prefers /tmp.
            with tempfile.TemporaryDirectory(prefix="w-", dir="/tmp") as temporary:
                with subprocess.Popen([WEFT, "demo", file], stdout=subprocess.PIPE, stderr=subprocess.DEVNULL,
                                      env={**os.environ, "TMPDIR": temporary}) as child:
                    wait_for(child.stdout.readline, "the demo begins")
                    self.assertEqual(len(os.listdir(temporary)), 1)
                    child.send_signal(number)
                    self.assertEqual(child.wait(DEADLINE_S), -number)
                self.assertEqual(os.listdir(temporary), [])


if __name__ == "__main__":
    main()
