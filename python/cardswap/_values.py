"""Other things that a program may track: values, generators, and objects that save and load their own state."""

from __future__ import annotations

import collections
import random
import sys
from typing import Any, Callable, Sequence

from . import _codec as codec
from . import _library as library
from ._tensors import region_of, torch


class CallbackThing(library.Thing):
    """Two functions of the program: one returns a value or bytes, the other restores it."""

    def __init__(self, name: str, get: Callable[[], Any], set_: Callable[[Any], Any], kind: str = "value",
                 loads_last: bool = False, of: Any = None) -> None:
        super().__init__(name)
        self._get, self._set, self._of = get, set_, of
        self.kind = kind
        self.loads_last = loads_last

    def type_name(self) -> str:
        return self.kind if self._of is None else f"{type(self._of).__module__}.{type(self._of).__qualname__}"

    def save(self) -> bytes:
        return codec.encode(self._get())

    def load(self, data: bytes) -> None:
        self._set(codec.decode(data))


class TensorThing(library.Thing):
    """A single tensor of the program."""

    kind = "tensor"

    def __init__(self, name: str, tensor: Any) -> None:
        super().__init__(name)
        self.thing = tensor

    def regions(self) -> tuple[list[library.Region], object]:
        region, owner = region_of("", self.thing)
        return [region], owner


class AttributesThing(library.Thing):
    """Attributes of an object, with the values that they have at a boundary. The attributes of a module are its
    globals."""

    def __init__(self, name: str, thing: Any, attributes: Sequence[str]) -> None:
        super().__init__(name)
        self._thing = thing
        self._attributes = tuple(attributes)

    def save(self) -> bytes:
        return codec.encode({attribute: getattr(self._thing, attribute) for attribute in self._attributes})

    def load(self, data: bytes) -> None:
        values = codec.decode(data)
        if not isinstance(values, dict) or tuple(values) != self._attributes:
            raise ValueError("the other side tracks other attributes")
        for attribute, value in values.items():
            setattr(self._thing, attribute, value)


def _in_place(thing: Any) -> Callable[[Any], None]:
    """A function that replaces the items of a container by those of another one of its kind."""
    def take(items: Any) -> None:
        if type(items) is not type(thing):
            raise ValueError("a container of another kind")
        thing.clear()
        (thing.update if isinstance(thing, (dict, set)) else thing.extend)(items)

    return take


def thing_for(name: str, thing: Any) -> library.Thing:
    """The tracked thing for an object of the program. Raises TypeError if its type cannot be tracked."""
    from ._module import ModuleThing
    from ._optimizer import OptimizerThing

    t, numpy = torch(), sys.modules.get("numpy")
    if t is not None:
        if isinstance(thing, t.nn.Module):
            return ModuleThing(name, thing)
        if isinstance(thing, t.optim.Optimizer):
            return OptimizerThing(name, thing)
        if isinstance(thing, t.Tensor):
            return TensorThing(name, thing)
        if isinstance(thing, t.Generator):
            return CallbackThing(name, thing.get_state, thing.set_state, "generator", True, thing)
    if isinstance(thing, random.Random):
        return CallbackThing(name, thing.getstate, thing.setstate, "generator", True, thing)
    if numpy is not None:
        if isinstance(thing, numpy.random.Generator):
            return CallbackThing(name, lambda: thing.bit_generator.state,
                                 lambda state: setattr(thing.bit_generator, "state", state), "generator", True, thing)
        if isinstance(thing, numpy.random.RandomState):
            return CallbackThing(name, thing.get_state, thing.set_state, "generator", True, thing)
        if isinstance(thing, numpy.ndarray):
            return CallbackThing(name, lambda: thing, lambda value: thing.__setitem__(..., value), of=thing)
    if type(thing) in (list, dict, set, collections.deque, collections.OrderedDict, collections.Counter):
        return CallbackThing(name, lambda: thing, _in_place(thing), of=thing)
    if hasattr(thing, "state_dict") and hasattr(thing, "load_state_dict"):
        return CallbackThing(name, lambda: dict(thing.state_dict()), thing.load_state_dict, "object", of=thing)
    raise TypeError(
        f"cardswap.track('{name}', ...): a {type(thing).__qualname__} cannot be tracked by itself. Numbers and texts "
        f"cannot change in place: track the object that has them, cardswap.track('{name}', object, "
        "attributes=['...']), or give two functions, get= and set=")


def random_generators() -> Any:
    """The states of the three default generators: torch's for the CPU, Python's, and NumPy's legacy one. Also those
    of the GPUs, if the program uses any."""
    state: dict[str, Any] = {"python": random.getstate()}
    t, numpy = torch(), sys.modules.get("numpy")
    if t is not None:
        state["torch"] = t.get_rng_state()
        if t.cuda.is_available() and t.cuda.is_initialized():
            state["cuda"] = t.cuda.get_rng_state_all()
    if numpy is not None:
        state["numpy"] = numpy.random.get_state()
    return state


def set_random_generators(state: Any) -> None:
    """Restores what random_generators() returned."""
    random.setstate(state["python"])
    if "torch" in state:
        torch().set_rng_state(state["torch"])
    if "cuda" in state:
        torch().cuda.set_rng_state_all(state["cuda"])
    if "numpy" in state:
        import numpy
        numpy.random.set_state(state["numpy"])
