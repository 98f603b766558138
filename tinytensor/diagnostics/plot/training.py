"""Figures of a training run: the loss, and the search for a learning rate."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np

from .style import BLUE, GREY, ORANGE, RED, figure, write


def loss_curve(path: str | Path, losses: Any, levels: Mapping[str, float] | None = None,
               dev: Mapping[int, float] | None = None) -> None:
    """The loss over the steps: means of up to 200 equal stretches, single batches behind them, and levels to compare.

    Parameters
    ----------
    losses : (n,)
        The loss of each step's batch, in nats.
    levels : dict of str to float
        Horizontal lines with their names, such as the dev loss.
    dev : dict of int to float
        The dev loss after some of the steps.
    """
    losses, levels = np.asarray(losses, np.float64), levels or {}
    width = max(1, len(losses) // 200)
    smooth = losses[: len(losses) // width * width].reshape(-1, width).mean(1)
    fig, ax = figure("Loss while training", "step", "cross-entropy of a batch, nats per character")
    thin = slice(None, None, max(1, len(losses) // 2000))
    ax.plot(np.arange(len(losses))[thin], losses[thin], color=GREY, alpha=0.25, lw=0.6, label="single batches")
    ax.plot((np.arange(len(smooth)) + 0.5) * width, smooth, color=BLUE, lw=2, label="mean of a stretch")
    if dev:
        ax.plot(list(dev), list(dev.values()), "o-", color=ORANGE, lw=1.5, ms=5, label="dev")
    for (name, level), color in zip(levels.items(), (ORANGE, RED, GREY), strict=False):
        ax.axhline(level, color=color, ls="--", lw=1.2, label=f"{name} {level:.4f}")
    late = smooth[len(smooth) // 50 :]  # the first drop would press the rest together
    low = min([late.min(), *levels.values()])
    ax.set_ylim(low - 0.1, max(late.max(), low + 0.4) + 0.15)
    ax.margins(x=0.01)
    ax.xaxis.set_major_formatter("{x:,.0f}")
    ax.legend(loc="upper right", frameon=False, fontsize=11)
    write(fig, path)


def rate_curve(path: str | Path, rates: Any, losses: Any, smooth: Any, best: float) -> None:
    """The learning-rate finder: loss over the rate, which grows at every step; the best rate marked."""
    fig, ax = figure("Learning-rate finder: one step at each rate", "learning rate", "cross-entropy of a batch, nats")
    ax.plot(rates, losses, color=GREY, alpha=0.5, lw=0.8, label="single batches")
    ax.plot(rates, smooth, color=BLUE, lw=2, label="smoothed")
    ax.axvline(best, color=ORANGE, ls="--", label=f"lowest at {best:.2g}")
    ax.set_xscale("log")
    ax.set_ylim(np.min(smooth) - 0.3, min(np.max(losses), np.min(smooth) + 2.5))
    ax.legend(loc="upper center", frameon=False, fontsize=11)
    write(fig, path)


def size_curve(path: str | Path, sizes: Any, train: Any, dev: Any, xlabel: str) -> None:
    """Train and dev loss over a network's size: where both are high it underfits, where they part it overfits."""
    fig, ax = figure("Under- and overfitting", xlabel, "cross-entropy, nats per character")
    ax.fill_between(sizes, train, dev, color=GREY, alpha=0.15, lw=0, label="gap")
    ax.plot(sizes, dev, "o-", color=ORANGE, lw=2, label="dev")
    ax.plot(sizes, train, "o-", color=BLUE, lw=2, label="train")
    ax.set_xscale("log")
    best = int(np.argmin(dev))
    ax.axvline(sizes[best], color=GREY, ls="--", lw=1.2, label=f"lowest dev loss, {dev[best]:.3f}")
    ax.set_xticks(sizes, [f"{n:,}" for n in sizes])
    ax.minorticks_off()
    ax.legend(loc="lower left", frameon=False, fontsize=11)
    write(fig, path)
