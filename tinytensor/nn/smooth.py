"""Smooth activations as functions, with PyTorch's names and parameters: each a few ops.

No derivative is defined here; those with kinks are in `activations.py`.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from ..core import Tensor
from ..names.calls import explained
from .arguments import as_floating, check_number, python_number

__all__ = ["celu", "elu", "logsigmoid", "mish", "selu", "softplus", "softsign", "tanhshrink"]

ALPHA, SCALE = 1.6732632423543772848170429916717, 1.0507009873554804934193349852946  # of selu


@explained
def elu(x: Any, alpha: float = 1.0) -> Tensor:
    """x above 0, elsewhere alpha * (exp(x) - 1), elementwise (Clevert et al. 2015).

    Examples
    --------
    >>> import tinytensor as tt
    >>> from tinytensor.nn import functional as F
    >>> F.elu(tt.tensor([-1.0, 0.0, 2.0]))
    tensor([-0.6321,  0.    ,  2.    ])
    """
    x, alpha = as_floating("elu", x), python_number(alpha)
    y: Any = np.where(x > 0, x, np.expm1(np.where(x > 0, 0, x)) * alpha)
    return y


@explained
def selu(x: Any) -> Tensor:
    """`elu` scaled so that mean 0 and variance 1 are kept from layer to layer (Klambauer et al. 2017).

    Examples
    --------
    >>> import tinytensor as tt
    >>> from tinytensor.nn import functional as F
    >>> F.selu(tt.tensor([-1.0, 0.0, 2.0]))
    tensor([-1.1113,  0.    ,  2.1014])
    """
    return elu(as_floating("selu", x), ALPHA) * SCALE


@explained
def celu(x: Any, alpha: float = 1.0) -> Tensor:
    """x above 0, elsewhere alpha * (exp(x / alpha) - 1), elementwise: smooth for every alpha (Barron 2017).

    Examples
    --------
    >>> import tinytensor as tt
    >>> from tinytensor.nn import functional as F
    >>> F.celu(tt.tensor([-1.0, 2.0]), 0.5)
    tensor([-0.4323,  2.    ])
    """
    alpha = check_number("celu", "alpha", alpha)
    if not alpha:
        raise ValueError("celu: got alpha=0; expected another number, as x is divided by it; use relu")
    x = as_floating("celu", x)
    y: Any = np.where(x > 0, x, np.expm1(np.where(x > 0, 0, x) * (1 / alpha)) * alpha)
    return y


@explained
def softplus(x: Any, beta: float = 1.0, threshold: float = 20.0) -> Tensor:
    """log(1 + exp(beta * x)) / beta, elementwise, without overflow; x itself where beta * x is above the threshold.

    Examples
    --------
    >>> import tinytensor as tt
    >>> from tinytensor.nn import functional as F
    >>> F.softplus(tt.tensor([-100.0, 0.0, 100.0]))
    tensor([3.7835e-44, 6.9315e-01, 1.0000e+02])
    """
    x, beta = as_floating("softplus", x), python_number(beta)
    z = x if beta == 1 else x * beta
    far, y = z > threshold, np.logaddexp(z, 0)
    return np.where(far, x, y if beta == 1 else y * (1 / beta))


@explained
def logsigmoid(x: Any) -> Tensor:
    """log(sigmoid(x)), elementwise, without overflow.

    Examples
    --------
    >>> import tinytensor as tt
    >>> from tinytensor.nn import functional as F
    >>> F.logsigmoid(tt.tensor([-100.0, 0.0]))
    tensor([-100.    ,   -0.6931])
    """
    return -np.logaddexp(-as_floating("logsigmoid", x), 0)


@explained
def softsign(x: Any) -> Tensor:
    """x / (1 + |x|), elementwise.

    Examples
    --------
    >>> import tinytensor as tt
    >>> from tinytensor.nn import functional as F
    >>> F.softsign(tt.tensor([-1.0, 3.0]))
    tensor([-0.5 ,  0.75])
    """
    x = as_floating("softsign", x)
    return x / (np.absolute(x) + 1)


@explained
def tanhshrink(x: Any) -> Tensor:
    """x - tanh(x), elementwise.

    Examples
    --------
    >>> import tinytensor as tt
    >>> from tinytensor.nn import functional as F
    >>> F.tanhshrink(tt.tensor([0.0, 2.0]))
    tensor([0.   , 1.036])
    """
    x = as_floating("tanhshrink", x)
    return x - np.tanh(x)


@explained
def mish(x: Any) -> Tensor:
    """x * tanh(softplus(x)), elementwise (Misra 2019).

    Examples
    --------
    >>> import tinytensor as tt
    >>> from tinytensor.nn import functional as F
    >>> F.mish(tt.tensor([-1.0, 0.0, 2.0]))
    tensor([-0.3034,  0.    ,  1.944 ])
    """
    x = as_floating("mish", x)
    return x * np.tanh(np.logaddexp(x, 0))
