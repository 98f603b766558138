"""How examples become a batch: tensors of examples are stacked, in whatever tuples and dicts they stand.

Nothing is drawn or loaded here.
"""

from __future__ import annotations

import copy
from collections.abc import Mapping, MutableMapping, MutableSequence, Sequence
from functools import reduce
from typing import Any

import numpy as np

from .... import ops
from ...creation import as_tensor, tensor
from ...dtypes import float64, promoted
from ...operators import as_dtype
from ...tensor import Tensor, wrap


def stacked(batch: list[Any]) -> Tensor:
    """Tensors of one shape along a new first axis."""
    nodes = [t.node for t in batch]
    first = nodes[0].data.shape
    for i, node in enumerate(nodes):
        if node.data.shape != first:
            raise RuntimeError(f"default_collate: stack expects each tensor to be equal size, but got {[*first]} at "
                               f"entry 0 and {[*node.data.shape]} at entry {i}; pad the examples, or give the "
                               f"DataLoader a collate_fn")
    dtype = reduce(promoted, [node.data.dtype for node in nodes])
    return wrap(ops.stack([node if node.data.dtype == dtype else as_dtype(node, dtype) for node in nodes]))


def default_collate(batch: Any) -> Any:
    """Examples as one batch.

    Tensors and NumPy arrays are stacked, numbers become a tensor, text stays a list; in dicts, tuples, namedtuples
    and lists this is done part by part.

    Examples
    --------
    >>> default_collate([{"x": (1, 0.5), "name": "a"}, {"x": (2, 1.5), "name": "b"}])
    {'x': [tensor([1, 2]), tensor([0.5000, 1.5000], dtype=torch.float64)], 'name': ['a', 'b']}
    """
    first = batch[0]
    kind = type(first)
    if isinstance(first, Tensor):
        return stacked(batch)
    if isinstance(first, np.ndarray) and first.dtype.kind in "biuf":
        return stacked([as_tensor(a) for a in batch])
    if isinstance(first, np.generic) and first.dtype.kind in "biuf":
        return as_tensor(np.array(batch))
    if isinstance(first, float):
        return tensor(list(batch), dtype=float64)
    if isinstance(first, int):
        return tensor(list(batch))
    if isinstance(first, str | bytes):
        return batch
    if isinstance(first, Mapping):
        return like(first, {key: default_collate([example[key] for example in batch]) for key in first})
    if isinstance(first, tuple) and hasattr(first, "_fields"):
        return kind(*[default_collate(part) for part in zip(*batch, strict=False)])
    if isinstance(first, Sequence):
        if any(len(example) != len(first) for example in batch):
            raise RuntimeError(f"default_collate: each element in list of batch should be of equal size; got "
                               f"lengths {sorted({len(example) for example in batch})}; expected one; pad the "
                               f"examples, or give the DataLoader a collate_fn")
        parts = [default_collate(part) for part in zip(*batch, strict=True)]
        return parts if isinstance(first, tuple) else like(first, parts)
    raise TypeError(f"default_collate: batch must contain tensors, numpy arrays, numbers, dicts or lists; found "
                    f"{kind.__name__}; give the DataLoader a collate_fn that knows it")


def like(first: Any, parts: Any) -> Any:
    """The parts in a container of the example's own kind, where that can be made, else as they are."""
    if type(first) is type(parts):
        return parts
    try:
        if isinstance(first, MutableMapping):
            clone = copy.copy(first)
            clone.update(parts)
            return clone
        if isinstance(first, MutableSequence):
            twin = copy.copy(first)
            for i, part in enumerate(parts):
                twin[i] = part
            return twin
        return type(first)(parts)
    except TypeError:
        return parts


def default_convert(data: Any) -> Any:
    """One example, with tensors instead of NumPy's arrays and numbers: what a loader without batches yields."""
    if isinstance(data, Tensor | str | bytes):
        return data
    if isinstance(data, np.ndarray | np.generic) and data.dtype.kind in "biuf":
        return as_tensor(data)
    if isinstance(data, Mapping):
        return like(data, {key: default_convert(value) for key, value in data.items()})
    if isinstance(data, tuple) and hasattr(data, "_fields"):
        return type(data)(*[default_convert(part) for part in data])
    if isinstance(data, Sequence):
        parts = [default_convert(part) for part in data]
        return parts if isinstance(data, tuple) else like(data, parts)
    return data


