"""How an op is defined: `row` for a ufunc, `op` for a function with parameters, `expose` for what is composed of ops.

Each makes the record, the function that users call, the method on Tensor and NumPy's dispatch, in this one place.
It holds no rule of calculus: those stand in `ops/`.
"""

from __future__ import annotations

import inspect
import linecache
from collections.abc import Callable, Iterator, Sequence
from functools import update_wrapper
from itertools import count
from typing import Any

import numpy as np

from .core import (
    NO_PARAMS,
    NUMPY,
    REAL,
    REGISTRY,
    Domain,
    Op,
    Params,
    Rule,
    S,
    Sample,
    Tensor,
    as_array,
    ndarray,
    new,
    record,
    settled,
    state,
)

Function = Callable[..., Any]
Bind = Callable[[tuple[Any, ...], Params], tuple[Any, Any]]
PUBLIC: dict[str, Function] = {}  # every name that `tinytensor` offers, as it is called

SEQUENCE = (list, tuple)
PLAIN = (ndarray, np.generic, int, float, complex, type(None))


def operand(x: Any) -> Any:
    """What an op computes with when it is given `x`; subtle: a Python number stays one, or it would promote float32."""
    if isinstance(x, Tensor):
        return x.data
    return x if isinstance(x, PLAIN) or hasattr(x, "__array_function__") else as_array(x)


def partner(x: Any) -> Any:
    """The operand beside a Tensor: as `operand`, and not complex, which has no gradient here."""
    x = operand(x)
    if np.iscomplexobj(x):
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
        if x.needs and state.recording:
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
        if (left is not None or right is not None) and state.recording:
            t.needs, t.op = True, op
            t.inputs, t.saved, t.params = (left, right), (x, z), NO_PARAMS
        else:
            t.needs, t.op = False, None
            t.inputs, t.saved, t.params = (), (), NO_PARAMS
        return t

    return apply


def general(op: Op, bind: Bind, defaults: Params | None) -> Function:
    """The function of any other op; `bind` tells inputs from parameters, `defaults` are those of a call without any."""
    rules, forward = op.rules, op.forward
    arity = len(rules) if defaults is not None else -1

    def apply(*args: Any, **kwargs: Any) -> Any:
        params: Any = defaults
        if kwargs or len(args) != arity:
            args, params = bind(args, kwargs)
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
        return record(op, y, tuple(inputs) if needs else (), tuple(arrays), params)

    return apply


# --- which argument is what, and what was wrong with it ---

ELSEWHERE = {"dim": "axis", "keepdim": "keepdims", "unbiased": "correction"}  # PyTorch's names for NumPy's parameters


def binder(name: str, forward: Function, arity: int, variadic: bool = False,
           spread: bool = False) -> tuple[Bind, Params | None]:
    """A function from what was passed to (array inputs, parameters), by the signature of `forward`; and its defaults.

    `variadic`: the inputs come as one sequence.  `spread`: they, or the first parameter's integers, come one by one.
    The defaults are None where a call without parameters still has to be looked at.
    """
    arguments = [p.replace(annotation=p.empty) for p in inspect.signature(forward).parameters.values()]
    inputs, parameters = arguments[:arity], arguments[arity:]
    names = {p.name for p in parameters}
    by_position = [p.name for p in parameters if variadic or p.kind is not p.KEYWORD_ONLY]
    defaults = {p.name: p.default for p in parameters if p.default is not p.empty}

    def bind(args: tuple[Any, ...], kwargs: Params) -> tuple[Any, Params]:
        if variadic:
            apart = spread or (len(args) > 1 and hasattr(args[1], "shape") and not isinstance(args[0], SEQUENCE))
            given, rest = (args, ()) if apart else (tuple(args[0]), args[1:])
        else:
            given, rest = args[:arity], args[arity:]
            for argument in inputs[len(given) :] if len(given) < arity else ():
                if argument.name not in kwargs and argument.default is argument.empty:
                    raise usage(f"input {argument.name} is missing")
                given = (*given, kwargs.pop(argument.name, argument.default))
        if spread and not variadic and rest and rest[0] is not None and not isinstance(rest[0], SEQUENCE):
            rest = (rest,)
        if len(rest) > len(by_position):
            raise usage(f"{len(rest)} parameters came by position, but {len(by_position)} can")
        params = dict(zip(by_position, rest))  # noqa: B905 (fewer may come)
        if kwargs or len(params) < len(names):
            for key in params.keys() & kwargs.keys():
                raise usage(f"parameter {key!r} came twice")
            params = {**defaults, **params, **kwargs}
        for key, value in params.items():
            if isinstance(value, Tensor):
                if value.needs:
                    raise usage(f"parameter {key!r} is a tensor that requires grad, and no gradient flows to it; give "
                                f"{key}.detach(), or compose the function of ops that take it as an input")
                params[key] = value.data
        if params.keys() != names:
            for key in params.keys() - names:
                here = f"; it is {ELSEWHERE[key]!r} here" if key in ELSEWHERE else ""
                raise usage(f"there is no parameter {key!r}{here}")
            raise usage(f"parameter {next(iter(names - params.keys()))!r} is missing")
        return given, params

    def usage(problem: str) -> TypeError:
        return TypeError(f"{name}: {problem}; expected {name}{inspect.Signature(arguments)}")

    return bind, None if variadic or len(defaults) < len(names) else defaults


