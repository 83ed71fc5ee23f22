#!/usr/bin/env bash
# clang-tidy over the sources that this work has changed, or over FILES. What it finds is an error.
set -euo pipefail
cd "$(dirname "$0")/.."

usage() {
  cat <<'EOF2'
usage: scripts/tidy.sh [BASE] [-- FILES...]
Runs clang-tidy, with the checks of .clang-tidy, over the .cpp files that differ from where this work left
BASE (default: origin/main or main). Needs a configured build: `cmake --preset release`. Says so, and
succeeds, where there is no clang-tidy.
EOF2
}

base=
files=()
while [ $# -gt 0 ]; do
  case $1 in
    -h|--help) usage; exit 0 ;;
    --) shift; files=("$@"); break ;;
    -*) usage >&2; exit 2 ;;
    *) base=$1 ;;
  esac
  shift
done

if ! command -v clang-tidy >/dev/null; then echo "tidy: there is no clang-tidy here"; exit 0; fi
build=$(find build -maxdepth 2 -name compile_commands.json -printf '%T@ %h\n' 2>/dev/null | sort -n | tail -n 1 | cut -d' ' -f2)
if [ -z "$build" ]; then echo "tidy: nothing was configured here: cmake --preset release" >&2; exit 1; fi
if [ ${#files[@]} = 0 ]; then
  if [ -z "$base" ]; then base=$(git rev-parse --verify -q origin/main || git rev-parse --verify -q main || echo HEAD); fi
  since=$(git merge-base "$base" HEAD)
  mapfile -t files < <({ git diff --name-only --diff-filter=d "$since" -- '*.cpp'; git ls-files -o --exclude-standard '*.cpp'; } | sort -u)
fi
if [ ${#files[@]} = 0 ]; then echo "tidy: no source has changed"; exit 0; fi

database=$(mktemp -d)
trap 'rm -rf "$database"' EXIT
python3 scripts/compile_commands.py "$build" "$database"
# What the build does not compile, it has no options for.
mapfile -t known < <(python3 - "$database" "${files[@]}" <<'EOF2'
import json, os, sys
root = os.getcwd()
known = {os.path.relpath(entry["file"], root) for entry in json.load(open(sys.argv[1] + "/compile_commands.json"))}
print("\n".join(sorted(known & set(sys.argv[2:]))))
EOF2
)
known=("${known[@]/#/./}")
printf '%s\0' "${known[@]}" | xargs -0 -P "$(nproc)" -n 1 clang-tidy -p "$database" --quiet --warnings-as-errors='*'
echo "tidy: ${#known[@]} sources are clean"
