"""Horizontal fusion: small declared arrays that are adjacent in memory and updated alike get one update for all.

A call on a hundred elements takes as long as one on a thousand. Updates of running statistics are such calls, three
for each array; fused they are three for all (superword level parallelism, Larsen and Amarasinghe 2000).
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from typing import Any

import numpy as np

from ..ir import Call, Program, Value, values
from ..layout import SMALL, ArrayLayout, address, compact
from ..primitives import TABLE
from .dce import eliminate_dead_code


class StateUpdate:
    """A declared array, and the elementwise calls that make its final value.

    Attributes
    ----------
    signature : tuple or None
        What the calls are, whatever their values; updates of one signature can be fused. None if this one can't.
    """

    def __init__(self, source: Value, final: Value, uses: Counter[int]) -> None:
        self.source, self.final, self.uses = source, final, uses
        self.signature = self.signature_of(final) if uses[source.number] == 1 else None

    def like_source(self, x: Any) -> bool:
        """Whether something is an array of the declared one's shape and dtype."""
        a, b = getattr(x, "array", None), self.source.array
        return isinstance(x, Value) and x.is_array and a.shape == b.shape and a.dtype == b.dtype  # type: ignore[union-attr]

    def intermediate(self, x: Any) -> bool:
        """Whether something is made for this update alone."""
        return (self.like_source(x) and x.base is x and x.call is not None and x.call.elementwise and not x.call.kwargs
                and x.call.result is x and not x.call.effect and self.uses[x.number] == 1)

    def signature_of(self, x: Any, reader: Any = None) -> Any:
        if x is self.source:
            return "the old value"
        if self.intermediate(x):
            parts = [self.signature_of(y, x.call.target) for y in x.call.args]
            return None if None in parts else (x.call.target, *parts)
        if self.like_source(x) and x.array.ndim == 1 and x is not self.final and x.base.kind != "state":
            return "an array"  # what is declared may have changed at the end of the step
        if type(x) in (int, float):  # other functions may treat a number in another way than an array of it
            return type(x) if reader in (np.add, np.subtract, np.multiply, np.divide) else repr(x)
        return ("a number", x.number) if isinstance(x, Value) and not x.is_array else None


class FusedUpdate:
    """One update that replaces several.

    Attributes
    ----------
    source, final : Value
        The declared arrays as one, before and after.
    calls : list of Call
    constants : list of Value
        Numbers of the updates, each repeated for its array's elements.
    """

    def __init__(self, updates: list[StateUpdate], numbers: Iterator[int]) -> None:
        self.updates, self.numbers = updates, numbers
        first, self.calls, self.constants = updates[0].source, list[Call](), list[Value]()
        base, start = first.array.base, address(first.array) - address(first.array.base)
        self.count = sum(u.source.array.size for u in updates)  # of elements
        begin = start // first.array.itemsize
        self.source = Value(base.reshape(-1)[begin : begin + self.count], number=next(numbers))
        self.source.kind, self.source.name = "state", common_words([u.source.name for u in updates]) or "state"
        self.final = self.fused([u.final for u in updates])

    def fused(self, operands: list[Any]) -> Any:
        """What replaces the same operand of each update."""
        x, update = operands[0], self.updates[0]
        if x is update.source:
            return self.source
        if update.intermediate(x):
            columns = zip(*[y.call.args for y in operands], strict=True)
            return self.made(x.call.primitive, tuple([self.fused([*column]) for column in columns]))
        if update.like_source(x):
            whole = self.made(TABLE[np.concatenate], (operands,))
            whole.name = common_words([v.name for v in operands]) or "values"
            return whole
        if isinstance(x, Value) or len(set(map(repr, operands))) == 1:
            return x
        repeats = [u.source.array.size for u in self.updates]
        array = np.repeat(np.array(operands, update.source.array.dtype), repeats)
        self.constants.append(Value(array, kind="constant", number=next(self.numbers)))
        return self.constants[-1]

    def made(self, primitive: Any, args: tuple[Any, ...]) -> Value:
        """The result of a new call."""
        dtype, last = self.source.array.dtype, self.updates[-1].final.call
        call = Call(primitive, args, {}, False, last.info._replace(module="", phase="update"))  # type: ignore[union-attr]
        self.calls.append(call)
        call.result = Value(ArrayLayout((self.count,), dtype, (dtype.itemsize,), 0), call, number=next(self.numbers))
        return call.result  # type: ignore[no-any-return]


def common_words(names: list[str]) -> str:
    """The words that names have in common."""
    first, *others = [name.replace(".", "_").split("_") for name in names]
    return "_".join([word for word in first if all(word in other for other in others)])


def fusible_groups(program: Program) -> list[list[StateUpdate]]:
    """Updates of one signature, of arrays that are adjacent in memory."""
    read = [*values(program.result), *[final for _, final in program.state]]
    uses = Counter(v.number for v in (*read, *[w for call in program.calls for w in call.inputs()]))
    updates = [StateUpdate(source, final, uses) for source, final in program.state
               if final is not source and source.is_array and 0 < source.array.nbytes <= SMALL
               and compact(source.array) and within_larger(source.array)]
    groups: list[list[StateUpdate]] = []
    for u in sorted(updates, key=lambda u: address(u.source.array)):
        if u.signature is not None and groups and follows(groups[-1][-1], u):
            groups[-1].append(u)
        else:
            groups.append([u])
    return sorted([group for group in groups if len(group) > 1], key=lambda group: group[0].source.number)


def within_larger(a: Any) -> bool:
    """Whether an array is part of a larger one of its dtype."""
    return isinstance(a.base, np.ndarray) and a.base.dtype == a.dtype and compact(a.base)


def follows(a: StateUpdate, b: StateUpdate) -> bool:
    """Whether an update is of the array that follows another's in memory, and has the same signature."""
    x, y = a.source.array, b.source.array
    return (a.signature == b.signature and x.dtype == y.dtype and x.base is y.base
            and address(x) + x.nbytes == address(y))


def fuse_updates(program: Program) -> Program:
    """The program with one update, at its end, for small arrays that are adjacent in memory and updated alike."""
    program = eliminate_dead_code(program)  # dead calls would count as uses
    numbers = program.fresh_numbers()
    for group in fusible_groups(program):
        update = FusedUpdate(group, numbers)
        gone = {u.source.number for u in group}
        state = [pair for pair in program.state if pair[0].number not in gone]
        sources = [v for v in program.sources if v.number not in gone]
        program = program._replace(calls=program.calls + update.calls, state=[*state, (update.source, update.final)],
                                   sources=[*sources, update.source, *update.constants])
    return eliminate_dead_code(program)  # the single updates
