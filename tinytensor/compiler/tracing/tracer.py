"""What stands for an array or a number while a step is traced: it notes every call that it meets, and makes it.

A stand-in looks like what it stands for. What is not the same at each step, such as a choice by values, it refuses. The
calls are kept by `trace.py`.
"""

from __future__ import annotations

import operator
from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.lib.mixins import NDArrayOperatorsMixin

from ...core import Tensor, TracerBase
from ..ir import Call, Value, concrete, filled, mapped, put, replaced

if TYPE_CHECKING:
    from .trace import Trace

Target = Callable[..., Any]


# --- what stands for an array ---

# NumPy's functions that look at shapes and dtypes only
STATIC = {np.shape, np.ndim, np.size, np.result_type, np.can_cast, np.iscomplexobj, np.isrealobj, np.min_scalar_type,
          np.may_share_memory, np.shares_memory}
# and those whose result has a shape, or is a bool, that depends on values
MASKS = {np.nonzero, np.flatnonzero, np.argwhere, np.unique, np.extract, np.compress, np.union1d, np.intersect1d,
         np.setdiff1d, np.trim_zeros, np.array_equal, np.allclose, np.array_equiv, np.bincount, np.histogram}
TOLD = {np.array2string, np.array_repr, np.array_str}
PREDICATES = {"np.array_equal", "np.allclose", "np.iscomplexobj"}
SQUARES = {2: np.square, 0.5: np.sqrt, -1: np.reciprocal}


