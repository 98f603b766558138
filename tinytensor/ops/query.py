"""What is asked of arrays and has no derivative: indices, counts, comparisons, integers; and what no Tensor does."""

from __future__ import annotations

from typing import Any

import numpy as np

from ..apply import PUBLIC
from ..compose import composed, observed, observing
from ..core import NUMPY, S, Tensor, as_array
from ..define import publish, row
from ..dispatch import NEAREST
from .elementwise import reflected
from .index import plain

# --- integers ---

for ufunc in (np.left_shift, np.right_shift, np.bitwise_count, np.gcd, np.lcm):
    row(ufunc)
for name, function in {"lshift": PUBLIC["left_shift"], "rshift": PUBLIC["right_shift"]}.items():
    setattr(Tensor, f"__{name}__", function)
    setattr(Tensor, f"__r{name}__", reflected(function))

# --- indices, counts, comparisons ---

observed(np.nonzero, np.searchsorted, method=True)
observed(np.flatnonzero, np.argwhere, np.count_nonzero, np.digitize, np.isin, np.lexsort, np.empty_like,
         np.unravel_index, np.ravel_multi_index, np.diag_indices_from, np.tril_indices_from, np.triu_indices_from,
         np.packbits, np.unpackbits, np.isneginf, np.isposinf, np.isreal, np.iscomplex, np.array_equiv, np.nanargmax,
         np.nanargmin, np.common_type, np.imag)

for query in (np.shape, np.ndim, np.size, np.allclose, np.isclose, np.array_equal, np.result_type, np.min_scalar_type,
              np.array_repr, np.array_str, np.array2string, np.iscomplexobj, np.isrealobj, np.may_share_memory,
              np.shares_memory):
    NUMPY[query] = observing(query)  # not tt.shape: that is a room of ops


@composed(np.copy, method=True, samples=(S((2, 3)), S((2, 3), order="F")))
def copy(a: Any, order: str = "K", subok: bool = False) -> Any:
    """The same values in memory of their own.

    Examples
    --------
    >>> import tinytensor as tt
    >>> x = tt.ones(2)
    >>> x.copy().data is x.data
    False
    """
    return np.reshape(a, a.shape, copy=True)


@composed(np.real, samples=(S((2, 3)),))
def real(val: Any) -> Any:
    """The real part: x itself, for Tensors are real."""
    return val


@composed(np.real_if_close, samples=(S((2, 3)),))
def real_if_close(a: Any, tol: float = 100) -> Any:
    """x itself, for Tensors are real."""
    return a
