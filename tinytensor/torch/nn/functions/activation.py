"""Activations as functions: relu and its kin, softmax and its kin.

The engine's functions compute; here they get PyTorch's names for what they take, and `inplace`.
"""

from __future__ import annotations

import warnings
from typing import Any

import numpy as np

from .... import ops
from ....core import Tensor as Node
from ....nn import functional as engine
from ....random import default_generator
from ...dtypes import numpy_dtype
from ...operators import as_dtype
from ...tensor import Tensor, clock, new, wrap
from ...writing import assign
from .offered import FUNCTIONS, Misuse, alike, applied, as_floats, floating, function, node

engine_relu, engine_tanh = ops.relu, ops.tanh

# --- elementwise ---


@function()
def relu(input: Tensor, inplace: bool = False) -> Tensor:
    """max(x, 0) of each element."""
    x = node("relu", input)
    if inplace:
        return assign("relu_", input, engine_relu)
    t: Tensor = new(Tensor)
    t.node = made = engine_relu(x)
    made.stamp = clock[0]
    return t


@function()
def tanh(input: Tensor) -> Tensor:
    """The hyperbolic tangent of each element."""
    return wrap(engine_tanh(as_floats("tanh", input)))


@function()
def sigmoid(input: Tensor) -> Tensor:
    """1 / (1 + exp(-x)) of each element."""
    return wrap(ops.sigmoid(as_floats("sigmoid", input)))


@function()
def gelu(input: Tensor, *, approximate: str = "none") -> Tensor:
    """x times the probability that a standard normal is below x; "tanh" for the approximation that GPT-2 uses."""
    return wrap(ops.gelu(floating("gelu", input), approximate))


@function()
def silu(input: Tensor, inplace: bool = False) -> Tensor:
    """x * sigmoid(x) of each element."""
    return applied("silu", input, ops.silu, inplace)


@function("LeakyRelu")
def leaky_relu(input: Tensor, negative_slope: float = 0.01, inplace: bool = False) -> Tensor:
    """x where it is positive, else negative_slope * x."""
    return applied("leaky_relu", input, lambda x: engine.leaky_relu(x, negative_slope), inplace)


@function("Elu")
def elu(input: Tensor, alpha: float = 1.0, inplace: bool = False) -> Tensor:
    """x where it is positive, else alpha * (exp(x) - 1)."""
    return applied("elu", input, lambda x: engine.elu(x, alpha), inplace)


@function("Elu")
def selu(input: Tensor, inplace: bool = False) -> Tensor:
    """`elu`, scaled so that mean 0 and variance 1 are kept."""
    return applied("selu", input, engine.selu, inplace)


@function("Celu")
def celu(input: Tensor, alpha: float = 1.0, inplace: bool = False) -> Tensor:
    """`elu`, with a slope of 1 at 0 for every alpha."""
    return applied("celu", input, lambda x: engine.celu(x, alpha), inplace)


@function("Hardtanh")
def hardtanh(input: Tensor, min_val: float = -1.0, max_val: float = 1.0, inplace: bool = False) -> Tensor:
    """x, but not below min_val and not above max_val."""
    if min_val > max_val:
        raise Misuse(f"hardtanh: got {min_val} and {max_val}; min_val cannot be greater than max_val; exchange them")
    return applied("hardtanh", input, lambda x: engine.hardtanh(x, min_val, max_val), inplace, integers=True)


@function("Hardtanh")
def relu6(input: Tensor, inplace: bool = False) -> Tensor:
    """x, but not below 0 and not above 6."""
    return applied("relu6", input, engine.relu6, inplace, integers=True)


@function("Hardsigmoid")
def hardsigmoid(input: Tensor, inplace: bool = False) -> Tensor:
    """x / 6 + 1 / 2, but not below 0 and not above 1."""
    return applied("hardsigmoid", input, engine.hardsigmoid, inplace)


@function("Hardswish")
def hardswish(input: Tensor, inplace: bool = False) -> Tensor:
    """x * hardsigmoid(x)."""
    return applied("hardswish", input, engine.hardswish, inplace)


@function("Mish")
def mish(input: Tensor, inplace: bool = False) -> Tensor:
    """x * tanh(softplus(x))."""
    return applied("mish", input, engine.mish, inplace)


@function("Threshold")
def threshold(input: Tensor, threshold: float, value: float, inplace: bool = False) -> Tensor:
    """x where it is above the threshold, else the value."""
    return applied("threshold", input, lambda x: engine.threshold(x, threshold, value), inplace, integers=True)


@function("Softplus")
def softplus(input: Tensor, beta: float = 1, threshold: float = 20) -> Tensor:
    """log(1 + exp(beta * x)) / beta, and x itself where beta * x is above the threshold."""
    return applied("softplus", input, lambda x: engine.softplus(x, beta, threshold))


@function("LogSigmoid")
def logsigmoid(input: Tensor) -> Tensor:
    """log(sigmoid(x)), with full precision."""
    return applied("logsigmoid", input, engine.logsigmoid)


