"""Lazy layers: they learn the size of their input from the first one, and are the usual layers from then on."""

from __future__ import annotations

import inspect
from typing import Any, ClassVar

from ..random import get_rng_state, set_rng_state
from ..tensor import Tensor
from .conv import Conv1d, Conv2d, ConvTranspose1d, ConvTranspose2d
from .layers import Linear
from .module import Module
from .norm import BatchNorm1d, BatchNorm2d, BatchNorm3d, InstanceNorm1d, InstanceNorm2d, InstanceNorm3d
from .parameter import Uninitialized, UninitializedBuffer, UninitializedParameter

FIXED = "num_batches_tracked"  # a buffer whose size is known


class Lazy(Module):
    """What the lazy layers share. The first weights are drawn at the first call, with the generator as it is then."""

    becomes: ClassVar[Any]  # the usual layer
    learns: ClassVar[str]  # the name of the size that it learns, the first argument of that layer

    def __init_subclass__(cls, becomes: Any = None, learns: str = "") -> None:
        cls.becomes, cls.learns = becomes, learns

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        given = inspect.signature(self.becomes).bind(1, *args, **kwargs).arguments
        state = get_rng_state()
        self.becomes.__init__(self, given.get("groups", 1), *args, **kwargs)  # for its settings; nothing is drawn
        set_rng_state(state)
        setattr(self, self.learns, 0)
        self.given = args, kwargs
        for own, kind in ((self._parameters, UninitializedParameter), (self._buffers, UninitializedBuffer)):
            for name, x in own.items():
                if x is not None and name != FIXED:
                    own[name] = kind(kind is UninitializedParameter, dtype=kwargs.get("dtype"))

    def has_uninitialized_params(self) -> bool:
        """Whether it has not been called yet."""
        return any(isinstance(x, Uninitialized) for x in (*self._parameters.values(), *self._buffers.values()))

    def size_in(self, input: Tensor) -> int:
        """The size that an input tells: that of its channels."""
        return input.shape[1]  # type: ignore[no-any-return]

    def initialize_parameters(self, input: Tensor) -> None:
        """Be the usual layer, for inputs such as this one."""
        n = self.size_in(input)
        args, kwargs = vars(self).pop("given")
        layer = self.becomes(n, *args, **kwargs)
        setattr(self, self.learns, n)
        self.__class__ = self.becomes
        for part in ("_parameters", "_buffers"):
            for name, x in vars(layer)[part].items():
                old = vars(self)[part][name]
                if isinstance(old, Uninitialized):
                    if old.wanted is not None:
                        x.node.data = x.node.data.astype(old.wanted)
                    old.become(x)

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        self.initialize_parameters(*args[:1], **{k: x for k, x in kwargs.items() if k == "input"})
        return self(*args, **kwargs)


class LazyLinear(Lazy, Linear, becomes=Linear, learns="in_features"):
    """A `Linear` that learns `in_features` from its first input.

    Examples
    --------
    >>> import tinytensor.torch as torch
    >>> layer = torch.nn.LazyLinear(2)
    >>> layer
    LazyLinear(in_features=0, out_features=2, bias=True)
    >>> layer(torch.ones(5, 3)).shape, layer
    (torch.Size([5, 2]), Linear(in_features=3, out_features=2, bias=True))
    """

    def size_in(self, input: Tensor) -> int:
        return input.shape[-1]  # type: ignore[no-any-return]


class LazyConvolution(Lazy):
    """What the lazy convolutions share: how they find the channels."""

    axes: ClassVar[int]

    def size_in(self, input: Tensor) -> int:
        if input.ndim not in (self.axes + 1, self.axes + 2):
            raise RuntimeError(f"{type(self).__name__}: got an input of shape {[*input.shape]}; expected "
                               f"{self.axes + 2} axes, (N, C, ...), or without N; reshape it")
        return input.shape[-self.axes - 1]  # type: ignore[no-any-return]


class LazyConv1d(LazyConvolution, Conv1d, becomes=Conv1d, learns="in_channels"):
    """A `Conv1d` that learns `in_channels` from its first input."""


class LazyConv2d(LazyConvolution, Conv2d, becomes=Conv2d, learns="in_channels"):
    """A `Conv2d` that learns `in_channels` from its first input."""


class LazyConvTranspose1d(LazyConvolution, ConvTranspose1d, becomes=ConvTranspose1d, learns="in_channels"):
    """A `ConvTranspose1d` that learns `in_channels` from its first input."""


class LazyConvTranspose2d(LazyConvolution, ConvTranspose2d, becomes=ConvTranspose2d, learns="in_channels"):
    """A `ConvTranspose2d` that learns `in_channels` from its first input."""


class LazyBatchNorm1d(Lazy, BatchNorm1d, becomes=BatchNorm1d, learns="num_features"):
    """A `BatchNorm1d` that learns `num_features` from its first input."""


class LazyBatchNorm2d(Lazy, BatchNorm2d, becomes=BatchNorm2d, learns="num_features"):
    """A `BatchNorm2d` that learns `num_features` from its first input."""


class LazyBatchNorm3d(Lazy, BatchNorm3d, becomes=BatchNorm3d, learns="num_features"):
    """A `BatchNorm3d` that learns `num_features` from its first input."""


class LazyInstanceNorm1d(Lazy, InstanceNorm1d, becomes=InstanceNorm1d, learns="num_features"):
    """An `InstanceNorm1d` that learns `num_features` from its first input."""


class LazyInstanceNorm2d(Lazy, InstanceNorm2d, becomes=InstanceNorm2d, learns="num_features"):
    """An `InstanceNorm2d` that learns `num_features` from its first input."""


class LazyInstanceNorm3d(Lazy, InstanceNorm3d, becomes=InstanceNorm3d, learns="num_features"):
    """An `InstanceNorm3d` that learns `num_features` from its first input."""
