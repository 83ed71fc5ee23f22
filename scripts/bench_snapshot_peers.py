#!/usr/bin/env python3
"""What saving costs a loop by torch's own means; tests/bench/snapshots.cpp calls it.

usage: bench_snapshot_peers.py [--layers N] [--width N] [--repeats N] FOLDER

Prints lines of a name and a number: how long the loop stands for a save, in ms, and the bytes of its files. The
model has the tensors of runtime/examples/gpt.cpp, and AdamW two moments of each.
"""

import argparse
import pathlib
import shutil
import time
import warnings

import torch
import torch.distributed.checkpoint as dcp

CONTEXT = 64


def tensors_of(layers, width):
    shapes = [(256, width), (CONTEXT, width), (256, width), (256,), (width,), (width,)]
    for _ in range(layers):
        shapes += [(width,)] * 4 + [(3 * width, width), (3 * width,), (width, width), (width,)]
        shapes += [(4 * width, width), (4 * width,), (width, 4 * width), (width,)]
    return [torch.nn.Parameter(torch.randn(shape) * 0.02) for shape in shapes]


def bytes_below(folder):
    return sum(path.stat().st_size for path in folder.rglob("*") if path.is_file())


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--layers", type=int, default=8)
    parser.add_argument("--width", type=int, default=256)
    parser.add_argument("--repeats", type=int, default=5)
    parser.add_argument("folder", type=pathlib.Path)
    args = parser.parse_args()
    warnings.simplefilter("ignore")
    torch.manual_seed(1)
    torch.set_num_threads(1)
    parameters = tensors_of(args.layers, args.width)
    optimizer = torch.optim.AdamW(parameters)

    def step():
        for parameter in parameters:
            parameter.grad = torch.randn_like(parameter)
        optimizer.step()

    def state():
        return {"model": {str(i): parameter.detach() for i, parameter in enumerate(parameters)},
                "optimizer": optimizer.state_dict(), "rng": torch.get_rng_state()}

    def flat_state():  # a distributed checkpoint wants names
        flat = {f"model.{i}": parameter.detach() for i, parameter in enumerate(parameters)}
        for i, moments in optimizer.state_dict()["state"].items():
            flat.update({f"optimizer.{i}.{name}": value for name, value in moments.items()})
        return flat

    args.folder.mkdir(parents=True)
    for turn in range(args.repeats + 1):  # the first one makes what later ones use
        step()
        file = args.folder / f"{turn}.pt"
        began = time.perf_counter()
        torch.save(state(), file)
        took = 1e3 * (time.perf_counter() - began)
        size = file.stat().st_size
        step()
        folder = args.folder / f"{turn}.dcp"
        began = time.perf_counter()
        saved = dcp.async_save(flat_state(), checkpoint_id=folder)
        async_took = 1e3 * (time.perf_counter() - began)
        saved.result()
        if turn > 0:
            print("torch_save_stall_ms", took, "torch_save_bytes", size)
            print("torch_dcp_async_stall_ms", async_took, "torch_dcp_async_bytes", bytes_below(folder))
        file.unlink()
        shutil.rmtree(folder)


if __name__ == "__main__":
    main()
