"""Modules made of modules, and of parameters, in rows and under names.

Sequential calls its modules one after the other; the others only hold what they are given.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Iterable, Iterator, Mapping
from itertools import groupby
from operator import index
from typing import Any, Self

from .module import Module


class Row(Module):
    """What Sequential and ModuleList share: modules in a row, under the names "0", "1", and so on."""

    def _name(self, i: Any) -> str:
        """The name of number `i`."""
        names, number = list(self._modules), index(i)
        if not -len(names) <= number < len(names):
            raise IndexError(f"{type(self).__name__}: index {i} is out of range; expected {-len(names)} to "
                             f"{len(names) - 1}; append() makes it longer")
        return names[number]

    def __len__(self) -> int:
        return len(self._modules)

    def __iter__(self) -> Iterator[Any]:
        return iter(self._modules.values())

    def __setitem__(self, i: int, module: Module) -> None:
        setattr(self, self._name(i), module)

    def __delitem__(self, i: Any) -> None:
        for name in list(self._modules)[i] if isinstance(i, slice) else [self._name(i)]:
            delattr(self, name)
        self._refill(self._modules.values())

    def _refill(self, modules: Iterable[Any]) -> None:
        """Let these be its modules, numbered."""
        modules = list(modules)
        self._modules.clear()
        for i, module in enumerate(modules):
            self.add_module(str(i), module)

    def append(self, module: Module) -> Self:
        """Put one more module at the end."""
        self.add_module(str(len(self)), module)
        return self

    def extend(self, modules: Iterable[Module]) -> Self:
        """Put more modules at the end."""
        if not isinstance(modules, Iterable):
            raise TypeError(f"{type(self).__name__}.extend: should be called with an iterable, but got "
                            f"{type(modules).__name__}; expected modules; use append for one")
        for module in list(modules):
            self.append(module)
        return self

    def insert(self, index: int, module: Module) -> Self:
        """Put a module before number `index`."""
        if not isinstance(module, Module):
            raise AssertionError(f"{type(self).__name__}.insert: module should be of type Module; got a "
                                 f"{type(module).__name__}; expected a module; build one")
        modules = list(self)
        modules.insert(index, module)
        self._refill(modules)
        return self

    def pop(self, key: Any) -> Any:
        """Remove a module and return it."""
        module = self[key]
        del self[key]
        return module

    def __getitem__(self, i: Any) -> Any:
        raise NotImplementedError

    def __iadd__(self, other: Iterable[Module]) -> Self:
        return self.extend(other)


class Sequential(Row):
    """Modules that are called one after the other, each with what the one before returned.

    Examples
    --------
    >>> import tinytensor.torch as torch
    >>> from tinytensor.torch import nn
    >>> model = nn.Sequential(nn.Linear(3, 4), nn.Tanh(), nn.Linear(4, 2))
    >>> model(torch.ones(5, 3)).shape
    torch.Size([5, 2])
    """

    def __init__(self, *args: Any) -> None:
        super().__init__()
        named = len(args) == 1 and isinstance(args[0], OrderedDict)
        given = args[0] if named else {str(i): module for i, module in enumerate(args)}
        for name, module in given.items():
            self.add_module(name, module)

    def __getitem__(self, i: Any) -> Any:
        if isinstance(i, slice):
            return type(self)(OrderedDict(list(self._modules.items())[i]))
        return self._modules[self._name(i)]

    def __add__(self, other: Any) -> Any:
        return Sequential(*self, *other)

    def forward(self, input: Any) -> Any:
        for module in self._modules.values():
            input = module(input)
        return input


class ModuleList(Row):
    """A list of modules that a Module finds; to be called one by one.

    Examples
    --------
    >>> from tinytensor.torch import nn
    >>> nn.ModuleList([nn.Linear(8, 8) for i in range(3)])
    ModuleList(
      (0-2): 3 x Linear(in_features=8, out_features=8, bias=True)
    )
    """

    def __init__(self, modules: Iterable[Module] | None = None) -> None:
        super().__init__()
        if modules is not None:
            self.extend(modules)

    def __getitem__(self, i: Any) -> Any:
        return type(self)(list(self)[i]) if isinstance(i, slice) else self._modules[self._name(i)]

    def __add__(self, other: Iterable[Any]) -> Any:
        return ModuleList([*self, *other])

    def insert(self, index: int, module: Module) -> None:  # type: ignore[override]
        """Put a module before number `index`."""
        self._refill([*list(self)[:index], module, *list(self)[index:]])

    def _lines(self) -> list[str]:
        lines = []
        for text, run in groupby(self._modules, lambda name: repr(self._modules[name])):  # equal ones in one line
            names = list(run)
            n = len(names)
            lines.append(f"({names[0]}): {text}" if n == 1 else f"({names[0]}-{names[-1]}): {n} x {text}")
        return lines


class Names(Module):
    """What ModuleDict and ParameterDict share: things under names of one's own, as in a dict."""

    def _held(self) -> dict[str, Any]:
        """What it holds, by name."""
        raise NotImplementedError

    def __getitem__(self, key: str) -> Any:
        return self._held()[key]

    def __setitem__(self, key: str, value: Any) -> None:
        raise NotImplementedError

    def __delitem__(self, key: str) -> None:
        raise NotImplementedError

    def __len__(self) -> int:
        return len(self._held())

    def __iter__(self) -> Iterator[str]:
        return iter(self._held())

    def __contains__(self, key: str) -> bool:
        return key in self._held()

    def keys(self) -> Any:
        return self._held().keys()

    def values(self) -> Any:
        return self._held().values()

    def items(self) -> Any:
        return self._held().items()

    def clear(self) -> None:
        """Take everything out."""
        for key in list(self):
            del self[key]

    def pop(self, key: str) -> Any:
        """Remove an entry by name and return it."""
        value = self[key]
        del self[key]
        return value

    def update(self, given: Any) -> None:
        """Set all that is in a mapping, or in pairs of name and value."""
        if not isinstance(given, Iterable):
            raise TypeError(f"{type(self).__name__}.update: should be called with an iterable of key/value pairs, but "
                            f"got {type(given).__name__}; expected a dict; write {{name: value}}")
        for key, value in (given.items() if isinstance(given, Mapping | Names) else given):
            self[key] = value


class ModuleDict(Names):
    """Modules under names that a Module finds.

    Examples
    --------
    >>> from tinytensor.torch import nn
    >>> nn.ModuleDict({"wte": nn.Embedding(65, 8), "act": nn.Tanh()})
    ModuleDict(
      (wte): Embedding(65, 8)
      (act): Tanh()
    )
    """

    def __init__(self, modules: Any = None) -> None:
        super().__init__()
        if modules is not None:
            self.update(modules)

    def _held(self) -> dict[str, Any]:
        return self._modules

    def __setitem__(self, key: str, module: Module) -> None:
        self.add_module(key, module)

    def __delitem__(self, key: str) -> None:
        del self._modules[key]
