"""What a step can reach besides its arguments: variables of functions and modules, and what these hold.

Everything is walked that is not known to stay as it is; nothing is run. What has a state that can't be compared is left
to `opaque.py`. Code that ran and that was not reached is walked at the next trace.
"""

from __future__ import annotations

import array
import builtins
import gc
import os
import sys
import types
import weakref
from collections import defaultdict, deque
from collections.abc import Callable, Collection, Iterable, Iterator
from functools import cached_property, partial, partialmethod
from types import CodeType, FunctionType, MethodType, ModuleType
from typing import Any

import numpy as np

from ...advice import a_type
from ...core import Tensor
from ...nn.module import Module
from ...optim import EMA, Optimizer
from ...random import Generator
from ..ir import CompileError, SourceInfo
from .code import (
    DYNAMIC,
    WHOLE,
    codes,
    global_names,
    imported,
    is_installed,
    is_library,
    is_library_file,
    is_user_code,
    names_of,
)
from .containers import Attributes, Content, Elements, Form, Mapping, Reference, Registered, Sequence
from .opaque import CACHES, CONSTANT, IMMUTABLE, VIEWS, is_bound_builtin, is_hidden, made_in_python, slot_names
from .scopes import ATOMS, Cells, Class, Members, Nothing, Partial, Scope, Settings, Variables, same
from .source_info import NUMPY, PACKAGE

Roots = dict[CodeType, tuple[dict[str, Any], list[Any]]]  # code that ran: its variables and functions
STREAMS = (np.random.Generator, np.random.RandomState, np.random.BitGenerator)
REPLACED = ("forward", "__call__", "step", "update")  # methods of the library's classes that may be replaced
WRAPPERS = (staticmethod, classmethod, property, cached_property, partialmethod)
FIXED = (*ATOMS, *CONSTANT, *STREAMS, CodeType, types.BuiltinFunctionType, types.WrapperDescriptorType,
         types.MethodDescriptorType, types.GetSetDescriptorType, types.MemberDescriptorType, types.MethodWrapperType,
         types.ClassMethodDescriptorType, type(SourceInfo.line), types.GenericAlias, types.UnionType, np.ufunc,
         type(np.sum), type(np.random.default_rng))  # NumPy's functions in C, like Python's own
READERS = {"getenv": os.environ, "getenvb": os.environ}  # functions of os, and the values they read
LEFT_ALONE = (NUMPY, PACKAGE)  # modules that hold nothing which the user sets
COMPILER = __name__.rpartition(".tracing")[0]
OURS = f"{COMPILER.rpartition('.')[0]}."  # how the names of this package's modules begin


