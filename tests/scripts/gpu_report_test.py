"""What scripts/gpu_report.py makes of several calls: python3 gpu_report_test.py SCRIPTS"""
import json
import pathlib
import sys
import tempfile
import unittest

sys.path.insert(0, sys.argv.pop(1))
sys.dont_write_bytecode = True
from gpu_report import Visit  # noqa: E402

CARD = {"name": "NVIDIA Card", "uuid": "GPU-1", "driver_version": "1.0", "memory.total": "1 MiB"}


def figure(name: str, value: float, goal=None, holds=None) -> str:
    return json.dumps({"name": name, "value": value, "unit": "ms", "goal": goal, "holds": holds, "n": 1, "spread": 0}) + "\n"


class TestVisit(unittest.TestCase):
    def setUp(self):
        folder = tempfile.TemporaryDirectory()
        self.addCleanup(folder.cleanup)
        self.folder = pathlib.Path(folder.name)

    def call(self, commit="0123456789abcdef", card=None) -> Visit:
        return Visit(self.folder, commit, card or CARD)

    def names(self, visit: Visit) -> list:
        return [f["name"] for f in visit.figures()]

    def test_calls_for_one_commit_and_card_add_up(self):
        self.call().record("build", "passed", 5, "")
        self.call().record("bench", "passed", 7, "said before\n{cut off\n" + figure("rate", 1))
        visit = self.call()
        self.assertEqual(list(visit.seen["stages"]), ["build", "bench"])
        self.assertEqual(self.names(visit), ["rate"])
        self.assertTrue(visit.good())
        self.assertEqual(sorted(path.name for path in self.folder.iterdir()),
                         ["nvidia-card-0123456789ab.json", "nvidia-card-0123456789ab.md"])
        self.assertIn("| rate | 1 |", (self.folder / "nvidia-card-0123456789ab.md").read_text())

    def test_a_stage_that_is_run_again_replaces_its_own_figures_only(self):
        self.call().record("bench", "failed", 7, figure("rate", 1) + figure("gone", 2))
        self.call().record("migrate:1g:fp32", "passed", 7, figure("downtime", 3))
        self.assertFalse(self.call().good())
        self.call().record("bench", "passed", 9, figure("rate", 4))
        visit = self.call()
        self.assertEqual([(f["name"], f["value"]) for f in visit.figures()], [("rate", 4), ("downtime", 3)])
        self.assertTrue(visit.good())

    def test_another_commit_and_another_kind_of_card_begin_anew(self):
        self.call().record("bench", "passed", 7, figure("rate", 1))
        self.assertEqual(self.names(self.call(commit="0123456789abcdef-dirty")), [])
        self.assertEqual(self.names(self.call(card={**CARD, "driver_version": "2.0"})), [])

    def test_two_cards_of_a_kind_add_up_and_are_told_apart(self):
        self.call().record("bench", "passed", 7, figure("rate", 1))
        self.call(card={**CARD, "uuid": "GPU-2"}).record("unit", "passed", 7, "")
        self.assertEqual([stage["uuid"] for stage in self.call().seen["stages"].values()], ["GPU-1", "GPU-2"])

    def test_the_slowdown_is_that_of_the_size_where_it_is_worse(self):
        self.call().record("migrate:1g:fp32", "passed", 7, figure("cuda_sync_slowdown_pct_1g", 2, 5, True))
        self.call().record("migrate:10g:fp32", "passed", 7, figure("cuda_sync_slowdown_pct_10g", 6, 5, False))
        worse = self.call().figures()[-1]
        self.assertEqual((worse["name"], worse["value"], worse["holds"]), ("cuda_sync_slowdown_pct", 6, False))

    def test_a_missed_goal_is_no_good_and_shown(self):
        self.call().record("bench", "passed", 7, figure("rate", 1, goal=2, holds=False))
        self.assertFalse(self.call().good())
        self.assertIn("| rate | 1 | ms | 2 | **no** |", self.call().table())

    def test_the_sizes_are_compared_once_both_are_there(self):
        self.call().record("migrate:1g:fp32", "passed", 7, figure("cuda_replay_downtime_ms_1g", 10))
        self.assertNotIn("cuda_replay_downtime_10g_over_1g", self.names(self.call()))
        self.call().record("migrate:10g:fp32", "passed", 7, figure("cuda_replay_downtime_ms_10g", 16))
        ratio = self.call().figures()[-1]
        self.assertEqual((ratio["name"], ratio["value"], ratio["holds"]), ("cuda_replay_downtime_10g_over_1g", 1.6, False))


unittest.main()
