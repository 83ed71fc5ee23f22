#!/usr/bin/env bash
# Sets up, builds and runs the tests.
set -euo pipefail
cd "$(dirname "$0")/.."

usage() {
  cat <<'EOF'
usage: scripts/test.sh [--asan|--tsan|--release] [--label LABEL] [--no-setup] [--build-only] [-- CTEST-ARGS...]
Builds in build/<preset> and prints ctest's summary. Labels: unit, integration, faults, journeys, security, fuzz.
The preset is `checked`: what `release` ships, with assertions.
  --release        without them, as it is shipped
  --build-only     builds them and runs none
  --asan, --tsan   the same tests under AddressSanitizer and UBSan, or ThreadSanitizer, without
                   LibTorch: its library is not instrumented, and what it does drowns our own
EOF
}

preset=checked
label=
setup=yes
run=yes
while [ $# -gt 0 ]; do
  case $1 in
    --asan) preset=asan ;;
    --tsan) preset=tsan ;;
    --release) preset=release ;;
    --label) label=${2:?--label needs a name}; shift ;;
    --no-setup) setup=no ;;
    --build-only) run=no ;;
    -h|--help) usage; exit 0 ;;
    --) shift; break ;;
    *) usage >&2; exit 2 ;;
  esac
  shift
done

[ "$setup" = no ] || scripts/setup.sh
export NINJA_STATUS="[%f/%t, %es] " CCACHE_SLOPPINESS=pch_defines,time_macros CCACHE_BASEDIR=$PWD CCACHE_NOHASHDIR=1
# Before the build, which asks each test program for the names of its tests.
suppressions=$PWD/scripts/sanitizers
export ASAN_OPTIONS=detect_container_overflow=0:detect_leaks=0:suppressions=$suppressions/asan.supp
# No hooks in the allocator: the sanitizers have theirs there.
export UCX_MEM_EVENTS=n UCX_HANDLE_ERRORS=none
export UBSAN_OPTIONS=print_stacktrace=1:halt_on_error=1
# Whatever reads a store in a child of the agent has threads of its own there.
export TSAN_OPTIONS=suppressions=$suppressions/tsan.supp:history_size=4:die_after_fork=0
cmake --preset "$preset"
cmake --build --preset "$preset"
[ "$run" = yes ] || exit 0

ctest --preset "$preset" ${label:+-L "$label"} "$@"
