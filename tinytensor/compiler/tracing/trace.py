"""A step written down: the calls that stand-ins for its arrays and numbers have met, and the values that they gave.

The step runs on real values, so shapes, strides and whether a reshape copies are what they are; nothing that the step
was given is changed. What becomes of the calls is `plan.py`'s.
"""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator
from functools import wraps
from typing import Any
from weakref import ref

import numpy as np

from ...collectives import all_reduce_mean, all_reduce_sum
from ..ir import ArrayLayout, Call, CompileError, Value, concrete, mapped, put, values
from .source_info import SourceTracker
from .tracer import PREDICATES, ArrayTracer, ScalarTracer, tracers

Target = Callable[..., Any]
NONE: dict[str, Any] = {}  # no keywords; one for all calls
REMATERIALISE = 2**18  # bytes: from here on, what goes element by element is not kept from one section to the next
TOGETHER = {all_reduce_sum.__wrapped__, all_reduce_mean.__wrapped__}  # type: ignore[attr-defined]
CONSTANT_KINDS = (int, float, bool, complex, str, bytes, type(None), type, np.dtype, type(Ellipsis), np.generic)


def unwatched(method: Target) -> Target:
    """A method in which no names are looked for: there are none, and every call that it makes would be looked at."""
    @wraps(method)
    def inside(self: Trace, *args: Any, **kwargs: Any) -> Any:
        if sys.getprofile() != self.source_info.profile:
            return method(self, *args, **kwargs)
        sys.setprofile(None)
        try:
            return method(self, *args, **kwargs)
        finally:
            sys.setprofile(self.source_info.profile)

    return inside


