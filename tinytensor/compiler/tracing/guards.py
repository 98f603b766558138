"""Whether a program still fits: all that the step can reach is as it was when the program was made.

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
END: Term = ("", object(), "")  # stands between what several scopes hold, for an item may go from one to the next


class Place(NamedTuple):
    """Where a number stands that varies, and is read at each call: what a scope has at a key."""

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
    """Compares what scopes hold with what they held.

    Parameters
    ----------
    scopes : iterable of Scope
    varying : collection of Place
        Floats that the program reads at each call: that they are floats is all that is asked of them.
    """

    def __init__(self, scopes: Iterable[Scope], varying: Iterable[Place] = ()) -> None:
        self.scopes = [(scope, scope.now()) for scope in scopes if scope.watched]
        self.varying = set(varying)
        self.hold = self.build()

    def build(self) -> Check:
        """The quick look."""
        terms: list[Term] = []
        names: list[Term] = []
        floats: list[Term] = []
        conditions: list[tuple[str, dict[str, Any]]] = []
        for scope, before in self.scopes:
            free = [key for key in before if type(before[key]) is float and place(scope, key) in self.varying]
            if free:
                floats += [scope.terms(key) for key in free]
                terms += [scope.terms(key) for key in before if key not in free]
            else:
                terms += scope.whole()
            keys = scope.names()
            if keys is not None and all(type(key) is str for key in keys):
                names += [("*", keys, ""), END]
            elif keys is not None:
                terms += [END, ("*", keys, ""), END]
            elif terms and terms[-1][0]:
                terms.append(END)
            conditions += scope.extra()
        values, keyed, numbers = loader(terms), loader(names), loader(floats)
        before, known, more = values(), keyed(), condition(conditions)
        kinds = [float] * len(floats)

        def hold() -> bool:
            nonlocal before, known
            try:
                found = values()
                if len(found) == len(before) and all(map(is_, found, before)) and keyed() == known and more() and (
                        not kinds or list(map(type, numbers())) == kinds):
                    return True
                if next(self.changes(), None) is not None:
                    return False
            except (KeyError, IndexError, AttributeError, ValueError, TypeError, RuntimeError):
                return False  # a variable was deleted; what was empty is not
            before, known = values(), keyed()  # equal numbers, made anew
            return more()

        return hold

    def changes(self) -> Iterator[tuple[Scope, Any, Any, Any]]:
        """What is not as it was: the scope, the key, and the values."""
        for scope, before in self.scopes:
            for key, a, b in changes(scope, before):
                if not (type(a) is type(b) is float and place(scope, key) in self.varying):
                    yield scope, key, a, b
            if list(scope.now()) != list(before):
                yield scope, "order", list(before), list(scope.now())

    def is_stale(self) -> bool:
        """Whether declared arrays were replaced: what holds on to the old ones is of no use any more."""
        return any(next(changes(scope, before), None) is not None for scope, before in self.scopes if scope.declared)

    def floats(self) -> list[Place] | None:
        """The places of what changed, if these are floats that can be read at each call; None if anything else did."""
        found = [*self.changes()]
        if not all(type(a) is type(b) is float and not scope.declared for scope, _, a, b in found):
            return None
        return [place(scope, key) for scope, key, _, _ in found]


def loader(every: list[Term]) -> Callable[[], list[Any]]:
    """A function that gives what all terms load, written as one expression: a quarter of the time of a loop."""
    text = ", ".join([f"{lead}x{i}{tail}" for i, (lead, _, tail) in enumerate(every)])
    load: Callable[[], list[Any]] = eval(f"lambda: [{text}]", {f"x{i}": x for i, (_, x, _) in enumerate(every)})
    return load


def reader(term: Term) -> Callable[[], Any]:
    """A function that gives what one term loads."""
    _, x, tail = term
    read: Callable[[], Any] = eval(f"lambda: x{tail}", {"x": x})
    return read


def condition(every: list[tuple[str, dict[str, Any]]]) -> Check:
    """Whether all conditions hold: each is an expression over names of its own."""
    known, parts = dict[str, Any](), []
    for i, (text, names) in enumerate(every):
        for name in names:
            text = re.sub(rf"\b{name}\b", f"{name}_{i}", text)
        known |= {f"{name}_{i}": x for name, x in names.items()}
        parts.append(text)
    check: Check = eval(f"lambda: {' and '.join(parts) or 'True'}", known)
    return check
