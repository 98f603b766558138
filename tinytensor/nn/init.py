"""Initialisation: fills a Tensor or array in place, with the numbers that PyTorch draws from the same seed.

It makes no tensors and records nothing. Every function returns what it filled; `rng` is a `Generator`, a seed, or None
for the default generator. Bounds are computed as Python floats, and rounded once, by the draw: float32 weights are
PyTorch's bit for bit, float64 ones to rounding.
"""

from __future__ import annotations

import math
import warnings
from typing import TYPE_CHECKING, Any, TypeVar

import numpy as np

from ..advice import a_type
from ..core import Array, Tensor
from ..names import Missing as _Missing
from ..names import also_generator
from ..names import elsewhere as _elsewhere
from ..names.calls import explained
from ..random import Generator, as_generator
from .arguments import check_number
from .hidden import outside

__all__ = ["calculate_gain", "constant_", "eye_", "kaiming_normal_", "kaiming_uniform_", "normal_", "ones_", "uniform_",
           "xavier_normal_", "xavier_uniform_", "zeros_"]

Rng = Generator | int | None
T = TypeVar("T", bound=Tensor | Array)

GAINS = {"linear": 1.0, "sigmoid": 1.0, "tanh": 5.0 / 3, "relu": math.sqrt(2.0), "selu": 0.75}
FANS = ("fan_in", "fan_out")


@explained
def calculate_gain(nonlinearity: str, param: float | None = None) -> float:
    """The factor by which weights must grow to keep the variance through a nonlinearity after them.

    Parameters
    ----------
    nonlinearity : {"linear", "sigmoid", "tanh", "relu", "leaky_relu", "selu"}
    param : float, optional
        The negative slope of "leaky_relu", 0.01 if left out.

    Raises
    ------
    ValueError
        If there is no such nonlinearity.

    Examples
    --------
    >>> from tinytensor import nn
    >>> round(nn.init.calculate_gain("tanh"), 4)
    1.6667
    """
    if isinstance(nonlinearity, str) and nonlinearity == "leaky_relu":
        slope = 0.01 if param is None else param
        check_number("calculate_gain", "param", slope)
        return math.sqrt(2.0 / (1 + slope**2))
    if not isinstance(nonlinearity, str) or nonlinearity not in GAINS:
        raise ValueError(f"calculate_gain: got nonlinearity={nonlinearity!r}; expected one of "
                         f"{', '.join([*GAINS, 'leaky_relu'])}; 'linear' has a gain of 1")
    return GAINS[nonlinearity]


def fan_in_and_out(p: Tensor | Array, caller: str) -> dict[str, int]:
    """How many inputs each output has (fan_in), and how many outputs each input, of a weight (out, in, ...)."""
    array_of(caller, p)
    if p.ndim < 2 or not p.size:
        raise ValueError(f"{caller}: got a tensor of shape {p.shape}; expected (out, in) or more axes, none of them "
                         f"empty; use uniform_ or normal_ for biases")
    field = math.prod(p.shape[2:])
    return {"fan_in": p.shape[1] * field, "fan_out": p.shape[0] * field}


def array_of(caller: str, p: Tensor | Array) -> Array:
    """The array to fill; TypeError if it is none."""
    array = p.data if isinstance(p, Tensor) else p
    if not isinstance(array, np.ndarray):
        raise TypeError(f"{caller}: got {a_type(p)}; expected a Tensor or an array, which is filled; write "
                        f"nn.init.{caller}(tt.empty(...))")
    return array


def fill(caller: str, p: T, value: float) -> T:
    """Fill with one value."""
    check_number(caller, "val", value)
    array_of(caller, p)[...] = value
    return p


# --- from a given distribution ---


@also_generator
@explained
def uniform_(p: T, a: float = 0.0, b: float = 1.0, rng: Rng = None) -> T:
    """Fill with numbers uniform in [a, b).

    Examples
    --------
    >>> import tinytensor as tt
    >>> from tinytensor import nn
    >>> nn.init.uniform_(tt.zeros(3), -1, 1, rng=42)
    tensor([ 0.7645,  0.83  , -0.2343])
    """
    return as_generator(rng).uniform_(p, a, b)


@also_generator
@explained
def normal_(p: T, mean: float = 0.0, std: float = 1.0, rng: Rng = None) -> T:
    """Fill with normal numbers.

    Examples
    --------
    >>> import tinytensor as tt
    >>> from tinytensor import nn
    >>> nn.init.normal_(tt.zeros(3), rng=42)
    tensor([0.3367, 0.1288, 0.2345])
    """
    return as_generator(rng).normal_(p, mean, std)


