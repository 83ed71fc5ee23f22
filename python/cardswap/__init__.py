"""Cardswap for Python: a training job moves from one GPU or host to another while it trains, bit for bit.

    import cardswap

    for epoch in cardswap.epochs(10):
        for batch in cardswap.batches(loader):
            ...                                  # ordinary code, ordinary optimizer.step()

Modules, optimizers, schedulers and scalers are found when the program makes them, and the three random generators are
tracked too. A program tracks all other state with `cardswap.track(name, thing)`. If no agent started the program (with
`cardswap run`), nothing is sent and no boundary waits; names and threads are checked all the same. If there is no
runtime library either, the calls do nothing.

A *standby* is the same program, started on the target while the job still trains. It takes one ordinary step, waits in
its first boundary, and goes on from there with the job's state: local variables that are not tracked still have the
values of the standby's own first step. Importing this package does not import torch.

All calls are for the main thread. Each raises CardswapError if an agent started the program and the session cannot be
opened, and in a worker process of multiprocessing.
"""

from __future__ import annotations

import os
from typing import Any, Callable, Iterable, Sequence, TypeVar

from . import _attached, _loop, _recorder, _session, _values
from ._library import CardswapError

__all__ = ["CardswapError", "attach", "batches", "boundary", "do_not_rehearse", "epochs", "is_standby", "note",
           "on_moved", "state_digest", "steps", "track"]

T = TypeVar("T")

_recorder.start()


def batches(loader: Iterable[T], name: str | None = None) -> Iterable[T]:
    """The loader's batches; asking for the next one is the step boundary.

    At that point a step is complete and the next one has not begun. It is a boundary only if an optimizer has stepped
    since the last one, so that gradients may be accumulated over batches, or if the program has no optimizer. The position in the loader moves with the
    job. This works for a `torch.utils.data.DataLoader` (not with an IterableDataset or persistent_workers), for
    torchdata's StatefulDataLoader, and for anything that can be iterated over again from its beginning.

    Give a `name` if the program makes a new loader for each epoch: loaders with the same name have the same position.
    With an agent, a loader that is new after the first boundary keeps the job from being moved. Raises CardswapError
    as track() does, except after the first boundary.
    """
    return _loop.batches(loader, name)


def epochs(count: int, start: int = 0, name: str | None = None) -> Iterable[_loop.Epoch]:
    """The numbers from `start` to `count` - 1, for an outer loop. The present number moves with the job.

    Each is an object that computes as an int does; the present one takes the job's value when the job arrives. It is
    no int (isinstance), and must not be a key of a dict or in a set, because its value may change: use int(epoch).
    Raises CardswapError as batches() does.
    """
    return _loop.epochs(count, start, name)


def boundary() -> None:
    """Says that a step is complete, for loops without a loader.

    Outside of a migration it returns at once, except for the first call, which tracks what was found, and a call after
    something new is tracked or steps, or while the state is being listed. During a migration it may copy state or be
    slowed down. At the step at which the job moves it waits for the outcome. If the job goes on in another process,
    this one ends here with status 0 and runs no more of the program (see `on_moved`). In a standby the first
    call waits for the job's state; it returns when the job has arrived, or to rehearse one step. Raises CardswapError
    in a forked process or another thread.
    """
    session = _session.current()
    if session is not None:
        session.boundary()


def track(name: str, thing: Any = None, *, attributes: Sequence[str] = (), get: Callable[[], Any] | None = None,
          set: Callable[[Any], Any] | None = None) -> None:
    """Tracks state that is not found automatically, under a unique name, before the first boundary.

    `thing` is a module, an optimizer, a tensor, a generator of torch, NumPy or Python, a list, dict, set, deque or
    NumPy array, or an object with state_dict() and load_state_dict(). With `attributes`, only these attributes of
    `thing` are tracked, with the values that they have at a boundary: numbers, texts, tensors and containers of these.
    A program's global variables are attributes of its module:
    `cardswap.track("loop", sys.modules[__name__], attributes=["iteration"])`.
    Instead of `thing`, `get` and `set` may be given: `get()` returns a value, `set(value)` restores it.

    Raises TypeError for a thing that cannot be tracked, and CardswapError for a name that is empty, in use or has a
    '/', after the first boundary, and in a forked process or another thread.
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


def attach(name: str, file: str | os.PathLike[str]) -> None:
    """Attaches a small file, such as a model's "config.json": its bytes as they are now go along with the job and into
    its snapshots, and `cardswap export --format hf` writes it beside the tensors.

    Call it before the first boundary. Raises CardswapError for a `name` that is in use, or has other characters than
    letters, digits, '.', '_' and '-', for more than 4 MiB, and as track() does; and OSError.
    """
    session = _session.current()
    if session is not None:
        session.add(_attached.AttachedFile(name, file))


def is_standby() -> bool:
    """Whether the present step is a standby's first step or its rehearsed step, and not a step of the job: hold back
    log lines, files and other effects."""
    session = _session.current()
    return session is not None and session.is_standby


def steps() -> int:
    """How many boundaries the job has passed, in all processes in which it ran."""
    session = _session.current()
    return 0 if session is None else session.steps


def state_digest() -> str:
    """A digest of 32 hexadecimal digits over every tracked byte except gradients: equal at the end of two runs whose
    states are the same bit for bit. Works without an agent. Like the first boundary it tracks what was found: call
    track() before it. Raises CardswapError without the runtime library, and if tracked state cannot be read."""
    session = _session.current()
    if session is None:
        raise CardswapError("there is no runtime library here, which makes the digest: install the package whole, or "
                            "name the file in CARDSWAP_C_LIBRARY", "not_found")
    return session.digest()


def do_not_rehearse(why: str) -> None:
    """Turns the rehearsal of steps off. `why` says why no other process can take a step of this program with the same
    result, such as "it reads from a queue". Call it before the first boundary."""
    session = _session.current()
    if session is not None:
        session.do_not_rehearse(why)


def note(name: str, number: float) -> bool:
    """Notes a number of this step under a name, such as the loss: a snapshot keeps the latest value of each name, and
    `cardswap history` shows it. It may be NaN or infinite; a tensor of one element is read. It is no state. False: it
    is not kept, because there is no session, the name is empty or longer than 64 bytes, or 32 other names are in
    use."""
    session = _session.current()
    return session is not None and session.note(name, float(number))


def on_moved(hook: Callable[[], Any]) -> None:
    """Registers a `hook` that is called in the process that the job has left, before that process ends. SystemExit and
    KeyboardInterrupt from a hook pass through boundary(): with `cardswap.on_moved(sys.exit)` the program's own exit
    handlers run. Any other exception is printed, and the process ends all the same."""
    session = _session.current()
    if session is not None:
        session.moved_hooks.append(hook)
