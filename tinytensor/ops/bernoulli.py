"""The cross-entropy of a probability and a target, element by element, whose gradient stays finite at 0 and 1."""

from __future__ import annotations

from typing import Any

import numpy as np

from ..core import REAL, Domain, S
from ..define import op

INSIDE = Domain(((0, 1),))
LEAST = -100  # of a logarithm, as in PyTorch: the loss of what was held impossible is 100, not infinite


def logarithms(x: Any) -> tuple[Any, Any]:
    """log(x) and log(1 - x), -100 at least; no warning is due to those of 0."""
    one = np.where(x > 0, x, 1), np.where(x < 1, x, 0)
    return (np.where(x > 0, np.maximum(np.log(one[0]), LEAST), LEAST),
            np.where(x < 1, np.maximum(np.log1p(-one[1]), LEAST), LEAST))


def difference(x: Any) -> Any:
    yes, no = logarithms(x)
    return no - yes


@op(lambda g, y, x, target: g * (x - target) / np.maximum((1 - x) * x, 1e-12),
    lambda g, y, x, target: g * difference(x), broadcasts=True, domain=(INSIDE, REAL),
    samples=(S((2, 3), (2, 3)), S((), ())))
def bernoulli_cross_entropy(x: Any, target: Any) -> Any:
    """-target * log(x) - (1 - target) * log(1 - x), elementwise, with logarithms of -100 at least.

    Examples
    --------
    >>> import tinytensor as tt
    >>> tt.bernoulli_cross_entropy(tt.tensor([0.5, 0.0]), tt.tensor([1.0, 1.0]))
    tensor([  0.6931, 100.    ])
    """
    yes, no = logarithms(x)
    return (target - 1) * no - target * yes
