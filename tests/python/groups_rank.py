"""One process of a job of many ranks, for groups_test.py: a rank from its beginning to a move, or from one to the end.

It stands for a program and for the runtime around it: what a rank calls, and when, is `Rank.run`. Tensors go from one
process to the next in a file, which stands for the transfer.
"""

import datetime
import hashlib
import json
import os
import pathlib
import socket
import threading

import torch
import torch._dynamo  # an optimizer's first step imports it: once here, before processes are forked
import torch.distributed as distributed
from torch.distributed.algorithms.ddp_comm_hooks import default_hooks
from torch.distributed.device_mesh import init_device_mesh
from torch.distributed.fsdp import fully_shard
from torch.nn.parallel import DistributedDataParallel

from cardswap import _buckets as buckets
from cardswap import _groups as groups
from cardswap._communicator import NextCommunicator, reduced
from cardswap._library import CardswapError
from cardswap._peers import Peers

PATIENCE = datetime.timedelta(seconds=100)


class Net(torch.nn.Module):
    """Several buckets, a dropout that draws, an average over batches that is a buffer, a layer that some steps skip."""

    def __init__(self, skips):
        super().__init__()
        self.skips = skips
        self.first = torch.nn.Linear(24, 96)
        self.norm = torch.nn.BatchNorm1d(96)
        self.inner = torch.nn.ModuleList(torch.nn.Linear(96, 96) for _ in range(3))
        self.drop = torch.nn.Dropout(0.2)
        self.last = torch.nn.Linear(96, 7)

    def forward(self, x, step):
        x = torch.relu(self.norm(self.first(x)))
        for at, layer in enumerate(self.inner):
            if not (self.skips and at == step % 3):
                x = torch.relu(layer(x))
        return self.last(self.drop(x))


def local(tensor):
    tensor = tensor.detach()
    return tensor.to_local() if hasattr(tensor, "to_local") else tensor


def connections_to(port):
    """How many of this process's sockets are connected to a port."""
    count = 0
    for path in pathlib.Path("/proc/self/fd").iterdir():
        try:
            if not os.readlink(path).startswith("socket:"):
                continue
            with socket.socket(fileno=os.dup(int(path.name))) as one:
                peer = one.getpeername()
        except OSError:  # it is closed by now, or not connected
            continue
        count += isinstance(peer, tuple) and peer[1] == port
    return count


class Beside(NextCommunicator):
    """Built in a thread, as the runtime does."""

    def __init__(self, *arguments):
        self.given_up = threading.Event()
        super().__init__(*arguments, self.given_up.is_set, timeout=PATIENCE, tripwire=PATIENCE, patience=PATIENCE)

    def build(self):
        self.thread = threading.Thread(target=self.build_here, daemon=True)
        self.thread.start()

    def build_here(self):
        self.error = None
        try:
            super().build()
        except CardswapError as error:
            self.error = error

    def trip(self, agreed=""):
        self.thread.join()
        if self.error is not None:
            raise self.error
        super().trip(agreed)

    def roll_back(self):
        self.given_up.set()
        self.thread.join()
        super().roll_back()


