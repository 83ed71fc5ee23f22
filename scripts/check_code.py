#!/usr/bin/env python3
"""Holds the rules of this code base that a look at one file's text can hold: banned words, locks,
coroutines, lengths. Other scripts hold the rest: scripts/check.sh runs them all."""
import re
import subprocess
import sys
from pathlib import Path

TESTS = ("tests/unit/", "tests/integration/", "tests/support/", "tests/faults/", "tests/security/", "tests/journeys/")
PRODUCT = ("agent/", "cuda/", "migrator/", "runtime/")

# (pattern in a line, why it is refused, where; empty: everywhere, where not)
BANNED = (
    (r"asio::detached|thread.*\.detach\(\)", "background work has an owner: TaskGroup or jthread", (), ()),
    (r"context_?\.stop\(\)", "tasks are cancelled and awaited, not cut off", (), ()),
    (r"\b(src|dst)\b([^.]|$)", "the pair is source and target", (), ()),
    (r"sleep_for|sleep_until|usleep", "a test waits for a condition", TESTS, ()),
    (r"class \w*(Manager|Util|Helper)\b", "names say what a thing is", (), ()),
    (r"GTEST_SKIP\(", "skip_without() names what is missing", ("tests/",), ("tests/support/needs.h",)),
    (r"std::(recursive_|shared_|timed_)?mutex\b|std::condition_variable", "Mutex and CARDSWAP_GUARDED_BY say what is guarded",
     PRODUCT, ("migrator/core/mutex.h", "runtime/examples/")),
)

# Files over 400 lines, with the reason.
LINES_MAX = 400
LONG: dict[str, str] = {}

# A coroutine's frame holds a pointer to its lambda, not the lambda's captures. Routes live as long as
# the router; others die while their coroutine still runs, unless whoever made them waits for it.
COROUTINE_LAMBDA = re.compile(
    r"\[(?P<capture>[^\[\]\n]+)\]\s*(?:\((?:[^()]|\([^()]*\))*\)\s*)?(?:mutable\s*|noexcept\s*)*->\s*(?:boost::)?asio::awaitable")
ROUTE = re.compile(r"router_?\.on\(\s*\"[A-Z]+\",\s*\"[^\"]*\",\s*$")
# (file, what stands before the lambda) -> why it outlives its coroutine.
CAPTURING = {
}


def banned_words(path, text):
    for pattern, why, where, but in BANNED:
        if (where and not path.startswith(where)) or (but and path.startswith(but)):
            continue
        for number, line in enumerate(text.splitlines(), 1):
            if re.search(pattern, line):
                yield f"{path}:{number}: banned: {line.strip()}: {why}"


def lambdas(path, text, capturing):
    """Each capturing lambda that is a coroutine: its line, and the key in `capturing` that allows it."""
    for found in COROUTINE_LAMBDA.finditer(text):
        before = text[:found.start()]
        if ROUTE.search(before):
            continue
        allowed = next((key for key in capturing if key[0] == path and before.rstrip().endswith(key[1])), None)
        yield before.count("\n") + 1, allowed


def complaints(files: dict[str, str], long=None, capturing=None) -> list[str]:
    """What is wrong with `files`, which maps paths to texts."""
    long = LONG if long is None else long
    capturing = CAPTURING if capturing is None else capturing
    found = []
    used = set()
    for path, text in files.items():
        found += banned_words(path, text)
        for line, allowed in lambdas(path, text, capturing):
            used.add(allowed)
            if allowed not in capturing:
                found.append(f"{path}:{line}: a lambda with captures is no coroutine: give it parameters, by value")
        lines = text.count("\n")
        if lines > LINES_MAX and path not in long:
            found.append(f"{path}: {lines} lines; has it taken on a second job?")
        elif lines <= LINES_MAX and path in long:
            found.append(f"{path}: {lines} lines: strike it off the list of long files")
    found += [f"{path}: on the list of long files, and not there" for path in long if path not in files]
    found += [f"{path}: no coroutine lambda stands behind '{before}' any more: strike it off the list"
              for path, before in capturing if (path, before) not in used]
    return found


def main() -> int:
    listed = subprocess.run(["git", "ls-files", "-co", "--exclude-standard", "*.h", "*.cpp", "*.cu", "*.cuh"],
                            capture_output=True, text=True, check=True).stdout.split()
    found = complaints({path: Path(path).read_text(encoding="utf-8") for path in listed if Path(path).exists()})
    print("\n".join(found), end="\n" if found else "")
    return 1 if found else 0


if __name__ == "__main__":
    sys.exit(main())
