"""Flat storage: many parameters as views of one vector, so that an update is a few NumPy calls for all of them.

It computes no gradients, knows no optimiser, and knows a parameter only by its `data` and `grad`.
"""

from itertools import accumulate, groupby, pairwise
from operator import attrgetter, is_, methodcaller
from typing import Any

import numpy as np

from .check import Array, Parameter, describe

# What a step reads of every parameter, as functions for `map`, which is faster than a loop.
DATA, GRADIENT, GRADIENT_SHAPE = attrgetter("data"), attrgetter("grad"), attrgetter("grad.shape")
FLAT = methodcaller("ravel")
CACHE_LINE = 64  # bytes


def apply_decay(g: Array, theta: Array, maximize: bool, weight_decay: float) -> None:
    """Prepare a gradient in place: negate it to maximise, and add `weight_decay * theta`."""
    if maximize:
        np.negative(g, out=g)
    if weight_decay:
        g += weight_decay * theta


def aligned_copy(x: Array) -> Array:
    """A copy of x that starts on a cache line; a tracer of the compiler is returned as it is."""
    if type(x) is not np.ndarray:
        return x
    memory = bytearray(x.nbytes + CACHE_LINE)  # subtle: not an array, so that the base of what is cut from y is y
    y: Array = np.ndarray(x.shape, x.dtype, memory, -np.frombuffer(memory, np.uint8).ctypes.data % CACHE_LINE)
    np.copyto(y, x)
    return y


class FlatBlock:
    """One contiguous vector, `theta`, of which parameters of one group and dtype are views.

    They have made the same steps: `t` counts those, and each vector of `state` is as long as `theta`. `indices` are the
    parameters' numbers in the state_dict. Parameters that fill whole cache lines come first, so that each starts on a
    cache line: matrix products with them are faster.
    """

    def __init__(self, group: dict[str, Any], params: dict[int, Parameter]) -> None:
        params = dict(sorted(params.items(), key=lambda item: item[1].data.nbytes % CACHE_LINE > 0))
        self.group, self.indices, self.params, self.t = group, list(params), list(params.values()), 0
        self.shapes = [p.data.shape for p in self.params]
        self.slices = [slice(*ab) for ab in pairwise(accumulate((p.data.size for p in self.params), initial=0))]
        self.theta = aligned_copy(np.concatenate([p.data.ravel() for p in self.params]))
        self.state: dict[str, Array] = {}
        self.bind()

    def vector(self, name: str, start: float = 0.0) -> Array:
        """A state vector; it is made at the first call, filled with `start`."""
        if name not in self.state:
            self.state[name] = np.full_like(self.theta, start)
        return self.state[name]

    def views(self, vector: Array) -> list[Array]:
        """Views of a flat vector, one for each parameter, in its shape."""
        return [vector[cut].reshape(shape) for cut, shape in zip(self.slices, self.shapes, strict=True)]

    def bind(self) -> None:
        """Make the data of every parameter a view of `theta`."""
        self.theta_views = self.views(self.theta)
        self.bindings = list(zip(self.params, self.theta_views, strict=True))
        for p, view in self.bindings:
            p.data = view

    def is_bound(self) -> bool:
        """Whether the data of every parameter still is its view of `theta`."""
        return all(map(is_, map(DATA, self.params), self.theta_views))

    def split(self, keys: list[Any]) -> "list[FlatBlock]":
        """One block for each run of equal keys (a key for each parameter); itself if all are equal."""
        spans = pairwise(accumulate((len(list(same)) for _, same in groupby(keys)), initial=0))
        if len(pieces := [slice(*ab) for ab in spans]) == 1:
            return [self]
        blocks = []
        for piece in pieces:
            params = dict(zip(self.indices[piece], self.params[piece], strict=True))
            blocks.append(block := FlatBlock(self.group, params))
            cut = slice(self.slices[piece.start].start, self.slices[piece.stop - 1].stop)
            block.t, block.state = self.t, {name: vector[cut] for name, vector in self.state.items()}
        return blocks

    def split_by_gradient(self) -> "list[FlatBlock]":
        """Itself, or, if only some parameters have a gradient, blocks in which all have one or none has."""
        try:
            if list(map(GRADIENT_SHAPE, self.params)) == self.shapes:
                return [self]
        except AttributeError:  # a gradient is None, or not an array
            pass
        self.check_gradients()
        return self.split([p.grad is None for p in self.params])

    def gradient(self) -> Array | None:
        """The gradients as a new flat vector, or None if there are none."""
        if self.params[0].grad is None:
            return None
        try:
            return np.concatenate(list(map(FLAT, map(GRADIENT, self.params))), dtype=self.theta.dtype, casting="no")
        except TypeError:  # of another dtype
            self.check_gradients()
            raise

    def check_gradients(self) -> None:
        """Raise ValueError for a gradient whose shape or dtype is not its parameter's."""
        for i, p in zip(self.indices, self.params, strict=True):
            if p.grad is not None and describe(p.grad) != describe(p.data):
                raise ValueError(f"the gradient of parameter {i}: got {describe(p.grad)}; expected {describe(p.data)}, "
                                 "as its data; set p.grad to such an array, or to None") from None
