"""`torch.linalg`, and the products and decompositions that `torch` has by itself."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from .. import linalg, ops
from ..core import Tensor as Node
from ..names import Missing, refusal
from . import return_types
from .dtypes import numpy_dtype, of
from .offer import offer
from .operators import as_dtype, matmul, pair
from .reduce import axes, keeps
from .tensor import Tensor, as_node, of_array, wrap

LINALG: dict[str, Callable[..., Any]] = {}


def nodes(name: str, *tensors: Any) -> list[Any]:
    """The nodes of tensors that must have one dtype."""
    found = [as_node(x, name) for x in tensors]
    for x in found[1:]:
        if x.data.dtype != found[0].data.dtype:
            raise RuntimeError(f"{name}: expected m1 and m2 to have the same dtype, but got: {of(found[0].data.dtype)} "
                               f"!= {of(x.data.dtype)}; convert one: x.to(other.dtype)")
    return found


def of_axes(name: str, x: Any, n: int) -> None:
    """Refuse a tensor that has not n axes."""
    if x.data.ndim != n:
        raise RuntimeError(f"{name}: expected a {n}-D tensor; got {x.data.ndim}-D of shape {[*x.data.shape]}; use "
                           f"matmul for stacks, or reshape it")


def product(name: str, first: int, second: int) -> Callable[..., Tensor]:
    """A product of tensors of so many axes each, and no broadcasting."""
    def compute(input: Tensor, other: Tensor) -> Tensor:
        a, b = nodes(name, input, other)
        of_axes(name, a, first)
        of_axes(name, b, second)
        x, y = a.data.shape, b.data.shape
        if first == 3 and x[0] != y[0]:
            raise RuntimeError(f"{name}: expected batches of one size; got {[*x]} and {[*y]}; use matmul to broadcast")
        try:
            return wrap(ops.matmul(a, b))
        except ValueError:
            raise RuntimeError(f"{name}: mat1 and mat2 shapes cannot be multiplied ({'x'.join(map(str, x))} and "
                               f"{'x'.join(map(str, y))}); expected the last axis of one to equal the first of the "
                               f"other; transpose one") from None

    compute.__name__ = name
    compute.__doc__ = f"The product of {first}-D and {second}-D tensors."
    return compute


mm = offer("mm", method=True)(product("mm", 2, 2))
bmm = offer("bmm", method=True)(product("bmm", 3, 3))
mv = offer("mv", method=True)(product("mv", 2, 1))


@offer("dot", "vdot", method=True)
def dot(input: Tensor, tensor: Tensor) -> Tensor:
    """The product of two vectors of one size."""
    a, b = nodes("dot", input, tensor)
    if a.data.ndim != 1 or b.data.ndim != 1 or a.data.size != b.data.size:
        raise RuntimeError(f"dot: 1D tensors of one size expected, but got {[*a.data.shape]} and {[*b.data.shape]}; "
                           f"use matmul for matrices")
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


def added(name: str, multiply: Callable[..., Tensor], collect: bool = False) -> Callable[..., Tensor]:
    """``beta * input + alpha * product``."""
    def compute(input: Tensor, first: Tensor, second: Tensor, *, beta: Any = 1, alpha: Any = 1) -> Tensor:
        y = multiply(first, second)
        y = wrap(ops.sum(y.node, 0)) if collect else y
        y = y if alpha == 1 else y * alpha
        if beta == 0:  # subtle: nan in the input does not count then
            return wrap(ops.add(y.node, np.zeros(np.broadcast_shapes(input.shape, y.shape), y.node.data.dtype)))
        return wrap(ops.add(*pair(name, input if beta == 1 else input * beta, y)))

    compute.__name__ = name
    compute.__doc__ = "``beta * input + alpha * product`` of the other two."
    return compute


for name, multiply, collect in (("addmm", mm, False), ("addmv", mv, False), ("addr", outer, False),
                                ("baddbmm", bmm, False), ("addbmm", bmm, True)):
    offer(name, method=True, in_place=True)(added(name, multiply, collect))


@offer("chain_matmul")
def chain_matmul(*matrices: Tensor) -> Tensor:
    """The product of several matrices."""
    return multi_dot(matrices)


@offer("multi_dot", into=LINALG)
def multi_dot(tensors: Any) -> Tensor:
    """The product of several matrices, in the order that takes the fewest steps."""
    found = nodes("multi_dot", *tensors)
    return wrap(found[0] if len(found) == 1 else linalg.multi_dot(found))


@offer()
def einsum(equation: str, *operands: Any) -> Tensor:
    """Sums of products by Einstein's convention: ``einsum("bij,bjk->bik", a, b)``."""
    if len(operands) == 1 and isinstance(operands[0], tuple | list):
        operands = tuple(operands[0])
    return wrap(ops.einsum(equation.replace(" ", ""), *[as_node(x, "einsum") for x in operands]))


