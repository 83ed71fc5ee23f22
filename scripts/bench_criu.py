#!/usr/bin/env python3
"""Measures what moving a process costs, compared with CRIU alone, as JSON lines; scripts/bench.sh criu calls it.

usage: bench_criu.py BUILD_DIR [--sizes MIB,...] [--repeats N]

One job of each size is moved between two agents of this machine; its downtime is measured by the trainer's
own clock. In turns with it, CRIU alone dumps the same program with the state in the program's own memory,
the images are sent over loopback TCP from memory to memory, and CRIU restores them.
"""

import argparse
import ctypes
import json
import os
import signal
import shutil
import socket
import statistics
import subprocess
import sys
import tempfile
import threading
import time

from bench_operations import figure

STEP_MS = "5"
PR_SET_CHILD_SUBREAPER = 36


class Agent:
    def __init__(self, build, place, name):
        self.build = build
        self.dir = f"{place}/{name}"
        self.process = subprocess.Popen([f"{build}/agent/cardswapd", "--data-dir", self.dir, "--listen", "127.0.0.1:0",
                                         "--host-name", name], stderr=open(f"{place}/{name}.log", "w"))
        until = time.monotonic() + 30
        while not os.path.exists(f"{self.dir}/agent.json"):
            if time.monotonic() > until:
                sys.exit(f"agent {name} did not start")
            time.sleep(0.05)
        with open(f"{self.dir}/agent.json") as about:
            self.port = json.load(about)["port"]

    def ask(self, *words):
        found = subprocess.run([f"{self.build}/agent/cardswap", "--agent", f"{self.dir}/cardswapd.sock", "-o", "json",
                                *words], capture_output=True, text=True)
        if found.returncode != 0:
            sys.exit(f"cardswap {' '.join(words)}: {found.stderr}")
        return json.loads(found.stdout) if found.stdout else {}

    def job(self):
        return self.ask("jobs")["jobs"][0]


def wait_until(what, condition, seconds=60):
    until = time.monotonic() + seconds
    while not condition():
        if time.monotonic() > until:
            sys.exit(f"{what} did not come")
        time.sleep(0.02)


def moved(agents, source, repeats):
    """Moves the job to the other agent and back, again and again; returns the migrations."""
    found = []
    for _ in range(repeats):
        target = agents[1 - source]
        found.append(agents[source].ask("migrate", "job", "--to", f"127.0.0.1:{target.port}/cpu:0", "--arrive", "criu",
                                        "--max-downtime", "none"))
        source = 1 - source
        step = agents[source].job()["step"]
        wait_until("a step", lambda: agents[source].job()["step"] > step)
    return found, source


def ship(source, target):
    """Sends every file of a folder to another folder over TCP, as an image goes from agent to agent."""
    listener = socket.create_server(("127.0.0.1", 0))
    names = sorted(name for name in os.listdir(source) if name.endswith(".img"))
    sizes = [os.path.getsize(f"{source}/{name}") for name in names]

    def send():
        with socket.create_connection(listener.getsockname()) as out:
            for name, size in zip(names, sizes):
                with open(f"{source}/{name}", "rb") as file:
                    while size > 0:
                        sent = os.sendfile(out.fileno(), file.fileno(), None, size)
                        size -= sent

    sender = threading.Thread(target=send)
    sender.start()
    piece = bytearray(1 << 20)
    connection, _ = listener.accept()
    with connection:
        for name, size in zip(names, sizes):
            with open(f"{target}/{name}", "wb") as file:
                while size > 0:
                    got = connection.recv_into(memoryview(piece)[:min(size, len(piece))])
                    if got == 0:
                        sys.exit("the images broke off")
                    file.write(memoryview(piece)[:got])
                    size -= got
    sender.join()
    return sum(sizes)


