"""Figures of what a model knows of characters: how often pairs occur, an embedding, a sweep of n-grams."""

from __future__ import annotations

import unicodedata
from collections.abc import Mapping, Sequence
from itertools import cycle
from pathlib import Path
from typing import Any

import numpy as np

from .style import BLUE, GREY, LAYERS, ORANGE, RED, Figure, figure, finish, has_glyph, panels, styled

GREEN = LAYERS[2]
TINTS = {BLUE: "#c7dbec", ORANGE: "#f6dcc6", GREEN: "#cfe5d4", GREY: "#e2e4e6"}  # the colours of discs behind letters
SIGNS = str.maketrans({"\n": "↵", "\t": "⇥", " ": "␣", "$": r"\$"})  # matplotlib would take dollars for formulas


def visible(text: str) -> str:
    """A text with signs for what can't be seen, and the code point of what no font of the figures has: 8A9E."""
    return "".join(c if " " <= c <= "~" or has_glyph(c) else f"{ord(c):02X}" for c in text.translate(SIGNS))


def embedding_map(points: Any, names: Sequence[str], special: str, explained: float, *,
                  path: str | Path | None = None) -> Figure:
    """Each row of an embedding as its letter on a plane; the letters of `special` (the vowels) in another colour.

    Letters that would overlap are moved apart; a line leads from each of them to its point.

    Parameters
    ----------
    points : (n, 2)
        The rows, projected to two dimensions.
    explained : float
        The share of the variance that the two dimensions hold.
    path : str or Path
        Where to write the figure; left out, it is only returned.
    """
    points = np.asarray(points, np.float64)
    fig, ax = figure(f"Embedding of the characters: two principal components, {explained:.0%} of the variance",
                     "first principal component", "second principal component")
    ax.scatter(*points.T, s=0)
    ax.margins(0.08)
    ax.set(xlim=ax.get_xlim(), ylim=ax.get_ylim(), autoscale_on=False)
    fig.draw_without_rendering()  # from here on the layout stands: pixels can be counted
    size = min(28.0, 230 / max(len(names), 1) ** 0.5)  # diameter of a letter's disc, in pixels
    at = ax.transData.inverted().transform(moved_apart(ax.transData.transform(points), size))
    for kind, color in (("vowel", ORANGE), ("consonant", BLUE), ("other", GREEN), ("boundary", GREY)):
        rows = [i for i, name in enumerate(names) if kind == kind_of(i, name, special)]
        if rows:
            ends = np.stack([points[rows], at[rows]])  # (2, n, 2)
            ax.plot(ends[..., 0], ends[..., 1], color=color, lw=1, zorder=1)
            ax.scatter(*points[rows].T, s=9, color=color, lw=0)
            ax.scatter(*at[rows].T, s=(0.72 * size) ** 2, color=TINTS[color], label=kind, lw=0, zorder=2)
            for i in rows:
                sign = visible(names[i])
                ax.text(*at[i], sign, ha="center", va="center", fontsize=size / max(2, len(sign.lstrip("\\"))),
                        color=color, weight="bold")
    ax.legend(loc="best", frameon=False, fontsize=11, markerscale=0.6)
    return finish(fig, path)


def moved_apart(points: Any, distance: float) -> Any:
    """Points (n, 2) moved until any two of them are `distance` apart, each no further than its neighbours push it."""
    points = points.copy()
    angle = 2.4 * np.arange(len(points))  # the golden angle: where equal points go
    away = np.stack([np.cos(angle), np.sin(angle)], -1)
    for _ in range(500):
        gap = points[:, None] - points  # (n, n, 2)
        length = np.hypot(gap[..., 0], gap[..., 1])
        overlap = np.maximum(0.0, distance - length)
        np.fill_diagonal(overlap, 0.0)
        if not (overlap > 0.1).any():  # also if the points are nan
            break
        crowd = np.sqrt(np.maximum(1, (overlap > 0).sum(1)))  # among many, the pushes would add up to too much
        unit = np.where(length[..., None] > 0, gap / np.maximum(length, 1e-9)[..., None], away[:, None] - away)
        points += 0.5 * (overlap[..., None] * unit).sum(1) / crowd[:, None]
    return points


def kind_of(i: int, name: str, special: str) -> str:
    """Boundary, vowel, consonant (any other Latin letter), or other; an accent or a capital does not matter."""
    if i == 0:
        return "boundary"
    letter = unicodedata.normalize("NFD", name.lower())[:1]
    if letter and letter in special:
        return "vowel"
    return "consonant" if unicodedata.name(letter, "").startswith("LATIN ") else "other"


def count_map(counts: Any, names: Sequence[str], *, path: str | Path | None = None) -> Figure:
    """How often each character follows each: a row for the first of a pair, a column for the second.

    Up to 40 characters, each cell has its pair and its count; above, they would be too small to read.

    Parameters
    ----------
    counts : (n, n)
    names : (n,)
    path : str or Path
        Where to write the figure; left out, it is only returned.
    """
    fig, axes = panels("How often each character follows each", 1, 1, height=10.4)
    ax = styled(axes[0, 0], "colour: the square root of the count", "second character", "first character")
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
    return finish(fig, path)


def sweep_curve(sweeps: Mapping[str, Mapping[str, Sequence[Sequence[Any]]]], *, ylabel: str = "loss",
                path: str | Path | None = None) -> Figure:
    """Train and dev loss over the strength of a smoothing or a penalty; the strength with the lowest dev loss marked.

    Parameters
    ----------
    sweeps : dict of str to (dict of str to rows)
        For each kind of strength a panel, in it for each model its rows (strength, train loss, dev loss, ...).
        What a logarithmic axis can't show, a strength of 0 or an infinite loss, is left out.
    ylabel : str
        What the loss is, and in which unit.
    path : str or Path
        Where to write the figure; left out, it is only returned.
    """
    fig, axes = panels("Too weak: it memorises the training set; too strong: it learns nothing", 1, len(sweeps))
    names = dict.fromkeys(name for models in sweeps.values() for name in models)
    colors = dict(zip(names, cycle((GREY, BLUE, ORANGE, RED, *LAYERS[4:])), strict=False))
    for ax, (what, models) in zip(axes[0], sweeps.items(), strict=True):
        styled(ax, "dev solid, train dashed; lowest dev marked", what, ylabel)
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
    return finish(fig, path)
