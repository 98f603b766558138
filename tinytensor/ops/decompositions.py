"""The decompositions of Cholesky and of QR, and what rules of all decompositions use; others are in `spectra.py`.

A decomposition with several parts is one node that holds them side by side; what users get are the parts, cut out of
it. The rules are those of matrix calculus as in Giles, "Collected matrix derivative results" (2008), and PyTorch's.
A matrix that NumPy takes for symmetric has a symmetric gradient, as in PyTorch and JAX.
"""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from ..compose import composed
from ..core import S, Tensor, primitive
from ..define import op

TALL, WIDE = np.array([[3.0, 1.0], [0.5, 2.0], [1.0, -0.5]]), np.array([[[3.0, 1.0, 1.5], [0.5, 2.0, -1.0]]])
ROUNDING_UNITS = 8  # units of rounding by which numbers differ that count as equal

# --- what the rules use ---


def pack(parts: Any, batch: tuple[int, ...]) -> Any:
    """The parts of a decomposition along one last axis, after those of the batch."""
    lead = len(batch)
    return np.concatenate([x.reshape((*batch, math.prod(x.shape[lead:]))) for x in parts], -1)


def unpack(y: Any, *shapes: tuple[int, ...]) -> list[Any]:
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


def diagonals(x: Any) -> Any:
    return np.einsum("...ii->...i", x)


def is_negligible(x: Any, largest: Any) -> Any:
    """Whether numbers are 0 beside the largest, up to rounding."""
    return np.abs(x) <= ROUNDING_UNITS * float(np.finfo(x.dtype).eps) * largest


def reduce_basis(name: str, q: Any, g: Any, k: int) -> tuple[Any, Any]:
    """The first k columns of an orthogonal matrix, and their gradient with what it has from the columns after them.

    Those complete a basis: they follow the first ones such that they stay orthogonal to them.
    """
    if q.shape[-1] == k:
        return q, g
    first, rest, tail = q[..., :k], q[..., k:], g[..., k:]
    check_rotation_invariant(*[x.data if isinstance(x, Tensor) else x for x in (rest.mT @ tail, g)], name)
    return first, g[..., :k] - rest @ (tail.mT @ first)


@primitive
def check_rotation_invariant(rotation: Any, g: Any, name: str) -> None:
    """Refuse a loss that changes when the completing columns are exchanged for another basis of the same space."""
    if np.any(np.abs(rotation - rotation.mT) > 1e-3 * np.max(np.abs(g), initial=0)):
        raise ValueError(f"{name}: the loss depends on which basis completes the orthogonal matrix, and that has no "
                         f"derivative; expected a loss of the space alone, such as one of q2 @ q2.mT; use the reduced "
                         f"decomposition")


# --- Cholesky ---


def cholesky_grad(g: Any, y: Any, upper: bool) -> Any:
    low, g = (y.mT, g.mT) if upper else (y, g)
    inverse = np.linalg.inv(low)
    return symmetric(inverse.mT @ lower_half(low.mT @ np.tril(g)) @ inverse)


@op(lambda g, y, a, *, upper: cholesky_grad(g, y, upper), numpy=(np.linalg.cholesky,), namespace="linalg",
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


def qr_grad(g: Any, y: Any, a: Any, mode: str) -> Any:
    m, n = a.shape[-2:]
    k = min(m, n)
    wide = m if mode == "complete" else k
    if not a.size:
        return np.zeros_like(a)
    (q, r), (gq, gr) = (unpack(x, (m, wide), (wide, n)) for x in (y, g))
    q, gq = reduce_basis("qr", q, gq, k)
    gr = np.triu(gr[..., :k, :])
    if n > k:
        gq = gq + a[..., k:] @ gr[..., k:].mT
    square = r[..., :k, :k]
    turn = square @ gr[..., :k].mT - gq.mT @ q
    diagonal = np.abs(diagonals(square))
    singular = np.any(is_negligible(diagonal, np.max(diagonal, -1, keepdims=True)), -1)[..., None, None]
    square = np.where(singular, np.eye(k, dtype=square.dtype), square)
    ga = np.linalg.solve(square, (gq + q @ (np.tril(turn) + np.tril(turn, -1).mT)).mT).mT
    ga = np.where(singular, np.nan, ga)
    return np.concatenate([ga, q @ gr[..., k:]], -1) if n > k else ga


@op(lambda g, y, a, *, mode, parts: qr_grad(g, y, a, mode), namespace="linalg",
    samples=(S(TALL), S(WIDE), S(TALL[:2]), S(TALL, mode="complete")))
def packed_qr(a: Any, mode: Any = "reduced", *, parts: Any = None) -> Any:
    """The parts of `qr` side by side along the last axis; `parts`: these, where they are known already.

    Examples
    --------
    >>> import tinytensor as tt
    >>> tt.linalg.packed_qr(tt.ones((3, 2))).shape
    (10,)
    """
    return pack(np.linalg.qr(a, mode) if parts is None else parts, a.shape[:-2])


@composed(np.linalg.qr, namespace="linalg", samples=(S(TALL), S(WIDE), S(TALL, mode="r"), S(TALL, mode="complete")))
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
    return type(value)(*unpack(y, *[x.shape[lead:] for x in value]))