@explained
def constant_(p: T, val: float) -> T:
    """Fill with one value.

    Examples
    --------
    >>> import tinytensor as tt
    >>> from tinytensor import nn
    >>> nn.init.constant_(tt.zeros(2), 0.5)
    tensor([0.5, 0.5])
    """
    return fill("constant_", p, val)


@explained
def zeros_(p: T) -> T:
    """Fill with zeros."""
    return fill("zeros_", p, 0.0)


@explained
def ones_(p: T) -> T:
    """Fill with ones."""
    return fill("ones_", p, 1.0)


@explained
def eye_(p: T) -> T:
    """Fill a matrix with the identity: ones on the diagonal, zeros elsewhere.

    Examples
    --------
    >>> import tinytensor as tt
    >>> from tinytensor import nn
    >>> nn.init.eye_(tt.zeros(2, 3))
    tensor([[1., 0., 0.],
            [0., 1., 0.]])
    """
    array = array_of("eye_", p)
    if p.ndim != 2:
        raise ValueError(f"eye_: got a tensor of shape {p.shape}; expected a matrix; fill its matrices one by one")
    array[...] = np.eye(p.shape[0], p.shape[1])
    return p


@also_generator
@explained
def trunc_normal_(p: T, mean: float = 0.0, std: float = 1.0, a: float = -2.0, b: float = 2.0, rng: Rng = None) -> T:
    """Fill with normal numbers between a and b; those outside are drawn again.

    Subtle: a and b are bounds themselves, and not multiples of the standard deviation.

    Where few normal numbers fall between the bounds, uniform candidates are kept in proportion to their density, as in
    PyTorch.

    Warns
    -----
    UserWarning
        If the mean is more than two standard deviations outside of [a, b].

    Examples
    --------
    >>> import tinytensor as tt
    >>> from tinytensor import nn
    >>> w = nn.init.trunc_normal_(tt.zeros(1000), std=0.02, a=-0.04, b=0.04, rng=42)
    >>> bool(np.abs(w.data).max() <= 0.04)
    True
    """
    x, draw = array_of("trunc_normal_", p), as_generator(rng)
    for name, value in (("mean", mean), ("std", std), ("a", a), ("b", b)):
        check_number("trunc_normal_", name, value)
    if not 0 < std < math.inf or not a < b or not math.isfinite(mean):
        raise ValueError(f"trunc_normal_: got mean={mean!r}, std={std!r}, a={a!r} and b={b!r}; expected finite "
                         f"numbers, std above 0 and a < b; use constant_ for a constant")
    inside = (math.erf((b - mean) / std / math.sqrt(2)) - math.erf((a - mean) / std / math.sqrt(2))) / 2
    if inside <= 0.3 and (math.isinf(a) or math.isinf(b)):
        raise ValueError(f"trunc_normal_: got a={a!r} and b={b!r}, for mean={mean!r} and std={std!r}; expected finite "
                         f"bounds where few normal numbers are between them; pass a finite one, some std away")
    if mean < a - 2 * std or mean > b + 2 * std:
        warnings.warn("trunc_normal_: mean is more than 2 std from [a, b] in nn.init.trunc_normal_. The distribution "
                      "of values may be incorrect.", stacklevel=outside())
    if inside > 0.3:
        low, high = x.dtype.type(a), x.dtype.type(b)
        draw.normal_(x, mean, std)
        while (wrong := (x < low) | (x > high)).any():
            np.copyto(x, draw.normal_(np.empty_like(x), mean, std), where=wrong)
        return p
    peak = -0.5 * ((max(a, min(mean, b)) - mean) / std) ** 2
    draw.uniform_(x, a, b)
    new, waiting = x.copy(), np.ones(x.shape, bool)
    while True:
        with np.errstate(all="ignore"):  # log(0), and what is too far away
            density = np.square((new - mean) / std) * -0.5 - peak
            waiting &= np.log(draw.uniform_(np.empty_like(x))) > density
        if not waiting.any():
            return p
        np.copyto(x, draw.uniform_(new, a, b), where=waiting)


