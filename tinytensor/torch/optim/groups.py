"""A group of parameters and its settings, and what may be one. It knows no optimiser."""

from __future__ import annotations

from typing import Any

import numpy as np

from ..tensor import Tensor


def options(name: str, given: dict[str, Any]) -> None:
    """Refuse switches that would change a result."""
    for key in ("capturable", "differentiable"):
        if given.get(key):
            raise ValueError(f"{name}: got {key}={given[key]!r}; expected False, for it is not offered here; leave it "
                             f"out")
    if given.get("fused") and given.get("foreach"):
        raise RuntimeError(f"{name}: `fused` and `foreach` cannot be `True` together; expected one of them; leave both "
                           f"out, for they change no result")


def plain(value: Any) -> Any:
    """A setting as the engine's optimiser takes it."""
    if isinstance(value, tuple | list):
        return type(value)(map(plain, value))
    return value.item() if isinstance(value, Tensor | np.generic) else value


class Group(dict[str, Any]):
    """The settings of a group; those that the engine's optimiser has too are set there as well."""

    bound: tuple[Tensor, ...] = ()  # the tensors that the engine's optimiser knows
    inner: dict[str, Any] = {}  # noqa: RUF012 (each has its own, once the engine's optimiser is made)

    def __setitem__(self, key: str, value: Any) -> None:
        super().__setitem__(key, value)
        if key in self.inner and key != "params":
            self.inner[key] = plain(value)

    def update(self, *args: Any, **kwargs: Any) -> None:
        for key, value in dict(*args, **kwargs).items():
            self[key] = value

    def __reduce__(self) -> Any:
        return Group, (dict(self),)


def ordered(params: Any) -> list[Any]:
    """The items of what has an order."""
    if isinstance(params, set | frozenset):
        raise TypeError("optimizer parameters need to be organized in ordered collections, but the ordering of tensors "
                        "in sets will change between runs; got a set; use a list instead")
    try:
        return list(params)
    except TypeError:
        raise TypeError(f"params argument given to the optimizer should be an iterable of Tensors or dicts, but got a "
                        f"{type(params).__name__}; write model.parameters()") from None
