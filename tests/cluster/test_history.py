#!/usr/bin/env python3
"""The checker of histories is distrusted: each kind of broken promise, put into a good history, is found and named."""
import unittest

from history import History
from load import Numbers, Synthetic

NODES = ("host-a", "host-b")
COUNT = 64


def history_of(loads):
    """What an observer prints when all is well: seqs go over all topics of a node, streams are told apart by topic."""
    return [{**load.event(number), "node": node, "epoch": "7", "seq": str(number), "topic": str(number % 8),
             "timestampMs": "1", "acceptedMs": "1"} for number in range(1, COUNT + 1) for node, load in loads.items()]


class Checker(unittest.TestCase):
    def setUp(self):
        self.loads = {node: Synthetic(node) for node in NODES}
        self.events = history_of(self.loads)
        self.accepted = {node: Numbers() for node in NODES}
        for numbers in self.accepted.values():
            numbers.add(1, COUNT)

    def judge(self, **more):
        history = History("o", self.loads)
        for event in self.events:
            history.take(event)
        return history.judge(self.accepted, dict.fromkeys(NODES, COUNT), **more)

    def expect(self, *promises):
        found = self.judge()
        self.assertEqual([promise for promise in promises if not any(promise in line for line in found)], [], found)
        self.assertEqual(len(found), len(promises), found)

    def test_a_good_history_is_good(self):
        self.expect()

    def test_finds_one_that_is_missing(self):
        del self.events[20]
        self.expect("I1")

    def test_lets_so_many_be_missing_as_were_reported(self):
        del self.events[20:23]
        self.assertEqual(self.judge(lost_allowed=3), [])
        self.assertIn("I1", self.judge(lost_allowed=1)[0])

    def test_finds_one_that_came_twice(self):
        self.events.append({**self.events[20], "seq": "1000"})
        self.expect("I2", "numbered against the order (I3)")

    def test_finds_two_that_changed_places(self):
        first, second = (i for i, event in enumerate(self.events)
                         if event["node"] == "host-a" and event["seq"] in ("11", "19"))
        self.events[first], self.events[second] = self.events[second], self.events[first]
        self.expect("out of order (I3)")

    def test_lets_a_replayed_one_come_late(self):
        late = self.events.pop(20)
        self.events.append({**late, "flags": 1})
        self.expect()

    def test_finds_numbers_against_their_seqs_also_in_replayed_ones(self):
        first, second = (event for event in self.events if event["node"] == "host-a" and event["seq"] in ("11", "19"))
        for one, seq in ((first, "19"), (second, "11")):
            one |= {"seq": seq, "flags": 1}
        self.expect("numbered against the order (I3)")

    def test_finds_a_changed_an_added_and_a_removed_field(self):
        changed = (("sessionId", "other"), ("agentId", "b"), ("sessionId", None))
        for place, (name, value) in enumerate(changed):
            self.events[place + 6] = {**self.events[place + 6], name: value}
        found = self.judge()
        self.assertTrue(len(found) == 1 and "altered (I4): 3" in found[0], found)

    def test_finds_what_nobody_sent(self):
        self.events.append({**self.events[1], "node": "stranger"})
        self.events.append({**self.loads["host-a"].event(COUNT + 8), "node": "host-a", "epoch": "7", "topic": "0",
                            "seq": "1000"})
        found = self.judge()
        self.assertTrue(len(found) == 1 and "invented (I4): 2" in found[0], found)

    def test_finds_what_was_refused(self):
        self.accepted["host-a"] = Numbers()
        self.accepted["host-a"].add(1, COUNT - 1)
        self.accepted["host-a"].refused.add(COUNT)
        self.expect("refused, yet handled")

    def test_leaves_synthetic_ones_out(self):
        self.events.append({**self.events[0], "flags": 2})
        self.expect()


if __name__ == "__main__":
    unittest.main(verbosity=2)
