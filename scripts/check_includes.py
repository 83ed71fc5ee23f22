#!/usr/bin/env python3
"""Checks the include directions of docs/architecture.md: which folder may include which."""
import os
import re
import subprocess
import sys

# Lowest first. A file may include its own folder and those before it, of the rooms that MAY names.
FOLDERS = (
    "runtime/include/cardswap", "migrator/base", "migrator/core", "migrator/plan", "migrator/wire", "migrator/store", "migrator/device", "migrator/tensors",
    "migrator/link",
    "migrator/link/ucx", "migrator/engine", "migrator/engine/source/sending", "migrator/engine/source/context",
    "migrator/engine/source/replay", "migrator/engine/source", "migrator/engine/target",
    "cuda",
    "runtime", "runtime/log", "runtime/roles", "runtime/session", "runtime/c_api", "runtime/holder", "runtime/snapshot", "runtime/torch", "runtime/examples",
    "agent/base", "agent/process", "agent/security", "agent/journal", "agent/http", "agent/api", "agent/placement",
    "agent/devices", "agent/jobs", "agent/criu/facts", "agent/criu", "agent/attach", "agent/handover/protocol",
    "agent/handover/base", "agent/handover/source", "agent/handover/target", "agent/handover", "agent/gang/protocol", "agent/gang/rendezvous", "agent/gang", "agent/follow",
    "agent/snapshots",
    "agent/health/decisions", "agent/health/sources", "agent/health", "agent/fleet", "agent/metrics",
    "agent/report", "agent/cli/text", "agent/cli", "agent/cli/follow", "agent/cli/snapshots", "agent/cli/jobs", "agent/cli/drain", "agent/cli/host",
    "agent",
)
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
    # The one header that a program shares with all rooms, by way of its sister.
    r"cardswap/error\.h": ("migrator/base/error.h", "runtime/include/cardswap/", "tests/"),
    r"cardswap/(session|tracking|values)\.h": ("runtime/", "tests/"),
    r"cardswap/torch\.h": ("runtime/torch/", "runtime/examples/", "tests/"),
    r"(ucp|ucs|uct)/": ("migrator/link/ucx/",),
    r"boost/": ("agent/", "tests/"),
    r"sqlite3\.h": ("agent/journal/", "tests/"),
    r"yaml-cpp/": ("agent/health/decisions/policy_yaml.cpp",),
    r"(cuda(\.h|_|std)|cub/|nvml\.h)": ("cuda/",),
}
# header pattern -> path prefixes that must not include it
NOT_IN = {
    # What happens to jobs and migrations knows no HTTP server: a request is read beside its routes.
    r"agent/api/": ("agent/criu/", "agent/handover/base/", "agent/handover/protocol/", "agent/handover/source/",
                    "agent/handover/target/", "agent/gang/protocol/", "agent/gang/gang_client", "agent/gang/gang_executor",
                    "agent/gang/gangs", "agent/gang/messages", "agent/gang/rank_", "agent/gang/records", "agent/health/decisions/", "agent/health/sources/"),
}
RANK = {folder: rank for rank, folder in enumerate(FOLDERS)}
PAGE = "docs/architecture.md"


def folders_of_page(page: str) -> list[str]:
    """The folders in the table of docs/architecture.md, in its order."""
    table = page.partition("\n| folder |")[2].partition("\n\n")[0]
    return re.findall(r"^\| `([a-z_/]+)/` \|", table, re.M)


def complaints_of_page(page: str, folders=FOLDERS) -> list[str]:
    """Where docs/architecture.md differs from FOLDERS."""
    told = folders_of_page(page)
    found = [f"{PAGE}: the table of folders lacks {folder}" for folder in folders if folder not in (*told, "agent")]
    found += [f"{PAGE}: there is no folder {folder}" for folder in told if folder not in folders]
    ranks = [folders.index(folder) for folder in told if folder in folders]
    found += [f"{PAGE}: {folders[next_]} stands below {folders[before]}, which may include it"
              for before, next_ in zip(ranks, ranks[1:]) if next_ < before]
    return found


def absent(path: str, lines, exists=os.path.exists) -> list[str]:
    """The includes of this project's headers in the file `path` that do not exist, such as a header that was moved."""
    found = []
    for number, line in enumerate(lines, 1):
        match = re.match(r'\s*#\s*include\s*"([^"]+)"', line)
        if match and match.group(1).split("/")[0] in ROOMS and not exists(match.group(1)):
            found.append(f"{path}:{number}: there is no {match.group(1)}")
    return found


def complaints(path: str, lines) -> list[str]:
    """What is wrong with the includes of the file `path`."""
    room = path.split("/")[0]
    if room not in MAY:
        return []
    found = []
    folder = os.path.dirname(path)
    if room != "tests" and folder not in RANK:
        found.append(f"{path}: the folder {folder} has no rank in scripts/check_includes.py")
    for number, line in enumerate(lines, 1):
        match = re.match(r'\s*#\s*include\s*([<"])([^>"]+)[>"]', line)
        if not match:
            continue
        header = match.group(2)
        first = header.split("/")[0]
        if match.group(1) == '"' and first in ROOMS:
            if first not in MAY[room]:
                found.append(f"{path}:{number}: {room} must not include {first}/")
            elif RANK.get(os.path.dirname(header), -1) > RANK.get(folder, len(RANK)):
                found.append(f"{path}:{number}: {folder} must not include {os.path.dirname(header)}, which is above it")
        for pattern, allowed in ONLY_IN.items():
            if re.match(pattern, header) and not path.startswith(allowed):
                found.append(f"{path}:{number}: {header} may be included only in {', '.join(allowed)}")
        for pattern, without in NOT_IN.items():
            if re.match(pattern, header) and path.startswith(without):
                found.append(f"{path}:{number}: {folder} must not include {os.path.dirname(header)}")
    return found


def main() -> int:
    files = subprocess.run(["git", "ls-files", "-co", "--exclude-standard", "*.h", "*.cpp", "*.cu", "*.cuh"],
                           capture_output=True, text=True, check=True).stdout.split()
    found = []
    for path in files:
        if os.path.exists(path):
            with open(path, encoding="utf-8") as file:
                lines = file.readlines()
            found += complaints(path, lines) + absent(path, lines)
    with open(PAGE, encoding="utf-8") as page:
        found += complaints_of_page(page.read())
    print("\n".join(found), end="\n" if found else "")
    return 1 if found else 0


if __name__ == "__main__":
    sys.exit(main())
