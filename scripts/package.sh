#!/usr/bin/env bash
# Builds the Debian package of the agent and the command.
set -euo pipefail
cd "$(dirname "$0")/.."

case ${1:-} in
  -h|--help)
    echo "usage: scripts/package.sh [BUILD_DIR [OUT_DIR]]   BUILD_DIR/package/cardswap_VERSION_ARCH.deb"
    exit 0 ;;
esac
build=${1:-build/release}
out=${2:-$build/package}

[ -e "$build/CMakeCache.txt" ] || cmake --preset release -B "$build"
cmake --build "$build" --target cardswapd cardswap man_pages
(cd "$build" && cpack -G DEB --config CPackConfig.cmake -B package) >"$build/package.log" 2>&1 ||
  { cat "$build/package.log" >&2; exit 1; }
if [ "$out" != "$build/package" ]; then mkdir -p "$out" && cp "$build"/package/*.deb "$out"; fi
# For whoever copies it to other machines: the package carries no signature of its own.
(cd "$out" && sha256sum ./*.deb >SHA256SUMS)
ls "$out"/*.deb
