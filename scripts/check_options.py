#!/usr/bin/env python3
"""Checks docs/cli.md and docs/cardswapd.md against the programs: every option of each `--help` must be a term
in its section, with the same default and the same choices, and there must be no other term.

    scripts/check_options.py CARDSWAP CARDSWAPD"""
import dataclasses
import pathlib
import re
import subprocess
import sys

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent))
sys.dont_write_bytecode = True
from man_pages import ROOT, blocks_of  # noqa: E402

OPTION = re.compile(
    r"  (?P<names>-\S+)(?: +(?:TEXT|U?INT)(?::(?:\{(?P<choices>[^}]*)\}|INT in \[[^\]]*\]))?(?:=(?P<default>\S+))?)?")
VERB = re.compile(r"  (?P<name>[a-z]+)(?:, [a-z]+)* ")
TERM = re.compile(r"`(?P<code>-[^`]+)`(?: \(default `(?P<default>[^`]+)`\))?")
# Its default is another one for root, so the page says it in words.
TOLD_IN_WORDS = {"--data-dir"}


@dataclasses.dataclass(frozen=True)
class Option:
    default: str | None = None
    choices: frozenset = frozenset()


def listed(text: str, head: str) -> list[str]:
    """The lines of a list in a help text, "Options:" or "Subcommands:"."""
    _, _, rest = text.partition(f"\n{head}:\n")
    return rest.partition("\n\n")[0].split("\n") if rest else []


def options_of_help(text: str) -> dict[str, Option]:
    found = {}
    for match in filter(None, map(OPTION.match, listed(text, "Options"))):
        what = Option(match["default"], frozenset((match["choices"] or "").split(",")) - {""})
        found |= {name: what for name in match["names"].split(",")}
    return found


def verbs_of_help(text: str) -> list[str]:
    return [match["name"] for match in filter(None, map(VERB.match, listed(text, "Subcommands")))]


def options_of_page(page: str, heading: str) -> dict[str, Option] | None:
    """The options of a section with its parts, or of a part; None if the page has none of that name."""
    found = None
    level = ""
    for block in blocks_of(page):
        if block.kind in ("section", "part"):
            if block.text == heading:
                found, level = {}, block.kind
            elif block.kind == level or block.kind == "section":
                level = ""
        elif level and block.kind == "term":
            for match in TERM.finditer(block.term):
                name, _, value = match["code"].partition(" ")
                choices = frozenset(value.split("|") if "|" in value else ())
                found[name] = Option(match["default"], choices)
    return found


def complaints(where: str, page: dict[str, Option] | None, told: dict[str, Option], known=()) -> list[str]:
    """Where a section and a help text differ; `known` are options that every help has."""
    if page is None:
        return [f"{where}: the page has no such section"]
    found = [f"{where}: {name} is in the help only" for name in told if name not in page and name not in known]
    found += [f"{where}: {name} is on the page only" for name in page if name not in told]
    for name in (name for name in page if name in told):
        here, there = page[name], told[name]
        if name not in TOLD_IN_WORDS and here.default != there.default and there.default is not None:
            found.append(f"{where}: {name} is {there.default} by default, and on the page {here.default}")
        if here.choices and there.choices and here.choices != there.choices:
            found.append(f"{where}: {name} is one of {', '.join(sorted(there.choices))}, and on the page "
                         f"of {', '.join(sorted(here.choices))}")
    return found


def of_program(program: list[str], page: str, help_of) -> list[str]:
    """The options of a program; `help_of` returns what a command line with --help prints."""
    text = help_of(program)
    found = complaints(pathlib.Path(program[0]).name, options_of_page(page, "Options"), options_of_help(text))
    verbs = [[verb] for verb in verbs_of_help(text)]
    leaves = []
    for verb in verbs:
        below = verbs_of_help(help_of([*program, *verb]))
        leaves += [[*verb, name] for name in below] or [verb]
    for verb in leaves:
        name = " ".join(verb)
        found += complaints(name, options_of_page(page, name), options_of_help(help_of([*program, *verb])), ("-h", "--help"))
    if verbs:
        known = {" ".join(verb) for verb in leaves}
        parts = [block.text for block in blocks_of(page) if block.kind == "part"]
        found += [f"{part}: on the page only" for part in parts if part not in known]
    return found


def run_help(command: list[str]) -> str:
    return subprocess.run([*command, "--help"], capture_output=True, text=True, check=True, timeout=30).stdout


def main() -> int:
    if len(sys.argv) != 3:
        sys.exit(__doc__)
    found = []
    for program, path in zip(sys.argv[1:], ("docs/cli.md", "docs/cardswapd.md")):
        page = (ROOT / path).read_text(encoding="utf-8")
        found += [f"{path}: {what}" for what in of_program([program], page, run_help)]
    print("\n".join(found), end="\n" if found else "")
    return 1 if found else 0


if __name__ == "__main__":
    sys.exit(main())
