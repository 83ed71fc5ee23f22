#!/usr/bin/env python3
"""Lists the links in this project's Markdown that lead to no file or to no heading, decisions that share a number,
and files that a comment in the sources names and that do not exist."""
import os
import re
import subprocess
import sys
from pathlib import Path

CODE = re.compile(r"```.*?```|^ {4}.*?$|`[^`\n]*`", re.S | re.M)
LINK = re.compile(r"\[[^\]\n]*\]\(([^)\s]+)\)")
HEADING = re.compile(r"^#{1,6} (.+)$", re.M)
FENCE = re.compile(r"```.*?```", re.S)
COMMENT = re.compile(r"(?<![:\"])//[^\n]*|/\*.*?\*/", re.S)
NAMED_FILE = re.compile(r"(?<![\w./<-])((?:[\w-]+/)*[\w-]+\.(?:cpp|cuh|cu|h))\b")
# Headers of others that comments speak of.
NOT_OURS = ("cuda.h", "linux/magic.h", "nvml.h", "ucp.h")
SOURCES = ("*.h", "*.cpp", "*.cu", "*.cuh")


def anchors(text: str) -> set[str]:
    """What may follow the page's name and `#`, as sites that show Markdown make it from headings."""
    found: set[str] = set()
    for heading in HEADING.findall(FENCE.sub("", text)):
        base = re.sub(r"[^\w -]", "", heading.lower()).strip().replace(" ", "-")
        count = 0
        while (name := f"{base}-{count}" if count else base) in found:
            count += 1
        found.add(name)
    return found


def complaints(pages: dict[str, str], exists) -> list[str]:
    """`pages` maps paths to texts; `exists` says whether there is a file or folder at a path."""
    known = {path: anchors(text) for path, text in pages.items()}
    found = []
    for path, text in pages.items():
        shown = CODE.sub(lambda code: re.sub(r"[^\n]", " ", code[0]), re.sub(r"\[`([^`\n]*)`\]", r"[\1]", text))
        for match in LINK.finditer(shown):
            file, _, anchor = match[1].partition("#")
            if re.match(r"[a-z]+:", file):
                continue
            to = os.path.normpath(os.path.join(os.path.dirname(path), file)) if file else path
            where = f"{path}:{shown.count(chr(10), 0, match.start()) + 1}"
            if to not in pages and not exists(to):
                found.append(f"{where}: there is no {to}")
            elif anchor and anchor not in known.get(to, ()):
                found.append(f"{where}: {to} has no heading '#{anchor}'")
    return found


def misnumbered(pages: dict[str, str]) -> list[str]:
    """A decision must have the same number in its file's name and its heading, and no other decision may have it."""
    found, taken = [], {}
    for path in sorted(pages):
        number = re.match(r"docs/decisions/(\d+)-", path)
        if not number:
            continue
        if not pages[path].startswith(f"# {int(number[1])}. "):
            found.append(f"{path}:1: the heading does not begin with '# {int(number[1])}. '")
        if (other := taken.setdefault(number[1], path)) != path:
            found.append(f"{path}: {other} has this number")
    return found


def absent_files(sources: dict[str, str]) -> list[str]:
    """A comment may name a file by its name alone, or with any number of its folders. `sources` maps paths to texts."""
    ends = {"/".join(parts[first:]) for parts in (path.split("/") for path in sources) for first in range(len(parts))}
    found = []
    for path, text in sources.items():
        for comment in COMMENT.finditer(text):
            for named in NAMED_FILE.finditer(comment[0]):
                if named[1] not in ends and named[1] not in NOT_OURS:
                    line = text.count("\n", 0, comment.start() + named.start()) + 1
                    found.append(f"{path}:{line}: there is no {named[1]}")
    return found


def texts(*patterns: str) -> dict[str, str]:
    """The texts of the files of this project, by path."""
    listed = subprocess.run(["git", "ls-files", "-co", "--exclude-standard", *patterns], capture_output=True, text=True,
                            check=True).stdout.split()
    return {path: Path(path).read_text(encoding="utf-8") for path in listed if Path(path).exists()}


def main() -> int:
    pages = texts("*.md")
    found = complaints(pages, lambda path: Path(path).exists()) + misnumbered(pages) + absent_files(texts(*SOURCES))
    print("\n".join(found), end="\n" if found else "")
    return 1 if found else 0


if __name__ == "__main__":
    sys.exit(main())
