"""NumPy's functions and modules that refuse Tensors, each with advice on what to use instead.

Functions that are neither here nor supported are refused with general advice; see `dispatch.unsupported`.
"""

from __future__ import annotations

import numpy as np

from ..dispatch import NEAREST

DATES = "Tensors hold numbers, not dates; give it an array of datetime64"
TEXT = "Tensors hold numbers, not text; give it an array of strings"

NEAREST |= {
    np.roots: "refine a root x by Newton's step, x - np.polyval(p, x) / np.polyval(np.polyder(p), x)",
    np.poly: "multiply the factors by np.polymul, one after another",
    np.sort_complex: "use np.sort: Tensors are real",
    "numpy.fft": "write the transform by its definition, with np.cos and np.sin of 2 pi k n / N; or "
                 "give it x.detach().numpy() where no gradient is wanted",
    "numpy.lib.scimath": "use NumPy's function of this name, for real results, and np.where outside of its domain",
    np.isnat: DATES, np.datetime_as_string: DATES, np.busday_count: DATES, np.busday_offset: DATES,
    np.is_busday: DATES,
    "numpy.strings": TEXT,
    "numpy.char": TEXT,
    "numpy.lib.recfunctions": "Tensors have no fields; keep each field in its own Tensor",
}
