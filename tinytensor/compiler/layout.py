"""How arrays lie in memory: shape, dtype, strides and offset without the elements, and predicates on them."""

from __future__ import annotations

from math import prod
from typing import Any

import numpy as np

SMALL = 2**14  # bytes: a call on a larger array takes longer than to be called


class ArrayLayout:
    """An array without its elements; `byte_offset`: how many bytes after the start of its base it begins."""

    __slots__ = ("byte_offset", "compact", "dtype", "itemsize", "nbytes", "ndim", "shape", "size", "strides")

    def __init__(self, shape: tuple[int, ...], dtype: np.dtype[Any], strides: tuple[int, ...],
                 byte_offset: int) -> None:
        self.shape, self.dtype, self.strides, self.byte_offset = shape, dtype, strides, byte_offset
        self.ndim, self.size, self.itemsize = len(shape), prod(shape), dtype.itemsize
        self.nbytes = self.size * self.itemsize
        self.compact = not self.size or all(n == 1 or s == self.itemsize * prod(shape[i + 1 :])
                                            for i, (n, s) in enumerate(zip(shape, strides, strict=True)))

    def __len__(self) -> int:
        return self.shape[0]

    def __getitem__(self, key: slice | int) -> ArrayLayout:
        """The first row, or the first ones."""
        rows = (min(key.stop, len(self)),) if isinstance(key, slice) else ()
        return ArrayLayout((*rows, *self.shape[1:]), self.dtype, self.strides[1 - len(rows) :], self.byte_offset)


def address(a: Any) -> int:
    """Where in memory an array begins."""
    return int(a.__array_interface__["data"][0])


def compact(a: Any) -> bool:
    """Whether an array is contiguous in C order."""
    return bool(a.compact if isinstance(a, ArrayLayout) else a.flags.c_contiguous)


def contiguous(a: Any) -> bool:
    """Whether an array is contiguous in C or in Fortran order."""
    transpose = a.T if isinstance(a, np.ndarray) else ArrayLayout(a.shape[::-1], a.dtype, a.strides[::-1], 0)
    return compact(a) or compact(transpose)


def same_layout(a: Any, b: Any) -> bool:
    """Whether two arrays have one shape, dtype and strides, so that one can be stored in the other's memory."""
    return bool(a.dtype == b.dtype and a.shape == b.shape and a.strides == b.strides)


def span_bytes(a: Any) -> int:
    """How many bytes lie between an array's first element and the end of its last, whatever the order of its axes."""
    return int(a.itemsize * (1 + sum((n - 1) * abs(s // a.itemsize) for n, s in zip(a.shape, a.strides, strict=True)))
               if a.size else a.itemsize)


def distance(view: Any, whole: Any) -> int:
    """The bytes between the start of a view's base and the view."""
    return getattr(view, "byte_offset", 0) - getattr(whole, "byte_offset", 0)
