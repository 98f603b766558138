"""Python's operators on tensors, also in place, and the functions of the same meaning: add, sub, mul, div, pow."""

from __future__ import annotations

import operator
import warnings
from collections.abc import Callable
from typing import Any

import numpy as np

from .. import ops
from ..advice import a_type
from ..core import Tensor as Node
from ..core import TracerBase
from .dtypes import default, result_dtype
from .offer import as_pytorch, offer
from .tensor import BARE, Tensor, clock, new, wrap
from .versions import note
from .writing import apart, assign, enters_graph, preserve

Function = Callable[..., Any]
NUMBERS = frozenset((int, float, bool))


# PyTorch says nothing of inf - inf; what NumPy says of it in this package's own lines (in the program's it still does)
warnings.filterwarnings("ignore", ".* encountered in ", RuntimeWarning, r"tinytensor\.", append=True)


def quiet(function: Function) -> Function:
    """The function without NumPy's warnings: PyTorch's 1 / 0 is inf, and no more is said."""
    return np.errstate(all="ignore")(function)


# --- two operands, by PyTorch's promotion ---


def promoted(a: Any, b: Any, least: Any = None) -> tuple[Any, Any]:
    """Two nodes, or a node and a number, in the dtype that they have together; integers become `least`, if it is given.

    A Python number stays one where it changes no dtype.
    """
    arrays = [x.data if isinstance(x, Node) else x for x in (a, b)]
    dtype = result_dtype(*arrays)
    if least is not None and dtype.kind != "f":
        dtype = least
    return as_dtype(a, dtype), as_dtype(b, dtype)


def as_dtype(x: Any, dtype: Any) -> Any:
    """A node of this dtype; a number that fits it stays a number."""
    if isinstance(x, Node):
        return x if x.data.dtype is dtype or x.data.dtype == dtype else x.astype(dtype)
    if dtype.kind == "f" or (dtype.kind in "iu" and np.iinfo(dtype).min <= x <= np.iinfo(dtype).max):
        return x
    return Node(np.array(x).astype(dtype))


def operand(name: str, x: Any) -> Any:
    """The node or number of an operand."""
    if isinstance(x, Tensor):
        return x.node
    if type(x) in NUMBERS or isinstance(x, TracerBase):
        return x
    if isinstance(x, np.generic):
        return x.item()
    if isinstance(x, np.ndarray):
        return Node(x)
    raise TypeError(f"{name}: got {a_type(x)}; expected a tensor or a number; write torch.tensor(...) around "
                    f"it")


def pair(name: str, a: Any, b: Any, least: Any = None) -> tuple[Any, Any]:
    """Two operands in the dtype that they have together."""
    a, b = operand(name, a), operand(name, b)
    if not isinstance(a, Node) and not isinstance(b, Node):
        a = Node(np.array(a, default[0].numpy if type(a) is float else None))
    if least is True:
        least = default[0].numpy
    if isinstance(a, Node) and isinstance(b, Node) and a.data.dtype is b.data.dtype and a.data.dtype.kind == "f":
        return a, b
    return promoted(a, b, least)


def binary(name: str, function: Function, least: Any = None) -> Function:
    """PyTorch's function of two operands for one of the engine's."""
    def compute(input: Any, other: Any) -> Tensor:
        return wrap(function(*pair(name, input, other, least)))

    compute.__name__ = name
    compute.__doc__ = f"`numpy.{function.__name__}` of each pair of elements; they broadcast."
    return compute


def power(a: Any, b: Any) -> Any:
    """The engine's power, for integers only where the exponent is not negative."""
    if isinstance(a, Node) and a.data.dtype.kind in "iu" and type(b) is int and b < 0:
        raise RuntimeError("pow: integers to negative integer powers are not allowed; expected floats; convert first: "
                           "x.float() ** -1")
    if isinstance(b, Node) and b.data.dtype.kind == "i" and np.any(b.data < 0):  # of integers: 0, but of 1 and -1
        a = a.data if isinstance(a, Node) else np.asarray(a, b.data.dtype)
        inverse = np.where(np.abs(a) == 1, a, 0)
        return Node(np.asarray(np.power(np.where(b.data < 0, inverse, a), np.abs(b.data))))
    return ops.power(a, b)


