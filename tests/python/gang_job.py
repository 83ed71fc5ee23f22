"""A job of three ranks on hosts that can be damaged, for gang_crash_test.py: what is done to it, and what holds afterwards.

torchrun starts three ranks that train with DDP over Gloo, two at host `a` and one, which moves, at `b` or `c`.
"""

import os
import pathlib
import shutil
import signal
import socket
import subprocess
import tempfile

from hosts import OF_AGENTS, PATIENCE, ROOT, Host, Moves, wait_until

RANKS = 3
MOVES = 2  # the rank that moves
STEPS = 10**6  # the test says which one is the last
BACK = 5  # s
SINK = "10.99.0.1"
ALL_RANKS = range(RANKS)


def own_network():
    return os.environ.get("CARDSWAP_OWN_NET") == "1"


def run(*argv):
    return subprocess.run(argv, check=True, capture_output=True, text=True).stdout


def environment_of(pid):
    try:
        parts = pathlib.Path(f"/proc/{pid}/environ").read_bytes().split(b"\0")
    except OSError:
        return {}
    return dict(part.decode(errors="replace").split("=", 1) for part in parts if b"=" in part)


def program_of(pid):
    try:
        return pathlib.Path(os.readlink(f"/proc/{pid}/exe")).name
    except OSError:
        return ""


def processes():
    """Those that are no zombies: what is left of one holds nothing."""
    for entry in pathlib.Path("/proc").iterdir():
        if not entry.name.isdigit():
            continue
        try:
            if entry.joinpath("stat").read_text().rpartition(")")[2].split()[0] != "Z":
                yield int(entry.name)
        except OSError:
            pass


class Network:
    """This network namespace: a set of ports can be cut off, as if what goes there were lost on the way."""

    def __init__(self):
        run("ip", "link", "set", "lo", "up")
        if SINK in run("ip", "addr", "show"):
            return
        run("ip", "rule", "add", "pref", "10", "lookup", "local")
        run("ip", "rule", "del", "pref", "0")
        run("ip", "link", "add", "sink", "type", "veth", "peer", "name", "drain")
        run("ip", "link", "set", "sink", "up")
        run("ip", "link", "set", "drain", "up")
        run("ip", "addr", "add", SINK + "/32", "dev", "sink")
        run("ip", "route", "add", "default", "dev", "sink", "table", "77")

    def cut(self, *ports):
        self._rules("add", ports)

    def heal(self, *ports):
        self._rules("del", ports)

    def _rules(self, do, ports):
        for port in ports:
            for end in ("sport", "dport"):
                run("ip", "rule", do, "pref", "5", "ipproto", "tcp", end, str(port), "lookup", "77")


