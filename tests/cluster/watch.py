"""Samples what the processes of a scenario hold: memory, descriptors, files, and the processor time they took."""
import os
import threading
import time

PERIOD_S = 0.25
TICKS = os.sysconf("SC_CLK_TCK")


def memory_mb(pid):
    with open(f"/proc/{pid}/status", encoding="utf-8") as file:
        for line in file:
            if line.startswith("VmRSS:"):
                return int(line.split()[1]) / 1024
    return 0


def descriptors(pid):
    return len(os.listdir(f"/proc/{pid}/fd"))


def cpu_s(pid):
    with open(f"/proc/{pid}/stat", encoding="utf-8") as file:
        fields = file.read().rsplit(")", 1)[1].split()
    return (int(fields[11]) + int(fields[12])) / TICKS


def tree_mb(path):
    total = 0
    for folder, _, names in os.walk(path):
        for name in names:
            try:
                total += os.lstat(os.path.join(folder, name)).st_size
            except OSError:
                pass
    return total / 1e6


class Watch(threading.Thread):
    """Watches processes by name; a restarted one goes on under its name."""

    def __init__(self, folder):
        super().__init__(name="watch", daemon=True)
        self.folder = folder
        self.lock = threading.Lock()
        self.pids = {}
        self.samples = {}  # name: [(s since the start, MB, descriptors)…]
        self.disk_mb = 0
        self.started_s = time.monotonic()
        self.ending = threading.Event()

    def add(self, name, pid):
        with self.lock:
            self.pids[name] = pid

    def run(self):
        while not self.ending.wait(PERIOD_S):
            self.disk_mb = max(self.disk_mb, tree_mb(self.folder))
            with self.lock:
                pids = dict(self.pids)
            for name, pid in pids.items():
                try:
                    sample = (time.monotonic() - self.started_s, memory_mb(pid), descriptors(pid))
                except (OSError, IndexError):
                    continue
                if sample[1] > 0:
                    self.samples.setdefault(name, []).append(sample)

    def finish(self):
        self.ending.set()
        self.join()

    def peak(self, names):
        """(MB, descriptors)"""
        samples = [sample for name in names for sample in self.samples.get(name, [])]
        return (max((sample[1] for sample in samples), default=0), max((sample[2] for sample in samples), default=0))

    def table(self, rows=10):
        """Lines of what each held over time, for a long run."""
        lines = []
        for name, samples in sorted(self.samples.items()):
            step = max(1, len(samples) // rows)
            picked = samples[step - 1::step]
            lines.append(f"{name}: " + "  ".join(f"{at:.0f}s {mb:.1f}MB {count}fd" for at, mb, count in picked))
        return lines
