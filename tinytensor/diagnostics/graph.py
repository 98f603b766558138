"""Pictures of expression graphs: how a Value or a Tensor was computed, as SVG that any browser or notebook shows.

The result is at the right, its inputs to the left, each operation in front of its output. It needs neither Graphviz nor
matplotlib, and computes nothing.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from xml.sax.saxutils import escape

import numpy as np

from ..advice import a_type
from ..core import RELEASED, Tensor
from ..value import Value

__all__ = ["Picture", "draw", "svg"]

MAX_NODES = 300  # a larger picture can't be read
LEAF, COMPUTED, CONSTANT, LINE, OP = "#dbe9f6", "#ffffff", "#eeeff1", "#5b6470", "#d9731a"
LETTER, ROW, PAD = 7.9, 18, 9  # width of a letter, height of a line, space around: pixels, at a font size of 13
GAP, LANE, REACH, ARROW = 18, 22, 54, 20  # between boxes, of a passing line, between columns, from operation to box
SWEEPS = 6


@dataclass(eq=False)
class Box:
    """A node of the picture; without text, the point in a column that a longer line passes through."""

    lines: list[str]
    fill: str = COMPUTED
    op: str = ""
    inputs: list[Box] = field(default_factory=list)
    column: int = 0
    y: float = 0.0
    before: list[Box] = field(default_factory=list)  # its neighbours in the column to the left
    after: list[Box] = field(default_factory=list)  # and to the right

    @property
    def height(self) -> float:
        return len(self.lines) * ROW + PAD if self.lines else LANE - GAP


class Picture:
    """An SVG picture, as text in `svg`; it shows itself at the end of a notebook's cell."""

    def __init__(self, svg: str) -> None:
        self.svg = svg

    def _repr_svg_(self) -> str:
        return self.svg

    def __repr__(self) -> str:
        title = self.svg.partition("<title>")[2].partition("</title>")[0]
        return f"Picture({title!r}; a notebook shows it, .save(path) writes it)"

    def save(self, path: str | Path) -> None:
        """Write the picture as an SVG file."""
        Path(path).write_text(self.svg, "utf-8")


def draw(root: Value | Tensor, names: Mapping[Any, str] | None = None, *, path: str | Path | None = None) -> Picture:
    """The graph behind `root` as a picture: a notebook shows it, and `path` writes it as an SVG file.

    A Value's box shows its label, data and gradient; a Tensor's its name, its shape and dtype, and its number if it
    has one element. Leaves are blue, computed nodes white, and what takes no gradient grey.

    Parameters
    ----------
    root : Value or Tensor
        Draw a Tensor before `backward()`, which releases the graph, or call ``backward(retain_graph=True)``.
    names : mapping of Value or Tensor to str
        The names of nodes: ``{p: name for name, p in model.named_parameters()}``. Values show their labels anyway.
    path : str or Path
        Where to write the picture; left out, it is only returned.

    Raises
    ------
    ValueError
        If there are more nodes than can be read, or the graph has been released.

    Examples
    --------
    >>> import tinytensor as tt
    >>> from tinytensor.diagnostics import graph
    >>> w = tt.ones(2, requires_grad=True)
    >>> graph.draw((w * tt.ones(3, 2)).sum(), {w: "w"})
    Picture('Expression graph of 4 nodes'; a notebook shows it, .save(path) writes it)
    """
    picture = Picture(svg(root, names))
    if path is not None:
        picture.save(path)
    return picture


def svg(root: Value | Tensor, names: Mapping[Any, str] | None = None) -> str:
    """The graph behind `root` as the text of an SVG picture; see `draw`.

    Examples
    --------
    >>> import tinytensor as tt
    >>> from tinytensor.diagnostics import graph
    >>> w = tt.ones(2, requires_grad=True)
    >>> picture = graph.svg((w * tt.ones(3, 2)).sum(), {w: "w"})
    >>> ">w</text>" in picture, ">multiply</text>" in picture
    (True, True)
    """
    by_id = {id(node): name for x, name in (names or {}).items() for node in (x, x.data)}  # graphs may keep the array
    boxes = collect(root, by_id)
    return render(boxes, arrange(boxes))


# --- what there is to draw ---


def collect(root: Any, names: Mapping[int, str]) -> list[Box]:
    """A box for each node behind `root`, in an order in which each comes after all that use it."""
    if not isinstance(root, Value | Tensor):
        advice = "write draw(y, path=...)" if isinstance(root, str | Path) else "pass the result itself, not its .data"
        raise TypeError(f"graph: got {a_type(root)}; expected a Value or a Tensor; {advice}")
    made, reached = {id(root): describe(root, names)}, [root]
    for node in reached:
        for x in inputs_of(node):
            number = isinstance(x, int | float)  # a plain number has no identity: it gets a box for each use
            if number or id(x) not in made:
                if len(made) >= MAX_NODES:
                    raise ValueError(f"graph: got more than {MAX_NODES} nodes; expected a graph that can be read; draw "
                                     f"the loss of one example, of a smaller network, or a part of the expression")
                box = describe(x, names)
                made[id(box) if number else id(x)] = box
                if not number:
                    reached.append(x)
            else:
                box = made[id(x)]
            made[id(node)].inputs.append(box)
    return topological(made[id(root)])


