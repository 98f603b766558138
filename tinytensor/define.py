"""How an op is defined: `ufunc_op` for a ufunc, `op` for a function with parameters, `composite` for one made of ops.

Each makes the record, the function that users call, the method of Tensor and NumPy's dispatch, in this one place. Not
here: a NumPy function whose derivative is made of ops (`compose.py`), and the rules themselves (`ops/`).
"""

from __future__ import annotations

import inspect
import linecache
from collections.abc import Callable, Iterator, Sequence
from functools import update_wrapper
from itertools import count
from typing import Any

import numpy as np

from .apply import PUBLIC, binary, general, make_bind, unary
from .core import NONZERO, NUMPY, POSITIVE, REAL, REGISTRY, Domain, Op, Rule, S, Sample, Tensor
from .dispatch import Function, parameters_of, with_numpy_signature

__all__ = ["NONZERO", "POSITIVE", "REAL", "Domain", "S", "composite", "op", "ufunc_op"]  # all that a user's op needs

# --- registration ---


def as_ufunc_reduce(function: Function) -> Function:
    """A function such as `sum` as a ufunc's `reduce`, whose default is axis=0 where that of np.sum is axis=None."""

    def reduce(x: Any, axis: Any = 0, **params: Any) -> Any:
        return function(x, axis, **{key: value for key, value in params.items() if value is not None})

    return update_wrapper(reduce, function)


NAMESPACES: dict[str, dict[str, Function]] = {"": PUBLIC}  # "linalg" -> the functions of `tt.linalg`, by name


def is_ours(function: Function) -> bool:
    """Whether a function belongs to this package, not to a user."""
    return function.__module__.partition(".")[0] == __package__


def public(name: str) -> Function:
    """The function with a full name, such as "exp" or "linalg.det"."""
    namespace, _, last = name.rpartition(".")
    return NAMESPACES[namespace][last]


def publish(function: Function, name: str, method: bool, numpy: Sequence[Any], aliases: Sequence[str],
            namespace: str = "") -> Function:
    """Make a function available as `tt.name`, for NumPy's functions `numpy`, and as a method; also by its `aliases`.

    A user's function gets no name in `tt`, and replaces nothing.
    """
    mine = is_ours(function)
    if not mine:
        refuse_taken(function, name, method, numpy, aliases)
    for key in (name, *aliases):
        if mine:
            NAMESPACES.setdefault(namespace, {})[key] = function
        if method:
            setattr(Tensor, key, as_method(function, key, numpy))
    for key in numpy:
        if isinstance(key, tuple):
            NUMPY[key] = as_ufunc_reduce(function)
        else:
            NUMPY[key] = function if isinstance(key, np.ufunc) else with_numpy_signature(function, key)
    return function


def as_method(function: Function, name: str, numpy: Sequence[Any]) -> Function:
    """The function as a method; with the signature of ndarray's if that takes more by position, such as ``out``."""
    theirs = getattr(np.ndarray, name, None)
    if theirs is None or not any(getattr(key, "__name__", "") == name for key in numpy):
        return function
    ours, more = (sum(p.kind is p.POSITIONAL_OR_KEYWORD or p.kind is p.POSITIONAL_ONLY for p in
                      parameters_of(f).values()) for f in (function, theirs))
    if ours >= more or hasattr(function, "wider"):
        return function
    method = with_numpy_signature(function, next(key for key in numpy if getattr(key, "__name__", "") == name))
    method.__doc__, method.__module__, method.__qualname__ = function.__doc__, function.__module__, name
    return method


def refuse_taken(function: Function, name: str, method: bool, numpy: Sequence[Any], aliases: Sequence[str]) -> None:
    """Raise if a user's function would replace another module's; replacing its own older version is allowed."""
    for key in (name, *aliases):
        attribute = getattr(Tensor, key, function) if method else function
        if key in PUBLIC or getattr(attribute, "__module__", "") != function.__module__:
            raise ValueError(f"define: got the name {key}, which a function of tinytensor has; expected a new one; "
                             f"call yours my_{key}")
    for key in numpy:
        present = NUMPY.get(key, function)
        if getattr(present, "__wrapped__", present).__module__ != function.__module__:
            raise ValueError(f"define: got numpy={getattr(key, '__name__', key)}, which has an op already, "
                             f"{present.__name__}; expected a function without one; leave out numpy=, or compose yours "
                             f"of that op")


