"""Programs without a line of Cardswap, moved there and back as whole processes, between two hosts with a network of
their own each.

Method: a virtual environment that has torch and the package, as after `pip install`; losses and the digest that a
program makes of its own state must be those of a run that nobody moved, bit for bit.

usage: no_line_test.py BUILD [unittest's arguments]   scripts/setup.sh --python and --criu make what is needed
"""

import json
import os
import pathlib
import re
import subprocess
import tempfile
import unittest

from hosts import BUILD, OF_AGENTS, ROOT, Host, Moves, run_tests, wait_until

PROGRAMS = "tests/python/no_line/"


def lacks(word, why):
    """Skips the test, unless CI says that the machine must have this."""
    if word in os.environ.get("CARDSWAP_REQUIRE", "").split(","):
        raise AssertionError(f"needs {word}: {why}")
    raise unittest.SkipTest(f"needs {word}: {why}")


class Network:
    """Two network namespaces with a cable."""

    def __init__(self):
        self.names = [f"cspy{os.getpid()}n{side}" for side in (0, 1)]
        for name in self.names:
            if subprocess.run(["ip", "netns", "add", name], capture_output=True).returncode != 0:
                self.close()
                lacks("netns", "this machine has no network namespaces")
        self._ip("link", "add", "veth0", "netns", self.names[0], "type", "veth", "peer", "name", "veth0", "netns",
                 self.names[1])
        for side, name in enumerate(self.names):
            self._ip("-n", name, "addr", "add", f"{self.address(side)}/24", "dev", "veth0")
            for device in ("veth0", "lo"):
                self._ip("-n", name, "link", "set", device, "up")
        wait_until(lambda: all(self._is_up(name) for name in self.names), "both ends are up")

    def _ip(self, *words):
        subprocess.run(["ip", *words], check=True, capture_output=True)

    def _is_up(self, name):
        told = subprocess.run(["ip", "netns", "exec", name, "cat", "/sys/class/net/veth0/operstate"],
                              capture_output=True, text=True)
        return told.stdout.startswith("up")

    def address(self, side):
        return f"10.61.7.{side + 1}"

    def close(self):
        for name in self.names:
            subprocess.run(["ip", "netns", "del", name], capture_output=True)


class NetworkHost(Host):
    """An agent in a network namespace."""

    def __init__(self, folder, name, programs, network, side):
        self.folder, self.programs, self._address = folder / name, programs, network.address(side)
        self.log = open(folder / f"{name}.log", "w+")
        self.agent = subprocess.Popen(
            ["ip", "netns", "exec", network.names[side], programs / "cardswapd", "--data-dir", self.folder,
             "--host-name", name, "--listen", f"{self._address}:7070", "--insecure-listen", "--device", "cpu:0",
             "--job-user", "root"], stdout=self.log, stderr=subprocess.STDOUT, env={**os.environ, **OF_AGENTS})
        wait_until(self.is_up, f"{name} listens")

    def is_up(self):
        if self.agent.poll() is not None:
            raise AssertionError("the agent ended: " + self.said())
        return bool(re.search(r"listens on .*:7070", self.said())) and (self.folder / "cardswapd.sock").exists()

    def at(self, device="cpu:0"):
        return f"{self._address}:7070/{device}"

    def written(self):
        """Bytes for disks, of the agent and of what it started and that has ended: CRIU at its dump, for one."""
        said = pathlib.Path(f"/proc/{self.agent.pid}/io").read_text()
        return int(re.search(r"^write_bytes: (\d+)$", said, re.MULTILINE)[1])


def environment_with_the_package(folder):
    """A virtual environment of the interpreter that has torch, where the package is installed too."""
    with_torch = Moves.python.parents[1]
    subprocess.run([Moves.python, "-m", "venv", "--without-pip", folder], check=True, capture_output=True)
    (site,) = folder.glob("lib/python*/site-packages")
    (torchs,) = with_torch.glob("lib/python*/site-packages")
    (site / "0-where.pth").write_text(f"{torchs}\n{BUILD / 'python'}\n")
    (site / "cardswap.pth").write_text((ROOT / "python/cardswap.pth").read_text())
    return folder / "bin/python"


