"""Tracers: stand-ins for arrays and numbers while a step is traced. Each records every call on it.

A tracer behaves like the array or number, but raises for what would differ between steps, such as control flow on
values. NumPy's functions are recorded by `dispatch.py`; calls are kept by `trace.py`.
"""

from __future__ import annotations

import operator
from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.lib.mixins import NDArrayOperatorsMixin

from ...core import Tensor, TracerBase
from ..ir import Call, Value, concrete, mapped
from ..primitives import (
    ABS,
    ASTYPE,
    COPY,
    DYNAMIC_SLICE,
    FILL,
    FLATTEN,
    GETITEM,
    MATRIX_TRANSPOSE,
    PUT,
    SCALAR,
    SETITEM,
    TRANSPOSE,
    Primitive,
    Unknown,
    of_ufunc,
)

if TYPE_CHECKING:
    from .trace import Trace

Target = Callable[..., Any]
SQUARES = {2: np.square, 0.5: np.sqrt, -1: np.reciprocal}
PLACES = (int, slice, type(None), type(Ellipsis), np.integer)  # of an index that gives a view


class ArrayTracer(TracerBase, NDArrayOperatorsMixin):
    """A stand-in for an array. It has a current value; each write gives it a new one.

    Attributes
    ----------
    held : ndarray
        The array of its current value; it is freed with the last tracer that holds it.
    owner : ArrayTracer or None
        The tracer whose memory it views: writes go through to it, and it is read again after a write.
    way : (Primitive, args, kwargs) or None
        The call that makes it from its owner.
    is_scalar : bool
        Whether NumPy would return a scalar here, not an array.
    """

    __slots__ = ("_value", "fresh", "held", "is_scalar", "owner", "seen", "tape", "way")
    __array_priority__ = 500

    def __init__(self, trace: Trace, value: Value, owner: ArrayTracer | None = None, is_scalar: bool = False) -> None:
        self.tape, self.owner, self.is_scalar = trace, owner, is_scalar  # subtle: arrays have a method `trace`
        self.stand_for(value)
        self.seen = None if owner is None else owner.current()
        self.way: Any = None
        self.fresh = False  # whether it is a copy, which may be written into whatever its value comes from

    def stand_for(self, value: Value) -> None:
        """Take this value, and keep its array."""
        self._value, self.held = value, self.tape.materialise(value)

    def current(self) -> Value:
        """The current value."""
        if self.owner is not None and (value := self.owner.current()) is not self.seen:
            primitive, args, kwargs = self.way
            self.stand_for(self.tape.call(primitive, args, kwargs))
            self.seen = value
        return self._value

    def now(self) -> Any:
        """The array of the current value."""
        self.current()
        return self.held

    def current_or_none(self) -> Value | None:
        """As `current`, but None where a view must be refreshed."""
        return self._value if self.owner is None or self.owner.current_or_none() is self.seen else None

    def write(self, value: Value) -> None:
        """Take another value, and update all tracers that share this memory."""
        if self.owner is None:
            kind = "" if self.fresh else self._value.base.kind
            if kind in ("input", "constant"):
                name = self._value.base.name
                what = f"{name}, an argument of the step" if kind == "input" else (
                    f"{name or 'an array'}, which was not declared")
                raise self.tape.refusal(f"a write into {what}", "writes into the step's own arrays, or declared "
                                        "ones", "pass the array, or the Module or Optimizer that holds it, to "
                                        "tt.compile, or copy it")
            self.stand_for(value)
            return
        base, tape = self.owner.current(), self.tape
        if self.way is None:
            raise tape.refusal("a write into one of several views that a call "
                               "returned", "writes into an array, or a view "
                               "of it by an index", "write x[i] = value")
        primitive, args, kwargs = self.way
        if primitive is DYNAMIC_SLICE:
            self.owner.write(tape.call(SETITEM, (self.owner, args[1], value)))
            return
        call = Call(PUT, (base, value), {}, False, tape.source_info.current(tape))
        call.result = whole = Value(concrete(base).copy("K"), call, None, "", "", tape.count)
        tape.count += 1
        tape.calls.append(call)
        args = mapped(lambda x: ArrayTracer(tape, whole) if x is self.owner else x, args)
        call.region = region = tape.call(primitive, args, kwargs)
        np.copyto(tape.materialise(region), tape.materialise(value))
        self.owner.write(whole)

    # --- shape and dtype are known ---

    @property  # type: ignore[misc]
    def __class__(self) -> Any:  # subtle: isinstance says what it would say without a trace
        return self.dtype.type if self.is_scalar else np.ndarray

    @property
    def shape(self) -> tuple[int, ...]:
        return self._value.array.shape  # type: ignore[no-any-return]

    @shape.setter
    def shape(self, _: Any) -> None:
        self.__getattr__("shape")

    @property
    def dtype(self) -> np.dtype[Any]:
        return self._value.array.dtype  # type: ignore[no-any-return]

    @dtype.setter
    def dtype(self, _: Any) -> None:
        self.__getattr__("dtype")

    @property
    def ndim(self) -> int:
        return self._value.array.ndim  # type: ignore[no-any-return]

    @property
    def size(self) -> int:
        return self._value.array.size  # type: ignore[no-any-return]

    @property
    def strides(self) -> tuple[int, ...]:
        return self._value.array.strides  # type: ignore[no-any-return]

    @strides.setter
    def strides(self, _: Any) -> None:
        self.__getattr__("strides")

    @property
    def itemsize(self) -> int:
        return self._value.array.itemsize  # type: ignore[no-any-return]

    @property
    def nbytes(self) -> int:
        return self._value.array.nbytes  # type: ignore[no-any-return]

    @property
    def device(self) -> str:
        return "cpu"

    @property
    def flags(self) -> Any:
        array, whole = self.held, self
        while whole.owner is not None:
            whole = whole.owner
        if whole.fresh and not array.flags.writeable:  # it shares the value of a read-only array, and is its own
            array = np.lib.stride_tricks.as_strided(np.empty(1, array.dtype), array.shape, array.strides)
        return array.flags

    def __len__(self) -> int:
        return len(self._value.array)

    def __iter__(self) -> Iterator[Any]:
        return (self[i] for i in range(len(self)))

    def __repr__(self) -> str:
        self.tape.refuse_text()
        return f"<traced {self.dtype} {self.shape}>"

    def __format__(self, _: str) -> str:
        return repr(self)

    # --- calls ---

    def __array_ufunc__(self, ufunc: np.ufunc, method: str, *inputs: Any, **kwargs: Any) -> Any:
        if any(isinstance(x, Tensor) for x in inputs):
            return NotImplemented
        primitive, out = of_ufunc(ufunc, method), kwargs.pop("out", None)
        kwargs = {k: v for k, v in kwargs.items() if not (k == "subok" or (k == "where" and v is True))}
        for key in kwargs.keys() - {*primitive.operands, *primitive.parameters}:
            raise self.tape.refusal(f"{primitive.name} with {key}=", "calls that make whole arrays",
                                    "write np.where(condition, result, other)" if key == "where" else "leave it out")
        try:
            for key, x in kwargs.items():
                primitive.check(key, x, None)
        except Unknown as unknown:
            raise self.tape.refusal(*unknown.args) from None
        if primitive.kind == "update":
            return self.tape.update(primitive, inputs, kwargs)
        if out is not None:
            return self.tape.into(out, primitive, inputs, kwargs)
        return self.tape.apply(primitive, inputs, kwargs)

    def __array_function__(self, func: Any, types: Any, args: Any, kwargs: Any) -> Any:
        if any(issubclass(t, Tensor) for t in types):
            return NotImplemented
        return self.tape.dispatch(func, args, kwargs)

    def record_call(self, function: Target, args: Any, kwargs: Any) -> Any:
        return self.tape.record_engine(function, args, kwargs)

    def record_stack(self, x: Any) -> Any:
        return self.tape.stack(x)

    def __getitem__(self, key: Any) -> Any:
        key = self.tape.index(key)
        self.tape.source_info.check_index(key)
        keys = key if isinstance(key, tuple) else (key,)
        varying = [k for k in keys if isinstance(k, ArrayTracer) and k.is_scalar]
        if varying and all(isinstance(k, PLACES) or k in varying for k in keys) and (
                self.ndim > sum(k is not None and k is not Ellipsis and not isinstance(k, slice) for k in keys)):
            result = self.tape.apply(DYNAMIC_SLICE, (self, key))
            result.owner, result.seen, result.way = self, self.current(), (DYNAMIC_SLICE, (self, key), {})
            return result
        return self.tape.apply(GETITEM, (self, key))

    def __setitem__(self, key: Any, value: Any) -> None:
        key = self.tape.index(key)
        keys = key if isinstance(key, tuple) else (key,)
        # subtle: numbers and lists become integers as Python says, which refuses NaN, arrays as NumPy says
        checked = self.dtype.kind not in "fc" and not isinstance(value, ArrayTracer | np.ndarray | np.generic | int)
        if checked or not all(isinstance(k, PLACES) and not isinstance(k, TracerBase | bool) for k in keys):
            self.tape.update(SETITEM, (self, key, value), {})
            return
        # subtle: without the dots x[0] is a new scalar, and not a view
        region = self if key is Ellipsis else self[keys if any(k is Ellipsis for k in keys) else (*keys, Ellipsis)]
        region.write(self.tape.call(FILL, (value,), like=region.now()))

    def copy(self, order: Any = "C") -> Any:
        """A copy. Values never change, so if the layout stays the same, it is another tracer of the same value."""
        if self.is_scalar:
            return self
        value, array = self.current(), self.held
        if np.empty_like(array, order=order).strides == array.strides and value.kind in ("", "input") and (
                value.base.kind != "state"):  # which is overwritten at the end
            return self.copied()
        return self.tape.apply(COPY, (self,), {"order": order})

    def copied(self) -> ArrayTracer:
        """Another array with this value."""
        other = ArrayTracer(self.tape, self.current(), None)
        other.fresh = True
        return other

    def __copy__(self) -> Any:
        return self.copy("K")

    def __deepcopy__(self, _: Any) -> Any:
        return self.copy("K")

    def astype(self, dtype: Any, order: str = "K", **options: Any) -> Any:
        """As an array's."""
        if self.is_scalar:  # subtle: from a NumPy scalar the same is made, not a 0-d array
            y = self.copied().astype(dtype, order, **options)
            return ArrayTracer(self.tape, y.current(), None, is_scalar=True)
        now = self.current()
        if np.dtype(dtype) == self.dtype and order == "K" and not options and now.kind in ("", "input") and (
                np.empty_like(self.held).strides == self.strides and now.base.kind != "state"):
            return self.copied()
        for key in options.keys() - set(ASTYPE.parameters):
            raise TypeError(f"astype() got an unexpected keyword argument {key!r}")
        return self.tape.apply(ASTYPE, (self, np.dtype(dtype)), {"order": order, **options})

    def flatten(self, order: str = "C") -> Any:
        """As an array's."""
        return self.tape.apply(FLATTEN, (self,), {} if order == "C" else {"order": order})

    def reshape(self, *shape: Any, **options: Any) -> Any:
        """As an array's."""
        return self.tape.dispatch(NP_RESHAPE, (self, shape[0] if len(shape) == 1 else shape), options)

    def transpose(self, *axes: Any) -> Any:
        """As an array's."""
        given = () if not axes else (axes[0] if len(axes) == 1 and not isinstance(axes[0], int) else axes,)
        return self.tape.dispatch(NP_TRANSPOSE, (self, *given), {})

    def conj(self) -> Any:
        """As an array's: of real numbers it is the array itself."""
        return np.conjugate(self) if self.dtype.kind == "c" else self

    conjugate = conj

    def clip(self, min: Any = None, max: Any = None, out: Any = None, **options: Any) -> Any:
        """As an array's."""
        return self.tape.dispatch(NP_CLIP, (self, min, max, out), options)

    def __pow__(self, other: Any) -> Any:
        if isinstance(other, ScalarTracer) and self.dtype.kind == "f":  # the choice below, by a number that varies
            other = next((k for k in SQUARES if operator.eq(other, k)), other)
        if type(other) in (int, float) and other in SQUARES and self.dtype.kind == "f":
            return SQUARES[other](self)  # as NumPy itself does
        return np.power(self, other)

    def __ipow__(self, other: Any) -> Any:
        if self.is_scalar:
            return self**other
        if isinstance(other, ScalarTracer) and self.dtype.kind == "f":
            other = next((k for k in SQUARES if operator.eq(other, k)), other)
        fast: Any = SQUARES.get(other) if type(other) in (int, float) and self.dtype.kind == "f" else None
        power: Any = np.power
        return fast(self, out=self) if fast else power(self, other, out=self)

    @property
    def T(self) -> Any:
        return self if self.is_scalar else self.tape.apply(TRANSPOSE, (self,))

    @property
    def mT(self) -> Any:
        return self.tape.apply(MATRIX_TRANSPOSE, (self,))

    @property
    def real(self) -> Any:
        return self if self.dtype.kind != "c" else self.tape.dispatch(NP_REAL, (self,), {})

    @real.setter
    def real(self, value: Any) -> None:
        self.check_part("real")
        self.real[...] = value

    @property
    def imag(self) -> Any:
        return self.__getattr__("imag") if self.dtype.kind != "c" else self.tape.dispatch(NP_IMAG, (self,), {})

    @imag.setter
    def imag(self, value: Any) -> None:
        if self.dtype.kind != "c":
            raise TypeError("array does not have imaginary part to set")
        self.check_part("imag")
        self.imag[...] = value

    def check_part(self, name: str) -> None:
        if self.is_scalar:
            raise AttributeError(f"attribute {name!r} of 'numpy.generic' objects is not writable")

    @property
    def flat(self) -> Any:
        return self.__getattr__("flat")

    @flat.setter
    def flat(self, value: Any) -> None:
        if isinstance(value, ArrayTracer) and value.size == self.size:
            value = value.reshape(self.shape)
        elif not isinstance(value, int | float):
            self.__getattr__("flat")
        self[...] = value

    def sort(self, axis: int = -1, **options: Any) -> None:
        """As an array's: in place."""
        self[...] = np.sort(self, axis, **options)

    def partition(self, kth: Any, axis: int = -1, **options: Any) -> None:
        """As an array's: in place."""
        self[...] = np.partition(self, kth, axis, **options)

    def fill(self, value: Any) -> None:
        """As an array's: integers are made as Python does it, which refuses NaN."""
        if not isinstance(value, TracerBase):
            np.empty((), self.dtype).fill(value)  # raises what it would raise
        elif isinstance(value, ArrayTracer) and value.is_scalar and value.dtype.kind == "f" and (
                self.dtype.kind not in "fc"):
            self.__getattr__("fill")
        self[...] = value

    # --- what is refused ---

    def __hash__(self) -> int:
        if not self.is_scalar:
            return object.__hash__(self)
        if (constant := self.constant()) is not None:
            return hash(constant[()])
        raise self.tape.source_info.number("hash(), of a set or a dict,")

    def __getattr__(self, name: str) -> Any:
        if name.startswith("__") or not hasattr(np.ndarray, name):
            raise AttributeError(f"'numpy.ndarray' object has no attribute {name!r}")
        raise self.tape.refusal(f".{name} of an array", "NumPy's functions and the usual methods", ADVICE.get(
            name, "write it with NumPy's functions of arrays, or do it outside of the step"))

    def constant(self) -> Any:
        """The array, if it is made of constants alone, and so the same at each step."""
        return self.tape.constant_array(self.current())

    def __array__(self, dtype: Any = None, copy: bool | None = None) -> Any:
        if (constant := self.constant()) is not None:
            return np.array(constant, dtype)
        raise self.tape.needs_plain_array("an array of the step was passed to something that takes plain arrays only "
                                          "(X[ix], np.asarray, a write into a plain array, printing)")

    def __bool__(self) -> bool:
        if (constant := self.constant()) is not None:
            return bool(constant)
        raise self.tape.refusal("control flow (if, while, and, or, assert) that depends on array values", "the same "
                                "calls at each step", "write np.where(condition, a, b), or choose outside of the step")

    def __float__(self) -> float:
        if (constant := self.constant()) is not None:
            return float(constant)
        raise self.tape.needs_plain_array("", self.tape.source_info.number("float(), or a write into a plain array,"))

    def __int__(self) -> int:
        if (constant := self.constant()) is not None:
            return int(constant)
        raise self.tape.needs_plain_array("", self.tape.source_info.number("int()"))

    def __index__(self) -> int:
        if self.size != 1 or self.dtype.kind not in "iu":
            raise TypeError("only integer scalar arrays can be converted to a scalar index")
        if (constant := self.constant()) is not None:
            return operator.index(constant)
        raise self.tape.needs_plain_array("", self.tape.source_info.number("an index or a count (range)"))

    def __round__(self, digits: Any = None) -> Any:
        if not self.is_scalar:
            raise TypeError("type numpy.ndarray doesn't define __round__ method")
        if digits is not None:
            return self.tape.dispatch(NP_ROUND, (self, digits), {})
        if (constant := self.constant()) is not None:
            return round(constant[()])
        raise self.tape.source_info.number("round()")

    def __reduce_ex__(self, _: Any) -> Any:
        return self.__getattr__("tobytes")

    def __bytes__(self) -> bytes:
        if (constant := self.constant()) is not None:
            return bytes(constant)
        return self.__getattr__("tobytes")  # type: ignore[no-any-return]

    def __complex__(self) -> complex:
        raise self.tape.source_info.number("complex()")

    def item(self, *args: Any) -> Any:
        """As an array's, of a constant; else refused."""
        if (constant := self.constant()) is not None:
            return constant.item(*args)
        raise self.tape.source_info.number(".item()")

    def tolist(self) -> Any:
        """As an array's, of a constant; else refused."""
        if (constant := self.constant()) is not None:
            return constant.tolist()
        raise self.tape.source_info.number(".tolist()")


