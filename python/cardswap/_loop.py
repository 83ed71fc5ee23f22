"""Loops whose position moves with the job: over a loader's batches, and over epochs."""

from __future__ import annotations

import copy
import itertools
import operator
from typing import Any, Callable, Generic, Iterable, Iterator, TypeVar

from . import _codec as codec
from . import _library as library
from . import _session as sessions
from . import _values as values
from ._tensors import torch

T = TypeVar("T")


class Epoch:
    """A number that moves with the job. In a standby the loop's variable is bound during the warm-up: a plain number
    would keep the warm-up's value, and this object takes the job's. It computes, compares, formats and indexes as an
    int does; `int(epoch)` is a plain number."""

    __slots__ = ("value",)

    def __init__(self, value: int) -> None:
        self.value = value

    def __index__(self) -> int:
        return self.value

    def __int__(self) -> int:
        return self.value

    def __float__(self) -> float:
        return float(self.value)

    def __bool__(self) -> bool:
        return bool(self.value)

    def __hash__(self) -> int:
        return hash(self.value)

    def __repr__(self) -> str:
        return repr(self.value)

    def __format__(self, spec: str) -> str:
        return format(self.value, spec)


def _plain(value: Any) -> Any:
    return value.value if isinstance(value, Epoch) else value


def _add_operators() -> None:
    for name in ("add", "sub", "mul", "truediv", "floordiv", "mod", "pow", "lshift", "rshift", "and_", "or_", "xor"):
        function = getattr(operator, name)
        bare = name.rstrip("_")
        setattr(Epoch, f"__{bare}__", lambda self, other, f=function: f(self.value, _plain(other)))
        setattr(Epoch, f"__r{bare}__", lambda self, other, f=function: f(_plain(other), self.value))
    for name in ("lt", "le", "eq", "ne", "gt", "ge"):
        setattr(Epoch, f"__{name}__",
                lambda self, other, f=getattr(operator, name): f(self.value, _plain(other)))
    for name in ("neg", "pos", "abs", "invert"):
        setattr(Epoch, f"__{name}__", lambda self, f=getattr(operator, name): f(self.value))
    setattr(Epoch, "__divmod__", lambda self, other: divmod(self.value, _plain(other)))
    setattr(Epoch, "__hash__", lambda self: hash(self.value))


_add_operators()


class Epochs:
    """The numbers from `start` to `count` - 1; the position moves with the job."""

    def __init__(self, count: int, start: int) -> None:
        self._count = count
        self._next = start
        self._current = Epoch(start)

    def place(self) -> int:
        return self._next

    def go_to(self, place: Any) -> None:
        if type(place) is not int:
            raise ValueError("an epoch's place that is no number")
        self._next = place
        self._current.value = place - 1

    def __iter__(self) -> Iterator[Epoch]:
        return self

    def __next__(self) -> Epoch:
        if self._next >= self._count:
            raise StopIteration
        self._current = Epoch(self._next)  # earlier Epoch objects keep their values
        self._next += 1
        return self._current

    def __len__(self) -> int:
        return max(self._count - self._next, 0)


