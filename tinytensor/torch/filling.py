"""Methods that fill a tensor with random numbers, in place: `normal_`, `uniform_` and the like.

They draw as PyTorch does, of strided tensors in the order of the memory. No new tensor is made here.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from ..core import TracerBase
from ..ops import where
from ..random import Generator as Stream
from ..random import _store
from .random import as_pytorch, stream_of
from .tensor import Tensor
from .versions import note
from .writing import assign, enters_graph, fitting, preserve, write


def filler(name: str, fill: Any) -> None:
    """Attach the method ``name_``, which fills a tensor in place."""
    def method(self: Tensor, *args: Any, generator: Any = None, **kwargs: Any) -> Tensor:
        recorded = enters_graph(self)
        if not recorded:
            preserve(self)
        array, stream = self.node.data, stream_of(generator)
        with as_pytorch():
            if recorded:  # from here on the tensor has a gradient of zeros for what it was
                fill(stream, values := np.empty_like(array), *args, **kwargs)
                assign(f"{name}_", self, lambda node: where(np.zeros(array.shape, bool), node, values))
            elif isinstance(array, TracerBase) or array.flags.c_contiguous:
                fill(stream, values := np.empty(array.shape, array.dtype), *args, **kwargs)
                write(array, values)
            else:  # subtle: the order of the draws is that of the memory, and normal numbers are drawn otherwise
                fitting(f"{name}_", self, array.shape, array.dtype)
                fill(stream, array, *args, **kwargs)
                note(array)
        return self

    method.__name__ = method.__qualname__ = f"{name}_"
    method.__doc__ = f"Fill with random numbers, in place: `{name}`."
    setattr(Tensor, f"{name}_", method)


def uniform(s: Stream, a: Any, from_: float = 0.0, to: float = 1.0, **kwargs: Any) -> None:
    s.uniform_(a, float(kwargs.get("from", from_)), float(to))


def bernoullis(s: Stream, a: Any, p: Any = 0.5) -> None:
    if isinstance(p, Tensor):  # in the order of the memory that is written
        axes = list(range(a.ndim))
        if not a.flags.c_contiguous:
            axes.sort(key=lambda axis: -abs(a.strides[axis]))
        _store(a, s.bernoulli(np.broadcast_to(p.node.data, a.shape).transpose(axes)))
        return
    draws = s.bernoulli(float(p), a.size)
    if a.flags.c_contiguous:
        a[...] = draws.reshape(a.shape)
    else:
        _store(a, draws)


def integers(s: Stream, a: Any, *args: Any, **kwargs: Any) -> None:
    if len(args) == 1 and not kwargs:
        args = (0, *args)
    low, high = dict(enumerate(args)).get(0, kwargs.get("from", 0)), dict(enumerate(args)).get(1, kwargs.get("to"))
    s.random_(a, int(low), None if high is None else int(high))


def geometric(s: Stream, a: Any, p: Any) -> None:
    if a.dtype == bool:
        raise NotImplementedError("geometric_: got a bool tensor; expected numbers; fill one of torch.int64")
    s.geometric_(a, float(p))


for name, fill in {"uniform": uniform, "normal": lambda s, a, mean=0.0, std=1.0: s.normal_(a, float(mean), float(std)),
                   "exponential": lambda s, a, lambd=1.0: s.exponential_(a, float(lambd)),
                   "log_normal": lambda s, a, mean=1.0, std=2.0: s.log_normal_(a, float(mean), float(std)),
                   "cauchy": lambda s, a, median=0.0, sigma=1.0: s.cauchy_(a, float(median), float(sigma)),
                   "geometric": geometric, "random": integers, "bernoulli": bernoullis}.items():
    filler(name, fill)
