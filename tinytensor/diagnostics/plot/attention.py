"""Figures of attention: which place takes from which."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from .characters import visible
from .style import panels, write


def attention_maps(path: str | Path, maps: Any, tokens: Sequence[str]) -> None:
    """A square for each block and head: rows are the places that look, columns those that are looked at.

    Parameters
    ----------
    maps : (layers, heads, T, T)
        How much each place takes from each; rows add up to 1.
    tokens : sequence of str
        The T tokens.
    """
    layers, heads = len(maps), len(maps[0])
    fig, axes = panels("What each head looks at: a row for each place, darker where it takes more", layers, heads,
                       height=1 + 10 * layers / heads)
    names = [visible(token) for token in tokens]
    size = min(9.0, 1300 / (heads * max(len(names), 1) * 1.6))
    for i, row in enumerate(axes):
        for j, ax in enumerate(row):
            ax.imshow(maps[i][j], cmap="Blues", vmin=0, interpolation="nearest")
            ax.set_title(f"block {i + 1}, head {j + 1}", fontsize=11, loc="left")
            ax.set_xticks(range(len(names)), names, fontsize=size, family="monospace")
            ax.set_yticks(range(len(names)), names, fontsize=size, family="monospace")
            ax.tick_params(length=0, pad=1)
            ax.spines[:].set_visible(False)
    write(fig, path)
