"""Optimizers as tracked things, whose steps a standby can replay."""

from __future__ import annotations

import ctypes
import re
from typing import Any, Callable

from . import _codec as codec
from . import _library as library
from ._module import ModuleThing
from ._tensors import regions_of, shape_text, torch

_REGION = "region"  # a tensor that is a region: sent as memory
_ZERO_DIM = "0-dim"  # a tensor of no dimensions, as Adam's `step`: a value
_MARKER = re.compile(r"added\.(\d+)\.\d+=(.*)")  # a parameter of a group that was added during the run
_REGION_NAME = re.compile(r"([^.]+)\.(\d+)\.(\d+)(?: \[([\d, ]*)\])?")  # with sizes, or as the parameter's
_LENT = ("grad_scale", "found_inf")  # a GradScaler sets them on a fused optimizer for one step, which unscales or skips


class OptimizerThing(library.Thing):
    """State tensors, counters and options of any torch.optim.Optimizer whose state is tensors and values.

    Regions are named KEY.GROUP.INDEX, since parameters have no names here, with their sizes if these differ from the
    parameter's. Parameters of groups that were added during the run are named by the tracked module that has them, so
    that a standby adds them too. A step is replayed by the optimizer's own step(), with its flags; the digests show
    whether the result is the same bit for bit.
    """

    kind = "optimizer"
    steps = True

    def __init__(self, name: str, optimizer: Any) -> None:
        super().__init__(name)
        self.thing = optimizer
        # LBFGS asks for gradients several times in a step.
        self.replays = not any(cls.__name__ == "LBFGS" for cls in type(optimizer).__mro__)
        self.is_replaying = False
        self.is_stepped_elsewhere = False  # in another thread than the boundaries: such steps are not captured
        self._groups: list[int] = []  # the number of parameters of each at the first boundary
        self._modules: list[ModuleThing] = []
        self._has_noted = False  # before_step() has looked at the latest step's gradients
        self._made_anew: set[int] = set()  # parameters whose gradient did not exist at the step before
        self._unused = self._living = ""  # gradients that prevented a move at the latest boundary
        self._not_looked_at = ""  # why its gradients could not be read; empty: they could

    def type_name(self) -> str:
        return f"{type(self.thing).__module__}.{type(self.thing).__qualname__}"

    def begin(self, modules: list[ModuleThing]) -> None:
        """Called at the first boundary, which a standby reaches too: notes the tracked modules, and the groups that
        exist."""
        self._groups, self._modules = self._sizes(), modules

    # ---- groups that came later

    def _added(self) -> list[tuple[int, int, Any]]:
        return [place for place in self._parameters() if place[0] >= len(self._groups)] if self._groups else []

    def _names(self) -> dict[int, str]:
        """The name of each parameter of a tracked module, by its id."""
        names: dict[int, str] = {}
        for module in self._modules:
            for name, parameter in module.thing.named_parameters():
                names.setdefault(id(parameter), f"{module.name}:{name}")
        return names

    def _markers(self) -> list[library.Region]:
        """Regions without memory: only their names matter, which the other side adopts."""
        added = self._added()
        names = self._names() if added else {}
        return [library.Region(f"added.{g}.{i}={names.get(id(parameter), '')}".encode(), b"parameter",
                               shape_text(parameter).encode(), None, 0, None, 0) for g, i, parameter in added]

    def _adopt_groups(self, names: list[str]) -> None:
        """Adds the groups that the source's markers name, with their parameters in the source's order."""
        wanted: dict[int, list[str]] = {}
        for name in names:
            marker = _MARKER.fullmatch(name)
            if marker is not None:
                wanted.setdefault(int(marker[1]), []).append(marker[2])
        by_name = {name: key for key, name in self._names().items()}
        found = {id(parameter): parameter for module in self._modules for parameter in module.thing.parameters()}
        for group in sorted(wanted):
            if group < len(self.thing.param_groups):
                continue  # it has it from the same source
            missing = next((name for name in wanted[group] if name not in by_name), None)
            if missing is not None or group > len(self.thing.param_groups):
                raise ValueError(f"the source's optimizer was given a group with {missing}, which this side lacks")
            self.thing.add_param_group({"params": [found[by_name[name]] for name in wanted[group]]})

    # ---- state

    def _parameters(self) -> list[tuple[int, int, Any]]:
        return [(g, i, parameter) for g, group in enumerate(self.thing.param_groups)
                for i, parameter in enumerate(group["params"])]

    def _tensors(self, parameter: Any) -> list[tuple[str, Any]]:
        state = self.thing.state.get(parameter)
        if not state:
            return []
        is_tensor = torch().is_tensor
        return sorted((key, value) for key, value in state.items()
                      if is_tensor(value) and value.dim() > 0)

    def regions(self) -> tuple[list[library.Region], object]:
        if self._living or self._not_looked_at:
            raise ValueError(self._living or self._not_looked_at)
        regions, owners = regions_of(
            (f"{key}.{g}.{i}" + ("" if tensor.shape == parameter.shape else f" {list(tensor.shape)}"), tensor)
            for g, i, parameter in self._parameters() for key, tensor in self._tensors(parameter))
        return self._markers() + regions, owners

    def adopt(self, names: list[str]) -> None:
        """Makes or drops state, which appears with a parameter's first gradient: the warm-up may have had one where the
        source had none."""
        self._adopt_groups(names)
        wanted: dict[tuple[int, int], dict[str, list[int] | None]] = {}
        for name in names:
            found = _REGION_NAME.fullmatch(name)
            if found is not None:
                key, group, index, shape = found.groups()
                sizes = None if shape is None else [int(size) for size in shape.split(",") if size]
                wanted.setdefault((int(group), int(index)), {})[key] = sizes
        ours = {(g, i): parameter for g, i, parameter in self._parameters()}
        missing = next((place for place in wanted if place not in ours), None)
        if missing is not None:
            raise ValueError(f"the source's optimizer has parameter {missing[1]} of group {missing[0]}, this side has "
                             f"{_told(self._sizes())}: make the same groups on both sides, before the first boundary")
        # Like that of a parameter of the same sizes, if one has it: not all optimizers keep tensors like their
        # parameters.
        known = {(key, parameter.shape): tensor for parameter in ours.values() for key, tensor in self._tensors(parameter)}
        for place, parameter in ours.items():
            keys = wanted.get(place, {})
            have = dict(self._tensors(parameter))
            if have and not keys:
                self.thing.state.pop(parameter, None)
                continue
            for key in have.keys() - keys.keys():
                del self.thing.state[parameter][key]
            for key in keys.keys() - have.keys():
                like = known.get((key, parameter.shape))
                if like is None:
                    like = parameter.detach() if keys[key] is None else parameter.detach().new_empty(keys[key])
                self.thing.state[parameter][key] = torch().zeros_like(like)

    def save(self) -> bytes:
        groups = [sorted((key, self._value(value)) for key, value in group.items() if key != "params")
                  for group in self.thing.param_groups]
        states = []
        for _, _, parameter in self._parameters():
            state = self.thing.state.get(parameter)
            states.append(None if state is None else
                          sorted(((key, self._value(value)) for key, value in state.items()), key=lambda item: item[0]))
        return codec.encode([groups, states, self._attributes(), {"kind": self.kind, "sizes": self._sizes()}])

    @staticmethod
    def _value(value: Any) -> Any:
        if torch().is_tensor(value):
            if value.dim() > 0:
                return (_REGION,)
            return (_ZERO_DIM, str(value.dtype), value.device.type, value.item())
        return ("value", value)

    @staticmethod
    def _restored(value: Any, now: Any, device: Any) -> Any:
        if value[0] == _REGION:
            if not torch().is_tensor(now):
                raise ValueError("a tensor of its state is missing on this side")
            return now
        if value[0] == _ZERO_DIM:
            _, dtype, kind, item = value
            wanted = getattr(torch(), dtype.removeprefix("torch."))
            with torch().no_grad():
                if torch().is_tensor(now) and now.dtype == wanted and now.device.type == kind and now.dim() == 0:
                    return now.fill_(item)
            return torch().tensor(item, dtype=wanted, device="cpu" if kind == "cpu" else device)
        return value[1]

    def load(self, data: bytes) -> None:
        groups, states, attributes, _ = codec.decode(data)  # the last is for readers of a snapshot
        parameters = self._parameters()
        if len(groups) != len(self.thing.param_groups) or len(states) != len(parameters):
            raise ValueError("the optimizers have a different number of groups or of parameters")
        for group, options in zip(self.thing.param_groups, groups):
            device = group["params"][0].device if group["params"] else "cpu"
            self._take(group, options, device, keep=("params",))
        for (_, _, parameter), state in zip(parameters, states):
            if state is None:
                self.thing.state.pop(parameter, None)
            else:
                self._take(self.thing.state[parameter], state, parameter.device)
        for name, value in attributes:
            setattr(self.thing, name, value)

    def _take(self, into: dict[str, Any], items: list[tuple[str, Any]], device: Any, keep: tuple[str, ...] = ()) -> None:
        names = {name for name, _ in items}
        for name in [name for name in into if name not in names and name not in keep]:
            del into[name]
        for name, value in items:
            into[name] = self._restored(value, into.get(name), device)

    def _attributes(self) -> list[tuple[str, Any]]:
        """Numbers, flags and texts that an optimizer keeps in attributes of its own, as classes from outside torch do."""
        return sorted((name, value) for name, value in vars(self.thing).items()
                      if not name.startswith("_") and type(value) in (int, float, bool, str))

    # ---- steps

    def put_parameters(self, out: Any) -> None:
        parameters = self._parameters()
        array = (library.Parameter * len(parameters))()
        for at, (g, i, parameter) in enumerate(parameters):
            array[at] = library.Parameter(g, i, parameter._cdata, parameter.untyped_storage()._cdata)
        library.load().cardswap_put_parameters(out, array, len(parameters))

    def put_rewritten(self, out: Any) -> None:
        pairs = []
        parameters = self._parameters()
        for at, (g, _, parameter) in enumerate(parameters):
            if not self.thing.state.get(parameter) and not (self._is_stateless(g) and parameter.requires_grad):
                continue  # others make their state in a parameter's first step: no state, no step
            for tensor in (parameter, *(tensor for _, tensor in self._tensors(parameter))):
                pairs.append(library.Rewritten(at, tensor.untyped_storage()._cdata))
        array = (library.Rewritten * len(pairs))(*pairs)
        library.load().cardswap_put_rewritten(out, array, len(pairs), len(parameters))

    def _is_stateless(self, group: int) -> bool:
        return type(self.thing) is torch().optim.SGD and self.thing.param_groups[group]["momentum"] == 0

    def _look(self, look: Callable[[], None]) -> None:
        """Calls `look` in the training loop. What it raises prevents a move, and does not reach the loop."""
        try:
            look()
        except Exception as error:
            if not self._not_looked_at:
                library.log_failure(self, "look at the gradients of", error)
            self._not_looked_at = f"its gradients cannot be looked at: {library.what_it_says(error)}"

    def before_step(self) -> None:
        """Looks at the gradients that a step is about to read. Called before each step while boundaries have
        attention."""
        self._look(self._note_gradients)

    def _note_gradients(self) -> None:
        first = not self._has_noted
        self._has_noted = True
        self._made_anew.clear()
        for at, (_, _, parameter) in enumerate(self._parameters()):
            gradient = parameter.grad
            if gradient is None:
                continue
            if not first and not hasattr(gradient, "_cardswap_seen"):
                self._made_anew.add(at)
            gradient._cardswap_seen = True
            gradient._cardswap_used = gradient._version

    def look_at_gradients(self) -> None:
        """Called at a boundary with attention: finds gradients that no step has used, or that live longer than a
        step. They are state that is not sent, and prevent a move."""
        self._look(self._look_at_gradients)

    def _look_at_gradients(self) -> None:
        self._unused = self._living = ""
        for at, (g, i, parameter) in enumerate(self._parameters()):
            gradient = parameter.grad
            if gradient is None:
                continue
            # One that was there at the boundary before may be left from a step that other optimizers have taken more of:
            # nobody reads it again if the latest step's was made anew, and it was not added to.
            before = getattr(gradient, "_cardswap_at_boundary", None)
            if before is not None and (before != gradient._version or at not in self._made_anew):
                self._living = f"the gradient of parameter {i} of group {g} lives from step to step"
            elif self._has_noted and getattr(gradient, "_cardswap_used", None) != gradient._version:
                self._unused = f"the gradient of parameter {i} of group {g} was not used by a step yet"
            gradient._cardswap_at_boundary = gradient._version

    def forget_gradients(self) -> None:
        """Called at the first boundary without attention after one with it."""
        self._has_noted = False
        self._unused = self._living = self._not_looked_at = ""

    def put_update(self, out: Any) -> None:
        if self._not_looked_at:
            raise ValueError(self._not_looked_at)
        lent = {name: vars(self.thing)[name] for name in _LENT if name in vars(self.thing)}
        data = codec.encode([self.save(), lent])
        library.load().cardswap_put_bytes(out, data, len(data))
        gradients = []
        for at, (_, _, parameter) in enumerate(self._parameters()):
            gradient = parameter.grad
            # The digests show a difference if a gradient that is left out here matters.
            if gradient is None or gradient.layout != torch().strided or gradient.dtype != parameter.dtype:
                continue
            held = gradient.detach().contiguous()
            # One that is written to again, not made anew, would not wait for the line; a step that unscales writes to it.
            is_written_to = at not in self._made_anew or lent.get("grad_scale") is not None
            if is_written_to and held.data_ptr() == gradient.data_ptr():
                held = held.clone()
            gradients.append(library.Gradient(at, held.data_ptr(), held.numel() * held.element_size(), self.keep(held)))
        array = (library.Gradient * len(gradients))(*gradients)
        library.load().cardswap_put_gradients(out, array, len(gradients))

    def replay(self, data: bytes, gradients: list[library.Gradient]) -> None:
        values, lent = codec.decode(data)
        self.load(values)
        parameters = [parameter for _, _, parameter in self._parameters()]
        for parameter in parameters:
            parameter.grad = None
        for gradient in gradients:
            parameter = parameters[gradient.parameter]
            size = parameter.numel() * parameter.element_size()
            if gradient.bytes != size:
                raise ValueError("a gradient of another size than its parameter")
            made = torch().empty_like(parameter.detach())
            if size:
                memory = (ctypes.c_char * size).from_address(gradient.memory)
                made.copy_(torch().frombuffer(memory, dtype=parameter.dtype).view(parameter.shape))
            parameter.grad = made
        lent = {name: lent[name] for name in _LENT if name in lent}
        vars(self.thing).update(lent)
        self.is_replaying = True
        try:
            self.thing.step()
        finally:
            self.is_replaying = False
            for name in lent:
                vars(self.thing).pop(name, None)
            for parameter in parameters:
                parameter.grad = None

    # ---- what prevents a move

    def obstacles(self) -> list[tuple[str, str]]:
        found = []
        sizes = self._sizes()
        if sizes[:len(self._groups)] != self._groups:
            found.append((f"it has {_told(sizes)}, and had {_told(self._groups)} at its first boundary: a standby "
                          "begins with those", "give it more parameters with add_param_group()"))
        else:
            added = self._added()
            names = self._names() if added else {}
            found += [(f"parameter {i} of group {g}, which came in mid-run, is in no module that is tracked",
                       "make its module before the first boundary, as a standby does")
                      for g, i, parameter in added if id(parameter) not in names]
        if self.is_stepped_elsewhere:
            found.append(("it was stepped in another thread than the main one", "call its step() in the thread that "
                          "calls cardswap.boundary(), or iterates over cardswap.batches()"))
        if self._not_looked_at:
            found.append((self._not_looked_at, "the job's log has the traceback"))
        if self._living or self._unused:
            found.append((self._living or self._unused,
                          "zero_grad() before the boundary, so that it sets gradients to None, as by default"))
        parameters = {id(parameter) for _, _, parameter in self._parameters()}
        for name, value in vars(self.thing).items():
            if torch().is_tensor(value) and id(value) not in parameters:
                found.append((f"it keeps a tensor in '{name}', outside of its state",
                              f"cardswap.track('{name}', optimizer.{name}) before the first boundary"))
        return found

    def _sizes(self) -> list[int]:
        return [len(group["params"]) for group in self.thing.param_groups]


def _told(sizes: list[int]) -> str:
    return f"{len(sizes)} parameter groups ({', '.join(str(size) for size in sizes)} parameters)"