def composite(*numpy: Any, method: bool = False, aliases: Sequence[str] = (),
              namespace: str = "") -> Callable[[Function], Function]:
    """Offer a function that is composed of ops and needs no rule; see `publish` for the options."""

    def define(function: Function) -> Function:
        function.__name__ = function.__qualname__ = function.__name__.rstrip("_")
        return publish(function, function.__name__, method, numpy, aliases, namespace)

    return define


class VariadicRules(Sequence[Rule]):
    """The rules of a variadic op: for each input its one rule, which gets the index of the input."""

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


def user_signature(forward: Function, spread: bool) -> inspect.Signature:
    """The signature for users: ``concatenate(arrays, axis=0)``, or with `spread` ``reshape(x, *shape)``."""
    first, *rest = inspect.signature(forward).parameters.values()
    if spread:
        return inspect.Signature([first, rest[0].replace(kind=first.VAR_POSITIONAL, default=first.empty),
                                  *[p.replace(kind=p.KEYWORD_ONLY) for p in rest[1:]]])
    return inspect.Signature([p.replace(kind=p.POSITIONAL_OR_KEYWORD) for p in (first, *rest)])


def per_input(domain: Domain | tuple[Domain, ...]) -> tuple[Domain, ...]:
    return (domain,) if isinstance(domain, Domain) else domain


def op(*rules: Rule | None, numpy: Sequence[Any] = (), method: bool = False, aliases: Sequence[str] = (),
       broadcasts: bool = False, domain: Domain | tuple[Domain, ...] = REAL, samples: Sequence[Sample] = (),
       definition: Function | None = None, analytic: bool = False, spread: bool = False, variadic: bool = False,
       namespace: str = "", wider: Function | None = None) -> Callable[[Function], Callable[..., Tensor]]:
    """Define an op by decorating its forward function: first the inputs, one for each rule, then the parameters.

    The decorated function computes on arrays; the op that replaces it takes Tensors too. See `Op` for the options;
    `numpy` lists the NumPy functions that it implements, `method` makes it a method of Tensor. `wider` is the same
    function with more parameters, called only if one of these is passed, so that the op itself stays fast.
    """

    def define(forward: Function) -> Function:
        name = forward.__name__.rstrip("_")
        full = f"{namespace}.{name}" if namespace else name
        record = Op(full, forward, VariadicRules(rules[0]) if variadic and rules[0] else rules, broadcasts=broadcasts,
                    domain=per_input(domain), samples=samples, definition=definition, analytic=analytic)
        theirs = next((key for key in numpy if not isinstance(key, tuple | np.ufunc)), None)
        function = general(record, *make_bind(full, forward, len(rules), variadic, spread, theirs, wider), wider)
        update_wrapper(function, forward)
        function.__name__ = function.__qualname__ = name
        setattr(function, "arity", len(rules))
        if spread != variadic:
            setattr(function, "__signature__", user_signature(forward, spread))
        if wider is not None:
            setattr(function, "__signature__", inspect.signature(wider))
        publish(function, name, method, numpy, aliases, namespace)
        if wider is not None:  # it has all of NumPy's parameters: nothing to translate
            NUMPY.update(dict.fromkeys((key for key in numpy if not isinstance(key, tuple)), function))
        return register(function, record)

    return define


def register(function: Function, record: Op) -> Function:
    """The function with its record as `op`; those of this package enter the registry, for tests and reference pages."""
    setattr(function, "op", record)
    if is_ours(function):
        REGISTRY[record.name] = record
    return function


ONE, TWO = ((plain, inspect.signature(plain)) for plain in (lambda x: None, lambda a, b: None))


