#!/usr/bin/env bash
# Sets up, builds, and moves a training GPT live from one agent to another; proves that the move
# changed nothing.
set -euo pipefail
cd "$(dirname "$0")/.."

usage() {
  cat <<'EOF'
usage: scripts/demo.sh [--json] [--steps N] [--strategy replay|rounds|stop-copy|auto]
Exit 0 only when the job moved and every loss and the final digest are bit-identical to those of the
same training without a move. With --json the last line is one JSON object.
EOF
}

json=no
steps=80
strategy=auto
while [ $# -gt 0 ]; do
  case $1 in
    --json) json=yes ;;
    --steps) steps=${2:?--steps needs a number}; shift ;;
    --strategy) strategy=${2:?--strategy needs a name}; shift ;;
    -h|--help) usage; exit 0 ;;
    *) usage >&2; exit 2 ;;
  esac
  shift
done

say() { printf '%s\n' "$*" >&2; }

scripts/setup.sh >&2
export NINJA_STATUS="[%f/%t, %es] " CCACHE_SLOPPINESS=pch_defines,time_macros CCACHE_BASEDIR=$PWD CCACHE_NOHASHDIR=1
[ -e build/checked/build.ninja ] || cmake --preset checked >&2
say "building (the first time takes some minutes)"
cmake --build --preset checked --target cardswapd cardswap gpt >&2

bin=$PWD/build/checked
dir=$(mktemp -d /tmp/cardswap-demo-XXXXXX)
agents=()
finish() {
  for host in a b; do
    "$bin/agent/cardswap" --agent "$dir/$host/cardswapd.sock" --quiet stop gpt --grace 1s >/dev/null 2>&1 || true
  done
  for pid in "${agents[@]}"; do kill "$pid" 2>/dev/null || true; done
  wait 2>/dev/null || true
  rm -rf "$dir"
}
trap finish EXIT

wait_for() {  # wait_for SECONDS WHAT COMMAND...
  local until=$((SECONDS + $1)) what=$2
  shift 2
  until "$@"; do
    [ $SECONDS -lt $until ] || { say "demo: $what did not happen in time"; tail -n 5 "$dir"/*.log >&2; exit 1; }
    sleep 0.1
  done
}
field() { python3 -c 'import json, sys; print(json.load(open(sys.argv[1]))[sys.argv[2]])' "$1" "$2"; }

for host in a b; do
  "$bin/agent/cardswapd" --data-dir "$dir/$host" --listen 127.0.0.1:0 --host-name "host-$host" 2>"$dir/$host.log" &
  agents+=($!)
done
for host in a b; do wait_for 20 "the start of agent $host" test -S "$dir/$host/cardswapd.sock"; done
port=$(field "$dir/b/agent.json" port)
cardswap_a=("$bin/agent/cardswap" --agent "$dir/a/cardswapd.sock")
cardswap_b=("$bin/agent/cardswap" --agent "$dir/b/cardswapd.sock")

train=("$bin/runtime/gpt" --steps "$steps" --text "$PWD/LICENSE" --layers 4 --width 192)
export OMP_NUM_THREADS=1
say "training the GPT without a move, for comparison"
"${train[@]}" --loss-log "$dir/undisturbed"

say "training it again under host-a"
"${cardswap_a[@]}" run --name gpt -- "${train[@]}" --loss-log "$dir/moved" >&2
quarter() { [ -e "$dir/moved" ] && [ "$(grep -c '^step' "$dir/moved")" -ge $((steps / 4)) ]; }
wait_for 120 "a quarter of the training" quarter

say "moving it to host-b while it trains"
"${cardswap_a[@]}" -o json migrate gpt --to "127.0.0.1:$port/cpu:0" --strategy "$strategy" >"$dir/migration.json" &
mover=$!
while kill -0 $mover 2>/dev/null; do
  "${cardswap_a[@]}" status 2>/dev/null | sed -n 2p >&2 || true
  sleep 0.3
done
wait $mover

ended() { [ "$("${cardswap_b[@]}" -o json jobs | python3 -c 'import json, sys; print([j["state"] for j in json.load(sys.stdin)["jobs"] if j["name"] == "gpt"][-1])')" = ended ]; }
wait_for 300 "the end of the training" ended

JSON=$json STEPS=$steps python3 - "$dir" <<'EOF'
import json, os, sys
folder = sys.argv[1]
lines = lambda name: [l for l in open(f"{folder}/{name}").read().splitlines() if not l.startswith("moved")]
plain, moved = lines("undisturbed"), lines("moved")
m = json.load(open(f"{folder}/migration.json"))
p = m["progress"]
steps = int(os.environ["STEPS"])
same = plain == moved and len(plain) == steps + 1 and plain[-1].startswith("digest ")
ok = same and m["result"] == "ok" and 0 < m["migrated_at_step"] < steps
mib = lambda n: f"{n / 2**20:.1f} MiB"
lost = ("not known: " + (m["lost_note"] or "?") if m["lost_ms"] is None else
        f"{m['lost_ms']:.1f} ms, {m['lost_steps']:.1f} steps, the latest of them late by {m['stall_ms']:.1f} ms")
human = sys.stderr if os.environ["JSON"] == "yes" else sys.stdout
print(f"""
moved       at step {m['migrated_at_step']} of {steps}, from {m['from']} to host-b/cpu:0
lost        {lost}
downtime    {m['downtime_ms']:.1f} ms, {mib(p['bytes_in_downtime'])} sent in it (a step takes {p['median_step_ms']:.1f} ms)
sent        {mib(p['transferred'])} for {mib(p['total'])} of state, {p['rounds']} rounds, {p['total_time_ms'] / 1e3:.2f} s in all
losses      {steps} steps, {'bit-identical to the run without a move' if same else 'DIFFERENT from the run without a move'}
final state {plain[-1] if same else 'DIFFERENT'}
""", file=human)
if os.environ["JSON"] == "yes":
    print(json.dumps({"result": "ok" if ok else "failed", "bit_identical": same, "steps": steps,
                      "migrated_at_step": m["migrated_at_step"], "strategy": m["strategy"], "rounds": p["rounds"],
                      "state_bytes": p["total"], "transferred_bytes": p["transferred"],
                      "bytes_in_downtime": p["bytes_in_downtime"], "downtime_ms": m["downtime_ms"],
                      "stall_ms": m["stall_ms"], "lost_ms": m["lost_ms"], "lost_steps": m["lost_steps"],
                      "total_time_ms": p["total_time_ms"], "median_step_ms": p["median_step_ms"]}))
sys.exit(0 if ok else 1)
EOF
