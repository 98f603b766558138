"""Modules made of modules: Sequential calls them one after the other, ModuleList only holds them.

They have no parameters of their own, and a ModuleList no `forward`.
"""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Iterable, Iterator, Mapping
from itertools import groupby
from operator import index
from typing import Any, Self

from .module import Module


class Row(Module):
    """What Sequential and ModuleList share: modules in a row, under the names "0", "1", and so on."""

    @abstractmethod
    def _slice(self, i: slice) -> Any:
        """What a slice of it is."""

    def append(self, module: Module) -> Self:
        """Put one more module at the end."""
        self.add_module(str(len(self)), module)
        return self

    def extend(self, modules: Iterable[Module]) -> Self:
        """Put more modules at the end."""
        for module in list(modules):
            self.append(module)
        return self

    def __len__(self) -> int:
        return len(self._own(Module))

    def __iter__(self) -> Iterator[Module]:
        return iter(self._own(Module).values())

    def _at(self, i: int) -> str:
        """The name of number `i`."""
        names = list(self._own(Module))
        if not -len(names) <= index(i) < len(names):
            raise IndexError(f"{type(self).__name__}: index {i} came for {len(names)} modules; expected {-len(names)} to "
                             f"{len(names) - 1}; append() makes it longer")  # fmt: skip
        return names[i]

    def __getitem__(self, i: Any) -> Any:
        return self._slice(i) if isinstance(i, slice) else vars(self)[self._at(i)]

    def __setitem__(self, i: int, module: Module) -> None:
        setattr(self, self._at(i), module)


class Sequential(Row):
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

    def _slice(self, i: slice) -> Sequential:
        return type(self)(dict(list(self._own(Module).items())[i]))

    def forward(self, x: Any) -> Any:
        for module in self:
            x = module(x)
        return x


class ModuleList(Row):
    """A list of modules that a Module finds; to be called one by one.

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
        self.extend(modules)

    def _slice(self, i: slice) -> ModuleList:
        return type(self)(list(self)[i])

    def _lines(self) -> list[str]:
        runs = [(text, [name for name, _ in run]) for text, run in groupby(
            ((name, repr(module)) for name, module in self._own(Module).items()), lambda pair: pair[1])]
        return [f"({names[0]}-{names[-1]}): {len(names)} x {text}" if len(names) > 1 else f"({names[0]}): {text}"
                for text, names in runs]
