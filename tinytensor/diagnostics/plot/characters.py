"""Figures of what a model knows of characters: how often pairs occur, an embedding, a sweep of n-grams."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from itertools import cycle
from pathlib import Path
from typing import Any

import numpy as np

from .style import BLUE, GREY, LAYERS, ORANGE, RED, dressed, figure, panels, write

SIGNS = str.maketrans({"\n": "↵", "\t": "⇥", " ": "␣", "$": r"\$"})  # matplotlib would take dollars for formulas


def visible(text: str) -> str:
    """A text with signs for what can't be seen."""
    return text.translate(SIGNS)


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
                ax.text(*points[i], visible(names[i]), ha="center", va="center", fontsize=14, color=color,
                        weight="bold")
    ax.margins(0.08)
    ax.legend(loc="best", frameon=False, fontsize=11, markerscale=0.5)
    write(fig, path)


def kind_of(i: int, name: str, special: str) -> str:
    return "boundary" if i == 0 else "vowel" if name in special else "consonant"


def count_map(path: str | Path, counts: Any, names: Sequence[str]) -> None:
    """How often each character follows each: a row for the first of a pair, a column for the second.

    Up to 40 characters, each cell has its pair and its count; above, they would be too small to read.

    Parameters
    ----------
    counts : (n, n)
    names : (n,)
    """
    fig, axes = panels("How often each character follows each", 1, 1, height=10.4)
    ax = dressed(axes[0, 0], "colour: the square root of the count", "second character", "first character")
    counts, names, shade = np.asarray(counts), [visible(name) for name in names], np.sqrt(counts)
    ax.imshow(shade, cmap="Blues", aspect="auto")
    if len(names) <= 40:
        size = min(8.0, 190 / len(names))
        for i, first in enumerate(names):
            for j, second in enumerate(names):
                how: dict[str, Any] = {"ha": "center", "va": "center",
                                       "color": "white" if shade[i, j] > 0.6 * shade.max() else "#3c4148"}
                ax.text(j, i - 0.22, first + second, fontsize=size, weight="bold", **how)
                ax.text(j, i + 0.22, f"{counts[i, j]:g}", fontsize=0.9 * size, **how)
    ax.set_xticks(range(len(names)), names, fontsize=min(11.0, 400 / len(names)))
    ax.set_yticks(range(len(names)), names, fontsize=min(11.0, 400 / len(names)))
    ax.tick_params(length=0)
    ax.grid(visible=False)
    ax.spines[:].set_visible(False)
    write(fig, path)


def sweep_curve(path: str | Path, sweeps: Mapping[str, Mapping[str, Sequence[Sequence[Any]]]]) -> None:
    """Train and dev loss over the strength of a smoothing or a penalty; the strength with the lowest dev loss marked.

    Parameters
    ----------
    sweeps : dict of str to (dict of str to rows)
        For each kind of strength a panel, in it for each model its rows (strength, train loss, dev loss, ...).
        What a logarithmic axis can't show, a strength of 0 or an infinite loss, is left out.
    """
    fig, axes = panels("Too weak it learns the training set by heart, too strong it learns nothing", 1, len(sweeps))
    names = dict.fromkeys(name for models in sweeps.values() for name in models)
    colors = dict(zip(names, cycle((GREY, BLUE, ORANGE, RED, *LAYERS[4:])), strict=False))
    for ax, (what, models) in zip(axes[0], sweeps.items(), strict=True):
        dressed(ax, "dev solid, train dashed; lowest dev marked", what, "cross-entropy, nats per character")
        ax.set_xscale("log")
        for name, rows in models.items():
            color = colors[name]
            shown = np.array([row[:3] for row in rows if row[0] > 0 and np.isfinite(row[2])], float).reshape(-1, 3)
            strength, train, dev = shown.T
            ax.plot(strength, train, "--", color=color, lw=1.2)
            ax.plot(strength, dev, "o-", color=color, lw=2, ms=4)
            best = [dev.argmin()] if len(dev) else []
            where = "".join(f"{dev[i]:.3f} at {strength[i]:g}" for i in best) or "nowhere finite"
            ax.plot(strength[best], dev[best], "o", color=color, ms=11, label=f"{name}: {where}")
        ax.sharey(axes[0, 0])
        ax.legend(loc="upper left", frameon=False, fontsize=11)
    low, high = axes[0, 0].get_ylim()
    axes[0, 0].set_ylim(low, high + 0.25 * (high - low))  # room for the legends
    write(fig, path)