def explained(op: Op, error: Exception, arrays: Sequence[Any]) -> Exception:
    """NumPy's error in our words: which op, what came, what to do; an error that an op words itself passes through."""
    if str(error).partition(":")[0] in PUBLIC:
        return error
    shapes = [np.shape(a) for a in arrays]
    kind = next(k for k in ADVICE if isinstance(error, k))
    if op.broadcasts and kind is ValueError:
        try:
            np.broadcast_shapes(*shapes)
        except ValueError:
            return ValueError(f"{op.name}: shapes {' and '.join(map(str, shapes))} do not broadcast: aligned at the "
                              f"right, two sizes must be equal, or one of them 1; reshape one, or add an axis of 1")
    given = ", ".join(f"{a.dtype} {a.shape}" if hasattr(a, "dtype") else repr(a) for a in arrays)
    return kind(f"{op.name}: {error} (given {given}); {ADVICE[kind]}")


ADVICE: dict[type[Exception], str] = {
    np.exceptions.AxisError: "an axis is from -ndim to ndim - 1",
    IndexError: "an index is from -size to size - 1 of its axis",
    TypeError: "convert the inputs with .astype, or see help() of the function",
    ValueError: "reshape the inputs, or see help() of the function",
}


# --- registration ---


def reducing(function: Function) -> Function:
    """What answers for a ufunc's `reduce`, which goes along the first axis where `np.sum` takes all."""

    def reduce(x: Any, axis: Any = 0, **params: Any) -> Any:
        return function(x, axis, **params)

    return update_wrapper(reduce, function)


def publish(function: Function, name: str, method: bool, numpy: Sequence[Any], aliases: Sequence[str]) -> Function:
    """Offer a function as `tt.name`, as NumPy's functions `numpy`, and as a method, also under its `aliases`."""
    for key in (name, *aliases):
        PUBLIC[key] = function
        if method:
            setattr(Tensor, key, function)
    for key in numpy:
        NUMPY[key] = reducing(function) if isinstance(key, tuple) else function
    return function


def expose(*numpy: Any, method: bool = False, aliases: Sequence[str] = ()) -> Callable[[Function], Function]:
    """Offer a function that is composed of ops, with no rule of its own, as `publish` does."""
    return lambda function: publish(function, function.__name__, method, numpy, aliases)


class Every(Sequence[Rule]):
    """The rules of a variadic op: its one rule, given the index of the input."""

    def __init__(self, rule: Rule) -> None:
        self.rule = rule

    def __getitem__(self, i: Any) -> Any:
        def rule(g: Any, y: Any, *inputs: Any, **params: Any) -> Any:
            return self.rule(g, y, i, *inputs, **params)

        return rule

    def __len__(self) -> int:
        return 1

    def __iter__(self) -> Iterator[Rule]:
        return map(self.__getitem__, count())


def as_called(forward: Function, spread: bool) -> inspect.Signature:
    """The signature that users see: ``reshape(x, *shape)`` where it spreads, ``concatenate(arrays, axis=0)``."""
    first, second, *rest = inspect.signature(forward).parameters.values()
    if spread:
        return inspect.Signature([first, second.replace(kind=second.VAR_POSITIONAL, default=second.empty), *rest])
    return inspect.Signature([p.replace(kind=p.POSITIONAL_OR_KEYWORD) for p in (first, second, *rest)])


def per_input(domain: Domain | tuple[Domain, ...]) -> tuple[Domain, ...]:
    return (domain,) if isinstance(domain, Domain) else domain


