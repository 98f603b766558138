"""Figures of how a network is doing: densities by layer, the pace of the updates, the picture of saturated units."""

from __future__ import annotations

import math
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np

from .style import LAYERS, Figure, figure, finish, panels, styled


def density(values: Any, edges: Any) -> Any:
    """The density of finite values in bins of equal width, smoothed by a Gaussian as wide as their number allows.

    The width is Silverman's (1986), 0.9 min(std, IQR / 1.34) n^(-1/5): about 0.15 standard deviations for 6,400 values.
    At the first and last edge the Gaussian is reflected, so that no mass leaks out where values are cut off.
    """
    step, n = edges[1] - edges[0], values.size
    bars = np.histogram(values, edges)[0] / max(1, n)
    quartiles = np.quantile(values, (0.25, 0.75)) if n else (0.0, 0.0)
    width = 0.9 * min(np.std(values) if n else 0.0, (quartiles[1] - quartiles[0]) / 1.34) * max(1, n) ** -0.2 / step
    reach = min(math.ceil(4 * width) if math.isfinite(width) else 0, len(bars) - 1)
    if reach:
        kernel = np.exp(-0.5 * (np.arange(-reach, reach + 1) / width) ** 2)
        bars = np.convolve(np.pad(bars, reach, mode="symmetric"), kernel / kernel.sum(), "valid")
    return bars / step


def histograms(title: str, groups: Mapping[str, Mapping[str, Any]], xlabel: str, bins: int = 200, *,
               path: str | Path | None = None) -> Figure:
    """How values are distributed, a line for each layer, in one panel for each group. Only finite values count.

    Parameters
    ----------
    groups : dict of str to dict of str to array
        The panels' titles; in each the layers' names, from the first layer on, and their values.
    xlabel : str
        What the values are.
    bins : int
        How many points a line has; each is a smoothed bin, see `density`.
    path : str or Path
        Where to write the figure; left out, it is only returned.
    """
    fig, axes = panels(title, len(groups), 1, 1.5 + 4 * len(groups))
    for ax, (name, arrays) in zip(axes[:, 0], groups.items(), strict=True):
        styled(ax, name, xlabel, "density")
        finite = {layer: np.asarray(a, np.float64)[np.isfinite(a)] for layer, a in arrays.items()}
        low = min((np.quantile(a, 0.002, method="lower") for a in finite.values() if a.size), default=0.0)
        high = max((np.quantile(a, 0.998, method="higher") for a in finite.values() if a.size), default=0.0)
        room = 0.0 if high - low > 1e-9 * abs(low) else 0.5 * abs(low) or 0.5  # around values that are all the same
        edges = np.linspace(low - room, high + room, bins + 1)
        for i, (layer, a) in enumerate(finite.items()):
            ax.plot((edges[1:] + edges[:-1]) / 2, density(a, edges), **line(i), lw=1.8, label=layer)
        ax.set_ylim(bottom=0)
        ax.margins(x=0.01)
        ax.ticklabel_format(axis="y", scilimits=(-3, 4))
        legend_beside(ax, len(arrays))
    return finish(fig, path)


def update_ratios(steps: Any, ratios: Mapping[str, Any], good: float = -3, *,
                  path: str | Path | None = None) -> Figure:
    """How far each step moved each parameter, in powers of ten of its size, and the pace to aim at.

    Parameters
    ----------
    steps : (n,)
    ratios : dict of str to (n,)
        By layer, from the first on: log10 of std(change) / std(values). Only finite values are drawn.
    good : float
        Where the dashed line stands.
    path : str or Path
        Where to write the figure; left out, it is only returned.
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
    legend_beside(ax, len(ratios) + 1)
    return finish(fig, path)


def saturation(title: str, images: Mapping[str, Any], *, path: str | Path | None = None) -> Figure:
    """Which units are saturated for which examples: white where they are; a white column is a dead unit.

    Parameters
    ----------
    images : dict of str to (examples, units)
        The panels' titles and truth values; all axes but the last count as examples.
    path : str or Path
        Where to write the figure; left out, it is only returned.
    """
    fig, axes = panels(title, len(images), 1, 1 + 2.9 * len(images))
    for ax, (name, image) in zip(axes[:, 0], images.items(), strict=True):
        styled(ax, name, "unit", "example")
        rows = np.reshape(image, (-1, np.shape(image)[-1]))
        ax.imshow(rows, cmap="gray", vmin=0, vmax=1, interpolation="nearest", aspect="auto")
        ax.grid(visible=False)
    return finish(fig, path)


def legend_beside(ax: Any, names: int) -> None:
    """The legend, to the right of the axes; with many names it is smaller, and in columns."""
    if names:
        ax.legend(loc="center left", bbox_to_anchor=(1.01, 0.5), frameon=False, ncols=math.ceil(names / 24),
                  fontsize=max(7, min(11, 170 / names)))


def line(i: int) -> dict[str, str]:
    """The colour of layer number i; where the colours start again, the dashes change."""
    return {"color": LAYERS[i % len(LAYERS)], "ls": ("-", "--", ":", "-.")[i // len(LAYERS) % 4]}
