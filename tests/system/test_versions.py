#!/usr/bin/env python3
"""Old and new version side by side: a publisher whose schema has fields, variants and a topic more than ours is heard,
what we do not know of it passes through two of our nodes unchanged, and an older reader understands us."""
import os
import subprocess
import tempfile

from fabric import FabricTest, disorder, events, main, wait_for
from wire import PROTO, TRAILER, crc32c

from google.protobuf import descriptor_pb2, descriptor_pool, message_factory

NEWER = {  # what the next versions may add, and where
    "events": [("  TOPIC_CUSTOM = 7;", "  TOPIC_FUTURE = 20;"),
               ("  uint32 flags = 15;", "  string mood = 20;"),
               ("    Custom custom = 115;", "    FutureThing future_thing = 700;"),
               ("message TokenUsage {", "  string tier = 50;"),
               ("message EventBatch {", "  string region = 60;"),
               ('package weft.v1;', "message FutureThing { string what = 1; repeated uint64 numbers = 2; }")],
    "control": [("message Live {", "  string platform = 90;"), ("message Beat {", "  uint64 load = 90;")],
}
OLDER = {  # what a reader from before the accounts does not have
    "control": [("  uint64 events = 4;", None)],
    "events": [],
}
EPOCH = 1700000000000


def schema(changes):
    """The messages of our schema with lines added behind some (or, with None, taken away)."""
    with tempfile.TemporaryDirectory() as out:
        os.makedirs(os.path.join(out, "weft/v1"))
        for name, lines in changes.items():
            with open(os.path.join(PROTO, f"weft/v1/{name}.proto"), encoding="utf-8") as file:
                text = file.read()
            for after, added in lines:
                [line] = [line for line in text.split("\n") if line.startswith(after)]
                text = text.replace(line, "" if added is None else line + "\n" + added, 1)
            with open(os.path.join(out, f"weft/v1/{name}.proto"), "w", encoding="utf-8") as file:
                file.write(text)
        subprocess.run(["protoc", f"-I{out}", "--include_imports", f"--descriptor_set_out={out}/set",
                        "weft/v1/control.proto"], check=True)
        with open(os.path.join(out, "set"), "rb") as file:
            files = descriptor_pb2.FileDescriptorSet.FromString(file.read())
    pool = descriptor_pool.DescriptorPool()
    for file in files.file:
        pool.Add(file)
    factory = message_factory.MessageFactory(pool)
    return lambda name: factory.GetPrototype(pool.FindMessageTypeByName(f"weft.v1.{name}"))


