"""What measured tables share: the machine they were measured on, and their sections in README. It measures nothing."""

from __future__ import annotations

import os
import platform
import re
from importlib import metadata
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]


def machine(*packages: str) -> str:
    """The processor, its cores, and the versions of Python and of the packages."""
    try:
        lines = Path("/proc/cpuinfo").read_text().splitlines()
    except OSError:  # not on Linux
        lines = []
    cpu = next((line.split(":")[1].strip() for line in lines if line.startswith("model name")), platform.processor())
    versions = []
    for name in packages:
        try:
            versions.append(f"{name} {metadata.version(name)}")
        except metadata.PackageNotFoundError:
            versions.append(f"{name} not installed")
    return f"{cpu}, {os.cpu_count()} cores, Python {platform.python_version()}, {', '.join(versions)}"


def insert(page: Path, section: str, text: str) -> None:
    """Replace what is between the comments of a section, `<!-- name -->` and `<!-- /name -->`, in a Markdown file."""
    marks = re.compile(rf"(<!-- {section} -->\n).*?(<!-- /{section} -->)", re.S)
    written, found = marks.subn(lambda m: m[1] + text + "\n" + m[2], page.read_text("utf-8"))
    if not found:
        raise SystemExit(f"{page}: got no section {section}; expected <!-- {section} --> and <!-- /{section} -->; add "
                         f"both lines where the table belongs")
    page.write_text(written, "utf-8")
