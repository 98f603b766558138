"""How an op is applied: unwrap the inputs, bind the parameters, compute, record; and how its errors are worded.

It defines no op (`define.py` does) and holds no derivatives (they are in `ops/`).
"""

from __future__ import annotations

import inspect
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from .advice import a_type, advice, described
from .core import NO_PARAMS, REAL_KINDS, Op, Params, Tensor, TracerBase, as_array, as_ndarray, ndarray, new, record
from .dispatch import SEQUENCE, SIMPLE, Function, as_python, numpy_input_names
from .modes import active_watchers, no_grad_blocks, notify_watchers, state
from .names.calls import what_to_do

Bind = Callable[[tuple[Any, ...], Params], tuple[Any, Any]]
PUBLIC: dict[str, Function] = {}  # the functions of `tinytensor`, by name

FAULTS = (ValueError, TypeError, IndexError, AttributeError, KeyError, ZeroDivisionError, OverflowError,
          RecursionError)
NUMBERS = frozenset((int, float, bool, type(None)))
PLAIN = NUMBERS | {ndarray, complex}


def operand(x: Any, beside: Sequence[Any] = (), whole: bool = False) -> Any:
    """The array or number that an op computes with for an input `x`; `beside` are the other inputs.

    Lists of Python floats take the floating dtype of the other inputs, and so do lists of integers unless `whole`.
    Subtle: a Python number is not converted, for as an array it would promote float32.
    """
    if isinstance(x, Tensor):
        return x.data
    if type(x) in PLAIN or isinstance(x, TracerBase | np.generic | int | float):
        return x
    if isinstance(x, np.matrix):
        raise TypeError("got a np.matrix, whose * is a matrix product; expected an array; write np.asarray(x)")
    y = as_array(x, beside=floating_dtype(beside))
    return as_array(x) if whole and y.dtype.kind == "f" and np.asarray(x).dtype.kind in "iu" else y


def floating_dtype(xs: Sequence[Any]) -> Any:
    """The common floating dtype of the arrays among the inputs; None if there is none."""
    dtypes = [x.dtype for x in xs if isinstance(x, Tensor | ndarray | np.generic) and x.dtype.kind == "f"]
    return np.result_type(*dtypes) if dtypes else None


def coerce_operand(x: Any, tensor: Tensor, name: str) -> Any:
    """Like `operand`, beside a Tensor in the op `name`: rejects complex values, which have no gradient here."""
    if type(x) is float or type(x) is int or (type(x) is ndarray and x.dtype.kind in REAL_KINDS):
        return x
    x = operand(x, (tensor,))
    if x is None:  # subtle: NumPy would compute with it for arrays without elements
        raise TypeError(f"{name}: got None beside a Tensor; expected a number or an array; leave it out, or pass a "
                        f"value")
    check_real(x, name)
    return x


def check_real(x: Any, name: str) -> None:
    """Reject values that have no gradient here and would drop that of the Tensor beside them."""
    if isinstance(x, complex) or (isinstance(x, ndarray | np.generic) and x.dtype.kind not in REAL_KINDS):
        if isinstance(x, complex) or x.dtype.kind == "c":
            raise TypeError(f"{name}: got a complex number beside a Tensor; expected a real one; use its .real and "
                            f".imag")
        advice = "compute with plain arrays" if x.dtype.kind in "mM" else "convert it: a.astype(float)"
        raise TypeError(f"{name}: got dtype {x.dtype} beside a Tensor; expected real numbers; {advice}")


# --- the three appliers ---
# Unary and binary ops build their node inline: calling `record` would cost a tenth of a small op.


def unary(op: Op) -> Function:
    """The function of an op with one input and no parameters."""
    forward = op.forward

    def apply(x: Any) -> Any:
        if not isinstance(x, Tensor):
            a = operand(x)
            try:
                return forward(a)
            except FAULTS as error:
                raise op_error(op, error, (a,)) from None
        a = x.data
        try:
            y = forward(a)
        except FAULTS as error:
            raise op_error(op, error, (a,)) from None
        t: Tensor = new(Tensor)
        t.data = y if type(y) is ndarray else as_ndarray(y)
        t._grad = t.hooks = None
        if x._requires_grad and (not no_grad_blocks or state.recording):
            t._requires_grad, t.op = True, op
            t.inputs, t.saved, t.params = (x,), (a,), NO_PARAMS
        else:
            t._requires_grad, t.op = False, None
            t.inputs, t.saved, t.params = (), (), NO_PARAMS
        if active_watchers:
            notify_watchers(t, op, (a,))
        return t

    return apply


