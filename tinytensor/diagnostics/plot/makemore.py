"""The figure of makemore's models: how the loss of each falls while all have the same time."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from .style import LAYERS, Figure, figure, finish


def race_chart(curves: Mapping[str, Mapping[float, float]], *, ylabel: str = "dev loss",
               path: str | Path | None = None) -> Figure:
    """The dev loss of several models over the seconds that each has trained, with the last one of each in the legend.

    Parameters
    ----------
    curves : dict of str to dict of float to float
        For each model, the loss after this many seconds.
    ylabel : str
        What the loss is, and in which unit.
    path : str or Path
        Where to write the figure; left out, it is only returned.
    """
    fig, ax = figure("Which model learns most in the same time?", "seconds of training", ylabel)
    ends = {name: list(curve.values())[-1] for name, curve in curves.items()}
    for i, (name, curve) in enumerate(curves.items()):
        ax.plot(list(curve), list(curve.values()), "o-", color=LAYERS[i % len(LAYERS)], lw=1.8, ms=4,
                label=f"{ends[name]:.3f}  {name}")
    low, high = min(ends.values()), max(ends.values())
    ax.set_ylim(low - 0.05, high + max(0.3, 0.5 * (high - low)))  # the first drop would squeeze the rest
    ax.set_xlim(0)
    handles, labels = ax.get_legend_handles_labels()
    order = sorted(range(len(labels)), key=list(ends.values()).__getitem__, reverse=True)
    ax.legend([handles[i] for i in order], [labels[i] for i in order], loc="upper right", frameon=False, fontsize=11)
    return finish(fig, path)