def inputs_of(node: Any) -> list[Any]:
    """The inputs of a node: Values, Tensors, and the arrays and numbers that take no gradient."""
    if isinstance(node, Value):
        return list(node.inputs)
    if not isinstance(node, Tensor):
        return []
    if node.op is RELEASED:
        raise ValueError("graph: got a tensor whose graph backward() has released; expected the graph; draw before "
                         "backward(), or call backward(retain_graph=True)")
    operands = [a if x is None else x for x, a in zip(node.inputs, node.saved, strict=True)]
    return [x for x in operands if x is not None]


def describe(node: Any, names: Mapping[int, str]) -> Box:
    """The box of a node, without its inputs."""
    if isinstance(node, Value):
        name, fill = names.get(id(node), node.label), COMPUTED if node.inputs else LEAF
        return Box([*name_lines(name), f"data {node.data:.4f}", f"grad {node.grad:.4f}"], fill, node.op)
    if not isinstance(node, Tensor | np.ndarray):
        return Box([np.format_float_positional(node, 4, trim="0")], CONSTANT)
    number = [f"{node.item():.4f}"] if node.size == 1 else []
    lines = [*name_lines(names.get(id(node), "")), f"{node.shape} {node.dtype}", *number]
    if not isinstance(node, Tensor):
        return Box(lines, CONSTANT)
    fill = COMPUTED if node.op else LEAF if node.requires_grad else CONSTANT
    return Box(lines, fill, node.op.name if node.op else "")


def name_lines(name: str) -> list[str]:
    """A name as a line, or none if it is empty: without characters that XML forbids, and shortened."""
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


# --- layout ---


def arrange(boxes: list[Box]) -> list[list[Box]]:
    """The columns, from the right, with lanes for lines that pass through; every box and lane gets its `y`."""
    columns: list[list[Box]] = [[] for _ in range(max(box.column for box in boxes) + 1)]
    lanes: dict[tuple[Box, int], Box] = {}
    for box in boxes:
        columns[box.column].append(box)
        for x in box.inputs:
            right = box
            for i in range(box.column + 1, x.column):  # one lane for a source, shared by all its users
                known = lanes.get((x, i))
                lane = lanes[x, i] = known or Box([], column=i)
                join(lane, right)
                if known:
                    break
                columns[i].append(lane)
                right = lane
            else:
                join(x, right)
    for sweep in range(SWEEPS):  # in alternating directions, each box moves to the mean height of its neighbours
        leftwards = sweep % 2 == 0
        for column in columns if leftwards else reversed(columns):
            for box in column:
                if near := box.after if leftwards else box.before:
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
    """Move overlapping boxes apart, in the order of their heights, and no further than needed."""
    column.sort(key=lambda box: box.y)
    wanted, floor = [box.y for box in column], float("-inf")
    for box in column:
        box.y = max(box.y, floor + box.height / 2)
        floor = box.y + box.height / 2 + GAP
    shift = sum(y - box.y for y, box in zip(wanted, column, strict=True)) / len(column)
    for box in column:
        box.y += shift


# --- the picture ---


def render(boxes: list[Box], columns: list[list[Box]]) -> str:
    """The SVG of boxes whose positions are known."""
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
            lines.append(edge(source, box, end, arrive, left, box_right))
    plural = "s" * (len(boxes) > 1)
    head = (f'<svg xmlns="http://www.w3.org/2000/svg" width="{across:.0f}" height="{down:.0f}" '
            f'viewBox="0 0 {across:.0f} {down:.0f}" font-family="DejaVu Sans Mono, Menlo, Consolas, monospace" '
            f'font-size="13">\n<title>Expression graph of {len(boxes)} node{plural}</title>\n<defs><marker id="arrow" '
            f'viewBox="0 0 8 8" refX="8" refY="4" markerWidth="8" markerHeight="8" orient="auto">'
            f'<path d="M0 0L8 4L0 8z" fill="{LINE}"/></marker></defs>\n<rect width="100%" height="100%" fill="white"/>')
    return "\n".join([head, f'<g fill="none" stroke="{LINE}" stroke-width="1.2">', *lines, "</g>", *shapes, "</svg>\n"])


def edge(source: Box, user: Box, end: float, arrive: float, left: list[float], box_right: Any) -> str:
    """The line from a box to the operation that uses it, through its lanes in the columns between."""
    x, y, box = box_right(source), source.y, source
    path = f"M{x:.1f} {y:.1f}"
    while user not in box.after:
        box = next(lane for lane in box.after if not lane.lines)  # the only one: a source has one row of lanes
        path += bend(x, y, left[box.column], box.y)
        x, y = box_right(box), box.y
        path += f"H{x:.1f}"
    path += bend(x, y, left[user.column], arrive) + f"H{end:.1f}"  # a narrow operation in a wide column
    return f'<path d="{path}" marker-end="url(#arrow)"/>'


def bend(x: float, y: float, to_x: float, to_y: float) -> str:
    middle = (x + to_x) / 2
    return f"C{middle:.1f} {y:.1f} {middle:.1f} {to_y:.1f} {to_x:.1f} {to_y:.1f}"


def pill_width(box: Box) -> float:
    return max(28.0, len(box.op) * LETTER + 2 * PAD) if box.op else 0.0


def text(line: str, x: float, y: float, color: str) -> str:
    return (f'<text x="{x:.1f}" y="{y:.1f}" fill="{color}" text-anchor="middle" dominant-baseline="central">'
            f"{escape(line)}</text>")
