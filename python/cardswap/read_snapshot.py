#!/usr/bin/env python3
"""Reads a store of snapshots (docs/store.md) with Python's standard library: lists them, verifies one, or writes a
region's bytes to a file. zstd is Python's own (3.14), else the library libzstd. This file needs no other."""
import argparse
import ctypes.util
import functools
import hashlib
import json
import mmap
import pathlib
import struct
import sys

find_library = functools.lru_cache(ctypes.util.find_library)


def unzstd(packed: bytes, size: int) -> bytes:
    try:
        from compression import zstd
        return zstd.decompress(packed)
    except ImportError:
        library = find_library("zstd") or sys.exit("a chunk is packed: this needs Python 3.14 or the library libzstd")
    decompress, out = ctypes.CDLL(library).ZSTD_decompress, ctypes.create_string_buffer(size)
    decompress.restype, decompress.argtypes = ctypes.c_size_t, [ctypes.c_void_p, ctypes.c_size_t] * 2
    return out.raw if decompress(out, size, packed, len(packed)) == size else b""


def unshuffle(planes: bytes, width: int) -> bytes:
    count, out = len(planes) // width, bytearray(planes)
    for byte in range(width):
        out[byte:count * width:width] = planes[byte * count:(byte + 1) * count]
    return bytes(out)


class Store:
    def __init__(self, folder: str):
        self.root = pathlib.Path(folder)
        if json.loads((self.root / "store.json").read_bytes())["format"] != 1:
            sys.exit("a newer release made this store")

    def named(self, kind: str, name: str, suffix: str = "") -> bytes:
        path = self.root / kind / name[:2] / (name + suffix)
        data = path.read_bytes()
        if hashlib.sha256(data).hexdigest() != name:
            sys.exit(f"{path}: its bytes are not those of its name")
        return data

    def refs(self, job: str):
        return [json.loads(path.read_bytes()) for path in sorted((self.root / "jobs" / job / "refs").glob("[0-9]*"))]

    @functools.cached_property
    def places(self):
        places = {}
        for path in self.root.glob("packs/*/*.pack"):
            with open(path, "rb") as file:
                pack = mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ)
            at, count = struct.unpack("<II", pack[-48:-40])
            for entry in struct.iter_unpack("<32sIIIBBH", pack[at:at + 48 * count]):
                places[entry[0]] = (path, pack, *entry[1:])
        return places

    def chunk(self, chunk: bytes) -> bytes:
        place = self.places.get(chunk) or sys.exit(f"chunk {chunk.hex()} is in no pack")
        path, pack, at, stored, size, codec, element, _ = place
        data = pack[at:at + stored]
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
    store, (job, _, number) = Store(asked.store), (asked.snapshot or "").partition("@")
    if not job:
        refs = [ref for path in sorted(store.root.glob("jobs/*")) for ref in store.refs(path.name)]
        return print(*(f"{ref['job']}@{ref['seq']} step {ref['step']} branch {ref['branch']}" for ref in refs), sep="\n")
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
