"""Values as bytes and back. Equal values give equal bytes, and bytes from another process can only become values.

pickle is not used: its bytes depend on the history of an object, and loading them can run any code.
"""

from __future__ import annotations

import collections
import math
import struct
import sys
from typing import Any

_DEPTH_MAX = 100


class NotAValue(TypeError):
    """The type of an object is not one of those that can be encoded."""


def encode(value: Any) -> bytes:
    """Encodes numbers, texts, tensors, arrays and containers of these. Raises NotAValue, which names the place, for any
    other object."""
    out = bytearray()
    _put(out, value, "", 0)
    return bytes(out)


def decode(data: bytes) -> Any:
    """Decodes what encode() returned. Raises ValueError for other bytes."""
    reader = _Reader(data)
    try:
        value = _take(reader, 0)
    except ValueError:
        raise
    except Exception as error:  # torch, NumPy and struct raise exceptions of their own
        raise ValueError(f"a value that is none: {error}") from error
    if reader.at != len(data):
        raise ValueError("a value has trailing bytes")
    return value


class _Reader:
    def __init__(self, data: bytes) -> None:
        self.data = data
        self.at = 0

    def take(self, size: int) -> bytes:
        if size < 0 or self.at + size > len(self.data):
            raise ValueError("a value ends too early")
        self.at += size
        return self.data[self.at - size:self.at]

    def count(self) -> int:
        """The number of items that follow, each of at least one byte."""
        (items,) = struct.unpack("<Q", self.take(8))
        if items > len(self.data) - self.at:
            raise ValueError("a value promises more than it holds")
        return items


def _put_bytes(out: bytearray, data: bytes) -> None:
    out += struct.pack("<Q", len(data))
    out += data


def _torch() -> Any:
    return sys.modules.get("torch")


def _numpy() -> Any:
    return sys.modules.get("numpy")


