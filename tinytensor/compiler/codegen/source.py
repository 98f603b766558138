"""A program as text: the version to read, the version that runs, and what both need. `writer.py` writes it."""

from __future__ import annotations

from typing import Any, NamedTuple

from ..ir import Call, SourceInfo


class Line(NamedTuple):
    """A line of the step, and the call that it is of; `code` is what runs, spelled for speed (`peephole.py`)."""

    text: str
    code: str
    call: Call | None
    info: SourceInfo

    def indented(self) -> Line:
        """The line inside of a loop."""
        return self._replace(text=f"    {self.text}", code=f"    {self.code}")


class Source(NamedTuple):
    """A program as text.

    Attributes
    ----------
    head, tail : str
        The text before the lines of the step, and its return.
    lines : list of Line
        The calls of the step.
    inputs : dict
        What it needs to run: declared arrays, random streams, constants and functions that can't be written out.
    named : dict
        What has names only where it runs: functions, and numbers, as arrays.
    """

    head: str
    lines: list[Line]
    tail: str
    inputs: dict[str, Any]
    named: dict[str, Any]

    @property
    def text(self) -> str:
        """The whole text, with comments for phases, layers and the user's lines."""
        return self.joined([line.text for line in self.lines])

    @property
    def code(self) -> str:
        """What runs, line by line the same as `text`; it needs what is `named` too."""
        return self.joined([line.code for line in self.lines])

    def joined(self, statements: list[str]) -> str:
        """The statements with all that stands around them."""
        lines: list[str] = []
        phase = comment = ""
        for line, statement in zip(self.lines, statements, strict=True):
            if line.info.phase != phase:
                phase, comment = line.info.phase, ""
                lines.append(f"    # --- {phase} ---")
            where = line.info.line if not line.info.module else f"{line.info.module}: {line.info.line}"
            if where != comment and where and not line.text.startswith("    "):
                comment = where
                lines.append(f"    # {where}")
            lines.append(f"    {statement}")
        return "\n".join([self.head, *lines, self.tail, ""])
