"""What these trainers share: their options, and a log of losses that can be compared bit for bit."""

import argparse
import os
import random
import time

import numpy
import torch

import cardswap


def options(**more):
    parser = argparse.ArgumentParser()
    parser.add_argument("--steps", type=int, default=200)
    parser.add_argument("--loss-log", default="/dev/stdout")
    parser.add_argument("--step-ms", type=float, default=0, help="how long to wait at each step")
    parser.add_argument("--hurry", default="", help="a file: once it is there, no step waits")
    parser.add_argument("--until", default="", help="a file with a number: of steps that may be taken by now")
    for name, default in more.items():
        parser.add_argument("--" + name.replace("_", "-"), type=type(default), default=default)
    for seed in (torch.manual_seed, random.seed, numpy.random.seed):
        seed(1)
    torch.set_num_threads(1)
    return parser.parse_args()


class Log:
    """Each step is logged before its boundary, by the process that computed it; a standby's is none of the job's."""

    def __init__(self, args):
        self._args = args
        self._file = open(args.loss_log, "a")

    def write(self, step, loss):
        if not cardswap.is_standby():
            self._file.write(f"step {step} loss {float(loss).hex()}\n")
            self._file.flush()
        while self._args.until and not cardswap.is_standby() and cardswap.steps() >= self._may_take():
            time.sleep(0.005)
        if self._args.step_ms > 0 and not os.path.exists(self._args.hurry):
            time.sleep(self._args.step_ms / 1000)

    def _may_take(self):
        with open(self._args.until) as file:
            return int(file.read())

    def end(self):
        if cardswap.is_standby():
            return
        self._file.write(f"digest {cardswap.state_digest()}\n")
        self._file.close()
