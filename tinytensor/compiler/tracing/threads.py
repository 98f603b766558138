"""While one thread traces, other threads may meet its stand-ins in shared objects: they see plain values."""

from __future__ import annotations

from collections.abc import Callable
from functools import wraps
from threading import get_ident
from typing import Any

import numpy as np

from ..ir import mapped
from .tracer import ArrayTracer, ScalarTracer

__all__ = ["ArrayTracer", "ScalarTracer"]


def plain(x: Any) -> Any:
    """The current value of a stand-in."""
    if isinstance(x, ArrayTracer):
        return x.held[()] if x.is_scalar else x.held
    return x.value.array if isinstance(x, ScalarTracer) else x


def elsewhere(name: str, method: Callable[..., Any]) -> Callable[..., Any]:
    """A method of stand-ins that other threads call on the plain value."""
    @wraps(method)
    def called(self: Any, *args: Any, **kwargs: Any) -> Any:
        if self.tape.thread == get_ident():
            return method(self, *args, **kwargs)
        args, kwargs = mapped(plain, args), mapped(plain, kwargs)
        if name == "__array_ufunc__":
            ufunc, way, *inputs = args
            return getattr(ufunc, way)(*inputs, **kwargs)
        if name == "__array_function__":
            function, _, given, options = args
            return function(*given, **options)
        if name == "record_call":
            function, given, options = args
            return function(*given, **options)
        x = plain(self)
        if not hasattr(x, name):  # x += y of what has no such method: as Python itself does
            return NotImplemented
        found = getattr(x, name)
        return found(*args, **kwargs) if callable(found) else found

    return called


PROTOCOLS = ("__array_ufunc__", "__array_function__", "record_call")
OWN = ("__init__", "__class__", "__getattr__", "__hash__", "__doc__", "__len__", "__iter__")
for kind, like in ((ArrayTracer, np.ndarray), (ScalarTracer, float)):
    for name, x in list(vars(kind).items()):
        if name in PROTOCOLS or (hasattr(like, name) and name not in OWN and callable(x)):
            setattr(kind, name, elsewhere(name, x))
        elif name in ("T", "mT", "flags"):
            setattr(kind, name, property(elsewhere(name, x.fget)))