ADVICE = {"view": "write x.astype(dtype) to convert it, or do it outside of the step",
          "dtype": "write x.astype(dtype) to convert it, or do it outside of the step",
          "resize": "write x.reshape(shape)", "shape": "write x.reshape(shape)", "tobytes": "do it outside of the step"}
# as they are while others stand for them
NP_CLIP, NP_IMAG, NP_REAL, NP_RESHAPE, NP_ROUND = np.clip, np.imag, np.real, np.reshape, np.round
NP_TRANSPOSE = np.transpose
NUMBER = "compute it outside of the step, and pass the result as a float"


# --- methods ---

METHODS = {"all": np.all, "any": np.any, "argmax": np.argmax, "argmin": np.argmin, "argsort": np.argsort,
           "choose": np.choose, "cumprod": np.cumprod, "cumsum": np.cumsum, "diagonal": np.diagonal, "dot": np.dot,
           "max": np.max, "mean": np.mean, "min": np.min, "nonzero": np.nonzero, "prod": np.prod, "put": np.put,
           "ravel": np.ravel, "repeat": np.repeat, "round": np.round, "searchsorted": np.searchsorted,
           "squeeze": np.squeeze, "std": np.std, "sum": np.sum, "swapaxes": np.swapaxes, "take": np.take,
           "trace": np.trace, "var": np.var}


