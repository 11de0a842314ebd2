"""Runs of `weft demo` for the system tests: where transcripts come from, and what is counted in them by other code."""
import glob
import json
import os
import subprocess
import sys

from fabric import WEFT

SOURCE = os.environ.get("WEFT_SOURCE_DIR", os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", ".."))
REFERENCE = os.path.join(SOURCE, "tests", "system", "transcript_totals.py")
JANUARY = os.path.join(SOURCE, "..", "shared", "data", "claude_code_jan")
# Published beside the traces; see the SOURCE.md there.
JANUARY_FIGURES = {"nodes": 5, "sessions": 124, "llm_requests": 10185, "tool_calls": 10336, "tool_errors": 447,
                   "agent_errors": 57}
JANUARY_COST = "745.33"
CHAOS = {"broker_kills": 2, "node_kills": 1, "epochs_changed": 1}
RUN_S = 120


def january():
    """The files of the month of real sessions; none where they do not lie beside the tree."""
    return sorted(glob.glob(os.path.join(JANUARY, "*.gz")))


def simulate(directory, seed=7, sessions=24, operators=5):
    subprocess.run([WEFT, "simulate", "--seed", str(seed), "--sessions", str(sessions), "--operators", str(operators),
                    "--out", directory], check=True, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    return sorted(glob.glob(os.path.join(directory, "*.jsonl")))


def count_files(files, *options):
    """The totals of the files, by the reference."""
    return json.loads(subprocess.run([sys.executable, REFERENCE, *options, *files], check=True, capture_output=True,
                                     text=True).stdout)


def run_demo(test, *words):
    """Runs it at full speed to a match; returns its JSON. With --chaos it must also have told of the faults."""
    run = test.fabric.weft("demo", "--json", "--speed", "max", *words, timeout=RUN_S)
    test.expect(run, 0)
    said = json.loads(run.stdout)
    test.assertEqual((said["match"], said["lost"], said["duplicates"]), (True, 0, 0))
    test.assertEqual("chaos" in said, "--chaos" in words)
    if "chaos" in said:
        faults = said["chaos"]
        test.assertGreater(faults["resent"] + faults["healed"], 0)
        test.assertEqual({name: faults[name] for name in CHAOS}, CHAOS)
    return said
