"""What these trainers share; nothing here knows of Cardswap."""

import argparse
import hashlib
import random
import time

import numpy
import torch


def options(**more):
    parser = argparse.ArgumentParser()
    parser.add_argument("--steps", type=int, default=200)
    parser.add_argument("--loss-log", default="/dev/stdout")
    parser.add_argument("--until", default="", help="a file with a number: of steps that may be taken by now")
    for name, default in more.items():
        parser.add_argument("--" + name.replace("_", "-"), type=type(default), default=default)
    for seed in (torch.manual_seed, random.seed, numpy.random.seed):
        seed(1)
    torch.set_num_threads(1)
    return parser.parse_args()


class Log:
    def __init__(self, args):
        self._args = args
        self._file = open(args.loss_log, "a")
        self._steps = 0

    def write(self, step, loss):
        self.note(f"step {step}", loss)
        self._steps += 1
        # One more than that: some clear their gradients, where a step is over, before the next one alone.
        while self._args.until and self._steps > self._may_take():
            time.sleep(0.005)

    def _may_take(self):
        with open(self._args.until) as file:
            return int(file.read())

    def note(self, what, value):
        self._file.write(f"{what} loss {float(value).hex()}\n")
        self._file.flush()

    def end(self, *things):
        """With a digest of all the tensors that the things' state_dict() have, and of the generators."""
        digest = hashlib.sha256(repr((random.getstate(), numpy.random.get_state()[1].tolist())).encode())

        def add(value):
            if torch.is_tensor(value):
                digest.update(value.detach().contiguous().view(-1).view(torch.uint8).numpy().tobytes())
            elif isinstance(value, dict):
                for key in value:
                    add(value[key])
            elif isinstance(value, (list, tuple)):
                for item in value:
                    add(item)
            else:
                digest.update(repr(value).encode())

        add([torch.get_rng_state(), *(thing.state_dict() for thing in things)])
        self._file.write(f"digest {digest.hexdigest()}\n")
        self._file.close()
