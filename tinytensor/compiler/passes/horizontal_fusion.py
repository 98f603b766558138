"""Small arrays of the state that stand side by side and are updated alike: one update for all of them.

A call on a hundred numbers takes as long as one on a thousand. Updates of running statistics are such calls, three for
each array; as one they are three for all (superword level parallelism, Larsen and Amarasinghe 2000).
"""

from __future__ import annotations

from collections import Counter
from typing import Any

import numpy as np

from ..ir import Call, Program, Value, values
from ..layout import ArrayLayout, address, compact
from ..primitives import TABLE
from ..tracing.aliasing import SMALL
from .buffer_assignment import eliminate_dead_code


class StateUpdate:
    """A declared array, and the elementwise calls that make its new value of the old one and of others.

    Attributes
    ----------
    form : tuple or None
        What the calls are, whatever their values; updates of one form can be made as one. None if they can't.
    """

    def __init__(self, source: Value, final: Value, uses: Counter[int]) -> None:
        self.source, self.final, self.uses = source, final, uses
        self.form = self.form_of(final) if uses[source.number] == 1 else None

    def like(self, x: Any) -> bool:
        """Whether something is an array of the declared one's shape and dtype."""
        a, b = getattr(x, "array", None), self.source.array
        return isinstance(x, Value) and x.is_array and a.shape == b.shape and a.dtype == b.dtype  # type: ignore[union-attr]

    def inner(self, x: Any) -> bool:
        """Whether something is made here, for this update alone."""
        return (self.like(x) and x.base is x and x.call is not None and x.call.elementwise and not x.call.kwargs
                and x.call.result is x and not x.call.effect and self.uses[x.number] == 1)

    def form_of(self, x: Any, reader: Any = None) -> Any:
        if x is self.source:
            return "the old value"
        if self.inner(x):
            forms = [self.form_of(y, x.call.target) for y in x.call.args]
            return None if None in forms else (x.call.target, *forms)
        if self.like(x) and x.array.ndim == 1 and x is not self.final and x.base.kind != "state":
            return "an array"  # what is declared may have changed at the end of the step
        if type(x) in (int, float):  # others may see a number in another way than an array of it
            return type(x) if reader in (np.add, np.subtract, np.multiply, np.divide) else repr(x)
        return ("a number", x.number) if isinstance(x, Value) and not x.is_array else None


class FusedUpdate:
    """Updates that are made as one."""

    def __init__(self, updates: list[StateUpdate], number: int) -> None:
        self.updates, self.count = updates, number
        first, self.calls, self.constants = updates[0].source, list[Call](), list[Value]()
        base, start = first.array.base, address(first.array) - address(first.array.base)
        self.size = sum(u.source.array.size for u in updates)
        begin = start // first.array.itemsize
        self.source = self.value(base.reshape(-1)[begin : begin + self.size], None)
        self.source.kind, self.source.name = "state", common([u.source.name for u in updates]) or "state"
        self.final = self.joined([u.final for u in updates])

    def value(self, array: Any, call: Call | None) -> Value:
        self.count += 1
        return Value(array, call, None, "", "", self.count)

    def joined(self, parts: list[Any]) -> Any:
        """What stands for one argument of each update."""
        x, update = parts[0], self.updates[0]
        if x is update.source:
            return self.source
        if update.inner(x):
            columns = zip(*[y.call.args for y in parts], strict=True)
            return self.made(x.call.primitive, tuple([self.joined([*column]) for column in columns]))
        if update.like(x):
            whole = self.made(TABLE[np.concatenate], (parts,))
            whole.name = common([v.name for v in parts]) or "values"
            return whole
        if isinstance(x, Value) or len(set(map(repr, parts))) == 1:
            return x
        sizes = [u.source.array.size for u in self.updates]
        constant = self.value(np.repeat(np.array(parts, update.source.array.dtype), sizes), None)
        constant.kind = "constant"
        self.constants.append(constant)
        return constant

    def made(self, primitive: Any, args: tuple[Any, ...]) -> Value:
        dtype, last = self.source.array.dtype, self.updates[-1].final.call
        call = Call(primitive, args, {}, False, last.info._replace(module="", phase="update"))  # type: ignore[union-attr]
        self.calls.append(call)
        call.result = result = self.value(ArrayLayout((self.size,), dtype, (dtype.itemsize,), 0), call)
        return result


def common(names: list[str]) -> str:
    """The words that names have in common."""
    first, *others = [name.replace(".", "_").split("_") for name in names]
    return "_".join([word for word in first if all(word in other for other in others)])


def packs(program: Program) -> list[list[StateUpdate]]:
    """Updates of one form, of arrays that stand side by side."""
    read = [*values(program.result), *[final for _, final in program.state]]
    uses = Counter(v.number for v in (*read, *[w for call in program.calls for w in call.inputs()]))
    updates = [StateUpdate(source, final, uses) for source, final in program.state
               if final is not source and source.is_array and 0 < source.array.nbytes <= SMALL
               and compact(source.array) and within(source.array)]
    found: list[list[StateUpdate]] = []
    for u in sorted(updates, key=lambda u: address(u.source.array)):
        if u.form is not None and found and follows(found[-1][-1], u):
            found[-1].append(u)
        else:
            found.append([u])
    return sorted([group for group in found if len(group) > 1], key=lambda group: group[0].source.number)


def within(a: Any) -> bool:
    """Whether an array is part of a larger one of its dtype."""
    return isinstance(a.base, np.ndarray) and a.base.dtype == a.dtype and compact(a.base)


def follows(a: StateUpdate, b: StateUpdate) -> bool:
    """Whether an update is of the array that stands behind another's, and of the same form."""
    x, y = a.source.array, b.source.array
    return (a.form == b.form and x.dtype == y.dtype and x.base is y.base
            and address(x) + x.nbytes == address(y))


def fuse_updates(program: Program) -> Program:
    """The program with updates of small arrays that stand side by side made as one, at its end."""
    program = program._replace(calls=eliminate_dead_code(program))
    number = max([v.number for v in (*program.sources, *[v for c in program.calls for v in c.outputs()])], default=0)
    for updates in packs(program):
        pack = FusedUpdate(updates, number)
        number = pack.count
        gone = {u.source.number for u in updates}
        state = [pair for pair in program.state if pair[0].number not in gone]
        sources = [v for v in program.sources if v.number not in gone]
        program = program._replace(calls=program.calls + pack.calls, state=[*state, (pack.source, pack.final)],
                                   sources=[*sources, pack.source, *pack.constants])
    return program
