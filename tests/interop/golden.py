"""tests/interop/golden.py: our codec against Google's protobuf for Python, both ways, field by field.

  golden.py WIRE_TOOL PROTO_DIR OUT_DIR

Exits 77 (skipped) where protoc or python3-protobuf is missing.
"""

import json
import random
import struct
import subprocess
import sys

SKIPPED = 77

try:
    from google.protobuf import json_format
    from google.protobuf.descriptor import FieldDescriptor
except ImportError:
    print("skipped: no python3-protobuf")
    sys.exit(SKIPPED)

WIRE_TOOL, PROTO_DIR, OUT_DIR = sys.argv[1:4]
try:
    subprocess.run(
        ["protoc", f"--proto_path={PROTO_DIR}", f"--python_out={OUT_DIR}",
         "weft/v1/events.proto", "weft/v1/control.proto"], check=True)
except FileNotFoundError:
    print("skipped: no protoc")
    sys.exit(SKIPPED)
sys.path.insert(0, OUT_DIR)

from weft.v1 import control_pb2, events_pb2  # noqa: E402  (made by protoc above)

TRAILER_TAG = b"\xfd\xff\xff\xff\x0f"
EVENT = events_pb2.RuntimeEvent.DESCRIPTOR
VARIANTS = [field.name for field in EVENT.oneofs_by_name["payload"].fields]
# As in the table of the design; what the proto files alone do not say.
TOPICS = {
    "tool": ["tool_call_start", "tool_call_end"],
    "llm": ["llm_request_start", "llm_response_end"],
    "agent": ["agent_start", "agent_end", "agent_error"],
    "session": ["session_start", "session_end", "session_status_changed", "session_mutation"],
    "cost": ["token_usage", "budget_exhausted"],
    "system": ["config_reloaded", "shutdown_requested"],
    "custom": ["custom"],
    "delta": ["llm_text_delta", "llm_reasoning_delta"],
}
TOPIC_OF = {variant: topic for topic, variants in TOPICS.items() for variant in variants}
# Members that are not of RuntimeEvent but of the stream around it.
STREAM_MEMBERS = ("node", "epoch", "topic", "type")
TEXTS = ["x", "héllo", "€ 5", "🐝", "tab\tand\nline", 'quote " and \\', "a" * 100, "\u007f\u0080\uffff"]
VALUES = ["null", "0", '"t"', "[1,2.5,{}]", '{"k":{"n":9007199254740993}}']

failures = []


def check(condition, what):
    if not condition:
        failures.append(what)
        print("FAILED:", what)


def crc32c(data):
    """RFC 3720 B.4, bit by bit: nothing shared with what it checks."""
    crc = 0xFFFFFFFF
    for byte in data:
        crc ^= byte
        for _ in range(8):
            crc = crc >> 1 ^ (0x82F63B78 if crc & 1 else 0)
    return crc ^ 0xFFFFFFFF


assert crc32c(b"123456789") == 0xE3069283


def sealed(batch):
    """A batch as a publisher with a checksum sends it."""
    body = batch.SerializeToString()
    return body + TRAILER_TAG + struct.pack("<I", crc32c(body))


# ---- making messages ----


def value_of(field, rng):
    """Something that says which field it was; with rng anything allowed, absence included."""
    if field.cpp_type == FieldDescriptor.CPPTYPE_STRING:
        if field.name == "data_json":
            return rng.choice(VALUES) if rng else '{"a":[1,"é"]}'
        return rng.choice(TEXTS + [""]) if rng else f"{field.name} ü"
    if field.cpp_type == FieldDescriptor.CPPTYPE_BOOL:
        return rng.random() < 0.5 if rng else True
    if field.cpp_type == FieldDescriptor.CPPTYPE_DOUBLE:
        return rng.uniform(-1e6, 1e6) if rng else field.number + 0.1
    if field.cpp_type == FieldDescriptor.CPPTYPE_ENUM:
        return rng.choice(field.enum_type.values).number if rng else field.enum_type.values[-1].number
    if field.name == "priority":
        return rng.randrange(5) if rng else 3
    if field.name == "epoch":
        return rng.randrange(1, 2**43) if rng else 6  # beyond, the messages of a node about itself are junk
    bits = 32 if field.cpp_type == FieldDescriptor.CPPTYPE_UINT32 else 63 if field.name.endswith("_ms") else 64
    if field.cpp_type == FieldDescriptor.CPPTYPE_INT64:
        bits = 63
    return rng.getrandbits(rng.randrange(1, bits + 1)) if rng else 1000 + field.number


