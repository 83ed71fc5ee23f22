"""What scripts/check_options.py says of pages and of help: python3 check_options_test.py SCRIPTS"""
import sys
import unittest

sys.path.insert(0, sys.argv.pop(1))
sys.dont_write_bytecode = True
from check_options import of_program  # noqa: E402

HELP = {
    "tool": """Does things
Usage: tool [OPTIONS] SUBCOMMAND

Options:
  -h,--help                   Print this help message and exit
  -o,--output TEXT:{table,json}
                              --other is no option: table or json

Subcommands:
  run, start                  Run
  pki                         Certificates

""",
    "tool run": """Run
Options:
  -h,--help                   Print this help message and exit
  --parallel UINT:INT in [1 - 64]=2
                              At a time
  --arrive TEXT:{auto,criu}=auto
                              How
  --device TEXT ...           Several

""",
    "tool pki": "Certificates\n\nSubcommands:\n  init                        Make\n\n",
    "tool pki init": "Make\n\nOptions:\n  -h,--help                   Print\n  --days INT=365              Validity\n\n",
}

PAGE = """# tool(1): does things

## Options

- `-h`, `--help`: help.
- `-o`, `--output table|json`: how.

## Verbs

### run

- `--parallel N` (default `2`): so many.
- `--arrive auto|criu` (default `auto`): how.
- `--device NAME`: where.

### pki init

- `--days N` (default `365`): long.

## Limits

- `--elsewhere`: is not looked at.
"""


def said(page: str) -> list[str]:
    return of_program(["tool"], page, lambda command: HELP[" ".join(command)])


class TestPage(unittest.TestCase):
    def test_with_every_option_and_no_other_is_good(self):
        self.assertEqual(said(PAGE), [])

    def test_that_lacks_an_option_is_told(self):
        self.assertEqual(said(PAGE.replace("- `--device NAME`: where.\n", "")), ["run: --device is in the help only"])
        self.assertEqual(said(PAGE.replace("`-o`, ", "")), ["tool: -o is in the help only"])

    def test_with_an_option_that_is_gone_is_told(self):
        self.assertEqual(said(PAGE.replace("`--days N` (default `365`)", "`--days N` (default `365`), `--old`")),
                         ["pki init: --old is on the page only"])

    def test_with_another_default_is_told(self):
        self.assertEqual(said(PAGE.replace("(default `2`)", "(default `3`)")),
                         ["run: --parallel is 2 by default, and on the page 3"])
        self.assertEqual(said(PAGE.replace(" (default `2`)", "")), ["run: --parallel is 2 by default, and on the page None"])

    def test_with_other_choices_is_told(self):
        self.assertEqual(said(PAGE.replace("table|json", "table|wide")),
                         ["tool: --output is one of json, table, and on the page of table, wide"])

    def test_that_lacks_a_verb_or_has_one_that_is_gone_is_told(self):
        self.assertEqual(said(PAGE.replace("### run", "### walk")),
                         ["run: the page has no such section", "walk: on the page only"])

    def test_takes_an_option_of_the_verb_that_it_stands_at(self):
        self.assertEqual(said(PAGE.replace("### pki init\n", "### pki init\n\n- `--device NAME`: where.\n", 1)
                              .replace("- `--device NAME`: where.\n", "", 1)),
                         ["run: --device is in the help only", "pki init: --device is on the page only"])


if __name__ == "__main__":
    unittest.main()
