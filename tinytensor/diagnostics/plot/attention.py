"""Figures of attention: which position attends to which."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from .characters import visible
from .style import MONOSPACE, Figure, finish, panels


def attention_maps(maps: Any, tokens: Sequence[str], *, path: str | Path | None = None) -> Figure:
    """A square for each block and head: a row for each query, a column for each key.

    Parameters
    ----------
    maps : (layers, heads, T, T)
        The attention weights: how much each position takes from each; rows add up to 1.
    tokens : sequence of str
        The T tokens.
    path : str or Path
        Where to write the figure; left out, it is only returned.
    """
    layers, heads, count = len(maps), len(maps[0]), max(len(tokens), 1)
    side = 900 / heads  # pixels of a square
    fig, axes = panels("Attention weights: each row is a query, darker where it attends more", layers, heads,
                       height=1.1 + (side + 28) * layers / 100, sharex=True, sharey=True)
    names = [visible(token) for token in tokens]
    size = min(11.0, 0.72 * 0.98 * side / count)  # points: a line of text is as high as a row of the square
    for i, row in enumerate(axes):
        for j, ax in enumerate(row):
            ax.imshow(maps[i][j], cmap="Blues", vmin=0, interpolation="nearest", aspect="auto")
            ax.set_title(f"block {i + 1}, head {j + 1}", fontsize=11, loc="left")
            ax.set_xticks(range(len(names)), names, fontsize=size, family=MONOSPACE)
            ax.set_yticks(range(len(names)), names, fontsize=size, family=MONOSPACE)
            ax.tick_params(length=0, pad=2)
            ax.spines[:].set_visible(False)
    fig.supxlabel("key: the position attended to", fontsize=12)
    fig.supylabel("query: the position that attends", fontsize=12)
    return finish(fig, path)
