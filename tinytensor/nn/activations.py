"""Activations as functions, with PyTorch's names, parameters and gradients at kinks: each a few ops.

No derivative is defined here; the smooth ones are in `smooth.py`. relu, gelu, silu, sigmoid and tanh are ops
themselves, and `nonlinear.py` has the modules.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from ..core import Tensor, as_array
from ..names.calls import explained
from ..ops.activation import leaky_relu as leaky
from ..ops.elementwise import sigmoid
from ..ops.fused import softmax
from .arguments import as_floating, check_integer, check_number, python_number

__all__ = ["glu", "hardshrink", "hardsigmoid", "hardswish", "hardtanh", "leaky_relu", "prelu", "relu6", "softmin",
           "softshrink", "threshold"]


# --- straight, with kinks ---


@explained
def leaky_relu(x: Any, negative_slope: float = 0.01) -> Tensor:
    """x above 0, elsewhere negative_slope * x, elementwise.

    Examples
    --------
    >>> import tinytensor as tt
    >>> from tinytensor.nn import functional as F
    >>> F.leaky_relu(tt.tensor([-1.0, 0.0, 2.0]), 0.1)
    tensor([-0.1,  0. ,  2. ])
    """
    return leaky(as_floating("leaky_relu", x), negative_slope)


@explained
def prelu(x: Any, weight: Any) -> Tensor:
    """`leaky_relu` with slopes that are learned (He et al. 2015): one, or one for each channel, axis 1.

    Parameters
    ----------
    x : (...) or (N, C, ...), floating
    weight : (1,) or (C,)
        A weight without axes is one slope too.

    Examples
    --------
    >>> import tinytensor as tt
    >>> from tinytensor.nn import functional as F
    >>> F.prelu(tt.tensor([[-1.0, -1.0]]), tt.tensor([0.1, 0.5]))
    tensor([[-0.1, -0.5]])
    """
    x, weight = as_floating("prelu", x), as_floating("prelu", weight)
    channels = x.shape[1] if x.ndim > 1 else 1
    if weight.ndim > 1 or weight.size not in (1, channels):
        raise ValueError(f"prelu: got a weight of shape {weight.shape} for x of shape {x.shape}; expected (1,) or "
                         f"({channels},), one for each of the channels along axis 1; reshape the weight")
    if weight.size == 1:
        weight = weight.reshape(())
    elif x.ndim > 2:
        weight = weight.reshape((channels,) + (1,) * (x.ndim - 2))
    return np.where(x > 0, x, x * weight)


def clip_flat(x: Any, low: float, high: float) -> Any:
    """x clipped, with a gradient of 0 at the bounds themselves."""
    return np.where(x <= low, low, np.where(x >= high, high, x))


@explained
def hardtanh(x: Any, min_val: float = -1.0, max_val: float = 1.0) -> Tensor:
    """x clipped to [min_val, max_val], elementwise; the gradient at the bounds is 0 (that of `tinytensor.clip` is 1).

    Examples
    --------
    >>> import tinytensor as tt
    >>> from tinytensor.nn import functional as F
    >>> F.hardtanh(tt.tensor([-3.0, 0.5, 3.0]))
    tensor([-1. ,  0.5,  1. ])
    """
    min_val, max_val = check_number("hardtanh", "min_val", min_val), check_number("hardtanh", "max_val", max_val)
    if min_val > max_val:
        raise ValueError(f"hardtanh: got min_val={min_val!r} and max_val={max_val!r}; expected the first not above the "
                         f"second; exchange them")
    x = x if isinstance(x, Tensor | np.ndarray) else as_array(x)
    return clip_flat(x, *((min_val, max_val) if x.dtype.kind == "f" else (int(min_val), int(max_val))))


@explained
def relu6(x: Any) -> Tensor:
    """x clipped to [0, 6], elementwise (Krizhevsky 2010).

    Examples
    --------
    >>> import tinytensor as tt
    >>> from tinytensor.nn import functional as F
    >>> F.relu6(tt.tensor([-3.0, 0.5, 7.0]))
    tensor([0. , 0.5, 6. ])
    """
    return hardtanh(x, 0.0, 6.0)


@explained
def hardsigmoid(x: Any) -> Tensor:
    """x / 6 + 1 / 2 clipped to [0, 1], elementwise: a piecewise linear approximation of `sigmoid`.

    Examples
    --------
    >>> import tinytensor as tt
    >>> from tinytensor.nn import functional as F
    >>> F.hardsigmoid(tt.tensor([-3.0, 0.0, 1.5]))
    tensor([0.  , 0.5 , 0.75])
    """
    return clip_flat(as_floating("hardsigmoid", x), -3.0, 3.0) * (1 / 6) + 0.5


@explained
def hardswish(x: Any) -> Tensor:
    """x * hardsigmoid(x), elementwise (Howard et al. 2019).

    Examples
    --------
    >>> import tinytensor as tt
    >>> from tinytensor.nn import functional as F
    >>> F.hardswish(tt.tensor([-4.0, 1.5, 4.0]))
    tensor([0.   , 1.125, 4.   ])
    """
    x = as_floating("hardswish", x)
    y: Any = np.where(x <= -3, 0.0, np.where(x >= 3, x, x * (x + 3) * (1 / 6)))
    return y


@explained
def threshold(x: Any, threshold: float, value: float) -> Tensor:
    """x where it is above the threshold, elsewhere the value, elementwise.

    Examples
    --------
    >>> import tinytensor as tt
    >>> from tinytensor.nn import functional as F
    >>> F.threshold(tt.tensor([0.5, 2.0]), 1.0, -1.0)
    tensor([-1.,  2.])
    """
    x = x if isinstance(x, Tensor | np.ndarray) else as_array(x)
    value = python_number(value)
    y: Any = np.where(x <= threshold, value if x.dtype.kind == "f" else int(value), x)
    return y


def check_lambd(name: str, lambd: float) -> float:
    check_number(name, "lambd", lambd)
    if not lambd >= 0:
        raise ValueError(f"{name}: got lambd={lambd!r}; expected 0 or more: elements up to it become 0; use -lambd")
    return lambd


@explained
def hardshrink(x: Any, lambd: float = 0.5) -> Tensor:
    """0 from -lambd to lambd, elsewhere x, elementwise.

    Examples
    --------
    >>> import tinytensor as tt
    >>> from tinytensor.nn import functional as F
    >>> F.hardshrink(tt.tensor([-2.0, 0.25, 2.0]))
    tensor([-2.,  0.,  2.])
    """
    x = as_floating("hardshrink", x)
    check_number("hardshrink", "lambd", lambd)
    y: Any = np.where((x >= -lambd) & (x <= lambd), 0.0, x)
    return y


@explained
def softshrink(x: Any, lambd: float = 0.5) -> Tensor:
    """x moved towards 0 by lambd, and 0 where |x| is at most lambd, elementwise.

    Examples
    --------
    >>> import tinytensor as tt
    >>> from tinytensor.nn import functional as F
    >>> F.softshrink(tt.tensor([-2.0, 0.25, 2.0]))
    tensor([-1.5,  0. ,  1.5])
    """
    x, lambd = as_floating("softshrink", x), check_lambd("softshrink", python_number(lambd))
    return np.where(x > lambd, x - lambd, np.where(x < -lambd, x + lambd, x * 0))


# --- along an axis ---


@explained
def glu(x: Any, axis: int = -1) -> Tensor:
    """The first half along an axis times the sigmoid of the second (Dauphin et al. 2016).

    Raises
    ------
    ValueError
        If the axis has an odd number of elements.

    Examples
    --------
    >>> import tinytensor as tt
    >>> from tinytensor.nn import functional as F
    >>> F.glu(tt.tensor([[1.0, 2.0, 0.0, 100.0]]))
    tensor([[0.5, 2. ]])
    """
    x = as_floating("glu", x)
    axis = check_integer("glu", "axis", axis)
    if not -x.ndim <= axis < x.ndim or x.shape[axis] % 2:
        raise ValueError(f"glu: got x of shape {x.shape} and axis={axis}; expected an axis of it with an even number "
                         f"of elements, to be halved; choose another axis, or pad it")
    lead, half = (slice(None),) * (axis % x.ndim), x.shape[axis] // 2
    return x[(*lead, slice(None, half))] * sigmoid(x[(*lead, slice(half, None))])


@explained
def softmin(x: Any, axis: int = -1) -> Tensor:
    """The softmax of -x along an axis: the smallest element has the largest probability.

    Examples
    --------
    >>> import tinytensor as tt
    >>> from tinytensor.nn import functional as F
    >>> F.softmin(tt.tensor([0.0, 100.0]))
    tensor([1.0e+00, 3.8e-44])
    """
    return softmax(-as_floating("softmin", x), axis)
