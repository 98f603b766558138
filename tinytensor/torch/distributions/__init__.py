"""`torch.distributions`: the common distributions, with PyTorch's draws, log-densities, entropies and divergences.

Transformed and mixed distributions are not here, nor those whose draws PyTorch makes by rejection. The public names.
"""

import sys as _sys
from typing import Any

from ...names import near as _near
from .continuous import Exponential, Laplace, Normal, Uniform
from .discrete import Bernoulli, Categorical
from .distribution import Distribution, Independent
from .kl import kl_divergence

__all__ = ["Bernoulli", "Categorical", "Distribution", "Exponential", "Independent", "Laplace", "Normal", "Uniform",
           "kl_divergence"]

# `from torch.distributions.normal import Normal`: PyTorch has a file for each.
bernoulli = categorical = exponential = independent = laplace = normal = uniform = _sys.modules[__name__]


def __getattr__(name: str) -> Any:
    if name.startswith("__"):
        raise AttributeError(name)
    raise AttributeError(f"torch.distributions.{name} is not here{_near(name, __all__)}; expected one of "
                         f"{', '.join(__all__)}; write its log-density as a formula, and draw by torch.rand")
