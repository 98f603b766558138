"""Distributions of numbers on a line: Normal, Laplace, Uniform, Exponential."""

from __future__ import annotations

import math
from typing import Any

from .. import random
from ..dtypes import finfo
from ..offer import FUNCTIONS
from ..recorded import no_grad
from ..tensor import Tensor
from .distribution import Distribution, together


class Located(Distribution):
    """What Normal and Laplace share: a location, which is mean and mode, and a scale."""

    has_rsample, parameters = True, ("loc", "scale")

    def __init__(self, loc: Any, scale: Any, validate_args: bool | None = None) -> None:
        self.loc, self.scale = together(loc, scale)
        super().__init__(self.loc.shape, validate_args=validate_args)
        self.require("parameter scale", self.scale, self.scale > 0, "positive")
        self.require("parameter loc", self.loc, ~self.loc.isnan(), "real")

    @property
    def mean(self) -> Tensor:  # type: ignore[override]
        """The mean, which is the mode, too."""
        return self.loc

    mode = mean


class Normal(Located):
    """The normal distribution.

    Examples
    --------
    >>> import tinytensor.torch as torch
    >>> d = torch.distributions.Normal(0.0, 2.0)
    >>> d, d.log_prob(torch.tensor(1.0)), d.sample((3,)).shape
    (Normal(loc: 0.0, scale: 2.0), tensor(-1.7371), torch.Size([3]))
    """

    @property
    def variance(self) -> Tensor:  # type: ignore[override]
        """The variance."""
        return self.scale.pow(2)  # type: ignore[no-any-return]

    def sample(self, sample_shape: Any = ()) -> Tensor:
        with no_grad():
            shape = self.shape(sample_shape)
            return random.normal(self.loc.expand(shape), self.scale.expand(shape))

    def rsample(self, sample_shape: Any = ()) -> Tensor:
        shape = self.shape(sample_shape)
        noise = random.normal(FUNCTIONS["zeros"](shape, dtype=self.loc.dtype),
                              FUNCTIONS["ones"](shape, dtype=self.loc.dtype))
        return self.loc + noise * self.scale

    def log_prob(self, value: Any) -> Tensor:
        away = self.given(value) - self.loc
        return -(away**2) / (2 * self.scale**2) - self.scale.log() - math.log(math.sqrt(2 * math.pi))  # type: ignore[no-any-return]

    def entropy(self) -> Tensor:
        return 0.5 + 0.5 * math.log(2 * math.pi) + self.scale.log()  # type: ignore[no-any-return]

    def cdf(self, value: Tensor) -> Tensor:
        """The probability of no more than a value."""
        return 0.5 * (1 + ((value - self.loc) * self.scale.reciprocal() / math.sqrt(2)).erf())  # type: ignore[no-any-return]

    def icdf(self, value: Tensor) -> Tensor:
        """The value that a draw stays below with this probability."""
        return self.loc + self.scale * (2 * value - 1).erfinv() * math.sqrt(2)  # type: ignore[no-any-return]


class Laplace(Located):
    """The distribution whose density falls exponentially on both sides."""

    @property
    def variance(self) -> Tensor:  # type: ignore[override]
        """The variance."""
        return 2 * self.scale.pow(2)  # type: ignore[no-any-return]

    def rsample(self, sample_shape: Any = ()) -> Tensor:
        limit = finfo(self.loc.dtype)
        u: Any = FUNCTIONS["empty"](self.shape(sample_shape), dtype=self.loc.dtype).uniform_(limit.eps - 1, 1)
        return self.loc - self.scale * u.sign() * (-u.abs()).log1p()  # type: ignore[no-any-return]

    def log_prob(self, value: Any) -> Tensor:
        return -(2 * self.scale).log() - (self.given(value) - self.loc).abs() / self.scale  # type: ignore[no-any-return]

    def entropy(self) -> Tensor:
        return 1 + (2 * self.scale).log()  # type: ignore[no-any-return]


class Uniform(Distribution):
    """The uniform distribution from `low` to `high`, which does not count."""

    has_rsample, parameters = True, ("low", "high")

    def __init__(self, low: Any, high: Any, validate_args: bool | None = None) -> None:
        self.low, self.high = together(low, high)
        super().__init__(self.low.shape, validate_args=validate_args)
        self.require("parameter high", self.high, self.low < self.high, "above low")

    @property
    def mean(self) -> Tensor:  # type: ignore[override]
        """The mean."""
        return (self.high + self.low) / 2

    @property
    def variance(self) -> Tensor:  # type: ignore[override]
        """The variance."""
        return (self.high - self.low).pow(2) / 12  # type: ignore[no-any-return]

    def rsample(self, sample_shape: Any = ()) -> Tensor:
        u = random.rand(self.shape(sample_shape), dtype=self.low.dtype)
        return self.low + u * (self.high - self.low)

    def log_prob(self, value: Any) -> Tensor:
        value = self.given(value)
        self.require("value argument", value, (self.low <= value) & (value <= self.high), "within the support")
        inside = (self.low <= value) & (self.high > value)
        return inside.type_as(self.low).log() - (self.high - self.low).log()  # type: ignore[no-any-return]

    def entropy(self) -> Tensor:
        return (self.high - self.low).log()  # type: ignore[no-any-return]


class Exponential(Distribution):
    """The distribution of waiting times at a rate."""

    has_rsample, parameters = True, ("rate",)

    def __init__(self, rate: Any, validate_args: bool | None = None) -> None:
        (self.rate,) = together(rate)
        super().__init__(self.rate.shape, validate_args=validate_args)
        self.require("parameter rate", self.rate, self.rate > 0, "positive")

    @property
    def mean(self) -> Tensor:  # type: ignore[override]
        """The mean."""
        return self.rate.reciprocal()  # type: ignore[no-any-return]

    @property
    def variance(self) -> Tensor:  # type: ignore[override]
        """The variance."""
        return self.rate.pow(-2)  # type: ignore[no-any-return]

    def rsample(self, sample_shape: Any = ()) -> Tensor:
        drawn: Any = FUNCTIONS["empty"](self.shape(sample_shape), dtype=self.rate.dtype).exponential_()
        return drawn / self.rate  # type: ignore[no-any-return]

    def log_prob(self, value: Any) -> Tensor:
        value = self.given(value)
        self.require("value argument", value, value >= 0, "within the support")
        return self.rate.log() - self.rate * value  # type: ignore[no-any-return]

    def entropy(self) -> Tensor:
        return 1 - self.rate.log()  # type: ignore[no-any-return]
