#!/usr/bin/env bash
# Every rule of this code base that a program can hold.
set -euo pipefail
cd "$(dirname "$0")/.."

case ${1:-} in
  -h|--help) echo "usage: scripts/check.sh [--fix]   format, include direction, banned words, file lengths"; exit 0 ;;
esac

bad=0
mapfile -t sources < <(git ls-files -co --exclude-standard '*.h' '*.cpp')

if [ "${1:-}" = --fix ]; then clang-format -i "${sources[@]}"; fi
clang-format --dry-run --Werror "${sources[@]}" || { echo "format: run scripts/check.sh --fix"; bad=1; }
python3 scripts/check_includes.py || bad=1
python3 scripts/check_recipes.py || bad=1

banned() {  # banned PATTERN WHY [PATHS...]
  local pattern=$1 why=$2
  shift 2
  if git grep -nE "$pattern" -- "${@:-*.h}" "${@:-*.cpp}"; then echo "banned: $why"; bad=1; fi
}
banned 'asio::detached|thread.*\.detach\(\)' 'background work has an owner: TaskGroup or jthread'
banned 'context_?\.stop\(\)' 'tasks are cancelled and awaited, not cut off'
banned '\b(src|dst)\b([^.]|$)' 'the pair is source and target'
banned 'sleep_for|sleep_until|usleep' 'a test waits for a condition' 'tests/unit/*' 'tests/integration/*' 'tests/support/*'
banned 'class \w*(Manager|Util|Helper)\b' 'names say what a thing is'

# Files over 400 lines need a reason here.
declare -A long=(
)
for file in "${sources[@]}"; do
  lines=$(wc -l <"$file")
  if [ "$lines" -gt 400 ]; then
    if [ -n "${long[$file]:-}" ]; then echo "note: $file has $lines lines: ${long[$file]}"
    else echo "length: $file has $lines lines; has it taken on a second job?"; bad=1; fi
  elif [ -n "${long[$file]:-}" ]; then
    echo "length: $file has $lines lines: strike it off the list of long files"; bad=1
  fi
done
for file in "${!long[@]}"; do
  if [ ! -e "$file" ]; then echo "length: the list of long files names $file, which is not there"; bad=1; fi
done
exit $bad