def fill(message, rng=None):
    """Sets every plain field of a message."""
    for field in message.DESCRIPTOR.fields:
        plain = field.cpp_type != FieldDescriptor.CPPTYPE_MESSAGE and field.type != FieldDescriptor.TYPE_BYTES
        if field.label == FieldDescriptor.LABEL_REPEATED or not plain:
            continue
        setattr(message, field.name, value_of(field, rng))
    return message


def make_event(variant, seq, rng=None):
    event = fill(events_pb2.RuntimeEvent(), rng)
    event.seq = seq
    tags, attributes = (rng.randrange(4), rng.randrange(4)) if rng else (2, 2)
    event.tags.extend(f"tag {i} ü" for i in range(tags))
    for i in range(attributes):
        event.attributes[f"key {i}"] = rng.choice(TEXTS + [""]) if rng else f"value {i}"
    payload = getattr(event, variant)
    payload.SetInParent()
    fill(payload, rng)
    return event


def make_batch(events, prev_seq=0):
    batch = events_pb2.EventBatch(node="host-a", epoch=1767614400000, prev_seq=prev_seq)
    batch.events.extend(events)
    return batch


def all_batches():
    """(what, batch) for each variant full, empty and random, and for some long ones."""
    rng = random.Random(20260105)
    for variant in VARIANTS:
        yield f"full {variant}", make_batch([make_event(variant, 7)], prev_seq=3)
        empty = events_pb2.RuntimeEvent(seq=1)
        getattr(empty, variant).SetInParent()
        yield f"empty {variant}", make_batch([empty])
        for i in range(20):
            yield f"random {variant} {i}", make_batch([make_event(variant, rng.randrange(1, 2**64), rng)])
    for topic, variants in TOPICS.items():
        events = [make_event(rng.choice(variants), 10 + 3 * i, rng) for i in range(60)]
        yield f"long {topic}", make_batch(events, prev_seq=9)


# ---- what they are in JSON ----


def parse_ours(event_json):
    """An event in our JSON as a message, through Google's reading of it."""
    inner = {name: value for name, value in event_json.items() if name not in STREAM_MEMBERS}
    return json_format.ParseDict(inner, events_pb2.RuntimeEvent())


def run_tool(*arguments, data):
    return subprocess.run([WIRE_TOOL, *arguments], input=data, stdout=subprocess.PIPE, check=True).stdout


def decode_ours(frames):
    data = b"".join(struct.pack("<I", len(frame)) + frame for frame in frames)
    lines = run_tool("decode", data=data).decode().split("\n")[:-1]
    check(len(lines) == len(frames), "one answer a frame")
    return [json.loads(line) for line in lines]


OWED = {  # what our publishers do not leave out; readers take events without it
    "tool_call_start": ("tool_name",), "tool_call_end": ("tool_name",), "agent_start": ("agent_id",),
    "agent_end": ("agent_id",), "agent_error": ("agent_id",), "session_start": ("session_id",),
    "session_end": ("session_id",), "session_status_changed": ("session_id",),
    "session_mutation": ("session_id", "mutation"), "custom": ("event_type",),
    "llm_text_delta": ("request_id", "text"), "llm_reasoning_delta": ("request_id", "text")}


def pay_what_is_owed(event):
    variant = event.WhichOneof("payload")
    payload = getattr(event, variant)
    for name in OWED.get(variant, ()):
        holder = event if name in ("agent_id", "session_id") else payload
        setattr(holder, name, getattr(holder, name) or name)
    for field in payload.DESCRIPTOR.fields:
        if field.cpp_type == FieldDescriptor.CPPTYPE_DOUBLE:
            setattr(payload, field.name, abs(getattr(payload, field.name)))
    if variant == "session_status_changed":
        payload.status = payload.status or 1
        payload.attempt = payload.attempt or 1


# ---- the checks ----


