"""Names in a source: of values, and of functions and numbers that have names only where the source runs.

A value has the user's name, its layer's, or one that describes it; no two values share one.
"""

from __future__ import annotations

import keyword
import re
from collections.abc import Iterable
from typing import Any

import numpy as np

from ..ir import Value
from .literals import BUILTINS, constant_name

RESERVED = {"np", "step", "arena", "with_fast_numpy", "BUFFER", "buffer_size", "slice", "frozenset", "set", "range",
            "list","zip", "len", *BUILTINS.values()}


class Names:
    """Assigns names when they are needed.

    Attributes
    ----------
    of_values : dict
        The name of each value that has one, by its number.
    taken : set
        All names that nothing else may have.
    runtime : dict
        What has a name only where the source runs: functions, and numbers, as arrays.
    """

    def __init__(self, taken: Iterable[str]) -> None:
        self.of_values: dict[int, str] = {}
        self.taken = {*RESERVED, *keyword.kwlist, *taken}
        self.runtime: dict[str, Any] = {}
        self.runtime_names: dict[Any, str] = {}

    def of(self, v: Value, wanted: str = "") -> str:
        """The name of a value: its own, or one that describes it."""
        if v.number not in self.of_values:
            self.of_values[v.number] = self.unique(v.name or wanted or self.described(v))
        return self.of_values[v.number]

    def unique(self, name: str) -> str:
        """A name that is not taken yet."""
        name = re.sub(r"\W", "_", name) or "a"
        name = f"_{name}" if name[0].isdigit() else name
        full, n = name, 1
        while full in self.taken:
            n += 1
            full = f"{name}_{n}"
        self.taken.add(full)
        return full

    def described(self, v: Value) -> str:
        """A name that describes a value: a constant by its elements, a result by its layer and call."""
        if v.call is None:
            return constant_name(v.array) if v.kind == "constant" else v.kind
        base = next(iter(v.call.inputs()), None)
        if v.base is not v and base is not None:
            return f"{self.of(base)}_{'T' if v.call.name in ('.T', '.mT') else 'view'}"
        if not v.is_array and v.call.primitive.kind == "scalar":
            return "number"
        what = v.call.primitive.short
        if v.call.name == "np.multiply" and len(v.call.args) == 2 and v.call.args[0] is v.call.args[1]:
            return f"{self.of(v.call.args[0])}_squared"
        if v.call.target is np.concatenate and v.call.info.phase == "update":
            return "gradient"
        path = v.call.info.module.replace(".", "_")
        lead = "d_" if v.call.info.phase == "backward" else ""
        return f"{lead}{path}_{what}" if path else f"{lead}{what}" if lead else what

    def function(self, function: Any, wanted: str) -> str:
        """The name of one of NumPy's functions, where the source runs."""
        return self.runtime_name(wanted, wanted, function)

    def number(self, text: str, array: Any) -> str:
        """The name of a number that the source writes as `text`, as an array, where the source runs."""
        return self.runtime_name((text, array.dtype), "number", array)

    def runtime_name(self, key: Any, wanted: str, x: Any) -> str:
        if key not in self.runtime_names:
            self.runtime_names[key] = self.unique(wanted)
            self.runtime[self.runtime_names[key]] = x
        return self.runtime_names[key]
