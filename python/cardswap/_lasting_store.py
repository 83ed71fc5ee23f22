"""The store at which a job's groups meet after a move: an agent has it, and an agent may be restarted."""

from __future__ import annotations

import datetime
import functools
import time
from typing import Any, Callable

from ._tensors import torch

_CONNECT_TRY = datetime.timedelta(seconds=2)
PATIENCE = 30.0  # s: for an agent to come back

_made: list[Any] = []  # torch itself has the part in C++ alone, which cannot call one that is gone


def at(host: str, port: int, timeout: datetime.timedelta, connected: Any) -> Any:
    """A store over the connected torch.distributed.TCPStore of HOST:PORT that connects anew where its connection is gone.
    What was said before is not there any more: groups that were made need nothing of it, and a later one begins anew."""
    return _kind()(host, port, timeout, connected)


def forget(store: Any) -> None:
    """Closes the connection of a store that nobody uses, or will: it must not be asked again."""
    _made.remove(store)
    store.close()


@functools.lru_cache(maxsize=1)
def _kind() -> Any:
    distributed = torch().distributed

    class LastingStore(distributed.Store):  # type: ignore[name-defined]
        def __init__(self, host: str, port: int, timeout: datetime.timedelta, connected: Any) -> None:
            super().__init__()
            self._host, self._port, self._wait_for, self._connected = host, port, timeout, connected
            _made.append(self)

        def clone(self) -> Any:
            return LastingStore(self._host, self._port, self._wait_for, self._connected.clone())

        def close(self) -> None:
            self._connected = None

        def _again(self) -> None:
            self._connected = distributed.TCPStore(self._host, self._port, None, False, timeout=_CONNECT_TRY)
            self._connected.set_timeout(self._wait_for)

        def _ask(self, call: Callable[[Any], Any]) -> Any:
            end = time.monotonic() + PATIENCE
            while True:
                try:
                    return call(self._connected)
                except distributed.DistNetworkError:
                    if time.monotonic() > end:
                        raise
                try:
                    self._again()
                except distributed.DistNetworkError:
                    time.sleep(0.1)

        def _tell(self, call: Callable[[Any], Any]) -> Any:
            """What has no answer is known to have come by the answer of the next."""
            def both(store: Any) -> Any:
                said = call(store)
                store.num_keys()
                return said
            return self._ask(both)

        def set(self, key: str, value: Any) -> None:
            self._tell(lambda store: store.set(key, value))

        def append(self, key: str, value: Any) -> None:
            self._tell(lambda store: store.append(key, value))

        def multi_set(self, keys: list[str], values: list[Any]) -> None:
            self._tell(lambda store: store.multi_set(keys, values))

        def get(self, key: str) -> Any:
            return self._ask(lambda store: store.get(key))

        def multi_get(self, keys: list[str]) -> Any:
            return self._ask(lambda store: store.multi_get(keys))

        def add(self, key: str, amount: int) -> Any:
            return self._ask(lambda store: store.add(key, amount))

        def compare_set(self, key: str, expected: Any, value: Any) -> Any:
            return self._ask(lambda store: store.compare_set(key, expected, value))

        def check(self, keys: list[str]) -> Any:
            return self._ask(lambda store: store.check(keys))

        def delete_key(self, key: str) -> Any:
            return self._ask(lambda store: store.delete_key(key))

        def num_keys(self) -> Any:
            return self._ask(lambda store: store.num_keys())

        getNumKeys, deleteKey = num_keys, delete_key  # as torch itself calls them

        def has_extended_api(self) -> bool:
            return True

        def wait(self, keys: list[str], *timeout: Any) -> None:
            self._ask(lambda store: store.wait(keys, *timeout))

        def set_timeout(self, timeout: Any) -> None:
            self._wait_for = timeout
            self._connected.set_timeout(timeout)

    return LastingStore
