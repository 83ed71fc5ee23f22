"""Memory in which a DataLoader's workers hand their batches over, without files."""

from __future__ import annotations

import ctypes
import itertools
import mmap
import os
import threading
import weakref
from typing import Any

_PART_BYTES = 256 << 20  # of addresses, for each worker
_SLOTS = 64  # that are in use at a time, for each worker
_ALIGNMENT = 64  # torch's own
_MAP_NORESERVE = 0x4000

_numbers = itertools.count()
_shelves: weakref.WeakValueDictionary[int, Shelf] = weakref.WeakValueDictionary()  # of this process, by number


class Shelf:
    """Shared memory, made before the workers are forked. A worker takes slots from its own part only. A slot is free
    again when neither the worker nor the program uses its memory; a byte that both can read says whether the program
    does."""

    def __init__(self, workers: int) -> None:
        self.number = next(_numbers)
        self._program = os.getpid()
        self._part = mmap.PAGESIZE + _PART_BYTES
        self._memory = mmap.mmap(-1, workers * self._part, mmap.MAP_SHARED | mmap.MAP_ANONYMOUS | _MAP_NORESERVE)
        self._address = ctypes.addressof(ctypes.c_char.from_buffer(self._memory))
        _shelves[self.number] = self
        # A worker's:
        self._lock = threading.Lock()
        self._taken: dict[int, tuple[int, int]] = {}  # slots, with their begin and end in the part
        self._here: set[int] = set()  # of those: the worker uses the memory
        self._sent: set[int] = set()  # of those: it was sent to the program
        self._dropped: list[int] = []  # not used by the worker any more; finalizers add to it without a lock

    # ---- in a worker

    def take(self, worker: int, size: int) -> Any:
        """Memory of that size; None: there is no room. It stays valid while the worker refers to it, and, if it was
        sent, while the program does."""
        with self._lock:
            self._clear_up(worker)
            begin = 0
            for first, last in sorted(self._taken.values()):
                if first - begin >= size:
                    break
                begin = -(-last // _ALIGNMENT) * _ALIGNMENT
            slot = next((slot for slot in range(_SLOTS) if slot not in self._taken), None)
            if slot is None or begin + size > _PART_BYTES:
                return None
            self._taken[slot] = begin, begin + size
            self._here.add(slot)
        memory = (ctypes.c_char * size).from_buffer(self._memory, self._place(worker, begin))
        weakref.finalize(memory, self._dropped.append, slot).atexit = False
        return memory

    def send(self, worker: int, address: int) -> tuple[int, int] | None:
        """Marks the slot that contains this address as sent. Returns the slot and the address's offset in the part;
        None: the address is in no slot, or the slot was sent before."""
        at = address - self._address - self._place(worker, 0)
        with self._lock:
            for slot, (first, last) in self._taken.items():
                if first <= at < last and slot not in self._sent:
                    self._sent.add(slot)
                    self._memory[worker * self._part + slot] = 1
                    return slot, at
        return None

    def _clear_up(self, worker: int) -> None:
        while self._dropped:
            self._here.discard(self._dropped.pop())
        for slot in [slot for slot in self._taken if slot not in self._here and not self._is_lent(worker, slot)]:
            del self._taken[slot]
            self._sent.discard(slot)

    # ---- in the program

    def received(self, worker: int, slot: int, at: int, size: int) -> Any:
        """The memory that was sent; when the program drops it, the slot is given back."""
        memory = (ctypes.c_char * size).from_buffer(self._memory, self._place(worker, at))
        weakref.finalize(memory, self._give_back, worker, slot).atexit = False
        return memory

    def _give_back(self, worker: int, slot: int) -> None:
        if os.getpid() == self._program:  # a fork has a copy of what the program still uses
            self._memory[worker * self._part + slot] = 0

    # ---- both

    def _is_lent(self, worker: int, slot: int) -> bool:
        return self._memory[worker * self._part + slot] != 0

    def _place(self, worker: int, at: int) -> int:
        return worker * self._part + mmap.PAGESIZE + at


def shelf_of(number: int) -> Shelf:
    """The shelf of that number, in the process that made it. Raises KeyError if its loader's iterator is gone."""
    return _shelves[number]
