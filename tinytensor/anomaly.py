"""detect_anomaly: stop at the first nan or infinity, forward or backward, and say which line and op computed it."""

from __future__ import annotations

import contextlib
import linecache
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from types import FrameType
from typing import Any
from weakref import ref

import numpy as np

from .core import Op, Tensor, refuse_traced
from .modes import state, watching

OURS = (str(Path(__file__).parent), str(Path(np.__file__).parent), contextlib.__file__, "<frozen")
BEHIND_WHERE = ("mask the input before the op, as in np.log(np.where(x > 0, x, 1)): a branch of `where` that is not "
                "taken has gradient 0, and 0 times an infinite derivative is nan")


def users_line() -> tuple[str, int]:
    """The file and line of the innermost frame outside of tinytensor and NumPy."""
    frame: FrameType | None = sys._getframe(1)
    while frame is not None and frame.f_code.co_filename.startswith(OURS):
        frame = frame.f_back
    return ("", 0) if frame is None else (frame.f_code.co_filename, frame.f_lineno)


def at_line(line: tuple[str, int]) -> str:
    """A line in words: ``at train.py:12, `loss = np.log(p)`, ``."""
    file, number = line
    source = linecache.getline(file, number).strip()
    return f"at {Path(file).name}:{number}{f' `{source}`' if source else ''}, " if file else ""


def summary(x: Any) -> str:
    """An array in short: dtype, shape, the range of its finite elements, the number of others."""
    if not isinstance(x, np.ndarray):
        return repr(x)
    text = f"{x.dtype} {x.shape}"
    if x.dtype.kind != "f" or not x.size:
        return text
    finite = x[np.isfinite(x)]
    text += f" from {finite.min():.4g} to {finite.max():.4g}" if finite.size else ""
    counts = {"nan": np.isnan(x).sum(), "inf": np.isposinf(x).sum(), "-inf": np.isneginf(x).sum()}
    return text + "".join(f", {n} {name}" for name, n in counts.items() if n)


def first_at(mask: Any) -> tuple[int, ...]:
    """The index of the first element that is true."""
    return tuple(int(k) for k in np.argwhere(mask)[0])


def has(test: Any, x: Any) -> bool:
    return bool(getattr(x, "dtype", np.dtype(type(x) if isinstance(x, float) else int)).kind == "f" and test(x).any())


class Anomaly:
    """The checks inside of one `detect_anomaly()`."""

    def __init__(self) -> None:
        self.lines: dict[int, tuple[Any, tuple[str, int]]] = {}  # id of a node -> the user's line that computed it
        self.quiet = 0  # nesting of rules and compositions: only their results are checked

    @contextmanager
    def inside(self) -> Iterator[None]:
        """Inside of a rule or a composition, whose intermediate values may drop out in the end."""
        self.quiet += 1
        try:
            yield
        finally:
            self.quiet -= 1

    def forward(self, node: Tensor, op: Op, arrays: Any) -> None:
        """Raise if the output has a nan, or, where gradients flow, a new infinity."""
        if self.quiet or not arrays:
            return
        line = users_line()
        if node.op is not None:
            key = id(node)
            self.lines[key] = (ref(node, lambda _: self.lines.pop(key, None) and None), line)
        y = node.data
        if y.dtype.kind != "f" or np.isfinite(y).all():
            return
        nan, source = np.isnan(y), next((i for i, x in enumerate(arrays) if has(np.isnan, x)), None)
        inputs = "; ".join(f"input {i} is {summary(x)}" for i, x in enumerate(arrays))
        if nan.any() and source is not None:
            raise FloatingPointError(f"anomaly: {at_line(line)}{op.name} got nan in input {source}: {inputs}; "
                                     f"expected numbers; check where this input comes from: data, weights after too "
                                     f"large a step, or plain NumPy")
        if nan.any() or (node._requires_grad and not any(has(np.isinf, x) for x in arrays)):
            wrong = nan if nan.any() else np.isinf(y)
            at = first_at(wrong)
            raise FloatingPointError(f"anomaly: {at_line(line)}{op.name} returned {y[at]} at index {at}, in "
                                     f"{wrong.sum()} of {y.size} elements; {inputs}; keep the inputs inside of the "
                                     f"domain with tt.clip, or {BEHIND_WHERE}")

    def examine(self, gx: Any, g: Any, x: Tensor, node: Tensor, rule: str) -> None:
        """Raise if the gradient `gx` of `x`, an input of `node` whose gradient is `g`, is not finite."""
        gx, g = (a.data if isinstance(a, Tensor) else a for a in (gx, g))
        wrong = ~np.isfinite(gx)
        if not wrong.any():
            return
        at = first_at(wrong)
        _, line = self.lines.get(id(node), (None, ("", 0)))
        incoming = g[at] if g.shape == gx.shape else None
        if incoming is not None and incoming == 0:
            advice = f"the incoming gradient there is 0: {BEHIND_WHERE}"
        elif has(np.isnan, g) or has(np.isinf, g):
            advice = f"the incoming gradient is {summary(g)}: check the hooks, and gradient= of backward()"
        else:
            advice = "keep the input inside of the domain, with tt.clip or tt.where before the op"
        raise FloatingPointError(f"anomaly: {at_line(line)}{rule} returned {gx[at]} at index {at}, where the input is "
                                 f"{x.data[at]}, and so for {wrong.sum()} of {gx.size} elements; the input is "
                                 f"{summary(x.data)}; {advice}")


@contextmanager
def detect_anomaly() -> Iterator[None]:
    """Stop at the first nan or infinity, and say which op computed it, from what, and in which line.

    Forward: every op that returns a nan, and every recorded op that makes an infinity. Backward: every rule that
    returns either. Compiled steps run uncompiled inside. It costs some 20 us an op; outside of the block, nothing.

    Examples
    --------
    >>> import tinytensor as tt
    >>> x = tt.tensor([0.0, 4.0], requires_grad=True)
    >>> with tt.detect_anomaly():
    ...     np.sqrt(x).sum().backward()
    Traceback (most recent call last):
    FloatingPointError: anomaly: at ..., the rule of sqrt for input 0 returned inf at index (0,), where the inp...
    """
    refuse_traced("detect_anomaly", "checks values, which a compiled step does not")
    anomaly, before = Anomaly(), state.anomaly
    state.anomaly = anomaly
    try:
        with watching(anomaly.forward):
            yield
    finally:
        state.anomaly = before
