#!/usr/bin/env python3
"""Measures the operation of a fleet, as JSON lines; scripts/bench.sh operations calls it.

usage: bench_operations.py BUILD_DIR

Some figures are printed by tests that prove the same thing: their output is read here. The memory of agents, and
how long calls take while all agents are called and one is drained, are measured with 50 agents at once, each with a
trainer that tracks almost nothing. The crash matrix is run once; it needs root.
"""

import http.client
import json
import os
import re
import statistics
import subprocess
import sys
import tempfile
import threading
import time

AGENTS = 50
IDLE_SECONDS = 5
LOAD_SECONDS = 10
CALLERS = 4
CALLS_PER_SECOND = 400  # of all callers: a load, not a test of how fast Python is
CALLED = ("/v1/jobs", "/v1/devices", "/v1/migrations", "/v1/health", "/metrics")


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
    """The output of one test. A test that fails is an error, not a figure."""
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


def stop_jobs(build, agent):
    """Stops all jobs of the agent, also those that a drain has brought."""
    command = [f"{build}/agent/cardswap", "--agent", agent]
    told = subprocess.run([*command, "-o", "json", "jobs"], capture_output=True, text=True)
    for job in json.loads(told.stdout)["jobs"] if told.returncode == 0 else []:
        subprocess.run([*command, "stop", job["name"], "--grace", "1s"], stdout=subprocess.DEVNULL,
                       stderr=subprocess.DEVNULL)


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
                                f"null-{i}", "--", f"{build}/runtime/plain_memory", "--steps", "1000000", "--step-ms", "500",
                                "--bytes", "4096"], check=True, stdout=subprocess.DEVNULL)
            time.sleep(IDLE_SECONDS)
            figure("agent_idle_mib", [resident_mib(agent.pid) for agent in agents], "MiB", 20)
            ports = [json.load(open(f"{place}/{i}/agent.json"))["port"] for i in range(AGENTS)]
            under_load(build, ports)
        finally:
            for i in range(len(agents)):
                stop_jobs(build, f"{place}/{i}/cardswapd.sock")
            for agent in agents:
                agent.terminate()
            for agent in agents:
                agent.wait()


def call_some(ports, until, latencies, failures):
    """Calls these agents in turn, each over its own connection, at an even pace."""
    lines = [http.client.HTTPConnection("127.0.0.1", port, timeout=10) for port in ports]
    pace = CALLERS / CALLS_PER_SECOND
    due = time.monotonic()
    number = 0
    while due < until:
        time.sleep(max(0, due - time.monotonic()))
        line = lines[number % len(lines)]
        began = time.perf_counter()
        try:
            line.request("GET", CALLED[number % len(CALLED)])
            answer = line.getresponse()
            answer.read()
            if answer.status != 200:
                failures.append(answer.status)
        except (OSError, http.client.HTTPException) as error:
            failures.append(repr(error))
            line.close()
        latencies.append(1e3 * (time.perf_counter() - began))
        number += 1
        due += pace
    for line in lines:
        line.close()


def drained(build, ports, *options):
    """Drains the first agent to all others with one `cardswap drain`; returns how long it took."""
    to = ",".join(f"127.0.0.1:{port}" for port in ports[1:])
    began = time.perf_counter()
    ended = subprocess.run([f"{build}/agent/cardswap", "drain", f"127.0.0.1:{ports[0]}", "--to", to,
                            "--max-downtime", "none", *options], capture_output=True, text=True)
    if ended.returncode != 0:
        sys.exit(f"the drain failed:\n{ended.stdout[-2000:]}{ended.stderr[-2000:]}")
    return 1e3 * (time.perf_counter() - began)


def under_load(build, ports):
    latencies, failures = [], []
    until = time.monotonic() + LOAD_SECONDS
    callers = [threading.Thread(target=call_some, args=(ports[i::CALLERS], until, latencies, failures))
               for i in range(CALLERS)]
    for caller in callers:
        caller.start()
    dry = [drained(build, ports, "--dry-run") for _ in range(3)]
    real = drained(build, ports)
    for caller in callers:
        caller.join()
    latencies.sort()
    figure("api_calls", [len(latencies)], "calls")
    figure("api_calls_failed", [len(failures)], "calls", 0)
    figure("api_p50_ms", [latencies[len(latencies) // 2]], "ms")
    figure("api_p99_ms", [latencies[len(latencies) * 99 // 100]], "ms")
    figure("drain_dry_run_50_agents_ms", dry, "ms")
    figure("drain_50_agents_ms", [real], "ms")


def fleet(build):
    """Simulates 10,000 hosts; the simulation prints its figures itself."""
    ended = subprocess.run([f"{build}/tests/bench/bench_fleet_simulation"], capture_output=True, text=True)
    print(ended.stdout, end="", flush=True)
    if "fleet_violations" not in ended.stdout:
        sys.exit(f"the fleet was not simulated:\n{ended.stderr[-2000:]}")


def crashes(build):
    """Runs the crash matrix; the script prints its figures, whether or not a case was violated."""
    script = os.path.join(os.path.dirname(os.path.abspath(__file__)), "crash_matrix.sh")
    ended = subprocess.run([script, "--build", build], stdout=subprocess.PIPE, text=True)
    print(ended.stdout, end="", flush=True)
    if "crash_violations" not in ended.stdout:
        sys.exit("the crash matrix did not run")


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
    for measure in (model, health, placement, fleet, idle_agents, api_load, crashes):
        measure(build)


if __name__ == "__main__":
    main()
