"""Starts the agent and the command that are installed with the package."""

from __future__ import annotations

import os
import signal
import sys
from typing import NoReturn

FOLDER = os.path.join(os.path.dirname(os.path.abspath(__file__)), "bin")


def run(name: str) -> NoReturn:
    """Replaces this process by the program of that name; exits with a message if it is not installed."""
    for number in (signal.SIGPIPE, signal.SIGXFSZ):
        signal.signal(number, signal.SIG_DFL)  # Python ignores them; the program and its jobs would inherit that
    try:
        os.execv(os.path.join(FOLDER, name), sys.argv)
    except FileNotFoundError:
        sys.exit(f"{name}: {FOLDER} has no such program: install Cardswap's wheel, or use the program of a build")


def cardswap() -> NoReturn:
    run("cardswap")


def cardswapd() -> NoReturn:
    run("cardswapd")
