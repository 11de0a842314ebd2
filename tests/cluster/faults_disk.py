"""What can happen to a node's disk."""
import contextlib
import os
import random
import resource
import sqlite3
import subprocess
from collections import Counter

from catalogue import fault
from cluster import Broken
from hosts import run
from shared import wait_for

DISK_KB = 8192


def mount_for(c, name, kilobytes=DISK_KB):
    """A small file system of its own for a node's journal. Returns its path."""
    path = c.path(f"disk-{name}")
    os.mkdir(path)
    run("mount", "-t", "tmpfs", "-o", f"size={kilobytes}k,mode=700", "none", path)
    c.node_words[name] = ["--state-dir", path]
    c.disks[name] = path
    return path


def fill(path):
    """Writes until nothing more fits. Returns the file."""
    name = os.path.join(path, "filler")
    with open(name, "wb", buffering=0) as file:
        try:
            while True:
                file.write(bytes(4096))
        except OSError:
            pass
    return name


@fault("disk full", quick=True, start=False)
def disk_full(c):
    path = mount_for(c, "host-a")
    c.start()
    for _ in range(2):
        filler = fill(path)
        c.wait_said("host-a", "journal-failed", deadline_s=60)
        c.wait_flow(["host-b"])
        os.unlink(filler)
        c.wait_said("host-a", "journal-recovered")
        c.wait_flow()


@fault("file size limit", quick=True)
def file_size_limit(c):
    pid = c.nodes["host-a"].child.pid
    unlimited = resource.prlimit(pid, resource.RLIMIT_FSIZE)
    resource.prlimit(pid, resource.RLIMIT_FSIZE, (100 * 1024, unlimited[1]))
    c.wait_said("host-a", "journal-failed")
    c.wait_flow(["host-b"])
    resource.prlimit(pid, resource.RLIMIT_FSIZE, unlimited)
    c.wait_said("host-a", "journal-recovered")
    c.wait_flow()


@fault("disk read-only", needs_root=True, start=False)
def disk_read_only(c):
    """An ext4 that an error made read-only under the node; the repair needs a mount, so the node starts again."""
    image, path = c.path("image"), c.path("disk-host-a")
    os.mkdir(path)
    with open(image, "wb") as file:
        file.truncate(32 << 20)
    run("mkfs.ext4", "-q", image)
    run("mount", "-o", "loop,errors=remount-ro", image, path)
    c.node_words["host-a"] = ["--state-dir", path]
    c.start()
    device = run("findmnt", "-no", "SOURCE", path).strip()
    with open(f"/sys/fs/ext4/{os.path.basename(device)}/trigger_fs_error", "w", encoding="ascii") as file:
        file.write("test")
    c.wait_said("host-a", "journal-failed")
    c.wait_flow(["host-b"])
    c.kill_node("host-a")
    c.books_lost = True  # as after a power cut: what was answered, and sent, but not yet synchronised
    run("umount", path)
    subprocess.run(["fsck.ext4", "-p", image], capture_output=True, check=False)
    run("mount", "-o", "loop", image, path)
    c.start_cluster_node("host-a")
    c.wait_flow()


def journal_of(c, name):
    for folder, _, names in os.walk(c.path("state")):
        for found in names:
            if found.endswith(".db") and name in os.path.join(folder, found):
                return os.path.join(folder, found)
    raise Broken(f"no journal of {name} under {c.path('state')}")


def moved_journal_of(c, name):
    """The journal of a node that is not running, all of it in the database, as after hours of work."""
    path = journal_of(c, name)
    with contextlib.closing(sqlite3.connect(path)) as database:
        database.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchall()
    return path


def damage(path, chance, flips):
    size = os.path.getsize(path)
    with open(path, "r+b", buffering=0) as file:
        for _ in range(flips):
            file.seek(chance.randrange(4096, size))
            byte = file.read(1)
            file.seek(-1, os.SEEK_CUR)
            file.write(bytes([byte[0] ^ (1 << chance.randrange(8))]))


@fault("torn journal, when everybody has everything", quick=True, rate=600)
def journal_torn(c):
    """Flipped bytes, then a cut: the node goes on, and what everybody has is neither lost nor repeated."""
    chance = random.Random(11)
    for cut in (False, True):
        c.wait_accepted(1500)
        c.wait_flow()
        c.pause("host-a")
        c.kill_node("host-a")
        path = moved_journal_of(c, "host-a")
        if cut:
            os.truncate(path, os.path.getsize(path) * 2 // 3)
        else:
            damage(path, chance, 50)
        c.books_lost = True
        c.start_cluster_node("host-a")
        c.notes.append("said damaged" if c.said("host-a", "journal-damaged") else "nothing noticed at the start")
        c.resume("host-a")
        c.wait_flow()


@fault("torn journal, with what nobody has yet", seconds=50)
def journal_torn_backlog(c):
    """What the damage took is counted and told; the rest arrives."""
    c.broker.kill()
    c.wait_accepted(3000, ["host-a"])
    c.publishers["host-a"].paused.set()
    wait_for(lambda: not c.publishers["host-a"].spans, "all lines are answered")
    c.kill_node("host-a")
    damage(moved_journal_of(c, "host-a"), random.Random(3), 200)
    c.books_lost = True
    c.start_cluster_node("host-a")
    c.publishers["host-a"].paused.clear()
    c.start_broker()
    c.wait_flow()
    c.settle(20)
    history, told = c.observers["observer-1"].history, c.observers["observer-1"].losses()
    missing = history.missing({"host-a": c.publishers["host-a"].accepted}).get("host-a", [])
    # Nothing else was published in the first life: the seq of an event is its number.
    untold = [number for number in missing if not any(int(row[4]) <= number <= int(row[5]) for row in told)]
    c.notes.append(f"{len(missing)} gone with the damage, in {len(told)} reports: " +
                   ", ".join(f"{count} {reason}" for reason, count in Counter(row[6] for row in told).items()))
    if untold or (missing and not c.said("host-a", "journal-damaged")):
        raise Broken(f"of {len(missing)} events that are gone nobody is told of {len(untold)} (I8): {untold[:9]}")
    c.lost_allowed = len(missing)
