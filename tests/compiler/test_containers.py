"""Random containers that hold arrays, numbers and texts, read by a random step and changed at random: never stale."""

import array
import collections
import copy
import dataclasses
import types
from typing import Any

import numpy as np
import pytest

import tinytensor as tt
from tinytensor.compiler.audit import equal

X = np.arange(6, dtype=np.float32).reshape(2, 3)


class Plain:
    def __init__(self, **items: Any) -> None:
        self.__dict__.update(items)


class Slots:
    __slots__ = ("a", "b", "c")

    def __init__(self, **items: Any) -> None:
        for name, x in items.items():
            setattr(self, name, x)


@dataclasses.dataclass
class Data:
    a: Any
    b: Any
    c: Any


@dataclasses.dataclass(frozen=True)
class Frozen:
    a: Any
    b: Any
    c: Any


@dataclasses.dataclass(frozen=True, slots=True)
class FrozenSlots:
    a: Any
    b: Any
    c: Any


class Triple(tuple):  # type: ignore[type-arg]
    pass


class Ordered(dict):  # type: ignore[type-arg]
    pass


Named = collections.namedtuple("Named", "a b c")
NAMES = "abc"


def class_of(**items: Any) -> Any:
    return type("Settings", (), items)


def function_of(**items: Any) -> Any:
    def f() -> None:
        pass

    f.__dict__.update(items)
    return f


def module_of(**items: Any) -> Any:
    module = types.ModuleType("settings_of_a_test")
    module.__dict__.update(items)
    return module


SEQUENCES: list[Any] = [list, tuple, collections.deque, Triple, collections.UserList,
                        lambda x: np.array([*x, None], object)[:-1]]
MAPPINGS: list[Any] = [dict, collections.OrderedDict, collections.UserDict, Ordered, types.MappingProxyType,
                       lambda d: collections.defaultdict(int, d), lambda d: collections.ChainMap({}, d)]
OBJECTS: list[Any] = [Plain, Slots, Data, Frozen, FrozenSlots, Named, types.SimpleNamespace, class_of, function_of,
                      module_of]


class Draw:
    """Containers, and what stands in them, drawn at random."""

    def __init__(self, rng: np.random.Generator) -> None:
        self.rng = rng

    def leaf(self) -> Any:
        kind = self.rng.integers(8)
        if kind < 2:
            return float(self.rng.integers(1, 9)) / 2
        if kind < 4:
            return self.rng.integers(0, 9, 3).astype(np.float32)
        if kind == 4:
            return int(self.rng.integers(1, 9))
        if kind == 5:
            return str(self.rng.choice(["one", "two", "three"]))
        if kind == 6:
            return array.array("d", self.rng.integers(0, 9, 3).tolist())
        return bool(self.rng.integers(2))

    def thing(self, depth: int) -> Any:
        if depth == 0 or self.rng.random() < 0.2:
            return self.leaf()
        items = [self.thing(depth - 1) for _ in range(3)]
        kind = self.rng.integers(3)
        if kind == 0:
            return SEQUENCES[self.rng.integers(len(SEQUENCES))](items)
        if kind == 1:
            keys = list(NAMES) if self.rng.random() < 0.7 else [1, (2, "x"), None]
            return MAPPINGS[self.rng.integers(len(MAPPINGS))](dict(zip(keys, items, strict=True)))
        return OBJECTS[self.rng.integers(len(OBJECTS))](**dict(zip(NAMES, items, strict=True)))


def items_of(thing: Any) -> Any:
    """(key, value) of all that a container holds, in its order; None of what is no container."""
    if isinstance(thing, float | int | str | array.array) or (isinstance(thing, np.ndarray) and thing.dtype != object):
        return None
    sequences = np.ndarray | list | tuple | collections.deque | collections.UserList
    if isinstance(thing, sequences) and not hasattr(thing, "_fields"):
        return list(enumerate(thing))
    if isinstance(thing, collections.abc.Mapping):
        return list(thing.items())
    if hasattr(type(thing), "__slots__") and not hasattr(thing, "__dict__"):
        return [(n, getattr(thing, n)) for n in NAMES if hasattr(thing, n)]
    return [(n, x) for n, x in vars(thing).items() if n[0] != "_"]


def number(x: Any) -> Any:
    """What the step makes of a leaf."""
    if isinstance(x, str):
        return len(x)
    return sum(x) if isinstance(x, array.array) else x


def read(thing: Any, x: Any) -> Any:
    """A step's own way of reading all, where the order matters."""
    found = items_of(thing)
    if found is None:
        return x * 0.5 + number(thing)
    for key, y in found:
        x = read(y, x) + len(str(key)) * 0.25
    return x


def change(rng: np.random.Generator, thing: Any) -> None:
    """Change something inside, in place, by another, or in another order, wherever that can be."""
    found = items_of(thing)
    if found is None:
        if isinstance(thing, np.ndarray):
            thing[rng.integers(3)] += 1
        elif isinstance(thing, array.array):
            thing[int(rng.integers(3))] += 1
        return
    if not found:
        return
    key, x = found[rng.integers(len(found))]
    if rng.random() < 0.5:
        change(rng, x)
        return
    new, kind = Draw(rng).thing(1), rng.integers(4)
    try:
        if isinstance(thing, collections.abc.Mapping | list | collections.deque | np.ndarray | collections.UserList):
            mapping: Any = thing
            if kind == 0 and not isinstance(thing, np.ndarray):
                del mapping[key]
            elif kind == 1 and isinstance(thing, list | collections.deque):
                mapping.append(new)
            elif kind == 2 and isinstance(thing, collections.abc.MutableMapping):
                mapping[key] = mapping.pop(key)
            else:
                mapping[key] = new
        elif kind == 0:
            delattr(thing, key)
        elif kind == 1:
            delattr(thing, key)
            setattr(thing, key, x)
        else:
            setattr(thing, key, new)
    except (TypeError, AttributeError, KeyError):  # it can't be changed
        pass


@pytest.mark.parametrize("seed", range(150))
def test_random_containers(seed: int) -> None:
    rng = np.random.default_rng(seed)
    thing = Draw(rng).thing(int(rng.integers(1, 4)))
    step = tt.compile(lambda x: read(thing, x), max_programs=3)
    refused = 0
    for _ in range(14):
        wanted = read(thing, X)
        try:
            assert equal(wanted, step(X))
        except tt.CompileError:
            refused += 1
        if rng.random() < 0.4:
            change(rng, thing)
    assert refused < 14
    copy.copy(step)
