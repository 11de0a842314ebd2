#!/usr/bin/env python3
"""Totals of coding agents' transcripts, counted straight from the files.

usage: transcript_totals.py [--prices FILE] [--expect FILE] TRACE...

A reference that shares nothing with the program: the rules of counting written down once more, with the standard
library alone. Prints one JSON object: nodes, sessions, llm_requests, input_tokens, output_tokens, cache_read_tokens,
cache_write_tokens, cost_usd, tool_calls, tool_errors, agent_errors, models, tools.

  --prices FILE  prices of further models, {"model": {"input", "output", "cache_read", "cache_write"}}, USD per million
  --expect FILE  compares with such an object (or one with more members); exit status 1 and a list if they differ
"""
import argparse
import datetime
import gzip
import json
import os
import re
import sys
from fractions import Fraction

LINE_MAX = 16 * 1024 * 1024
TOKENS_MAX = 2**53
TIME = re.compile(
    r"([0-9]{4})-([0-9]{2})-([0-9]{2})[Tt ]([0-9]{2}):([0-9]{2}):([0-9]{2})(\.[0-9]+)?([Zz]|[+-]([0-9]{2}):([0-9]{2}))"
)
# Input, output, cache read, cache write: USD per million tokens.
CLAUDE_OPUS = ("5", "25", "0.5", "6.25")
CLAUDE_SONNET = ("3", "15", "0.3", "3.75")
CLAUDE_HAIKU = ("1", "5", "0.1", "1.25")
PRICES = {
    "claude-opus-4-5-20251101": CLAUDE_OPUS,
    "claude-opus-4-5": CLAUDE_OPUS,
    "claude-opus-4-6": CLAUDE_OPUS,
    "claude-sonnet-4-5-20250929": CLAUDE_SONNET,
    "claude-sonnet-4-5": CLAUDE_SONNET,
    "claude-haiku-4-5-20251001": CLAUDE_HAIKU,
    "claude-haiku-4-5": CLAUDE_HAIKU,
    "claude-3-7-sonnet-20250219": CLAUDE_SONNET,
    "claude-3-5-sonnet-20241022": CLAUDE_SONNET,
    "gpt-4o": ("2.5", "10", "1.25", "0"),
    "gpt-4o-mini": ("0.15", "0.6", "0.08", "0"),
    "gpt-5": ("1.25", "10", "0.125", "0"),
    "gpt-5.1-codex": ("1.25", "10", "0.125", "0"),
    "gpt-5.2": ("1.75", "14", "0.175", "0"),
    "o3": ("2", "8", "0.5", "0"),
    "o3-mini": ("1.1", "4.4", "0.55", "0"),
    "gemini-2.5-pro": ("1.25", "10", "0.31", "0"),
    "gemini-2.5-flash": ("0.3", "2.5", "0.075", "0"),
    "gemini-3-pro-preview": ("2", "12", "0.2", "0"),
    "gemini-3-flash-preview": ("0.5", "3", "0.05", "0"),
}
USAGE = ("input_tokens", "output_tokens", "cache_read_input_tokens", "cache_creation_input_tokens")
USAGE_NAMES = ("input_tokens", "output_tokens", "cache_read_tokens", "cache_write_tokens")


class BadLine(Exception):
    """The line is no record: it counts nowhere."""


def fnv1a(data):
    value = 0xCBF29CE484222325
    for byte in data:
        value = ((value ^ byte) * 0x100000001B3) & (2**64 - 1)
    return value


def short(name):
    """Names over 128 bytes keep 111 of them and get a hash."""
    data = name.encode("utf-8", "replace")
    if len(data) <= 128:
        return name
    return data[:111].decode("utf-8", "ignore") + "~%016x" % fnv1a(data)


def node_name(name):
    if re.fullmatch(r"[a-z0-9_.-]{1,64}", name) and name != "-":
        return name
    data = name.encode("utf-8", "replace")
    kept = "".join(chr(b).lower() if b < 128 else "-" for b in data[:55])
    return re.sub(r"[^a-z0-9_.-]", "-", kept) + "-%08x" % (fnv1a(data) & 0xFFFFFFFF)


# ---- taking a line apart; whatever is of a wrong type makes it no record ----


def get(obj, key, kind, required=False):
    value = obj.get(key) if isinstance(obj, dict) else None
    if value is None:
        if required:
            raise BadLine(key)
        return None
    if kind is int:
        if isinstance(value, float) and value == value // 1:
            value = int(value)  # 12.0 is a whole number
        if isinstance(value, bool) or not isinstance(value, int) or not 0 <= value <= TOKENS_MAX:
            raise BadLine(key)
    if kind is not object and not isinstance(value, kind):
        raise BadLine(key)
    if kind is str and ("\0" in value or (required and not value)):
        raise BadLine(key)
    return value


