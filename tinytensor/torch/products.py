"""Products of vectors, matrices and stacks of them, those that are added to a tensor, and sums of products.

`matmul` stands with the operators.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from .. import linalg, ops
from ..core import Tensor as Node
from .dtypes import of
from .offer import offer
from .operators import as_dtype, pair
from .tensor import Tensor, as_node, wrap

LETTERS = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz"


def nodes(name: str, *tensors: Any) -> list[Any]:
    """The nodes of tensors that must have one dtype, of numbers."""
    found = [as_node(x, name) for x in tensors]
    for x in found:
        if x.data.dtype != found[0].data.dtype:
            raise RuntimeError(f"{name}: expected m1 and m2 to have the same dtype, but got: {of(found[0].data.dtype)} "
                               f"!= {of(x.data.dtype)}; convert one: x.to(other.dtype)")
        if x.data.dtype == np.bool_:
            raise RuntimeError(f"{name}: not implemented for 'Bool'; got booleans; expected numbers; write x.int()")
    return found


def of_axes(name: str, x: Any, n: int) -> None:
    """Refuse a tensor that has not n axes."""
    if x.data.ndim != n:
        raise RuntimeError(f"{name}: got {x.data.ndim}-D of shape {[*x.data.shape]}; expected a {n}-D tensor; use "
                           f"matmul for stacks, or reshape it")


def together(name: str, *shapes: Any) -> Any:
    """The shape that shapes have together."""
    try:
        return np.broadcast_shapes(*shapes)
    except ValueError:
        text = " and ".join(str([*shape]) for shape in shapes)
        raise RuntimeError(f"{name}: got shapes {text}; expected shapes that broadcast; reshape one") from None


# --- of two ---


def product(name: str, first: int, second: int) -> Callable[..., Tensor]:
    """A product of tensors of so many axes each, and no broadcasting."""
    def compute(input: Tensor, other: Tensor) -> Tensor:
        a, b = nodes(name, input, other)
        of_axes(name, a, first)
        of_axes(name, b, second)
        x, y = a.data.shape, b.data.shape
        if first == 3 and x[0] != y[0]:
            raise RuntimeError(f"{name}: got {[*x]} and {[*y]}; expected batches of one size; use matmul to broadcast")
        try:
            return wrap(ops.matmul(a, b))
        except ValueError:
            raise RuntimeError(f"{name}: mat1 and mat2 shapes cannot be multiplied ({'x'.join(map(str, x))} and "
                               f"{'x'.join(map(str, y))}); expected the last axis of one to equal the first of the "
                               f"other; transpose one") from None

    compute.__name__ = name
    compute.__doc__ = f"The product of {first}-D and {second}-D tensors."
    return compute


mm = offer("mm", method=True, note="Mm")(product("mm", 2, 2))
bmm = offer("bmm", method=True, note="Bmm")(product("bmm", 3, 3))
mv = offer("mv", method=True, note="Mv")(product("mv", 2, 1))


@offer("dot", "vdot", method=True, note="Dot")
def dot(input: Tensor, tensor: Tensor) -> Tensor:
    """The product of two vectors of one size."""
    a, b = nodes("dot", input, tensor)
    if a.data.ndim != 1 or b.data.ndim != 1 or a.data.size != b.data.size:
        raise RuntimeError(f"dot: got {[*a.data.shape]} and {[*b.data.shape]}; 1D tensors of one size expected; use "
                           f"matmul for matrices")
    return wrap(ops.matmul(a, b))


@offer(method=True)
def inner(input: Tensor, other: Tensor) -> Tensor:
    """The product along the last axes; with a tensor without axes, times it."""
    a, b = nodes("inner", input, other)
    return wrap(ops.inner(a, b))


@offer("outer", "ger", method=True)
def outer(input: Tensor, vec2: Tensor) -> Tensor:
    """All products of the elements of two vectors."""
    a, b = pair("outer", input, vec2)
    of_axes("outer", a, 1)
    of_axes("outer", b, 1)
    return wrap(ops.multiply(ops.expand_dims(a, 1), b))


@offer(method=True)
def kron(input: Tensor, other: Tensor) -> Tensor:
    """The Kronecker product."""
    return wrap(ops.kron(*pair("kron", input, other)))


def crossed(name: str, input: Tensor, other: Tensor, dim: int | None) -> Tensor:
    """The cross product; without a dim along the first axis of size 3."""
    a, b = pair(name, input, other)
    if a.data.ndim != b.data.ndim:
        raise RuntimeError(f"{name}: inputs must have the same number of dimensions; got {[*a.data.shape]} and "
                           f"{[*b.data.shape]}; unsqueeze one")
    shape = together(name, a.data.shape, b.data.shape)
    if dim is None:
        dim = next((i for i, n in enumerate(shape) if n == 3), None)
    elif not -len(shape) <= dim < len(shape):
        raise IndexError(f"{name}: Dimension out of range; got dim={dim} for shape {[*shape]}; name another dim")
    if dim is None or not 3 == shape[dim] == a.data.shape[dim] == b.data.shape[dim]:
        raise RuntimeError(f"{name}: inputs dimension {dim} must have length 3; got shape {[*shape]}; name another dim")
    return wrap(ops.cross(ops.broadcast_to(a, shape), ops.broadcast_to(b, shape), axis=dim))


@offer(method=True, note="LinalgCross")
def cross(input: Tensor, other: Tensor, dim: int | None = None) -> Tensor:
    """The cross product along an axis of size 3: `dim`, or the first such axis."""
    return crossed("cross", input, other, dim)


# --- of two, added to a third ---


def added(name: str, multiply: Callable[..., Tensor], collect: bool = False) -> Callable[..., Tensor]:
    """``beta * input + alpha * product``; `collect` sums the products of a stack."""
    def compute(input: Tensor, first: Tensor, second: Tensor, *, beta: Any = 1, alpha: Any = 1) -> Tensor:
        if name != "addr":
            nodes(name, input, first, second)
        y = multiply(first, second).node
        dtype = y.data.dtype if name != "addr" else pair(name, input, wrap(y))[0].data.dtype
        if dtype.kind != "f":
            if name == "addr" and (isinstance(beta, float) or isinstance(alpha, float)):
                raise RuntimeError(f"addr: got beta={beta}, alpha={alpha} of integers; expected integers too; convert "
                                   f"the tensors: x.float()")
            beta, alpha = int(beta), int(alpha)
        y = as_dtype(ops.sum(y, 0) if collect else y, dtype)
        y = y if alpha == 1 else as_dtype(ops.multiply(y, alpha), dtype)
        if beta == 0:  # subtle: nan in the input does not count then
            return wrap(ops.add(y, np.zeros(together(name, input.shape, y.data.shape), dtype)))
        x = as_dtype(input.node, dtype)
        return wrap(ops.add(x if beta == 1 else as_dtype(ops.multiply(x, beta), dtype), y))

    compute.__name__ = name
    compute.__doc__ = "``beta * input + alpha * product`` of the other two."
    return compute


for name, multiply, collect in (("addmm", mm, False), ("addmv", mv, False), ("addr", outer, False),
                                ("baddbmm", bmm, False), ("addbmm", bmm, True)):
    offer(name, method=True, in_place=True, note=name.capitalize())(added(name, multiply, collect))


# --- of several ---


@offer()
def chain_matmul(*matrices: Tensor) -> Tensor:
    """The product of several matrices, in the order that takes the fewest steps."""
    return matrices[0] if len(matrices) == 1 else in_best_order("chain_matmul", matrices)


def in_best_order(name: str, tensors: Any) -> Tensor:
    """The product of several matrices."""
    found = nodes(name, *tensors)
    if len(found) < 2:
        raise RuntimeError(f"{name}: got {len(found)}; expected at least 2 tensors; write x.clone() for one")
    return wrap(linalg.multi_dot(found))


@offer()
def einsum(equation: Any, *operands: Any) -> Tensor:
    """Sums of products by Einstein's convention: ``einsum("bij,bjk->bik", a, b)``.

    The axes may be given as lists of integers, too: ``einsum(a, [0, 1], b, [1, 2], [0, 2])``.
    """
    if isinstance(equation, Tensor):
        equation, operands = of_lists((equation, *operands))
    if len(operands) == 1 and isinstance(operands[0], tuple | list):
        operands = tuple(operands[0])
    found = [as_node(x, "einsum") for x in operands]
    equation = equation.replace(" ", "")
    if len(found) > 1:
        nodes("einsum", *operands)
    if found and found[0].data.dtype.kind != "f" and "->" in equation:
        terms, given = equation.split("->")
        if any(c.isalpha() and c not in given and sum(c in term for term in terms.split(",")) == 1 for c in terms):
            found = [as_dtype(x, np.dtype(np.int64)) for x in found]  # as any sum of integers
    return wrap(ops.einsum(equation, *found))


def of_lists(given: tuple[Any, ...]) -> tuple[str, tuple[Any, ...]]:
    """The equation for operands and lists of axes in turns, and the operands."""
    def letters(axes: Any) -> str:
        return "".join("..." if i is Ellipsis else LETTERS[i] for i in axes)

    last = f"->{letters(given[-1])}" if len(given) % 2 else ""
    terms = given[: len(given) // 2 * 2]
    return ",".join(map(letters, terms[1::2])) + last, terms[::2]


@offer()
def tensordot(a: Tensor, b: Tensor, dims: Any = 2) -> Tensor:
    """The sums of products over several axes of both: the last of one and the first of the other, or two lists."""
    x, y = nodes("tensordot", a, b)
    dims = dims.tolist() if isinstance(dims, Tensor) else dims
    if not hasattr(dims, "__index__"):
        lists = [[axes] if hasattr(axes, "__index__") else [*axes] for axes in dims]
        for i, j in zip(*lists, strict=False):  # an axis of size 1 is broadcast
            m, n = x.data.shape[i], y.data.shape[j]
            if m != n and 1 in (m, n):
                dtype = x.data.dtype
                x, y = (as_dtype(ops.sum(x, i, keepdims=True), dtype), y) if n == 1 else (
                    x, as_dtype(ops.sum(y, j, keepdims=True), dtype))
        dims = lists
    elif dims < 0:
        raise RuntimeError(f"tensordot: got dims={dims}; expected 0 or more; give the number of axes, or two lists")
    return wrap(ops.tensordot(x, y, dims))


@offer(note="Cdist")
def cdist(x1: Tensor, x2: Tensor, p: float = 2.0, compute_mode: str | None = None) -> Tensor:
    """The distances between all pairs of two lists of vectors: (..., P, M) and (..., R, M) give (..., P, R)."""
    a, b = pair("cdist", x1, x2)
    for x in (a, b):
        if x.data.dtype.kind != "f" or x.data.ndim < 2:
            raise RuntimeError(f"cdist: got {of(x.data.dtype)} with {x.data.ndim} axes; cdist only supports "
                               f"floating-point dtypes, and two axes or more; convert or reshape it")
    if a.data.shape[-1] != b.data.shape[-1]:
        raise RuntimeError(f"cdist: X1 and X2 must have the same number of columns; got {a.data.shape[-1]} and "
                           f"{b.data.shape[-1]}; transpose one")
    if p < 0:
        raise RuntimeError(f"cdist: only supports non-negative p values; got {p}; give 0 or more")
    gap = ops.subtract(ops.expand_dims(a, -2), ops.expand_dims(b, -3))
    y = linalg.vector_norm(gap, axis=-1, ord=p)
    return wrap(y if isinstance(y, Node) else Node(y))
