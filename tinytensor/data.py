"""Shuffled minibatches of arrays. It reads no files and knows no model; `tinytensor.text` turns text into arrays."""

from __future__ import annotations

import operator
from collections.abc import Iterator
from typing import Any

import numpy as np

from .core import Tensor
from .names import also_generator
from .random import Generator, as_generator


class Minibatches:
    """Minibatches of one or more arrays: each iteration is an epoch, in which every row comes once, in a new order.

    Make it once, before the loop over epochs. Made inside of the loop with `rng=0`, it would repeat one order.

    Parameters
    ----------
    *arrays : ndarray or Tensor
        Of equal length: row i of each belongs to row i of the others.
    batch_size : int
        Rows in a minibatch.
    rng : Generator, int or None
        Draws the order; an int is a seed, None the default generator (`tt.manual_seed`).
    shuffle : bool
        False keeps the order of the rows, as for an evaluation.
    drop_last : bool
        Leave out the last minibatch if it has fewer than batch_size rows. A compiled step needs a second program for
        it, and BatchNorm has less to average.

    Yields
    ------
    tuple of ndarray or Tensor
        A minibatch of each array, of new memory; of one array alone, its minibatches and no tuples.

    Raises
    ------
    TypeError
        No arrays; something that is not an array; a batch_size that is not an int.
    ValueError
        Arrays of unequal length, or without rows; a batch_size below 1; minibatches that would all be dropped.

    Notes
    -----
    `len` is the number of minibatches in an epoch. The only state is that of `self.rng`: a checkpoint with
    `rng=batches.rng` resumes at the same order. `tt.text.batches` draws rows with replacement instead, without end, as
    the lectures do.

    Examples
    --------
    >>> import tinytensor as tt
    >>> X, Y = np.arange(20).reshape(10, 2), np.arange(10)
    >>> batches = tt.Minibatches(X, Y, batch_size=4, rng=0)
    >>> for epoch in range(2):
    ...     for x, y in batches:
    ...         print(x.shape, y)
    (4, 2) [4 1 7 5]
    (4, 2) [3 9 0 8]
    (2, 2) [6 2]
    (4, 2) [3 9 4 2]
    (4, 2) [7 8 6 0]
    (2, 2) [5 1]
    """

    @also_generator
    def __init__(self, *arrays: Any, batch_size: int, rng: Generator | int | None = None, shuffle: bool = True,
                 drop_last: bool = False) -> None:
        if not arrays:
            raise TypeError("Minibatches: got no arrays; expected one or more; write Minibatches(X, Y, batch_size=32)")
        for x in arrays:
            if not isinstance(x, np.ndarray | Tensor):
                advice = f"write batch_size={x}" if isinstance(x, int) else "convert it by np.array"
                raise TypeError(f"Minibatches: got an object of type {type(x).__name__} among the arrays; expected "
                                f"ndarrays or Tensors; {advice}")
        lengths = [len(x) if x.ndim else 0 for x in arrays]
        if 0 in lengths:
            raise ValueError(f"Minibatches: got an array of shape {arrays[lengths.index(0)].shape}; expected one row "
                             "or more; look how it was made")
        if len({*lengths}) > 1:
            raise ValueError(f"Minibatches: got arrays of lengths {', '.join(map(str, lengths))}; expected one length; "
                             "row i of each belongs together")
        if isinstance(batch_size, bool) or not hasattr(batch_size, "__index__"):
            raise TypeError(f"batch_size: got {batch_size!r}; expected an int; write batch_size=32")
        size = operator.index(batch_size)
        if size < 1:
            raise ValueError(f"batch_size: got {size}; expected 1 or more; write batch_size=32")
        if drop_last and size > lengths[0]:
            raise ValueError(f"batch_size: got {size} for {lengths[0]} rows and drop_last=True, which leaves nothing; "
                             f"expected {lengths[0]} or less; leave drop_last out, or make it smaller")
        self.arrays, self.batch_size, self.rng = arrays, size, as_generator(rng)
        self.shuffle, self.drop_last = bool(shuffle), bool(drop_last)

    def __len__(self) -> int:
        whole, rest = divmod(len(self.arrays[0]), self.batch_size)
        return whole + (rest > 0 and not self.drop_last)

    def __iter__(self) -> Iterator[Any]:
        n = len(self.arrays[0])
        order = self.rng.randperm(n) if self.shuffle else np.arange(n)
        for i in range(len(self)):
            rows = order[i * self.batch_size : (i + 1) * self.batch_size]
            batch = tuple(x.take(rows, 0) if isinstance(x, np.ndarray) else x[rows] for x in self.arrays)
            yield batch if len(batch) > 1 else batch[0]

    def __repr__(self) -> str:
        shapes = ", ".join(f"{x.shape} {x.dtype}" for x in self.arrays)
        return (f"Minibatches({shapes}, batch_size={self.batch_size}, shuffle={self.shuffle}, "
                f"drop_last={self.drop_last})")