def binary(op: Op) -> Function:
    """The function of an op with two inputs and no parameters."""
    forward = op.forward

    def apply(a: Any, b: Any) -> Any:
        left = right = None
        if isinstance(a, Tensor):
            x = a.data
            if a._requires_grad:
                left = a
        else:
            x = coerce_operand(a, b, op.name) if isinstance(b, Tensor) else operand(a, (b,))
        if isinstance(b, Tensor):
            z = b.data
            if b._requires_grad:
                right = b
        elif isinstance(a, Tensor):
            z = coerce_operand(b, a, op.name)
        else:
            z = operand(b, (a,))
            try:
                return forward(x, z)
            except FAULTS as error:
                raise op_error(op, error, (x, z)) from None
        try:
            y = forward(x, z)
        except FAULTS as error:
            raise op_error(op, error, (x, z)) from None
        t: Tensor = new(Tensor)
        t.data = y if type(y) is ndarray else as_ndarray(y)
        t._grad = t.hooks = None
        if (left is not None or right is not None) and (not no_grad_blocks or state.recording):
            t._requires_grad, t.op = True, op
            t.inputs, t.saved, t.params = (left, right), (x, z), NO_PARAMS
        else:
            t._requires_grad, t.op = False, None
            t.inputs, t.saved, t.params = (), (), NO_PARAMS
        if active_watchers:
            notify_watchers(t, op, (x, z))
        return t

    return apply


class NeedsWider(TypeError):
    """A call has a parameter that only the wider function of an op takes."""


def general(op: Op, bind: Bind, defaults: Params | None, wider: Function | None = None) -> Function:
    """The function of an op with parameters.

    `bind` splits the arguments of a call into inputs and parameters; `defaults` is used when no parameter is passed.
    `wider` is called instead if there are parameters that this op does not have.
    """
    rules, forward = op.rules, op.forward
    arity = len(rules) if defaults is not None else -1

    def apply(*args: Any, **kwargs: Any) -> Any:
        params: Any = defaults
        if kwargs or len(args) != arity:
            try:
                args, params = bind(args, kwargs)
            except NeedsWider:
                return wider(*args, **kwargs)  # type: ignore[misc]
        inputs: list[Tensor | None] = []
        arrays, tensors, needs, others = [], False, False, False
        for x, rule in zip(args, rules):  # noqa: B905 (a variadic op has endless rules)
            if isinstance(x, Tensor):
                tensors = True
                arrays.append(x.data)
                if x._requires_grad and rule is not None:
                    needs = True
                    inputs.append(x)
                    continue
            elif type(x) in NUMBERS:
                arrays.append(x)
                others = others or x is None
            else:
                arrays.append(x if type(x) is ndarray else operand(x, args, rule is None))
                others = True
            inputs.append(None)
        try:
            y = forward(*arrays, **params)
        except FAULTS as error:
            arrays, y = retry_with_arrays(op, error, arrays, params)
        if not tensors:
            return y[0] if type(y) is tuple else y
        if others:
            out = y[0] if type(y) is tuple else y
            if not hasattr(out, "dtype") or out.dtype.kind not in REAL_KINDS:
                for x in (*arrays, out):
                    check_real(x, op.name)
        return record(op, y, inputs, arrays, params, needs)

    return apply


def retry_with_arrays(op: Op, error: Exception, arrays: list[Any], params: Params) -> Any:
    """Call forward again with Python numbers as arrays, where it needs them so; the inputs and the output."""
    if not isinstance(error, AttributeError) or not any(isinstance(x, int | float) for x in arrays):
        raise op_error(op, error, arrays) from None
    dtype = floating_dtype(arrays)
    arrays = [as_array(x, beside=dtype) if isinstance(x, int | float) else x for x in arrays]
    try:
        return arrays, op.forward(*arrays, **params)
    except FAULTS as second:
        raise op_error(op, second, arrays) from None


# --- binding arguments ---

