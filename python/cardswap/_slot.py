"""The place that a process group has for its backend, in which one follows another while the group stays.

`ProcessGroup._register_backend(device, type, backend)` makes `backend` the device's, if no backend of that type was
ever registered with the group; else that older one becomes the device's again, whatever is given. So each backend gets
a type that nobody has used, and an older one comes back by its own. torch names six types and keeps one in a byte: with
the numbers that have no name a group can be exchanged 249 times. Groups keep what was registered for as long as they
live: sockets to ranks that stay, and two threads, for each backend that was left.
"""

from __future__ import annotations

import weakref
from typing import Any

from ._library import CardswapError
from ._tensors import torch

_FIRST = 7  # behind UNDEFINED to CUSTOM, which torch gives itself
_LAST = 255


class Slot:
    """Of one group. Main thread only, where no collective of the group is on its way."""

    def __init__(self, process_group: Any) -> None:
        distributed = torch().distributed
        self._of = weakref.ref(process_group)
        self._type_of = distributed.ProcessGroup.BackendType
        self._next = _FIRST
        self._others: list[str] = []  # what its devices have that is no Gloo
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
        """The live one."""
        return self._process_group._get_backend(self.devices[0])

    def obstacle(self) -> str:
        """Why no other backend can be put here; empty: one can."""
        if self._others or not self.devices:
            return ", ".join(self._others) or "it has no device"
        if self._next > _LAST:
            return f"it was exchanged {_LAST - _FIRST + 1} times, and torch takes no more"
        return ""

    def put(self, backend: Any) -> None:
        """Makes it the group's. Raises CardswapError, and the group has what it had."""
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
        """Makes the one before the group's again."""
        assert self._before is not None
        self._register(*self._before)
        self._type, self._before = self._before[0], None

    def forget(self) -> None:
        """There is no way back any more."""
        self._before = None

    def _register(self, kind: Any, backend: Any) -> None:
        for device in self.devices:
            self._process_group._register_backend(device, kind, backend)