class ClosureScan:
    """All that can be reached from a step.

    Parameters
    ----------
    roots : iterable
        The step, and arguments that are objects.
    known : iterable
        Optimisers and tensors that were declared: left to those who know how they change.
    more : dict
        Code that ran and was not reached otherwise.
    ran : set of code or None
        What the step ran: if given, functions that did not run are left alone.
    """

    def __init__(self, roots: Iterable[Any], known: Iterable[Any] = (), more: Roots | None = None,
                 ran: set[CodeType] | None = None) -> None:
        self.scopes: list[Scope] = []
        self.generators: list[Generator] = []  # of this package
        self.averages: list[EMA] = []
        self.ran, self.more, self.reached = ran, more or {}, set[CodeType]()
        self.lacking: set[str] = set()  # modules in the code's imports that are not imported yet
        self.seen: dict[int, Any] = {id(x): x for x in known}
        self.tables: dict[int, Variables] = {}
        self.modules: dict[int, ModuleType] = {}
        self.names: set[str] = set()  # of attributes that are in the code
        self.cells: set[int] = set()
        self.found: list[tuple[Any, str]] = []
        self.waiting: deque[tuple[Any, str]] = deque((root, "") for root in roots)
        for code, (table, functions) in self.more.items():
            self.waiting.extend((f, "") for f in functions)
            if ran is None or code in ran:
                self.code(code, table)
        self.walk()
        self.before = self.expected = self.now()

    # --- what there is ---

    def walk(self) -> None:
        """Visit everything in the queue, and what the modules found hold under the names in the code."""
        while True:
            while self.waiting:
                self.seek(*self.waiting.popleft())
                self.waiting.extendleft(reversed(self.found))  # depth first: so things are called as the step does
                self.found.clear()
            for module in list(self.modules.values()):
                self.module(module)
            self.waiting.extend(self.found)
            self.found.clear()
            if not self.waiting:
                return

    def visit(self, x: Any, name: str) -> None:
        if type(x) not in ATOMS and id(x) not in self.seen:
            self.found.append((x, name))

    def seek(self, x: Any, name: str) -> None:
        try:
            self.look(x, name)
        except Exception as error:  # of attributes that the user's code returns
            raise CompileError(f"compile: {name or 'an object'}, {a_type(x)}, raised {error!r} when its "
                               "attributes were read; expected objects that allow it; use it outside of the step, and "
                               "pass the result as an argument") from error

    def look(self, x: Any, name: str) -> None:
        """Record holders of values, and queue their values."""
        if id(x) in self.seen or (isinstance(x, FIXED) and not is_bound_builtin(x) and (
                type(x) in FIXED or not made_in_python(type(x)))):  # a user's class may add attributes
            return
        self.seen[id(x)] = x
        if isinstance(x, Tensor):
            self.add(Members(x, name, ("data", *(("grad",) if x.is_leaf else ()), "hooks", "_requires_grad")))
        elif isinstance(x, np.ndarray):
            if x.dtype.kind not in "biufc":
                self.add(Content(x, name))
                for i, y in enumerate(x.flat if x.dtype.hasobject else ()):
                    self.visit(y, f"{name}[{i}]")
            else:
                self.add(Form(x, name))
        elif isinstance(x, Generator):
            self.generators.append(x)
        elif isinstance(x, FunctionType):
            self.function(x)
        elif isinstance(x, MethodType):
            self.visit(x.__self__, getattr(x.__self__, "__name__", "self"))
            self.visit(x.__func__, "")
        elif isinstance(x, ModuleType):
            self.modules[id(x)] = x
        elif isinstance(x, type):
            self.type(x)
        elif isinstance(x, WRAPPERS):
            for part in ("__func__", "fget", "fset", "func", "args", "keywords"):
                self.visit(getattr(x, part, None), name)
        elif isinstance(x, VIEWS):
            for y in gc.get_referents(x):
                self.visit(y, name)
        elif is_bound_builtin(x):
            self.visit(x.__self__, name)
        elif isinstance(x, CACHES) or type(x).__module__.startswith(COMPILER) or hasattr(type(x), "_compiled"):
            self.visit(getattr(x, "__wrapped__", None), name)
        else:
            self.object(x, name)

    def object(self, x: Any, name: str) -> None:
        """The values of an object of any class."""
        cls = type(x)
        if isinstance(x, dict):
            self.add(Mapping(x, name))
            if isinstance(x, defaultdict):
                self.add(Members(x, name, ("default_factory",)))
        elif isinstance(x, list | deque):
            self.add(Sequence(x, name))
        elif isinstance(x, tuple):
            for i, y in enumerate(x):
                self.visit(y, f"{name}.{cls._fields[i]}" if hasattr(cls, "_fields") else f"{name}[{i}]")
        elif isinstance(x, set | frozenset):
            if isinstance(x, set):
                self.add(Elements(x, name))
            for y in x:
                self.visit(y, f"an element of {name}")
        elif isinstance(x, bytearray | array.array | memoryview):
            self.add(Content(x, name))
        elif isinstance(x, BaseException):
            self.add(Members(x, name, ("args",)))
        elif isinstance(x, partial):
            self.add(Partial(x, name or "partial", ("func", "args", "keywords")))
        elif isinstance(x, weakref.ref):
            self.add(Reference(x, name))
        elif is_hidden(x):
            return
        if cls in (dict, list, tuple, set, frozenset, deque):
            return
        if isinstance(x, EMA):
            self.averages.append(x)
        if not cls.__flags__ & IMMUTABLE:  # a class in C can't be changed
            # a class may list, as `_compared`, the attributes that a program depends on
            self.add(Members(x, name, getattr(cls, "_compared", None) or [*slot_names(x), "__class__"]))
        own = getattr(x, "__dict__", None)
        if type(own) is dict:
            self.seen[id(own)] = own
            if isinstance(x, Module):
                self.seen[id(own.get("_buffers"))] = own.get("_buffers")  # names in it may be attributes too
            self.add(Attributes(own, name, cls.__module__.startswith(OURS)))

    def add(self, scope: Scope) -> None:
        self.scopes.append(scope)
        for key, x in scope.now().items():
            self.visit(x, scope.called(key))
            if type(key) is not str:
                self.visit(key, f"a key of {scope.name}")

    def type(self, cls: type) -> None:
        """The values of the user's classes, methods too, and methods of the library that may have been replaced."""
        kept = [n for n in REPLACED if any(n in vars(c) for c in cls.__mro__)]
        if kept and issubclass(cls, Module | Optimizer | EMA):
            self.add(Members(cls, cls.__name__, kept))
        for c in cls.__mro__:
            if not is_library(c) and (c is cls or id(c) not in self.seen):
                self.seen[id(c)] = c
                self.add(Class(c, c.__name__))
                self.add(Members(c, c.__name__, ("__bases__",)))
                if "_abc_impl" in vars(c):
                    self.add(Registered(c, c.__name__))
        if type(cls) is not type:
            self.visit(type(cls), "")

    def function(self, f: FunctionType) -> None:
        """The variables of a user's function: enclosing ones, globals, defaults."""
        code, cells = f.__code__, dict(zip(f.__code__.co_freevars, f.__closure__ or (), strict=True))
        if is_library_file(code.co_filename):  # it may be a decorator around a user's function
            for cell in cells.values():
                x = Cells({"": cell}).get("")
                if isinstance(x, FunctionType | MethodType | partial):
                    self.visit(x, "")
            self.visit(f.__dict__.get("__wrapped__"), "")
            self.visit(f.__dict__.get("registry"), "")
            return
        self.seen[id(f.__dict__)] = f.__dict__
        self.add(Attributes(f.__dict__, f.__name__))
        if code not in self.ran if self.ran is not None else is_installed(code.co_filename) and code not in self.more:
            return  # other code is scanned once it has run: there is much of it
        cells = {n: c for n, c in cells.items() if id(c) not in self.cells}
        self.cells.update(map(id, cells.values()))
        if cells:
            self.add(Cells(cells))
        self.code(code, f.__globals__)
        self.add(Members(f, f.__name__, ("__code__", "__defaults__", "__kwdefaults__")))

    def code(self, code: CodeType, table: dict[str, Any]) -> None:
        """What code loads of the variables of its module, and of modules that it imports."""
        self.reached.update(codes(code))
        known = names_of(code)
        self.names |= known
        self.variables(table, global_names(code), "")
        if known & WHOLE:
            self.variables(table, [n for n in table if not n.startswith("__")], "", True)
        for name in imported(code, table.get("__package__")):
            if name in sys.modules:
                self.visit(sys.modules[name], "")
            else:
                self.lacking.add(name)
        for name in known & sys.modules.keys() if known & DYNAMIC else ():
            self.visit(sys.modules[name], "")

    def variables(self, table: dict[str, Any], names: Iterable[str], lead: str, every: bool = False) -> None:
        """Some variables of a module, or every one, and their order."""
        scope = self.tables.get(id(table))
        if scope is None:
            scope = self.tables[id(table)] = Variables(table, lead)
            self.scopes.append(scope)
        scope.every = scope.every or every
        for n in names:
            if n not in table:
                scope.absent.add(n)
                if not isinstance(vars(builtins).get(n, len), type | types.BuiltinFunctionType):  # not Python's own
                    self.variables(vars(builtins), [n], "builtins")
            elif n not in scope.known:
                scope.known[n] = None
                self.visit(table[n], scope.called(n))

    def module(self, module: ModuleType) -> None:
        """What the code may load of a module."""
        table = vars(module)
        if not is_library(module):
            dynamic, every = bool(self.names & DYNAMIC), not is_installed(table.get("__file__"))
            names: Iterable[str] = [n for n, x in table.items() if n in self.names or (
                dynamic and not n.startswith("__") and (every or not isinstance(x, FunctionType | type | ModuleType)))]
            self.variables(table, names, module.__name__, dynamic and every)
            return
        if not (table.get("__file__") or "").startswith(LEFT_ALONE):
            names = [n for n in self.names & table.keys() if table[n] is not sys.modules and not isinstance(
                table[n], type | ModuleType) and not callable(table[n])]
            self.variables(table, names, module.__name__)
            for n in self.names & READERS.keys() if module is os else ():
                self.visit(READERS[n], READERS[n].__class__.__name__)

    def declared_optimizer(self, opt: Optimizer) -> None:
        """Settings, and what a user's class adds; everything else of it changes in known ways."""
        self.visit(type(opt), "")
        self.add(Settings(vars(opt), "the optimiser", ("blocks", "param_groups", "defaults"), False))
        for i, group in enumerate(opt.param_groups):
            self.add(Settings(group, f"param_groups[{i}]", ("lr", "params")))
        self.walk()

    # --- whether it changed ---

    def arrays(self) -> list[tuple[Any, str]]:
        """All known arrays, with their names."""
        return [(x, h.called(k)) for h in self.scopes for k, x in h.now().items() if isinstance(x, np.ndarray)]

    def now(self) -> list[dict[Any, Any]]:
        return [scope.now() for scope in self.scopes]

    def replace(self, stand_in: Callable[[Any, str, Scope, Any], Any], functions: Collection[Any] = ()) -> None:
        """Replace every value by `stand_in(value, its name, scope, key)`, `functions` too."""
        for scope in self.scopes:
            for key, x in scope.now().items():
                touched = type(x) not in UNTOUCHED or (functions and callable(x) and x in functions)
                if touched and (new := stand_in(x, scope.called(key), scope, key)) is not x:
                    scope.put(key, new)
        self.expected = self.now()

    def restore(self) -> None:
        """Restore everything as it was when it was found."""
        for scope, old in zip(self.scopes, self.before, strict=True):
            scope.restore(old)

    def differences(self) -> Iterator[tuple[str, Any, Any]]:
        """What has changed since `replace`: its name, and the values."""
        for scope, old in zip(self.scopes, self.expected, strict=True):
            for key, a, b in changes(scope, old):
                yield scope.called(key), a, b

    def changes(self) -> Iterator[tuple[str, Any, Any]]:
        """What has changed since it was found."""
        self.expected = self.before
        return self.differences()


UNTOUCHED = (*(t for t in ATOMS if t is not float), CodeType, FunctionType, ModuleType, type)


def changes(scope: Scope, old: dict[Any, Any]) -> Iterator[tuple[Any, Any, Any]]:
    """What has changed in a scope: the key, and the values."""
    new = scope.now()
    for key in dict.fromkeys([*old, *new]):
        a, b = old.get(key, Nothing), new.get(key, Nothing)
        if not same(a, b):
            yield key, a, b
    if list(old) != list(new) and old.keys() == new.keys():
        i, key = next((i, key) for i, (key, other) in enumerate(zip(old, new, strict=True)) if key != other)
        yield key, f"item {i}", f"item {list(new).index(key)}"


def unreached(scan: ClosureScan, ran: dict[CodeType, dict[str, Any]]) -> Roots:
    """The user's code that ran and that a scan has not reached, with its variables and functions."""
    others = [getattr(f, "__code__", None) for f in gc.callbacks]  # run when they like
    found = {c: table for c, table in ran.items() if c not in scan.reached and is_user_code(c) and c not in others}
    return {c: (table, [f for f in gc.get_referrers(c) if isinstance(f, FunctionType)]) for c, table in found.items()}
