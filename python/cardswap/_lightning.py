"""Lightning's Trainer. Its loop keeps counters, averages and its reader in objects, so a job can arrive inside the
loop.

The boundary is after a batch's step and its hooks, and before the validation that may follow: a standby's warm-up
reaches no validation, no end of an epoch and no checkpoint.
"""

from __future__ import annotations

import os
import sys
from typing import Any, Iterator

from . import _codec as codec
from . import _library as library
from . import _loop
from . import _session as sessions
from . import _values as values

_FLAGS = ("_restarting", "_loaded_from_state_dict", "_resuming_from_checkpoint", "_restart_stage", "_skip_next_val",
          "_has_run")
_METRICS = ("_callback_metrics", "_logged_metrics", "_progress_bar_metrics", "_current_fx", "_first_loop_iter")
_OF_A_METADATA = ("fx", "name", "prog_bar", "logger", "on_step", "on_epoch", "enable_graph", "add_dataloader_idx",
                  "dataloader_idx", "metric_attribute")
_OF_A_METRIC = ("_computed", "_forward_cache", "_update_count")
_OF_A_RESULT = ("value", "cumulated_batch_size", *_OF_A_METRIC)
_OF_A_CHECKPOINT = ("dirpath", "_last_global_step_saved", "_last_checkpoint_saved")


def _some(thing: Any, names: tuple[str, ...]) -> dict[str, Any]:
    return {name: getattr(thing, name) for name in names if hasattr(thing, name)}


def _set(thing: Any, attributes: dict[str, Any]) -> None:
    for name, value in attributes.items():
        setattr(thing, name, value)


def _inner(loop: Any) -> list[tuple[str, Any]]:
    """The loops inside a loop, with the names of their attributes."""
    return [(name, thing) for name, thing in vars(loop).items()
            if hasattr(thing, "restarting") and hasattr(thing, "_load_from_state_dict")]


