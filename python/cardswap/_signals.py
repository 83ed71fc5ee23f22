"""The program's handlers of signals while a call of the library waits or calls back."""

from __future__ import annotations

import contextlib
import signal
import sys
import threading
from typing import Any, Iterator

from . import _library as library


@contextlib.contextmanager
def interrupts_end_the_process() -> Iterator[None]:
    """Makes Ctrl-C end the process while a boundary waits, unless the program handles it: Python would handle it only
    after the wait, and the program must not go on from there."""
    if signal.getsignal(signal.SIGINT) is not signal.default_int_handler:
        yield
        return
    signal.signal(signal.SIGINT, signal.SIG_DFL)
    try:
        yield
    finally:
        signal.signal(signal.SIGINT, signal.default_int_handler)


_HANDLED = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP, signal.SIGALRM, signal.SIGUSR1, signal.SIGUSR2)


@contextlib.contextmanager
def handlers_wait() -> Iterator[list[tuple[Any, int]]]:
    """Delays the program's handlers of the signals in _HANDLED during a call of the library that calls back, and yields
    those that are to be run after it. An exception of a handler that runs at the entry of a callback would be lost."""
    waiting: list[tuple[Any, int]] = []
    handlers: dict[int, Any] = {}
    if threading.get_ident() == threading.main_thread().ident:
        handlers = {number: handler for number in _HANDLED if callable(handler := signal.getsignal(number))}
    try:
        for number in handlers:
            signal.signal(number, lambda number, _frame: waiting.append((handlers[number], number)))
        yield waiting
    finally:
        for number, handler in handlers.items():
            signal.signal(number, handler)


def finish(result: int, waiting: list[tuple[Any, int]]) -> None:
    """Checks the result of a call, and runs the handlers that waited for its end. Raises what these raise."""
    try:
        library.check(result)
    finally:
        call_handlers(waiting)


def call_handlers(waiting: list[tuple[Any, int]]) -> None:
    for handler, number in waiting:
        handler(number, sys._getframe())


def call(function: Any, *arguments: Any) -> None:
    """Makes a call of the library that calls back. Raises CardswapError if it fails."""
    with handlers_wait() as waiting:
        result = function(*arguments)
    finish(result, waiting)
