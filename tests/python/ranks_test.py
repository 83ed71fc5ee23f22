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
import socket
import subprocess
import tempfile
import unittest

from hosts import BUILD, OF_AGENTS, PATIENCE, ROOT, Host, Moves, run_tests, wait_until

RANKS = 3
STEPS = 300  # more than two moves take: a step is agreed further ahead where steps are short


def free_port():
    with socket.create_server(("127.0.0.1", 0)) as server:
        return server.getsockname()[1]


class Job(unittest.TestCase):
    """A job of three ranks on host `a`, each step of which the test allows."""

    maxDiff = 4000
    names = "ab"
    count = RANKS
    steps = STEPS

    def setUp(self):
        self.folder = pathlib.Path(tempfile.mkdtemp(prefix="cardswap-ranks-"))
        self.addCleanup(shutil.rmtree, self.folder, True)
        self.until = self.folder / "until"
        made = {}
        for name in reversed(self.names):  # the first one may be told of the others
            made[name] = host = Host(self.folder, name, Moves.programs, self.listen(), self.options(name, made))
            self.addCleanup(self.stop, host)
            wait_until(host.is_up, f"{host.folder} listens")
        self.hosts = [made[name] for name in self.names]
        self.a, self.b, *_ = self.hosts

    def options(self, name, others):
        return ()

    def listen(self):
        return "127.0.0.1:0"

    def stop(self, host):
        if host.agent.poll() is not None:
            return host.log.close()
        for job in host.ask("jobs", "--all")["jobs"]:
            host.command("stop", job["name"], "--grace", "0s", "--force")
        host.stop()

    def allow(self, steps):
        new = self.folder / "until.new"
        new.write_text(str(steps))
        new.replace(self.until)

    def program(self, log, *more):
        return [Moves.python, "-B", "-m", "torch.distributed.run", "--nproc-per-node", str(RANKS), "--rdzv-backend", "c10d",
                "--rdzv-endpoint", "127.0.0.1:0", ROOT / "tests/python/ddp.py", "--steps", str(self.steps), "--loss-log",
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
                       for host in self.hosts)
        return logs[-20000:]

    def move(self, rank, to, *more, ask=None):
        """Moves a rank, and lets the job take steps meanwhile. `ask`: the agent that is asked for it."""
        return self.migrate(f"ddp/{rank}", "--to", to, *more, ask=ask)

    def migrate(self, *more, ask=None):
        return self.meanwhile("migrate", "--max-stall", "none", "--timeout", f"{PATIENCE}s", *more, ask=ask)

    def meanwhile(self, *arguments, ask=None):
        """Runs a command, and lets the job take steps meanwhile."""
        ask = ask or self.a
        with open(self.folder / "out", "w+") as out, open(self.folder / "err", "w+") as err:
            with ask.begin(*arguments, stdout=out, stderr=err) as command:
                wait_until(lambda: self.take_steps(ask) or command.poll() is not None, "the move: " + self.said(),
                           2 * PATIENCE)
            out.seek(0)
            err.seek(0)
            return subprocess.CompletedProcess(command.args, command.returncode, out.read(), err.read())

    def take_steps(self, ask):
        """One at a time, and slowly: a job that ends before it has moved says nothing."""
        allowed = int(self.until.read_text())
        moving = [one for one in ask.ask("status")["migrations"] if one["result"] is None]
        parked = [one for one in moving if one["state"] != "preparing" or
                  any(rank.get("newcomer") == "parked" for rank in one.get("ranks", []))]
        here = [one for host in self.hosts for one in self.ranks(host)]
        steps = [one["step"] for one in here if one["step"]]  # an agent that was restarted has heard of none yet
        if parked and steps and min(steps) >= allowed and allowed < STEPS - 2:
            self.allow(allowed + 2)

    def moved(self, *arguments, ask=None):
        done = self.migrate(*arguments, "-o", "json", ask=ask)
        self.assertEqual(done.returncode, 0, done.stderr + self.said())
        migration = json.loads(done.stdout)
        self.assertEqual(migration["result"], "ok")
        return migration

    def are_at(self, *places):
        found = lambda: [sorted(one["rank"] for one in self.ranks(host)) for host in self.hosts]
        wait_until(lambda: found() == list(places), f"{places}, not {found()}: " + self.said())

    def finish(self):
        self.allow(10**9)
        for host in self.hosts:
            over = lambda: all(job["state"] not in ("running", "starting", "standby")
                               for job in host.ask("jobs", "--all")["jobs"])
            wait_until(over, "the end of all: " + self.said())
        said, _ = self.undisturbed.communicate(timeout=PATIENCE)
        self.assertEqual(self.undisturbed.returncode, 0, said)
        for rank in range(self.count):
            expected = (self.folder / f"undisturbed.{rank}").read_text()
            self.assertIn("digest ", expected)
            self.assertEqual((self.folder / f"losses.{rank}").read_text(), expected, self.said())


