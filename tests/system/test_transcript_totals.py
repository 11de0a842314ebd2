#!/usr/bin/env python3
"""Holds the Python reference of the counting rules against the generator."""
import glob
import json
import os
import subprocess
import sys
import tempfile

ROOT = os.environ["WEFT_SOURCE_DIR"]
REFERENCE = os.path.join(ROOT, "tests", "system", "transcript_totals.py")


def run(*command):
    return subprocess.run(command, check=True, stdout=subprocess.PIPE, text=True).stdout


def check(what, got, expected):
    if got != expected:
        sys.exit(f"{what}: got {got}, expected {expected}")


def generator_agrees():
    with tempfile.TemporaryDirectory() as directory:
        known = json.loads(
            run(os.environ["WEFT"], "simulate", "--seed", "11", "--sessions", "60", "--out", directory)
        )
        files = sorted(glob.glob(os.path.join(directory, "*.jsonl")))
        check("files", len(files), 5)
        counted = json.loads(run(sys.executable, REFERENCE, *files))
        check("records", known.pop("records"), sum(1 for name in files for _ in open(name, encoding="utf-8")))
        check("members", list(counted), list(known))
        check("totals", counted, known)
        expectation = os.path.join(directory, "known.json")
        known["tool_errors"] += 1
        with open(expectation, "w", encoding="utf-8") as file:
            json.dump(known, file)
        tampered = subprocess.run(
            [sys.executable, REFERENCE, "--expect", expectation, *files], stderr=subprocess.PIPE, text=True, check=False
        )
        check("status for a wrong figure", tampered.returncode, 1)
        check("its name", tampered.stderr.split(":")[0], "tool_errors")


generator_agrees()
