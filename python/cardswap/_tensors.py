"""Tensors as regions: their memory, and what both sides must agree on."""

from __future__ import annotations

import re
import sys
from typing import Any

from . import _library as library


# The runtime's names are those of c10, in which it knows an element's size: bytes of a kind lie together where they are
# packed. Others keep torch's name and are packed byte by byte.
_RUNTIME_NAMES = {
    "float32": "Float", "float64": "Double", "float16": "Half", "bfloat16": "BFloat16",
    "complex32": "ComplexHalf", "complex64": "ComplexFloat", "complex128": "ComplexDouble",
    "int8": "Char", "int16": "Short", "int32": "Int", "int64": "Long", "uint8": "Byte", "bool": "Bool",
    "uint16": "UInt16", "uint32": "UInt32", "uint64": "UInt64",
    "float8_e4m3fn": "Float8_e4m3fn", "float8_e5m2": "Float8_e5m2",
}


def dtype_text(dtype: Any) -> str:
    """A dtype's name among the runtime's."""
    name = str(dtype).removeprefix("torch.")
    return _RUNTIME_NAMES.get(name, name)


def torch() -> Any:
    """The program's torch; None where it has not imported it."""
    return sys.modules.get("torch")


def shape_text(tensor: Any) -> str:
    """'[768, 2304]', with strides and an offset where they are not the usual ones."""
    text = str(list(tensor.shape))
    if not tensor.is_contiguous():
        text += f" strides {list(tensor.stride())}"
    if tensor.storage_offset() != 0:
        text += f" from {tensor.storage_offset()}"
    return text


def region_of(name: str, tensor: Any) -> tuple[library.Region, Any]:
    """The tensor's whole storage, and what keeps it. Raises ValueError for what cannot be sent."""
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
    """Of (name, tensor) pairs."""
    regions, owners = [], []
    for name, tensor in named:
        region, owner = region_of(name, tensor)
        regions.append(region)
        owners.append(owner)
    return regions, owners


_TEXT_MAX = 4096


def description(module: Any) -> str:
    """What a module says of itself: its type and the settings that it prints."""
    text = f"{type(module).__qualname__}({module.extra_repr()})"
    return re.sub(r" at 0x[0-9a-f]+", "", text)[:_TEXT_MAX]
