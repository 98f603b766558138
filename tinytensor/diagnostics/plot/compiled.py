"""The figure of a compiled step: where its time goes, and how close each line is to the limits of the machine."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np

from ...machine import Roofline
from .style import BLUE, GREY, ORANGE, RED, Figure, finish, panels, styled

SECTIONS = {"forward": BLUE, "backward": ORANGE, "update": RED}


def call_name(line: str) -> str:
    """The function that a line calls: matmul, x.take."""
    name = line.partition("(")[0].rpartition("=")[2].strip()
    if name.startswith("np."):
        return name.removeprefix("np.")
    return f"x.{name.rpartition('.')[2]}" if "." in name else name


def roofline(rows: Any, roof: Roofline, *, path: str | Path | None = None) -> Figure:
    """Left: the microseconds of each kind of call, by section. Right: each line under the roofline of the machine.

    Parameters
    ----------
    rows : Explanation
        From ``step.explain(*arguments)``, with times.
    roof : Roofline
        From ``tinytensor.machine.roofline()``.
    path : str or Path
        Where to write the figure; left out, it is only returned.
    """
    total = sum(row.seconds for row in rows)
    fig, axes = panels(f"Where a step of {1e6 * total:,.0f} us goes", 1, 2, 5.5)
    spent: dict[str, dict[str, float]] = {}
    for row in rows:
        of = spent.setdefault(call_name(row.line), dict.fromkeys(SECTIONS, 0.0))
        of[row.section] += 1e6 * row.seconds
    most = sorted(spent, key=lambda name: -sum(spent[name].values()))
    shown = most[:9]
    if len(most) > 9:
        spent["the rest"] = {s: sum(spent[name][s] for name in most[9:]) for s in SECTIONS}
        shown.append("the rest")
    ax = styled(axes[0, 0], "time by kind of call", "microseconds", "")
    left = np.zeros(len(shown))
    for section, colour in SECTIONS.items():
        width = np.array([spent[name][section] for name in shown])
        ax.barh(range(len(shown)), width, left=left, color=colour, label=section)
        left += width
    for i, end in enumerate(left):
        ax.text(end, i, f" {end / (1e6 * total):.0%}", va="center", fontsize=9)
    ax.set_yticks(range(len(shown)), shown)
    ax.set_xlim(0, left.max() * 1.15)
    ax.invert_yaxis()
    ax.legend(loc="lower right", frameon=False)
    scatter_lines(styled(axes[0, 1], "each line, and the limits of the machine", "operations per byte read or written",
                  "billion operations per second"), rows, roof)
    return finish(fig, path)


def scatter_lines(ax: Any, rows: Any, roof: Roofline) -> None:
    """The lines as points, sized by their fraction of the time, under the roofline."""
    total = sum(row.seconds for row in rows) or 1.0
    rows = [row for row in rows if row.flops and row.bytes and row.seconds > total / 5000]
    for section, colour in SECTIONS.items():
        own = [row for row in rows if row.section == section]
        ax.scatter([row.flops / row.bytes for row in own], [row.flops / row.seconds / 1e9 for row in own],
                   s=[12 + 1500 * row.seconds / total for row in own], color=colour, alpha=0.45, edgecolors="none")
    work = [row.flops / row.bytes for row in rows] or [1.0]
    x = np.geomspace(min(0.03, *work, 1.0), max(100.0, *work), 50)
    ax.plot(x, np.minimum(x * roof.bandwidth, roof.flops) / 1e9, color=GREY, lw=1.8)
    ax.set_xlabel(f"{ax.get_xlabel()}\nlevel: matrix products, {roof.flops / 1e9:.0f} billion operations per second\n"
                  f"slope: memory, {roof.bandwidth / 1e9:.0f} GB per second", fontsize=10)
    ax.set_xscale("log")
    ax.set_yscale("log")