class Place(library.Thing):
    """The position of a loop in its loader, from which another process can go on: how many batches were taken, and the
    states of the random generators when the iterator was made."""

    kind = "loader"

    def __init__(self, name: str, loader: Any) -> None:
        super().__init__(name)
        self.loader = loader
        self.iterator: Iterator[Any] | None = None
        self.arrivals = 0  # grows when the place comes from another process
        self._taken = 0
        self._start: bytes | None = None  # the generators, when the iterator was made
        inner = getattr(loader, "base_dataloader", loader)  # Accelerate's wrapper has the methods in any case
        self._is_stateful = hasattr(inner, "state_dict") and hasattr(inner, "load_state_dict")

    def type_name(self) -> str:
        return f"{type(self.loader).__module__}.{type(self.loader).__qualname__}"

    def begin(self) -> None:
        """Begins a new loop; its iterator is made when its first batch is asked for."""
        self.iterator, self._start, self._taken = None, None, 0

    def next(self) -> Any:
        if self.iterator is None:
            self._start = codec.encode(self._generators(values.random_generators()))
            self.iterator = iter(self.loader)
        try:
            batch = next(self.iterator)
        except StopIteration:
            self.begin()
            raise
        self._taken += 1
        return batch

    def save(self) -> bytes:
        is_running = self.iterator is not None
        return codec.encode([
            self._taken, self._start if is_running else None, self._own_states(), self._epochs(),
            dict(self.loader.state_dict()) if self._is_stateful and is_running else None,
        ])

    def load(self, data: bytes) -> None:
        taken, start, own, epochs, state = codec.decode(data)
        self.begin()
        self.arrivals += 1
        self._set_epochs(epochs)
        if start is not None:
            began = codec.decode(start)
            values.set_random_generators(began["all"])
            self._set_own(began["own"])
            if state is not None:
                self.loader.load_state_dict(state)
                self.iterator = iter(self.loader)
            else:
                self.iterator = iterator_at(self.loader, taken)
            self._start, self._taken = start, taken
        self._set_own(own)  # the other generators are set last, because making an iterator draws from them

    def obstacles(self) -> list[tuple[str, str]]:
        if self._is_stateful:
            return []
        t = torch()
        if t is not None and isinstance(self.loader, t.utils.data.DataLoader):
            if isinstance(self.loader.dataset, t.utils.data.IterableDataset):
                return [(f"a DataLoader of {type(self.loader.dataset).__qualname__}, an IterableDataset, has no place "
                         "that another process can find", "use torchdata's StatefulDataLoader, and give the dataset "
                         "state_dict() and load_state_dict()")]
            if self.loader.persistent_workers:
                return [("a DataLoader with persistent_workers does not say where it is",
                         "make it with persistent_workers=False")]
            return []
        if isinstance(self.loader, Iterator):
            return [(f"a {type(self.loader).__qualname__} cannot be carried: it is an iterator, which another process "
                     "can make from its beginning only", "give cardswap.batches() what the iterator is made from, or "
                     "track where it is with cardswap.track(name, get=..., set=...) and call cardswap.boundary()")]
        return []

    # ---- generators and samplers of its own

    def _samplers(self) -> list[Any]:
        batches = getattr(self.loader, "batch_sampler", None)
        return [getattr(self.loader, "sampler", None), batches, getattr(batches, "sampler", None)]

    def _epoch_attributes(self) -> list[tuple[Any, str]]:
        """The attributes in which the loader counts epochs, on which its order depends."""
        if hasattr(self.loader, "iteration"):
            return [(self.loader, "iteration")]  # Accelerate's, which tells the samplers as it begins
        return [(sampler, "epoch") for sampler in self._samplers()
                if hasattr(sampler, "set_epoch") and hasattr(sampler, "epoch")]

    def _epochs(self) -> list[int]:
        return [int(getattr(holder, name)) for holder, name in self._epoch_attributes()]

    def _set_epochs(self, epochs: list[int]) -> None:
        for (holder, name), epoch in zip(self._epoch_attributes(), epochs):
            if getattr(holder, name) != epoch:
                setattr(holder, name, epoch)

    def _own(self) -> list[Any]:
        found: list[Any] = []
        for holder in (self.loader, *self._samplers()):
            generator = getattr(holder, "generator", None)
            if generator is not None and hasattr(generator, "get_state") and all(generator is not one for one in found):
                found.append(generator)
        return found

    def _own_states(self) -> list[Any]:
        return [generator.get_state() for generator in self._own()]

    def _set_own(self, states: list[Any]) -> None:
        own = self._own()
        if len(own) != len(states):
            raise ValueError("the other side's loader has another number of generators")
        for generator, state in zip(own, states):
            generator.set_state(state)

    def _generators(self, everybody: Any) -> Any:
        return {"all": everybody, "own": self._own_states()}


class _From:
    """A batch sampler without its first batches: their indices are drawn, and their data is not read."""

    def __init__(self, sampler: Any, skipped: int) -> None:
        self._sampler, self._skipped = sampler, skipped

    def __iter__(self) -> Iterator[Any]:
        indices = iter(self._sampler)
        for _ in range(self._skipped):
            next(indices)
        yield from indices

    def __len__(self) -> int:
        return len(self._sampler)


