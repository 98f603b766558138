"""Looking into a network: `health` measures how it is doing, `graph` draws how a result was computed.

`plot` draws charts of what was measured; it needs matplotlib, and ``from tinytensor.diagnostics import plot`` loads it.
"""

from . import graph, health

__all__ = ["graph", "health"]


def __dir__() -> list[str]:
    return __all__