@offer()
def tensordot(a: Tensor, b: Tensor, dims: Any = 2) -> Tensor:
    """The sums of products over several axes of both."""
    x, y = nodes("tensordot", a, b)
    return wrap(ops.tensordot(x, y, dims.tolist() if isinstance(dims, Tensor) else dims))


@offer(method=True)
def kron(input: Tensor, other: Tensor) -> Tensor:
    """The Kronecker product."""
    return wrap(ops.kron(*pair("kron", input, other)))


@offer(method=True)
def cross_(input: Tensor, other: Tensor, dim: int | None = None) -> Tensor:
    """The cross product along an axis of size 3: `dim`, or the first such axis."""
    a, b = pair("cross", input, other)
    shape = np.broadcast_shapes(a.data.shape, b.data.shape)
    if dim is None:
        dim = next((i for i, n in enumerate(shape) if n == 3), -1)
    if not shape or shape[dim] != 3:
        raise RuntimeError(f"cross: inputs dimension {dim} must have length 3; got shape {[*shape]}; name another dim")
    return wrap(ops.cross(ops.broadcast_to(a, shape), ops.broadcast_to(b, shape), axis=dim))


@offer(method=True)
def trace(input: Tensor) -> Tensor:
    """The sum of the diagonal of a matrix."""
    x = input.node
    of_axes("trace", x, 2)
    return wrap(ops.trace(x if x.data.dtype.kind == "f" else as_dtype(x, np.dtype(np.int64))))


# --- decompositions and what is computed by them ---


def floating(name: str, x: Any) -> Any:
    """The node of a tensor of matrices of floats."""
    node = as_node(x, name)
    if node.data.dtype not in (np.float32, np.float64):
        raise RuntimeError(f"linalg.{name}: expected a floating point tensor; got {of(node.data.dtype)}; convert it "
                           f"first: x.float()")
    if node.data.ndim < 2:
        raise RuntimeError(f"linalg.{name}: the input tensor A must have at least 2 dimensions; got "
                           f"{node.data.ndim}; reshape it to a matrix")
    return node


def solving(name: str, function: Callable[..., Any], *arguments: Any) -> Any:
    """What NumPy's function gives; its LinAlgError as PyTorch's."""
    try:
        return function(*arguments)
    except np.linalg.LinAlgError as error:
        raise LinAlgError(f"linalg.{name}: {error}") from None


class LinAlgError(RuntimeError):
    """A matrix that has no such decomposition or inverse."""


LINALG["LinAlgError"] = LinAlgError


def matrix_function(name: str, *names: str, method: bool = False) -> None:
    """Offer a function of one matrix, or of a stack."""
    function = getattr(linalg, name)

    def compute(A: Tensor) -> Tensor:
        return wrap(solving(name, function, floating(name, A)))

    compute.__name__ = name
    compute.__doc__ = f"`numpy.linalg.{name}` of a matrix, or of each of a stack."
    offer(name, into=LINALG)(compute)
    if names:
        offer(*names, method=True)(compute)


matrix_function("det", "det")
matrix_function("inv", "inverse")


