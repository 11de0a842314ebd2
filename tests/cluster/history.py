"""Holds what an observer handled against what publishers were promised.

The checker reads each event once, as it comes, and keeps a few bytes of it, so that a million are no matter. It knows
nothing of weft but the JSON form of an event: node, epoch, seq, topic, flags, and the number that the publisher gave.
"""
from array import array

REPLAYED = 1
SYNTHETIC = 2
EXAMPLES = 8
# What weft adds to an event by itself.
ENVELOPE = {"node", "epoch", "seq", "topic", "type", "timestampMs", "acceptedMs", "flags"}


class Findings:
    """Broken promises by name: how many, and the first few of them."""

    def __init__(self):
        self.counts = {}
        self.examples = {}

    def add(self, name, example, count=1):
        self.counts[name] = self.counts.get(name, 0) + count
        found = self.examples.setdefault(name, [])
        if len(found) < EXAMPLES:
            found.append(example)

    def lines(self):
        return [f"{name}: {count}, as {'; '.join(map(str, self.examples[name]))}"
                for name, count in sorted(self.counts.items())]


class Stream:
    """(node, epoch, topic): the numbers by seq, and where the order stands."""

    def __init__(self):
        self.last_seq = 0  # of those not replayed
        self.highest = 0
        self.seqs = array("Q")
        self.numbers = array("Q")

    def backwards(self):
        """Pairs of numbers whose seqs stand the other way round."""
        pairs = sorted(zip(self.seqs, self.numbers))
        return [(before, after) for before, after in zip(pairs, pairs[1:]) if before[1] >= after[1]]


class History:
    """Of one observer. `loads` says by node what event N of it must look like."""

    def __init__(self, name, loads):
        self.name = name
        self.loads = loads
        self.seen = {node: bytearray() for node in loads}
        self.highest = dict.fromkeys(loads, 0)
        self.streams = {}
        self.findings = Findings()
        self.handled = 0
        self.replayed = 0
        self.synthetic = 0
        self.overtaken = 0  # replayed ones that came after later ones of their stream, as they may

    def take(self, event):
        flags = int(event.get("flags", 0))
        node = event["node"]
        if flags & SYNTHETIC:
            self.synthetic += 1
            return
        if node not in self.loads:
            self.findings.add("invented (I4)", f"of a node {node}")
            return
        number = self.loads[node].number_of(event)
        if number is None or number < 1:
            self.findings.add("invented (I4)", f"{node} without a number: {event}")
            return
        self.handled += 1
        self.replayed += flags & REPLAYED
        self.count(node, number)
        self.compare(node, number, event)
        self.order(node, number, event, flags & REPLAYED)

    def count(self, node, number):
        seen = self.seen[node]
        self.highest[node] = max(self.highest[node], number)
        if len(seen) <= number:
            seen.extend(bytes(max(number + 1 - len(seen), 4096)))
        if seen[number] > 0:
            self.findings.add("handled twice (I2)", f"{node}/{number}")
        seen[number] = min(seen[number] + 1, 255)

    def compare(self, node, number, event):
        wanted = self.loads[node].event(number)
        wrong = [name for name, value in wanted.items() if event.get(name) != value]
        wrong += [name for name in event if name not in wanted and name not in ENVELOPE]
        if wrong:
            name = wrong[0]
            self.findings.add("altered (I4)", f"{node}/{number}: {name} is {event.get(name)}, not {wanted.get(name)}")

    def order(self, node, number, event, replayed):
        key = (node, event["epoch"], event["topic"])
        stream = self.streams.get(key)
        if stream is None:
            stream = self.streams[key] = Stream()
        seq = int(event["seq"])
        stream.seqs.append(seq)
        stream.numbers.append(number)
        stream.highest = max(stream.highest, seq)
        if replayed:
            self.overtaken += seq < stream.highest
            return
        if seq <= stream.last_seq:
            self.findings.add("out of order (I3)", f"{'/'.join(key)}: {seq} after {stream.last_seq}")
        stream.last_seq = seq

    def missing(self, accepted):
        """Accepted events that were not handled: {node: [number…]}."""
        found = {}
        for node, numbers in accepted.items():
            seen = self.seen[node]
            gone = [number for number in numbers.each() if number >= len(seen) or not seen[number]]
            if gone:
                found[node] = gone
        return found

    def complete(self, accepted):
        return not self.missing(accepted)

    def judge(self, accepted, offered, lost_allowed=0):
        """All that is wrong at the end. `offered`: {node: the highest number ever sent}; up to lost_allowed events may
        be missing, where losses were reported."""
        for node, seen in self.seen.items():
            for number in range(offered[node] + 1, len(seen)):
                if seen[number]:
                    self.findings.add("invented (I4)", f"{node}/{number} was never sent")
            for number in accepted[node].refused:
                if number < len(seen) and seen[number]:
                    self.findings.add("refused, yet handled (I4)", f"{node}/{number}")
        for key, stream in self.streams.items():
            for before, after in stream.backwards():
                self.findings.add("numbered against the order (I3)", f"{'/'.join(key)}: {before} before {after}")
        missing = self.missing(accepted)
        if sum(map(len, missing.values())) > lost_allowed:
            for node, numbers in missing.items():
                self.findings.add("accepted, not handled (I1)", f"{node}: {numbers[:EXAMPLES]}", len(numbers))
        return [f"{self.name}: {line}" for line in self.findings.lines()]
