#!/usr/bin/env python3
"""Makes manual pages from the pages in docs/ that describe the programs.

    scripts/man_pages.py --check                      says where a page has another form
    scripts/man_pages.py --version 1.2 --out FOLDER   writes FOLDER/cardswap.1 and FOLDER/cardswapd.8

A page is plain Markdown of a fixed form, so that it is readable both as it is and as a manual page:

    # name(1): what it is       the title
    ## Section, ### Part        .SH and .SS
    - `--flag VALUE`: text      what something means; words in capitals behind a flag become italic
    - text, 1. text             lists of one level
    | head | head |             a row is a term and what it means
        code                    four spaces, or a fence

In text there are `code`, **strong**, *emphasised* and [links](other.md). Lines outside of tables have
at most 120 columns. Anything else is refused: the manual page would be wrong, and nobody would see it.
"""
import argparse
import dataclasses
import pathlib
import re
import sys

ROOT = pathlib.Path(__file__).resolve().parent.parent
PAGES = ("docs/cli.md", "docs/cardswapd.md")
WHOSE = {"1": "User Commands", "8": "System Administration"}
COLUMNS_MAX = 120

SPAN = r"`[^`]+`(?:\s\(default `[^`]+`\))?"
TERM = re.compile(rf"(?P<term>{SPAN}(?:,\s{SPAN})*): (?P<text>\S.*)", re.S)
ITEM = re.compile(r"(?P<mark>-|\d+\.) (?P<text>\S.*)")
TITLE = re.compile(r"(?P<name>[a-z-]+)\((?P<section>[1-8])\): (?P<what>\S.*)")
INLINE = re.compile(
    r"`(?P<code>[^`]+)`|\*\*(?P<strong>[^*]+)\*\*|\*(?P<soft>[^*]+)\*|\[(?P<link>[^\]]+)\]\((?P<to>[^)\s]+)\)")
PLACEHOLDER = re.compile(r"(?<![$\w-])[A-Z][A-Z0-9-]*\b(?![_\w])")


class ShapeError(Exception):
    """A page has something that cannot become a part of a manual page; `line` is where."""

    def __init__(self, line: int, why: str):
        super().__init__(f"{line}: {why}")


@dataclasses.dataclass
class Block:
    """One piece of a page. `kind` is title, section, part, text, code, item, term or table."""

    kind: str
    line: int
    text: str = ""
    term: str = ""
    rows: list = dataclasses.field(default_factory=list)


def cells(line: str) -> list[str]:
    return [cell.strip().replace("\\|", "|") for cell in re.split(r"(?<!\\)\|", line.strip().strip("|"))]


class Reader:
    def __init__(self, page: str):
        self.lines = page.split("\n")
        self.at = 0
        self.blocks: list[Block] = []

    def refuse(self, why: str):
        raise ShapeError(self.at + 1, why)

    def add(self, kind: str, line: int, **what):
        self.blocks.append(Block(kind, line + 1, **what))

    def read(self) -> list[Block]:
        while self.at < len(self.lines):
            line = self.lines[self.at]
            if len(line) > COLUMNS_MAX and not line.startswith("|"):
                self.refuse(f"{len(line)} columns; at most {COLUMNS_MAX} are read well")
            if not line.strip():
                self.at += 1
            elif line.startswith("#"):
                self.heading(line)
            elif line.startswith("```"):
                self.fence()
            elif line.startswith("    "):
                self.indented()
            elif line.startswith("|"):
                self.table()
            elif line.startswith((" ", "<", "!", ">", "* ", "+ ")):
                self.refuse("none of the shapes of a page: " + line.strip())
            else:
                self.paragraph()
        if not self.blocks or self.blocks[0].kind != "title":
            raise ShapeError(1, "a page begins with a title: # name(1): what it is")
        return self.blocks

    def heading(self, line: str):
        marks, _, text = line.partition(" ")
        kind = {"#": "title", "##": "section", "###": "part"}.get(marks)
        if kind is None or not text or (kind == "title") != (not self.blocks):
            self.refuse("a page has one title, sections (##) and parts (###)")
        if kind == "title" and not TITLE.fullmatch(text):
            self.refuse("a title is: # name(1): what it is")
        self.add(kind, self.at, text=text)
        self.at += 1

    def fence(self):
        begin = self.at
        end = next((n for n in range(begin + 1, len(self.lines)) if self.lines[n].startswith("```")), None)
        if end is None:
            self.refuse("this fence has no end")
        self.add("code", begin, text="\n".join(self.lines[begin + 1:end]))
        self.at = end + 1

    def indented(self):
        begin = self.at
        while self.at < len(self.lines) and self.lines[self.at].startswith("    "):
            self.at += 1
        self.add("code", begin, text="\n".join(line[4:] for line in self.lines[begin:self.at]))

    def table(self):
        begin = self.at
        rows = []
        while self.at < len(self.lines) and self.lines[self.at].startswith("|"):
            rows.append(cells(self.lines[self.at]))
            if len(rows[-1]) != len(rows[0]):
                self.refuse(f"a row of {len(rows[-1])} cells in a table of {len(rows[0])}")
            self.at += 1
        if len(rows) < 3 or any(cell.strip("-:") for cell in rows[1]):
            raise ShapeError(begin + 1, "a table is a head, a rule and rows")
        self.add("table", begin, rows=[rows[0], *rows[2:]])

    def paragraph(self):
        begin = self.at
        item = ITEM.fullmatch(self.lines[begin])
        text = item["text"] if item else self.lines[begin]
        self.at += 1
        indent = " " * (len(item["mark"]) + 1) if item else ""
        while self.at < len(self.lines) and (line := self.lines[self.at]).strip():
            if ITEM.fullmatch(line) or line.startswith(("#", "|", "```")):
                break
            if item and (not line.startswith(indent) or line[len(indent)] == " " or ITEM.match(line.strip())):
                self.refuse("a list has one level, and its lines stand below its text")
            if len(line) > COLUMNS_MAX:
                self.refuse(f"{len(line)} columns; at most {COLUMNS_MAX} are read well")
            text += "\n" + line.strip()
            self.at += 1
        term = TERM.fullmatch(text) if item and item["mark"] == "-" else None
        if term:
            self.add("term", begin, term=term["term"].replace("\n", " "), text=term["text"])
        elif item:
            self.add("item", begin, term=item["mark"], text=text)
        else:
            self.add("text", begin, text=text)


