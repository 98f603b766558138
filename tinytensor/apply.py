"""How an op is applied: unwrap the inputs, tell parameters apart, compute, record; and what its errors say.

It defines no op (that is `define.py`) and holds no rule of calculus (those stand in `ops/`).
"""

from __future__ import annotations

import inspect
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from .core import NO_PARAMS, Op, Params, Tensor, as_array, ndarray, new, paused, record, settled, state
from .dispatch import SEQUENCE, SIMPLE, Function, plain, spelled

Bind = Callable[[tuple[Any, ...], Params], tuple[Any, Any]]
PUBLIC: dict[str, Function] = {}  # every name that `tinytensor` offers, as it is called

PLAIN = (ndarray, np.generic, int, float, complex, type(None))


def operand(x: Any) -> Any:
    """What an op computes with when it is given `x`; subtle: a Python number stays one, or it would promote float32."""
    if isinstance(x, Tensor):
        return x.data
    return x if isinstance(x, PLAIN) or hasattr(x, "__array_function__") else as_array(x)


def partner(x: Any) -> Any:
    """The operand beside a Tensor: as `operand`, and not complex, which has no gradient here."""
    if type(x) is float or type(x) is int:
        return x
    x = operand(x)
    if isinstance(x, complex) or (isinstance(x, ndarray | np.generic) and x.dtype.kind == "c"):
        raise TypeError("a complex number met a Tensor; expected a real one; compute with .real and .imag apart")
    return x


# --- the three appliers ---
# Unary and binary ops make their node on the spot: a call of `record` would cost a tenth of a small op.


def unary(op: Op) -> Function:
    """The function of an op with one input and no parameters."""
    forward = op.forward

    def apply(x: Any) -> Any:
        if not isinstance(x, Tensor):
            return forward(operand(x))
        a = x.data
        try:
            y = forward(a)
        except (ValueError, TypeError) as error:
            raise explained(op, error, (a,)) from None
        t: Tensor = new(Tensor)
        t.data = y if type(y) is ndarray else settled(y)
        t.grad = t.hooks = None
        if x.needs and (not paused or state.recording):
            t.needs, t.op = True, op
            t.inputs, t.saved, t.params = (x,), (a,), NO_PARAMS
        else:
            t.needs, t.op = False, None
            t.inputs, t.saved, t.params = (), (), NO_PARAMS
        return t

    return apply


def binary(op: Op) -> Function:
    """The function of an op with two inputs and no parameters."""
    forward = op.forward

    def apply(a: Any, b: Any) -> Any:
        left = right = None
        if isinstance(a, Tensor):
            x = a.data
            if a.needs:
                left = a
        else:
            x = partner(a) if isinstance(b, Tensor) else operand(a)
        if isinstance(b, Tensor):
            z = b.data
            if b.needs:
                right = b
        elif isinstance(a, Tensor):
            z = partner(b)
        else:
            return forward(x, operand(b))
        try:
            y = forward(x, z)
        except (ValueError, TypeError) as error:
            raise explained(op, error, (x, z)) from None
        t: Tensor = new(Tensor)
        t.data = y if type(y) is ndarray else settled(y)
        t.grad = t.hooks = None
        if (left is not None or right is not None) and (not paused or state.recording):
            t.needs, t.op = True, op
            t.inputs, t.saved, t.params = (left, right), (x, z), NO_PARAMS
        else:
            t.needs, t.op = False, None
            t.inputs, t.saved, t.params = (), (), NO_PARAMS
        return t

    return apply


class Beyond(TypeError):
    """A parameter came that only the wider function of an op takes."""


def general(op: Op, bind: Bind, defaults: Params | None, wider: Function | None = None) -> Function:
    """The function of any other op; `bind` tells inputs from parameters, `defaults` are those of a call without any.

    `wider`: what is called in its place where other parameters came.
    """
    rules, forward = op.rules, op.forward
    arity = len(rules) if defaults is not None else -1

    def apply(*args: Any, **kwargs: Any) -> Any:
        params: Any = defaults
        if kwargs or len(args) != arity:
            try:
                args, params = bind(args, kwargs)
            except Beyond:
                return wider(*args, **kwargs)  # type: ignore[misc]
        inputs: list[Tensor | None] = []
        arrays, tensors, needs = [], False, False
        for x, rule in zip(args, rules):  # noqa: B905 (a variadic op has rules without end)
            if isinstance(x, Tensor):
                tensors = True
                arrays.append(x.data)
                if x.needs and rule is not None:
                    needs = True
                    inputs.append(x)
                    continue
            else:
                arrays.append(x if type(x) is ndarray else operand(x))
            inputs.append(None)
        try:
            y = forward(*arrays, **params)
        except (ValueError, TypeError, IndexError) as error:
            raise explained(op, error, arrays) from None
        if not tensors:
            return y[0] if type(y) is tuple else y
        return record(op, y, inputs, arrays, params, needs)

    return apply


# --- which argument is what, and what was wrong with it ---

ELSEWHERE = {"dim": "axis", "keepdim": "keepdims", "unbiased": "correction"}  # PyTorch's names for NumPy's parameters


def here(key: str) -> str:
    """What a parameter of PyTorch's is called in NumPy, for errors."""
    return f"; it is {ELSEWHERE[key]!r} here" if key in ELSEWHERE else ""


