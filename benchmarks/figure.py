"""The figure of a run: how many times as long the others take as a compiled step, and how cost grows."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import matplotlib

matplotlib.use("Agg")
import matplotlib.pyplot as plt

from .tables import best, ratio, short
from .tasks import AUTOGRAD, BY_HAND, EAGER, GROWTH, JAX, MICROGRAD, MYGRAD, OURS, TASKS, TWO, VALUE

BARS = {EAGER: "eager", TWO: "2 workers", BY_HAND: "by hand", "torch": "PyTorch eager", "compile": "torch.compile",
        JAX: "JAX jit", MYGRAD: "MyGrad", AUTOGRAD: "autograd", MICROGRAD: "micrograd", VALUE: "our Value"}
BLUE, ORANGE, GREY = "#2a6f97", "#c9803a", "#7a7a7a"
COLOURS = {EAGER: BLUE, TWO: BLUE, VALUE: BLUE, BY_HAND: GREY}
TICKS = (0.01, 0.02, 0.05, 0.1, 0.2, 0.5, 1, 2, 5, 10, 20, 50, 100, 1000, 10_000)
LINES = {"tinytensor": BLUE, "PyTorch": ORANGE, "JAX": "#8a9a3b"}


def base(results: dict[str, Any], task: str) -> tuple[str, ...]:
    """What the bars are measured against: our compiled step, or the eager one where there is none."""
    return OURS if best(results, task, "given", OURS) else (EAGER,)


def bars(axes: Any, results: dict[str, Any], task: str) -> None:
    """One task: a bar for everyone."""
    ours = base(results, task)
    found = {bar: x for bar in BARS if bar not in ours and (x := ratio(results, task, "given", bar, *ours)) is not None}
    names = list(found)[::-1]
    widths = [found[name] for name in names]
    axes.barh(range(len(names)), [w - 1 for w in widths], left=1, color=[COLOURS.get(n, ORANGE) for n in names],
              height=0.66)
    for i, width in enumerate(widths):
        axes.annotate(f"{width:.2f}" if width < 10 else f"{width:.0f}", (max(width, 1), i), (4, 0),
                      textcoords="offset points", va="center", fontsize=8)
    axes.set_xscale("log")
    low, high = min([0.8, *(0.8 * w for w in widths)]), max([2.0, *widths])
    axes.set_xlim(low, high * (high / low) ** 0.22)  # room for the numbers
    wide = high / low > 100  # then only powers of ten have room
    ticks = [t for t in TICKS if low <= t <= high and (not wide or round(t, 9) in (1e-2, 1e-1, 1, 10, 100, 1e3, 1e4))]
    axes.set_xticks(ticks, [f"{t:g}" for t in ticks])
    axes.minorticks_off()
    axes.set_yticks(range(len(names)), [BARS[n] for n in names], fontsize=8)
    axes.set_ylim(min(-0.6, len(names) - 6.6), len(names) - 0.4)  # a bar is as thick where there are few
    axes.axvline(1, color="black", lw=0.8)
    title = TASKS[task].title if TASKS[task].trains else short(task)
    axes.set_title(title + (" (to eager)" if ours == (EAGER,) else ""), fontsize=9, loc="left")


def growth(axes: Any, results: dict[str, Any], task: str, size: str, points: tuple[int, ...]) -> None:
    """How a step's time grows with one of its sizes."""
    for label, colour in LINES.items():
        found = [(n, r["minimum"] * 1e3) for n in points
                 for c, r in results["growth"].get(f"{task} {size} {n}", {}).items()
                 if c.startswith(label) and "minimum" in r]
        if found:
            axes.plot(*zip(*found, strict=True), "o-", color=colour, label=label, ms=4)
    axes.set_xscale("log")
    axes.set_yscale("log")
    axes.set_xticks(points, map(str, points))
    axes.minorticks_off()
    low, high = axes.get_ylim()
    ticks = [t for t in (*TICKS, 200, 500) if low <= t <= high]
    axes.set_yticks(ticks, [f"{t:g}" for t in ticks])
    axes.set_title(f"{short(task)}, {size}", fontsize=9, loc="left")
    axes.grid(alpha=0.25)


def draw(results: dict[str, Any], path: Path) -> None:
    """Write the figure."""
    tasks = [t for t in results["tasks"] if best(results, t, "given", base(results, t))]
    grown = [g for g in GROWTH if any(key.startswith(f"{g[0]} {g[1]} ") for key in results.get("growth", {}))]
    top, bottom = -(-len(tasks) // 3), -(-len(grown) // 3)
    figure = plt.figure(figsize=(11, 0.6 + 2.35 * top + 2.1 * bottom), layout="constrained")
    upper, *lower = figure.subfigures(1 + bool(bottom), 1, height_ratios=[2.35 * top, 2.1 * bottom][: 1 + bool(bottom)],
                                      squeeze=False)[:, 0]
    upper.suptitle("time of a step, divided by that of tinytensor's compiled step", fontsize=10)
    cells = upper.subplots(top, 3, squeeze=False).flat
    for axes, task in zip(cells, tasks, strict=False):
        bars(axes, results, task)
    for axes in list(upper.axes)[len(tasks):]:
        axes.remove()
    if lower:
        lower[0].suptitle("ms a step, as sizes grow", fontsize=10)
        cells = lower[0].subplots(bottom, 3, squeeze=False).flat
        for axes, which in zip(cells, grown, strict=False):
            growth(axes, results, *which)
        for axes in list(lower[0].axes)[len(grown):]:
            axes.remove()
        if lower[0].axes:
            lower[0].axes[0].legend(fontsize=8, frameon=False)
    for side in ("top", "right"):
        for axes in figure.findobj(matplotlib.axes.Axes):
            axes.spines[side].set_visible(False)
    figure.savefig(path, dpi=110)
    plt.close(figure)
