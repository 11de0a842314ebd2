#!/usr/bin/env python3
"""tests/cluster/run.py FAULT…: a cluster on hosts of its own, a load, a fault, and the check of the histories.

  run.py list            the faults: name, ctest label, seconds, the row of the table of faults
  run.py FAULT…          each in turn
  run.py --broker URL [--seconds N] [--seed N]
                         a storm against a broker of yours: nodes and observers run here, and are killed, stopped and
                         cut off; the broker is left alone. Needs no root, no hosts and no Mosquitto. $WEFT_USER and
                         the like say who we are

Exit status: 0 all held, 1 one did not, 2 usage, 77 skipped: it needs root. $WEFT is the program (weft).
"""
import argparse
import os
import sys
import time
import traceback

import faults_broker  # noqa: F401
import faults_disk  # noqa: F401
import faults_hostile  # noqa: F401
import faults_network  # noqa: F401
import faults_node  # noqa: F401
import faults_recorder  # noqa: F401
import faults_step  # noqa: F401
import faults_subscriber  # noqa: F401
import hosts
import long_runs  # noqa: F401
import storm
from catalogue import FAULTS
from cluster import Broken, Cluster, Skipped

SKIPPED = 77


def listed():
    for name, fault in FAULTS.items():
        print(f"{name}\t{'cluster' if fault.quick else 'cluster-long'}\t{fault.seconds}\t{fault.row}".replace(";", ","))
    return 0


def run(fault):
    """The exit status."""
    began = time.monotonic()
    cluster = Cluster(hosts.Hosts(), **fault.options)
    try:
        if fault.start:
            cluster.start()
        fault.act(cluster)
        cluster.finish()
        print(f"{fault.name}: {cluster.summary()} ({time.monotonic() - began:.0f} s)", flush=True)
        return 0
    except Skipped as reason:
        print(f"skipped: {reason}")
        return SKIPPED
    except (AssertionError, OSError, RuntimeError) as error:
        if not isinstance(error, Broken):
            traceback.print_exc(file=sys.stdout)
        print(f"{cluster.tails()}\n{fault.name} BROKEN: {error}", flush=True)
        return 1
    finally:
        cluster.close()


def run_in_hosts(names):
    """One fault a process: hosts are for one scenario."""
    if len(names) == 1:
        fault = FAULTS[names[0]]
        if not hosts.isolated():
            print(f"skipped: {hosts.isolate()}")
            return SKIPPED
        if fault.needs_root and not hosts.really_root():
            print("skipped: it needs root")
            return SKIPPED
        return run(fault)
    results = [os.spawnv(os.P_WAIT, sys.executable, [sys.executable, __file__, name]) for name in names]
    return 1 if any(status not in (0, SKIPPED) for status in results) else min(results)


def check(words):
    print(f"storm against {words.broker}: seed {words.seed}, {words.seconds:.0f} s", flush=True)
    try:
        print(f"all held: {storm.check_broker(words.broker, words.seconds, words.seed)}")
        return 0
    except (AssertionError, OSError) as error:
        print(f"BROKEN: {error}")
        return 1


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("faults", nargs="*")
    parser.add_argument("--broker")
    parser.add_argument("--seconds", type=float, default=60)
    parser.add_argument("--seed", type=int, default=storm.SEED)
    words = parser.parse_args()
    if words.broker:
        return check(words)
    if words.faults == ["list"]:
        return listed()
    unknown = [name for name in words.faults if name not in FAULTS]
    if unknown or not words.faults:
        parser.error((f"no fault {', '.join(unknown)}" if unknown else "which fault?") + "; `list` shows them")
    return run_in_hosts(words.faults)


if __name__ == "__main__":
    sys.exit(main())
