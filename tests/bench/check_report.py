#!/usr/bin/python3
"""Holds the form of `tests/bench/run GROUP… --json`: a list of figures, each complete and in order; nothing about speed.

check_report.py PROGRAM GROUP…
"""
import json
import subprocess
import sys

KEYS = {"group": str, "name": str, "unit": str, "min": float, "median": float, "max": float, "reference": float,
        "ratio": float}
program, *groups = sys.argv[1:]

output = subprocess.run([program, *groups, "--json", "--rounds", "3", "--events", "300"],
                        check=True, stdout=subprocess.PIPE).stdout
rows = json.loads(output, parse_int=float)
assert isinstance(rows, list)
for row in rows:
    assert list(row) == list(KEYS), row
    assert all(isinstance(row[key], kind) for key, kind in KEYS.items()), row
    assert 0 < row["min"] <= row["median"] <= row["max"], row
    assert row["reference"] > 0 and abs(row["ratio"] * row["reference"] / row["median"] - 1) < 0.01, row
assert len({row["name"] for row in rows}) == len(rows), rows
assert list(dict.fromkeys(row["group"] for row in rows)) == groups, rows

unknown = subprocess.run([program, "nonsense"], stdout=subprocess.PIPE, stderr=subprocess.DEVNULL)
assert unknown.returncode == 2 and not unknown.stdout
