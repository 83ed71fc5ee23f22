"""The communicator that a job goes on with when a rank has moved: made beside training, put in at one boundary.

A rank that stays and the newcomer each have a `NextCommunicator` over the groups that the moved ranks are in. The one
that leaves has none: it takes no part in it. Until `exchange()` nothing of the job has changed, and `roll_back()`
undoes that too, as long as `retire()` was not called: the communicator before is whole until then.
"""

from __future__ import annotations

import contextlib
import datetime
import hashlib
import time
from typing import Any, Callable, Iterator

from . import _groups as groups
from . import _lasting_store as lasting_store
from ._library import CardswapError, what_it_says
from ._tensors import torch

PATIENCE = datetime.timedelta(hours=1)  # for the others to come, a newcomer's first steps; agents give up before that
TIMEOUT = datetime.timedelta(seconds=60)  # and, once they have come, to connect
TRIPWIRE = datetime.timedelta(seconds=5)  # and, where all of them stand, for the first few bytes
_CONNECT_TRY = datetime.timedelta(seconds=2)
_LOOK_EVERY = 0.02  # s: whether a member has come
_LOOK_QUICKLY_EVERY = 0.002  # s: while the whole job stands


class NextCommunicator:
    """Of the groups `of`, for the membership `epoch`.

    `rendezvous` is HOST:PORT of a TCPStore that outlives every rank, an agent's. `is_given_up()` says when the others
    are to be waited for no more; any thread. `build()` may run beside training; `trip()` and `exchange()` are for the
    main thread, with no collective under way. `says` is what this member tells the others, whose words are in `told` by
    rank of the job once it is built: the rendezvous may be gone when the job goes on.
    """

    def __init__(self, epoch: int, of: list[groups.Group], rendezvous: str,
                 is_given_up: Callable[[], bool] = lambda: False,
                 timeout: datetime.timedelta = TIMEOUT, tripwire: datetime.timedelta = TRIPWIRE,
                 patience: datetime.timedelta = PATIENCE, says: str = "") -> None:
        self.epoch = epoch
        self.told: list[str] = []
        self.took_ms: dict[str, float] = {}  # what each of its parts took here
        self._groups = of
        self._rendezvous = rendezvous
        self._says = says
        self._is_given_up = is_given_up
        self._timeout, self._tripwire, self._patience = timeout, tripwire, patience
        self._store: Any = None
        self._lasting: Any = None  # the same one, for groups that are made later
        self._lasting_prefix: Any = None  # what those see of it
        self._backends: list[Any] = []
        self._is_built = False
        self._is_checked = False  # by the tripwire
        self._exchanged: list[tuple[groups.Group, Any]] = []  # with torch's note of it: name of a backend, store

    # ---- beside training

    def build(self) -> None:
        """Meets the other members, and connects to them. Raises CardswapError."""
        distributed = torch().distributed
        try:
            with self._timed("build"):
                host, _, port = self._rendezvous.rpartition(":")
                tcp = self._store_at(host, int(port))
                self._store = distributed.PrefixStore(f"cardswap/{self.epoch}", tcp)
                self._lasting = lasting_store.at(host, int(port), self._timeout, tcp)
                self._lasting_prefix = distributed.PrefixStore(f"cardswap/{self.epoch}", self._lasting)
                self._store.set(f"said/{groups.rank()}", "@" + self._says)  # a store may take an empty text for none
                for group in self._groups:  # in one order on all ranks: each waits for the others
                    self._meet(group, "connect", _LOOK_EVERY)
                    with self._timed("connect"):
                        self._backends.append(self._connected(group))
                self.told = [self._store.get(f"said/{rank}").decode()[1:] for rank in range(groups.world_size())]
                self._is_built = True
        except CardswapError:
            raise
        except Exception as error:
            raise CardswapError(f"the ranks of epoch {self.epoch} do not connect by way of {self._rendezvous}: "
                                f"{what_it_says(error)}", "unreachable") from error

    def _store_at(self, host: str, port: int) -> Any:
        """Connects to the rendezvous, a short try after the other: one that has been closed is not waited for."""
        end = time.monotonic() + self._timeout.total_seconds()
        while True:
            try:
                store = torch().distributed.TCPStore(host, port, None, False, timeout=_CONNECT_TRY)
            except Exception:
                if self._is_given_up():
                    raise CardswapError(f"epoch {self.epoch} was given up", "cancelled") from None
                if time.monotonic() > end:
                    raise
                continue
            store.set_timeout(self._timeout)
            return store

    def _meet(self, group: groups.Group, to: str, look_every: float) -> None:
        """Waits until all members are about to do the same: nobody can be called off who is in the middle of it."""
        self._store.set(f"{group.name}/{to}/{group.rank}", "")
        missing = [f"{group.name}/{to}/{at}" for at in range(len(group.ranks))]
        end = time.monotonic() + self._patience.total_seconds()
        while missing and not self._store.check(missing):  # whoever comes last asks once
            while not self._store.check(missing[:1]):
                if self._is_given_up():
                    raise CardswapError(f"epoch {self.epoch} was given up", "cancelled")
                if time.monotonic() > end:
                    late = group.ranks[len(group.ranks) - len(missing)]
                    raise CardswapError(f"rank {late} does not come to {to} {group.described()} by way of "
                                        f"{self._rendezvous}", "timed_out")
                time.sleep(look_every)
            missing.pop(0)

    def _connected(self, group: groups.Group) -> Any:
        gloo = torch().distributed.ProcessGroupGloo
        options = gloo._Options()
        options._devices = [_device(gloo)]
        options._threads = 2
        options._timeout = self._timeout
        for name, value in (("group_name", group.name), ("global_ranks_in_group", list(group.ranks))):
            if hasattr(options, name):
                setattr(options, name, value)
        store = torch().distributed.PrefixStore(f"{group.name}/backend", self._store)
        backend = gloo(store, group.rank, len(group.ranks), options)
        backend._set_sequence_number_for_group()
        return backend

    # ---- at a boundary, with no collective on its way

    def trip(self, agreed: str = "") -> None:
        """One small allreduce in each group, whose answer is known, before anything else is sent. `agreed` is what all
        members must have alike at this boundary, the layout of buckets first. Waits for those who come later. Raises
        CardswapError with the ranks that are not what they should be, and if a group takes no other communicator."""
        if not self._is_built:
            raise CardswapError(f"the communicator of epoch {self.epoch} is not built", "conflict")
        for group in self._groups:
            if why := group.slot.obstacle():
                raise CardswapError(f"the process group {group.described()}: {why}", "refused")
        try:
            for group, backend in zip(self._groups, self._backends):
                with self._timed("wait"):
                    self._meet(group, "try", _LOOK_QUICKLY_EVERY)
                with self._timed("tripwire"):
                    self._trip(group, backend, agreed)
        except CardswapError:
            raise
        except Exception as error:
            raise CardswapError(f"the ranks of epoch {self.epoch} do not meet by way of {self._rendezvous}: "
                                f"{what_it_says(error)}", "unreachable") from error
        self._is_checked = True

    def _trip(self, group: groups.Group, backend: Any, agreed: str) -> None:
        expected = [self._word(group, rank, agreed) for rank in range(len(group.ranks))]
        found = torch().zeros(len(expected), dtype=torch().int64)
        found[group.rank] = expected[group.rank]
        try:
            options = torch().distributed.AllreduceOptions()
            options.timeout = self._tripwire
            backend.allreduce([found], options).wait(self._tripwire)
        except Exception as error:
            raise CardswapError(f"the new communicator of {group.described()} does not work: {what_it_says(error)}",
                                "refused") from error
        wrong = [str(group.ranks[at]) for at, word in enumerate(found.tolist()) if word != expected[at]]
        if wrong:
            raise CardswapError(f"rank {', '.join(wrong)} of {group.described()} is not what rank "
                                f"{group.ranks[group.rank]} takes it for, in epoch {self.epoch}", "refused")

    def _word(self, group: groups.Group, rank: int, agreed: str) -> int:
        text = f"{self.epoch} {group.described()} {rank} {agreed}"
        return int.from_bytes(hashlib.sha256(text.encode()).digest()[:7], "little")

    def exchange(self) -> None:
        """The groups go on with it, behind `trip()`, and groups made later meet where it did. Raises CardswapError,
        having changed nothing."""
        assert self._is_checked
        with self._timed("exchange"):
            try:
                for group, backend in zip(self._groups, self._backends):
                    # What may fail comes first: roll_back() knows each group that has another backend.
                    notes = groups.torch_groups()
                    before = notes[group.process_group]
                    store = torch().distributed.PrefixStore(f"{group.name}/", self._lasting_prefix)
                    backend._set_default_timeout(group.slot.backend.options._timeout)
                    group.slot.put(backend)
                    self._exchanged.append((group, before))
                    notes[group.process_group] = (before[0], store)
            except Exception:
                self.roll_back()
                raise

    def roll_back(self) -> None:
        """The groups go on with what they had before. Not while `build()` runs."""
        while self._exchanged:
            group, note = self._exchanged.pop()
            group.slot.put_back()
            groups.torch_groups()[group.process_group] = note
        self._backends.clear()
        self._lasting_prefix = self._store = None
        if self._lasting is not None:
            lasting_store.forget(self._lasting)
            self._lasting = None

    def retire(self) -> None:
        """A step has been made with it everywhere: there is no way back any more."""
        for group, _ in self._exchanged:
            group.slot.forget()
        self._exchanged.clear()

    # ---- whether it computes the same

    def reduced(self, bucket: Any, at: int = 0) -> str:
        """Digest of a copy of the bucket, summed over the new communicator of the group in that place."""
        return reduced(bucket, self._backends[at])

    @contextlib.contextmanager
    def _timed(self, what: str) -> Iterator[None]:
        began = time.perf_counter()
        try:
            yield
        finally:
            self.took_ms[what] = self.took_ms.get(what, 0) + (time.perf_counter() - began) * 1e3


def reduced(bucket: Any, backend: Any) -> str:
    """Digest of a copy of the bucket, summed by a backend: all of its members call this with theirs."""
    copy = bucket.detach().clone()
    backend.allreduce([copy], torch().distributed.AllreduceOptions()).wait()
    return hashlib.sha256(copy.contiguous().view(torch().uint8).numpy().tobytes()).hexdigest()[:32]


_shared: Any = None


def _device(gloo: Any) -> Any:
    """One for all communicators that are made here: each has a thread and a socket that listens."""
    global _shared
    if _shared is None:
        _shared = gloo.create_default_device()
    return _shared
