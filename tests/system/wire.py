"""What the fabric sends, read without any of its code: Debian's protobuf package, and a CRC of our own.

The message classes are made by protoc in a temporary directory when this is imported; where protoc or the package is
missing, the script that imports it is skipped (77).
"""
import importlib
import os
import subprocess
import sys
import tempfile

PROTO = os.path.join(os.environ["WEFT_SOURCE_DIR"], "proto")
TRAILER = b"\xfd\xff\xff\xff\x0f"  # the tag of crc32c, the last field
POLYNOMIAL = 0x82F63B78  # CRC-32C, reflected


def load():
    with tempfile.TemporaryDirectory() as out:
        try:
            importlib.import_module("google.protobuf")
            subprocess.run(["protoc", f"-I{PROTO}", f"--python_out={out}", "weft/v1/events.proto",
                            "weft/v1/control.proto"], check=True)
        except (ImportError, FileNotFoundError) as error:
            print(f"skipped: {error}")
            sys.exit(77)
        sys.path.insert(0, out)
        try:
            return importlib.import_module("weft.v1.events_pb2"), importlib.import_module("weft.v1.control_pb2")
        finally:
            sys.path.remove(out)


events_pb2, control_pb2 = load()


def table():
    rows = []
    for byte in range(256):
        for _ in range(8):
            byte = byte >> 1 ^ (POLYNOMIAL if byte & 1 else 0)
        rows.append(byte)
    return rows


TABLE = table()


def crc32c(data):
    crc = 0xFFFFFFFF
    for byte in data:
        crc = crc >> 8 ^ TABLE[(crc ^ byte) & 0xFF]
    return crc ^ 0xFFFFFFFF


assert crc32c(b"123456789") == 0xE3069283


def read_batch(topic, payload):
    """The EventBatch of a message under evt/, checked: its CRC, that its sender is the topic's, that its events are of
    the topic's stream and in order."""
    if payload[-9:-4] != TRAILER or int.from_bytes(payload[-4:], "little") != crc32c(payload[:-9]):
        raise ValueError(f"{topic}: {len(payload)} bytes whose checksum is wrong or missing")
    batch = events_pb2.EventBatch.FromString(payload)
    node = topic.split("/")[5]
    seqs = [event.seq for event in batch.events]
    if batch.node != node or not batch.epoch or sorted(set(seqs)) != seqs or seqs[:1] <= [batch.prev_seq]:
        raise ValueError(f"{topic}: {batch.node}, epoch {batch.epoch}, {batch.prev_seq} before {seqs}")
    return batch
