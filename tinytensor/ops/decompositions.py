"""The decompositions of linear algebra: Cholesky, QR, eigenvalues, singular values.

One with several parts is one node that holds them side by side; what users get are the parts, cut out of it. The
rules are those of matrix calculus as in Giles, "Collected matrix derivative results" (2008), and PyTorch's.

Where a derivative does not exist, it is said to be nan or infinite: between eigenvalues, or singular values, that are
equal up to rounding, if the loss depends on the vectors that belong to them; and where R of a QR has a zero diagonal.
A matrix that NumPy takes for symmetric has a symmetric gradient, as in PyTorch and JAX.
"""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from ..compose import composed
from ..core import S, Tensor, primitive
from ..define import expose, op
from ..dispatch import NEAREST

ALMOST = 8  # units of rounding by which numbers differ that count as equal

# --- what the rules use ---


def side_by_side(parts: Any, batch: tuple[int, ...]) -> Any:
    """The parts of a decomposition along one last axis, after those of the batch."""
    lead = len(batch)
    return np.concatenate([x.reshape((*batch, math.prod(x.shape[lead:]))) for x in parts], -1)


def cut(y: Any, *shapes: tuple[int, ...]) -> list[Any]:
    """The parts again, given their shapes without the batch."""
    batch, found, start = y.shape[:-1], [], 0
    for shape in shapes:
        stop = start + math.prod(shape)
        found.append(y[..., start:stop].reshape((*batch, *shape)))
        start = stop
    return found


def symmetric(x: Any) -> Any:
    return 0.5 * (x + x.mT)


def lower_half(x: Any) -> Any:
    """The lower triangle, with half of the diagonal."""
    return 0.5 * (np.tril(x) + np.tril(x, -1))


def diagonal_of(x: Any) -> Any:
    return np.einsum("...ii->...i", x)


def tiny(x: Any, largest: Any) -> Any:
    """Whether numbers are 0 beside the largest, up to rounding."""
    return np.abs(x) <= ALMOST * float(np.finfo(x.dtype).eps) * largest


def quotient(x: Any, y: Any, zero: Any, unused: Any) -> Any:
    """x / y where y counts as 0 if it is `zero`, and x / y as 0 if moreover no gradient came there: it is `unused`."""
    return x / np.where(zero, np.where(unused, 1, 0), y)


def between(m: Any, values: Any, numerator: Any, denominator: Any, unused: Any) -> Any:
    """numerator / denominator for each two of the `values`, whose difference divides; 0 on the diagonal."""
    gap = values[..., None, :] - values[..., :, None]
    largest = np.max(np.abs(values), -1, keepdims=True)[..., None]
    return quotient(numerator, denominator, tiny(gap, largest), unused | np.eye(m, dtype=np.bool_))


def completed(name: str, q: Any, g: Any, k: int) -> tuple[Any, Any]:
    """The first k columns of an orthogonal matrix, and their gradient with what it has from the columns after them.

    Those complete a basis: they follow the first ones such that they stay orthogonal to them.
    """
    if q.shape[-1] == k:
        return q, g
    first, rest, tail = q[..., :k], q[..., k:], g[..., k:]
    turn = rest.mT @ tail
    check_turn(turn.data if isinstance(turn, Tensor) else turn, name)
    return first, g[..., :k] - rest @ (tail.mT @ first)


@primitive
def check_turn(turn: Any, name: str) -> None:
    """Refuse a loss that changes when the completing columns are exchanged for another basis of the same space."""
    twist = turn - turn.mT
    if np.any(np.abs(twist) > 1e-3 * (1e-30 + np.max(np.abs(turn), initial=0))):
        raise ValueError(f"{name}: the loss depends on which basis completes the orthogonal matrix, and that has no "
                         f"derivative; expected a loss of the space alone, such as one of q2 @ q2.mT; use the reduced "
                         f"decomposition")


# --- Cholesky ---


def of_cholesky(g: Any, y: Any, upper: bool) -> Any:
    low, g = (y.mT, g.mT) if upper else (y, g)
    inverse = np.linalg.inv(low)
    return symmetric(inverse.mT @ lower_half(low.mT @ np.tril(g)) @ inverse)


@op(lambda g, y, a, *, upper: of_cholesky(g, y, upper), numpy=(np.linalg.cholesky,), namespace="linalg",
    samples=(S(np.array([[2.0]])), S(np.array([[[0.5]], [[3.0]]]), upper=True), S(np.zeros((0, 0)))))
