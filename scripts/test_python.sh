#!/usr/bin/env bash
# Runs the tests of the Python package with torch of other versions than the one that all else is tested with.
set -euo pipefail
cd "$(dirname "$0")/.."

usage() {
  cat <<'EOF'
usage: scripts/test_python.sh [--build DIR] [--torch VERSION|newest]... [-- ARGUMENTS]
Makes a virtual environment in the cache for each of these torch versions, with what pip finds for the Python that is
called python3, and runs tests/python/moves_test.py with it; without --torch: 2.6.0, the oldest that is supported, and
the newest. An environment takes 5 GB; remove $CARDSWAP_CACHE/python-torch-VERSION to be rid of it.
  --build DIR   the build folder (default build/checked), in which cardswapd, cardswap and cardswap_c are built
  ARGUMENTS     of unittest, such as Programs or Package
Exit status: 0 all passed; 1 some failed, or a version cannot be had; 2 wrong usage.
EOF
}

cache=${CARDSWAP_CACHE:-$HOME/.cache/cardswap}
build=build/checked
versions=()
while [ $# -gt 0 ]; do
  case $1 in
    --build) build=${2:?--build needs a folder}; shift ;;
    --torch) versions+=("${2:?--torch needs a version}"); shift ;;
    --) shift; break ;;
    -h|--help) usage; exit 0 ;;
    *) usage >&2; exit 2 ;;
  esac
  shift
done
[ ${#versions[@]} -gt 0 ] || versions=(2.6.0 newest)
[ -e "$build/agent/cardswapd" ] || { echo "test_python.sh: $build is not built" >&2; exit 1; }

# Whole or not there: the last thing that is written says so.
make_venv() {
  local venv=$cache/python-torch-$1 wanted=torch==$1
  [ "$1" != newest ] || wanted=torch
  [ ! -e "$venv/compiled" ] || [ "$1" = newest ] || return 0
  echo "fetching $wanted"
  [ -e "$venv/bin/pip" ] || python3 -m venv "$venv"
  "$venv/bin/pip" -q --disable-pip-version-check install --upgrade --only-binary=:all: "$wanted" numpy || return 1
  "$venv/bin/python" -m compileall -q -j 0 "$venv/lib" >/dev/null || true
  touch "$venv/compiled"
}

failed=no
for version in "${versions[@]}"; do
  make_venv "$version" || { echo "torch $version cannot be had here" >&2; failed=yes; continue; }
  python=$cache/python-torch-$version/bin/python
  echo "with $("$python" -c 'import sys, torch; print("torch", torch.__version__, "and Python", sys.version.split()[0])')"
  CARDSWAP_REQUIRE=python CARDSWAP_TEST_PYTHON=$python python3 -B tests/python/moves_test.py "$build" "$@" || failed=yes
done
[ $failed = no ]