def binder(name: str, forward: Function, arity: int, variadic: bool = False, spread: bool = False,
           numpy: Function | None = None, wider: Function | None = None) -> tuple[Bind, Params | None]:
    """A function from what was passed to (array inputs, parameters), by the signature of `forward`; and its defaults.

    `variadic`: the inputs come as one sequence.  `spread`: they, or the first parameter's integers, come one by one.
    `numpy`: the inputs may also come under that function's names for them.  `wider`: parameters that only this function
    knows raise `Beyond`. The defaults are None where a call without parameters still has to be looked at.
    """
    arguments = [p.replace(annotation=p.empty) for p in inspect.signature(forward).parameters.values()]
    inputs, parameters = arguments[:arity], arguments[arity:]
    names = {p.name for p in parameters}
    more = inspect.signature(wider).parameters.keys() - names if wider is not None else set[str]()
    by_position = [p.name for p in parameters if variadic or p.kind is not p.KEYWORD_ONLY]
    defaults = {p.name: p.default for p in parameters if p.default is not p.empty}

    def bind(args: tuple[Any, ...], kwargs: Params) -> tuple[Any, Params]:
        if kwargs and len(args) < arity:
            kwargs = {translated().get(key, key): x for key, x in kwargs.items()}
        if variadic:
            if not args:
                args = (missing(inputs[0], kwargs),)
            if not (spread or hasattr(args[0], "__iter__")):
                raise usage(f"{type(args[0]).__name__} came in the place of a sequence of arrays")
            apart = spread or (len(args) > 1 and hasattr(args[1], "shape") and not isinstance(args[0], SEQUENCE))
            given, rest = (args, ()) if apart else (tuple(args[0]), args[1:])
        else:
            given, rest = args[:arity], args[arity:]
            if len(given) < arity:
                given += tuple(missing(argument, kwargs) for argument in inputs[len(given) :])
            if spread and rest and rest[0] is not None and not isinstance(rest[0], SEQUENCE) and not np.ndim(rest[0]):
                rest = (rest,)
        params = dict(zip(by_position, rest))  # noqa: B905 (fewer may come)
        if kwargs or len(params) < len(names) or len(rest) > len(params):
            params = complete(params, rest, kwargs)
        for key, x in params.items():
            if type(x) not in SIMPLE:
                try:
                    params[key] = plain(key, x)
                except TypeError as error:
                    raise usage(str(error)) from None
        return given, params

    def translated() -> dict[str, str]:
        return spelled(numpy, forward, arity)

    def missing(argument: inspect.Parameter, kwargs: Params) -> Any:
        """An input that did not come by position."""
        if argument.name not in kwargs and argument.default is argument.empty:
            raise usage(f"input {argument.name} is missing")
        return kwargs.pop(argument.name, argument.default)

    def complete(params: Params, rest: Sequence[Any], kwargs: Params) -> Params:
        """All parameters, given those that came by position."""
        whole = {**defaults, **params, **kwargs}
        if whole.keys() == names and len(rest) <= len(by_position) and params.keys().isdisjoint(kwargs):
            return whole
        if more and (len(rest) > len(by_position) or not more.isdisjoint(kwargs)):
            raise Beyond
        if len(rest) > len(by_position):
            raise usage(f"{len(rest)} parameters came by position, but {len(by_position)} can")
        for key in params.keys() & kwargs.keys():
            raise usage(f"parameter {key!r} came twice")
        for key in whole.keys() - names:
            raise usage(f"there is no parameter {key!r}{here(key)}")
        raise usage(f"parameter {next(iter(names - whole.keys()))!r} is missing")

    def usage(problem: str) -> TypeError:
        return TypeError(f"{name}: {problem}; expected {name}{inspect.Signature(arguments)}")

    return bind, None if variadic or len(defaults) < len(names) else defaults


def explained(op: Op, error: Exception, arrays: Sequence[Any]) -> Exception:
    """NumPy's error in our words: which op, what came, what to do; an error that an op words itself passes through."""
    if (spoken := str(error).partition(":")[0]) in PUBLIC or spoken == op.name:
        return error
    shapes = [np.shape(a) for a in arrays]
    kind = next((k for k in ADVICE if isinstance(error, k)), TypeError)
    if op.broadcasts and kind is ValueError:
        try:
            np.broadcast_shapes(*shapes)
        except ValueError:
            return ValueError(f"{op.name}: shapes {' and '.join(map(str, shapes))} do not broadcast: aligned at the "
                              f"right, two sizes must be equal, or one of them 1; reshape one, or add an axis of 1")
    given = ", ".join(f"{a.dtype} {a.shape}" if hasattr(a, "dtype") else repr(a) for a in arrays)
    return kind(f"{op.name}: {error} (given {given}); {ADVICE[kind]}")


ADVICE: dict[type[Exception], str] = {
    np.linalg.LinAlgError: "see help() of the function for the matrices that it takes",
    np.exceptions.AxisError: "an axis is from -ndim to ndim - 1",
    IndexError: "an index is from -size to size - 1 of its axis",
    TypeError: "convert the inputs with .astype, or see help() of the function",
    ValueError: "reshape the inputs, or see help() of the function",
    ZeroDivisionError: "give it values, or weights whose sum is not 0",
}
