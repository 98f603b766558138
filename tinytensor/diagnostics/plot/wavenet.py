"""Figures of the fifth lecture: the tree that is a convolution, and the ladder of networks that led to it."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np

from .style import BLUE, GREY, LAYERS, ORANGE, Figure, figure, finish


def dilated_tree(context: int, kernel: int = 2, *, path: str | Path | None = None) -> Figure:
    """Which nodes of a dilated causal convolution see which characters; the tree of the last window in colour.

    Parameters
    ----------
    context, kernel : int
        Characters that predict the next one, a power of the kernel; and how many neighbours a level joins.
    path : str or Path
        Where to write the figure; left out, it is only returned.
    """
    levels = round(np.log(context) / np.log(kernel))
    length = context + max(2, context // 2)  # a few windows more than one
    fig, ax = figure(f"One tree over {context} characters, and all its neighbours: dilated causal convolutions",
                     "position in the text", "")
    tree, size = {length - 1}, 3000 / length
    for level in range(levels, 0, -1):  # from the prediction down
        step, color = kernel ** (level - 1), LAYERS[(level - 1) % len(LAYERS)]
        for x in range(kernel**level - 1, length):
            for below in range(x, x - kernel * step, -step):
                strong = x in tree
                ax.plot([x, below], [level, level - 1], color=color if strong else GREY, lw=2 if strong else 0.8,
                        alpha=1 if strong else 0.5, zorder=1 + strong)
        nodes = np.arange(kernel**level - 1, length)
        own = np.isin(nodes, list(tree))
        ax.scatter(nodes, np.full(len(nodes), level), s=size, lw=0, zorder=3,
                   color=[color if mine else "#d4d7db" for mine in own])
        tree = {below for x in tree for below in range(x, x - kernel * step, -step)}
    ax.scatter(range(length), np.zeros(length), s=size, lw=0, zorder=3,
               color=["#3c4148" if x in tree else "#d4d7db" for x in range(length)])
    ax.set_yticks(range(levels + 1), ["characters", *(f"level {i}\ndilation {kernel ** (i - 1)}"
                                                      for i in range(1, levels + 1))], fontsize=11)
    ax.set_ylim(-0.35, levels + 0.35)
    ax.margins(x=0.04)
    ax.xaxis.get_major_locator().set_params(integer=True)
    ax.grid(visible=False)
    return finish(fig, path)


def ladder_chart(rows: Sequence[Sequence[str | float]], *, theirs: str = "the notebook", xlabel: str = "loss",
                 path: str | Path | None = None) -> Figure:
    """Train and dev loss of several networks, from the first to the last, beside those that others have published.

    Parameters
    ----------
    rows : sequence of (name, train, dev, their train, their dev)
        What is nan is left out.
    theirs : str
        Who published the last two.
    xlabel : str
        What the loss is, and in which unit.
    path : str or Path
        Where to write the figure; left out, it is only returned.
    """
    if not rows:
        raise ValueError("ladder_chart: got no rows; expected one or more; draw it after the first run")
    names, *columns = zip(*rows, strict=True)
    losses = np.array(columns, np.float64)  # (4, n)
    fig, ax = figure(f"The ladder: {len(names)} networks, each with one idea more", xlabel, "")
    heights = -np.arange(len(names))
    marks = ((BLUE, "o", BLUE, "train"), (ORANGE, "o", ORANGE, "dev"), ("none", "D", BLUE, f"train, {theirs}"),
             ("none", "D", ORANGE, f"dev, {theirs}"))
    for i, (values, (face, marker, edge, label)) in enumerate(zip(losses, marks, strict=True)):
        if np.isfinite(values).any():
            ax.scatter(values, heights + (0.12 if i < 2 else -0.12), s=90, marker=marker, facecolor=face,
                       edgecolor=edge, lw=1.6, label=label, zorder=3)
    for height, train, dev in zip(heights, losses[0], losses[1], strict=True):
        ax.plot([train, dev], [height + 0.12] * 2, color=GREY, lw=2, alpha=0.5, zorder=2)
    ax.set_yticks(heights, [str(name).replace(", ", ",\n") for name in names], fontsize=11)
    ax.set_ylim(heights[-1] - 0.5, 0.95)
    ax.legend(loc="upper center", frameon=False, fontsize=11, ncols=4, columnspacing=1.2, handletextpad=0.2)
    return finish(fig, path)