def make_bind(name: str, forward: Function, arity: int, variadic: bool = False, spread: bool = False,
              numpy: Function | None = None, wider: Function | None = None) -> tuple[Bind, Params | None]:
    """A function from the arguments of a call to (array inputs, parameters), by the signature of `forward`; defaults.

    `variadic`: the inputs are passed as one sequence.  `spread`: they, or the integers of the first parameter, are
    passed one by one.  `numpy`: inputs may also be passed under that function's names.  `wider`: parameters that only
    this function has raise `NeedsWider`. The defaults are None if a call without parameters must be bound, too.
    """
    arguments = [p.replace(annotation=p.empty) for p in inspect.signature(forward).parameters.values()]
    inputs, parameters = arguments[:arity], arguments[arity:]
    names = {p.name for p in parameters}
    more = inspect.signature(wider).parameters.keys() - names if wider is not None else set[str]()
    by_position = [p.name for p in parameters if variadic or p.kind is not p.KEYWORD_ONLY]
    defaults = {p.name: p.default for p in parameters if p.default is not p.empty}
    alone = bool(by_position) and names - defaults.keys() <= {by_position[0]}  # whether one parameter suffices

    def bind(args: tuple[Any, ...], kwargs: Params) -> tuple[Any, Params]:
        if kwargs and len(args) < arity:
            kwargs = {translated().get(key, key): x for key, x in kwargs.items()}
        if variadic:
            if not args:
                args = (missing(inputs[0], kwargs),)
            if not (spread or hasattr(args[0], "__iter__")):
                raise usage(f"got {a_type(args[0])} in place of a sequence of arrays")
            apart = spread or (len(args) > 1 and hasattr(args[1], "shape") and not isinstance(args[0], SEQUENCE))
            given, rest = (args, ()) if apart else (tuple(args[0]), args[1:])
        else:
            given, rest = args[:arity], args[arity:]
            if len(given) < arity:
                given += tuple(missing(argument, kwargs) for argument in inputs[len(given) :])
            if spread and rest and (type(rest[0]) is int or (
                    rest[0] is not None and not isinstance(rest[0], SEQUENCE) and not np.ndim(rest[0]))):
                rest = (rest[:-1], rest[-1]) if isinstance(rest[-1], str) else (rest,)  # np.reshape(x, -1, "F")
        if alone and len(rest) == 1 and not kwargs:  # the usual call: saves a third of a microsecond
            return given, {**defaults, by_position[0]: checked(by_position[0], rest[0])}
        params = dict(zip(by_position, rest))  # noqa: B905 (the rest is in kwargs)
        if kwargs or len(rest) > len(params):
            params = complete(params, rest, kwargs)
        for key, x in params.items():
            params[key] = checked(key, x)
        if len(params) < len(names):
            params = {**defaults, **params}
            if len(params) < len(names):
                complete(params, (), NO_PARAMS)
        return given, params

    def checked(key: str, x: Any) -> Any:
        """A parameter as plain Python values."""
        if type(x) in SIMPLE:
            return x
        try:
            return as_python(key, x)
        except TypeError as error:
            raise usage(str(error)) from None

    def translated() -> dict[str, str]:
        return numpy_input_names(numpy, forward, arity)

    def missing(argument: inspect.Parameter, kwargs: Params) -> Any:
        """An input that was not passed by position."""
        if argument.name not in kwargs and argument.default is argument.empty:
            raise usage(f"got no {argument.name}")
        return kwargs.pop(argument.name, argument.default)

    def complete(params: Params, rest: Sequence[Any], kwargs: Params) -> Params:
        """All parameters, from those passed by position and the others."""
        whole = {**defaults, **params, **kwargs}
        if whole.keys() == names and len(rest) <= len(by_position) and params.keys().isdisjoint(kwargs):
            return whole
        if more and (len(rest) > len(by_position) or not more.isdisjoint(kwargs)):
            raise NeedsWider
        if len(rest) > len(by_position):
            raise usage(f"got {len(rest)} parameters by position, of which {len(by_position)} may be")
        for key in params.keys() & kwargs.keys():
            raise usage(f"got parameter {key!r} twice")
        for key in whole.keys() - names:
            raise usage(f"got an unknown parameter {key!r}", f"; {what_to_do(key, names)}")
        raise usage(f"got no parameter {next(iter(names - whole.keys()))!r}")

    def usage(problem: str, hint: str = "") -> TypeError:
        call = "" if "; expected" in problem else f"; expected {name}{inspect.Signature(arguments)}"
        return TypeError(f"{name}: {problem}{call}{hint}")

    return bind, None if variadic or len(defaults) < len(names) else defaults


def op_error(op: Op, error: Exception, arrays: Sequence[Any]) -> Exception:
    """NumPy's error in our words: the op, what it got, and what to do; an error that an op words itself stays."""
    spoken = str(error).partition(":")[0]
    if (spoken in PUBLIC or spoken == op.name or spoken.startswith("np.")) and "gufunc" not in str(error):
        return error
    kind = next((k for k in KINDS if isinstance(error, k)), TypeError)
    if op.broadcasts and kind is ValueError:
        shapes = [np.shape(a) for a in arrays]
        try:
            np.broadcast_shapes(*shapes)
        except ValueError:
            return ValueError(f"{op.name}: got shapes {' and '.join(map(str, shapes))}, which do not broadcast; "
                              f"expected sizes that are equal or 1, aligned at the right; reshape one, or add an axis, "
                              f"as in x[:, None]")
    got = described(arrays)
    if isinstance(error, AttributeError):
        return TypeError(f"{op.name}: got {got}; expected arrays, Tensors or lists of numbers; see help({op.name})")
    text = " ".join(str(error).removeprefix(f"{op.name}: ").removesuffix(" Use a.any() or a.all()").split()).rstrip(".")
    parts = [f"got {got}" if got else "", text, advice(op.name, text)]
    return kind(f"{op.name}: {'; '.join(filter(None, parts))}")


# What an op raises: the first of these that an error is, else a TypeError.
KINDS = (np.linalg.LinAlgError, np.exceptions.AxisError, OverflowError, IndexError, TypeError, ValueError,
         ZeroDivisionError)
