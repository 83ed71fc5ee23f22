"""A real Slurm on this computer: a controller and nodes, each with a network, a name and processes of its own.

Debian's packages, started by hand: munged, slurmctld, and a slurmd a node. scripts/setup.sh --slurm installs them; root
makes the namespaces.
"""

import os
import pathlib
import shutil
import subprocess
import time

PROGRAMS = ("slurmctld", "slurmd", "munged", "srun", "sbatch", "scontrol", "sinfo", "squeue", "sacct")
BOOT = """set -e
read pid rest < /proc/self/stat
mount --make-rprivate /
mount -t proc proc /proc
hostname "$1"
mount -t tmpfs tmpfs /sys/fs/cgroup
mkdir /sys/fs/cgroup/freezer
mount -t cgroup -o freezer freezer /sys/fs/cgroup/freezer
mount --bind "$2/etc" /etc/slurm
mount --bind "$2/hosts" /etc/hosts
echo "$pid" > "$2/$1.booting"
mv "$2/$1.booting" "$2/$1.booted"
trap '' CHLD
exec sleep infinity
"""


def missing():
    """Why there can be no cluster here; empty: there can."""
    if os.geteuid() != 0:
        return "only root makes namespaces"
    absent = [name for name in PROGRAMS[:-1] if not shutil.which(name, path=os.environ["PATH"] + ":/usr/sbin")]
    if absent:
        return f"there is no {absent[0]}; scripts/setup.sh --slurm installs it"
    if not any(line.split()[2:4] == ["cgroup", "rw"] or " - cgroup cgroup " in line and "freezer" in line
               for line in pathlib.Path("/proc/self/mountinfo").read_text().splitlines()):
        return "slurmd of Slurm 22.05 needs a freezer of cgroup v1"
    if subprocess.run(["unshare", "--mount", "--uts", "--pid", "--net", "--fork", "true"], capture_output=True).returncode:
        return "this computer has no PID, mount, UTS and network namespaces"
    return ""


def must(*command, **more):
    done = subprocess.run([str(word) for word in command], capture_output=True, text=True, stdin=subprocess.DEVNULL, **more)
    if done.returncode != 0:
        raise AssertionError(f"{' '.join(map(str, command))}: {done.stdout}{done.stderr}")
    return done.stdout


