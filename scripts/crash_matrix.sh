#!/usr/bin/env bash
# usage: scripts/crash_matrix.sh [OPTIONS]
# Breaks processes, links and disks at every state of a migration, and checks that no step of the
# training is lost, done twice or done by two, and that nothing is left behind: the tests labelled
# `faults`, as often as you like. Wants root, for disks that are full and links that are cut.
#
#   --rounds N     the whole matrix N times (default 1)
#   --random N     and N times 8 kills at random times of migrations
#   --seed S       of the random times (default: one by the clock; it is printed)
#   --jobs N       cases at a time (default: one a core)
#   --build DIR    a build that is there (default: build/release)
#   --log DIR      where the whole output goes (default: a new folder below the build)
#   -h, --help     this text
#
# Prints one JSON object a line for `crash_cases`, how many ran, and `crash_violations`, how many of
# them broke an invariant: {name, value, unit, goal, holds, n, spread}. What was skipped is told on
# stderr and does not count.
#
# Exit: 0 no violation; 1 a violation, or no case ran to its end; 2 wrong usage.

# shellcheck source=scripts/lib.sh
. "$(dirname "$0")/lib.sh"

rounds=1 random=0 seed=$(date +%s) jobs=$(nproc) build=$CARDSWAP_SOURCE/build/release log=
while [ $# -gt 0 ]; do
  case $1 in
    --rounds) need_value "$1" $#; rounds=$2; shift ;;
    --random) need_value "$1" $#; random=$2; shift ;;
    --seed) need_value "$1" $#; seed=$2; shift ;;
    --jobs) need_value "$1" $#; jobs=$2; shift ;;
    --build) need_value "$1" $#; build=$2; shift ;;
    --log) need_value "$1" $#; log=$2; shift ;;
    -h|--help) show_help; exit 0 ;;
    *) usage_error "'$1' is no option" ;;
  esac
  shift
done
for number in "$rounds" "$random" "$seed" "$jobs"; do
  [[ $number =~ ^[0-9]+$ ]] || usage_error "'$number' is no number"
done
tests=$build/tests/faults
[ -x "$tests/crash_matrix_test" ] || die "there is no $tests/crash_matrix_test; scripts/test.sh builds it"
log=${log:-$(mktemp -d "$build/crash_matrix-XXXXXX")}
mkdir -p "$log"

# $1 the program, $2 a name for its logs: all its cases, in as many processes as there are jobs.
run_all() {
  local i
  for ((i = 0; i < jobs; i++)); do
    GTEST_TOTAL_SHARDS=$jobs GTEST_SHARD_INDEX=$i "$tests/$1" >"$log/$2-$i.log" 2>&1 &
  done
  # A failure is counted from the logs; one that ends a process early is found as a case that
  # began and did not end.
  wait
}

for ((round = 1; round <= rounds; round++)); do
  run_all crash_matrix_test "matrix-$round"
  run_all criu_crash_test "criu-$round"
  say "round $round of $rounds is done"
done
for ((round = 0; round < random; round++)); do
  say "random kills $((round + 1)) of $random: --seed $((seed + round))"
  CARDSWAP_CRASH_SEED=$((seed + round)) run_all crash_at_a_random_time_test "random-$round"
done

count() { cat "$log"/*.log | grep -c -E "$1" || true; }
begun=$(count '^\[ RUN      \] (All|ByCriu)/')
passed=$(count '^\[       OK \] (All|ByCriu)/')
skipped=$(count '^\[  SKIPPED \] (All|ByCriu)/.*ms\)$')
ran=$((begun - skipped))
violations=$((ran - passed))
[ "$skipped" -eq 0 ] || warn "$skipped cases were skipped; the logs in $log say why"
[ "$violations" -eq 0 ] || warn "$violations violations; the logs are in $log"

figure() {
  printf '{"name":"%s","value":%d,"unit":"cases","goal":%s,"holds":%s,"n":%d,"spread":0}\n' "$@"
}
holds() { if [ "$1" "$2" "$3" ]; then echo true; else echo false; fi; }
figure crash_cases "$ran" 60 "$(holds "$ran" -ge 60)" "$ran"
figure crash_violations "$violations" 0 "$(holds "$violations" -eq 0)" "$ran"
[ "$violations" -eq 0 ] && [ "$ran" -gt 0 ]
