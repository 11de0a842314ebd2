#!/usr/bin/env python3
"""The README's C program is compiled as a user would, against an installed weft, and its event crosses a real broker."""
import os
import re
import shutil
import subprocess
import sys

import fabric

SOURCE = os.environ["WEFT_SOURCE_DIR"]
BUILD = os.path.dirname(os.path.realpath(fabric.WEFT))


def sanitizer_flags():
    with open(os.path.join(BUILD, "CMakeCache.txt"), encoding="utf-8") as cache:
        kind = re.search(r"^WEFT_SANITIZE:\w+=(\w*)$", cache.read(), re.M).group(1)
    return {"address": ["-fsanitize=address,undefined"], "thread": ["-fsanitize=thread"]}.get(kind, [])


class ReadmeTest(fabric.FabricTest):
    def test_the_c_program_publishes(self):
        with open(os.path.join(SOURCE, "README.md"), encoding="utf-8") as file:
            program = re.search(r"^```c\n(.*?)^```", file.read(), re.M | re.S).group(1)
        prefix = self.fabric.path("prefix")
        subprocess.run(["cmake", "--install", BUILD, "--prefix", prefix], check=True, stdout=subprocess.DEVNULL)
        self.fabric.start_broker()
        self.assertIn("mqtt://localhost", program)
        with open(self.fabric.path("example.c"), "w", encoding="utf-8") as file:
            file.write(program.replace("mqtt://localhost", self.fabric.url))
        found = [root for root, _, files in os.walk(prefix) if "weft.pc" in files]
        flags = subprocess.run(["pkg-config", "--cflags", "--libs", "weft"], check=True, capture_output=True, text=True,
                               env={**os.environ, "PKG_CONFIG_PATH": found[0]}).stdout.split()
        subprocess.run(["cc", "-std=c11", "-Wall", "-Wextra", "-Werror", *sanitizer_flags(),
                        self.fabric.path("example.c"), *flags, "-o", self.fabric.path("example")], check=True)
        sub = self.fabric.start_sub()
        subprocess.run([self.fabric.path("example")], check=True, timeout=fabric.DEADLINE_S, stdout=subprocess.DEVNULL)
        fabric.wait_for(lambda: fabric.events(sub), "the event arrives")
        event = fabric.events(sub)[0]
        self.assertEqual((event["node"], event["type"], event["sessionId"]), ("host-a", "token_usage", "s1"))
        self.assertEqual(event["tokenUsage"]["outputTokens"], "41")


if __name__ == "__main__":
    if shutil.which("cc") is None:
        print("skipped: no C compiler")
        sys.exit(77)
    fabric.main()
