"""What can happen to a recorder, whose effect is to happen once whatever lives it takes."""
import os
import random
import resource
import signal

from catalogue import fault
from faults_disk import fill
from hosts import run


@fault("recorder killed, again and again, also together with the broker", quick=True, recorders=1, rate=400)
def recorder_kill_loop(c):
    chance = random.Random(3)
    for turn in range(6):
        c.wait_accepted(chance.randint(50, 400))
        c.observers["recorder-1"].process.kill()
        if turn % 3 == 1:
            c.broker.kill()
        c.wait_accepted(chance.randint(50, 400))
        if turn % 3 == 1:
            c.start_broker()
        c.start_recorder("recorder-1")
    c.wait_flow()


@fault("recorder away while nodes end and begin again", recorders=1, rate=400)
def recorder_away(c):
    """What it missed is of lives that are over by then, and of ones that it never saw begin."""
    for _ in range(2):
        c.observers["recorder-1"].process.signal(signal.SIGTERM)
        c.observers["recorder-1"].process.wait()
        for name in c.names * 2:
            c.wait_accepted(200)
            c.restart_node(name)
        c.start_recorder("recorder-1")
        c.wait_flow()


@fault("disk of a recorder full, or its files limited", quick=True, start=False, recorders=1)
def recorder_disk_full(c):
    """It waits, and goes on by itself."""
    c.databases = c.path("databases")
    os.mkdir(c.databases)
    run("mount", "-t", "tmpfs", "-o", "size=8m", "none", c.databases)
    c.start()
    for _ in range(2):
        filler = fill(c.databases)
        c.wait_accepted(1000)
        os.unlink(filler)
        c.wait_flow()
    pid = c.observers["recorder-1"].process.child.pid
    unlimited = resource.prlimit(pid, resource.RLIMIT_FSIZE)
    resource.prlimit(pid, resource.RLIMIT_FSIZE, (4096, unlimited[1]))
    c.wait_accepted(500)
    resource.prlimit(pid, resource.RLIMIT_FSIZE, unlimited)
    c.wait_flow()
