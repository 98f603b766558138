"""Where a call was made and what its values are called: the user's line, the layer, the names of variables.

It reads frames only while a step is traced, and changes nothing there.
"""

from __future__ import annotations

import contextlib
import linecache
import random
import re
import sys
from collections.abc import Iterator
from itertools import takewhile
from pathlib import Path
from types import CodeType, FrameType
from typing import Any

import numpy as np

from ...core import Tensor, TracerBase
from ..ir import Call, CompileError, SourceInfo, Value

PACKAGE = str(Path(__file__).resolve().parents[2])
NUMPY = str(Path(np.__file__).parent)
HERE = str(Path(__file__).parents[1])
# Folders whose local variables name values of the source; the engine's local names would not help a reader.
TELLING = tuple(f"{PACKAGE}/{room}/" for room in ("nn", "models", "ops", "optim"))
GENERIC = {*"abcdgintwxy", "rows", "flat", "input", "self", "first", "second", "direction"}  # names that say nothing
LEGACY, PYTHON = np.random.rand.__self__, random.random.__self__  # type: ignore[attr-defined]
USER, LAYER, OP = 3, 2, 1  # ranks of names: the higher one is kept


def ours(file: str) -> bool:
    return file.startswith((PACKAGE, NUMPY, "<", contextlib.__file__))


def role_of(code: CodeType) -> str:
    """What a frame says about the calls inside of it."""
    if not ours(code.co_filename):
        return "user"
    if code.co_name == "backward_pass":
        return "backward"
    if code.co_filename.startswith(f"{PACKAGE}/optim"):
        return "update"
    return "rule" if code.co_varnames[:2] == ("g", "y") else ""


