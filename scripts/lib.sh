# Sourced by the scripts beside it: messages, sizes of this machine, places. Not a program.
# shellcheck shell=bash
set -euo pipefail

CARDSWAP_SOURCE="$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)"
export CARDSWAP_CACHE="${CARDSWAP_CACHE:-$HOME/.cache/cardswap}"

# Progress goes to stderr: stdout belongs to results.
say() { printf '%s\n' "$*" >&2; }
warn() { printf '%s: warning: %s\n' "${0##*/}" "$*" >&2; }
die() {
  printf '%s: error: %s\n' "${0##*/}" "$*" >&2
  exit 1
}
usage_error() {
  printf '%s: %s\nTry %s --help\n' "${0##*/}" "$*" "$0" >&2
  exit 2
}

# The comment block at the top of a script is its help.
show_help() { sed -n '2,/^$/{/^#/s/^# \{0,1\}//p}' "$0"; }

# $1 the option's name, $2 how many arguments are left with it.
need_value() { [ "$2" -ge 2 ] || usage_error "$1 needs a value"; }

# Compilers at a time: one a core, and 2 GiB each because LibTorch's headers take that much.
default_jobs() {
  local cores memory
  cores=$(nproc)
  memory=$(awk '/^MemAvailable:/ {print int($2 / 1024 / 1024 / 2)}' /proc/meminfo)
  [ "$memory" -ge 1 ] || memory=1
  echo $((cores < memory ? cores : memory))
}

# Configures build/$1 with the preset of that name; further arguments go to CMake. Quiet unless it
# fails.
configure() {
  local preset=$1 log
  shift
  mkdir -p "$CARDSWAP_SOURCE/build/$preset"
  log="$CARDSWAP_SOURCE/build/$preset/configure.log"
  if [ -n "${CARDSWAP_TORCH_ROOT:-}" ]; then set -- "-DCARDSWAP_TORCH_ROOT=$CARDSWAP_TORCH_ROOT" "$@"; fi
  (cd "$CARDSWAP_SOURCE" && cmake --preset "$preset" "$@") >"$log" 2>&1 || {
    tail -n 40 "$log" >&2
    die "cmake could not configure build/$preset; the whole output is in $log"
  }
}