def op(*rules: Rule | None, numpy: Sequence[Any] = (), method: bool = False, aliases: Sequence[str] = (),
       broadcasts: bool = False, domain: Domain | tuple[Domain, ...] = REAL, samples: Sequence[Sample] = (),
       definition: Function | None = None, analytic: bool = False, spread: bool = False,
       variadic: bool = False) -> Callable[[Function], Function]:
    """Define an op from its forward function: inputs, one for each rule, come first, then parameters.

    The decorated function computes on arrays; what takes its place is the op, which takes Tensors too. See `Op` for
    the options; `numpy` names the NumPy functions it answers for, `method` makes it a method of Tensor.
    """

    def define(forward: Function) -> Function:
        name = forward.__name__.rstrip("_")
        record = REGISTRY[name] = Op(name, forward, Every(rules[0]) if variadic and rules[0] else rules,
                                     broadcasts=broadcasts, domain=per_input(domain), samples=samples,
                                     definition=definition, analytic=analytic)
        function = general(record, *binder(name, forward, len(rules), variadic, spread))
        update_wrapper(function, forward)
        function.__name__ = function.__qualname__ = name
        if spread != variadic:
            setattr(function, "__signature__", as_called(forward, spread))
        return publish(function, name, method, numpy, aliases)

    return define


ONE, TWO = ((plain, inspect.signature(plain)) for plain in (lambda x: None, lambda a, b: None))


def row(ufunc: np.ufunc, *rules: Rule, domain: Domain | tuple[Domain, ...] = REAL, analytic: bool = False,
        aliases: Sequence[str] = ()) -> Function:
    """Define an elementwise op from a NumPy ufunc and one lambda for each input over g, y and the inputs.

    Its docstring and samples are made from the same row. Without rules it has no derivative (comparisons).
    """
    name, arity = ufunc.__name__, ufunc.nin
    samples: tuple[Sample, ...] = (S((2, 3)), S(())) if arity == 1 else (S((2, 3), (3,)), S((2, 1), (1, 3)))
    if "f" not in "".join(ufunc.types):
        samples = (S(*[np.array([6, 5, 3]) >> i for i in range(arity)]),)
    record = Op(name, ufunc, rules or (None,) * arity, broadcasts=arity == 2, domain=per_input(domain), samples=samples,
                analytic=analytic)
    REGISTRY[name] = record
    plain, signature = ONE if arity == 1 else TWO
    function = (unary if arity == 1 else binary)(record) if rules else general(record, *binder(name, plain, arity))
    function.__name__ = function.__qualname__ = name
    function.__doc__ = documented(record, ufunc)
    setattr(function, "__signature__", signature)
    return publish(function, name, True, (ufunc,), aliases)


# --- the docstring of a row ---


def written(rule: Rule) -> str:
    """The expression of a lambda, as it stands in its file."""
    spans = [((a, c), (b, d)) for a, b, c, d in rule.__code__.co_positions() if a and b and c is not None and d]
    (first, start), (last, end) = min(s for s, _ in spans), max(e for _, e in spans)
    lines = [linecache.getline(rule.__code__.co_filename, n).encode() for n in range(first, last + 1)]
    lines[-1] = lines[-1][:end]
    lines[0] = lines[0][start:]
    return " ".join(b" ".join(lines).decode().split())


def documented(op: Op, ufunc: np.ufunc) -> str:
    """NumPy's first sentence, the rules, the domain, and an example that runs."""
    names = "x" if ufunc.nin == 1 else "ab"
    sentence = (ufunc.__doc__ or "").partition("\n\n")[2].partition("\n\n")[0].replace("\n", " ")
    lines = [sentence, "", f"NumPy's `{ufunc.__name__}`" + "; its inputs broadcast." * (ufunc.nin == 2)]
    if not any(op.rules):
        whole = [3, 6][: ufunc.nin]
        call = f">>> np.{ufunc.__name__}({', '.join(f'tt.tensor({v})' for v in whole)}).item()"
        lines += ["It has no derivative: the output never requires grad."]
        return "\n".join([*lines, "", "Examples", "--------", call, repr(ufunc(*whole).item())])
    for name, rule, i in zip(names, op.rules, count()):
        lines += [f"Gradient of {name}: ``{written(rule)}``, for {name} in {op.domain_of(i)}."]
    point = [next(v for v in (0.5, 1.5) if any(low < v < high for low, high in op.domain_of(i).intervals))
             for i in range(ufunc.nin)]
    with np.errstate(all="ignore"):
        y = ufunc(*point)
        values = [y, *(rule(1.0, y, *point) for rule in op.rules if rule)]
    lines += ["", "Examples", "--------"]
    lines += [f">>> {name} = tt.tensor({v}, requires_grad=True)" for name, v in zip(names, point, strict=False)]
    lines += [f">>> y = np.{ufunc.__name__}({', '.join(names)})", ">>> y.backward()",
              f">>> print(f\"{{y:.3f}} {' '.join(f'{{{n}.grad:.3f}}' for n in names)}\")",
              " ".join(f"{float(v):.3f}" for v in values)]
    return "\n".join(lines)