def iterator_at(loader: Any, taken: int, before_first: Callable[[], None] = lambda: None) -> Iterator[Any]:
    """An iterator over the batches after the first `taken` ones, in the order of an iterator that gave them all.

    `before_first` is called before the first batch is asked for, if the order is drawn at that moment."""
    t = torch()
    if t is None or not isinstance(loader, t.utils.data.DataLoader):
        if hasattr(loader, "__getitem__") and hasattr(loader, "__len__"):
            return iter(loader[at] for at in range(taken, len(loader)))
        rest = iter(loader)
        before_first()
        for _ in itertools.islice(rest, taken):
            pass
        return rest
    if hasattr(loader, "base_dataloader"):
        return _accelerates_at(loader, taken)
    if loader.num_workers == 0:
        iterator = iter(loader)
        before_first()
        for _ in range(taken):
            next(iterator._sampler_iter)
        return iterator
    return iter(_loader_from(loader, taken))  # workers are given indices before the first batch is asked for


def _loader_from(loader: Any, taken: int) -> Any:
    other = copy.copy(loader)
    place = "sampler" if loader.batch_sampler is None else "batch_sampler"
    other.__dict__[place] = _From(loader.__dict__[place], taken)
    return other


class _Once:
    """A loader whose iterator exists already."""

    def __init__(self, loader: Any, iterator: Iterator[Any]) -> None:
        self._loader, self._iterator = loader, iterator

    def __iter__(self) -> Iterator[Any]:
        return self._iterator

    def __getattr__(self, name: str) -> Any:
        return getattr(self._loader, name)


def _accelerates_at(loader: Any, taken: int) -> Iterator[Any]:
    """As iterator_at(), for a loader of Accelerate's prepare(), which reads one batch ahead from the loader in it."""
    if taken >= len(loader):
        return _end_of_accelerates(loader)
    loader.set_epoch(loader.iteration)
    inner = iterator_at(loader.base_dataloader, taken)
    return _accelerates_over(loader, itertools.chain([next(inner)], inner))


def _accelerates_over(loader: Any, iterator: Iterator[Any]) -> Iterator[Any]:
    inner = loader.base_dataloader
    loader.base_dataloader = _Once(inner, iterator)
    try:
        rest = iter(loader)
        first = next(rest)
    finally:
        loader.base_dataloader = inner
    yield first
    yield from rest


def _end_of_accelerates(loader: Any) -> Iterator[Any]:
    """An iterator after the last batch: Accelerate's loader counts the epoch when one more batch is asked for."""
    loader.iteration += 1
    yield from ()


class Batches(Generic[T]):
    """A loader's batches; asking for the next one is the step boundary."""

    def __init__(self, loader: Iterable[T], place: Place, session: sessions.Session) -> None:
        self._loader, self._place, self._session = loader, place, session
        place.loader = loader
        place.begin()

    def __iter__(self) -> Batches[T]:
        return self

    def __next__(self) -> T:
        if self._session.boundary_is_due:
            self._session.boundary()
        return self._place.next()

    def __len__(self) -> int:
        return len(self._loader)  # type: ignore[arg-type]


_places: dict[str, Place] = {}  # by name


def batches(loader: Iterable[T], name: str | None = None) -> Iterable[T]:
    """cardswap.batches()."""
    session = sessions.current()
    if session is None:
        return loader
    if name is not None:
        place = _places.get(name)
    else:
        place = next((one for one in _places.values() if one.loader is loader), None)
    if place is None:
        place = Place(name if name is not None else session.free_name("loader"), loader)
        session.add(place, may_be_late=True)
        _places[place.name] = place
    return Batches(loader, place, session)


def epochs(count: int, start: int = 0, name: str | None = None) -> Iterable[Epoch]:
    """cardswap.epochs()."""
    numbers = Epochs(count, start)
    session = sessions.current()
    if session is not None:
        session.add(values.CallbackThing(name or session.free_name("epochs"), numbers.place, numbers.go_to, "epochs"),
                    may_be_late=True)
    return numbers
