"""Tensors as regions: their memory, and what both sides must agree on."""

from __future__ import annotations

import re
import sys
from typing import Any

from . import _library as library


# c10's names, from which the runtime knows the size of an element and compresses better. Other dtypes keep torch's name
# and are compressed byte by byte.
RUNTIME_NAMES = {
    "float32": "Float", "float64": "Double", "float16": "Half", "bfloat16": "BFloat16",
    "complex32": "ComplexHalf", "complex64": "ComplexFloat", "complex128": "ComplexDouble",
    "int8": "Char", "int16": "Short", "int32": "Int", "int64": "Long", "uint8": "Byte", "bool": "Bool",
    "uint16": "UInt16", "uint32": "UInt32", "uint64": "UInt64",
    "float8_e4m3fn": "Float8_e4m3fn", "float8_e5m2": "Float8_e5m2",
}


def dtype_text(dtype: Any) -> str:
    """The runtime's name of a dtype."""
    name = str(dtype).removeprefix("torch.")
    return RUNTIME_NAMES.get(name, name)


def torch() -> Any:
    """The torch module that the program has imported; None: it has not."""
    return sys.modules.get("torch")


def shape_text(tensor: Any) -> str:
    """The sizes, such as '[768, 2304]', with strides and offset if they are not the default ones."""
    text = str(list(tensor.shape))
    if not tensor.is_contiguous():
        text += f" strides {list(tensor.stride())}"
    if tensor.storage_offset() != 0:
        text += f" from {tensor.storage_offset()}"
    return text


def region_of(name: str, tensor: Any) -> tuple[library.Region, Any]:
    """A region for the tensor's whole storage, and an object that keeps the storage alive. Raises ValueError for a
    tensor that cannot be sent."""
    if tensor.layout != torch().strided:
        raise ValueError(f"{name}: only dense tensors can be tracked")
    if tensor.device.type != "cpu":
        raise ValueError(f"{name} is on {tensor.device}: Python programs are moved on the CPU; on a GPU, "
                         "move the process itself with --arrive criu")
    storage = tensor.untyped_storage()
    version = 0 if tensor.is_inference() else tensor._version + 1
    return library.Region(name.encode(), dtype_text(tensor.dtype).encode(), shape_text(tensor).encode(),
                          storage.data_ptr(), storage.nbytes(), storage._cdata, version), storage


def regions_of(named: Any) -> tuple[list[library.Region], list[Any]]:
    """As region_of(), for (name, tensor) pairs."""
    regions, owners = [], []
    for name, tensor in named:
        region, owner = region_of(name, tensor)
        regions.append(region)
        owners.append(owner)
    return regions, owners


_TEXT_MAX = 4096


def description(module: Any) -> str:
    """The description of a module: its type, and the settings that it prints."""
    text = f"{type(module).__qualname__}({module.extra_repr()})"
    return re.sub(r" at 0x[0-9a-f]+", "", text)[:_TEXT_MAX]
