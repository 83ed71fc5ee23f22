"""Records the objects of a program when they are made, so that they need not be searched for later.

Modules, optimizers, schedulers, scalers and loaders are recorded in their `__new__`, which copies and unpickled objects
pass too. A record is a weak reference: an object that the program drops is forgotten.
"""

from __future__ import annotations

import importlib.abc
import importlib.util
import sys
import weakref
from typing import Any

_made: dict[str, list[weakref.ref[Any]]] = {"module": [], "optimizer": [], "scheduler": [], "scaler": [], "loader": []}
_step_hooks: list[Any] = []  # called with (optimizer, args, kwargs) before each step of each optimizer


def alive(kind: str) -> list[Any]:
    """The recorded objects of a kind that still exist, oldest first."""
    return [thing for thing in (note() for note in _made[kind]) if thing is not None]


def before_each_step(hook: Any) -> None:
    """Registers `hook(optimizer, args, kwargs)`, called before each step; it may return other arguments for the
    step."""
    _step_hooks.append(hook)


def _note_each(cls: Any, kind: str) -> None:
    notes = _made[kind]

    def make(cls_, *args, **kwargs):
        inherited = super(cls, cls_).__new__  # another base's, in `class Net(nn.Module, dict)`
        thing = inherited(cls_) if inherited is object.__new__ else inherited(cls_, *args, **kwargs)
        notes.append(weakref.ref(thing))
        if len(notes) % 4096 == 0:
            notes[:] = [note for note in notes if note() is not None]
        return thing

    cls.__new__ = staticmethod(make)


def _on_step(optimizer, args, kwargs):
    for hook in _step_hooks:
        changed = hook(optimizer, args, kwargs)
        if changed is not None:
            args, kwargs = changed
    return args, kwargs


def _watch(torch: Any) -> None:
    from torch.optim import lr_scheduler
    from torch.optim.optimizer import register_optimizer_step_pre_hook
    from torch.utils import data

    _note_each(torch.nn.Module, "module")
    _note_each(torch.optim.Optimizer, "optimizer")
    _note_each(lr_scheduler.LRScheduler, "scheduler")
    _note_each(data.DataLoader, "loader")
    scaler = getattr(getattr(torch, "amp", None), "GradScaler", None)
    if scaler is not None:
        _note_each(scaler, "scaler")
    register_optimizer_step_pre_hook(_on_step)
    _watch_those_that_do_not_ask(torch)


def _watch_those_that_do_not_ask(torch: Any) -> None:
    from . import _automatic, _workers

    _automatic.watch(torch)
    _workers.watch(torch)


def _watch_hugging_face(module: Any) -> None:
    from . import _hugging_face

    _hugging_face.watch(module)


def _watch_lightning(module: Any) -> None:
    from . import _lightning

    _lightning.watch(module)


def _watch_groups(module: Any) -> None:
    from . import _groups

    _groups.watch(module)


_WATCHED = {
    "torch": _watch, "torch.distributed.distributed_c10d": _watch_groups,
    "transformers.trainer": _watch_hugging_face,
    "lightning.pytorch.loops.fit_loop": _watch_lightning, "pytorch_lightning.loops.fit_loop": _watch_lightning,
}


class _WaitForImports(importlib.abc.MetaPathFinder):
    """Calls the watch function of a module right after the module is imported."""

    def __init__(self, names: set[str]) -> None:
        self._names = names

    def find_spec(self, name, path=None, target=None):
        if name not in self._names:
            return None
        self._names.discard(name)
        spec = importlib.util.find_spec(name)
        if spec is None or spec.loader is None:
            self._names.add(name)
            return spec
        loader: Any = spec.loader
        run = loader.exec_module

        def run_and_watch(module):
            run(module)
            _WATCHED[name](module)

        loader.exec_module = run_and_watch
        return spec


def start() -> None:
    """Begins to record: now, or when torch and the frameworks are imported."""
    later = {name for name in _WATCHED if name not in sys.modules}
    for name in _WATCHED.keys() - later:
        _WATCHED[name](sys.modules[name])
    sys.meta_path.insert(0, _WaitForImports(later))
