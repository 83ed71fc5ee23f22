#!/usr/bin/env bash
# Usage: scripts/gpu_check.sh [--pack] [--deps DIR] [--out DIR] [--quick] [STAGE...]
#
# Verifies the cuda device on a machine with a GPU, in one visit, and writes what it saw as one JSON
# file and one Markdown table: card, driver, date, commit, every stage's outcome, every figure.
#
#   facts     card, driver, CUDA, torch; which tools are there
#   build     everything, for this card, with the LibTorch of this machine's Python
#   unit      the kernels and copies against the cpu reference, and the stand-in tests
#   sanitize  compute-sanitizer (memcheck, racecheck, initcheck, synccheck) on the kernels
#   bench     digest and staging against the card's copies (tests/bench/cuda.cpp)
#   migrate   a GPT moves between two processes on the card, fp32 and bf16 with fp32 weights, by
#             rounds and by replay, bit-identical; downtime at 1 GB and 10 GB; slowdown; checkpoint
#
#   --pack       here, with a network: gathers what such a machine lacks (Debian packages, UCX with
#                CUDA, test and build libraries) into DIR, and ends; under 64 MiB
#   --deps DIR   where that was put (default .gpu-deps)
#   --out DIR    where results go (default docs/measurements)
#   --quick      the 10 GB state is left out
#
# Without a GPU it says so and exits with 77. Exit status: 0 every stage passed and every figure
# meets its goal, 1 otherwise (the table says which), 2 wrong usage.

# shellcheck source-path=SCRIPTDIR
source "$(dirname "$0")/lib.sh"

deps="$CARDSWAP_SOURCE/.gpu-deps"
out="$CARDSWAP_SOURCE/docs/measurements"
pack=no
quick=no
stages=()
while [ $# -gt 0 ]; do
  case "$1" in
    --help | -h) show_help && exit 0 ;;
    --pack) pack=yes ;;
    --deps) need_value "$1" $#; deps=$2; shift ;;
    --out) need_value "$1" $#; out=$2; shift ;;
    --quick) quick=yes ;;
    facts | build | unit | sanitize | bench | migrate) stages+=("$1") ;;
    *) usage_error "there is no option or stage $1" ;;
  esac
  shift
