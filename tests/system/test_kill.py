#!/usr/bin/env python3
"""The promise about accepted events, under kill -9: three nodes and their broker die at seeded random moments while
lines are unanswered, and a live subscriber handles each accepted event once, in the order of its stream.

WEFT_TEST_SEED repeats a run: its choices are the same, though not the scheduling of the processes.
"""
import os
import random
import secrets
import signal

from fabric import FabricTest, disorder, events, losses, main, numbered, sessions, wait_for

NODES = ("host-a", "host-b", "host-c")
STEPS = 400
BURST_MAX = 40
KILLS_PER_NODE = 3
BROKER_KILLS = 2
BROKER_AWAY_STEPS = 25
QUEUED_ROUNDS = 100
LINES_MAX = 1000
SEED = int(os.environ.get("WEFT_TEST_SEED", 0)) or secrets.randbelow(10**9)


def number_of(event):
    return int(event["sessionId"].split("/")[1])


class Kill(FabricTest):
    def setUp(self):
        super().setUp()
        print(f"WEFT_TEST_SEED={SEED}", flush=True)
        self.random = random.Random(SEED)
        self.unanswered = 0
        self.fabric.start_broker()
        self.nodes = {name: self.fabric.start_node(name) for name in NODES}
        self.sub = self.fabric.start_sub()
        self.fabric.wait_connected(*self.nodes.values())
        self.feeders = {name: self.fabric.feeder(self.fabric.socket_of(name), feed="trace") for name in NODES}

    def send(self, name, count):
        feeder = self.feeders[name]
        for _ in range(count):
            feeder.send(numbered(name, feeder.next))

    def wait_for_flow(self, name):
        """Until the observer has what this node is given now."""
        self.send(name, 1)
        last = f"{name}/{self.feeders[name].next - 1}"
        wait_for(lambda: last in sessions(self.sub), f"{last} arrives")

    def kill_node(self, name):
        """With lines unanswered: some written, some read, some still in the socket. Every other time at work, else
        perhaps before it has reached the broker."""
        if self.random.random() < 0.5 and self.fabric.broker.child.poll() is None:
            self.wait_for_flow(name)
        self.send(name, self.random.randint(1, 3 * BURST_MAX))
        self.nodes[name].kill()
        self.feeders[name].take_answers()
        self.unanswered += len(self.feeders[name].unanswered)
        self.nodes[name] = self.fabric.start_node(name)

    def kill_broker(self):
        """With more messages than one window for an observer that stands still: it acknowledged and forgets them."""
        for name in NODES:
            self.wait_for_flow(name)
        self.sub.signal(signal.SIGSTOP)
        for _ in range(QUEUED_ROUNDS):
            for name in NODES:
                self.send(name, 1)
            for name in NODES:
                self.feeders[name].flush()
        for name in NODES:
            self.send(name, self.random.randint(1, BURST_MAX))
        self.fabric.broker.kill()
        self.sub.signal(signal.SIGCONT)

    def schedule(self):
        """What happens before which step."""
        due = {}
        for name in NODES:
            for step in self.random.sample(range(STEPS), KILLS_PER_NODE):
                due.setdefault(step, []).append(lambda name=name: self.kill_node(name))
        share = STEPS // BROKER_KILLS
        for first in range(0, STEPS, share):
            step = first + self.random.randrange(share - BROKER_AWAY_STEPS)
            due.setdefault(step, []).append(self.kill_broker)
            due.setdefault(step + self.random.randint(1, BROKER_AWAY_STEPS), []).append(self.fabric.start_broker)
        return due

    def expect_fifo(self):
        self.assertEqual(disorder(events(self.sub)), [])
        live = {}
        for event in events(self.sub):
            if not int(event.get("flags", 0)) & 1:
                live.setdefault((event["node"], event["epoch"], event["topic"]), []).append(number_of(event))
        for stream, numbers in live.items():
            self.assertEqual(numbers, sorted(numbers), stream)

    def test_accepted_events_are_handled_once_whoever_is_killed(self):
        due = self.schedule()
        for step in range(STEPS):
            for act in due.get(step, ()):
                act()
            self.send(self.random.choice(NODES), self.random.randint(1, BURST_MAX))
            for feeder in self.feeders.values():
                if self.random.random() < 0.3:
                    feeder.take_answers()
        for feeder in self.feeders.values():
            feeder.flush()
            self.assertEqual(feeder.refused, {})
        self.assertGreater(self.unanswered, 0)
        sent = [f"{name}/{number}" for name in NODES for number in range(1, self.feeders[name].next)]
        wait_for(lambda: len(events(self.sub)) >= len(sent), f"{len(sent)} events arrive")
        self.expect_each_once(sessions(self.sub), sent)
        for name in NODES:
            lives = {event["epoch"] for event in events(self.sub) if event["node"] == name}
            self.assertIn(len(lives), range(2, KILLS_PER_NODE + 2))
        self.expect_fifo()
        self.assertEqual(losses(self.sub), [])

    def test_lines_that_nobody_repeats_are_taken_up_to_some_line(self):
        name = self.random.choice(NODES)
        feeder = self.feeders[name]
        self.send(name, self.random.randint(1, LINES_MAX))
        feeder.take_answers()
        self.nodes[name].kill()
        feeder.take_answers()
        answered, sent = min(feeder.unanswered, default=feeder.next) - 1, feeder.next - 1
        feeder.close()
        self.fabric.start_node(name)
        after = self.fabric.feeder(self.fabric.socket_of(name), feed="after")
        last = range(sent + 1, sent + 4)  # one in each stream: what is to come before them has come then
        for number in last:
            after.send(numbered(name, number))
        after.flush()
        wait_for(lambda: set(last) <= set(map(number_of, events(self.sub))), "the events of the second life arrive")
        taken = sorted(number for number in map(number_of, events(self.sub)) if number <= sent)
        self.expect_each_once(taken, list(range(1, len(taken) + 1)))
        self.assertGreaterEqual(len(taken), answered)
        self.expect_fifo()


if __name__ == "__main__":
    main()