def check_time(record):
    text = get(record, "timestamp", str)
    if not text:
        return
    match = TIME.fullmatch(text)
    if not match:
        raise BadLine("timestamp")
    try:
        when = datetime.datetime(*(int(match.group(i)) for i in range(1, 7)))
        offset = datetime.timedelta(hours=int(match.group(9) or 0), minutes=int(match.group(10) or 0))
        if when.year < 1970 or (offset and (offset >= datetime.timedelta(days=1) or int(match.group(10)) > 59)):
            raise BadLine("timestamp")
        if match.group(8)[0] == "+" and when - offset < datetime.datetime(1970, 1, 1):
            raise BadLine("timestamp")
    except (ValueError, OverflowError) as error:
        raise BadLine("timestamp") from error


def read_content(message):
    """The tool calls and results of a message: (id, name) and (id, None, is_error)."""
    content = get(message, "content", (list, str))
    items = []
    for item in content if isinstance(content, list) else ():
        if not isinstance(item, dict):
            raise BadLine("content")
        kind = get(item, "type", str)
        if kind == "tool_use":
            items.append(("call", get(item, "id", str, True), get(item, "name", str, True)))
        elif kind == "tool_result":
            identity = get(item, "tool_use_id", str, True)
            items.append(("result", identity, bool(get(item, "is_error", bool))))
    return items


def read_message(holder, assistant):
    message = get(holder, "message", dict, True)
    found = {"assistant": assistant, "id": "", "model": "", "usage": (0, 0, 0, 0)}
    if assistant:
        found["id"] = get(message, "id", str) or ""
        found["model"] = get(message, "model", str) or ""
        usage = get(message, "usage", dict) or {}
        found["usage"] = tuple(get(usage, key, int) or 0 for key in USAGE)
        found["api_error"] = bool(get(holder, "isApiErrorMessage", bool))
    found["items"] = read_content(message)
    return found


def refuse(text):
    raise BadLine(text)


def finite(text):
    value = float(text)
    return value if abs(value) != float("inf") else refuse(text)


def read_record(line):
    """(session, operator, agent, uuid, is_error, message or None) of a line."""

    try:
        record = json.loads(line.decode("utf-8"), parse_constant=refuse, parse_float=finite)
    except (ValueError, RecursionError) as error:
        raise BadLine("no JSON") from error
    if not isinstance(record, dict):
        raise BadLine("no object")
    kind = get(record, "type", str, True)
    if kind not in ("assistant", "user", "progress", "system", "queue-operation", "pr-link"):
        session, operator = record.get("sessionId"), record.get("operator")
        usable = all(v is None or (isinstance(v, str) and "\0" not in v) for v in (session, operator))
        return (session or "", operator or "", "", "", False, None) if usable else ("", "", "", "", False, None)
    session, operator, agent, uuid = (get(record, k, str) or "" for k in ("sessionId", "operator", "agentId", "uuid"))
    check_time(record)
    message, error = None, False
    if kind in ("assistant", "user"):
        if kind == "user":
            get(record, "isMeta", bool)
            get(record, "isCompactSummary", bool)
        message = read_message(record, kind == "assistant")
    elif kind == "system" and get(record, "subtype", str) == "api_error":
        error = True
        get(record, "retryAttempt", int)
        delay = get(record, "retryInMs", (int, float))
        if delay is not None and (isinstance(delay, bool) or delay < 0):
            raise BadLine("retryInMs")
    elif kind == "progress":
        data = get(record, "data", dict)
        if get(data, "type", str) == "agent_progress":
            agent = get(data, "agentId", str, True)
            nested = get(data, "message", dict, True)
            nested_kind = get(nested, "type", str)
            if nested_kind in ("assistant", "user"):
                message = read_message(nested, nested_kind == "assistant")
            get(record, "parentToolUseID", str)
    if message and message["assistant"]:
        error = message["api_error"] or message["model"] == "<synthetic>"
    return session, operator, agent, uuid, error, message


# ---- counting ----