class Loop(library.Thing):
    """The loop of one Trainer: its progress, the averages and metrics of the epoch so far, the states of callbacks."""

    kind = "loop"

    def __init__(self, name: str, trainer: Any, session: sessions.Session) -> None:
        super().__init__(name)
        self._trainer, self._session = trainer, session
        self.calls = 0

    def type_name(self) -> str:
        return f"{type(self._trainer).__module__}.{type(self._trainer).__qualname__}"

    def obstacles(self) -> list[tuple[str, str]]:
        trainer = self._trainer
        found = []
        if self.calls > 1:
            found.append(("fit() was called again, and a standby goes into its first call", "train in one call"))
        if trainer.world_size > 1:
            found.append((f"it trains in {trainer.world_size} processes, and jobs have one", "devices=1, num_nodes=1"))
        if trainer.reload_dataloaders_every_n_epochs:
            found.append(("it makes its loaders anew", "leave reload_dataloaders_every_n_epochs at 0"))
        for what, get in self._parts():
            try:
                codec.encode(get())
            except codec.NotAValue as error:
                found.append((f"{what}: {error}", "have its state_dict() give numbers, texts, tensors and containers of "
                              "such"))
        return found

    # ---- what is carried

    def _parts(self) -> list[tuple[str, Any]]:
        """What somebody else has made, each part with its name."""
        parts = [(f"the state of the callback {callback.state_key}", callback.state_dict)
                 for callback in self._trainer.callbacks]
        if self._trainer.datamodule is not None:
            parts.append(("the state of the LightningDataModule", self._trainer.datamodule.state_dict))
        return parts

    def save(self) -> bytes:
        trainer = self._trainer
        connector = trainer._logger_connector
        return codec.encode({
            "progress": trainer.fit_loop.state_dict(),
            "flags": [_some(loop, _FLAGS) for loop in self._loops()],
            "should_stop": trainer.should_stop,
            "parts": [get() for _, get in self._parts()],
            "checkpoints": [_some(callback, _OF_A_CHECKPOINT) for callback in trainer.checkpoint_callbacks],
            "module": self._of_the_module(),
            "metrics": _some(connector, _METRICS),
            "results": [self._of_a_result(key, result) for key, result in self._results().items()
                        if not result.has_reset],
            "torchmetrics": [self._of_a_metric(metric) for metric in self._metrics()],
        })

    def load(self, data: bytes) -> None:
        trainer = self._trainer
        state = codec.decode(data)
        self._load_progress(trainer.fit_loop, state["progress"], "")
        for loop, flags in zip(self._loops(), state["flags"]):
            _set(loop, flags)
        trainer.should_stop = state["should_stop"]
        for callback, attributes in zip(trainer.checkpoint_callbacks, state["checkpoints"]):
            _set(callback, attributes)  # before its state, which it takes for its own folder only
        holders = [*trainer.callbacks, *([trainer.datamodule] if trainer.datamodule is not None else [])]
        for holder, part in zip(holders, state["parts"]):
            if part:
                holder.load_state_dict(part)
        if state["module"]:
            trainer.lightning_module.on_load_checkpoint({**self._checkpoint(), **state["module"]})
        _set(trainer._logger_connector, state["metrics"])
        self._load_results(state["results"])
        for metric, attributes in zip(self._metrics(), state["torchmetrics"]):
            _set(metric, attributes)

    def _loops(self) -> list[Any]:
        """The fit loop and the loops in it."""
        found = [self._trainer.fit_loop]
        for loop in found:
            found += [inner for _, inner in _inner(loop)]
        return found

    def _load_progress(self, loop: Any, state: dict[str, Any], prefix: str) -> None:
        """As loop.load_state_dict(), which would also make the loop start again."""
        loop._load_from_state_dict(state, prefix)
        for name, inner in _inner(loop):
            self._load_progress(inner, state, f"{prefix}{name}.")

    # ---- what the module itself adds to a checkpoint

    def _checkpoint(self) -> dict[str, Any]:
        trainer = self._trainer
        return {"epoch": trainer.current_epoch, "global_step": trainer.global_step,
                "state_dict": trainer.lightning_module.state_dict()}

    def _of_the_module(self) -> dict[str, Any]:
        hook = type(self._trainer.lightning_module).on_save_checkpoint
        if hook.__module__.startswith(("lightning.", "pytorch_lightning.")):
            return {}
        checkpoint = self._checkpoint()
        ours = set(checkpoint)
        self._trainer.lightning_module.on_save_checkpoint(checkpoint)
        return {key: value for key, value in checkpoint.items() if key not in ours}

    # ---- averages

    def _results(self) -> dict[str, Any]:
        return self._trainer.fit_loop.epoch_loop._results

    @staticmethod
    def _of_a_result(key: str, result: Any) -> list[Any]:
        meta = result.meta
        sync = meta.sync
        return [key, result.is_tensor, {**_some(meta, _OF_A_METADATA), "reduce_fx": meta.reduce_fx.__name__},
                [sync.should, sync.rank_zero_only], _some(result, _OF_A_RESULT if result.is_tensor else _OF_A_METRIC)]

    def _load_results(self, theirs: list[Any]) -> None:
        results = self._results()
        for result in results.values():
            result.reset()
        for key, is_tensor, meta, sync, attributes in theirs:
            if key not in results:
                results[key] = self._new_result(is_tensor, meta, sync)
            result = results[key]
            _set(result, attributes)
            result.has_reset = False

    def _new_result(self, is_tensor: bool, meta: dict[str, Any], sync: list[Any]) -> Any:
        """Makes a result that the source has logged in this epoch, and the warm-up's one step has not."""
        module = sys.modules[type(self._results()).__module__]
        metadata = module._Metadata(**meta)
        metadata.sync = module._Sync(_should=sync[0], fn=self._trainer.strategy.reduce, rank_zero_only=sync[1])
        result = module._ResultMetric(metadata, is_tensor)
        if not is_tensor:
            result.value = self._trainer.lightning_module.get_submodule(meta["metric_attribute"])
        return result

    def _metrics(self) -> list[Any]:
        """The torchmetrics metrics of the module: their counts are not buffers."""
        torchmetrics = sys.modules.get("torchmetrics")
        if torchmetrics is None:
            return []
        return [module for module in self._trainer.lightning_module.modules() if isinstance(module, torchmetrics.Metric)]

    @staticmethod
    def _of_a_metric(metric: Any) -> dict[str, Any]:
        return {**_some(metric, tuple(metric._defaults)), **_some(metric, _OF_A_METRIC)}

    # ---- in the loop

    def end_step(self) -> None:
        if self._session.boundary_is_due:
            self._session.boundary()

    def hold_back(self) -> None:
        """Holds back the effects of a standby's warm-up, which does not belong to the job."""
        session = self._session

        def unless_standby(do):
            def call(*args, **kwargs):
                return None if session.is_standby else do(*args, **kwargs)

            return call

        connector = self._trainer._logger_connector
        connector.log_metrics = unless_standby(connector.log_metrics)
        self._trainer.save_checkpoint = unless_standby(self._trainer.save_checkpoint)


class _Read:
    """What a fetcher has read since its iterator was made, with the states of the generators at that moment, and at the
    first read: hooks of the program run in between."""

    def __init__(self, began: bytes) -> None:
        self.began = began
        self.asked: bytes | None = None
        self.taken = 0


