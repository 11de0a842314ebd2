#!/usr/bin/env python3
"""Holds the Python reference of the counting rules against the published sums of a month of real sessions; skipped where
they do not lie beside the tree."""
import glob
import json
import os
import subprocess
import sys

ROOT = os.environ["WEFT_SOURCE_DIR"]
REFERENCE = os.path.join(ROOT, "tests", "system", "transcript_totals.py")
JANUARY = os.path.join(ROOT, "..", "shared", "data", "claude_code_jan")


def run(*command):
    return subprocess.run(command, check=True, stdout=subprocess.PIPE, text=True).stdout


def check(what, got, expected):
    if got != expected:
        sys.exit(f"{what}: got {got}, expected {expected}")


def january_agrees():
    files = sorted(glob.glob(os.path.join(JANUARY, "*.gz")))
    if not files:
        print(f"skipped: no traces in {JANUARY}")
        sys.exit(77)
    counted = json.loads(run(sys.executable, REFERENCE, *files))
    with open(os.path.join(JANUARY, "totals.json"), encoding="utf-8") as file:
        published = json.load(file)["all"]
    rows = [*published["llm_main"].values(), *published["llm_subagents"].values()]
    tools = (published["tools_main"], published["tools_subagents"])
    check("nodes", counted["nodes"], len(published["operators"]))
    check("sessions", counted["sessions"], published["sessions"])
    check("llm_requests", counted["llm_requests"], sum(row["requests"] for row in rows))
    for name, theirs in (
        ("input_tokens", "input_tokens"),
        ("output_tokens", "output_tokens"),
        ("cache_read_tokens", "cache_read_input_tokens"),
        ("cache_write_tokens", "cache_creation_input_tokens"),
    ):
        check(name, counted[name], sum(row[theirs] for row in rows))
    check("cost_usd", f"{counted['cost_usd']:.4f}", f"{sum(row['cost_usd'] for row in rows):.4f}")
    check("tool_calls", counted["tool_calls"], sum(group["calls"] for group in tools))
    check("tool_errors", counted["tool_errors"], sum(group["errors"] for group in tools))
    for name, row in counted["tools"].items():
        check(name, row["calls"], sum(group["by_name"].get(name, 0) for group in tools))
        check(name, row["errors"], sum(group["errors_by_name"].get(name, 0) for group in tools))
    check("agent_errors", counted["agent_errors"], 57)


january_agrees()
