"""A rank of a job of many, as the runtime library asks it for other communicators: <cardswap/c.h>, "ranks".

While one rank moves to another process, the others stay, and all of them exchange the communicators in their process
groups at one boundary. The runtime says when; what is done is in `_communicator`. The process to which a rank moves, the
newcomer, takes its first steps among stand-ins (`_peers`), as many as the layout of DDP's buckets needs (`_buckets`).
"""

from __future__ import annotations

import ctypes
from ctypes import POINTER, Structure, c_char_p, c_double, c_int, c_size_t, c_uint32, c_uint64, c_void_p
from typing import Any, Callable

from . import _agents as agents
from . import _buckets as buckets
from . import _groups as groups
from . import _library as library
from ._communicator import NextCommunicator
from ._library import CardswapError
from ._peers import Peers


class NextRanks(Structure):
    _fields_ = [
        ("epoch", c_uint64), ("rendezvous", c_char_p), ("ranks", c_uint32), ("moved", POINTER(c_uint32)),
        ("moved_count", c_size_t),
    ]


class Times(Structure):
    _fields_ = [("build_ms", c_double), ("try_ms", c_double)]


_BUILD = ctypes.CFUNCTYPE(c_int, c_void_p, POINTER(NextRanks))
_TOOK = ctypes.CFUNCTYPE(c_int, c_void_p, POINTER(Times))
_CALL = ctypes.CFUNCTYPE(c_int, c_void_p)


class Communicators(Structure):
    _fields_ = [
        ("size", c_size_t), ("build", _BUILD), ("roll_back", _CALL), ("close_old", _CALL), ("trip", _CALL),
        ("exchange", _CALL), ("took", _TOOK),
    ]


@library.calls_back(_BUILD, "build the next communicator of")
def _build(gang, told):
    next_ranks = told.contents
    moved = [next_ranks.moved[i] for i in range(next_ranks.moved_count)]
    gang.build(next_ranks.epoch, next_ranks.rendezvous.decode(), moved)


@library.calls_back(_TOOK, "tell what they took of")
def _took(gang, times):
    times.contents.build_ms, times.contents.try_ms = gang.took()


def _call(method: str, doing: str) -> Any:
    return library.calls_back(_CALL, doing)(lambda gang: getattr(gang, method)())


_roll_back = _call("roll_back", "roll back")
_close_old = _call("close_old", "close what was before of")
_trip = _call("trip", "try the next communicator of")
_exchange = _call("exchange", "exchange the communicators of")


class Gang:
    """This process among the ranks of its job. `build()`, `roll_back()` and `close_old()` are called on a thread of the
    library, one after another; everything else on the main thread."""

    name = "ranks"

    def __init__(self, handle: c_void_p, agent: agents.Agents) -> None:
        self._handle = handle  # valid in each callback, also while the session is being closed
        self._agent = agent
        self._next: NextCommunicator | None = None
        self._peers: Peers | None = None
        self._warm_up: buckets.WarmUp | None = None

    # ---- as a newcomer, before there are peers

    def begin_alone(self, rank: int, ranks: int) -> None:
        """Takes this process for `rank` of `ranks` without asking any other. Called before groups are made."""
        self._peers = Peers(rank, ranks)
        self._peers.begin()
        self._warm_up = buckets.WarmUp()

    def needs_another_step(self) -> bool:
        """Called at each boundary: whether the warm-up goes on. Raises CardswapError if it does not come to an end."""
        if self._warm_up is None:
            return False
        if not self._warm_up.took_step():
            return True
        self._warm_up = None
        return False

    # ---- once groups are made

    def begin(self, rank: int, ranks: int) -> None:
        """Tells the library which rank this is and how it exchanges its communicators."""
        calls = Communicators(ctypes.sizeof(Communicators), _build, _roll_back, _close_old, _trip, _exchange,
                              _took)
        library.hold(self)
        library.check(library.load().cardswap_set_ranks(self._handle, rank, ranks, ctypes.byref(calls), id(self)))
        if self._peers is None:
            self._tell_agents()

    def _tell_agents(self) -> None:
        self._agent.meet(groups.default_store(), groups.rank(), groups.world_size())

    # ---- what the library asks for

    def build(self, epoch: int, rendezvous: str, moved: list[int]) -> None:
        for what, hint in groups.obstacles():
            raise CardswapError(f"{what}; {hint}", "refused")
        self._next = NextCommunicator(epoch, groups.with_any_of(moved), rendezvous,
                                      lambda: library.is_given_up(self._handle, epoch), says=self._agent.address)
        self._next.build()

    def trip(self) -> None:
        self._built().trip(buckets.digest())

    def exchange(self) -> None:
        if self._peers is not None:
            self._peers.end()
        done = self._built()
        done.exchange()
        if self._peers is not None:  # what it had before was no communicator
            self._peers = None
            self.close_old()
        self._agent.know(done.told)

    def took(self) -> tuple[float, float]:
        """What the next communicator took here without waiting for others, in ms: to connect it, and to try it."""
        took_ms = self._built().took_ms
        return took_ms.get("connect", 0), took_ms.get("tripwire", 0)

    def roll_back(self) -> None:
        given_up, self._next = self._next, None
        if given_up is not None:
            given_up.roll_back()

    def close_old(self) -> None:
        done, self._next = self._next, None
        if done is not None:
            done.retire()

    def _built(self) -> NextCommunicator:
        if self._next is None:
            raise CardswapError("no communicator was built", "conflict")
        return self._next


def newcomers_place(handle: c_void_p) -> tuple[int, int] | None:
    """The rank whose place this process takes, and how many there are; None: it takes none."""
    rank, ranks = c_uint32(), c_uint32()
    if not library.load().cardswap_is_newcomer(handle, ctypes.byref(rank), ctypes.byref(ranks)):
        return None
    return rank.value, ranks.value


def agents_of(handle: c_void_p, tell: Callable[[list[str]], None], say: Callable[[str], None]) -> agents.Agents:
    """What tells the agent of this session where the others are."""
    return agents.Agents(library.load().cardswap_agent_address(handle).decode(), tell, say)
