#!/usr/bin/env bash
# Sets up, builds, and moves a training GPT live from one agent to another, a C++ program and, where there is a torch for
# Python, a Python one; proves that the moves changed nothing.
set -euo pipefail
cd "$(dirname "$0")/.."

usage() {
  cat <<'EOF'
usage: scripts/demo.sh [--json] [--steps N] [--strategy replay|rounds|stop-copy|auto] [--python]
Exit 0 only when each job moved and every loss and the final digest are bit-identical to those of the
same training without a move. With --json the last line is one JSON object: of the C++ GPT, with that
of the Python one, or null, as "python".
  --python   see to a torch for Python first: 4 GB, in the cache; where it is there the Python GPT is moved as well
EOF
}

json=no
steps=80
strategy=auto
python=no
while [ $# -gt 0 ]; do
  case $1 in
    --json) json=yes ;;
    --steps) steps=${2:?--steps needs a number}; shift ;;
    --python) python=yes ;;
    --strategy) strategy=${2:?--strategy needs a name}; shift ;;
    -h|--help) usage; exit 0 ;;
    *) usage >&2; exit 2 ;;
  esac
  shift
done

say() { printf '%s\n' "$*" >&2; }

scripts/setup.sh >&2
[ $python = no ] || scripts/setup.sh --python >&2
torch=${CARDSWAP_CACHE:-$HOME/.cache/cardswap}/python-torch-2.11.0
[ -e "$torch/compiled" ] || torch=
export NINJA_STATUS="[%f/%t, %es] " CCACHE_SLOPPINESS=pch_defines,time_macros CCACHE_BASEDIR=$PWD CCACHE_NOHASHDIR=1
[ -e build/checked/build.ninja ] || cmake --preset checked >&2
say "building (the first time takes some minutes)"
cmake --build --preset checked --target cardswapd cardswap gpt cardswap_c >&2

bin=$PWD/build/checked
dir=$(mktemp -d /tmp/cardswap-demo-XXXXXX)
agents=()
finish() {
  for host in a b; do
    for name in gpt gpt-in-python; do
      "$bin/agent/cardswap" --agent "$dir/$host/cardswapd.sock" --quiet stop $name --grace 1s >/dev/null 2>&1 || true
    done
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

export OMP_NUM_THREADS=1 JSON=$json

# move NAME LANGUAGE STEPS COMMAND...: trains without a move and with one; prints what came of it.
move() {
  local name=$1 language=$2 steps=$3 mover
  shift 3
  say "training the $language GPT without a move, for comparison"
  "$@" --loss-log "$dir/$name.undisturbed" || return
  say "training it again under host-a"
  "${cardswap_a[@]}" run --name "$name" -- "$@" --loss-log "$dir/$name.moved" >&2 || return
  quarter() { [ -e "$dir/$name.moved" ] && [ "$(grep -c '^step' "$dir/$name.moved")" -ge $((steps / 4)) ]; }
  wait_for 120 "a quarter of the training" quarter
  say "moving it to host-b while it trains"
  "${cardswap_a[@]}" -o json migrate "$name" --to "127.0.0.1:$port/cpu:0" --strategy "$strategy" >"$dir/$name.json" &
  mover=$!
  while kill -0 $mover 2>/dev/null; do
    "${cardswap_a[@]}" status 2>/dev/null | sed -n 2p >&2 || true
    sleep 0.3
  done
  wait $mover || return
  ended() { [ "$("${cardswap_b[@]}" -o json jobs | python3 -c 'import json, sys; print([j["state"] for j in json.load(sys.stdin)["jobs"] if j["name"] == sys.argv[1]][-1])' "$name")" = ended ]; }
  wait_for 300 "the end of the training" ended
  compare "$name" "$language" "$steps"
}

# Tells people, and leaves an object in NAME.result.
compare() {
  STEPS=$3 python3 - "$dir/$1" "$2" <<'EOF'
import json, os, sys
place, language = sys.argv[1:]
lines = lambda name: [l for l in open(f"{place}.{name}").read().splitlines() if not l.startswith("moved")]
plain, moved = lines("undisturbed"), lines("moved")
m = json.load(open(f"{place}.json"))
p = m["progress"]
steps = int(os.environ["STEPS"])
same = plain == moved and len(plain) == steps + 1 and plain[-1].startswith("digest ")
ok = same and m["result"] == "ok" and 0 < m["migrated_at_step"] < steps
mib = lambda n: f"{n / 2**20:.1f} MiB"
lost = ("not known: " + (m["lost_note"] or "?") if m["lost_ms"] is None else
        f"{m['lost_ms']:.1f} ms, {m['lost_steps']:.1f} steps, the latest of them late by {m['stall_ms']:.1f} ms")
human = sys.stderr if os.environ["JSON"] == "yes" else sys.stdout
print(f"""
the {language} GPT
moved       at step {m['migrated_at_step']} of {steps}, from {m['from']} to host-b/cpu:0
lost        {lost}
downtime    {m['downtime_ms']:.1f} ms, {mib(p['bytes_in_downtime'])} sent in it (a step takes {p['median_step_ms']:.1f} ms)
sent        {mib(p['transferred'])} for {mib(p['total'])} of state, {p['rounds']} rounds, {p['total_time_ms'] / 1e3:.2f} s in all
losses      {steps} steps, {'bit-identical to the run without a move' if same else 'DIFFERENT from the run without a move'}
final state {plain[-1] if same else 'DIFFERENT'}
""", file=human)
with open(f"{place}.result", "w") as result:
    json.dump({"result": "ok" if ok else "failed", "bit_identical": same, "steps": steps,
               "migrated_at_step": m["migrated_at_step"], "strategy": m["strategy"], "rounds": p["rounds"],
               "state_bytes": p["total"], "transferred_bytes": p["transferred"],
               "bytes_in_downtime": p["bytes_in_downtime"], "downtime_ms": m["downtime_ms"],
               "stall_ms": m["stall_ms"], "lost_ms": m["lost_ms"], "lost_steps": m["lost_steps"],
               "total_time_ms": p["total_time_ms"], "median_step_ms": p["median_step_ms"]}, result)
sys.exit(0 if ok else 1)
EOF
}

failed=no
move gpt C++ "$steps" "$bin/runtime/gpt" --steps "$steps" --text "$PWD/LICENSE" --layers 4 --width 192 || failed=yes
if [ -n "$torch" ]; then
  export PYTHONPATH=$bin/python PYTHONDONTWRITEBYTECODE=1
  # Ten times as many, for its steps are short, and its standby imports torch beside it.
  many=$((10 * steps))
  move gpt-in-python Python $many "$torch/bin/python" "$PWD/python/examples/nano_gpt.py" --steps $many --width 192 ||
    failed=yes
else
  say "there is no torch for Python: scripts/demo.sh --python fetches one and moves a Python GPT as well"
fi
if [ $json = yes ]; then
  python3 - "$dir" <<'EOF'
import json, os, sys
of = lambda name: json.load(open(name)) if os.path.exists(name := f"{sys.argv[1]}/{name}.result") else None
print(json.dumps({**(of("gpt") or {"result": "failed"}), "python": of("gpt-in-python")}))
EOF
fi
[ $failed = no ]
