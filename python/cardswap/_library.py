"""The runtime library, through ctypes: <cardswap/c.h> says what each call does.

ctypes releases the GIL during a call and takes it for a callback, so that the library's own threads, which copy and
send, never wait for it.
"""

from __future__ import annotations

import contextlib
import ctypes
import os
import sys
import traceback
from ctypes import POINTER, Structure, c_char_p, c_double, c_int, c_size_t, c_uint32, c_uint64, c_void_p
from typing import Any

ABI = 1
PROCEED, MOVED = 0, 1
LOADS_LAST, MOVES_WHOLE = 1, 2


class CardswapError(RuntimeError):
    """A failure of Cardswap; the text says what failed and what to do. `code` is the same in all versions:
    "bad_request", "conflict", "refused" ... (<cardswap/error.h>)."""

    def __init__(self, text: str, code: str = "bad_request") -> None:
        super().__init__(text)
        self.code = code


class Region(Structure):
    _fields_ = [
        ("name", c_char_p), ("dtype", c_char_p), ("shape", c_char_p), ("memory", c_void_p), ("bytes", c_uint64),
        ("storage", c_void_p), ("version", c_uint64),
    ]


class Parameter(Structure):
    _fields_ = [("group", c_uint32), ("index", c_uint32), ("tensor", c_void_p), ("storage", c_void_p)]


class Rewritten(Structure):
    _fields_ = [("parameter", c_uint32), ("storage", c_void_p)]


class Gradient(Structure):
    _fields_ = [("parameter", c_uint32), ("memory", c_void_p), ("bytes", c_uint64), ("token", c_uint64)]


_TO_OUT = ctypes.CFUNCTYPE(c_int, c_void_p, c_void_p)
_ADOPT = ctypes.CFUNCTYPE(c_int, c_void_p, POINTER(c_char_p), c_size_t)
_LOAD = ctypes.CFUNCTYPE(c_int, c_void_p, c_void_p, c_uint64)
_RELEASE = ctypes.CFUNCTYPE(None, c_void_p, c_uint64)
_FORGET = ctypes.CFUNCTYPE(None, c_void_p)
_RELOCATE = ctypes.CFUNCTYPE(c_int, c_void_p, c_void_p, c_void_p, c_uint64, c_void_p)
_REPLAY = ctypes.CFUNCTYPE(c_int, c_void_p, c_void_p, c_uint64, POINTER(Gradient), c_size_t)


class Callbacks(Structure):
    _fields_ = [
        ("size", c_size_t), ("flags", c_uint64), ("regions", _TO_OUT), ("adopt", _ADOPT), ("save", _TO_OUT),
        ("load", _LOAD), ("look", _TO_OUT), ("release", _RELEASE), ("forget", _FORGET), ("parameters", _TO_OUT),
        ("rewritten", _TO_OUT), ("capture", _TO_OUT), ("replay", _REPLAY),
        ("relocate", _RELOCATE),
    ]


_lib: ctypes.CDLL | None = None
_quick: ctypes.PyDLL | None = None  # the same, for calls that return at once: they keep the GIL
_things: dict[int, Any] = {}  # the things with callbacks, by the key that the library was given as `self`


def _candidates() -> list[str]:
    here = os.path.dirname(os.path.abspath(__file__))
    named = os.environ.get("CARDSWAP_C_LIBRARY")
    return [named] if named else [os.path.join(here, "libcardswap_c.so"), "libcardswap_c.so.1"]


def load() -> ctypes.CDLL:
    """Loads the library once and returns it. Raises CardswapError if there is none, or if its ABI is another one."""
    global _lib, _quick
    if _lib is not None:
        return _lib
    why = ""
    for path in _candidates():
        try:
            lib = ctypes.CDLL(path)
        except OSError as error:
            why = str(error)
            continue
        lib.cardswap_abi.restype = c_uint32
        if lib.cardswap_abi() != ABI:
            raise CardswapError(f"{path} has ABI {lib.cardswap_abi()}, this package needs {ABI}: install both of one "
                                "version")
        _declare(lib)
        _quick = ctypes.PyDLL(path)
        _quick.cardswap_has_attention.argtypes = [c_void_p]
        _quick.cardswap_is_given_up.argtypes = [c_void_p, c_uint64]
        _lib = lib
        return lib
    raise CardswapError(f"Cardswap's runtime library cannot be loaded: {why}; build the target cardswap_c, or name the "
                        "file in CARDSWAP_C_LIBRARY", "not_found")