class Ranks(Job):
    """Of one host, under torchrun."""

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
        self.assertIn(f"rank 1 of job ddp ended at {self.b.at()} with exit code 0", self.a.command("logs", "ddp").stdout)

    def test_one_moves_to_another_device_of_its_host(self):
        self.begin(4)
        done = self.move(2, self.a.at("cpu:1"))
        self.assertEqual(done.returncode, 0, done.stderr + self.said())
        self.assertEqual(sorted(one["rank"] for one in self.ranks(self.a)), [0, 1, 2])
        self.finish()

    def test_a_newcomer_that_dies_costs_the_job_nothing(self):
        self.begin(4)
        started = self.a.ask("migrate", "ddp/1", "--to", self.b.at(), "--max-stall", "none", "--detach")
        asked = lambda: self.a.ask("status", started["id"])
        standbys = lambda: [job["pid"] for job in self.b.ask("jobs", "--all")["jobs"]
                            if job["state"] == "standby" and job["pid"]]
        wait_until(standbys, "a standby: " + self.said())
        os.kill(standbys()[0], signal.SIGKILL)
        wait_until(lambda: asked()["result"], "the end of the move: " + self.said())
        self.assertEqual(asked()["result"], "failed")
        self.assertIn("standby", asked()["error"]["failure"])
        self.assertEqual([one["rank"] for one in self.ranks(self.a)], [0, 1, 2])
        self.allow(8)
        wait_until(lambda: [one["step"] for one in self.ranks(self.a)] == [8] * RANKS, "more steps: " + self.said())
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


class Clock(Job):
    """What a move costs the job, as its steps show it. The job takes its steps as fast as it can."""

    steps = 10**9

    def begin_freely(self):
        env = {**Moves.of_jobs, **OF_AGENTS}
        self.late = self.folder / "late"
        done = self.a.command("run", "--name", "ddp", "--device", "cpu:0", "--", "/usr/bin/env",
                              *(f"{name}={value}" for name, value in env.items()),
                              *self.program("losses", "--step-ms", "20", "--late", self.late))
        self.assertEqual(done.returncode, 0, done.stderr)
        wait_until(lambda: len(self.ranks(self.a)) == RANKS and min(one["step"] for one in self.ranks(self.a)) > 20,
                   "steps: " + self.said())

    def test_a_rank_that_is_late_is_stall_of_all_of_them(self):
        self.begin_freely()
        started = self.a.ask("migrate", "ddp/1", "--to", self.b.at(), "--max-stall", "none", "--detach")
        asked = lambda: self.a.ask("status", started["id"])
        new = self.folder / "late.new"
        new.write_text("2")
        new.replace(self.late)
        wait_until(lambda: asked()["result"], "the move: " + self.said())
        self.assertFalse(self.late.exists(), "it was late")
        wait_until(lambda: asked()["lost_is_final"], "ten steps after it: " + self.said())
        moved = asked()
        self.assertEqual(moved["result"], "ok", moved)
        self.assertIsNone(moved["lost_note"])
        self.assertEqual(moved["steps_after"], 10)
        self.assertGreater(moved["stall_ms"], 1800)
        self.assertGreaterEqual(moved["lost_ms"], moved["stall_ms"])
        for rank in moved["ranks"]:
            if rank["part"] == "stays":
                self.assertGreater(rank["stall_ms"], 1800, rank)
            self.assertIn("frozen", [one["state"] for one in rank["history"]], rank)
        took = moved["communicator"]
        self.assertTrue(took["build_ms"] > 0 and took["try_ms"] > 0 and took["exchange_ms"] > 0, took)
        said = self.a.command("status", moved["id"]).stdout
        self.assertLess(said.index("stall "), said.index("\ndowntime"), said)
        report = self.a.command("report", moved["id"]).stdout
        self.assertIn("communicators built in", report)
        counted = r'cardswap_migration_stall_seconds_count\{outcome="ok",strategy="[a-z-]+"\} 1'
        self.assertRegex(self.a.metrics(), counted)


