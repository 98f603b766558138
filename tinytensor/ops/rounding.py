"""Rounding, and the parts of a number: round, fix, divmod, modf, frexp. At jumps the gradient is 0.

Plain ufuncs such as floor and remainder are in `elementwise.py`.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from ..compose import composed, nondifferentiable
from ..core import NONZERO, REAL, S
from ..define import op


@op(lambda g, y, x, **_: np.zeros_like(g), numpy=(np.round, np.around), method=True, aliases=("around",),
    samples=(S((2, 3)), S((2, 3), decimals=1), S((2, 3), decimals=-1), S(())))
def round_(a: Any, decimals: int = 0) -> Any:
    """Round to a number of decimals, halves to even. The gradient is 0.

    Examples
    --------
    >>> import tinytensor as tt
    >>> tt.tensor([0.5, 1.5, 2.25]).round(), np.round(tt.tensor([1.26]), 1)
    (tensor([0., 2., 2.]), tensor([1.3]))
    """
    return np.round(a, decimals)


@op(lambda g, y, x: np.zeros_like(g), numpy=(np.fix,), samples=(S((2, 3)), S(())))
def fix(x: Any) -> Any:
    """Round towards 0. The gradient is 0.

    Examples
    --------
    >>> import tinytensor as tt
    >>> tt.fix(tt.tensor([-1.5, 2.7]))
    tensor([-1.,  2.])
    """
    return np.fix(x)


@composed(np.divmod, "a b", samples=(S((2, 3), (3,)), S((2, 1), (1, 3))), domain=(REAL, NONZERO))
def divmod_(a: Any, b: Any) -> Any:
    """The quotient ``a // b``, whose gradient is 0, and the remainder ``a % b``; inputs broadcast.

    Examples
    --------
    >>> import tinytensor as tt
    >>> divmod(tt.tensor([7.0, -7.0]), 2)
    (tensor([ 3., -4.]), tensor([1., 1.]))
    """
    return np.floor_divide(a, b), np.remainder(a, b)


@composed(np.modf, samples=(S((2, 3)), S(())))
def modf(x: Any) -> Any:
    """The fractional part, which has the gradient of x, and the integer part, which has none; both with the sign of x.

    Examples
    --------
    >>> import tinytensor as tt
    >>> np.modf(tt.tensor([1.25, -2.5]))
    (tensor([ 0.25, -0.5 ]), tensor([ 1., -2.]))
    """
    integer = np.trunc(x)
    return x - integer, integer


@composed(np.frexp, samples=(S((2, 3)), S(())), domain=NONZERO)
def frexp(x: Any) -> Any:
    """Mantissa and exponent: x is mantissa * 2**exponent, and abs(mantissa) is in [0.5, 1), or 0.

    Examples
    --------
    >>> import tinytensor as tt
    >>> np.frexp(tt.tensor([3.0, 0.25]))
    (tensor([0.75, 0.5 ]), tensor([ 2, -1], dtype=int32))
    """
    _, exponent = np.frexp(x.data)
    return np.ldexp(x, -exponent), exponent


nondifferentiable(np.spacing)
