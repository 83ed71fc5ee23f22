"""The reasons why a job of many ranks cannot be moved: the other ranks would wait for a rank that has left."""

from __future__ import annotations

from . import _groups as groups
from . import _library as library


class Ranks(library.Thing):
    """The ranks of the job, of which this process is one. It has no state."""

    kind = "ranks"

    def obstacles(self) -> list[tuple[str, str]]:
        count = groups.world_size()
        if count == 1:
            return []
        return [(f"the job trains in {count} processes over torch.distributed, and one of many does not move yet",
                 "let it save its state and start it elsewhere")]
