"""Writes the tables of the guide for users of PyTorch, from the table of names.

    python -m tinytensor.names            write them
    python -m tinytensor.names --check    exit status 1 if those in the page are stale

The text above the tables is written by hand, and kept.
"""

from __future__ import annotations

import sys
from collections import defaultdict
from collections.abc import Iterable
from pathlib import Path

from . import SPACES, Entry, is_code, is_name, kinds, table

PAGE = Path(__file__).resolve().parents[2] / "examples" / "guides" / "from_pytorch.md"
MARK = "<!-- What follows is written by `python -m tinytensor.names`: change the table of names, not this. -->\n"
OWNERS = {"Tensor": "x", "Module": "model", "functional": "F", "nn": "nn", "init": "nn.init", "optim": "optim",
          "utils": "nn.utils", "data": "utils.data"}  # how its names are written; others as PyTorch's namespace


def code(text: str) -> str:
    """Text as code, fit for a cell of a table."""
    return "`" + text.replace("|", "\\|") + "`"


def paragraph(head: str, parts: Iterable[str]) -> list[str]:
    """A line of names under a head, or nothing."""
    text = ", ".join(parts)
    return [f"**{head}:** {text}.", ""] if text else []


def rows(first: str, second: str, parts: Iterable[tuple[str, str]]) -> list[str]:
    """A table of two columns, or nothing."""
    found = [f"| {a} | {b} |" for a, b in parts]
    return [f"| {first} | {second} |", "| --- | --- |", *found, ""] if found else []


def offered(namespace: str) -> list[str]:
    """The lines on the names that exist here."""
    by: dict[str, list[Entry]] = defaultdict(list)
    for entry in table(namespace).values():
        writes = entry.name.endswith("_") and entry.text.startswith("x = ")
        by["in place" if writes else entry.status].append(entry)
    ours = [(code(e.name), e.text) for e in by["ours"]]
    names, others = [(n, t) for n, t in ours if is_name(t)], [(n, t) for n, t in ours if not is_name(t)]
    only = [(code(e.name), e.text) for e in by["only"]]
    return [
        f"### {SPACES[namespace].torch}", "",
        *paragraph("The same in both", (code(e.name) for e in by["same"])),
        *rows("One name, two meanings", "PyTorch and NumPy", ((code(e.name), e.text) for e in by["differs"])),
        *paragraph("Other names in tinytensor", (f"{name} is {code(text)}" for name, text in names)),
        *rows("PyTorch", "NumPy's spelling", ((name, code(text) if is_code(text) else text) for name, text in others)),
        *paragraph("In tinytensor.torch alone, some with another way beside them",
                   (f"{name} ({code(text) if is_code(text) else text})" if text else name for name, text in only)),
        *paragraph("In place, in tinytensor.torch alone; elsewhere assign the result, as in `x = x.abs()`",
                   (code(e.name) for e in by["in place"])),
    ]


def refused() -> list[str]:
    """The lines on the names that do not exist here, by reason."""
    by: dict[str, list[tuple[str, str]]] = defaultdict(list)
    for namespace, space in SPACES.items():
        for entry in table(namespace).values():
            if entry.status == "no":
                by[entry.kind].append((code(f"{OWNERS.get(namespace, space.torch)}.{entry.name}"), entry.text))
    lines = []
    for kind, (title, why, advice) in kinds().items():
        sentence = f"{why[0].upper()}{why[1:]}{f'; {advice}' if advice else ''}."
        lines += [f"### {title[0].upper()}{title[1:]}", "", sentence, ""]
        names = [name for name, text in by[kind] if not text]
        lines += [", ".join(names) + ".", ""] if names else []
        lines += rows("Name", "Instead", ((name, text) for name, text in by[kind] if text))
    return lines


def page(text: str) -> str:
    """The page with current tables, given its present text."""
    head, _, _ = text.partition(MARK)
    lines = ["", "## Name by name", "", *(line for namespace in SPACES for line in offered(namespace)),
             "## Not here, and what to do", "", *refused()]
    return head + MARK + "\n".join(lines).rstrip() + "\n"


def main() -> int:
    """Write the page, or check it."""
    old = PAGE.read_text("utf-8")
    new = page(old)
    if "--check" in sys.argv[1:]:
        if old != new:
            print(f"{PAGE.name}: stale; expected what the table of names says; run python -m tinytensor.names")
        return int(old != new)
    PAGE.write_text(new, "utf-8")
    return 0


if __name__ == "__main__":
    sys.exit(main())
