"""The figures of a run: a small chart of the five models for README, and a large one of all tasks.

They are drawn from the results alone; nothing is measured here.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

from matplotlib.axes import Axes
from matplotlib.figure import Figure

from .tables import best, cut, ratio, short
from .tasks import AUTOGRAD, BY_HAND, EAGER, GROWTH, JAX, MICROGRAD, MYGRAD, OURS, PEERS, TASKS, TWO, VALUE

BARS = {EAGER: "eager", TWO: "2 workers", BY_HAND: "by hand", "torch": "PyTorch eager", "compile": "torch.compile",
        JAX: "JAX jit", MYGRAD: "MyGrad", AUTOGRAD: "autograd", MICROGRAD: "micrograd", VALUE: "our Value"}
BLUE, ORANGE, GREEN, GREY = "#2a6f97", "#c9803a", "#8a9a3b", "#7a7a7a"
COLOURS = {EAGER: BLUE, TWO: BLUE, VALUE: BLUE, BY_HAND: GREY}
TICKS = (0.01, 0.02, 0.05, 0.1, 0.2, 0.5, 1, 2, 5, 10, 20, 50, 100, 1000, 10_000)
LINES = {"tinytensor": BLUE, "PyTorch": ORANGE, "JAX": GREEN}
TORCH_BEST = (*PEERS["torch"], *PEERS["compile"])


# --- README's chart ---


def speedup(results: dict[str, Any], task: str, peers: tuple[str, ...], ours: tuple[str, ...]) -> float | None:
    """How many times as long the fastest of the peers takes as the fastest of ours."""
    theirs, own = best(results, task, "given", peers), best(results, task, "given", ours)
    return theirs / own if theirs and own else None


def draw_models(results: dict[str, Any], path: Path) -> None:
    """Write README's chart: for each model how many times as long PyTorch and JAX take as a compiled step of ours."""
    models = [t for t in results["tasks"] if TASKS[t].trains and speedup(results, t, (*TORCH_BEST, JAX), OURS)]
    figure = Figure(figsize=(7, 0.9 + 0.62 * len(models)), dpi=200, layout="constrained")
    axes = figure.subplots()
    most = 1.0
    for row, task in enumerate(models):
        for peers, label, colour, offset in ((TORCH_BEST, "PyTorch, the fastest form", ORANGE, -0.2),
                                             ((JAX,), "JAX jit", GREEN, 0.2)):
            one, two = speedup(results, task, peers, OURS), speedup(results, task, peers, (TWO,))
            if one is None:
                continue
            end, y = max(one, two or 0), row + offset
            axes.barh(y, end, height=0.36, color=colour, alpha=0.35)
            axes.barh(y, one, height=0.36, color=colour, label=label if row == 0 else None)
            both = ", ".join(cut(x) for x in (one, two) if x is not None)
            axes.annotate(both, (end, y), (4, 0), textcoords="offset points", va="center", fontsize=9)
            most = max(most, end)
    axes.axvline(1, color="black", lw=1)
    axes.annotate("as long as ours", (1, 1), (4, -2), xycoords=("data", "axes fraction"), textcoords="offset points",
                  va="top", fontsize=8)
    axes.set_yticks(range(len(models)), [short(t) for t in models], fontsize=10)
    axes.set_ylim(len(models) - 0.4, -0.8)
    axes.set_xlim(0, 1.17 * most)
    axes.tick_params(axis="y", length=0)
    axes.set_xlabel("time of a training step, divided by that of tinytensor's compiled step\n"
                    "(dark, first number: ours in one process; pale, second number: in two)", fontsize=9)
    axes.spines[["top", "right", "left"]].set_visible(False)
    handles, labels = axes.get_legend_handles_labels()
    if handles:
        axes.legend(handles, labels, loc="upper right", bbox_to_anchor=(1, 0.82), frameon=False, fontsize=9)
    figure.savefig(path)


# --- all tasks, and how cost grows ---


def baseline(results: dict[str, Any], task: str) -> tuple[str, ...]:
    """What the bars are measured against: our compiled step, or the eager one where there is none."""
    return OURS if best(results, task, "given", OURS) else (EAGER,)


def bars(axes: Axes, results: dict[str, Any], task: str) -> None:
    """One task: a bar for everyone."""
    ours = baseline(results, task)
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


def growth(axes: Axes, results: dict[str, Any], task: str, size: str, points: tuple[int, ...]) -> None:
    """How a step's time grows with one of its sizes."""
    for label, colour in LINES.items():
        found = [(n, r["minimum"] * 1e3) for n in points
                 for c, r in results["growth"].get(f"{task} {size} {n}", {}).items()
                 if c.startswith(label) and "minimum" in r]
        if found:
            axes.plot(*zip(*found, strict=True), "o-", color=colour, label=label, ms=4)
    axes.set_xscale("log")
    axes.set_yscale("log")
    axes.set_xticks(points, list(map(str, points)))
    axes.minorticks_off()
    low, high = axes.get_ylim()
    ticks = [t for t in (*TICKS, 200, 500) if low <= t <= high]
    axes.set_yticks(ticks, [f"{t:g}" for t in ticks])
    axes.set_title(f"{short(task)}, {size}", fontsize=9, loc="left")
    axes.grid(alpha=0.25)


def draw(results: dict[str, Any], path: Path) -> None:
    """Write the figure of all tasks."""
    tasks = [t for t in results["tasks"] if best(results, t, "given", baseline(results, t))]
    grown = [g for g in GROWTH if any(key.startswith(f"{g[0]} {g[1]} ") for key in results.get("growth", {}))]
    top, bottom = -(-len(tasks) // 3), -(-len(grown) // 3)
    figure = Figure(figsize=(11, 0.6 + 2.35 * top + 2.1 * bottom), layout="constrained")
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
    for axes in figure.findobj(Axes):
        axes.spines[["top", "right"]].set_visible(False)
    figure.savefig(path, dpi=110)
