#!/usr/bin/env bash
# The unit under a systemd of its own: in namespaces, with this machine's files below and nothing
# of them written. Started, watched, reloaded, killed and stopped; a job outlives all of it.
set -euo pipefail
build=$(cd "${1:?usage: tests/package/systemd.sh BUILD_DIR}" && pwd)
repository=$(cd "$(dirname "$0")/../.." && pwd)

skip() { echo "skipped: $*"; exit 77; }
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
  in_there systemctl --no-pager status cardswapd | head -n 12
  agent=$(shown MainPID)
  [ "$(in_there ps -o user= -p "$agent" | tr -d ' ')" = cardswap ] || failed "it runs as another user"
  echo "type $(shown Type), watchdog $(shown WatchdogUSec), status: $(shown StatusText)"
  command=(setpriv --reuid cardswap --regid cardswap --clear-groups cardswap --agent /var/lib/cardswap/cardswapd.sock)
  in_there "${command[@]}" run --name job -- /usr/bin/plain_memory --steps 1000000 --step-ms 5 --bytes 4096
  state() { in_there "${command[@]}" -o json jobs; }
  trains() { state | grep -q '"state": *"running"' && state | grep -q '"attached": *true'; }
  eventually "the job does not train" trains
  job=$(in_there pgrep -x plain_memory)

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

install -m 755 "$build"/agent/{cardswapd,cardswap,cardswap-init,cardswap-holder} "$build/runtime/plain_memory" "$root/usr/bin/"
install -m 644 "$repository/packaging/systemd/cardswapd.service" "$root/etc/systemd/system/"
echo 'CARDSWAPD_OPTIONS="--kernel-log none --nvml none"' >"$root/etc/default/cardswapd"
systemd-sysusers --root="$root" "$repository/packaging/debian/sysusers.conf"
mkdir "$root/etc/systemd/system/cardswapd.service.d"
printf '[Service]\nWatchdogSec=5\nTimeoutAbortSec=5\n' >"$root/etc/systemd/system/cardswapd.service.d/test.conf"
# Nothing of this machine is started in there but its journal.
: >"$root/etc/fstab"
rm -rf "$root"/{etc,lib}/systemd/system/*.wants "$root"/var/lib/cardswap
cat >"$root/etc/systemd/system/test.target" <<'UNIT'
[Unit]
Wants=systemd-journald.service cardswapd.service
UNIT
exec env -i container=cardswap-test PATH=/usr/sbin:/usr/bin:/sbin:/bin chroot "$root" \
  /lib/systemd/systemd --unit=test.target --show-status=no
