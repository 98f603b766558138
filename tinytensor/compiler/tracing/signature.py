"""The signature of a call: the kinds of its arguments, which are a program's key, and what of them varies.

And what two traces of a step have in common. No step is run here.
"""

from __future__ import annotations

import inspect
from collections.abc import Callable
from itertools import zip_longest
from typing import Any

import numpy as np

from ...advice import a_type
from ...core import Tensor, ndarray
from ...nn import Module
from ..ir import Call, CompileError, Program, Value, mapped


class Fixed(float):
    """A float that is part of the program: an argument that was left to its default, or is declared static."""


class ById:
    """An object as part of a key: equal only to itself, and alive as long as the key."""

    def __init__(self, x: Any) -> None:
        self.x = x

    def __eq__(self, other: object) -> bool:
        return isinstance(other, ById) and self.x is other.x

    def __hash__(self) -> int:
        return id(self.x)


def called_like(step: Any) -> Any:
    """What has the signature of a step: a Module is called like its `forward`."""
    return step.forward if isinstance(step, Module) and type(step).__call__ is Module.__call__ else step


def inspect_step(step: Callable[..., Any]) -> tuple[inspect.Signature | None, list[str], list[str]]:
    """The signature of a step, the names of all arguments, and of those that come by keyword only."""
    if isinstance(step, np.ufunc):  # its options can't be distinguished from required arguments
        return None, [], []
    try:
        signature = inspect.signature(called_like(step))
    except (TypeError, ValueError):
        return None, [], []
    kinds = {name: p.kind for name, p in signature.parameters.items() if p.kind is not p.VAR_KEYWORD}
    return signature, list(kinds), [name for name, kind in kinds.items() if kind is inspect.Parameter.KEYWORD_ONLY]


def defaults(step: Any) -> list[Any]:
    """What a step's signature says of arguments that are left out."""
    function = called_like(step)
    named = getattr(function, "__kwdefaults__", None) or {}
    return [getattr(function, "__defaults__", None), *named, *named.values()]


def abstractify(x: Any) -> Any:
    """The part of an argument that is baked in: shape, dtype and order of an array, else all but a float's value."""
    if type(x) is np.ndarray:
        return (x.shape, x.dtype, x.strides)
    if isinstance(x, Tensor):
        return ("Tensor", x.requires_grad, x.op is None, x._grad is None, abstractify(x.data))
    if isinstance(x, np.generic):
        return (np.generic, x.dtype)
    if isinstance(x, np.ndarray):
        if isinstance(x, np.matrix | np.ma.MaskedArray):
            raise CompileError(f"compile: got {a_type(x)} as an argument; expected plain arrays, since this "
                               "type has its own arithmetic; write np.asarray(x)")
        return (x.shape, x.dtype, x.strides)
    if type(x) is float:
        return float
    if type(x) is Fixed:
        return (Fixed, x.hex())
    if isinstance(x, list | tuple):
        return (type(x), *map(abstractify, x))
    if isinstance(x, dict):
        return (type(x), *((k, abstractify(v)) for k, v in x.items()))
    if isinstance(x, slice):
        return (slice, abstractify(x.start), abstractify(x.stop), abstractify(x.step))
    if isinstance(x, set | frozenset):
        return (type(x), frozenset(map(abstractify, x)))
    return (type(x), x) if isinstance(x, int | float | str | bytes | complex | None) else ("object", ById(x))


def argument_guard(args: tuple[Any, ...], others: set[int]) -> Callable[..., bool]:
    """A fast check of arguments: plain arrays and numbers, of the same kinds as these, and no array one of the `others`
    (by id) or a view of one. False means only that the full check is needed.
    """
    known: dict[str, Any] = {"ndarray": ndarray, "others": others, "Fixed": Fixed}
    parts = ["not more"]
    for i, x in enumerate(args):
        known |= {f"x{i}": x}
        if type(x) is float:
            parts.append(f"type(a{i}) is float")
        elif type(x) is Fixed:
            known[f"x{i}"] = x.hex()
            parts.append(f"type(a{i}) is Fixed and a{i}.hex() == x{i}")
        elif x is None or type(x) is bool:
            parts.append(f"a{i} is x{i}")
        elif type(x) in (int, str):
            parts.append(f"type(a{i}) is {type(x).__name__} and a{i} == x{i}")
        elif type(x) is ndarray and id(x) not in others:
            known |= {f"shape{i}": x.shape, f"dtype{i}": x.dtype, f"strides{i}": x.strides}
            del known[f"x{i}"]
            parts += [f"type(a{i}) is ndarray", f"a{i}.shape == shape{i}", f"a{i}.dtype is dtype{i}",
                      f"a{i}.strides == strides{i}", f"id(a{i}) not in others", f"id(a{i}.base) not in others"]
        else:
            return lambda *_: False
    names = "".join([f"a{i}=None, " for i in range(len(args))])
    look: Callable[..., bool] = eval(f"lambda {names}*more: {' and '.join(parts)}", known)
    return look


