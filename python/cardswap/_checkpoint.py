"""A snapshot as the objects that PyTorch's own checkpoints are made of.

Reads the store itself, without a program of Cardswap; every byte is held against its id.
"""

from __future__ import annotations

import collections
import ctypes
import json
import math
import re
import struct
import sys
from typing import Any, Iterator

import torch

from . import _codec as codec
from . import read_snapshot
from ._library import CardswapError
from ._tensors import RUNTIME_NAMES

_DTYPES = {ours: getattr(torch, name) for name, ours in RUNTIME_NAMES.items() if hasattr(torch, name)}
_SHAPE = re.compile(r"(?:(\S+) )?\[([\d, ]*)\](?: strides \[([-\d, ]*)\])?(?: from (\d+))?(?: of (.*))?", re.DOTALL)
_SHARED = "shared tensor"  # the dtype of a region that tells of a tensor in an earlier one
_ROOT_MODULE, _UNSAVED, _GRADIENT, _ATTACHED = "/(module)", " (not in state_dict)", "gradient of ", "attached "


class Snapshot:
    """One snapshot of a store in a folder, chosen as JOB@STEP, JOB@latest or JOB:TAG. Raises CardswapError where there
    is none; what is damaged ends the program, as in read_snapshot: SystemExit has the text."""

    def __init__(self, folder: str, name: str) -> None:
        self._store = read_snapshot.Store(folder.removeprefix("file:"))
        self.ref = _found(self._store, name)
        self.manifest: dict[str, Any] = json.loads(self._store.named("manifests", self.ref["manifest"], ".json"))
        self._regions: list[dict[str, Any]] = self.manifest["regions"]
        self._storages: dict[int, Any] = {}
        self._entries = {entry["name"]: entry for entry in self._told_entries()}
        self._used: set[str] = set()
        self.unread: list[str] = []  # tracked things whose values are no Python program's

    def checkpoint(self) -> dict[str, Any]:
        """The model's and the optimizer's state as their load_state_dict() takes it, the step, and what else there is:
        `values` by tracked thing, and `tensors` that belong to no model and no optimizer. Several models are `models`
        by their names, and so are optimizers. All of it is of types that torch.load(weights_only=True) opens."""
        models = {name: self._model(name) for name in self._modules()}
        optimizers, values = {}, {}
        for name, data in self._values():
            if name in models or name.startswith(_ATTACHED) or not data:
                continue
            try:
                value = codec.decode(data)
            except ValueError:
                self.unread.append(name)
                continue
            if _is_optimizer(value):
                optimizers[name] = self._optimizer(name, value)
            else:
                values[name] = _plain(value)
        result: dict[str, Any] = {"step": self.ref["step"], "job": self.ref["job"], "manifest": self.ref["manifest"]}
        for key, all_of_it in (("model", models), ("optimizer", optimizers)):
            if len(all_of_it) == 1:
                result[key] = next(iter(all_of_it.values()))
            elif all_of_it:
                result[key + "s"] = all_of_it
        rest = {name: self.tensor(name) for name in self._entries if name not in self._used}
        result.update({"values": values} if values else {}, **({"tensors": rest} if rest else {}))
        return result

    def tensor(self, name: str) -> Any:
        """The tensor of that name, "thing/name". Those that shared memory in the job share it here."""
        self._used.add(name)
        entry = self._entries[name]
        dtype = _DTYPES[entry["dtype"]]
        storage, (offset, odd) = self._storage(entry["region"]), divmod(entry["offset"], dtype.itemsize)
        last = sum((size - 1) * stride for size, stride in zip(entry["sizes"], entry["strides"]))
        has_elements = math.prod(entry["sizes"]) > 0
        if odd or min(entry["strides"], default=0) < 0 or \
                has_elements and (offset + last + 1) * dtype.itemsize > storage.nbytes():
            sys.exit(f"tensor {name}: it does not lie in its region")
        return torch.empty(0, dtype=dtype).set_(storage, offset, entry["sizes"], entry["strides"])

    # ---- parts

    def _modules(self) -> list[str]:
        return [region["name"].removesuffix(_ROOT_MODULE) for region in self._regions
                if region["dtype"] == "module" and region["name"].endswith(_ROOT_MODULE)]

    def _model(self, thing: str) -> dict[str, Any]:
        unsaved = {region["name"].removesuffix(_UNSAVED) for region in self._regions
                   if region["dtype"] == "module" and region["name"].endswith(_UNSAVED)}
        prefix = thing + "/"
        return {name.removeprefix(prefix): self.tensor(name) for name in self._entries
                if name.startswith(prefix) and name not in unsaved and not name.startswith(prefix + _GRADIENT)}

    def _optimizer(self, thing: str, value: list[Any]) -> dict[str, Any]:
        groups, states, _, about = value
        places = [(group, index) for group, size in enumerate(about["sizes"]) for index in range(size)]
        numbers = iter(range(len(places)))
        names = {name.split(" [")[0]: name for name in self._entries if name.startswith(thing + "/")}

        def restored(key: str, item: tuple[Any, ...], place: tuple[int, int] | None) -> Any:
            if item[0] == "region":
                where = f"{thing}/{key}" + (f".{place[0]}.{place[1]}" if place else "")
                if where not in names:
                    sys.exit(f"optimizer {thing}: the snapshot has no tensor {where}")
                return self.tensor(names[where])
            if item[0] == "0-dim":
                return torch.tensor(item[3], dtype=getattr(torch, item[1].removeprefix("torch.")))
            return _plain(item[1])

        return {
            "state": {number: {key: restored(key, item, place) for key, item in state}
                      for number, (place, state) in enumerate(zip(places, states)) if state is not None},
            "param_groups": [{**{key: restored(key, item, None) for key, item in options},
                              "params": [next(numbers) for _ in range(size)]}
                             for options, size in zip(groups, about["sizes"])],
        }

    def _told_entries(self) -> Iterator[dict[str, Any]]:
        """The manifest's table of tensors, and those that it lacks, because they are many or complex, by what their
        regions say."""
        yield from (entry for entry in self.manifest["tensors"] if entry["dtype"] in _DTYPES)
        listed = {entry["name"] for entry in self.manifest["tensors"]}
        numbers = {region["name"]: at for at, region in enumerate(self._regions)}
        for region in self._regions:
            found = _SHAPE.fullmatch(region["shape"])
            if region["name"] in listed or found is None:
                continue
            told, sizes, strides, first, of = found.groups()
            is_shared = region["dtype"] == _SHARED
            dtype = _DTYPES.get(told if is_shared else region["dtype"])
            at = numbers.get(of if is_shared else region["name"])
            if dtype is None or at is None or is_shared != (told is not None) or is_shared != (of is not None):
                continue
            shape = [int(size) for size in sizes.split(",") if size]
            steps = [int(stride) for stride in strides.split(",") if stride] if strides is not None else \
                [math.prod(side or 1 for side in shape[i + 1:]) for i in range(len(shape))]
            yield {"name": region["name"], "region": at, "offset": int(first or 0) * dtype.itemsize,
                   "dtype": told if is_shared else region["dtype"], "sizes": shape, "strides": steps}

    # ---- bytes

    def _storage(self, at: int) -> Any:
        if at not in self._storages:
            region = self._regions[at]
            storage, filled = torch.UntypedStorage(region["bytes"]), 0
            for part in self._store.chunks_of(region["node"]):
                if filled + len(part) <= region["bytes"]:
                    ctypes.memmove(storage.data_ptr() + filled, bytes(part), len(part))
                filled += len(part)
            if filled != region["bytes"]:
                sys.exit(f"{region['name']}: its node has another size")
            self._storages[at] = storage
        return self._storages[at]

    def _values(self) -> Iterator[tuple[str, bytes]]:
        """The values of each tracked thing, by its name."""
        data = b"".join(self._store.chunks_of(self.manifest["values"]))
        at = 0

        def take() -> bytes:
            nonlocal at
            size, = struct.unpack_from("<I", data, at)
            at += 4 + size
            if at > len(data):
                sys.exit("the snapshot's values end too early")
            return data[at - size:at]

        count, = struct.unpack_from("<I", data, 0) if data else (0,)
        at = 4
        for _ in range(count):
            name = take().decode()
            yield name, take()


