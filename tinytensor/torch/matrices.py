"""Functions and decompositions of a matrix, or of each of a stack: `torch.linalg`'s, of which `torch` has some, too.

Systems and pseudo-inverses are in `systems.py`, products in `products.py`. Factorisations that only LAPACK's users meet
(LU, LDL, Householder) are not here, nor is what gives complex numbers.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import numpy as np

from .. import linalg, ops
from ..core import Tensor as Node
from . import return_types
from .dtypes import of
from .offer import offer
from .tensor import Tensor, as_node, of_array, wrap

LINALG: dict[str, Callable[..., Any]] = {}  # what `torch.linalg` offers


class LinAlgError(RuntimeError):
    """A matrix that has no such decomposition or inverse."""


LINALG["LinAlgError"] = LinAlgError


def floating(name: str, x: Any, least: int = 2, square: bool = False, integers: bool = False) -> Any:
    """The node of a tensor of floats with so many axes at least; `square` for square matrices only."""
    node = as_node(x, name)
    if node.data.dtype not in (np.float32, np.float64) and not (integers and node.data.dtype != np.bool_):
        raise RuntimeError(f"linalg.{name}: got {of(node.data.dtype)}; expected a floating point tensor, float32 or "
                           f"float64; convert it first: x.float()")
    shape = node.data.shape
    if len(shape) < least:
        raise RuntimeError(f"linalg.{name}: got {len(shape)} axes; the input tensor A must have at least {least} "
                           f"dimensions; reshape it to a matrix")
    if square and shape[-1] != shape[-2]:
        raise RuntimeError(f"linalg.{name}: A must be batches of square matrices, but they are {shape[-2]} by "
                           f"{shape[-1]} matrices; use pinv or lstsq for others")
    return node


def solving(name: str, function: Callable[..., Any], *arguments: Any, **kwargs: Any) -> Any:
    """What the engine's function gives; its errors as PyTorch's."""
    try:
        return function(*arguments, **kwargs)
    except ValueError as error:
        text = str(error).removeprefix("linalg.").removeprefix(f"{name}: ")
        kind = LinAlgError if isinstance(error, np.linalg.LinAlgError) else RuntimeError
        raise kind(f"linalg.{name}: {text}") from None


# --- one matrix ---


def matrix_function(name: str, *names: str, square: bool = True) -> None:
    """Offer a function of one matrix, or of a stack; under these names by `torch`, too."""
    function = getattr(linalg, name)

    def compute(A: Tensor) -> Tensor:
        return wrap(solving(name, function, floating(name, A, square=square)))

    compute.__name__ = name
    compute.__doc__ = f"`numpy.linalg.{name}` of a matrix, or of each of a stack."
    offer(name, into=LINALG)(compute)
    for other in names:
        offer(other, method=True)(compute)


matrix_function("det", "det")
matrix_function("inv", "inverse")
matrix_function("svdvals", square=False)


def sign_and_log(kind: Any) -> Callable[..., Any]:
    def compute(A: Tensor) -> Any:
        x = floating("slogdet", A, square=True)
        sign, log = solving("slogdet", linalg.slogdet, x)
        sign = sign if isinstance(sign, Node) else Node(np.asarray(sign))
        if x._requires_grad:  # a gradient of zero flows through the sign
            sign = ops.where(np.zeros((), np.bool_), log, sign)
        return kind((wrap(sign), wrap(log)))

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
    y = solving("cholesky", linalg.cholesky, floating("cholesky", A, square=True))
    return wrap(ops.matrix_transpose(y) if upper else y)


@offer("cholesky", method=True, note="Cholesky")
def cholesky_(input: Tensor, upper: bool = False) -> Tensor:
    """`torch.linalg.cholesky`."""
    return cholesky(input, upper=upper)


def qr_of(kind: Any) -> Callable[..., Any]:
    def compute(A: Tensor, mode: Any = "reduced") -> Any:
        mode = {True: "reduced", False: "complete"}.get(mode, mode)
        x = floating("qr", A)
        found = solving("qr", linalg.qr, x, mode)
        return kind((of_array(np.zeros(0, x.data.dtype)), wrap(found)) if mode == "r" else map(wrap, found))

    compute.__name__ = "qr"
    compute.__doc__ = "The factors Q, with orthonormal columns, and R, upper triangular; ``mode='r'`` gives R alone."
    return compute


offer("qr", into=LINALG)(qr_of(return_types.linalg_qr))
qr_ = qr_of(return_types.qr)


@offer("qr", method=True)
def some_qr(input: Tensor, some: bool = True) -> Any:
    """`torch.linalg.qr`, whose mode is "complete" unless `some`."""
    return qr_(input, bool(some))


@offer("svd", into=LINALG)
def svd(A: Tensor, full_matrices: bool = True) -> Any:
    """The singular value decomposition U, S, Vh."""
    return return_types.linalg_svd(map(wrap, solving("svd", linalg.svd, floating("svd", A), full_matrices)))


@offer("svd", method=True)
def svd_with_v(input: Tensor, some: bool = True, compute_uv: bool = True) -> Any:
    """The singular value decomposition U, S, V: V, and not its transpose as in `torch.linalg.svd`."""
    x = floating("svd", input)
    if not compute_uv:
        shape = x.data.shape
        u, v = (of_array(np.zeros((*shape[:-2], n, n), x.data.dtype)) for n in shape[-2:])
        return return_types.svd((u, wrap(solving("svd", linalg.svdvals, x)), v))
    u, s, vh = solving("svd", linalg.svd, x, not some)
    return return_types.svd((wrap(u), wrap(s), wrap(ops.matrix_transpose(vh))))


@offer("eigh", into=LINALG)
def eigh(A: Tensor, UPLO: str = "L") -> Any:
    """The eigenvalues, from the least, and eigenvectors of a symmetric matrix."""
    x = floating("eigh", A, square=True)
    return return_types.linalg_eigh(map(wrap, solving("eigh", linalg.eigh, x, UPLO)))


@offer("eigvalsh", into=LINALG)
def eigvalsh(A: Tensor, UPLO: str = "L") -> Tensor:
    """The eigenvalues of a symmetric matrix, from the least."""
    return wrap(solving("eigvalsh", linalg.eigvalsh, floating("eigvalsh", A, square=True), UPLO))


@offer("matrix_power", into=LINALG)
@offer(method=True)
def matrix_power(A: Tensor, n: int) -> Tensor:
    """A matrix multiplied by itself n times; of a negative n its inverse."""
    x = floating("matrix_power", A, square=True, integers=int(n) >= 0)
    return wrap(solving("matrix_power", linalg.matrix_power, x, int(n)))


PADE = (64764752532480000.0, 32382376266240000.0, 7771770303897600.0, 1187353796428800.0, 129060195264000.0,
        10559470521600.0, 670442572800.0, 33522128640.0, 1323241920.0, 40840800.0, 960960.0, 16380.0, 182.0, 1.0)


@offer("matrix_exp", into=LINALG)
@offer(method=True, note="LinalgMatrixExp")
def matrix_exp(A: Tensor) -> Tensor:
    """The exponential of a matrix, by Padé's approximant of order 13 of its halves, squared as often as it was halved.

    Higham, "The scaling and squaring method for the matrix exponential revisited" (2005).
    """
    x = floating("matrix_exp", A, square=True)
    if not x.data.size:
        return wrap(ops.positive(x))
    largest = float(np.abs(x.data).sum(-1).max())
    halvings = max(0, math.ceil(math.log2(largest / 5.37))) if 0 < largest < math.inf else 0
    x = ops.multiply(x, 0.5**halvings)
    eye = np.eye(x.data.shape[-1], dtype=x.data.dtype)
    two = ops.matmul(x, x)
    four = ops.matmul(two, two)
    powers = [eye, two, four, ops.matmul(four, two)]

    def part(first: int) -> Any:
        """The terms of odd or of even powers, over x or 1: those from 8 on are those from 2 on, times the sixth."""
        def weighted(start: int, some: Any) -> Any:
            y = ops.multiply(some[0], PADE[start])
            for i, power in enumerate(some[1:], 1):
                y = ops.add(y, ops.multiply(power, PADE[start + 2 * i]))
            return y

        return ops.add(weighted(first, powers), ops.matmul(powers[3], weighted(first + 8, powers[1:])))

    odd, even = ops.matmul(x, part(1)), part(0)
    y = linalg.solve(ops.subtract(even, odd), ops.add(even, odd))
    for _ in range(halvings):
        y = ops.matmul(y, y)
    return wrap(y)
