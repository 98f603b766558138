"""What every measured table says: the machine that it was measured on, and its place in README. It measures nothing."""

from __future__ import annotations

import os
import platform
import re
from importlib import metadata
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]


def machine(*packages: str) -> str:
    """The processor, its cores, and the versions of Python and of the packages."""
    cpu = next((line.split(":")[1].strip() for line in Path("/proc/cpuinfo").read_text().splitlines()
                if line.startswith("model name")), platform.processor())
    versions = []
    for name in packages:
        try:
            versions.append(f"{name} {metadata.version(name)}")
        except metadata.PackageNotFoundError:
            versions.append(f"{name} not installed")
    return f"{cpu}, {os.cpu_count()} cores, Python {platform.python_version()}, {', '.join(versions)}"


def into_readme(section: str, text: str) -> None:
    """Put the text between README's marks for the section."""
    readme = ROOT / "README.md"
    marks = re.compile(rf"(<!-- {section} -->\n).*?(<!-- /{section} -->)", re.S)
    readme.write_text(marks.sub(lambda m: m[1] + text + "\n" + m[2], readme.read_text("utf-8")), "utf-8")