class Fetched(_loop.Place):
    """The position of a Trainer in its loader."""

    def __init__(self, name: str, trainer: Any) -> None:
        super().__init__(name, None)
        self._trainer = trainer

    def type_name(self) -> str:
        return f"{type(self._trainer).__module__}'s loader"

    @property
    def fetcher(self) -> Any:
        """The Trainer's fetcher; None: before and after fit()."""
        return self._trainer.fit_loop._data_fetcher

    def look(self) -> Any:
        """The fetcher, whose loader is looked at."""
        fetcher = self.fetcher
        if fetcher is not None:
            loaders = fetcher.combined_loader.flattened
            self.loader = loaders[0] if len(loaders) == 1 else loaders
            self._is_stateful = hasattr(self.loader, "state_dict") and hasattr(self.loader, "load_state_dict")
        return fetcher

    def obstacles(self) -> list[tuple[str, str]]:
        fetcher = self.look()
        if fetcher is None:
            return [("fit() is over", "train in one call")]
        if isinstance(self.loader, list):
            return [(f"it reads from {len(self.loader)} loaders at once", "give the Trainer one")]
        if not hasattr(fetcher, "batches"):
            return [("training_step() takes batches from the iterator itself", "have it take a batch")]
        if fetcher.length is None:
            return [("a loader without a length is read ahead", "give it a length")]
        return super().obstacles()

    def save(self) -> bytes:
        fetcher = self.look()
        if fetcher is None:
            return b""
        read = fetcher._cardswap_read
        return codec.encode([read.began, read.asked, read.taken, fetcher.fetched, self._own_states(), self._epochs(),
                             dict(self.loader.state_dict()) if self._is_stateful else None])

    def load(self, data: bytes) -> None:
        began, asked, taken, fetched, own, epochs, state = codec.decode(data)
        fetcher = self.look()
        self._set_epochs(epochs)
        mode = fetcher.combined_loader._iterator
        mode.iterators = []  # of the warm-up: its workers end
        if fetched >= fetcher.length:
            iterator: Iterator[Any] = iter(())
        else:
            self._go_to(began)
            if state is not None:
                self.loader.load_state_dict(state)
            iterator = _loop.iterator_at(self.loader, taken if state is None else 0, lambda: self._go_to(asked))
        mode.iterators = [iterator]
        mode._idx = taken
        fetcher.fetched, fetcher.done = fetched, fetched >= fetcher.length
        fetcher._cardswap_read = _Read(began)
        fetcher._cardswap_read.asked, fetcher._cardswap_read.taken = asked, taken
        self._set_own(own)

    def states(self) -> bytes:
        return codec.encode(self._generators(values.random_generators()))

    def _go_to(self, states: bytes | None) -> None:
        if states is not None:
            generators = codec.decode(states)
            values.set_random_generators(generators["all"])
            self._set_own(generators["own"])


_places: list[Fetched] = []  # one for each Trainer


def _place_of(fetcher: Any) -> Fetched | None:
    """The place of a fetcher; None: no Trainer trains from it."""
    return next((place for place in _places if place.fetcher is fetcher), None)


def _loop_of(trainer: Any) -> Loop | None:
    session = sessions.current()
    if session is None:
        return None
    loop = vars(trainer).get("_cardswap_loop")
    if loop is None:
        loop = trainer._cardswap_loop = Loop(session.free_name("Trainer"), trainer, session)
        place = Fetched(session.free_name("loader"), trainer)
        for thing in (loop, place):
            session.add(thing, may_be_late=True)
        _places.append(place)
        session.carries_loaders = True
        loop.hold_back()
    return loop


def watch(module: Any) -> None:
    """`module` is lightning.pytorch.loops.fit_loop, or pytorch_lightning's."""
    if not os.environ.get("CARDSWAP_SOCKET"):
        return
    fit: Any
    epoch: Any
    fetcher: Any
    fit, epoch, fetcher = (getattr(module, name, None) for name in ("_FitLoop", "_TrainingEpochLoop", "_DataFetcher"))
    if not (hasattr(fit, "run") and hasattr(epoch, "advance") and hasattr(fetcher, "combined_loader")):
        print("cardswap: this release of Lightning has another loop than is known here: jobs of its Trainer cannot move "
              "by a standby", file=sys.stderr)
        return
    run, advance, begin, take = fit.run, epoch.advance, fetcher.__iter__, fetcher.__next__

    def run_a_job(self):
        loop = _loop_of(self.trainer)
        if loop is not None:
            loop.calls += 1
        return run(self)

    def advance_to_a_boundary(self, data_fetcher):
        advance(self, data_fetcher)
        loop = vars(self.trainer).get("_cardswap_loop")
        if loop is not None:
            loop.end_step()

    def begin_to_read(self):
        place = _place_of(self)
        if place is not None:
            place.look()
            self._cardswap_read = _Read(place.states())
        return begin(self)

    def read(self):
        place = _place_of(self)
        if place is not None and self._cardswap_read.asked is None:
            self._cardswap_read.asked = place.states()
        batch = take(self)
        if place is not None:
            self._cardswap_read.taken += 1
        return batch

    fit.run, epoch.advance, fetcher.__iter__, fetcher.__next__ = run_a_job, advance_to_a_boundary, begin_to_read, read
