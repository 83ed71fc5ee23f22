"""Two agents and a job that is moved between them, for tests of programs in Python: real processes, the programs and
the package of a build.

The first argument of a test that imports this is the build's folder; further ones are unittest's.
"""

import contextlib
import http.client
import json
import os
import pathlib
import re
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time
import unittest

BUILD = pathlib.Path(sys.argv.pop(1)).resolve()
ROOT = pathlib.Path(__file__).resolve().parents[2]
CACHE = pathlib.Path(os.environ.get("CARDSWAP_CACHE") or pathlib.Path.home() / ".cache/cardswap")
PATIENCE = int(os.environ.get("CARDSWAP_PATIENCE", 120))  # s: a standby imports torch, on a machine that may be busy

OF_AGENTS = {"UCX_MEM_EVENTS": "n", "UCX_HANDLE_ERRORS": "none"}


def wait_until(condition, what, patience=PATIENCE):
    end = time.monotonic() + patience
    while not condition():
        if time.monotonic() > end:
            raise AssertionError(f"not within {patience} s: {what() if callable(what) else what}")
        time.sleep(0.05)


def run_tests(needs):
    """Runs them where all of `needs` is there; else says which is not, and exits as one that was skipped."""
    missing = next((path for path in needs if not path.exists()), None)
    if missing is not None:
        print(f"needs python: there is no {missing}; scripts/setup.sh, and scripts/setup.sh --python, make it")
        sys.exit(1 if "python" in os.environ.get("CARDSWAP_REQUIRE", "").split(",") else 77)
    unittest.main()


class Host:
    """An agent, and the command that speaks to it."""

    def __init__(self, folder, name, programs, listen="127.0.0.1:0", more=(), on=lambda command: command):
        """`on` makes a command one that runs on the host, where that is another machine than this one."""
        self.folder = folder / name
        self.name, self.programs, self.more, self.on = name, programs, more, on
        self.log = open(folder / f"{name}.log", "a+")
        self.address, _, self.port = listen.rpartition(":")
        self.starts = 0
        self.start()

    def start(self):
        """Also once more after kill(): where it was."""
        self.starts += 1
        self.agent = subprocess.Popen(
            self.on([self.programs / "cardswapd", "--data-dir", self.folder, "--host-name", self.name, "--listen",
                     f"{self.address}:{self.port}", "--device", "cpu:0", "--device", "cpu:1", "--failpoints",
                     *(["--job-user", "root"] if os.geteuid() == 0 else []), *self.more]),
            stdin=subprocess.DEVNULL, stdout=self.log, stderr=subprocess.STDOUT, env={**os.environ, **OF_AGENTS})

    def kill(self):
        """The agent alone: its jobs outlive it."""
        self.agent.kill()
        self.agent.wait()

    def is_up(self):
        if self.agent.poll() is not None:
            raise AssertionError("the agent ended: " + self.said())
        found = re.findall(rf"listens on .* and {re.escape(self.address)}:(\d+)", self.said())
        if len(found) == self.starts:
            self.port = found[-1]
        return len(found) == self.starts and (self.folder / "cardswapd.sock").exists()

    def said(self):
        self.log.seek(0)
        return self.log.read()

    def at(self, device="cpu:0"):
        return f"{self.address}:{self.port}/{device}"

    def command(self, *arguments):
        return subprocess.run(self.command_line(*arguments), stdin=subprocess.DEVNULL, capture_output=True, text=True,
                              timeout=2 * PATIENCE)

    def command_line(self, *arguments):
        return [self.programs / "cardswap", "--agent", self.folder / "cardswapd.sock", *arguments]

    def begin(self, *arguments, **more):
        return subprocess.Popen(self.command_line(*arguments), stdin=subprocess.DEVNULL, **more)

    def ask(self, *arguments):
        done = self.command(*arguments, "-o", "json")
        if done.returncode != 0:
            raise AssertionError(f"cardswap {' '.join(arguments)}: {done.stderr}{self.said()}")
        return json.loads(done.stdout)

    def post(self, path):
        return self.call("POST", path)

    def metrics(self):
        return self.call("GET", "/metrics").decode()

    def call(self, method, path):
        connection = http.client.HTTPConnection("agent", timeout=PATIENCE)
        connection.sock = socket.socket(socket.AF_UNIX)
        with contextlib.closing(connection), contextlib.closing(connection.sock):
            connection.sock.connect(str(self.folder / "cardswapd.sock"))
            connection.request(method, path)
            answer = connection.getresponse()
            said = answer.read()
        if answer.status >= 300:
            raise AssertionError(f"{method} {path}: {answer.status} {said.decode()}")
        return said

    def job(self):
        jobs = self.ask("jobs", "--all")["jobs"]
        return next((job for job in jobs if job["name"] == "job"), {"state": "", "step": 0, "pid": None})

    def is_moving_state(self):
        """Whether a job's steps are waited for, by a migration from here whose standby is there."""
        return any(one["result"] is None and one["state"] not in ("planned", "preparing")
                   for one in self.ask("status")["migrations"] if one["role"] == "source")

    def printed(self):
        return self.command("logs", "job").stdout

    def stop(self):
        pid = self.job()["pid"]
        self.agent.terminate()
        try:
            self.agent.wait(10)
        except subprocess.TimeoutExpired:
            self.agent.kill()
            self.agent.wait()
        self.log.close()
        if pid:
            try:
                os.kill(pid, signal.SIGKILL)  # a job outlives its agent
            except ProcessLookupError:
                pass


