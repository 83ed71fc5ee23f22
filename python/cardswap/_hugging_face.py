"""Hugging Face's Trainer. It keeps its position in local variables, so a job arrives through its resume function.

The boundary is where a step begins, after its batches were read. When the job arrives in a standby, the standby leaves
its loop there and starts the loop again, as from a checkpoint of that step; the state that the checkpoint's files would
contain is already there.
"""

from __future__ import annotations

import dataclasses
import os
import sys
from typing import Any

from . import _codec as codec
from . import _library as library
from . import _session as sessions
from . import _values as values

_OF_THE_LOSS = ("_tr_loss", "_total_loss_scalar", "_globalstep_last_logged", "_initial_global_step",
                "_initial_num_input_tokens_seen", "current_flos")


class _Arrived(BaseException):
    """Raised to leave the loop of a standby, because the job is at another position."""


class _Here(str):
    """Stands for the folder of a checkpoint, of which no file exists."""


class Loop(library.Thing):
    """The loop of one Trainer: its state, and the hooks that a move needs in it."""

    kind = "loop"

    def __init__(self, name: str, trainer: Any, session: sessions.Session) -> None:
        super().__init__(name)
        self._trainer, self._session = trainer, session
        self._calls = 0
        self._arrived: dict[str, Any] | None = None  # what the source's loop had, until this one has it
        self._generators: Any = None  # as they must be at the step that the loop begins anew with
        self._at_epoch: Any = None  # as they were when the epoch began

    def type_name(self) -> str:
        return f"{type(self._trainer).__module__}.{type(self._trainer).__qualname__}"

    def save(self) -> bytes:
        return codec.encode(self._place() if self._arrived is None else self._arrived)

    def load(self, data: bytes) -> None:
        self._arrived = codec.decode(data)

    def obstacles(self) -> list[tuple[str, str]]:
        if self._calls > 1:
            return [("train() was called again, and a standby goes into its first call", "train in one call")]
        if self._trainer.args.ignore_data_skip:
            return [("it does not look for its place in the data", "leave ignore_data_skip at False")]
        return []

    def _place(self) -> dict[str, Any]:
        return {
            "state": dataclasses.asdict(self._trainer.state),
            "trainer": {name: getattr(self._trainer, name, None) for name in _OF_THE_LOSS},
            "callbacks": [thing.state()["attributes"] for thing in self._exportable()],
            "at_epoch": self._at_epoch,
        }

    def _exportable(self) -> list[Any]:
        from transformers.trainer_callback import ExportableState
        return [thing for thing in (*self._trainer.callback_handler.callbacks, self._trainer.control)
                if isinstance(thing, ExportableState)]

    # ---- in the loop

    def begin_epoch(self) -> None:
        if self._arrived is not None:
            values.set_random_generators(self._arrived["at_epoch"])
        self._at_epoch = values.random_generators()

    def begin_step(self) -> None:
        if self._generators is not None:
            values.set_random_generators(self._generators)
            self._generators = self._arrived = None
            return
        if self._session.boundary_is_due:
            self._session.boundary()
        if self._arrived is not None:
            self._generators = values.random_generators()
            raise _Arrived

    def run(self, inner: Any, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
        """Runs the Trainer's loop, and runs it again when the job has arrived in it."""
        self._calls += 1
        while True:
            try:
                return inner(self._trainer, *args, **kwargs)
            except _Arrived:
                state = self._trainer.accelerator.gradient_state
                while state.in_dataloader:
                    state._remove_dataloader(state.active_dataloader)
                self._trainer._created_lr_scheduler = False  # it is kept, as the optimizer is
                kwargs = {**kwargs, "resume_from_checkpoint": _Here("the standby's own memory")}

    def take_state(self, updates_per_epoch: int) -> tuple[int, int]:
        """Replaces reading a checkpoint: returns the number of epochs, and of batches of the present epoch, that were
        trained."""
        assert self._arrived is not None
        state = self._trainer.state
        for name, value in self._arrived["state"].items():
            setattr(state, name, value)
        epochs, updates = divmod(state.global_step, updates_per_epoch)
        return epochs, updates * self._trainer.args.gradient_accumulation_steps

    def take_the_rest(self) -> None:
        """Called once the loop has set up its counters."""
        if self._arrived is None:
            return
        for name, value in self._arrived["trainer"].items():
            setattr(self._trainer, name, value)
        for thing, attributes in zip(self._exportable(), self._arrived["callbacks"]):
            for name, value in attributes.items():
                setattr(thing, name, value)


def _callbacks(loop: Loop, session: sessions.Session) -> tuple[Any, Any]:
    """Two callbacks of the Trainer: one is called before all others, one after them."""
    from transformers.trainer_callback import TrainerCallback

    class Boundary(TrainerCallback):
        def on_train_begin(self, args, state, control, **_):
            loop.take_the_rest()

        def on_epoch_begin(self, args, state, control, **_):
            loop.begin_epoch()

        def on_step_begin(self, args, state, control, **_):
            loop.begin_step()

    class Quiet(TrainerCallback):
        """Holds back the effects of a standby's warm-up, which does not belong to the job."""

        def on_step_end(self, args, state, control, **_):
            if session.is_standby:
                control.should_log = control.should_save = control.should_evaluate = False
            return control

    return Boundary(), Quiet()


def _loop_of(trainer: Any) -> Loop | None:
    if not os.environ.get("CARDSWAP_SOCKET"):
        return None
    session = sessions.current()
    if session is None:
        return None
    loop = vars(trainer).get("_cardswap_loop")
    if loop is None:
        loop = trainer._cardswap_loop = Loop(session.free_name("Trainer"), trainer, session)
        session.add(loop, may_be_late=True)
        session.carries_loaders = True
        first, last = _callbacks(loop, session)
        trainer.callback_handler.callbacks.insert(0, first)
        trainer.callback_handler.callbacks.append(last)
    return loop


def watch(module: Any) -> None:
    """`module` is transformers.trainer."""
    trainer = module.Trainer
    loads = ("_load_optimizer_and_scheduler", "_load_scaler", "_load_rng_state")
    if not all(hasattr(trainer, name) for name in ("_inner_training_loop", "_init_training_state", *loads)):
        if os.environ.get("CARDSWAP_SOCKET"):
            print("cardswap: this release of Transformers has another loop than is known here: jobs of its Trainer "
                  "cannot move by a standby", file=sys.stderr)
        return
    inner, begin = trainer._inner_training_loop, trainer._init_training_state

    def run(self, *args, **kwargs):
        loop = _loop_of(self)
        return inner(self, *args, **kwargs) if loop is None else loop.run(inner, args, kwargs)

    def begin_state(self, max_steps, updates_per_epoch, epochs, resume, trial):
        if not isinstance(resume, _Here):
            return begin(self, max_steps, updates_per_epoch, epochs, resume, trial)
        begin(self, max_steps, updates_per_epoch, epochs, None, trial)
        return self._cardswap_loop.take_state(updates_per_epoch)

    def unless_here(name):
        load = getattr(trainer, name)

        def do(self, checkpoint):
            return None if isinstance(checkpoint, _Here) else load(self, checkpoint)

        return do

    trainer._inner_training_loop, trainer._init_training_state = run, begin_state
    for name in loads:
        setattr(trainer, name, unless_here(name))
