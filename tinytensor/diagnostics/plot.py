"""Figures of training, drawn with matplotlib; the only file that imports it. It measures nothing.

Every function takes arrays and the path of the picture to write, 1,000 pixels wide.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import matplotlib

matplotlib.use("Agg")
import matplotlib.pyplot as plt
import numpy as np

BLUE, ORANGE, GREY, RED = "#1f6fb2", "#d9731a", "#8a8f98", "#b8303a"


def figure(title: str, xlabel: str, ylabel: str) -> tuple[Any, Any]:
    """A figure with one pair of axes in the house's style."""
    fig, ax = plt.subplots(figsize=(10, 6), dpi=100, layout="constrained")
    ax.set_title(title, fontsize=15, loc="left")
    ax.set_xlabel(xlabel, fontsize=12)
    ax.set_ylabel(ylabel, fontsize=12)
    ax.grid(alpha=0.25)
    ax.spines[["top", "right"]].set_visible(False)
    return fig, ax


def write(fig: Any, path: str | Path) -> None:
    """Write the figure and free it."""
    fig.savefig(path)
    plt.close(fig)


def loss_curve(path: str | Path, steps: Any, losses: Any, raw: Any = (),
               levels: dict[str, float] | None = None) -> None:
    """The smoothed loss over the steps, the single batches behind it, and horizontal lines with their names.

    Parameters
    ----------
    steps, losses : (n,)
        The smoothed curve, in nats.
    raw : sequence of float
        The loss of single batches, evenly spread over the same steps.
    levels : dict of str to float
        Losses to compare with, such as the dev loss.
    """
    fig, ax = figure("Loss while training", "step", "cross-entropy of a batch, nats per character")
    if len(raw):
        ax.plot(np.linspace(0, steps[-1], len(raw)), raw, color=GREY, alpha=0.25, lw=0.6, label="single batches")
    ax.plot(steps, losses, color=BLUE, lw=2, label="mean of a stretch")
    for (name, level), color in zip((levels or {}).items(), (ORANGE, RED, GREY), strict=False):
        ax.axhline(level, color=color, ls="--", lw=1.2, label=f"{name} {level:.4f}")
    late = np.asarray(losses)[len(losses) // 50 :]
    low = min([late.min(), *(levels or {}).values()])
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


def embedding_map(path: str | Path, points: Any, names: Sequence[str], special: str, explained: float) -> None:
    """Each row of an embedding as its letter on a plane; the letters of `special` (the vowels) in another colour.

    Parameters
    ----------
    points : (n, 2)
        The rows, projected to two dimensions.
    explained : float
        The share of the variance that the two dimensions hold.
    """
    fig, ax = figure(f"Embedding of the characters: two principal components, {explained:.0%} of the variance",
                     "first principal component", "second principal component")
    for kind, color in (("vowel", ORANGE), ("consonant", BLUE), ("boundary", GREY)):
        rows = [i for i, name in enumerate(names) if kind == kind_of(i, name, special)]
        if rows:
            ax.scatter(points[rows, 0], points[rows, 1], s=420, color=color, alpha=0.25, label=kind, lw=0)
            for i in rows:
                ax.text(*points[i], names[i], ha="center", va="center", fontsize=14, color=color, weight="bold")
    ax.margins(0.08)
    ax.legend(loc="best", frameon=False, fontsize=11, markerscale=0.5)
    write(fig, path)


def kind_of(i: int, name: str, special: str) -> str:
    return "boundary" if i == 0 else "vowel" if name in special else "consonant"
