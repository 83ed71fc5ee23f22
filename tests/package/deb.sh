#!/usr/bin/env bash
# The Debian package: it builds, holds what it should, and what it holds runs. As root it is also
# installed, upgraded and removed in a root folder of its own, which touches nothing of this machine.
set -euo pipefail
build=${1:?usage: tests/package/deb.sh BUILD_DIR}
repository=$(cd "$(dirname "$0")/../.." && pwd)

for tool in dpkg-deb dpkg-shlibdeps curl; do
  command -v "$tool" >/dev/null || { echo "skipped: $tool is not there"; exit 77; }
done

work=$(mktemp -d /tmp/cs-deb-XXXXXX)
agent=
clean_up() {
  if [ -n "$agent" ]; then kill "$agent" 2>/dev/null || true; wait "$agent" 2>/dev/null || true; fi
  rm -rf "$work"
}
trap clean_up EXIT
failed() { echo "failed: $*"; exit 1; }

"$repository/scripts/package.sh" "$build" "$work" >/dev/null
package=$(ls "$work"/cardswap_*.deb)
(cd "$work" && sha256sum --quiet -c SHA256SUMS) || failed "its digest"
listed=$(dpkg-deb -c "$package")
names=$(awk '{print $6}' <<<"$listed")
for name in usr/bin/cardswapd usr/bin/cardswap usr/bin/cardswap-maintenance usr/share/man/man1/cardswap.1 usr/share/man/man8/cardswapd.8 \
  lib/systemd/system/cardswapd.service etc/default/cardswapd usr/lib/sysusers.d/cardswap.conf usr/lib/tmpfiles.d/cardswap.conf \
  usr/share/doc/cardswap/copyright usr/share/doc/cardswap/docs/operations.md \
  usr/share/doc/cardswap/examples/cardswap.json usr/share/doc/cardswap/examples/cardswap.rules.yml \
  usr/lib/cardswap/slurm/cardswap-slurm-drain usr/lib/cardswap/slurm/cardswap-slurm-prolog \
  usr/share/bash-completion/completions/cardswap; do
  grep -qx "./$name" <<<"$names" || failed "the package has no $name"
done
if grep -E '\.(a|h|cmake)$' <<<"$names"; then failed "the package has files for developers"; fi
depends=$(dpkg-deb -f "$package" Depends)
grep -q libsqlite3-0 <<<"$depends" || failed "libraries are missing in Depends: $depends"
[ "$(dpkg-deb --ctrl-tarfile "$package" | tar xO ./conffiles)" = /etc/default/cardswapd ] || failed "conffiles"

grep -q '^drwxr-x--- root/root .*\./etc/cardswap/$' <<<"$listed" || failed "the folder for keys: $(grep etc/ <<<"$listed")"

dpkg-deb -x "$package" "$work/unpacked"
bin=$work/unpacked/usr/bin
"$bin/cardswapd" --data-dir "$work/data" --listen 127.0.0.1:0 2>"$work/agent.log" &
agent=$!
curl -sf --retry 30 --retry-all-errors --retry-delay 1 --unix-socket "$work/data/cardswapd.sock" \
  http://agent/healthz | grep -q '"ok"' || failed "/healthz: $(cat "$work/agent.log")"
export CARDSWAP_AGENT=$work/data/cardswapd.sock
"$bin/cardswap" version | grep -q "agent $(dpkg-deb -f "$package" Version)" || failed "version"
"$bin/cardswap" run --name once -- /bin/true >/dev/null || failed "a job does not start"
"$bin/cardswap-maintenance" --help | grep -q reboot || failed "cardswap-maintenance --help"

if [ "$(id -u)" = 0 ]; then
  root=$work/root
  mkdir -p "$root"/var/lib/dpkg/{info,updates,triggers} "$root"/etc
  touch "$root"/var/lib/dpkg/{status,available}
  in_root=(dpkg --root="$root" --force-script-chrootless --force-depends --log=/dev/null)
  "${in_root[@]}" -i "$package" >"$work/dpkg.log" 2>&1 || failed "dpkg -i: $(cat "$work/dpkg.log")"
  if command -v systemd-sysusers >/dev/null; then
    grep -q '^cardswap-jobs:.*:/var/lib/cardswap-jobs:' "$root/etc/passwd" || failed "no user for jobs"
  fi
  # Before, agent and jobs were one user: what is left of that becomes root's, but for what the
  # parents of running jobs write to; and a job's link is not followed.
  state=$root/var/lib/cardswap
  mkdir -p "$state/jobs/old" "$root/etc/cardswap/tls"
  touch "$root/etc/cardswap/tls/tls.key"
  chmod 600 "$root/etc/cardswap/tls/tls.key"
  touch "$state/journal.db" "$state/jobs/old/log" "$work/elsewhere"
  ln -s "$work/elsewhere" "$state/agent.json.new"
  chmod 644 "$state/journal.db" "$work/elsewhere"
  chown -R -h 4711:4711 "$state" "$root/etc/cardswap" "$work/elsewhere"
  echo 'CARDSWAPD_OPTIONS="--device cpu:3"' >"$root/etc/default/cardswapd"
  "${in_root[@]}" -i "$package" >"$work/dpkg.log" 2>&1 || failed "upgrade: $(cat "$work/dpkg.log")"
  grep -q cpu:3 "$root/etc/default/cardswapd" || failed "an upgrade changed the operator's options"
  owners() { (cd "$root" && stat -c '%u %a %n' "$@"); }
  found=$(owners var/lib/cardswap var/lib/cardswap/journal.db var/lib/cardswap/jobs var/lib/cardswap/jobs/old etc/cardswap \
    etc/cardswap/tls/tls.key)
  [ "$found" = "0 711 var/lib/cardswap
0 600 var/lib/cardswap/journal.db
0 711 var/lib/cardswap/jobs
4711 755 var/lib/cardswap/jobs/old
0 750 etc/cardswap
0 600 etc/cardswap/tls/tls.key" ] || failed "an upgrade left: $found"
  [ ! -L "$state/agent.json.new" ] && [ "$(stat -c '%u %a' "$work/elsewhere")" = "4711 644" ] || failed "a link was followed"
  "${in_root[@]}" -r cardswap >"$work/dpkg.log" 2>&1 || failed "dpkg -r: $(cat "$work/dpkg.log")"
  [ ! -e "$root/usr/bin/cardswapd" ] || failed "it is still there after its removal"
  grep -q cpu:3 "$root/etc/default/cardswapd" || failed "the operator's options went with it"
fi
kill -0 "$agent" || failed "the agent ended"
echo "ok"
