"""Binary cross-entropy of probabilities, elementwise, with a gradient that is finite at 0 and 1 too."""

from __future__ import annotations

from typing import Any

import numpy as np

from ..core import REAL, Domain, S
from ..define import op

UNIT_INTERVAL = Domain(((0, 1),))
MIN_LOG = -100  # logarithms are clamped, as in PyTorch: the loss of a probability of 0 is 100, not infinite


def clamped_logs(x: Any) -> tuple[Any, Any]:
    """log(x) and log(1 - x), clamped to -100, without a warning at 0 and 1."""
    safe = np.where(x > 0, x, 1), np.where(x < 1, x, 0)
    return (np.where(x > 0, np.maximum(np.log(safe[0]), MIN_LOG), MIN_LOG),
            np.where(x < 1, np.maximum(np.log1p(-safe[1]), MIN_LOG), MIN_LOG))


def log_odds_against(x: Any) -> Any:
    log_x, log_1_minus_x = clamped_logs(x)
    return log_1_minus_x - log_x


@op(lambda g, y, x, target: g * (x - target) / np.maximum((1 - x) * x, 1e-12),
    lambda g, y, x, target: g * log_odds_against(x), broadcasts=True, domain=(UNIT_INTERVAL, REAL),
    samples=(S((2, 3), (2, 3)), S((), ())))
def bernoulli_cross_entropy(x: Any, target: Any) -> Any:
    """-target * log(x) - (1 - target) * log(1 - x), elementwise, with logarithms clamped to -100.

    Examples
    --------
    >>> import tinytensor as tt
    >>> tt.bernoulli_cross_entropy(tt.tensor([0.5, 0.0]), tt.tensor([1.0, 1.0]))
    tensor([  0.6931, 100.    ])
    """
    log_x, log_1_minus_x = clamped_logs(x)
    return (target - 1) * log_1_minus_x - target * log_x
