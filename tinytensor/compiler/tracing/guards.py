"""Guards: whether everything that the step can reach is as it was when the program was made.

Guards look at each call, in a microsecond or two: they load all values by one expression, and compare by identity. What
is within numeric arrays is not compared, for programs read these at each call.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Iterator
from operator import is_
from typing import Any, NamedTuple

from .closure import changes
from .scopes import Scope, Term

Check = Callable[[], bool]
MANY = 64  # what holds more is compared by a loop
ERRORS = (KeyError, IndexError, AttributeError, ValueError, TypeError, RuntimeError)  # of values that are gone


class Place(NamedTuple):
    """The place of a number that varies and is read at each call: a scope and a key."""

    owner: int  # its id; `scope` keeps it alive
    key: Any
    scope: Scope

    def __hash__(self) -> int:
        return hash((self.owner, self.key))

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Place) and self[:2] == other[:2]


def place(scope: Scope, key: Any) -> Place:
    """The place at a key of a scope; of a variable around a function, the cell."""
    owner = scope.cells[key] if hasattr(scope, "cells") else scope.owner
    return Place(id(owner), "" if hasattr(scope, "cells") else key, scope)


class Guards:
    """Compares the values of scopes with those at the trace.

    Parameters
    ----------
    scopes : iterable of Scope
    varying : collection of Place
        Floats that the program reads at each call: only their type is checked.
    """

    def __init__(self, scopes: Iterable[Scope], varying: Iterable[Place] = ()) -> None:
        self.scopes = [(scope, scope.now()) for scope in scopes if scope.watched]
        self.varying = set(varying)

    def quick(self) -> Check:
        """A function that checks all places in one expression, which takes a quarter of the time of a loop.

        False means only that the full check is needed: values may be equal without being identical.
        """
        known: dict[str, Any] = {"is_": is_}
        loads: list[str] = []  # what is compared, as "value = expression"
        unpacked: list[str] = []
        parts: list[str] = []
        keys: list[str] = []

        def name(kind: str, x: Any) -> str:
            known[f"{kind}{len(known)}"] = x
            return f"{kind}{len(known) - 1}"

        def text_of(term: Term) -> str:
            return f"{name('x', term[1])}{term[2]}"

        def same(text: str, load: str, value: Any) -> str:
            if value is None or value is True or value is False:
                return f"{text} is {value}"
            loads.append(f"{name('v', value)} = {load}")
            return f"{text} is {loads[-1].partition(' ')[0]}"

        for scope, before in self.scopes:
            free = [k for k in before if type(before[k]) is float and place(scope, k) in self.varying]
            parts += [f"type({text_of(scope.terms(k))}) is float" for k in free]
            whole, every = scope.whole(), scope.names()
            if every is not None and before:
                where = name("x", every)
                if all(type(key) is str for key in every):
                    keys += [f"*{where}", "0"]  # subtle: the 0 ends each, since an item may move from one to the next
                else:
                    whole = [*whole, ("*", every, "")]
            if free or (whole and not whole[0][0]):
                for k in [k for k in before if k not in free]:
                    text = text_of(scope.terms(k))
                    parts.append(same(text, text, before[k]))
                parts += [f"len({text_of(term)}) == {len(before)}" for term in whole[:1] if free and term[0]]
                whole = [term for term in whole if term[0]][1:] if free else []
            for term in whole:
                text = text_of(term)
                many = eval(f"[*{text}]", known)
                if len(many) > MANY:
                    loads.append(f"{name('v', many)} = [*{text}]")
                    parts.append(f"len({text}) == {len(many)} and all(map(is_, {text}, {loads[-1].partition(' ')[0]}))")
                elif many:
                    own = [f"a{len(known)}_{i}" for i in range(len(many))]
                    unpacked.append(f"{', '.join(own)}, = {text}")
                    parts += [same(a, f"[*{text}][{i}]", x) for i, (a, x) in enumerate(zip(own, many, strict=True))]
                else:
                    parts.append(f"not {text}")
            for text, names in scope.extra():
                for n, x in names.items():
                    text = re.sub(rf"\b{n}\b", name("c", x), text)
                parts.append(text)
        if keys:
            loads.append(f"{name('v', eval(f'[{chr(44).join(keys)}]', known))} = [{', '.join(keys)}]")
            parts.append(f"[{', '.join(keys)}] == {loads[-1].partition(' ')[0]}")
        known |= {"changed": self.changed, "loads": loads, "ERRORS": ERRORS}
        lines = "".join([f"        {line}\n" for line in unpacked])
        exec(f"def hold():\n    try:\n{lines}        if {' and '.join(parts) or 'True'}:\n            return True\n"
             f"    except ERRORS:\n        pass\n    return changed(globals())\n", known)
        hold: Check = known["hold"]
        return hold

    def changed(self, known: dict[str, Any]) -> bool:
        """Whether everything is equal, though not identical; if so, the quick check accepts it from then on."""
        if not self.hold():
            return False
        exec("\n".join(known["loads"]), known)
        return True

    def hold(self) -> bool:
        """Whether nothing has changed; what changed last time is checked first."""
        for i, (scope, before) in enumerate(self.scopes):
            if next(self.changed_in(scope, before), None) is not None:
                self.scopes.insert(0, self.scopes.pop(i))
                return False
        return True

    def changed_in(self, scope: Scope, before: dict[Any, Any]) -> Iterator[tuple[Scope, Any, Any, Any]]:
        """What has changed in one scope."""
        for key, a, b in changes(scope, before):
            if not (type(a) is type(b) is float and place(scope, key) in self.varying):
                yield scope, key, a, b

    def changes(self) -> Iterator[tuple[Scope, Any, Any, Any]]:
        """What has changed: the scope, the key, and the values."""
        for scope, before in self.scopes:
            yield from self.changed_in(scope, before)

    def is_stale(self) -> bool:
        """Whether declared arrays were replaced, so that a program with the old ones is useless."""
        return any(next(changes(scope, before), None) is not None for scope, before in self.scopes if scope.declared)

    def floats(self) -> list[Place]:
        """The places of floats that changed, and that can be read at each call."""
        return [place(scope, key) for scope, key, a, b in self.changes() if type(a) is type(b) is float]


def reader(term: Term) -> Callable[[], Any]:
    """A function that gives what one term loads."""
    _, x, tail = term
    read: Callable[[], Any] = eval(f"lambda: x{tail}", {"x": x})
    return read
