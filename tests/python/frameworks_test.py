"""Moves jobs of frameworks between two agents, as moves_test.py does others: the programs are written for the framework,
and call nothing of Cardswap but what docs/python.md says.

usage: frameworks_test.py BUILD [unittest's arguments]   scripts/setup.sh --python makes what the jobs import
"""

import os
import subprocess
import unittest

from hosts import CACHE, Moves, run_tests

PLACES = """
import torch
from accelerate import Accelerator
from accelerate.utils import DataLoaderConfiguration
from torch.utils.data import DataLoader, TensorDataset
from cardswap._loop import Place

def place(name):
    return Place(name, accelerator.prepare(DataLoader(TensorDataset(torch.arange(14.0)), 2, True, num_workers=workers)))

def rest(place, epochs):
    found = []
    while epochs:
        try:
            found += place.next()[0].flatten().tolist()
        except StopIteration:
            epochs -= 1
            found += place.save()
    return found

for seedable in (False, True):
    accelerator = Accelerator(cpu=True, dataloader_config=DataLoaderConfiguration(use_seedable_sampler=seedable))
    for workers in (0, 2):
        for taken in range(1, 8) if workers == 0 else (3, 7):
            torch.manual_seed(taken)
            there, here = place("there"), place("here")
            here.next()
            rest(there, 1)
            for _ in range(taken):
                there.next()
            here.load(there.save())
            assert here.save() == there.save(), (seedable, workers, taken)
            generators = torch.get_rng_state()
            left = rest(there, 2)
            torch.set_rng_state(generators)
            assert rest(here, 2) == left, (seedable, workers, taken)
"""


class Frameworks(Moves):
    python = CACHE / "python-frameworks-2.11.0/bin/python"
    of_jobs = {**Moves.of_jobs, "HF_HUB_OFFLINE": "1"}

    def test_hugging_faces_trainer_by_rounds_and_replay(self):
        self.moves(["rounds", "rounds", "replay"], "tests/python/hugging_face.py", "--steps", "120")
        self.assertNotIn("not carried", self.a.printed())

    def test_hugging_faces_trainer_with_workers_by_replay(self):
        self.moves(["replay"], "tests/python/hugging_face.py", "--steps", "80", "--workers", "2")

    def test_a_loop_with_accelerate_by_replay_and_stop_copy(self):
        self.moves(["replay", "replay", "stop-copy", "stop-copy"], "tests/python/accelerated.py", "--steps", "500",
                   "--workers", "2")
        self.assertNotIn("not carried", self.a.printed())

    def test_lightning_with_one_optimizer_by_replay_and_rounds(self):
        self.moves(["replay", "replay", "rounds", "rounds"], "tests/python/lightning_one.py", "--steps", "150")
        self.assertIn("'Trainer' (loop)", self.a.printed())
        self.assertNotIn("not carried", self.a.printed())

    def test_lightning_with_workers_by_stop_copy(self):
        self.start("tests/python/lightning_one.py", "--steps", "40", "--workers", "2")  # six to an epoch
        hosts = [self.a, self.b]
        for step in (12, 19, 26):
            self.move_at(step, *hosts)
            hosts.reverse()
        self.finish(hosts[0])

    def test_lightning_with_two_optimizers_by_replay_and_rounds(self):
        self.moves(["replay", "replay", "rounds", "rounds"], "tests/python/lightning_two.py", "--steps", "300")


class Accelerate(unittest.TestCase):
    def test_a_prepared_loaders_place_is_found_again_anywhere_in_an_epoch(self):
        done = subprocess.run([Frameworks.python, "-c", PLACES], env={**os.environ, **Frameworks.of_jobs},
                              capture_output=True, text=True)
        self.assertEqual(done.returncode, 0, done.stderr)


if __name__ == "__main__":
    run_tests([Frameworks.python])
