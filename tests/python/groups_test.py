"""Ranks that go from one process to another while the others stay: the same losses on every rank, the same weights.

usage: groups_test.py BUILD [unittest's arguments]   scripts/setup.sh --python makes what the ranks import

The ranks are processes, and so is what stands for an agent: it hosts the store at which they meet. All of them are
forked from this one, which has imported torch and made nothing with it, so that a job costs a second.
"""

import json
import os
import pathlib
import shutil
import signal
import sys
import tempfile
import time
import traceback
import unittest

from hosts import BUILD, Moves, run_tests

sys.path.insert(0, str(BUILD / "python"))
PATIENCE = 200  # s: of a job

if Moves.python.exists() and sys.prefix != str(Moves.python.parents[1]):  # it stands for the ranks
    os.environ.setdefault("OMP_NUM_THREADS", "1")
    os.execv(Moves.python, [str(Moves.python), "-B", __file__, str(BUILD), *sys.argv[1:]])

try:
    import cardswap  # before torch, as in a program of an agent
    import torch.distributed
    import groups_rank
except ImportError:  # run_tests() says what is missing
    cardswap = None


class Job:
    """Processes of one run, each of which writes what it found."""

    def __init__(self, case):
        self.case = case
        self.folder = tempfile.mkdtemp(prefix="cardswap-groups-")
        self.children = {}

    def fork(self, name, function):
        pid = os.fork()
        if pid:
            self.children[pid] = name
            return
        status = 1
        try:
            error = os.open(os.path.join(self.folder, f"said.{name}"), os.O_WRONLY | os.O_CREAT, 0o600)
            os.dup2(error, 1)
            os.dup2(error, 2)
            function()
            status = 0
        except BaseException:
            traceback.print_exc()
        finally:
            sys.stderr.flush()
            os._exit(status)

    def run(self):
        """Of each process, by rank and move."""
        read, write = os.pipe()

        def agent():
            store = torch.distributed.TCPStore("127.0.0.1", 0, None, True, wait_for_workers=False)
            os.write(write, str(store.port).encode())
            while True:
                signal.pause()

        try:
            self.fork("agent", agent)
            rendezvous = f"127.0.0.1:{int(os.read(read, 16))}"
            agents = set(self.children)
            ranks = [(rank, -1) for rank in range(self.case["world"])]
            ranks += [(rank, move) for move, (_, *moved) in enumerate(self.case["moves"]) for rank in moved]
            for rank, move in ranks:
                self.fork(f"{rank}.{move}", lambda: groups_rank.main(self.case, rank, move, self.folder, rendezvous))
            self.wait(agents)
            return {tuple(map(int, path.name.split(".")[1:])): json.loads(path.read_text())
                    for path in pathlib.Path(self.folder).glob("found.*")}
        finally:
            os.close(read)
            os.close(write)
            for pid in self.children:
                os.kill(pid, signal.SIGKILL)
            for pid in list(self.children):
                os.waitpid(pid, 0)
            shutil.rmtree(self.folder)

    def wait(self, agents):
        end = time.monotonic() + PATIENCE
        while set(self.children) - agents:
            pid, status = os.waitpid(-1, os.WNOHANG)
            if pid == 0:
                if time.monotonic() > end:
                    raise AssertionError(f"still there: {self.children}\n{self.said()}")
                time.sleep(0.005)
                continue
            name = self.children.pop(pid)
            if status:
                raise AssertionError(f"rank.move {name} ended with {status}\n{self.said()}")

    def said(self):
        return "\n".join(f"--- {path.name}\n{path.read_text()}" for path in pathlib.Path(self.folder).glob("said.*")
                         if path.stat().st_size)


def outcome(found):
    """What a job computed: each rank's losses by step, whichever process took it, and its state at the end."""
    losses, digests, sums = {}, {}, {}
    for (rank, move), one in sorted(found.items(), key=lambda item: item[0][1]):
        losses.setdefault(rank, {}).update(one["losses"])
        sums.setdefault(rank, []).extend(one["sums"])
        if "digest" in one:
            digests[rank] = one["digest"]
    return losses, digests, sums


