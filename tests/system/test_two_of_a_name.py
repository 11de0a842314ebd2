#!/usr/bin/env python3
"""Two processes under one node name: the older one stops, says so and exits 4, the newer one lives on, and neither
takes the name from the other again and again."""
import json

from fabric import SIGTERM, FabricTest, events, main, sessions, wait_for


class TwoOfAName(FabricTest):
    def setUp(self):
        super().setUp()
        self.fabric.start_broker("allow_anonymous true\nlog_dest stderr\nlog_type notice\nlog_type information\n")

    def start(self, life):
        """A node host-a with a place of its own: what happens when a machine is cloned, or a name is given twice."""
        return self.fabric.start_node("host-a", "--stats", "--state-dir", self.fabric.path(f"life-{life}"), "--socket",
                                      self.socket_of(life))

    def socket_of(self, life):
        return self.fabric.path(f"life-{life}.sock")

    def connects(self):
        """How often somebody connected to send as host-a."""
        return self.fabric.broker.err().count(" as weft:default:host-a:tx ")

    def publish(self, life, session):
        self.expect(self.fabric.weft("pub", "--socket", self.socket_of(life), "session_start", f"session_id={session}"),
                    0)

    def test_the_older_stops_and_the_newer_lives_on(self):
        lives = []
        sub = self.fabric.start_sub("--topic", "session", "--topic", "system")
        for count, place in enumerate((0, 1, 0)):  # the first comes back, and is the newest then
            lives.append(self.start(place))
            self.fabric.wait_connected(lives[-1])
            self.publish(place, f"s{count}")
            if count == 0:
                continue
            older = lives[-2]
            self.assertEqual(older.wait(), 4, older.err())
            self.assertIn("node-fenced", older.err())
            self.assertEqual(older.err().count("broker-connected"), 1, older.err())
        newest = lives[-1]
        self.publish(0, "last")
        wait_for(lambda: len(events(sub)) >= 4, "the newest still publishes")
        self.assertEqual(sorted(sessions(sub)), ["last", "s0", "s1", "s2"])
        epochs = [int(event["epoch"]) for event in events(sub)]
        self.assertEqual((epochs, len(set(epochs))), (sorted(epochs), 3))
        self.assertIsNone(newest.child.poll())
        newest.signal(SIGTERM)
        self.assertEqual(newest.wait(), 0)
        figures = json.loads(newest.lines()[-1])
        self.assertEqual((figures["connects"], figures["pending_events"]), (1, 0))
        self.assertEqual(self.connects(), 3)

    def test_two_that_meet_at_a_broker_that_comes_late_do_not_fight(self):
        self.fabric.broker.kill()
        lives = [self.start(life) for life in range(2)]
        for life in range(2):
            self.publish(life, f"s{life}")
        self.fabric.start_broker()
        ended = wait_for(lambda: [life for life in lives if life.child.poll() is not None], "one of them ends")
        self.assertEqual([life.wait() for life in ended], [4])
        stays = lives.index(next(life for life in lives if life not in ended))
        self.fabric.wait_connected(lives[stays])
        sub = self.fabric.start_sub("--topic", "session", "--topic", "system")
        self.publish(stays, "last")
        wait_for(lambda: "last" in sessions(sub), "the other still publishes")
        self.assertLessEqual(self.connects(), 3)
        self.assertIsNone(lives[stays].child.poll(), lives[stays].err())


if __name__ == "__main__":
    main()
