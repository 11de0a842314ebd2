#!/usr/bin/env python3
"""The totals do not grade themselves: what `weft demo` says must also come out of its messages, captured with
mosquitto_sub and added up by other code, and out of the files, counted by a third. One captured message less, and it
does not."""
from capture import UNKNOWN_TOOL, CaptureTest
from demo_runs import simulate
from fabric import main
from wire import TRAILER, crc32c, events_pb2, read_batch


class Capture(CaptureTest):
    def carriers(self, messages):
        """Messages without which some figure of the files changes: the first, middle and last of each kind."""
        kinds = {
            "cost": lambda m: m.topic == "cost",
            "calls": lambda m: any(e.HasField("tool_call_start") for e in m.events.values()),
            "failed calls": lambda m: any(e.HasField("tool_call_end") and e.tool_call_end.tool_name != UNKNOWN_TOOL
                                          and not e.tool_call_end.success for e in m.events.values()),
            "answers": lambda m: any(e.HasField("llm_response_end") for e in m.events.values()),
            "agent errors": lambda m: any(e.HasField("agent_error") for e in m.events.values()),
        }
        for kind, wanted in kinds.items():
            found = [index for index, message in enumerate(messages) if wanted(message)]
            self.assertTrue(found, f"no message with {kind}")
            for index in sorted({found[0], found[len(found) // 2], found[-1]}):
                yield kind, index

    def test_simulated_sessions_and_that_a_missing_message_shows(self):
        said, messages, counted = self.check(simulate(self.fabric.path("traces")))
        for kind, index in self.carriers(messages):
            fewer = messages[:index] + messages[index + 1:]
            found = self.judge(said, fewer, counted)
            for against in ("files: ", "demo: "):
                self.assertTrue([text for text in found if text.startswith(against)], f"{kind}, message {index}")
        for topic in ("session", "agent"):
            index = next(i for i, message in enumerate(messages) if message.topic == topic)
            self.assertTrue(self.judge(said, messages[:index] + messages[index + 1:], counted), topic)

    def test_a_changed_byte_of_a_message_shows(self):
        batch = events_pb2.EventBatch(node="a", epoch=1)
        batch.events.add(seq=1).token_usage.input_tokens = 7
        body = batch.SerializeToString()
        payload = body + TRAILER + crc32c(body).to_bytes(4, "little")
        topic = "weft/v1/demo/evt/cost/a"
        self.assertEqual(read_batch(topic, payload).events[0].token_usage.input_tokens, 7)
        for at in range(len(payload)):
            with self.assertRaises(ValueError, msg=f"byte {at}"):
                read_batch(topic, payload[:at] + bytes([payload[at] ^ 1]) + payload[at + 1:])


if __name__ == "__main__":
    main()
