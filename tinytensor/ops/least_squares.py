"""Pseudo-inverses and least squares, for matrices of any shape and rank."""

from __future__ import annotations

from typing import Any

import numpy as np

from ..compose import composed
from ..core import S, Tensor
from ..define import op
from .decompositions import symmetric
from .systems import REGULAR, SEVERAL


def truncation_term(g: Any, a: Any, rcond: Any) -> Any:
    """The correction to `pinv_grad` for singular values that are cut off although they are not 0.

    In the basis of the singular vectors, the derivative of 1 / s for pairs of singular values is a divided difference,
    of differences for symmetric changes and of sums for antisymmetric ones. For each pair of a kept value and one that
    was cut off, the correction is this derivative, minus what it would be if the second were 0.
    """
    u, s, vh = np.linalg.svd(a, full_matrices=False)
    kept = s > np.asarray(rcond)[..., None] * np.max(s, -1, keepdims=True)
    across = kept[..., None, :] != kept[..., :, None]
    low, high = (f(s[..., None, :], s[..., :, None]) for f in (np.minimum, np.maximum))
    factor = np.where(across, low / np.where(across, high * high, 1), 0)
    rotated = (vh @ g @ u).mT
    inner = factor / np.where(across, high - low, 1) * symmetric(rotated)
    return u @ (inner - factor / np.where(across, high + low, 1) * 0.5 * (rotated - rotated.mT)) @ vh


def pinv_grad(g: Any, p: Any, a: Any, rcond: Any, hermitian: bool, rtol: Any) -> Any:
    """The gradient of a, after Golub and Pereyra, "The differentiation of pseudo-inverses" (1973)."""
    if not a.size:
        return np.zeros_like(a)
    if hermitian:
        a = np.tril(a) + np.tril(a, -1).mT
    p_pt, pt_p = p @ p.mT, p.mT @ p
    g_left, g_right = g.mT @ p_pt, pt_p @ g.mT
    ga = g_left - a @ (p @ g_left) + g_right - (g_right @ p) @ a - p.mT @ g @ p.mT
    cutoff = rcond if rcond is not None else None if rtol is np._NoValue else rtol
    if cutoff is not None:
        ga = ga + truncation_term(g, a, cutoff)
    return symmetric(ga) if hermitian else ga


@op(lambda g, y, a, *, rcond, hermitian, rtol: pinv_grad(g, y, a, rcond, hermitian, rtol), numpy=(np.linalg.pinv,),
    namespace="linalg",
    samples=(S(REGULAR), S(REGULAR[:2]), S(SEVERAL, rcond=0.3), S(REGULAR[:, :2], rtol=0.9), S(np.zeros((0, 3)))))
def pinv(a: Any, rcond: Any = None, hermitian: bool = False, *, rtol: Any = np._NoValue) -> Any:
    """The pseudo-inverses of matrices.

    Parameters
    ----------
    a : (..., m, n)
    rcond, rtol : float, optional
        Singular values up to this times the largest one count as 0.
    hermitian : bool
        Whether a is symmetric, which is faster; the gradient is then the symmetric one.

    Returns
    -------
    (..., n, m)

    Notes
    -----
    The gradient is that of changes that keep the rank.

    Examples
    --------
    >>> import tinytensor as tt
    >>> np.linalg.pinv(tt.tensor([[2.0, 0.0], [0.0, 0.0]]))
    tensor([[0.5, 0. ],
            [0. , 0. ]])
    """
    return np.linalg.pinv(a, rcond, hermitian, **({} if rtol is np._NoValue else {"rtol": rtol}))


@composed(np.linalg.lstsq, "a b", namespace="linalg",
          samples=(S(REGULAR[:, :2], (3,)), S(REGULAR[:2], (2, 2)), S(REGULAR, (3, 1))))
def lstsq(a: Any, b: Any, rcond: Any = None, *, value: Any) -> Any:
    """The least-squares solution: the x with the least ``norm(b - a @ x)``.

    Parameters
    ----------
    a : (m, n)
    b : (m,) or (m, k)
    rcond : float, optional
        Singular values up to this times the largest one count as 0, as in `pinv`.

    Returns
    -------
    x : (n,) or (n, k)
    residuals : (1,) or (k,)
        Sums of squared residuals; empty unless m > n and a has full rank.
    rank : int
        Without a gradient.
    s : (min(m, n),)
        The singular values of a.

    Examples
    --------
    >>> import tinytensor as tt
    >>> x, residuals, rank, s = np.linalg.lstsq(tt.tensor([[1.0], [1.0]]), tt.tensor([1.0, 3.0]))
    >>> print(x, residuals, rank)
    tensor([2.]) tensor([2.]) tensor(1, dtype=int32)
    """
    if not a.size:
        return value
    eps = float(np.finfo(np.float64).eps)  # NumPy's default; for float32 too, since it computes in float64
    if rcond is not None or a.dtype != np.float64:
        x = pinv(a, eps * max(a.shape) if rcond is None else eps if rcond < 0 else rcond) @ b
    else:
        x = pinv(a, rtol=None) @ b
    residuals = np.sum(np.square(b - a @ x), 0).reshape(value[1].shape) if value[1].size else value[1]
    return x, residuals, value[2], np.linalg.svd(a, compute_uv=False) if isinstance(a, Tensor) else value[3]
