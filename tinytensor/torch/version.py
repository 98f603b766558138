"""The version of PyTorch whose names and meanings these are, with tinytensor's own behind it."""

from __future__ import annotations

from re import findall
from typing import Any

from .. import __version__ as own


class Version(str):
    """A version, which compares by its numbers: with texts, and with tuples.

    Examples
    --------
    >>> Version("2.13.0") > "2.2", Version("2.13.0") >= (2, 14)
    (True, False)
    """

    __slots__ = ()

    def pair(self, other: Any) -> tuple[list[int], list[int]]:
        """The numbers of both, as many as each has."""
        public = [str(x).partition("+")[0] if isinstance(x, str) else ".".join(map(str, x)) for x in (self, other)]
        mine, theirs = ([int(n) for n in findall(r"\d+", text)] for text in public)
        longest = max(len(mine), len(theirs))
        return mine + [0] * (longest - len(mine)), theirs + [0] * (longest - len(theirs))

    def __lt__(self, other: Any) -> bool:
        a, b = self.pair(other)
        return a < b

    def __le__(self, other: Any) -> bool:
        a, b = self.pair(other)
        return a <= b

    def __gt__(self, other: Any) -> bool:
        a, b = self.pair(other)
        return a > b

    def __ge__(self, other: Any) -> bool:
        a, b = self.pair(other)
        return a >= b


__version__ = Version(f"2.13.0+tinytensor.{own}")
cuda = hip = rocm = xpu = None
debug = False
git_version = "unknown"
