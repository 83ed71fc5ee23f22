#!/usr/bin/env python3
"""Two sources of a folder give no name twice in anonymous namespaces: they may be compiled as one
(CARDSWAP_UNITY), and a reader who looks for a name finds one thing. What both need stands in a header.
Aliases of one meaning and functions of other parameters may share a name; programs are compiled alone."""
import collections
import os
import re
import subprocess
import sys
from pathlib import Path

ROOMS = ("agent/", "cuda/", "migrator/", "runtime/")
OPENS = re.compile(r"^namespace ?([\w:]*) \{", re.MULTILINE)
ENDS = re.compile(r"^\}  // namespace.*$", re.MULTILINE)
ALIAS = re.compile(r"^(?:using|namespace) (\w+) = ([^;]+);", re.MULTILINE)
SHORT = re.compile(r"^namespace (\w+) = ([\w:]+);", re.MULTILINE)
TYPE = re.compile(r"^(?:struct|class|enum class|enum) (\w+)", re.MULTILINE)
VALUE = re.compile(r"^(?=\S)(?!using |namespace |return )(?:inline |static |const |constexpr )*[\w:<>, *]+ (\w+)(?:\[\])?(?:\{|;| = )", re.MULTILINE)
FUNCTION = re.compile(r"^[A-Za-z_\[][^;{}=\n#]*?\b(\w+)\(([^{};]*)\)[^;{}]*\{", re.MULTILINE)


def own_parts(text: str):
    """(enclosing namespace, what stands in an anonymous one there) of a source."""
    marks = sorted([(found.start(), found) for pattern in (OPENS, ENDS) for found in pattern.finditer(text)],
                   key=lambda mark: mark[0])
    open_now: list[tuple[str, int]] = []
    for _, mark in marks:
        if mark.re is OPENS:
            open_now.append((mark[1], mark.end()))
        elif open_now:
            name, begin = open_now.pop()
            if not name:
                yield "::".join(outer for outer, _ in open_now), text[begin:mark.start()]


def names_in(part: str, text: str):
    """Each name with what tells it from others that may share it: parameters by what aliases of the source stand for."""
    for found in ALIAS.finditer(part):
        yield found[1], " = " + found[2]
    for found in TYPE.finditer(part):
        yield found[1], ""
    for found in VALUE.finditer(part):
        yield found[1], ""
    for found in FUNCTION.finditer(part):
        parameters = re.sub(r" ?\b\w+ ?(,|$)", r"\1", re.sub(r"\s+", " ", found[2]))
        for alias, meaning in SHORT.findall(text):
            parameters = re.sub(rf"\b{alias}::", meaning + "::", parameters)
        yield found[1], f"({parameters})"


def complaints(files: dict[str, str]) -> list[str]:
    places = collections.defaultdict(lambda: collections.defaultdict(set))
    for path, text in files.items():
        if path.startswith(ROOMS) and path.endswith(".cpp") and not re.search(r"^int main\(", text, re.MULTILINE):
            for outer, part in own_parts(text):
                for name, rest in names_in(part, text):
                    places[os.path.dirname(path), outer, name][rest].add(path)
    found = []
    for (_, _, name), meanings in sorted(places.items()):
        alias = any(rest.startswith(" = ") for rest in meanings)
        if alias and len(meanings) > 1:
            clash = set().union(*meanings.values())
        else:
            clash = set().union(set(), *(paths for rest, paths in meanings.items() if len(paths) > 1 and not alias))
        if len(clash) > 1:
            found.append(f"{', '.join(sorted(clash))}: {name} is a name of each: give one another, or write it once")
    return found


def main() -> int:
    listed = subprocess.run(["git", "ls-files", "-co", "--exclude-standard", "*.cpp"], capture_output=True, text=True,
                            check=True).stdout.split()
    found = complaints({path: Path(path).read_text(encoding="utf-8") for path in listed if Path(path).exists()})
    print("\n".join(found), end="\n" if found else "")
    return 1 if found else 0


if __name__ == "__main__":
    sys.exit(main())
