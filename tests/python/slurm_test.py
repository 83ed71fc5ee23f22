"""Jobs of a real Slurm whose ranks are moved: slurmctld, slurmd a node, agents, programs and runtimes, nothing played.

Method: three nodes, each with a network, a name and processes of its own, and an agent. A batch job has all three, and
trains with DDP on two of them by srun. Rank 1 is moved to the third one, then rank 0's node is drained in Slurm, and
cardswap-slurm-drain follows that. Slurm must see one job that ended well, and the losses of each rank and the digest at
its end must be those of a run outside of Slurm that nobody moved, bit for bit.

usage: slurm_test.py BUILD [unittest's arguments]   as root; scripts/setup.sh --slurm and --python make what it needs
"""

import json
import os
import pathlib
import re
import shutil
import subprocess
import sys
import tempfile
import unittest

import slurm_cluster
from hosts import BUILD, OF_AGENTS, PATIENCE, ROOT, Host, Moves, wait_until
from ranks_test import STEPS, free_port

SCRIPTS = ROOT / "packaging/slurm"
PORT = 7070


class Slurm(unittest.TestCase):
    maxDiff = 4000
    nodes = 3

    def setUp(self):
        self.folder = pathlib.Path(tempfile.mkdtemp(prefix="cardswap-slurm-", dir="/tmp"))
        self.addCleanup(shutil.rmtree, self.folder, True)
        self.until = self.folder / "until"
        (self.folder / "bin").mkdir()
        for program in ("cardswap", "cardswapd", "cardswap-init"):
            (self.folder / "bin" / program).symlink_to(Moves.programs / program)
        settings = {"Prolog": self.wrapped("prolog", "export CARDSWAP_PROLOG_TRIES=2"), "Epilog": self.wrapped("epilog"),
                    "TaskProlog": self.wrapped("task-prolog", "echo export CARDSWAP_AGENT=$CARDSWAP_AGENT")}
        (self.folder / "slurm").mkdir()
        self.cluster = slurm_cluster.Cluster(self.folder / "slurm", self.nodes)
        self.hosts = {}
        self.addCleanup(self.let_agents_go)  # once the cluster has died
        self.addCleanup(self.cluster.close)
        self.cluster.start(**settings)
        for name in self.cluster.names[1:]:
            self.hosts[name] = Host(self.folder, name, Moves.programs, f"{self.cluster.address(name)}:{PORT}", ["--insecure-listen"],
                                    on=lambda command, name=name: self.cluster.at(name, *command))
            wait_until(self.hosts[name].is_up, f"{name}'s agent listens")
        wait_until(lambda: set(self.cluster.states().values()) == {"idle"}, "the nodes: " + self.cluster.said())

    def let_agents_go(self):
        for host in self.hosts.values():
            host.agent.wait(PATIENCE)
            host.log.close()

    def wrapped(self, script, more=""):
        """A script of packaging/slurm as Slurm starts it, with the agents where this test has them."""
        path = self.folder / script
        path.write_text(f"#!/bin/sh\nexport PATH={self.folder}/bin:$PATH:/usr/bin:/bin\n"
                        f"export CARDSWAP_AGENT={self.folder}/$SLURMD_NODENAME/cardswapd.sock\n{more}\n"
                        f". {SCRIPTS}/cardswap-slurm-{script}\n")
        path.chmod(0o755)
        return path

    def allow(self, steps):
        new = self.folder / "until.new"
        new.write_text(str(steps))
        new.replace(self.until)

    def said(self):
        logs = [f"--- {name}\n{host.said()[-4000:]}\n" for name, host in self.hosts.items()]
        logs += [f"--- {path}\n{path.read_text()[-4000:]}\n" for path in self.folder.glob("*/jobs/*/log*")]
        logs += [f"--- {path}\n{path.read_text()[-4000:]}\n" for path in self.folder.glob("slurm-*.out")]
        return "".join(logs) + self.cluster.said()

    def submit(self, script, *options):
        batch = self.folder / "batch"
        batch.write_text("#!/bin/sh\n" + script)
        said = self.cluster.ask("sbatch", "--parsable", f"--chdir={self.folder}", "-o", f"{self.folder}/slurm-%j.out", *options, batch)
        self.job = said.strip()

    def show(self):
        told = self.cluster.ask("scontrol", "-o", "show", "job", self.job)
        return dict(word.partition("=")[::2] for word in told.split() if "=" in word)

    def wait_for_end(self):
        wait_until(lambda: self.show()["JobState"] not in ("PENDING", "RUNNING", "COMPLETING"), "the job's end: " + self.said())
        return self.show()

    def ranks(self):
        """The host and the step of each rank."""
        found = {}
        for name, host in self.hosts.items():
            for job in host.ask("jobs", "--all")["jobs"]:
                if job["state"] in ("running", "frozen"):
                    found.update({one["rank"]: (name, one["step"]) for one in job["ranks"] if one["moved_to"] is None})
        return found

    def take_steps(self):
        moving = [one for host in self.hosts.values() for one in host.ask("status")["migrations"] if one["result"] is None]
        parked = any(one["state"] != "preparing" or any(rank.get("newcomer") == "parked" for rank in one.get("ranks", []))
                     for one in moving)
        here = self.ranks()
        allowed = int(self.until.read_text())
        if parked and here and min(step for _, step in here.values()) >= allowed and allowed < STEPS - 2:
            self.allow(allowed + 2)

    def meanwhile(self, command, env=None):
        """What a command says; the job takes steps meanwhile, once it has a newcomer."""
        with open(self.folder / "out", "w+") as out, open(self.folder / "err", "w+") as err:
            with subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=out, stderr=err, env=env) as running:
                wait_until(lambda: self.take_steps() or running.poll() is not None, "the move: " + self.said(), 2 * PATIENCE)
            out.seek(0)
            err.seek(0)
            return subprocess.CompletedProcess(running.args, running.returncode, out.read(), err.read())

    def program(self, log, *more):
        return [Moves.python, "-B", ROOT / "tests/python/ddp.py", "--steps", STEPS, "--loss-log", self.folder / log, *more]

    def begin_undisturbed(self):
        port = free_port()
        self.beside = []
        for rank in range(2):
            env = {**os.environ, **Moves.of_jobs, **OF_AGENTS, "RANK": str(rank), "WORLD_SIZE": "2", "LOCAL_RANK": "0",
                   "MASTER_ADDR": "127.0.0.1", "MASTER_PORT": str(port)}
            self.beside.append(subprocess.Popen([str(word) for word in self.program("undisturbed")], env=env,
                                                stdout=subprocess.DEVNULL, stderr=subprocess.STDOUT))
            self.addCleanup(lambda process=self.beside[-1]: (process.kill(), process.wait()))

    def test_ranks_leave_their_nodes_and_slurm_sees_one_job_that_ended_well(self):
        self.allow(4)
        env = " ".join(f"{name}={value}" for name, value in {**Moves.of_jobs, **OF_AGENTS, "GLOO_SOCKET_IFNAME": "eth0"}.items())
        program = " ".join(map(str, self.program("losses", "--until", self.until)))
        self.submit(f"srun -N2 -n2 {self.folder}/bin/cardswap run --wait --name ddp-$SLURM_JOB_ID -- env {env} {program}\n", "-N3")
        self.begin_undisturbed()
        wait_until(lambda: self.ranks() == {0: ("n1", 4), 1: ("n2", 4)}, "steps: " + self.said())
        name = f"ddp-{self.job}"

        # By hand: to the node of the allocation on which srun has started nothing.
        done = self.meanwhile(self.hosts["n1"].command_line("migrate", f"{name}/1", "--to", self.hosts["n3"].at(), "--max-stall",
                                                            "none", "--timeout", f"{PATIENCE}s"))
        self.assertEqual(done.returncode, 0, done.stderr + self.said())
        self.assertEqual({rank: at for rank, (at, _) in self.ranks().items()}, {0: "n1", 1: "n3"})

        # By a drain in Slurm: rank 0 has torch's own store, and goes to the node that rank 1 has left.
        self.cluster.ask("scontrol", "update", "nodename=n1", "state=drain", "reason=card")
        drain = self.cluster.at("ctl", "env", f"PATH={self.folder}/bin:{os.environ['PATH']}", sys.executable,
                                SCRIPTS / "cardswap-slurm-drain", "--option=--max-stall=none", f"--option=--timeout={PATIENCE}s")
        done = self.meanwhile(drain)
        self.assertEqual(done.returncode, 0, done.stdout + done.stderr + self.said())
        self.assertIn(f"{name}/0 from n1 to n2/cpu:0", done.stdout)
        self.assertEqual({rank: at for rank, (at, _) in self.ranks().items()}, {0: "n2", 1: "n3"})
        self.assertEqual(self.show()["JobState"], "RUNNING", "Slurm has lost a task with a rank")

        self.allow(10**9)
        ended = self.wait_for_end()
        self.assertEqual((ended["JobState"], ended["ExitCode"]), ("COMPLETED", "0:0"), self.said())
        self.assertEqual(ended["NodeList"], "n[1-3]")
        told = (self.folder / "slurm/jobcomp").read_text()
        self.assertEqual(re.findall(rf"JobId={self.job} .*?JobState=(\w+)", told), ["COMPLETED"], told)
        said = (self.folder / f"slurm-{self.job}.out").read_text()
        for host in ("n2", "n3"):
            self.assertIn(f"job {name} ended at {self.hosts[host].at()} with exit code 0", said)
        for process in self.beside:
            self.assertEqual(process.wait(PATIENCE), 0)
        for rank in range(2):
            expected = (self.folder / f"undisturbed.{rank}").read_text()
            self.assertIn("digest ", expected)
            self.assertEqual((self.folder / f"losses.{rank}").read_text(), expected, self.said())
        # The epilog has forgotten what the agents knew, on every node, and the drained one is free.
        wait_until(lambda: all(not host.ask("jobs", "--all")["jobs"] for host in self.hosts.values()), "the epilog: " + self.said())
        wait_until(lambda: self.cluster.states()["n1"] == "drained", "n1 is drained")

    def test_a_task_ends_as_its_job_ends_and_a_cancelled_one_ends_it(self):
        run = f"srun -n1 {self.folder}/bin/cardswap run --wait --name one-$SLURM_JOB_ID --"
        self.submit(f"{run} sh -c 'exit 7'\n", "-N1")
        ended = self.wait_for_end()
        self.assertEqual((ended["JobState"], ended["ExitCode"]), ("FAILED", "7:0"), self.said())
        heard = self.folder / "heard"
        self.submit(f"{run} sh -c 'trap \"echo yes >{heard}; exit 0\" TERM; touch {heard}; while :; do sleep 0.1; done'\n", "-N1")
        wait_until(heard.exists, "it runs: " + self.said())
        self.cluster.ask("scancel", self.job)
        wait_until(lambda: heard.read_text() == "yes\n", "the job has heard SIGTERM: " + self.said())
        self.assertEqual(self.wait_for_end()["JobState"], "CANCELLED")
        # One that does not listen is ended by the epilog.
        mark = self.folder / "deaf"
        self.submit(f"{run} sh -c 'trap \"\" TERM; touch {mark}; while :; do sleep 0.1; done'\n", "-N1")
        wait_until(mark.exists, "it runs: " + self.said())
        self.cluster.ask("scancel", self.job)
        self.wait_for_end()
        wait_until(lambda: all(not host.ask("jobs", "--all")["jobs"] for host in self.hosts.values()), "it is gone: " + self.said())

    def test_an_agent_that_does_not_answer_drains_its_node(self):
        told = json.loads((self.folder / "n1/agent.json").read_text())
        self.cluster.ask("kill", "-9", told["pid"], machine="n1")
        self.submit("true\n", "-w", "n1")
        wait_until(lambda: "drain" in self.cluster.states()["n1"], "the prolog: " + self.said())


def main():
    lacks = slurm_cluster.missing()
    absent = [path for path in (Moves.python, BUILD / "python/cardswap/libcardswap_c.so") if not path.exists()]
    required = os.environ.get("CARDSWAP_REQUIRE", "").split(",")
    if lacks or absent:
        print(f"needs slurm: {lacks}" if lacks else f"needs python: there is no {absent[0]}; scripts/setup.sh --python makes it")
        sys.exit(1 if ("slurm" if lacks else "python") in required else 77)
    unittest.main()


if __name__ == "__main__":
    main()
