#!/usr/bin/env bash
# Installs what Cardswap is built with. Says what it does, does only what is missing.
set -euo pipefail
scripts=$(cd "$(dirname "$0")" && pwd)

usage() {
  cat <<'EOF'
usage: scripts/setup.sh [--torch wheel|python] [--print-torch] [--prometheus] [--slurm] [--criu] [--python]
Installs Debian packages (root or sudo) and, into a private cache, LibTorch from PyPI's wheel and promtool.
  --torch wheel    the pinned wheel, in $CARDSWAP_CACHE (default ~/.cache/cardswap); the default
  --torch python   the torch that the active Python has
  --prometheus     also prometheus and prometheus-alertmanager, for the one test that is skipped without
                   them (Debian starts their services; disable those)
  --slurm          also slurmctld, slurmd and munge, for the tests that are skipped without them (Debian enables
                   their services; disable those)
  --criu           do no more than see to CRIU 4.1 or newer: where the distribution's is too old, Debian 13's
                   is unpacked, with its libraries, into the cache and started through its own loader;
                   nothing of it is installed
  --python         do no more than see to Python's own torch, for the tests of the Python package: a virtual
                   environment in the cache (4 GB: the wheel that PyPI has for Linux needs CUDA's libraries,
                   GPU or not), and one of Lightning, Hugging Face's Trainer and Accelerate (250 MB); x86_64 with
                   Python 3.11
  --print-torch    print the folder that holds torch/ and stop
EOF
}

torch_version=2.11.0
cache=${CARDSWAP_CACHE:-$HOME/.cache/cardswap}
torch_from=wheel
print_only=no
prometheus=no
slurm=no
criu_only=no
python_only=no
while [ $# -gt 0 ]; do
  case $1 in
    --torch) torch_from=${2:?--torch needs wheel or python}; shift ;;
    --print-torch) print_only=yes ;;
    --prometheus) prometheus=yes ;;
    --slurm) slurm=yes ;;
    --criu) criu_only=yes ;;
    --python) python_only=yes ;;
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

