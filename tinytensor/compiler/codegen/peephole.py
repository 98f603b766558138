"""A call of a source as a structure, with two printers: as it is read, and as it costs Python and NumPy the least.

What people read is `np.add(a, b, out=c)`. What runs is the same call with a short name for the function, the
output by its place, or a method where NumPy's function would be dispatched first: each saves a twelfth to a fifth of a
microsecond, as long as it takes to add a thousand numbers.
"""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np

from ..ir import Call, Value
from ..layout import compact, contiguous
from .names import Names

BY_KEYWORD = {np.maximum, np.minimum}  # NumPy warns if their output is positional
ARITHMETIC = {np.add, np.subtract, np.multiply, np.divide, np.maximum, np.minimum, np.power, np.less, np.greater,
              np.less_equal, np.greater_equal}


class Number(str):
    """The text of a number that is an operand of arrays; `array`: the number as an array of their dtype."""

    array: Any


class CallText(NamedTuple):
    """A call of a source.

    Attributes
    ----------
    function : str
        As it is read: ``np.add``, or a method with its object, ``table.take``.
    args : list of str
    keywords : dict
        With the array that the result is written into, `out`, in the order in which they are read.
    result : str
        What the result is called; "" where it is written into `out`.
    target : object
        NumPy's function itself, where it has a shorter way to be called.
    dot : bool
        Whether it is a product of arrays that have a method `dot`.
    """

    function: str
    args: list[str]
    keywords: dict[str, str]
    result: str = ""
    target: Any = None
    dot: bool = False

    def __str__(self) -> str:
        given = [*self.args, *[f"{k}={x}" for k, x in self.keywords.items()]]
        return f"{self.result}{' = ' * bool(self.result)}{self.function}({', '.join(given)})"


def quick(line: CallText, names: Names) -> str:
    """A call as it runs: the same, spelled in the quickest way.

    Examples
    --------
    >>> names = Names([])
    >>> quick(CallText("np.dot", ["a", "b"], {"out": "c"}, dot=True), names)
    'a.dot(b, c)'
    >>> quick(CallText("np.add", ["a", "1"], {"out": "c"}, target=np.add), names)
    'np_add(a, 1, c)'
    """
    args = [names.number(str(a), a.array) if isinstance(a, Number) else a for a in line.args]
    keywords, out = line.keywords.keys(), line.keywords.get("out", "")
    owner, target = getattr(line.target, "__self__", None), line.target
    if line.function == "np.copyto" and not keywords and len(args) == 2:
        return f"{args[0]}[...] = {args[1]}"
    if not line.result and keywords == {"out"}:
        if line.dot:
            return f"{args[0]}.dot({args[1]}, {out})"
        if isinstance(target, np.ufunc):
            last = f"out={out}" if target in BY_KEYWORD else out
            return f"{names.function(target, line.function.replace('.', '_'))}({', '.join([*args, last])})"
    if not line.result and keywords == {"axis", "out"} and isinstance(owner, np.ufunc) and len(args) == 1:
        name = names.function(target, line.function.replace(".", "_"))
        return f"{name}({args[0]}, {line.keywords['axis']}, None, {out})"
    if not line.result and line.function.endswith(".take") and keywords == {"out", "mode"} and len(args) == 2:
        return f"{line.function}({args[0]}, {args[1]}, {out}, {line.keywords['mode']})"
    return str(line._replace(args=args))


# --- which of NumPy's ways give the same to the last bit ---


def unbuffered(call: Call) -> bool:
    """Whether a call certainly returns the same bits with any size of NumPy's buffers.

    Sums are in another order where the numbers pass through buffers: those over several axes that are not in one
    piece, and those of another dtype.
    """
    return call.effect or call.primitive.unbuffered(call)


def dotted(call: Call) -> bool:
    """Whether np.dot returns the same bits as np.matmul: it starts a third of a microsecond sooner.

    With an array of one element it scales the other, which may give -0 where a sum gives 0.
    """
    arrays = [v.array for v in call.inputs()]
    return (call.target is np.matmul and len(arrays) == 2 and not call.kwargs
            and all(0 < a.ndim < 3 and a.size > 1 and contiguous(a) for a in arrays)
            and {a.dtype.char for a in arrays} in ({"f"}, {"d"}) and compact(call.result.array)
            and call.result.array.dtype == arrays[0].dtype)


def as_operand(x: Any, text: str, dtype: np.dtype[Any] | None) -> str:
    """An argument of a call: where `dtype` is that of all arrays, a number that may be an array of it, which NumPy
    takes a quarter microsecond sooner."""
    if dtype is None or type(x) not in (int, float, dtype.type):
        return text
    number = Number(text)
    with np.errstate(all="ignore"):
        number.array = np.array(x, dtype)
    return number


def operand_dtype(call: Call) -> np.dtype[Any] | None:
    """The dtype that a number among a call's arrays is converted to, if they have one."""
    dtypes = {v.array.dtype for v in call.inputs() if v.is_array}
    if call.target not in ARITHMETIC or len(dtypes) != 1 or not isinstance(call.result, Value) or call.kwargs:
        return None
    dtype = dtypes.pop()
    return dtype if dtype.char in "fd" or (dtype == np.int64 and call.result.array.dtype == dtype) else None
