"""ParameterList and ParameterDict: parameters in a row, and under names of one's own.

They only hold what they are given.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Iterable, Iterator
from operator import index
from typing import Any, NoReturn, Self

from ...advice import a_type
from ..tensor import Tensor
from .containers import Names
from .module import Module
from .parameter import Parameter


def as_parameter(value: Any) -> Any:
    """A tensor as a parameter; anything else unchanged."""
    return Parameter(value) if isinstance(value, Tensor) and not isinstance(value, Parameter) else value


def described(values: Iterable[tuple[Any, Any]]) -> str:
    """A line for each parameter: its dtype and its shape."""
    lines = []
    for key, p in values:
        kind = "Parameter" if isinstance(p, Parameter) else "Tensor"
        text = (f"{kind} containing: [{p.dtype} of size {'x'.join(map(str, p.shape))}]" if isinstance(p, Tensor) else
                f"Object of type: {type(p).__name__}")
        lines.append(f"  ({key}): {text}")
    return "\n".join(lines)


def not_called(self: Module, *args: Any, **kwargs: Any) -> NoReturn:
    raise RuntimeError(f"{type(self).__name__}: should not be called; expected a module that computes; use the "
                       f"parameters inside of it")


class ParameterList(Module):
    """A list of parameters that a Module finds; tensors become parameters.

    Examples
    --------
    >>> import tinytensor.torch as torch
    >>> torch.nn.ParameterList([torch.ones(2, 3)])
    ParameterList(  (0): Parameter containing: [torch.float32 of size 2x3])
    """

    def __init__(self, values: Iterable[Any] | None = None) -> None:
        super().__init__()
        self._size = 0
        if values is not None:
            self.extend(values)

    def _name(self, i: Any) -> str:
        if not -self._size <= index(i) < self._size:
            raise IndexError(f"ParameterList: index {i} is out of range; expected {-self._size} to {self._size - 1}; "
                             f"append() makes it longer")
        return str(index(i) % self._size)

    def __getitem__(self, i: Any) -> Any:
        return type(self)(list(self)[i]) if isinstance(i, slice) else getattr(self, self._name(i))

    def __setitem__(self, i: int, value: Any) -> None:
        setattr(self, self._name(i), as_parameter(value))

    def __len__(self) -> int:
        return self._size

    def __iter__(self) -> Iterator[Any]:
        return (self[i] for i in range(self._size))

    def append(self, value: Any) -> Self:
        """Put one more at the end."""
        self._size += 1
        self[self._size - 1] = value
        return self

    def extend(self, values: Iterable[Any]) -> Self:
        """Put more at the end."""
        if not isinstance(values, Iterable) or isinstance(values, Tensor):
            raise TypeError(f"ParameterList.extend: should be called with an iterable, but got "
                            f"{type(values).__name__}; expected a list of tensors; use append for one")
        for value in values:
            self.append(value)
        return self

    def __iadd__(self, values: Iterable[Any]) -> Self:
        return self.extend(values)

    def extra_repr(self) -> str:
        return described(enumerate(self))

    __call__ = not_called


class ParameterDict(Names):
    """Parameters under names that a Module finds; tensors become parameters."""

    def __init__(self, parameters: Any = None) -> None:
        super().__init__()
        self._keys: dict[str, None] = {}
        if parameters is not None:
            plain = isinstance(parameters, dict) and not isinstance(parameters, OrderedDict)
            self.update(sorted(parameters.items()) if plain else parameters)

    def _held(self) -> dict[str, Any]:
        return {key: getattr(self, key) for key in self._keys}

    def __setitem__(self, key: str, value: Any) -> None:
        if not isinstance(key, str):
            raise TypeError(f"ParameterDict: got {a_type(key)} as key; expected a string; write str(key)")
        self._keys[key] = None
        setattr(self, key, as_parameter(value))

    def __delitem__(self, key: str) -> None:
        del self._keys[key]
        delattr(self, key)

    def get(self, key: str, default: Any = None) -> Any:
        """What is under a name, or the default."""
        return self._held().get(key, default)

    def setdefault(self, key: str, default: Any = None) -> Any:
        """What is under a name; the default is set where nothing is."""
        if key not in self:
            self[key] = default
        return self[key]

    def extra_repr(self) -> str:
        return described(self.items())

    __call__ = not_called
