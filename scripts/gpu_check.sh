#!/usr/bin/env bash
# Usage: scripts/gpu_check.sh [--pack] [--deps DIR] [--out DIR] [--commit ID] [--programs FILE] [--quick] [STAGE...]
#
# Verifies the cuda device on a machine with a GPU, and writes what it saw as one JSON file and one
# Markdown table: card, driver, date, commit, every stage's outcome, every figure.
#
#   facts       card, driver, CUDA, torch; which tools are there
#   build       everything, for this card, with the LibTorch of this machine's Python
#   unit        the kernels and copies against the cpu reference, and the stand-in tests
#   sanitize    compute-sanitizer on the kernels: sanitize:memcheck, :racecheck, :initcheck, :synccheck
#   bench       digest and staging against the card's copies (tests/bench/cuda.cpp)
#   migrate     a GPT moves between two processes on the card, by rounds and by replay, bit-identical;
#               downtime, slowdown. migrate:1g and migrate:10g, and of each :fp32, :bf16 and
#               :bf16_masters (bf16 with fp32 weights)
#   checkpoint  the same by a checkpoint file, and by NVIDIA's driver: checkpoint:1g, checkpoint:10g
#
# A visit may take several calls: what is written for one commit and card adds up, and a stage that is
# run again replaces what it said before. The build is kept, and its programs are left in DIR too, for a
# machine that starts anew between two calls.
#
#   --pack       here, with a network: gathers what such a machine lacks (Debian packages, UCX with
#                CUDA, test and build libraries) into DIR, and ends; under 64 MiB
#   --deps DIR   where that was put (default .gpu-deps)
#   --out DIR    where results go (default docs/measurements)
#   --commit ID  what is checked, where this is no git checkout
#   --programs FILE   in place of a build: programs.tar.gz of an earlier one, same source, same paths
#   --quick      the 10 GB state is left out
#
# Without a GPU it says so and exits with 77. Exit status: 0 every stage so far passed and every
# figure meets its goal, 1 otherwise (the table says which), 2 wrong usage.

# shellcheck source-path=SCRIPTDIR
source "$(dirname "$0")/lib.sh"

all=(facts build unit sanitize:{memcheck,racecheck,initcheck,synccheck} bench
  migrate:{1g,10g}:{fp32,bf16,bf16_masters} checkpoint:{1g,10g})
deps="$CARDSWAP_SOURCE/.gpu-deps"
out="$CARDSWAP_SOURCE/docs/measurements"
commit=$(git -C "$CARDSWAP_SOURCE" describe --always --dirty --abbrev=40 --exclude='*' 2>/dev/null || true)
pack=no
quick=no
given_programs=
asked=()
while [ $# -gt 0 ]; do
  case "$1" in
    --help | -h) show_help && exit 0 ;;
    --pack) pack=yes ;;
    --deps) need_value "$1" $#; deps=$2; shift ;;
    --out) need_value "$1" $#; out=$2; shift ;;
    --commit) need_value "$1" $#; commit=$2; shift ;;
    --programs) need_value "$1" $#; given_programs=$(realpath "$2"); shift ;;
    --quick) quick=yes ;;
    -*) usage_error "there is no option $1" ;;
    *)
      printf '%s:\n' "${all[@]}" | grep -q "^$1:" || usage_error "there is no stage $1"
      asked+=("$1") ;;
  esac
  shift
done