class Versions(FabricTest):
    def setUp(self):
        super().setUp()
        self.newer, self.older = schema(NEWER), schema(OLDER)
        self.fabric.start_broker()
        self.port = str(self.fabric.port)

    def publish(self, topic, payload, *words):
        subprocess.run(["mosquitto_pub", "-p", self.port, "-q", "1", "-t", f"weft/v1/default/{topic}", "-s", *words],
                       input=payload, check=True)

    def publish_batch(self, topic, batch):
        body = batch.SerializeToString()
        self.publish(topic, body + TRAILER + crc32c(body).to_bytes(4, "little"))

    def newer_batch(self, node):
        """Three events: one with a field more, one of a variant that we do not have, one as ever."""
        batch = self.newer("EventBatch")(node=node, epoch=EPOCH, region="eu")
        usage = batch.events.add(seq=1, timestamp_ms=EPOCH, session_id="s1", mood="good")
        usage.token_usage.model, usage.token_usage.tier, usage.token_usage.input_tokens = "m", "gold", 9
        future = batch.events.add(seq=2, timestamp_ms=EPOCH, session_id="s2", tags=["kept"])
        future.future_thing.what = "f\0rth \u00fc"
        future.future_thing.numbers.extend([1, 2**63])
        batch.events.add(seq=3, timestamp_ms=EPOCH, session_id="s3").token_usage.model = "m"
        return batch

    def capture(self, node):
        """What a node says on the wire, from now on: pairs of topic and batch as the newer schema reads them."""
        client = self.fabric.spawn("capture", ["mosquitto_sub", "-p", self.port, "-q", "1", "-F", "%t %x", "-t",
                                               f"weft/v1/default/evt/+/{node}", "-t", "weft/v1/default/evt/+/probe"])

        def hears():
            self.publish("evt/system/probe", b"x")
            return client.lines()

        wait_for(hears, "the capture hears")
        return client

    def captured(self, client):
        lines = [line.split(" ") for line in client.lines() if "/probe " not in line]
        return [event for _, payload in lines
                for event in self.newer("EventBatch").FromString(bytes.fromhex(payload)).events]

    def pass_on(self, sub, node, from_node):
        """What a subscriber printed of one node, given to another as it is."""
        lines = [line for line in sub.lines() if f'"node":"{from_node}"' in line]
        self.expect(self.fabric.weft("pub", "--node", node, "--json", "-", stdin="\n".join(lines).encode() + b"\n"), 0)

    def test_what_only_a_newer_version_knows_passes_two_nodes_unchanged(self):
        for node in ("host-a", "host-b"):
            self.fabric.start_up(node)
        sub = self.fabric.start_sub("--topic", "cost", "--topic", "custom", "--topic", "system")
        clients = {node: self.capture(node) for node in ("host-a", "host-b")}
        sent = self.newer_batch("newer")
        self.publish_batch("evt/cost/newer", sent)
        source = "newer"
        for node in ("host-a", "host-b"):
            wait_for(lambda source=source: len([e for e in events(sub) if e["node"] == source]) == 3,
                     f"the events of {source} arrive")
            self.pass_on(sub, node, source)
            wait_for(lambda node=node: len(self.captured(clients[node])) == 3, f"{node} says them again")
            [future] = [e for e in self.captured(clients[node]) if e.WhichOneof("payload") == "future_thing"]
            self.assertEqual(future.future_thing, sent.events[1].future_thing)
            self.assertEqual((future.session_id, list(future.tags)), ("s2", ["kept"]))
            [usage] = [e for e in self.captured(clients[node]) if e.session_id == "s1"]
            self.assertEqual((usage.token_usage.model, usage.token_usage.input_tokens), ("m", 9))
            source = node
        self.assertEqual(disorder(events(sub)), [])

    def test_a_newer_node_is_a_peer_whose_gaps_are_healed(self):
        """Its births and beats have more fields, and name streams of a topic that we do not have."""
        node = self.fabric.start_up("host-a", "--print")
        live = self.newer("Live")(node="newer", epoch=EPOCH, status=1, timestamp_ms=EPOCH, platform="riscv")
        self.publish("live/newer", live.SerializeToString(), "-r")
        wait_for(lambda: "peer-up" in node.err(), "the newer node is a peer")
        self.publish_batch("evt/cost/newer", self.newer_batch("newer"))
        asked = self.fabric.spawn("asked", ["mosquitto_sub", "-p", self.port, "-C", "1", "-F", "%t %x", "-t",
                                            "weft/v1/default/cmd/newer/replay/+"])
        beat = self.newer("Beat")(node="newer", epoch=EPOCH, load=7)
        beat.streams.add(epoch=EPOCH, topic="TOPIC_FUTURE", last_seq=99)
        beat.streams.add(epoch=EPOCH, topic="TOPIC_COST", last_seq=4, events=4)

        def asks():
            self.publish("beat/newer", beat.SerializeToString())
            return asked.lines()

        _, payload = wait_for(asks, "the missing event is asked for")[0].split(" ")
        self.assertEqual(self.older("Command").FromString(bytes.fromhex(payload)).replay.from_seq, 4)
        self.assertNotIn("message-dropped", node.err())

    def test_an_older_reader_understands_a_node_of_today(self):
        self.fabric.start_up("host-a")
        client = self.fabric.spawn("client", ["mosquitto_sub", "-p", self.port, "-F", "%t %x", "-t",
                                              "weft/v1/default/+/host-a", "-t", "weft/v1/default/evt/+/host-a"])
        self.fabric.weft("pub", "--node", "host-a", "session_start", "session_id=s1")

        def heard(kind):
            found = [line.split(" ")[1] for line in client.lines() if f"/{kind}/" in line]
            return bytes.fromhex(found[-1]) if found else None

        beat = self.older("Beat").FromString(wait_for(lambda: heard("beat"), "a beat"))
        live = self.older("Live").FromString(wait_for(lambda: heard("live"), "the birth"))
        self.assertEqual((beat.node, live.node, beat.epoch), ("host-a", "host-a", live.epoch))


if __name__ == "__main__":
    main()
