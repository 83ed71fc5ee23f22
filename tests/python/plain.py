"""A job that needs nothing but the package: it keeps numbers, and draws some more at each step."""

import argparse
import random
import time

import cardswap

parser = argparse.ArgumentParser()
parser.add_argument("--steps", type=int, default=400)
parser.add_argument("--loss-log", default="/dev/stdout")
parser.add_argument("--until", default="")
args = parser.parse_args()
random.seed(1)
numbers = [random.random() for _ in range(10_000)]
cardswap.track("numbers", numbers)
with open(args.loss_log, "a", buffering=1) as log:
    for step in cardswap.batches(range(args.steps)):
        at = random.randrange(len(numbers))
        numbers[at] = random.gauss(numbers[at], 1)
        if not cardswap.is_standby():
            log.write(f"step {step} number {numbers[at].hex()}\n")
        while args.until and not cardswap.is_standby() and cardswap.steps() >= int(open(args.until).read()):
            time.sleep(0.005)
    log.write(f"digest {cardswap.state_digest()}\n")
