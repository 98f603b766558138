"""What the scripts print and draw: lines beside a progress bar, tables, losses beside the notebook's, figures.

It computes nothing; the figures themselves are `tinytensor.diagnostics.plot`'s.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from .settings import Settings, UserError


def say(text: str) -> None:
    """Print a line, also while a progress bar is on the screen."""
    print(("\r\033[K" if sys.stdout.isatty() else "") + text, flush=True)


class Table:
    """A table that is printed while its rows are found, and can be saved as Markdown.

    The first column is text and `width` characters wide, the others are as wide as their titles, or 7 characters.
    """

    def __init__(self, *titles: str, width: int) -> None:
        self.titles, self.rows = titles, []  # type: tuple[str, ...], list[tuple[str, ...]]
        self.widths = [width, *(max(7, len(title)) for title in titles[1:])]
        say(self.line(titles))

    def add(self, *cells: str) -> None:
        """Print one more row."""
        self.rows.append(cells)
        say(self.line(cells))

    def line(self, cells: Sequence[str]) -> str:
        first, *rest = cells
        return "  ".join([f"{first:<{self.widths[0]}}",
                          *(f"{cell:>{width}}" for cell, width in zip(rest, self.widths[1:]))])

    def save(self, path: Path) -> None:
        """Write the table as Markdown."""
        rule = ["---", *["--:"] * (len(self.titles) - 1)]
        lines = ["| " + " | ".join(cells) + " |" for cells in (self.titles, rule, *self.rows)]
        path.write_text("\n".join(lines) + "\n", "utf-8")


# --- losses ---


def tell(what: str, ours: float, expected: float, tolerance: float = 2e-4, digits: int = 4,
         whose: str = "the notebook's") -> None:
    """Print our figure beside the notebook's: = if equal as printed, ≈ if within the tolerance."""
    same, near = round(ours, digits) == expected, abs(ours - expected) <= tolerance + 0.5 * 10**-digits
    mark = "=" if same else "≈" if near else "differs from"
    say(f"{what}: {ours:.{digits}f} {mark} {whose} {expected:.{digits}f}")


def tell_splits(result: Mapping[str, float], expected: Mapping[str, float], digits: int = 4,
                whose: str = "the notebook's") -> None:
    """Print the losses on the splits beside the notebook's."""
    for name, loss in expected.items():
        tell(f"{name:>5} loss", result[name], loss, 5e-5, digits, whose)


def show_losses(s: Settings, result: Mapping[str, float], notebook: Mapping[str, float]) -> None:
    """Print the losses on the splits as the last line; above them the notebook's, unless the data is another's."""
    if not s.own_data:
        print("the notebook's loss: " + " ".join(f"{name} {loss:.4f}" for name, loss in notebook.items()))
    print("loss: " + " ".join(f"{name} {loss:.3f}" for name, loss in result.items()))


def references(s: Settings, part: str, result: Mapping[str, float], notebook: Mapping[str, float]) -> dict[str, float]:
    """The lines across a loss curve: our loss on a split, and the notebook's, unless the data is another's."""
    return {part: result[part]} | ({} if s.own_data else {f"{part}, the notebook": notebook[part]})


# --- figures ---


NATS = "cross-entropy, nats per character"  # the unit of most figures


def plotting(folder: str | None) -> Any:
    """`tinytensor.diagnostics.plot`, after a check that matplotlib is installed and the folder can be written.

    None without --plots. `drawn` prints which figures were drawn, `nothing_drawn` why there are none.
    """
    if folder is None:
        return None
    try:
        from tinytensor.diagnostics import plot
    except ImportError:
        raise UserError("--plots: got no matplotlib; expected it to be installed; run pip install -e '.[examples]', "
                        "or leave out --plots") from None
    writable_folder(Path(folder))
    return plot


def drawn(folder: str | Path, *names: str) -> None:
    """Print which figures were drawn."""
    say(f"figures in {folder}: {', '.join(names)}")


def nothing_drawn(folder: str | None, why: str) -> None:
    """Print why a run with --plots draws nothing."""
    if folder is not None:
        say(f"no figures: {why}")


def writable_folder(folder: Path) -> None:
    """Make the folder, or say in one line why it can't be written: before a long run, not after it."""
    if folder.exists() and not folder.is_dir():
        raise UserError(f"{folder}: got a file; expected a folder that can be written; name another")
    try:
        folder.mkdir(parents=True, exist_ok=True)
        probe = folder / f".{os.getpid()}.part"
        probe.touch()
        probe.unlink()
    except OSError as error:
        raise UserError(f"{folder}: {error.strerror}; expected a folder that can be written; name another") from None
