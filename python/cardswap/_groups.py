"""Process groups of torch.distributed, remembered as the program makes them.

`init_process_group` and `new_group` are wrapped, and nothing else of torch: they return the program's own
ProcessGroup, which stays the same during the job. When a rank moves, the backend inside of it is exchanged (`_slot`).
A group that was made in another way is found too, and reported as an obstacle: it would go on with a rank that has
left.
"""

from __future__ import annotations

import functools
import hashlib
import inspect
import os
import sys
import weakref
from typing import Any, Callable, Iterable

from . import _peers as peers
from . import _recorder as recorder
from ._slot import Slot

_made: list[Group] = []
before_making: list[Callable[[], Any]] = []  # called before a group is made
_c10d: Any = None  # torch.distributed.distributed_c10d, once the program has imported it


class Group:
    """A group that this process is in, as it was made.

    `ranks` are the job's, by their number in the group; `rank` is this process's number in it. `store` and `options`
    are what it was made with; a later backend comes from another store, and takes its timeout from the live one.
    """

    def __init__(self, process_group: Any, options: Any = None) -> None:
        self.backend, self.store = _c10d._world.pg_map[process_group]
        self.name: str = _c10d._world.pg_names[process_group]
        self.ranks = tuple(_c10d.get_process_group_ranks(process_group))
        self.rank: int = self.ranks.index(_c10d.get_rank())
        self.options = options
        self.slot = Slot(process_group)
        self._process_group = weakref.ref(process_group)

    @property
    def process_group(self) -> Any:
        """The program's group; None: the program has destroyed it."""
        process_group = self._process_group()
        return process_group if process_group is not None and process_group in _c10d._world.pg_map else None

    def described(self) -> str:
        """A text that must be the same in the process to which a rank moves."""
        return f"{self.name} of {','.join(map(str, self.ranks))} over {self.backend}"


def made() -> list[Group]:
    """The groups that exist, in the order in which they were made, which is the same on every rank."""
    _made[:] = [group for group in _made if group.process_group is not None]
    return list(_made)


def world_size() -> int:
    """The number of ranks of the job; 1 if the program trains in one process."""
    return int(_c10d.get_world_size()) if _c10d is not None and _c10d.is_initialized() else 1


def rank() -> int:
    """The number of this process among the ranks of the job."""
    return int(_c10d.get_rank()) if world_size() > 1 else 0


def place() -> tuple[int, int]:
    """rank() and world_size(); before groups are made, what the environment says that they will be."""
    if world_size() > 1:
        return rank(), world_size()
    try:
        ours, ranks = int(os.environ["RANK"]), int(os.environ["WORLD_SIZE"])
    except (KeyError, ValueError):
        return 0, 1
    return (ours, ranks) if 0 <= ours < ranks else (0, 1)


def default_store() -> Any:
    """The store where all ranks of the job meet."""
    return torch_groups()[_c10d._get_default_group()][1]


def with_any_of(ranks: Iterable[int]) -> list[Group]:
    """The groups whose backend must be exchanged when these ranks move. Other groups are not affected."""
    moved = set(ranks)
    return [group for group in made() if moved & set(group.ranks)]


def digest() -> str:
    """A digest of all groups that this process is in: equal if the program has made the same groups."""
    return hashlib.sha256("\n".join(group.described() for group in made()).encode()).hexdigest()[:32]


def obstacles() -> list[tuple[str, str]]:
    """The reasons why ranks of this job cannot move, each with what to do about it."""
    if _c10d is None or not _c10d.is_initialized():
        return []
    found = [(f"the process group {name} was made behind Cardswap's back",
              "make it with torch.distributed.new_group, after `import cardswap`") for name in strangers()]
    for group in made():
        why = group.slot.obstacle()
        if why:
            found.append((f"the process group {group.described()}: {why}",
                          "ranks move where each group is Gloo's, on the CPU"))
    if os.environ.get("TORCH_DISTRIBUTED_DEBUG", "").upper() == "DETAIL":
        found.append(("TORCH_DISTRIBUTED_DEBUG=DETAIL puts a checker around each process group",
                      "run the job without it, or with INFO"))
    return found


def strangers() -> list[str]:
    """Names of groups that neither of the two functions has made. They are found in torch's own list, and in modules
    that train over a group."""
    known = {id(group.process_group) for group in made()}
    names = {id(process_group): f"'{name}'" for process_group, name in _c10d._world.pg_names.items()}
    for module in recorder.alive("module"):
        process_group = vars(module).get("process_group")
        if isinstance(process_group, _c10d.ProcessGroup):
            names.setdefault(id(process_group), f"of a {type(module).__name__}")
    return [name for key, name in names.items() if key not in known]


def torch_groups() -> dict[Any, tuple[Any, Any]]:
    """torch's own table of groups: for each, its backend's name, and the store where groups made of it meet."""
    return _c10d._world.pg_map


# ---- how they are remembered

def watch(distributed_c10d: Any) -> None:
    """Begins to remember groups. Called right after that module of torch was imported, or later."""
    global _c10d
    _c10d = distributed_c10d
    _wrap("init_process_group", lambda *_: _c10d._get_default_group())
    _wrap("new_group", lambda made_group: made_group)


def _wrap(name: str, made_of: Callable[[Any], Any]) -> None:
    """Wraps a function so that the groups it makes are remembered, wherever torch.distributed has it under this
    name."""
    function = getattr(_c10d, name)
    signature = inspect.signature(function)

    @functools.wraps(function)
    def wrapped(*args, **kwargs):
        bound = signature.bind(*args, **kwargs)
        for call in before_making:
            call()
        with peers.in_place_of(_c10d, bound.arguments):
            result = function(*bound.args, **bound.kwargs)
        _note(made_of(result), bound.arguments.get("pg_options"))
        return result

    for module_name, module in list(sys.modules.items()):
        if module_name.startswith("torch.distributed") and vars(module).get(name) is function:
            setattr(module, name, wrapped)


def _note(process_group: Any, options: Any) -> None:
    if isinstance(process_group, _c10d.ProcessGroup) and process_group in _c10d._world.pg_map:
        if all(group.process_group is not process_group for group in made()):
            _made.append(Group(process_group, options))
