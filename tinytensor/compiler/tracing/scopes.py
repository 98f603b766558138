"""Scopes: the holders of values (variables of a function, lists, dicts, objects), read, compared and written.

What can be reached from a step is found by `closure.py`; how places are compared at each call is `guards.py`'s.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from types import CellType
from typing import Any

import numpy as np

ATOMS = (int, float, complex, bool, str, bytes, type(None), np.generic, range, slice, np.dtype, type(Ellipsis))
Term = tuple[str, Any, str]  # an expression over an object: ("", x, ".y") is x.y, ("*", x, "") is everything in x


class Nothing:
    """Marks an empty place."""


class Scope:
    """A holder of values, by key.

    Attributes
    ----------
    owner : object
        What has the places; with a key it says which place is meant.
    name : str
        What the step's code calls it.
    watched : bool
        Whether guards check it at each call.
    declared : bool
        Whether it holds declared arrays: a program whose arrays were replaced is useless.
    """

    def __init__(self, owner: Any, name: str) -> None:
        self.owner, self.name, self.watched, self.declared = owner, name, True, False

    def keys(self) -> list[Any]:
        raise NotImplementedError

    def values(self) -> list[Any]:
        raise NotImplementedError

    def put(self, key: Any, x: Any) -> None:
        raise NotImplementedError

    def drop(self, key: Any) -> None:
        """Empty a place."""

    def called(self, key: Any) -> str:
        """The name of the value at a key in the code."""
        return f"{self.name}.{key}" if self.name else str(key)

    def get(self, key: Any) -> Any:
        """The value at a key."""
        return self.now().get(key, Nothing)

    def now(self) -> dict[Any, Any]:
        return dict(zip(self.keys(), self.values(), strict=True))

    def restore(self, before: dict[Any, Any]) -> None:
        """Restore everything."""
        now = self.now()
        for key in reversed([k for k in now if k not in before]):
            self.drop(key)
        for key, x in before.items():
            if key not in now or now[key] is not x:
                self.put(key, x)

    def terms(self, key: Any) -> Term:
        """The expression that a guard loads for one place."""
        raise NotImplementedError

    def whole(self) -> list[Term]:
        """The shortest expression that a guard loads for all places."""
        return [self.terms(key) for key in self.keys()]

    def names(self) -> Any:
        """An object whose keys a guard compares too; None if it need not."""
        return None

    def extra(self) -> Iterator[tuple[str, dict[str, Any]]]:
        """Conditions of another form, over names."""
        return iter(())


class Variables(Scope):
    """Some variables of a module: the others are ignored, unless `every` one counts."""

    every = False

    def __init__(self, owner: dict[str, Any], name: str) -> None:
        super().__init__(owner, name)
        self.known: dict[str, None] = {}
        self.absent: set[str] = set()  # names that are not there; a builtin may be meant

    def keys(self) -> list[Any]:
        if self.every:
            return [n for n in self.owner if not n.startswith("__") or n in self.known]
        return [n for n in self.known if n in self.owner]

    def values(self) -> list[Any]:
        return [self.owner[n] for n in self.keys()]

    def names(self) -> Any:
        return self.owner.keys() if self.every else None

    def put(self, key: Any, x: Any) -> None:
        self.owner[key] = x

    def drop(self, key: Any) -> None:
        del self.owner[key]

    def get(self, key: Any) -> Any:
        return self.owner.get(key, Nothing)

    def terms(self, key: Any) -> Term:
        return ("", self.owner, f"[{key!r}]")

    def now(self) -> dict[Any, Any]:
        return super().now() | {n: self.owner[n] for n in self.absent if n in self.owner}

    def extra(self) -> Iterator[tuple[str, dict[str, Any]]]:
        if self.absent:
            yield "apart(names)", {"apart": self.owner.keys().isdisjoint, "names": frozenset(self.absent)}


class Settings(Variables):
    """A dict some of whose items are handled elsewhere."""

    def __init__(self, owner: dict[str, Any], name: str, without: Iterable[str], item: bool = True) -> None:
        super().__init__(owner, name)
        self.without, self.item = without, item

    def keys(self) -> list[Any]:
        return [key for key in self.owner if key not in self.without]

    def called(self, key: Any) -> str:
        return f"{self.name}[{key!r}]" if self.item else super().called(key)

    def names(self) -> Any:
        return self.owner.keys()


class Members(Scope):
    """Some attributes of an object, by name: slots, parts of a function, what a tensor holds."""

    def __init__(self, owner: Any, name: str, members: Iterable[str]) -> None:
        super().__init__(owner, name)
        self.members = list(members)

    def get(self, key: Any) -> Any:
        try:
            return getattr(self.owner, key)
        except AttributeError:
            return Nothing

    def keys(self) -> list[Any]:
        return [m for m in self.members if self.get(m) is not Nothing]

    def values(self) -> list[Any]:
        return [x for m in self.members if (x := self.get(m)) is not Nothing]

    def put(self, key: Any, x: Any) -> None:
        (type if isinstance(self.owner, type) else object).__setattr__(self.owner, key, x)

    def drop(self, key: Any) -> None:
        object.__delattr__(self.owner, key)

    def terms(self, key: Any) -> Term:
        return ("", self.owner, f".{key}")

    def extra(self) -> Iterator[tuple[str, dict[str, Any]]]:
        for m in self.members:
            if self.get(m) is Nothing:
                yield "not hasattr(x, name)", {"x": self.owner, "name": m}


class Partial(Members):
    """The parts of a functools.partial."""

    def put(self, key: Any, x: Any) -> None:
        p = self.owner
        parts = {"func": p.func, "args": p.args, "keywords": p.keywords, key: x}
        p.__setstate__((parts["func"], parts["args"], parts["keywords"], p.__dict__))


class Class(Members):
    """The values and methods of a user's class."""

    OMITTED = ("__dict__", "__weakref__", "__doc__", "__module__", "__qualname__", "__annotations__", "__slotnames__",
               "__slots__", "__match_args__", "__parameters__", "__orig_bases__", "__abstractmethods__", "_abc_impl",
               "__dataclass_params__", "__dataclass_fields__", "__firstlineno__", "__static_attributes__")

    def __init__(self, owner: type, name: str) -> None:
        self.table = vars(owner)
        super().__init__(owner, name, ())

    def get(self, key: Any) -> Any:
        return self.table.get(key, Nothing)

    def keys(self) -> list[Any]:
        return [k for k, x in self.table.items() if k not in self.OMITTED and type(x).__name__ != "member_descriptor"]

    def values(self) -> list[Any]:
        return [self.table[k] for k in self.keys()]

    def drop(self, key: Any) -> None:
        type.__delattr__(self.owner, key)

    def terms(self, key: Any) -> Term:
        return ("", self.table, f"[{key!r}]")

    def whole(self) -> list[Term]:
        return [("*", self.table.values(), "")]

    def names(self) -> Any:
        return self.table.keys()


