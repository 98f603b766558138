"""The lines of a compiled step: the shape, the arithmetic, the traffic and, once profiled, the time of each.

It times the lines one by one, in the step as it is; a figure is `diagnostics.plot.roofline`.
"""

from __future__ import annotations

import time
from typing import Any, NamedTuple

import numpy as np

from ..ir import Call, Value
from .source import Source


class Row(NamedTuple):
    """A line of a compiled step; `seconds` is the least of all profiled steps, nan without."""

    line: str
    section: str
    shape: tuple[int, ...]
    flops: int
    bytes: int
    seconds: float


class Explanation(list[Row]):
    """The rows; printed or shown, a table."""

    def __repr__(self) -> str:
        return str(self)

    def __str__(self) -> str:
        total = sum(row.seconds for row in self)
        lines = [f"{'line':<78} {'shape':>18} {'kflop':>9} {'kB':>8} {'us':>8} {'share':>6}"]
        for row in self:
            took = f"{1e6 * row.seconds:>8.1f} {row.seconds / total:>6.1%}" if total == total else f"{'':>8} {'':>6}"
            text = row.line if len(row.line) <= 78 else f"{row.line[:75]}..."
            lines.append(f"{text:<78} {row.shape!s:>18} {row.flops / 1e3:>9.1f} {row.bytes / 1e3:>8.1f} {took}")
        lines.append(f"{f'{len(self)} lines':<78} {'':>18} {sum(r.flops for r in self) / 1e3:>9.1f} "
                     f"{sum(r.bytes for r in self) / 1e3:>8.1f}" + (f" {1e6 * total:>8.1f}" if total == total else ""))
        return "\n".join(lines)


def flops(call: Call) -> int:
    """About how many arithmetic operations a call makes: two a product of a matrix product, else one a number."""
    v = call.result
    if not isinstance(v, Value) or not v.is_array:
        return 0
    return call.primitive.flops(call)


def traffic(call: Call) -> int:
    """How many bytes a call reads and writes."""
    return sum(w.array.nbytes for w in (*call.inputs(), *call.outputs()) if w.is_array)


def instrumented(source: Source) -> Any:
    """The step with a clock around each line; its last argument is a list of seconds, one for each line."""
    name, rest = source.head.rpartition("def step(")[::2]
    head = f"{name}def step({rest.removesuffix('):')}{', ' if not rest.startswith(')') else ''}took, clock):"
    body = []
    for i, line in enumerate(source.lines):
        indent = " " * (4 + len(line.text) - len(line.text.lstrip()))
        if line.call is None:
            body.append(f"    {line.code}")
        else:
            body += [f"{indent}began = clock()", f"    {line.code}", f"{indent}took[{i}] += clock() - began"]
    namespace = {**source.inputs, **source.named}
    exec("\n".join([head, *body, source.tail]), namespace)
    return namespace["step"]


def explained(source: Source, seconds: Any) -> Explanation:
    """The rows of a source, given the seconds of each line."""
    rows = Explanation()
    for line, took in zip(source.lines, seconds, strict=True):
        if line.call is None:
            continue
        v = line.call.result
        shape = v.array.shape if isinstance(v, Value) and v.is_array else ()
        rows.append(Row(line.text.strip(), line.info.phase, shape, flops(line.call), traffic(line.call), took))
    return rows


def profiled(source: Source, steps: int, arguments: Any) -> Any:
    """The least seconds of each line over some steps, which have their usual effects; and the last result."""
    step, least, last = instrumented(source), np.full(len(source.lines), np.inf), None
    for _ in range(steps):
        took = [0.0] * len(source.lines)
        last = step(*arguments(last), took, time.perf_counter)
        least = np.minimum(least, took)
    return least, last