def subtract(a: Any, b: Any) -> Any:
    """The engine's difference; of booleans there is none."""
    if any(getattr(getattr(x, "data", x), "dtype", None) == np.bool_ for x in (a, b)):
        raise RuntimeError("sub: subtraction, the `-` operator, with a bool tensor is not supported; expected numbers; "
                           "write ~x or logical_not() for a mask, x.int() for numbers")
    return ops.subtract(a, b)


def scaled(name: str, other: Any, alpha: Any) -> Any:
    """The second operand, times alpha."""
    return other if alpha == 1 else wrap(ops.multiply(*pair(name, other, alpha)))


@offer(method=True, in_place=True)
def add(input: Any, other: Any, *, alpha: Any = 1) -> Tensor:
    """``input + alpha * other``."""
    return wrap(ops.add(*pair("add", input, scaled("add", other, alpha))))


@offer("sub", "subtract", method=True, in_place=True)
def sub(input: Any, other: Any, *, alpha: Any = 1) -> Tensor:
    """``input - alpha * other``."""
    return wrap(subtract(*pair("sub", input, scaled("sub", other, alpha))))


@offer("mul", "multiply", method=True, in_place=True)
def mul(input: Any, other: Any) -> Tensor:
    """``input * other``."""
    return wrap(ops.multiply(*pair("mul", input, other)))


@offer("div", "divide", "true_divide", method=True, in_place=True)
@quiet
def div(input: Any, other: Any, *, rounding_mode: str | None = None) -> Tensor:
    """``input / other``, of integers a float; `rounding_mode` "floor" or "trunc" rounds, and keeps integers."""
    if rounding_mode is None:
        return wrap(ops.divide(*pair("div", input, other, True)))
    if rounding_mode == "floor":
        return wrap(floor_divided(*pair("div", input, other)))
    if rounding_mode != "trunc":
        raise RuntimeError(f"div: got rounding_mode={rounding_mode!r}; expected None, 'trunc' or 'floor'; leave it out "
                           f"for the quotient itself")
    a, b = pair("div", input, other)
    return wrap(truncated(a, b))


def truncated(a: Any, b: Any) -> Any:
    """The quotient, rounded towards zero."""
    dtype = next(x.data.dtype for x in (a, b) if isinstance(x, Node))
    if dtype.kind == "f":
        return ops.trunc(ops.divide(a, b))
    check_divisor(b)
    x, z = (n.data if isinstance(n, Node) else np.asarray(n, dtype) for n in (a, b))
    quotient = np.floor_divide(x, z)
    return Node(np.where((np.remainder(x, z) != 0) & ((x < 0) != (z < 0)), quotient + 1, quotient).astype(dtype))


@quiet
def floor_divided(a: Any, b: Any) -> Any:
    """The engine's floor division; integers are not divided by zero."""
    dtype = next(x.data.dtype for x in (a, b) if isinstance(x, Node))
    if dtype.kind != "f":
        check_divisor(b)
    return ops.floor_divide(a, b)


def check_divisor(b: Any) -> None:
    """Refuse zero among integers."""
    if np.any((b.data if isinstance(b, Node) else np.asarray(b)) == 0):
        raise RuntimeError("div: ZeroDivisionError: integers were divided by zero; expected no zero among the "
                           "divisors; convert first: x.float()")


@offer(method=True, in_place=True)
def floor_divide(input: Any, other: Any) -> Tensor:
    """The quotient, rounded down."""
    return wrap(floor_divided(*pair("floor_divide", input, other)))


@offer("remainder", method=True, in_place=True)
@quiet
def remainder(input: Any, other: Any) -> Tensor:
    """The remainder of division, with the sign of the divisor: Python's ``%``."""
    a, b = pair("remainder", input, other)
    if next(x.data.dtype for x in (a, b) if isinstance(x, Node)).kind != "f":
        check_divisor(b)
    return wrap(ops.remainder(a, b))