class SourceTracker:
    """Knows the layers of a model by their paths, and collects names while a step runs.

    Parameters
    ----------
    paths : dict
        The path of each layer, by its id.
    """

    def __init__(self, paths: dict[int, str]) -> None:
        self.paths = paths
        self.names: dict[int, tuple[int, str, Value]] = {}  # number of a value -> how good a name, the name
        self.refused: CompileError | None = None  # the last error; subtle: NumPy and the step itself may hide it
        self.gradients: list[tuple[Value, Value]] = []  # a gradient, and the value that it belongs to
        self.roles: dict[CodeType, str] = {}
        self.ran: dict[int, tuple[CodeType, dict[str, Any]]] | None = None  # code that ran, and its variables
        self.drew: set[str] = set()  # "np.random" or "random", if this thread drew from them
        self.watcher: Any = None  # the current profile function
        self.infos: dict[Any, SourceInfo] = {}  # many calls are made in one line

    # --- lines ---

    def user_frame(self) -> FrameType | None:
        """The innermost frame of the user's code."""
        frame: FrameType | None = sys._getframe(2)
        while frame is not None and ours(frame.f_code.co_filename):
            frame = frame.f_back
        return frame

    def current(self, trace: Any) -> SourceInfo:
        """The line, the layer and the phase of a call that is being made."""
        frame: FrameType | None = sys._getframe(2)
        file, number, module, phase = "", 0, "", "forward"
        while frame is not None:
            code = frame.f_code
            role = self.roles.get(code)
            if role is None:
                role = self.roles[code] = role_of(code)
            if code.co_name == "forward":
                module = module or self.paths.get(id(frame.f_locals.get("self")), "")
            if role == "user":
                file, number = code.co_filename, frame.f_lineno
                break
            if role == "rule" and phase == "forward":
                y = frame.f_locals["y"]
                value = y.current_or_none() if is_tracer(y) else None
                module = value.base.call.info.module if value is not None and value.base.call else module
            elif role in ("backward", "update"):
                phase = role
            frame = frame.f_back
        key = (file, number, module, phase)
        if key not in self.infos:
            line, where = linecache.getline(file, number).strip(), f"{Path(file).name}:{number}" if file else ""
            self.infos[key] = SourceInfo(line, where, module, phase)
        return self.infos[key]

    # --- refusals ---

    def refusal(self, what: str, expected: str, advice: str) -> CompileError:
        """The error that names the user's line, what it does, and what to write instead."""
        frame = self.user_frame()
        place = ""
        if frame is not None:
            file, number = frame.f_code.co_filename, frame.f_lineno
            place = f"{Path(file).name}:{number}: {linecache.getline(file, number).strip()!r}: "
        self.refused = CompileError(f"compile: {place}{what}; expected {expected}; {advice}")
        return self.refused

    def number(self, what: str) -> CompileError:
        """The error for code that would take a value out of the step."""
        return self.refusal(f"{what} would freeze the value seen while tracing",
                            "arrays throughout the "
                            "step", "return the array or Tensor, and convert it outside of the step")

    def check_index(self, key: Any) -> None:
        """Raise for masks: how many elements they select depends on values."""
        for k in key if isinstance(key, tuple) else (key,):
            if getattr(k, "dtype", None) == np.bool_ or isinstance(k, bool):
                raise self.refusal("a boolean mask selects a number of elements that depends on "
                                   "values", "shapes that are the same at "
                                   "each step", "write np.where(mask, x, 0), or sums of x * mask")

    # --- names ---

    def name(self, x: Any, name: str, rank: int) -> None:
        """Name a variable's value after it, unless it has a better name."""
        if isinstance(x, Tensor):
            x = x.data
        if is_tracer(x):
            value = x.current_or_none()
            if value is None:
                return
            known = self.names.get(value.number)
            if known is None or known[0] < rank:
                self.names[value.number] = (rank, name, value)

    def collect(self, frame: FrameType, event: str, arg: Any) -> None:
        """For `sys.setprofile`: the code that runs, and draws from the streams of whole modules."""
        if event == "call":
            code = frame.f_code
            if id(code) not in self.ran:  # type: ignore[operator]
                self.ran[id(code)] = code, frame.f_globals  # type: ignore[index]
        elif event == "c_call":
            owner = getattr(arg, "__self__", None)
            if (owner is LEGACY or owner is PYTHON) and arg.__name__ not in ("get_state", "getstate"):
                self.drew.add("np.random" if owner is LEGACY else "random")

    def profile(self, frame: FrameType, event: str, result: Any) -> None:
        """As `collect`, and names at each return, pairs of gradient and output at each rule's call."""
        code = frame.f_code
        if event == "call" or event == "c_call":
            self.collect(frame, event, result)
        if event == "call":
            if code.co_varnames[:2] == ("g", "y") and not code.co_filename.startswith(HERE):
                g, y = frame.f_locals["g"], frame.f_locals["y"]
                pair: list[Any] = [x.current_or_none() if is_tracer(x) else None for x in (g, y)]
                if None not in pair:
                    self.gradients.append((pair[0], pair[1]))
        elif event == "return":
            file = code.co_filename
            user = not ours(file)
            if not user and not file.startswith(TELLING):
                return
            if code.co_name == "forward" and (path := self.paths.get(id(frame.f_locals.get("self")))):
                self.name(result, path.replace(".", "_"), LAYER)
            rank = USER if user else OP
            for name, x in frame.f_locals.items():
                if user or name not in GENERIC:
                    self.name(x, name, rank)

    @contextlib.contextmanager
    def watching(self, named: bool) -> Iterator[None]:
        """Record which code runs inside the block; with `named` also names, which doubles the time of a trace."""
        if sys.getprofile() is not None:  # the user's profiler is running: leave it alone
            yield
            return
        self.ran, self.watcher = {}, self.profile if named else self.collect
        sys.setprofile(self.watcher)
        try:
            yield
        finally:
            sys.setprofile(None)
            self.watcher = None

    def assign_names(self, values: list[Value]) -> None:
        """Write the names that were found into the values: gradients after what they are gradients of."""
        found = sorted(self.names.values(), key=lambda known: -known[0])
        for rank, name, value in found:
            if rank > OP and not value.name:
                value.name, value.has_user_name = name, True
        gradients = {g.number for g, _ in self.gradients}
        for _, name, value in found:
            if value.number not in gradients:
                value.name = value.name or name
        for g, y in self.gradients:
            if y.name and not g.name:
                g.name, g.has_user_name = f"d_{y.name}", y.has_user_name
        for _, name, value in found:
            value.name = value.name or name
        for value in values:
            value.name = re.sub(r"\W", "_", value.name)

    def assign_phases(self, calls: list[Call], finals: set[int]) -> None:
        """What the user's own lines do after the last backward pass, for what is declared, belongs to the update."""
        behind = list(takewhile(lambda call: call.info.phase != "backward", reversed(calls)))
        for call in behind if len(behind) < len(calls) else ():
            if any(v.number in finals for v in call.outputs()):
                finals = finals | {v.number for v in call.inputs()}
                call.info = call.info._replace(phase="update")


def is_tracer(x: Any) -> bool:
    return isinstance(x, TracerBase) and hasattr(type(x), "current")
