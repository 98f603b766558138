"""Ctrl-C is delayed while something is half done."""

from __future__ import annotations

import signal
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any


@contextmanager
def undisturbed() -> Iterator[None]:
    """A KeyboardInterrupt inside of the block is raised after it."""
    if threading.current_thread() is not threading.main_thread():  # which is the only one that signals interrupt
        yield
        return
    before, pending = signal.getsignal(signal.SIGINT), list[Any]()
    if not callable(before):
        yield
        return
    signal.signal(signal.SIGINT, lambda *args: pending.append(args))
    try:
        yield
    finally:
        signal.signal(signal.SIGINT, before)
        if pending:
            before(*pending[0])
