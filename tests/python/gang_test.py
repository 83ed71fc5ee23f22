"""A rank of a job of many moves while the others stay: programs in Python, their runtimes, and agents that are played.

Method: three processes train with DDP over Gloo. The runtimes are the real ones, and so is the transfer; the test says
what the agents would say. The losses of every rank, and the digest of everything tracked at its end, must be those of a
run without any of this, bit for bit.

usage: gang_test.py BUILD [unittest's arguments]
"""

import contextlib
import os
import pathlib
import shutil
import socket
import subprocess
import sys
import tempfile
import threading
import unittest

from hosts import BUILD, OF_AGENTS, PATIENCE, ROOT, Moves, run_tests

if Moves.python.exists() and sys.prefix != str(Moves.python.parents[1]):  # its torch has the store that agents will have
    os.execv(Moves.python, [str(Moves.python), "-B", __file__, str(BUILD), *sys.argv[1:]])

from played_agents import PlayedAgent  # noqa: E402

RANKS = 3
ADDRESSES = [f"10.0.0.{rank}:7070" for rank in range(RANKS)]
NEW_ADDRESS = "10.0.0.9:7070"
STEPS = 160


class Gang(unittest.TestCase):
    """A job of three ranks, each step of which the test allows."""

    maxDiff = 4000

    def setUp(self):
        import torch.distributed as distributed
        self.folder = pathlib.Path(tempfile.mkdtemp(prefix="cardswap-gang-"))
        self.addCleanup(shutil.rmtree, self.folder, True)
        self.until = self.folder / "until"
        self.agent = PlayedAgent(self.folder / "agent.sock", PATIENCE)
        self.addCleanup(self.agent.close)
        self.addCleanup(self.close)
        self.store = distributed.TCPStore("127.0.0.1", 0, None, True, wait_for_workers=False)
        self.rendezvous = f"127.0.0.1:{self.store.port}"
        self.processes, self.all_lines = [], []
        self.addCleanup(self.end)

    def allow(self, steps):
        self.allowed = steps
        new = self.folder / "until.new"
        new.write_text(str(steps))
        new.replace(self.until)

    def steps_taken(self):
        """By a rank that never moves."""
        log = self.folder / f"losses.{RANKS - 1}"
        return log.read_text().count("\n") if log.exists() else 0

    @contextlib.contextmanager
    def training(self):
        """A while in which the job takes a step now and then."""
        over = threading.Event()

        def walk():
            while not over.wait(0.02):
                if self.steps_taken() >= self.allowed:
                    self.allow(self.allowed + 1)

        walking = threading.Thread(target=walk)
        walking.start()
        try:
            yield
        finally:
            over.set()
            walking.join()

    def start(self, rank, port, name, **more):
        """A process of the job; `port` is that of torch's own store."""
        env = {**os.environ, **OF_AGENTS, **Moves.of_jobs, "RANK": str(rank), "WORLD_SIZE": str(RANKS),
               "MASTER_ADDR": "127.0.0.1", "MASTER_PORT": str(port), **more}
        log = open(self.folder / f"said.{name}", "w")
        process = subprocess.Popen([Moves.python, "-B", ROOT / "tests/python/ddp.py", "--steps", str(STEPS), "--loss-log",
                                    self.folder / (more.get("LOSSES") or "losses"),
                                    *(["--until", self.until] if more.get("CARDSWAP_SOCKET") else [])],
                                   env=env, stdout=log, stderr=subprocess.STDOUT)
        log.close()
        self.processes.append(process)
        return process

    def of_agent(self, role):
        return {"CARDSWAP_SOCKET": str(self.agent.path), "CARDSWAP_JOB": "job", "CARDSWAP_TOKEN": "token",
                "CARDSWAP_ROLE": role}

    def end(self):
        for process in self.processes:
            process.kill()
            process.wait()

    def close(self):
        for line in self.all_lines:
            line.close()

    def said(self):
        return "\n".join(f"--- {path.name}\n{path.read_text()}" for path in sorted(self.folder.glob("said.*")))

    def free_port(self):
        with socket.create_server(("127.0.0.1", 0)) as server:
            return server.getsockname()[1]

    def attach(self):
        self.all_lines.append(self.agent.attach())
        return self.all_lines[-1]

    def begin(self, steps):
        """Ranks that stand behind so many steps, and the same job beside them, which nobody moves."""
        self.allow(steps)
        port = self.free_port()
        self.ranks = [self.start(rank, port, rank, **self.of_agent("primary")) for rank in range(RANKS)]
        lines = [self.attach() for _ in self.ranks]
        self.lines = {line.hello["rank"]: line for line in lines}
        self.assertEqual(sorted(self.lines), list(range(RANKS)))
        for rank, line in self.lines.items():
            self.assertEqual(line.hello["ranks"], RANKS)
            line.welcome(address=ADDRESSES[rank])
        for rank, line in self.lines.items():
            while line.hear("Stepped")["step"] < steps:
                pass
        beside = self.free_port()
        self.undisturbed = [self.start(rank, beside, f"undisturbed.{rank}", LOSSES="undisturbed") for rank in range(RANKS)]

    def prepare(self, rank, gang, epoch):
        """Up to where all stand at a step: the ranks that stay, the one that leaves, the newcomer, and the step."""
        stay, leaver = [line for other, line in self.lines.items() if other != rank], self.lines[rank]
        for line in stay:
            line.build_next(gang, epoch, self.rendezvous, RANKS, [rank])
        self.start(rank, 1, f"{rank}.{gang}", **self.of_agent("standby"))
        newcomer = self.attach()
        self.assertEqual(newcomer.hello["rank"], rank)
        newcomer.welcome(0, False, gang, "data", NEW_ADDRESS, {
            "gang": gang, "epoch": epoch, "rank": rank, "ranks": RANKS, "rendezvous": self.rendezvous, "moved": [rank]})
        leaver.begin_sync(gang, newcomer.hear("Parked")["port"], "data")
        with self.training():
            leaver.hear("Converged")
            for line in stay:
                line.hear("NextBuilt")
        step = self.allowed + 3
        for line in self.lines.values():
            line.arm(gang, step)
        for line in self.lines.values():
            self.assertEqual(line.hear("Armed", "Late"), {"kind": "Armed", "gang": gang, "step": step})
        self.allow(step + 2)
        for line in self.lines.values():
            line.hear("Reached")
        for line in self.lines.values():
            line.order("Check", gang)
        return stay, leaver, newcomer, step

    def move(self, rank, gang, epoch):
        stay, leaver, newcomer, step = self.prepare(rank, gang, epoch)
        left = leaver.hear("Checked")
        arrived = newcomer.hear("Verified")
        self.assertEqual((left["step"], left["digest"]), (arrived["step"], arrived["digest"]))
        for line in stay:
            self.assertEqual(line.hear("Checked")["step"], step)
        newcomer.grant(gang, epoch, arrived["digest"])
        self.assertEqual(newcomer.hear("Resumed")["step"], step)
        for line in stay:
            line.switch_over(gang, epoch)
        for line in (*stay, newcomer):
            self.assertEqual(line.hear("FirstStep"), {"kind": "FirstStep", "migration": gang, "step": step + 1})
        newcomer.order("Release", gang)
        for line in stay:
            line.has_said("CommunicatorsTook", gang=gang)
            took = next(said for said in line.heard if said["kind"] == "CommunicatorsTook" and said["gang"] == gang)
            self.assertTrue(all(took[part] > 0 for part in ("build_ms", "try_ms", "exchange_ms")), took)
            line.order("CloseOld", gang)
        leaver.order("Retire", gang)
        self.assertEqual(leaver.hear("Ended")["moved"], 1)
        self.lines[rank] = newcomer

    def give_up(self, rank, gang, epoch):
        """Where each rank has promised, and the newcomer dies."""
        stay, leaver, newcomer, _ = self.prepare(rank, gang, epoch)
        for line in (leaver, *stay):
            line.hear("Checked")
        self.processes[-1].kill()
        for line in self.lines.values():
            line.order("Release", gang)
        for line in self.lines.values():
            line.hear("Released")

    def finish(self):
        self.allow(10**9)
        for process in (*self.processes,):
            process.wait(PATIENCE)
        for rank in range(RANKS):
            expected, found = ((self.folder / f"{name}.{rank}").read_text().splitlines() for name in ("undisturbed", "losses"))
            self.assertEqual(len(expected), STEPS + 1, self.said())
            self.assertEqual(found, expected)

    def test_ranks_move_one_after_another_and_one_attempt_is_given_up(self):
        self.begin(4)
        for line in self.lines.values():
            line.has_said("RankPlace", ranks=RANKS, agents=ADDRESSES)
        self.give_up(1, "g-1", 2)
        self.move(1, "g-2", 3)
        agents = [ADDRESSES[0], NEW_ADDRESS, ADDRESSES[2]]
        for line in self.lines.values():
            line.has_said("RankPlace", ranks=RANKS, agents=agents)
        self.move(0, "g-3", 4)
        self.finish()


if __name__ == "__main__":
    run_tests([Moves.python, BUILD / "python/cardswap/libcardswap_c.so"])