class PlainProcess:
    """The same program without Cardswap, moved by CRIU alone. Its PID must be free for the restore: the process ends
    at the dump."""

    def __init__(self, build, criu, place, mib):
        self.criu, self.place = criu, place
        self.log = f"{place}/plain.log"
        process = subprocess.Popen([f"{build}/runtime/plain_memory", "--bytes", str(mib << 20), "--steps", "100000000",
                                    "--step-ms", STEP_MS, "--loss-log", f"{place}/plain.losses"],
                                   stdin=subprocess.DEVNULL, stdout=open(self.log, "w"), stderr=subprocess.STDOUT,
                                   start_new_session=True)
        self.pid = process.pid
        self.wait_for_step()

    def wait_for_step(self):
        losses = f"{self.place}/plain.losses"
        before = os.path.getsize(losses) if os.path.exists(losses) else 0
        wait_until("a step", lambda: os.path.exists(losses) and os.path.getsize(losses) > before)

    def run(self, *words):
        found = subprocess.run([self.criu, *words], capture_output=True, text=True)
        if found.returncode != 0:
            sys.exit(f"criu {words[0]}: {found.stdout[-500:]}{found.stderr[-500:]}")

    def move(self):
        with tempfile.TemporaryDirectory(dir="/dev/shm") as here, tempfile.TemporaryDirectory(dir="/dev/shm") as there:
            began = time.monotonic()
            self.run("dump", "-t", str(self.pid), "-D", here)
            os.waitpid(self.pid, 0)
            size = ship(here, there)
            self.run("restore", "-d", "-D", there)
            took = (time.monotonic() - began) * 1000
        self.wait_for_step()
        return took, size

    def end(self):
        os.kill(self.pid, signal.SIGKILL)
        os.waitpid(self.pid, 0)


def main():
    options = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    options.add_argument("build")
    options.add_argument("--sizes", default="64,256,1024", help="MiB of state")
    options.add_argument("--repeats", type=int, default=5)
    options = options.parse_args()
    # Restored processes become children of this one, which frees their numbers for the next restore.
    ctypes.CDLL(None).prctl(PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0)
    build = os.path.abspath(options.build)
    place = tempfile.mkdtemp(prefix="cs-bench-")
    agents = [Agent(build, place, name) for name in ("a", "b")]
    plain = None
    try:
        tool = agents[0].ask("devices")["criu"]
        if not tool["usable"]:
            sys.exit(f"CRIU cannot move processes here: {tool['problem']}")
        ratios = []
        empty = []
        largest = []
        for mib in [0] + [int(size) for size in options.sizes.split(",")]:
            agents[0].ask("run", "--name", "job", "--", f"{build}/runtime/plain_memory", "--arena", "--bytes",
                          str((mib << 20) or 4096), "--steps", "100000000", "--step-ms", STEP_MS, "--loss-log",
                          f"{place}/losses-{mib}")
            wait_until("a step", lambda: agents[0].job()["step"] >= 3)
            ours, theirs, source = [], [], 0
            if mib > 0:
                plain = PlainProcess(build, tool["path"], place, mib)
            for _ in range(options.repeats):
                found, source = moved(agents, source, 1)
                ours += found
                if plain:
                    theirs.append(plain.move())
            images = [move["process"]["image_bytes"] for move in ours]
            if mib == 0:
                empty = images
            else:
                plain.end()
                plain = None
                downtimes = [move["downtime_ms"] for move in ours]
                figure(f"criu_downtime_{mib}_ms", downtimes, "ms")
                for part in ("freeze", "dump", "ship", "restore", "verify"):
                    figure(f"criu_{part}_{mib}_ms", [move["process"][f"{part}_ms"] for move in ours], "ms")
                figure(f"criu_plain_{mib}_ms", [took for took, _ in theirs], "ms")
                figure(f"criu_downtime_over_plain_{mib}", [a / b[0] for a, b in zip(downtimes, theirs)], "ratio")
                ratios.append([a / b[0] for a, b in zip(downtimes, theirs)])
                largest = images
            agents[source].ask("stop", "job", "--grace", "1s")
            for agent in agents:
                agent.ask("forget", "job")
        figure("criu_downtime_over_plain", ratios[-1], "ratio", 0.5)
        figure("criu_image_over_empty", [size / statistics.median(empty) for size in largest], "ratio", 1.2)
    finally:
        if plain:
            plain.end()
        for agent in agents:
            subprocess.run([f"{build}/agent/cardswap", "--agent", f"{agent.dir}/cardswapd.sock", "stop", "job", "--grace",
                            "1s"], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
            agent.process.terminate()
            agent.process.wait()
        shutil.rmtree(place, ignore_errors=True)


if __name__ == "__main__":
    main()