class Counter:
    def __init__(self):
        self.owner = {}  # session -> [operator or None, directory]
        self.answers = {}  # message id -> (usage, model)
        self.closed = set()
        self.current = {}  # (session, agent) -> message id
        self.names = {}  # call id -> tool
        self.failed = {}  # call id -> is_error of the first result
        self.error_uuids = set()
        self.errors = 0
        self.bad_lines = 0

    def add_file(self, path):
        directory = os.path.basename(os.path.dirname(os.path.realpath(path)))
        with open(path, "rb") as probe:
            opener = gzip.open if probe.read(2) == b"\x1f\x8b" else open
        with opener(path, "rb") as file:
            for line in file:
                line = line.rstrip(b"\n")
                if not line.strip(b" \t\r"):
                    continue
                try:
                    if len(line) > LINE_MAX:
                        raise BadLine("too long")
                    self.add(directory, *read_record(line))
                except BadLine:
                    self.bad_lines += 1

    def add(self, directory, session, operator, agent, uuid, error, message):
        owner = self.owner.setdefault(session, [None, directory])
        if operator and owner[0] is None:
            owner[0] = operator
        if error and not (uuid and uuid in self.error_uuids):
            self.errors += 1
            self.error_uuids.add(uuid)
        if message is None:
            return
        if message["assistant"] and message["id"]:
            self.add_answer((session, agent), message)
        for kind, identity, what in message["items"]:
            (self.names if kind == "call" else self.failed).setdefault(identity, what)

    def add_answer(self, stream, message):
        identity = message["id"]
        if self.current.get(stream, identity) != identity:
            self.closed.add(self.current[stream])
        self.current[stream] = identity
        if message["model"] == "<synthetic>":
            return
        best = self.answers.get(identity)
        if best is None or (identity not in self.closed and message["usage"][1] > best[0][1]):
            self.answers[identity] = (message["usage"], message["model"])

    def nodes(self):
        owners = [owner for session, owner in self.owner.items() if session] or self.owner.values()
        return {node_name(operator or directory) for operator, directory in owners}

    def totals(self, prices):
        models, tools = {}, {}
        for usage, model in self.answers.values():
            row = models.setdefault(short(model), dict.fromkeys(("requests", *USAGE_NAMES, "nano"), 0))
            row["requests"] += 1
            for name, tokens in zip(USAGE_NAMES, usage):
                row[name] += tokens
            # USD per million tokens are milli-nano-USD per token; half a nano-USD is rounded up.
            exact = sum(Fraction(price) * 1000 * tokens for price, tokens in zip(prices.get(model, "0000"), usage))
            row["nano"] += min(int(exact + Fraction(1, 2)), 10**15)
        for identity, name in self.names.items():
            row = tools.setdefault(short(name), {"calls": 0, "errors": 0})
            row["calls"] += 1
            row["errors"] += bool(self.failed.get(identity))
        total = {
            "nodes": len(self.nodes()),
            "sessions": len([session for session in self.owner if session]),
            "llm_requests": len(self.answers),
        }
        for name in USAGE_NAMES:
            total[name] = sum(row[name] for row in models.values())
        total["cost_usd"] = sum(row["nano"] for row in models.values()) / 1e9
        total["tool_calls"] = len(self.names)
        total["tool_errors"] = sum(row["errors"] for row in tools.values())
        total["agent_errors"] = self.errors
        for row in models.values():
            row["cost_usd"] = row.pop("nano") / 1e9
        total["models"] = dict(sorted(models.items()))
        total["tools"] = dict(sorted(tools.items()))
        return total


def differences(expected, got, path=""):
    """Texts for the members of got that expected has otherwise or not."""
    if isinstance(got, dict) and isinstance(expected, dict):
        keys = sorted(set(got) | (set(expected) if path else set()))
        return [text for key in keys for text in differences(expected.get(key), got.get(key), f"{path}/{key}")]
    if isinstance(got, float) and isinstance(expected, (int, float)):
        return [] if abs(got - expected) < 5e-10 * max(1, abs(got)) else [f"{path}: expected {expected}, files {got}"]
    return [] if got == expected else [f"{path}: expected {expected}, files {got}"]


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--prices")
    parser.add_argument("--expect")
    parser.add_argument("trace", nargs="+")
    options = parser.parse_args()
    prices = {model: tuple(map(Fraction, row)) for model, row in PRICES.items()}
    if options.prices:
        with open(options.prices, encoding="utf-8") as file:
            for model, row in json.load(file, parse_float=Fraction).items():
                kinds = ("input", "output", "cache_read", "cache_write")
                prices[model] = tuple(Fraction(row.get(kind, 0)) for kind in kinds)
    counter = Counter()
    for path in options.trace:
        counter.add_file(path)
    total = counter.totals(prices)
    if not options.expect:
        print(json.dumps(total, indent=1))
        return 0
    with open(options.expect, encoding="utf-8") as file:
        found = differences(json.load(file), total)
    for text in found:
        print(text.lstrip("/"), file=sys.stderr)
    return 1 if found else 0


if __name__ == "__main__":
    sys.exit(main())
