"""Programs that do not call Cardswap: they are moved as whole processes, with CRIU.

The boundary is where an optimizer's gradients are cleared after its step, or where it steps again. Any place in the
main thread would do for a process that moves as a whole; there it has the least memory. The tensors of models and
optimizers, which were recorded when they were made, are sent while the program trains.
"""

from __future__ import annotations

import ctypes
import functools
import os
import sys
import threading
import weakref
from typing import Any, Iterator

from . import _library as library
from . import _recorder as recorder
from . import _session as sessions
from ._tensors import region_of, torch

_LEAST = 4096  # bytes: smaller tensors are left to the process


class Program(library.Thing):
    """The tensors of all recorded objects. A tensor whose storage is not shared can be moved to Cardswap's memory."""

    kind = "program"
    moves_whole = relocates = True

    def __init__(self) -> None:
        super().__init__(os.path.basename(sys.argv[0]) or "python")
        self._by_storage: dict[int, weakref.ref[Any]] = {}  # the tensors of the latest put_regions()

    def put_regions(self, out: Any) -> None:
        regions, owners = [], []
        self._by_storage = {}
        for name, tensor in _tensors():
            try:
                region, storage = region_of(name, tensor)
            except Exception:  # on a GPU, not dense, of another class: it moves with the process
                continue
            if region.bytes < _LEAST or region.storage in self._by_storage or not _is_alone(tensor, storage):
                continue
            region.name += b" at %x" % region.memory
            self._by_storage[region.storage] = weakref.ref(tensor)
            regions.append(region)
            owners.append(storage)
        if regions:
            array = (library.Region * len(regions))(*regions)
            library.load().cardswap_put_movable_regions(out, array, len(regions), self.keep(owners))

    def relocate(self, storage: int, home: int, size: int, keep: int) -> bool:
        tensor = self._by_storage.get(storage, lambda: None)()
        if tensor is None:
            return False
        was = tensor.untyped_storage()
        if was._cdata != storage or was.nbytes() != size or not _is_alone(tensor, was):
            return False
        memory = (ctypes.c_char * size).from_address(home)
        ctypes.memmove(home, was.data_ptr(), size)
        there = torch().frombuffer(memory, dtype=torch().uint8).untyped_storage()
        moved = torch().empty(0, dtype=tensor.dtype)
        moved.set_(there, tensor.storage_offset(), tensor.size(), tensor.stride())
        tensor.data = moved
        weakref.finalize(memory, library.load().cardswap_let_go, keep).atexit = False
        return True


def _tensors() -> Iterator[tuple[str, Any]]:
    """Parameters, buffers and optimizer state of all recorded objects; some may come twice."""
    for module in recorder.alive("module"):
        for table in ("_parameters", "_buffers"):
            for name, tensor in (vars(module).get(table) or {}).items():
                if tensor is not None:
                    yield f"{type(module).__name__}.{name}", tensor
    for optimizer in recorder.alive("optimizer"):
        states = vars(optimizer).get("state")
        for state in list(states.values()) if isinstance(states, dict) else ():
            for name, value in state.items() if isinstance(state, dict) else ():
                if torch().is_tensor(value):
                    yield f"{type(optimizer).__name__}.{name}", value


def _is_alone(tensor: Any, storage: Any) -> bool:
    """Whether only this tensor uses its storage, so that the storage can be replaced: no view, no graph, no alias."""
    t = torch()
    count = getattr(t._C, "_storage_Use_Count", None)
    return (count is not None and type(tensor) in (t.Tensor, t.nn.Parameter) and tensor.layout == t.strided
            and not tensor.is_inference() and not storage.is_shared()
            and count(storage._cdata) == 2)  # the tensor's, and that of `storage`


# ---- whether a program is one of these

_is_asked: bool | None = None  # whether the program itself uses Cardswap; None: not decided yet


def is_asked() -> bool:
    """Whether the program itself imports the package, or a framework's loop has opened a session. Decided once, when it
    first matters: at an optimizer's first step, or when a loader's workers start."""
    global _is_asked
    if _is_asked is None:
        _is_asked = sessions._session is not None or _is_imported()
    return _is_asked


def _is_imported() -> bool:
    """Whether a module outside of the package has the package, or one of its functions, under some name."""
    package = sys.modules["cardswap"]
    ours = {id(package), *(id(getattr(package, name)) for name in package.__all__)}
    return any(id(value) in ours for name, module in list(sys.modules.items())
               if name.partition(".")[0] != "cardswap" and module is not None
               for value in list(getattr(module, "__dict__", {}).values()))


def moves_whole() -> bool:
    """Whether this program may be moved as a whole process."""
    return bool(os.environ.get("CARDSWAP_SOCKET")) and (os.environ.get("CARDSWAP_ARRIVE") == "criu" or not is_asked())


# ---- its boundaries

_stepped: set[int] = set()  # optimizers that stepped since the latest boundary
_session: sessions.Session | None = None
_is_over = False  # there are no such boundaries in this program, or no more


def before_step(optimizer: Any, args: tuple[Any, ...], kwargs: dict[str, Any]) -> None:
    """Called before each step of each optimizer."""
    if _is_over or _session is None and not _begin():
        return
    if id(optimizer) in _stepped:
        _boundary()
    _stepped.add(id(optimizer))


def after_clearing() -> None:
    """Called after gradients were cleared."""
    if _stepped:
        _boundary()


def _begin() -> bool:
    global _session, _is_over
    multiprocessing = sys.modules.get("multiprocessing")
    if multiprocessing is not None and multiprocessing.parent_process() is not None or is_asked():
        _is_over = True
        return False
    if threading.current_thread() is not threading.main_thread():
        return _give_up("its optimizer steps in another thread than the main one")
    try:
        _session = sessions.begin_whole(Program())
    except Exception as error:
        return _give_up(str(error))
    return True


def _give_up(why: str) -> bool:
    """Writes `why` to the job's log; the program trains on without boundaries."""
    global _is_over
    _is_over = True
    sessions.say(f"this process cannot be moved: {why}")
    return False


def _boundary() -> None:
    assert _session is not None
    _stepped.clear()
    if _session.is_ours():
        try:
            _session.boundary()
        except library.CardswapError as error:
            _give_up(str(error))


def watch(torch_: Any) -> None:
    """Begins, if an agent started the program."""
    if not os.environ.get("CARDSWAP_SOCKET"):
        return
    recorder.before_each_step(before_step)
    for cls in (torch_.optim.Optimizer, torch_.nn.Module):
        _call_after_clearing(cls)


def _call_after_clearing(cls: Any) -> None:
    clear = cls.zero_grad

    def zero_grad(self, *args, **kwargs):
        clear(self, *args, **kwargs)
        after_clearing()

    cls.zero_grad = functools.wraps(clear)(zero_grad)