class ArrayTracer(TracerBase, NDArrayOperatorsMixin):
    """Stands for an array; what it stands for is a value, another one after each write.

    Attributes
    ----------
    held : ndarray
        The array that its value is now: others need it only as long as a stand-in has it.
    owner : Tracer or None
        Whose memory it is a view of: written through, and looked at again when that was written.
    way : tuple
        The call that makes it of its owner.
    is_scalar : bool
        Whether NumPy would give a number of its own here, not an array.
    """

    __slots__ = ("_value", "fresh", "held", "is_scalar", "owner", "seen", "tape", "way")
    __hash__ = object.__hash__
    __array_priority__ = 500

    def __init__(self, trace: Trace, value: Value, owner: ArrayTracer | None = None, is_scalar: bool = False) -> None:
        self.tape, self.owner, self.is_scalar = trace, owner, is_scalar
        self.stand_for(value)
        self.seen = None if owner is None else owner.current()
        self.way: Any = None
        self.fresh = False  # whether it is a copy, which may be written into whatever its value comes from

    def stand_for(self, value: Value) -> None:
        """Be this value, and keep its array."""
        self._value, self.held = value, self.tape.materialise(value)

    def current(self) -> Value:
        """The value that it stands for now."""
        if self.owner is not None and (value := self.owner.current()) is not self.seen:
            target, text, args, kwargs = self.way
            self.stand_for(self.tape.call(target, text, args, kwargs))
            self.seen = value
        return self._value

    def now(self) -> Any:
        """The array that it stands for now."""
        self.current()
        return self.held

    def current_or_none(self) -> Value | None:
        """As `current`, but None where a view has to be looked at again."""
        return self._value if self.owner is None or self.owner.current_or_none() is self.seen else None

    def write(self, value: Value) -> None:
        """Stand for another value from now on, and so let all that shares this memory."""
        if self.owner is None:
            kind = "" if self.fresh else self._value.base.kind
            if kind in ("input", "constant"):
                name = self._value.base.name
                what = f"{name}, an argument of the step" if kind == "input" else (
                    f"{name or 'an array'}, which was not declared")
                raise self.tape.refusal(f"a write into {what}", "writes into the step's own arrays, or declared "
                                              "ones", "name the array, or the Module or Optimizer that holds it, among "
                                              "what is given to tt.compile, or copy it")
            self.stand_for(value)
            return
        base = self.owner.current()
        info = self.tape.source_info.current(self.tape)
        call = Call(put, "put", (base, value), {}, False, info)
        array = concrete(base).copy("K")
        call.result = whole = Value(array, call, None, "", "", self.tape.count)
        self.tape.count += 1
        self.tape.calls.append(call)
        target, text, args, kwargs = self.way
        args = mapped(lambda x: ArrayTracer(self.tape, whole) if x is self.owner else x, args)
        call.region = region = self.tape.call(target, text, args, kwargs)
        np.copyto(self.tape.materialise(region), self.tape.materialise(value))
        self.owner.write(whole)

    # --- shape and dtype are known ---

    @property  # type: ignore[misc]
    def __class__(self) -> Any:  # subtle: isinstance says what it would say without a trace
        return self.dtype.type if self.is_scalar else np.ndarray

    @property
    def shape(self) -> tuple[int, ...]:
        return self._value.array.shape  # type: ignore[no-any-return]

    @property
    def dtype(self) -> np.dtype[Any]:
        return self._value.array.dtype  # type: ignore[no-any-return]

    @property
    def ndim(self) -> int:
        return self._value.array.ndim  # type: ignore[no-any-return]

    @property
    def size(self) -> int:
        return self._value.array.size  # type: ignore[no-any-return]

    @property
    def strides(self) -> tuple[int, ...]:
        return self._value.array.strides  # type: ignore[no-any-return]

    @property
    def itemsize(self) -> int:
        return self._value.array.itemsize  # type: ignore[no-any-return]

    @property
    def nbytes(self) -> int:
        return self._value.array.nbytes  # type: ignore[no-any-return]

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
        self.tape.check_told()
        return f"<traced {self.dtype} {self.shape}>"

    def __format__(self, _: str) -> str:
        return repr(self)

    # --- calls ---

    def __array_ufunc__(self, ufunc: np.ufunc, method: str, *inputs: Any, **kwargs: Any) -> Any:
        if any(isinstance(x, Tensor) for x in inputs):
            return NotImplemented
        text = f"np.{ufunc.__name__}" if method == "__call__" else f"np.{ufunc.__name__}.{method}"
        if method == "at" or kwargs.get("where", True) is not True:
            raise self.tape.refusal(f"{text}{'' if method == 'at' else ' with where='}", "calls that make whole "
                                           "arrays", "write np.where, or tt.scatter for what adds up by index")
        target, out = ufunc if method == "__call__" else getattr(ufunc, method), kwargs.pop("out", None)
        kwargs = {k: v for k, v in kwargs.items() if k not in ("where", "subok")}
        if out is not None:
            return self.tape.into(out, target, text, inputs, kwargs)
        return self.tape.apply(target, text, inputs, kwargs)

    def __array_function__(self, func: Any, types: Any, args: Any, kwargs: Any) -> Any:
        if any(issubclass(t, Tensor) for t in types):
            return NotImplemented
        if func in STATIC:
            return func(*mapped(concrete, mapped(self.tape.value, args)), **kwargs)
        if func in TOLD:
            self.tape.check_told()
            return repr(self)
        name = func.__name__ if func.__module__ in ("numpy", None) else f"{func.__module__}.{func.__name__}"
        text = f"np.{name.removeprefix('numpy.')}"
        if func in MASKS or (func is np.where and len(args) + len(kwargs) == 1):
            raise self.tape.refusal(f"{text} gives what depends on values: how many, or whether", "shapes that "
                                           "are the same at each step", "write np.where with all three arguments")
        if func is np.copy:
            return args[0].copied() if args[0].is_scalar else args[0].copy("K")
        if func is np.copyto:
            args[0][...] = args[1]
            return None
        out = kwargs.pop("out", None)
        if out is not None:
            return self.tape.into(out, func, text, args, kwargs)
        return self.tape.apply(func, text, args, kwargs)

    def record_call(self, function: Target, args: Any, kwargs: Any) -> Any:
        return self.tape.help(function, args, kwargs)

    def __getitem__(self, key: Any) -> Any:
        self.tape.source_info.check_index(key)
        return self.tape.apply(operator.getitem, "[]", (self, key), {})

    def __setitem__(self, key: Any, value: Any) -> None:
        self.tape.source_info.check_index(key)
        if any(True for _ in tracers(key)) or any(isinstance(k, np.ndarray | list) for k in
                                                  (key if isinstance(key, tuple) else (key,))):
            self.write(self.tape.call(replaced, "[]=", (self, key, value), {}, like=self.now()))
            return
        keys = key if isinstance(key, tuple) else (key,)
        # subtle: without the dots x[0] is a number of its own, and no view
        region = self if key is Ellipsis else self[keys if any(k is Ellipsis for k in keys) else (*keys, Ellipsis)]
        region.write(self.tape.call(filled, "np.copyto", (value,), {}, like=region.now()))

    def copy(self, order: Any = "C") -> Any:
        """Another array with the same values: values never change, so that it is the same value under this layout."""
        if self.is_scalar:
            return self
        value, array = self.current(), self.held
        if np.empty_like(array, order=order).strides == array.strides and value.kind in ("", "input") and (
                value.base.kind != "state"):  # which is written over at the end
            return self.copied()
        return self.tape.apply(np.copy, "np.copy", (self,), {"order": order})

    def copied(self) -> ArrayTracer:
        """Another array with this value."""
        other = ArrayTracer(self.tape, self.current(), None)
        other.fresh = True
        return other

    def astype(self, dtype: Any, order: str = "K", **options: Any) -> Any:
        """As an array's."""
        if self.is_scalar:  # subtle: of a number of NumPy's own the same is made, not an array without axes
            y = self.copied().astype(dtype, order, **options)
            return ArrayTracer(self.tape, y.current(), None, is_scalar=True)
        now = self.current()
        if np.dtype(dtype) == self.dtype and order == "K" and not options and now.kind in ("", "input") and (
                np.empty_like(self.held).strides == self.strides and now.base.kind != "state"):
            return self.copied()
        return self.tape.apply(np.ndarray.astype, ".astype", (self, np.dtype(dtype)), {"order": order, **options})

    def __pow__(self, other: Any) -> Any:
        if isinstance(other, ScalarTracer) and self.dtype.kind == "f":  # the choice below, by a number that varies
            other = next((k for k in SQUARES if operator.eq(other, k)), other)
        if type(other) in (int, float) and other in SQUARES and self.dtype.kind == "f":
            return SQUARES[other](self)  # as NumPy itself does
        return np.power(self, other)

    def __ipow__(self, other: Any) -> Any:
        if isinstance(other, ScalarTracer) and self.dtype.kind == "f":
            other = next((k for k in SQUARES if operator.eq(other, k)), other)
        fast: Any = SQUARES.get(other) if type(other) in (int, float) and self.dtype.kind == "f" else None
        power: Any = np.power
        return fast(self, out=self) if fast else power(self, other, out=self)

    @property
    def T(self) -> Any:
        if self.is_scalar:
            return self
        return self.tape.apply(transposed, ".T", (self,), {})

    @property
    def mT(self) -> Any:
        return self.tape.apply(matrix_transposed, ".mT", (self,), {})

    @property
    def real(self) -> Any:
        return self

    def sort(self, axis: int = -1, **options: Any) -> None:
        """As an array's: in place."""
        self[...] = np.sort(self, axis, **options)

    def fill(self, value: Any) -> None:
        """As an array's."""
        self[...] = value

    def __getattr__(self, name: str) -> Any:
        if name.startswith("__") or not hasattr(np.ndarray, name):
            raise AttributeError(f"'numpy.ndarray' object has no attribute {name!r}")
        raise self.tape.refusal(f".{name} of an array", "NumPy's functions and the usual methods", ADVICE.get(
            name, "write it with NumPy's functions of arrays"))

    def __array__(self, *_: Any, **__: Any) -> Any:
        raise self.tape.refusal("an array of the step met what takes plain arrays only (X[ix], np.asarray, a "
                                       "write into a plain array, printing)", "NumPy's functions of whole arrays",
                                       "write tt.take(X, ix, 0) for X[ix], and give back what is to be printed")

    def __bool__(self) -> bool:
        raise self.tape.refusal("a choice (if, while, and, or, assert) by values", "the same calls at each step",
                                       "write np.where(condition, a, b), or choose outside of the step")

    def __float__(self) -> float:
        raise self.tape.source_info.number("float(), or a write into a plain array,")

    def __int__(self) -> int:
        raise self.tape.source_info.number("int()")

    def __index__(self) -> int:
        if self.size != 1 or self.dtype.kind not in "iu":
            raise TypeError("only integer scalar arrays can be converted to a scalar index")
        raise self.tape.source_info.number("an index or a count (range)")

    def __complex__(self) -> complex:
        raise self.tape.source_info.number("complex()")

    def item(self, *_: Any) -> Any:
        """Refused."""
        raise self.tape.source_info.number(".item()")

    def tolist(self) -> Any:
        """Refused."""
        raise self.tape.source_info.number(".tolist()")


