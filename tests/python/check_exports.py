"""Holds what was exported of a snapshot of many_names.py against the state that the program saved at that step.

usage: check_exports.py STATE FOLDER   FOLDER has checkpoint.pt, dcp, model.safetensors and hf, of that step
"""

import json
import math
import pathlib
import struct
import sys

import torch
from torch.distributed import checkpoint as dcp

from many_names import Net, make_optimizer

WIDTH = {"F32": 4, "BF16": 2, "I64": 8}


def bytes_of(tensor):
    return tensor.detach().contiguous().flatten().view(torch.uint8).numpy().tobytes() if tensor.numel() else b""


def is_same(one, other):
    """Whether two states are of equal types, values and bytes, all through."""
    if isinstance(other, torch.Tensor):
        return (isinstance(one, torch.Tensor) and one.dtype == other.dtype and one.shape == other.shape
                and bytes_of(one.reshape(-1)) == bytes_of(other.reshape(-1)))
    if isinstance(other, dict):
        return set(one) == set(other) and all(is_same(one[key], other[key]) for key in other)
    if isinstance(other, (list, tuple)):
        return len(one) == len(other) and all(map(is_same, one, other))
    return type(one) is type(other) and one == other


def emptied(state):
    """A copy of the state with zeros in its tensors, into which a checkpoint is loaded."""
    if isinstance(state, torch.Tensor):
        return torch.zeros_like(state)
    if isinstance(state, dict):
        return {key: emptied(value) for key, value in state.items()}
    return [emptied(item) for item in state] if isinstance(state, list) else state


def of_safetensors(path):
    raw = path.read_bytes()
    length, = struct.unpack("<Q", raw[:8])
    header, data = json.loads(raw[8:8 + length]), raw[8 + length:]
    metadata, at, tensors = header.pop("__metadata__"), 0, {}
    for name, one in sorted(header.items(), key=lambda item: item[1]["data_offsets"]):
        begin, end = one["data_offsets"]
        assert begin == at and end - begin == math.prod(one["shape"]) * WIDTH[one["dtype"]], name
        tensors[name] = (one["shape"], data[begin:end])
        at = end
    assert at == len(data) and length % 8 == 0
    return metadata, tensors


def check_tensors(tensors, ties, model):
    assert not set(tensors) & set(ties), "a tied tensor was written, too"
    assert set(tensors) | set(ties) == set(model), set(tensors) ^ set(model)
    for name, tensor in model.items():
        shape, data = tensors[ties.get(name, name)]
        assert shape == list(tensor.shape) and data == bytes_of(tensor), name


live = torch.load(sys.argv[1], weights_only=True)
folder = pathlib.Path(sys.argv[2])

made = torch.load(folder / "checkpoint.pt", weights_only=True)
for part in ("model", "optimizer"):
    assert is_same(made[part], dict(live[part])), part
assert made["step"] == int(pathlib.Path(sys.argv[1]).stem)
assert is_same(made["values"]["rng"]["torch"], live["rng"])
assert is_same(made["values"]["StepLR"], live["schedule"])
assert made["values"]["done"] == {"steps": made["step"]}
assert list(made["tensors"]) == ["Net/cache"], "a buffer that no state_dict has, and nothing else"
assert made["model"]["head.weight"].data_ptr() == made["model"]["embedding.weight"].data_ptr()
model = Net()
model.load_state_dict(made["model"], strict=True)
optimizer = make_optimizer(model)
optimizer.load_state_dict(made["optimizer"])
assert is_same(model.state_dict(), dict(live["model"])) and is_same(optimizer.state_dict(), live["optimizer"])

of_dcp = {part: emptied(live[part]) for part in ("model", "optimizer")}
dcp.load(of_dcp, checkpoint_id=folder / "dcp")
for part, read in of_dcp.items():
    assert is_same(read, dict(live[part])), f"{part} of dcp"

metadata, tensors = of_safetensors(folder / "model.safetensors")
ties = json.loads(metadata["cardswap.alias_of"])
assert ties == {"head.weight": "embedding.weight", "mix_again.weight": "mix.weight", "mix_again.bias": "mix.bias"}
check_tensors(tensors, ties, live["model"])

index = json.loads((folder / "hf/model.safetensors.index.json").read_text())
shards = sorted(path.name for path in (folder / "hf").glob("*.safetensors"))
assert len(shards) > 1 and set(index["weight_map"].values()) == set(shards)
of_shards = {}
for name in shards:
    _, some = of_safetensors(folder / "hf" / name)
    assert all(index["weight_map"][tensor] == name for tensor in some)
    of_shards.update(some)
check_tensors(of_shards, ties, live["model"])
assert index["metadata"]["total_size"] == sum(len(data) for _, data in of_shards.values())
assert (folder / "hf/config.json").read_bytes() == (pathlib.Path(__file__).parent / "many_names.py").read_bytes()

try:
    from safetensors.torch import load_file
except ImportError:
    pass  # it is no dependency
else:
    loaded = load_file(folder / "model.safetensors")
    assert all(is_same(tensor, live["model"][name].contiguous()) for name, tensor in loaded.items())
