"""Distributions of integers: Bernoulli and Categorical, by probabilities or by logits."""

from __future__ import annotations

import math
from functools import cached_property
from typing import Any

from .. import random
from ..dtypes import Size, finfo
from ..nn.functions.losses import binary_cross_entropy_with_logits
from ..offer import FUNCTIONS
from ..recorded import no_grad
from ..tensor import Tensor
from .distribution import Distribution, together


def one_of(name: str, probs: Any, logits: Any) -> None:
    """Refuse both parameters, or none."""
    if (probs is None) is (logits is None):
        raise ValueError(f"{name}: Either `probs` or `logits` must be specified, but not both; got "
                         f"{'none' if probs is None else 'both'}; give one")


def clamped(probs: Tensor) -> Tensor:
    """Probabilities whose logarithms are finite."""
    eps = finfo(probs.dtype).eps
    return probs.clamp(eps, 1 - eps)  # type: ignore[no-any-return]


class Bernoulli(Distribution):
    """1 with a probability, else 0."""

    parameters = ("probs", "logits")

    def __init__(self, probs: Any = None, logits: Any = None, validate_args: bool | None = None) -> None:
        one_of("Bernoulli", probs, logits)
        (x,) = together(logits if probs is None else probs)
        vars(self)["logits" if probs is None else "probs"] = x
        super().__init__(x.shape, validate_args=validate_args)
        if probs is not None:
            self.require("parameter probs", x, (x >= 0) & (x <= 1), "from 0 to 1")

    @cached_property
    def probs(self) -> Tensor:
        """The probabilities of 1."""
        return self.logits.sigmoid()  # type: ignore[no-any-return]

    @cached_property
    def logits(self) -> Tensor:
        """The logarithms of their odds."""
        p = clamped(self.probs)
        return p.log() - (-p).log1p()  # type: ignore[no-any-return]

    @property
    def mean(self) -> Tensor:  # type: ignore[override]
        """The mean."""
        return self.probs

    @property
    def variance(self) -> Tensor:  # type: ignore[override]
        """The variance."""
        return self.probs * (1 - self.probs)

    def sample(self, sample_shape: Any = ()) -> Tensor:
        with no_grad():
            return random.bernoulli(self.probs.expand(self.shape(sample_shape)))

    def log_prob(self, value: Any) -> Tensor:
        value = self.given(value)
        self.require("value argument", value, (value == 0) | (value == 1), "within the support")
        logits, value = together(self.logits, value)
        return -binary_cross_entropy_with_logits(logits, value, reduction="none")

    def entropy(self) -> Tensor:
        return binary_cross_entropy_with_logits(self.logits, self.probs, reduction="none")


class Categorical(Distribution):
    """0, 1, 2, ... with given probabilities, which stand along the last axis.

    Examples
    --------
    >>> import tinytensor.torch as torch
    >>> d = torch.distributions.Categorical(logits=torch.zeros(2, 4))
    >>> d.log_prob(torch.tensor([0, 3])), d.entropy(), d.sample().shape
    (tensor([-1.3863, -1.3863]), tensor([1.3863, 1.3863]), torch.Size([2]))
    """

    parameters = ("probs", "logits")

    def __init__(self, probs: Any = None, logits: Any = None, validate_args: bool | None = None) -> None:
        one_of("Categorical", probs, logits)
        x = logits if probs is None else probs
        if not isinstance(x, Tensor) or x.ndim < 1:
            raise ValueError(f"Categorical: `{'logits' if probs is None else 'probs'}` parameter must be at least "
                             f"one-dimensional; got {x!r}; give a tensor with one number for each category")
        super().__init__(x.shape[:-1], validate_args=validate_args)
        if probs is None:
            vars(self)["logits"] = x - x.logsumexp(-1, keepdim=True)
        else:
            sums = x.sum(-1, keepdim=True)
            self.require("parameter probs", x, (x >= 0) & (sums > 0), "at least 0, and not all 0")
            vars(self)["probs"] = x / sums

    @cached_property
    def probs(self) -> Tensor:
        """The probabilities."""
        return self.logits.softmax(-1)  # type: ignore[no-any-return]

    @cached_property
    def logits(self) -> Tensor:
        """Their logarithms."""
        return clamped(self.probs).log()  # type: ignore[no-any-return]

    @property
    def mean(self) -> Tensor:  # type: ignore[override]
        """nan: categories have no mean."""
        return FUNCTIONS["full"](self.shape(()), math.nan, dtype=self.probs.dtype)  # type: ignore[no-any-return]

    variance = mean

    @property
    def mode(self) -> Tensor:
        """The most probable category."""
        return self.probs.argmax(-1)  # type: ignore[no-any-return]

    def sample(self, sample_shape: Any = ()) -> Tensor:
        rows = self.probs.reshape(-1, self.probs.shape[-1]).detach()
        drawn = random.multinomial(rows, Size(sample_shape).numel(), True).T
        return drawn.reshape(self.shape(sample_shape))  # type: ignore[no-any-return]

    def log_prob(self, value: Any) -> Tensor:
        value = self.given(value)
        self.require("value argument", value, (value >= 0) & (value < self.logits.shape[-1]), "within the support")
        chosen, logits = FUNCTIONS["broadcast_tensors"](value.long().unsqueeze(-1), self.logits)
        return logits.gather(-1, chosen[..., :1]).squeeze(-1)  # type: ignore[no-any-return]

    def entropy(self) -> Tensor:
        least = finfo(self.logits.dtype).min
        return -(self.logits.clamp(min=least) * self.probs).sum(-1)  # type: ignore[no-any-return]
