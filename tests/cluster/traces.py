"""What five people's agents did in a month, as events to publish again: the January traces where they lie beside the
tree, otherwise simulated ones. Made once a run by a node that reads the transcripts, and divided by session."""
import json
import os
import zlib

from shared import SIGTERM, Fabric, january, simulate, wait_for

OWN = ("node", "epoch", "seq", "topic", "acceptedMs", "flags")
RECORD_S = 120


def transcripts(fabric, seed):
    """The files, and what they are."""
    files = january()
    if files:
        return files, "the January traces"
    os.mkdir(fabric.path("simulated"))
    return simulate(fabric.path("simulated"), seed=seed, sessions=120), f"simulated transcripts (seed {seed})"


def record(seed):
    """All events in the order in which they happened to one observer, and what they are of."""
    fabric = Fabric()
    try:
        fabric.start_broker()
        node = fabric.start_up("trace", "--stats")
        sub = fabric.start_sub()
        files, what = transcripts(fabric, seed)
        done = fabric.weft("ingest", "--node", "trace", *files, timeout=RECORD_S)
        if done.returncode != 0:
            raise RuntimeError(f"weft ingest: {done.stderr.decode()}")
        node.signal(SIGTERM)
        node.wait(RECORD_S)
        count = json.loads(node.lines()[-1])["published"]
        wait_for(lambda: sum('"marker"' not in line for line in sub.lines()) >= count, f"{count} are heard", RECORD_S)
        return [json.loads(line) for line in sub.lines() if '"marker"' not in line], what
    finally:
        fabric.close()


def divide(events, nodes):
    """{node: its events, without what makes them another's}."""
    shares = {node: [] for node in nodes}
    for event in events:
        node = nodes[zlib.crc32(event.get("sessionId", "").encode()) % len(nodes)]
        shares[node].append({name: value for name, value in event.items() if name not in OWN})
    return shares
