"""Objects whose state can't be compared: iterators, files, locks. A step may reach them, but not use them.

While a step is traced, a stand-in replaces it and raises an error that names the use.
"""

from __future__ import annotations

import array
import datetime
import decimal
import fractions
import functools
import logging
import operator
import pathlib
import re
import struct
import uuid
import weakref
from collections import OrderedDict, defaultdict, deque
from collections.abc import Callable
from threading import get_ident
from types import BuiltinFunctionType, MappingProxyType, MethodWrapperType, ModuleType, SimpleNamespace
from typing import TYPE_CHECKING, Any

import numpy as np

from ...advice import a_type
from .scopes import ATOMS

if TYPE_CHECKING:
    from .trace import Trace

HEAP, IMMUTABLE = 1 << 9, 1 << 8  # flags of types: made while Python runs; of code in C
CACHES = functools._lru_cache_wrapper
# These can't be changed, or their contents don't matter
CONSTANT = (re.Pattern, datetime.date, datetime.time, datetime.timedelta, datetime.tzinfo, decimal.Decimal,
            fractions.Fraction, pathlib.PurePath, uuid.UUID, type(NotImplemented), logging.Logger, operator.itemgetter,
            operator.attrgetter, operator.methodcaller, struct.Struct)
EMPTY: dict[Any, Any] = {}
VIEWS = (MappingProxyType, type(EMPTY.keys()), type(EMPTY.values()), type(EMPTY.items()))  # of a mapping
CONTAINERS = (*VIEWS, list, dict, tuple, set, frozenset, deque, OrderedDict, defaultdict, array.array, bytearray,
              memoryview, SimpleNamespace, BaseException, weakref.ref, ModuleType, functools.partial)

HIDDEN: weakref.WeakKeyDictionary[type, bool] = weakref.WeakKeyDictionary()  # of each class that was found


def made_in_python(cls: type) -> bool:
    """Whether a class adds nothing to its base but a dict, slots and weak references, which can all be read."""
    slots = vars(cls).get("__slots__", ())
    room = 16 + 8 * (1 if isinstance(slots, str) else len(list(slots)))
    return bool(cls.__flags__ & HEAP and not cls.__flags__ & IMMUTABLE and cls.__base__ is not None
                and cls.__basicsize__ - cls.__base__.__basicsize__ <= room)


def slot_names(x: Any) -> list[str]:
    """The slots of an object, by the names that they have inside."""
    found = []
    for cls in type(x).__mro__:
        slots = vars(cls).get("__slots__", ()) if made_in_python(cls) else ()
        for s in (slots,) if isinstance(slots, str) else slots:
            if s not in ("__dict__", "__weakref__"):
                found.append(f"_{cls.__name__.lstrip('_')}{s}" if s.startswith("__") and not s.endswith("__") else s)
    return found


def is_hidden(x: Any) -> bool:
    """Whether an object has a state that is neither in attributes nor in a container of a known kind."""
    if isinstance(x, type):
        return False
    if (hidden := HIDDEN.get(type(x))) is None:
        base = next(c for c in type(x).__mro__ if not made_in_python(c))
        hidden = HIDDEN[type(x)] = base is not object and not issubclass(base, (*CONTAINERS, *CONSTANT, *ATOMS))
    return hidden


def is_bound_builtin(x: Any) -> bool:
    """Whether x is a method in C of some object, such as `losses.append`."""
    return (isinstance(x, BuiltinFunctionType | MethodWrapperType)
            and not isinstance(x.__self__, ModuleType | type | None))


ADVICE = {"Random": "draw from a declared np.random.default_rng(seed)"}


def refusal(trace: Trace, x: Any, place: str) -> Exception:
    """The error that names what was used, and what it is."""
    kind = next((c.__name__ for c in type(x).__mro__ if c.__name__ in ADVICE), "")
    return trace.refusal(f"{place or 'an object'}, {a_type(x)}, is used, and its state can't be compared from "
                         f"call to call", "arrays, numbers, and containers and objects of them",
                         ADVICE.get(kind, "use it outside of the step, and pass the result as an argument"))


class Hidden:
    """A stand-in for an object with hidden state: the tracing thread may not use it, others may."""

    __slots__ = ("_hidden",)

    def __init__(self, trace: Trace, x: Any, place: str, refuse: Callable[..., Exception] = refusal) -> None:
        object.__setattr__(self, "_hidden", (trace, x, place, refuse))

    def __getattribute__(self, name: str) -> Any:
        trace, x, place, refuse = object.__getattribute__(self, "_hidden")
        if name == "__class__":
            return type(x)
        if trace.thread != get_ident():
            return getattr(x, name)
        raise refuse(trace, x, place)


def used(name: str) -> Callable[..., Any]:
    """A method that raises."""
    def refused(self: Hidden, *args: Any, **kwargs: Any) -> Any:
        return Hidden.__getattribute__(self, name)(*args, **kwargs)

    return refused


DUNDERS = ("setattr delattr call iter next len bool getitem setitem delitem contains enter exit eq ne lt le gt "
           "ge add radd sub rsub mul rmul truediv rtruediv matmul rmatmul pow rpow mod rmod floordiv rfloordiv "
           "and rand or ror xor rxor invert neg pos abs int float index complex str repr format bytes reversed "
           "aiter anext await send iadd isub imul itruediv lshift rshift array copy deepcopy reduce reduce_ex "
           "length_hint fspath ")
for name in DUNDERS.split():
    setattr(Hidden, f"__{name}__", used(f"__{name}__"))
setattr(Hidden, "__hash__", object.__hash__)


class Cached:
    """Stands for a function with a cache: a cached result is refused unless it equals what the function returns now."""

    def __init__(self, trace: Trace, x: Any, place: str) -> None:
        self.trace, self.x, self.place, self.__wrapped__ = trace, x, place, x.__wrapped__

    def __get__(self, owner: Any, cls: Any = None) -> Any:
        return self if owner is None else functools.partial(self, owner)

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        if self.trace.thread != get_ident():
            return self.x(*args, **kwargs)
        now = self.__wrapped__(*args, **kwargs)
        if alike(now, now) and alike(now, found := self.x(*args, **kwargs)):
            return found
        raise self.trace.refusal(f"{self.place or self.x.__name__} caches results that it would not return now, or at "
                                 "the next call", "a function that depends on its arguments only", "clear its "
                                 "cache, or call it outside of the step, and pass the result as an argument")

    def __getattr__(self, name: str) -> Any:
        return getattr(self.x, name)


def alike(a: Any, b: Any) -> bool:
    """Whether two results are of the same numbers in the same containers."""
    if type(a) is not type(b):
        return False
    if isinstance(a, list | tuple):
        return len(a) == len(b) and all(map(alike, a, b))
    if isinstance(a, dict):
        return list(a) == list(b) and all(map(alike, a.values(), b.values()))
    if type(a) is np.ndarray:
        return bool(a.dtype == b.dtype and a.shape == b.shape and a.tobytes() == b.tobytes())
    return issubclass(type(a), (*ATOMS, np.generic)) and (a is b or repr(a) == repr(b))
