"""The ranks of a job of many as a thing that is tracked: what must be alike where a rank leaves and where it arrives.
"""

from __future__ import annotations

from . import _buckets as buckets
from . import _groups as groups
from . import _library as library


class Ranks(library.Thing):
    """The process groups of this rank and the layout of its buckets, as digests. `can_move`: its agent knows how ranks
    move."""

    kind = "ranks"

    def __init__(self, name: str, can_move: bool) -> None:
        super().__init__(name)
        self._can_move = can_move

    def save(self) -> bytes:
        return f"{groups.digest()} {buckets.digest()}".encode()

    def load(self, data: bytes) -> None:
        their_groups, _, their_buckets = data.decode().partition(" ")
        if groups.digest() != their_groups:
            raise library.CardswapError("this program has made other process groups here than where the rank comes "
                                        "from: both sides must run the same program", "refused")
        buckets.compare(their_buckets)

    def obstacles(self) -> list[tuple[str, str]]:
        count = groups.world_size()
        if count == 1:
            return []
        if not self._can_move:
            return [(f"the job trains in {count} processes over torch.distributed, and no host reaches this agent",
                     "run cardswapd with --listen")]
        return groups.obstacles()
