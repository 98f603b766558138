"""What stays out: NumPy's functions that no Tensor can be given to, each with the nearest that exists.

A function that is not in this table and has no answer is refused too, with general advice; see `dispatch.unknown`.
"""

from __future__ import annotations

import numpy as np

from ..dispatch import NEAREST

# --- results that are complex, or that depend on the data in number ---

NEAREST[np.roots] = ("the nearest is Newton's step with what has a gradient, "
                     "x - np.polyval(p, x) / np.polyval(np.polyder(p), x)")
NEAREST[np.poly] = "the nearest is np.polymul, factor by factor"
NEAREST[np.sort_complex] = "the nearest is np.sort: Tensors are real"

# --- whole modules; by their names, for NumPy loads some of them late ---

NEAREST["numpy.fft"] = ("the nearest is the transform by its definition, products with np.cos and np.sin of "
                        "2 pi k n / N; or give it x.detach().numpy() where no gradient is wanted")
NEAREST["numpy.lib.scimath"] = "the nearest is NumPy's own of that name, for real results; choose outside by np.where"
NEAREST["numpy.strings"] = "Tensors hold numbers, no text; give it an array of strings"
NEAREST["numpy.lib.recfunctions"] = "Tensors have no fields; keep each in a Tensor of its own"

# --- what is no number ---

DATES = (np.isnat, np.datetime_as_string, np.busday_count, np.busday_offset, np.is_busday)
NEAREST |= dict.fromkeys(DATES, "Tensors hold numbers, no dates; give it an array of datetime64")
