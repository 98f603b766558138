"""Holds `tinytensor.torch` against PyTorch: their arguments as ours, and what both give compared, gradients too.

It holds no tests; those that are made of it need PyTorch.
"""

from __future__ import annotations

import warnings
from collections.abc import Callable
from typing import Any

import numpy as np
import torch

import tinytensor.torch as ours

DTYPES = {getattr(torch, name): getattr(ours, name) for name in (
    "float32", "float64", "int64", "bool", "uint8", "int32", "float16", "int8", "int16")}
TOLERANCE = {"float32": (2e-4, 2e-5), "float64": (1e-7, 1e-9), "float16": (1e-2, 2e-3)}
ERRORS = (RuntimeError, TypeError, ValueError, IndexError, NotImplementedError)  # what PyTorch raises


class Left(Exception):
    """A sample that uses what is not here: complex numbers, bfloat16."""


# --- their arguments as ours ---


def converted(x: Any, leaves: list[tuple[Any, Any]]) -> Any:
    """An argument of theirs as ours; tensors that require grad are listed in pairs."""
    if isinstance(x, torch.Tensor):
        if x.dtype not in DTYPES or x.layout is not torch.strided or x.device.type != "cpu" or x.ndim > 64:
            raise Left(str(x.dtype))
        y = ours.from_numpy(x.detach().clone().numpy())
        if x.requires_grad:
            leaves.append((x, y.requires_grad_()))
        return y
    if isinstance(x, torch.dtype):
        if x not in DTYPES:
            raise Left(str(x))
        return DTYPES[x]
    if isinstance(x, complex):
        raise Left("complex")
    if isinstance(x, torch.Size):
        return ours.Size(x)
    if isinstance(x, torch.device):
        return ours.device(str(x))
    if isinstance(x, torch.Generator):
        return ours.Generator().manual_seed(x.initial_seed())
    if isinstance(x, torch.layout | torch.memory_format):
        return getattr(ours, str(x).removeprefix("torch."), None)
    if isinstance(x, torch.nn.Module):
        return lookup(f"nn.{type(x).__name__}")()
    if isinstance(x, slice):
        return slice(*[converted(part, leaves) for part in (x.start, x.stop, x.step)])
    if isinstance(x, dict):
        return {key: converted(value, leaves) for key, value in x.items()}
    if isinstance(x, list | tuple):
        parts = [converted(part, leaves) for part in x]
        return parts if isinstance(x, list) else tuple(parts)
    return x


def lookup(name: str) -> Any:
    """What `tinytensor.torch` has under a dotted name, or None."""
    found: Any = ours
    for part in name.split("."):
        try:
            found = getattr(found, part)
        except (AttributeError, ImportError):
            return None
    return found


# --- comparing ---


def flat(y: Any) -> list[Any]:
    """What a function gave, without its structure."""
    return [part for x in y for part in flat(x)] if isinstance(y, list | tuple) else [y]


def compare(what: str, a: Any, b: Any, values: bool = True, slack: float = 1) -> None:
    """Raise if ours, b, is not theirs, a; `slack` times the tolerance."""
    if not isinstance(a, torch.Tensor):
        assert type(a).__name__ == type(b).__name__ and (a == b or a != a or str(a) == str(b)), f"{what} {a!r}: {b!r}"
        return
    assert isinstance(b, ours.Tensor), f"{what} is a {type(b).__name__}"
    assert tuple(a.shape) == tuple(b.shape), f"{what} has shape {[*a.shape]}: {[*b.shape]}"
    assert str(a.dtype) == str(b.dtype), f"{what} has dtype {a.dtype}: {b.dtype}"
    x, y = a.detach().numpy(force=True), b.detach().numpy()
    relative, least = (t * slack for t in TOLERANCE.get(str(x.dtype), (0, 0)))
    if values and x.size and not np.allclose(y, x, relative, least * max(1, finite_size(x)), equal_nan=True):
        wrong = ~np.isclose(y, x, relative, least * max(1, finite_size(x)), equal_nan=True)
        raise AssertionError(f"{what} is {x[wrong][:3]}: {y[wrong][:3]}")


def finite_size(x: Any) -> float:
    """The median size of an array's finite elements: sums of large numbers cancel to small ones."""
    a = np.abs(x[np.isfinite(x)].astype(np.float64))
    return float(np.median(a)) if a.size else 0.0


def kept_apart(call: Callable[..., Any], *args: Any, **kwargs: Any) -> tuple[Any, Exception | None]:
    """What a call gives, and what it raises."""
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            return call(*args, **kwargs), None
    except Exception as error:
        return None, error


def gradients(ys: list[tuple[Any, Any]], leaves: list[tuple[Any, Any]], second: bool = False) -> None:
    """Compare the gradients of outputs by inputs, of a random cotangent; what needs none here has a gradient of 0."""
    ys = [(a, b) for a, b in ys if isinstance(a, torch.Tensor) and a.requires_grad and a.dtype.is_floating_point]
    if not ys or not leaves:
        return
    inputs = [x for x, _ in leaves]
    given = [torch.randn(a.shape, dtype=a.dtype) for a, _ in ys]
    theirs, error = kept_apart(torch.autograd.grad, [a for a, _ in ys], inputs, given, allow_unused=True,
                               create_graph=second)
    if error is not None:
        return
    theirs = [torch.zeros_like(x) if a is None else a for x, a in zip(inputs, theirs, strict=True)]
    needing = [(b, ours.from_numpy(g.numpy().copy())) for (_, b), g in zip(ys, given, strict=True) if b.requires_grad]
    found: Any = [None] * len(leaves)
    if needing:
        found, error = kept_apart(ours.autograd.grad, [b for b, _ in needing], [x for _, x in leaves],
                                  [g for _, g in needing], allow_unused=True, create_graph=second)
        if error is not None:
            raise error
    found = [ours.zeros_like(x) if b is None else b for (_, x), b in zip(leaves, found, strict=True)]
    for i, (a, b) in enumerate(zip(theirs, found, strict=True)):
        compare(f"gradient {i}", a, b, slack=5)
    if second:
        try:
            gradients(list(zip(theirs, found, strict=True)), leaves)
        except AssertionError as error:
            raise AssertionError(f"second {error}") from None
