"""What `fast=True` allows: a number that multiplies a whole gradient in the end multiplies it where it begins.

Of `theta -= lr * g` the pass over all gradients goes, for the loss's own factor, 1 / n, becomes lr / n. Numbers are
rounded at other places then: a step differs by about 1e-7 of its size. Nothing else is done here, and nothing where a
gradient is used for more than that: for weight decay, momentum, clipping, or by the user.
"""

from __future__ import annotations

from copy import copy
from operator import mul
from typing import Any

import numpy as np

from ..ir import Call, Program, Value, mapped, values

PRODUCTS = {np.multiply, np.matmul, np.vecdot, np.einsum}
SUMS, JOINS = {np.add, np.subtract}, {np.concatenate, np.stack}
OF_FIRST = {".reshape", ".T", ".mT", ".transpose", ".swapaxes", ".ravel", ".take", "[]", "gathered", "put_into_zeros",
            "added_up", "np.negative", "np.add.reduce", "np.copy", "group.all_reduce_sum", "group.all_reduce_mean",
            "group.local_shard"}


def linear(call: Call, scaled: set[int]) -> bool:
    """Whether a call's result is multiplied by a number, if those of its arguments that are `scaled` are."""
    def grows(x: Any) -> bool:
        return isinstance(x, Value) and x.number in scaled

    def fits(x: Any) -> bool:
        return grows(x) or is_zero(x)

    dtypes = {v.array.dtype for v in (*call.outputs(), *filter(grows, call.inputs())) if v.is_array}
    if len(dtypes) > 1 or not call.kwargs.keys() <= {"axis", "keepdims", "order", "dtype", "casting"}:
        return False
    if call.target in PRODUCTS:
        return sum(map(grows, values(call.args))) == 1
    if call.target in JOINS:
        return all(map(fits, call.args[0]))
    if call.ufunc in SUMS:
        return all(map(fits, call.args))
    if call.target is np.where:
        return all(map(fits, call.args[1:]))
    if call.target is np.divide or call.name in OF_FIRST:
        return grows(call.args[0]) and not any(map(grows, values(call.args[1:])))
    return False


def is_zero(x: Any) -> bool:
    if isinstance(x, Value):
        return x.kind == "constant" and not x.mutable and isinstance(x.array, np.ndarray) and not x.array.any()
    return type(x) in (int, float) and x == 0


def ends(call: Call) -> bool:
    """Whether a call, not of the backward pass, only multiplies an array by a number that is given, or made of such."""
    if call.info.phase == "backward" or call.target is not np.multiply or call.kwargs or number_of(call) is None:
        return False
    return plain(number_of(call)) and array_of(call).array.shape == call.result.array.shape


def plain(number: Value) -> bool:
    """Whether a number is given to the step, or made of such by Python's arithmetic."""
    call = number.call
    return call is None or (call.name.startswith("number ") and all(map(plain, call.inputs())))


def scaled_from(calls: list[Call]) -> tuple[set[int], list[Call]] | None:
    """What is proportional to the first call's result, by number, and the calls that multiply it by a number in the
    end; None if something else is made of it."""
    scaled, last = {v.number for v in calls[0].outputs()}, list[Call]()
    for call in calls[1:]:
        if not any(v.number in scaled for v in call.inputs()):
            continue
        if ends(call):
            last.append(call)
        elif not linear(call, scaled):
            return None
        else:
            scaled.update(v.number for v in call.outputs())
    return scaled, last


def array_of(call: Call) -> Any:
    """The array that is multiplied by a number."""
    return next(x for x in call.args if x is not number_of(call))


def number_of(call: Call) -> Any:
    """The number that an array is multiplied by: a varying one."""
    return next((x for x in call.args if isinstance(x, Value) and not x.is_array), None)


def begins(call: Call) -> bool:
    """Whether a call of the backward pass multiplies an array by a number that is always the same."""
    return (call.info.phase == "backward" and call.target is np.multiply and not call.kwargs
            and sum(isinstance(x, float | np.floating) for x in call.args) == 1
            and call.result.array.dtype.char in "fd")  # a small number times a small rate may be 0 in float16


def fold_scale(program: Program) -> Program:
    """The program with a learning rate multiplied into the loss's factor, if that gives the same but for rounding."""
    given = {v.number for v in (*values(program.result), *[final for _, final in program.state])}
    for i, call in enumerate(program.calls):
        if begins(call) and (found := scaled_from(program.calls[i:])) is not None:
            scaled, last = found
            rates, products = {number_of(end).number for end in last}, {end.result.number for end in last}
            viewed = {v.base.number for c in program.calls for v in c.outputs() if v.base is not v}
            if len(rates) == 1 and not products & viewed and not given & (scaled | products):
                return moved(program, call, last)
    return program


def moved(program: Program, begin: Call, last: list[Call]) -> Program:
    """A copy of the program in which `begin` multiplies by the number, and the `last` calls do not."""
    twins: dict[int, Any] = {}
    first = [c for c in program.calls if c.name.startswith("number ") and all(map(plain, c.inputs()))]  # make the rate
    calls, before = [clone(c, twins) for c in first], set(map(id, first))
    rate = clone(number_of(last[0]), twins)
    for call in program.calls:
        if any(call is end for end in last):
            twins[id(call.result)] = clone(array_of(call), twins)
        elif call is begin:
            share = next(float(x) for x in call.args if not isinstance(x, Value))
            product = Call(mul, "number *", (share, rate), {}, False, call.info)
            number = max(v.number for v in (*program.sources, *[v for c in program.calls for v in c.outputs()]))
            product.result = Value(share * rate.array, product, number=number + 1)
            new = clone(call, twins)
            new.args = tuple([x if isinstance(x, Value) else product.result for x in new.args])
            new.read = (*values(new.args),)
            calls += [product, new]
        elif id(call) not in before:
            calls.append(clone(call, twins))
    return Program(calls, *[[clone(x, twins) for x in part] for part in program[1:]])


def clone(x: Any, twins: dict[int, Any]) -> Any:
    """A copy of a value or call, and of all that it knows; arrays stay what they are."""
    if isinstance(x, tuple):
        return tuple([clone(y, twins) for y in x])
    if id(x) in twins or not isinstance(x, Value | Call):
        return twins.get(id(x), x)
    new: Any = copy(x)
    twins[id(x)] = new
    if isinstance(x, Value):
        new.base, new.call = clone(x.base, twins), clone(x.call, twins)
        return new
    new.args, new.kwargs, new.result = (mapped(lambda y: clone(y, twins), y) for y in (x.args, x.kwargs, x.result))
    new.region, new.read = clone(x.region, twins), (*values(new.args), *values(new.kwargs))
    return new
