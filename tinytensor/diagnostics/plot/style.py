"""How every figure looks: sizes, colours, fonts; the only file that imports matplotlib. It draws nothing itself."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import matplotlib

matplotlib.use("Agg")
import matplotlib.pyplot as plt

BLUE, ORANGE, GREY, RED = "#1f6fb2", "#d9731a", "#8a8f98", "#b8303a"
LAYERS = (BLUE, ORANGE, "#3a8f4d", RED, "#7b52a8", "#8c6239", "#c65a9c", "#4a9a9c")  # by depth, everywhere the same


def figure(title: str, xlabel: str, ylabel: str) -> tuple[Any, Any]:
    """A figure with one pair of axes in the house's style."""
    fig, ax = plt.subplots(figsize=(10, 6), dpi=100, layout="constrained")
    return fig, dressed(ax, title, xlabel, ylabel, 15)


def panels(title: str, rows: int, columns: int, height: float = 6) -> tuple[Any, Any]:
    """A figure with several axes, as an array (rows, columns); `dressed` gives each its title and labels."""
    fig, axes = plt.subplots(rows, columns, figsize=(10, height), dpi=100, layout="constrained", squeeze=False)
    fig.suptitle(title, fontsize=15)
    return fig, axes


def dressed(ax: Any, title: str, xlabel: str, ylabel: str, size: int = 12) -> Any:
    """The axes, in the house's style."""
    ax.set_title(title, fontsize=size, loc="left")
    ax.set_xlabel(xlabel, fontsize=min(size, 12))
    ax.set_ylabel(ylabel, fontsize=min(size, 12))
    ax.grid(alpha=0.25)
    ax.spines[["top", "right"]].set_visible(False)
    return ax


def write(fig: Any, path: str | Path) -> None:
    """Write the figure and free it."""
    fig.savefig(path)
    plt.close(fig)
