"""The attributes of a module: parameters, buffers and modules are kept apart, by name, with PyTorch's rules and errors.

What a module does with them is in `module.py`.
"""

from __future__ import annotations

from collections.abc import Collection
from functools import partial
from itertools import chain
from typing import Any

from ...advice import a_type
from ...names import Missing, refusal
from ..tensor import Tensor
from .parameter import Buffer, Parameter

HOOKS = ("_forward_hooks", "_forward_pre_hooks", "_backward_hooks", "_backward_pre_hooks")
NAMES = {"_parameters": "torch.nn.Parameter", "_buffers": "torch.Tensor", "_modules": "torch.nn.Module"}
PARTS = ("_parameters", "_buffers", "_modules")


def said_of(kind: str, namespace: str, name: str, own: Collection[str]) -> str:
    """What a module says of a name that it does not have: the reader's own class is named."""
    return refusal(namespace, name, own).replace(f"{namespace} has no", f"{kind} has no", 1)


def cure(value: Any) -> str:
    """Advice for a value where a module, a parameter or a buffer was expected."""
    if isinstance(value, type):
        return f"build one: {value.__name__}()"
    if isinstance(value, list | tuple):
        return "write a star before it, *layers, or use ModuleList"
    return "call a function in forward; for many there is a module, such as Tanh()" if callable(value) else "build one"


class Attributes:
    """What of a Module is about its attributes."""

    training: bool
    _parameters: dict[str, Any]
    _buffers: dict[str, Any]
    _modules: dict[str, Any]
    _non_persistent_buffers_set: set[str]
    _hooked = False  # whether any hook was ever registered

    def __init__(self) -> None:
        vars(self).update(training=True, _parameters={}, _buffers={}, _modules={}, _non_persistent_buffers_set=set(),
                          **{name: {} for name in HOOKS})

    def __setattr__(self, name: str, value: Any) -> None:
        own = vars(self)
        if isinstance(value, Parameter):
            self._take(name, "_parameters")
            self.register_parameter(name, value)
        elif "_parameters" in own and name in own["_parameters"]:
            self._replace(name, "_parameters", "parameter", value)
        elif isinstance(value, Attributes):
            self._take(name, "_modules")
            own["_modules"][name] = value
        elif "_modules" in own and name in own["_modules"]:
            self._replace(name, "_modules", "child module", value)
        elif isinstance(value, Buffer):
            self._take(name, "_buffers")
            self.register_buffer(name, value, value.persistent)
        elif "_buffers" in own and name in own["_buffers"]:
            if isinstance(value, Tensor):
                own["_buffers"][name] = value
            else:
                self._replace(name, "_buffers", "buffer", value)
        else:
            object.__setattr__(self, name, value)

    def _replace(self, name: str, part: str, what: str, value: Any) -> None:
        """Set an attribute of another kind to None; any other value is an error."""
        if value is not None:
            raise TypeError(f"{type(self).__name__}: cannot assign {type(value).__name__!r} as {what} {name!r} "
                            f"({NAMES[part]} or None expected); write self.{name} = {NAMES[part]}(...), or `del` the "
                            f"attribute first")
        vars(self)[part][name] = None

    def _take(self, name: str, part: str) -> None:
        """Make a name free in all other parts."""
        own = vars(self)
        if part not in own:
            raise AttributeError(f"{type(self).__name__}: cannot assign {part[1:]} before Module.__init__() call; got "
                                 f"{name!r}; call super().__init__() first")
        own.pop(name, None)
        for other in PARTS:
            if other != part:
                own[other].pop(name, None)
        own["_non_persistent_buffers_set"].discard(name)

    def __getattr__(self, name: str) -> Any:
        own = self.__dict__
        if "_modules" in own and (name in (part := own["_modules"]) or name in (part := own["_parameters"])
                                  or name in (part := own["_buffers"])):
            return part[name]
        raise Missing(partial(said_of, type(self).__name__), "Module", name, lambda: dir(self))

    def __delattr__(self, name: str) -> None:
        part = next((part for part in PARTS if name in vars(self)[part]), None)
        if part is None:
            object.__delattr__(self, name)
            return
        del vars(self)[part][name]
        self._non_persistent_buffers_set.discard(name)

    def __dir__(self) -> list[str]:
        names = chain(object.__dir__(self), *(vars(self)[part] for part in PARTS))
        return sorted({name for name in names if not name[0].isdigit()})

    def _new_name(self, name: Any, part: str, value: Any, kind: Any) -> None:
        """Refuse a name that can't be one, or a value of the wrong kind."""
        own, what = vars(self), f"{type(self).__name__}.register_{part[1:].rstrip('s')}"
        if part not in own:
            raise AttributeError(f"{what}: cannot assign {part[1:]} before Module.__init__() call; got {name!r}; call "
                                 f"super().__init__() first")
        if not isinstance(name, str):
            raise TypeError(f"{what}: got {a_type(name)} as name; expected a string; write str(name)")
        if not name or "." in name or (hasattr(self, name) and name not in own[part]):
            why = ("name can't be empty" if not name else 'name can\'t contain "."' if "." in name else
                   f"attribute {name!r} already exists")
            raise KeyError(f"{what}: {why}; expected a new name without dots; choose another")
        if value is not None and not isinstance(value, kind):
            raise TypeError(f"{what}: cannot assign {type(value).__name__!r} to {name!r} ({NAMES[part]} or None "
                            f"expected); {cure(value)}")

    def register_parameter(self, name: str, param: Parameter | None) -> None:
        """Add a parameter under a name; None reserves the name."""
        self._new_name(name, "_parameters", param, Parameter)
        if param is not None and param.node.op is not None:
            raise ValueError(f"register_parameter: cannot assign non-leaf Tensor to parameter {name!r}; expected a "
                             f"leaf; write torch.nn.Parameter(x.detach())")
        self._parameters[name] = param

    def register_buffer(self, name: str, tensor: Tensor | None, persistent: bool = True) -> None:
        """Add a tensor that is state but not trained; `state_dict` has it if it is persistent."""
        self._new_name(name, "_buffers", tensor, Tensor)
        self._buffers[name] = tensor
        (self._non_persistent_buffers_set.discard if persistent else self._non_persistent_buffers_set.add)(name)

    def add_module(self, name: str, module: Any) -> None:
        """Add a module under a name, which may be no identifier, such as "0"."""
        self._new_name(name, "_modules", module, Attributes)
        self._modules[name] = module

    register_module = add_module
