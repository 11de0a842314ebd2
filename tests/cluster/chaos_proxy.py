#!/usr/bin/env python3
"""A TCP proxy that misbehaves as it is told: chaos_proxy.py LISTEN_ADDRESS:PORT TO_ADDRESS:PORT CONTROL_SOCKET

Each line to the control socket is a JSON object, answered by the proxy's settings and figures. Settings stay until they
are set again:

  delay_ms, jitter_ms   every chunk waits that long, and up to that much more: each connection and direction for itself,
                        so that connections overtake each other while each keeps its order
  kbit                  so fast and no faster, a connection and direction; 0: no bound
  hold                  "up", "down", "both" or "": what goes that way stays where it is, the connections stay open
  refuse                new connections are reset at once
  reset_every_ms        resets all connections so often; 0: never
  act                   "reset": all connections now, lingering 0; "half_open": those to the server are reset, those of
                        the clients stay open and hear nothing more
"""
import asyncio
import json
import os
import random
import socket
import struct
import sys
import time

CHUNK_BYTES = 16384
CHUNKS_MAX = 64  # under way in one direction
TICK_S = 0.005
LINGER_0 = struct.pack("ii", 1, 0)


def abort(writer):
    sock = writer.get_extra_info("socket")
    if sock is not None and not writer.transport.is_closing():
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, LINGER_0)
    writer.transport.abort()


class Pair:
    def __init__(self, client, server):
        self.client, self.server = client, server
        self.deaf = False  # the server's end is gone, and the client is not told

    def reset(self):
        abort(self.client)
        abort(self.server)

    def half_open(self):
        self.deaf = True
        abort(self.server)

    async def end(self, way):
        """One side has ended; the other one may be told."""
        if way == "up":
            self.deaf = False
        while self.deaf and not self.client.transport.is_closing():
            await asyncio.sleep(TICK_S)


class Proxy:
    def __init__(self, to):
        self.to = to
        self.settings = {"delay_ms": 0, "jitter_ms": 0, "kbit": 0, "hold": "", "refuse": False, "reset_every_ms": 0}
        self.pairs = set()
        self.figures = {"connections": 0, "bytes": 0, "resets": 0}
        self.random = random.Random(1)

    async def accept(self, reader, writer):
        self.figures["connections"] += 1
        if self.settings["refuse"]:
            abort(writer)
            return
        try:
            server_reader, server_writer = await asyncio.open_connection(*self.to, limit=CHUNK_BYTES)
        except OSError:
            abort(writer)
            return
        pair = Pair(writer, server_writer)
        self.pairs.add(pair)
        try:
            async with asyncio.TaskGroup() as group:
                for way, source, sink in (("up", reader, server_writer), ("down", server_reader, writer)):
                    queue = asyncio.Queue(CHUNKS_MAX)
                    group.create_task(self.take(way, source, queue))
                    group.create_task(self.give(pair, way, queue, sink))
        except* OSError:
            pass
        finally:
            pair.reset()
            self.pairs.discard(pair)

    async def take(self, way, reader, queue):
        while True:
            await self.held(way)
            chunk = await reader.read(CHUNK_BYTES)
            wait = self.settings["delay_ms"] + self.random.random() * self.settings["jitter_ms"]
            await queue.put((time.monotonic() + wait / 1000, chunk))
            if not chunk:
                return

    async def give(self, pair, way, queue, writer):
        free = time.monotonic()
        while True:
            due, chunk = await queue.get()
            kbit = self.settings["kbit"]
            free = max(free, time.monotonic()) + (len(chunk) / (125 * kbit) if kbit else 0)
            await asyncio.sleep(max(due, free) - time.monotonic())
            await self.held(way)
            if not chunk:
                await pair.end(way)
                writer.close()
                return
            if not pair.deaf:
                writer.write(chunk)
                await writer.drain()
            self.figures["bytes"] += len(chunk)

    async def held(self, way):
        while self.settings["hold"] in (way, "both"):
            await asyncio.sleep(TICK_S)

    def reset_all(self):
        self.figures["resets"] += len(self.pairs)
        for pair in list(self.pairs):
            pair.reset()

    async def reset_often(self):
        last = time.monotonic()
        while True:
            await asyncio.sleep(TICK_S)
            every = self.settings["reset_every_ms"] / 1000
            if every and time.monotonic() - last >= every:
                self.reset_all()
                last = time.monotonic()

    def act(self, what):
        if what == "reset":
            self.reset_all()
        elif what == "half_open":
            for pair in list(self.pairs):
                pair.half_open()
        else:
            raise ValueError(f"no act '{what}'")

    def obey(self, wish):
        act = wish.pop("act", None)
        unknown = set(wish) - set(self.settings)
        if unknown:
            raise ValueError(f"no setting {', '.join(sorted(unknown))}")
        self.settings.update(wish)
        if act is not None:
            self.act(act)
        return {**self.settings, **self.figures, "open": len(self.pairs)}

    async def control(self, reader, writer):
        while True:
            line = await reader.readline()
            if not line:
                writer.close()
                return
            try:
                answer = self.obey(json.loads(line))
            except ValueError as error:
                answer = {"error": str(error)}
            writer.write(json.dumps(answer).encode() + b"\n")


class Chaos:
    """The control of a proxy, for the tests."""

    def __init__(self, path):
        self.stream = socket.socket(socket.AF_UNIX)
        self.stream.connect(path)
        self.file = self.stream.makefile("rw")

    def set(self, **wish):
        self.file.write(json.dumps(wish) + "\n")
        self.file.flush()
        answer = json.loads(self.file.readline())
        if "error" in answer:
            raise ValueError(answer["error"])
        return answer

    def calm(self):
        return self.set(delay_ms=0, jitter_ms=0, kbit=0, hold="", refuse=False, reset_every_ms=0)

    def close(self):
        self.file.close()
        self.stream.close()


def place(text):
    address, port = text.rsplit(":", 1)
    return address, int(port)


async def serve(listen, to, control):
    proxy = Proxy(place(to))
    await asyncio.start_server(proxy.accept, *place(listen), limit=CHUNK_BYTES)
    # Under another name until it listens: whoever finds the name can connect.
    await asyncio.start_unix_server(proxy.control, control + ".new")
    os.rename(control + ".new", control)
    await proxy.reset_often()


if __name__ == "__main__":
    try:
        asyncio.run(serve(*sys.argv[1:4]))
    except KeyboardInterrupt:
        pass