class Moves(unittest.TestCase):
    """A job that takes the steps that the test allows it to take.

    Most of what a test takes is importing torch, once for each process of the job: a test moves one job several times,
    and the same run undisturbed goes on beside it.
    """

    programs = pathlib.Path(os.environ.get("CARDSWAP_PROGRAMS", BUILD / "agent"))
    python = pathlib.Path(os.environ.get("CARDSWAP_TEST_PYTHON", CACHE / "python-torch-2.11.0/bin/python"))
    of_jobs = {"PYTHONPATH": f"{BUILD / 'python'}:{ROOT / 'python/examples'}", "PYTHONDONTWRITEBYTECODE": "1",
               "OMP_NUM_THREADS": "1"}

    def setUp(self):
        self.folder = pathlib.Path(tempfile.mkdtemp(prefix="cardswap-python-"))
        self.addCleanup(shutil.rmtree, self.folder, True)
        self.log, self.until, self.ends = (self.folder / name for name in ("losses", "until", "ends"))
        self.a, self.b = (Host(self.folder, name, self.programs) for name in "ab")
        for host in (self.a, self.b):
            self.addCleanup(host.stop)
            wait_until(host.is_up, f"{host.folder} listens")

    def allow(self, steps):
        """Of the job, counted from its beginning."""
        self.allowed = steps
        new = self.folder / "until.new"
        new.write_text(str(steps))
        new.replace(self.until)

    def start(self, script, *arguments, compares=True):
        self.program = [self.python, ROOT / script, *arguments]
        set_ = [f"{name}={value}" for name, value in self.of_jobs.items()]
        more = ["--ends", self.ends] if "careless" in script else []
        self.allow(3)
        done = self.a.command("run", "--name", "job", "--device", "cpu:0", "--", "/usr/bin/env", *set_, *self.program,
                              "--loss-log", self.log, "--until", self.until, *more)
        self.assertEqual(done.returncode, 0, done.stderr)
        if compares:
            self.undisturbed = subprocess.Popen([*self.program, "--loss-log", self.folder / "undisturbed"],
                                                env={**os.environ, **self.of_jobs}, stdout=subprocess.PIPE,
                                                stderr=subprocess.STDOUT, text=True)
            self.addCleanup(self.end_undisturbed)
        wait_until(lambda: (self.a.job()["step"] or 0) >= 3, "three steps: " + self.a.printed())

    def end_undisturbed(self):
        self.undisturbed.kill()
        self.undisturbed.wait()
        self.undisturbed.stdout.close()

    def meanwhile(self, host, *arguments):
        """What a command says; meanwhile the job takes a step now and then, and more of them once it has a standby."""
        with open(self.folder / "out", "w+") as out, open(self.folder / "err", "w+") as err:
            with host.begin(*arguments, stdout=out, stderr=err) as command:
                self.train_until(lambda: command.poll() is not None)
            out.seek(0)
            err.seek(0)
            return subprocess.CompletedProcess(arguments, command.returncode, out.read(), err.read())

    def train_until(self, condition):
        end = time.monotonic() + 2 * PATIENCE
        while not condition():
            self.assertLess(time.monotonic(), end)
            if any(job["state"] == "running" and job["step"] >= self.allowed for job in (self.a.job(), self.b.job())):
                self.allow(self.allowed + 1)
            time.sleep(0.02 if any(host.is_moving_state() for host in (self.a, self.b)) else 0.5)

    def move(self, source, target, *more):
        return self.meanwhile(source, "migrate", "job", "--to", target.at(), "--max-downtime", "none", "--timeout",
                              f"{PATIENCE}s", *more)

    def finish(self, host):
        """Has the job end at `host`, having computed what it would have computed without any of this."""
        self.allow(10**9)
        wait_until(lambda: host.job()["state"] not in ("running", "standby", "starting"), "the job's end")
        self.assertEqual(host.job()["state"], "ended", host.printed())
        said, _ = self.undisturbed.communicate()
        self.assertEqual(self.undisturbed.returncode, 0, said)
        expected = (self.folder / "undisturbed").read_text()
        self.assertIn("digest ", expected)
        self.assertEqual(self.log.read_text(), expected)

    def train_on(self, host):
        """Has the job take some more steps where it is."""
        step = host.job()["step"]
        self.allow(10**9)
        wait_until(lambda: host.job()["step"] > step, "more steps: " + host.printed())

    def moves(self, strategies, script, *arguments):
        """Moves a job once by each of the strategies, there and back again, and has it end."""
        self.start(script, *arguments)
        hosts = [self.a, self.b]
        for strategy in strategies:
            self.move_by(strategy, *hosts)
            hosts.reverse()
        self.finish(hosts[0])

    def move_by(self, strategy, source, target):
        done = self.move(source, target, "--strategy", strategy, "-o", "json")
        self.assertEqual(done.returncode, 0, done.stderr + target.printed())
        moved = json.loads(done.stdout)
        self.assertEqual(moved["result"], "ok")
        if strategy == "replay":
            self.assertGreater(moved["progress"]["log_entries"], 0)
            self.assertEqual(moved["progress"].get("not_replayed", ""), "")

    def move_at(self, step, source, target):
        """By the boundary behind that step. A failpoint holds the move until the job has come to the step."""
        started = source.ask("migrate", "job", "--to", target.at(), "--strategy", "stop-copy", "--max-downtime", "none",
                             "--hold-at", "converged", "--detach")
        asked = lambda: source.ask("status", started["id"])
        wait_until(lambda: asked()["state"] not in ("planned", "preparing"), "the standby is ready")
        self.train_until(lambda: asked()["held"])
        self.assertLess(self.allowed, step, "the job is past that step already")
        self.allow(step - 1)
        wait_until(lambda: source.job()["step"] == step - 1, f"step {step - 1}")
        source.post(f"/v1/migrations/{started['id']}/proceed")
        wait_until(lambda: asked()["state"] == "freezing", "it waits for a boundary")
        self.allow(step)
        wait_until(lambda: asked()["state"] in ("resumed", "completed", "failed", "aborted"), "it has moved")
        self.train_until(lambda: asked()["result"])
        self.assertEqual((asked()["result"], asked()["migrated_at_step"]), ("ok", step), asked())

    def there_and_back(self, strategy, script, *arguments):
        self.moves((strategy, strategy), script, *arguments)