# Whole processes are moved by CRIU, and Debian 12's is too old for that. A subshell: its trap is its own.
fetch_criu() (
  work=$(mktemp -d)
  trap 'rm -rf "$work"' EXIT
  prefix=$cache/criu-4.1
  echo "fetching CRIU from Debian 13"
  mkdir -p "$work"/lists/partial "$work"/archives/partial "$work"/debs "$work"/unpacked
  : >"$work/status"
  # As root apt lets an account without rights do the fetching, as it does by itself.
  fetcher=$(id -un)
  if [ "$(id -u)" = 0 ] && id _apt >/dev/null 2>&1; then
    fetcher=_apt
    chmod 755 "$work"
    chown _apt "$work"/lists/partial "$work"/archives/partial "$work/debs"
  fi
  cat >"$work/apt.conf" <<EOF
Dir::Etc::SourceList "$work/sources.list";
Dir::Etc::SourceParts "/dev/null";
Dir::State "$work";
Dir::State::Lists "$work/lists";
Dir::State::Status "$work/status";
Dir::Cache "$work";
Acquire::Languages "none";
APT::Sandbox::User "$fetcher";
EOF
  export APT_CONFIG=$work/apt.conf
  # Debian's signature is checked, so any of them will do.
  for mirror in $("$scripts/debian_mirrors.sh"); do
    echo "deb [signed-by=/usr/share/keyrings/debian-archive-keyring.gpg] $mirror trixie main" >"$work/sources.list"
    if apt-get update -qq; then break; else mirror=; fi
  done
  [ -n "${mirror:-}" ] || exit 1
  mapfile -t packages < <(apt-cache depends --recurse --no-recommends --no-suggests --no-conflicts --no-breaks \
    --no-replaces --no-enhances criu | grep '^[a-z0-9]' | sort -u)
  cd "$work/debs" && apt-get download -qq "${packages[@]}" >/dev/null || exit 1
  for package in "$work"/debs/*.deb; do dpkg-deb -x "$package" "$work/unpacked" || exit 1; done
  loader=$(cd "$work/unpacked" && find usr/lib -name 'ld-linux-*.so.*' | head -n 1)
  [ -n "$loader" ] && [ -x "$work/unpacked/usr/sbin/criu" ] || exit 1
  mkdir -p "$cache/bin"
  rm -rf "$prefix" && mv -T "$work/unpacked" "$prefix"
  chmod -R a+rX "$prefix"
  cat >"$cache/bin/criu.new" <<EOF
#!/bin/sh
# CRIU of Debian 13 with its own libraries; made by Cardswap's scripts/setup.sh.
exec "$prefix/$loader" --library-path "$prefix/${loader%/*}" --argv0 criu "$prefix/usr/sbin/criu" "\$@"
EOF
  chmod 755 "$cache/bin/criu.new" && mv "$cache/bin/criu.new" "$cache/bin/criu"
)
criu_version() { "$1" --version 2>/dev/null | sed -n 's/^Version: //p'; }
# Not pinned: Debian mends it in place, and its archive keeps the newest only. What it is is told.
criu_is_new() {
  local version
  version=$(criu_version "$1")
  [ -n "$version" ] && [ "$(printf '4.1\n%s\n' "$version" | sort -V | head -n 1)" = 4.1 ]
}
see_to_criu() {
  local program
  for program in "${CARDSWAP_CRIU:-}" "$cache/bin/criu" "$(command -v criu || true)"; do
    if [ -n "$program" ] && criu_is_new "$program"; then
      echo "CRIU is $program, version $(criu_version "$program")"
      return
    fi
  done
  if grep -q '^ID=debian$' /etc/os-release && fetch_criu && criu_is_new "$cache/bin/criu"; then
    echo "CRIU is $cache/bin/criu, version $(criu_version "$cache/bin/criu"); Debian's signature on it was checked"
  else
    echo "CRIU 4.1 cannot be had here: jobs move by standby only, and the tests of --arrive criu are skipped"
  fi
}
if [ "$criu_only" = yes ]; then
  see_to_criu
  exit 0
fi

# Whole or not there: the last thing that is written says of what it is made. $1 the folder, $2 what it holds, $3 a
# folder whose packages it sees, if any.
make_venv() {
  local venv=$1 wanted=$2
  rm -rf "$venv"
  python3 -m venv "$venv"
  "$venv/bin/pip" -q --disable-pip-version-check install --no-compile --no-deps --only-binary=:all: --require-hashes \
    -r "$wanted"
  if [ -n "${3:-}" ]; then echo "$3" >"$(echo "$venv"/lib/python*/site-packages)/seen.pth"; fi
  cp "$wanted" "$venv/requirements.txt"
}
# Half of what it takes to import torch is compiling it, and nobody may have written that down: tests' jobs do not.
compile_once() {
  [ ! -e "$1/compiled" ] || return 0
  echo "compiling $1"
  "$1/bin/python" -m compileall -q -j 0 "$1/lib" >/dev/null || true  # some files are for other Pythons
  touch "$1/compiled"
}
see_to_python() {
  local wanted=$scripts/python_requirements.txt venv=$cache/python-torch-$torch_version
  local frameworks=$scripts/python_frameworks.txt over=$cache/python-frameworks-$torch_version
  if [ "$(uname -m)" != x86_64 ] || ! python3 -c 'import sys; sys.exit(sys.version_info[:2] != (3, 11))'; then
    echo "no digests of Python's torch are known for this machine: the tests of the Python package are skipped"
    return
  fi
  if ! cmp -s "$wanted" "$venv/requirements.txt"; then
    echo "fetching Python's torch $torch_version"
    make_venv "$venv" "$wanted"
  fi
  if ! cmp -s "$frameworks" "$over/requirements.txt"; then
    echo "fetching Lightning, Transformers and Accelerate"
    make_venv "$over" "$frameworks" "$(echo "$venv"/lib/python*/site-packages)"
  fi
  compile_once "$venv"
  compile_once "$over"
  echo "Python's torch is in $venv, with frameworks in $over"
}
if [ "$python_only" = yes ]; then
  see_to_python
  exit 0
fi

# Some 400 kB of Python that the wheel is made by; without it all else is built and tested.
see_to_wheel_tools() {
  local wanted=$scripts/wheel_requirements.txt venv=$cache/wheel-tools
  ! cmp -s "$wanted" "$venv/requirements.txt" || return 0
  echo "fetching scikit-build-core"
  rm -rf "$venv"
  python3 -m venv "$venv" &&
    "$venv/bin/pip" -q --disable-pip-version-check install --no-deps --only-binary=:all: --require-hashes -r "$wanted" &&
    cp "$wanted" "$venv/requirements.txt" ||
    { rm -rf "$venv"; echo "scikit-build-core cannot be had here: no wheel is made, and its test is skipped"; }
}

packages=(g++ cmake ninja-build ccache pkg-config git iproute2 procps passwd util-linux curl unzip ca-certificates python3 python3-venv
  libboost1.81-dev libucx-dev ucx-utils libspdlog-dev libfmt-dev libgtest-dev libgmock-dev libcli11-dev
  libsqlite3-dev libxxhash-dev liblz4-dev libzstd-dev libssl-dev libyaml-cpp-dev clang clang-format dpkg-dev mypy pyflakes3)
if [ "$prometheus" = yes ]; then packages+=(prometheus prometheus-alertmanager); fi
if [ "$slurm" = yes ]; then packages+=(slurmctld slurmd slurm-client munge); fi
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

# It links each of many programs in a tenth of the time; nothing else depends on it.
install_mold() {
  local as_root=()
  [ "$(id -u)" = 0 ] || as_root=(sudo -n)
  "${as_root[@]}" apt-get update -qq &&
    DEBIAN_FRONTEND=noninteractive "${as_root[@]}" apt-get install -y -qq --no-install-recommends mold
}
if ! command -v mold >/dev/null && ! command -v ld.lld >/dev/null; then
  echo "installing mold"
  install_mold >/dev/null 2>&1 || echo "mold cannot be had here: linking takes longer"
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

