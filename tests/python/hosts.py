"""Two agents and a job that is moved between them, for tests of programs in Python: real processes, the programs and
the package of a build.

The first argument of a test that imports this is the build's folder; further ones are unittest's.
"""

import json
import os
import pathlib
import re
import shutil
import signal
import subprocess
import sys
import tempfile
import time
import unittest

BUILD = pathlib.Path(sys.argv.pop(1)).resolve()
ROOT = pathlib.Path(__file__).resolve().parents[2]
CACHE = pathlib.Path(os.environ.get("CARDSWAP_CACHE") or pathlib.Path.home() / ".cache/cardswap")
PATIENCE = 120  # s: a standby imports torch, on a machine that may be busy

OF_AGENTS = {"UCX_MEM_EVENTS": "n", "UCX_HANDLE_ERRORS": "none"}


def wait_until(condition, what):
    end = time.monotonic() + PATIENCE
    while not condition():
        if time.monotonic() > end:
            raise AssertionError(f"not within {PATIENCE} s: {what}")
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

    def __init__(self, folder, name, programs):
        self.folder = folder / name
        self.programs = programs
        self.log = open(folder / f"{name}.log", "w+")
        self.agent = subprocess.Popen(
            [programs / "cardswapd", "--data-dir", self.folder, "--host-name", name, "--listen", "127.0.0.1:0",
             "--device", "cpu:0", "--device", "cpu:1", *(["--job-user", "root"] if os.geteuid() == 0 else [])],
            stdout=self.log, stderr=subprocess.STDOUT, env={**os.environ, **OF_AGENTS})
        wait_until(self.is_up, f"{name} listens")

    def is_up(self):
        if self.agent.poll() is not None:
            raise AssertionError("the agent ended: " + self.said())
        found = re.search(r"listens on .* and 127\.0\.0\.1:(\d+)", self.said())
        self.port = found and found[1]
        return bool(found) and (self.folder / "cardswapd.sock").exists()

    def said(self):
        self.log.seek(0)
        return self.log.read()

    def at(self, device="cpu:0"):
        return f"127.0.0.1:{self.port}/{device}"

    def command(self, *arguments):
        return subprocess.run([self.programs / "cardswap", "--agent", self.folder / "cardswapd.sock", *arguments],
                              stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=2 * PATIENCE)

    def ask(self, *arguments):
        done = self.command(*arguments, "-o", "json")
        if done.returncode != 0:
            raise AssertionError(f"cardswap {' '.join(arguments)}: {done.stderr}{self.said()}")
        return json.loads(done.stdout)

    def job(self):
        jobs = self.ask("jobs", "--all")["jobs"]
        return next((job for job in jobs if job["name"] == "job"), {"state": "", "step": 0, "pid": None})

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
    """A job that trains slowly until the test says `hurry`."""

    programs = pathlib.Path(os.environ.get("CARDSWAP_PROGRAMS", BUILD / "agent"))
    python = CACHE / "python-torch-2.11.0/bin/python"
    of_jobs = {"PYTHONPATH": f"{BUILD / 'python'}:{ROOT / 'python/examples'}", "PYTHONDONTWRITEBYTECODE": "1",
               "OMP_NUM_THREADS": "1"}

    def setUp(self):
        self.folder = pathlib.Path(tempfile.mkdtemp(prefix="cardswap-python-"))
        self.addCleanup(shutil.rmtree, self.folder, True)
        self.log, self.hurry, self.ends = (self.folder / name for name in ("losses", "hurry", "ends"))
        self.a, self.b = Host(self.folder, "a", self.programs), None
        self.addCleanup(self.a.stop)
        self.b = Host(self.folder, "b", self.programs)
        self.addCleanup(self.b.stop)

    def start(self, script, *arguments):
        self.program = [self.python, ROOT / script, *arguments]
        set_ = [f"{name}={value}" for name, value in self.of_jobs.items()]
        more = ["--ends", self.ends] if "careless" in script else []
        done = self.a.command("run", "--name", "job", "--device", "cpu:0", "--", "/usr/bin/env", *set_, *self.program,
                              "--loss-log", self.log, "--step-ms", "250", "--hurry", self.hurry, *more)
        self.assertEqual(done.returncode, 0, done.stderr)
        wait_until(lambda: (self.a.job()["step"] or 0) >= 3, "three steps: " + self.a.printed())

    def move(self, source, target, *more):
        return source.command("migrate", "job", "--to", target.at(), "--max-downtime", "none", "--timeout",
                              f"{PATIENCE}s", *more)

    def undisturbed(self):
        log = self.folder / "undisturbed"
        done = subprocess.run([*self.program, "--loss-log", log], env={**os.environ, **self.of_jobs}, capture_output=True,
                              text=True)
        self.assertEqual(done.returncode, 0, done.stderr)
        return log.read_text()

    def finish(self, host):
        """Has the job end at `host`, having computed what it would have computed without any of this."""
        self.hurry.touch()
        wait_until(lambda: host.job()["state"] not in ("running", "standby", "starting"), "the job's end")
        self.assertEqual(host.job()["state"], "ended", host.printed())
        expected = self.undisturbed()
        self.assertIn("digest ", expected)
        self.assertEqual(self.log.read_text(), expected)

    def there_and_back(self, strategy, script, *arguments):
        self.start(script, *arguments)
        for source, target in ((self.a, self.b), (self.b, self.a)):
            done = self.move(source, target, "--strategy", strategy, "-o", "json")
            self.assertEqual(done.returncode, 0, done.stderr + target.printed())
            moved = json.loads(done.stdout)
            self.assertEqual(moved["result"], "ok")
            if strategy == "replay":
                self.assertGreater(moved["progress"]["log_entries"], 0)
                self.assertEqual(moved["progress"].get("not_replayed", ""), "")
        self.finish(self.a)
