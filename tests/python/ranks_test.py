"""A rank of a job of many moves between agents while the others stay: real agents, launchers, programs and runtimes.

Method: torchrun starts three ranks that train with DDP over Gloo, as one job of an agent; one of them moves to another
agent, or to another device of the same one. The losses of every rank, and the digest of everything tracked at its end,
must be those of a run that nobody moved, bit for bit.

usage: ranks_test.py BUILD [unittest's arguments]   run by any Python; scripts/setup.sh --python makes the jobs' own
"""

import json
import os
import pathlib
import shutil
import signal
import subprocess
import tempfile
import unittest

from hosts import BUILD, OF_AGENTS, PATIENCE, ROOT, Host, Moves, run_tests, wait_until

RANKS = 3
STEPS = 40


class Ranks(unittest.TestCase):
    """A job of three ranks on host `a`, each step of which the test allows."""

    maxDiff = 4000

    def setUp(self):
        self.folder = pathlib.Path(tempfile.mkdtemp(prefix="cardswap-ranks-"))
        self.addCleanup(shutil.rmtree, self.folder, True)
        self.until = self.folder / "until"
        self.a, self.b = (Host(self.folder, name, Moves.programs) for name in "ab")
        for host in (self.a, self.b):
            self.addCleanup(self.stop, host)
            wait_until(host.is_up, f"{host.folder} listens")

    def stop(self, host):
        if host.agent.poll() is None:
            for job in host.ask("jobs", "--all")["jobs"]:
                host.command("stop", job["name"], "--grace", "0s", "--force")
        host.stop()

    def allow(self, steps):
        new = self.folder / "until.new"
        new.write_text(str(steps))
        new.replace(self.until)

    def program(self, log, *more):
        return [Moves.python, "-B", "-m", "torch.distributed.run", "--nproc-per-node", str(RANKS), "--rdzv-backend", "c10d",
                "--rdzv-endpoint", "127.0.0.1:0", ROOT / "tests/python/ddp.py", "--steps", str(STEPS), "--loss-log",
                self.folder / log, *more]

    def begin(self, steps):
        self.allow(steps)
        env = {**Moves.of_jobs, **OF_AGENTS}
        done = self.a.command("run", "--name", "ddp", "--device", "cpu:0", "--", "/usr/bin/env",
                              *(f"{name}={value}" for name, value in env.items()),
                              *self.program("losses", "--until", self.until))
        self.assertEqual(done.returncode, 0, done.stderr)
        self.undisturbed = subprocess.Popen(self.program("undisturbed"), env={**os.environ, **env}, start_new_session=True,
                                            stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
        self.addCleanup(self.end_undisturbed)
        wait_until(lambda: [one["step"] for one in self.ranks(self.a)] == [steps] * RANKS, "steps: " + self.said())

    def end_undisturbed(self):
        if self.undisturbed.poll() is None:
            os.killpg(self.undisturbed.pid, signal.SIGKILL)
        self.undisturbed.wait()
        self.undisturbed.stdout.close()

    def ranks(self, host):
        """What an agent tells of the ranks that are there."""
        jobs = [job for job in host.ask("jobs", "--all")["jobs"] if job["name"] == "ddp"]
        return [one for job in jobs for one in job["ranks"] if one["moved_to"] is None and job["state"] in ("running", "frozen")]

    def said(self):
        logs = "".join(f"--- {host.folder.name}\n{host.said()}\n{host.command('logs', 'ddp').stdout}"
                       for host in (self.a, self.b))
        return logs[-20000:]

    def move(self, rank, to, *more):
        """Moves a rank, and lets the job take steps meanwhile."""
        with open(self.folder / "out", "w+") as out, open(self.folder / "err", "w+") as err:
            with self.a.begin("migrate", f"ddp/{rank}", "--to", to, "--max-stall", "none", "--timeout", f"{PATIENCE}s",
                              *more, stdout=out, stderr=err) as command:
                wait_until(lambda: self.take_steps() or command.poll() is not None, "the move: " + self.said(),
                           2 * PATIENCE)
            out.seek(0)
            err.seek(0)
            return subprocess.CompletedProcess(command.args, command.returncode, out.read(), err.read())

    def take_steps(self):
        """One at a time, and slowly: a job that ends before it has moved says nothing."""
        allowed = int(self.until.read_text())
        moving = [one for one in self.a.ask("status")["migrations"] if one["result"] is None]
        parked = [one for one in moving if one["state"] != "preparing" or
                  any(rank.get("newcomer") == "parked" for rank in one.get("ranks", []))]
        here = self.ranks(self.a)
        if parked and here and min(one["step"] for one in here) >= allowed and allowed < STEPS - 2:
            self.allow(allowed + 1)

    def finish(self):
        self.allow(10**9)
        for host in (self.a, self.b):
            over = lambda: all(job["state"] not in ("running", "starting", "standby")
                               for job in host.ask("jobs", "--all")["jobs"])
            wait_until(over, "the end of all: " + self.said())
        said, _ = self.undisturbed.communicate(timeout=PATIENCE)
        self.assertEqual(self.undisturbed.returncode, 0, said)
        for rank in range(RANKS):
            expected = (self.folder / f"undisturbed.{rank}").read_text()
            self.assertIn("digest ", expected)
            self.assertEqual((self.folder / f"losses.{rank}").read_text(), expected, self.said())

    def test_one_moves_to_another_host_and_the_others_stay(self):
        self.begin(4)
        done = self.move(1, self.b.at(), "-o", "json")
        self.assertEqual(done.returncode, 0, done.stderr + self.said())
        moved = json.loads(done.stdout)
        self.assertEqual(moved["result"], "ok")
        over = lambda: [one["state"] for one in self.a.ask("status", moved["id"])["ranks"]] == ["closed", "retired", "closed"]
        wait_until(over, "the old communicator is closed: " + self.said())
        self.assertEqual([one["rank"] for one in self.ranks(self.a)], [0, 2])
        self.assertEqual([one["rank"] for one in self.ranks(self.b)], [1])
        self.finish()

    def test_one_moves_to_another_device_of_its_host(self):
        self.begin(4)
        done = self.move(2, self.a.at("cpu:1"))
        self.assertEqual(done.returncode, 0, done.stderr + self.said())
        self.assertEqual(sorted(one["rank"] for one in self.ranks(self.a)), [0, 1, 2])
        self.finish()

    def test_what_cannot_be_is_refused_and_costs_nothing(self):
        self.begin(4)
        for arguments, says in ((("ddp", "--to", self.b.at()), "has 3 ranks"),
                                (("ddp/3", "--to", self.b.at()), "there is no rank 3"),
                                (("ddp/x", "--to", self.b.at()), "names no rank"),
                                (("ddp/1", "--to", self.a.at()), "it is there already"),
                                (("ddp/1", "--to", self.b.at("cpu:7")), "no device cpu:7"),
                                (("ddp/1", "--to", self.b.at(), "--arrive", "criu"), "cannot be moved by CRIU"),
                                (("ddp/1", "--to", "127.0.0.1:9/cpu:0"), "127.0.0.1:9")):
            done = self.a.command("migrate", *arguments)
            self.assertNotEqual(done.returncode, 0, arguments)
            self.assertIn(says, done.stderr)
        self.finish()


if __name__ == "__main__":
    run_tests([Moves.python, BUILD / "python/cardswap/libcardswap_c.so"])