def compare(what, batch, answer, checked):
    if answer["status"] != "WEFT_OK":
        check(False, f"{what}: {answer}")
        return
    check(answer["checked"] is checked, f"{what}: checked")
    check(answer["node"] == batch.node, f"{what}: node")
    check(answer["epoch"] == str(batch.epoch), f"{what}: epoch")
    check(answer["prevSeq"] == str(batch.prev_seq), f"{what}: prevSeq")
    check(len(answer["events"]) == len(batch.events), f"{what}: number of events")
    for ours, theirs in zip(answer["events"], batch.events):
        variant = theirs.WhichOneof("payload")
        check(ours["type"] == variant, f"{what}: type {ours['type']}")
        check(ours["topic"] == answer["topic"] == TOPIC_OF[variant], f"{what}: topic")
        check(ours["node"] == batch.node and ours["epoch"] == str(batch.epoch), f"{what}: id")
        got = parse_ours(ours)
        for field in EVENT.fields:
            check(getattr(got, field.name) == getattr(theirs, field.name),
                  f"{what}: {field.name}: {getattr(got, field.name)!r}, not {getattr(theirs, field.name)!r}")
        for member in getattr(theirs, variant).DESCRIPTOR.fields:  # the payload members are all written
            check(member.json_name in ours[EVENT.fields_by_name[variant].json_name], f"{what}: {member.name} missing")


def we_read_what_they_write():
    cases = list(all_batches())
    answers = decode_ours([sealed(batch) for _, batch in cases] + [b.SerializeToString() for _, b in cases])
    for (what, batch), answer in zip(cases, answers):
        compare(what, batch, answer, checked=True)
    for (what, batch), answer in zip(cases, answers[len(cases):]):
        compare(f"{what}, no checksum", batch, answer, checked=False)
    # The checksum as a field of the generated message: the same bytes.
    batch = cases[0][1]
    with_field = events_pb2.EventBatch.FromString(sealed(batch))
    check(with_field.crc32c == crc32c(batch.SerializeToString()), "crc32c as a field")
    check(with_field.SerializeToString() == sealed(batch), "crc32c is the last field")
    return len(cases)


def we_read_lost_records():
    batch = make_batch([])
    batch.lost.add(epoch=5, topic=events_pb2.TOPIC_COST, from_seq=3, to_seq=9, count=4,
                   reason=events_pb2.LOST_REASON_TOO_LARGE)
    batch.lost.add(epoch=6, topic=events_pb2.TOPIC_CUSTOM, from_seq=1, to_seq=2**64 - 1)
    answer = decode_ours([sealed(batch)])[0]
    check(answer.get("lost") == [
        {"epoch": "5", "topic": "cost", "fromSeq": "3", "toSeq": "9", "count": "4", "reason": 3},
        {"epoch": "6", "topic": "custom", "fromSeq": "1", "toSeq": str(2**64 - 1), "count": "0", "reason": 0},
    ], f"lost records: {answer}")


def we_refuse_what_is_wrong():
    event = make_event("token_usage", 7)
    good = sealed(make_batch([event]))
    flipped = bytearray(good)
    flipped[12] ^= 0x40
    nul = make_event("token_usage", 7)
    nul.session_id = "a\0b"
    other = make_event("tool_call_end", 8)
    twice = make_batch([event, event])
    cases = [
        ("a flipped bit", bytes(flipped), "WEFT_CORRUPT"),
        ("an embedded NUL", sealed(make_batch([nul])), "WEFT_MALFORMED"),
        ("two topics", sealed(make_batch([event, other])), "WEFT_MALFORMED"),
        ("one seq twice", sealed(twice), "WEFT_MALFORMED"),
        ("no payload", sealed(make_batch([events_pb2.RuntimeEvent(seq=7)])), "WEFT_MALFORMED"),
    ]
    for (what, _, wanted), answer in zip(cases, decode_ours([frame for _, frame, _ in cases])):
        check(answer["status"] == wanted, f"{what}: {answer}")


def encode_ours(cases):
    """Batches, given to our encoder as JSON lines."""
    lines = []
    for _, batch in cases:
        first = batch.events[0]
        lines.append(f"{batch.node} {batch.epoch} {batch.prev_seq} {first.seq} {first.accepted_ms} {len(batch.events)}")
        for event in batch.events:
            as_dict = json_format.MessageToDict(event)
            as_dict["type"] = event.WhichOneof("payload")
            lines.append(json.dumps(as_dict))
    data = run_tool("encode", data="".join(line + "\n" for line in lines).encode())
    frames = []
    while data:
        (length,) = struct.unpack_from("<I", data)
        frames.append(data[4:4 + length])
        data = data[4 + length:]
    return frames


