"""What scripts/man_pages.py makes of a page: python3 man_pages_test.py SCRIPTS"""
import pathlib
import re
import shutil
import subprocess
import sys
import tempfile
import unittest

sys.path.insert(0, sys.argv.pop(1))
sys.dont_write_bytecode = True
from man_pages import PAGES, ROOT, ShapeError, man_page  # noqa: E402

TITLE = "# tool(1): does things\n\n"


def body(text: str) -> list[str]:
    """What stands behind the name of the page."""
    return man_page(TITLE + text, "1.2").split("\n", 6)[6].rstrip("\n").split("\n")


class TestManPage(unittest.TestCase):
    def test_begins_with_its_name_and_the_version_of_the_programs(self):
        made = man_page(TITLE, "1.2").split("\n")
        self.assertEqual(made[1], '.TH TOOL 1 "" "Cardswap 1.2" "User Commands"')
        self.assertEqual(made[4:6], [".SH NAME", r"tool \- does things"])

    def test_has_an_option_with_its_value_its_default_and_its_meaning(self):
        self.assertEqual(body("- `-l`, `--limit N` (default `a-b`): as many\n  as asked for."),
                         [".TP", r"\fB\-l\fR, \fB\-\-limit \fIN\fB\fR (default \fBa\-b\fR)", "As many", "as asked for."])

    def test_has_terms_that_go_over_two_lines(self):
        self.assertEqual(body("- `--one`,\n  `--two`: both.")[1], r"\fB\-\-one\fR, \fB\-\-two\fR")

    def test_takes_capitals_for_a_placeholder_only_behind_a_flag(self):
        self.assertEqual(body("- `SIGHUP`: reads.")[1], r"\fBSIGHUP\fR")
        self.assertEqual(body("- `--a $HOME`: x.")[1], r"\fB\-\-a $HOME\fR")

    def test_has_each_row_of_a_table_as_a_term(self):
        self.assertEqual(body("| a | b |\n| --- | --- |\n| `x\\|y` | *does* it |"), [".TP", r"\fBx|y\fR", r"\fIdoes\fR it"])
        self.assertEqual(body("| a | b | c |\n| --- | --- | --- |\n| 1 | 2 | 3 |")[2], "B: 2. c: 3.")

    def test_keeps_code_as_it_is_and_lists_apart(self):
        self.assertEqual(body("    tool run\n    x\n\n- one\n- two\n\n1. first"),
                         [".PP", ".RS 4", ".nf", r"\fBtool run\fR", r"\fBx\fR", ".fi", ".RE", r".IP \(bu 2", "one", r".IP \(bu 2",
                          "two", ".IP 1. 4", "first"])

    def test_hides_from_troff_what_it_would_obey(self):
        self.assertEqual(body(".so /etc/passwd\n'x"), [".PP", r"\&.so /etc/passwd", r"\&'x"])
        self.assertEqual(body("a\\b `'~^\\`"), [".PP", r"a\eb \fB\(aq\(ti\(ha\e\fR"])

    def test_names_the_text_of_a_link_and_the_address_of_a_site(self):
        self.assertEqual(body("[tool](x.md)(8), [it](http://h)")[1], "tool(8), it (http://h)")

    def test_is_refused_in_another_shape(self):
        for text, why in (("- a\n  - b", "one level"), ("<b>x</b>", "none of the shapes"), ("* a", "none of the shapes"),
                          ("#### deep", "one title"), ("# two(1): titles", "one title"), ("| a |\n| --- |", "a table is"),
                          ("| a | b |\n| --- | --- |\n| c |", "a row of 1"), ("```\nx", "no end"), ("x" * 121, "121 columns"),
                          ("a\n" + "x" * 121, "121 columns")):
            with self.assertRaisesRegex(ShapeError, why, msg=text):
                body(text)
        with self.assertRaisesRegex(ShapeError, "begins with a title"):
            man_page("text\n", "1")

    def test_says_the_line_of_what_it_refuses(self):
        with self.assertRaisesRegex(ShapeError, "^5: "):
            body("one\n\n<two>")


class TestPagesOfThisProject(unittest.TestCase):
    def test_are_good_to_troff(self):
        if shutil.which("groff") is None:
            self.skipTest("groff is not there")
        for path in PAGES:
            made = man_page((ROOT / path).read_text(encoding="utf-8"), "1.2")
            done = subprocess.run(["groff", "-man", "-ww", "-Tutf8", "-Kutf8", "-P-c"], input=made, capture_output=True, text=True,
                                  check=True, timeout=60)
            self.assertEqual(done.stderr, "", path)
            self.assertIn("(default", done.stdout)  # neither bold nor italic: grotty strikes such letters over
            shown = re.sub(".\b", "", done.stdout)
            self.assertIn("NAME\n       cardswap", shown)
            self.assertNotIn("`", shown)

    def test_are_written_where_they_are_asked_for(self):
        with tempfile.TemporaryDirectory() as folder:
            subprocess.run([sys.executable, "-B", ROOT / "scripts/man_pages.py", "--version", "3.4", "--out", folder],
                           check=True, timeout=60)
            self.assertEqual(sorted(path.name for path in pathlib.Path(folder).iterdir()), ["cardswap.1", "cardswapd.8"])
            self.assertIn('"Cardswap 3.4"', (pathlib.Path(folder) / "cardswapd.8").read_text())


if __name__ == "__main__":
    unittest.main()
