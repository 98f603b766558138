"""Modules made of modules: Sequential calls them one after the other, ModuleList only holds them.

They have no parameters of their own, and a ModuleList no `forward`.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from itertools import count, groupby
from operator import index
from typing import Any, Self

from ..core import Tensor
from .module import Module


class Row(Module):
    """What Sequential and ModuleList share: modules in a row, under the names "0", "1", and so on."""

    def append(self, module: Module) -> Self:
        """Put one more module at the end."""
        self.add_module(next(name for name in map(str, count(len(self))) if name not in vars(self)), module)
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

    def _name(self, i: int) -> str:
        """The name of number `i`."""
        names = list(self._own(Module))
        if not -len(names) <= index(i) < len(names):
            raise IndexError(f"{type(self).__name__}: index {i} came for {len(names)} modules; expected "
                             f"{-len(names)} to {len(names) - 1}; append() makes it longer")
        return names[i]

    def __setitem__(self, i: int, module: Module) -> None:
        setattr(self, self._name(i), module)


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

    def __getitem__(self, i: Any) -> Any:
        if isinstance(i, slice):
            return Sequential(dict(list(self._own(Module).items())[i]))
        return vars(self)[self._name(i)]

    def forward(self, x: Any) -> Tensor:
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

    def __getitem__(self, i: Any) -> Any:
        return ModuleList(list(self)[i]) if isinstance(i, slice) else vars(self)[self._name(i)]

    def _lines(self) -> list[str]:
        lines = []
        for text, run in groupby(self._own(Module), lambda name: repr(vars(self)[name])):  # equal ones in one line
            names = list(run)
            first, last, n = names[0], names[-1], len(names)
            lines.append(f"({first}): {text}" if n == 1 else f"({first}-{last}): {n} x {text}")
        return lines
