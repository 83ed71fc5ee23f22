"""Snapshots of a job in Python leave as files of others: a real job, a real torch, the programs and the package of this
build.

Method: the job saves its own state_dict at each step, as if there were no Cardswap. What is exported of its snapshot
of a step must be that state byte by byte, read by readers that know nothing of Cardswap.

usage: exports_test.py BUILD [unittest's arguments]
"""

import json
import os
import subprocess

from hosts import BUILD, ROOT, Moves, run_tests


class Exports(Moves):
    NAMES = "tests/python/many_names.py"

    def setUp(self):
        super().setUp()
        self.store = self.folder / "store"

    def snapshot(self):
        done = self.meanwhile(self.a, "snapshot", "job", "--to", f"file:{self.store}", "-o", "json")
        self.assertEqual(done.returncode, 0, done.stderr + self.a.printed())
        return json.loads(done.stdout)["migrated_at_step"]

    def runs(self, *argv):
        done = subprocess.run(argv, env={**os.environ, **self.of_jobs}, capture_output=True, text=True)
        self.assertEqual(done.returncode, 0, done.stdout + done.stderr)
        return done.stdout

    def export(self, to, *more):
        done = self.a.command("export", "job@latest", "--store", f"file:{self.store}", "--to", self.folder / to, *more)
        self.assertEqual(done.returncode, 0, done.stderr)
        return done.stdout

    def test_they_are_the_state_that_was_trained_and_the_job_goes_on(self):
        self.start(self.NAMES, "--steps", "60")
        self.snapshot()
        step = self.snapshot()
        self.assertIn("3 tied", self.export("model.safetensors"))
        self.export("hf", "--format", "hf", "--shard-size", "2000")
        self.runs(self.python, "-m", "cardswap.export", self.store, f"job@{step}", "--torch",
                  self.folder / "checkpoint.pt", "--dcp", self.folder / "dcp")
        self.runs(self.python, ROOT / "tests/python/check_exports.py", f"{self.log}.states/{step}.pt", self.folder)
        self.listed()
        self.refused(step)
        self.move_by("stop-copy", self.a, self.b)
        self.finish(self.b)

    def listed(self):
        """`show --tensors` tells where each tensor lies, and of which it is another name."""
        shown = self.a.ask("show", "job@latest", "--store", f"file:{self.store}", "--tensors")["tensor_list"]
        by_name = {one["name"]: one for one in shown}
        self.assertEqual(by_name["Net/head.weight"]["alias_of"], "Net/embedding.weight")
        self.assertEqual(by_name["Net/mix_again.bias"]["region"], "Net/mix.bias")
        scale, shift, turn = (by_name[f"Net/{name}"] for name in ("scale", "shift", "turn"))
        self.assertEqual((scale["region"], shift["region"]), ("Net/scale", "Net/scale"))
        self.assertEqual((scale["offset"], shift["offset"], shift["alias_of"]), (0, 64, ""))
        self.assertEqual((turn["sizes"], turn["strides"]), ([16, 8], [1, 16]))

    def refused(self, step):
        """Nothing is replaced, and nothing is left of a snapshot that is damaged or not there."""
        command = [self.python, "-m", "cardswap.export", self.store]
        for more, why in (((f"job@{step}", "--torch", self.folder / "checkpoint.pt"), "exists already"),
                          (("job@999", "--torch", self.folder / "none.pt"), "no snapshot job@999"),
                          (("job:none", "--torch", self.folder / "none.pt"), "no snapshot job:none"),
                          ((f"job@{step}", "--torch", self.folder / "none/file.pt"), "none/file.pt cannot be written")):
            done = subprocess.run([*command, *more], env={**os.environ, **self.of_jobs}, capture_output=True, text=True)
            self.assertEqual(done.returncode, 1, done.stdout)
            self.assertIn(why, done.stderr)
            self.assertNotIn("Traceback", done.stderr)
        for pack in self.store.glob("packs/*/*.pack"):
            pack.chmod(0o600)
            data = bytearray(pack.read_bytes())
            data[60] ^= 1  # of what the first record stores
            pack.write_bytes(data)
        done = subprocess.run([*command, f"job@{step}", "--torch", self.folder / "none.pt"],
                              env={**os.environ, **self.of_jobs}, capture_output=True, text=True)
        self.assertEqual(done.returncode, 1, done.stdout)
        self.assertIn("is damaged", done.stderr)
        self.assertFalse(list(self.folder.glob("none.pt*")))


if __name__ == "__main__":
    run_tests([Moves.python, BUILD / "agent/cardswapd"])
