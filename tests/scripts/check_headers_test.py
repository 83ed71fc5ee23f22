"""A header that lacks an include is found, whoever includes it after another one."""
import os
import pathlib
import subprocess
import sys
import tempfile
import unittest

SCRIPTS = pathlib.Path(sys.argv.pop())
sys.path.insert(0, str(SCRIPTS))
import check_headers  # noqa: E402


class Headers(unittest.TestCase):
    def setUp(self):
        folder = tempfile.TemporaryDirectory()
        self.addCleanup(folder.cleanup)
        self.root = pathlib.Path(folder.name)
        root = check_headers.ROOT
        check_headers.ROOT = self.root
        self.addCleanup(setattr, check_headers, "ROOT", root)

    def write(self, path, text):
        (self.root / path).parent.mkdir(parents=True, exist_ok=True)
        (self.root / path).write_text(text)

    def commit(self):
        as_somebody = {**os.environ, "GIT_AUTHOR_NAME": "a", "GIT_AUTHOR_EMAIL": "a@b", "GIT_COMMITTER_NAME": "a",
                       "GIT_COMMITTER_EMAIL": "a@b"}
        for words in (["add", "-A"], ["commit", "-qm", "x"]):
            subprocess.run(["git", *words], cwd=self.root, check=True, env=as_somebody)

    def test_a_header_that_uses_what_it_does_not_include_does_not_compile(self):
        self.write("a.h", "#pragma once\n#include <string>\nstd::string a();\n")
        self.write("b.h", "#pragma once\nstd::string b();\n")
        self.assertEqual(check_headers.compile_alone("a.h", ["-std=c++20"]), "")
        self.assertIn("b.h does not compile alone", check_headers.compile_alone("b.h", ["-std=c++20"]))

    def test_headers_that_this_work_has_touched_are_looked_at(self):
        subprocess.run(["git", "init", "-q", "-b", "main"], cwd=self.root, check=True)
        self.write("old.h", "")
        self.write("gone.h", "")
        self.commit()
        self.write("last.h", "")
        self.commit()
        self.assertEqual(check_headers.headers(check_headers.changed_since(None)), ["last.h"])
        subprocess.run(["git", "checkout", "-qb", "work"], cwd=self.root, check=True)
        self.write("committed.h", "")
        (self.root / "gone.h").unlink()
        self.commit()
        self.write("old.h", "// changed\n")
        self.write("new.h", "")
        self.write("new.cpp", "")
        self.assertEqual(check_headers.headers(check_headers.changed_since(None)), ["committed.h", "new.h", "old.h"])


if __name__ == "__main__":
    unittest.main()
