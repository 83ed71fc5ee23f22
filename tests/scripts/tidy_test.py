"""tidy.sh fails on what .clang-tidy forbids, in what a change touches and nowhere else."""
import json
import os
import pathlib
import shutil
import subprocess
import sys
import tempfile
import unittest

SCRIPTS = pathlib.Path(sys.argv.pop())

if shutil.which("clang-tidy") is None:
    print("there is no clang-tidy here")
    sys.exit(77)

GOOD = "int next_of(int value) { return value + 1; }\n"
BAD = "int NextOf(int value) { return value + 1; }\n"


class Tidy(unittest.TestCase):
    def setUp(self):
        folder = tempfile.TemporaryDirectory()
        self.addCleanup(folder.cleanup)
        self.root = pathlib.Path(folder.name)
        shutil.copytree(SCRIPTS, self.root / "scripts", ignore=shutil.ignore_patterns("__pycache__"))
        shutil.copy(SCRIPTS.parent / ".clang-tidy", self.root)
        (self.root / ".gitignore").write_text("build/\n")
        (self.root / "agent").mkdir()
        (self.root / "build/any").mkdir(parents=True)
        for name, text in {"old": BAD, "touched": GOOD}.items():
            (self.root / f"agent/{name}.cpp").write_text(text)
        (self.root / "build/any/compile_commands.json").write_text(json.dumps([
            {"directory": str(self.root / "build/any"), "file": str(self.root / f"agent/{name}.cpp"),
             "command": f"/usr/bin/c++ -std=c++20 -o {name}.o -c {self.root}/agent/{name}.cpp"} for name in ("old", "touched")]))
        self.git("init", "-q", "-b", "main")
        self.git("add", "-A")
        self.git("commit", "-qm", "x")

    def git(self, *words):
        somebody = {f"GIT_{who}_{what}": "a@b" for who in ("AUTHOR", "COMMITTER") for what in ("NAME", "EMAIL")}
        subprocess.run(["git", *words], cwd=self.root, check=True, env={**os.environ, **somebody})

    def tidy(self, *words):
        return subprocess.run([self.root / "scripts/tidy.sh", *words], capture_output=True, text=True)

    def test_looks_at_what_a_change_touches_only(self):
        self.assertIn("no source has changed", self.tidy().stdout)
        (self.root / "agent/touched.cpp").write_text(GOOD + "\n// more\n")
        found = self.tidy()
        self.assertEqual(found.returncode, 0, found.stdout + found.stderr)
        self.assertIn("1 sources are clean", found.stdout)

    def test_fails_on_what_the_list_of_checks_forbids(self):
        (self.root / "agent/touched.cpp").write_text(BAD)
        found = self.tidy()
        self.assertNotEqual(found.returncode, 0)
        self.assertIn("invalid case style for function 'NextOf'", found.stdout)
        self.assertNotIn("old.cpp", found.stdout)
        self.assertNotEqual(self.tidy("--", "agent/old.cpp").returncode, 0)


if __name__ == "__main__":
    unittest.main()
