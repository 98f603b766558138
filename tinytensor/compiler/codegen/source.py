"""A step as text: what a person reads, what runs, and what both need. It is written by `emit.py`."""

from __future__ import annotations

from typing import Any, NamedTuple

from ..ir import Call, SourceInfo


class Line(NamedTuple):
    """A line of the step, and the call that it makes; `code` is what runs, spelled for speed (`quick.py`)."""

    text: str
    code: str
    call: Call | None
    info: SourceInfo


class Source(NamedTuple):
    """A step as text.

    Attributes
    ----------
    inputs : dict
        What it needs to run: declared arrays, random streams, constants that are not written out, helpers.
    head, tail : str
        What stands before the lines of the step, and its return.
    lines : list of Line
        The calls of the step.
    named : dict
        What has names where it runs only: functions, and numbers, as arrays.
    """

    head: str
    lines: list[Line]
    tail: str
    inputs: dict[str, Any]
    named: dict[str, Any]

    @property
    def text(self) -> str:
        """All of it, with comments for sections, layers and the user's own lines."""
        return self.told([line.text for line in self.lines])

    @property
    def code(self) -> str:
        """What runs, line by line the same as `text`; it needs what is `named` too."""
        return self.told([line.code for line in self.lines])

    def told(self, texts: list[str]) -> str:
        told: list[str] = []
        section = comment = ""
        for line, text in zip(self.lines, texts, strict=True):
            if line.info.phase != section:
                section, comment = line.info.phase, ""
                told.append(f"    # --- {section} ---")
            now = line.info.line if not line.info.module else f"{line.info.module}: {line.info.line}"
            if now != comment and now and not line.text.startswith("    "):
                comment = now
                told.append(f"    # {now}")
            told.append(f"    {text}")
        return "\n".join([self.head, *told, self.tail, ""])