class Cells(Scope):
    """The variables around a function."""

    def __init__(self, cells: dict[str, CellType]) -> None:
        super().__init__(cells, "")
        self.cells = cells

    def get(self, key: Any) -> Any:
        try:
            return self.cells[key].cell_contents
        except ValueError:
            return Nothing

    def keys(self) -> list[Any]:
        return [k for k in self.cells if self.get(k) is not Nothing]

    def values(self) -> list[Any]:
        return [x for k in self.cells if (x := self.get(k)) is not Nothing]

    def put(self, key: Any, x: Any) -> None:
        self.cells[key].cell_contents = x

    def drop(self, key: Any) -> None:
        del self.cells[key].cell_contents

    def terms(self, key: Any) -> Term:
        return ("", self.cells[key], ".cell_contents")

    def extra(self) -> Iterator[tuple[str, dict[str, Any]]]:
        for k, cell in self.cells.items():
            if self.get(k) is Nothing:
                yield "not filled(cell)", {"cell": cell, "filled": filled}


def filled(cell: CellType) -> bool:
    try:
        return cell.cell_contents is not cell
    except ValueError:
        return False


def same(a: Any, b: Any) -> bool:
    """Whether two values are identical, or equal and plain."""
    return a is b or (type(a) is type(b) and isinstance(a, ATOMS) and repr(a) == repr(b))
