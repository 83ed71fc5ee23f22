"""The crash matrix of a gang: who takes part in the move of a rank is killed, or cut off, in each of the move's states.

Method: torchrun starts three ranks that train with DDP over Gloo, two at host `a` and one, which moves, at `b` or `c`.
A failpoint of the conductor's agent holds the move in a state, or before an event that takes it to the next one. Then the
damage is done, to real processes, sockets and links. Before the commit everybody else goes on within 5 s as if nothing had
been; from the commit on all ranks are at the new place or all at the old one, also when agents come back and know only what
is in their journals. What each rank computes is what it computes undisturbed, each step once, bit for bit; nothing is left
of an attempt that was given up. A rank that is killed is lost to its job, which torchrun ends as it would without us.

A cell is one damage in one state. The cells of a job follow each other, each one with the next attempt.

usage: gang_crash_test.py BUILD [unittest's arguments]   some cells of each kind
       gang_crash_test.py BUILD --all [VICTIM...]         every cell, or those of the victims; a table of what they gave
"""

import collections
import os
import socket
import subprocess
import sys
import time
import traceback
import unittest

from gang_job import ALL_RANKS, BACK, MOVES, RANKS, Job, own_network
from hosts import BUILD, PATIENCE, Moves, run_tests, wait_until

if os.geteuid() == 0 and os.environ.get("CARDSWAP_OWN_NET") != "1":
    # Links are cut by this host's routes: in a network of the test's own.
    own = subprocess.run(["unshare", "--net", "true"], capture_output=True)
    if own.returncode == 0:
        os.environ["CARDSWAP_OWN_NET"] = "1"
        os.execvp("unshare", ["unshare", "--net", sys.executable, "-B", __file__, str(BUILD), *sys.argv[1:]])

# Where a move is held, and what is seen then: the states of the ranks that stay, of the one that leaves, of its newcomer.
Place = collections.namedtuple("Place", "hold, state, stays, leaves, newcomer")
GRANTED = {"granted", "resumed", "completed"}
PLACES = [
    Place("all_built", "preparing", {"built"}, {"built"}, {"parked"}),
    Place("all_armed", "agreeing", {"armed", "parked"}, {"armed", "parked"}, {"parked"}),
    Place("freezing", "freezing", {"armed", "parked"}, {"armed", "parked"}, {"parked"}),
    Place("all_ready", "freezing", {"ready"}, {"ready"}, {"verified"}),
    Place("committed", "committed", {"ready"}, {"ready"}, {"verified"}),
    Place("all_granted", "committed", {"ready"}, {"ready"}, GRANTED),
    Place("resumed", "resumed", {"ready"}, {"ready"}, GRANTED),
    Place("all_stepped", "resumed", {"confirmed"}, {"ready"}, {"completed"}),
    Place("completed", "completed", {"confirmed"}, {"ready"}, {"completed"}),
]
HOLDS = [place.hold for place in PLACES]
BEFORE_COMMIT = HOLDS[:4]
BEFORE_GO = HOLDS[:6]
VICTIMS = ["newcomer", "leaver", "stays", "conductor", "source", "target", "store", "link to the source", "link to the target"]


def loses_the_job(victim, hold):
    """Whether the job has a rank less afterwards."""
    return (victim == "stays" or (victim == "leaver" and hold in BEFORE_COMMIT) or
            (victim == "newcomer" and hold not in BEFORE_GO))


def ends(victim, hold):
    """Where the moved rank is afterwards: "old", "new", or either, which the state at the conductor says."""
    if victim in ("newcomer", "stays"):
        return "old" if hold in BEFORE_GO else "new"
    if victim == "store":  # nobody needs it any more once all have met
        return "old" if hold in ("all_built", "all_armed", "freezing") else "new"
    if victim == "source" and hold == "all_ready":
        return "either"  # it has promised, and comes back before it is missed, or not
    if victim == "target" and hold in ("committed", "all_granted"):
        return "either"  # a standby that has its grant outlives its agent; one that has not ends
    return "old" if hold in BEFORE_COMMIT else "new"


# ---- one cell

