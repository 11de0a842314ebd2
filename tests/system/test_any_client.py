#!/usr/bin/env python3
"""Any MQTT client takes part: one that knows nothing of weft reads its events with protoc, and one of five lines
publishes them."""
import json
import os
import subprocess

from fabric import WEFT, FabricTest, events, main, wait_for
from wire import PROTO, events_pb2


class AnyClient(FabricTest):
    def setUp(self):
        super().setUp()
        self.fabric.start_broker()
        self.port = str(self.fabric.port)

    def spend(self, cost):
        self.expect(self.fabric.weft("pub", "--node", "host-a", "token_usage", "session_id=s1", "model=claude-opus-4-5",
                                     f"cost_usd={cost}"), 0)

    def spend_until_it_ends(self, client):
        def ended():
            self.spend(0.25)
            return client.child.poll() is not None

        wait_for(ended, "the client has its message")
        self.assertEqual(client.wait(), 0, client.err())

    def shell(self, script):
        path = f"{os.path.dirname(WEFT)}:{os.environ['PATH']}"
        return self.fabric.spawn("shell", ["sh", "-c", script], env={"PATH": path})

    def test_mosquitto_sub_and_protoc_show_the_events_of_a_running_node(self):
        self.fabric.start_up("host-a")
        client = self.shell(f"mosquitto_sub -p {self.port} -C 1 -N -t 'weft/v1/+/evt/cost/#' |"
                            f" protoc --decode weft.v1.EventBatch -I {PROTO} weft/v1/events.proto")
        self.spend_until_it_ends(client)
        text = client.out()
        for part in ('node: "host-a"', 'session_id: "s1"', 'model: "claude-opus-4-5"', "cost_usd: 0.25", "crc32c: "):
            self.assertIn(part, text)

    def test_mosquitto_sub_and_decode_show_them_as_json(self):
        self.fabric.start_up("host-a")
        client = self.shell(f"mosquitto_sub -p {self.port} -C 1 -F '%t %x' -t 'weft/v1/+/evt/#' | weft decode")
        self.spend_until_it_ends(client)
        event = json.loads(client.lines()[0])
        self.assertEqual((event["node"], event["type"], event["sessionId"]), ("host-a", "token_usage", "s1"))
        self.assertEqual(event["tokenUsage"]["costUsd"], 0.25)

    def publish(self, topic, payload):
        subprocess.run(["mosquitto_pub", "-p", self.port, "-q", "1", "-t", topic, "-s"], input=payload, check=True)

    def test_a_publisher_of_five_lines_without_a_checksum_is_heard(self):
        sub = self.fabric.start_sub()
        for seq in (1, 2, 3):
            batch = events_pb2.EventBatch(node="five-lines", epoch=7, prev_seq=seq - 1)
            batch.events.add(seq=seq, timestamp_ms=1767614400000, session_id="s1").session_start.SetInParent()
            self.publish("weft/v1/default/evt/session/five-lines", batch.SerializeToString())
        wait_for(lambda: len(events(sub)) == 3, "all three arrive")
        self.assertEqual([(e["node"], e["epoch"], e["seq"], e["type"]) for e in events(sub)],
                         [("five-lines", "7", str(seq), "session_start") for seq in (1, 2, 3)])

    def test_what_strangers_send_is_dropped_and_the_rest_arrives(self):
        node = self.fabric.start_node("host-a")
        sub = self.fabric.start_sub("--topic", "session", "--topic", "system", "--topic", "cost")
        self.fabric.wait_connected(node)
        topic = "weft/v1/default/evt/session/stranger"
        batch = events_pb2.EventBatch(node="stranger", epoch=7)
        batch.events.add(seq=1, timestamp_ms=1767614400000, session_id="s1").session_start.SetInParent()
        good = batch.SerializeToString()
        self.publish(topic, b"\xff" * 50)
        self.publish(topic, good + b"\xfd\xff\xff\xff\x0f" + b"\0\0\0\0")  # a checksum that is wrong
        self.publish(topic.replace("stranger", "somebody-else"), good)  # in another's name
        self.publish(topic.replace("session/", "no_topic/"), good)
        self.publish(topic, good)
        self.spend(0.5)
        wait_for(lambda: len(events(sub)) == 2, "the good ones arrive")
        self.assertEqual({(e["node"], e["type"]) for e in events(sub)},
                         {("stranger", "session_start"), ("host-a", "token_usage")})
        self.assertIn("message-dropped", sub.err())


if __name__ == "__main__":
    main()