def cholesky(a: Any, *, upper: Any = False) -> Any:
    """The lower triangular L with ``L @ L.T == a``, for symmetric positive definite a, (..., n, n); or upper, U.T @ U.

    NumPy reads one triangle of a. The gradient is the symmetric one.

    Examples
    --------
    >>> import tinytensor as tt
    >>> np.linalg.cholesky(tt.tensor([[4.0, 2.0], [2.0, 5.0]]))
    tensor([[2., 0.],
            [1., 2.]])
    """
    return np.linalg.cholesky(a, upper=upper)


# --- QR ---


def of_qr(g: Any, y: Any, a: Any, mode: str) -> Any:
    m, n = a.shape[-2:]
    k = min(m, n)
    wide = m if mode == "complete" else k
    if not a.size:
        return np.zeros_like(a)
    (q, r), (gq, gr) = (cut(x, (m, wide), (wide, n)) for x in (y, g))
    q, gq = completed("qr", q, gq, k)
    gr = np.triu(gr[..., :k, :])
    if n > k:
        gq = gq + a[..., k:] @ gr[..., k:].mT
    square = r[..., :k, :k]
    turn = square @ gr[..., :k].mT - gq.mT @ q
    diagonal = np.abs(diagonal_of(square))
    singular = np.any(tiny(diagonal, np.max(diagonal, -1, keepdims=True)), -1)[..., None, None]
    square = np.where(singular, np.eye(k, dtype=square.dtype), square)
    ga = np.linalg.solve(square, (gq + q @ (np.tril(turn) + np.tril(turn, -1).mT)).mT).mT
    ga = np.where(singular, np.nan, ga)
    return np.concatenate([ga, q @ gr[..., k:]], -1) if n > k else ga


@op(lambda g, y, a, *, mode, parts: of_qr(g, y, a, mode), namespace="linalg",
    samples=(S((3, 2), mode="reduced"), S((2, 3)), S(np.array([[[2.0, 1.0], [0.5, 3.0]]]))))
def packed_qr(a: Any, mode: str = "reduced", *, parts: Any = None) -> Any:
    """The parts of `qr` side by side along the last axis; `parts`: these, where they are known already.

    Examples
    --------
    >>> import tinytensor as tt
    >>> tt.linalg.packed_qr(tt.ones((3, 2))).shape
    (10,)
    """
    return side_by_side(np.linalg.qr(a, mode) if parts is None else parts, a.shape[:-2])


@composed(np.linalg.qr, namespace="linalg", samples=(S((3, 2)), S((2, 3)), S((2, 3, 3), mode="r"),
                                                    S((3, 2), mode="complete")))
def qr(a: Any, mode: str = "reduced", *, value: Any) -> Any:
    """Q with orthonormal columns and upper triangular R with ``Q @ R == a``, (..., m, n); R alone for mode "r".

    The gradient is nan where the first min(m, n) columns of a are linearly dependent. With mode "complete" a loss may
    depend on the additional columns of Q through the space that they span only. Mode "raw" has no gradient.

    Examples
    --------
    >>> import tinytensor as tt
    >>> q, r = np.linalg.qr(tt.tensor([[3.0, 1.0], [4.0, 2.0]]))
    >>> np.allclose(q @ r, [[3, 1], [4, 2]], atol=1e-6)
    True
    """
    if mode == "r":
        return np.linalg.qr(a).R
    if mode not in ("reduced", "complete"):
        raise TypeError(f"linalg.qr: mode {mode!r} has no gradient; expected 'reduced', 'complete' or 'r'; choose one "
                        f"of them, or give a.detach()")
    lead = len(a.shape) - 2
    y = packed_qr(a, mode, parts=value)
    return type(value)(*cut(y, *[x.shape[lead:] for x in value]))


# --- eigenvalues of symmetric matrices ---


def of_eigh(g: Any, y: Any, a: Any) -> Any:
    n = a.shape[-1]
    if not a.size:
        return np.zeros_like(a)
    (w, v), (gw, gv) = (cut(x, (n,), (n, n)) for x in (y, g))
    m = v.mT @ gv
    inner = between(n, w, m - m.mT, 2 * (w[..., None, :] - w[..., :, None]), (m == 0) & (m.mT == 0))
    return v @ (inner + gw[..., None] * np.eye(n, dtype=g.dtype)) @ v.mT


@op(lambda g, y, a, *, UPLO, parts: of_eigh(g, y, a), namespace="linalg",
    samples=(S(np.array([[2.0]])), S(np.array([[[0.5]], [[-3.0]]]), UPLO="U"), S(np.zeros((0, 0)))))
