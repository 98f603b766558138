"""DataLoader: batches of a dataset, in PyTorch's order.

Everything runs in this process: there are no workers.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from itertools import count, islice
from typing import Any, Generic, TypeVar

from ...random import stream_of
from .collate import default_collate, default_convert
from .datasets import IterableDataset
from .samplers import BatchSampler, RandomSampler, SequentialSampler

T = TypeVar("T")


def get_worker_info() -> None:
    """None, as always in the main process: there are no workers."""


class DataLoader(Generic[T]):
    """Batches of a dataset, as often as it is iterated over.

    Parameters
    ----------
    dataset : Dataset
        By number, or iterable.
    batch_size : int or None
        None for single examples, without batches.
    shuffle : bool
        Each pass in a new random order.
    sampler, batch_sampler : iterable
        The numbers of the examples, or lists of them, in place of `shuffle`, or of all that makes batches.
    num_workers, prefetch_factor, persistent_workers, multiprocessing_context, timeout : int, int, bool, ..., float
        Any number of workers is accepted, and all of it runs in this process: the batches are the same. What a dataset
        draws at random while it makes an example it draws here, so with workers PyTorch has other numbers there.
        Several workers for an iterable dataset, and `worker_init_fn` for any, are refused: they would change the data.
    collate_fn : function
        From a list of examples to a batch; `default_collate` unless given.
    pin_memory, pin_memory_device, in_order
        Accepted: they change no value.
    drop_last : bool
        Leave out a last batch that is shorter.
    generator : torch.Generator
        What the order is drawn from; else each pass draws a seed from that of `torch.manual_seed`.

    Examples
    --------
    >>> import tinytensor.torch as torch
    >>> from tinytensor.torch.utils.data import DataLoader, TensorDataset
    >>> _ = torch.manual_seed(0)
    >>> for x, y in DataLoader(TensorDataset(torch.tensor([0, 1, 2, 3, 4]), torch.tensor([0, 1, 4, 9, 16])), 2, True):
    ...     print(x, y)
    tensor([1, 4]) tensor([ 1, 16])
    tensor([2, 3]) tensor([4, 9])
    tensor([0]) tensor([0])
    """

    def __init__(self, dataset: Any, batch_size: int | None = 1, shuffle: bool | None = None,
                 sampler: Iterable[Any] | None = None, batch_sampler: Iterable[Any] | None = None, num_workers: int = 0,
                 collate_fn: Callable[[Any], Any] | None = None, pin_memory: bool = False, drop_last: bool = False,
                 timeout: float = 0, worker_init_fn: Callable[[int], None] | None = None,
                 multiprocessing_context: Any = None, generator: Any = None, *, prefetch_factor: int | None = None,
                 persistent_workers: bool = False, pin_memory_device: str = "", in_order: bool = True) -> None:
        self.dataset, self.num_workers, self.pin_memory, self.timeout = dataset, num_workers, pin_memory, timeout
        self.worker_init_fn, self.generator, self.prefetch_factor = worker_init_fn, generator, prefetch_factor
        self.multiprocessing_context, self.persistent_workers = multiprocessing_context, persistent_workers
        self.pin_memory_device, self.in_order = pin_memory_device, in_order
        stream_of(generator)
        iterable = isinstance(dataset, IterableDataset)
        self.workers(iterable)
        if iterable and (shuffle not in (False, None) or sampler is not None or batch_sampler is not None):
            raise ValueError("DataLoader: got an IterableDataset with shuffle, sampler or batch_sampler; expected none "
                             "of them, for it has no examples by number; shuffle within the dataset")
        if sampler is not None and shuffle:
            raise ValueError("DataLoader: sampler option is mutually exclusive with shuffle; got both; expected one; "
                             "leave shuffle out")
        if batch_sampler is not None:
            if batch_size != 1 or shuffle or sampler is not None or drop_last:
                raise ValueError("DataLoader: batch_sampler option is mutually exclusive with batch_size, shuffle, "
                                 "sampler, and drop_last; got some of them; leave them out")
            batch_size, drop_last = None, False
        elif batch_size is None and drop_last:
            raise ValueError("DataLoader: batch_size=None option disables auto-batching and is mutually exclusive with "
                             "drop_last; got drop_last=True; leave it out")
        if sampler is None and not iterable:
            sampler = RandomSampler(dataset, generator=generator) if shuffle else SequentialSampler(dataset)
        if batch_size is not None:
            batch_sampler = BatchSampler(count() if sampler is None else sampler, batch_size, drop_last)
        self.batch_size, self.drop_last = batch_size, drop_last
        self.sampler, self.batch_sampler = sampler, batch_sampler
        self.collate_fn = collate_fn or (default_convert if batch_sampler is None else default_collate)

    def workers(self, iterable: bool) -> None:
        """Refuse what would change the data if there were workers."""
        if not isinstance(self.num_workers, int) or self.num_workers < 0 or self.timeout < 0:
            raise ValueError(f"DataLoader: num_workers and timeout option should be non-negative; got num_workers="
                             f"{self.num_workers!r}, timeout={self.timeout}; expected integers of 0 or more; write 0")
        if self.num_workers == 0 and (self.prefetch_factor is not None or self.persistent_workers or
                                      self.multiprocessing_context is not None):
            raise ValueError("DataLoader: got prefetch_factor, persistent_workers or multiprocessing_context with "
                             "num_workers=0; expected none of them without workers; leave them out")
        if self.num_workers and self.worker_init_fn is not None:
            raise ValueError(f"DataLoader: got worker_init_fn with num_workers={self.num_workers}; expected none, for "
                             f"everything runs in this process; call it yourself before the loop")
        if self.num_workers > 1 and iterable:
            raise ValueError(f"DataLoader: got an IterableDataset with num_workers={self.num_workers}, each of which "
                             f"would give its own examples; expected 0 or 1; write num_workers=0")

    def __iter__(self) -> Iterator[Any]:
        # subtle: PyTorch draws a seed for its workers at the start of each pass, whether it has any or not; the sampler
        # draws its own when the first batch is requested, so after it
        stream_of(self.generator).random63()
        return self.batches()

    def batches(self) -> Iterator[Any]:
        """The batches of one pass."""
        dataset, collate = self.dataset, self.collate_fn
        if isinstance(dataset, IterableDataset):
            examples = iter(dataset)
            if self.batch_size is None:
                yield from map(collate, examples)
                return
            while batch := list(islice(examples, self.batch_size)):
                if len(batch) == self.batch_size or not self.drop_last:
                    yield collate(batch)
            return
        if self.batch_sampler is None:
            for index in self.sampler or ():
                yield collate(dataset[index])
            return
        whole = getattr(dataset, "__getitems__", None)
        for indices in self.batch_sampler:
            yield collate(whole(indices) if whole else [dataset[i] for i in indices])

    def __len__(self) -> int:
        if isinstance(self.dataset, IterableDataset):
            n: int = len(self.dataset)  # type: ignore[arg-type]
            if self.batch_size is None:
                return n
            return n // self.batch_size if self.drop_last else -(-n // self.batch_size)
        return len(self.sampler if self.batch_sampler is None else self.batch_sampler)  # type: ignore[arg-type]
