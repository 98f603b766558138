"""Functions that choose between values or mix them: clamp, where, lerp, addcmul, softmax; and questions of equality."""

from __future__ import annotations

from typing import Any

import numpy as np

from .. import ops
from ..apply import general, make_bind
from ..core import Op, S
from ..core import Tensor as Node
from .dtypes import numpy_dtype, of, result_dtype
from .elementwise import given, refuse
from .offer import offer
from .operators import as_dtype, operand, quiet
from .reduce import one_axis
from .searching import isclose
from .tensor import Tensor, of_array, wrap

# --- clamp ---


def within(x: Any, low: Any, high: Any) -> Any:
    """Whether x is between the limits, or at one; a nan is not."""
    return (x == x if low is None else x >= low) & (x == x if high is None else x <= high)


def limited(x: Any, low: Any, high: Any) -> Any:
    return np.clip(x, low, high)


CLAMP = Op("clip", limited, (
    lambda g, y, x, low, high: np.where(within(x, low, high), g, 0),
    lambda g, y, x, low, high: np.where((x < low) & (True if high is None else low < high), g, 0),
    lambda g, y, x, low, high: np.where((x > high) | (False if low is None else high < low), g, 0)),
    broadcasts=True, samples=(S((2, 3), -0.5, 0.5), S((3,), 0.1, None), S((3,), None, 0.1)))
clamped = general(CLAMP, *make_bind("clamp", limited, 3))


@offer("clamp", "clip", method=True, in_place=True)
def clamp(input: Tensor, min: Any = None, max: Any = None) -> Tensor:
    """The values limited to [min, max], which are numbers or tensors; the gradient is 1 inside and at the limits.

    Unlike `tinytensor.clip` it gives a nan no gradient, as PyTorch's does.

    Examples
    --------
    >>> import tinytensor.torch as torch
    >>> torch.tensor([-2.0, 0.5, 2.0]).clamp(min=0)
    tensor([0.0000, 0.5000, 2.0000])
    """
    x = given("clamp", input)
    if min is None and max is None:
        raise RuntimeError("clamp: At least one of 'min' or 'max' must not be None; got neither; expected a limit; "
                           "write x.clamp(min=0)")
    if min is not None and max is not None and isinstance(min, Tensor) != isinstance(max, Tensor):
        raise TypeError(f"clamp: got min of type {type(min).__name__} and max of type {type(max).__name__}; expected "
                        f"two numbers or two tensors; write torch.tensor(...) around the number")
    low, high = (None if limit is None else operand("clamp", limit) for limit in (min, max))
    if x.data.dtype.kind != "f" or isinstance(low, Node) or isinstance(high, Node):
        dtype = result_dtype(*[n.data if isinstance(n, Node) else n for n in (x, low, high) if n is not None])
        x, low, high = (n if n is None else as_dtype(n, dtype) for n in (x, low, high))
    return wrap(clamped(x, low, high))


@offer("clamp_min", method=True, in_place=True, note="ClampMin")
def clamp_min(input: Tensor, min: Any) -> Tensor:
    """The values, but `min` where they are smaller."""
    return clamp(input, min)


@offer("clamp_max", method=True, in_place=True, note="ClampMax")
def clamp_max(input: Tensor, max: Any) -> Tensor:
    """The values, and `max` where they are more."""
    return clamp(input, None, max)


# --- where ---


@offer("where", note="Where")
def where(condition: Tensor, input: Any = None, other: Any = None) -> Any:
    """`input` where the condition holds, else `other`; with a condition alone, the indices where it holds, a tensor for
    each axis.

    Examples
    --------
    >>> import tinytensor.torch as torch
    >>> torch.where(torch.tensor([True, False]), 1.0, 0)
    tensor([1., 0.])
    """
    mask = given("where", condition, "condition")
    if input is None and other is None:
        return tuple([of_array(a) for a in np.nonzero(np.atleast_1d(mask.data))])
    if input is None or other is None:
        raise TypeError("where: got one branch; expected both or none; write torch.where(condition, input, other)")
    if mask.data.dtype == np.uint8:
        mask = mask.astype(np.bool_)
    if mask.data.dtype.kind != "b":
        raise RuntimeError(f"where: expected condition to be a boolean tensor, but got a tensor with dtype "
                           f"{condition.dtype}; compare first: condition != 0")
    a, b = operand("where", input), operand("where", other)
    dtype = result_dtype(*[x.data if isinstance(x, Node) else x for x in (a, b)])
    a, b = as_dtype(a, dtype), as_dtype(b, dtype)
    if not isinstance(a, Node):
        a = Node(np.array(a, dtype))
    return wrap(ops.where(mask, a, b))


def where_method(self: Tensor, condition: Tensor, other: Any) -> Tensor:
    """This tensor where the condition holds, else `other`."""
    return where(condition, self, other)  # type: ignore[no-any-return]


offer("where", function=False, method=True)(where_method)