def blocks_of(page: str) -> list[Block]:
    """The pieces of a page, in order. Throws ShapeError."""
    return Reader(page).read()


def escaped(text: str, code: bool = False) -> str:
    text = text.replace("\\", "\\e")
    if code:
        for sign, troff in (("-", "\\-"), ("'", "\\(aq"), ("~", "\\(ti"), ("^", "\\(ha")):
            text = text.replace(sign, troff)
    return text


def literal(text: str, placeholders: bool) -> str:
    """Code in bold; the words that a user replaces, in italics."""
    bold = escaped(text, True)
    if placeholders:
        bold = PLACEHOLDER.sub(lambda word: rf"\fI{word[0]}\fB", bold.replace("\\-", "-")).replace("-", "\\-")
    return rf"\fB{bold}\fR"


def inline(text: str, placeholders: bool = False) -> str:
    """One paragraph as troff."""
    made = ""
    at = 0
    for found in INLINE.finditer(text):
        made += escaped(text[at:found.start()])
        at = found.end()
        if found["code"]:
            made += literal(found["code"], placeholders and found["code"].startswith("-"))
        elif found["strong"]:
            made += rf"\fB{escaped(found['strong'])}\fR"
        elif found["soft"]:
            made += rf"\fI{escaped(found['soft'])}\fR"
        else:
            made += inline(found["link"])
            if found["to"].startswith("http"):
                made += f" ({escaped(found['to'], True)})"
    return made + escaped(text[at:])


def sentence(text: str) -> str:
    """The text of a term whose meaning is on lines of its own."""
    return inline(text[0].upper() + text[1:])


def lines(text: str) -> str:
    """Lines of text, escaped so that troff takes none of them for a request."""
    return "\n".join(r"\&" + line if line.startswith((".", "'")) else line for line in text.split("\n"))


def table(rows: list) -> list[str]:
    head = rows[0]
    made = []
    for row in rows[1:]:
        told = row[1] if len(row) == 2 else " ".join(f"{name}: {cell}." for name, cell in zip(head[1:], row[1:]) if cell)
        made += [".TP", lines(inline(row[0])), lines(sentence(told))]
    return made


def man_page(page: str, version: str) -> str:
    """The manual page of a page. Throws ShapeError."""
    made: list[str] = []
    synopsis = False
    for block in blocks_of(page):
        if block.kind == "title":
            title = TITLE.fullmatch(block.text)
            name, section = title["name"], title["section"]
            made += [r'.\" Made by scripts/man_pages.py: change docs/ instead.',
                     f'.TH {name.upper()} {section} "" "Cardswap {version}" "{WHOSE[section]}"', ".nh", ".ad l",
                     ".SH NAME", rf"{name} \- {escaped(title['what'])}"]
        elif block.kind in ("section", "part"):
            synopsis = block.text == "Synopsis"
            heading = block.text.upper() if block.kind == "section" else inline(block.text)
            made.append((".SH " if block.kind == "section" else ".SS ") + heading)
        elif block.kind == "code":
            shown = [literal(line, synopsis or line.startswith(("cardswap ", "cardswapd "))) if line else ""
                     for line in block.text.split("\n")]
            made += [".PP", ".RS 4" if not synopsis else ".RS 0", ".nf", lines("\n".join(shown)), ".fi", ".RE"]
        elif block.kind == "term":
            made += [".TP", lines(inline(block.term, True)), lines(sentence(block.text))]
        elif block.kind == "item":
            made += [r".IP \(bu 2" if block.term == "-" else f".IP {block.term} 4", lines(inline(block.text))]
        elif block.kind == "table":
            made += table(block.rows)
        else:
            made += [".PP", lines(inline(block.text))]
    return "\n".join(made) + "\n"


def main() -> int:
    options = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    options.add_argument("--check", action="store_true", help="only say where a page has another shape")
    options.add_argument("--version", default="", help="of the programs, for the foot of each page")
    options.add_argument("--out", type=pathlib.Path, help="the folder to write to")
    given = options.parse_args()
    if given.check == (given.out is not None):
        options.error("give --check, or --out FOLDER")
    bad = 0
    for path in PAGES:
        text = (ROOT / path).read_text(encoding="utf-8")
        try:
            made = man_page(text, given.version)
        except ShapeError as error:
            print(f"{path}:{error}", file=sys.stderr)
            bad = 1
            continue
        title = TITLE.fullmatch(blocks_of(text)[0].text)
        if given.out:
            given.out.mkdir(parents=True, exist_ok=True)
            (given.out / f"{title['name']}.{title['section']}").write_text(made, encoding="utf-8")
    return bad


if __name__ == "__main__":
    sys.exit(main())
