"""Figures of the first lecture: how exact a difference is, a loss that falls by powers of ten, a plane cut in two."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np

from .style import BLUE, GREY, ORANGE, figure, write


def difference_errors(path: str | Path, sizes: Any, errors: Mapping[str, Any]) -> None:
    """How far differences are from the derivative, over the size of their step h; the best h of each marked.

    Parameters
    ----------
    sizes : (n,)
        The steps h.
    errors : dict of str to (n,)
        For each formula its errors. An error of 0 is left out, for a logarithm can't show it.
    """
    fig, ax = figure("A step can be too large, and too small: the error of a numeric derivative", "step h",
                     "largest error of the three derivatives")
    sizes = np.asarray(sizes, np.float64)
    for (name, values), color in zip(errors.items(), (ORANGE, BLUE, GREY), strict=False):
        y = np.array([error if error > 0 else np.nan for error in values])
        best = int(np.argmin(np.nan_to_num(y, nan=np.inf)))
        ax.plot(sizes, y, "o-", color=color, lw=2, ms=5)
        ax.plot(sizes[best], y[best], "o", color=color, ms=11, label=f"{name}: best at h = {sizes[best]:.0e}")
    ax.set_xscale("log")
    ax.set_yscale("log")
    low, high = ax.get_ylim()
    ax.set_ylim(low, high * (high / low) ** 0.35)  # room for the legend and the notes
    for place, side, note in ((0.01, "left", "too small: the rounding of f is divided by h"),
                              (0.99, "right", "too large: the function is no straight line")):
        ax.text(place, 0.86, note, transform=ax.transAxes, ha=side, fontsize=11, color=GREY, style="italic")
    ax.legend(loc="upper center", frameon=False, fontsize=11, ncols=2)
    write(fig, path)


def fit_curve(path: str | Path, losses: Any, notebook: Mapping[int, float] | None = None) -> None:
    """The loss of a fit that goes to 0, by powers of ten, and what the notebook printed on its way.

    Parameters
    ----------
    losses : (n,)
        After 0, 1, 2, ... steps.
    notebook : dict of int to float
        Its losses, by the number of steps.
    """
    fig, ax = figure("Four points, learnt by heart", "step (counted from 1)", "sum of the four squared errors")
    ax.plot(np.arange(1, len(losses) + 1), losses, color=BLUE, lw=2, label="ours")
    if notebook:
        ax.plot([step + 1 for step in notebook], list(notebook.values()), "D", color=ORANGE, ms=7,
                label="the notebook, other first weights")
    ax.set_xscale("log")
    ax.set_yscale("log")
    ax.xaxis.set_major_formatter("{x:,.0f}")
    ax.legend(loc="upper right", frameon=False, fontsize=11)
    write(fig, path)


def decision_map(path: str | Path, title: str, x: Any, y: Any, scores: Any, points: Any, labels: Any) -> None:
    """What a network says everywhere on a plane: two colours, the boundary where it has no opinion, and the points.

    Parameters
    ----------
    x, y : (n,), (m,)
        The lines of the grid.
    scores : (m, n)
        Above 0 for one class, below it for the other; the margin of a hinge loss is at 1 and -1.
    points : (k, 2)
    labels : (k,)
        1 or -1, the colours of the two sides.
    """
    fig, ax = figure(title, "first coordinate", "second coordinate")
    points, labels, scores = np.asarray(points), np.asarray(labels), np.asarray(scores)
    shades = [f"{ORANGE}66", f"{ORANGE}26", f"{BLUE}26", f"{BLUE}66"]
    ax.contourf(x, y, scores, levels=[-1, 0, 1], colors=shades, extend="both")
    for level, style, width in ((-1, "--", 1), (0, "-", 2), (1, "--", 1)):
        if scores.min() < level < scores.max():  # an early network may be of one opinion everywhere
            ax.contour(x, y, scores, levels=[level], colors="black", linestyles=style, linewidths=width)
    ax.plot([], [], color="black", lw=2, label="boundary, score 0")
    ax.plot([], [], "--", color="black", lw=1, label="margin, scores ±1")
    for label, color in ((1, BLUE), (-1, ORANGE)):
        ax.scatter(*points[labels == label].T, s=46, color=color, edgecolor="white", lw=0.8, zorder=3,
                   label=f"label {label}")
    ax.set_aspect("equal")
    ax.grid(visible=False)
    ax.legend(loc="center left", bbox_to_anchor=(1.01, 0.5), frameon=False, fontsize=11)
    write(fig, path)
