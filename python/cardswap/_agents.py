"""Where the agents of all ranks are: each rank tells its own to the others by torch's store, and all of them to its agent.
"""

from __future__ import annotations

import threading
import time
from typing import Any, Callable

from ._library import what_it_says

_LOOK_EVERY = 0.1  # s: whether the others have told theirs
PATIENCE = 600  # s: for the slowest rank


class Agents:
    """Asks in a thread of its own: a store may be slow, and training waits for none of this."""

    def __init__(self, address: str, tell: Callable[[list[str]], None], say: Callable[[str], None]) -> None:
        self.address = address
        self._tell, self._say = tell, say

    def know(self, addresses: list[str]) -> None:
        """Tells this process's agent what the ranks have told each other already."""
        self._tell(addresses)

    def meet(self, store: Any, rank: int, ranks: int) -> None:
        """Begins to tell this process's agent what the ranks tell each other in `store`."""
        threading.Thread(target=self._meet, args=(store, rank, ranks), name="cardswap-agents", daemon=True).start()

    def _meet(self, store: Any, rank: int, ranks: int) -> None:
        try:
            keys = [f"cardswap/agent/{one}" for one in range(ranks)]
            store.set(keys[rank], "@" + self.address)  # a store may take an empty text for none
            end = time.monotonic() + PATIENCE
            while not store.check(keys):
                if time.monotonic() > end:
                    raise TimeoutError(f"not all {ranks} ranks have told where their agent is")
                time.sleep(_LOOK_EVERY)
            self._tell([store.get(key).decode()[1:] for key in keys])
        except Exception as error:
            self._say(f"cannot move: the ranks have not told each other where their agents are: {what_it_says(error)}")
