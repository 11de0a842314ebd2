"""What `weft demo` puts on its broker, captured with mosquitto_sub from before the first event to the last goodbye, and
added up by other code than the demo's."""
import json

from demo_runs import RUN_S, count_files
from fabric import WEFT, FabricTest, wait_for
from transcript_totals import differences
from wire import control_pb2, read_batch

SYNTHETIC = 2
UNKNOWN_TOOL = "(unknown)"  # of a result without a call
USAGE = ("input_tokens", "output_tokens", "cache_read_tokens", "cache_write_tokens")


class Message:
    """A captured one: its stream, and its events by seq."""

    def __init__(self, topic, payload):
        batch = read_batch(topic, payload)
        self.topic = topic.split("/")[4]
        self.stream = (batch.node, batch.epoch, self.topic)
        self.previous = batch.prev_seq
        self.events = {event.seq: event for event in batch.events}
        self.lost = len(batch.lost)


def read_capture(lines):
    """The messages under evt/, and the nodes that said goodbye."""
    messages, gone = [], set()
    for line in lines:
        topic, payload = line.split(" ")
        if topic.split("/")[3] == "evt":
            messages.append(Message(topic, bytes.fromhex(payload)))
        else:
            live = control_pb2.Live.FromString(bytes.fromhex(payload))
            if live.status == control_pb2.LIVE_STATUS_GOODBYE:
                gone.add(live.node)
    return messages, gone


def unbatch(messages):
    """The events by (node, epoch, seq), each once."""
    events = {}
    for message in messages:
        for seq, event in message.events.items():
            events.setdefault((*message.stream[:2], seq), event)
    return events


def gaps(messages):
    """Streams in which a message does not begin where the one before it ended."""
    last = {}
    broken = set()
    for message in messages:
        if message.previous != last.get(message.stream, 0) or message.lost:
            broken.add(message.stream)
        last[message.stream] = max(message.events)
    return broken


def add_up(events):
    nodes, sessions, models, tools, by_type = set(), set(), {}, {}, {}
    errors = responses = 0
    for (node, _, _), event in events.items():
        if event.flags & SYNTHETIC:
            continue
        kind = event.WhichOneof("payload")
        payload = getattr(event, kind)
        by_type[kind] = by_type.get(kind, 0) + 1
        nodes.add(node)
        sessions.add(event.session_id)
        responses += kind == "llm_response_end"
        errors += kind == "agent_error"
        if kind == "token_usage":
            row = models.setdefault(payload.model, dict.fromkeys(("requests", *USAGE, "cost_usd"), 0))
            row["requests"] += 1
            row["cost_usd"] += round(payload.cost_usd * 1e9)
            for name in USAGE:
                row[name] += getattr(payload, name)
        elif kind == "tool_call_start":
            tools.setdefault(payload.tool_name, {"calls": 0, "errors": 0})["calls"] += 1
        elif kind == "tool_call_end" and not payload.success and payload.tool_name != UNKNOWN_TOOL:
            tools.setdefault(payload.tool_name, {"calls": 0, "errors": 0})["errors"] += 1
    total = {"nodes": len(nodes), "sessions": len(sessions - {""}), "llm_requests": responses}
    total.update({name: sum(row[name] for row in models.values()) for name in USAGE})
    total["cost_usd"] = sum(row["cost_usd"] for row in models.values()) / 1e9
    for row in models.values():
        row["cost_usd"] /= 1e9
    total["tool_calls"] = sum(row["calls"] for row in tools.values())
    total["tool_errors"] = sum(row["errors"] for row in tools.values())
    return total | {"agent_errors": errors, "models": models, "tools": tools, "events_by_type": by_type,
                    "events": len(events)}


class CaptureTest(FabricTest):
    def run_demo(self, files):
        """Its JSON, and what mosquitto_sub saw of it from before the first event to the last goodbye."""
        port = str(self.fabric.port)
        demo = self.fabric.spawn("demo", [WEFT, "demo", "--json", "--speed", "max", "--port", port, *files])
        wait_for(lambda: self.fabric.accepts() or demo.child.poll() is not None, "the demo's broker listens")
        listen = ["mosquitto_sub", "-p", port, "-q", "1", "-F", "%t %x", "-t", "weft/v1/+/evt/#", "-t",
                  "weft/v1/+/live/+"]
        capture = self.fabric.spawn("mosquitto_sub", listen)
        self.assertEqual(demo.wait(RUN_S), 0, demo.err())
        capture.kill()
        said = json.loads(demo.out())
        messages, gone = read_capture(capture.lines())
        self.assertEqual(len(gone), said["nodes"], "the capture was cut short")
        return said, messages

    def judge(self, said, messages, counted):
        """What does not fit between the demo, its messages, and its files."""
        captured = add_up(unbatch(messages))
        found = [f"files: {text}" for text in differences(captured, counted)]
        found += [f"demo: {text}" for text in differences(said, captured)]
        return found + [f"gap in {stream}" for stream in gaps(messages)]

    def check(self, files):
        counted = count_files(files)
        said, messages = self.run_demo(files)
        self.assertEqual(self.judge(said, messages, counted), [])
        self.assertEqual((said["match"], said["lost"], said["duplicates"]), (True, 0, 0))
        return said, messages, counted
