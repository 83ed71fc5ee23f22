"""Makes the workers of DataLoaders movable, for a program that moves as a whole process.

torch's loader processes share semaphores and batches through files that they delete at once, and hand these over
through named sockets: a process with such files or sockets cannot be moved. So here semaphores and the large tensors
of a batch are in memory that the processes share; small tensors go through the pipe between the processes.
"""

from __future__ import annotations

import ctypes
import mmap
from typing import Any

from . import _automatic as automatic
from ._shelf import Shelf, shelf_of
from ._tensors import torch

_LARGE = 1 << 16  # bytes: smaller tensors go through the pipe
_shelf: Shelf | None = None  # of the workers that were started last; None: they send in torch's way


def watch(torch_: Any) -> None:
    """Begins, if an agent started the program."""
    import multiprocessing.reduction
    import multiprocessing.synchronize
    from torch.utils.data import dataloader

    synchronize: Any = multiprocessing.synchronize  # its parts without a name
    pickler: Any = multiprocessing.reduction.ForkingPickler
    synchronize._multiprocessing = _Semaphores()
    _start_plainly(dataloader._MultiProcessingDataLoaderIter)
    _make_storages_plainly(torch_.UntypedStorage)
    usual = pickler._extra_reducers[torch_.Tensor]
    pickler.register(torch_.Tensor, lambda tensor: _plain(tensor) if _goes_plainly(tensor) else usual(tensor))


# ---- semaphores

class _Semaphores:
    """Replaces the module with which `multiprocessing` makes its semaphores."""

    def __init__(self) -> None:
        import _multiprocessing
        self._inner = _multiprocessing
        self._libc = ctypes.CDLL(None, use_errno=True)

        class Shared(_multiprocessing.SemLock):
            """A semaphore without a file, in `memory`."""

        self._shared = Shared
        outer = self

        class SemLock(_multiprocessing.SemLock):
            def __new__(cls, kind, value, maxvalue, name, unlink):
                if unlink and automatic.moves_whole():  # a name that is deleted at once: for forks alone
                    return outer._in_memory(kind, value, maxvalue)
                return _multiprocessing.SemLock(kind, value, maxvalue, name, unlink)

        self.SemLock = SemLock

    def __getattr__(self, name: str) -> Any:
        return getattr(self._inner, name)

    def _in_memory(self, kind: int, value: int, maxvalue: int) -> Any:
        memory = mmap.mmap(-1, mmap.PAGESIZE)
        address = ctypes.addressof(ctypes.c_char.from_buffer(memory))
        if self._libc.sem_init(ctypes.c_void_p(address), 1, ctypes.c_uint(value)) != 0:
            raise OSError(ctypes.get_errno(), "sem_init")
        lock = self._shared._rebuild(address, kind, maxvalue, None)
        lock.memory = memory
        return lock


# ---- batches

def _start_plainly(cls: Any) -> None:
    start = cls.__init__

    def begin(self, loader):
        global _shelf
        _shelf = self._cardswap_shelf = Shelf(loader.num_workers) if automatic.moves_whole() else None
        start(self, loader)

    cls.__init__ = begin


def _worker() -> tuple[Shelf, int] | None:
    """The loader's shelf and this process's worker number; None: the process is no such worker."""
    about = torch().utils.data.get_worker_info() if _shelf is not None else None
    return (_shelf, about.id) if _shelf is not None and about is not None else None


def _make_storages_plainly(cls: Any) -> None:
    shared = cls._new_shared.__func__

    def make(cls_, size, *, device="cpu"):
        worker = _worker()
        if worker is None or torch().device(device).type != "cpu":
            return shared(cls_, size, device=device)
        shelf, number = worker
        memory = shelf.take(number, size) if size >= _LARGE else None
        return cls_(size) if memory is None else _over(memory).untyped_storage()

    cls._new_shared = classmethod(make)


def _over(memory: Any) -> Any:
    return torch().frombuffer(memory, dtype=torch().uint8)


def _goes_plainly(tensor: Any) -> bool:
    return (_worker() is not None and tensor.device.type == "cpu" and tensor.layout == torch().strided
            and not tensor.requires_grad and not tensor.is_shared() and not tensor.is_quantized)


def _plain(tensor: Any) -> tuple[Any, tuple[Any, ...]]:
    """What is needed to make a tensor with the same strides; as much as torch's own way keeps."""
    sides, strides = tuple(tensor.size()), tuple(tensor.stride())
    span = 1 + sum((side - 1) * stride for side, stride in zip(sides, strides)) if tensor.numel() else 0
    size = span * tensor.element_size()
    sent = _put_on_shelf(tensor.data_ptr(), size)
    data = ctypes.string_at(tensor.data_ptr(), size) if size and sent is None else b""
    return _made_of, (data, sent, size, tensor.dtype, sides, strides)


def _put_on_shelf(address: int, size: int) -> tuple[int, ...] | None:
    """Where the program finds the bytes; None: they are few, or there is no room."""
    worker = _worker()
    if worker is None or size < _LARGE:
        return None
    shelf, number = worker
    found = shelf.send(number, address)
    if found is None:
        memory = shelf.take(number, size)
        if memory is None:
            return None
        ctypes.memmove(memory, address, size)
        found = shelf.send(number, ctypes.addressof(memory))
    return (shelf.number, number, *found) if found is not None else None


def _made_of(data: bytes, sent: tuple[int, ...] | None, size: int, dtype: Any, sides: tuple[int, ...],
             strides: tuple[int, ...]) -> Any:
    if sent is not None:
        number, worker, slot, at = sent
        whole = torch().frombuffer(shelf_of(number).received(worker, slot, at, size), dtype=dtype)
    else:
        whole = torch().empty(size // dtype.itemsize, dtype=dtype)  # aligned as any tensor, unlike `data`
        if data:
            ctypes.memmove(whole.data_ptr(), data, size)
    return whole.as_strided(sides, strides)
