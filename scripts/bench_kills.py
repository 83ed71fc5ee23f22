#!/usr/bin/env python3
"""Kills a protected job at random moments, as JSON lines; scripts/bench.sh kills calls it.

usage: bench_kills.py BUILD_DIR [KILLS]

After each kill the job goes on from its latest snapshot. The test that does it fails where a loss or the last digest
is not that of an undisturbed run, or where a kill has cost more steps than was promised.
"""

import os
import sys

from bench_operations import figure, number_after, said_by

TESTS = ("GoOnFromTheLatestSnapshotBitForBit", "GoOnAsTheGptThatTheyWere")


def main():
    if len(sys.argv) not in (2, 3) or sys.argv[1] in ("-h", "--help"):
        print(__doc__.strip())
        sys.exit(0 if len(sys.argv) == 2 else 2)
    os.environ["CARDSWAP_KILLS"] = sys.argv[2] if len(sys.argv) == 3 else "100"
    for name, test in zip(("memory", "gpt"), TESTS):
        said = said_by(os.path.abspath(sys.argv[1]), "integration/snapshot_kills_test", f"KilledJobs.{test}")
        figure(f"kills_{name}", [number_after(said, "kills")], "kills")
        figure(f"kills_{name}_not_identical", [0], "kills", 0)  # the test has passed
        figure(f"steps_lost_{name}_median", [number_after(said, "steps_lost_median")], "steps")
        figure(f"steps_lost_{name}_max", [number_after(said, "steps_lost_max")], "steps")


if __name__ == "__main__":
    main()