def method(name: str, function: Any) -> Target:
    """A method of arrays: NumPy's function of the same name."""
    def recorded(self: ArrayTracer, *args: Any, **kwargs: Any) -> Any:
        if isinstance(function, np.ufunc):
            return function(self, *args, **kwargs)
        return self.tape.dispatch(function, (self, *args), kwargs)

    recorded.__name__ = name
    return recorded


for name, function in METHODS.items():
    setattr(ArrayTracer, name, method(name, function))


def in_place(name: str) -> Target:
    """`x += y`: into the array, but for a scalar of NumPy's, of which another is made."""
    plain, into = getattr(operator, name), getattr(NDArrayOperatorsMixin, f"__i{name.strip('_')}__")

    def operate(self: ArrayTracer, other: Any) -> Any:
        return plain(self, other) if self.is_scalar else into(self, other)

    return operate


for name in ("add", "sub", "mul", "truediv", "floordiv", "mod", "lshift", "rshift", "and_", "or_", "xor"):
    setattr(ArrayTracer, f"__i{name.strip('_')}__", in_place(name))


def tracers(x: Any) -> Iterator[ArrayTracer]:
    """The tracers in nested arguments."""
    found: list[ArrayTracer] = []
    mapped(lambda y: found.append(y) if isinstance(y, ArrayTracer) else None, x)
    return iter(found)