def packed_eigh(a: Any, UPLO: str = "L", *, parts: Any = None) -> Any:
    """The parts of `eigh` side by side along the last axis; `parts`: these, where they are known already.

    Examples
    --------
    >>> import tinytensor as tt
    >>> tt.linalg.packed_eigh(tt.ones((2, 2))).shape
    (6,)
    """
    return side_by_side(np.linalg.eigh(a, UPLO) if parts is None else parts, a.shape[:-2])


@composed(np.linalg.eigh, namespace="linalg", samples=(S(np.array([[2.0]])),))
def eigh(a: Any, UPLO: str = "L", *, value: Any) -> Any:
    """Eigenvalues, ascending, and eigenvectors in columns, of symmetric a, (..., n, n), of which one triangle is read.

    The gradient is the symmetric one. Where eigenvalues are equal, it is right for a loss of symmetric functions of
    these (their sum), and nan or infinite for one that depends on their eigenvectors. The sign of an eigenvector is
    LAPACK's choice: a loss should not depend on it.

    Examples
    --------
    >>> import tinytensor as tt
    >>> np.linalg.eigh(tt.tensor([[2.0, 1.0], [1.0, 2.0]])).eigenvalues
    tensor([1., 3.])
    """
    n = a.shape[-1]
    return type(value)(*cut(packed_eigh(a, UPLO, parts=value), (n,), (n, n)))


@composed(np.linalg.eigvalsh, namespace="linalg", samples=(S(np.array([[2.0]])),))
def eigvalsh(a: Any, UPLO: str = "L") -> Any:
    """The eigenvalues, ascending, of symmetric a, (..., n, n); their gradient is that of `eigh`.

    Examples
    --------
    >>> import tinytensor as tt
    >>> np.linalg.eigvalsh(tt.tensor([[2.0, 1.0], [1.0, 2.0]]))
    tensor([1., 3.])
    """
    return np.linalg.eigh(a, UPLO).eigenvalues


# --- eigenvalues of other matrices, where they are real ---


@primitive
def real_eig(a: Any) -> Any:
    """Eigenvalues, in the order of `np.linalg.eigvals`, and eigenvectors, side by side."""
    values, (others, vectors) = np.linalg.eigvals(a), np.linalg.eig(a)
    if "c" in (values.dtype.kind, others.dtype.kind):
        raise TypeError("np.linalg.eigvals does not take a Tensor that has complex eigenvalues: a Tensor is real; "
                        "expected a matrix whose eigenvalues are; np.linalg.svdvals and, for symmetric matrices, "
                        "np.linalg.eigvalsh come nearest")
    order = np.take_along_axis(np.argsort(others, -1), np.argsort(np.argsort(values, -1), -1), -1)
    return side_by_side((values, np.take_along_axis(vectors, order[..., None, :], -1)), a.shape[:-2])


def of_eig(g: Any, y: Any, a: Any) -> Any:
    n = a.shape[-1]
    if not a.size:
        return np.zeros_like(a)
    (w, v), (gw, gv) = (cut(x, (n,), (n, n)) for x in (y, g))
    gv = gv - v * np.sum(v * gv, -2, keepdims=True)  # the columns keep their length
    m = v.mT @ gv
    inner = between(n, w, m, w[..., None, :] - w[..., :, None], m == 0)
    return np.linalg.solve(v.mT, (inner + gw[..., None] * np.eye(n, dtype=g.dtype)) @ v.mT)


@op(lambda g, y, a: of_eig(g, y, a), namespace="linalg", samples=(
    S(np.array([[3.0, 1.0], [0.5, -2.0]])), S(np.array([[[2.0, 1.0, 0.5], [0.5, 5.0, -1.0], [0.5, 0.25, -3.0]]]))))
def packed_eig(a: Any) -> Any:
    """Eigenvalues and eigenvectors, in columns of length 1, side by side along the last axis; refused if not real.

    Examples
    --------
    >>> import tinytensor as tt
    >>> tt.linalg.packed_eig(tt.eye(2)).shape
    (6,)
    """
    return real_eig(a)


@expose(np.linalg.eigvals, namespace="linalg")
def eigvals(a: Any) -> Any:
    """The eigenvalues of square matrices, (..., n, n), if they are real: those of a Tensor are refused if not.

    Where eigenvalues are equal, the gradient is infinite or nan, unless there are as many eigenvectors.

    Examples
    --------
    >>> import tinytensor as tt
    >>> np.linalg.eigvals(tt.tensor([[2.0, 1.0], [0.0, 3.0]]))
    tensor([2., 3.])
    """
    return cut(packed_eig(a), a.shape[-1:])[0] if isinstance(a, Tensor) else np.linalg.eigvals(a)


NEAREST[np.linalg.eig] = "the nearest are np.linalg.eigh, for symmetric matrices, and np.linalg.eigvals, if real"


