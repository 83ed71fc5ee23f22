"""Moves jobs in Python between two agents: real processes, a real torch, the programs and the package of this build.

Method: a job's losses, written by whichever process computed them, and the digest of everything tracked at its end,
must be those of a run that nobody moved, bit for bit. Jobs train slowly until the test says `hurry`.

usage: moves_test.py BUILD [unittest's arguments]   run by any Python; scripts/setup.sh --python makes the jobs' own
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
PROGRAMS = pathlib.Path(os.environ.get("CARDSWAP_PROGRAMS", BUILD / "agent"))
CACHE = pathlib.Path(os.environ.get("CARDSWAP_CACHE") or pathlib.Path.home() / ".cache/cardswap")
PYTHON = CACHE / "python-torch-2.11.0/bin/python"
PATIENCE = 120  # s: a standby imports torch, on a machine that may be busy
SKIPPED = 77

OF_JOBS = {"PYTHONPATH": f"{BUILD / 'python'}:{ROOT / 'python/examples'}", "PYTHONDONTWRITEBYTECODE": "1",
           "OMP_NUM_THREADS": "1"}
OF_AGENTS = {"UCX_MEM_EVENTS": "n", "UCX_HANDLE_ERRORS": "none"}


def wait_until(condition, what):
    end = time.monotonic() + PATIENCE
    while not condition():
        if time.monotonic() > end:
            raise AssertionError(f"not within {PATIENCE} s: {what}")
        time.sleep(0.05)


class Host:
    """An agent, and the command that speaks to it."""

    def __init__(self, folder, name):
        self.folder = folder / name
        self.log = open(folder / f"{name}.log", "w+")
        self.agent = subprocess.Popen(
            [PROGRAMS / "cardswapd", "--data-dir", self.folder, "--host-name", name, "--listen", "127.0.0.1:0",
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
        return subprocess.run([PROGRAMS / "cardswap", "--agent", self.folder / "cardswapd.sock", *arguments],
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
    def setUp(self):
        self.folder = pathlib.Path(tempfile.mkdtemp(prefix="cardswap-python-"))
        self.addCleanup(shutil.rmtree, self.folder, True)
        self.log, self.hurry, self.ends = (self.folder / name for name in ("losses", "hurry", "ends"))
        self.a, self.b = Host(self.folder, "a"), None
        self.addCleanup(self.a.stop)
        self.b = Host(self.folder, "b")
        self.addCleanup(self.b.stop)

    def start(self, script, *arguments):
        self.program = [PYTHON, ROOT / script, *arguments]
        set_ = [f"{name}={value}" for name, value in OF_JOBS.items()]
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
        done = subprocess.run([*self.program, "--loss-log", log], env={**os.environ, **OF_JOBS}, capture_output=True,
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


class ThereAndBack(Moves):
    GPT, EPOCHS = "python/examples/nano_gpt.py", "python/examples/epochs.py"

    def test_stop_copy_of_a_gpt(self):
        self.there_and_back("stop-copy", self.GPT, "--steps", "400")

    def test_rounds_of_a_gpt(self):
        self.there_and_back("rounds", self.GPT, "--steps", "400")

    def test_replay_of_a_gpt_with_a_fused_optimizer(self):
        self.there_and_back("replay", self.GPT, "--steps", "400", "--optimizer", "fused")

    def test_auto_of_a_gpt_with_foreach_sgd(self):
        self.there_and_back("auto", self.GPT, "--steps", "400", "--optimizer", "sgd")

    def test_rounds_of_epochs_with_workers(self):
        self.there_and_back("rounds", self.EPOCHS, "--steps", "500", "--workers", "2")

    def test_replay_of_epochs(self):
        self.there_and_back("replay", self.EPOCHS, "--steps", "500")


class Careless(Moves):
    """Programs whose authors did not think of something."""

    def begin(self, how):
        self.start("tests/python/careless.py", "--how", how, "--steps", "500")

    def test_the_process_that_was_left_runs_nothing_of_its_end(self):
        self.begin("")
        self.assertIn("cardswap: tracked: 'loader' (loader), 'Sequential' (module), 'AdamW' (optimizer), "
                      "'rng' (generator)", self.a.printed())
        done = self.move(self.a, self.b)
        self.assertEqual(done.returncode, 0, done.stderr)
        self.assertIn("cardswap: the job goes on elsewhere, from step", self.a.printed())
        self.finish(self.b)
        self.assertEqual(self.ends.read_text(), "saved\nit ended\n")

    def test_what_was_made_and_is_not_carried_is_named_at_the_first_boundary(self):
        self.begin("unnoticed")
        said = self.a.printed()
        self.assertIn("a DataLoader was made whose place is not carried", said)
        self.assertIn("a numpy.random._generator.Generator was made and is not tracked", said)
        self.finish(self.a)

    def test_an_iterator_that_nobody_can_make_anew_is_refused_by_name(self):
        self.begin("iterator")
        self.assertIn("cannot move: loader 'loader': a range_iterator", self.a.printed())
        refused = self.move(self.a, self.b)
        self.assertNotEqual(refused.returncode, 0)
        self.assertIn("a range_iterator cannot be carried", refused.stderr)
        self.assertIn("cardswap.track(name, get=..., set=...)", refused.stderr)
        self.finish(self.a)

    def test_gradients_that_live_from_step_to_step_are_refused(self):
        self.begin("accumulates")
        refused = self.move(self.a, self.b)
        self.assertNotEqual(refused.returncode, 0)
        self.assertIn("lives from step to step", refused.stderr)
        self.finish(self.a)

    def test_an_exception_of_its_own_function_is_the_migrations_failure(self):
        self.begin("raises")
        failed = self.move(self.a, self.b)
        self.assertNotEqual(failed.returncode, 0)
        self.assertIn("'fragile': LookupError: the author did not think of this", failed.stderr)
        self.assertIn('careless.py", line', self.b.printed())
        self.finish(self.a)

    def test_a_check_finds_a_variable_that_the_step_reads(self):
        self.begin("local")
        checked = self.a.command("check", "job", "--to", "cpu:1")
        self.assertEqual(checked.returncode, 1, checked.stderr)
        self.assertIn("taken at both sides from the same state", checked.stderr)
        self.finish(self.a)

    def test_an_interrupt_ends_a_process_that_waits_in_its_boundary(self):
        self.begin("")
        started = self.a.ask("migrate", "job", "--to", self.b.at(), "--bandwidth", "20KiB/s", "--strategy", "rounds",
                             "--max-downtime", "none", "--detach")
        wait_until(lambda: self.a.ask("status", started["id"])["state"] == "syncing", "it syncs")
        os.kill(self.b.job()["pid"], signal.SIGINT)
        wait_until(lambda: self.a.ask("status", started["id"])["state"] in ("aborted", "failed"), "the abort")
        failed = self.a.ask("status", started["id"])["error"]  # of the process's end, not of what it did after its wait
        self.assertIn(failed["code"], ("unreachable", "link_lost", "target_lost"), failed)
        self.finish(self.a)


class Package(unittest.TestCase):
    def test_it_passes_its_own_tests_with_torch(self):
        done = subprocess.run([PYTHON, ROOT / "tests/python/package_test.py"], env={**os.environ, **OF_JOBS},
                              capture_output=True, text=True)
        self.assertEqual(done.returncode, 0, done.stderr)


if __name__ == "__main__":
    if not PYTHON.exists():
        print(f"needs python: there is no {PYTHON}; scripts/setup.sh --python makes it")
        sys.exit(1 if "python" in os.environ.get("CARDSWAP_REQUIRE", "").split(",") else SKIPPED)
    unittest.main()