class Job:
    """Three hosts with agents, and a job of three ranks."""

    def __init__(self, tls):
        self.folder = pathlib.Path(tempfile.mkdtemp(prefix="cardswap-gang-crash-"))
        self.until, self.last, self.busy, self.group = (self.folder / name for name in ("until", "last", "busy", "group"))
        self.network = Network() if own_network() else None
        self.memory = set(os.listdir("/dev/shm"))
        self.hosts, self.starts = [], []
        self.move_id = self.hold = self.had = None
        try:
            self.hosts = [Host(self.folder, name, Moves.programs, f"{self.address(at, tls)}:0", self.certificate(name, tls))
                          for at, name in enumerate("abc")]
            for host in self.hosts:
                wait_until(host.is_up, f"{host.folder} listens")
            self.a, self.source, self.target = self.hosts
            self.begin(4)
        except BaseException:
            self.close()
            raise

    @staticmethod
    def address(at, tls):
        return f"127.0.0.{at + 1}" if tls else "127.0.0.1"

    def certificate(self, name, tls):
        if not tls:
            return []
        fleet = self.folder / "fleet"
        if not fleet.exists():
            run(Moves.programs / "cardswap", "pki", "init", fleet)
        run(Moves.programs / "cardswap", "pki", "issue", fleet, "--role", "agent", "--name", name, "--host",
            self.address("abc".index(name), tls))
        given = fleet / name
        more = ["--jobs-share-my-user"]
        return ["--tls-cert", given / "tls.crt", "--tls-key", given / "tls.key", "--tls-ca", given / "ca.crt", *more]

    # ---- the job

    def allow(self, steps):
        self.allowed = steps
        self.write(self.until, steps)

    def write(self, path, text):
        new = path.with_suffix(".new")
        new.write_text(str(text))
        new.replace(path)

    def program(self, log, nodes, node, ranks, port, *more):
        return [Moves.python, "-B", "-m", "torch.distributed.run", "--nnodes", str(nodes), "--node-rank", str(node),
                "--nproc-per-node", str(ranks), "--master-addr", "127.0.0.1", "--master-port", str(port),
                ROOT / "tests/python/ddp.py", "--steps", str(STEPS), "--loss-log", self.folder / log, "--last",
                self.last, *more]

    def begin(self, steps):
        self.allow(steps)
        self.env = {**Moves.of_jobs, **OF_AGENTS, **({"GLOO_SOCKET_IFNAME": "lo"} if own_network() else {})}
        with socket.create_server(("127.0.0.1", 0)) as server:
            port = server.getsockname()[1]
        for node, host in enumerate((self.a, self.source)):
            done = host.command("run", "--name", "ddp", "--device", "cpu:0", "--", "/usr/bin/env",
                                *(f"{name}={value}" for name, value in self.env.items()),
                                *self.program("losses", 2, node, RANKS - 1 if node == 0 else 1, port, "--until", self.until,
                                              "--busy", self.busy, "--group", self.group))
            if done.returncode != 0:
                raise AssertionError(done.stderr)
        wait_until(lambda: min(self.steps()) >= steps, lambda: "steps: " + self.said())
        self.listening = {host.name: self.listens(host) for host in self.hosts}
        self.reserved = self.reserved_at(self.a), self.reserved_at(self.source)

    def ranks(self, host):
        jobs = [job for job in host.ask("jobs", "--all")["jobs"] if job["name"] == "ddp"]
        return [one for job in jobs for one in job["ranks"] if one["moved_to"] is None and job["state"] in ("running", "frozen")]

    def lines(self, rank):
        log = self.folder / f"losses.{rank}"
        return log.read_text().splitlines() if log.exists() else []

    def steps(self):
        """By what the ranks themselves wrote."""
        return [len(self.lines(rank)) for rank in ALL_RANKS]

    def take_steps(self):
        """Two at a time: a step is agreed further ahead where many are allowed."""
        if min(self.steps()) >= self.allowed:
            self.allow(self.allowed + 2)

    def of_rank(self, rank, host):
        """The process of a rank at a host; `cardswap follow`, which keeps the place of one that has left, is none."""
        return [pid for pid, env in ((pid, environment_of(pid)) for pid in processes())
                if env.get("RANK") == str(rank) and env.get("CARDSWAP_SOCKET", "").startswith(f"{host.folder}/")
                and program_of(pid) != "cardswap"]

    def said(self):
        logs = "".join(f"--- {host.name}\n{host.said()}\n" for host in self.hosts)
        out = "".join(f"--- ddp at {host.name}\n{host.command('logs', 'ddp').stdout[-5000:]}\n" for host in self.hosts
                      if host.agent.poll() is None)
        return (logs + out)[-30000:]

    @staticmethod
    def reserved_at(host):
        return sum(device["reserved_bytes"] for device in host.ask("devices")["devices"])

    # ---- an attempt

    def begin_move(self, place, to=None):
        self.hold = place and place.hold
        held = ["--hold-at", place.hold] if place else []
        started = self.a.ask("migrate", f"ddp/{MOVES}", "--to", (to or self.target).at(), "--max-stall", "none", "--timeout",
                             f"{PATIENCE}s", "--detach", *held)
        self.move_id = started["id"]
        if place:
            wait_until(lambda: self.is_at(place), lambda: f"{place.hold}: {self.shown()}\n{self.said()}")

    def shown(self):
        return self.a.ask("status", self.move_id)

    def is_at(self, place):
        now = self.shown()
        if now["result"] and now["result"] != "ok":
            raise AssertionError(f"it ended before it was at {place.hold}: {now}\n{self.said()}")
        ranks = now["ranks"]
        seen = now["state"] == place.state and all(
            one["state"] in (place.leaves if one["part"] == "leaves" else place.stays) for one in ranks)
        seen = seen and ranks[MOVES]["newcomer"] in place.newcomer
        stands = place.hold == "freezing" and now["state"] == place.state  # a step more and the ranks are ready
        if not seen and not stands:
            self.take_steps()
        return seen

    def proceed(self):
        self.a.post(f"/v1/migrations/{self.move_id}/proceed")

    def state(self):
        return self.shown()["state"]

    def comes_to(self, *states, patience=30, steps=True):
        def there():
            if steps:
                self.take_steps()
            return self.state() in states
        wait_until(there, lambda: f"{states}: {self.shown()}\n{self.said()}", patience)

    # ---- damage

    def damage(self, victim):
        if victim in ("newcomer", "leaver", "stays"):
            rank, host = {"newcomer": (MOVES, self.target), "leaver": (MOVES, self.source), "stays": (1, self.a)}[victim]
            found = self.of_rank(rank, host)
            if len(found) != 1:
                raise AssertionError(f"{victim}: processes {found}")
            os.kill(found[0], signal.SIGKILL)
        elif victim in ("conductor", "source", "target"):
            self.host_of(victim).kill()
        elif victim == "store":
            ports = self.listens(self.a) - self.listening["a"]
            if not ports:
                raise AssertionError("there is no store")
            for port in ports:
                run("ss", "-K", "-t", "-a", f"sport = :{port}")
            if self.listens(self.a) & ports:
                raise AssertionError("the store still listens")
        else:
            self.network.cut(*self.link(victim))

    def host_of(self, victim):
        return {"conductor": self.a, "source": self.source, "target": self.target}[victim]

    def link(self, victim):
        return self.a.port, (self.source if victim == "link to the source" else self.target).port

    def listens(self, host):
        """TCP ports at which an agent listens."""
        said = run("ss", "-H", "-l", "-t", "-n", "-p")
        return {int(line.split()[3].rpartition(":")[2]) for line in said.splitlines() if f"pid={host.agent.pid}," in line}

    def repair(self, victim):
        if victim in ("conductor", "source", "target"):
            host = self.host_of(victim)
            host.start()
            wait_until(host.is_up, lambda: f"{host.name} is back: {host.said()}")
        elif victim.startswith("link"):
            self.network.heal(*self.link(victim))

    # ---- what holds afterwards

    def goes_on(self, patience=BACK):
        """All ranks take steps again."""
        want = max(self.steps()) + 4
        self.allow(max(self.allowed, want))
        wait_until(lambda: min(self.steps()) >= want, lambda: f"steps: {self.steps()}, {self.shown()}\n{self.said()}", patience)

    def makes_a_group(self):
        """All ranks meet for another one."""
        at = max(self.steps()) + 2
        self.write(self.group, at)
        self.allow(max(self.allowed, at))
        met = lambda: [path.read_text() for path in self.folder.glob("group.?")] == [str(RANKS)] * RANKS
        wait_until(met, lambda: "another group: " + self.said(), 60)

    def moved(self):
        """The rank is at the target now: the next attempt takes it back."""
        self.source, self.target = self.target, self.source

    def nothing_is_left(self, is_new=False):
        """Of a rank where it is not, and of the attempt anywhere. `is_new`: it has moved."""
        wait_until(lambda: not self.left(is_new), lambda: f"left: {self.left(is_new)}\n{self.said()}", 15)
        if not is_new:
            self.had = self.had or self.sockets()  # a first attempt makes what every one uses

    def sockets(self):
        """How many the ranks that stay have."""
        def is_socket(descriptor):
            try:
                return "socket:" in os.readlink(descriptor)
            except FileNotFoundError:  # closed meanwhile
                return False

        def of(pid):
            return sum(map(is_socket, pathlib.Path(f"/proc/{pid}/fd").iterdir()))
        return [of(pid) for rank in (0, 1) for pid in self.of_rank(rank, self.a)]

    def left(self, is_new):
        found = []
        if is_new:
            self.had = None
        elif self.had and any(now > had for now, had in zip(self.sockets(), self.had)):
            found.append(f"the ranks that stay have {self.sockets()} sockets, and had {self.had}")
        has, has_none = (self.target, self.source) if is_new else (self.source, self.target)
        of_a, of_moved = self.reserved
        for host, ranks, reserved in ((self.a, {0, 1}, of_a), (has, {MOVES}, of_moved), (has_none, set(), 0)):
            here = {rank for rank in ALL_RANKS if [pid for pid in self.of_rank(rank, host)]}
            if here - ranks:
                found.append(f"processes of ranks {here - ranks} at {host.name}")
            if self.reserved_at(host) != reserved:
                found.append(f"{self.reserved_at(host)} bytes are reserved at {host.name}, not {reserved}")
            open_ones = [one for one in host.ask("status")["migrations"] if one["result"] is None]
            if open_ones:
                found.append(f"open at {host.name}: {open_ones}")
        if more := set(os.listdir("/dev/shm")) - self.memory:
            found.append(f"shared memory {more}")
        if len(more := self.listens(self.a) - self.listening["a"]) > 1:  # the one of the last move that went well
            found.append(f"a listens at {more}")
        return found

    def finish(self):
        """It ends; each rank has computed what it computes undisturbed."""
        last = max(self.steps()) + 4
        self.write(self.last, last)
        with socket.create_server(("127.0.0.1", 0)) as server:
            port = server.getsockname()[1]
        undisturbed = subprocess.run(self.program("undisturbed", 1, 0, RANKS, port), env={**os.environ, **self.env},
                                     capture_output=True, text=True, timeout=PATIENCE)
        if undisturbed.returncode != 0:
            raise AssertionError(undisturbed.stderr)
        self.allow(10**9)
        ended = lambda: all(job["state"] not in ("running", "starting", "standby", "frozen") for host in self.hosts
                            for job in host.ask("jobs", "--all")["jobs"])
        wait_until(ended, lambda: "the end of all: " + self.said())
        for rank in ALL_RANKS:
            self.same(rank, (self.folder / f"undisturbed.{rank}").read_text().splitlines())

    def same(self, rank, expected):
        got = self.lines(rank)
        if got != expected:
            at = next((at for at, pair in enumerate(zip(got, expected)) if pair[0] != pair[1]), min(len(got), len(expected)))
            raise AssertionError(f"rank {rank}, line {at}: {got[at:at + 3]} is not {expected[at:at + 3]}\n{self.said()}")

    def close(self):
        for host in self.hosts:
            if host.agent.poll() is not None:
                host.start()
                wait_until(host.is_up, host.name)
            for job in host.ask("jobs", "--all")["jobs"]:
                host.command("stop", job["name"], "--grace", "0s", "--force")
            host.agent.terminate()
            host.agent.wait()
            host.log.close()
        for pid in processes():
            if environment_of(pid).get("CARDSWAP_SOCKET", "").startswith(f"{self.folder}/"):
                os.kill(pid, signal.SIGKILL)
        shutil.rmtree(self.folder, True)
