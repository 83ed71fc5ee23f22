#!/usr/bin/env bash
# Fuzzes every parser of outside bytes, under AddressSanitizer and UBSan.
set -euo pipefail
cd "$(dirname "$0")/.."

usage() {
  cat <<'TEXT'
usage: scripts/fuzz.sh [--seconds N] [NAME...]
Builds in build/fuzz and runs each target, or those named, for N seconds (default 600): with clang
as libFuzzer programs, without it by a driver of our own. What crashes one stays in build/fuzz/found.
TEXT
}

seconds=600
names=()
while [ $# -gt 0 ]; do
  case $1 in
    --seconds) seconds=${2:?--seconds needs a number}; shift ;;
    -h|--help) usage; exit 0 ;;
    -*) usage >&2; exit 2 ;;
    *) names+=("$1") ;;
  esac
  shift
done
if [ ${#names[@]} -eq 0 ]; then
  mapfile -t names < <(sed -nE 's/^ *cardswap_fuzz\(([a-z_]+) .*/\1/p' tests/fuzz/CMakeLists.txt)
fi

compiler=()
if command -v clang++ >/dev/null && echo 'extern "C" int LLVMFuzzerTestOneInput(const unsigned char*, unsigned long) { return 0; }' |
  clang++ -x c++ -fsanitize=fuzzer,address - -o /dev/null 2>/dev/null; then
  compiler=(-DCMAKE_CXX_COMPILER=clang++ -DCARDSWAP_LIBFUZZER=ON)
fi
cmake --preset asan -B build/fuzz -DCARDSWAP_WERROR=OFF "${compiler[@]}" >/dev/null
targets=("${names[@]/#/fuzz_}")
cmake --build build/fuzz --target "${targets[@]}"

export ASAN_OPTIONS=detect_container_overflow=0 UBSAN_OPTIONS=print_stacktrace=1:halt_on_error=1
bad=0
for name in "${names[@]}"; do
  echo "== $name, $seconds s"
  program=$PWD/build/fuzz/tests/fuzz/fuzz_$name
  mkdir -p "build/fuzz/found/$name" "build/fuzz/corpus/$name"
  arguments=(--seconds "$seconds")
  [ ${#compiler[@]} -eq 0 ] || arguments=(-max_total_time="$seconds" -print_final_stats=1 "$PWD/build/fuzz/corpus/$name")
  (cd "build/fuzz/found/$name" && CARDSWAP_FUZZ_SEEDS=$PWD/../../corpus/$name "$program" "${arguments[@]}") || { echo "$name: failed"; bad=1; }
done
exit $bad
