#!/usr/bin/env python3
"""Pieces of answers through a real broker over a slow line: joined, whole, and accounted for to the last one."""
import json
import socket
import struct
import threading
from collections import defaultdict

from fabric import WEFT, FabricTest, events, free_port, main, wait_for

PIECES, CALLS, WAIT_S = 100_000, 8, 60
LINE_BYTES_S, CHUNK = 400_000, 4096


class SlowLine:
    """Passes on what clients send at so many bytes a second, with little room in between; answers at once."""

    def __init__(self, port):
        self.target, self.port = port, free_port()
        self.door = socket.create_server(("127.0.0.1", self.port))
        self.door.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, CHUNK)
        self.pairs, self.ended = [], threading.Event()
        threading.Thread(target=self.accept, daemon=True).start()

    def accept(self):
        while not self.ended.is_set():
            try:
                client, _ = self.door.accept()
            except OSError:
                return
            server = socket.create_connection(("127.0.0.1", self.target))
            self.pairs.append((client, server))
            threading.Thread(target=self.carry, args=(client, server, LINE_BYTES_S), daemon=True).start()
            threading.Thread(target=self.carry, args=(server, client, None), daemon=True).start()

    def carry(self, source, sink, bytes_s):
        try:
            while data := source.recv(CHUNK):
                sink.sendall(data)
                if bytes_s is not None and self.ended.wait(len(data) / bytes_s):
                    break
        except OSError:
            pass
        for end in (source, sink):
            end.close()

    def cut(self):
        """Resets all connections."""
        pairs, self.pairs = self.pairs, []
        for client, server in pairs:
            for end in (client, server):
                try:
                    end.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
                    end.shutdown(socket.SHUT_RDWR)
                except OSError:
                    pass  # it has ended by itself

    def close(self):
        self.ended.set()
        self.door.close()
        self.cut()


class Deltas(FabricTest):
    def setUp(self):
        super().setUp()
        self.fabric.start_broker()
        self.line = SlowLine(self.fabric.port)
        self.addCleanup(self.line.close)
        self.sub = self.fabric.start_sub("--topic", "delta", "--topic", "system")
        url = f"mqtt://127.0.0.1:{self.line.port}"
        self.node = self.fabric.spawn("host-a", [WEFT, "node", "--broker", url, "--node", "host-a"])
        wait_for(lambda: "ready " in self.node.out(), "host-a is ready")
        self.fabric.wait_connected(self.node)
        self.feeder = self.fabric.feeder(self.fabric.socket_of("host-a"))

    def publish(self, between=lambda number: None):
        """The text of each call, as published."""
        texts = defaultdict(str)
        for number in range(PIECES):
            call, text = f"r{number % CALLS}", f"{number}ü "
            texts[call] += text
            self.feeder.send({"type": "llm_text_delta", "sessionId": "s1",
                              "llmTextDelta": {"model": "m", "requestId": call, "text": text}})
            if number % 200 == 199:
                self.feeder.take_answers()
            between(number)
        self.feeder.flush()
        self.assertEqual(self.feeder.refused, {})
        return texts

    def pieces(self):
        return [event for event in events(self.sub) if event["type"] == "llm_text_delta"]

    def settled(self):
        """Both sides of the stream's account, once they add up."""
        def ask():
            result = self.fabric.weft("account", "--broker", self.fabric.url, "--json", "--wait", "5",
                                      timeout=2 * WAIT_S)
            told = json.loads(result.stdout or b"{}")
            rows = [one for one in told.get("accounts", ()) if one.get("own", {}).get("topic") == "delta"]
            if result.returncode == 0 and {"own", "adds up"} <= {one["state"] for one in rows}:
                return rows
            return None

        rows = wait_for(ask, "the accounts of the pieces add up", 2 * WAIT_S)
        own = next(one["own"] for one in rows if one["state"] == "own")
        return own, next(one["received"] for one in rows if one["state"] == "adds up")

    def expect_balance(self):
        own, received = self.settled()
        wait_for(lambda: len(self.pieces()) >= received["delivered"], "the subscriber has printed them all")
        self.assertEqual(len(self.pieces()), received["delivered"])
        lost = sum(received.get(f"lost_{reason}", 0) for reason in ("unreachable", "overflow", "unspecified"))
        self.assertEqual(own["published"], PIECES)
        self.assertEqual(received["delivered"] + lost + own["joined"], PIECES)
        print(f"sent {own.get('sent')}, joined {own['joined']}, lost {lost}", flush=True)
        return own, lost

    def test_a_slow_line_gets_fewer_events_and_the_whole_text(self):
        texts = self.publish()
        own, lost = self.expect_balance()
        self.assertEqual(lost, 0)
        found = defaultdict(str)
        for event in self.pieces():
            found[event["llmTextDelta"]["requestId"]] += event["llmTextDelta"]["text"]
        self.assertEqual(found, texts)
        self.assertLess(own["sent"], PIECES / 4)
        seqs = [int(event["seq"]) for event in self.pieces()]
        self.assertEqual(seqs, sorted(set(seqs)))

    def test_what_a_broken_line_swallows_is_counted(self):
        cuts = iter(range(PIECES // 6, PIECES, PIECES // 6))
        self.next_cut = next(cuts)

        def cut_now_and_then(number):
            if number == self.next_cut:
                self.line.cut()
                self.next_cut = next(cuts, -1)

        self.publish(cut_now_and_then)
        self.expect_balance()
        self.assertGreater(self.node.err().count("broker-connected"), 1)
        self.assertNotIn("unaccounted", self.sub.err())


if __name__ == "__main__":
    main(at_once=2)
