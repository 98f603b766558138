"""Pictures of expression graphs: how a Value or a Tensor was computed, as an SVG file that any browser shows.

The result stands at the right, what it was made of to the left of it, each operation in front of what it gave. It needs
neither Graphviz nor matplotlib, and computes nothing.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from xml.sax.saxutils import escape

import numpy as np

from ..core import RELEASED, Tensor
from ..value import Value

__all__ = ["draw", "svg"]

MOST = 300  # nodes; a larger picture can't be read
LEAF, MADE, CONSTANT, LINE, OP = "#dbe9f6", "#ffffff", "#eeeff1", "#5b6470", "#d9731a"
LETTER, ROW, PAD = 7.9, 18, 9  # width of a letter, height of a line, space around: pixels, at a font size of 13
GAP, LANE, REACH, ARROW = 18, 22, 54, 20  # between boxes, of a passing line, between columns, from operation to box
SWEEPS = 6


@dataclass(eq=False)
class Box:
    """A node of the picture, or the place in a column where a longer line passes (without text)."""

    lines: list[str]
    fill: str = MADE
    op: str = ""
    inputs: list[Box] = field(default_factory=list)
    column: int = 0
    y: float = 0.0
    before: list[Box] = field(default_factory=list)  # what it is joined with in the column at its left
    after: list[Box] = field(default_factory=list)  # and at its right

    @property
    def height(self) -> float:
        return len(self.lines) * ROW + PAD if self.lines else LANE - GAP


def draw(path: str | Path, root: Value | Tensor, names: Mapping[Any, str] | None = None) -> None:
    """Write the graph behind `root` as an SVG file; see `svg`.

    Examples
    --------
    >>> import tempfile
    >>> from pathlib import Path
    >>> from tinytensor.diagnostics import graph
    >>> from tinytensor.value import Value
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     graph.draw(Path(folder) / "y.svg", Value(2.0, label="a") * 3.0)
    ...     (Path(folder) / "y.svg").read_text("utf-8")[:4]
    '<svg'
    """
    Path(path).write_text(svg(root, names), "utf-8")


def svg(root: Value | Tensor, names: Mapping[Any, str] | None = None) -> str:
    """The graph behind `root` as the text of an SVG picture.

    A Value's box shows its label, data and gradient; a Tensor's its name, its shape and dtype, its number where it is
    one. What was given is blue, what was computed white, what takes no gradient grey.

    Parameters
    ----------
    root : Value or Tensor
        Draw a Tensor before `backward()`, which lets go of the graph, or pass it ``retain_graph=True``.
    names : mapping of Value or Tensor to str
        What nodes are called: ``{p: name for name, p in model.named_parameters()}``. Labels of Values need no mention.

    Raises
    ------
    ValueError
        If there are more nodes than can be read, or the graph is no longer there.

    Examples
    --------
    >>> import tinytensor as tt
    >>> from tinytensor.diagnostics import graph
    >>> w = tt.ones(2, requires_grad=True)
    >>> picture = graph.svg((w * tt.ones(3, 2)).sum(), {w: "w"})
    >>> ">w</text>" in picture, ">multiply</text>" in picture
    (True, True)
    """
    called = {id(node): name for x, name in (names or {}).items() for node in (x, x.data)}  # graphs may keep the array
    boxes = read(root, called)
    return written(boxes, arranged(boxes))


# --- what there is to draw ---


def read(root: Any, names: Mapping[int, str]) -> list[Box]:
    """A box for each node behind `root`, in an order in which each comes after all that use it."""
    if not isinstance(root, Value | Tensor):
        raise TypeError(f"graph: {type(root).__name__} came; expected a Value or a Tensor; give it the result of the "
                        f"computation, not its .data")
    made, reached = {id(root): described(root, names)}, [root]
    for node in reached:
        for x in inputs_of(node):
            alone = isinstance(x, int | float)  # a plain number has no identity: a box for each use
            if alone or id(x) not in made:
                if len(made) >= MOST:
                    raise ValueError(f"graph: more than {MOST} nodes came; expected a graph that can be read; draw the "
                                     f"loss of one example, of a smaller network, or a part of the expression")
                box = described(x, names)
                made[id(box) if alone else id(x)] = box
                if not alone:
                    reached.append(x)
            else:
                box = made[id(x)]
            made[id(node)].inputs.append(box)
    return topological(made[id(root)])


def inputs_of(node: Any) -> list[Any]:
    """What a node was computed from: Values, Tensors, and the arrays and numbers that take no gradient."""
    if isinstance(node, Value):
        return list(node.inputs)
    if not isinstance(node, Tensor):
        return []
    if node.op is RELEASED:
        raise ValueError("graph: backward() has let go of the graph behind this tensor; draw it before, or call "
                         "backward(retain_graph=True)")
    operands = [a if x is None else x for x, a in zip(node.inputs, node.saved, strict=True)]
    return [x for x in operands if x is not None]


def described(node: Any, names: Mapping[int, str]) -> Box:
    """The box of a node, without its inputs."""
    if isinstance(node, Value):
        name, fill = names.get(id(node), node.label), MADE if node.inputs else LEAF
        return Box([*named(name), f"data {node.data:.4f}", f"grad {node.grad:.4f}"], fill, node.op)
    if not isinstance(node, Tensor | np.ndarray):
        return Box([np.format_float_positional(node, 4, trim="0")], CONSTANT)
    number = [f"{node.item():.4f}"] if node.size == 1 else []
    lines = [*named(names.get(id(node), "")), f"{node.shape} {node.dtype}", *number]
    if not isinstance(node, Tensor):
        return Box(lines, CONSTANT)
    return Box(lines, MADE if node.op else LEAF if node.requires_grad else CONSTANT, node.op.name if node.op else "")


def named(name: str) -> list[str]:
    """A name as a line: nothing that XML can't hold, and not too long."""
    clean = "".join(c if c.isprintable() else "?" for c in name)
    return [clean if len(clean) <= 28 else clean[:27] + "…"] if clean else []