def cell(job, victim, place):
    """One attempt and its damage; the job goes on, unless it has lost a rank. Returns what the moved rank did: old or new."""
    job.begin_move(place)
    job.damage(victim)
    hold = place.hold
    if loses_the_job(victim, hold):
        is_new = lose(job, victim, hold)
    elif ends(victim, hold) == "old" and (hold in BEFORE_COMMIT or victim == "newcomer"):
        is_new = give_up(job, victim, hold)
    else:
        is_new = decide(job, victim, hold)
    wanted = ends(victim, hold)
    got = "new" if is_new else "old"
    if wanted not in ("either", got):
        raise AssertionError(f"{victim} at {hold}: the rank is at the {got} place\n{job.said()}")
    if is_new:
        job.moved()
    if not loses_the_job(victim, hold):
        job.goes_on()
    return got


def give_up(job, victim, hold):
    """Everybody goes on as before, and at once: only those wait whose agent is away, or cut off behind a promise."""
    if victim in ("conductor", "source"):
        job.repair(victim)
    if victim == "store":
        job.proceed()
    if victim == "link to the source" and hold == "all_ready":
        job.comes_to("aborting", steps=False)
        job.repair(victim)
    if hold not in BEFORE_COMMIT:
        job.comes_to("aborted", steps=False)
    job.goes_on()
    if victim.startswith("link") and not (victim == "link to the source" and hold == "all_ready"):
        job.repair(victim)
    job.comes_to("aborted")
    if victim == "target":
        job.repair(victim)
    said = job.shown()
    if said["result"] != "failed" or not said["error"]["failure"]:
        raise AssertionError(f"it does not say why: {said}")
    job.nothing_is_left()
    return False


def decide(job, victim, hold):
    """What the conductor has on disk counts, or will decide; it, or its answer, may take until all are back."""
    if victim in ("conductor", "source"):
        job.repair(victim)
    if victim != "conductor":
        job.proceed()
    if victim.endswith("target"):
        if hold == "committed" or (hold == "all_granted" and victim == "target"):
            standing = job.steps()
            job.comes_to("in_doubt", "resumed", steps=False)
            if job.state() == "in_doubt" and job.steps() != standing:
                raise AssertionError("somebody steps while nobody knows who owns the rank: " + job.said())
        elif hold != "completed" and (victim, hold) != ("target", "resumed"):
            job.goes_on()  # there the newcomer stands behind its first step until its agent lets it go on
        job.repair(victim)
    job.comes_to("completed", "aborted")
    is_new = job.state() == "completed"
    if victim == "link to the source":
        job.repair(victim)
    if is_new:
        over = lambda: {one["state"] for one in job.shown()["ranks"]} <= {"closed", "retired", "ended"}
        wait_until(over, lambda: f"the old communicator is closed: {job.shown()}\n{job.said()}")
    job.nothing_is_left(is_new)
    return is_new


def lose(job, victim, hold):
    """The job has lost a rank: its launcher ends it, and so does each of the others. The move is over, and leaves nothing."""
    if hold not in BEFORE_GO:
        job.proceed()
    job.allow(10**9)
    ended = lambda: all(one["state"] not in ("running", "starting", "standby", "frozen") for host in job.hosts
                        for one in host.ask("jobs", "--all")["jobs"])
    wait_until(ended, lambda: f"the end of all: {job.shown()}\n{job.said()}", 60)
    job.comes_to("aborted", "broken", "completed", steps=False)
    launched = job.source if victim == "leaver" else job.a
    states = [one["state"] for one in launched.ask("jobs", "--all")["jobs"] if one["name"] == "ddp"]
    if victim != "newcomer" and "failed" not in states:
        raise AssertionError(f"its launcher did not see it end: {states}\n{job.said()}")
    left = lambda: {f"rank {rank} at {host.name}": pids for rank in ALL_RANKS for host in job.hosts
                    if (pids := job.of_rank(rank, host))}
    wait_until(lambda: not left(), lambda: f"left: {left()}, {job.shown()}\n{job.said()}", 30)
    return job.state() != "aborted"


def as_undisturbed(job):
    """Of a job that has ended as it could: no rank has computed anything else, or anything twice."""
    job.write(job.last, max(job.steps()) + 1)
    with socket.create_server(("127.0.0.1", 0)) as server:
        port = server.getsockname()[1]
    done = subprocess.run(job.program("undisturbed", 1, 0, RANKS, port), env={**os.environ, **job.env}, capture_output=True,
                          text=True, timeout=PATIENCE)
    if done.returncode != 0:
        raise AssertionError(done.stderr)
    for rank in ALL_RANKS:
        expected = (job.folder / f"undisturbed.{rank}").read_text().splitlines()
        job.same(rank, expected[:len(job.lines(rank))])


