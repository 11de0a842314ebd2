#!/usr/bin/env python3
"""A month of real coding-agent sessions crosses hosts, to the token and the cent: fault-free, held against the captured
messages and the files, and with chaos. Skipped (77) where the traces do not lie beside the tree."""
import sys

from capture import CaptureTest
from demo_runs import JANUARY, JANUARY_COST, JANUARY_FIGURES, january, run_demo
from fabric import main


class January(CaptureTest):
    def expect_figures(self, said):
        self.assertEqual({name: said[name] for name in JANUARY_FIGURES}, JANUARY_FIGURES)
        self.assertEqual(f"{said['cost_usd']:.2f}", JANUARY_COST)

    def test_fault_free_it_is_what_was_captured_and_what_the_files_hold(self):
        said, messages, _ = self.check(january())
        self.expect_figures(said)
        self.assertEqual(said["messages"], len(messages))

    def test_killed_brokers_and_a_killed_node_change_no_figure(self):
        self.expect_figures(run_demo(self, "--chaos", *january()))


if __name__ == "__main__":
    if not january():
        print(f"skipped: no traces in {JANUARY}")
        sys.exit(77)
    main()