class NoLine(Moves):
    of_jobs = {"PYTHONDONTWRITEBYTECODE": "1", "OMP_NUM_THREADS": "1"}

    def setUp(self):
        if os.geteuid() != 0:
            lacks("criu", "root alone can dump processes")
        self.folder = pathlib.Path(tempfile.mkdtemp(prefix="cardswap-no-line-"))
        self.addCleanup(subprocess.run, ["rm", "-rf", self.folder])
        self.log, self.until, self.ends = (self.folder / name for name in ("losses", "until", "ends"))
        self.python = environment_with_the_package(self.folder / "venv")
        self.network = Network()
        self.addCleanup(self.network.close)
        self.a, self.b = (NetworkHost(self.folder, name, self.programs, self.network, side)
                          for side, name in enumerate("ab"))
        for host in (self.b, self.a):
            self.addCleanup(host.stop)
        problem = self.a.ask("devices")["criu"].get("problem")
        if problem:
            lacks("criu", problem)

    def whole_there_and_back(self, program, *arguments, arrive="criu", after=""):
        """Moves it once its log says `after`; gives what the second move told."""
        self.start(PROGRAMS + program, *arguments)
        if after:
            self.allow(30)
            wait_until(lambda: after in self.log.read_text(), after)
        self.move_whole(self.a, self.b, arrive)
        moved = self.move_whole(self.b, self.a, arrive)
        self.finish(self.a)
        return moved

    def move_whole(self, source, target, arrive):
        framework = source.job()["framework"]
        written = source.written() + target.written()
        done = self.move(source, target, "--arrive", arrive, "-o", "json")
        self.assertEqual(done.returncode, 0, done.stderr + source.said() + target.printed())
        moved = json.loads(done.stdout)
        self.assertEqual((moved["result"], moved["arrive"]), ("ok", "criu"))
        # It is in memory alone: a journal on a disk would wait for it.
        self.assertLess(source.written() + target.written() - written, moved["process"]["image_bytes"] / 8)
        self.assertRegex(framework, "^torch ")
        self.assertEqual(target.job()["framework"], framework)
        return moved

    def test_a_gpt_whose_loop_is_all_local_variables(self):
        self.whole_there_and_back("gpt.py", "--steps", "400")

    def test_epochs_with_a_shuffled_loader(self):
        self.whole_there_and_back("epochs.py", "--steps", "400")

    def test_a_loader_with_workers_as_processes(self):
        # Those of a later epoch were forked from a process that has a session.
        self.whole_there_and_back("workers.py", "--steps", "400", after="of epoch 1")

    def test_a_loader_whose_workers_live_from_epoch_to_epoch(self):
        self.whole_there_and_back("workers.py", "--steps", "400", "--persistent", "1")

    def test_auto_takes_the_process_where_no_standby_could_go_on(self):
        self.start(PROGRAMS + "gpt.py", "--steps", "400")
        self.move_whole(self.a, self.b, "auto")
        self.assertIn("the process itself moves: program 'gpt.py': it calls nothing of Cardswap", self.a.said())
        self.train_until(lambda: self.b.job()["cannot_move"])
        self.assert_a_standby_is_refused(self.b, self.a)  # it is what it was, where it came to
        self.move_whole(self.b, self.a, "auto")
        self.finish(self.a)

    def test_a_standby_is_refused_with_what_to_do(self):
        self.start(PROGRAMS + "gpt.py", "--steps", "400")
        self.assertIn("it moves as a whole process", self.a.printed())
        self.assert_a_standby_is_refused(self.a, self.b)
        planned = self.a.command("migrate", "job", "--to", self.b.at(), "--dry-run")
        self.assertIn("the process itself goes with CRIU", planned.stdout)
        self.assertIn("program 'gpt.py': it calls nothing of Cardswap", planned.stdout)
        self.finish(self.a)

    def assert_a_standby_is_refused(self, source, target):
        refused = self.move(source, target, "--arrive", "standby")
        self.assertNotEqual(refused.returncode, 0)
        self.assertIn("program 'gpt.py': it calls nothing of Cardswap, and so no standby", refused.stderr)
        self.assertIn("--arrive criu", refused.stderr)

    def test_tensors_go_ahead_of_the_process(self):
        moved = self.whole_there_and_back("gpt.py", "--steps", "60", "--rows", "800000")
        state = 3 * 800_000 * 64 * 4  # an embedding, and AdamW's two moments of it
        self.assertGreater(moved["progress"]["total"], state)
        self.assertLess(moved["process"]["image_bytes"], state)


BATCHES = """
import hashlib, os, torch
from torch.utils.data import DataLoader, Dataset

class Numbers(Dataset):
    def __len__(self):
        return 1200
    def __getitem__(self, i):
        return torch.full((20_000,), float(i)) + torch.rand(()), {"small": torch.randn(2, 3).t(), "label": i}

def collate(items):
    x, more = torch.utils.data.default_collate(items)
    collate.kept = getattr(collate, "kept", []) + [x]  # a worker may keep what it sent
    return x, x.view(-1)[5:], x.t(), x.view(8, 100, 200).permute(0, 2, 1), torch.stack([x[0]] * 8), x[:1, ::1000], more

def fingerprint(things):
    digest = hashlib.sha256()
    def add(thing):
        if torch.is_tensor(thing):
            digest.update(repr((thing.dtype, thing.shape, thing.stride())).encode() + thing.contiguous().numpy().tobytes())
        else:
            for item in thing.values() if isinstance(thing, dict) else thing:
                add(item)
    add(things)
    return digest.hexdigest()

torch.manual_seed(1)
loader = DataLoader(Numbers(), batch_size=8, shuffle=True, num_workers=2, collate_fn=collate)
kept, found = [], []
for epoch in range(2):
    for i, batch in enumerate(loader):
        found.append(fingerprint(batch))
        if i % 2:
            kept.append((fingerprint(batch), batch))  # more than there is room for
        if len(kept) > 60:
            for was, there in kept[::2]:
                assert fingerprint(there) == was
            del kept[::2]
shared = [line for pid in (os.getpid(), *open(f"/proc/self/task/{os.getpid()}/children").read().split())
          for line in open(f"/proc/{pid}/maps") if "/dev/shm" in line]
print(hashlib.sha256("".join(found).encode()).hexdigest(), len(shared))
"""


class Batches(unittest.TestCase):
    def test_batches_are_what_they_are_in_torchs_own_way(self):
        folder = pathlib.Path(tempfile.mkdtemp(prefix="cardswap-no-line-"))
        self.addCleanup(subprocess.run, ["rm", "-rf", folder])
        python = environment_with_the_package(folder)
        said = []
        for socket in ("", "/nowhere"):
            done = subprocess.run([python, "-c", BATCHES], env={**os.environ, **NoLine.of_jobs, "CARDSWAP_SOCKET": socket},
                                  capture_output=True, text=True)
            self.assertEqual(done.returncode, 0, done.stderr)
            said.append(done.stdout.split())
        (usual, _), (ours, shared) = said
        self.assertEqual(ours, usual)
        self.assertEqual(shared, "0")


if __name__ == "__main__":
    run_tests([Moves.python])
