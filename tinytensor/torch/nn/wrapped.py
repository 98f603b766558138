"""How a function becomes a module: its settings are attributes, and its `forward` calls it with them.

It holds no function; `activations.py` and `criteria.py` do.
"""

from __future__ import annotations

import inspect
from typing import Any, ClassVar

from ...advice import a_type
from ..tensor import Tensor
from .functions.losses import reduction_of
from .functions.offered import FUNCTIONS
from .module import Module

NEEDED = inspect.Parameter.empty


class Wrapped(Module):
    """A function as a module.

    A subclass says which: ``class ELU(Wrapped, function="elu", takes={"alpha": 1.0, "inplace": False})``.
    """

    function: ClassVar[str]
    reduction: Any
    takes: ClassVar[dict[str, Any]]  # its settings and their defaults, in PyTorch's order
    signature: ClassVar[inspect.Signature]

    def __init_subclass__(cls, function: str = "", takes: dict[str, Any] | None = None, named: bool = False) -> None:
        if function:
            cls.function = function
        if takes is not None:
            cls.takes = takes
            kind = inspect.Parameter.KEYWORD_ONLY if named else inspect.Parameter.POSITIONAL_OR_KEYWORD
            cls.signature = inspect.Signature([inspect.Parameter(name, kind, default=default)
                                               for name, default in takes.items()])
            setattr(cls, "__signature__", cls.signature)

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__()
        try:
            bound = self.signature.bind(*args, **kwargs)
        except TypeError as error:
            raise TypeError(f"{type(self).__name__}: {error}; expected {self.signature}; see help(torch.nn."
                            f"{type(self).__name__})") from None
        bound.apply_defaults()
        for name, value in bound.arguments.items():
            setattr(self, name, value)

    def settings(self) -> dict[str, Any]:
        """What the function is given besides its inputs."""
        return {name: getattr(self, name) for name in self.takes}

    def forward(self, *inputs: Any, **named: Any) -> Any:
        return FUNCTIONS[self.function](*inputs, **named, **self.settings())

    def extra_repr(self) -> str:
        shown = {name: getattr(self, name) for name in self.takes}
        return ", ".join(f"{name}={value!r}" for name, value in shown.items() if name != "inplace" or value)


class Loss(Wrapped):
    """A loss as a module: its weights are buffers."""

    buffers_of: ClassVar[tuple[str, ...]] = ("weight", "pos_weight")

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        own = vars(self)
        if "size_average" in self.takes:
            old = own.pop("size_average"), own.pop("reduce")
            if old != (None, None):
                self.reduction = reduction_of(type(self).__name__, *old, self.reduction)
        for name in self.buffers_of:
            if name in self.takes:
                tensor = own.pop(name)
                if tensor is not None and not isinstance(tensor, Tensor):
                    raise TypeError(f"{type(self).__name__}: got {a_type(tensor)} as {name}; expected a "
                                    f"tensor; write torch.tensor(...) around it")
                self.register_buffer(name, tensor)

    def settings(self) -> dict[str, Any]:
        return {name: getattr(self, name) for name in self.takes if name not in ("size_average", "reduce")}

    def extra_repr(self) -> str:
        return ""
