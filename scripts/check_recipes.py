#!/usr/bin/env python3
"""Checks docs/trainer-guide.md against the programs that the tests build and run: each of its blocks of C++
names its source and is equal to it, byte for byte except for common indentation. (tests/package builds a
project from the guide's CMake lines as they are.)

    <!-- recipe: NAME -->   the lines between "// [recipe NAME]" and "// [end]" in tests/recipes/
    <!-- recipe: PATH -->   the whole file

--fix writes the blocks anew."""
import pathlib
import re
import sys
import textwrap

ROOT = pathlib.Path(__file__).resolve().parent.parent
GUIDE = ROOT / "docs/trainer-guide.md"
BLOCK = re.compile(r"(?:<!-- recipe: (?P<name>[^>]+) -->\n)?```(?P<language>cpp)\n(?P<text>.*?)```\n", re.S)


def regions():
    found = {}
    for path in sorted((ROOT / "tests/recipes").glob("*.cpp")):
        name = None
        for number, line in enumerate(path.read_text().splitlines(keepends=True), 1):
            begin = re.match(r"\s*// \[recipe (.+)\]$", line)
            end = re.match(r"\s*// \[end\]$", line)
            if begin and (name or begin.group(1) in found):
                sys.exit(f"{path}:{number}: this recipe is inside another one, or there twice")
            if begin:
                name = begin.group(1)
                found[name] = ""
            elif end:
                name = None
            elif name:
                found[name] += line
        if name:
            sys.exit(f"{path}: the recipe '{name}' has no end")
    return {name: textwrap.dedent(text) for name, text in found.items()}


def main():
    guide = GUIDE.read_text()
    known = regions()
    shown = set()
    bad = 0

    def told(text):
        nonlocal bad
        bad += 1
        print(f"docs/trainer-guide.md: {text}")

    def renewed(block):
        name = block["name"]
        shown.add(name)
        if name is None:
            told("a block names no recipe: " + block["text"].split("\n")[0])
            return block[0]
        if "/" in name:
            wanted = (ROOT / name).read_text()
        elif name in known:
            wanted = known[name]
        else:
            told(f"there is no recipe '{name}' in tests/recipes")
            return block[0]
        if wanted != block["text"] and "--fix" not in sys.argv:
            told(f"'{name}' is not what tests/recipes has: run scripts/check_recipes.py --fix")
        return f"<!-- recipe: {name} -->\n```{block['language']}\n{wanted}```\n"

    fixed = BLOCK.sub(renewed, guide)
    for name in known.keys() - shown:
        told(f"the recipe '{name}' is not shown")
    if "--fix" in sys.argv:
        GUIDE.write_text(fixed)
    return 1 if bad else 0


if __name__ == "__main__":
    sys.exit(main())