_undisturbed = {}


def undisturbed(case):
    of_program = ("world", "steps", "ddp", "fsdp", "hook", "parts", "skips", "pair", "group_at_end")
    plain = {key: case[key] for key in of_program if key in case}
    key = json.dumps(plain, sort_keys=True)
    if key not in _undisturbed:
        _undisturbed[key] = outcome(Job({**plain, "moves": []}).run())
    return _undisturbed[key]


class Ranks(unittest.TestCase):
    maxDiff = 2000

    def computes_the_same(self, moves, steps=8, **case):
        case = {"steps": steps, "moves": moves, **case}
        found = Job(case).run()
        losses, digests, sums = undisturbed(case)
        self.assertEqual([len(losses[rank]) for rank in range(case["world"])], [steps] * case["world"])
        self.assertEqual(len(digests), case["world"])
        self.assertEqual(outcome(found), (losses, digests, sums))
        return found

    def refused(self, found):
        return [one.get("refused", "") for one in found.values()]


class OneRank(Ranks):
    """Moves to a fresh process, and the others stay."""

    def test_of_two(self):
        for rank in (0, 1):
            self.computes_the_same([[4, rank]], world=2)

    def test_of_three(self):
        for rank in (0, 1, 2):
            self.computes_the_same([[4, rank]], world=3)

    def test_of_four(self):
        for rank in (0, 2, 3):
            self.computes_the_same([[4, rank]], world=4)


class SeveralRanks(Ranks):
    def test_two_of_four_at_once(self):
        self.computes_the_same([[4, 1, 2]], world=4)

    def test_all_of_two(self):
        self.computes_the_same([[4, 0, 1]], world=2)


class InARow(Ranks):
    def test_there_and_back_three_times(self):
        self.computes_the_same([[step, 1] for step in (3, 5, 7, 9, 11, 13)], steps=15, world=3)

    def test_one_after_another_until_each_was_moved_twice(self):
        moves = [[3 + 2 * at, (2 * at + 1) % 3] for at in range(6)]
        self.assertEqual(sorted(rank for _, rank in moves), [0, 0, 1, 1, 2, 2])
        self.computes_the_same(moves, steps=16, world=3)

    def test_a_group_is_exchanged_as_often_as_torch_takes_it_and_then_is_refused(self):
        self.assertEqual(in_a_process_of_its_own(exchange_until_refused), [249, True])


class Kinds(Ranks):
    """What a program may ask of DDP and FSDP2."""

    def test_a_static_graph(self):
        self.computes_the_same([[4, 1]], world=3, ddp={"static_graph": True})

    def test_parameters_that_some_steps_do_not_use(self):
        self.computes_the_same([[4, 1]], world=3, skips=True, ddp={"find_unused_parameters": True})

    def test_gradients_that_are_views_of_buckets(self):
        self.computes_the_same([[4, 1]], world=3, ddp={"gradient_as_bucket_view": True})

    def test_a_hook_that_reduces_in_halves(self):
        self.computes_the_same([[4, 1]], world=3, hook=True)

    def test_gradients_that_are_accumulated(self):
        self.computes_the_same([[4, 1]], world=3, parts=3)

    def test_shards_of_fsdp2(self):
        for rank in (0, 1):
            self.computes_the_same([[4, rank]], world=3, fsdp=True)

    def test_a_group_of_two_of_three(self):
        for rank in (1, 2):  # one that is in it, and one that is not
            self.computes_the_same([[4, rank]], world=3, pair=True)

    def test_a_group_that_is_made_after_rank_0_and_its_store_have_gone(self):
        self.computes_the_same([[4, 0]], world=3, group_at_end=True)


