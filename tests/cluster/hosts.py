"""Hosts that are network namespaces, each with an address on one switch, and what can be done to their network.

The whole of it lives in namespaces of its own (network, mounts, processes): `isolate` begins the program again inside
of them. When that program ends, however it ends, the kernel ends its processes and takes its hosts, links, rules and
mounts away; nothing outside is ever touched.
"""
import os
import shutil
import signal
import subprocess
import sys
import tempfile

NETWORK = "10.77.0"
INSIDE = "WEFT_CLUSTER_INSIDE"
NAMESPACES = ["unshare", "--net", "--mount", "--pid", "--fork", "--kill-child=SIGKILL", "--mount-proc"]
TOOLS = ("unshare", "ip", "tc", "iptables", "mount", "prlimit")


def run(*argv):
    done = subprocess.run(argv, capture_output=True, text=True, check=False)
    if done.returncode != 0:
        raise RuntimeError(f"{' '.join(argv)}: {done.stderr.strip()}")
    return done.stdout


def isolated():
    return INSIDE in os.environ


def isolate():
    """Runs this program anew in its own namespaces and ends with its status; returns a reason where that cannot be.
    Root may; others may where the kernel gives users namespaces of their own."""
    missing = [tool for tool in TOOLS if shutil.which(tool) is None]
    if missing:
        return f"{', '.join(missing)} not found"
    argv = NAMESPACES if os.geteuid() == 0 else [NAMESPACES[0], "--user", "--map-root-user", *NAMESPACES[1:]]
    if subprocess.run([*argv, "true"], capture_output=True, check=False).returncode != 0:
        return "it needs root, or leave to make user namespaces"
    sys.stdout.flush()
    sys.exit(run_inside(argv))


def run_inside(argv):
    """Ends what is inside, and its files, however this ends."""
    with tempfile.TemporaryDirectory(prefix="weft-cluster-") as folder:
        env = {**os.environ, INSIDE: "root" if os.geteuid() == 0 else "user", "TMPDIR": folder}
        with subprocess.Popen([*argv, sys.executable, *sys.argv], env=env) as child:
            for number in (signal.SIGTERM, signal.SIGHUP):
                if signal.getsignal(number) != signal.SIG_IGN:
                    signal.signal(number, lambda *_: end_inside(child.pid))
            return wait_out(child)


def end_inside(unshare):
    """Ends the first process of the namespaces: it is waited for only when all the others are gone."""
    with open(f"/proc/{unshare}/task/{unshare}/children", encoding="ascii") as file:
        for pid in file.read().split() or [unshare]:
            os.kill(int(pid), signal.SIGKILL)


def wait_out(child):
    """A Ctrl-C is for the one inside, which ends in order."""
    while True:
        try:
            status = child.wait()
            return status if status >= 0 else 128 - status
        except KeyboardInterrupt:
            continue


def really_root():
    return os.environ.get(INSIDE) == "root"


def mounted_below(path):
    with open("/proc/mounts", encoding="utf-8") as file:
        return [line.split()[1] for line in file if line.split()[1].startswith(path + "/")]


class Hosts:
    """In the namespaces that isolate made: this program stands at the switch and reaches every host."""

    def __init__(self):
        self.addresses = {}
        run("mount", "--make-rshared", "/")  # private until now: among these hosts only
        run("mount", "-t", "tmpfs", "none", "/run")
        os.mkdir("/run/netns")
        run("ip", "link", "set", "lo", "up")
        run("ip", "link", "add", "switch", "type", "bridge")
        run("ip", "addr", "add", f"{NETWORK}.254/24", "dev", "switch")
        run("ip", "link", "set", "switch", "up")

    def add(self, name):
        """Returns its address."""
        number = len(self.addresses) + 1
        self.addresses[name] = f"{NETWORK}.{number}"
        run("ip", "netns", "add", name)
        run("ip", "link", "add", f"port{number}", "type", "veth", "peer", "name", "eth0", "netns", name)
        run("ip", "link", "set", f"port{number}", "master", "switch", "up")
        self.run(name, "ip", "addr", "add", f"{self.addresses[name]}/24", "dev", "eth0")
        self.run(name, "ip", "link", "set", "lo", "up")
        self.run(name, "ip", "link", "set", "eth0", "up")
        return self.addresses[name]

    def command(self, name, argv):
        """What runs argv on that host; in the same process, so that signals reach it."""
        return ["ip", "netns", "exec", name, *argv]

    def run(self, name, *argv):
        return run(*self.command(name, argv))

    # ---- what can be done to a host's network; clear undoes all of it ----

    def drop(self, name, chain, *match):
        """Loses what comes in (INPUT) or goes out (OUTPUT)."""
        self.run(name, "iptables", "-w", "-A", chain, "!", "-i" if chain == "INPUT" else "-o", "lo", *match, "-j",
                 "DROP")

    def drop_share(self, name, chain, share):
        self.drop(name, chain, "-m", "statistic", "--mode", "random", "--probability", str(share))

    def link(self, name, up):
        self.run(name, "ip", "link", "set", "eth0", "up" if up else "down")

    def slow(self, name, kbit):
        """What goes out, and what comes in."""
        number = list(self.addresses).index(name) + 1
        shape = ["root", "tbf", "rate", f"{kbit}kbit", "burst", "8kb", "latency", "500ms"]
        self.run(name, "tc", "qdisc", "replace", "dev", "eth0", *shape)
        run("tc", "qdisc", "replace", "dev", f"port{number}", *shape)

    def clear(self, name):
        number = list(self.addresses).index(name) + 1
        self.run(name, "iptables", "-w", "-F")
        self.link(name, True)
        for prefix, device in ((self.command(name, ()), "eth0"), ([], f"port{number}")):
            subprocess.run([*prefix, "tc", "qdisc", "del", "dev", device, "root"], capture_output=True, check=False)
