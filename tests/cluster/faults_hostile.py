"""What anybody may send who may send at all."""
import json
import os
import random
import socket
import struct
import subprocess

from catalogue import fault
from cluster import Broken

TOPICS = ("tool", "llm", "agent", "session", "cost", "system", "custom", "delta")
TRAILER = b"\xfd\xff\xff\xff\x0f"


def varint(number):
    found = b""
    while number > 127:
        found += bytes([number & 127 | 128])
        number >>= 7
    return found + bytes([number])


def field(number, payload):
    return varint(number << 3 | 2) + varint(len(payload)) + payload


def deep(levels):
    """A message in a message in a message."""
    found = b""
    for _ in range(levels):
        found = field(4, found)
    return found


class Stranger:
    """An MQTT 3.1.1 client with bare hands that publishes without being answered."""

    def __init__(self, address, port=1883):
        self.stream = socket.create_connection((address, port), 30)
        name = f"stranger-{os.getpid()}".encode()
        body = b"\0\4MQTT\4\2\0\0" + struct.pack(">H", len(name)) + name
        self.stream.sendall(b"\x10" + varint(len(body)) + body)
        if self.stream.recv(4)[3] != 0:
            raise Broken("the broker refuses a stranger")

    def publish(self, topic, payload, retain=False):
        body = struct.pack(">H", len(topic)) + topic.encode() + payload
        self.stream.sendall(bytes([0x30 | retain]) + varint(len(body)) + body)

    def close(self):
        self.stream.sendall(b"\xe0\0")
        self.stream.close()


def messages_of(c, count):
    """Real messages of the nodes, as they are on the wire."""
    argv = ["mosquitto_sub", "-h", c.address, "-q", "1", "-F", "%t %x", "-C", str(count), "-t",
            f"weft/v1/{c.fabric_name}/evt/#"]
    lines = subprocess.run(argv, capture_output=True, text=True, timeout=60, check=True).stdout.split("\n")[:-1]
    return [(line.split(" ")[0], bytes.fromhex(line.split(" ")[1])) for line in lines]


def altered(chance, payload):
    """Flipped, cut or stretched; never its checksum's tag, without which it would count as unchecked."""
    body = bytearray(payload)
    way = chance.randrange(3)
    end = len(body) - 9
    if way == 0:
        body[chance.randrange(end)] ^= 1 << chance.randrange(8)
    elif way == 1:
        del body[chance.randrange(1, end):end]
    else:
        body[chance.randrange(end):0] = chance.randbytes(chance.randrange(1, 99))
    return bytes(body)


def bombs(fabric):
    root = f"weft/v1/{fabric}"
    for topic in TOPICS:
        evt = f"{root}/evt/{topic}/host-a"
        yield evt, deep(10000)
        yield evt, b"\x22" + varint(2 << 30) + b"x"
        yield evt, field(1, b"host-a") + b"\x10\x01" + field(4, b"\x08\x01") * 20000
        yield evt, field(1, b"host-a\0") + b"\x10\x01"
        yield evt, field(1, b"\xff\xfe") + b"\x10\x01"
        yield f"{root}/evt/{topic}/host-c", field(1, b"host-a") + b"\x10\x01"
        yield f"{root}/evt/{topic}/%00/../x", b""
        yield f"{root}/json/{topic}/x/host-a/-", b"{" * 30000
    for kind in ("live", "state", "beat"):
        for junk in (deep(5000), b"\xff" * 60000, b"", field(1, b"host-b"), os.urandom(500)):
            yield f"{root}/{kind}/stranger", junk
            yield f"{root}/{kind}/host-a", junk
    for verb in ("replay", "shutdown", "reload", "no-such-verb"):
        for junk in (deep(5000), b"\xff" * 60000, os.urandom(500)):
            yield f"{root}/cmd/host-a/{verb}/stranger", junk
            yield f"{root}/cmd/-/{verb}/stranger", junk
    yield f"{root}/reply/host-a/stranger/1", os.urandom(500)


@fault("hostile bytes", quick=True)
def hostile_bytes(c):
    """Beside the load: bombs of every kind, and thousands of real messages that were tampered with."""
    chance = random.Random(5)
    real = messages_of(c, 20)
    stranger = Stranger(c.address)
    sent = 0
    for _ in range(3):
        for topic, payload in bombs(c.fabric_name):
            # An empty retained message takes the real one away; anything else would stay for ever.
            stranger.publish(topic, payload, retain="/stranger" in topic and bool(payload))
            sent += 1
        for _ in range(1000):
            topic, payload = chance.choice(real)
            stranger.publish(topic, altered(chance, payload))
            sent += 1
        c.wait_accepted(100)
    stranger.close()
    c.wait_flow()
    for name in c.names:
        if c.said(name, "broker-connected") != 1:
            raise Broken(f"{name} lost its connection")
    if "message-dropped" not in c.observers["observer-1"].process.err():
        raise Broken("the observer dropped nothing (I8)")
    c.notes.append(f"{sent} hostile messages")


@fault("an event of 10 MB")
def over_the_line(c):
    """Refused at the socket with the reason; nothing else suffers."""
    feeder = c.feeder(c.socket_of("host-a"))
    feeder.send_line(json.dumps({"type": "custom", "custom": {"eventType": "x", "dataJson": '"%s"' % ("x" * 10_000_000)}
                                 }).encode() + b"\n")
    feeder.send({"type": "custom", "custom": {"eventType": "x", "dataJson": '"%s"' % ("x" * 300_000)}})
    feeder.flush()
    if len(feeder.refused) != 2:
        raise Broken(f"refused were {feeder.refused}")
    c.wait_flow()
    c.notes.append("; ".join(feeder.refused.values()))


