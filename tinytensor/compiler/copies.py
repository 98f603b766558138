"""Deep copies of compiled steps: the step of a copied object works on the copy."""

from __future__ import annotations

import copy
from functools import partial
from types import CellType, FunctionType, MethodType
from typing import Any

from .ir import CompileError
from .tracing.closure import ClosureScan
from .tracing.scopes import filled


def copied_step(step: Any, declared: tuple[Any, ...], title: str, memo: dict[int, Any]) -> tuple[Any, tuple[Any, ...]]:
    """A step that works on copies of the declared objects, and these copies.

    Raises
    ------
    CompileError
        If it uses declared objects by global names, which a copy would share.
    """
    own = {id(x): x for x in declared}
    other, things = copied(step, own, memo), tuple([copy.deepcopy(x, memo) for x in declared])
    seen = ClosureScan([other]).seen
    if any(i in seen for i in own):
        raise CompileError(f"compile: {title} uses declared objects by global names, and a copy would train the same "
                           "objects; expected enclosing variables, attributes or defaults; make the step in a "
                           "function, or compile another for the copy")
    return other, things


def copied(x: Any, own: dict[int, Any], memo: dict[int, Any]) -> Any:
    """A copy of a function: variables around it that lead to what is its own are copied, all others are shared."""
    if isinstance(x, MethodType):
        return MethodType(x.__func__, copy.deepcopy(x.__self__, memo))
    if isinstance(x, partial):
        return partial(copied(x.func, own, memo), *copy.deepcopy(x.args, memo), **copy.deepcopy(x.keywords, memo))
    if not isinstance(x, FunctionType):
        return copy.deepcopy(x, memo)
    if id(x) in memo:
        return memo[id(x)]
    other = FunctionType(x.__code__, x.__globals__, x.__name__, None, tuple([CellType() for _ in x.__closure__ or ()]))
    memo[id(x)] = other
    memo.setdefault(id(memo), []).append(x)  # subtle: as in deepcopy itself, so that no other object gets its id
    other.__kwdefaults__ = part(x.__kwdefaults__, own, memo)
    other.__defaults__ = part(x.__defaults__, own, memo)
    other.__dict__.update(x.__dict__)
    other.__qualname__ = x.__qualname__
    for cell, before in zip(other.__closure__ or (), x.__closure__ or (), strict=True):
        if filled(before):
            cell.cell_contents = part(before.cell_contents, own, memo)
    return other


def part(x: Any, own: dict[int, Any], memo: dict[int, Any]) -> Any:
    """A copy of an object that leads to something the step owns, else the object itself."""
    if id(x) not in own and not ClosureScan([x]).seen.keys() & own.keys():
        return x
    return copied(x, own, memo) if isinstance(x, FunctionType | MethodType | partial) else copy.deepcopy(x, memo)
