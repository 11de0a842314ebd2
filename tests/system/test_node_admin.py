#!/usr/bin/env python3
"""weft node ls and weft node forget: who is there, who is not, and that a dismissed one is forgotten everywhere."""
import json
import os
from signal import SIGUSR1

from fabric import SIGKILL, SIGTERM, FabricTest, main, wait_for


class NodeAdmin(FabricTest):
    def setUp(self):
        super().setUp()
        self.fabric.start_broker()

    def admin(self, *words):
        return self.fabric.weft("node", *words, "--broker", self.fabric.url, timeout=60)

    def listed(self, *words):
        result = self.admin("ls", "--json", *words)
        self.expect(result, 0)
        return {node["node"]: node for node in map(json.loads, result.stdout.splitlines())}

    def retained(self, tree, name):
        return self.fabric.retained(f"weft/v1/default/{tree}/{name}")

    def test_ls_shows_who_is_there_and_who_left_how(self):
        stopped, killed = self.fabric.start_up("stopped"), self.fabric.start_up("killed")
        self.fabric.start_up("host-a")
        stopped.signal(SIGTERM)
        killed.signal(SIGKILL)
        self.assertEqual(stopped.wait(), 0)
        killed.wait()
        wait_for(lambda: self.listed("--wait", "0")["killed"]["state"] == "lost", "the broker tells of the death")
        nodes = self.listed()
        self.assertEqual({name: node["state"] for name, node in nodes.items()},
                         {"host-a": "up", "stopped": "goodbye", "killed": "lost"})
        up = nodes["host-a"]
        self.assertLess(up["beat_age_ms"], 6000)
        self.assertLess(abs(up["skew_ms"]), 5000)
        self.assertLess(abs(up["since_ms"] - up["epoch"]), 60000)
        self.assertRegex(up["version"], r"^\d+\.\d+")
        self.assertIsNone(nodes["killed"]["beat_age_ms"])
        self.assertIsNone(nodes["killed"]["since_ms"])
        table = self.admin("ls").stdout.decode().splitlines()
        self.assertRegex(table[0], r"^NODE +STATE +SINCE +EPOCH +BEAT +CLOCK +VERSION$")
        self.assertRegex(table[1], r"^host-a +up +\d{4}-\d\d-\d\dT\S+ +\d{13} +\d\.\d s ago +[-+]\d+\.\d{3} s ")

    def test_forget_clears_a_dismissed_node_and_refuses_a_live_one(self):
        observer, node = self.fabric.start_up("observer"), self.fabric.start_up("host-a")
        self.expect(self.admin("forget", "host-a"), 1, "host-a is up", "--force")
        node.signal(SIGTERM)
        self.assertEqual(node.wait(), 0)
        self.assertTrue(self.retained("live", "host-a"))
        self.assertTrue(self.retained("state", "host-a"))
        done = self.admin("forget", "host-a")
        self.expect(done, 0)
        self.assertRegex(done.stdout.decode(), r"^forgot host-a \(goodbye, epoch \d+\)\n$")
        self.assertEqual((self.retained("live", "host-a"), self.retained("state", "host-a")), (b"", b""))
        self.assertEqual(set(self.listed("--wait", "0")), {"observer"})
        self.assertEqual(observer.err().count("host-a is down"), 1)
        self.assertIn("no life was retained", self.admin("forget", "host-a").stdout.decode())

    def test_one_that_is_forgotten_by_force_says_that_it_is_up(self):
        observer = self.fabric.start_up("observer")
        self.fabric.start_up("host-a")
        wait_for(lambda: "host-a is up" in observer.err(), "the observer knows")
        self.expect(self.admin("forget", "host-a", "--force"), 0)
        wait_for(lambda: "host-a is down: forgotten" in observer.err(), "the observer forgets")
        wait_for(lambda: observer.err().count("host-a is up") == 2, "it is there again")
        self.assertTrue(self.retained("live", "host-a"))

    def test_a_node_that_died_with_its_broker_can_be_forgotten(self):
        node = self.fabric.start_up("host-a")
        wait_for(lambda: self.retained("live", "host-a"), "the birth is there")
        self.fabric.broker.signal(SIGUSR1)  # saves what is retained
        wait_for(lambda: os.path.exists(self.fabric.path("mosquitto.db")), "the broker saves")
        self.fabric.broker.kill()
        node.kill()
        self.fabric.start_broker()
        self.assertIn("up? ", self.admin("ls", "--wait", "1").stdout.decode())
        done = self.admin("forget", "host-a")
        self.expect(done, 0)
        self.assertIn("forgot host-a (silent", done.stdout.decode())

    def test_mistakes_are_named(self):
        self.expect(self.admin("lst"), 2, "'lst'")
        self.expect(self.admin("forget"), 2, "which node")
        self.expect(self.admin("forget", "No Good"), 2, "'No Good'")
        self.expect(self.admin("forget", "a", "b"), 2, "which node")
        self.expect(self.admin("ls", "x"), 2, "'x'")
        self.expect(self.admin("ls", "--wait", "-1"), 2, "--wait")
        empty = self.admin("ls", "--fabric", "empty")
        self.expect(empty, 0, "no node is known in fabric empty")
        self.fabric.broker.kill()
        self.expect(self.admin("ls"), 3, self.fabric.url)


if __name__ == "__main__":
    main()
