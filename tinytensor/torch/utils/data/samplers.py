"""Samplers: in which order the examples of a dataset are taken, with PyTorch's draws.

No example is touched here.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence, Sized
from itertools import islice
from typing import Any, Generic, TypeVar

import numpy as np

from ....random import Generator as Stream
from ...dtypes import float64
from ...random import stream_of
from ...tensor import Tensor, of_array

T = TypeVar("T", covariant=True)


class Sampler(Generic[T]):
    """What gives the numbers of examples one after another: a subclass defines `__iter__`, and mostly `__len__`."""

    def __init__(self, data_source: Any = None) -> None: ...

    def __iter__(self) -> Iterator[T]:
        raise NotImplementedError(f"{type(self).__name__}: got no __iter__; expected one that gives numbers of "
                                  f"examples; define it in the class")


class SequentialSampler(Sampler[int]):
    """The examples in their order."""

    def __init__(self, data_source: Sized) -> None:
        self.data_source = data_source

    def __iter__(self) -> Iterator[int]:
        return iter(range(len(self.data_source)))

    def __len__(self) -> int:
        return len(self.data_source)


def count(name: str, value: Any) -> int:
    """A number of samples."""
    if not isinstance(value, int) or isinstance(value, bool) or value <= 0:
        raise ValueError(f"{name}: num_samples should be a positive integer value, but got num_samples={value}; "
                         f"expected 1 or more; is the dataset empty?")
    return value


def switch(name: str, what: str, value: Any) -> bool:
    if not isinstance(value, bool):
        raise TypeError(f"{name}: {what} should be a boolean value, but got {what}={value!r}; expected True or False; "
                        f"write bool(...)")
    return value


class RandomSampler(Sampler[int]):
    """The examples at random, each once, or with `replacement` as often as it is drawn.

    Without a generator every pass has its own, whose seed is drawn from that of `torch.manual_seed`.

    Examples
    --------
    >>> import tinytensor.torch as torch
    >>> list(torch.utils.data.RandomSampler(range(6), generator=torch.Generator().manual_seed(0)))
    [2, 5, 3, 0, 1, 4]
    """

    def __init__(self, data_source: Sized, replacement: bool = False, num_samples: int | None = None,
                 generator: Any = None) -> None:
        self.data_source, self.generator, self._num_samples = data_source, generator, num_samples
        self.replacement = switch("RandomSampler", "replacement", replacement)
        count("RandomSampler", self.num_samples)

    @property
    def num_samples(self) -> int:
        return len(self.data_source) if self._num_samples is None else self._num_samples

    def __iter__(self) -> Iterator[int]:
        n = len(self.data_source)
        default = stream_of(None)
        stream = Stream(default.random63()) if self.generator is None else stream_of(self.generator)
        whole, rest = divmod(self.num_samples, 32 if self.replacement else n)
        for _ in range(whole):
            yield from (stream.randint(0, n, 32) if self.replacement else stream.randperm(n)).tolist()
        yield from (stream.randint(0, n, rest) if self.replacement else stream.randperm(n)[:rest]).tolist()

    def __len__(self) -> int:
        return self.num_samples


class SubsetRandomSampler(Sampler[int]):
    """A subset of the examples, by index, each once and in random order."""

    def __init__(self, indices: Sequence[int], generator: Any = None) -> None:
        self.indices, self.generator = indices, generator

    def __iter__(self) -> Iterator[int]:
        for i in stream_of(self.generator).randperm(len(self.indices)).tolist():
            yield self.indices[i]

    def __len__(self) -> int:
        return len(self.indices)


class WeightedRandomSampler(Sampler[int]):
    """The examples at random, each in proportion to its weight."""

    def __init__(self, weights: Any, num_samples: int, replacement: bool = True, generator: Any = None) -> None:
        self.num_samples = count("WeightedRandomSampler", num_samples)
        array = np.array(weights.node.data if isinstance(weights, Tensor) else weights, float64.numpy)
        if array.ndim != 1:
            raise ValueError(f"WeightedRandomSampler: weights should be a 1d sequence but given weights have shape "
                             f"{array.shape}; expected one number for each example; flatten them")
        self.weights, self.generator = of_array(array), generator
        self.replacement = replacement
        if not isinstance(replacement, bool):
            raise ValueError(f"WeightedRandomSampler: replacement should be a boolean value, but got replacement="
                             f"{replacement!r}; expected True or False; write bool(...)")

    def __iter__(self) -> Iterator[int]:
        yield from stream_of(self.generator).multinomial(self.weights.node.data, self.num_samples,
                                                         self.replacement).tolist()

    def __len__(self) -> int:
        return self.num_samples


class BatchSampler(Sampler[list[int]]):
    """The numbers that a sampler gives, in lists of `batch_size`; `drop_last` leaves out a shorter last one."""

    def __init__(self, sampler: Iterable[int], batch_size: int, drop_last: bool) -> None:
        if not isinstance(batch_size, int) or isinstance(batch_size, bool) or batch_size <= 0:
            raise ValueError(f"BatchSampler: batch_size should be a positive integer value, but got batch_size="
                             f"{batch_size!r}; expected 1 or more; write an int")
        if not isinstance(drop_last, bool):
            raise ValueError(f"BatchSampler: drop_last should be a boolean value, but got drop_last={drop_last!r}; "
                             f"expected True or False; write bool(...)")
        self.sampler, self.batch_size, self.drop_last = sampler, batch_size, drop_last

    def __iter__(self) -> Iterator[list[int]]:
        numbers = iter(self.sampler)
        while len(batch := list(islice(numbers, self.batch_size))) == self.batch_size:
            yield batch
        if batch and not self.drop_last:
            yield batch

    def __len__(self) -> int:
        n: int = len(self.sampler)  # type: ignore[arg-type]
        return n // self.batch_size if self.drop_last else -(-n // self.batch_size)
