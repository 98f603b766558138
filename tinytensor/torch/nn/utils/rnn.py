"""`torch.nn.utils.rnn`: sequences of different lengths in one tensor.

Packed sequences are not here.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, NoReturn

import numpy as np

from .... import ops
from ...tensor import Tensor, wrap


def pad_sequence(sequences: Any, batch_first: bool = False, padding_value: float = 0.0,
                 padding_side: str = "right") -> Tensor:
    """Sequences (L, ...) of different lengths side by side: (T, B, ...), or (B, T, ...) if `batch_first`.

    Examples
    --------
    >>> import tinytensor.torch as torch
    >>> torch.nn.utils.rnn.pad_sequence([torch.tensor([1, 2, 3]), torch.tensor([4])], batch_first=True)
    tensor([[1, 2, 3],
            [4, 0, 0]])
    """
    if padding_side not in ("left", "right"):
        raise RuntimeError(f"pad_sequence: padding_side should be either 'right' or 'left', but got {padding_side!r}; "
                           f"leave it out for 'right'")
    if isinstance(sequences, Tensor):
        sequences = list(sequences)
    if not isinstance(sequences, Sequence) or not sequences or not all(isinstance(s, Tensor) for s in sequences):
        raise RuntimeError(f"pad_sequence: expected iterable for input sequences: a list of tensors; got "
                           f"{type(sequences).__name__}; put them in a list")
    nodes = [s.node for s in sequences]
    longest = max(len(n.data) for n in nodes)
    if len({n.data.shape[1:] for n in nodes}) > 1:
        raise RuntimeError(f"pad_sequence: got sequences of shapes {[[*n.data.shape] for n in nodes]}; expected all to "
                           f"differ in their first size alone; reshape them")
    padded = []
    for n in nodes:
        gap = longest - len(n.data)
        widths = [(gap, 0) if padding_side == "left" else (0, gap), *[(0, 0)] * (n.data.ndim - 1)]
        padded.append(ops.pad(n, widths, constant_values=padding_value) if gap else n)
    return wrap(ops.stack(padded, 0 if batch_first else 1))


def unpad_sequence(padded_sequences: Tensor, lengths: Any, batch_first: bool = False) -> list[Tensor]:
    """The sequences that were padded, each with its length again."""
    x = padded_sequences.node
    return [wrap((x[i] if batch_first else x[:, i])[: int(n)])
            for i, n in enumerate(np.asarray(lengths))]


def refused(name: str) -> Any:
    """A function that raises: packed sequences are not supported."""
    def refuse(*args: Any, **kwargs: Any) -> NoReturn:
        raise NotImplementedError(f"{name}: got sequences to pack; expected padded ones, for packed sequences are not "
                                  f"here; use pad_sequence, and a mask or the last valid outputs")

    refuse.__name__ = refuse.__qualname__ = name
    refuse.__doc__ = "Refused: packed sequences are not here."
    return refuse


pack_padded_sequence, pad_packed_sequence, pack_sequence, unpack_sequence = map(refused, (
    "pack_padded_sequence", "pad_packed_sequence", "pack_sequence", "unpack_sequence"))
