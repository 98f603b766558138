"""Warns of modules and parameters in plain lists, tuples, dicts and sets, where a Module does not find them.

It registers nothing: that is for `ModuleList`, `ModuleDict`, `ParameterList` and `ParameterDict`.
"""

from __future__ import annotations

import sys
import warnings
import weakref
from collections import deque
from collections.abc import Iterator
from typing import Any

from .parameter import Parameter

MOST = 1000  # items of an attribute that are checked; a longer list holds data, not modules
PLAIN = (list, tuple, dict, set, frozenset, deque)
OURS = ("_buffers", "_hooks")
SEEN: set[tuple[int, str]] = set()  # containers already warned of: id of the module, and path


def plain_items(name: str, value: Any) -> Iterator[tuple[str, Any, Any]]:
    """All items in plain containers, at any depth: the path of the container, the container, and the item."""
    waiting, left = [(f"self.{name}", value)], MOST
    while waiting:
        path, container = waiting.pop()
        for key, item in container.items() if isinstance(container, dict) else enumerate(container):
            if not (left := left - 1):
                return
            if isinstance(item, PLAIN):
                waiting.append((f"{path}[{key!r}]", item))
            else:
                yield path, container, item


def warn_of_hidden(modules: list[Any], kind: type[Any]) -> None:
    """Warn, once for each container, of modules (of this kind) and parameters that only a plain container holds."""
    suspects = [(m, name, value) for m in modules for name, value in vars(m).items()
                if isinstance(value, PLAIN) and value and name not in OURS]
    if not suspects:
        return
    known = {id(m) for m in modules} | {id(x) for m in modules for x in vars(m).values() if isinstance(x, Parameter)}
    for module, name, value in suspects:
        for path, container, item in plain_items(name, value):
            mark = id(module), path
            if isinstance(item, (kind, Parameter)) and id(item) not in known and mark not in SEEN:
                SEEN.add(mark)
                weakref.finalize(module, SEEN.discard, mark).atexit = False
                what = "Module" if isinstance(item, kind) else "Parameter"
                right = f"nn.{what}{'Dict' if isinstance(container, dict) else 'List'}"
                warnings.warn(f"{type(module).__name__}: got {what}s in a plain {type(container).__name__}, {path}, "
                              f"where parameters() and state_dict() do not find them; expected {right}; write "
                              f"{right}(...) around it", stacklevel=outside())


def outside() -> int:
    """The `stacklevel` that makes a warning name the first line outside of this package."""
    level, frame = 1, sys._getframe(1)
    while frame.f_back is not None and frame.f_globals.get("__name__", "").startswith("tinytensor."):
        level, frame = level + 1, frame.f_back
    return level
