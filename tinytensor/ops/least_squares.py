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
    """What `pinv_grad` leaves out where singular values that are not 0 are cut off: it would change with these.

    In the frame of the singular vectors the derivative of 1 / s is a divided difference, of sums for symmetric and of
    differences for antisymmetric changes; here, for each kept s beside each that is not, less what it is were that 0.
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
    """Golub and Pereyra, "The differentiation of pseudo-inverses" (1973)."""
    if not a.size:
        return np.zeros_like(a)
    if hermitian:
        a = np.tril(a) + np.tril(a, -1).mT
    left, right = p @ p.mT, p.mT @ p
    second, third = g.mT @ left, right @ g.mT
    ga = second - a @ (p @ second) + third - (third @ p) @ a - p.mT @ g @ p.mT
    cut_off = rcond if rcond is not None else None if rtol is np._NoValue else rtol
    if cut_off is not None:
        ga = ga + truncation_term(g, a, cut_off)
    return symmetric(ga) if hermitian else ga


@op(lambda g, y, a, *, rcond, hermitian, rtol: pinv_grad(g, y, a, rcond, hermitian, rtol), numpy=(np.linalg.pinv,),
    namespace="linalg",
    samples=(S(REGULAR), S(REGULAR[:2]), S(SEVERAL, rcond=0.3), S(REGULAR[:, :2], rtol=0.9), S(np.zeros((0, 3)))))
def pinv(a: Any, rcond: Any = None, hermitian: bool = False, *, rtol: Any = np._NoValue) -> Any:
    """The pseudo-inverses of matrices, (..., m, n); singular values up to `rcond` times the largest count as 0.

    The gradient is that at constant rank. For a `hermitian` matrix it is the symmetric one.

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
    """The x, (n,) or (n, k), with the least ``norm(b - a @ x)``, for a, (m, n), and b, (m,) or (m, k).

    With it come the squared residuals (if m > n, and a has full rank), the rank, which has no gradient, and the
    singular values of a. As `pinv` for singular values that count as 0.

    Examples
    --------
    >>> import tinytensor as tt
    >>> x, residuals, rank, s = np.linalg.lstsq(tt.tensor([[1.0], [1.0]]), tt.tensor([1.0, 3.0]))
    >>> print(x, residuals, rank)
    tensor([2.]) tensor([2.]) tensor(1, dtype=int32)
    """
    if not a.size:
        return value
    eps = float(np.finfo(np.float64).eps)  # NumPy's, for float32 too: it computes in float64
    if rcond is not None or a.dtype != np.float64:
        x = pinv(a, eps * max(a.shape) if rcond is None else eps if rcond < 0 else rcond) @ b
    else:
        x = pinv(a, rtol=None) @ b
    residuals = np.sum(np.square(b - a @ x), 0).reshape(value[1].shape) if value[1].size else value[1]
    return x, residuals, value[2], np.linalg.svd(a, compute_uv=False) if isinstance(a, Tensor) else value[3]