def transposed(x: Any) -> Any:
    return x.T


def matrix_transposed(x: Any) -> Any:
    return x.mT


ADVICE = {"view": "write x.astype(dtype)", "nonzero": "write np.where(mask, a, b)",
          "partition": "write np.sort(x)", "resize": "write x.reshape(shape)", "tobytes": "do it outside of the step"}
METHODS = ("all", "any", "argmax", "argmin", "argsort", "clip", "conj", "conjugate", "cumprod", "cumsum", "diagonal",
           "dot", "flatten", "max", "mean", "min", "prod", "ravel", "repeat", "reshape", "round", "squeeze", "std",
           "sum", "swapaxes", "take", "trace", "transpose", "var")


def method(name: str) -> Target:
    """A method of arrays that is noted as a call."""
    target = getattr(np.ndarray, name)

    def noted(self: ArrayTracer, *args: Any, **kwargs: Any) -> Any:
        out = kwargs.pop("out", None)
        if out is not None:
            return self.tape.into(out, target, f".{name}", (self, *args), kwargs)
        return self.tape.apply(target, f".{name}", (self, *args), kwargs)

    noted.__name__ = name
    return noted


for name in METHODS:
    setattr(ArrayTracer, name, method(name))


def tracers(x: Any) -> Iterator[ArrayTracer]:
    """The stand-ins in nested arguments."""
    found: list[ArrayTracer] = []
    mapped(lambda y: found.append(y) if isinstance(y, ArrayTracer) else None, x)
    return iter(found)