class Cluster:
    """Nodes n1, n2, ... and the controller "ctl". Everything of it dies with close()."""

    def __init__(self, folder, nodes):
        self.folder = folder
        self.names = ["ctl", *(f"n{number + 1}" for number in range(nodes))]
        self.switch = f"cl{os.getpid()}"
        self.boxes = []
        self.daemons = []
        self.pids = {}
        for part in ("etc", "state", "munge"):
            (folder / part).mkdir()
        os.chmod(folder, 0o755)
        (folder / "hosts").write_text("127.0.0.1 localhost\n" + "".join(f"{self.address(n)} {n}\n" for n in self.names))

    def address(self, name):
        return f"10.231.80.{self.names.index(name) + 1}"

    def net(self, name):
        return f"{self.switch}{name}"

    def start(self, **settings):
        self.write_config(settings)
        must("ip", "netns", "add", self.switch)
        must("ip", "-n", self.switch, "link", "add", "br0", "type", "bridge")
        must("ip", "-n", self.switch, "link", "set", "br0", "up")
        for name in self.names:
            self.boot(name)
        self.start_munge()
        self.run_daemon("ctl", "slurmctld", "-D")
        for name in self.names[1:]:
            self.run_daemon(name, "slurmd", "-D", "-N", name)

    def boot(self, name):
        net = self.net(name)
        must("ip", "netns", "add", net)
        must("ip", "-n", self.switch, "link", "add", f"p{name}", "type", "veth", "peer", "name", "eth0", "netns", net)
        must("ip", "-n", self.switch, "link", "set", f"p{name}", "master", "br0", "up")
        must("ip", "-n", net, "addr", "add", self.address(name) + "/24", "dev", "eth0")
        must("ip", "-n", net, "link", "set", "eth0", "up")
        must("ip", "-n", net, "link", "set", "lo", "up")
        with open(self.folder / f"{name}.console", "w") as console:
            self.boxes.append(subprocess.Popen(
                ["setpriv", "--pdeathsig", "KILL", "ip", "netns", "exec", net, "unshare", "--mount", "--uts", "--pid", "--fork",
                 "--kill-child=KILL", "sh", "-c", BOOT, "boot", name, self.folder], stdin=subprocess.DEVNULL, stdout=console, stderr=console))
        booted = self.folder / f"{name}.booted"
        end = time.monotonic() + 20
        while not booted.exists():
            if time.monotonic() > end or self.boxes[-1].poll() is not None:
                raise AssertionError(f"{name} does not boot: " + (self.folder / f"{name}.console").read_text())
            time.sleep(0.02)
        self.pids[name] = booted.read_text().strip()

    def start_munge(self):
        key = self.folder / "munge/key"
        key.write_bytes(os.urandom(1024))
        key.chmod(0o600)
        (self.folder / "munge").chmod(0o755)
        self.run_daemon("ctl", "munged", "--foreground", "--force", f"--key-file={key}",
                        f"--socket={self.folder}/munge/socket", f"--pid-file={self.folder}/munge/pid",
                        f"--log-file={self.folder}/munge/log", f"--seed-file={self.folder}/munge/seed", "--num-threads=2")
        end = time.monotonic() + 20
        while not (self.folder / "munge/socket").exists():
            if time.monotonic() > end:
                raise AssertionError("munged does not start: " + (self.folder / "munged.ctl.out").read_text())
            time.sleep(0.02)

    def write_config(self, settings):
        nodes = self.names[1:]
        lines = {"ClusterName": "cards", "SlurmctldHost": f"ctl({self.address('ctl')})", "SlurmUser": "root",
                 "AuthType": "auth/munge", "AuthInfo": f"socket={self.folder}/munge/socket", "SlurmdUser": "root",
                 "StateSaveLocation": self.folder / "state", "SlurmdSpoolDir": f"{self.folder}/spool-%n",
                 "SlurmctldPidFile": self.folder / "slurmctld.pid", "SlurmdPidFile": f"{self.folder}/slurmd-%n.pid",
                 "SlurmctldLogFile": self.folder / "slurmctld.log", "SlurmdLogFile": f"{self.folder}/slurmd-%n.log",
                 "ProctrackType": "proctrack/linuxproc", "TaskPlugin": "task/none", "ReturnToService": 2, "MpiDefault": "none",
                 "JobAcctGatherType": "jobacct_gather/none", "SelectType": "select/linear", "KillWait": 5,
                 "JobCompType": "jobcomp/filetxt", "JobCompLoc": self.folder / "jobcomp", **settings}
        text = "".join(f"{key}={value}\n" for key, value in lines.items())
        text += "".join(f"NodeName={name} NodeAddr={self.address(name)} CPUs=1 RealMemory=100 State=UNKNOWN\n" for name in nodes)
        text += f"PartitionName=all Nodes={','.join(nodes)} Default=YES State=UP\n"
        (self.folder / "etc/slurm.conf").write_text(text)
        (self.folder / "etc/cgroup.conf").write_text("CgroupPlugin=cgroup/v1\nCgroupMountpoint=/sys/fs/cgroup\n")

    def at(self, name, *command):
        """The command, run on that machine."""
        return ["nsenter", "--target", self.pids[name], "--net", "--mount", "--uts", "--pid", "--", *map(str, command)]

    def run_daemon(self, name, *command, **more):
        with open(self.folder / f"{command[0].split('/')[-1]}.{name}.out", "w") as out:
            self.daemons.append(subprocess.Popen(self.at(name, *command), stdin=subprocess.DEVNULL, stdout=out,
                                                 stderr=subprocess.STDOUT,
                                                 env={**os.environ, "PATH": os.environ["PATH"] + ":/usr/sbin:/sbin"}, **more))
        return self.daemons[-1]

    def ask(self, *command, machine="ctl"):
        done = subprocess.run(self.at(machine, *command), stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=60)
        if done.returncode != 0:
            raise AssertionError(f"{' '.join(map(str, command))}: {done.stdout}{done.stderr}{self.said()}")
        return done.stdout

    def states(self):
        """The state of each node, as sinfo tells it."""
        done = subprocess.run(self.at("ctl", "sinfo", "-h", "-N", "-o", "%N %T"), capture_output=True, text=True, timeout=60)
        return dict(line.split() for line in done.stdout.splitlines())

    def said(self):
        logs = sorted(self.folder.glob("*.log")) + sorted(self.folder.glob("*.out"))
        return "".join(f"--- {log.name}\n{log.read_text(errors='replace')[-3000:]}\n" for log in logs)

    def close(self):
        for box in self.boxes:
            box.kill()
        for process in [*self.boxes, *self.daemons]:
            process.wait()
        for net in [*(self.net(name) for name in self.names), self.switch]:
            subprocess.run(["ip", "netns", "del", net], capture_output=True)
