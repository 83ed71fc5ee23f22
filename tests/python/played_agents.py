"""What agents say to runtimes, said by a test: migrator/wire/runtime_messages.h, the messages of a gang.

A message is a dict of its fields, with its "kind". Of the messages that a runtime sends those are read that a test asks
about; others are known by their kind.
"""

import socket
import struct

VERSION = 11
KINDS = ("", "Hello", "Tracked", "Stepped", "Parked", "SyncProgress", "Converged", "Frozen", "Verified", "Failed", "Released",
         "Resumed", "FirstStep", "Ended", "Welcome", "Refused", "BeginSync", "Freeze", "Release", "Retire", "Grant", "Depart",
         "Departed", "Arrived", "StateList", "ListState", "LateSteps", "FirstSteps", "TimeSteps", "Stored", "BuildNext",
         "NextBuilt", "Arm", "Armed", "Late", "Reached", "Check", "Checked", "CheckFailed", "SwitchOver", "CloseOld", "Held",
         "HoldAt", "RankPlace", "CommunicatorsTook", "Follow", "Followed", "Deliver")
DIGEST = 16
# s: text, Q I H B d: numbers, D: a digest, L: a list of texts; a "..." at the end: there is more
FIELDS = {
    "Hello": "I:version s:job s:token Q:pid B:role s:release s:framework Q:epoch s:migration B:frozen Q:network I:rank I:ranks",
    "Parked": "s:host H:port Q:bytes", "Converged": "s:migration d:ms", "Failed": "s:migration B:code s:failure s:hint B:lost",
    "Tracked": "Q:bytes I:regions D:layout Q:replayed Q:update Q:relocatable I:obstacles ...",
    "Verified": "s:migration Q:step D:digest ...", "Released": "s:migration", "Resumed": "s:migration Q:step d:ms d:error",
    "FirstStep": "s:migration Q:step", "Ended": "Q:step B:moved", "NextBuilt": "s:gang Q:earliest", "Armed": "s:gang Q:step",
    "Late": "s:gang Q:earliest", "Reached": "s:gang Q:step", "Checked": "s:gang Q:step D:digest",
    "CheckFailed": "s:gang B:code s:failure s:hint", "Stepped": "Q:step d:ms", "RankPlace": "I:rank I:ranks L:agents",
    "CommunicatorsTook": "s:gang d:build_ms d:try_ms d:exchange_ms",
}


def text(value):
    return struct.pack("<I", len(value)) + value.encode()


def numbers(values):
    return struct.pack(f"<{len(values) + 1}I", len(values), *values)


def read(kind, body):
    """The fields of a message; one that is cut short raises."""
    found, at = {"kind": kind}, 0

    def number(code):
        nonlocal at
        value, = struct.unpack_from("<" + code, body, at)
        at += struct.calcsize("<" + code)
        return value

    def raw(size):
        nonlocal at
        at += size
        return bytes(body[at - size:at])

    fields = FIELDS.get(kind, "...").split()
    for field in fields:
        if field == "...":
            return found
        code, name = field.split(":")
        found[name] = (raw(number("I")).decode() if code == "s" else raw(DIGEST) if code == "D" else
                       [raw(number("I")).decode() for _ in range(number("I"))] if code == "L" else number(code))
    assert at == len(body), (kind, at, len(body))
    return found


class Line:
    """The connection of one runtime. Waits for `patience` seconds at most."""

    def __init__(self, connection, patience):
        self._connection = connection
        self._connection.settimeout(patience)
        self.heard = []
        self.hello = self.hear("Hello")

    def say(self, kind, body=b""):
        frame = struct.pack("<H", KINDS.index(kind)) + body
        self._connection.sendall(struct.pack("<I", len(frame)) + frame)

    def _take(self, size):
        taken = b""
        while len(taken) < size:
            more = self._connection.recv(size - len(taken))
            if not more:
                raise AssertionError(f"the runtime closed its connection; it said {self.heard}")
            taken += more
        return taken

    def hear(self, *kinds):
        """The next message of one of these kinds. Raises for a failure that is not asked for."""
        while True:
            frame = self._take(struct.unpack("<I", self._take(4))[0])
            kind = KINDS[struct.unpack_from("<H", frame)[0]]
            message = read(kind, frame[2:])
            if kind not in ("Stepped", "SyncProgress"):
                self.heard.append(message)
            if kind in kinds:
                return message
            if kind in ("Failed", "CheckFailed"):
                raise AssertionError(message)

    def close(self):
        self._connection.close()

    def has_said(self, kind, **fields):
        """Waits until such a message has come, also one that was heard before."""
        wanted = {"kind": kind, **fields}
        while not any(all(message.get(key) == value for key, value in wanted.items()) for message in self.heard):
            self.hear(kind)

    # ---- what an agent says

    def welcome(self, epoch=1, granted=True, migration="", data_token="", address="", place=None):
        gang = place or {"gang": "", "epoch": 0, "rank": 0, "ranks": 1, "rendezvous": "", "moved": []}
        self.say("Welcome", struct.pack("<QB", epoch, granted) + text(migration) + text("127.0.0.1" if migration else "")
                 + text(data_token) + text("tcp") + text("") + text("") + struct.pack("<QQ", 0, 0) + text(address)
                 + text(gang["gang"]) + struct.pack("<QII", gang["epoch"], gang["rank"], gang["ranks"])
                 + text(gang["rendezvous"]) + numbers(gang["moved"]))

    def build_next(self, gang, epoch, rendezvous, ranks, moved):
        self.say("BuildNext", text(gang) + struct.pack("<Q", epoch) + text(rendezvous) + struct.pack("<I", ranks)
                 + numbers(moved))

    def begin_sync(self, gang, port, token):
        automatic, standby, off = 0, 0, 0
        spec = (text("job") + text("") + struct.pack("<BBdQdIQQBBBB", automatic, standby, 0, 0, 600_000, 0, 1 << 16, 0, 0, 0,
                                                     0, off) + text("") + text(""))
        self.say("BeginSync", text(gang) + text("127.0.0.1") + struct.pack("<H", port) + text(token) + spec + text("tcp")
                 + struct.pack("<d", 0) + text("") + text("") + b"\1")

    def arm(self, gang, step):
        self.say("Arm", text(gang) + struct.pack("<Q", step))

    def switch_over(self, gang, epoch):
        self.say("SwitchOver", text(gang) + struct.pack("<Q", epoch))

    def grant(self, migration, epoch, digest):
        self.say("Grant", text(migration) + struct.pack("<Q", epoch) + digest)

    def order(self, kind, gang):
        """Check, CloseOld, Release or Retire."""
        self.say(kind, text(gang))


class PlayedAgent:
    """Listens where runtimes look for their agent."""

    def __init__(self, path, patience):
        self.path, self._patience = path, patience
        self._socket = socket.socket(socket.AF_UNIX)
        self._socket.bind(str(path))
        self._socket.listen(16)
        self._socket.settimeout(patience)

    def attach(self):
        """The next runtime, which has said its Hello."""
        return Line(self._socket.accept()[0], self._patience)

    def close(self):
        self._socket.close()