def ufunc_op(ufunc: np.ufunc, *rules: Rule, domain: Domain | tuple[Domain, ...] = REAL, analytic: bool = False,
             aliases: Sequence[str] = (), note: str = "") -> Callable[..., Tensor]:
    """Define an elementwise op from a ufunc and, for each input, a lambda over g, y and the inputs.

    The ufunc may be SciPy's. The docstring and the samples are made from the same arguments; `note` adds a sentence on
    the gradient. Without rules, as for comparisons, it has no derivative.
    """
    name, arity = ufunc.__name__, ufunc.nin
    samples: tuple[Sample, ...] = (S((2, 3)), S(())) if arity == 1 else (S((2, 3), (3,)), S((2, 1), (1, 3)))
    if "f" not in "".join(ufunc.types):
        samples = (S(*[np.array([6, 5, 3]) >> i for i in range(arity)]),)
    record = Op(name, ufunc, rules or (None,) * arity, broadcasts=arity == 2, domain=per_input(domain), samples=samples,
                analytic=analytic)
    plain, signature = ONE if arity == 1 else TWO
    function = (unary if arity == 1 else binary)(record) if rules else general(record, *make_bind(name, plain, arity))
    function.__name__ = function.__qualname__ = name
    function.__module__ = rules[0].__module__ if rules else __name__
    function.__doc__ = ufunc_docstring(record, ufunc, note)
    setattr(function, "__signature__", signature)
    return register(publish(function, name, is_ours(function), (ufunc,), aliases), record)


row, expose = ufunc_op, composite  # their former names

# --- the docstring of a ufunc's op ---


def rule_source(rule: Rule) -> str:
    """The expression of a lambda, as it is written in its file."""
    spans = [((a, c), (b, d)) for a, b, c, d in rule.__code__.co_positions() if a and b and c is not None and d]
    (first, start), (last, end) = min(s for s, _ in spans), max(e for _, e in spans)
    lines = [linecache.getline(rule.__code__.co_filename, n).encode() for n in range(first, last + 1)]
    lines[-1] = lines[-1][:end]
    lines[0] = lines[0][start:]
    return " ".join(b" ".join(lines).decode().split())


def ufunc_docstring(op: Op, ufunc: np.ufunc, note: str = "") -> str:
    """A docstring: NumPy's first sentence, the rules, the domain, and an example that runs."""
    names, spelled = "x" if ufunc.nin == 1 else "ab", f"np.{ufunc.__name__}" * hasattr(np, ufunc.__name__)
    sentence = (ufunc.__doc__ or "").partition("\n\n")[2].partition("\n\n")[0].replace("\n", " ")
    sentence = sentence.replace("x1", "a").replace("x2", "b") if ufunc.nin == 2 else sentence
    whose = "NumPy's" if spelled else "The ufunc"
    lines = [sentence, "", f"{whose} `{ufunc.__name__}`, elementwise{'; inputs broadcast' * (ufunc.nin == 2)}."]
    if not any(op.rules):
        whole = [3, 6][: ufunc.nin]
        call = f">>> np.{ufunc.__name__}({', '.join(f'tt.tensor({v})' for v in whole)}).item()"
        lines += ["It has no derivative: the output never requires grad.", "", "Examples", "--------",
                  ">>> import tinytensor as tt", call, repr(ufunc(*whole).item())]
        return "\n".join(lines)
    lines[-1] += " With y the output and g its gradient:"
    for name, rule, i in zip(names, op.rules, count()):
        lines += [f"Gradient of {name}: ``{rule_source(rule)}``, for {name} in {op.domain_of(i)}."]
    lines += [note] if note else []
    point = [next(v for v in (0.5, 1.5) if any(low < v < high for low, high in op.domain_of(i).intervals))
             for i in range(ufunc.nin)]
    with np.errstate(all="ignore"):
        y = ufunc(*point)
        values = [y, *(rule(1.0, y, *point) for rule in op.rules if rule)]
    lines += ["", "Examples", "--------", ">>> import tinytensor as tt"]
    lines += [f">>> {name} = tt.tensor({v}, requires_grad=True)" for name, v in zip(names, point, strict=False)]
    lines += [f">>> y = {spelled or ufunc.__name__}({', '.join(names)})", ">>> y.backward()",
              f">>> print(f\"{{y:.3f}} {' '.join(f'{{{n}.grad:.3f}}' for n in names)}\")",
              " ".join(f"{float(v):.3f}" for v in values)]
    return "\n".join(lines)


def __dir__() -> list[str]:
    return __all__
