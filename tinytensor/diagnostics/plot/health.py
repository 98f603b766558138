"""Figures of how a network is doing: histograms by layer, the pace of the updates, the picture of saturated units."""

from __future__ import annotations

import math
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np

from .style import LAYERS, dressed, figure, panels, write


def histograms(path: str | Path, title: str, groups: Mapping[str, Mapping[str, Any]], xlabel: str,
               bins: int = 50) -> None:
    """How values are spread, a line for each layer, in one panel for each group. What is not finite is left out.

    Parameters
    ----------
    groups : dict of str to dict of str to array
        The panels' titles; in each the layers' names, from the first layer on, and their values.
    xlabel : str
        What the values are.
    """
    fig, axes = panels(title, len(groups), 1, 1.5 + 4 * len(groups))
    for ax, (name, arrays) in zip(axes[:, 0], groups.items(), strict=True):
        dressed(ax, name, xlabel, "density")
        finite = {layer: np.asarray(a, np.float64)[np.isfinite(a)] for layer, a in arrays.items()}
        low = min((np.quantile(a, 0.002, method="lower") for a in finite.values() if a.size), default=0.0)
        high = max((np.quantile(a, 0.998, method="higher") for a in finite.values() if a.size), default=0.0)
        room = 0.0 if high - low > 1e-9 * abs(low) else 0.5 * abs(low) or 0.5  # around values that are all the same
        edges = np.linspace(low - room, high + room, bins + 1)
        for i, (layer, a) in enumerate(finite.items()):
            density = np.histogram(a, edges)[0] / (max(1, a.size) * np.diff(edges))
            ax.plot((edges[1:] + edges[:-1]) / 2, density, **line(i), lw=1.8, label=layer)
        ax.set_ylim(bottom=0)
        ax.margins(x=0.01)
        ax.ticklabel_format(axis="y", scilimits=(-3, 4))
        aside(ax, len(arrays))
    write(fig, path)


def update_ratios(path: str | Path, steps: Any, ratios: Mapping[str, Any], good: float = -3) -> None:
    """How far each step moved each parameter, in powers of ten of its size, and the pace to aim at.

    Parameters
    ----------
    steps : (n,)
    ratios : dict of str to (n,)
        By layer, from the first on: log10 of std(change) / std(values). What is not finite is left out.
    good : float
        Where the dashed line stands.
    """
    fig, ax = figure("How far a step moves the weights", "step", "log10 of std(change) : std(weights)")
    for i, (layer, values) in enumerate(ratios.items()):
        y = np.asarray(values, np.float64)
        ax.plot(steps, np.where(np.isfinite(y), y, np.nan), **line(i), marker="o" if len(y) == 1 else "", lw=1,
                alpha=0.85, label=layer)
    ax.axhline(good, color="black", ls="--", lw=1.4, label=f"a good pace, {good:g}")
    ax.margins(x=0.01)
    ax.xaxis.set_major_formatter("{x:,.0f}")
    ax.xaxis.get_major_locator().set_params(integer=True, min_n_ticks=1)
    aside(ax, len(ratios) + 1)
    write(fig, path)


def saturation(path: str | Path, title: str, images: Mapping[str, Any]) -> None:
    """Which units are saturated for which examples: white where they are; a white column is a dead unit.

    Parameters
    ----------
    images : dict of str to (examples, units)
        The panels' titles and truth values; of more axes than two all but the last count as examples.
    """
    fig, axes = panels(title, len(images), 1, 1 + 2.9 * len(images))
    for ax, (name, image) in zip(axes[:, 0], images.items(), strict=True):
        dressed(ax, name, "unit", "example")
        rows = np.reshape(image, (-1, np.shape(image)[-1]))
        ax.imshow(rows, cmap="gray", vmin=0, vmax=1, interpolation="nearest", aspect="auto")
        ax.grid(visible=False)
    write(fig, path)


def aside(ax: Any, names: int) -> None:
    """The legend, beside the axes; of many names it is smaller, and in columns."""
    if names:
        ax.legend(loc="center left", bbox_to_anchor=(1.01, 0.5), frameon=False, ncols=math.ceil(names / 24),
                  fontsize=max(7, min(11, 170 / names)))


def line(i: int) -> dict[str, str]:
    """The colour of layer number i; where the colours start again, the line is another."""
    return {"color": LAYERS[i % len(LAYERS)], "ls": ("-", "--", ":", "-.")[i // len(LAYERS) % 4]}
