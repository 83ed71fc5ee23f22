#!/usr/bin/env python3
"""Reads a store of snapshots (docs/store.md) with Python's standard library: lists them, verifies one, or writes a
region's bytes to a file. zstd is Python's own (3.14), else the library libzstd."""
import argparse
import ctypes.util
import hashlib
import json
import pathlib
import struct
import sys


def unzstd(packed: bytes, size: int) -> bytes:
    try:
        from compression import zstd
        return zstd.decompress(packed)
    except ImportError:
        pass
    if name := ctypes.util.find_library("zstd"):
        library, out = ctypes.CDLL(name), ctypes.create_string_buffer(size)
        library.ZSTD_decompress.restype = ctypes.c_size_t
        library.ZSTD_decompress.argtypes = (ctypes.c_void_p, ctypes.c_size_t, ctypes.c_char_p, ctypes.c_size_t)
        return out.raw[:size] if library.ZSTD_decompress(out, size, packed, len(packed)) == size else b""
    sys.exit("a chunk is packed: this needs Python 3.14 or the library libzstd")


def unshuffle(planes: bytes, width: int) -> bytes:
    count, out = len(planes) // width, bytearray(planes)
    for byte in range(width):
        out[byte:count * width:width] = planes[byte * count:(byte + 1) * count]
    return bytes(out)


class Store:
    def __init__(self, folder: str):
        self.root, self.places = pathlib.Path(folder), {}
        if json.loads((self.root / "store.json").read_bytes())["format"] != 1:
            sys.exit("a newer release made this store")

    def named(self, kind: str, name: str, suffix: str = "") -> bytes:
        """The bytes of an object; its name must be their SHA-256."""
        path = self.root / kind / name[:2] / (name + suffix)
        data = path.read_bytes()
        if hashlib.sha256(data).hexdigest() != name:
            sys.exit(f"{path}: its bytes are not those of its name")
        return data

    def refs(self, job: str):
        return [json.loads(path.read_bytes()) for path in sorted((self.root / "jobs" / job / "refs").glob("[0-9]*"))]

    def find(self, chunk: bytes):
        for path in () if self.places else self.root.glob("packs/*/*.pack"):
            data = path.read_bytes()
            at, count = struct.unpack("<II", data[-48:-40])
            for entry in struct.iter_unpack("<32sIIIBBH", data[at:at + 48 * count]):
                self.places[entry[0]] = (path, *entry[1:])
        return self.places.get(chunk) or sys.exit(f"chunk {chunk.hex()} is in no pack")

    def chunk(self, chunk: bytes) -> bytes:
        path, at, stored, size, codec, element, _ = self.find(chunk)
        with open(path, "rb") as pack:
            pack.seek(at)
            data = pack.read(stored)
        data = unshuffle(unzstd(data, size), element) if codec == 1 else data
        if hashlib.sha256(data).digest() != chunk:
            sys.exit(f"{path}: chunk {chunk.hex()} is damaged")
        return data

    def chunks_of(self, name: str):
        data = self.named("nodes", name)
        yield from (self.chunk(data[at:at + 32]) for at in range(24, len(data), 32))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("store", help="the store's folder")
    parser.add_argument("snapshot", nargs="?", help="JOB@NUMBER: verify it; without: list every snapshot")
    parser.add_argument("--region", metavar="NAME", help="this region alone")
    parser.add_argument("-o", "--output", metavar="FILE", default="/dev/null", help="where its bytes go")
    asked = parser.parse_args()
    store = Store(asked.store)
    job, _, number = (asked.snapshot or "").partition("@")
    if not job:
        for ref in (ref for path in sorted(store.root.glob("jobs/*")) for ref in store.refs(path.name)):
            print(f"{ref['job']}@{ref['seq']} step {ref['step']} branch {ref['branch']} {ref['manifest'][:12]}")
        return
    ref = next((ref for ref in store.refs(job) if str(ref["seq"]) == number), None) or sys.exit("no such snapshot")
    manifest = json.loads(store.named("manifests", ref["manifest"], ".json"))
    regions = manifest["regions"] + [{"name": "values", "node": manifest["values"], "bytes": manifest["value_bytes"]}]
    regions = [one for one in regions if asked.region in (None, one["name"])] or sys.exit("no such region")
    with open(asked.output, "wb") as out:
        for one in regions:
            if sum(out.write(part) for part in store.chunks_of(one["node"])) != one["bytes"]:
                sys.exit(f"{one['name']}: its node has another size")
    print(f"{asked.snapshot}: {len(regions)} regions are whole")


if __name__ == "__main__":
    main()
