"""Where the ranks of a job stand together, so that one of them may move. The runtime has one; nothing here makes it."""

from __future__ import annotations

from typing import Protocol


class Gate(Protocol):
    """Called by the training thread of each rank, at each of its boundaries."""

    def stand_at(self, step: int) -> bool:
        """Whether the job stands behind `step`: every rank has passed that many boundaries, and no collective is on
        its way. Returns at once where no step was agreed on, or another one. False: train on.
        """
        ...
