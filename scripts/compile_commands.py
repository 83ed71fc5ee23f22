#!/usr/bin/env python3
"""usage: compile_commands.py BUILD DIR    writes BUILD's compile_commands.json to DIR, for clang's tools

Gives other scripts the compiler's options for a file: those of the build, without options that only GCC
knows, without precompiled headers and without output files. Each of the sources that are compiled as one
(CARDSWAP_UNITY) has an entry."""
import json
import os
import pathlib
import re
import shlex
import sys

ROOT = pathlib.Path(__file__).resolve().parent.parent
# Options of GCC that clang does not know; a prefix each.
GCC_ONLY = ("-fconcepts", "-Wno-error=", "-Winvalid-pch", "-Wno-tsan", "-Wno-maybe-uninitialized",
            "-Wno-subobject-linkage")


def find_build() -> pathlib.Path | None:
    """The build folder of this checkout that was configured last."""
    found = [path.parent for path in (ROOT / "build").glob("*/compile_commands.json")]
    return max(found, key=lambda build: (build / "compile_commands.json").stat().st_mtime, default=None)


def options_of(command: str) -> list[str]:
    """`command` without the compiler, its launcher, its input and its output."""
    words = shlex.split(command)
    kept, i = [], 1
    while i < len(words):
        word = words[i]
        if word in ("-o", "-MF", "-MT"):
            i += 2
            continue
        if word == "-include" and "cmake_pch" in words[i + 1]:
            i += 2
            continue
        is_input = not word.startswith("-") and words[i - 1] not in ("-isystem", "-I", "-D", "-include")
        if word not in ("-c", "-MD") and not word.startswith(GCC_ONLY) and not is_input:
            kept.append(word)
        i += 1
    return kept


def sources_of(file: str) -> list[str]:
    """The sources that are compiled with `file`: itself, or those that CMake has united in it."""
    if "/Unity/unity_" not in file:
        return [file]
    return re.findall(r'^#include "(.+)"$', pathlib.Path(file).read_text(), re.MULTILINE)


class Commands:
    """The options of each compiled file of a build, by its path from the root."""

    def __init__(self, build: pathlib.Path):
        self.options: dict[str, list[str]] = {}
        for entry in json.loads((build / "compile_commands.json").read_text()):
            for source in sources_of(entry["file"]):
                path = os.path.relpath(source, ROOT)
                if path.endswith(".cpp") and not path.startswith(".."):
                    self.options.setdefault(path, options_of(entry["command"]))

    def near(self, path: str) -> list[str] | None:
        """The options for `path`; else for a file in its folder, or in the nearest folder above that has one."""
        if path in self.options:
            return self.options[path]
        folder = os.path.dirname(path)
        while folder:
            inside = sorted(each for each in self.options if each.startswith(folder + "/"))
            if inside:
                # The one with most include folders sees what all see.
                return self.options[max(inside, key=lambda each: len(self.options[each]))]
            folder = os.path.dirname(folder)
        return None


def main() -> int:
    if len(sys.argv) != 3:
        print(__doc__, file=sys.stderr)
        return 2
    commands = Commands(pathlib.Path(sys.argv[1]))
    database = [{"directory": str(ROOT), "file": str(ROOT / path), "arguments": ["clang++", *options, "-c", path]}
                for path, options in commands.options.items()]
    (pathlib.Path(sys.argv[2]) / "compile_commands.json").write_text(json.dumps(database))
    return 0


if __name__ == "__main__":
    sys.exit(main())
