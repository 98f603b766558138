"""The divergence of one distribution from another."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

from ..nn.functions.activation import softplus
from ..tensor import Tensor
from .continuous import Normal
from .discrete import Bernoulli, Categorical
from .distribution import Distribution, Independent


def of_normals(p: Normal, q: Normal) -> Any:
    """Of two normal distributions."""
    ratio = (p.scale / q.scale).pow(2)
    return 0.5 * (ratio + ((p.loc - q.loc) / q.scale).pow(2) - 1 - ratio.log())


def of_categoricals(p: Categorical, q: Categorical) -> Any:
    """Of two categorical ones; infinite where q has no probability and p has."""
    t = p.probs * (p.logits - q.logits)
    t = t.masked_fill(q.probs.eq(0), math.inf)
    return t.masked_fill(p.probs.eq(0), 0).sum(-1)


def of_bernoullis(p: Bernoulli, q: Bernoulli) -> Any:
    """Of two Bernoulli distributions."""
    return p.probs * (softplus(-q.logits) - softplus(-p.logits)) + (1 - p.probs) * (
        softplus(q.logits) - softplus(p.logits))


KNOWN: dict[type, Callable[..., Any]] = {Normal: of_normals, Categorical: of_categoricals, Bernoulli: of_bernoullis}


def kl_divergence(p: Distribution, q: Distribution) -> Tensor:
    """The Kullback-Leibler divergence of two distributions of one kind: normal, categorical or Bernoulli.

    Examples
    --------
    >>> from tinytensor.torch.distributions import Normal, kl_divergence
    >>> kl_divergence(Normal(1.0, 1.0), Normal(0.0, 1.0))
    tensor(0.5000)
    """
    if isinstance(p, Independent) and isinstance(q, Independent):
        return p.added(kl_divergence(p.base_dist, q.base_dist))
    if type(p) is not type(q) or type(p) not in KNOWN:
        raise NotImplementedError(f"kl_divergence: No KL(p || q) is implemented for p type {type(p).__name__} and q "
                                  f"type {type(q).__name__}; expected two of "
                                  f"{', '.join(kind.__name__ for kind in KNOWN)}; write it, or average "
                                  f"p.log_prob(x) - q.log_prob(x) over draws of p")
    return KNOWN[type(p)](p, q)  # type: ignore[no-any-return]