# The wheels, and what is unpacked of them: nothing is built with or loaded that has another digest.
case $(uname -m) in
  x86_64)
    wheel_sums="4eb01c08e859bf924d222250d2e8f8b8ff6d3db4721288cf35d14252a4d933c8  nvidia_cuda_cupti-13.0.85-py3-none-manylinux_2_25_x86_64.whl
7f82250d7782aa23b6cfe765ecc7db554bd3c2870c43f3d1821f1d18aebf0548  nvidia_cuda_runtime-13.0.96-py3-none-manylinux2014_x86_64.manylinux_2_17_x86_64.whl
7aa2f9bbc6d4595ba72138026b2074be1233186150e9292865e04b7a63b8c67a  torch-2.11.0-cp311-cp311-manylinux_2_28_x86_64.whl"
    tree_sum=724665dba3d497300d358551fa45e99de36769359cbbb22d6f1031926acc73ed ;;
  aarch64)
    wheel_sums="796bd679890ee55fb14a94629b698b6db54bcfd833d391d5e94017dd9d7d3151  nvidia_cuda_cupti-13.0.85-py3-none-manylinux_2_25_aarch64.whl
ef9bcbe90493a2b9d810e43d249adb3d02e98dd30200d86607d8d02687c43f55  nvidia_cuda_runtime-13.0.96-py3-none-manylinux2014_aarch64.manylinux_2_17_aarch64.whl
d91aac77f24082809d2c5a93f52a5f085032740a1ebc9252a7b052ef5a4fddc6  torch-2.11.0-cp311-cp311-manylinux_2_28_aarch64.whl"
    tree_sum=bce6ef81024f7f4243b66653fdf0b6d6ca9dff3b5895ca2bc9ec877ad595e6f2 ;;
  *) wheel_sums= tree_sum= ;;
esac

fetch_torch() {
  local wheels unpacked machine
  machine=$(uname -m)
  if [ -z "$wheel_sums" ]; then
    echo "no digest of a torch $torch_version for $machine is known here: install torch yourself and give --torch python" >&2
    return 1
  fi
  wheels=$(mktemp -d)
  unpacked=$cache/.torch-$$
  trap 'rm -rf "$wheels" "$unpacked"' RETURN
  python3 -m venv "$wheels/venv"
  local pip=("$wheels/venv/bin/pip" -q --disable-pip-version-check download --no-deps
    --only-binary=:all: --python-version 3.11 --implementation cp -d "$wheels")
  echo "fetching torch $torch_version"
  "${pip[@]}" --platform "manylinux_2_28_$machine" "torch==$torch_version" || return 1
  # The wheel's libtorch_cpu is linked with these two, GPU or not.
  "${pip[@]}" --platform "manylinux_2_17_$machine" --platform "manylinux2014_$machine" nvidia-cuda-runtime==13.0.96 || return 1
  "${pip[@]}" --platform "manylinux_2_25_$machine" nvidia-cuda-cupti==13.0.85 || return 1
  (cd "$wheels" && echo "$wheel_sums" | sha256sum --quiet -c -) || return 1
  mkdir -p "$unpacked"
  local parts=('torch/lib/libtorch_cpu.so' 'torch/lib/libc10.so' 'torch/lib/libgomp*' 'torch/include/*' 'torch/version.py')
  if [ "$machine" = aarch64 ]; then parts+=('torch/lib/libarm_compute*' 'torch/lib/libgfortran*' 'torch/lib/libnvpl_*'); fi
  unzip -q "$wheels"/torch-*.whl "${parts[@]}" -d "$unpacked" || return 1
  for wheel in "$wheels"/nvidia_*.whl; do unzip -q -o "$wheel" '*/lib/*.so*' -d "$unpacked" || return 1; done
  find "$unpacked" \( -name 'libnvperf*' -o -name 'libpcsampling*' -o -name 'libcheckpoint*' \) -delete
  rm -rf "$torch_root"
  mv -T "$unpacked" "$torch_root"
}

# Two seconds for what everything here is linked with.
torch_is_whole() {
  local sum
  [ -e "$torch_root/torch/lib/libtorch_cpu.so" ] || return 1
  [ -n "$tree_sum" ] || { echo "the torch in $torch_root is used unchecked: no digest of it is known here" >&2; return 0; }
  sum=$(cd "$torch_root" && find . -type f ! -path '*/__pycache__/*' -print0 | LC_ALL=C sort -z | xargs -0 sha256sum | sha256sum)
  [ "${sum%% *}" = "$tree_sum" ] || { echo "the torch in $torch_root is not what the pinned wheels hold" >&2; return 1; }
}
if [ "$torch_from" = wheel ] && ! torch_is_whole; then
  mkdir -p "$cache"
  fetch_torch
  torch_is_whole
fi
see_to_criu
see_to_wheel_tools
echo "ready; torch is in $torch_root"
