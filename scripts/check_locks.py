#!/usr/bin/env python3
"""usage: check_locks.py [BUILD]     checks with clang that guarded members are used with their mutex held

Compiles nothing: clang only analyses the sources that use migrator/base/mutex.h, with the options that the
configured build has for them. Exit status 77: there is no clang, or nothing was configured."""
import concurrent.futures
import os
import pathlib
import re
import shutil
import subprocess
import sys

import compile_commands
from compile_commands import ROOT

WORDS = re.compile(r"\b(MutexLock|CARDSWAP_GUARDED_BY|Mutex)\b")
WARNINGS = ("-Wno-everything", "-Wthread-safety", "-Werror=thread-safety")


def users(sources) -> list[str]:
    """Those of `sources` that use a mutex, or whose own header does."""
    def speaks(path):
        path = ROOT / path
        return path.exists() and WORDS.search(path.read_text()) is not None
    return [path for path in sources if speaks(path) or speaks(path.removesuffix(".cpp") + ".h")]


def look(path: str, options: list[str]) -> str:
    command = ["clang++", *options, *WARNINGS, "-fsyntax-only", path]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True)
    return done.stderr if done.returncode != 0 else ""


def main() -> int:
    if shutil.which("clang++") is None:
        print("locks: there is no clang++ here")
        return 1 if "clang" in os.environ.get("CARDSWAP_REQUIRE", "").split(",") else 77
    build = pathlib.Path(sys.argv[1]) if len(sys.argv) > 1 else compile_commands.find_build()
    if build is None:
        print("locks: nothing was configured here: cmake --preset release")
        return 77
    commands = compile_commands.Commands(build)
    product = sorted(path for path in commands.options
                     if not path.startswith("tests/") and os.path.exists(ROOT / path))
    with concurrent.futures.ThreadPoolExecutor(os.cpu_count()) as pool:
        found = list(pool.map(lambda path: look(path, commands.options[path]), users(product)))
    complaints = [text for text in found if text]
    print("\n".join(complaints) if complaints else f"locks: {len(found)} sources are as they say")
    return 1 if complaints else 0


if __name__ == "__main__":
    sys.exit(main())
