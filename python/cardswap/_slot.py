"""The place of the backend in a process group: one backend can replace another while the group stays the same.

`ProcessGroup._register_backend(device, type, backend)` makes `backend` the device's backend, if no backend of that
type was registered with the group before; else the older one of that type becomes the device's again, and `backend`
is ignored. So each backend gets an unused type, and an older one is restored by its own type. torch names six types
and keeps a type in a byte: with the numbers without a name, a group's backend can be exchanged 249 times. A group
keeps each backend that was registered as long as it lives: two threads, and sockets to the ranks that stay.
"""

from __future__ import annotations

import weakref
from typing import Any

from ._library import CardswapError
from ._tensors import torch

_FIRST = 7  # the first number after torch's own types, UNDEFINED to CUSTOM
_LAST = 255


class Slot:
    """The place in one group. Main thread only, while no collective of the group is under way."""

    def __init__(self, process_group: Any) -> None:
        distributed = torch().distributed
        self._of = weakref.ref(process_group)
        self._type_of = distributed.ProcessGroup.BackendType
        self._next = _FIRST
        self._others: list[str] = []  # backends of its devices that are not Gloo
        self.devices = []
        for device in process_group._device_types:
            backend = process_group._get_backend(device)
            if isinstance(backend, distributed.ProcessGroupGloo) or getattr(backend, "stands_in", False):
                self.devices.append(device)
            else:
                self._others.append(f"{device.type} has {type(backend).__name__}")
        self._type = self._type_of.GLOO
        self._before: tuple[Any, Any] | None = None  # type and backend until the latest exchange

    @property
    def _process_group(self) -> Any:
        return self._of()

    @property
    def backend(self) -> Any:
        """The present backend."""
        return self._process_group._get_backend(self.devices[0])

    def obstacle(self) -> str:
        """Why the backend cannot be exchanged; empty: it can."""
        if self._others or not self.devices:
            return ", ".join(self._others) or "it has no device"
        if self._next > _LAST:
            return f"it was exchanged {_LAST - _FIRST + 1} times, and torch takes no more"
        return ""

    def put(self, backend: Any) -> None:
        """Makes `backend` the group's. Raises CardswapError; the group then has the backend from before."""
        why = self.obstacle()
        if why:
            raise CardswapError(f"no backend can be put into a process group: {why}", "refused")
        before, kind = (self._type, self.backend), self._type_of(self._next)
        self._next += 1
        self._register(kind, backend)
        if any(self._process_group._get_backend(device) is not backend for device in self.devices):
            self._register(*before)
            raise CardswapError(f"torch {torch().__version__} has not taken another backend for a process group",
                                "refused")
        self._type, self._before = kind, before

    def put_back(self) -> None:
        """Makes the previous backend the group's again."""
        assert self._before is not None
        self._register(*self._before)
        self._type, self._before = self._before[0], None

    def forget(self) -> None:
        """Drops the previous backend: put_back() is not possible any more."""
        self._before = None

    def _register(self, kind: Any, backend: Any) -> None:
        for device in self.devices:
            self._process_group._register_backend(device, kind, backend)
