"""PyTorch's `torch.utils.data`: datasets, samplers and the loader that makes batches of them. The public names."""

from typing import TYPE_CHECKING, Any

from ....names import Missing as _Missing
from ....names import refusal as _refusal
from . import datasets, loader, samplers
from .collate import default_collate, default_convert
from .datasets import (
    ChainDataset,
    ConcatDataset,
    Dataset,
    IterableDataset,
    StackDataset,
    Subset,
    TensorDataset,
    random_split,
)
from .loader import DataLoader, get_worker_info
from .samplers import (
    BatchSampler,
    RandomSampler,
    Sampler,
    SequentialSampler,
    SubsetRandomSampler,
    WeightedRandomSampler,
)

dataset, dataloader, sampler = datasets, loader, samplers  # what PyTorch calls these modules

__all__ = [
    "BatchSampler",
    "ChainDataset",
    "ConcatDataset",
    "DataLoader",
    "Dataset",
    "IterableDataset",
    "RandomSampler",
    "Sampler",
    "SequentialSampler",
    "StackDataset",
    "Subset",
    "SubsetRandomSampler",
    "TensorDataset",
    "WeightedRandomSampler",
    "dataloader",
    "dataset",
    "default_collate",
    "default_convert",
    "get_worker_info",
    "random_split",
    "sampler",
]

if not TYPE_CHECKING:  # a checker is to find what is not there

    def __getattr__(name: str) -> Any:
        raise _Missing(_refusal, "data", name, lambda: __all__)