# --- what stands for a number ---


class ScalarTracer(TracerBase):
    """Stands for a Python number that may be another one at each step: a learning rate, a count of steps."""

    __slots__ = ("tape", "value")
    __hash__ = object.__hash__

    def __init__(self, trace: Trace, value: Value) -> None:
        self.tape, self.value = trace, value

    @property  # type: ignore[misc]
    def __class__(self) -> Any:  # as a Tracer's
        return type(self.value.array)

    def __repr__(self) -> str:
        self.tape.check_told()
        return f"<traced {type(self.value.array).__name__}>"

    def __array_ufunc__(self, ufunc: np.ufunc, method: str, *inputs: Any, **kwargs: Any) -> Any:
        if any(isinstance(x, Tensor) for x in inputs):
            return NotImplemented
        if all(not isinstance(x, ArrayTracer | np.ndarray) for x in inputs):
            raise self.tape.refusal(f"np.{ufunc.__name__} of a number", "Python's own arithmetic, for NumPy's "
                                           "numbers would make float64 of float32", "write x ** 0.5 for np.sqrt(x)")
        return ArrayTracer.__array_ufunc__(self, ufunc, method, *inputs, **kwargs)  # type: ignore[arg-type]

    def __array_function__(self, func: Any, types: Any, args: Any, kwargs: Any) -> Any:
        return ArrayTracer.__array_function__(self, func, types, args, kwargs)  # type: ignore[arg-type]

    def record_call(self, function: Target, args: Any, kwargs: Any) -> Any:
        return self.tape.help(function, args, kwargs)

    def __bool__(self) -> bool:
        return self.tape.choose(self.value)

    def __array__(self, *_: Any, **__: Any) -> Any:
        raise self.tape.refusal("an array is made of a number that varies (np.array, np.full, tt.tensor)",
                                      "numbers that multiply arrays or are added to them", "write np.ones(shape) * x")

    def __abs__(self) -> Any:
        return self.tape.apply(abs, "abs", (self,), {})

    def __pos__(self) -> Any:
        return self

    def _plain(self, *_: Any) -> Any:
        self.tape.need(self.value)
        raise self.tape.source_info.number("a conversion of a number that varies (float(), int(), an index, a format)")

    __float__ = __int__ = __index__ = __round__ = __format__ = __trunc__ = __floor__ = __ceil__ = _plain


def arithmetic(symbol: str, function: Target, swapped: bool) -> Target:
    def noted(self: ScalarTracer, *other: Any) -> Any:
        if other and not isinstance(other[0], int | float | ScalarTracer):
            return NotImplemented
        args = (*other, self) if swapped else (self, *other)
        return self.tape.apply(function, f"number {symbol}", args, {})

    return noted


for name, symbol in {"add": "+", "sub": "-", "mul": "*", "truediv": "/", "floordiv": "//", "mod": "%",
                     "pow": "**"}.items():
    setattr(ScalarTracer, f"__{name}__", arithmetic(symbol, getattr(operator, name), False))
    setattr(ScalarTracer, f"__r{name}__", arithmetic(symbol, getattr(operator, name), True))
for name, symbol in {"lt": "<", "le": "<=", "gt": ">", "ge": ">=", "eq": "==", "ne": "!=", "neg": "-"}.items():
    setattr(ScalarTracer, f"__{name}__", arithmetic(symbol, getattr(operator, name), False))
setattr(ScalarTracer, "__hash__", ScalarTracer._plain)  # as a key it would be found nowhere
