"""Containers: Sequential calls its modules one after the other; lists and dicts only hold modules or parameters.

What they hold is found by `parameters()` and `state_dict()`, which plain lists and dicts hide. Only Sequential has a
`forward`.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import ItemsView, Iterable, Iterator, KeysView, Mapping, ValuesView
from itertools import count, groupby
from operator import index
from typing import Any, Self

import numpy as np

from ..advice import a_type
from ..core import Tensor
from .module import Module
from .parameter import Parameter


def name_of(owner: Module, i: int, names: list[str]) -> str:
    """The name of number `i`; IndexError if there are fewer."""
    n = len(names)
    if not -n <= index(i) < n:
        what = f"{-n} to {n - 1}; append() makes it longer" if n else "none, it is empty; append() first"
        raise IndexError(f"{type(owner).__name__}: got index {i} for a length of {n}; expected {what}")
    return names[i]


def new_name(owner: Any) -> str:
    """The first number, from the length on, that no attribute has as its name."""
    return next(name for name in map(str, count(len(owner))) if name not in vars(owner))


def check_module(owner: Module, name: str, module: Any) -> None:
    """Raise TypeError unless it is a Module: None would silently remove what has the name."""
    if not isinstance(module, Module):
        raise TypeError(f"{type(owner).__name__}: got a {type(module).__name__} as {name!r}; expected a Module; use "
                        f"nn.Identity() for one that does nothing")


def pairs_of(owner: Module, parts: Any) -> list[tuple[str, Any]]:
    """The items of a mapping, or pairs as they are; TypeError if they are no pairs."""
    named = isinstance(parts, Mapping | NamedParts)
    pairs = [*parts.items()] if named else as_list(owner, parts, "pairs of name and part")
    if not all(isinstance(pair, tuple | list) and len(pair) == 2 for pair in pairs):
        raise TypeError(f"{type(owner).__name__}: got a {type(parts).__name__} without names; expected a mapping, or "
                        f"pairs of name and part; write {{'name': part}}")
    return [(name, part) for name, part in pairs]


class ModuleSequence(Module):
    """The base of Sequential and ModuleList: modules in order, under the names "0", "1", and so on."""

    def append(self, module: Module) -> Self:
        """Add a module at the end."""
        self.add_module(new_name(self), module)
        return self

    def extend(self, modules: Iterable[Module]) -> Self:
        """Add modules at the end."""
        for module in as_list(self, modules, "Modules"):
            self.append(module)
        return self

    def __len__(self) -> int:
        return len(self._own(Module))

    def __iter__(self) -> Iterator[Module]:
        return iter(self._own(Module).values())

    def _name(self, i: int) -> str:
        """The name of number `i`."""
        return name_of(self, i, list(self._own(Module)))

    def __setitem__(self, i: int, module: Module) -> None:
        check_module(self, self._name(i), module)
        setattr(self, self._name(i), module)


class Sequential(ModuleSequence):
    """Modules that are called one after the other, each with what the one before returned.

    Parameters
    ----------
    *modules : Module, or one mapping of names to modules
        A slice is a Sequential of the same modules, under the same names.

    Examples
    --------
    >>> import tinytensor as tt
    >>> from tinytensor import nn
    >>> model = nn.Sequential(nn.Linear(3, 4), nn.Tanh(), nn.Linear(4, 2))
    >>> model(tt.ones(5, 3)).shape
    (5, 2)
    """

    def __init__(self, *modules: Any) -> None:
        super().__init__()
        if len(modules) == 1 and isinstance(modules[0], Mapping):
            for name, module in modules[0].items():
                self.add_module(name, module)
        else:
            self.extend(modules)

    def __getitem__(self, i: Any) -> Any:
        if isinstance(i, slice):
            return Sequential(dict(list(self._own(Module).items())[i]))
        return vars(self)[self._name(i)]

    def forward(self, x: Any) -> Tensor:
        for module in self:
            x = module(x)
        return x


class ModuleList(ModuleSequence):
    """A list of modules whose parameters are found; call them one by one.

    Examples
    --------
    >>> from tinytensor import nn
    >>> nn.ModuleList(nn.Linear(8, 8) for i in range(3))
    ModuleList(
      (0-2): 3 x Linear(in_features=8, out_features=8, bias=True)
    )
    """

    def __init__(self, modules: Iterable[Module] = ()) -> None:
        super().__init__()
        if isinstance(modules, Module) and not isinstance(modules, ModuleSequence):
            raise TypeError(f"ModuleList: got a {type(modules).__name__}; expected an iterable of modules; write "
                            f"nn.ModuleList([module])")
        self.extend(modules)

    def __getitem__(self, i: Any) -> Any:
        return ModuleList(list(self)[i]) if isinstance(i, slice) else vars(self)[self._name(i)]

    def _lines(self) -> list[str]:
        lines = []
        for text, run in groupby(self._own(Module), lambda name: repr(vars(self)[name])):  # equal ones in one line
            names = list(run)
            first, last, n = names[0], names[-1], len(names)
            lines.append(f"({first}): {text}" if n == 1 else f"({first}-{last}): {n} x {text}")
        return lines


class ParameterList(Module):
    """A list of parameters that a Module finds; Tensors and arrays become parameters that share their memory.

    Examples
    --------
    >>> import tinytensor as tt
    >>> from tinytensor import nn
    >>> scales = nn.ParameterList([tt.ones(2), tt.ones(3)])
    >>> scales[1], [name for name, p in scales.named_parameters()]
    (Parameter([1., 1., 1.]), ['0', '1'])
    """

    def __init__(self, values: Iterable[Any] = ()) -> None:
        super().__init__()
        self.extend(values)

    def append(self, parameter: Any) -> Self:
        """Add a parameter at the end."""
        self._add(new_name(self), as_parameter(self, parameter))
        return self

    def extend(self, parameters: Iterable[Any]) -> Self:
        """Add parameters at the end."""
        if isinstance(parameters, Tensor | np.ndarray):
            raise TypeError(f"ParameterList: got one {type(parameters).__name__}; expected a list of them; write "
                            f"append(x), or [x]")
        for parameter in as_list(self, parameters, "Parameters"):
            self.append(parameter)
        return self

    def __len__(self) -> int:
        return len(self._own(Parameter))

    def __iter__(self) -> Iterator[Parameter]:
        return iter(self._own(Parameter).values())

    def _name(self, i: int) -> str:
        return name_of(self, i, list(self._own(Parameter)))

    def __getitem__(self, i: Any) -> Any:
        return ParameterList(list(self)[i]) if isinstance(i, slice) else vars(self)[self._name(i)]

    def __setitem__(self, i: int, parameter: Any) -> None:
        setattr(self, self._name(i), as_parameter(self, parameter))

    def _lines(self) -> list[str]:
        return [f"({name}): Parameter of shape {p.shape}" for name, p in self._own(Parameter).items()]


def as_list(owner: Module, xs: Any, what: str) -> list[Any]:
    """The items as a list; TypeError if they are none."""
    try:
        return list(xs)
    except TypeError:
        raise TypeError(f"{type(owner).__name__}: got {a_type(xs)}; expected a list of {what}; write [...] around it"
                        ) from None


def as_parameter(owner: Module, x: Any) -> Parameter:
    """A parameter as it is; a Tensor or array as a parameter that shares its memory."""
    if not isinstance(x, Tensor | np.ndarray):
        raise TypeError(f"{type(owner).__name__}: got {a_type(x)}; expected Parameters, Tensors or arrays; "
                        f"convert it: nn.Parameter(x)")
    return x if isinstance(x, Parameter) else Parameter(x.data if isinstance(x, Tensor) else x)


class NamedParts(Module):
    """The base of ModuleDict and ParameterDict: the methods of a dict."""

    _kind: type[Any]

    def __len__(self) -> int:
        return len(self.items())

    def __iter__(self) -> Iterator[str]:
        return iter(self.keys())

    def __contains__(self, name: object) -> bool:
        return name in self.keys()

    def __getitem__(self, name: str) -> Any:
        parts = self._own(self._kind)
        if name not in parts:
            raise KeyError(f"{type(self).__name__}: got the name {name!r}; expected one of {[*parts]}; set it first")
        return parts[name]

    def __setitem__(self, name: str, part: Any) -> None:
        if name in self:
            setattr(self, name, part)
        else:
            self._add(name, part)

    def __delitem__(self, name: str) -> None:
        self[name]  # raises KeyError for an unknown name
        delattr(self, name)

    def keys(self) -> KeysView[str]:
        """The names, in the order in which they were set."""
        return self._own(self._kind).keys()

    def values(self) -> ValuesView[Any]:
        """The values, in the order of the names."""
        return self._own(self._kind).values()

    def items(self) -> ItemsView[str, Any]:
        """Pairs of name and value."""
        return self._own(self._kind).items()

    def pop(self, name: str) -> Any:
        """Remove the value with this name, and return it."""
        part = self[name]
        del self[name]
        return part

    def clear(self) -> None:
        """Remove everything."""
        for name in list(self):
            del self[name]

    def update(self, parts: Any) -> None:
        """Set all that is in a mapping, or in pairs of name and part."""
        for name, part in pairs_of(self, parts):
            self[name] = part


class ModuleDict(NamedParts):
    """A dict of modules whose parameters are found; call them by name.

    Parameters
    ----------
    modules : mapping, or pairs of name and Module, optional

    Examples
    --------
    >>> from tinytensor import nn
    >>> heads = nn.ModuleDict({"digit": nn.Linear(8, 10), "colour": nn.Linear(8, 3)})
    >>> heads["colour"], "shape" in heads, list(heads)
    (Linear(in_features=8, out_features=3, bias=True), False, ['digit', 'colour'])
    """

    _kind = Module

    def __init__(self, modules: Any = ()) -> None:
        super().__init__()
        self.update(modules or ())

    def __setitem__(self, name: str, module: Module) -> None:
        if name in self:
            check_module(self, name, module)
            setattr(self, name, module)
        else:
            self.add_module(name, module)


class ParameterDict(NamedParts):
    """A dict of parameters that a Module finds; Tensors and arrays become parameters that share their memory.

    Parameters
    ----------
    parameters : mapping, or pairs of name and parameter, optional
        Subtle: a plain dict is sorted by name, as in PyTorch; an OrderedDict and pairs keep theirs.

    Examples
    --------
    >>> import tinytensor as tt
    >>> from tinytensor import nn
    >>> nn.ParameterDict({"scale": tt.ones(2), "shift": tt.zeros(2)})
    ParameterDict(
      (scale): Parameter of shape (2,)
      (shift): Parameter of shape (2,)
    )
    """

    _kind = Parameter

    def __init__(self, parameters: Any = ()) -> None:
        super().__init__()
        self.update(parameters or ())

    def __setitem__(self, name: str, parameter: Any) -> None:
        super().__setitem__(name, as_parameter(self, parameter))

    def update(self, parameters: Any) -> None:
        """Set all that is in a mapping, or in pairs of name and parameter."""
        ordered = not isinstance(parameters, Mapping) or isinstance(parameters, OrderedDict)
        super().update(parameters if ordered else sorted(parameters.items()))

    def _lines(self) -> list[str]:
        return [f"({name}): Parameter of shape {p.shape}" for name, p in self.items()]
