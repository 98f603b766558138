"""Figures of the first lecture: tangents, how exact a difference is, a loss on a log scale, a decision boundary."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from itertools import cycle
from pathlib import Path
from typing import Any

import numpy as np

from .style import BLUE, GREY, LAYERS, ORANGE, RED, Figure, figure, finish, panels, styled


def tangents(curves: Mapping[str, tuple[Callable[[Any], Any], Callable[[Any], Any], Any, Any]], *,
             path: str | Path | None = None) -> Figure:
    """Functions with their derivatives, and the tangent at some points: the slope is the derivative's value there.

    Parameters
    ----------
    curves : dict of str to (function, derivative, x, points)
        For each panel the function and its derivative, which take arrays; the x where they are drawn, increasing; and
        the points of the tangents.
    path : str or Path
        Where to write the figure; left out, it is only returned.

    Examples
    --------
    >>> figure = tangents({"y = x^2": (lambda x: x * x, lambda x: 2 * x, np.linspace(-2, 2, 50), [1.0])})
    >>> [text.get_text() for text in figure.axes[0].get_legend().get_texts()]
    ['y', 'dy/dx', 'slope 2 at 1']
    """
    fig, axes = panels("The derivative is the slope of the tangent", 1, len(curves))
    for ax, (name, (function, derivative, x, points)) in zip(axes[0], curves.items(), strict=True):
        styled(ax, name, "x", "y")
        x = np.asarray(x, np.float64)
        y, slopes = np.broadcast_to(function(x), x.shape), np.broadcast_to(derivative(x), x.shape)
        ax.plot(x, y, color=BLUE, lw=2.4, label="y")
        ax.plot(x, slopes, color=GREY, lw=1.4, ls="--", label="dy/dx")
        limits, reach = ax.get_ylim(), 0.22 * (x[-1] - x[0])
        for point, color in zip(points, cycle((ORANGE, RED, *LAYERS[2:]))):
            height, slope = float(function(point)), float(derivative(point))
            ends = np.array([max(x[0], point - reach), min(x[-1], point + reach)])
            ax.plot(ends, height + slope * (ends - point), color=color, lw=2, label=f"slope {slope:.3g} at {point:.3g}")
            ax.plot(point, height, "o", color=color, ms=7)
        ax.set_ylim(limits)
        ax.legend(frameon=False, fontsize=11)
    return finish(fig, path)


def difference_errors(sizes: Any, errors: Mapping[str, Any], *, path: str | Path | None = None) -> Figure:
    """The error of numeric derivatives over the size of their step h; the best h of each is marked.

    Parameters
    ----------
    sizes : (n,)
        The steps h.
    errors : dict of str to (n,)
        For each formula its errors. An error of 0 is left out, for a logarithm can't show it.
    path : str or Path
        Where to write the figure; left out, it is only returned.
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
    for x, side, note in ((0.01, "left", "too small: the rounding of f is divided by h"),
                          (0.99, "right", "too large: the function is not a straight line")):
        ax.text(x, 0.86, note, transform=ax.transAxes, ha=side, fontsize=11, color=GREY, style="italic")
    ax.legend(loc="upper center", frameon=False, fontsize=11, ncols=2)
    return finish(fig, path)


def fit_curve(losses: Any, notebook: Mapping[int, float] | None = None, *,
              path: str | Path | None = None) -> Figure:
    """The loss of a fit that goes to 0, by powers of ten, and what the notebook printed on its way.

    Parameters
    ----------
    losses : (n,)
        After 0, 1, 2, ... steps.
    notebook : dict of int to float
        Its losses, by the number of steps.
    path : str or Path
        Where to write the figure; left out, it is only returned.
    """
    fig, ax = figure("Four points, memorised", "step (counted from 1)", "sum of the four squared errors")
    ax.plot(np.arange(1, len(losses) + 1), losses, color=BLUE, lw=2, label="ours")
    if notebook:
        ax.plot([step + 1 for step in notebook], list(notebook.values()), "D", color=ORANGE, ms=7,
                label="the notebook, other first weights")
    ax.set_xscale("log")
    ax.set_yscale("log")
    ax.xaxis.set_major_formatter("{x:,.0f}")
    ax.legend(loc="upper right", frameon=False, fontsize=11)
    return finish(fig, path)


def decision_map(title: str, x: Any, y: Any, scores: Any, points: Any, labels: Any, *,
                 path: str | Path | None = None) -> Figure:
    """The scores of a network over a plane: two colours, the boundary where they are 0, and the points.

    Parameters
    ----------
    x, y : (n,), (m,)
        The lines of the grid.
    scores : (m, n)
        Above 0 for one class, below it for the other; the margin of a hinge loss is at 1 and -1.
    points : (k, 2)
    labels : (k,)
        1 or -1, the colours of the two sides.
    path : str or Path
        Where to write the figure; left out, it is only returned.
    """
    fig, ax = figure(title, "first coordinate", "second coordinate")
    points, labels, scores = np.asarray(points), np.asarray(labels), np.asarray(scores)
    shades = [f"{ORANGE}66", f"{ORANGE}26", f"{BLUE}26", f"{BLUE}66"]
    ax.contourf(x, y, scores, levels=[-1, 0, 1], colors=shades, extend="both")
    for level, style, width in ((-1, "--", 1), (0, "-", 2), (1, "--", 1)):
        if scores.min() < level < scores.max():  # an untrained network may have one sign everywhere
            ax.contour(x, y, scores, levels=[level], colors="black", linestyles=style, linewidths=width)
    ax.plot([], [], color="black", lw=2, label="boundary, score 0")
    ax.plot([], [], "--", color="black", lw=1, label="margin, scores ±1")
    for label, color in ((1, BLUE), (-1, ORANGE)):
        ax.scatter(*points[labels == label].T, s=46, color=color, edgecolor="white", lw=0.8, zorder=3,
                   label=f"label {label}")
    ax.set_aspect("equal")
    ax.grid(visible=False)
    ax.legend(loc="center left", bbox_to_anchor=(1.01, 0.5), frameon=False, fontsize=11)
    return finish(fig, path)
