"""What stays out: NumPy's functions, and modules, that no Tensor can be given to, each with the nearest that exists.

A function that is not in this table and has no answer is refused too, with general advice; see `dispatch.unsupported`.
"""

from __future__ import annotations

import numpy as np

from ..dispatch import NEAREST

DATES = "Tensors hold numbers, no dates; give it an array of datetime64"
TEXT = "Tensors hold numbers, no text; give it an array of strings"

NEAREST |= {
    np.roots: "the nearest is Newton's step, x - np.polyval(p, x) / np.polyval(np.polyder(p), x)",
    np.poly: "the nearest is np.polymul, factor by factor",
    np.sort_complex: "the nearest is np.sort: Tensors are real",
    "numpy.fft": "the nearest is the transform by its definition, with np.cos and np.sin of 2 pi k n / N; or "
                 "give it x.detach().numpy() where no gradient is wanted",
    "numpy.lib.scimath": "the nearest is NumPy's function of this name, for real results; choose by np.where beyond "
                         "its domain",
    np.isnat: DATES, np.datetime_as_string: DATES, np.busday_count: DATES, np.busday_offset: DATES,
    np.is_busday: DATES,
    "numpy.strings": TEXT,
    "numpy.char": TEXT,
    "numpy.lib.recfunctions": "Tensors have no fields; keep each in a Tensor of its own",
}
