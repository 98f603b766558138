"""Figures of a training run: the loss, and the search for a learning rate."""

from __future__ import annotations

from collections.abc import Mapping
from itertools import cycle
from pathlib import Path
from typing import Any

import numpy as np
from numpy.lib.stride_tricks import sliding_window_view

from .style import BLUE, GREY, ORANGE, RED, Figure, figure, finish


def loss_curve(losses: Any, levels: Mapping[str, float] | None = None, dev: Mapping[int, float] | None = None, *,
               start: int = 0, ylabel: str = "loss of a batch", path: str | Path | None = None) -> Figure:
    """The loss over the steps: batches as dots, their moving average, and levels to compare.

    Each average covers as many steps before its step as after it, so it does not lag; it ends half a window early.

    Parameters
    ----------
    losses : (n,)
        The loss of each step's batch.
    levels : dict of str to float
        Horizontal lines with their names, such as the dev loss.
    dev : dict of int to float
        The dev loss after some of the steps.
    start : int
        The number of the first step: that of a resumed run is not 0.
    ylabel : str
        What the loss is, and in which unit.
    path : str or Path
        Where to write the figure; left out, it is only returned.

    Examples
    --------
    >>> from tinytensor.diagnostics import plot
    >>> figure = plot.loss_curve([3.0, 2.5, 2.2, 2.1], {"dev": 2.0}, ylabel="cross-entropy, nats per token")
    >>> figure.axes[0].get_ylabel()
    'cross-entropy, nats per token'
    """
    losses, levels = np.asarray(losses, np.float64), levels or {}
    if not (n := losses.size):
        raise ValueError("loss_curve: got no losses; expected one for each step; draw it after the first step")
    steps, width = start + np.arange(n), n // 40 | 1  # odd: a window has a middle
    few = slice(None, None, max(1, n // 1000))
    smooth = sliding_window_view(losses, width)[few].mean(1)
    fig, ax = figure("Loss while training", "step", ylabel)
    thin = slice(None, None, max(1, n // 2000))
    ax.plot(steps[thin], losses[thin], ".", color=GREY, alpha=0.8, ms=4, mew=0, label="single batches")
    ax.plot(steps[width // 2 : n - width // 2][few], smooth, color=BLUE, lw=2,
            label=f"mean of {width:,} steps" if width > 1 else "each step")
    if dev:
        ax.plot(list(dev), list(dev.values()), "o-", color=ORANGE, lw=1.5, ms=5, label="dev")
    for (name, level), color in zip(levels.items(), cycle((ORANGE, RED, GREY))):
        ax.axhline(level, color=color, ls="--", lw=1.2, label=f"{name} {level:.4f}")
    late = smooth[len(smooth) // 50 :]  # the first drop would squeeze the rest
    shown = [*late[np.isfinite(late)], *levels.values()] or [0.0]
    low, high = min(shown), max(shown)
    room = max(0.15 * (high - low), 0.02 * abs(high), 1e-12)
    ax.set_ylim(low - room, high + 2 * room)
    ax.margins(x=0.01)
    ax.xaxis.get_major_locator().set_params(integer=True)  # half a step would be rounded to a whole one
    ax.xaxis.set_major_formatter("{x:,.0f}")
    ax.legend(loc="upper right", frameon=False, fontsize=11)
    return finish(fig, path)


def rate_curve(rates: Any, losses: Any, smooth: Any, best: float, *, ylabel: str = "loss of a batch",
               path: str | Path | None = None) -> Figure:
    """The learning-rate finder: the loss over the rate, which grows at every step; the best rate is marked.

    Parameters
    ----------
    rates, losses, smooth : (n,)
        The rate of each step, the loss of its batch, and the smoothed losses.
    best : float
        The rate to mark.
    ylabel : str
        What the loss is, and in which unit.
    path : str or Path
        Where to write the figure; left out, it is only returned.
    """
    fig, ax = figure("Learning-rate finder: one step at each rate", "learning rate", ylabel)
    ax.plot(rates, losses, ".", color=GREY, alpha=0.8, ms=5, mew=0, label="single batches")
    ax.plot(rates, smooth, color=BLUE, lw=2, label="smoothed")
    ax.axvline(best, color=ORANGE, ls="--", label=f"lowest at {best:.2g}")
    ax.set_xscale("log")
    low, high = np.min(smooth), np.max(losses)
    ax.set_ylim(low - 0.12 * (high - low) - 1e-12, high + 0.05 * (high - low) + 1e-12)
    ax.legend(loc="upper center", frameon=False, fontsize=11)
    return finish(fig, path)


def size_curve(sizes: Any, train: Any, dev: Any, xlabel: str, *, ylabel: str = "loss",
               path: str | Path | None = None) -> Figure:
    """Train and dev loss over a network's size: where both are high it underfits, where they part it overfits.

    Parameters
    ----------
    sizes, train, dev : (n,)
        The sizes, and the losses of the networks on the two splits.
    xlabel, ylabel : str
        What the sizes count; what the loss is, and in which unit.
    path : str or Path
        Where to write the figure; left out, it is only returned.
    """
    fig, ax = figure("Under- and overfitting", xlabel, ylabel)
    ax.fill_between(sizes, train, dev, color=GREY, alpha=0.15, lw=0, label="gap")
    ax.plot(sizes, dev, "o-", color=ORANGE, lw=2, label="dev")
    ax.plot(sizes, train, "o-", color=BLUE, lw=2, label="train")
    ax.set_xscale("log")
    best = int(np.argmin(dev))
    ax.axvline(sizes[best], color=GREY, ls="--", lw=1.2, label=f"lowest dev loss, {dev[best]:.3f}")
    ax.set_xticks(sizes, [f"{n:,}" for n in sizes])
    ax.minorticks_off()
    ax.legend(loc="lower left", frameon=False, fontsize=11)
    return finish(fig, path)
