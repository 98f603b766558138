"""Drawing the next token from a model's logits. No model is called here (`corpus.sample` and `GPT.generate` do)."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import numpy.typing as npt

from ..names import also_generator
from .corpus import CorpusError, Random, random_source

__all__ = ["draw"]


@also_generator
def draw(logits: npt.ArrayLike, rng: Random | int, temperature: float = 1.0, top_k: int | None = None,
         top_p: float | None = None) -> npt.NDArray[np.int64]:
    """Draw one token for each row of logits: (B, V) to (B,).

    Parameters
    ----------
    logits : (B, V), floating
    rng : Generator or int
        One ``rng.multinomial(p, 1)`` is drawn for the batch.
    temperature : float
        Divides the logits: below 1 likely tokens become likelier. At 0 the likeliest token is taken, the first of equal
        ones, and nothing is drawn.
    top_k : int, optional
        Only the k likeliest tokens of a row, and ties with the last of them.
    top_p : float, optional
        Only the likeliest tokens of a row that together have at least this probability, after top_k and the
        temperature (Holtzman et al. 2020, "The Curious Case of Neural Text Degeneration").

    Raises
    ------
    CorpusError
        If a parameter is out of range, or logits are not rows of numbers.

    Examples
    --------
    >>> from tinytensor.random import Generator
    >>> draw([[0.0, 100.0, 0.0]], Generator(42)).tolist()
    [1]
    """
    check(temperature, top_k, top_p)
    z: Any = np.asarray(logits)
    if z.ndim != 2 or not z.size or z.dtype.kind != "f" or not np.isfinite(z.max(1)).all():
        raise CorpusError(f"draw: got logits of shape {z.shape} and dtype {z.dtype}; expected floats (B, V), with a "
                          f"finite maximum in each row; take those of the last position: logits[:, -1]")
    if top_k is not None and top_k < z.shape[1]:  # before anything is rounded, so that no new ties arise
        z = np.where(z < np.partition(z, -top_k, axis=1)[:, -top_k, None], -np.inf, z)
    z = z.astype(np.float32) if z.dtype == np.float16 else z
    if temperature == 0:
        likeliest: npt.NDArray[np.int64] = z.argmax(axis=1)
        return likeliest
    likely, info = z, np.finfo(z.dtype)  # subtle: beyond its limits a temperature becomes 0 or inf, and 0 / 0 is nan
    divisor = min(max(float(temperature), float(info.tiny)), float(info.max))  # a Python number keeps float32
    with np.errstate(over="ignore"):
        z = (z - z.max(1, keepdims=True)) / divisor
    p = np.exp(z)
    p /= p.sum(1, keepdims=True)
    if top_p is not None and top_p < 1:
        order = np.argsort(-likely, axis=1, kind="stable")  # not by p, where what differs little is equal
        sorted_p = np.take_along_axis(p, order, 1)
        before = np.cumsum(sorted_p, axis=1) - sorted_p  # what the likelier ones have together
        np.put_along_axis(p, order, np.where(before < top_p, sorted_p, 0), 1)
        p /= p.sum(1, keepdims=True)
    return random_source(rng, "draw", "multinomial").multinomial(p, 1)[:, 0]


def check(temperature: float, top_k: int | None, top_p: float | None) -> None:
    """Raise CorpusError if a parameter of `draw` is out of range."""
    for name, value in (("temperature", temperature), ("top_p", top_p)):
        if isinstance(value, str | complex) or (value is None and name == "temperature"):
            raise TypeError(f"draw: got {name} {value!r}; expected a number; 1 changes nothing")
    if not 0 <= temperature < math.inf:
        raise CorpusError(f"draw: got temperature {temperature}; expected a finite number, 0 or more; 1 draws from the "
                          f"model's own probabilities, 0 takes the likeliest token")
    if top_k is not None and (isinstance(top_k, bool) or not hasattr(top_k, "__index__") or top_k < 1):
        raise CorpusError(f"draw: got top_k {top_k}; expected an integer, 1 or more; 1 takes the likeliest token, "
                          f"None leaves it out")
    if top_p is not None and not 0 < top_p <= 1:
        raise CorpusError(f"draw: got top_p {top_p}; expected above 0, at most 1; 0.9 leaves out the unlikely tenth")
