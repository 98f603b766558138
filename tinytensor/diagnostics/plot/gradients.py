"""Figures of gradients: what a loss does to the logits."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from .characters import visible
from .style import BLUE, MONOSPACE, ORANGE, Figure, finish, panels, styled

MAX_LABELS = 70  # more would overlap


def push_and_pull(forces: Any, contexts: Sequence[str], targets: Any, characters: Sequence[str], *,
                  path: str | Path | None = None) -> Figure:
    """Which logits a step raises and lowers: a row for each example, and one of the rows as bars.

    Parameters
    ----------
    forces : (B, V)
        Minus the gradient of an example's own loss for its logits: 1 - p for the right character, -p for the others.
    contexts : sequence of str
        The characters before the one to predict, for each example.
    targets : (B,) integers
        The right characters.
    characters : sequence of str
        The V characters.
    path : str or Path
        Where to write the figure; left out, it is only returned.
    """
    fig, axes = panels("The gradient at the logits: each row pulls at the right character, and pushes at the others", 2,
                       1, height=10)
    table, single = axes[:, 0]
    table.get_gridspec().set_height_ratios((3, 1))

    rgb = [np.array([int(color[i : i + 2], 16) / 255 for i in (1, 3, 5)]) for color in (BLUE, ORANGE)]
    forces = np.asarray(forces)
    depth = np.sqrt(np.minimum(1, np.abs(forces)))[..., None]  # the root: small forces are seen as well
    hue = np.where(forces[..., None] > 0, *rgb)
    styled(table, "blue: pulled up by 1 - p; orange: pushed down by p, the probability; deeper is stronger", "",
            "context → right character")
    table.imshow(1 - depth * (1 - hue), aspect="auto", interpolation="nearest")
    names = [visible(c) for c in characters]
    labels = [f"{visible(before)} → {names[y]}" for before, y in zip(contexts, targets, strict=True)]
    if len(labels) <= MAX_LABELS:
        table.set_yticks(range(len(labels)), labels, fontsize=min(9, 420 / len(labels)), family=MONOSPACE)

    row = int(np.argmin(np.min(forces, 1)))  # where a wrong character was taken for likely
    force = forces[row]
    styled(single, f"the worst guess, {labels[row]}: up by {force[force > 0].sum():.2f}, "
            f"down by {-force[force < 0].sum():.2f} in all", "character", "force on the logit")
    single.bar(range(len(force)), force, color=[BLUE if f > 0 else ORANGE for f in force])
    single.axhline(0, color="black", lw=0.8)
    for ax in (table, single):
        ax.grid(visible=False)
        ax.set_xlim(-0.5, len(characters) - 0.5)
        if len(characters) <= MAX_LABELS:
            ax.set_xticks(range(len(characters)), names, fontsize=min(11, 600 / len(names)))
    return finish(fig, path)
