"""A stand-in for the peers of a process that a rank will move to, while it takes its first steps.

The process has no peers yet, but the world must have its real size, because layouts, samplers and divisors depend on
it. Each peer is assumed to hold the same data as this rank: an allreduce and a broadcast leave a tensor as it is, an
allgather returns this rank's tensor for every rank. Each group has a Gloo of one rank; the collectives are answered
where torch dispatches them, so that all groups are ordinary groups of torch.
"""

from __future__ import annotations

import contextlib
import warnings
from typing import Any, Iterator

from ._library import CardswapError
from ._tensors import torch

_peers: Peers | None = None


class Peers:
    """Stands in for all ranks except `rank`, from `begin()`, before the program makes its groups, to `end()`, when the
    groups have real backends. A collective between the two calls reaches no other process."""

    def __init__(self, rank: int, world_size: int) -> None:
        self.rank, self.world_size = rank, world_size
        self._library: Any = None

    def begin(self) -> None:
        global _peers
        import torch.distributed  # the newcomer's program does so too
        _peers = self
        self._library = torch.library.Library("c10d", "IMPL")
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # that they stand before torch's own
            for name, answer in _ANSWERS.items():
                self._library.impl(name, answer, "CPU")

    def end(self) -> None:
        """Restores torch's own collectives."""
        global _peers
        _peers = None
        if self._library is not None:
            self._library._destroy()
            self._library = None


@contextlib.contextmanager
def in_place_of(c10d: Any, arguments: dict[str, Any]) -> Iterator[None]:
    """A context for a call with `arguments` that makes a group: while peers stand in, the call waits for no other rank.
    Raises CardswapError if the program is started as another rank than the one that moves."""
    if _peers is None:
        yield
        return
    if not c10d.is_initialized():
        for name, ours in (("rank", _peers.rank), ("world_size", _peers.world_size)):
            if arguments.get(name, -1) not in (-1, ours):
                raise CardswapError(f"the program was started for {name} {ours} and says {arguments[name]}", "conflict")
            arguments[name] = ours
        arguments["init_method"], arguments["store"] = None, torch().distributed.HashStore()
    usual = c10d.ProcessGroupGloo, c10d._store_based_barrier
    c10d.ProcessGroupGloo, c10d._store_based_barrier = _alone(c10d), lambda *_, **__: None
    try:
        yield
        if c10d.get_world_size() != _peers.world_size:
            raise CardswapError(f"torch {torch().__version__} has no world of {_peers.world_size} without its peers",
                                "refused")
    finally:
        c10d.ProcessGroupGloo, c10d._store_based_barrier = usual


def _alone(c10d: Any) -> Any:
    """A class for the Gloo of a group. No collective reaches it; from torch 2.15 on a group asks it for its size."""
    try:
        torch()._C._distributed_c10d.Backend(0, 1)
    except TypeError:  # not to be made in Python: before 2.15
        return _alone_over_gloo(c10d)
    return _alone_in_python(c10d)


def _timeout_in(c10d: Any, more: tuple[Any, ...], named: dict[str, Any]) -> Any:
    given = (*more, named.get("timeout"))
    return next((one for one in given if hasattr(one, "total_seconds")), c10d.default_pg_timeout)


def _alone_over_gloo(c10d: Any) -> Any:
    class Alone(c10d.ProcessGroupGloo):
        """A Gloo that believes that its group has one rank."""

        def __init__(self, store, rank, size, *more, **named):
            super().__init__(torch().distributed.HashStore(), 0, 1, _timeout_in(c10d, more, named))

    return Alone


def _alone_in_python(c10d: Any) -> Any:
    backend: Any = torch()._C._distributed_c10d.Backend

    class Alone(backend):
        stands_in = True

        def __init__(self, store, rank, size, *more, **named):
            super().__init__(rank, size)
            self._options = backend.Options("gloo", _timeout_in(c10d, more, named))
            _kept.append(self)

        options = property(lambda self: self._options)

        def name(self):
            return "gloo"

        def _set_sequence_number_for_group(self):
            pass

        shutdown = abort = _set_sequence_number_for_group

    return Alone


_kept: list[Any] = []  # a group keeps the part in C++ alone


# ---- what the collectives of c10d answer