@offer(method=True, in_place=True)
@quiet
def pow(input: Any, exponent: Any) -> Tensor:
    """``input ** exponent``."""
    return wrap(power(*pair("pow", input, exponent)))


# --- operators ---


def infix(name: str, function: Function, slow: Function, reflected: bool = False) -> Function:
    """The method for an operator. Floats beside floats of the same dtype take the short way."""
    def operate(self: Tensor, other: Any) -> Any:
        a = self.node
        if a.data.dtype.kind == "f":
            kind = type(other)
            if kind is float or kind is int or issubclass(kind, TracerBase):  # a tracer in place of a float
                b = other
            elif isinstance(other, Tensor) and other.node.data.dtype is a.data.dtype:
                b = other.node
            else:
                return general(self, other)
            t: Tensor = new(Tensor)
            try:
                t.node = node = function(b, a) if reflected else function(a, b)
            except ValueError as error:
                raise as_pytorch(error) from None
            node.stamp = clock[0]
            return t
        return general(self, other)

    def general(self: Tensor, other: Any) -> Any:
        if not isinstance(other, Tensor | np.ndarray | np.generic | TracerBase) and type(other) not in NUMBERS:
            return NotImplemented
        return slow(other, self) if reflected else slow(self, other)

    operate.__name__ = operate.__qualname__ = name
    return operate


def in_place(name: str, ufunc: Function, slow: Function) -> Function:
    """The method for ``x += y``: a plain write where no gradient flows, else as PyTorch, in the graph."""
    whole = name in ("add", "sub", "mul")  # of integers an integer, whatever they are

    def operate(self: Tensor, other: Any) -> Any:
        a, b = self.node, other.node if type(other) is Tensor else operand(name, other)
        if getattr(a, "stamp", 0) == BARE and type(b) is Node and not b._requires_grad:  # p.data += -lr * p.grad
            array, value = a.data, b.data
            if value.dtype is array.dtype and value.shape == array.shape and array.dtype.kind == "f" and (
                    0 not in array.strides):
                ufunc(array, value, out=array)
                note(array)
                return self
        if not enters_graph(self, b):
            if a.op is not None:
                preserve(self)
                a = self.node
            array, value = a.data, b.data if isinstance(b, Node) else b
            if array.dtype.kind == "f":
                fits = type(value) in NUMBERS or (value.dtype is array.dtype and value.shape == array.shape)
            else:  # counts: N[i, j] += 1
                fits = whole and type(value) is int and array.dtype.kind == "i" and -128 <= value < 128
            if fits and 0 not in array.strides:
                ufunc(array, value, out=array)
                note(array)
                return self
        other = apart(self, other)
        return assign(name, self, lambda node: slow(wrap(node), other).node, b)

    operate.__name__ = operate.__qualname__ = f"__i{name}__"
    return operate


def compared(function: Function) -> Function:
    """The method for a comparison."""
    def compare(self: Tensor, other: Any) -> Any:
        if other is None or isinstance(other, str | list | tuple):
            return NotImplemented
        try:
            return wrap(function(*pair("compare", self, other)))
        except ValueError as error:
            raise as_pytorch(error) from None

    return compare


def logical(name: str, function: Function) -> Function:
    """PyTorch's bitwise function of two operands."""
    def compute(input: Any, other: Any) -> Tensor:
        a, b = pair(name, input, other)
        if any(isinstance(x, float) or (isinstance(x, Node) and x.data.dtype.kind == "f") for x in (a, b)):
            raise RuntimeError(f"{name}: got floats; expected integers or booleans; compare first: x > 0")
        return wrap(function(a, b))

    compute.__name__ = name
    compute.__doc__ = f"`{name}` of each pair of integers or booleans; they broadcast."
    return compute


