#!/usr/bin/python3
"""Holds the form of `tests/bench/run GROUP… --json`: a list of figures, each complete, beside references (if it has any)
in order, the first of which is there whatever was installed at build time; nothing about speed.

check_report.py PROGRAM ROUNDS EVENTS [--only TEXT] GROUP…
"""
import json
import os
import subprocess
import sys
import tempfile

NUMBER = (float, type(None))  # None: it cannot be done, or is not here
KEYS = {"group": str, "name": str, "unit": str, "min": NUMBER, "median": NUMBER, "max": NUMBER, "reference": NUMBER,
        "ratio": NUMBER, "beside": list}
program, rounds, events, *groups = sys.argv[1:]
only, groups = (groups[:2], groups[2:]) if groups[0] == "--only" else ([], groups)


def check_reference(row, reference):
    assert list(reference) == ["name", "median", "ratio"] and reference["name"], row
    if reference["median"] is None or row["median"] is None:
        assert reference["ratio"] is None, row
    else:
        assert reference["median"] > 0, row
        assert abs(reference["ratio"] * reference["median"] / row["median"] - 1) < 0.01, row


def check_row(row):
    assert list(row) == list(KEYS), row
    assert all(isinstance(row[key], kind) for key, kind in KEYS.items()), row
    assert row["median"] is None or 0 < row["min"] <= row["median"] <= row["max"], row
    for reference in row["beside"]:
        check_reference(row, reference)
    assert len({reference["name"] for reference in row["beside"]}) == len(row["beside"]), row
    first = row["beside"][0] if row["beside"] else {"median": None, "ratio": None}
    assert (row["reference"], row["ratio"]) == (first["median"], first["ratio"]), row


with tempfile.TemporaryDirectory() as directory:
    output = subprocess.run([program, *groups, *only, "--json", "--rounds", rounds, "--events", events], check=True,
                            stdout=subprocess.PIPE, env={**os.environ, "TMPDIR": directory}).stdout
rows = json.loads(output, parse_int=float)
assert isinstance(rows, list)
for row in rows:
    check_row(row)
assert len({row["name"] for row in rows}) == len(rows), rows
assert list(dict.fromkeys(row["group"] for row in rows)) == groups, rows

unknown = subprocess.run([program, "nonsense"], stdout=subprocess.PIPE, stderr=subprocess.DEVNULL)
assert unknown.returncode == 2 and not unknown.stdout
