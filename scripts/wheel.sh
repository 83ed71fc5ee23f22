#!/usr/bin/env bash
# Makes the Python wheel: the package, its library and both programs, for every Python and every torch.
set -euo pipefail
cd "$(dirname "$0")/.."

usage() {
  cat <<'EOF'
usage: scripts/wheel.sh [--of BUILD] [OUT]
Makes OUT/cardswap-VERSION-py3-none-linux_ARCH.whl and SHA256SUMS there; OUT is build/wheels by default. It is for
machines whose C and C++ libraries are as new as this one's. `pip install .` does the same and installs it.
  --of BUILD   of what that build folder holds: nothing is compiled
EOF
}

of=
out=build/wheels
while [ $# -gt 0 ]; do
  case $1 in
    --of) of=$(cd "${2:?--of needs a build folder}" && pwd); shift ;;
    -h|--help) usage; exit 0 ;;
    -*) usage >&2; exit 2 ;;
    *) out=$1 ;;
  esac
  shift
done

tools=${CARDSWAP_CACHE:-$HOME/.cache/cardswap}/wheel-tools
[ -x "$tools/bin/pip" ] || { echo "there is no $tools: scripts/setup.sh makes it" >&2; exit 1; }
mkdir -p "$out"
settings=()
if [ -n "$of" ]; then
  work=$(mktemp -d)
  trap 'rm -rf "$work"' EXIT
  settings=(--config-settings="build-dir=$work" --config-settings="cmake.define.CARDSWAP_WHEEL_OF=$of")
fi
"$tools/bin/pip" wheel --quiet --disable-pip-version-check --no-index --no-deps --no-build-isolation \
  --wheel-dir "$out" "${settings[@]}" .
cd "$out"
sha256sum ./*.whl >SHA256SUMS
ls "$PWD"/*.whl