def topological(root: Box) -> list[Box]:
    """All boxes behind the root, users first; each in the column left of the leftmost of its users."""
    uses = {root: 0}
    for box in (reached := [root]):
        for x in box.inputs:
            if x not in uses:
                uses[x] = 0
                reached.append(x)
            uses[x] += 1
    for box in (ready := [root]):
        for x in box.inputs:
            x.column = max(x.column, box.column + 1)
            uses[x] -= 1
            if not uses[x]:
                ready.append(x)
    return ready


# --- where it stands ---


def arranged(boxes: list[Box]) -> list[list[Box]]:
    """The columns, from the right, with places for lines that pass; every box and place gets its `y`."""
    columns: list[list[Box]] = [[] for _ in range(max(box.column for box in boxes) + 1)]
    lanes: dict[tuple[Box, int], Box] = {}
    for box in boxes:
        columns[box.column].append(box)
        for x in box.inputs:
            right = box
            for i in range(box.column + 1, x.column):  # one lane a source, shared by all whom it serves
                known = lanes.get((x, i))
                lane = lanes[x, i] = known or Box([], column=i)
                join(lane, right)
                if known:
                    break
                columns[i].append(lane)
                right = lane
            else:
                join(x, right)
    for sweep in range(SWEEPS):  # by turns from the right and from the left, each box goes to the middle of its next
        forth = sweep % 2 == 0
        for column in columns if forth else reversed(columns):
            for box in column:
                if near := box.after if forth else box.before:
                    box.y = sum(other.y + port(box, other) for other in near) / len(near)
            spread(column)
    top = min(box.y - box.height / 2 for column in columns for box in column)
    for column in columns:
        for box in column:
            box.y += PAD - top
    return columns


def join(left: Box, right: Box) -> None:
    if left not in right.before:
        right.before.append(left)
        left.after.append(right)


def port(box: Box, user: Box) -> float:
    """A hint that keeps the inputs of an operation in their order: the first above the second."""
    return float(user.before.index(box)) if box in user.before else 0.0


def spread(column: list[Box]) -> None:
    """Move boxes that overlap apart, in the order of where they would like to be, and as little as can be."""
    column.sort(key=lambda box: box.y)
    wanted, floor = [box.y for box in column], float("-inf")
    for box in column:
        box.y = max(box.y, floor + box.height / 2)
        floor = box.y + box.height / 2 + GAP
    shift = sum(y - box.y for y, box in zip(wanted, column, strict=True)) / len(column)
    for box in column:
        box.y += shift


# --- the picture ---


