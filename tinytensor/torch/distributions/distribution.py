"""What all distributions share, how their parameters are read, and several draws as one event."""

from __future__ import annotations

from typing import Any, ClassVar

from ..dtypes import Size, default
from ..offer import FUNCTIONS
from ..recorded import no_grad
from ..tensor import Tensor


def together(*parameters: Any) -> list[Tensor]:
    """Parameters as tensors of one shape."""
    made = [x if isinstance(x, Tensor) else FUNCTIONS["tensor"](x, dtype=default[0]) for x in parameters]
    return list(FUNCTIONS["broadcast_tensors"](*made))


class Distribution:
    """What all distributions share. `sample` draws without a graph, `rsample` so that gradients flow to parameters."""

    has_rsample: ClassVar[bool] = False
    parameters: ClassVar[tuple[str, ...]] = ()  # those that its repr shows, if they were passed or computed
    mean: Tensor
    variance: Tensor

    def __init__(self, batch_shape: Any = (), event_shape: Any = (), validate_args: bool | None = None) -> None:
        self.batch_shape, self.event_shape = Size(batch_shape), Size(event_shape)
        self.validates = validate_args is None or validate_args

    def require(self, name: str, value: Tensor, fine: Tensor, what: str) -> None:
        """Refuse a parameter, or a value, out of its range."""
        if self.validates and not bool(fine.all()):
            raise ValueError(f"{type(self).__name__}: Expected {name} {tuple(value.shape)} of distribution "
                             f"{type(self).__name__} to be {what}, but found invalid values; got {value}; give others")

    def given(self, value: Any) -> Tensor:
        """A value at which the density is computed."""
        if not isinstance(value, Tensor):
            raise ValueError(f"{type(self).__name__}: The value argument to log_prob must be a Tensor; got a "
                             f"{type(value).__name__}; write torch.tensor(value)")
        return value

    def shape(self, sample_shape: Any) -> Size:
        """The shape of so many draws."""
        return Size((*sample_shape, *self.batch_shape, *self.event_shape))

    def sample(self, sample_shape: Any = ()) -> Tensor:
        """Draws, through which no gradient flows."""
        with no_grad():
            return self.rsample(sample_shape)

    def rsample(self, sample_shape: Any = ()) -> Tensor:
        """Draws through which gradients flow to the parameters."""
        raise NotImplementedError(f"{type(self).__name__}: got rsample; expected sample, for gradients do not flow "
                                  f"through its draws; use log_prob times a reward")

    def log_prob(self, value: Any) -> Tensor:
        """The logarithm of the density, or probability, of a value."""
        raise NotImplementedError(f"{type(self).__name__}: it has no log_prob; expected a subclass; define it")

    def entropy(self) -> Tensor:
        """The entropy, in nats."""
        raise NotImplementedError(f"{type(self).__name__}: it has no entropy; expected a subclass; define it")

    @property
    def stddev(self) -> Tensor:
        """The standard deviation."""
        return self.variance.sqrt()  # type: ignore[no-any-return]

    def __repr__(self) -> str:
        shown = {name: vars(self)[name] for name in self.parameters if name in vars(self)}
        parts = [f"{name}: {x if x.numel() == 1 else x.size()}" for name, x in shown.items()]
        return f"{type(self).__name__}({', '.join(parts)})"


class Independent(Distribution):
    """A distribution whose last axes are one event: their log-densities add up."""

    def __init__(self, base_distribution: Distribution, reinterpreted_batch_ndims: int,
                 validate_args: bool | None = None) -> None:
        shape, n = base_distribution.batch_shape, reinterpreted_batch_ndims
        if n > len(shape):
            raise ValueError(f"Independent: Expected reinterpreted_batch_ndims <= len(base_distribution.batch_shape); "
                             f"got {n} and {len(shape)}; give fewer")
        cut = len(shape) - n
        super().__init__(shape[:cut], (*shape[cut:], *base_distribution.event_shape), validate_args)
        self.base_dist, self.reinterpreted_batch_ndims = base_distribution, n
        setattr(self, "has_rsample", base_distribution.has_rsample)

    def sample(self, sample_shape: Any = ()) -> Tensor:
        return self.base_dist.sample(sample_shape)

    def rsample(self, sample_shape: Any = ()) -> Tensor:
        return self.base_dist.rsample(sample_shape)

    def log_prob(self, value: Any) -> Tensor:
        return self.added(self.base_dist.log_prob(value))

    def entropy(self) -> Tensor:
        return self.added(self.base_dist.entropy())

    def added(self, x: Tensor) -> Tensor:
        """The sums over the axes of one event."""
        n = self.reinterpreted_batch_ndims
        return x.sum(tuple(range(-n, 0))) if n else x

    @property
    def mean(self) -> Tensor:  # type: ignore[override]
        """The mean."""
        return self.base_dist.mean

    @property
    def variance(self) -> Tensor:  # type: ignore[override]
        """The variance."""
        return self.base_dist.variance

    def __repr__(self) -> str:
        return f"Independent({self.base_dist}, {self.reinterpreted_batch_ndims})"