# --- singular values ---


def of_svd(g: Any, y: Any, a: Any, full_matrices: bool) -> Any:
    m, n = a.shape[-2:]
    k = min(m, n)
    if not a.size:
        return np.zeros_like(a)
    shapes = ((m, m if full_matrices else k), (k,), (n if full_matrices else k, n))
    (u, s, vh), (gu, gs, gvh) = (cut(x, *shapes) for x in (y, g))
    (u, gu), (v, gv) = completed("svd", u, gu, k), completed("svd", vh.mT, gvh.mT, k)
    mu, mv = u.mT @ gu, v.mT @ gv
    row, column = s[..., None, :], s[..., :, None]
    unused = (mu == 0) & (mu.mT == 0) & (mv == 0) & (mv.mT == 0)
    inner = between(k, s, (mu - mu.mT) * row + column * (mv - mv.mT), (row - column) * (row + column), unused)
    inner = inner + np.where(s == 0, 0, gs)[..., None] * np.eye(k, dtype=g.dtype)
    zero = tiny(s, s[..., :1])[..., None, :]
    ga = u @ inner @ v.mT
    if m > k:
        ga = ga + quotient(gu - u @ mu, row, zero, np.all(gu == 0, -2, keepdims=True)) @ v.mT
    if n > k:
        ga = ga + u @ quotient(gv - v @ mv, row, zero, np.all(gv == 0, -2, keepdims=True)).mT
    return ga


@op(lambda g, y, a, *, full_matrices, parts: of_svd(g, y, a, full_matrices), namespace="linalg",
    samples=(S(np.array([[3.0, 1.0], [0.5, 2.0]]), full_matrices=False), S(np.array([[3.0, 1.0], [0.5, 2.0], [1.0, 0]]),
             full_matrices=False), S(np.array([[[3.0, 1.0, 1.5], [0.5, 2.0, -1.0]]]), full_matrices=False)))
def packed_svd(a: Any, full_matrices: bool = True, *, parts: Any = None) -> Any:
    """The parts of `svd` side by side along the last axis; `parts`: these, where they are known already.

    Examples
    --------
    >>> import tinytensor as tt
    >>> tt.linalg.packed_svd(tt.ones((3, 2)), full_matrices=False).shape
    (12,)
    """
    return side_by_side(np.linalg.svd(a, full_matrices) if parts is None else parts, a.shape[:-2])


@composed(np.linalg.svd, namespace="linalg", samples=(
    S((2, 3), full_matrices=False), S((3, 3), compute_uv=False), S((3, 2), compute_uv=False)))
def svd(a: Any, full_matrices: bool = True, compute_uv: bool = True, hermitian: bool = False, *, value: Any) -> Any:
    """U, S and Vh with ``(U * S) @ Vh == a``, (..., m, n), S descending; S alone if not `compute_uv`.

    Where singular values are equal, the gradient is right for a loss of symmetric functions of these (their sum), and
    nan or infinite for one that depends on their vectors; so it is with vectors of the singular value 0 of a matrix
    that is not square. The gradient of a singular value that is 0 is 0. With `full_matrices`, a loss may depend on the
    vectors that complete a basis through the space that they span only. Signs of vectors are LAPACK's choice.

    Examples
    --------
    >>> import tinytensor as tt
    >>> np.linalg.svd(tt.tensor([[3.0, 0.0], [0.0, -2.0]])).S
    tensor([3., 2.])
    """
    if hermitian:
        w, v = np.linalg.eigh(a)
        order = np.argsort(np.abs(w.data), -1)[..., ::-1]
        w, v = np.take_along_axis(w, order, -1), np.take_along_axis(v, order[..., None, :], -1)
        turned = v * np.copysign(1, w.data)[..., None, :]
        return type(value)(v, np.abs(w), turned.mT) if compute_uv else np.abs(w)
    if not compute_uv:
        return np.linalg.svd(a, full_matrices=False).S
    lead = len(a.shape) - 2
    y = packed_svd(a, full_matrices, parts=value)
    return type(value)(*cut(y, *[x.shape[lead:] for x in value]))


@composed(np.linalg.svdvals, namespace="linalg", samples=(S((2, 3)), S((3, 3))))
def svdvals(x: Any, /) -> Any:
    """The singular values, descending, of x, (..., m, n); their gradient is that of `svd`.

    Examples
    --------
    >>> import tinytensor as tt
    >>> np.linalg.svdvals(tt.tensor([[3.0, 0.0], [0.0, -2.0]]))
    tensor([3., 2.])
    """
    return np.linalg.svd(x, full_matrices=False).S
