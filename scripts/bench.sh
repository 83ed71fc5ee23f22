#!/usr/bin/env bash
# Usage: scripts/bench.sh [--json|--table] [--no-build] [GROUP...]
#
# Measures this build on this machine and prints one figure a line: as JSON objects
# {name, value, unit, goal, holds, n, spread} when stdout is no terminal, as a table otherwise.
# value is the median of n samples, spread the distance between their quartiles, holds whether the
# goal is met (null: no goal, for information). Wants a quiet machine; it says so when it is not one.
#
#   digest   digesting against reading memory, one thread
#   copy     the base copy against ucx_perftest's active messages, between two processes
#   idle     steps of a trainer through Cardswap's session against steps without it, in turns in one
#            process that is attached to an agent's socket: processor time
#   sync     steps of a trainer while its state goes over against before
#   base     all of these (default)
#   size        replay against stop-copy and a checkpoint file over a limited link; twice the size
#   slowdown    steps of a trainer while it is moved by replay, over a link that carries the log
#   prediction  predicted against measured downtime, different models and links; auto's choice
#   replay      these three (needs root, for network namespaces)
#   cost        what a migration costs the job in its own steps: the longest that one came late (stall) and all
#               lateness (lost), for each strategy, where state and gradients take the link a part of a step up to
#               many steps, in fp32 and with bf16 gradients; auto against the best; predictions (within 1.5 times what
#               was, or wrong by 0.1 steps at most); --max-stall (needs root; CARDSWAP_COST="--points 2,20 --gradients
#               fp32 --repeats 1" for fewer points; CARDSWAP_COST_TABLE=FILE keeps each move: what the file has is not
#               measured again, and scripts/downtime_svg.py draws it)
#   rehearsal   of eight trainers that each forget one thing, those that a rehearsed step finds; alarms in 100 moves of
#               trainers that forget nothing; what a rehearsal adds to stall and lost time
#               (CARDSWAP_REHEARSAL="--parts found,cost --moves 20" for less)
#   snapshots   what snapshots cost a GPT of 74 MiB (stall, slowdown, bytes) and LoRA adapters, how fast one is read,
#               verified and gone on from after a kill; beside them torch.save and torch's distributed checkpoint, where
#               scripts/setup.sh --python made their torch. Up to five minutes
#               (CARDSWAP_SNAPSHOTS="--parts stall,bytes --pairs 1" for less)
#   kills       100 kills of a protected job at random moments, each of which goes on bit for bit; steps lost
#               (CARDSWAP_KILLS=20 for fewer)
#   curve       downtime against size
#   criu        moving a process, against CRIU alone moving the same one (needs root)
#   python      a Python trainer's steps against steps without the package, and while its state goes over; what a replay
#               costs it; how fast its memory goes over, against a C++ program's; the downtime of a program without a line, its
#               tensors ahead of it and in CRIU's image (needs scripts/setup.sh --python, and for that root and
#               scripts/setup.sh --criu; CARDSWAP_PYTHON="idle base" for less)
#   ranks       moves of one rank of a job of many: what they make its steps late, with 2, 3 and 8 ranks, and what of
#               that the communicator is; against a stop, a checkpoint and a start by torchrun; steps while a communicator is
#               built, and while nobody moves (needs scripts/setup.sh --python; CARDSWAP_RANKS="--moves 3 pause" for less)
#   operations  the handover's model, health, placement, 10,000 simulated hosts, 50 agents' memory and
#               answers, an API under load, the crash matrix (needs root)
#
#   --json, --table   choose the form; --no-build   take build/release as it is
#
# Exit status: 0 measured, whether or not the goals are met; 1 something could not be measured;
# 2 wrong usage.

# shellcheck source-path=SCRIPTDIR
source "$(dirname "$0")/lib.sh"

form=table
[ -t 1 ] || form=json
build=yes
groups=()
while [ $# -gt 0 ]; do
  case "$1" in
    --help | -h) show_help && exit 0 ;;
    --json) form=json ;;
    --table) form=table ;;
    --no-build) build=no ;;
    digest | copy | idle | sync | size | slowdown | prediction | cost | rehearsal | snapshots | kills | curve | criu | python | ranks | operations) groups+=("$1") ;;
    base) groups+=(digest copy idle sync) ;;
    replay) groups+=(size slowdown prediction) ;;
    -*) usage_error "there is no option $1" ;;
    *) usage_error "there is no group $1" ;;
  esac
  shift
