"""debian_mirrors.sh reads apt's own lists of sources, in both forms, and takes Debian's packages only."""
import pathlib
import subprocess
import sys
import tempfile
import unittest

SCRIPTS = pathlib.Path(sys.argv.pop())
KEY = "/usr/share/keyrings/debian-archive-keyring.gpg"


class Mirrors(unittest.TestCase):
    def setUp(self):
        folder = tempfile.TemporaryDirectory()
        self.addCleanup(folder.cleanup)
        self.apt = pathlib.Path(folder.name)
        (self.apt / "sources.list.d").mkdir()

    def found(self, **files):
        for name, text in files.items():
            path = self.apt / "sources.list" if name == "old" else self.apt / "sources.list.d" / name.replace("_", ".")
            path.write_text(text)
        return subprocess.run([SCRIPTS / "debian_mirrors.sh", self.apt, "bookworm"], capture_output=True, text=True)

    def assert_found(self, uris, **files):
        done = self.found(**files)
        self.assertEqual((done.stdout.split(), done.returncode), (uris, 0), done.stderr)

    def test_lines_are_read_with_and_without_options(self):
        self.assert_found(["http://one.example/debian", "http://two.example/debian"], old=(
            "# deb http://commented.example/debian bookworm main\n"
            "deb http://one.example/debian bookworm main contrib  # ours\n"
            "deb-src http://sources.example/debian bookworm main\n"),
            more_list=f"deb [arch=amd64 signed-by={KEY}] http://two.example/debian bookworm main\n")

    def test_stanzas_are_read_with_comments_and_values_of_several_lines(self):
        self.assert_found(["http://one.example/debian", "http://two.example/debian"], debian_sources=(
            f"Types: deb\n# said of old\nURIs: http://one.example/debian\n http://two.example/debian\n"
            f"Suites: bookworm bookworm-updates\nComponents: main\nSigned-By: {KEY}\n"))

    def test_what_is_not_debians_or_switched_off_or_for_security_alone_is_no_mirror(self):
        done = self.found(
            old="deb http://security.example/debian-security bookworm-security main\n"
                "deb [signed-by=/etc/apt/keyrings/others.gpg] http://others.example bookworm main\n"
                "deb http://tools.example bookworm stable\n",
            off_sources="Types: deb\nURIs: http://off.example/debian\nSuites: bookworm\nComponents: main\nEnabled: no\n\n"
                        "Types: deb-src\nURIs: http://sources.example/debian\nSuites: bookworm\nComponents: main\n")
        self.assertEqual((done.stdout, done.returncode), ("", 1))
        self.assertIn(f"no source in {self.apt} has Debian's bookworm main", done.stderr)

    def test_no_sources_at_all_are_told(self):
        self.assertIn("no source in", self.found().stderr)


if __name__ == "__main__":
    unittest.main()
