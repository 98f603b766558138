"""How PyTorch prints a tensor: its values, its dtype, and whether it takes a gradient.

It knows arrays only, nothing of tensors; the name of the function that made one comes from `backward_names.py`.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

Array = npt.NDArray[Any]

PARAMETER = "Parameter containing:\ntensor("  # the prefix of a Parameter's text


# --- options ---


@dataclass
class Options:
    """What `set_printoptions` sets, for the whole process."""

    precision: int = 4
    threshold: float = 1000
    edgeitems: int = 3
    linewidth: int = 80
    sci_mode: bool | None = None


options = Options()

PROFILES: dict[str, dict[str, Any]] = {
    "default": {"precision": 4, "threshold": 1000, "edgeitems": 3, "linewidth": 80},
    "short":   {"precision": 2, "threshold": 1000, "edgeitems": 2, "linewidth": 80},
    "full":    {"precision": 4, "threshold": math.inf, "edgeitems": 3, "linewidth": 80},
}  # fmt: skip


def set_printoptions(precision: int | None = None, threshold: float | None = None, edgeitems: int | None = None,
                     linewidth: int | None = None, profile: str | None = None, sci_mode: bool | None = None) -> None:
    """Set how tensors are printed, from now on.

    As in PyTorch, what is not given stays as it is, except `sci_mode`, which goes back to None. Unlike there, a value
    with which nothing could be printed is refused at once, and so is the name of an unknown profile.

    Parameters
    ----------
    precision : int
        Digits after the point.
    threshold : number
        A tensor of more elements is summarised: only its edges are printed.
    edgeitems : int
        Elements at either edge of each axis of a summary.
    linewidth : int
        Characters in a line.
    profile : {"default", "short", "full"}
        Sets the four above, before those that are given take their place.
    sci_mode : bool, optional
        Whether floats are printed as 1.0000e+00. None decides by their size.

    Examples
    --------
    >>> import numpy as np
    >>> set_printoptions(precision=2)
    >>> print(tensor_text(np.array([0.123456]), dtype_name="float32"))
    tensor([0.12])
    >>> set_printoptions(profile="default")
    >>> print(tensor_text(np.array([0.123456]), dtype_name="float32"))
    tensor([0.1235])
    """
    if profile is not None and profile not in PROFILES:
        raise ValueError(f"set_printoptions: got profile={profile!r}; expected one of {', '.join(PROFILES)}; "
                         f"give one of these, or the options themselves")
    given = {"precision": precision, "edgeitems": edgeitems, "linewidth": linewidth}
    for name, value in given.items():
        if value is not None and (not isinstance(value, int) or value < 0):
            raise ValueError(f"set_printoptions: got {name}={value!r}; expected an integer of 0 or more; "
                             f"leave it out for what is set")
    if threshold is not None and (not isinstance(threshold, int | float) or math.isnan(threshold)):
        raise ValueError(f"set_printoptions: got threshold={threshold!r}; expected a number; "
                         f"give float('inf') to print all elements")
    if sci_mode not in (None, True, False):
        raise ValueError(f"set_printoptions: got sci_mode={sci_mode!r}; expected True, False or None; "
                         f"leave it out to have it decided by the values")
    chosen = PROFILES[profile] if profile is not None else {}
    chosen = chosen | {name: value for name, value in (given | {"threshold": threshold}).items() if value is not None}
    for name, value in chosen.items():
        setattr(options, name, value)
    options.sci_mode = sci_mode


# --- one number ---


def number_style(shown: Array) -> tuple[Callable[[Any], str], int]:
    """How to write each of these numbers, and how many characters one takes."""
    write: Callable[[Any], str]
    parts: list[Array]
    if shown.dtype.kind == "f":
        usual = shown[np.isfinite(shown) & (shown != 0)].astype(np.float64)
        write, parts = float_style(usual), [usual[usual > 0], usual[usual < 0]]
    else:
        write, parts = str, [shown]
    # A number gets longer with its size or its exponent, so the longest is at an end: of either sign, with floats.
    ends = [end(part).item() for part in parts if part.size for end in (np.min, np.max)]
    width = max([1, *(len(write(value)) for value in ends)])
    return lambda value: write(value).rjust(width), width


def float_style(usual: Array) -> Callable[[float], str]:
    """How to write floats, judged by those among them that are finite and not zero."""

    def whole(value: float) -> str:
        return f"{value:.0f}." if math.isfinite(value) else f"{value}"

    if not usual.size:
        return whole
    sizes = np.abs(usual)
    low, high = sizes.min().item(), sizes.max().item()
    scientific = options.sci_mode
    if scientific is None:
        scientific = high / low > 1000 or high > 1e8 or low < 1e-4
    if not scientific and (sizes == np.floor(sizes)).all():
        return whole
    return f"{{:.{options.precision}{'e' if scientific else 'f'}}}".format


# --- nested brackets ---


def edges(array: Array) -> Array:
    """The elements that a summary shows."""
    for axis, length in enumerate(array.shape):
        if length > 2 * options.edgeitems:
            ends = [*range(options.edgeitems), *range(length - options.edgeitems, length)]
            array = array.take(np.array(ends, np.intp), axis)
    return array


def bracketed(array: Array, indent: int, summary: bool, write: Callable[[Any], str], width: int) -> str:
    """The values of an array whose opening bracket is in column `indent`."""
    if array.ndim == 0:
        return write(array.item())
    edge, vector = options.edgeitems, array.ndim == 1

    def items(part: Array) -> list[str]:
        if vector:
            return [write(value) for value in part.tolist()]
        return [bracketed(row, indent + 1, summary, write, width) for row in part]

    if summary and len(array) > 2 * edge:
        texts = [*items(array[:edge]), " ..." if vector and edge else "...", *items(array[len(array) - edge:])]
    else:
        texts = items(array)
    if vector:
        count = max(1, (options.linewidth - indent) // (width + 2))
        texts = [", ".join(texts[i:i + count]) for i in range(0, len(texts), count)]
    return "[" + ("," + "\n" * max(1, array.ndim - 1) + " " * (indent + 1)).join(texts) + "]"


# --- the whole text ---


def tensor_text(array: Array, *, grad_fn: str | None = None, requires_grad: bool = False, dtype_name: str,
                default_dtype_name: str = "float32", prefix: str = "tensor(") -> str:
    """What PyTorch prints for a tensor of these values.

    Parameters
    ----------
    array : ndarray
        Of booleans, integers or floats.
    grad_fn : str, optional
        The name of the function that made the tensor: see `backward_name`.
    requires_grad : bool
        Whether a leaf takes a gradient. Where `grad_fn` is given, that is what is printed.
    dtype_name, default_dtype_name : str
        The dtype and the default for floats, such as "float64".
    prefix : str
        What stands before the values: `PARAMETER` for a parameter, ``"Name("`` for a subclass of that name.

    Examples
    --------
    >>> import numpy as np
    >>> print(tensor_text(np.array([[1.0, 2.5], [0.0, -3.0]]), dtype_name="float64", requires_grad=True))
    tensor([[ 1.0000,  2.5000],
            [ 0.0000, -3.0000]], dtype=torch.float64, requires_grad=True)
    >>> print(tensor_text(np.zeros((0, 3), np.float32), dtype_name="float32"))
    tensor([], size=(0, 3))
    """
    indent = len(prefix) - 1 - prefix.rfind("\n")
    if array.size:
        summary = array.size > options.threshold
        values = bracketed(array, indent, summary, *number_style(edges(array) if summary else array))
        sized, shown = not options.edgeitems, {default_dtype_name, "int64", "bool"}
    else:
        values, sized, shown = "[]", array.ndim != 1, {default_dtype_name}  # no values to tell integers by
    notes = [f"size={array.shape}"] if sized else []
    if dtype_name not in shown:
        notes.append(f"dtype=torch.{dtype_name}")
    if grad_fn is not None:
        notes.append(f"grad_fn=<{grad_fn}>")
    elif requires_grad:
        notes.append("requires_grad=True")
    text = prefix + values
    column = len(text) - text.rfind("\n") + 1  # subtle: two more than there are: PyTorch keeps room for ", " twice
    for note in notes:
        if column + len(note) + 2 > options.linewidth:
            text, column = f"{text},\n{' ' * indent}{note}", indent + len(note)
        else:
            text, column = f"{text}, {note}", column + len(note) + 2
    return text + ")"
