"""Arrays that a step makes itself and then writes traced values into: `out = np.zeros(s); out[t] = x`.

NumPy does not ask a tracer when it makes an array, nor when a tracer is written into a plain one. So where a step does
that, it is traced once more, and NumPy's functions that make arrays give tracers meanwhile: to this thread, and to the
user's own code only.
"""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import wraps
from threading import get_ident
from typing import Any

import numpy as np

from ...core import first_tracer
from ..primitives import REDUCTIONS, TABLE
from .source_info import ours
from .trace import Trace
from .tracer import ArrayTracer, ScalarTracer

MADE = ("arange", "empty", "empty_like", "eye", "full", "full_like", "identity", "linspace", "ones", "ones_like", "tri",
        "zeros", "zeros_like")
CONVERTED = ("array", "asarray", "asanyarray", "ascontiguousarray", "asfortranarray")
# as they are while others stand for them
ARRAY, CONTIGUOUS, FORTRAN, FULL, ZEROS = np.array, np.ascontiguousarray, np.asfortranarray, np.full, np.zeros
LISTS = {np.concatenate, np.concat, np.stack, np.vstack, np.hstack, np.dstack, np.column_stack, np.block, np.select,
         np.meshgrid, np.broadcast_arrays, np.lexsort, np.linalg.multi_dot, np.ravel_multi_index, np.choose, np.einsum}


def made(trace: Trace, function: Any, *args: Any, **kwargs: Any) -> Any:
    """A new array, which the step may write into."""
    if first_tracer((args, list(kwargs.values()))) is None:
        result = function(*args, **kwargs)
        if type(result) is not np.ndarray or result.dtype.hasobject:
            return result
        tracer = ArrayTracer(trace, trace.source(result, "constant"))
        tracer.fresh = True
        return tracer
    if function is not FULL:
        return function(*args, **kwargs)
    shape, value = args[0] if args else kwargs["shape"], args[1] if len(args) > 1 else kwargs["fill_value"]
    dtype = args[2] if len(args) > 2 else kwargs.get("dtype")
    if type(value) is ScalarTracer and dtype is None:
        value.as_array()
    filled = made(trace, np.zeros, shape, value.dtype if dtype is None else dtype, kwargs.get("order", "C"))
    np.copyto(filled, value, casting="unsafe")  # as np.full does
    return filled


def converted(trace: Trace, function: Any, x: Any, *args: Any, **kwargs: Any) -> Any:
    """`np.array` and the like, of what may contain tracers; all but `np.array` return an array that fits as it is."""
    if first_tracer(x) is None:
        return function(x, *args, **kwargs)
    dtype = args[0] if args else kwargs.get("dtype")
    order = args[1] if len(args) > 1 else kwargs.get("order")
    order = "F" if function is FORTRAN else "C" if function is CONTIGUOUS else order or "K"
    if type(x) is ScalarTracer:
        dtype = np.dtype(type(x.value.array) if dtype is None else dtype)
        if kwargs.get("copy") is False or dtype.kind not in "biufc":
            x.as_array()
        y = made(trace, ZEROS, (), dtype)
        y[...] = x
    elif type(x) is ArrayTracer:
        y = x if dtype is None or np.dtype(dtype) == x.dtype else x.astype(dtype)
        stays = order in "KA" or (y.flags.c_contiguous if order == "C" else y.flags.f_contiguous)
        copy = kwargs.get("copy", function is ARRAY)
        y = y.copied() if y.is_scalar else y if stays and not copy else y.copy(order)
    else:
        y = trace.stack(x)
        y = y if dtype is None else y.astype(dtype)
        y = y if order in "KC" else y.copy(order)
    missing = kwargs.get("ndmin", int(function in (CONTIGUOUS, FORTRAN))) - y.ndim
    return y[(None,) * missing] if missing > 0 else y


def called(trace: Trace, function: Any, *args: Any, **kwargs: Any) -> Any:
    """A function of NumPy that takes an array, given a list that holds tracers."""
    if args and type(args[0]) in (list, tuple) and first_tracer(args[0]) is not None:
        args = (trace.stack(args[0]), *args[1:])
    return function(*args, **kwargs)


@contextmanager
def creating(trace: Trace) -> Iterator[None]:
    """Inside, functions that make arrays give tracers to the step."""
    thread, plain = get_ident(), dict[str, Any]()

    def wrapped(function: Any, instead: Callable[..., Any]) -> Any:
        @wraps(function)
        def call(*args: Any, **kwargs: Any) -> Any:
            if get_ident() != thread or ours(sys._getframe(1).f_code.co_filename):
                return function(*args, **kwargs)
            return instead(trace, function, *args, **kwargs)

        return call

    known = {*TABLE, *REDUCTIONS} - LISTS
    others = [name for name in map(str, np.__all__) if callable(f := getattr(np, name)) and f.__hash__ and f in known]
    ways: list[Any] = [(MADE, made), (CONVERTED, converted), (others, called)]
    for names, instead in ways:
        for name in names:
            plain.setdefault(name, getattr(np, name))
            trace.creation.setdefault(plain[name], wrapped(plain[name], instead))
    try:
        for name, function in plain.items():
            setattr(np, name, trace.creation[function])
        yield
    finally:
        for name, function in plain.items():
            setattr(np, name, function)
