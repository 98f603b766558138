"""Compare a gradient derived by hand with the engine's.

Finite differences are in `gradcheck`, other frameworks in `oracles`.
"""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np

from ..core import Tensor


class Comparison(NamedTuple):
    """How close a gradient derived by hand is to the engine's; `str()` is one line."""

    name: str
    exact: bool
    close: bool
    largest: float

    def __str__(self) -> str:
        exact, close = (str(answer).ljust(5) for answer in (self.exact, self.close))
        return f"{self.name:<15} | exact: {exact} | close: {close} | largest difference: {self.largest:.3g}"


def compare(name: str, mine: Any, tensor: Any) -> Comparison:
    """Compare a gradient derived by hand with the engine's: print one line, and return the comparison.

    Parameters
    ----------
    name : str
        The name of the tensor, for the printed line.
    mine : array_like
        The gradient derived by hand.
    tensor : Tensor or array_like
        The tensor whose `grad` is the engine's, after `backward()` (and `retain_grad()`, if it is not a leaf); or that
        gradient itself.

    Returns
    -------
    Comparison
        `exact`: equal in every bit of every element, `close`: within 1e-5 relative and 1e-8 absolute, `largest`: the
        largest absolute difference.

    Examples
    --------
    >>> import tinytensor as tt
    >>> from tinytensor.testing import compare
    >>> x = tt.tensor([1.0, 2.0], requires_grad=True)
    >>> (x**2).sum().backward()
    >>> result = compare("x", 2 * x.detach(), x)
    x               | exact: True  | close: True  | largest difference: 0
    >>> result.exact
    True
    """
    mine = np.asarray(mine.data if isinstance(mine, Tensor) else mine)
    engine = np.asarray(tensor._grad if isinstance(tensor, Tensor) else tensor)
    if engine.dtype == object:
        raise ValueError(f"compare: got no gradient of {name}; expected one; call .backward() on the loss first, and "
                         "before it .retain_grad() on a tensor that is not a leaf")
    if mine.shape != engine.shape:
        raise ValueError(f"compare: got a gradient of {name} of shape {mine.shape}; expected {engine.shape}, that of "
                         "the tensor; sum over the axes that were broadcast")
    largest = float(np.max(np.abs(mine - engine), initial=0))
    line = Comparison(name, bool(np.array_equal(mine, engine)), bool(np.allclose(mine, engine)), largest)
    print(line)
    return line
