#!/usr/bin/env python3
"""Holds the include directions of docs/architecture.md: who may know whom."""
import re
import subprocess
import sys

ROOMS = ("migrator", "cuda", "runtime", "agent", "tests")
MAY = {
    "migrator": {"migrator"},
    "cuda": {"cuda", "migrator"},
    "runtime": {"runtime", "migrator", "cuda"},
    "agent": {"agent", "migrator", "cuda"},
    "tests": set(ROOMS),
}
# header pattern -> path prefixes that may include it
ONLY_IN = {
    r"(torch|ATen|c10)/": ("runtime/torch/", "runtime/include/cardswap/torch", "runtime/examples/", "tests/recipes/",
                            "tests/unit/runtime/torch_"),
    r"cardswap/torch\.h": ("runtime/torch/", "runtime/examples/", "tests/"),
    r"(ucp|ucs|uct)/": ("migrator/ucx/",),
    r"boost/": ("agent/", "tests/"),
    r"sqlite3\.h": ("agent/journal/", "tests/"),
    r"yaml-cpp/": ("agent/health/policy_yaml.cpp",),
    r"(cuda(\.h|_|std)|cub/|nvml\.h)": ("cuda/",),
}


def main() -> int:
    files = subprocess.run(["git", "ls-files", "-co", "--exclude-standard", "*.h", "*.cpp", "*.cu", "*.cuh"],
                           capture_output=True, text=True, check=True).stdout.split()
    bad = 0
    for path in files:
        room = path.split("/")[0]
        if room not in MAY:
            continue
        for number, line in enumerate(open(path, encoding="utf-8"), 1):
            match = re.match(r'\s*#\s*include\s*([<"])([^>"]+)[>"]', line)
            if not match:
                continue
            header = match.group(2)
            first = header.split("/")[0]
            if match.group(1) == '"' and first in ROOMS and first not in MAY[room]:
                print(f"{path}:{number}: {room} must not include {first}/")
                bad += 1
            for pattern, allowed in ONLY_IN.items():
                if re.match(pattern, header) and not path.startswith(allowed):
                    print(f"{path}:{number}: {header} may be included only in {', '.join(allowed)}")
                    bad += 1
    return 1 if bad else 0


if __name__ == "__main__":
    sys.exit(main())
