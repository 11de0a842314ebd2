#!/usr/bin/env python3
"""weft demo as a user meets it: odd transcripts, an output that is full, Ctrl-C."""
import json
import os
import signal
import subprocess
import tempfile

from fabric import DEADLINE_S, WEFT, FabricTest, main, wait_for


def assistant(session, message, tool):
    return {"type": "assistant", "uuid": f"{session}-{message}", "sessionId": session,
            "timestamp": "2026-01-05T10:00:00.000Z", "requestId": f"req-{message}",
            "message": {"id": message, "role": "assistant", "model": "claude-opus-4-5",
                        "content": [{"type": "tool_use", "id": tool, "name": "Bash", "input": {}}],
                        "usage": {"input_tokens": 10, "output_tokens": 5}}}


class Demo(FabricTest):
    def transcript(self, project, records):
        os.makedirs(self.fabric.path(project))
        path = self.fabric.path(os.path.join(project, "session.jsonl"))
        with open(path, "w", encoding="utf-8") as file:
            file.writelines(json.dumps(record) + "\n" for record in records)
        return path

    def demo(self, *words, **more):
        return subprocess.run([WEFT, "demo", "--speed", "max", *words], stdin=subprocess.DEVNULL,
                              stderr=subprocess.PIPE, timeout=4 * DEADLINE_S, check=False, **more)

    def test_a_message_that_stands_in_two_projects_counts_once(self):
        files = [self.transcript(name, [assistant(name, "m1", "t1"), assistant(name, f"m-{name}", f"t-{name}")])
                 for name in ("api", "web")]
        result = self.demo("--json", *files, stdout=subprocess.PIPE)
        self.assertEqual(result.returncode, 0, result.stderr)
        totals = json.loads(result.stdout)
        self.assertTrue(totals["match"])
        self.assertEqual((totals["nodes"], totals["llm_requests"], totals["tool_calls"]), (2, 3, 3))

    def test_a_full_output_is_no_success(self):
        file = self.transcript("api", [assistant("s1", "m1", "t1")])
        with open("/dev/full", "wb") as full:
            result = self.demo("--json", file, stdout=full)
        self.assertEqual(result.returncode, 1)
        self.assertIn(b"standard output", result.stderr)

    def test_a_signal_leaves_nothing_behind(self):
        file = self.transcript("api", [assistant("s1", f"m{i}", f"t{i}") for i in range(40)])
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