class Places(Job):
    """The process that a rank has left, of which its launcher knows nothing else."""

    names = "abc"

    def listen(self):
        return f"127.0.0.1:{free_port()}"  # the same one after a restart

    def cmdline(self, pid):
        return pathlib.Path(f"/proc/{pid}/cmdline").read_bytes().split(b"\0")[1:3]

    def resident_mib(self, pid):
        status = pathlib.Path(f"/proc/{pid}/status").read_text()
        return int(status.partition("VmRSS:")[2].split()[0]) / 1024

    def test_it_follows_the_rank_over_several_hosts_and_an_agents_restart_and_dies_as_that_dies(self):
        self.begin(4)
        a, b, c = self.hosts
        left = next(one["pid"] for one in self.ranks(a) if one["rank"] == 1)
        before = self.resident_mib(left)
        done = self.move(1, b.at())
        self.assertEqual(done.returncode, 0, done.stderr + self.said())
        wait_until(lambda: self.cmdline(left) == [b"follow", b"ddp/1"], "it follows: " + self.said())
        wait_until(lambda: f"rank 1 of job ddp goes on at {b.at()}" in a.command("logs", "ddp").stdout, "it says where")
        self.assertLess(self.resident_mib(left), before / 5, "it has not given its memory back")
        self.restart(a)
        wait_until(lambda: [one["rank"] for one in self.ranks(a) if one["attached"]] == [0, 2], "they are back: " + self.said())
        done = self.move(1, c.at())
        self.assertEqual(done.returncode, 0, done.stderr + self.said())
        wait_until(lambda: f"rank 1 of job ddp goes on at {c.at()}" in a.command("logs", "ddp").stdout, "it says where")
        b.agent.kill()
        b.agent.wait()
        self.restart(a)  # it asks at c, not at b, from its record
        os.kill(left, signal.SIGTERM)
        wait_until(lambda: self.ends(a) and self.ends(c), "the launcher's signal ends the rank: " + self.said())
        said = a.command("logs", "ddp").stdout
        self.assertIn(f"rank 1 of job ddp ended at {c.at()} by signal 15", said)
        self.assertRegex(said, rf"Signal 15 \(SIGTERM\) received by PID {left}")

    def ends(self, host):
        return all(job["state"] not in ("running", "starting", "standby") for job in host.ask("jobs", "--all")["jobs"])

    def restart(self, host):
        host.agent.kill()
        host.agent.wait()
        (host.folder / "cardswapd.sock").unlink()
        host.start()
        wait_until(host.is_up, "it is up again")


class Several(Job):
    """Several ranks of a job of three, by one decision each time."""

    names = "abc"

    def test_two_move_to_two_hosts_and_all_of_a_host_go_back(self):
        self.begin(4)
        a, b, c = self.hosts
        refused = self.migrate("ddp/0,2", "--to", b.at(), "--to", c.at("cpu:7"))
        self.assertNotEqual(refused.returncode, 0)
        self.assertIn("no device cpu:7", refused.stderr)
        self.are_at([0, 1, 2], [], [])
        moved = self.moved("ddp/2,0", "--to", b.at(), "--to", c.at())
        self.assertEqual([one["to"] for one in moved["ranks"] if one["part"] == "leaves"], [c.at(), b.at()])
        self.are_at([1], [2], [0])
        # Rank 0 conducts that, elsewhere; the agent that is asked has it done, and shows it.
        moved = self.moved("ddp/1", "--to", b.at("cpu:1"))
        self.assertEqual(a.ask("status", moved["id"])["state"], "completed")
        self.are_at([], [1, 2], [0])
        moved = self.moved("ddp", "--from", "b", "--to", f"127.0.0.1:{a.port}", ask=b)
        self.are_at([1, 2], [], [0])
        devices = [one["to"] for one in moved["ranks"] if one["part"] == "leaves"]
        self.assertEqual(sorted(devices), [a.at("cpu:0"), a.at("cpu:1")])
        self.finish()


