"""What a step's code knows by name, besides its arguments: variables of functions and modules, and what these hold.

Found by looking at the user's own functions and objects, not at NumPy's or at this package's. Nothing is run.
"""

from __future__ import annotations

import argparse
import dis
import sys
import sysconfig
from collections.abc import Callable, Iterable, Iterator
from functools import lru_cache, partial
from itertools import chain
from operator import attrgetter, itemgetter
from types import CellType, CodeType, FunctionType, MethodType, ModuleType, SimpleNamespace
from typing import Any

import numpy as np

from ...core import Tensor
from ...nn.module import Module
from ...optim import EMA
from ...optim.flat import Block, Optimizer
from ...random import Generator
from .source_info import NUMPY, PACKAGE

CONTENTS = attrgetter("cell_contents")
PLAIN = (int, float, complex, bool, str, bytes, type(None), np.generic, range, slice, np.dtype, type(Ellipsis))
LEAVES = (np.ndarray, Tensor, Generator, np.random.Generator, np.random.RandomState)
OURS = (Module, Optimizer, Block, EMA)
MANY = 1000  # what holds more is looked at while a step is traced, and not at each call
Term = tuple[str, Any, str]  # what is loaded of an object: ("", x, ".y") stands for x.y, ("*", x, "") for all of x
LIBRARIES = tuple({PACKAGE, NUMPY, "<frozen", *(sysconfig.get_paths()[k] for k in ("stdlib", "purelib", "platlib"))})


def is_library_file(file: str | None) -> bool:
    """Whether a file is not the user's: code in C has none."""
    return file is None or file.startswith(LIBRARIES)


def is_user_class(cls: type) -> bool:
    """Whether a class is the user's, or a plain one for settings."""
    if cls in (SimpleNamespace, argparse.Namespace):
        return True
    module = sys.modules.get(cls.__module__)
    return module is not None and cls.__module__ != "builtins" and not (
        hasattr(module, "__file__") and is_library_file(module.__file__))


class Scope:
    """Something with places that values stand in: a function's variables, a list, a dict, an object.

    Attributes
    ----------
    name : str
        What the step's code calls it.
    values : callable
        What stands there now, in order.
    """

    def __init__(self, name: str, keys: Callable[[], Iterable[Any]], values: Callable[[], Iterable[Any]],
                 put: Callable[[Any, Any], None], drop: Callable[[Any], None]) -> None:
        self.name, self.keys, self.values, self.put, self.drop = name, keys, values, put, drop
        self.watched = True  # at each call; not if somebody else does that

    def now(self) -> dict[Any, Any]:
        return dict(zip(self.keys(), self.values(), strict=True))

    def restore(self, before: dict[Any, Any]) -> None:
        """Let everything be as it was."""
        now = self.now()
        for key in reversed([k for k in now if k not in before]):
            self.drop(key)
        for key, x in before.items():
            if key not in now or now[key] is not x:
                self.put(key, x)

    def called(self, key: Any) -> str:
        """What the code calls the value at a key."""
        return f"{self.name}.{key}" if self.name else str(key)


