"""Cardswap for Python: a training job moves from one GPU or host to another while it trains, bit for bit.

    import cardswap

    for epoch in cardswap.epochs(10):
        for batch in cardswap.batches(loader):
            ...                                  # ordinary code, ordinary optimizer.step()

Modules, optimizers, schedulers and scalers are found as the program makes them, with the three random generators; what
a program keeps besides is tracked: `cardswap.track(name, thing)`. Where no agent started the program (`cardswap run`)
nothing of this does anything.

A *standby* is the program itself, started on the target while the job still trains. It takes one ordinary step, waits
in its first boundary, and goes on from there with the job's state: what came before the boundary in local variables is
of its own first step. Importing this package imports no torch.
"""

from __future__ import annotations

from typing import Any, Callable, Iterable, Sequence, TypeVar

from . import _loop, _recorder, _session, _values
from ._library import CardswapError

__all__ = ["CardswapError", "batches", "boundary", "do_not_rehearse", "epochs", "is_standby", "on_moved",
           "state_digest", "steps", "track"]

T = TypeVar("T")

_recorder.start()


def batches(loader: Iterable[T], name: str | None = None) -> Iterable[T]:
    """The loader's batches; asking for the next one is the step boundary.

    At that point everything of a step is done and nothing of the next has begun. It is a boundary only if an optimizer
    has stepped since the last one, so that gradients may be accumulated over batches. The place in the loader is
    carried: of a `torch.utils.data.DataLoader` (not of an IterableDataset, nor with persistent_workers), of torchdata's
    StatefulDataLoader, and of anything that can be iterated over anew.

    `name` tells one loader from the next where a program makes a new one for each epoch; else it is not needed.
    Raises CardswapError for a loader that is new after the first boundary.
    """
    return _loop.batches(loader, name)


def epochs(count: int, start: int = 0, name: str | None = None) -> Iterable[_loop.Epoch]:
    """The numbers from `start` to `count` - 1, for an outer loop; which one it is is carried.

    Each is a number that follows the job, and computes as an int does; `int(epoch)` makes one that does not.
    """
    return _loop.epochs(count, start, name)


def boundary() -> None:
    """Says that a step is complete, for loops without a loader. Main thread only.

    Returns at once, unless the job is moved at this step. Where it goes on elsewhere, the process ends here with status
    0 and runs no more of the program (see `on_moved`). In a standby the first call returns when the job has arrived.
    Raises CardswapError in a forked process or another thread.
    """
    session = _session.current()
    if session is not None:
        session.boundary()


def track(name: str, thing: Any = None, *, attributes: Sequence[str] = (), get: Callable[[], Any] | None = None,
          set: Callable[[Any], Any] | None = None) -> None:
    """Tracks what is not found by itself, under a name of its own, before the first boundary.

    `thing` is a module, an optimizer, a tensor, a generator of torch, NumPy or Python, a list, dict, set, deque or
    NumPy array, or has state_dict() and load_state_dict(). With `attributes`, it is these attributes of it that are
    tracked: numbers, texts, tensors and containers of such, whatever they are bound to at a boundary. A program's
    global variables are attributes of its module:
    `cardswap.track("loop", sys.modules[__name__], attributes=["iteration"])`.
    `get` and `set` instead of `thing` are two functions: one gives a value, the other takes it.

    Raises TypeError for what cannot be tracked, and CardswapError for a name that is taken, or after the first
    boundary.
    """
    session = _session.current()
    if session is None:
        return
    if get is not None or set is not None:
        if get is None or set is None or thing is not None:
            raise TypeError(f"cardswap.track('{name}'): give get= and set= and no thing")
        session.add(_values.CallbackThing(name, get, set))
    elif attributes:
        session.add(_values.AttributesThing(name, thing, attributes))
    else:
        session.add(_values.thing_for(name, thing), thing)


def is_standby() -> bool:
    """Whether this is a standby's first step, or one that it rehearses: hold back log lines, files, other effects."""
    session = _session.current()
    return session is not None and session.is_standby


def steps() -> int:
    """Boundaries that the job has passed, wherever it ran."""
    session = _session.current()
    return 0 if session is None else session.steps


def state_digest() -> str:
    """32 hexadecimal digits over every tracked byte, with or without an agent: equal at the end of two runs whose
    states are the same bit for bit. Raises CardswapError without the runtime library."""
    session = _session.current()
    if session is None:
        raise CardswapError("there is no runtime library here, which makes the digest: install the package whole, or "
                            "name the file in CARDSWAP_C_LIBRARY", "not_found")
    return session.digest()


def do_not_rehearse(why: str) -> None:
    """Says why no other process can take a step of this program, such as "it reads from a queue". Before the first
    boundary."""
    session = _session.current()
    if session is not None:
        session.do_not_rehearse(why)


def on_moved(hook: Callable[[], Any]) -> None:
    """Has `hook` called in the process that the job has left, before it ends. SystemExit and
    KeyboardInterrupt go up through boundary(): `cardswap.on_moved(sys.exit)` runs the program's own exit code. What else
    it raises is printed, and the process ends all the same."""
    session = _session.current()
    if session is not None:
        session.moved_hooks.append(hook)
