#!/usr/bin/env bash
# usage: cardswap-maintenance [OPTIONS] HOST[:PORT] -- COMMAND [ARGUMENT...]
# Moves every job away from a host, runs the command here, and opens the host again.
#
#   --drain-option OPTION   handed to `cardswap drain`, such as --drain-option=--to=gpu-b,gpu-c;
#                           may be given several times
#   --keep-cordoned         do not open the host again
#   --wait TIME             how long its agent may take to be ready after the command (10m)
#   --reboot                the command restarts the host, and returns before that: wait until its
#                           agent is gone, then as above
#   -h, --help              this text
#
# The command is run as it is given, without a shell, only when every job is gone: for one on the
# host itself use ssh HOST ... . $CARDSWAP names the cardswap program (default: the one in PATH).
#
# Exit: 0 all done; 2 wrong usage; 1, 3 or 4 as the drain ended, and the command was not run;
# 10 done, but the host is still cordoned, by somebody else; 11 done, but its agent was not ready in
# time, or did not go away for --reboot, or refused: the host stays cordoned; else what the command
# ended with. The host stays cordoned unless the exit is 0. A cordon that was there before, or that
# somebody else made meanwhile, is theirs: it is never lifted.

set -euo pipefail

cardswap=${CARDSWAP:-cardswap}
say() { printf 'maintenance: %s\n' "$*" >&2; }
usage_error() {
  say "$*; see $0 --help"
  exit 2
}

drain=()
keep=no
wait=10m
reboot=no
host=
while [ $# -gt 0 ]; do
  case $1 in
    -h|--help) sed -n '2,/^$/s/^# \{0,1\}//p' "$0"; exit 0 ;;
    --keep-cordoned) keep=yes ;;
    --reboot) reboot=yes ;;
    --wait=*) wait=${1#*=} ;;
    --wait)
      [ $# -ge 2 ] || usage_error "--wait needs a value"
      wait=$2
      shift ;;
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

# Nobody else's cordon has this reason: by it the script knows its own.
reason="maintenance by $(id -un)@$(uname -n), $(date -u +%Y-%m-%dT%H:%M:%SZ), process $$"
status=0
"$cardswap" drain "$host" --reason "$reason" ${drain[@]+"${drain[@]}"} || status=$?
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
if [ "$reboot" = yes ]; then
  tries=0
  while "$cardswap" devices "$host" >/dev/null 2>&1; do
    tries=$((tries + 1))
    if [ "$tries" -ge 300 ]; then
      say "done, but $host did not go away within 5 minutes: it stays cordoned until 'cardswap uncordon $host'"
      exit 11
    fi
    sleep 1
  done
fi
answer=$("$cardswap" -o json uncordon "$host" --if-reason "$reason" --wait "$wait" 2>&1) || status=$?
if [ "$status" -eq 0 ]; then
  say "done; $host is open again"
  exit 0
fi
case $answer in
  *'"conflict"'*)
    say "done, but still cordoned: $answer"
    exit 10 ;;
esac
say "done, but $host could not be opened: it stays cordoned until 'cardswap uncordon $host': $answer"
exit 11
