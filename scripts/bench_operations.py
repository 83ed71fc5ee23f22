#!/usr/bin/env python3
"""The figures of operating a fleet, as JSON lines; scripts/bench.sh operations calls it.

usage: bench_operations.py BUILD_DIR

What a test proves it also measures: its own words are read here. Agents' memory is measured with 50
of them at once, each with a trainer that tracks nothing to speak of.
"""

import json
import os
import re
import statistics
import subprocess
import sys
import tempfile
import time

AGENTS = 50
IDLE_SECONDS = 5


def figure(name, samples, unit, goal=None, lower_is_better=True):
    samples = sorted(samples)
    value = statistics.median(samples)
    quartiles = statistics.quantiles(samples, n=4) if len(samples) > 1 else [value, value, value]
    holds = None
    if goal is not None:
        holds = value <= goal if lower_is_better else value >= goal
    print(json.dumps({"name": name, "value": float(f"{value:.4g}") if value < 1e6 else value, "unit": unit,
                      "goal": goal, "holds": holds, "n": len(samples),
                      "spread": float(f"{quartiles[2] - quartiles[0]:.3g}")}), flush=True)


def said_by(build, program, test):
    """What one test printed; a test that fails is an error, not a figure."""
    found = subprocess.run([f"{build}/tests/{program}", f"--gtest_filter={test}"], capture_output=True, text=True)
    if found.returncode != 0 or "[  PASSED  ] 1 test" not in found.stdout:
        sys.exit(f"{program} --gtest_filter={test} failed or ran nothing:\n{found.stdout[-3000:]}{found.stderr[-1000:]}")
    return found.stdout


def number_after(text, name):
    found = re.search(name + r"\D+?(-?[\d.]+)", text)
    if not found:
        sys.exit(f"{name} was not printed")
    return float(found[1])


def model(build):
    said = said_by(build, "unit/handover_model_test", "HandoverModel.HoldsEveryInvariant*")
    figure("model_states", [number_after(said, "model_states")], "states")
    figure("model_violations", [number_after(said, "model_violations")], "states", 0)


def health(build):
    samples = [number_after(said_by(build, "integration/health_test", "Health.AnAlertMovesTheJob*"),
                            "alert_to_migration_ms") for _ in range(3)]
    figure("alert_to_migration_ms", samples, "ms", 1000)
    figure("storm_moves_over_budget",
           [number_after(said_by(build, "integration/health_test", "*Storm*"), "storm_moves_over_budget")], "moves", 0)


def placement(build):
    samples = [number_after(said_by(build, "unit/agent_test", "Placement.PlansTenThousand*"), "plan_10k_devices_ms")
               for _ in range(3)]
    figure("plan_10k_devices_ms", samples, "ms", 1000)


def resident_mib(pid):
    with open(f"/proc/{pid}/smaps_rollup") as rollup:
        return int(re.search(r"^Rss:\s+(\d+)", rollup.read(), re.M)[1]) / 1024


def idle_agents(build):
    agents = []
    with tempfile.TemporaryDirectory(prefix="cs-bench-") as place:
        try:
            for i in range(AGENTS):
                agents.append(subprocess.Popen([f"{build}/agent/cardswapd", "--data-dir", f"{place}/{i}", "--listen",
                                                "127.0.0.1:0", "--host-name", f"host-{i}"],
                                               stderr=subprocess.DEVNULL))
            for i in range(AGENTS):
                until = time.monotonic() + 30
                while not os.path.exists(f"{place}/{i}/agent.json"):
                    if time.monotonic() > until:
                        sys.exit(f"agent {i} did not start")
                    time.sleep(0.05)
                subprocess.run([f"{build}/agent/cardswap", "--agent", f"{place}/{i}/cardswapd.sock", "run", "--name",
                                "null", "--", f"{build}/runtime/plain_memory", "--steps", "1000000", "--step-ms", "500",
                                "--bytes", "4096"], check=True, stdout=subprocess.DEVNULL)
            time.sleep(IDLE_SECONDS)
            figure("agent_idle_mib", [resident_mib(agent.pid) for agent in agents], "MiB", 20)
        finally:
            for i in range(len(agents)):
                subprocess.run([f"{build}/agent/cardswap", "--agent", f"{place}/{i}/cardswapd.sock", "stop", "null",
                                "--grace", "1s"], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
            for agent in agents:
                agent.terminate()
            for agent in agents:
                agent.wait()


def api_load(build):
    if not os.path.exists(f"{build}/tests/integration/api_load_test"):
        return
    samples = [number_after(said_by(build, "integration/api_load_test", "ApiLoad.AThousandClients*"),
                            "downtime_under_api_load_ratio") for _ in range(3)]
    figure("downtime_under_api_load_ratio", samples, "ratio", 1.2)


def main():
    if len(sys.argv) != 2 or sys.argv[1] in ("-h", "--help"):
        print(__doc__.strip())
        sys.exit(0 if len(sys.argv) == 2 else 2)
    build = os.path.abspath(sys.argv[1])
    for measure in (model, health, placement, idle_agents, api_load):
        measure(build)


if __name__ == "__main__":
    main()
