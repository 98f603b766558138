"""Find the user's line that made a tensor, by a profiler's hook that sees every op return.

It slows every call inside its block, so only checks that have failed, or that count nodes, use it.
"""

from __future__ import annotations

import linecache
import sys
from collections.abc import Callable
from pathlib import Path
from types import FrameType
from typing import Any

import numpy as np

from .. import apply
from ..core import Tensor

PACKAGE, NUMPY, HERE = (str(Path(file).parent) for file in (apply.__file__, np.__file__, __file__))
LABS = str(Path(HERE) / "breaks.py")  # stands for a user's file
ENGINE = tuple(str(Path(PACKAGE) / name) for name in ("apply.py", "compose.py", "core.py", "define.py", "dispatch.py",
                                                      "ops"))


class Line:
    """A place in source code; `str()` shows it as ``model.py:12: return x * w``."""

    def __init__(self, frame: FrameType) -> None:
        self.file, self.number = frame.f_code.co_filename, frame.f_lineno

    def __str__(self) -> str:
        """Where it is, for an error message."""
        text = linecache.getline(self.file, self.number).strip().rstrip(",")
        return f"{Path(self.file).name}:{self.number}" + (f": {text}" if text else "")


def users_line(frame: FrameType) -> Line | None:
    """The innermost line outside of the package, up to the check that called; else the innermost outside of the ops."""
    step, own = frame.f_back, None
    while step is not None:
        file = step.f_code.co_filename
        if file == LABS or not file.startswith((PACKAGE, NUMPY)):
            return Line(step)
        if file.startswith(HERE):
            break
        own = Line(step) if own is None and not file.startswith((*ENGINE, NUMPY)) else own
        step = step.f_back
    return own


class Watch:
    """Call ``seen(tensor, line)`` for each tensor that an op makes inside the block, in this thread."""

    def __init__(self, seen: Callable[[Tensor, Line | None], None]) -> None:
        self.seen = seen

    def __enter__(self) -> None:
        self.before = sys.getprofile()
        sys.setprofile(self.look)

    def __exit__(self, *_: object) -> None:
        sys.setprofile(self.before)

    def look(self, frame: FrameType, event: str, value: Any) -> None:
        """The profiler's hook: ops return from the appliers, the functions named `apply` of apply.py."""
        if event == "return" and frame.f_code.co_name == "apply" and isinstance(value, Tensor):
            self.seen(value, users_line(frame))


def lines_of(f: Callable[[], Any]) -> tuple[Any, dict[Tensor, Line | None]]:
    """The result of f, and the line of each tensor that was made on the way, where it is known."""
    lines: dict[Tensor, Line | None] = {}
    with Watch(lines.__setitem__):
        y = f()
    return y, lines
