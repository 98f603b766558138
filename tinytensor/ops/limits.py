"""Elementwise selection and conversion: clip, where, nan_to_num, astype, and the parts of complex numbers."""

from __future__ import annotations

from typing import Any

import numpy as np

from ..compose import composed, make_nondifferentiable
from ..core import NUMPY, REAL_KINDS, S, as_array
from ..define import composite, op

NUMBERS = (int, float, bool)

# --- clip, whose limits may be Tensors ---


def outside(x: Any, low: Any, high: Any) -> Any:
    """Whether x is beyond a limit. None is no limit; comparisons with nan are False."""
    return (False if low is None else x < low) | (False if high is None else x > high)


def low_is_value(x: Any, low: Any, high: Any) -> Any:
    """Whether the output is the lower limit: it is above x, or nan, and not above the upper limit."""
    return ((x < low) | (low != low)) & ~(False if high is None else low > high)


def high_is_value(x: Any, low: Any, high: Any) -> Any:
    """Whether the output is the upper limit."""
    return (x > high) | (high != high) | (False if low is None else low > high)


LOW, HIGH = np.linspace(-1.3, -0.3, 5), np.array([[0.4], [0.9], [1.7], [2.3]])


@op(lambda g, y, x, low, high: np.where(outside(x, low, high), 0, g),
    lambda g, y, x, low, high: np.where(low_is_value(x, low, high), g, 0),
    lambda g, y, x, low, high: np.where(high_is_value(x, low, high), g, 0), broadcasts=True,
    samples=(S((2, 3), -0.5, 0.5), S((3,), 0.1, None), S((3,), None, 0.1), S((4, 5), LOW, HIGH)))
def clip_(x: Any, low: Any = None, high: Any = None) -> Any:
    """The op behind `clip`.

    Examples
    --------
    >>> import tinytensor as tt
    >>> tt.tensor([-2.0, 0.5, 2.0]).clip(-1, 1)
    tensor([-1. ,  0.5,  1. ])
    """
    return np.clip(x, low, high)


@composite(np.clip, method=True)
def clip(a: Any, a_min: Any = None, a_max: Any = None, *, min: Any = None, max: Any = None) -> Any:
    """Limit values to [a_min, a_max].

    Parameters
    ----------
    a : array_like
    a_min, a_max : array_like, optional
        The limits, which broadcast; None for no limit. `min` and `max` are other names.

    Notes
    -----
    The gradient of a is g inside and at the limits, and also where a is nan (PyTorch's is 0 there, which hides the
    nan). Outside it is 0, and the gradient of the limit is g.

    Examples
    --------
    >>> import tinytensor as tt
    >>> tt.tensor([-2.0, 0.5, 2.0]).clip(-1, 1)
    tensor([-1. ,  0.5,  1. ])
    >>> np.clip(tt.tensor([-2.0, 0.5, 2.0]), max=1)
    tensor([-2. ,  0.5,  1. ])
    """
    if min is not None or max is not None:
        if a_min is not None or a_max is not None:
            raise ValueError("clip: got limits as a_min or a_max and as min or max; expected one of the two spellings; "
                             "write clip(x, low, high)")
        a_min, a_max = min, max
    return clip_(a, a_min, a_max)


# --- where ---


@op(None, lambda g, y, c, a, b: np.where(c, g, 0), lambda g, y, c, a, b: np.where(c, 0, g), broadcasts=True,
    samples=(S(np.array([True, False, True]), (2, 3), (3,)), S(np.array([[True], [False]]), (2, 3), 0.5)))
def where_(condition: Any, a: Any, b: Any) -> Any:
    """The op behind `where`.

    Examples
    --------
    >>> import tinytensor as tt
    >>> tt.where([True, False], tt.ones(2), 0)
    tensor([1., 0.])
    """
    if type(a) in NUMBERS and type(b) in NUMBERS:
        a = np.asarray(a, as_array([a, b]).dtype)
    return np.where(condition, a, b)


nonzero_indices = make_nondifferentiable(np.nonzero)