def written(boxes: list[Box], columns: list[list[Box]]) -> str:
    """The SVG of boxes that stand where they should."""
    left, pill, width = [0.0] * len(columns), [0.0] * len(columns), [0.0] * len(columns)  # of each column
    x = float(PAD)
    for i in reversed(range(len(columns))):
        pill[i] = max(pill_width(box) for box in columns[i])
        width[i] = max(max(map(len, box.lines), default=0) * LETTER + 2 * PAD for box in columns[i])
        left[i] = x
        x += pill[i] + (ARROW if pill[i] else 0) + width[i] + REACH
    across, down = x - REACH + PAD, max(box.y + box.height / 2 for column in columns for box in column) + PAD

    def box_left(box: Box) -> float:
        return left[box.column] + pill[box.column] + (ARROW if pill[box.column] else 0)

    def box_right(box: Box) -> float:
        return box_left(box) + width[box.column]

    lines, shapes = [], []
    for box in boxes:
        y, start = box.y, box_left(box)
        shapes.append(f'<rect x="{start:.1f}" y="{y - box.height / 2:.1f}" width="{width[box.column]:.1f}" '
                      f'height="{box.height}" rx="4" fill="{box.fill}" stroke="{LINE}"/>')
        shapes += [text(line, start + width[box.column] / 2, y + (i - (len(box.lines) - 1) / 2) * ROW, LINE if i else
                        "#111111") for i, line in enumerate(box.lines)]
        if not box.op:
            continue
        w = pill_width(box)
        end = start - ARROW - w
        shapes.append(f'<rect x="{end:.1f}" y="{y - 14:.1f}" width="{w:.1f}" height="28" rx="14" fill="{OP}"/>')
        shapes.append(text(box.op, end + w / 2, y, "#ffffff"))
        lines.append(f'<path d="M{end + w:.1f} {y:.1f}H{start:.1f}" marker-end="url(#arrow)"/>')
        for i, source in enumerate(box.inputs):
            arrive = y + (i - (len(box.inputs) - 1) / 2) * min(8.0, 20 / len(box.inputs))
            lines.append(way(source, box, end, arrive, left, box_right))
    head = (f'<svg xmlns="http://www.w3.org/2000/svg" width="{across:.0f}" height="{down:.0f}" '
            f'viewBox="0 0 {across:.0f} {down:.0f}" font-family="DejaVu Sans Mono, Menlo, Consolas, monospace" '
            f'font-size="13">\n<title>Expression graph of {len(boxes)} nodes</title>\n<defs><marker id="arrow" '
            f'viewBox="0 0 8 8" refX="8" refY="4" markerWidth="8" markerHeight="8" orient="auto">'
            f'<path d="M0 0L8 4L0 8z" fill="{LINE}"/></marker></defs>\n<rect width="100%" height="100%" fill="white"/>')
    return "\n".join([head, f'<g fill="none" stroke="{LINE}" stroke-width="1.2">', *lines, "</g>", *shapes, "</svg>\n"])


def way(source: Box, user: Box, end: float, arrive: float, left: list[float], box_right: Any) -> str:
    """The line from a box to the operation that uses it, through its lanes in the columns between."""
    x, y, box = box_right(source), source.y, source
    path = f"M{x:.1f} {y:.1f}"
    while user not in box.after:
        box = next(lane for lane in box.after if not lane.lines)  # the only one: a source has one row of lanes
        path += bend(x, y, left[box.column], box.y)
        x, y = box_right(box), box.y
        path += f"H{x:.1f}"
    path += bend(x, y, left[user.column], arrive) + f"H{end:.1f}"  # straight on to a narrow one in a wide column
    return f'<path d="{path}" marker-end="url(#arrow)"/>'


def bend(x: float, y: float, to_x: float, to_y: float) -> str:
    middle = (x + to_x) / 2
    return f"C{middle:.1f} {y:.1f} {middle:.1f} {to_y:.1f} {to_x:.1f} {to_y:.1f}"


def pill_width(box: Box) -> float:
    return max(28.0, len(box.op) * LETTER + 2 * PAD) if box.op else 0.0


def text(line: str, x: float, y: float, color: str) -> str:
    return (f'<text x="{x:.1f}" y="{y:.1f}" fill="{color}" text-anchor="middle" dominant-baseline="central">'
            f"{escape(line)}</text>")
