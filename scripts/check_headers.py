#!/usr/bin/env python3
"""usage: check_headers.py [--all] [--base REF] [--max N] [BUILD]     each header compiles alone

For each header compiles a file that includes nothing else, with the options that the configured build
uses near it. Without --all these are the headers that changed since REF (default: since this branch left
origin/main or main; on main, since the commit before): a second or two each. `--max N` looks at N of
them, and says so: work that touches half of the code needs --all, which takes minutes.
Exit status 77: nothing was configured."""
import argparse
import concurrent.futures
import os
import pathlib
import subprocess
import sys
import tempfile

import compile_commands
from compile_commands import ROOT


def git(*words) -> list[str]:
    done = subprocess.run(["git", *words], cwd=ROOT, capture_output=True, text=True)
    return done.stdout.split() if done.returncode == 0 else []


def changed_since(base: str | None) -> list[str]:
    """Files that differ from the commit where this work left `base`; on `base` itself, from the commit before."""
    for ref in [base] if base else ["origin/main", "main"]:
        since = git("merge-base", ref, "HEAD")
        if since:
            break
    else:
        since = []
    if since == git("rev-parse", "HEAD"):
        since = git("rev-parse", "--verify", "-q", "HEAD~1")
    return git("diff", "--name-only", "--diff-filter=d", *(since or ["HEAD"])) + git("ls-files", "-o", "--exclude-standard")


def headers(files) -> list[str]:
    return sorted({path for path in files if path.endswith(".h") and (ROOT / path).exists()})


def compile_alone(header: str, options: list[str], compiler: str = "c++") -> str:
    """The compiler's complaints about the header; empty: it compiles."""
    with tempfile.TemporaryDirectory() as folder:
        source = pathlib.Path(folder) / "alone.cpp"
        source.write_text(f'#include "{ROOT / header}"\n')
        command = [compiler, *options, "-Wno-pragma-once-outside-header", "-fsyntax-only", str(source)]
        done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True)
    return f"{header} does not compile alone:\n{done.stderr}" if done.returncode != 0 else ""


def main() -> int:
    arguments = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    arguments.add_argument("--all", action="store_true")
    arguments.add_argument("--base")
    arguments.add_argument("--max", type=int, default=sys.maxsize)
    arguments.add_argument("build", nargs="?", type=pathlib.Path, default=compile_commands.find_build())
    given = arguments.parse_args()
    if given.build is None:
        print("headers: nothing was configured here: cmake --preset release")
        return 77
    commands = compile_commands.Commands(given.build)
    wanted = headers(git("ls-files", "-co", "--exclude-standard", "*.h") if given.all else changed_since(given.base))
    known = [(header, options) for header in wanted if (options := commands.near(header)) is not None]
    # Of too many, a sample of all rooms.
    known = known[::max(1, -(-len(known) // given.max))]
    with concurrent.futures.ThreadPoolExecutor(os.cpu_count()) as pool:
        complaints = [text for text in pool.map(lambda pair: compile_alone(*pair), known) if text]
    print("\n".join(complaints) if complaints else f"headers: {len(known)} of {len(wanted)} compile alone")
    return 1 if complaints else 0


if __name__ == "__main__":
    sys.exit(main())
