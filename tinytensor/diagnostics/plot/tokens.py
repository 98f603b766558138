"""Figures of a tokenizer: how merges join the bytes of a text to tokens, and how much shorter they make it."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from itertools import cycle
from pathlib import Path

from .characters import visible
from .style import LAYERS, Figure, figure, finish


def merge_tree(ids: Sequence[int], merges: Mapping[int, tuple[int, int]], name: Callable[[int], str], *,
               path: str | Path | None = None) -> Figure:
    """The tokens of a short text as trees: bytes at the bottom, a joint for each merge, the earliest merges lowest.

    Parameters
    ----------
    ids : (T,)
        The tokens of the text, some 10 to 40 bytes together.
    merges : dict of int to (int, int)
        The halves of each token, in the order of the merges (`Tokenizer.merges`).
    name : function of an id
        What to write for a byte or a token.
    path : str or Path
        Where to write the figure; left out, it is only returned.
    """
    number = {token: i for i, token in enumerate(merges, 1)}
    leaves: list[str] = []

    def draw(token: int, color: str) -> tuple[float, float]:
        """Draw the tree of a token to the right of the leaves so far; return where its top is."""
        if token not in merges:
            leaves.append(name(token))
            return len(leaves) - 1.0, 0.5
        (a, low_a), (b, low_b) = (draw(half, color) for half in merges[token])
        x, y = (a + b) / 2, float(number[token])
        ax.plot([a, a, b, b], [low_a, y, y, low_b], color=color, lw=1.8, solid_capstyle="round", zorder=2)
        ax.plot(x, y, "o", color=color, ms=5, zorder=3)
        return x, y

    fig, ax = figure("", "the text, byte by byte", "number of the merge")
    ax.set_yscale("log")
    ax.yaxis.set_major_formatter("{x:,.0f}")
    for token, color in zip(ids, cycle(LAYERS)):
        x, y = draw(token, color)
        ax.annotate(visible(name(token)), (x, y), (0, 9), textcoords="offset points", ha="center", fontsize=11,
                    color=color, weight="bold", bbox={"facecolor": "white", "edgecolor": "none", "pad": 0.5}, zorder=4)
    ax.set_title(f"How {len(leaves)} bytes become {len(ids)} tokens", fontsize=15, loc="left")
    ax.set_xticks(range(len(leaves)), [visible(leaf) for leaf in leaves], fontsize=min(13, 420 / max(len(leaves), 1)))
    ax.set_ylim(0.5, 3 * max(2, len(merges)))
    ax.grid(axis="x", visible=False)
    ax.tick_params(axis="x", length=0)
    return finish(fig, path)


def compression_curve(curves: Mapping[str, Sequence[Sequence[float]]], *, path: str | Path | None = None) -> Figure:
    """How many bytes a token stands for after how many merges, for each pattern that splits the text.

    Parameters
    ----------
    curves : dict of str to rows (merges, bytes per token on the training text, the same on held-out text)
    path : str or Path
        Where to write the figure; left out, it is only returned.
    """
    fig, ax = figure("More merges, shorter texts: held-out text solid, training text dashed",
                     "merges", "bytes per token")
    ax.set_xscale("symlog", base=2, linthresh=16)
    for (what, rows), color in zip(curves.items(), cycle(LAYERS)):
        merges, train, held = zip(*rows, strict=True)
        ax.plot(merges, train, "--", color=color, lw=1.2)
        ax.plot(merges, held, "o-", color=color, lw=2, ms=5, label=f"{what}: {held[-1]:.2f}")
    ticks = sorted({row[0] for rows in curves.values() for row in rows})
    ax.set_xticks(ticks, [f"{tick:,}" for tick in ticks])
    ax.minorticks_off()
    if curves:
        ax.legend(loc="upper left", frameon=False, fontsize=11)
    return finish(fig, path)
