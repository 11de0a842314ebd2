#!/usr/bin/env python3
"""The proxy passes on what it gets, and does the harm it is told to."""
import os
import socket
import subprocess
import sys
import tempfile
import threading
import time
import unittest

from chaos_proxy import Chaos
from shared import wait_for

HERE = os.path.dirname(os.path.abspath(__file__))
SOON_S = 0.3


class Echo(threading.Thread):
    def __init__(self):
        super().__init__(daemon=True)
        self.listener = socket.create_server(("127.0.0.1", 0))
        self.ended = []  # how each connection ended

    def run(self):
        while True:
            try:
                stream, _ = self.listener.accept()
            except OSError:
                return
            threading.Thread(target=self.serve, args=[stream], daemon=True).start()

    def serve(self, stream):
        with stream:
            try:
                while chunk := stream.recv(65536):
                    stream.sendall(chunk)
                self.ended.append("end")
            except OSError:
                self.ended.append("reset")


class Proxy(unittest.TestCase):
    def setUp(self):
        self.echo = Echo()
        self.echo.start()
        self.addCleanup(self.echo.listener.close)
        folder = tempfile.TemporaryDirectory()
        self.addCleanup(folder.cleanup)
        with socket.create_server(("127.0.0.1", 0)) as free:
            self.place = free.getsockname()
        control = os.path.join(folder.name, "control")
        argv = [sys.executable, os.path.join(HERE, "chaos_proxy.py"), "%s:%d" % self.place,
                "%s:%d" % self.echo.listener.getsockname(), control]
        child = subprocess.Popen(argv)
        self.addCleanup(child.wait)
        self.addCleanup(child.kill)
        wait_for(lambda: os.path.exists(control), "the proxy listens")
        self.chaos = Chaos(control)
        self.addCleanup(self.chaos.close)

    def connect(self):
        stream = socket.create_connection(self.place)
        stream.settimeout(30)
        self.addCleanup(stream.close)
        return stream

    def said(self, stream, text):
        stream.sendall(text)
        found = b""
        while len(found) < len(text):
            found += stream.recv(65536)
        return found

    def test_passes_on(self):
        text = os.urandom(1 << 20)
        stream = self.connect()
        sender = threading.Thread(target=stream.sendall, args=[text])
        sender.start()
        found = b""
        while len(found) < len(text):
            found += stream.recv(65536)
        sender.join()
        self.assertEqual(found, text)

    def test_passes_the_end_on(self):
        stream = self.connect()
        self.said(stream, b"x")
        stream.close()
        wait_for(lambda: self.echo.ended, "the server hears of the end")

    def test_resets(self):
        stream = self.connect()
        self.said(stream, b"x")
        self.chaos.set(act="reset")
        with self.assertRaises(ConnectionResetError):
            stream.recv(1)
        wait_for(lambda: self.echo.ended == ["reset"], "the server's end is reset too")
        self.assertEqual(self.said(self.connect(), b"y"), b"y")

    def test_refuses(self):
        self.chaos.set(refuse=True)
        with self.assertRaises(OSError):
            self.connect().recv(1)

    def test_holds_and_lets_go_without_a_loss(self):
        stream = self.connect()
        self.said(stream, b"x")
        self.chaos.set(hold="both")
        stream.sendall(b"abc")
        stream.settimeout(SOON_S)
        with self.assertRaises(TimeoutError):
            stream.recv(1)
        self.chaos.calm()
        stream.settimeout(30)
        self.assertEqual(stream.recv(3), b"abc")

    def test_leaves_a_client_without_a_server(self):
        stream = self.connect()
        self.said(stream, b"x")
        self.chaos.set(act="half_open")
        wait_for(lambda: self.echo.ended == ["reset"], "the server's end is reset")
        stream.sendall(b"abc")
        stream.settimeout(SOON_S)
        with self.assertRaises(TimeoutError):
            stream.recv(1)

    def test_delays_and_throttles(self):
        stream = self.connect()
        for wish, least_s in (({"delay_ms": 50}, 0.1), ({"delay_ms": 0, "kbit": 80}, 0.1)):
            self.chaos.set(**wish)
            began = time.monotonic()
            self.said(stream, bytes(1000))
            self.assertGreaterEqual(time.monotonic() - began, least_s)

    def test_names_what_it_does_not_know(self):
        with self.assertRaisesRegex(ValueError, "dellay_ms"):
            self.chaos.set(dellay_ms=1)


if __name__ == "__main__":
    unittest.main(verbosity=2)
