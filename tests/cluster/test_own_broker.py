#!/usr/bin/env python3
"""The check against somebody's own broker: on one host, without root, and the broker is as empty as before."""
import os
import subprocess
import sys

from shared import FabricTest, main

HERE = os.path.dirname(os.path.abspath(__file__))


class OwnBroker(FabricTest):
    def test_all_holds_and_nothing_stays_behind(self):
        self.fabric.start_broker("allow_anonymous true\n")
        argv = [sys.executable, os.path.join(HERE, "run.py"), "--broker", self.fabric.url, "--seconds", "8", "--seed",
                "3"]
        done = subprocess.run(argv, capture_output=True, text=True, timeout=200, check=False)
        self.assertEqual(done.returncode, 0, done.stdout + done.stderr)
        self.assertIn("all held", done.stdout)
        left = subprocess.run(["mosquitto_sub", "-p", str(self.fabric.port), "-t", "#", "--retained-only", "-W", "2"],
                              capture_output=True, text=True, timeout=30, check=False)
        self.assertEqual(left.stdout, "")


if __name__ == "__main__":
    main()
