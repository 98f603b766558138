"""Eigenvalues and singular values, with their vectors.

Where values are equal up to rounding, their vectors have no derivative: a loss that depends on them gets a gradient
that is nan or infinite. A loss that depends on the values alone, and symmetrically, gets the right one.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from ..compose import composed
from ..core import S, Tensor, primitive
from ..define import composite, op
from ..dispatch import NEAREST
from .decompositions import TALL, WIDE, is_negligible, pack, reduce_basis, unpack

# --- helpers of the rules ---


def zero_safe_quotient(x: Any, y: Any, zero: Any, unused: Any) -> Any:
    """x / y, with y taken to be 0 where `zero` holds; and 0 there if `unused` holds too: no gradient arrived."""
    return x / np.where(zero & unused, 1, np.where(zero, 0, y))


def pairwise_quotient(m: Any, values: Any, numerator: Any, denominator: Any, unused: Any) -> Any:
    """numerator / denominator for each pair of `values`, with denominator 0 where they are equal; 0 on the diagonal."""
    difference = values[..., None, :] - values[..., :, None]
    largest = np.max(np.abs(values), -1, keepdims=True)[..., None]
    equal = is_negligible(difference, largest)
    return zero_safe_quotient(numerator, denominator, equal, unused | np.eye(m, dtype=np.bool_))


# --- eigenvalues of symmetric matrices ---


def eigh_grad(g: Any, y: Any, a: Any) -> Any:
    n = a.shape[-1]
    if not a.size:
        return np.zeros_like(a)
    (w, v), (gw, gv) = (unpack(x, (n,), (n, n)) for x in (y, g))
    m = v.mT @ gv
    inner = pairwise_quotient(n, w, m - m.mT, 2 * (w[..., None, :] - w[..., :, None]), (m == 0) & (m.mT == 0))
    return v @ (inner + gw[..., None] * np.eye(n, dtype=g.dtype)) @ v.mT


@op(lambda g, y, a, *, UPLO, parts: eigh_grad(g, y, a), namespace="linalg",
    samples=(S(np.array([[2.0]])), S(np.array([[[0.5]], [[-3.0]]]), UPLO="U"), S(np.zeros((0, 0)))))
def packed_eigh(a: Any, UPLO: Any = "L", *, parts: Any = None) -> Any:
    """The results of `eigh` packed along the last axis; `parts` are these results, if they are already known.

    Examples
    --------
    >>> import tinytensor as tt
    >>> from tinytensor.ops.spectra import packed_eigh
    >>> packed_eigh(tt.ones((2, 2))).shape
    (6,)
    """
    return pack(np.linalg.eigh(a, UPLO) if parts is None else parts, a.shape[:-2])


@composed(np.linalg.eigh, namespace="linalg", samples=(S(np.array([[2.0]])),))
def eigh(a: Any, UPLO: Any = "L", *, value: Any) -> Any:
    """The eigenvalues and eigenvectors of symmetric matrices, of which one triangle is read.

    Parameters
    ----------
    a : (..., n, n)
        Symmetric.
    UPLO : {"L", "U"}
        The triangle that is read.

    Returns
    -------
    eigenvalues : (..., n), ascending
    eigenvectors : (..., n, n)
        In columns, of length 1.

    Notes
    -----
    The gradient is the symmetric one. Where eigenvalues are equal, it is right for a loss that is a symmetric function
    of them (such as their sum), and nan or infinite for a loss that depends on their eigenvectors. The sign of an
    eigenvector is LAPACK's choice: a loss should not depend on it.

    Examples
    --------
    >>> import tinytensor as tt
    >>> np.linalg.eigh(tt.tensor([[2.0, 1.0], [1.0, 2.0]])).eigenvalues
    tensor([1., 3.])
    """
    n = a.shape[-1]
    return type(value)(*unpack(packed_eigh(a, UPLO, parts=value), (n,), (n, n)))


@composed(np.linalg.eigvalsh, namespace="linalg", samples=(S(np.array([[2.0]])),))
def eigvalsh(a: Any, UPLO: Any = "L") -> Any:
    """The eigenvalues, ascending, of symmetric matrices, (..., n, n); the gradient is that of `eigh`.

    Examples
    --------
    >>> import tinytensor as tt
    >>> np.linalg.eigvalsh(tt.tensor([[2.0, 1.0], [1.0, 2.0]]))
    tensor([1., 3.])
    """
    return np.linalg.eigh(a, UPLO).eigenvalues


# --- eigenvalues of other matrices, if they are real ---


@primitive
def real_eig(a: Any) -> Any:
    """Eigenvalues, in the order of `np.linalg.eigvals`, and eigenvectors, packed."""
    try:
        values, (others, vectors) = np.linalg.eigvals(a), np.linalg.eig(a)
    except np.linalg.LinAlgError as error:
        raise np.linalg.LinAlgError(f"np.linalg.eigvals: got shape {a.shape}: {error}; expected square matrices of "
                                    f"finite numbers; look for nan and inf in them") from None
    if "c" in (values.dtype.kind, others.dtype.kind):
        raise TypeError("np.linalg.eigvals: got a Tensor with complex eigenvalues; expected real ones, for Tensors are "
                        "real; use np.linalg.svdvals, or np.linalg.eigvalsh for a symmetric matrix")
    order = np.take_along_axis(np.argsort(others, -1), np.argsort(np.argsort(values, -1), -1), -1)
    return pack((values, np.take_along_axis(vectors, order[..., None, :], -1)), a.shape[:-2])


def eig_grad(g: Any, y: Any, a: Any) -> Any:
    n = a.shape[-1]
    if not a.size:
        return np.zeros_like(a)
    (w, v), (gw, gv) = (unpack(x, (n,), (n, n)) for x in (y, g))
    gv = gv - v * np.sum(v * gv, -2, keepdims=True)  # the eigenvectors keep their length
    m = v.mT @ gv
    inner = pairwise_quotient(n, w, m, w[..., None, :] - w[..., :, None], m == 0)
    unit, defective = np.eye(n, dtype=g.dtype), (np.linalg.det(v) == 0)[..., None, None]
    ga = np.linalg.solve(np.where(defective, unit, v.mT), (inner + gw[..., None] * unit) @ v.mT)
    return np.where(defective, np.nan, ga)


@op(lambda g, y, a: eig_grad(g, y, a), namespace="linalg", samples=(
    S(np.array([[3.0, 1.0], [0.5, -2.0]])), S(np.array([[[2.0, 1.0, 0.5], [0.5, 5.0, -1.0], [0.5, 0.25, -3.0]]]))))
def packed_eig(a: Any) -> Any:
    """Eigenvalues and eigenvectors, in columns of length 1, packed along the last axis; refused if they are complex.

    Examples
    --------
    >>> import tinytensor as tt
    >>> from tinytensor.ops.spectra import packed_eig
    >>> packed_eig(tt.eye(2)).shape
    (6,)
    """
    return real_eig(a)


@composite(np.linalg.eigvals, namespace="linalg")
def eigvals(a: Any) -> Any:
    """The eigenvalues of square matrices, (..., n, n). A Tensor whose eigenvalues are complex is refused.

    Where equal eigenvalues have fewer eigenvectors than their number (a defective matrix), the gradient of each of
    them is huge, infinite or nan; that of their sum is right.

    Examples
    --------
    >>> import tinytensor as tt
    >>> np.linalg.eigvals(tt.tensor([[2.0, 1.0], [0.0, 3.0]]))
    tensor([2., 3.])
    """
    return unpack(packed_eig(a), a.shape[-1:])[0] if isinstance(a, Tensor) else np.linalg.eigvals(a)


NEAREST[np.linalg.eig] = "use np.linalg.eigh for symmetric matrices, or np.linalg.eigvals for real eigenvalues alone"


# --- singular values ---


def svd_grad(g: Any, y: Any, a: Any, full_matrices: bool) -> Any:
    m, n = a.shape[-2:]
    k = min(m, n)
    if not a.size:
        return np.zeros_like(a)
    shapes = ((m, m if full_matrices else k), (k,), (n if full_matrices else k, n))
    (u, s, vh), (gu, gs, gvh) = (unpack(x, *shapes) for x in (y, g))
    (u, gu), (v, gv) = reduce_basis("svd", u, gu, k), reduce_basis("svd", vh.mT, gvh.mT, k)
    mu, mv = u.mT @ gu, v.mT @ gv
    row, column = s[..., None, :], s[..., :, None]
    unused = (mu == 0) & (mu.mT == 0) & (mv == 0) & (mv.mT == 0)
    inner = pairwise_quotient(k, s, (mu - mu.mT) * row + column * (mv - mv.mT), (row - column) * (row + column), unused)
    inner = inner + np.where(s == 0, 0, gs)[..., None] * np.eye(k, dtype=g.dtype)
    zero = is_negligible(s, s[..., :1])[..., None, :]
    ga = u @ inner @ v.mT
    if m > k:
        ga = ga + zero_safe_quotient(gu - u @ mu, row, zero, np.all(gu == 0, -2, keepdims=True)) @ v.mT
    if n > k:
        ga = ga + u @ zero_safe_quotient(gv - v @ mv, row, zero, np.all(gv == 0, -2, keepdims=True)).mT
    return ga


@op(lambda g, y, a, *, full_matrices, parts: svd_grad(g, y, a, full_matrices), namespace="linalg",
    samples=(S(TALL[:2]), S(TALL), S(TALL, full_matrices=False), S(WIDE, full_matrices=False)))
def packed_svd(a: Any, full_matrices: bool = True, *, parts: Any = None) -> Any:
    """The results of `svd` packed along the last axis; `parts` are these results, if they are already known.

    Examples
    --------
    >>> import tinytensor as tt
    >>> from tinytensor.ops.spectra import packed_svd
    >>> packed_svd(tt.ones((3, 2)), full_matrices=False).shape
    (12,)
    """
    return pack(np.linalg.svd(a, full_matrices) if parts is None else parts, a.shape[:-2])


@composed(np.linalg.svd, namespace="linalg", samples=(
    S(TALL, full_matrices=False), S(WIDE, compute_uv=False), S(TALL[:2])))
def svd(a: Any, full_matrices: bool = True, compute_uv: bool = True, hermitian: bool = False, *, value: Any) -> Any:
    """The singular value decomposition: U, S and Vh with ``(U * S) @ Vh == a``, S descending.

    Parameters
    ----------
    a : (..., m, n)
    full_matrices : bool
        Whether U and Vh are square: their last columns (rows) then complete a basis.
    compute_uv : bool
        If False, S alone is given.
    hermitian : bool
        Whether a is symmetric, which is faster.

    Notes
    -----
    Where singular values are equal, the gradient is right for a loss that is a symmetric function of them (such as
    their sum), and nan or infinite for a loss that depends on their vectors, or, for a matrix that is not square, on
    the vectors of a singular value 0. The gradient of a singular value that is 0 is 0. With `full_matrices`, a loss
    may depend on the completing vectors only through the space that they span. The signs of the vectors are LAPACK's
    choice: a loss should not depend on them.

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
        signed = v * np.copysign(1, w.data)[..., None, :]
        return type(value)(v, np.abs(w), signed.mT) if compute_uv else np.abs(w)
    if not compute_uv:
        return np.linalg.svd(a, full_matrices=False).S
    lead = len(a.shape) - 2
    y = packed_svd(a, full_matrices, parts=value)
    return type(value)(*unpack(y, *[x.shape[lead:] for x in value]))


@composed(np.linalg.svdvals, namespace="linalg", samples=(S(TALL), S(WIDE)))
def svdvals(x: Any, /) -> Any:
    """The singular values, descending, of matrices, (..., m, n); the gradient is that of `svd`.

    Examples
    --------
    >>> import tinytensor as tt
    >>> np.linalg.svdvals(tt.tensor([[3.0, 0.0], [0.0, -2.0]]))
    tensor([3., 2.])
    """
    return np.linalg.svd(x, full_matrices=False).S