def _work(result: Any) -> Any:
    c10d = torch()._C._distributed_c10d
    future = torch().futures.Future()
    future.set_result(result)
    return c10d._create_work_from_future(future).boxed()


def _group(boxed: Any) -> Any:
    return torch().distributed.ProcessGroup.unbox(boxed)


def _copy(into: Any, tensor: Any) -> None:
    """Copies a tensor, unless the sizes differ: then nothing plausible can be put there."""
    if into.numel() == tensor.numel():
        into.detach().copy_(tensor.detach().reshape(into.shape))


def _part(tensor: Any, boxed: Any) -> Any:
    """This rank's part of a tensor that has a part for each rank."""
    group = _group(boxed)
    return tensor.detach().reshape(-1).chunk(group.size())[group.rank()]


def _spread(output: Any, tensor: Any, boxed: Any) -> None:
    size = _group(boxed).size()
    _copy(output, tensor.detach().reshape(1, -1).expand(size, -1))


def _as_it_is(tensors, *_, **__):
    return tensors, _work(tensors)


def _as_it_is_in_place(tensors, *_, **__):
    return _work(tensors)


def _nothing(*_, **__):
    return _work([])


def _monitored_barrier(*_, **__):
    return None


def _allgather(outputs, inputs, *_, **__):
    for output, tensor in zip(outputs, inputs):
        for one in output:
            _copy(one, tensor)
    return outputs, _work(outputs)


def _allgather_base(output, tensor, group, *_, **__):
    _spread(output, tensor, group)
    return output, _work([output])


def _allgather_coalesced(outputs, inputs, *_, **__):
    for ranks_own in outputs:
        for one, tensor in zip(ranks_own, inputs):
            _copy(one, tensor)
    return _work([one for ranks_own in outputs for one in ranks_own])


def _allgather_into_tensors(outputs, inputs, group, *_, **__):
    for output, tensor in zip(outputs, inputs):
        _spread(output, tensor, group)
    return _work(outputs)


def _reduce_scatter(outputs, inputs, group, *_, **__):
    for output, tensors in zip(outputs, inputs):
        _copy(output, tensors[_group(group).rank()])
    return outputs, _work(outputs)


def _reduce_scatter_base(output, tensor, group, *_, **__):
    _copy(output, _part(tensor, group))
    return output, _work([output])


def _reduce_scatter_tensors(outputs, inputs, group, *_, **__):
    for output, tensor in zip(outputs, inputs):
        _copy(output, _part(tensor, group))
    return _work(outputs)


def _gather(outputs, inputs, *_, **__):
    for output, tensor in zip(outputs, inputs):
        for one in output:
            _copy(one, tensor)
    return _work([one for output in outputs for one in output])


def _scatter(outputs, inputs, group, *_, **__):
    for output, tensors in zip(outputs, inputs):  # of the root's alone
        _copy(output, tensors[_group(group).rank()])
    return outputs, _work(outputs)


def _alltoall(outputs, inputs, group, *_, **__):
    ours = inputs[_group(group).rank()]
    for output in outputs:
        _copy(output, ours)
    return outputs, _work(outputs)


def _alltoall_base(output, tensor, group, output_sizes, input_sizes, *_, **__):
    if not output_sizes and not input_sizes:
        _spread(output, _part(tensor, group), group)
    return _work([output])


_ANSWERS = {
    "allreduce_": _as_it_is, "allreduce_coalesced_": _as_it_is_in_place,
    "broadcast_": _as_it_is, "reduce_": _as_it_is_in_place,
    "allgather_": _allgather, "_allgather_base_": _allgather_base, "allgather_coalesced_": _allgather_coalesced,
    "allgather_into_tensor_coalesced_": _allgather_into_tensors,
    "reduce_scatter_": _reduce_scatter, "_reduce_scatter_base_": _reduce_scatter_base,
    "reduce_scatter_tensor_coalesced_": _reduce_scatter_tensors,
    "gather_": _gather, "scatter_": _scatter, "alltoall_": _alltoall, "alltoall_base_": _alltoall_base,
    "barrier": _nothing, "monitored_barrier_": _monitored_barrier,
    "send": _as_it_is_in_place, "recv_": _as_it_is_in_place, "recv_any_source_": _as_it_is_in_place,
}
