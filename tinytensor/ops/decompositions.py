"""Cholesky and QR decompositions, and helpers for the rules of all decompositions; others are in `spectra.py`.

A decomposition with several parts is one node that holds them packed into one array; users get the parts, sliced out
of it. The rules follow Giles, "Collected matrix derivative results" (2008), and PyTorch. A matrix that NumPy takes to
be symmetric gets a symmetric gradient, as in PyTorch and JAX.
"""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from ..compose import composed
from ..core import S, Tensor, primitive
from ..define import op

TALL, WIDE = np.array([[3.0, 1.0], [0.5, 2.0], [1.0, -0.5]]), np.array([[[3.0, 1.0, 1.5], [0.5, 2.0, -1.0]]])
ROUNDING_UNITS = 8  # numbers within this many machine epsilons count as equal

# --- helpers of the rules ---


def pack(parts: Any, batch: tuple[int, ...]) -> Any:
    """The parts of a decomposition, each flattened and concatenated along one last axis, (*batch, n)."""
    lead = len(batch)
    return np.concatenate([x.reshape((*batch, math.prod(x.shape[lead:]))) for x in parts], -1)


def unpack(y: Any, *shapes: tuple[int, ...]) -> list[Any]:
    """The parts again, given their shapes without the batch axes: the inverse of `pack`."""
    batch, parts, start = y.shape[:-1], [], 0
    for shape in shapes:
        stop = start + math.prod(shape)
        parts.append(y[..., start:stop].reshape((*batch, *shape)))
        start = stop
    return parts


def symmetric(x: Any) -> Any:
    return 0.5 * (x + x.mT)


def lower_half(x: Any) -> Any:
    """The lower triangle, with half of the diagonal."""
    return 0.5 * (np.tril(x) + np.tril(x, -1))


def diagonals(x: Any) -> Any:
    return np.einsum("...ii->...i", x)


def is_negligible(x: Any, largest: Any) -> Any:
    """Whether numbers are 0 compared with the largest, up to rounding."""
    return np.abs(x) <= ROUNDING_UNITS * float(np.finfo(x.dtype).eps) * largest


def reduce_basis(name: str, q: Any, g: Any, k: int) -> tuple[Any, Any]:
    """The first k columns of an orthogonal matrix, and their gradient including that of the other columns.

    The other columns complete the basis: when the first ones change, they follow so as to stay orthogonal to them.
    """
    if q.shape[-1] == k:
        return q, g
    first, rest, tail = q[..., :k], q[..., k:], g[..., k:]
    check_rotation_invariant(*[x.data if isinstance(x, Tensor) else x for x in (rest.mT @ tail, g)], name)
    return first, g[..., :k] - rest @ (tail.mT @ first)


@primitive
def check_rotation_invariant(rotation: Any, g: Any, name: str) -> None:
    """Raise if the loss changes when the completing columns are replaced by another basis of the same space."""
    if np.any(np.abs(rotation - rotation.mT) > 1e-3 * np.max(np.abs(g), initial=0)):
        raise ValueError(f"{name}: got a loss that depends on which basis completes the orthogonal matrix, and has no "
                         f"derivative; expected a loss that depends on the space alone, as q2 @ q2.mT does; use the "
                         f"reduced decomposition")


# --- Cholesky ---


def cholesky_grad(g: Any, y: Any, upper: bool) -> Any:
    lower, g = (y.mT, g.mT) if upper else (y, g)
    inverse = np.linalg.inv(lower)
    return symmetric(inverse.mT @ lower_half(lower.mT @ np.tril(g)) @ inverse)


@op(lambda g, y, a, *, upper: cholesky_grad(g, y, upper), numpy=(np.linalg.cholesky,), namespace="linalg",
    samples=(S(np.array([[2.0]])), S(np.array([[[0.5]], [[3.0]]]), upper=True), S(np.zeros((0, 0)))))
def cholesky(a: Any, *, upper: Any = False) -> Any:
    """The Cholesky decomposition: lower triangular L with ``L @ L.mT == a``.

    Parameters
    ----------
    a : (..., n, n)
        Symmetric and positive definite. NumPy reads one triangle; the gradient is the symmetric one.
    upper : bool
        Whether to give the upper triangular U with ``U.mT @ U == a`` instead.

    Raises
    ------
    LinAlgError
        If a is not positive definite.

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
    columns = m if mode == "complete" else k
    if not a.size:
        return np.zeros_like(a)
    (q, r), (gq, gr) = (unpack(x, (m, columns), (columns, n)) for x in (y, g))
    q, gq = reduce_basis("qr", q, gq, k)
    gr = np.triu(gr[..., :k, :])
    if n > k:
        gq = gq + a[..., k:] @ gr[..., k:].mT
    square = r[..., :k, :k]
    rotation = square @ gr[..., :k].mT - gq.mT @ q
    diagonal = np.abs(diagonals(square))
    singular = np.any(is_negligible(diagonal, np.max(diagonal, -1, keepdims=True)), -1)[..., None, None]
    square = np.where(singular, np.eye(k, dtype=square.dtype), square)
    ga = np.linalg.solve(square, (gq + q @ (np.tril(rotation) + np.tril(rotation, -1).mT)).mT).mT
    ga = np.where(singular, np.nan, ga)
    return np.concatenate([ga, q @ gr[..., k:]], -1) if n > k else ga


@op(lambda g, y, a, *, mode, parts: qr_grad(g, y, a, mode), namespace="linalg",
    samples=(S(TALL), S(WIDE), S(TALL[:2]), S(TALL, mode="complete")))
def packed_qr(a: Any, mode: Any = "reduced", *, parts: Any = None) -> Any:
    """The results of `qr` packed along the last axis; `parts` are these results, if they are already known.

    Examples
    --------
    >>> import tinytensor as tt
    >>> from tinytensor.ops.decompositions import packed_qr
    >>> packed_qr(tt.ones((3, 2))).shape
    (10,)
    """
    return pack(np.linalg.qr(a, mode) if parts is None else parts, a.shape[:-2])


@composed(np.linalg.qr, namespace="linalg", samples=(S(TALL), S(WIDE), S(TALL, mode="r"), S(TALL, mode="complete")))
def qr(a: Any, mode: str = "reduced", *, value: Any) -> Any:
    """The QR decomposition: Q with orthonormal columns and upper triangular R with ``Q @ R == a``.

    Parameters
    ----------
    a : (..., m, n)
    mode : {"reduced", "complete", "r"}
        "complete" for a square Q, "r" for R alone. "raw" has no gradient.

    Notes
    -----
    The gradient is nan where the first min(m, n) columns of a are linearly dependent. With mode "complete" a loss may
    depend on the additional columns of Q only through the space that they span.

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
        raise TypeError(f"linalg.qr: got mode={mode!r}, which has no gradient; expected 'reduced', 'complete' or 'r'; "
                        f"choose one of these, or give a.detach()")
    lead = len(a.shape) - 2
    y = packed_qr(a, mode, parts=value)
    return type(value)(*unpack(y, *[x.shape[lead:] for x in value]))