# --- what stands for a number ---


class ScalarTracer(TracerBase):
    """A stand-in for a Python number that may differ at each step: a learning rate, a count of steps."""

    __slots__ = ("tape", "value")
    __hash__ = object.__hash__

    def __init__(self, trace: Trace, value: Value) -> None:
        self.tape, self.value = trace, value

    @property  # type: ignore[misc]
    def __class__(self) -> Any:  # as an ArrayTracer's
        return type(self.value.array)

    def __repr__(self) -> str:
        self.tape.refuse_text()
        return f"<traced {type(self.value.array).__name__}>"

    def __array_ufunc__(self, ufunc: np.ufunc, method: str, *inputs: Any, **kwargs: Any) -> Any:
        if any(isinstance(x, Tensor) for x in inputs):
            return NotImplemented
        if all(not isinstance(x, ArrayTracer | np.ndarray) for x in inputs):
            raise self.tape.refusal(f"np.{ufunc.__name__} of a number", "Python's own arithmetic, since NumPy's "
                                    "numbers would make float64 of float32", "write x ** 0.5 for np.sqrt(x)" if
                                    ufunc is np.sqrt else NUMBER)
        return ArrayTracer.__array_ufunc__(self, ufunc, method, *inputs, **kwargs)  # type: ignore[arg-type]

    def __array_function__(self, func: Any, types: Any, args: Any, kwargs: Any) -> Any:
        return ArrayTracer.__array_function__(self, func, types, args, kwargs)  # type: ignore[arg-type]

    def record_call(self, function: Target, args: Any, kwargs: Any) -> Any:
        return self.tape.record_engine(function, args, kwargs)

    def record_stack(self, x: Any) -> Any:
        return self.tape.stack(x)

    def __bool__(self) -> bool:
        return self.tape.choose(self.value)

    def as_array(self, *_: Any, **__: Any) -> Any:
        """Raise on a conversion to an array, whose dtype NumPy and the engine would choose differently."""
        raise self.tape.needs_plain_array("", self.tape.refusal(
            "an array is made from a number that varies (np.full, tt.tensor)", "numbers that multiply arrays "
            "or are added to them", "write np.ones(shape) * x"))

    __array__ = as_array
    astype = property(as_array)

    def __abs__(self) -> Any:
        return self.tape.apply(ABS, (self,))

    def __pos__(self) -> Any:
        return self

    def __deepcopy__(self, _: Any) -> Any:
        return self

    __copy__ = __pos__
    real = property(__pos__)
    conjugate = __pos__

    def __divmod__(self, other: Any) -> Any:
        return (self // other, self % other)

    def __rdivmod__(self, other: Any) -> Any:
        return (other // self, other % self)

    def __getattr__(self, name: str) -> Any:
        kind = type(self.value.array)
        if name.startswith("__") or not hasattr(kind, name):
            raise AttributeError(f"{kind.__name__!r} object has no attribute {name!r}")
        return self._plain()

    def _plain(self, *_: Any) -> Any:
        self.tape.need(self.value)
        raise self.tape.needs_plain_array("", self.tape.refusal(
            "a conversion of a number that varies (float(), int(), an index, a format)", "Python's own arithmetic "
            "with it", NUMBER))

    __float__ = __int__ = __index__ = __round__ = __format__ = __trunc__ = __floor__ = __ceil__ = __reduce_ex__ = _plain


def arithmetic(primitive: Primitive, swapped: bool) -> Target:
    def recorded(self: ScalarTracer, *other: Any) -> Any:
        if other and not isinstance(other[0], int | float | ScalarTracer):
            return NotImplemented
        return self.tape.apply(primitive, (*other, self) if swapped else (self, *other))

    return recorded


for name, primitive in SCALAR.items():
    setattr(ScalarTracer, f"__{name}__", arithmetic(primitive, False))
    if name in ("add", "sub", "mul", "truediv", "floordiv", "mod", "pow"):
        setattr(ScalarTracer, f"__r{name}__", arithmetic(primitive, True))
setattr(ScalarTracer, "__hash__", ScalarTracer._plain)  # as a key it would never be found
