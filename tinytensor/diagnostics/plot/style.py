"""How every figure looks: sizes, colours, fonts; the only file that imports matplotlib. It draws nothing itself.

pyplot is not used: no backend is chosen or changed, and no figure stays open.
"""

from __future__ import annotations

import io
from pathlib import Path
from typing import Any

import matplotlib.figure
from matplotlib import font_manager

BLUE, ORANGE, GREY, RED = "#1f6fb2", "#d9731a", "#8a8f98", "#b8303a"
LAYERS = (BLUE, ORANGE, "#3a8f4d", RED, "#7b52a8", "#8c6239", "#c65a9c", "#4a9a9c")  # by depth, in every figure

MONOSPACE = ["monospace", "sans-serif"]  # the second font has signs that the first lacks


class Figure(matplotlib.figure.Figure):
    """A matplotlib Figure that shows itself at the end of a notebook's cell, whether pyplot is loaded or not."""

    def _repr_png_(self) -> bytes:
        picture = io.BytesIO()
        self.savefig(picture, format="png")
        return picture.getvalue()


def figure(title: str, xlabel: str, ylabel: str) -> tuple[Figure, Any]:
    """A figure with one pair of axes in the house's style."""
    fig = Figure(figsize=(10, 6), dpi=100, layout="constrained")
    return fig, styled(fig.subplots(), title, xlabel, ylabel, 15)


def panels(title: str, rows: int, columns: int, height: float = 6, **subplots: Any) -> tuple[Figure, Any]:
    """A figure with several axes, as an array (rows, columns); `styled` gives each its title and labels."""
    fig = Figure(figsize=(10, height), dpi=100, layout="constrained")
    fig.suptitle(title, fontsize=15)
    return fig, fig.subplots(rows, columns, squeeze=False, **subplots)


def styled(ax: Any, title: str, xlabel: str, ylabel: str, size: int = 12) -> Any:
    """The axes with title and labels, in the house's style."""
    ax.set_title(title, fontsize=size, loc="left")
    ax.set_xlabel(xlabel, fontsize=min(size, 12))
    ax.set_ylabel(ylabel, fontsize=min(size, 12))
    ax.grid(alpha=0.25)
    ax.spines[["top", "right"]].set_visible(False)
    return ax


def has_glyph(character: str) -> bool:
    """Whether a font of the figures can draw the character; matplotlib draws a box for any other, and warns."""
    families = font_manager.FontProperties().get_family()
    paths = (font_manager.findfont(font_manager.FontProperties(family=[family])) for family in families)
    return any(font_manager.get_font(path).get_char_index(ord(character)) for path in paths)


def finish(fig: Figure, path: str | Path | None) -> Figure:
    """Write the figure if a path is given, and return it."""
    if path is not None:
        fig.savefig(path)
    return fig