class ClosureScan:
    """All that can be reached from a step.

    Parameters
    ----------
    roots : iterable
        The step, and arguments that are objects.
    known : iterable
        Optimisers and tensors that were declared: left to those who know how they change.
    """

    def __init__(self, roots: Iterable[Any], known: Iterable[Any] = ()) -> None:
        self.holders: list[Scope] = []
        self.generators: list[Generator] = []  # of this package
        self.seen: dict[int, Any] = {id(x): x for x in known}
        for root in roots:
            self.visit(root, "")
        self.before = self.expected = self.now()

    # --- what there is ---

    def visit(self, x: Any, name: str) -> None:
        """Note what holds values, and go on to these."""
        if isinstance(x, PLAIN) or id(x) in self.seen:
            return
        self.seen[id(x)] = x
        if hasattr(x, "__wrapped__") and not isinstance(x, type):
            self.visit(x.__wrapped__, name)
        if isinstance(x, Tensor):
            self.object(x, name, ("data", "grad", "hooks"))
        elif isinstance(x, LEAVES):
            if isinstance(x, Generator):
                self.generators.append(x)
        elif isinstance(x, FunctionType):
            self.function(x)
        elif isinstance(x, MethodType):
            self.visit(x.__self__, getattr(x.__self__, "__name__", "self"))
            self.visit(x.__func__, "")
        elif isinstance(x, partial):
            for part in (x.func, x.args, x.keywords):
                self.visit(part, "partial")
        elif isinstance(x, dict):
            self.holder(SubscriptScope(name, lambda: list(x), x.values, x.__setitem__, x.__delitem__))
        elif isinstance(x, list):
            self.holder(SubscriptScope(name, lambda: range(len(x)), x.__iter__, partial(place, x), x.__delitem__))
        elif isinstance(x, tuple | set | frozenset):
            if isinstance(x, set):
                self.holder(SubscriptScope(name, lambda: list(x), lambda: x, lambda k, v: x.add(v), x.discard))
            for i, y in enumerate(x):
                self.visit(y, f"{name}[{i}]")
        elif isinstance(x, type):
            for cls in filter(is_user_class, x.__mro__):
                self.user_class(cls)
        elif not isinstance(x, ModuleType) and (isinstance(x, OURS) or is_user_class(type(x))):
            self.visit(type(x), "")
            slots = [s for c in type(x).__mro__ for s in getattr(c, "__slots__", ()) if isinstance(s, str)
                     and not s.startswith("__") and hasattr(x, s)]
            if slots:
                self.object(x, name, slots)
            if hasattr(x, "__dict__"):
                own = vars(x)
                if isinstance(x, Module):
                    self.seen[id(own["_buffers"])] = own["_buffers"]  # what it names are attributes too
                self.holder(Scope(name, lambda: list(own), own.values, own.__setitem__, own.__delitem__))

    def holder(self, holder: Scope, watched: bool = True) -> None:
        self.holders.append(holder)
        holder.watched = watched
        for key, x in list(zip(holder.keys(), holder.values(), strict=True)):
            self.visit(x, holder.called(key))

    def user_class(self, cls: type) -> None:
        """The values that a class of the user's holds, and the variables of its methods."""
        known, methods = vars(cls), []
        names = [n for n, x in known.items() if not (n.startswith("__") or callable(x) or hasattr(x, "__get__"))]
        if names:
            self.holder(Scope(cls.__name__, lambda: names, lambda: [known[n] for n in names], partial(setattr, cls),
                               partial(delattr, cls)))
        for name, x in known.items():
            if name in ("__init__", "__repr__"):
                continue
            methods += [x.fget, x.fset] if isinstance(x, property) else [getattr(x, "__func__", x)]
        for x in methods:
            if isinstance(x, FunctionType):
                self.visit(x, "")

    def declared_optimizer(self, opt: Optimizer) -> None:
        """Settings, and what a class of the user's adds; all else of it changes in ways that are known."""
        self.visit(type(opt), "")
        more = [name for name in vars(opt) if name not in ("blocks", "param_groups", "defaults")]
        if more:
            self.object(opt, "the optimiser", more)
        for i, group in enumerate(opt.param_groups):
            def settings(group: dict[str, Any] = group) -> list[str]:
                return [key for key in group if key not in ("lr", "params")]

            def values(group: dict[str, Any] = group, keys: Any = settings) -> list[Any]:
                return [group[key] for key in keys()]

            self.holder(SubscriptScope(f"param_groups[{i}]", settings, values, group.__setitem__, group.__delitem__),
                        False)

    def object(self, x: Any, name: str, slots: Iterable[str], watched: bool = True) -> None:
        """Some attributes of an object."""
        names = tuple(slots)
        self.holder(Scope(name, lambda: names, lambda: [getattr(x, s) for s in names], partial(setattr, x),
                           partial(delattr, x)), watched)

    def function(self, f: FunctionType) -> None:
        """The variables of a function of the user's: those around it, those of its module, its defaults."""
        if is_library_file(f.__code__.co_filename):  # a decorator, perhaps, around a function of the user's
            for cell in f.__closure__ or ():
                if filled(cell) and isinstance(cell.cell_contents, FunctionType | MethodType):
                    self.visit(cell.cell_contents, "")
            return
        cells = {n: c for n, c in zip(f.__code__.co_freevars, f.__closure__ or (), strict=True) if filled(c)}
        if cells:
            self.holder(Scope("", lambda: list(cells), partial(map, CONTENTS, cells.values()),
                               lambda k, v: setattr(cells[k], "cell_contents", v), lambda k: None))
        names = [n for n in global_names(f.__code__) if n in f.__globals__]
        modules = [n for n in names if isinstance(f.__globals__[n], ModuleType)]
        self.variables(f.__globals__, [n for n in names if n not in modules], "")
        for module in [f.__globals__[n] for n in modules]:
            if not is_library_file(getattr(module, "__file__", None)):
                self.variables(vars(module), [n for n in attribute_names(f.__code__) if n in vars(module)],
                               module.__name__)
        if f.__defaults__ or f.__kwdefaults__:
            self.visit(f.__defaults__, f"{f.__name__}.__defaults__")
            self.visit(f.__kwdefaults__, f"{f.__name__}.__kwdefaults__")

    def variables(self, known: dict[str, Any], names: list[str], lead: str) -> None:
        """Some variables of a module."""
        if names:
            get: Any = itemgetter(*names) if len(names) > 1 else (lambda d: (d[names[0]],))
            self.holder(Scope(lead, lambda: names, partial(get, known), known.__setitem__, known.__delitem__))

    # --- whether it changed ---

    def arrays(self) -> list[tuple[Any, str]]:
        """Every array that is known, and its name."""
        return [(x, h.called(k)) for h in self.holders for k, x in h.now().items() if isinstance(x, np.ndarray)]

    def now(self) -> list[dict[Any, Any]]:
        return [holder.now() for holder in self.holders]

    def replace(self, stand_in: Callable[[Any, str], Any]) -> None:
        """Let `stand_in(value, its name)` stand in the place of every value."""
        for holder in self.holders:
            for key, x in holder.now().items():
                if (new := stand_in(x, holder.called(key))) is not x:
                    holder.put(key, new)
        self.expected = self.now()

    def restore(self) -> None:
        """Let everything be as it was when it was found."""
        for holder, old in zip(self.holders, self.before, strict=True):
            holder.restore(old)

    def differences(self) -> Iterator[tuple[str, Any, Any]]:
        """What is not as it was after `replace`: its name, and the values."""
        for holder, old in zip(self.holders, self.expected, strict=True):
            new = holder.now()
            for key in dict.fromkeys([*old, *new]):
                a, b = old.get(key, Nothing), new.get(key, Nothing)
                if not same(a, b):
                    yield holder.called(key), a, b

    def changes(self) -> Iterator[tuple[str, Any, Any]]:
        """What is not as it was when it was found."""
        self.expected = self.before
        return self.differences()

    def watch(self, more: list[Term]) -> Callable[[], bool]:
        """A quick look, at each call, at whether all is as it is now, `more` too; not at what is within arrays."""
        every = [h for h in self.holders if h.watched and len(list(h.values())) <= MANY]
        now = loader([*chain.from_iterable(map(terms, every)), *more])
        before = now()
        alike = identity_guard(before)

        def unchanged() -> bool:
            nonlocal before
            try:
                found = now()
                if found == before and alike(found, before):  # subtle: `==` takes what is one for equal
                    return True
            except (KeyError, AttributeError, ValueError, TypeError):  # a variable was deleted; an array is another
                return False
            if len(found) != len(before) or not all(map(same, found, before)):
                return False
            before = found
            return True

        return unchanged