@composite()
def where(condition: Any, *branches: Any) -> Any:
    """``where(condition, x, y)``: x where the condition holds, else y; all three broadcast.

    Elements that are not chosen get a gradient of exactly 0. ``where(condition)`` alone gives the indices where it
    holds, as `nonzero`.

    Examples
    --------
    >>> import tinytensor as tt
    >>> x = tt.tensor([-1.0, 2.0])
    >>> tt.where(x > 0, x, 0.1 * x)
    tensor([-0.1,  2. ])
    """
    if len(branches) == 2:
        return where_(condition, *branches)
    if branches:
        raise ValueError("where: got one branch; expected both or neither; write where(condition, x, y)")
    return nonzero_indices(condition)


NUMPY[np.where] = where  # directly: NumPy's inputs have no names


@op(lambda g, y, x, **_: np.where(np.isfinite(x), g, 0), numpy=(np.nan_to_num,),
    samples=(S((2, 3)), S((3,), nan=0.5, posinf=2.0, neginf=-2.0)))
def nan_to_num(x: Any, copy: bool = True, nan: Any = 0.0, posinf: Any = None, neginf: Any = None) -> Any:
    """Replace nan by `nan`, and infinities by `posinf` and `neginf`; these elements get a gradient of exactly 0.

    `posinf` and `neginf` default to the largest and the smallest number of the dtype. ``copy=False``, which would
    overwrite x, is refused.

    Examples
    --------
    >>> import tinytensor as tt
    >>> tt.nan_to_num(tt.tensor([1.0, float("nan"), float("inf")]), posinf=9.0)
    tensor([1., 0., 9.])
    """
    if not copy:
        raise ValueError("nan_to_num: got copy=False, which would overwrite values that gradients may need; expected "
                         "copy=True; leave it out")
    return np.nan_to_num(x, nan=nan, posinf=posinf, neginf=neginf)


# --- dtypes ---


@op(lambda g, y, x, **_: g, numpy=(np.astype,), method=True,
    samples=(S((2, 3), dtype=np.float64), S((2, 3), dtype=np.float32)))
def astype(x: Any, dtype: Any, order: str = "K", casting: str = "unsafe", subok: bool = True, copy: bool = True) -> Any:
    """The values cast to another dtype. The gradient has the dtype of x.

    Examples
    --------
    >>> import tinytensor as tt
    >>> tt.arange(3).astype(np.float32)
    tensor([0., 1., 2.])
    """
    if np.dtype(dtype).kind not in REAL_KINDS:
        raise TypeError(f"astype: got dtype {np.dtype(dtype)}; expected one of real numbers, such as np.float32; "
                        f"convert x.detach().numpy() where no gradient is wanted")
    options = {"order": order, "casting": casting, "copy": copy}
    return x.astype(dtype, **{k: v for k, v in options.items() if v != ASTYPE_DEFAULTS[k]})


ASTYPE_DEFAULTS = {"order": "K", "casting": "unsafe", "copy": True}


@composed(np.real, samples=(S((2, 3)),))
def real(val: Any) -> Any:
    """The real part, which is x itself: Tensors are real.

    Examples
    --------
    >>> import tinytensor as tt
    >>> tt.real(tt.tensor([1.0, 2.0]))
    tensor([1., 2.])
    """
    return val


@composed(np.real_if_close, samples=(S((2, 3)),))
def real_if_close(a: Any, tol: float = 100) -> Any:
    """The values themselves: Tensors are real.

    Examples
    --------
    >>> import tinytensor as tt
    >>> tt.real_if_close(tt.tensor([1.0, 2.0]))
    tensor([1., 2.])
    """
    return a


@op(lambda g, y, x: np.zeros_like(g), numpy=(np.imag,), samples=(S((2, 3)), S(())))
def imag(x: Any) -> Any:
    """The imaginary part, 0 everywhere: Tensors are real.

    Examples
    --------
    >>> import tinytensor as tt
    >>> tt.imag(tt.tensor([1.0, 2.0]))
    tensor([0., 0.])
    """
    return np.imag(x)


@op(lambda g, y, x, **_: np.zeros_like(g), numpy=(np.angle,), samples=(S((2, 3)), S((2, 3), deg=True)))
def angle(z: Any, deg: bool = False) -> Any:
    """The angle in the complex plane: 0 for a positive number, pi (180 with `deg`) for a negative one.

    Examples
    --------
    >>> import tinytensor as tt
    >>> tt.angle(tt.tensor([1.0, -1.0]))
    tensor([0.    , 3.1416])
    """
    return np.angle(z, deg=deg)