class Trace:
    """The calls of one step so far.

    Equal calls on equal values are one call: a value is known by what made it.
    """

    def __init__(self, source_info: SourceTracker) -> None:
        self.calls: list[Call] = []
        self.sources: list[Value] = []
        self.source_info = source_info
        self.cse: dict[Any, Call] = {}
        self.layouts: dict[Any, ArrayLayout] = {}
        self.constants: dict[int, Value] = {}
        self.open = False  # whether the step runs just now
        self.prints: dict[int, int] = {}  # number of a constant -> what is in it
        self.count = 0
        self.collectives: Any = None  # notes what workers do together, where several share the step

    def refusal(self, what: str, expected: str, advice: str) -> CompileError:
        """The error that names the user's line, what it does, and what to write instead."""
        return self.source_info.refusal(what, expected, advice)

    # --- values ---

    def source(self, array: Any, kind: str, name: str = "") -> Value:
        """A value that comes from outside of the step."""
        value = Value(array, None, None, kind, name, self.count)
        self.count += 1
        self.sources.append(value)
        return value

    def constant(self, array: Any) -> Value:
        """The value of an array that nobody declared: it is what it is at each step."""
        value = self.constants.get(id(array))
        if array.dtype.hasobject:
            raise self.refusal("an array of Python objects", "arrays of numbers", "stack arrays with np.stack")
        if value is None:
            value = self.constants[id(array)] = self.source(array, "constant")
            self.prints[value.number] = hash(array.tobytes())
        else:
            self.check_constant(value)
        return value

    def check_constant(self, value: Value) -> None:
        """Refuse an array that was written into, as a plain one, after the step had used it."""
        if value.number in self.prints and self.prints[value.number] != hash(value.array.tobytes()):
            raise self.refusal("a plain array was written into after the step had used it", "constants that stay "
                                     "as they are", "make another array for other values, or declare this one")

    def check_told(self) -> None:
        """Refuse to be told in words while the step runs: that would be done at the first steps only."""
        if self.open:
            raise self.source_info.number("a text (print, str, an f-string)")

    def check_constants(self) -> None:
        """As `check_constant`, at the end of a step."""
        for value in self.constants.values():
            self.check_constant(value)

    def value(self, x: Any) -> Any:
        """What stands for one argument of a call."""
        if isinstance(x, ArrayTracer):
            return x.current()
        if isinstance(x, ScalarTracer):
            return x.value
        return self.constant(x) if isinstance(x, np.ndarray) else x

    def key(self, x: Any) -> Any:
        """By what an argument is known: 1, 1.0 and True are three."""
        if isinstance(x, Value):
            return x.number
        if isinstance(x, list | tuple):
            return (type(x), *map(self.key, x))
        if isinstance(x, dict):
            return tuple((k, self.key(x[k])) for k in sorted(x))
        if isinstance(x, slice):
            return ("slice", self.key(x.start), self.key(x.stop), self.key(x.step))
        return (type(x), repr(x)) if isinstance(x, CONSTANT_KINDS) else ("object", id(x))

    # --- arrays ---

    def materialise(self, value: Value) -> Any:
        """The array of a value, to be had by a stand-in; when no stand-in has it any more, its memory is free."""
        array = concrete(value)
        assert array is not None, "a value that no stand-in has"
        call = value.call
        if value.array_ref is None and call is not None and not call.effect and call.target is not put:
            value.array, value.array_ref = self.layout(value), ref(array)
        return array

    def pin(self, found: list[Value]) -> None:
        """Let values have their arrays again, for their stand-ins go."""
        for v in found:
            v.array, v.array_ref = concrete(v), None

    def layout(self, value: Value) -> Any:
        """What is left of an array: many have the same."""
        a = value.array
        known = (a.shape, a.dtype, a.strides, value.byte_offset)
        if known not in self.layouts:
            self.layouts[known] = ArrayLayout(*known)
        return self.layouts[known]

    def forget(self) -> None:
        """Let go of all arrays that the step made, for a program needs only their layouts, and of what is known."""
        self.cse.clear()
        for call in self.calls:
            for v in (*call.outputs(), *([call.region] if call.region else [])):
                v.array_ref = None
                if isinstance(v.array, np.ndarray):
                    v.array = self.layout(v)

    # --- calls ---

    @unwatched
    def call(self, target: Target, text: str, args: tuple[Any, ...], kwargs: dict[str, Any],
             effect: bool = False, like: Any = None) -> Any:
        """Make a call, note it, and give what it gives, as values; `like`: in an array of this one's layout."""
        given, named = mapped(self.value, args), mapped(self.value, kwargs) if kwargs else NONE
        info = self.source_info.current(self)
        layout = None if like is None else (like.dtype, like.shape, like.strides)
        key: tuple[Any, ...] = (text, target, self.key(given), self.key(named), layout)
        if isinstance(target, np.ufunc) and not target.signature and any(
                v.array.nbytes >= REMATERIALISE for v in values(given) if v.is_array):
            key = (*key, info.phase)  # subtle: made again in the backward pass it costs less than to be kept
        call = None if effect else self.cse.get(key)
        if call is not None and all(concrete(v) is not None for v in call.outputs()):
            return call.result
        options = mapped(concrete, named) if like is None else {**mapped(concrete, named), "out": np.empty_like(like)}
        result = target(*mapped(concrete, given), **options)
        if call is not None:  # nobody has what it gave then, or not all of it
            for v, x in zip(call.outputs(), leaves(result), strict=True):
                if concrete(v) is None:
                    v.array, v.array_ref = np.asarray(x), None
            return call.result
        call = Call(target, sys.intern(text), given, named, effect or result is None, info)
        call.result = self.result(result, call, text)
        self.calls.append(call)
        self.cse[key] = call
        return call.result

    def result(self, x: Any, call: Call, text: str) -> Any:
        """What a call gave, as values."""
        if isinstance(x, list | tuple):
            return type(x)(self.result(y, call, text) for y in x) if type(x) in (list, tuple) else \
                tuple(self.result(y, call, text) for y in x)
        is_scalar, value = isinstance(x, np.generic), None
        x = np.array(x) if is_scalar else x
        if isinstance(x, np.ndarray):
            whole = None if call.ufunc else next(
                (v for v in call.inputs() if v.is_array and np.may_share_memory(x, concrete(v))), None)
            value = Value(x, call, whole and whole.base, "", "", self.count)
            value.is_scalar = is_scalar
            if whole is not None:
                value.byte_offset = whole.byte_offset + address(x) - address(concrete(whole))
        elif x is None or (type(x) in (int, float, bool) and text not in PREDICATES):
            value = None if x is None else Value(x, call, None, "", "", self.count)
        else:
            raise self.refusal(f"{text} gave {x!r}, a {type(x).__name__} that depends on values",
                                     "arrays", "compute it outside of the step, or write np.where instead of a choice")
        self.count += 1
        return value

    def lifted(self, result: Any, given: Any) -> Any:
        """Values as stand-ins; a view belongs to the stand-in among the given that it is a view of."""
        if isinstance(result, list | tuple):
            return type(result)(self.lifted(r, given) for r in result)
        if result is None:
            return None
        if not result.is_array:
            return ScalarTracer(self, result)
        owner = None
        if result.base is not result:
            owner = next((t for t in tracers(given) if t.current().base is result.base), None)
        return ArrayTracer(self, result, owner, result.is_scalar)

    @unwatched
    def apply(self, target: Target, text: str, args: tuple[Any, ...], kwargs: dict[str, Any],
              effect: bool = False) -> Any:
        """A call of the step: on stand-ins, giving stand-ins."""
        result = self.lifted(self.call(target, text, args, kwargs, effect), (args, kwargs))
        if isinstance(result, ArrayTracer) and result.owner is not None:
            result.way = (target, text, args, kwargs)
        return result

    def help(self, function: Target, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
        """The call of a helper of the engine; those that only workers need are nothing where one does it alone."""
        if function in TOGETHER:
            if self.collectives is None:
                return function(*args)
            if function is all_reduce_sum.__wrapped__:  # type: ignore[attr-defined]
                return self.collectives.all_reduce_sum(*args)
            return self.collectives.all_reduce_mean(args, **kwargs)
        return self.apply(function, function.__name__, args, kwargs)

    @unwatched
    def into(self, out: Any, target: Target, text: str, args: tuple[Any, ...], kwargs: dict[str, Any]) -> ArrayTracer:
        """A call that writes into the array that `out` stands for."""
        if isinstance(out, tuple):
            out = out[0] if len(out) == 1 else None
        if not isinstance(out, ArrayTracer):
            raise self.refusal(f"{text} writes into an array that was not declared", "arrays of the step itself",
                                     "name the array among what is given to tt.compile, or write a = a + b")
        result = self.call(target, text, args, kwargs, like=out.now())
        if out.is_scalar:  # NumPy's own numbers can't be written into: `s += 1` makes another
            return ArrayTracer(self, result, None, is_scalar=True)
        out.write(result)
        return out


def address(a: Any) -> int:
    """Where in memory an array begins."""
    return int(a.__array_interface__["data"][0])


def leaves(x: Any) -> Iterator[Any]:
    """What stands in nested lists and tuples, in order."""
    if isinstance(x, list | tuple):
        for y in x:
            yield from leaves(y)
    elif x is not None:
        yield x
