"""A pytest plugin that runs tests with a mistake in the engine: ``-p tinytensor.testing.plugin --break "= for +="``.

The mistakes are in `breaks.py`.
"""

from __future__ import annotations

from typing import Any

from .breaks import BREAKS, breaking


def pytest_addoption(parser: Any) -> None:
    """The flag."""
    parser.addoption("--break", choices=list(BREAKS), help="a mistake that the engine makes while the tests run")


def pytest_configure(config: Any) -> None:
    """Put the mistake in, until pytest ends."""
    if name := config.getoption("--break"):
        lab = breaking(name)
        lab.__enter__()
        config.add_cleanup(lambda: lab.__exit__(None, None, None))