class Maintenance(Job):
    """All ranks of a job at once, moved by what watches or empties a host."""

    names = "abc"

    def options(self, name, others):
        if name != "a":
            return ()
        policy, self.kernel_log = self.folder / "policy.yaml", self.folder / "kmsg"
        spares = [others["b"].at("cpu:0"), others["b"].at("cpu:1")]
        policy.write_text(f"""mode: act
migration: {{max_stall: none, timeout: {PATIENCE}s}}
spares: {json.dumps(spares)}
devices: {{"cpu:0": {{uuid: GPU-0, pci: "0000:00:00.0"}}}}
""")
        self.kernel_log.touch()
        return "--health-policy", policy, "--kernel-log", self.kernel_log, "--nvml", "none"

    def test_a_sick_device_and_a_drain_move_all_ranks_of_a_host(self):
        self.begin(4)
        a, b, c = self.hosts
        with open(self.kernel_log, "a") as log:
            log.write("NVRM: Xid (PCI:0000:00:00): 64, pid=1, name=x, text\n")
        wait_until(lambda: self.take_steps(a) or self.ranks(b), "the move: " + self.said())
        self.are_at([], [0, 1, 2], [])
        wait_until(lambda: a.ask("jobs", "--all")["jobs"][0]["state"] == "moved", "it has left")
        self.assertIn("ranks 0, 1, 2 to ", a.command("events", "--limit", "100").stdout)
        done = self.meanwhile("drain", f"127.0.0.1:{b.port}", "--to", f"127.0.0.1:{c.port}", "--max-stall", "none", "-o",
                              "json", ask=b)
        self.assertEqual(done.returncode, 0, done.stderr + self.said())
        drained, = json.loads(done.stdout)["jobs"]
        self.assertEqual((drained["job"], drained["result"]), ("ddp/0,1,2", "moved"))
        self.are_at([], [], [0, 1, 2])
        self.finish()


class Hosts(Job):
    """A job of two ranks on two hosts, each started by itself, and a third host."""

    names = "abc"
    count = 2

    def rank(self, rank, port, log):
        return {**Moves.of_jobs, **OF_AGENTS, "RANK": str(rank), "WORLD_SIZE": "2", "LOCAL_RANK": "0", "MASTER_ADDR": "127.0.0.1",
                "MASTER_PORT": str(port)}, [Moves.python, "-B", ROOT / "tests/python/ddp.py", "--steps", str(STEPS),
                                            "--loss-log", self.folder / log]

    def begin(self, steps):
        self.allow(steps)
        port, beside = free_port(), free_port()
        for rank, host in enumerate(self.hosts[:2]):
            env, program = self.rank(rank, port, "losses")
            done = host.command("run", "--name", "ddp", "--device", "cpu:0", "--", "/usr/bin/env",
                                *(f"{name}={value}" for name, value in env.items()), *program, "--until", self.until)
            self.assertEqual(done.returncode, 0, done.stderr)
        self.beside = []
        for rank in range(2):
            env, program = self.rank(rank, beside, "undisturbed")
            self.beside.append(subprocess.Popen(program, env={**os.environ, **env}, stdout=subprocess.DEVNULL,
                                                stderr=subprocess.STDOUT))
            self.addCleanup(self.end_one, self.beside[-1])
        self.undisturbed = subprocess.Popen(["true"], stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
        self.addCleanup(self.end_undisturbed)
        wait_until(lambda: [one["step"] for host in self.hosts for one in self.ranks(host)] == [steps] * 2,
                   "steps: " + self.said())

    def end_one(self, process):
        process.kill()
        process.wait()

    def finish(self):
        for process in self.beside:
            self.assertEqual(process.wait(PATIENCE), 0)
        super().finish()

    def test_one_moves_to_a_third_host_and_then_the_first_one_follows(self):
        self.begin(4)
        a, b, c = self.hosts
        done = self.move(1, c.at(), ask=b)  # rank 0's agent conducts it
        self.assertEqual(done.returncode, 0, done.stderr + self.said())
        wait_until(lambda: b.ask("jobs", "--all")["jobs"][0]["state"] == "moved", "it has left")
        follower = b.begin("follow", "ddp", stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True)
        self.addCleanup(follower.kill)
        # Rank 0 has torch's own store, and goes all the same; rank 1's agent conducts that.
        done = self.move(0, b.at(), ask=c)
        self.assertEqual(done.returncode, 0, done.stderr + self.said())
        self.finish()
        _, said = follower.communicate(timeout=PATIENCE)
        self.assertEqual(follower.returncode, 0, said)
        self.assertIn(f"job ddp ended at {c.at()} with exit code 0", said)


if __name__ == "__main__":
    run_tests([Moves.python, BUILD / "python/cardswap/libcardswap_c.so"])