def _declare(lib: ctypes.CDLL) -> None:
    session = c_void_p
    for name, result, arguments in (
        ("version", c_char_p, []), ("error", c_char_p, []), ("error_code", c_char_p, []),
        ("open_rank", c_int, [c_char_p, c_uint32, c_uint32, POINTER(c_void_p)]), ("close", None, [session]),
        ("set_ranks", c_int, [session, c_uint32, c_uint32, c_void_p, c_void_p]),
        ("agent_address", c_char_p, [session]),
        ("tell_agents", c_int, [session, POINTER(c_char_p), c_size_t]),
        ("is_newcomer", c_int, [session, POINTER(c_uint32), POINTER(c_uint32)]),
        ("track", c_int, [session, c_char_p, c_char_p, c_char_p, POINTER(Callbacks), c_void_p, POINTER(c_void_p)]),
        ("before_step", c_int, [session, c_void_p]), ("boundary", c_int, [session]),
        ("is_standby", c_int, [session]), ("steps", c_uint64, [session]),
        ("digest", c_int, [session, c_char_p]), ("do_not_rehearse", c_int, [session, c_char_p]),
        ("note", c_int, [session, c_char_p, c_double]),
        ("allocate", c_int, [session, c_char_p, c_uint64, POINTER(c_void_p)]),
        ("let_go", None, [c_void_p]),
        ("put_movable_regions", None, [c_void_p, POINTER(Region), c_size_t, c_uint64]),
        ("fail", None, [c_char_p]), ("put_regions", None, [c_void_p, POINTER(Region), c_size_t, c_uint64]),
        ("put_bytes", None, [c_void_p, c_char_p, c_uint64]), ("put_obstacle", None, [c_void_p, c_char_p, c_char_p]),
        ("put_parameters", None, [c_void_p, POINTER(Parameter), c_size_t]),
        ("put_rewritten", None, [c_void_p, POINTER(Rewritten), c_size_t, c_uint32]),
        ("put_gradients", None, [c_void_p, POINTER(Gradient), c_size_t]),
    ):
        function = getattr(lib, "cardswap_" + name)
        function.restype = result
        function.argtypes = arguments


def has_attention(session: c_void_p) -> bool:
    """Whether the next boundary may do more than count the step. Costs one atomic load."""
    return _quick.cardswap_has_attention(session) != 0  # type: ignore[union-attr]


def is_given_up(session: c_void_p, epoch: int) -> bool:
    """Whether the move of ranks to `epoch` is over. Any thread."""
    return _quick.cardswap_is_given_up(session, epoch) != 0  # type: ignore[union-attr]


_interruption: BaseException | None = None  # raised in a callback by Ctrl-C or SystemExit


def check(status: int) -> int:
    """Returns `status`. Raises CardswapError if it says that the call failed, or the interruption that a callback
    met."""
    go_on_where_interrupted()
    if status < 0:
        raise _latest_error()
    return status


def go_on_where_interrupted() -> None:
    """Raises the interruption that a callback met, such as KeyboardInterrupt; does nothing if there was none."""
    global _interruption
    if _interruption is not None:
        interruption, _interruption = _interruption, None
        raise interruption


def tell(status: int, thing: object, doing: str) -> None:
    """As check(), but a failure is written to the job's log and not raised, because the program can do nothing about
    it."""
    go_on_where_interrupted()
    if status < 0:
        log_failure(thing, doing, _latest_error())


def _latest_error() -> CardswapError:
    lib = load()
    return CardswapError(lib.cardswap_error().decode(errors="replace"), lib.cardswap_error_code().decode())


def what_it_says(error: BaseException) -> str:
    try:
        return f"{type(error).__name__}: {error}"
    except Exception:  # its own __str__ fails
        return type(error).__name__


def log_failure(thing: object, doing: str, error: BaseException) -> None:
    with contextlib.suppress(Exception):
        print(f"cardswap: {doing} '{getattr(thing, 'name', '?')}' failed:", file=sys.stderr)
        traceback.print_exception(error)


def _failed(thing: object, doing: str, error: BaseException) -> None:
    """Reports an exception of a callback: it fails the migration, not the program. Its traceback is in the job's
    log."""
    assert _lib is not None
    _lib.cardswap_fail(what_it_says(error).encode("utf-8", "replace"))
    log_failure(thing, doing, error)


def _interrupted(error: BaseException) -> None:
    """Keeps an interruption, which check() raises in the program once the call has returned."""
    global _interruption
    if not isinstance(error, Exception):
        _interruption = error


def calls_back(prototype: Any, doing: str) -> Any:
    """Makes a function a callback of the library. The callback raises nothing, because ctypes would then return an
    undefined value."""
    def of(function):
        def call(key, *arguments):
            try:
                function(_things[key], *arguments)
                return 0
            except BaseException as error:
                try:
                    _interrupted(error)
                    _failed(_things.get(key), doing, error)
                except BaseException as more:
                    _interrupted(more)
                return 1

        return prototype(call)

    return of