# Of all stages those that were asked for: each by its name, or by the beginning of it.
stages=()
for stage in "${all[@]}"; do
  if [[ $quick == yes && $stage == *:10g* ]]; then continue; fi
  if [ ${#asked[@]} -eq 0 ]; then stages+=("$stage"); fi
  for name in "${asked[@]}"; do
    if [[ $stage: == "$name":* ]]; then stages+=("$stage") && break; fi
  done
done
mkdir -p "$deps" "$out"
deps=$(cd "$deps" && pwd)
out=$(cd "$out" && pwd)

ucx_wheel=libucx-cu13==1.22.0
packages=(libboost1.81-dev libsqlite3-dev libsqlite3-0 libgtest-dev libgmock-dev googletest libfmt-dev libfmt9
  libspdlog-dev libspdlog1.10 libcli11-dev libxxhash-dev libxxhash0 liblz4-dev liblz4-1 libzstd-dev libzstd1
  libyaml-cpp-dev libyaml-cpp0.7 libssl-dev libssl3 pkg-config libpkgconf3 pkgconf pkgconf-bin)

# What this machine would take from its registries, as files: no dependency of theirs, which the
# other machine has (libc, libstdc++).
pack_dependencies() {
  local size
  rm -rf "$deps" && mkdir -p "$deps/debs" "$deps/wheels"
  say "fetching ${#packages[@]} packages"
  (cd "$deps/debs" && apt-get download "${packages[@]}" >/dev/null) || die "apt-get could not fetch the packages"
  python3 -m pip download --quiet --no-deps --only-binary=:all: --python-version 3.12 --platform manylinux_2_28_x86_64 \
    -d "$deps/wheels" "$ucx_wheel" || die "pip could not fetch $ucx_wheel"
  # Of UCX only what runs and links: no archives, no tools, each library once; and what the wheel
  # brings for its own libraries.
  python3 -m zipfile -e "$deps"/wheels/*.whl "$deps/ucx"
  find "$deps/ucx/libucx" \( -name '*.a' -o -name '*.la' -o -name '*perftest*' -o -name '*.so.*.*' -o -path '*/bin/*' \) -type f -delete
  find "$deps/ucx/libucx" -name '*.so' -type f | while read -r library; do
    if [ -e "$library.0" ]; then ln -sf "$(basename "$library").0" "$library"; fi
  done
  tar -C "$deps/ucx" -czf "$deps/ucx.tar.gz" libucx libucx_cu13.libs
  rm -rf "$deps/ucx" "$deps/wheels"
  size=$(du -sm "$deps" | cut -f1)
  [ "$size" -lt 64 ] || die "$deps has $size MiB, over 64"
  say "$deps: $size MiB in $(find "$deps" -type f | wc -l) files; carry it along with the source"
}
if [ "$pack" = yes ]; then pack_dependencies; exit 0; fi

if ! nvidia-smi -L 2>/dev/null | grep -q GPU; then say "no GPU here: nothing is checked" && exit 77; fi
[ -n "$commit" ] || usage_error "this is no git checkout: --commit says what is checked"

prefix=/tmp/cardswap-gpu-deps
built="$CARDSWAP_SOURCE/build/gpu"
log="$out/gpu_check.log"
output=$(mktemp)
trap 'rm -f "$output"' EXIT

unpack_dependencies() {
  [ -e "$prefix/.done" ] && return
  [ -d "$deps/debs" ] || die "no $deps: run scripts/gpu_check.sh --pack where there is a network"
  mkdir -p "$prefix"
  local deb
  for deb in "$deps"/debs/*.deb; do dpkg -x "$deb" "$prefix"; done
  tar -C "$prefix" -xzf "$deps/ucx.tar.gz"
  # The packages' own paths say /usr.
  sed -i "s|^prefix=/usr|prefix=$prefix/usr|" "$prefix"/usr/lib/x86_64-linux-gnu/pkgconfig/*.pc "$prefix"/usr/share/pkgconfig/*.pc 2>/dev/null || true
  touch "$prefix/.done"
}

environment() {
  local lib="$prefix/usr/lib/x86_64-linux-gnu"
  export PATH="$prefix/usr/bin:/usr/local/cuda/bin:$PATH"
  export LD_LIBRARY_PATH="$prefix/libucx/lib:$lib${LD_LIBRARY_PATH:+:$LD_LIBRARY_PATH}"
  export PKG_CONFIG_PATH="$lib/pkgconfig:$prefix/usr/share/pkgconfig" PKG_CONFIG_SYSTEM_INCLUDE_PATH=/nowhere
  export CPATH="$prefix/usr/include:$prefix/usr/include/x86_64-linux-gnu" LIBRARY_PATH="$lib"
  export UCX_MODULE_DIR="$prefix/libucx/lib/ucx"
}

# ---- stages

facts() {
  nvidia-smi --query-gpu=name,uuid,driver_version,memory.total,pci.bus_id --format=csv
  nvcc --version | tail -2
  python3 -c 'import torch; print("torch", torch.__version__, torch.version.cuda, torch.cuda.get_device_name(0))'
  command -v compute-sanitizer ncu cmake ninja g++ || true
  g++ --version | head -n 1
  uname -r && nproc && free -g | sed -n 2p
}

# What is built, and the libraries that the tests load.
programs=(agent/cardswapd agent/cardswap agent/cardswap-init agent/cardswap-holder agent/cardswap-keeper runtime/gpt
  tests/unit/{on_card,cuda,card_arena,driver_vmm,driver_checkpoint,migrator}_test
  tests/integration/{cuda_engine,engine}_test tests/bench/bench_{cuda,driver_checkpoint})

build() {
  local torch arch work
  if [ -n "$given_programs" ]; then
    mkdir -p "$built" && tar -C "$built" -xzf "$given_programs"
    return
  fi
  torch=$(python3 -c 'import os, torch; print(os.path.dirname(os.path.dirname(torch.__file__)))')
  arch=$(nvidia-smi --query-gpu=compute_cap --format=csv,noheader | head -1 | tr -d .)
  cmake -S "$CARDSWAP_SOURCE" -B "$built" -G Ninja -DCMAKE_BUILD_TYPE=RelWithDebInfo -DCARDSWAP_CUDA=ON \
    -DCARDSWAP_CUDA_ARCHITECTURES="$arch" -DCARDSWAP_TORCH=ON -DCARDSWAP_TORCH_ROOT="$torch" \
    -DCARDSWAP_UCX_ROOT="$prefix/libucx" -DCMAKE_PREFIX_PATH="$prefix/usr"
  cmake --build "$built" --parallel "${CMAKE_BUILD_PARALLEL_LEVEL:-$(nproc)}" --target "${programs[@]##*/}"
  work=$(mktemp -d)
  (cd "$built" && cp --parents "${programs[@]}" tests/unit/*.so* "$work")
  find "$work" -type f -exec strip {} +
  tar -C "$work" -czf "$out/programs.tar.gz" .
  rm -rf "$work"
}

unit() {
  local test status=0
  on_card || status=1
  for test in unit/{cuda,card_arena,driver_vmm,driver_checkpoint,migrator}_test integration/{cuda_engine,engine}_test; do
    timeout 200 "$built/tests/$test" --gtest_brief=1 || status=1
  done
  return $status
}

# The card's own tests, of which none may be skipped. $1... is what they are started with.
on_card() {
  local told
  told=$(timeout 300 "$@" "$built/tests/unit/on_card_test" 2>&1) || { echo "$told"; return 1; }
  echo "$told"
  ! grep -q SKIPPED <<<"$told" || { echo "tests were skipped"; return 1; }
}

# memcheck sees every test. The others are slow and are about the kernels alone; initcheck also cannot
# know what an arena's memory held before it was let go and bound again.
sanitize() {
  local only='OnCard.Digests*:OnCard.Gathers*'
  command -v compute-sanitizer >/dev/null || { echo "no compute-sanitizer here"; return 1; }
  case $1 in memcheck) only='*' ;; initcheck) only+=':OnCard.Brings*' ;; esac
  GTEST_FILTER=$only on_card compute-sanitizer --tool "$1" --error-exitcode 9
}

bench() { timeout 300 "$built/tests/bench/bench_cuda" tcp | tee "$output"; }

migrate() { migrations --only moves --sizes "$1" --precisions "$2"; }
checkpoint() { migrations --only checkpoints --sizes "$1" --precisions fp32; }
migrations() { python3 "$CARDSWAP_SOURCE/scripts/gpu_migrations.py" "$built" "$CARDSWAP_SOURCE/LICENSE" "$@" | tee "$output"; }

report() { python3 "$CARDSWAP_SOURCE/scripts/gpu_report.py" "$1" "$out" "$commit" "${@:2}"; }

unpack_dependencies
environment
for stage in "${stages[@]}"; do
  say "$stage"
  started=$SECONDS
  echo "==== $stage, $(date -u +%FT%TZ)" >>"$log"
  logged=$(wc -l <"$log")
  : >"$output"
  set +e
  # shellcheck disable=SC2086  # migrate:1g:fp32 is the function and what it is given
  (set -e; ${stage//:/ }) >>"$log" 2>&1
  outcome=$?
  set -e
  if [ $outcome = 0 ]; then outcome=passed; else outcome=failed; fi
  report record "$stage" "$outcome" $((SECONDS - started)) "$output"
  say "$stage $outcome after $((SECONDS - started)) s"
  if [ "$outcome" = failed ]; then tail -n "+$logged" "$log" | tail -n 40 >&2; fi
  if [ "$stage$outcome" = buildfailed ]; then break; fi
done
report show >&2
