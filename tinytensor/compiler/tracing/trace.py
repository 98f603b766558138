"""A trace: the calls that the tracers of a step have recorded, and their results.

The step runs on real values, so shapes, strides and whether a reshape copies are what they are; nothing that the step
was given is changed. The passes in `passes/` transform the calls.
"""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator
from functools import wraps
from threading import get_ident
from typing import Any
from weakref import ref

import numpy as np

from ...advice import a_type
from ...collectives import all_reduce_mean, all_reduce_sum
from ...core import Tensor, TracerBase
from ...dispatch import full_name
from ..ir import Call, CompileError, Value, concrete, mapped, values
from ..layout import ArrayLayout, address
from ..primitives import PUT, Primitive, of_engine, updated
from .choices import is_number
from .dispatch import as_tracer, dispatch
from .source_info import SourceTracker
from .tracer import ArrayTracer, ScalarTracer, tracers

Target = Callable[..., Any]
NONE: dict[str, Any] = {}  # no keywords; shared by all calls
REMATERIALISE = 2**18  # bytes: larger elementwise results are computed again in the backward pass, not kept
TOGETHER = {all_reduce_sum.__wrapped__, all_reduce_mean.__wrapped__}  # type: ignore[attr-defined]
CONSTANT_KINDS = (int, float, bool, complex, str, bytes, type(None), type, np.dtype, type(Ellipsis), np.generic)


def unwatched(method: Target) -> Target:
    """Pause the profiler, which collects names, while a method runs: it has no names of the user's."""
    @wraps(method)
    def inside(self: Trace, *args: Any, **kwargs: Any) -> Any:
        watcher = self.source_info.watcher
        if watcher is None or sys.getprofile() is not watcher:
            return method(self, *args, **kwargs)
        sys.setprofile(None)
        try:
            return method(self, *args, **kwargs)
        finally:
            sys.setprofile(watcher)

    return inside