@offer("pinv", into=LINALG)
@offer("pinverse", method=True)
def pinv(A: Tensor, rtol: Any = None, *, rcond: Any = None, hermitian: bool = False) -> Tensor:
    """The pseudo-inverse of Moore and Penrose."""
    x = floating("pinv", A)
    rtol = rcond if rtol is None else rtol
    n = max(x.data.shape[-2:], default=0)
    return wrap(linalg.pinv(x, float(np.finfo(x.data.dtype).eps * n) if rtol is None else float(rtol), hermitian))


def sign_and_log(kind: Any) -> Callable[..., Any]:
    def compute(A: Tensor) -> Any:
        sign, log = linalg.slogdet(floating("slogdet", A))
        return kind((wrap(sign if isinstance(sign, Node) else Node(np.asarray(sign))), wrap(log)))

    compute.__name__ = "slogdet"
    compute.__doc__ = "The sign of the determinant and the logarithm of its absolute value."
    return compute


slogdet_ = offer("slogdet", method=True)(sign_and_log(return_types.slogdet))
offer("slogdet", into=LINALG)(sign_and_log(return_types.linalg_slogdet))


@offer(method=True)
def logdet(input: Tensor) -> Tensor:
    """The logarithm of the determinant; nan where that is negative."""
    sign, log = slogdet_(input)
    negative = sign.node.data < 0
    return log if not np.any(negative) else wrap(ops.where(negative, np.asarray(np.nan, log.node.data.dtype), log.node))


@offer("cholesky", into=LINALG)
def cholesky(A: Tensor, *, upper: bool = False) -> Tensor:
    """The factor L of a symmetric positive definite matrix ``L @ L.T``."""
    y = solving("cholesky", linalg.cholesky, floating("cholesky", A))
    return wrap(ops.matrix_transpose(y) if upper else y)


offer("cholesky", method=True)(lambda input, upper=False: cholesky(input, upper=upper))


def qr_of(kind: Any) -> Callable[..., Any]:
    def compute(A: Tensor, mode: Any = "reduced") -> Any:
        mode = {True: "reduced", False: "complete"}.get(mode, mode)
        q, r = linalg.qr(floating("qr", A), mode)
        return kind((wrap(q), wrap(r)))

    compute.__name__ = "qr"
    compute.__doc__ = "The factors Q, with orthonormal columns, and R, upper triangular."
    return compute


offer("qr", into=LINALG)(qr_of(return_types.linalg_qr))
offer("qr", method=True)(qr_of(return_types.qr))


@offer("svd", into=LINALG)
def svd(A: Tensor, full_matrices: bool = True) -> Any:
    """The singular value decomposition U, S, Vh."""
    return return_types.linalg_svd(wrap(x) for x in linalg.svd(floating("svd", A), full_matrices))


@offer("svdvals", into=LINALG)
def svdvals(A: Tensor) -> Tensor:
    """The singular values, from the largest."""
    return wrap(linalg.svdvals(floating("svdvals", A)))


@offer("eigh", into=LINALG)
def eigh(A: Tensor, UPLO: str = "L") -> Any:
    """The eigenvalues, from the least, and eigenvectors of a symmetric matrix."""
    return return_types.linalg_eigh(wrap(x) for x in linalg.eigh(floating("eigh", A), UPLO))


@offer("eigvalsh", into=LINALG)
def eigvalsh(A: Tensor, UPLO: str = "L") -> Tensor:
    """The eigenvalues of a symmetric matrix, from the least."""
    return wrap(linalg.eigvalsh(floating("eigvalsh", A), UPLO))


@offer("solve", into=LINALG)
def solve(A: Tensor, B: Tensor, *, left: bool = True) -> Tensor:
    """The X of ``A @ X = B``, or with ``left=False`` of ``X @ A = B``."""
    a, b = nodes("solve", A, B)
    vector = b.data.ndim == 1 or (b.data.ndim == a.data.ndim - 1 and b.data.shape == a.data.shape[:-1])
    if vector:
        return wrap(ops.squeeze(solving("solve", linalg.solve, a, ops.expand_dims(b, -1)), -1))
    if left:
        return wrap(solving("solve", linalg.solve, a, b))
    turned = solving("solve", linalg.solve, ops.matrix_transpose(a), ops.matrix_transpose(b))
    return wrap(ops.matrix_transpose(turned))


