"""What the cluster takes from the system tests."""
import os
import sys

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "system"))

# pylint: disable=wrong-import-position
from fabric import SIGINT, SIGKILL, SIGTERM, WEFT, Fabric, Feeder, mosquitto, wait_for  # noqa: E402
from demo_runs import january, simulate  # noqa: E402

__all__ = ["SIGINT", "SIGKILL", "SIGTERM", "WEFT", "Fabric", "Feeder", "january", "mosquitto", "simulate", "wait_for"]