def _to_out(method: str):
    return calls_back(_TO_OUT, method)(lambda thing, out: getattr(thing, method)(out))


@calls_back(_ADOPT, "adopt")
def _adopt(thing, names, count):
    thing.adopt([names[i].decode() for i in range(count)])


@calls_back(_LOAD, "load")
def _load(thing, data, size):
    thing.load(ctypes.string_at(data, size) if size else b"")


@_RELEASE
def _release(key, token):
    thing = _things.get(key)
    if thing is not None:
        thing.kept.pop(token, None)


@_FORGET
def _forget(key):
    _things.pop(key, None)


@calls_back(_REPLAY, "replay")
def _replay(thing, data, size, gradients, count):
    thing.replay(ctypes.string_at(data, size) if size else b"", [gradients[i] for i in range(count)])


@_RELOCATE
def _relocate(key, storage, home, size, keep):
    """A thing that declines or fails leaves its region where it is."""
    try:
        return 0 if _things[key].relocate(storage, home, size, keep) else 1
    except BaseException as error:
        _interrupted(error)
        log_failure(_things.get(key), "relocate", error)
        return 1


_regions, _save, _look = _to_out("put_regions"), _to_out("put_values"), _to_out("put_obstacles")
_parameters, _rewritten, _capture = _to_out("put_parameters"), _to_out("put_rewritten"), _to_out("put_update")


def hold(called: object) -> None:
    """Keeps what the library knows by its id() and calls until the process ends."""
    _things[id(called)] = called


class Thing:
    """A tracked thing: the calls that the library makes. A subclass overrides those that concern it. An exception fails
    the migration, not the program. Training thread only."""

    kind = "value"
    loads_last = False
    moves_whole = False  # it stands for a program that does not tell its state
    steps = False  # it is an optimizer
    replays = False  # its steps can be replayed
    relocates = False  # its regions can be relocated

    def __init__(self, name: str) -> None:
        self.name = name
        self.handle = c_void_p()
        self.kept: dict[int, object] = {}  # objects whose memory other threads may use, by token
        self._latest_token = 0

    def type_name(self) -> str:
        return self.kind

    def keep(self, what: object) -> int:
        """Keeps an object alive until the library releases the token that this returns."""
        self._latest_token += 1
        self.kept[self._latest_token] = what
        return self._latest_token

    def regions(self) -> tuple[list[Region], object]:
        """Its regions, and an object that keeps their memory alive."""
        return [], None

    def relocate(self, storage: int, home: int, size: int, keep: int) -> bool:
        """Moves a region to `home`, which is valid until cardswap_let_go(keep). False: the region stays where it is."""
        return False

    def adopt(self, names: list[str]) -> None:
        pass

    def save(self) -> bytes:
        """The state that is not in regions. Equal states give equal bytes."""
        return b""

    def load(self, data: bytes) -> None:
        if data:
            raise ValueError("it has values on the other side alone")

    def obstacles(self) -> list[tuple[str, str]]:
        """The reasons why it cannot be moved now, each with what to do about it."""
        return []

    # What the library calls:
    def put_regions(self, out) -> None:
        regions, owners = self.regions()
        if regions:
            array = (Region * len(regions))(*regions)
            load().cardswap_put_regions(out, array, len(regions), self.keep(owners))

    def put_values(self, out) -> None:
        data = self.save()
        load().cardswap_put_bytes(out, data, len(data))

    def put_obstacles(self, out) -> None:
        for what, hint in self.obstacles():
            load().cardswap_put_obstacle(out, what.encode(), hint.encode())


def track(session: c_void_p, thing: Thing) -> None:
    """Tracks a thing until the session is closed. Raises CardswapError for a name that is empty, in use or
    has a '/'."""
    flags = thing.loads_last * LOADS_LAST | thing.moves_whole * MOVES_WHOLE
    calls = Callbacks(ctypes.sizeof(Callbacks), flags, _regions, _adopt, _save, _load, _look, _release, _forget)
    if thing.steps:
        calls.parameters = _parameters
    if thing.replays:
        calls.rewritten, calls.capture, calls.replay = _rewritten, _capture, _replay
    if thing.relocates:
        calls.relocate = _relocate
    key = id(thing)
    _things[key] = thing
    check(load().cardswap_track(session, thing.name.encode(), thing.kind.encode(), thing.type_name().encode(),
                                ctypes.byref(calls), key, ctypes.byref(thing.handle)))