@function("Div")
def softsign(input: Tensor) -> Tensor:
    """x / (1 + abs(x))."""
    return applied("softsign", wrap(as_floats("softsign", input)), engine.softsign)


@function("Sub")
def tanhshrink(input: Tensor) -> Tensor:
    """x - tanh(x)."""
    return applied("tanhshrink", wrap(as_floats("tanhshrink", input)), engine.tanhshrink)


@function("Hardshrink")
def hardshrink(input: Tensor, lambd: float = 0.5) -> Tensor:
    """x, but 0 within lambd of 0."""
    return applied("hardshrink", input, lambda x: engine.hardshrink(x, lambd))


@function("Softshrink")
def softshrink(input: Tensor, lambd: float = 0.5) -> Tensor:
    """x moved towards 0 by lambd, and 0 within it."""
    return applied("softshrink", input, lambda x: engine.softshrink(x, lambd))


@function("PreluKernel")
def prelu(input: Tensor, weight: Tensor) -> Tensor:
    """x where it is positive, else weight * x, with one weight, or one for each channel (axis 1)."""
    x, w = floating("prelu", input), node("prelu", weight, "weight")
    alike("prelu", x, weight=w)
    return wrap(engine.prelu(x, w))


@function("Glu")
def glu(input: Tensor, dim: int = -1) -> Tensor:
    """The first half along an axis, times the sigmoid of the second."""
    return wrap(engine.glu(floating("glu", input), dim))


def in_place(name: str) -> Any:
    """The function that writes what another one gives into its input."""
    def call(input: Tensor, *args: Any, **kwargs: Any) -> Any:
        return FUNCTIONS[name](input, *args, inplace=True, **kwargs)

    call.__name__ = call.__qualname__ = f"{name}_"
    call.__doc__ = f"As `{name}`, in place."
    return call


for name in ("relu", "elu", "selu", "celu", "hardtanh", "leaky_relu", "threshold"):
    FUNCTIONS[f"{name}_"] = in_place(name)


# --- along an axis ---


def along(name: str, input: Any, dim: int | None, dtype: Any) -> tuple[Any, int]:
    """The input in the dtype passed, and the axis; if that is left out, PyTorch's guess, with its warning."""
    x = node(name, input)
    if dtype is not None:
        x = as_dtype(x, numpy_dtype(dtype))
    if x.data.dtype.kind != "f":
        raise RuntimeError(f'{name}: "{name}" not implemented for {input.dtype}; expected floats; convert it: '
                           f"x.float(), or give dtype=")
    if dim is None:
        warnings.warn(f"Implicit dimension choice for {name} has been deprecated. Change the call to include dim=X as "
                      f"an argument.", stacklevel=5)
        dim = 0 if x.data.ndim in (0, 1, 3) else 1
    if not -max(x.data.ndim, 1) <= dim < max(x.data.ndim, 1):
        raise IndexError(f"{name}: Dimension out of range (expected to be in range of [{-max(x.data.ndim, 1)}, "
                         f"{max(x.data.ndim, 1) - 1}], but got {dim}); the input has shape {[*x.data.shape]}")
    return x, dim


def softmax_of(name: str, compute: Any, input: Any, dim: int | None, dtype: Any) -> Tensor:
    """A function of the engine along an axis; of a number without axes, as of one with one."""
    x, axis = along(name, input, dim, dtype)
    return wrap(compute(x, axis) if x.data.ndim else compute(x.reshape(1), 0).reshape(()))


@function()
def softmax(input: Tensor, dim: int | None = None, _stacklevel: int = 3, dtype: Any = None) -> Tensor:
    """exp(x) / sum(exp(x)) along an axis, computed in `dtype`, if that is passed."""
    return softmax_of("softmax", ops.softmax, input, dim, dtype)


@function()
def log_softmax(input: Tensor, dim: int | None = None, _stacklevel: int = 3, dtype: Any = None) -> Tensor:
    """The logarithm of `softmax`, with full precision for small probabilities."""
    return softmax_of("log_softmax", ops.log_softmax, input, dim, dtype)


@function("Softmax")
def softmin(input: Tensor, dim: int | None = None, _stacklevel: int = 3, dtype: Any = None) -> Tensor:
    """`softmax` of -x."""
    return softmax_of("softmin", lambda x, axis: ops.softmax(ops.negative(x), axis), input, dim, dtype)


@function()
def gumbel_softmax(logits: Tensor, tau: float = 1, hard: bool = False, eps: float = 1e-10, dim: int = -1) -> Tensor:
    """A sample of each distribution, made soft so that gradients flow (Jang et al. 2017); `hard` gives one-hot rows."""
    x, axis = along("gumbel_softmax", logits, dim, None)
    noise = -np.log(default_generator().exponential_(np.empty_like(x.data)))
    y = ops.softmax((x + noise) / tau, axis)
    if not hard:
        return wrap(y)
    top = np.zeros_like(y.data)
    np.put_along_axis(top, np.expand_dims(y.data.argmax(axis), axis), 1, axis)
    return wrap(Node(top - y.data) + y)
