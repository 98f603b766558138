"""What stays out: NumPy's functions that no Tensor can be given to, each with the nearest that exists.

A function that is not in this table and has no answer is refused too, with general advice; see `dispatch.unknown`.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.lib.recfunctions as fields

from ..dispatch import NEAREST


def public(module: Any) -> list[Any]:
    """The functions of a module that ask their arguments' types."""
    return [f for name, f in vars(module).items() if not name.startswith("_") and hasattr(f, "_implementation")]


# --- results that are complex, or that depend on the data in number ---

NEAREST[np.roots] = ("the nearest is Newton's step with what has a gradient, "
                     "x - np.polyval(p, x) / np.polyval(np.polyder(p), x)")
NEAREST[np.poly] = "the nearest is np.polymul, factor by factor"
NEAREST[np.sort_complex] = "the nearest is np.sort: Tensors are real"
REAL = "the nearest are np.linalg.eigh, for symmetric matrices, and np.linalg.svd, which are real"
FOURIER = ("the nearest is the transform by its definition, products with np.cos and np.sin of 2 pi k n / N; or give it "
           "x.detach().numpy() where no gradient is wanted")
NEAREST |= dict.fromkeys((np.linalg.eig, np.linalg.eigvals), REAL)
NEAREST |= dict.fromkeys({*public(np.fft)} - {np.fft.fftshift, np.fft.ifftshift}, FOURIER)
for function in public(np.lib.scimath):
    name = "log" if function.__name__ == "logn" else function.__name__
    NEAREST[function] = f"the nearest is np.{name}, for real results; choose by np.where outside of its domain"

# --- what is no number ---

DATES = (np.isnat, np.datetime_as_string, np.busday_count, np.busday_offset, np.is_busday)
NEAREST |= dict.fromkeys(public(np.strings), "Tensors hold numbers, no text; give it an array of strings")
NEAREST |= dict.fromkeys(DATES, "Tensors hold numbers, no dates; give it an array of datetime64")
NEAREST |= dict.fromkeys(public(fields), "Tensors have no fields; keep each in a Tensor of its own")