done
[ ${#groups[@]} -gt 0 ] || groups=(digest copy idle sync)

built="$CARDSWAP_SOURCE/${CARDSWAP_BUILD_DIR:-build/release}"
targets=()
for group in "${groups[@]}"; do
  case "$group" in
    digest) targets+=(bench_digest) ;;
    copy) targets+=(bench_base_copy) ;;
    idle) targets+=(bench_idle) ;;
    sync) targets+=(bench_sync gpt) ;;
    python) targets+=(cardswap_c plain_memory cardswapd cardswap) ;;
    ranks) targets+=(cardswap_c cardswapd cardswap) ;;
    criu) targets+=(cardswapd cardswap plain_memory) ;;
    cost) targets+=(bench_cost gpt cardswapd cardswap) ;;
    rehearsal) targets+=(bench_rehearsal forgetful gpt cnn lstm lora tied experts plain_memory cardswapd cardswap) ;;
    snapshots) targets+=(bench_snapshots gpt lora cardswapd cardswap) ;;
    kills) targets+=(snapshot_kills_test gpt plain_memory cardswapd cardswap) ;;
    operations) targets+=(cardswapd cardswap plain_memory handover_model_test health_test agent_test api_load_test
      bench_fleet_simulation crash_matrix_test crash_at_a_random_time_test) ;;
    *) targets+=(bench_replay gpt cnn lstm lora cardswapd cardswap) ;;
  esac
done
if [ "$build" = yes ]; then
  [ -e "$built/CMakeCache.txt" ] || configure release
  say "building"
  cmake --build "$built" --parallel "$(default_jobs)" --target "${targets[@]}" >"$built/bench.log" 2>&1 ||
    { tail -n 40 "$built/bench.log" >&2 && die "the build failed; its output is in $built/bench.log"; }
fi

warn_unless_quiet() {
  awk -v cores="$(nproc)" '$1 > cores / 4 {exit 1}' /proc/loadavg ||
    warn "the load is $(cut -d' ' -f1 /proc/loadavg) on $(nproc) cores: the figures are of a busy machine"
}

measure() {
  local programs="$built/tests/bench" trainer
  trainer=(--trainer "$built/runtime/gpt" --text "$CARDSWAP_SOURCE/LICENSE")
  say "measuring: $1"
  case "$1" in
    digest) "$programs/bench_digest" ;;
    copy) "$programs/bench_base_copy" ;;
    idle) "$programs/bench_idle" ;;
    sync) "$programs/bench_sync" --block 40 --pairs 9 "${trainer[@]}" ;;
    size) "$programs/bench_replay" size --repeats 3 --text "$CARDSWAP_SOURCE/LICENSE" ;;
    slowdown) "$programs/bench_replay" slowdown --repeats 7 --text "$CARDSWAP_SOURCE/LICENSE" ;;
    prediction) "$programs/bench_replay" prediction --text "$CARDSWAP_SOURCE/LICENSE" ;;
    # shellcheck disable=SC2086
    cost) "$programs/bench_cost" --text "$CARDSWAP_SOURCE/LICENSE" ${CARDSWAP_COST:-} ;;
    # shellcheck disable=SC2086
    rehearsal) "$programs/bench_rehearsal" --text "$CARDSWAP_SOURCE/LICENSE" ${CARDSWAP_REHEARSAL:-} ;;
    snapshots)
      local python=${CARDSWAP_TEST_PYTHON:-${CARDSWAP_CACHE:-$HOME/.cache/cardswap}/python-torch-2.11.0/bin/python}
      local peers=()
      if [ -x "$python" ]; then peers=(--python "$python" --peers "$CARDSWAP_SOURCE/scripts/bench_snapshot_peers.py"); fi
      # shellcheck disable=SC2086
      "$programs/bench_snapshots" --text "$CARDSWAP_SOURCE/LICENSE" "${peers[@]}" ${CARDSWAP_SNAPSHOTS:-} ;;
    kills) "$CARDSWAP_SOURCE/scripts/bench_kills.py" "$built" "${CARDSWAP_KILLS:-100}" ;;
    criu) "$CARDSWAP_SOURCE/scripts/bench_criu.py" "$built" ;;
    # shellcheck disable=SC2086
    python) "$CARDSWAP_SOURCE/scripts/bench_python.py" "$built" ${CARDSWAP_PYTHON:-} ;;
    # shellcheck disable=SC2086
    ranks) "$CARDSWAP_SOURCE/scripts/bench_ranks.py" "$built" ${CARDSWAP_RANKS:-} ;;
    operations) "$CARDSWAP_SOURCE/scripts/bench_operations.py" "$built" ;;
    curve) "$programs/bench_replay" curve --repeats 1 --text "$CARDSWAP_SOURCE/LICENSE" ;;
  esac
}

measure_all() {
  local group status=0
  for group in "${groups[@]}"; do
    measure "$group" || { warn "$group could not be measured" && status=1; }
  done
  return "$status"
}

as_table() {
  python3 -c '
import json, sys
row = "{:<52} {:>10} {:<6} {:>8} {:>6} {:>4} {:>9}".format
print(row("figure", "value", "unit", "goal", "holds", "n", "spread"), flush=True)
for line in sys.stdin:
    f = json.loads(line)
    holds = {None: "", True: "yes", False: "no"}[f["holds"]]
    goal = "" if f["goal"] is None else f["goal"]
    print(row(f["name"], f["value"], f["unit"], goal, holds, f["n"], f["spread"]), flush=True)
'
}

warn_unless_quiet
if [ "$form" = json ]; then measure_all; else measure_all | as_table; fi
