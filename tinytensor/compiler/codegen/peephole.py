"""How a line of a step is spelled where it runs: the same call, in the way that costs Python and NumPy the least.

What people read is `np.add(a, b, out=c)`. A function that has a name of its own, an output by its place, and a method
where NumPy's function is dispatched first save a twelfth to a fifth of a microsecond each: as long as it takes to add
a thousand numbers.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Any

import numpy as np

NAME = r"([\w.]+)"
DOT = re.compile(rf"np\.dot\({NAME}, {NAME}, out={NAME}\)")
UFUNC = re.compile(r"np\.(\w+)\(([^=]*), out=(.*)\)")
REDUCE = re.compile(rf"np\.(\w+)\.reduce\({NAME}, axis=(-?\d+), out={NAME}\)")
TAKE = re.compile(rf"{NAME}\.take\({NAME}, (\d+), out={NAME}, mode=\"clip\"\)")
COPY = re.compile(rf"np\.copyto\((.*), {NAME}\)")
BY_KEYWORD = {np.maximum, np.minimum}  # NumPy warns of their output by its place


def quick(line: str, named: Callable[[Any, str], str], arrays: bool = True) -> str:
    """A line, spelled in the quickest way.

    `named(function, wanted)` gives the name that a function goes by; `arrays`: whether what is multiplied by `np.dot`
    are arrays with axes, for numbers have no such method.

    Examples
    --------
    >>> quick("np.dot(a, b, out=c)", lambda f, name: name)
    'a.dot(b, c)'
    >>> quick("np.add(a, 1, out=c)", lambda f, name: name)
    'np_add(a, 1, c)'
    """
    if (found := DOT.fullmatch(line)) and arrays:
        return "{}.dot({}, {})".format(*found.groups())
    if (found := UFUNC.fullmatch(line)) and isinstance(function := getattr(np, found[1]), np.ufunc):
        out = f"out={found[3]}" if function in BY_KEYWORD else found[3]
        return f"{named(function, f'np_{found[1]}')}({found[2]}, {out})"
    if found := REDUCE.fullmatch(line):
        name = named(getattr(np, found[1]).reduce, f"np_{found[1]}_reduce")
        return f"{name}({found[2]}, {found[3]}, None, {found[4]})"
    if found := TAKE.fullmatch(line):
        return '{}.take({}, {}, {}, "clip")'.format(*found.groups())
    if found := COPY.fullmatch(line):
        return "{}[...] = {}".format(*found.groups())
    return line