done
[ ${#stages[@]} -gt 0 ] || stages=(facts build unit sanitize bench migrate)
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
  # Of UCX only what runs and links: no archives, no tools, each library once.
  python3 -m zipfile -e "$deps"/wheels/*.whl "$deps/ucx"
  find "$deps/ucx" \( -name '*.a' -o -name '*perftest*' -o -name '*.so.*.*' -o -path '*/bin/*' \) -type f -delete
  find "$deps/ucx" -name '*.so' -type f | while read -r library; do
    if [ -e "$library.0" ]; then ln -sf "$(basename "$library").0" "$library"; fi
  done
  tar -C "$deps/ucx" -czf "$deps/ucx.tar.gz" libucx
  rm -rf "$deps/ucx" "$deps/wheels"
  size=$(du -sm "$deps" | cut -f1)
  [ "$size" -lt 64 ] || die "$deps has $size MiB, over 64"
  say "$deps: $size MiB in $(find "$deps" -type f | wc -l) files; carry it along with the source"
}
if [ "$pack" = yes ]; then pack_dependencies; exit 0; fi

if ! nvidia-smi -L 2>/dev/null | grep -q GPU; then say "no GPU here: nothing is checked" && exit 77; fi

prefix=/tmp/cardswap-gpu-deps
built="$CARDSWAP_SOURCE/build/gpu"
log="$out/gpu_check.log"
results="$out/.stages"
: >"$log" && : >"$results"

unpack_dependencies() {
  [ -e "$prefix/.done" ] && return
  [ -d "$deps/debs" ] || die "no $deps: run scripts/gpu_check.sh --pack where there is a network"
  mkdir -p "$prefix"
  local deb
  for deb in "$deps"/debs/*.deb; do dpkg -x "$deb" "$prefix"; done
  tar -C "$prefix" -xzf "$deps/ucx.tar.gz"
  # The packages' own paths say /usr.
  sed -i "s|^prefix=/usr|prefix=$prefix/usr|" "$prefix"/usr/lib/x86_64-linux-gnu/pkgconfig/*.pc "$prefix"/usr/share/pkgconfig/*.pc 2>/dev/null || true
  local ucx="$prefix/libucx"
  cat >"$prefix/usr/lib/x86_64-linux-gnu/pkgconfig/ucx.pc" <<PC
prefix=$ucx
Name: ucx
Description: UCX with CUDA
Version: 1.22.0
Libs: -L$ucx/lib -lucp -lucs -Wl,-rpath,$ucx/lib
Cflags: -I$ucx/include
PC
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
  uname -r && nproc && free -g | sed -n 2p
}

build() {
  local torch arch
  torch=$(python3 -c 'import os, torch; print(os.path.dirname(os.path.dirname(torch.__file__)))')
  arch=$(nvidia-smi --query-gpu=compute_cap --format=csv,noheader | head -1 | tr -d .)
  cmake -S "$CARDSWAP_SOURCE" -B "$built" -G Ninja -DCMAKE_BUILD_TYPE=RelWithDebInfo -DCARDSWAP_CUDA=ON \
    -DCARDSWAP_CUDA_ARCHITECTURES="$arch" -DCARDSWAP_TORCH=ON -DCARDSWAP_TORCH_ROOT="$torch" \
    -DCMAKE_PREFIX_PATH="$prefix/usr" &&
    cmake --build "$built" --parallel --target cardswapd cardswap gpt cuda_test on_card_test cuda_engine_test \
      driver_checkpoint_test migrator_test engine_test bench_cuda bench_driver_checkpoint
}

unit() {
  local test
  for test in unit/on_card_test unit/cuda_test unit/driver_checkpoint_test unit/migrator_test integration/cuda_engine_test; do
    "$built/tests/$test" --gtest_brief=1 || return 1
  done
  ! "$built/tests/unit/on_card_test" 2>&1 | grep -q SKIPPED
}

sanitize() {
  local tool
  command -v compute-sanitizer >/dev/null || { echo "no compute-sanitizer here"; return 1; }
  for tool in memcheck racecheck initcheck synccheck; do
    echo "== $tool"
    compute-sanitizer --tool "$tool" --error-exitcode 9 "$built/tests/unit/on_card_test" --gtest_brief=1 || return 1
  done
}

bench() { "$built/tests/bench/bench_cuda" tcp | tee "$out/.figures"; }

migrate() {
  local options=()
  [ "$quick" = no ] || options+=(--quick)
  python3 "$CARDSWAP_SOURCE/scripts/gpu_migrations.py" "$built" "$CARDSWAP_SOURCE/LICENSE" "${options[@]}" | tee -a "$out/.figures"
}

: >"$out/.figures"
unpack_dependencies
environment
status=0
for stage in "${stages[@]}"; do
  say "$stage"
  started=$SECONDS
  echo "==== $stage" >>"$log"
  if (set -e; "$stage") >>"$log" 2>&1; then outcome=passed; else outcome=failed; status=1; fi
  printf '%s\t%s\t%s\n' "$stage" "$outcome" $((SECONDS - started)) >>"$results"
  say "$stage $outcome after $((SECONDS - started)) s"
  if [ "$outcome" = failed ]; then tail -n 25 "$log" >&2; fi
  if [ "$stage$outcome" = buildfailed ]; then break; fi
done
python3 "$CARDSWAP_SOURCE/scripts/gpu_report.py" "$out" "$(git -C "$CARDSWAP_SOURCE" rev-parse HEAD 2>/dev/null || echo unknown)" >&2 || status=1
rm -f "$results" "$out/.figures"
exit "$status"