class Rank:
    """`case` is a dict: world, steps, moves as [step, rank, ...], and what of DDP is used; `move` is which of the moves
    has brought the rank here, or -1."""

    def __init__(self, case, rank, move, folder, rendezvous):
        self.case, self.rank, self.move, self.folder = case, rank, move, folder
        self.rendezvous = rendezvous
        self.step = 0
        self.found = {"losses": {}, "sums": [], "took": []}
        host, port = rendezvous.split(":")
        self.store = distributed.TCPStore(host, int(port), None, False, timeout=PATIENCE)

    # ---- the program

    def make(self):
        named = {"rank": self.rank, "world_size": self.case["world"], "timeout": PATIENCE}
        if self.move < 0:
            distributed.init_process_group("gloo", store=self.rank_0s_store(), **named)
        else:  # nobody listens there: who takes first steps among peers that stand in meets nobody
            distributed.init_process_group("gloo", init_method="tcp://127.0.0.1:1", **named)
        self.pair = distributed.new_group([0, 1]) if self.case.get("pair") else None
        torch.manual_seed(0)
        self.model = Net(self.case.get("skips", False))
        if self.case.get("fsdp"):
            mesh = init_device_mesh("cpu", (self.case["world"],))
            for layer in (self.model.first, *self.model.inner):
                fully_shard(layer, mesh=mesh)
            self.trained = fully_shard(self.model, mesh=mesh) or self.model
        else:
            self.trained = DistributedDataParallel(self.model, bucket_cap_mb=0.05, **self.case.get("ddp", {}))
            if self.case.get("hook"):
                self.trained.register_comm_hook(None, default_hooks.fp16_compress_hook)
        self.optimizer = torch.optim.AdamW(self.trained.parameters(), lr=1e-2)
        torch.manual_seed(100 + self.rank)

    def rank_0s_store(self):
        """As torchrun has it for one host: it ends with the process that rank 0 began in."""
        if self.rank == 0:
            store = distributed.TCPStore("127.0.0.1", 0, None, True, timeout=PATIENCE, wait_for_workers=False)
            self.store.set("port", str(store.port))
            return store
        return distributed.TCPStore("127.0.0.1", int(self.store.get("port")), None, False, timeout=PATIENCE)

    def take_step(self):
        parts = self.case.get("parts", 1)
        for part in range(parts):
            g = torch.Generator().manual_seed(1000 * self.step + 10 * self.rank + part)
            x, y = torch.randn(8, 24, generator=g), torch.randint(0, 7, (8,), generator=g)
            with self.trained.no_sync() if part < parts - 1 else torch.enable_grad():
                loss = torch.nn.functional.cross_entropy(self.trained(x, self.step), y)
                loss.backward()
        self.optimizer.step()
        self.bucket = torch.cat([local(p.grad).reshape(-1) for p in self.model.parameters() if p.grad is not None])
        self.optimizer.zero_grad()
        if self.pair is not None and self.rank < 2:  # what the two of them have, reduced apart from the others
            total = loss.detach().clone()
            distributed.all_reduce(total, group=self.pair)
            self.found["sums"].append(total.item().hex())
        return loss.item()

    def train_to(self, step):
        while self.step < step:
            loss = self.take_step()
            self.step += 1
            self.found["losses"][self.step] = loss.hex()

    def tensors(self):
        state = [local(t) for t in (*self.model.parameters(), *self.model.buffers())]
        for parameter in self.model.parameters():
            state += [local(value) for _, value in sorted(self.optimizer.state[parameter].items())]
        return state

    # ---- what the runtime does around it

    def path(self, move):
        return os.path.join(self.folder, f"state.{move}.{self.rank}")

    def run(self):
        if self.move < 0:
            self.make()
        elif not self.arrive():
            return
        for move, (step, *ranks) in enumerate(self.case["moves"]):
            if move <= self.move:
                continue
            if self.rank not in ranks:
                self.stay(move, step)
            elif not self.leave(move, step):
                return
        self.train_to(self.case["steps"])
        if self.case.get("group_at_end"):
            total = torch.tensor([float(self.rank)])
            distributed.all_reduce(total, group=distributed.new_group(list(range(self.case["world"]))))
            self.found["sums"].append(total.item())
        state = hashlib.sha256()
        for tensor in self.tensors():
            state.update(tensor.contiguous().numpy().tobytes())
        self.found["digest"] = state.hexdigest()
        self.meet("end")

    def meet(self, what):
        """Until all ranks have come here: who ends before that takes a collective of another one along."""
        self.store.set(f"{what}.{self.rank}", "")
        self.store.wait([f"{what}.{rank}" for rank in range(self.case["world"])], PATIENCE)

    def fails(self, move):
        """Whether this move does not come about, as the job's agents would have decided."""
        return self.case.get("fails") == move

    def next(self, move):
        moved = self.case["moves"][move][1:]
        return Beside(move, groups.with_any_of(moved), self.rendezvous)

    def layout(self):
        return "" if self.case.get("fsdp") else buckets.digest()

    def live(self):
        return distributed.group.WORLD._get_backend(torch.device("cpu"))

    def stay(self, move, step):
        """Built while training goes on; exchanged behind `step`."""
        self.train_to(max(self.step, step - 2))
        port = int(self.rendezvous.rpartition(":")[2])
        before_it = connections_to(port)
        following = self.next(move)
        following.build()
        self.train_to(step)
        before = self.live()
        try:
            if self.store.get(f"newcomer.{move}") != b"ready":
                raise CardswapError("the newcomer was refused")
            following.trip(self.layout())
            if self.case.get("compares"):
                self.found["reduced"] = [reduced(self.bucket, before), following.reduced(self.bucket)]
            following.exchange()
            if self.fails(move):
                following.roll_back()
        except CardswapError as error:
            if not self.fails(move):
                raise
            self.found["refused"] = str(error)
            following.roll_back()
        self.found["took"].append(following.took_ms)
        self.found["is_back"] = self.live() is before
        self.found["connections"] = [before_it, connections_to(port)]
        self.train_to(step + 1)
        following.retire()
        self.meet(f"retired.{move}")

    def leave(self, move, step):
        """Hands over what it has; whether it goes on all the same."""
        self.train_to(step)
        torch.save({"tensors": self.tensors(), "rng": torch.get_rng_state(), "step": self.step, "bucket": self.bucket,
                    "layout": self.layout(), "groups": groups.digest()}, self.path(move))
        self.store.set(f"left.{move}.{self.rank}", "")
        if self.case.get("compares"):
            self.found["reduced"] = [reduced(self.bucket, self.live())]
        if self.fails(move):
            self.train_to(step + 1)
            self.meet(f"retired.{move}")
        return self.fails(move)

    def arrive(self):
        """Takes its first steps among peers that stand in, and goes on as the rank, if the move comes about."""
        peers = Peers(self.rank, self.case["world"])
        peers.begin()
        self.make()
        warm_up = buckets.WarmUp()
        for self.step in range(self.case.get("warm_up", 2)):
            self.take_step()
            if not self.case.get("careless"):
                warm_up.took_step()
        self.found["sums"].clear()
        self.found["is_still"] = warm_up.is_still
        self.store.wait([f"left.{self.move}.{self.rank}"], PATIENCE)
        state = torch.load(self.path(self.move), weights_only=False)
        if not self.case.get("fsdp"):
            buckets.compare(state["layout"])
        if groups.digest() != state["groups"]:
            raise CardswapError("its groups are others")
        self.store.set(f"newcomer.{self.move}", "ready")
        following = self.next(self.move)
        following.build()
        with torch.no_grad():
            for ours, theirs in zip(self.tensors(), state["tensors"], strict=True):
                ours.copy_(theirs)
        self.step = state["step"]
        torch.set_rng_state(state["rng"])
        following.trip(self.layout() + self.case.get("lies", ""))
        if self.case.get("compares"):
            self.found["reduced"] = [following.reduced(state["bucket"])]
        peers.end()
        following.exchange()
        self.found["took"].append(following.took_ms)
        if self.fails(self.move):
            return False
        self.train_to(self.step + 1)
        following.retire()
        self.meet(f"retired.{self.move}")
        return True


def main(case, rank, move, folder, rendezvous):
    """What a process of groups_test.py does; writes what it found."""
    torch.set_num_threads(1)
    one = Rank(case, rank, move, folder, rendezvous)
    try:
        one.run()
    except CardswapError as error:
        if "fails" not in case:
            raise
        one.found["refused"] = str(error)
        one.store.set(f"newcomer.{move}", "refused")
    name = os.path.join(folder, f"found.{rank}.{move}")
    with open(name + ".new", "w") as file:
        json.dump(one.found, file)
    os.rename(name + ".new", name)
