"""What the cluster takes from the system tests."""
import os
import sys

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "system"))

# pylint: disable=wrong-import-position
from demo_runs import january, simulate  # noqa: E402
from fabric import (SIGINT, SIGKILL, SIGTERM, WEFT, Fabric, FabricTest, Feeder, free_port, main,  # noqa: E402
                    mosquitto, wait_for)

__all__ = ["SIGINT", "SIGKILL", "SIGTERM", "WEFT", "Fabric", "FabricTest", "Feeder", "free_port", "january", "main",
           "mosquitto", "simulate", "wait_for"]
