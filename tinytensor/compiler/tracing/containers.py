"""Scopes of dicts, lists, sets and buffers, and facts about an object; see `scopes.py`."""

from __future__ import annotations

from abc import get_cache_token
from collections import OrderedDict, deque
from collections.abc import Iterator
from functools import partial
from typing import Any

from .scopes import Nothing, Scope, Term


class Mapping(Scope):
    """A dict of any kind: its items are called name[key]."""

    def __init__(self, owner: Any, name: str) -> None:
        super().__init__(owner, name)
        self.kind: Any = OrderedDict if isinstance(owner, OrderedDict) else dict  # whose order is another

    def keys(self) -> list[Any]:
        return list(self.kind.keys(self.owner))

    def values(self) -> list[Any]:
        return list(self.kind.values(self.owner))

    def put(self, key: Any, x: Any) -> None:
        self.kind.__setitem__(self.owner, key, x)

    def drop(self, key: Any) -> None:
        self.kind.__delitem__(self.owner, key)

    def get(self, key: Any) -> Any:
        return dict.get(self.owner, key, Nothing)

    def called(self, key: Any) -> str:
        return f"{self.name}[{key!r}]"

    def restore(self, before: dict[Any, Any]) -> None:
        if self.keys() == list(before):
            super().restore(before)
        else:
            self.kind.clear(self.owner)
            for key, x in before.items():
                self.put(key, x)

    def terms(self, key: Any) -> Term:
        return ("", partial(dict.__getitem__, self.owner, key), "()")

    def whole(self) -> list[Term]:
        return [("*", self.kind.values(self.owner), "")]

    def names(self) -> Any:
        return self.kind.keys(self.owner)


class Attributes(Mapping):
    """The `__dict__` of an object. Of this package's own objects only the values are compared, not the names: the code
    of their classes names what it reads."""

    called = Scope.called

    def __init__(self, owner: Any, name: str, ours: bool = False) -> None:
        super().__init__(owner, name)
        self.ours = ours

    def names(self) -> Any:
        return None if self.ours else super().names()

    def terms(self, key: Any) -> Term:
        return ("", self.owner, f"[{key!r}]")


class Plain:
    """A list, deque or set of a class of the user's, by the methods of its base: its own may do otherwise."""

    def __init__(self, owner: Any) -> None:
        self.owner: Any = owner
        self.kind: Any = next(kind for kind in PLAIN if isinstance(owner, kind))

    def __len__(self) -> int:
        return int(self.kind.__len__(self.owner))

    def __iter__(self) -> Iterator[Any]:
        found: Iterator[Any] = self.kind.__iter__(self.owner)
        return found

    def __getitem__(self, key: Any) -> Any:
        return self.kind.__getitem__(self.owner, key)

    def __setitem__(self, key: Any, x: Any) -> None:
        self.kind.__setitem__(self.owner, key, x)

    def __delitem__(self, key: Any) -> None:
        self.kind.__delitem__(self.owner, key)

    def __getattr__(self, name: str) -> Any:
        return partial(getattr(self.kind, name), self.owner)


PLAIN = (list, deque, set)


class Items(Scope):
    """A container whose items have an order."""

    def __init__(self, owner: Any, name: str) -> None:
        super().__init__(owner, name)
        self.own: Any = owner if type(owner) in PLAIN else Plain(owner)

    def keys(self) -> list[Any]:
        return list(range(len(self.own)))

    def values(self) -> list[Any]:
        return [*self.own]

    def whole(self) -> list[Term]:
        return [("*", self.own, "")]


class Sequence(Items):
    """A list or a deque."""

    def put(self, key: Any, x: Any) -> None:
        if key < len(self.own):
            self.own[key] = x
        else:
            self.own.append(x)

    def drop(self, key: Any) -> None:
        del self.own[key]

    def get(self, key: Any) -> Any:
        return self.own[key] if key < len(self.own) else Nothing

    def called(self, key: Any) -> str:
        return f"{self.name}[{key!r}]"

    def terms(self, key: Any) -> Term:
        return ("", self.own, f"[{key!r}]")


class Elements(Items):
    """A set: its elements are identified by their order."""

    def called(self, key: Any) -> str:
        return f"an element of {self.name}"

    def restore(self, before: dict[Any, Any]) -> None:
        if self.now() != before:
            self.own.clear()
            self.own.update(before.values())

    def put(self, key: Any, x: Any) -> None:  # the stand-in of an element would have another hash
        pass


class Content(Scope):
    """What is compared as bytes: bytearray, array.array, memoryview, arrays of other things than numbers."""

    def keys(self) -> list[Any]:
        return ["the bytes"]

    def values(self) -> list[Any]:
        return [self.read()]

    def read(self) -> bytes:
        x: bytes = self.owner.tobytes() if hasattr(self.owner, "tobytes") else bytes(self.owner)
        return x

    def called(self, key: Any) -> str:
        return f"the content of {self.name}"

    def put(self, key: Any, x: Any) -> None:
        view = memoryview(self.owner)
        if not view.readonly and self.values() != [x] and view.nbytes == len(x):
            view.cast("B")[:] = x

    def whole(self) -> list[Term]:
        return []

    def extra(self) -> Iterator[tuple[str, dict[str, Any]]]:
        yield "read() == before", {"read": self.read, "before": self.read()}


class Reference(Scope):
    """A weak reference."""

    def keys(self) -> list[Any]:
        return ["()"]

    def values(self) -> list[Any]:
        return [self.owner()]

    def called(self, key: Any) -> str:
        return f"{self.name}()"

    def put(self, key: Any, x: Any) -> None:  # it can't refer to another
        pass

    def terms(self, key: Any) -> Term:
        return ("", self.owner, "()")


class Fact(Scope):
    """A fact about an object that a step may not change."""

    def keys(self) -> list[Any]:
        return [0]

    def put(self, key: Any, x: Any) -> None:
        pass

    def whole(self) -> list[Term]:
        return []


class Form(Fact):
    """The shape and the type of an array, which somebody may set; its numbers are read at each call."""

    def values(self) -> list[Any]:
        return [f"{self.owner.dtype} of shape {self.owner.shape}"]

    def called(self, key: Any) -> str:
        return f"the form of {self.name}"

    def extra(self) -> Iterator[tuple[str, dict[str, Any]]]:
        yield "x.shape == s and x.dtype is d", {"x": self.owner, "s": self.owner.shape, "d": self.owner.dtype}


class Registered(Fact):
    """Which classes were registered with an abstract class: Python counts how often that was done to any."""

    def values(self) -> list[Any]:
        return [get_cache_token()]

    def called(self, key: Any) -> str:
        return f"the classes registered with {self.name}"

    def extra(self) -> Iterator[tuple[str, dict[str, Any]]]:
        yield "token() == before", {"token": get_cache_token, "before": get_cache_token()}
