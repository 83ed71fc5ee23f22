#!/usr/bin/env bash
# usage: scripts/maintenance.sh [OPTIONS] HOST[:PORT] -- COMMAND [ARGUMENT...]
# Moves every job away from a host, runs the command here, and opens the host again.
#
#   --drain-option OPTION   handed to `cardswap drain`, such as --drain-option=--to=gpu-b,gpu-c;
#                           may be given several times
#   --keep-cordoned         do not open the host again
#   -h, --help              this text
#
# The command is run as it is given, without a shell, only when every job is gone: for one on the
# host itself use ssh HOST ... . $CARDSWAP names the cardswap program (default: the one in PATH).
#
# Exit: 0 all done; 2 wrong usage; 1, 3 or 4 as the drain ended, and the command was not run; else
# what the command ended with. The host stays cordoned unless the exit is 0.

set -euo pipefail

cardswap=${CARDSWAP:-cardswap}
say() { printf 'maintenance: %s\n' "$*" >&2; }
usage_error() {
  say "$*; see $0 --help"
  exit 2
}

drain=()
keep=no
host=
while [ $# -gt 0 ]; do
  case $1 in
    -h|--help) sed -n '2,/^$/s/^# \{0,1\}//p' "$0"; exit 0 ;;
    --keep-cordoned) keep=yes ;;
    --drain-option=*) drain+=("${1#*=}") ;;
    --drain-option)
      [ $# -ge 2 ] || usage_error "--drain-option needs a value"
      drain+=("$2")
      shift ;;
    --) shift; break ;;
    -*) usage_error "'$1' is no option" ;;
    *)
      [ -z "$host" ] || usage_error "one host at a time, and -- before the command"
      host=$1 ;;
  esac
  shift
done
[ -n "$host" ] || usage_error "which host?"
[ $# -gt 0 ] || usage_error "there is no command after --"

status=0
"$cardswap" drain "$host" --reason maintenance ${drain[@]+"${drain[@]}"} || status=$?
if [ "$status" -ne 0 ]; then
  say "$host is not empty (exit $status): the command was not run"
  exit "$status"
fi

say "$host is empty; running: $(printf '%q ' "$@")"
"$@" || status=$?
if [ "$status" -ne 0 ]; then
  say "the command ended with $status: $host stays cordoned until 'cardswap uncordon $host'"
  exit "$status"
fi
if [ "$keep" = yes ]; then
  say "done; $host stays cordoned as asked"
  exit 0
fi
"$cardswap" uncordon "$host"