def _put(out: bytearray, value: Any, place: str, depth: int) -> None:
    if depth > _DEPTH_MAX:
        raise NotAValue(f"{place or 'it'} is nested too deeply, or holds itself")
    kind = type(value)
    if value is None:
        out += b"N"
    elif kind is bool:
        out += b"T" if value else b"F"
    elif kind is int:
        out += b"i"
        _put_bytes(out, value.to_bytes(value.bit_length() // 8 + 1, "little", signed=True))
    elif kind is float:
        out += b"f" + struct.pack("<d", value)
    elif kind is complex:
        out += b"c" + struct.pack("<dd", value.real, value.imag)
    elif kind is str:
        out += b"s"
        _put_bytes(out, value.encode("utf-8", "surrogatepass"))
    elif kind in (bytes, bytearray):
        out += b"b" if kind is bytes else b"B"
        _put_bytes(out, bytes(value))
    elif kind in _SEQUENCES:
        out += _SEQUENCES[kind]
        if kind is collections.deque:
            _put(out, value.maxlen, place, depth + 1)
        out += struct.pack("<Q", len(value))
        for index, item in enumerate(value):
            _put(out, item, f"{place}[{index}]", depth + 1)
    elif kind in (set, frozenset):
        out += b"{" if kind is set else b"}"
        items = []
        for item in value:
            one = bytearray()
            _put(one, item, f"{place} (an item)", depth + 1)
            items.append(bytes(one))
        out += struct.pack("<Q", len(items))
        out += b"".join(sorted(items))
    elif kind in _TABLES:
        out += _TABLES[kind]
        out += struct.pack("<Q", len(value))
        for key, item in value.items():
            _put(out, key, f"{place} (a key)", depth + 1)
            _put(out, item, f"{place}[{key!r}]", depth + 1)
    elif not _put_foreign(out, value, depth):
        raise NotAValue(f"{place or 'it'} is a {kind.__module__}.{kind.__qualname__}, which is not known to be a value")


_SEQUENCES: dict[Any, bytes] = {list: b"[", tuple: b"(", collections.deque: b"q"}
_TABLES: dict[Any, bytes] = {dict: b"d", collections.OrderedDict: b"o", collections.Counter: b"C"}
_OF_SEQUENCE = {code: kind for kind, code in _SEQUENCES.items()}
_OF_TABLE = {code: kind for kind, code in _TABLES.items()}


def _put_foreign(out: bytearray, value: Any, depth: int) -> bool:
    """Encodes a tensor, an array, a dtype or a device. False: the value is none of these."""
    torch, numpy = _torch(), _numpy()
    if torch is not None:
        if isinstance(value, torch.Tensor):
            _put_tensor(out, torch, value)
            return True
        if isinstance(value, torch.Size):
            out += b"S"
            _put(out, tuple(value), "", depth + 1)
            return True
        if isinstance(value, (torch.dtype, torch.device)):
            out += b"D" if isinstance(value, torch.dtype) else b"V"
            _put_bytes(out, str(value).encode())
            return True
    if numpy is not None and isinstance(value, (numpy.ndarray, numpy.generic)) and value.dtype.kind in "biufcSUmM":
        array = numpy.asarray(value)
        out += b"a" if isinstance(value, numpy.ndarray) else b"g"
        _put_bytes(out, array.dtype.str.encode())
        _put(out, tuple(int(side) for side in array.shape), "", depth + 1)
        _put_bytes(out, array.tobytes())
        return True
    return False


def _put_tensor(out: bytearray, torch: Any, tensor: Any) -> None:
    if tensor.layout != torch.strided or tensor.is_quantized:
        raise NotAValue("a tensor that is not dense")
    if tensor.grad_fn is not None:
        raise NotAValue("a tensor that is part of a graph: detach() it before the boundary")
    out += b"P" if isinstance(tensor, torch.nn.Parameter) else b"t"
    _put_bytes(out, str(tensor.dtype).encode())
    _put_bytes(out, str(tensor.device).encode())
    _put(out, (tuple(tensor.shape), tensor.requires_grad), "", 1)
    _put_bytes(out, bytes_of_tensor(torch, tensor))


def bytes_of_tensor(torch: Any, tensor: Any) -> bytes:
    """The bytes of its elements, in the order of its shape."""
    plain = tensor.detach().to("cpu").contiguous()
    if plain.numel() == 0:
        return b""
    import ctypes
    return ctypes.string_at(plain.data_ptr(), plain.numel() * plain.element_size())


def tensor_of_bytes(torch: Any, data: bytes, dtype: Any, shape: tuple[int, ...]) -> Any:
    """A CPU tensor with these elements. Raises ValueError if the number of bytes is not that of the shape."""
    empty = torch.empty(shape, dtype=dtype)
    if empty.numel() * empty.element_size() != len(data):
        raise ValueError("a tensor of another size than its shape says")
    if data:
        import ctypes
        ctypes.memmove(empty.data_ptr(), data, len(data))
    return empty


def _take_tensor(reader: _Reader, is_parameter: bool, depth: int) -> Any:
    import torch
    name = reader.take(reader.count()).decode()
    device = torch.device(reader.take(reader.count()).decode())
    shape, requires_grad = _take(reader, depth + 1)
    dtype = getattr(torch, name.removeprefix("torch."), None)
    if not isinstance(dtype, torch.dtype):
        raise ValueError(f"there is no dtype {name} here")
    sides = tuple(shape)
    data = reader.take(reader.count())
    if any(type(side) is not int or side < 0 for side in sides) or math.prod(sides) > max(len(data), 0):
        raise ValueError("a tensor's shape promises more than it holds")
    tensor = tensor_of_bytes(torch, data, dtype, sides).to(device)
    if is_parameter:
        return torch.nn.Parameter(tensor, requires_grad=requires_grad)
    return tensor.requires_grad_(requires_grad) if requires_grad else tensor


def _take_array(reader: _Reader, is_scalar: bool, depth: int) -> Any:
    import numpy
    dtype = numpy.dtype(reader.take(reader.count()).decode())
    if dtype.kind not in "biufcSUmM":
        raise ValueError("an array of objects")
    shape = _take(reader, depth + 1)
    array = numpy.frombuffer(reader.take(reader.count()), dtype=dtype).reshape(shape)
    return array[()] if is_scalar else array.copy()


def _take(reader: _Reader, depth: int) -> Any:
    if depth > _DEPTH_MAX:
        raise ValueError("a value is nested too deeply")
    code = reader.take(1)
    if code in _PLAIN:
        return _PLAIN[code]
    if code == b"i":
        return int.from_bytes(reader.take(reader.count()), "little", signed=True)
    if code == b"f":
        return struct.unpack("<d", reader.take(8))[0]
    if code == b"c":
        return complex(*struct.unpack("<dd", reader.take(16)))
    if code == b"s":
        return reader.take(reader.count()).decode("utf-8", "surrogatepass")
    if code in (b"b", b"B"):
        data = reader.take(reader.count())
        return data if code == b"b" else bytearray(data)
    if code in _OF_SEQUENCE:
        limit = _take(reader, depth + 1) if code == b"q" else None
        items = [_take(reader, depth + 1) for _ in range(reader.count())]
        return collections.deque(items, limit) if code == b"q" else _OF_SEQUENCE[code](items)
    if code in (b"{", b"}"):
        items = [_take(reader, depth + 1) for _ in range(reader.count())]
        return set(items) if code == b"{" else frozenset(items)
    if code in _OF_TABLE:
        table = _OF_TABLE[code]()
        for _ in range(reader.count()):
            key = _take(reader, depth + 1)
            table[key] = _take(reader, depth + 1)
        return table
    return _take_foreign(reader, code, depth)


_PLAIN = {b"N": None, b"T": True, b"F": False}


def _take_foreign(reader: _Reader, code: bytes, depth: int) -> Any:
    if code in (b"t", b"P"):
        return _take_tensor(reader, code == b"P", depth)
    if code in (b"a", b"g"):
        return _take_array(reader, code == b"g", depth)
    if code == b"S":
        import torch
        return torch.Size(_take(reader, depth + 1))
    if code == b"D":
        import torch
        dtype = getattr(torch, reader.take(reader.count()).decode().removeprefix("torch."), None)
        if not isinstance(dtype, torch.dtype):
            raise ValueError("a dtype that is none")
        return dtype
    if code == b"V":
        import torch
        return torch.device(reader.take(reader.count()).decode())
    raise ValueError("a value of a kind that is not known here")
