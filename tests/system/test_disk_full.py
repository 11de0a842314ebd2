"""A node whose disk is full, by a small file system and by a limit on file sizes: nothing accepted is lost, cost events
go on from the reserve, and it recovers without a restart."""
import os
import resource
import shutil
import subprocess

from fabric import WEFT, FabricTest, main, sessions, wait_for

SETTINGS = ["--drain-timeout", "0.5"]


def tool_of(session):
    return {"type": "tool_call_start", "sessionId": session, "toolCallStart": {"toolName": "t" * 2000, "callId": "c"}}


def usage_of(session):
    return {"type": "token_usage", "sessionId": session, "tokenUsage": {"model": "m", "inputTokens": "1"}}


def may_mount():
    return os.geteuid() == 0 and subprocess.run(
        ["unshare", "-m", "sh", "-c", "mount -t tmpfs -o size=1m tmpfs /mnt"], check=False,
        capture_output=True).returncode == 0


class DiskFull(FabricTest):
    def setUp(self):
        super().setUp()
        self.fabric.start_broker()
        self.sub = self.fabric.start_sub()

    def fill(self, node):
        """Feeds tool events until the node refuses them; how many it has been given."""
        feeder = self.fabric.feeder(self.fabric.socket_of("host-a"), "tools")
        sent = 0

        def refused():
            nonlocal sent
            if len(feeder.unanswered) < 8:
                feeder.send(tool_of(f"tool{sent}"))
                sent += 1
            feeder.take_answers()
            return "journal-failed" in node.err()
        wait_for(refused, "the disk is full")
        return feeder, sent

    def expect_all(self, tools, costs):
        wanted = [f"tool{i}" for i in range(tools)] + [f"cost{i}" for i in range(costs)]
        wait_for(lambda: len(set(sessions(self.sub))) >= len(wanted), "all accepted events arrive")
        self.expect_each_once(sessions(self.sub), wanted)

    def test_a_full_file_system_takes_cost_events_and_recovers(self):
        if not may_mount():
            self.skipTest("needs root, to mount a small file system")
        directory = self.fabric.path("small")
        os.mkdir(directory)
        node = self.fabric.spawn("host-a", [
            "unshare", "-m", "sh", "-c",
            'mount -t tmpfs -o size=1m tmpfs "$1" && dd if=/dev/zero of="$1/filler" bs=1k count=400 2>/dev/null\n'
            'shift && exec "$@"', "sh", directory, WEFT, "node", "--broker", self.fabric.url, "--node", "host-a",
            "--state-dir", directory, *SETTINGS])
        wait_for(lambda: "ready " in node.out() or node.child.poll() is not None, "the node is ready")
        inside = f"/proc/{node.child.pid}/root{directory}"
        feeder, sent = self.fill(node)
        costs = self.fabric.feeder(self.fabric.socket_of("host-a"), "costs")
        costs.send(usage_of("cost0"))
        costs.flush()
        self.assertIn("from the reserve", node.err())
        self.assertGreater(len(feeder.unanswered), 0)
        os.unlink(os.path.join(inside, "filler"))
        feeder.flush()
        self.assertEqual(feeder.refused, {})
        wait_for(lambda: "journal-recovered" in node.err(), "the node says so")
        self.expect_all(sent, 1)

    def test_a_limit_on_file_sizes_is_a_full_disk(self):
        node = self.fabric.start_up("host-a", *SETTINGS)
        resource.prlimit(node.child.pid, resource.RLIMIT_FSIZE, (600000, resource.RLIM_INFINITY))
        feeder, sent = self.fill(node)
        self.assertIsNone(node.child.poll())
        resource.prlimit(node.child.pid, resource.RLIMIT_FSIZE, (resource.RLIM_INFINITY, resource.RLIM_INFINITY))
        feeder.flush()
        self.assertEqual(feeder.refused, {})
        wait_for(lambda: "journal-recovered" in node.err(), "the node says so")
        self.expect_all(sent, 0)

    def test_a_node_killed_with_a_full_disk_has_what_it_answered(self):
        node = self.fabric.start_up("host-a", *SETTINGS)
        resource.prlimit(node.child.pid, resource.RLIMIT_FSIZE, (600000, resource.RLIM_INFINITY))
        feeder, sent = self.fill(node)
        node.kill()
        self.fabric.start_up("host-a", *SETTINGS)
        feeder.recover()
        feeder.flush()
        self.expect_all(sent, 0)


if __name__ == "__main__":
    if shutil.which("unshare") is None:
        print("unshare is not installed: the small file system is left out")
    main()
