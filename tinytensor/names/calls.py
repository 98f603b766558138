"""Sentences for calls whose arguments do not fit a function, in place of Python's own TypeError.

It knows PyTorch's parameters that tinytensor does not have, and what to do about each. It binds nothing itself: a call
that fits costs one more frame, and only one that does not fit is looked into.
"""

from __future__ import annotations

import inspect
import re
from collections.abc import Callable, Collection
from functools import wraps
from importlib import import_module
from typing import Any, TypeVar

F = TypeVar("F", bound=Callable[..., Any])
KINDS = inspect.Parameter

CPU = "leave it out: NumPy computes on the cpu"
DENSE = "leave it out: gradients are dense"
REDUCE = "write reduction='mean', 'sum' or 'none'"
SWITCH = "leave it out: it chooses among PyTorch's implementations"
NO_PLACE = "leave it out: a result is always a new array"

# PyTorch's parameters (and what is often written in their place) that are not here -> what to do.
ADVICE = {
    "device": CPU, "map_location": CPU, "pin_memory": CPU, "non_blocking": CPU, "layout": CPU, "memory_format": CPU,
    "inplace": NO_PLACE, "out": "leave it out, and assign the result",
    "sparse": DENSE, "size_average": REDUCE, "reduce": REDUCE,
    "foreach": SWITCH, "fused": SWITCH, "capturable": SWITCH, "differentiable": SWITCH,
    "closure": "call it before, then step()", "num_workers": "leave it out: arrays are read in this process",
    "mode": "leave it out", "backend": "leave it out: NumPy source is the only one",
    "fullgraph": "leave it out: a step is always compiled as a whole, or refused",
    "start_dim": "write x.reshape(len(x), -1), which keeps the first axis",
    "dynamic": "leave it out: every shape has a program of its own",
}
# PyTorch's names for NumPy's parameters, where the function has those.
NUMPY = {"dim": "axis", "dims": "axis", "keepdim": "keepdims", "unbiased": "correction", "p": "ord", "steps": "num",
         "diagonal": "k", "shifts": "shift"}
# Names from other frameworks, or from memory -> the parameter's name here, where the function has it.
RENAMED = {
    "learning_rate": "lr", "input_size": "in_features",
    "hidden_dim": "hidden_size", "units": "out_features", "rate": "p", "use_bias": "bias", "epsilon": "eps",
    "n_heads": "num_heads", "vocab_size": "num_embeddings", "axis": "dim", "seed": "rng", "generator": "rng",
    "decay": "weight_decay", "filters": "out_channels",
}


def explained(function: F) -> F:
    """Refuse arguments that do not fit the function in one sentence: what was got, the signature, what to do.

    A method's sentence starts with its class, where it is `__init__`, and with its own name otherwise.

    Examples
    --------
    >>> @explained
    ... def scale(x, factor=2.0):
    ...     return factor * x
    >>> scale(3, factr=1.0)
    Traceback (most recent call last):
    TypeError: scale: got an unknown parameter 'factr'; expected scale(x, factor=2.0); write 'factor'
    >>> scale()
    Traceback (most recent call last):
    TypeError: scale: got no x; expected scale(x, factor=2.0); pass it
    """

    @wraps(function)
    def call(*args: Any, **kwargs: Any) -> Any:
        try:
            return function(*args, **kwargs)
        except TypeError as error:
            if did_not_start(error) and (text := misfit(function, args, kwargs)):
                raise TypeError(text) from None
            raise

    return call  # type: ignore[return-value]


def did_not_start(error: BaseException) -> bool:
    """Whether the call in the frame that handles the error failed before the function's own first line."""
    return error.__traceback__ is not None and error.__traceback__.tb_next is None


def misfit(function: Callable[..., Any], args: tuple[Any, ...], kwargs: dict[str, Any], name: str = "",
           signature: inspect.Signature | None = None) -> str:
    """The sentence about arguments that do not fit; empty where they do. `name` is what the caller wrote."""
    try:
        signature = signature or inspect.signature(function)
    except (TypeError, ValueError):  # not every function has one
        return ""
    try:
        signature.bind(*args, **kwargs)
    except TypeError as error:
        problem = str(error)
    else:
        return ""
    parameters = [p.replace(annotation=p.empty) for p in signature.parameters.values()]
    owner, _, last = function.__qualname__.rpartition(".")
    owner = owner.rpartition(".")[2]
    if parameters and parameters[0].name == "self" and args:
        parameters, own, args = parameters[1:], args[0], args[1:]
        if last == "__init__":
            mine = inspect.unwrap(type(own).__init__) is inspect.unwrap(function)  # else a subclass's called this one
            name = name or (type(own).__name__ if mine else owner)
    name = name or last
    known = {p.name for p in parameters if p.kind not in (KINDS.POSITIONAL_ONLY, KINDS.VAR_POSITIONAL)}
    written = str(signature.replace(parameters=parameters, return_annotation=signature.empty))
    written = re.sub(r"<class 'numpy\.(.*?)'>", r"np.\1", written)
    expected = f"expected {name}{written}"
    unknown = [key for key in kwargs if key not in known]
    if unknown and not any(p.kind is KINDS.VAR_KEYWORD for p in parameters):
        got = f"an unknown parameter {unknown[0]!r}" if len(unknown) == 1 else \
            f"unknown parameters {', '.join(map(repr, unknown))}"
        advice = "; ".join(dict.fromkeys(what_to_do(key, known) for key in unknown))
        return f"{name}: got {got}; {expected}; {advice}"
    most = sum(p.kind in (KINDS.POSITIONAL_ONLY, KINDS.POSITIONAL_OR_KEYWORD) for p in parameters)
    if len(args) > most and not any(p.kind is KINDS.VAR_POSITIONAL for p in parameters):
        advice = "write the others by keyword" if any(p.kind is KINDS.KEYWORD_ONLY for p in parameters) else \
            "leave out the last" if len(args) == most + 1 else f"leave out the last {len(args) - most}"
        return f"{name}: got {count(len(args), 'argument')} by position; {expected}; {advice}"
    if missing := [p.name for p in parameters[len(args):] if p.default is p.empty and p.name not in kwargs
                   and p.kind not in (KINDS.VAR_POSITIONAL, KINDS.VAR_KEYWORD)]:
        return f"{name}: got no {' and no '.join(missing)}; {expected}; pass {'it' if len(missing) == 1 else 'them'}"
    return f"{name}: got arguments that do not fit ({problem}); {expected}; pass each once"


def what_to_do(key: str, known: Collection[str]) -> str:
    """The advice on a parameter that a function with these parameters does not have.

    Examples
    --------
    >>> what_to_do("learning_rate", {"params", "lr"})
    "write 'lr'"
    >>> what_to_do("inplace", set())
    'leave it out: a result is always a new array'
    """
    if NUMPY.get(key) in known:
        return f"write {NUMPY[key]!r}, as NumPy does"
    if RENAMED.get(key) in known:
        return f"write {RENAMED[key]!r}"
    if key in ADVICE:
        return ADVICE[key]
    near = import_module("difflib").get_close_matches(key, sorted(known), 1, 0.65)
    return f"write {near[0]!r}" if near else "leave it out"


def count(n: int, what: str) -> str:
    """A number of things, in words that agree."""
    return f"{n} {what}{'' if n == 1 else 's'}"
