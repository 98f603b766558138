"""NumPy's functions on tracers: each is recorded by its row in the table of primitives, or refused by name.

Here too are the few that are recorded as something else: `np.sum` as a ufunc's reduce, `np.split` as slices.
"""

from __future__ import annotations

import inspect
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import numpy as np

from ...dispatch import full_name
from ..ir import concrete, mapped
from ..primitives import COPYTO, DEPENDS, PRINTS, QUERIES, REDUCTIONS, REFUSED, TABLE, Primitive, Unknown
from .tracer import ArrayTracer, tracers

if TYPE_CHECKING:
    from .trace import Trace


def dispatch(trace: Trace, func: Any, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
    """A call of one of NumPy's functions, as its row in the table says."""
    if func in QUERIES:
        return func(*mapped(concrete, mapped(trace.value, args)), **kwargs)
    if func in PRINTS:
        trace.refuse_text()
        return repr(args[0])
    if func in REFUSED:
        raise refused(trace, func)
    if func in SPECIAL:
        return SPECIAL[func](trace, func, args, kwargs)
    if func in REDUCTIONS:
        return reduction(trace, func, args, kwargs)
    primitive = TABLE.get(func)
    if primitive is None:
        raise trace.refusal(f"{full_name(func)}, which the compiler does not know", "functions in its table of "
                            "primitives", "compose it of others, or call it outside of the step and pass the result as "
                            "an argument")
    given, options, out = bind(trace, primitive, args, kwargs)
    if primitive.kind == "update":
        return trace.update(primitive, given, options)
    if out is not None:
        return trace.into(out, primitive, given, options)
    return trace.apply(primitive, given, options)


def bind(trace: Trace, primitive: Primitive, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
    """The arguments of a call in one form; raises for those that the row does not have."""
    try:
        return primitive.bind(args, kwargs)
    except Unknown as unknown:
        raise trace.refusal(*unknown.args) from None


def refused(trace: Trace, func: Any) -> Any:
    """The error for a function that no program can hold."""
    if REFUSED[func] == DEPENDS:
        return depends_on_values(trace, func)
    return trace.refusal(f"{full_name(func)}, which no program can hold", "functions of arrays that return arrays of "
                         "numbers", REFUSED[func])


def depends_on_values(trace: Trace, func: Any) -> Any:
    return trace.refusal(f"{full_name(func)} has a result whose shape or type depends on values", "shapes that are "
                         "the same at each step", DEPENDS)


def reduction(trace: Trace, func: Any, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
    """`np.sum` and its like: a ufunc's reduce, over all axes unless one is named."""
    ufunc, signature = REDUCTIONS[func]
    options = signature.bind(*args, **kwargs).arguments
    x, out = options.pop("a"), options.pop("out", None)
    options = {"axis": None, **{k: v for k, v in options.items() if v is not signature.parameters[k].default}}
    if not isinstance(x, ArrayTracer):
        x = as_tracer(trace, x)
    return x.__array_ufunc__(ufunc, "reduce", x, **options, **({} if out is None else {"out": (out,)}))


def copy(trace: Trace, func: Any, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
    x, order = bound(func, args, kwargs, "a", "order")
    return x.copied() if x.is_scalar else x.copy(order)


def copyto(trace: Trace, func: Any, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
    out, x, casting, where = bound(func, args, kwargs, "dst", "src", "casting", "where")
    known = isinstance(x, ArrayTracer | np.ndarray | np.generic) or (
        isinstance(x, int | float) and isinstance(out, ArrayTracer) and out.dtype.kind in "fc")
    if where is True and known and isinstance(out, ArrayTracer):  # others are converted in other ways
        dtype = getattr(x, "dtype", None)
        if dtype is not None and not np.can_cast(dtype, out.dtype, casting):
            raise TypeError(f"Cannot cast array data from {dtype!r} to {out.dtype!r} according to the rule "
                            f"{casting!r}")
        out[...] = x
        return
    trace.update(COPYTO, *bind(trace, COPYTO, args, kwargs)[:2])


def clip(trace: Trace, func: Any, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
    given, options, out = bind(trace, TABLE[func], args, kwargs)
    low = options.pop("a_min", None) if "a_min" in options else options.pop("min", None)
    high = options.pop("a_max", None) if "a_max" in options else options.pop("max", None)
    if low is None and high is None:
        low = -np.inf if given[0].dtype.kind == "f" else np.iinfo(given[0].dtype).min
    whole = (*given, low, high)
    return trace.apply(TABLE[func], whole, options) if out is None else trace.into(out, TABLE[func], whole, options)


def spread(trace: Trace, func: Any, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
    """Standard deviation and variance: `correction` is `ddof`."""
    given, options, out = bind(trace, TABLE[func], args, kwargs)
    if "correction" in options:
        options["ddof"] = options.pop("correction")
    return trace.apply(TABLE[func], given, options) if out is None else trace.into(out, TABLE[func], given, options)


def split(trace: Trace, func: Any, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
    """The parts of a split, as slices: each is a view that may be written into."""
    x, sections = bound(func, args, kwargs, "ary", "indices_or_sections")
    axis = {np.vsplit: 0, np.hsplit: int(x.ndim > 1), np.dsplit: 2}.get(func)
    if axis is None:
        axis = bound(func, args, kwargs, "axis")[0]
        cut: Any = func
    else:
        cut = np.split
        func(np.empty(x.shape, bool), sections)  # raises what it would raise
    axis %= x.ndim
    lead = (slice(None),) * axis
    parts = [(int(p[0]), int(p[-1]) + 1) if len(p) else (0, 0) for p in cut(np.arange(x.shape[axis]), sections)]
    return [x[(*lead, slice(first, last))] for first, last in parts]


def transpose(trace: Trace, func: Any, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
    """Axes go by position: the method takes no keywords."""
    x, axes = bound(func, args, kwargs, "a", "axes")
    return trace.apply(TABLE[func], (x,) if axes is None else (x, axes))


def unstack(trace: Trace, func: Any, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
    x, axis = bound(func, args, kwargs, "x", "axis")
    return tuple(np.moveaxis(x, axis, 0))


def nan_to_num(trace: Trace, func: Any, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
    x, whole = bound(func, args, kwargs, "x", "copy")
    named = bound_names(func, args, kwargs)
    named.pop("copy", None)
    primitive = TABLE[func]
    given, options, _ = bind(trace, primitive, (), named)
    result = trace.apply(primitive, given, options)
    if whole or not isinstance(x, ArrayTracer):
        return result
    x[...] = result
    return x


def astype(trace: Trace, func: Any, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
    x, dtype, whole = bound(func, args, kwargs, "x", "dtype", "copy")
    return x.astype(dtype) if whole else x.astype(dtype, copy=False)


def where(trace: Trace, func: Any, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
    """`np.where` of a condition alone is `np.nonzero`."""
    if len(args) + len(kwargs) == 1:
        raise depends_on_values(trace, func)
    given, options, _ = bind(trace, TABLE[func], args, kwargs)
    return trace.apply(TABLE[func], given, options)


SPECIAL: dict[Any, Callable[..., Any]] = {
    np.copy: copy, np.copyto: copyto, np.clip: clip, np.var: spread, np.std: spread, np.split: split,
    np.array_split: split, np.hsplit: split, np.vsplit: split, np.dsplit: split, np.unstack: unstack,
    np.nan_to_num: nan_to_num, np.transpose: transpose, np.permute_dims: transpose, np.astype: astype,
    np.where: where}


def bound_names(func: Any, args: tuple[Any, ...], kwargs: dict[str, Any]) -> dict[str, Any]:
    return inspect.signature(func).bind(*args, **kwargs).arguments


def bound(func: Any, args: tuple[Any, ...], kwargs: dict[str, Any], *names: str) -> list[Any]:
    """The values of some parameters of a call, with defaults."""
    found = inspect.signature(func).bind(*args, **kwargs)
    found.apply_defaults()
    return [found.arguments[name] for name in names]


def as_tracer(trace: Trace, x: Any) -> ArrayTracer:
    """A tracer for an operand that may be a plain array, or a list that holds tracers."""
    if type(x) is ArrayTracer:
        return x
    if any(True for _ in tracers(x)):
        stacked: ArrayTracer = trace.dispatch(np.stack, (x,), {})
        return stacked
    return ArrayTracer(trace, trace.constant(np.asarray(x)))
