#!/usr/bin/env bash
# The unit under a systemd of its own: in namespaces, with this machine's files below and nothing
# of them written. Started, watched, reloaded, killed and stopped; a job outlives all of it.
set -euo pipefail
build=$(cd "${1:?usage: tests/package/systemd.sh BUILD_DIR}" && pwd)
repository=$(cd "$(dirname "$0")/../.." && pwd)

skip() {
  echo "skipped: $*"
  case ,${CARDSWAP_REQUIRE:-}, in *,systemd,*) exit 1 ;; esac
  exit 77
}
[ "$(id -u)" = 0 ] || skip "only root makes namespaces"
[ -x /lib/systemd/systemd ] || skip "there is no systemd"
for name in overlay cgroup2; do grep -qw "$name" /proc/filesystems || skip "the kernel has no $name"; done

if [ "${2:-}" != inside ]; then
  work=$(mktemp -d /tmp/cs-systemd-XXXXXX)
  # A leaf of its own in the unified hierarchy: systemd in there sees it as the root.
  unshare --mount --propagation private bash -c '
    set -e
    mkdir "$1/groups" "$1/root" "$1/changes"
    mount -t cgroup2 none "$1/groups"
    mkdir -p "$1/groups/${1##*/}"
    echo $$ >"$1/groups/${1##*/}/cgroup.procs"
    exec unshare --cgroup --mount --uts --ipc --net --pid --fork --kill-child bash "$2" "$3" inside "$1"
  ' _ "$work" "$(realpath "$0")" "$build" >"$work/console" 2>&1 &
  outer=$!
  manager=
  clean_up() {
    if [ -n "$manager" ]; then kill -KILL "$manager" 2>/dev/null || true; fi
    kill -KILL "$outer" 2>/dev/null || true
    wait "$outer" 2>/dev/null || true
    # The groups that systemd made, from the leaves up; empty once its processes are gone.
    unshare --mount --propagation private bash -c '
      mount -t cgroup2 none "$1/groups"
      for i in $(seq 50); do
        find "$1/groups/${1##*/}" -depth -type d -exec rmdir {} + 2>/dev/null
        [ -d "$1/groups/${1##*/}" ] || break
        sleep 0.1
      done' _ "$work" || true
    rm -rf "$work"
  }
  trap clean_up EXIT
  failed() {
    echo "failed: $*"
    tail -n 60 "$work/console"
    exit 1
  }
  eventually() {  # eventually WHAT COMMAND...: within 30 s
    local what=$1 i
    shift
    for ((i = 0; i < 300; i++)); do
      if "$@" >/dev/null 2>&1; then return 0; fi
      sleep 0.1
    done
    failed "$what"
  }
  child_of() { cut -d' ' -f1 "/proc/$1/task/$1/children"; }
  is_systemd() {
    manager=$(child_of "$outer") && [ -n "$manager" ] && [ "$(cat "/proc/$manager/comm")" = systemd ]
  }
  eventually "systemd does not start" is_systemd
  in_there() { nsenter --target "$manager" --all --root --wd "$@"; }
  shown() { in_there systemctl show --property "$1" --value cardswapd; }
  is() { [ "$(shown "$1")" = "$2" ]; }

  eventually "the unit does not become active" is ActiveState active
  command=(cardswap --agent /var/lib/cardswap/cardswapd.sock)

  # An upgrade from the package whose agent and jobs were one user: a job of that one goes on.
  agent=$(shown MainPID)
  as_former=(setpriv --reuid cardswap --regid cardswap --clear-groups)
  in_there "${as_former[@]}" "${command[@]}" run --name old -- /usr/bin/plain_memory --steps 1000000 --step-ms 5 --bytes 4096
  in_there rm /etc/systemd/system/cardswapd.service.d/former.conf
  in_there sh /srv/postinst configure
  renewed() { is ActiveState active && [ "$(shown MainPID)" != "$agent" ]; }
  eventually "the upgrade does not start it again" renewed
  old_trains() { in_there "${command[@]}" -o json jobs old | grep -q '"attached": *true'; }
  eventually "the job of the former package does not go on" old_trains
  [ "$(in_there stat -c %U "/proc/$(in_there pgrep -x plain_memory)")" = cardswap ] || failed "it is another process"
  in_there pkill -KILL -x plain_memory
  told() { in_there "${command[@]}" jobs old | grep -q "signal 9"; }
  eventually "the end of the former package's job is not told" told
  if in_there "${as_former[@]}" sh -c 'cat /var/lib/cardswap/journal.db /etc/cardswap/tls/tls.key' >/dev/null 2>&1; then
    failed "the former user still reads what is the agent's"
  fi

  in_there systemctl --no-pager status cardswapd | head -n 12
  agent=$(shown MainPID)
  [ "$(in_there ps -o user= -p "$agent" | tr -d ' ')" = root ] || failed "it runs as another user"
  echo "type $(shown Type), watchdog $(shown WatchdogUSec), status: $(shown StatusText)"
  in_there "${command[@]}" run --name job -- /usr/bin/plain_memory --steps 1000000 --step-ms 5 --bytes 4096
  state() { in_there "${command[@]}" -o json jobs; }
  trains() { state | grep -q '"state": *"running"' && state | grep -q '"attached": *true'; }
  eventually "the job does not train" trains
  job=$(in_there pgrep -x plain_memory)

  # What a job is, and what it can reach of the agent that started it.
  in_there "${command[@]}" run --name thief -- /usr/bin/thief "$agent" "$job"
  thief_said() { in_there "${command[@]}" logs thief; }
  has_tried() { thief_said | grep -q "tried everything"; }
  eventually "the job that tries does not end" has_tried
  thief_said
  [ "$(thief_said)" = "cardswap-jobs
no capabilities
home is mine
tried everything" ] || failed "a job has what is the agent's"
  [ "$(in_there stat -c %U "/proc/$job")" = cardswap-jobs ] || failed "the job is another user's"

  in_there systemctl reload cardswapd || failed "reload"
  reloaded() { in_there journalctl -u cardswapd | grep -q "read anew"; }
  eventually "the reload is not logged" reloaded
  is MainPID "$agent" || failed "the reload restarted it"

  in_there kill -KILL "$agent"
  restarted() { is ActiveState active && [ "$(shown MainPID)" != "$agent" ]; }
  eventually "it is not started again after a crash" restarted
  eventually "the job is not found again after a crash" trains
  agent=$(shown MainPID)

  in_there kill -STOP "$agent"  # a loop that stands still: the watchdog's case
  eventually "the watchdog did not end an agent that stands still" restarted
  eventually "the job is not found again after the watchdog" trains
  [ "$(in_there pgrep -x plain_memory)" = "$job" ] || failed "the job is another process now"

  in_there "${command[@]}" run --name short -- /bin/sleep 1000 >/dev/null
  in_there "${command[@]}" stop short >/dev/null || failed "a job of another user cannot be stopped"
  [ -z "$(in_there pgrep -x sleep)" ] || failed "a stopped job runs on"

  in_there systemctl stop cardswapd
  is ActiveState inactive || failed "it does not stop: $(shown ActiveState)"
  [ "$(in_there pgrep -x plain_memory)" = "$job" ] || failed "the stop ended the job"
  in_there journalctl --no-pager -u cardswapd -o cat | tail -n 25
  echo "passed: started, reloaded, killed, stood still and stopped under systemd $(in_there systemctl --version | head -n 1 | cut -d' ' -f2); the job went on"
  exit 0
fi

# Inside: pid 1 of the namespaces.
work=$3
root=$work/root
mount --make-rprivate /
mount -t tmpfs tmpfs "$work/changes"
mkdir "$work/changes/upper" "$work/changes/work"
mount -t overlay overlay -o "lowerdir=/,upperdir=$work/changes/upper,workdir=$work/changes/work" "$root"
mount -t proc proc "$root/proc"
mount --bind "$root/proc/sys" "$root/proc/sys"
mount -o remount,bind,ro "$root/proc/sys"
mount -t sysfs -o ro sysfs "$root/sys"
mount -t cgroup2 cgroup2 "$root/sys/fs/cgroup"
for name in run tmp dev; do mount -t tmpfs -o mode=755 tmpfs "$root/$name"; done
chmod 1777 "$root/tmp"
mkdir "$root/dev/pts" "$root/dev/shm"
mount -t devpts -o newinstance,ptmxmode=0666 devpts "$root/dev/pts"
mount -t tmpfs tmpfs "$root/dev/shm"
ln -s pts/ptmx "$root/dev/ptmx"
for name in null zero full random urandom tty; do
  touch "$root/dev/$name"
  mount --bind "/dev/$name" "$root/dev/$name"
done
for name in fd:self/fd stdin:self/fd/0 stdout:self/fd/1 stderr:self/fd/2; do
  ln -s "/proc/${name#*:}" "$root/dev/${name%%:*}"
done
touch "$root/dev/console"
mount --bind "$work/console" "$root/dev/console"
ip link set lo up 2>/dev/null || true

install -m 755 "$build"/agent/{cardswapd,cardswap,cardswap-init,cardswap-holder,cardswap-keeper} "$build/runtime/plain_memory" "$root/usr/bin/"
install -m 644 "$repository/packaging/systemd/cardswapd.service" "$root/etc/systemd/system/"
mkdir -p "$root/usr/lib/tmpfiles.d" "$root/usr/lib/sysusers.d"
install -m 644 "$repository/packaging/debian/sysusers.conf" "$root/usr/lib/sysusers.d/cardswap.conf"
systemd-sysusers --root="$root" cardswap.conf
install -m 644 "$repository/packaging/debian/tmpfiles.conf" "$root/usr/lib/tmpfiles.d/cardswap.conf"
# The former package: one user for agent and jobs.
echo 'u cardswap - "Cardswap agent" /var/lib/cardswap' >"$root/srv/former-users"
systemd-sysusers --root="$root" "$root/srv/former-users"
install -m 755 "$repository/packaging/debian/postinst" "$root/srv/"
systemd-tmpfiles --root="$root" --create cardswap.conf
rm -rf "$root/etc/cardswap"
mkdir -m 750 "$root/etc/cardswap"
chroot "$root" cardswap pki init /srv/fleet >/dev/null
chroot "$root" cardswap pki issue /srv/fleet --role agent --name here --host 127.0.0.1 >/dev/null
cp -r "$root/srv/fleet/here" "$root/etc/cardswap/tls"
chroot "$root" chown -R cardswap: /etc/cardswap
keys=/etc/cardswap/tls
echo "CARDSWAPD_OPTIONS=\"--kernel-log none --nvml none --listen 127.0.0.1:7070 --tls-cert $keys/tls.crt --tls-key $keys/tls.key --tls-ca $keys/ca.crt\"" \
  >"$root/etc/default/cardswapd"
cat >"$root/usr/bin/thief" <<'THIEF'
#!/bin/sh
# usage: thief AGENT JOB    says what it is, and whatever it can read of the agent
id -un
if grep -E '^Cap(Inh|Prm|Eff|Amb):' /proc/self/status | grep -qv '0000000000000000$'; then
  echo "some capabilities"
else
  echo "no capabilities"
fi
touch "$HOME/mine" && echo "home is mine"
for file in /etc/cardswap/tls/tls.key /etc/cardswap/tls/tls.crt /var/lib/cardswap/journal.db /var/lib/cardswap/lock \
  /var/lib/cardswap/agent.json "/proc/$1/environ" "/proc/$1/maps" "/proc/$1/mem"; do
  if head -c 1 "$file" >/dev/null 2>&1; then echo "read $file"; fi
done
for folder in /etc/cardswap /var/lib/cardswap "/proc/$1/fd" /srv/fleet; do
  if ls "$folder" >/dev/null 2>&1; then echo "listed $folder"; fi
done
if cardswap --agent /var/lib/cardswap/cardswapd.sock jobs >/dev/null 2>&1; then echo "asked the agent"; fi
if cardswap --agent 127.0.0.1:7070 jobs >/dev/null 2>&1; then echo "asked the agent over TCP"; fi
if kill -CONT "$1" 2>/dev/null; then echo "signalled the agent"; fi
if touch /var/lib/cardswap/new /etc/cardswap/new 2>/dev/null; then echo "wrote"; fi
echo "tried everything"
THIEF
chmod 755 "$root/usr/bin/thief"
mkdir "$root/etc/systemd/system/cardswapd.service.d"
printf '[Service]\nWatchdogSec=5\nTimeoutAbortSec=5\n' >"$root/etc/systemd/system/cardswapd.service.d/test.conf"
cat >"$root/etc/systemd/system/cardswapd.service.d/former.conf" <<'UNIT'
[Service]
User=cardswap
Group=cardswap
StateDirectoryMode=0700
ExecStart=
ExecStart=/usr/bin/cardswapd --data-dir /var/lib/cardswap --kernel-log none --nvml none
UNIT
# Nothing of this machine is started in there but its journal.
: >"$root/etc/fstab"
rm -rf "$root"/{etc,lib}/systemd/system/*.wants "$root"/var/lib/cardswap
cat >"$root/etc/systemd/system/test.target" <<'UNIT'
[Unit]
Wants=systemd-journald.service cardswapd.service
UNIT
exec env -i container=cardswap-test PATH=/usr/sbin:/usr/bin:/sbin:/bin chroot "$root" \
  /lib/systemd/systemd --unit=test.target --show-status=no
