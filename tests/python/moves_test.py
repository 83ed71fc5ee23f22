"""Moves jobs in Python between two agents: real processes, a real torch, the programs and the package of this build.

Method: a job's losses, written by whichever process computed them, and the digest of everything tracked at its end,
must be those of a run that nobody moved, bit for bit. A job takes the steps that the test allows, and is moved several times: most of what a test takes is torch's
import in each of its processes.

usage: moves_test.py BUILD [unittest's arguments]   run by any Python; scripts/setup.sh --python makes the jobs' own
"""

import os
import signal
import subprocess
import unittest

from hosts import ROOT, Moves, run_tests, wait_until


class Programs(Moves):
    GPT, EPOCHS = "python/examples/nano_gpt.py", "python/examples/epochs.py"

    def test_a_gpt_by_stop_copy_and_rounds(self):
        self.moves(["stop-copy"] * 3 + ["rounds"] * 3, self.GPT, "--steps", "400")

    def test_a_gpt_with_a_fused_optimizer_by_replay_and_auto(self):
        self.moves(["replay"] * 3 + ["auto"] * 3, self.GPT, "--steps", "400", "--optimizer", "fused")

    def test_a_gpt_with_foreach_sgd_by_auto(self):
        self.moves(["auto"], self.GPT, "--steps", "200", "--optimizer", "sgd")

    def test_epochs_with_workers_by_rounds_and_replay(self):
        self.moves(["rounds", "rounds", "replay", "replay"], self.EPOCHS, "--steps", "400", "--workers", "2")

    def test_epochs_moved_at_an_epochs_end_at_its_start_and_within(self):
        self.start(self.EPOCHS, "--steps", "200")  # of 25 batches each
        hosts = [self.a, self.b]
        for step in (25, 51, 88):
            self.move_at(step, *hosts)
            hosts.reverse()
        self.finish(hosts[0])

    def test_steps_most_of_which_are_skipped_by_replay(self):
        self.moves(["replay", "replay"], "tests/python/skips.py", "--steps", "400", "--optimizer", "fused")

    def test_a_move_right_behind_a_step_that_was_skipped(self):
        self.start("tests/python/skips.py", "--steps", "100")
        self.undisturbed.wait()
        losses = (self.folder / "undisturbed").read_text().splitlines()
        self.move_at(next(step for step in range(25, 90) if ", this too" in losses[step - 1]), self.a, self.b)
        self.finish(self.b)

    def test_an_average_and_a_schedule_that_warm_up_by_replay_and_rounds(self):
        self.moves(["replay", "replay", "rounds", "rounds"], "tests/python/averages.py", "--steps", "400")

    def test_muon_and_adafactor_that_accumulate_by_replay_and_rounds(self):
        self.moves(["replay", "replay", "rounds", "rounds"], "tests/python/two_optimizers.py", "--steps", "500")

    def test_a_parameter_group_that_came_later_by_replay_and_rounds(self):
        self.moves(["replay", "replay", "rounds"], "tests/python/unfreezes.py", "--steps", "400", "--optimizer", "sgd")

    def test_a_parameter_group_that_came_later_with_much_state_by_rounds(self):
        self.moves(["rounds", "rounds"], "tests/python/unfreezes.py", "--steps", "400")


class Careless(Moves):
    """Programs whose authors did not think of something."""

    def begin(self, how, compares=False):
        self.start("tests/python/careless.py", "--how", how, "--steps", "500", compares=compares)

    def test_the_process_that_was_left_runs_nothing_of_its_end(self):
        self.begin("", compares=True)
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
        self.train_on(self.a)

    def test_an_iterator_that_nobody_can_make_anew_is_refused_by_name(self):
        self.begin("iterator")
        self.assertIn("cannot move: loader 'loader': a range_iterator", self.a.printed())
        refused = self.move(self.a, self.b)
        self.assertNotEqual(refused.returncode, 0)
        self.assertIn("a range_iterator cannot be carried", refused.stderr)
        self.assertIn("cardswap.track(name, get=..., set=...)", refused.stderr)
        self.train_on(self.a)

    def test_one_of_many_ranks_is_refused(self):
        self.begin("ranks")
        refused = self.move(self.a, self.b)
        self.assertNotEqual(refused.returncode, 0)
        self.assertIn("job job has 2 ranks", refused.stderr)
        self.train_on(self.a)

    def test_gradients_that_live_from_step_to_step_are_refused(self):
        self.begin("accumulates")
        refused = self.move(self.a, self.b)
        self.assertNotEqual(refused.returncode, 0)
        self.assertIn("lives from step to step", refused.stderr)
        self.train_on(self.a)

    def test_an_exception_of_its_own_function_is_the_migrations_failure(self):
        self.begin("raises", compares=True)
        failed = self.move(self.a, self.b)
        self.assertNotEqual(failed.returncode, 0)
        self.assertIn("'fragile': LookupError: the author did not think of this", failed.stderr)
        self.assertIn('careless.py", line', self.b.printed())
        self.finish(self.a)

    def test_a_check_finds_a_variable_that_the_step_reads(self):
        self.begin("local")
        checked = self.meanwhile(self.a, "check", "job", "--to", "cpu:1")
        self.assertEqual(checked.returncode, 1, checked.stderr)
        self.assertIn("taken at both sides from the same state", checked.stderr)
        self.train_on(self.a)

    def test_an_interrupt_ends_a_process_that_waits_in_its_boundary(self):
        self.begin("")
        started = self.a.ask("migrate", "job", "--to", self.b.at(), "--bandwidth", "20KiB/s", "--strategy", "rounds",
                             "--max-downtime", "none", "--detach")
        self.train_until(lambda: self.a.ask("status", started["id"])["state"] == "syncing")
        os.kill(self.b.job()["pid"], signal.SIGINT)
        wait_until(lambda: self.a.ask("status", started["id"])["state"] in ("aborted", "failed"), "the abort")
        failed = self.a.ask("status", started["id"])["error"]  # of the process's end, not of what it did after its wait
        self.assertIn(failed["code"], ("unreachable", "link_lost", "target_lost"), failed)
        self.train_on(self.a)


class Package(unittest.TestCase):
    def test_it_passes_its_own_tests_with_torch(self):
        for tests in ("package_test.py", "package_torch_test.py"):
            done = subprocess.run([Moves.python, ROOT / "tests/python" / tests],
                                  env={**os.environ, **Moves.of_jobs}, capture_output=True, text=True)
            self.assertEqual(done.returncode, 0, done.stderr)


if __name__ == "__main__":
    run_tests([Moves.python])
