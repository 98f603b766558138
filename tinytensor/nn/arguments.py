"""Checks of what layers are given: sizes, dtypes, and the shapes that convolutions and poolings take.

It computes no values.
"""

from __future__ import annotations

from collections.abc import Sequence
from operator import index
from typing import Any

import numpy as np

from ..advice import a_type
from ..core import Tensor, as_array

Sizes = tuple[int, ...]


def check_size(layer: str, name: str, value: Any, least: float = 1) -> int:
    """The size as an int; TypeError if it is not an integer, ValueError if it is below `least`."""
    size = check_integer(layer, name, value)
    if size < least:
        raise ValueError(f"{layer}: got {name}={value!r}; expected {least} or more; check how the size was computed")
    return size


def check_integer(layer: str, name: str, value: Any) -> int:
    """The value as an int; TypeError if it is not an integer."""
    try:
        if not isinstance(value, bool):
            return index(value)
    except TypeError:  # subtle: every array has __index__, and only one of a single integer answers
        pass
    raise TypeError(f"{layer}: got {described_argument(name, value)}; expected an integer; convert it with int(), "
                    f"divide with //")


def check_number(layer: str, name: str, value: Any) -> Any:
    """The value as `python_number` has it; TypeError unless it is one real number, of Python's or NumPy's."""
    if not isinstance(value, int | float) and (getattr(value, "shape", None) != () or value.dtype.kind not in "fiub"):
        raise TypeError(f"{layer}: got {described_argument(name, value)}; expected a number; pass a float")
    return python_number(value)


def check_choice(layer: str, name: str, value: Any, known: Sequence[str], advice: str) -> None:
    """Raise ValueError unless the value is one of the words known."""
    if not isinstance(value, str) or value not in known:
        *most, last = map(repr, known)
        expected = f"{', '.join(most)} or {last}" if most else last
        raise ValueError(f"{layer}: got {described_argument(name, value)}; expected {expected}; {advice}")


def described_argument(name: str, value: Any) -> str:
    """An argument for an error message: the shape of an array, the type of an object, other values as written."""
    if isinstance(value, int | float | complex | str | bytes | np.generic | None):
        return f"{name}={value!r}"
    return f"{name} of shape {value.shape}" if isinstance(value, Tensor | np.ndarray) else f"{a_type(value)} as {name}"


def check_heads(layer: str, embed_dim: int, num_heads: int) -> None:
    """Raise ValueError unless the heads divide the width."""
    if embed_dim % num_heads:
        raise ValueError(f"{layer}: got embed_dim={embed_dim} and num_heads={num_heads}; expected a multiple of the "
                         f"heads, which share the width equally; change one of them")


def dtype_error(layer: str, x: Any, weight: Tensor) -> TypeError:
    """The error for an input whose dtype is not the weight's: the product would silently become float64."""
    dtype = getattr(x, "dtype", None)
    got = a_type(x) if dtype is None else f"dtype {dtype}"
    advice = "make it a tensor: tt.tensor(x)" if dtype is None else f"convert it: x.astype(np.{weight.dtype})"
    also = f", or the model: model.astype(np.{dtype})" if dtype is not None and dtype.kind == "f" else ""
    return TypeError(f"{layer}: got {got} as input; expected {weight.dtype}, as the weights have; {advice}{also}")


def as_floating(name: str, x: Any) -> Any:
    """x as an array or Tensor; TypeError unless its dtype is floating."""
    x = x if isinstance(x, Tensor | np.ndarray) else as_array(x)
    if x.dtype.kind != "f":
        raise TypeError(f"{name}: got an input of dtype {x.dtype}; expected a floating one; convert it: "
                        f"x.astype(np.float32)")
    return x


def per_axis(layer: str, name: str, value: Any, n: int, least: int = 1) -> Sizes:
    """Sizes of the last n axes as a tuple, from one integer for all or a sequence of n."""
    given = tuple(value) if isinstance(value, tuple | list) else (value,) * n
    if len(given) == 1:
        given *= n
    if len(given) != n:
        raise ValueError(f"{layer}: got {name}={value!r}; expected an integer, or one for each of the last {n} axes; "
                         f"pass {n} integers")
    return tuple(check_size(layer, name, v, least) for v in given)


def python_number(value: Any) -> Any:
    """NumPy's scalars and 0-d arrays as Python's numbers, and anything else as it is.

    A setting of float64, such as an element of `np.linspace`, would make float32 inputs float64.
    """
    return value.item() if isinstance(value, np.generic | np.ndarray) and not value.ndim else value


def add_batch_axis(name: str, x: Any, n: int, channels: int | None = None) -> tuple[Any, bool]:
    """x as (N, C, ...) with n last axes, and whether a batch axis was added."""
    letters = ("L", "H, W")[n - 1]
    wanted = "C" if channels is None else str(channels)
    if x.ndim not in (n + 1, n + 2) or (channels is not None and x.shape[-n - 1] != channels):
        raise ValueError(f"{name}: got x of shape {x.shape}; expected (N, {wanted}, {letters}) or ({wanted}, "
                         f"{letters}), channels before positions; move the channels: np.moveaxis(x, -1, 1)")
    return (x[None], True) if x.ndim == n + 1 else (x, False)


def count_windows(name: str, x: Any, kernel: Sizes, stride: Sizes, padding: Any, dilation: Sizes,
                  ceil_mode: bool = False) -> Sizes:
    """The number of windows along each of the last axes of x, after padding."""
    windows = []
    for length, k, s, (a, b), d in zip(x.shape[-len(kernel) :], kernel, stride, padding, dilation, strict=True):
        span = d * (k - 1) + 1
        n = (length + a + b - span) // s + 1
        if ceil_mode and (length + a + b - span) % s and n * s < length + a:  # one more, if it begins before the end
            n += 1
        if n < 1:
            raise ValueError(f"{name}: got x of shape {x.shape}; expected {span - a - b} positions or more along each "
                             f"of the last axes, as a window spans {span}; use larger inputs, or more padding")
        windows.append(n)
    return tuple(windows)
