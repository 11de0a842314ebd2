"""Publishers: each feeds one node with numbered events over its socket and keeps the list of what was answered ok.

Event N of a node looks the same whenever it is made, so that an observer's history can be compared with it field by
field. The list of a publisher is also a file: a line {"first", "last"} of numbers an answer.
"""
import json
import select
import threading
import time

from shared import Feeder

WINDOW = 64        # unanswered lines
PATIENCE_S = 600   # for a node that is away; the scenario's own deadlines are shorter
SESSIONS = 20
STATUSES = ("idle", "busy")


class Synthetic:
    """Events of every durable topic in turn, in the canonical JSON form."""

    def __init__(self, node, padding=0):
        self.node = node
        self.padding = "x" * padding

    def event(self, number):
        session = f"{self.node}/s{number % SESSIONS}"
        event = {"sessionId": session, "attributes": {"number": str(number)}}
        kind = number % 8
        if kind == 0:
            event |= {"type": "tool_call_start", "toolCallStart": {"toolName": "Bash", "callId": f"c{number}"}}
        elif kind == 1:
            event |= {"type": "tool_call_end", "toolCallEnd": {"toolName": "Bash", "callId": f"c{number - 1}",
                                                              "durationMs": str(number), "success": True}}
        elif kind == 2:
            event |= {"type": "llm_request_start", "llmRequestStart": {"model": "m", "requestId": f"r{number}"}}
        elif kind == 3:
            event |= {"type": "token_usage",
                      "tokenUsage": {"model": "m", "inputTokens": str(number), "outputTokens": "41",
                                     "cacheReadTokens": "0", "cacheWriteTokens": "0", "costUsd": 0.25}}
        elif kind == 4:
            event |= {"type": "agent_error", "agentId": "a", "agentError": {"error": f"e{number}"}}
        elif kind == 5:
            event |= {"type": "session_start", "sessionStart": {}}
        elif kind == 6:
            event |= {"type": "shutdown_requested", "shutdownRequested": {"reason": f"{number}{self.padding}"}}
        else:
            event |= {"type": "custom", "custom": {"eventType": "x", "source": "load",
                                                   "dataJson": f'{{"n":{number},"padding":"{self.padding}"}}'}}
        return event

    def number_of(self, event):
        return number_attribute(event)


class Recorded:
    """Events that were recorded before, in a circle; each gets its number."""

    def __init__(self, node, events):
        self.node = node
        self.events = events

    def event(self, number):
        event = self.events[(number - 1) % len(self.events)]
        return {**event, "attributes": {**event.get("attributes", {}), "number": str(number)}}

    def number_of(self, event):
        return number_attribute(event)


def number_attribute(event):
    text = event.get("attributes", {}).get("number", "")
    return int(text) if text.isdigit() else None


class Numbers:
    """Those accepted, as ranges; those refused."""

    def __init__(self):
        self.ranges = []
        self.refused = set()
        self.count = 0

    def add(self, first, last):
        self.count += last + 1 - first
        if self.ranges and self.ranges[-1][1] + 1 == first:
            self.ranges[-1] = (self.ranges[-1][0], last)
        else:
            self.ranges.append((first, last))

    def each(self):
        for first, last in self.ranges:
            yield from range(first, last + 1)


class ListedFeeder(Feeder):
    """Tells each answer."""

    def __init__(self, path, feed, on_answer):
        self.on_answer = on_answer
        super().__init__(path, feed, PATIENCE_S)

    def take(self, answer):
        line = min(self.unanswered)
        super().take(answer)
        self.on_answer(line, answer)


class Publisher(threading.Thread):
    """Feeds a node at a rate (events a second; None: as fast as it takes them), in lines of `group` events."""

    def __init__(self, load, socket_path, history_path, rate=200, group=1, limit=None):
        super().__init__(name=f"publisher of {load.node}", daemon=True)
        self.load = load
        self.socket_path = socket_path
        self.history_path = history_path
        self.rate = rate
        self.group = group
        self.limit = limit
        self.accepted = Numbers()  # complete once the thread has ended; its count may be read at any time
        self.offered = 0           # the highest number sent
        self.errors = {}           # texts of refusals, counted
        self.spans = {}            # line: (first, last)
        self.ending = threading.Event()
        self.paused = threading.Event()
        self.failure = None

    def run(self):
        try:
            with open(self.history_path, "a", encoding="utf-8") as self.history:
                self.feeder = ListedFeeder(self.socket_path, "load", self.on_answer)
                self.publish()
                self.feeder.flush()
                self.feeder.close()
        except Exception as error:  # pylint: disable=broad-except  # told by finish
            self.failure = error

    def publish(self):
        self.due_s = time.monotonic()
        while not self.ending.is_set() and not self.done():
            wait_s = self.due_s - time.monotonic()
            if self.paused.is_set() or len(self.feeder.unanswered) >= WINDOW:
                self.wait_answer(0.05)
            elif wait_s > 0:
                self.wait_answer(min(wait_s, 0.05))
            else:
                self.send()
                self.feeder.take_answers()

    def done(self):
        return self.limit is not None and self.offered >= self.limit

    def send(self):
        first = self.offered + 1
        last = self.offered + self.group if self.limit is None else min(self.offered + self.group, self.limit)
        events = [self.load.event(number) for number in range(first, last + 1)]
        line = json.dumps(events[0] if self.group == 1 else {"events": events}, separators=(",", ":"))
        self.offered = last
        self.spans[self.feeder.next] = (first, last)
        if self.rate is not None:
            self.due_s = max(self.due_s + (last + 1 - first) / self.rate, time.monotonic() - 1)
        self.feeder.send_line(line.encode() + b"\n")

    def wait_answer(self, wait_s):
        """Repeats what is unanswered if the node has gone."""
        if b"\n" not in self.feeder.buffer and not select.select([self.feeder.stream], [], [], wait_s)[0]:
            return
        try:
            self.feeder.take(self.feeder.answer())
        except (OSError, ConnectionError):
            self.feeder.recover()

    def on_answer(self, line, answer):
        first, last = self.spans.pop(line)
        if "error" in answer:
            self.accepted.refused.update(range(first, last + 1))
            self.errors[answer["error"]] = self.errors.get(answer["error"], 0) + 1
            return
        self.accepted.add(first, last)
        self.history.write(f'{{"first":{first},"last":{last}}}\n')
        self.history.flush()

    def finish(self, deadline_s=120):
        """Sends no more, waits for the answers."""
        self.ending.set()
        self.join(deadline_s)
        if self.failure is not None:
            raise self.failure
        if self.is_alive():
            raise AssertionError(f"{self.name}: {len(self.spans)} lines are unanswered after {deadline_s} s")
