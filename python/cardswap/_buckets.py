"""Where DistributedDataParallel keeps each gradient: the same everywhere, or its ranks reduce different things.

A DDP module sorts its gradients into buckets, and does so again in its second forward, in the order in which they came
in the first backward. That costs a collective, and a rank that has not done it yet while others have sends another
bucket than they do: Gloo ends the process on that. So the process that a rank moves to takes steps until nothing of it
moves any more, and its layout is compared before anything else is done.
"""

from __future__ import annotations

import hashlib
from typing import Any

from . import _recorder as recorder
from ._library import CardswapError
from ._tensors import torch


def digest() -> str:
    """Of every DDP module's layout; equal where the buckets have the same gradients at the same places."""
    text = "\n".join(line for module in _modules() for line in _layout(module))
    return hashlib.sha256(text.encode()).hexdigest()[:32]


def compare(theirs: str) -> None:
    """Raises CardswapError where the process that a rank leaves has another layout."""
    if digest() != theirs:
        raise CardswapError("the buckets of DistributedDataParallel lie otherwise here than where the rank comes from: "
                            "a warm-up of more steps, or the same program on both sides", "refused")


MOST_STEPS = 16  # of a warm-up


class WarmUp:
    """Says when the process that a rank moves to has taken enough steps, with peers that stand in."""

    def __init__(self) -> None:
        self.steps = 0
        self.is_still = False
        self._latest = ""

    def took_step(self) -> bool:
        """Called after each step. Whether the layout has stood still over it; two steps where nothing is unusual.
        Raises CardswapError where it does not come to rest."""
        self.steps += 1
        pending = [module.reducer._rebuild_buckets() for module in _modules()]
        now = digest()
        self.is_still = not any(pending) and now == self._latest
        self._latest = now
        if not self.is_still and self.steps == MOST_STEPS:
            raise CardswapError(f"the buckets of DistributedDataParallel have not come to rest in {self.steps} steps, so "
                                "that they cannot be those of the rank that moves", "refused")
        return self.is_still


def _modules() -> list[Any]:
    parallel = torch().nn.parallel.DistributedDataParallel
    made = (module for module in recorder.alive("module") if isinstance(module, parallel))
    return [module for module in made if hasattr(module, "reducer")]


def _layout(module: Any) -> list[str]:
    names = {id(parameter): name for name, parameter in module.module.named_parameters()}
    lines = []
    for bucket in module.reducer._get_zeros_like_grad_buckets():
        buffer = bucket.buffer()
        lines.append(f"{bucket.index()} {buffer.dtype} {buffer.numel()}: "
                     + ",".join(names.get(id(parameter), "?") for parameter in bucket.parameters()))
    return lines
