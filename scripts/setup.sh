#!/usr/bin/env bash
# Installs what Cardswap is built with. Says what it does, does only what is missing.
set -euo pipefail

usage() {
  cat <<'EOF'
usage: scripts/setup.sh [--torch wheel|python] [--print-torch] [--prometheus]
Installs Debian packages (root or sudo) and, into a private cache, LibTorch from PyPI's wheel and promtool.
  --torch wheel    the pinned wheel, in $CARDSWAP_CACHE (default ~/.cache/cardswap); the default
  --torch python   the torch that the active Python has
  --prometheus     also prometheus and prometheus-alertmanager, for the one test that is skipped without
                   them (Debian starts their services; disable those)
  --print-torch    print the folder that holds torch/ and stop
EOF
}

torch_version=2.11.0
cache=${CARDSWAP_CACHE:-$HOME/.cache/cardswap}
torch_from=wheel
print_only=no
prometheus=no
while [ $# -gt 0 ]; do
  case $1 in
    --torch) torch_from=${2:?--torch needs wheel or python}; shift ;;
    --print-torch) print_only=yes ;;
    --prometheus) prometheus=yes ;;
    -h|--help) usage; exit 0 ;;
    *) usage >&2; exit 2 ;;
  esac
  shift
done

torch_root=$cache/torch-$torch_version
if [ "$torch_from" = python ]; then
  torch_root=$(python3 -c 'import os, torch; print(os.path.dirname(os.path.dirname(torch.__file__)))')
fi
if [ "$print_only" = yes ]; then echo "$torch_root"; exit 0; fi

packages=(g++ cmake ninja-build ccache pkg-config git iproute2 curl unzip ca-certificates python3 python3-venv
  libboost1.81-dev libucx-dev ucx-utils libspdlog-dev libfmt-dev libgtest-dev libgmock-dev libcli11-dev
  libsqlite3-dev libxxhash-dev liblz4-dev libzstd-dev libssl-dev libyaml-cpp-dev clang-format dpkg-dev)
if [ "$prometheus" = yes ]; then packages+=(prometheus prometheus-alertmanager); fi
missing=()
for package in "${packages[@]}"; do
  dpkg-query -W -f='${Status}' "$package" 2>/dev/null | grep -q 'install ok installed' || missing+=("$package")
done
if [ ${#missing[@]} -gt 0 ]; then
  echo "installing ${missing[*]}"
  as_root=()
  [ "$(id -u)" = 0 ] || as_root=(sudo)
  "${as_root[@]}" apt-get update -qq
  DEBIAN_FRONTEND=noninteractive "${as_root[@]}" apt-get install -y -qq --no-install-recommends "${missing[@]}" >/dev/null
fi

# Prometheus' checker alone, for the tests of /metrics: its package would start a server.
fetch_promtool() {
  local unpacked
  unpacked=$(mktemp -d)
  trap 'rm -rf "$unpacked"' RETURN
  echo "fetching promtool"
  chmod 755 "$unpacked"
  (cd "$unpacked" && apt-get download -qq prometheus >/dev/null 2>&1 &&
    dpkg-deb --fsys-tarfile prometheus_*.deb | tar x ./usr/bin/promtool) || return 1
  install -D "$unpacked/usr/bin/promtool" "$cache/bin/promtool"
}
if ! command -v promtool >/dev/null && [ ! -x "$cache/bin/promtool" ]; then
  fetch_promtool || echo "promtool cannot be had here: its checks will be skipped"
fi

fetch_torch() {
  local wheels unpacked tag sums
  wheels=$(mktemp -d)
  unpacked=$cache/.torch-$$
  trap 'rm -rf "$wheels" "$unpacked"' RETURN
  tag=manylinux_2_28_$(uname -m)
  python3 -m venv "$wheels/venv"
  local pip=("$wheels/venv/bin/pip" -q --disable-pip-version-check download --no-deps
    --only-binary=:all: --python-version 3.11 --implementation cp -d "$wheels")
  echo "fetching torch $torch_version"
  "${pip[@]}" --platform "$tag" "torch==$torch_version"
  if [ "$(uname -m)" = x86_64 ]; then
    # libtorch_cpu of the x86-64 wheel is linked with these two, GPU or not.
    "${pip[@]}" --platform manylinux_2_17_x86_64 --platform manylinux2014_x86_64 nvidia-cuda-runtime==13.0.96
    "${pip[@]}" --platform manylinux_2_25_x86_64 nvidia-cuda-cupti==13.0.85
    sums=$(cat <<'EOF'
4eb01c08e859bf924d222250d2e8f8b8ff6d3db4721288cf35d14252a4d933c8  nvidia_cuda_cupti-13.0.85-py3-none-manylinux_2_25_x86_64.whl
7f82250d7782aa23b6cfe765ecc7db554bd3c2870c43f3d1821f1d18aebf0548  nvidia_cuda_runtime-13.0.96-py3-none-manylinux2014_x86_64.manylinux_2_17_x86_64.whl
7aa2f9bbc6d4595ba72138026b2074be1233186150e9292865e04b7a63b8c67a  torch-2.11.0-cp311-cp311-manylinux_2_28_x86_64.whl
EOF
)
    (cd "$wheels" && echo "$sums" | sha256sum --quiet -c -)
  fi
  mkdir -p "$unpacked"
  for wheel in "$wheels"/torch-*.whl; do
    unzip -q "$wheel" 'torch/lib/libtorch_cpu.so' 'torch/lib/libc10.so' 'torch/lib/libgomp*' 'torch/include/*' \
      'torch/version.py' -d "$unpacked"
    [ "$(uname -m)" = x86_64 ] || unzip -q -o "$wheel" 'torch/lib/*' 'torch.libs/*' -d "$unpacked"
  done
  for wheel in "$wheels"/nvidia_*.whl; do
    [ -e "$wheel" ] || continue
    unzip -q -o "$wheel" '*/lib/*.so*' -d "$unpacked"
  done
  find "$unpacked" \( -name 'libnvperf*' -o -name 'libpcsampling*' -o -name 'libcheckpoint*' \) -delete
  mv -T "$unpacked" "$torch_root"
}

if [ "$torch_from" = wheel ] && [ ! -e "$torch_root/torch/lib/libtorch_cpu.so" ]; then
  mkdir -p "$cache"
  fetch_torch
fi
echo "ready; torch is in $torch_root"
