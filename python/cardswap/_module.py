"""Modules as tracked things."""

from __future__ import annotations

from typing import Any

from . import _codec as codec
from . import _library as library
from ._tensors import description, regions_of


class ModuleThing(library.Thing):
    """Parameters and buffers under their names in state_dict(), each storage once; also which parameters require
    gradients, and which modules train.

    The description of each module is part of the layout, so that a different module is refused by name before anything
    is sent. A description may change during the run, so it is compared again with the values.
    """

    kind = "module"

    def __init__(self, name: str, module: Any) -> None:
        super().__init__(name)
        self.thing = module
        self._descriptions: list[tuple[str, str]] = []

    def type_name(self) -> str:
        return f"{type(self.thing).__module__}.{type(self.thing).__qualname__}"

    def regions(self) -> tuple[list[library.Region], object]:
        # With tied tensors under each of their names, as state_dict() has them.
        regions, owners = regions_of([*self.thing.named_parameters(remove_duplicate=False),
                                      *self.thing.named_buffers(remove_duplicate=False)])
        if not self._descriptions:
            self._describe()
        for name, text in self._descriptions:
            regions.append(library.Region(name.encode(), b"module", text.encode(), None, 0, None, 0))
        return regions, owners

    def save(self) -> bytes:
        modules = list(self.thing.modules())
        return codec.encode([
            [parameter.requires_grad for parameter in self.thing.parameters()],
            [module.training for module in modules],
            [description(module) for module in modules],
        ])

    def load(self, data: bytes) -> None:
        requires_grad, training, descriptions = codec.decode(data)
        parameters = list(self.thing.parameters())
        modules = list(self.thing.named_modules())
        if len(parameters) != len(requires_grad) or len(modules) != len(training):
            raise ValueError("the other side has another number of parameters or of modules")
        for (name, module), theirs in zip(modules, descriptions):
            ours = description(module)
            if ours != theirs:
                raise ValueError(f"{name or 'it'} is {theirs} on the source and {ours} on the target")
        for (_, module), trains in zip(modules, training):
            module.training = trains
        for parameter, wanted in zip(parameters, requires_grad):
            if parameter.requires_grad != wanted:
                parameter.requires_grad_(wanted)
            parameter.grad = None  # of the warm-up: the source's next step begins without gradients

    def obstacles(self) -> list[tuple[str, str]]:
        self._describe()
        return []

    def _unsaved(self) -> list[tuple[str, str]]:
        """A region's name for each buffer that no state_dict has, which an export of a snapshot leaves out then."""
        return [(f"{prefix}{'.' if prefix else ''}{name} (not in state_dict)", "")
                for prefix, module in self.thing.named_modules(remove_duplicate=False)
                for name in sorted(getattr(module, "_non_persistent_buffers_set", ()))
                if getattr(module, name, None) is not None]

    def _describe(self) -> None:
        self._descriptions = [(f"{name} (module)" if name else "(module)", description(module))
                              for name, module in self.thing.named_modules()] + self._unsaved()