@offer("lstsq", into=LINALG)
def lstsq(A: Tensor, B: Tensor, rcond: Any = None, *, driver: str | None = None) -> Any:
    """The X that makes ``A @ X - B`` least in squares; with residuals, rank and singular values."""
    a, b = nodes("lstsq", A, B)
    if a.data.ndim != 2:
        raise RuntimeError(f"linalg.lstsq: got a stack of shape {[*a.data.shape]}; expected one matrix; solve one "
                           f"by one")
    x, residuals, rank, s = linalg.lstsq(a, b, rcond)
    return return_types.linalg_lstsq(y if isinstance(y, Tensor) else wrap(y) if isinstance(y, Node) else of_array(
        np.asarray(y)) for y in (x, residuals, rank, s))


@offer("matrix_rank", into=LINALG)
def matrix_rank(A: Tensor, tol: Any = None, hermitian: bool = False) -> Tensor:
    """How many singular values are not negligible."""
    return of_array(np.asarray(np.linalg.matrix_rank(floating("matrix_rank", A).data, tol, hermitian)))


@offer("matrix_power", into=LINALG)
@offer(method=True)
def matrix_power(input: Tensor, n: int) -> Tensor:
    """A matrix multiplied by itself n times; of a negative n its inverse."""
    return wrap(solving("matrix_power", linalg.matrix_power, floating("matrix_power", input), int(n)))


@offer("cond", into=LINALG)
def cond(A: Tensor, p: Any = None) -> Tensor:
    """The condition number."""
    return wrap(linalg.cond(floating("cond", A), p))


# --- norms ---


@offer("vector_norm", into=LINALG)
def vector_norm(x: Tensor, ord: Any = 2, dim: Any = None, keepdim: bool = False, *, dtype: Any = None) -> Tensor:
    """The norm of vectors: of all elements, or along `dim`."""
    node = as_dtype(x.node, numpy_dtype(dtype, x.node.data.dtype))
    axis = axes("vector_norm", node, dim)
    return wrap(linalg.vector_norm(node, axis=None if axis == () else axis, keepdims=keeps(node, keepdim), ord=ord))


@offer("matrix_norm", into=LINALG)
def matrix_norm(A: Tensor, ord: Any = "fro", dim: Any = (-2, -1), keepdim: bool = False, *,
                dtype: Any = None) -> Tensor:
    """The norm of matrices, which stand in two axes."""
    node = as_dtype(floating("matrix_norm", A), numpy_dtype(dtype, A.node.data.dtype))
    return wrap(linalg.norm(node, ord, axes("matrix_norm", node, tuple(dim)), keepdim))


@offer("norm", into=LINALG)
def norm(A: Tensor, ord: Any = None, dim: Any = None, keepdim: bool = False, *, dtype: Any = None) -> Tensor:
    """The norm of a vector or matrix, as `ord` and `dim` say."""
    if isinstance(ord, str) or (ord is not None and dim is None and A.ndim == 2) or (
            ord is not None and isinstance(dim, tuple | list) and len(dim) == 2):
        return matrix_norm(A, ord, (-2, -1) if dim is None else dim, keepdim, dtype=dtype)
    return vector_norm(A, 2 if ord is None else ord, dim, keepdim, dtype=dtype)


LINALG["matmul"] = matmul


@offer("cross", into=LINALG)
def linalg_cross(input: Tensor, other: Tensor, *, dim: int = -1) -> Tensor:
    """The cross product along an axis of size 3."""
    return cross_(input, other, dim)


@offer()
def cdist(x1: Tensor, x2: Tensor, p: float = 2.0, compute_mode: str | None = None) -> Tensor:
    """The distances between all pairs of two lists of vectors: (..., P, M) and (..., R, M) give (..., P, R)."""
    a, b = pair("cdist", x1, x2)
    gap = ops.subtract(ops.expand_dims(a, -2), ops.expand_dims(b, -3))
    return wrap(linalg.vector_norm(gap, axis=-1, ord=p))


globals().update(LINALG)


def __getattr__(name: str) -> Any:
    raise Missing(refusal, "linalg", name, lambda: LINALG)
