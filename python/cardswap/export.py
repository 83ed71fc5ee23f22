"""Writes a snapshot as a checkpoint of PyTorch:

    python -m cardswap.export /var/lib/cardswap/store gpt@latest --torch gpt.pt

`--torch` writes a file that `torch.load(FILE, weights_only=True)` opens, and `--dcp` a folder of
torch.distributed.checkpoint. Both have `model` and `optimizer` as load_state_dict() takes them, and `step`. Needs
torch, and no agent. Each byte is held against its id before it is written; where one is another, nothing is left.
"""

from __future__ import annotations

import argparse
import os
import pathlib
import shutil
import sys
import warnings
from typing import Any

from ._library import CardswapError


def checkpoint(store: str, snapshot: str) -> dict[str, Any]:
    """The snapshot as such a checkpoint has it. Tensors that shared memory in the job share it here.

    `store` is the folder, or file:/FOLDER; `snapshot` is JOB@STEP, JOB@latest or JOB:TAG. Raises CardswapError that
    says what is damaged or missing, OSError, and ImportError without torch.
    """
    from ._checkpoint import Snapshot
    try:
        return Snapshot(store, snapshot).checkpoint()
    except SystemExit as said:
        raise CardswapError(str(said), "corrupt") from None


def main() -> None:
    asked, wanted = _asked()
    try:
        from ._checkpoint import Snapshot
    except ImportError as error:
        sys.exit(f"a checkpoint of PyTorch is written by PyTorch: {error}")
    try:
        snapshot = Snapshot(asked.store, asked.snapshot)
        made = snapshot.checkpoint()
    except (CardswapError, OSError) as error:
        sys.exit(f"{asked.store}: {error}")
    for path, save in wanted:
        try:
            _write(path, made, save)
        except (OSError, RuntimeError) as error:  # torch's word for a folder that is not there is the latter
            sys.exit(f"{path} cannot be written: {error}")
    told = ", ".join(key for key in made if key not in ("job", "manifest", "step"))
    print(f"wrote {' and '.join(str(path) for path, _ in wanted)}: {told} of step {made['step']}")
    if snapshot.unread:
        print("left out the values of " + ", ".join(snapshot.unread) + ": only Python programs' can be read",
              file=sys.stderr)


def _asked() -> tuple[argparse.Namespace, list[tuple[pathlib.Path, Any]]]:
    """The arguments, and each path to write with what writes it. Ends the program where one is there already."""
    parser = argparse.ArgumentParser(prog="python -m cardswap.export", description=__doc__,
                                     formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("store", help="the store's folder, or file:/FOLDER")
    parser.add_argument("snapshot", help="JOB@STEP, JOB@latest or JOB:TAG")
    parser.add_argument("--torch", metavar="FILE", type=pathlib.Path, help="a file for torch.load")
    parser.add_argument("--dcp", metavar="DIR", type=pathlib.Path, help="a folder for torch.distributed.checkpoint")
    parser.add_argument("--force", action="store_true", help="replace what exists")
    asked = parser.parse_args()
    wanted = [(path, save) for path, save in ((asked.torch, _save_file), (asked.dcp, _save_folder)) if path is not None]
    if not wanted:
        parser.error("name what to write: --torch FILE, --dcp DIR")
    for path, _ in wanted:
        if os.path.lexists(path) and not asked.force:
            sys.exit(f"{path} exists already: name another one, or let it be replaced with --force")
    return asked, wanted


def _save_file(path: pathlib.Path, made: dict[str, Any]) -> None:
    import torch
    torch.save(made, path)


def _save_folder(path: pathlib.Path, made: dict[str, Any]) -> None:
    from torch.distributed import checkpoint as dcp
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # it says that there is one process
        dcp.save(made, checkpoint_id=path)


def _write(path: pathlib.Path, made: dict[str, Any], save: Any) -> None:
    """Writes it beside its place first: who looks finds the whole or nothing."""
    partial = path.with_name(path.name + ".partial")
    _remove(partial)
    try:
        save(partial, made)
        _remove(path)
        partial.rename(path)
    finally:
        _remove(partial)


def _remove(path: pathlib.Path) -> None:
    if path.is_dir() and not path.is_symlink():
        shutil.rmtree(path)
    else:
        path.unlink(missing_ok=True)


if __name__ == "__main__":
    main()