@offer(method=True, in_place=True)
@quiet
def nan_to_num(input: Tensor, nan: float | None = None, posinf: float | None = None,
               neginf: float | None = None) -> Tensor:
    """Replace nan by 0, and infinities by the dtype's largest and smallest numbers; these get no gradient."""
    x = given("nan_to_num", input)
    if x.data.dtype.kind != "f":
        return wrap(Node(x.data.copy()))
    return wrap(ops.nan_to_num(x, nan=0.0 if nan is None else nan, posinf=posinf, neginf=neginf))


# --- mixtures ---


def of_one_dtype(name: str, x: Any, **others: Any) -> None:
    """Refuse tensors whose dtypes differ."""
    for key, other in others.items():
        if isinstance(other, Node) and other.data.dtype != x.data.dtype:
            raise RuntimeError(f"{name}: expected dtype {of(x.data.dtype)} for `{key}` but got dtype "
                               f"{of(other.data.dtype)}; convert it: {key}.to(input.dtype)")


def mixed(x: Any, z: Any, w: Any) -> Any:
    way = z - x
    return np.where(np.abs(w) < 0.5, x + way * w, z - way * (1 - w))  # so that it ends at z


LERP = Op("lerp", mixed, (lambda g, y, x, z, w: g * (1 - w), lambda g, y, x, z, w: g * w,
                          lambda g, y, x, z, w: g * (z - x)), broadcasts=True, samples=(S((2, 3), (2, 3), (2, 3)),))
lerped = quiet(general(LERP, *make_bind("lerp", mixed, 3)))


@offer(method=True, in_place=True)
def lerp(input: Tensor, end: Tensor, weight: Any) -> Tensor:
    """``input + weight * (end - input)``: from one tensor to another."""
    x, z = given("lerp", input), given("lerp", end, "end")
    w = operand("lerp", weight)
    refuse("lerp", x, "biu")
    of_one_dtype("lerp", x, end=z, weight=w)
    return wrap(lerped(x, z, w))


def three(name: str, input: Any, tensor1: Any, tensor2: Any) -> list[Any]:
    """Three nodes in their common dtype."""
    nodes = [given(name, x, key) for x, key in ((input, "input"), (tensor1, "tensor1"), (tensor2, "tensor2"))]
    dtype = result_dtype(*[x.data for x in nodes])
    return [as_dtype(x, dtype) for x in nodes]


@offer(method=True, in_place=True, note="Addcmul")
@quiet
def addcmul(input: Tensor, tensor1: Tensor, tensor2: Tensor, *, value: Any = 1) -> Tensor:
    """``input + value * tensor1 * tensor2``."""
    x, a, b = three("addcmul", input, tensor1, tensor2)
    factor = value if x.data.dtype.kind == "f" else int(value)
    y = ops.multiply(a, b)
    return wrap(ops.add(x, y if factor == 1 else ops.multiply(y, factor)))


@offer(method=True, in_place=True, note="Addcdiv")
@quiet
def addcdiv(input: Tensor, tensor1: Tensor, tensor2: Tensor, *, value: Any = 1) -> Tensor:
    """``input + value * tensor1 / tensor2``, of floats."""
    if all(given("addcdiv", x, "tensor1").data.dtype.kind != "f" for x in (tensor1, tensor2)):
        raise RuntimeError("addcdiv: integer division with addcdiv is not supported; got integers to divide; expected "
                           "floats; write input + value * tensor1 / tensor2")
    x, a, b = three("addcdiv", input, tensor1, tensor2)
    y = ops.divide(a, b)
    return wrap(ops.add(x, y if value == 1 else ops.multiply(y, value)))


# --- softmax ---


def softened(name: str, function: Any) -> Any:
    def compute(input: Tensor, dim: int, dtype: Any = None) -> Tensor:
        x = given(name, input)
        x = as_dtype(x, numpy_dtype(dtype, x.data.dtype))
        refuse(name, x, "biu")
        axis = one_axis(name, x, dim)
        if axis is None:  # no axes: one element takes all
            return wrap(ops.reshape(function(ops.reshape(x, (1,)), 0), ()))
        return wrap(function(x, axis) if x.data.size else ops.positive(x))

    compute.__name__ = name
    compute.__doc__ = f"`{name}` along `dim`, which has to be given; `dtype` converts first."
    return compute


offer("softmax", method=True, note="Softmax")(softened("softmax", quiet(ops.softmax)))
offer("log_softmax", method=True, note="LogSoftmax")(softened("log_softmax", quiet(ops.log_softmax)))


# --- questions of equality ---


@offer(method=True)
def equal(input: Tensor, other: Tensor) -> bool:
    """Whether two tensors have one shape and equal elements: one bool, where `eq` gives one for each element."""
    a, b = given("equal", input).data, given("equal", other, "other").data
    return a.shape == b.shape and bool(np.all(a == b))


@offer(method=True)
def allclose(input: Tensor, other: Tensor, rtol: float = 1e-05, atol: float = 1e-08, equal_nan: bool = False) -> bool:
    """Whether all elements are equal up to ``atol + rtol * abs(other)``."""
    given("allclose", input)
    given("allclose", other, "other")
    return bool(np.all(isclose(input, other, rtol, atol, equal_nan).node.data))
