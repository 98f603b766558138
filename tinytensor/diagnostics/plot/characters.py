"""Figures of what a model knows of characters."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from .style import BLUE, GREY, ORANGE, figure, write


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
