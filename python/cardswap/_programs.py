"""The agent and the command, where they were installed with the package."""

from __future__ import annotations

import os
import signal
import sys
from typing import NoReturn

FOLDER = os.path.join(os.path.dirname(os.path.abspath(__file__)), "bin")


def run(name: str) -> NoReturn:
    """Becomes the program of that name."""
    for number in (signal.SIGPIPE, signal.SIGXFSZ):
        signal.signal(number, signal.SIG_DFL)  # which Python ignores, and so would the program, and its jobs
    try:
        os.execv(os.path.join(FOLDER, name), sys.argv)
    except FileNotFoundError:
        sys.exit(f"{name}: {FOLDER} has no such program: install Cardswap's wheel, or use the program of a build")


def cardswap() -> NoReturn:
    run("cardswap")


def cardswapd() -> NoReturn:
    run("cardswapd")
