"""Where NumPy has a faster way for a call that certainly gives the same to the last bit: small buffers, np.dot."""

from __future__ import annotations

import numpy as np

from ..ir import Call
from ..layout import compact, upright


def unbuffered(call: Call) -> bool:
    """Whether it is certain that a call gives the same to the last bit, whatever the size of NumPy's buffers.

    Numbers are added up in another order where they pass through buffers: those of several axes that are not in one
    piece, and those of another type.
    """
    return call.effect or call.primitive.unbuffered(call)


def dotted(call: Call) -> bool:
    """Whether np.dot gives what np.matmul does, to the last bit: it is called a third of a microsecond sooner."""
    arrays = [v.array for v in call.inputs()]
    return (call.target is np.matmul and len(arrays) == 2 and not call.kwargs
            and all(0 < a.ndim < 3 and a.size and upright(a) for a in arrays)
            and {a.dtype.char for a in arrays} in ({"f"}, {"d"}) and compact(call.result.array)
            and call.result.array.dtype == arrays[0].dtype)