class Refused(Ranks):
    """The job goes on as if nothing had been."""

    def test_a_warm_up_of_too_few_steps_has_other_buckets(self):
        for steps in (0, 1):
            found = self.computes_the_same([[4, 1]], world=3, warm_up=steps, careless=True, fails=0)
            self.assertIn("buckets of DistributedDataParallel lie otherwise", found[1, 0]["refused"])
            self.assertTrue(found[0, -1]["is_back"])

    def test_two_steps_are_enough_and_one_is_not(self):
        for steps in (1, 2, 3):
            found = self.computes_the_same([[4, 1]], world=3, warm_up=steps)
            self.assertEqual(found[1, 0]["is_still"], steps > 1)

    def test_a_tripwire_finds_a_member_that_is_not_what_it_should_be(self):
        found = self.computes_the_same([[4, 1]], world=3, lies="about its buckets", fails=0)
        for one in ((0, -1), (2, -1)):
            self.assertRegex(found[one]["refused"], "rank 1 of 0 of 0,1,2 over gloo is not what rank . takes it for")
            self.assertTrue(found[one]["is_back"])
            self.assertEqual(found[one]["connections"], [1, 1])  # its own; none to the meeting place is left

    def test_an_exchange_is_rolled_back_and_the_next_move_comes_about(self):
        found = self.computes_the_same([[3, 1], [6, 1]], world=3, fails=0)
        self.assertEqual(len(found[0, -1]["took"]), 2)
        self.assertIn("digest", found[1, 1])

    def test_groups_that_were_made_behind_our_back_are_named(self):
        self.assertEqual(in_a_process_of_its_own(make_groups), [
            [], "default", ["'strange'"], "the process group 'strange' was made behind Cardswap's back",
            ["'strange'", "of a Holder"]])


class Reductions(Ranks):
    def test_both_communicators_reduce_a_recorded_bucket_to_the_same_bits(self):
        found = self.computes_the_same([[4, 1]], world=4, compares=True)
        digests = {digest for one in found.values() for digest in one["reduced"]}
        self.assertEqual(len(digests), 1)
        self.assertEqual(sorted(len(one["reduced"]) for one in found.values()), [1, 1, 2, 2, 2])


# ---- what needs one process

def in_a_process_of_its_own(function):
    read, write = os.pipe()
    pid = os.fork()
    if pid == 0:
        try:
            os.write(write, json.dumps(function()).encode())
        except BaseException:
            traceback.print_exc()
        os._exit(0)
    os.close(write)
    with os.fdopen(read) as said:
        text = said.read()
    os.waitpid(pid, 0)
    return json.loads(text)


def alone():
    from cardswap import _groups
    torch.distributed.init_process_group("gloo", store=torch.distributed.HashStore(), rank=0, world_size=1)
    return _groups


def exchange_until_refused():
    slot = alone().made()[0].slot
    first, times = slot.backend, 0
    while not slot.obstacle():
        new = torch.distributed.ProcessGroupGloo(torch.distributed.HashStore(), 0, 1)
        slot.put(new)
        if slot.backend is not new:
            return "not exchanged"
        slot.put_back()
        if slot.backend is not first:
            return "not put back"
        times += 1
    return [times, slot.obstacle() != ""]


def make_groups():
    groups, distributed = alone(), torch.distributed
    before = [what for what, _ in groups.obstacles()]
    made = "default" if groups.made()[0].process_group is distributed.group.WORLD else "another"
    c10d = distributed.distributed_c10d
    strange, _ = c10d._new_process_group_helper(1, 0, [0], "gloo", distributed.HashStore(), "strange",
                                                timeout=distributed.default_pg_timeout)
    named = groups.strangers()
    what = groups.obstacles()[0][0]

    class Holder(torch.nn.Module):
        """As DistributedDataParallel, over a group that torch's list does not have."""

        def __init__(self):
            super().__init__()
            self.process_group = distributed.ProcessGroup(distributed.HashStore(), 0, 1)

    holder = Holder()
    return [before, made, named, what, groups.strangers() if holder else None]


if __name__ == "__main__":
    run_tests([Moves.python])