for symbol, function, slow, ufunc in (
        ("add", ops.add, add, np.add), ("sub", ops.subtract, sub, np.subtract), ("mul", ops.multiply, mul, np.multiply),
        ("truediv", quiet(ops.divide), div, quiet(np.divide)),
        ("floordiv", quiet(ops.floor_divide), floor_divide, quiet(np.floor_divide)),
        ("mod", quiet(ops.remainder), remainder, quiet(np.remainder)),
        ("pow", quiet(ops.power), pow, quiet(np.power))):
    setattr(Tensor, f"__{symbol}__", infix(f"__{symbol}__", function, slow))
    setattr(Tensor, f"__r{symbol}__", infix(f"__r{symbol}__", function, slow, True))
    setattr(Tensor, f"__i{symbol}__", in_place(symbol, ufunc, slow))

for name in ("and", "or", "xor"):
    function = offer(f"bitwise_{name}", method=True, in_place=True)(
        logical(f"bitwise_{name}", getattr(ops, f"bitwise_{name}")))
    setattr(Tensor, f"__{name}__", function)
    setattr(Tensor, f"__r{name}__", function)
    setattr(Tensor, f"__i{name}__", getattr(Tensor, f"bitwise_{name}_"))
for name, symbol in (("left", "l"), ("right", "r")):
    function = offer(f"bitwise_{name}_shift", method=True, in_place=True)(
        logical(f"bitwise_{name}_shift", getattr(ops, f"{name}_shift")))
    setattr(Tensor, f"__{symbol}shift__", function)

for name in ("eq", "ne", "lt", "le", "gt", "ge"):
    spelled = {"eq": "equal", "ne": "not_equal", "lt": "less", "le": "less_equal", "gt": "greater",
               "ge": "greater_equal"}[name]
    setattr(Tensor, f"__{name}__", compared(getattr(ops, spelled)))
    longer = () if name == "eq" else (spelled,)
    offer(name, *longer, method=True, in_place=True)(binary(name, getattr(ops, spelled)))


@offer("matmul", method=True)
def matmul(input: Tensor, other: Tensor) -> Tensor:
    """The matrix product: of vectors a number, of stacks of matrices one product each."""
    a, b = operand("matmul", input), operand("matmul", other)
    if not isinstance(a, Node) or not isinstance(b, Node):
        raise TypeError("matmul: got a number; expected two tensors; write * for a product with a number")
    if a.data.dtype is not b.data.dtype and a.data.dtype != b.data.dtype:
        raise RuntimeError(f"matmul: expected m1 and m2 to have the same dtype, but got: {a.data.dtype} != "
                           f"{b.data.dtype}; convert one: x.to(other.dtype)")
    if a.data.dtype.kind == "b":
        raise RuntimeError("matmul: not implemented for 'Bool'; got booleans; expected numbers; write x.int()")
    return wrap(ops.matmul(a, b))


setattr(Tensor, "__matmul__", matmul)
setattr(Tensor, "__rmatmul__", lambda b, a: matmul(a, b))


@offer("neg", "negative", method=True, in_place=True)
def neg(input: Tensor) -> Tensor:
    """``-input``."""
    if input.node.data.dtype.kind == "b":
        raise RuntimeError("neg: negation, the `-` operator, on a bool tensor is not supported; expected numbers; "
                           "write ~x or logical_not() for a mask, x.int() for numbers")
    return wrap(ops.negative(input.node))


@offer("bitwise_not", method=True, in_place=True)
def bitwise_not(input: Tensor) -> Tensor:
    """``~input``, of booleans: not."""
    if input.node.data.dtype.kind == "f":
        raise RuntimeError(f"bitwise_not: got {input.dtype}; expected integers or booleans; compare first: x > 0")
    return wrap(ops.invert(input.node))


setattr(Tensor, "__neg__", neg)
setattr(Tensor, "__pos__", lambda x: x)
setattr(Tensor, "__invert__", bitwise_not)
setattr(Tensor, "__abs__", lambda x: wrap(ops.absolute(x.node)))
setattr(Tensor, "__trunc__", lambda x: operator.index(int(x.item())))
