"""Systems of equations, pseudo-inverses, ranks and condition numbers.

Decompositions are in `matrices.py`.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from .. import linalg, ops
from . import return_types
from .matrices import LINALG, floating, solving
from .offer import offer
from .products import nodes
from .tensor import Tensor, of_array, wrap


@offer("solve", into=LINALG)
def solve(A: Tensor, B: Tensor, *, left: bool = True) -> Tensor:
    """The X of ``A @ X = B``, or with ``left=False`` of ``X @ A = B``."""
    a, b = nodes("linalg.solve", A, B)
    floating("solve", A, square=True)
    if b.data.ndim == 1 or (b.data.ndim == a.data.ndim - 1 and b.data.shape == a.data.shape[:-1]):
        return wrap(ops.squeeze(solving("solve", linalg.solve, a, ops.expand_dims(b, -1)), -1))
    if left:
        return wrap(solving("solve", linalg.solve, a, b))
    turned = solving("solve", linalg.solve, ops.matrix_transpose(a), ops.matrix_transpose(b))
    return wrap(ops.matrix_transpose(turned))


@offer("solve_triangular", into=LINALG)
def solve_triangular(A: Tensor, B: Tensor, *, upper: bool, left: bool = True, unitriangular: bool = False) -> Tensor:
    """As `solve` for the upper or lower triangle of A; `unitriangular` takes its diagonal as ones."""
    a, b = nodes("linalg.solve_triangular", A, B)
    floating("solve_triangular", A, square=True)
    floating("solve_triangular", B)
    a = (ops.triu if upper else ops.tril)(a, (1 if upper else -1) if unitriangular else 0)
    if unitriangular:
        a = ops.add(a, np.eye(a.data.shape[-1], dtype=a.data.dtype))
    if left:
        return wrap(solving("solve_triangular", linalg.solve, a, b))
    turned = solving("solve_triangular", linalg.solve, ops.matrix_transpose(a), ops.matrix_transpose(b))
    return wrap(ops.matrix_transpose(turned))


@offer("tensorinv", into=LINALG)
def tensorinv(A: Tensor, ind: int = 2) -> Tensor:
    """The inverse for `tensordot`, of a tensor that is square if its first `ind` axes are taken as one."""
    return wrap(solving("tensorinv", linalg.tensorinv, floating("tensorinv", A, 0), ind))


@offer("tensorsolve", into=LINALG)
def tensorsolve(A: Tensor, B: Tensor, dims: Any = None) -> Tensor:
    """The X of ``tensordot(A, X, X.ndim) = B``."""
    a, b = nodes("linalg.tensorsolve", A, B)
    return wrap(solving("tensorsolve", linalg.tensorsolve, a, b, dims))


def pseudo_inverse(A: Tensor, rtol: Any, hermitian: bool = False) -> Any:
    """The node of the pseudo-inverse; of a hermitian matrix only the lower half is read."""
    x = floating("pinv", A, square=hermitian)
    if hermitian:  # subtle: gradients flow to the whole of it, as in PyTorch
        low = np.tril(x.data)
        x = ops.add(x, low + np.tril(x.data, -1).swapaxes(-1, -2) - x.data)
    if not x.data.size:
        return ops.matrix_transpose(x)
    return solving("pinv", linalg.pinv, x, rtol=rtol)


def cut_off(A: Tensor, atol: Any, rtol: Any) -> Any:
    """The share of the largest singular value up to which others count as 0; None for what rounding leaves of them."""
    x = floating("pinv", A)
    rtol, atol = (t.node.data if isinstance(t, Tensor) else t for t in (rtol, atol))
    if atol is None or not x.data.size:
        return rtol
    rtol = 0.0 if rtol is None else rtol
    with np.errstate(all="ignore"):
        return np.maximum(rtol, np.nan_to_num(atol / np.linalg.svdvals(x.data).max(-1), posinf=1))


@offer("pinv", into=LINALG)
def pinv(A: Tensor, rcond: Any = None, hermitian: bool = False, *, atol: Any = None, rtol: Any = None) -> Tensor:
    """The pseudo-inverse of Moore and Penrose; singular values up to atol, or rtol times the largest, count as 0."""
    return wrap(pseudo_inverse(A, cut_off(A, atol, rtol if rcond is None else rcond), hermitian))


@offer(method=True)
def pinverse(input: Tensor, rcond: Any = 1e-15) -> Tensor:
    """The pseudo-inverse of Moore and Penrose."""
    return wrap(pseudo_inverse(input, rcond))


DRIVERS = ("gelsy", "gels", "gelsd", "gelss")


@offer("lstsq", into=LINALG)
def lstsq(A: Tensor, B: Tensor, rcond: Any = None, *, driver: str | None = None) -> Any:
    """The X that makes ``A @ X - B`` least in squares, by the pseudo-inverse of A.

    With it come the squared residuals, the rank and the singular values: those that PyTorch's `driver` gives.
    """
    a, b = nodes("linalg.lstsq", A, B)
    floating("lstsq", A)
    driver = driver or "gelsy"
    if driver not in DRIVERS:
        raise RuntimeError(f"linalg.lstsq: got driver={driver!r}; parameter `driver` should be one of {DRIVERS}; leave "
                           f"it out")
    m, n = a.data.shape[-2:]
    vector = b.data.ndim == a.data.ndim - 1 and b.data.shape == a.data.shape[:-1]
    b = ops.expand_dims(b, -1) if vector else b
    rtol = cut_off(A, None, rcond if driver != "gels" else None)
    if b.data.shape[-2] != m:
        raise RuntimeError(f"linalg.lstsq: got {[*a.data.shape]} and {[*b.data.shape]}; input.size(-2) should match "
                           f"other.size(-2); transpose one")
    x = solving("lstsq", ops.matmul, pseudo_inverse(A, rtol), b)
    s = np.linalg.svdvals(a.data) if a.data.size else np.zeros((*a.data.shape[:-2], min(m, n)), a.data.dtype)
    rtol = float(np.finfo(a.data.dtype).eps * max(m, n)) if rtol is None else rtol
    rank = (s > rtol * np.max(s, -1, keepdims=True, initial=0)).sum(-1)
    residuals = ops.reshape(x, (-1,))[:0]
    if m > n and driver != "gelsy" and (driver == "gels" or np.all(rank == n)):
        residuals = ops.sum(ops.square(ops.subtract(ops.matmul(a, x), b)), -2)
    x = ops.squeeze(x, -1) if vector else x
    none = np.zeros(0, a.data.dtype)
    return return_types.linalg_lstsq((
        wrap(x), wrap(residuals), of_array(none.astype(np.int64) if driver == "gels" else np.asarray(rank)),
        of_array(s if driver in ("gelsd", "gelss") else none)))


@offer("matrix_rank", into=LINALG)
def matrix_rank(A: Tensor, tol: Any = None, hermitian: bool = False, *, atol: Any = None, rtol: Any = None) -> Tensor:
    """How many singular values are larger than atol, and than rtol times the largest."""
    x = floating("matrix_rank", A, square=hermitian).data
    atol, rtol = (t.node.data if isinstance(t, Tensor) else t for t in (tol if atol is None else atol, rtol))
    if not x.size:
        return of_array(np.zeros(x.shape[:-2], np.int64))
    if rtol is None:
        rtol = 0.0 if atol is not None else float(np.finfo(x.dtype).eps * max(x.shape[-2:]))
    s = np.abs(np.linalg.eigvalsh(x)) if hermitian else np.linalg.svdvals(x)
    least = np.maximum(0 if atol is None else atol, rtol * s.max(-1))
    return of_array(np.asarray((s > least[..., None]).sum(-1)))


@offer("cond", into=LINALG)
def cond(A: Tensor, p: Any = None) -> Tensor:
    """The condition number."""
    return wrap(solving("cond", linalg.cond, floating("cond", A), p))
