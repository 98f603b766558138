"""What tests of optimisers share: parameters with random values and gradients, and nothing else of a Tensor."""

import numpy as np

SHAPES = [(3, 2), (4,), (), (2, 0), (1, 3, 2)]


class P:
    """All that an optimiser may know of a parameter; `==` is elementwise, as a Tensor's is."""

    __hash__ = object.__hash__
    __slots__ = ("__weakref__", "data", "grad")

    def __init__(self, data, dtype=np.float64):
        self.data, self.grad = np.array(data, dtype), None

    def __eq__(self, other):
        raise AssertionError("parameters must not be compared by ==")


def make(rng, shapes=SHAPES, dtype=np.float64):
    return [P(rng.normal(size=shape), dtype) for shape in shapes]


def fill(rng, params, missing=0.0):
    for p in params:
        p.grad = None if rng.random() < missing else np.asarray(rng.normal(size=p.data.shape), p.data.dtype)


def values(params):
    return [p.data.copy() for p in params]


def same(a, b):
    return all(np.array_equal(x, y) and x.dtype == y.dtype for x, y in zip(a, b, strict=True))
