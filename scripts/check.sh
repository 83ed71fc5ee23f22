#!/usr/bin/env bash
# Every rule of this code base that a program can hold without a build.
set -euo pipefail
cd "$(dirname "$0")/.."

case ${1:-} in
  -h|--help)
    cat <<'HELP'
usage: scripts/check.sh [--fix]   format, includes, banned words, locks, coroutines, lengths, names, docs, hosts, Python
The rules that need a build's options are tests (ctest -R '^Rules[.]'); scripts/tidy.sh [BASE] looks further.
HELP
    exit 0 ;;
esac

bad=0
mapfile -t sources < <(git ls-files -co --exclude-standard '*.h' '*.cpp' '*.cu' '*.cuh' | while read -r file; do
  if [ -e "$file" ]; then echo "$file"; fi
done)

if [ "${1:-}" = --fix ]; then clang-format -i "${sources[@]}"; fi
clang-format --dry-run --Werror "${sources[@]}" || { echo "format: run scripts/check.sh --fix"; bad=1; }
python3 scripts/check_includes.py || bad=1
python3 scripts/check_recipes.py || bad=1
python3 scripts/man_pages.py --check || bad=1
python3 scripts/check_links.py || bad=1
python3 scripts/check_doc_names.py || bad=1
python3 scripts/check_code.py || bad=1
python3 scripts/check_hosts.py || bad=1
python3 scripts/check_names.py || bad=1
if command -v mypy >/dev/null && command -v pyflakes3 >/dev/null; then
  git ls-files -co --exclude-standard '*.py' '*.pyi' | while read -r file; do
    if [ -e "$file" ]; then echo "$file"; fi
  done | xargs -r pyflakes3 || bad=1
  [ ! -d python/cardswap ] || mypy --no-error-summary || bad=1
else
  echo "mypy and pyflakes3 are not here (scripts/setup.sh): Python is not checked"
fi
exit $bad