def _found(store: read_snapshot.Store, name: str) -> dict[str, Any]:
    job, mark, at = (name.partition("@") if "@" in name else name.partition(":"))
    refs = store.refs(job) if mark else []
    if mark == ":":
        records = sorted((store.root / "jobs" / job / "tags" / at).glob("[0-9]*"))
        wanted = json.loads(records[-1].read_bytes())["seq"] if records else None
        refs = [ref for ref in refs if ref["seq"] == wanted]
    elif at != "latest":
        refs = [ref for ref in refs if str(ref["step"]) == at]
    if not refs:
        raise CardswapError(f"there is no snapshot {name} in that store: name it as gpt@3400, gpt@latest or gpt:TAG; "
                            "`cardswap history` lists them", "not_found")
    return max(refs, key=lambda ref: ref["seq"])


def _is_optimizer(value: Any) -> bool:
    return type(value) is list and len(value) == 4 and type(value[3]) is dict and value[3].get("kind") == "optimizer"


def _plain(value: Any) -> Any:
    """The value in types that torch.load(weights_only=True) opens: arrays and bytes become tensors, or lists where
    tensors have no such dtype; sets and deques become lists."""
    numpy = sys.modules.get("numpy")
    if isinstance(value, torch.Tensor):
        return value.detach()
    if numpy is not None and isinstance(value, numpy.generic):
        return _plain(value.item())
    if numpy is not None and isinstance(value, numpy.ndarray):
        try:
            return torch.from_numpy(value.copy())
        except TypeError:
            return value.tolist()
    if isinstance(value, (bytes, bytearray)):
        return torch.tensor(list(value), dtype=torch.uint8)
    if isinstance(value, complex):
        return torch.tensor(value, dtype=torch.complex128)
    if isinstance(value, (dict, collections.OrderedDict, collections.Counter)):
        return {_plain(key): _plain(item) for key, item in value.items()}
    if isinstance(value, torch.Size):
        return value
    if isinstance(value, tuple):
        return tuple(_plain(item) for item in value)
    if isinstance(value, (list, set, frozenset, collections.deque)):
        return [_plain(item) for item in value]
    return value