def needs_of(victim):
    """Why a cell of this victim cannot be here; nothing: it can."""
    return None if own_network() or victim not in ("store", *VICTIMS[-2:]) else f"{victim}: needs root and a network of its own"


# ---- some cells of each kind

class Crash(unittest.TestCase):
    tls = False

    def job(self):
        job = Job(self.tls)
        self.addCleanup(job.close)
        return job

    def cells(self, job, *cells):
        for victim, hold in cells:
            if why := needs_of(victim):
                print(f"not run: {victim} at {hold}: {why}")
                continue
            began = time.monotonic()
            cell(job, victim, PLACES[HOLDS.index(hold)])
            print(f"{victim} at {hold}: {time.monotonic() - began:.1f} s", flush=True)


class Matrix(Crash):
    def test_what_fails_before_the_commit_costs_the_others_nothing(self):
        job = self.job()
        self.cells(job, ("newcomer", "all_ready"), ("conductor", "all_armed"), ("source", "freezing"), ("target", "all_built"),
                   ("store", "freezing"), ("link to the source", "all_armed"), ("link to the target", "all_ready"))
        job.finish()

    def test_what_fails_after_the_commit_ends_all_new_or_all_old(self):
        job = self.job()
        self.cells(job, ("conductor", "committed"), ("newcomer", "committed"), ("target", "all_granted"), ("store", "resumed"),
                   ("source", "all_stepped"), ("link to the target", "committed"))
        job.damage("conductor")  # has the store at which the ranks have met
        job.repair("conductor")
        job.makes_a_group()
        job.finish()

    def test_a_rank_that_is_killed_is_lost_to_its_job_and_leaves_nothing(self):
        for victim, hold in (("stays", "all_ready"), ("stays", "resumed")):
            job = self.job()
            self.cells(job, (victim, hold))
            as_undisturbed(job)

    def test_a_rank_that_is_late_is_waited_for(self):
        """In a validation, or while a checkpoint is saved: no boundary for a while, and the others wait in a collective."""
        job = self.job()
        for rank in (1, MOVES):
            job.begin_move(PLACES[HOLDS.index("all_built")])
            (job.folder / f"busy.{rank}").touch()
            job.allow(job.allowed + 2)
            wait_until(lambda: len(job.lines(rank)) > job.allowed - 2, "the rank is busy")
            job.proceed()
            job.comes_to("freezing")
            standing = job.steps()
            time.sleep(BACK + 2)  # longer than anybody is silent for
            self.assertEqual((job.state(), job.steps()), ("freezing", standing), job.said())
            (job.folder / f"busy.{rank}").unlink()
            job.comes_to("completed")
            job.nothing_is_left(is_new=True)
            job.moved()
            job.goes_on()
        job.finish()


# ---- all cells

def all_cells(victims):
    """In one job for as long as it lives. Prints what each cell gave."""
    gave, job = {}, None
    try:
        for victim in victims:
            for place in PLACES:
                began = time.monotonic()
                try:
                    if why := needs_of(victim):
                        gave[victim, place.hold] = f"not run: {why}"
                        continue
                    job = job or Job(tls=False)
                    gave[victim, place.hold] = cell(job, victim, place)
                    if loses_the_job(victim, place.hold):
                        as_undisturbed(job)
                        job.close()
                        job = None
                except Exception:
                    gave[victim, place.hold] = "FAILED"
                    print(traceback.format_exc())
                    if job:
                        job.close()
                    job = None
                print(f"{victim} at {place.hold}: {gave[victim, place.hold]}, {time.monotonic() - began:.1f} s", flush=True)
        if job:
            job.finish()
            print("the job that went on computed what it computes undisturbed")
    finally:
        if job:
            job.close()
    for victim in victims:
        print(f"{victim:20}", *(f"{place.hold} {gave.get((victim, place.hold), '-')};" for place in PLACES))
    return all(value != "FAILED" for value in gave.values())


if __name__ == "__main__":
    if "--all" in sys.argv:
        named = sys.argv[sys.argv.index("--all") + 1:]
        sys.exit(0 if all_cells(named or VICTIMS) else 1)
    run_tests([Moves.python, BUILD / "python/cardswap/libcardswap_c.so"])