def terms(holder: Scope) -> list[Term]:
    """What to load of a holder: all that its `values` gives, the shortest way."""
    values = holder.values
    if isinstance(values, partial):  # variables of a module, or those around a function
        known = values.args[-1]
        if isinstance(known, dict):
            return [("", known, f"[{name!r}]") for name in holder.now()]
        return [("", cell, ".cell_contents") for cell in known]
    whole = getattr(values, "__self__", None)
    if isinstance(whole, dict):
        return [("*", whole.values(), "")]
    return [("*", whole, "")] if isinstance(whole, list) else [("*", values, "()")]


def loader(every: list[Term]) -> Callable[[], list[Any]]:
    """A function that gives what all terms load, written as one expression: a quarter of the time of a loop."""
    text = ", ".join([f"{lead}x{i}{tail}" for i, (lead, _, tail) in enumerate(every)])
    load: Callable[[], list[Any]] = eval(f"lambda: [{text}]", {f"x{i}": x for i, (_, x, _) in enumerate(every)})
    return load


def identity_guard(before: list[Any]) -> Callable[[list[Any], list[Any]], bool]:
    """A look at those values that may be equal, and not the same: numbers of another type, arrays of one element."""
    places = [i for i, x in enumerate(before) if isinstance(x, int | float | complex | np.generic)
              or (isinstance(x, np.ndarray | Tensor) and x.size == 1)]
    text = " and ".join([f"a[{i}] is b[{i}]" for i in places]) or "True"
    alike: Callable[[list[Any], list[Any]], bool] = eval(f"lambda a, b: {text}")
    return alike


class Nothing:
    """Stands where no value is."""


class SubscriptScope(Scope):
    """A list or dict: what it holds is called name[key]."""

    def called(self, key: Any) -> str:
        return f"{self.name}[{key!r}]"


def same(a: Any, b: Any) -> bool:
    """Whether two values are one, or plain ones that are equal."""
    return a is b or (type(a) is type(b) and isinstance(a, PLAIN) and repr(a) == repr(b))


def place(x: list[Any], i: int, value: Any) -> None:
    """Set an item of a list, which may be the one after the last."""
    x[i : i + 1] = [value]


def filled(cell: CellType) -> bool:
    try:
        return cell.cell_contents is not cell
    except ValueError:
        return False


def codes(code: CodeType) -> Iterator[CodeType]:
    """The code of a function and of those inside of it."""
    yield code
    for x in code.co_consts:
        if isinstance(x, CodeType):
            yield from codes(x)


@lru_cache(maxsize=256)
def global_names(code: CodeType) -> dict[str, None]:
    """The names of variables of its module that a function reads or writes."""
    return dict.fromkeys(i.argval for c in codes(code) for i in dis.get_instructions(c) if i.opname in
                         ("LOAD_GLOBAL", "LOAD_NAME", "STORE_GLOBAL", "DELETE_GLOBAL"))


def attribute_names(code: CodeType) -> dict[str, None]:
    """The names of attributes that a function reads or writes."""
    return dict.fromkeys(n for c in codes(code) for n in c.co_names)
