"""Datasets: what has examples by number, or gives them one after another.

No batch is made here.
"""

from __future__ import annotations

import math
from bisect import bisect_right
from collections.abc import Iterable, Iterator, Sequence
from itertools import accumulate, chain
from typing import Any, Generic, TypeVar

from ...random import stream_of
from ...tensor import Tensor

T = TypeVar("T", covariant=True)


class Dataset(Generic[T]):
    """What has examples by number: a subclass defines `__getitem__`, and mostly `__len__`."""

    def __getitem__(self, index: Any) -> T:
        raise NotImplementedError(f"{type(self).__name__}: got no __getitem__; expected one that gives an example of a "
                                  f"number; define it in the class")

    def __add__(self, other: Dataset[Any]) -> ConcatDataset[Any]:
        return ConcatDataset([self, other])


class IterableDataset(Dataset[T]):
    """What gives its examples one after another: a subclass defines `__iter__`."""

    def __iter__(self) -> Iterator[T]:
        raise NotImplementedError(f"{type(self).__name__}: got no __iter__; expected one that gives the examples; "
                                  f"define it in the class")

    def __add__(self, other: Dataset[Any]) -> Any:
        return ChainDataset([self, other])


class TensorDataset(Dataset[tuple[Tensor, ...]]):
    """The rows of one tensor or several: example i is the tuple of each one's row i.

    Examples
    --------
    >>> import tinytensor.torch as torch
    >>> torch.utils.data.TensorDataset(torch.tensor([[1, 2], [3, 4]]), torch.tensor([0, 1]))[1]
    (tensor([3, 4]), tensor(1))
    """

    def __init__(self, *tensors: Tensor) -> None:
        sizes = [len(t) for t in tensors]
        if not sizes or min(sizes) != max(sizes):
            raise AssertionError(f"TensorDataset: Size mismatch between tensors; got {sizes} rows; expected as many in "
                                 f"each, and one tensor or more; cut the longer ones")
        self.tensors = tensors

    def __getitem__(self, index: Any) -> tuple[Tensor, ...]:
        return tuple([t[index] for t in self.tensors])

    def __len__(self) -> int:
        return len(self.tensors[0])


class StackDataset(Dataset[Any]):
    """Datasets side by side: example i is the tuple, or by keywords the dict, of each one's example i."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        if bool(args) == bool(kwargs):
            raise ValueError("StackDataset: got datasets by place and by name, or none; expected the one or the other; "
                             "name all of them, or none")
        self.datasets: Any = args or kwargs
        sizes = {len(d) for d in args or kwargs.values()}
        if len(sizes) > 1:
            raise ValueError(f"StackDataset: Size mismatch between datasets; got {sorted(sizes)} examples; expected as "
                             f"many in each; cut the longer ones")

    def __getitem__(self, index: Any) -> Any:
        if isinstance(self.datasets, dict):
            return {name: d[index] for name, d in self.datasets.items()}
        return tuple([d[index] for d in self.datasets])

    def __len__(self) -> int:
        return len(next(iter(self.datasets.values() if isinstance(self.datasets, dict) else self.datasets)))


class ConcatDataset(Dataset[T]):
    """Datasets one behind another, as one."""

    def __init__(self, datasets: Iterable[Dataset[Any]]) -> None:
        self.datasets = list(datasets)
        if not self.datasets or any(isinstance(d, IterableDataset) for d in self.datasets):
            raise AssertionError("ConcatDataset: got no dataset, or an IterableDataset; expected datasets with "
                                 "examples by number; chain iterable ones with ChainDataset")
        self.cumulative_sizes = list(accumulate(len(d) for d in self.datasets))  # type: ignore[arg-type]

    def __len__(self) -> int:
        return self.cumulative_sizes[-1]

    def __getitem__(self, index: Any) -> T:
        n = len(self)
        if not -n <= index < n:
            raise (ValueError if index < 0 else IndexError)(
                f"ConcatDataset: got index {index}; expected {-n} to {n - 1}; there are {n} examples in all, so take "
                f"one of them")
        index = index % n
        which = bisect_right(self.cumulative_sizes, index)
        before = self.cumulative_sizes[which - 1] if which else 0
        return self.datasets[which][index - before]  # type: ignore[no-any-return]


class ChainDataset(IterableDataset[Any]):
    """Iterable datasets one behind another, as one."""

    def __init__(self, datasets: Iterable[Dataset[Any]]) -> None:
        self.datasets = datasets

    def __iter__(self) -> Iterator[Any]:
        for d in self.datasets:
            if not isinstance(d, IterableDataset):
                raise AssertionError(f"ChainDataset: ChainDataset only supports IterableDataset; got a "
                                     f"{type(d).__name__}; join others with ConcatDataset")
            yield from d

    def __len__(self) -> int:
        sizes: list[int] = [len(d) for d in self.datasets]  # type: ignore[arg-type]
        return sum(sizes)


class Subset(Dataset[T]):
    """Some of the examples of a dataset, by their numbers."""

    def __init__(self, dataset: Dataset[T], indices: Sequence[int]) -> None:
        self.dataset, self.indices = dataset, indices

    def __getitem__(self, index: Any) -> Any:
        if isinstance(index, list):
            return self.dataset[[self.indices[i] for i in index]]
        return self.dataset[self.indices[index]]

    def __getitems__(self, indices: list[int]) -> list[Any]:
        whole = getattr(self.dataset, "__getitems__", None)
        if whole:
            return whole([self.indices[i] for i in indices])  # type: ignore[no-any-return]
        return [self.dataset[self.indices[i]] for i in indices]

    def __len__(self) -> int:
        return len(self.indices)


def random_split(dataset: Dataset[T], lengths: Sequence[float], generator: Any = None) -> list[Subset[T]]:
    """Split a dataset at random into parts of these lengths, or of these fractions of the whole.

    Examples
    --------
    >>> import tinytensor.torch as torch
    >>> parts = torch.utils.data.random_split(range(10), [0.8, 0.2], torch.Generator().manual_seed(42))
    >>> [list(part) for part in parts]
    [[2, 6, 1, 8, 4, 5, 0, 9], [3, 7]]
    """
    n: int = len(dataset)  # type: ignore[arg-type]
    sizes: list[Any] = list(lengths)
    if math.isclose(sum(lengths), 1) and sum(lengths) <= 1:
        if any(not 0 <= f <= 1 for f in lengths):
            raise ValueError(f"random_split: got fractions {sizes}; expected each between 0 and 1; give fractions that "
                             f"make 1 in all")
        sizes = [math.floor(n * f) for f in lengths]
        for i in range(n - sum(sizes)):  # what is left wraps around
            sizes[i % len(sizes)] += 1
    if sum(sizes) != n:
        raise ValueError(f"random_split: Sum of input lengths does not equal the length of the input dataset; got "
                         f"{sizes} of {n} examples; expected lengths that make {n} in all, or fractions that make 1")
    order = stream_of(generator).randperm(int(n)).tolist()
    ends = list(accumulate(int(size) for size in sizes))
    return [Subset(dataset, order[a:b]) for a, b in zip(chain([0], ends), ends, strict=False)]