def they_read_what_we_write():
    # The tool numbers events on from the first and gives all one accepted_ms, so the long ones are out.
    cases = [(what, batch) for what, batch in all_batches() if len(batch.events) == 1]
    for _, batch in cases:
        pay_what_is_owed(batch.events[0])
    frames = encode_ours(cases)
    check(len(frames) == len(cases), "one frame a batch")
    for (what, batch), frame in zip(cases, frames):
        body, trailer = frame[:-9], frame[-9:]
        check(trailer == TRAILER_TAG + struct.pack("<I", crc32c(body)), f"our {what}: checksum")
        theirs = events_pb2.EventBatch.FromString(body)
        for field in EVENT.fields:
            got, wanted = getattr(theirs.events[0], field.name), getattr(batch.events[0], field.name)
            check(got == wanted, f"our {what}: {field.name}: {got!r}, not {wanted!r}")
        check(theirs == batch, f"our {what}: the whole batch")
        check(not theirs.events[0].UnknownFields(), f"our {what}: unknown fields")


def we_pass_newer_payloads_on():
    event = events_pb2.RuntimeEvent(seq=7, session_id="s1")
    raw = event.SerializeToString() + b"\xca\x30\x03abc"  # field 777, three bytes
    batch = make_batch([events_pb2.RuntimeEvent.FromString(raw)])
    answer = decode_ours([sealed(batch)])[0]
    check(answer.get("topic") == "", f"topic of a newer payload: {answer}")
    payload = answer["events"][0]["custom"]
    check(payload["eventType"] == "unknown.777", f"newer payload: {payload}")
    check(json.loads(payload["dataJson"]) == {"field": 777, "bytes": "YWJj"}, f"newer payload: {payload}")
    header = f"host-a {batch.epoch} 0 7 0 1\n"
    frame = run_tool("encode", data=(header + json.dumps(answer["events"][0]) + "\n").encode())[4:]
    check(frame == sealed(batch), "a newer payload is written back as it was")


def control_messages():
    rng = random.Random(7)
    for i in range(20):
        pick = None if i == 0 else rng
        live = fill(control_pb2.Live(), pick)
        live.status = rng.choice([1, 2, 3])
        state = fill(control_pb2.State(), pick)
        beat = fill(control_pb2.Beat(), pick)
        command = fill(control_pb2.Command(), pick)
        reply = fill(control_pb2.Reply(), pick)
        for messages in (live.previous, beat.streams):
            for _ in range(rng.randrange(4)):
                messages.add(epoch=rng.randrange(1, 2**43), topic=rng.randrange(1, 8), last_seq=rng.getrandbits(64))
        for _ in range(rng.randrange(4)):
            fill(state.models.add(), pick)
            fill(state.sessions.add(), pick)
        if rng.random() < 0.5:
            command.replay.CopyFrom(control_pb2.Replay(epoch=5, topic=3, from_seq=1, to_seq=9, max_messages=7))
        reply.batch = rng.randbytes(rng.randrange(40))
        reply.lost.add(epoch=5, topic=2, from_seq=3, to_seq=9, reason=4)
        command.request_id = reply.request_id = "R1"
        for topic, message in (("live/host-a", live), ("state/host-a", state), ("beat/host-a", beat),
                               ("cmd/-/replay/host-a", command), ("reply/me/host-a/R1", reply)):
            setattr(message, "from" if message is command else "node", "host-a")
            shown = json.loads(run_tool("show", f"weft/v1/dev/{topic}", data=message.SerializeToString()))
            wanted = {"topic": f"weft/v1/dev/{topic}", "message": json_format.MessageToDict(message)}
            check(shown == wanted, f"{topic}: {shown}, not {wanted}")


check(sorted(TOPIC_OF) == sorted(VARIANTS), "the table of topics names every variant")
count = we_read_what_they_write()
we_read_lost_records()
we_refuse_what_is_wrong()
they_read_what_we_write()
we_pass_newer_payloads_on()
control_messages()
print(f"{count} batches, {len(failures)} failures")
sys.exit(1 if failures else 0)
