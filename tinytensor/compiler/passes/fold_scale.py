"""Scale folding, under `fast=True`: fold the learning rate into the loss's 1 / n factor.

`theta -= lr * g` then needs no pass over the gradients. Products are rounded in another order: a step differs by about
1e-7 of its size. It does nothing else, and nothing at all where a gradient has another use: weight decay, momentum,
clipping, or the user's.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from ..ir import Call, Program, Value, values
from ..primitives import SCALAR
from .rewrite import clone, rebuilt


def linear(call: Call, scaled: set[int]) -> bool:
    """Whether a call's result is scaled by a factor, if those of its arguments that are `scaled` are."""
    def is_scaled(x: Any) -> bool:
        return isinstance(x, Value) and x.number in scaled

    def scaled_or_zero(x: Any) -> bool:
        return is_scaled(x) or is_zero(x)

    dtypes = {v.array.dtype for v in (*call.outputs(), *filter(is_scaled, call.inputs())) if v.is_array}
    if len(dtypes) > 1 or not call.kwargs.keys() <= {"axis", "keepdims", "order", "dtype", "casting"}:
        return False
    if call.primitive.linear == "one":
        return sum(map(is_scaled, values(call.args))) == 1
    if call.primitive.linear in ("each", "list", "branches"):
        terms = {"each": call.args, "list": call.args[0], "branches": call.args[1:]}[call.primitive.linear]
        return all(map(scaled_or_zero, terms))
    return (call.primitive.linear == "first" and is_scaled(call.args[0])
            and not any(map(is_scaled, values(call.args[1:]))))


def is_zero(x: Any) -> bool:
    if isinstance(x, Value):
        return x.kind == "constant" and not x.mutable and isinstance(x.array, np.ndarray) and not x.array.any()
    return type(x) in (int, float) and x == 0


def applies_rate(call: Call) -> bool:
    """Whether a call, not of the backward pass, only multiplies an array by a number that is an argument, declared, or
    computed from such."""
    if call.info.phase == "backward" or call.target is not np.multiply or call.kwargs or rate_of(call) is None:
        return False
    return from_arguments(rate_of(call)) and array_of(call).array.shape == call.result.array.shape


def from_arguments(v: Value) -> bool:
    """Whether a number is an argument or declared, or computed from such by Python's arithmetic."""
    call = v.call
    return call is None or (call.primitive.kind == "scalar" and all(map(from_arguments, call.inputs())))


def array_of(call: Call) -> Any:
    """The array that is multiplied by a rate."""
    return next(x for x in call.args if x is not rate_of(call))


def rate_of(call: Call) -> Any:
    """The varying number that an array is multiplied by."""
    return next((x for x in call.args if isinstance(x, Value) and not x.is_array), None)


def is_factor(call: Call) -> bool:
    """Whether a call of the backward pass multiplies an array by a constant number."""
    return (call.info.phase == "backward" and call.target is np.multiply and not call.kwargs
            and sum(isinstance(x, float | np.floating) for x in call.args) == 1
            and call.result.array.dtype.char in "fd")  # a small factor times a small rate may be 0 in float16


def scaled_from(calls: list[Call]) -> tuple[set[int], list[Call]] | None:
    """What is proportional to the first call's result, by number, and the calls that apply a rate to it; None if
    it has any other use."""
    scaled, rated = {v.number for v in calls[0].outputs()}, list[Call]()
    for call in calls[1:]:
        if not any(v.number in scaled for v in call.inputs()):
            continue
        if applies_rate(call):
            rated.append(call)
        elif not linear(call, scaled):
            return None
        else:
            scaled.update(v.number for v in call.outputs())
    return scaled, rated


def fold_scale(program: Program) -> Program:
    """Under `fast`, the program with a learning rate folded into the loss's factor, if that is equal up to
    rounding."""
    if not program.fast:
        return program
    kept = {v.number for v in (*values(program.result), *[final for _, final in program.state])}
    for i, call in enumerate(program.calls):
        if is_factor(call) and (found := scaled_from(program.calls[i:])) is not None:
            scaled, rated = found
            rates, products = {rate_of(c).number for c in rated}, {c.result.number for c in rated}
            viewed = {v.base.number for c in program.calls for v in c.outputs() if v.base is not v}
            if len(rates) == 1 and not products & viewed and not kept & (scaled | products):
                return folded(program, call, rated)
    return program


def folded(program: Program, factor: Call, rated: list[Call]) -> Program:
    """A copy of the program in which the factor is multiplied by the rate, and the `rated` calls are left out."""
    clones: dict[int, Any] = {}
    first = [c for c in program.calls if c.primitive.kind == "scalar" and all(map(from_arguments, c.inputs()))]
    calls, hoisted = [clone(c, clones) for c in first], set(map(id, first))  # the rate is computed first of all
    rate = clone(rate_of(rated[0]), clones)
    for call in program.calls:
        if any(call is c for c in rated):
            clones[id(call.result)] = clone(array_of(call), clones)
        elif call is factor:
            constant = next(float(x) for x in call.args if not isinstance(x, Value))
            product = Call(SCALAR["mul"], (constant, rate), {}, False, call.info)
            product.result = Value(constant * rate.array, product, number=next(program.fresh_numbers()))
            new = clone(call, clones)
            new.args = tuple([x if isinstance(x, Value) else product.result for x in new.args])
            new.read = (*values(new.args),)
            calls += [product, new]
        elif id(call) not in hoisted:
            calls.append(clone(call, clones))
    return rebuilt(program, calls, clones)
