"""The place of a rank that has left: a small program that its launcher waits for in the rank's stead."""

from __future__ import annotations

import contextlib
import os
import signal
from typing import Iterable

_OF_LAUNCHERS = (signal.SIGHUP, signal.SIGINT, signal.SIGQUIT, signal.SIGUSR1, signal.SIGUSR2, signal.SIGTERM)


def keep(rank: int, waiting: Iterable[int]) -> None:
    """Becomes `cardswap follow`, which waits for the rank's end wherever it is, passes signals on to it and ends as it
    ends; all memory and every device of this process are free then. `waiting`: signals that have come and were not
    handled. Returns only if there is no such program."""
    command, job = os.environ.get("CARDSWAP_COMMAND"), os.environ.get("CARDSWAP_JOB")
    if not command or not job:
        return
    signal.pthread_sigmask(signal.SIG_BLOCK, _OF_LAUNCHERS)  # one that comes now waits for the program
    for number in waiting:
        if number in _OF_LAUNCHERS:
            os.kill(os.getpid(), number)
    for opened in os.listdir("/proc/self/fd"):  # libraries leave theirs open: ports, pipes, devices
        if int(opened) > 2:
            with contextlib.suppress(OSError):
                os.set_inheritable(int(opened), False)
    try:
        os.execv(command, [command, "follow", f"{job}/{rank}"])
    except OSError as error:
        print(f"cardswap: {command} cannot be run: {error.strerror}; its launcher takes this rank for one that ended well",
              flush=True)
