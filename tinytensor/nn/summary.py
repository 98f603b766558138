"""Tables of a Module: its layers, the shapes of their outputs, and how many numbers their parameters hold.

`Module.summary` and a notebook's `Module._repr_html_` are written here. No Module is changed.
"""

from __future__ import annotations

import copy
from collections.abc import Iterator
from html import escape
from typing import Any

from ..modes import no_grad
from ..random import default_generator
from .parameter import Parameter


class Summary(str):
    """A text whose repr is the text itself, so that a prompt and a notebook show it as a table."""

    __slots__ = ()

    def __repr__(self) -> str:
        return str(self)


def summarize(model: Any, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Summary:
    """The table of `Module.summary`."""
    shapes = output_shapes(model, args, kwargs)
    rows = [("layer", "output shape", "parameters")]
    for path, module, own in layers(model):
        name = f"{path.rpartition('.')[2]} " if path else ""
        indent = "  " * (path.count(".") + bool(path))
        rows.append((f"{indent}{name}({type(module).__name__})" if name else type(module).__name__,
                     shapes.get(path, "not called"), f"{sum(p.size for p in own.values()):,}"))
    widths = [max(len(row[i]) for row in rows) for i in range(3)]
    lines = [f"{a:<{widths[0]}}  {b:<{widths[1]}}  {c:>{widths[2]}}" for a, b, c in rows]
    rule = "-" * len(lines[0])
    return Summary("\n".join([lines[0], rule, *lines[1:], rule, total(model)]))


def output_shapes(model: Any, args: tuple[Any, ...], kwargs: dict[str, Any]) -> dict[str, str]:
    """The shapes that each layer returns, by its path: of one call of a copy, so that nothing is touched.

    The copy has the same parameters, is in `eval()`, and has no hooks of others. The default generator is put back.
    """
    twin = copy.deepcopy(model, {id(p): p for p in model.parameters()})
    shapes: dict[str, str] = {}
    for path, module in twin.named_modules():
        module.training = False
        module.register_forward_hook(lambda _, args, y, path=path: shapes.update({path: described(y)}))
    generator = default_generator()
    before = generator.get_state()
    try:
        with no_grad():
            twin(*args, **kwargs)
    finally:
        generator.set_state(before)
    return shapes


def described(y: Any) -> str:
    """The shapes in an output: a tensor's, or those in a tuple, list or dict."""
    if hasattr(y, "shape"):
        return str(tuple(y.shape))
    items = y.values() if isinstance(y, dict) else y if isinstance(y, tuple | list) else None
    return type(y).__name__ if items is None else ", ".join(map(described, items))


def layers(model: Any) -> Iterator[tuple[str, Any, dict[str, Parameter]]]:
    """Each module with its path and its own parameters; a shared parameter is that of the first that has it."""
    seen: set[int] = set()
    for path, module in model.named_modules():
        own = {name: p for name, p in vars(module).items() if isinstance(p, Parameter) and id(p) not in seen}
        seen.update(map(id, own.values()))
        yield path, module, own


def total(model: Any) -> str:
    """How many numbers all parameters hold, and how many of them are frozen."""
    frozen = sum(p.size for p in model.parameters() if not p.requires_grad)
    return f"{model.num_parameters():,} parameters" + (f", {frozen:,} of them frozen" if frozen else "")


def html_table(model: Any) -> str:
    """The table of `Module._repr_html_`: layers, the shapes of their own parameters, and how many numbers they hold."""
    rows = ["<table>", "<tr><th>layer</th><th>kind</th><th>parameters</th><th>numbers</th></tr>"]
    for path, module, own in layers(model):
        extra = module.extra_repr()
        cells = (path or "model", f"{type(module).__name__}({extra})" if extra else type(module).__name__,
                 ", ".join(f"{name} {p.shape}" for name, p in own.items()), f"{sum(p.size for p in own.values()):,}")
        rows.append("<tr>" + "".join(f'<td style="text-align:left">{escape(cell)}</td>' for cell in cells) + "</tr>")
    return "\n".join([*rows, "</table>", f"<p>{escape(total(model))}</p>"])
