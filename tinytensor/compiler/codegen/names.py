"""What things are called where a step is written down: values, and functions and numbers that need names there.

A value has the user's name, its layer's, or one after what it is; two are never called alike.
"""

from __future__ import annotations

import keyword
import re
from collections.abc import Iterable
from typing import Any

import numpy as np

from ..ir import Value
from .literals import contents

RESERVED = {"np", "step", "memory", "swift"}


class Names:
    """Gives names as they are needed.

    Attributes
    ----------
    given : dict
        The name of each value that has one, by its number.
    taken : set
        All names that nothing else may have.
    inside : dict
        What has a name only where the step runs: functions, and numbers, as arrays.
    """

    def __init__(self, taken: Iterable[str]) -> None:
        self.given: dict[int, str] = {}
        self.taken = {*RESERVED, *keyword.kwlist, *taken}
        self.inside: dict[str, Any] = {}
        self.short: dict[Any, str] = {}  # what they are known by

    def of(self, v: Value, wanted: str = "") -> str:
        """The name of a value: its own, or after what it is."""
        if v.number not in self.given:
            self.given[v.number] = self.unique(v.name or wanted or self.described(v))
        return self.given[v.number]

    def unique(self, name: str) -> str:
        name = re.sub(r"\W", "_", name) or "a"
        name = f"_{name}" if name[0].isdigit() else name
        full, n = name, 1
        while full in self.taken:
            n += 1
            full = f"{name}_{n}"
        self.taken.add(full)
        return full

    def described(self, v: Value) -> str:
        """A name by what it is: a constant by its contents, a result by its layer and call."""
        if v.call is None:
            return contents(v.array) if v.kind == "constant" else v.kind
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
        """The name of one of NumPy's functions."""
        if wanted not in self.short:
            self.short[wanted] = self.unique(wanted)
            self.inside[self.short[wanted]] = function
        return self.short[wanted]

    def number(self, text: str, char: str) -> str:
        """The name of a number that is written so, as an array of a dtype."""
        if (text, char) not in self.short:
            self.short[text, char] = self.unique("number")
            self.inside[self.short[text, char]] = np.array(eval(text, {"np": np}), char)
        return self.short[text, char]