class Trace:
    """The calls of one step so far.

    Equal calls on equal values are one call: a value is known by what made it.
    """

    def __init__(self, source_info: SourceTracker) -> None:
        self.calls: list[Call] = []
        self.sources: list[Value] = []
        self.old_gradients: list[Value] = []
        self.kept: list[Any] | None = None  # arrays that live until the end of the trace, tracers or not
        self.source_info = source_info
        self.cse: dict[Any, Call] = {}
        self.layouts: dict[Any, ArrayLayout] = {}
        self.constants: dict[int, Value] = {}
        self.open = False  # whether the step is running
        self.creation: dict[Target, Target] = {}  # stand-ins for functions that make arrays (`creation.py`)
        self.thread = get_ident()  # the tracing thread; others are not affected
        self.drawn: set[int] = set()  # random streams that the step drew from
        self.needed: set[int] = set()  # sources of numbers whose values were needed
        self.choices: dict[int, tuple[Value, bool]] = {}  # numbers whose truth was used, and the answers
        self.prints: dict[int, int] = {}  # number of a constant -> its content
        self.count = 0
        self.collectives: Any = None  # records collectives, where several workers share the step

    def refusal(self, what: str, expected: str, advice: str) -> CompileError:
        """The error that names the user's line, what it does, and what to write instead."""
        return self.source_info.refusal(what, expected, advice)

    def needs_plain_array(self, what: str, refusal: CompileError | None = None) -> CompileError:
        """The refusal of a tracer where a plain array is needed; traced once more, NumPy may make a tracer there."""
        if refusal is None:
            refusal = self.refusal(what, "NumPy's functions of whole arrays", "write x.data for np.asarray(x), or "
                                   "tt.take(X, ix, 0) for X[ix], or call it outside of the step")
        refusal.needs_creation = True
        return refusal

    # --- values ---

    def source(self, array: Any, kind: str, name: str = "") -> Value:
        """A value that comes from outside of the step."""
        value = Value(array, None, None, kind, name, self.count)
        self.count += 1
        self.sources.append(value)
        return value

    def constant(self, array: Any) -> Value:
        """The value of an undeclared array: the same at each step."""
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
        """Raise for a plain array that was written into after the step had used it."""
        if value.number in self.prints and self.prints[value.number] != hash(value.array.tobytes()):
            raise self.refusal("a plain array was written into after the step had used it", "constants that stay "
                                     "as they are", "make another array for other values, or declare this one")

    def need(self, value: Value) -> None:
        """Record the numbers that a number depends on, since its value is needed."""
        for v in (value,) if value.call is None else value.call.read:
            if v.call is None:
                self.needed.add(v.number)
            else:
                self.need(v)

    def choose(self, value: Value) -> bool:
        """The truth of a number that varies: the program fits only calls where it is the same."""
        if not is_number(value):
            raise self.refusal("control flow (if, min, max, assert) that depends on a number that "
                               "varies", "the same calls at each step",
                               "choose outside of the step, and pass the result as a float")
        truth = bool(value.array)
        self.choices[value.number] = value, truth
        return truth

    def refuse_text(self) -> None:
        """Raise for conversions to text while the step runs: a program would not repeat them."""
        if self.open:
            raise self.source_info.number("a conversion to a string (print, str, an f-string)")

    def constant_array(self, value: Value) -> Any:
        """The array of a value that is made of nothing but constants of this trace; None of any other."""
        if value.kind == "constant":
            return None if value.mutable or value.number in self.prints else value.array
        call = value.call
        if call is None or call.effect or not all(self.constant_array(v) is not None for v in call.inputs()):
            return None
        return concrete(value)

    def check_constants(self) -> None:
        """As `check_constant`, at the end of a step."""
        for value in self.constants.values():
            self.check_constant(value)

    def value(self, x: Any) -> Any:
        """The value of one argument of a call."""
        if isinstance(x, ArrayTracer):
            return x.current()
        if isinstance(x, ScalarTracer):
            return x.value
        return self.constant(x) if isinstance(x, np.ndarray) else x

    def key(self, x: Any) -> Any:
        """The key of an argument: 1, 1.0 and True are different."""
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
        """The array of a value, for a tracer; only a weak reference stays, so it is freed with the last tracer."""
        array = concrete(value)
        assert array is not None, "a value that no tracer has"
        if self.kept is not None:
            self.kept.append(array)
        call = value.call
        if value.array_ref is None and call is not None and not call.effect and call.primitive is not PUT:
            value.array, value.array_ref = self.layout(value), ref(array)
        return array

    def pin(self, found: list[Value]) -> None:
        """Hold the arrays of values strongly again, since their tracers are about to go."""
        for v in found:
            v.array, v.array_ref = concrete(v), None

    def layout(self, value: Value) -> Any:
        """The layout of a value's array; equal layouts are one object."""
        a = value.array
        known = (a.shape, a.dtype, a.strides, value.byte_offset)
        if known not in self.layouts:
            self.layouts[known] = ArrayLayout(*known)
        return self.layouts[known]

    def forget(self) -> None:
        """Drop the arrays that the step made, as a program needs only their layouts, and the table of equal calls."""
        self.cse.clear()
        for call in self.calls:
            for v in (*call.outputs(), *([call.region] if call.region else [])):
                v.array_ref = None
                if isinstance(v.array, np.ndarray):
                    v.array = self.layout(v)

    # --- calls ---

    @unwatched
    def call(self, primitive: Primitive, args: tuple[Any, ...], kwargs: dict[str, Any] = NONE, effect: bool = False,
             like: Any = None, out: bool = False) -> Any:
        """Make a call, record it, and return its results as values.

        `like`: in an array of this one's layout; `out`: because the step named that array.
        """
        given, named = mapped(self.value, args), mapped(self.value, kwargs) if kwargs else NONE
        info = self.source_info.current(self)
        layout = None if like is None else (like.dtype, like.shape, like.strides)
        key: tuple[Any, ...] = (primitive, self.key(given), self.key(named), layout)
        if primitive.kind == "elementwise" and any(v.array.nbytes >= REMATERIALISE for v in values(given)
                                                   if v.is_array):
            key = (*key, info.phase)  # subtle: made again in the backward pass it costs less than to be kept
        call = None if effect else self.cse.get(key)
        if call is not None and all(concrete(v) is not None for v in call.outputs()):
            return call.result
        options = mapped(concrete, named) if like is None else {**mapped(concrete, named), "out": np.empty_like(like)}
        if primitive.kind == "update":
            result = updated(primitive, *mapped(concrete, given), **options)
        else:
            result = primitive.function(*mapped(concrete, given), **options)
        if call is not None:  # its results were freed, or some of them
            for v, x in zip(call.outputs(), leaves(result), strict=True):
                if concrete(v) is None:
                    v.array, v.array_ref = np.asarray(x), None
            return call.result
        call = Call(primitive, given, named, effect or result is None, info, out)
        call.result = self.result(result, call)
        self.calls.append(call)
        self.cse[key] = call
        return call.result

    def result(self, x: Any, call: Call) -> Any:
        """The results of a call, as values."""
        if isinstance(x, list | tuple):
            parts = [self.result(y, call) for y in x]
            return type(x)(*parts) if hasattr(x, "_fields") else parts if isinstance(x, list) else tuple(parts)
        if x is None:
            return None
        is_scalar = isinstance(x, np.generic)
        x = np.array(x) if is_scalar else x
        if isinstance(x, np.ndarray):
            if x.dtype.hasobject:
                raise self.refusal(f"{call.name} returned an array of Python objects", "arrays of numbers",
                                   "compute it outside of the step")
            whole = None if call.elementwise else next(
                (v for v in call.inputs() if v.is_array and np.may_share_memory(x, concrete(v))), None)
            value = Value(x, call, whole and whole.base, "", "", self.count)
            value.is_scalar = is_scalar
            if whole is not None:
                value.byte_offset = whole.byte_offset + address(x) - address(concrete(whole))
        elif type(x) in (int, float) or (type(x) is bool and call.primitive.kind == "scalar"):
            value = Value(x, call, None, "", "", self.count)
        else:
            raise self.refusal(f"{call.name} returned {x!r}, {a_type(x)} that depends on values",
                               "arrays", "compute it outside of the step, or write np.where in place of an if")
        self.count += 1
        return value

    def lifted(self, result: Any, given: Any) -> Any:
        """Values as tracers; a view belongs to the tracer that it is a view of."""
        if isinstance(result, list | tuple):
            parts = [self.lifted(r, given) for r in result]
            return type(result)(*parts) if hasattr(result, "_fields") else type(result)(parts)
        if result is None:
            return None
        if not result.is_array:
            return ScalarTracer(self, result)
        owner = None
        if result.base is not result:
            owner = next((t for t in tracers(given) if t.current().base is result.base), None)
        return ArrayTracer(self, result, owner, result.is_scalar)

    @unwatched
    def apply(self, primitive: Primitive, args: tuple[Any, ...], kwargs: dict[str, Any] = NONE,
              effect: bool = False) -> Any:
        """A call of the step: on tracers, giving tracers."""
        result = self.lifted(self.call(primitive, args, kwargs, effect), (args, kwargs))
        if type(result) is ArrayTracer and result.owner is not None:
            result.way = (primitive, args, kwargs)
        return result

    @unwatched
    def dispatch(self, function: Target, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
        """A call of one of NumPy's functions."""
        return dispatch(self, function, args, kwargs)

    def record_engine(self, function: Target, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
        """Record a primitive of the engine; collectives do nothing without workers."""
        if function in TOGETHER:
            if self.collectives is None:
                return function(*args)
            if function is all_reduce_sum.__wrapped__:  # type: ignore[attr-defined]
                return self.collectives.all_reduce_sum(*args)
            return self.collectives.all_reduce_mean(args, **kwargs)
        primitive = of_engine(function)
        if primitive is None:
            raise self.refusal(f"{full_name(function)}, which the compiler does not know", "functions in its table of "
                               "primitives", "add a row for it to tinytensor/compiler/primitives.py, or compose it "
                               "of NumPy's functions")
        return self.apply(primitive, args, kwargs)

    # --- writes ---

    @unwatched
    def into(self, out: Any, primitive: Primitive, args: tuple[Any, ...], kwargs: dict[str, Any]) -> ArrayTracer:
        """A call that writes into the array that `out` stands for."""
        if isinstance(out, tuple):
            out = out[0] if len(out) == 1 else None
        if type(out) is not ArrayTracer:
            raise self.needs_plain_array("", self.refusal(
                f"{primitive.name} writes into an array that was not declared", "arrays of the step itself",
                "pass the array to tt.compile, or write a = a + b"))
        if out.is_scalar:
            raise TypeError("return arrays must be of ArrayType")
        out.write(self.call(primitive, args, kwargs, like=out.now(), out=True))
        return out

    def update(self, primitive: Primitive, args: tuple[Any, ...], kwargs: dict[str, Any]) -> None:
        """A call that writes into its first operand, which is another value from then on."""
        target = args[0]
        if type(target) is not ArrayTracer:
            raise self.needs_plain_array("", self.refusal(
                f"{primitive.name} writes into an array that was not declared", "arrays of the step itself",
                "pass the array to tt.compile, or copy it in the step"))
        target.write(self.call(primitive, args, kwargs))

    @unwatched
    def stack(self, x: Any) -> Any:
        """Nested lists that hold tracers, as one array; a tracer is one already."""
        if isinstance(x, TracerBase):
            return x
        return self.dispatch(np.stack, ([self.stack(y) if type(y) in (list, tuple) else y for y in x],), {})

    def index(self, key: Any) -> Any:
        """An index in one form: ranges, and lists that hold tracers, as arrays."""
        if isinstance(key, tuple):
            return tuple([self.index(k) for k in key])
        if isinstance(key, range):
            return np.arange(key.start, key.stop, key.step)
        if isinstance(key, list) and any(True for _ in tracers(key)):
            return as_tracer(self, key)
        return getattr(key, "data", key) if isinstance(key, Tensor) else key


def leaves(x: Any) -> Iterator[Any]:
    """What stands in nested lists and tuples, in order."""
    if isinstance(x, list | tuple):
        for y in x:
            yield from leaves(y)
    elif x is not None:
        yield x