@also_generator
@explained
def orthogonal_(p: T, gain: float = 1.0, rng: Rng = None) -> T:
    """Fill with a random matrix whose rows, or columns if there are fewer, are orthonormal, times gain.

    Axes after the first count as one (Saxe et al. 2013).

    Examples
    --------
    >>> import tinytensor as tt
    >>> from tinytensor import nn
    >>> w = nn.init.orthogonal_(tt.zeros(2, 3), rng=42)
    >>> bool(np.allclose(w.data @ w.data.T, np.eye(2), atol=1e-6))
    True
    """
    x = array_of("orthogonal_", p)
    if p.ndim < 2:
        raise ValueError(f"orthogonal_: got a tensor of shape {p.shape}; expected two axes or more; use normal_ for "
                         f"biases")
    if not p.size:
        return p
    flat = normal_(np.empty((len(x), x.size // len(x)), x.dtype), rng=rng)
    wide = flat.shape[0] < flat.shape[1]
    q, r = np.linalg.qr(flat.T if wide else flat)
    q *= np.sign(np.diagonal(r))  # makes it uniform over all such matrices (Mezzadri 2007)
    x[...] = (q.T if wide else q).reshape(x.shape) * gain
    return p


# --- such that the variance stays the same from layer to layer ---


def kaiming_std(p: Tensor | Array, a: float, mode: str, nonlinearity: str, caller: str) -> float:
    if mode not in FANS:
        raise ValueError(f"{caller}: got mode={mode!r}; expected 'fan_in', which keeps the variance in the forward "
                         f"pass, or 'fan_out', which keeps it in the backward pass; 'fan_in' is usual")
    return calculate_gain(nonlinearity, a) / math.sqrt(fan_in_and_out(p, caller)[mode])


@also_generator
@explained
def kaiming_uniform_(p: T, a: float = 0, mode: str = "fan_in", nonlinearity: str = "leaky_relu", rng: Rng = None) -> T:
    """Fill a weight (out, in, ...) uniformly, with a standard deviation of gain / sqrt(fan) (He et al. 2015).

    Parameters
    ----------
    a : float
        The negative slope, for "leaky_relu".
    mode : {"fan_in", "fan_out"}
        Whether the variance is kept forwards or backwards.
    nonlinearity : str
        What follows the layer; see `calculate_gain`.

    Examples
    --------
    >>> import tinytensor as tt
    >>> from tinytensor import nn
    >>> nn.init.kaiming_uniform_(tt.zeros(2, 2), nonlinearity="relu", rng=42)
    tensor([[ 1.3242,  1.4376],
            [-0.4058,  1.5911]])
    """
    bound = math.sqrt(3.0) * kaiming_std(p, a, mode, nonlinearity, "kaiming_uniform_")
    return uniform_(p, -bound, bound, rng)


@also_generator
@explained
def kaiming_normal_(p: T, a: float = 0, mode: str = "fan_in", nonlinearity: str = "leaky_relu", rng: Rng = None) -> T:
    """Fill a weight (out, in, ...) with normal numbers of standard deviation gain / sqrt(fan) (He et al. 2015).

    Parameters as in `kaiming_uniform_`.

    Examples
    --------
    >>> import tinytensor as tt
    >>> from tinytensor import nn
    >>> w = nn.init.kaiming_normal_(tt.zeros(200, 30), nonlinearity="tanh", rng=0)
    >>> print(f"{w.std():.2f}, expected {5 / 3 / 30**0.5:.2f}")
    0.30, expected 0.30
    """
    return normal_(p, 0.0, kaiming_std(p, a, mode, nonlinearity, "kaiming_normal_"), rng)


@also_generator
@explained
def xavier_uniform_(p: T, gain: float = 1.0, rng: Rng = None) -> T:
    """Fill a weight uniformly, its standard deviation gain * sqrt(2 / (fan_in + fan_out)) (Glorot and Bengio 2010).

    Examples
    --------
    >>> import tinytensor as tt
    >>> from tinytensor import nn
    >>> nn.init.xavier_uniform_(tt.zeros(2, 1), rng=42)
    tensor([[1.0812],
            [1.1738]])
    """
    check_number("xavier_uniform_", "gain", gain)
    std = gain * math.sqrt(2.0 / float(sum(fan_in_and_out(p, "xavier_uniform_").values())))
    bound = math.sqrt(3.0) * std
    return uniform_(p, -bound, bound, rng)


@also_generator
@explained
def xavier_normal_(p: T, gain: float = 1.0, rng: Rng = None) -> T:
    """Fill a weight normally, its standard deviation gain * sqrt(2 / (fan_in + fan_out)) (Glorot and Bengio 2010).

    Examples
    --------
    >>> import tinytensor as tt
    >>> from tinytensor import nn
    >>> nn.init.xavier_normal_(tt.zeros(2, 1), rng=42)
    tensor([[0.2749],
            [0.1052]])
    """
    check_number("xavier_normal_", "gain", gain)
    return normal_(p, 0.0, gain * math.sqrt(2.0 / float(sum(fan_in_and_out(p, "xavier_normal_").values()))), rng)

if not TYPE_CHECKING:  # a checker is to find what is not there

    __all__ = sorted(["calculate_gain", *(name for name in globals() if name.endswith("_") and name[0] != "_")])

    def __dir__() -> list[str]:
        return __all__

    def __getattr__(name: str) -> Any:
        raise _Missing(_elsewhere, "init", name, __dir__)