def fixed(name: str, x: Any) -> Any:
    """An argument as part of the program: what is in it may not vary."""
    def each(y: Any) -> Any:
        if isinstance(y, Tensor | np.ndarray):
            raise TypeError(f"compile: {name}, one of static_argnames, got an array; expected numbers, strings and "
                            "other objects that stay the same; leave the name of an array out")
        return Fixed(y) if type(y) is float else y

    return mapped(each, x)


def unfixed(x: Any) -> Any:
    """An argument as the step gets it."""
    found: list[Any] = []
    mapped(lambda y: found.append(y) if type(y) is Fixed else None, x)
    return mapped(lambda y: float(y) if type(y) is Fixed else y, x) if found else x


def flat(x: Any) -> list[Any]:
    """The arrays, Tensors and floats among arguments, in order."""
    if isinstance(x, tuple) and all(type(a) is np.ndarray or type(a) is float for a in x):
        return list(x)
    found: list[Any] = []
    mapped(lambda a: found.append(a) if (isinstance(a, Tensor | np.ndarray | np.generic) or type(a) is float)
           else None, x)
    return found


def arrays(args: tuple[Any, ...]) -> list[Any]:
    """The inputs of a program among the arguments: arrays, those of Tensors too, and floats."""
    return [a.data if isinstance(a, Tensor) else a for a in flat(args)]


def describe_changes(keys: list[Any], names: list[str]) -> str:
    """Which argument had which kinds."""
    for i, several in enumerate(zip_longest(*keys)):
        if len(set(several)) > 1:
            name = names[i] if i < len(names) else f"argument {i}"
            texts = [str(k[0]) if isinstance(k, tuple) and len(k) == 3 else str(k[-1] if isinstance(k, tuple) else k)
                    for k in several]
            kinds = [*dict.fromkeys(texts)]
            return f"{name} of {', '.join(kinds if len(kinds) < 7 else [*kinds[:3], '...', *kinds[-2:]])}"
    return "other numbers of arguments"


# --- two traces ---


def assert_same_trace(first: Program, second: Program) -> None:
    """Raise for a step that did not do the same twice; undeclared arrays that both traces met are read at each call."""
    for a, b in zip_longest(first.calls, second.calls):
        if a is None or b is None:
            raise differing(b or a, "the step made more calls in one trace than in the other position")
        if a.name != b.name or (a.target != b.target and not a.name.startswith((".", "group."))):
            raise differing(b, f"it was {a.name} in one trace and {b.name} in the other")
        if (gap := difference((a.args, a.kwargs), (b.args, b.kwargs))) is not None:
            raise differing(b, f"{b.name} got {gap[0]} in one trace and {gap[1]} in the other")


def difference(a: Any, b: Any) -> tuple[str, str] | None:
    """The first place where arguments differ: values by where they come from, constants by what they are."""
    if isinstance(a, Value) and isinstance(b, Value):
        if a.kind == "constant" and b.kind == "constant":
            b.mutable = b.mutable or (a.array is b.array and may_change(b.array))
            same = a.array is b.array or (a.array.dtype == b.array.dtype and a.array.shape == b.array.shape
                                          and a.array.tobytes() == b.array.tobytes())
            return None if same else (shown(a.array), shown(b.array))
        return None if a.number == b.number else (shown(a), shown(b))
    if isinstance(a, list | tuple) and type(a) is type(b):
        pairs = ((None, None),) if len(a) != len(b) else ()
        found = [difference(x, y) for x, y in zip(a, b, strict=False)]
        return next((f for f in found if f), (shown(a), shown(b)) if pairs else None)
    if isinstance(a, dict) and isinstance(b, dict):
        return difference(sorted(a.items()), sorted(b.items()))
    if isinstance(a, slice) and isinstance(b, slice):
        return difference((a.start, a.stop, a.step), (b.start, b.stop, b.step))
    if isinstance(a, type(b)) and (a is b or repr(a) == repr(b)):
        return None
    return shown(a), shown(b)


def may_change(x: Any) -> bool:
    """Whether an array may be written into."""
    return isinstance(x, np.ndarray) and (x.flags.writeable or (x.base is not None and (
        not isinstance(x.base, np.ndarray) or may_change(x.base))))


def shown(x: Any) -> str:
    if isinstance(x, Value):
        return x.name or f"another {'array' if x.is_array else 'number'}"
    return np.array2string(x, threshold=5, edgeitems=2).replace("\n", "") if isinstance(x, np.ndarray) else repr(x)


def differing(call: Call, what: str) -> CompileError:
    where = f"{call.info.where}: {call.info.line!r}: " if call.info.line else ""
    return CompileError(f"compile: {where}{what}, so the step is not the same at each call; expected the same calls; "
                        "pass what varies as an argument (a learning rate as a float), and declare the Generator that "
                        "is drawn from")
