"""The expressions of a source: how values and arguments are written, and the lines before the step that they need."""

from __future__ import annotations

from typing import Any

from ..buffers import Buffer, BufferPlan, TiledLoop
from ..ir import Call, Value, values
from ..layout import compact
from ..primitives import DYNAMIC_SLICE, GROUP
from .literals import constant_literal, literal
from .names import Names
from .peephole import CallText, as_operand, dotted, operand_dtype

PRECEDENCE = {"**": 4, "neg": 3, "*": 2, "/": 2, "//": 2, "%": 2, "+": 1, "-": 1}


class Expressions:
    """Writes values and arguments; names are assigned when they are needed.

    Attributes
    ----------
    preamble : list of str
        Lines before the step: arrays in the arena, views, constants.
    defined : set of int
        Numbers of the values whose names are known at this point.
    inputs : dict
        What the source can't write out, by name.
    imports : dict
        A line of import for each name.
    loop : TiledLoop or None
        The loop whose lines are being written, `call` what is being written.
    tile_names : dict
        In a loop, the name of the tile of each value or buffer; `tile_lists`: what the tiles are.
    use_counts, view_counts : dict
        How often each value is read, by its number, and how often of these to make a view.
    """

    def __init__(self, plan: BufferPlan) -> None:
        self.plan = plan
        helpers = {c.name for c in plan.calls if c.name.isidentifier()} - {"gathered"}
        self.names = Names(helpers)
        self.preamble: list[str] = []
        self.defined: set[int] = set()
        self.inputs: dict[str, Any] = {}
        self.imports: dict[str, str] = {}
        self.loop: TiledLoop | None = None
        self.call: Call | None = None
        self.tile_names: dict[Any, str] = {}
        self.tile_lists: list[str] = []
        self.use_counts: dict[int, int] = {}
        self.view_counts: dict[int, int] = {}
        for call in plan.calls:
            view = call.makes_view and call.result.is_array
            for v in call.inputs():
                self.use_counts[v.number] = self.use_counts.get(v.number, 0) + 1
                self.view_counts[v.number] = self.view_counts.get(v.number, 0) + view

    # --- values ---

    def ref(self, v: Value) -> str:
        """The text of a value, after the lines that it needs."""
        if not v.is_array:
            return self.number(v) if v.kind != "stream" else self.source_name(v)
        if self.loop is not None and self.call is not None and self.call.reads_by_rows(v):
            return self.tile_name(v)
        if self.loop is not None:
            return self.outside_loop(v)
        if v.number in self.defined:
            return self.names.of(v)
        if v.kind in ("constant", "state"):
            return self.source_name(v)
        if not self.plan.preallocated(v):
            return self.names.of(v)
        if v.base is not v:
            return self.view(v)
        self.allocate(v)
        return self.names.of(v)

    def outside_loop(self, v: Value) -> str:
        """As `ref`, of the whole array."""
        loop, self.loop = self.loop, None
        text = self.ref(v)
        self.loop = loop
        return text

    def tile_name(self, v: Value) -> str:
        """The name of a value's tile in a loop: values in one buffer share it."""
        loop, buffer = self.loop, self.plan.buffers.get(v.number) if v.base is v else None
        assert loop is not None
        key = v.number if buffer is None else id(buffer)
        if key not in self.tile_names:
            name = self.outside_loop(v)
            self.tile_names[key] = self.names.unique(f"{name.partition('[')[0].rpartition('.')[2]}_i")
            rows = loop.rows(len(v.array))
            self.tile_lists.append(f"tiles({name}, {rows})" if buffer is None or buffer.loop is None
                                   else f"reused({name}, {len(v.array)}, {rows})")
        return self.tile_names[key]

    def source_name(self, v: Value) -> str:
        """The name of a source: it is an input, or, of a constant that can be, written out."""
        name = self.names.of(v)
        if v.number not in self.defined:
            self.defined.add(v.number)
            text = constant_literal(v.array) if v.kind == "constant" and not v.mutable else ""
            if text:
                self.preamble.append(f"{name} = {text}")
            else:
                self.inputs[name] = v.array
        return name

    def view(self, v: Value) -> str:
        """A view of something that exists before the step: by name if it has one, or is used more than once."""
        assert v.call is not None
        text = str(self.expression(v.call))
        if not v.name and self.use_counts.get(v.number, 0) - self.view_counts.get(v.number, 0) < 1:
            return text
        name = self.names.of(v)
        if v.number not in self.defined:
            self.defined.add(v.number)
            self.preamble.append(f"{name} = {text}")
        return name

    def allocate(self, v: Value) -> None:
        """The line, before the step, of the array that a value is stored in."""
        buffer = self.plan.buffers[v.number]
        self.defined.add(v.number)
        if buffer.kind == "state" and not v.has_user_name:
            self.names.of_values[v.number] = self.ref(buffer.value)
            return
        if buffer.region is not None and buffer.value is v:
            text = self.ref(buffer.region)
        elif buffer.value is not v:
            text = self.ref(buffer.value)
        elif buffer.kind == "shared":
            self.names.taken.add(GROUP)
            self.inputs.setdefault(GROUP, None)
            text = buffer.shared_name
        elif buffer.kind == "slice":
            assert buffer.parent is not None
            text = self.slice(buffer, buffer.parent)
        else:
            text = self.in_arena(buffer)
        self.preamble.append(f"{self.names.of(v)} = {text}")

    def in_arena(self, buffer: Buffer) -> str:
        """An array of a buffer's layout in the arena."""
        a = buffer.value.array
        a = a if buffer.loop is None else a[: buffer.loop.rows(len(a))]
        strides = "" if compact(a) else f", {a.strides}"
        return f"np.ndarray({a.shape}, {self.text(a.dtype)}, arena, {buffer.offset}{strides})"

    def slice(self, buffer: Buffer, parent: Buffer) -> str:
        """A slice of another array."""
        a, whole = buffer.value.array, self.ref(parent.value)
        if isinstance(buffer.view, int):
            return f"{whole}[{buffer.view}]"
        if buffer.view is not None:
            shape, axes = buffer.view
            return f"{whole}.reshape{shape}.transpose{axes}"
        begin = buffer.offset // a.itemsize
        flat = whole if parent.value.array.ndim == 1 else f"{whole}.reshape(-1)"
        cut = f"{flat}[{begin}:{begin + a.size}]"
        return cut if a.ndim == 1 else reshaped(cut, a.shape)

    # --- Python's numbers ---

    def number(self, v: Value) -> str:
        """A number: its name, or its arithmetic if it is used once."""
        if v.call is None or v.call.primitive.kind != "scalar" or self.use_counts.get(v.number, 0) > 1:
            return self.names.of(v)
        return self.arithmetic(v.call)

    def arithmetic(self, call: Call) -> str:
        symbol = call.name.removeprefix("number ")
        if len(call.args) == 1:
            return f"-{self.bracketed(call.args[0], 3)}"
        level = PRECEDENCE.get(symbol, 0)
        left, right = call.args
        return (f"{self.bracketed(left, level + (symbol == '**' or not level))} {symbol} "
                f"{self.bracketed(right, level + (symbol != '**'))}")

    def bracketed(self, x: Any, level: int) -> str:
        """An operand, in brackets if its operator binds less than `level`."""
        text = self.text(x)
        if not isinstance(x, Value):
            return f"({text})" if text.startswith("-") else text
        if x.call is None or x.is_array or text == self.names.of_values.get(x.number):
            return text
        symbol = "neg" if len(x.call.args) == 1 else x.call.name.removeprefix("number ")
        return f"({text})" if PRECEDENCE.get(symbol, 0) < level else text

    # --- arguments ---

    def text(self, x: Any) -> str:
        """Any argument of a call."""
        if isinstance(x, Value):
            return self.ref(x)
        if isinstance(x, list | tuple) and not literal(x):
            items = ", ".join(map(self.text, x))
            return f"[{items}]" if isinstance(x, list) else f"({items}{',' * (len(x) == 1)})"
        if isinstance(x, slice) and not literal(x):
            return f"slice({self.text(x.start)}, {self.text(x.stop)}, {self.text(x.step)})"
        if type(x) is dict and any(True for _ in values(x)):
            return f"{{{', '.join([f'{self.text(k)}: {self.text(y)}' for k, y in x.items()])}}}"
        return literal(x) or self.object(x)

    def object(self, x: Any) -> str:
        """The name of an object that can't be written out: it is one of the inputs."""
        name = next((n for n, y in self.inputs.items() if y is x), "")
        if not name:
            name = self.names.unique(getattr(x, "__name__", type(x).__name__))
            self.inputs[name] = x
        return name

    def index(self, key: Any) -> str:
        """The text in square brackets."""
        if isinstance(key, tuple) and key:
            items = [self.index(k) if not isinstance(k, tuple) else self.text(k) for k in key]
            return f"{', '.join(items)}{',' * (len(key) == 1 and isinstance(key[0], tuple))}"
        if not isinstance(key, slice):
            return self.text(key)
        start, stop, step = ("" if x is None else self.text(x) for x in (key.start, key.stop, key.step))
        return f"{start}:{stop}{step and ':'}{step}"

    # --- calls ---

    def expression(self, call: Call) -> CallText | str:
        """A call without its result."""
        if call.primitive.kind == "scalar":
            return self.arithmetic(call)
        if call.name in ("[]", "dynamic_slice"):
            text = f"{self.text(call.args[0])}[{self.index(call.args[1])}]"
            return f"{text}.copy()" if call.primitive is DYNAMIC_SLICE else text
        dtype = operand_dtype(call)
        args = [as_operand(x, self.text(x), dtype) for x in call.args]
        if call.name in (".T", ".mT"):
            return f"{args[0]}{call.name}"
        keywords = {k: self.text(x) for k, x in call.kwargs.items()
                    if k == "axis" or call.primitive.kind != "join" or x == "unsafe"}  # out= has its own dtype
        if call.name == "gathered":
            return CallText(f"{args[0]}.take", args[1:], keywords)
        if call.name.startswith("."):
            if call.name in (".reshape", ".transpose") and len(args) == 2 and type(call.args[1]) is tuple and (
                    call.args[1]):
                args[1:] = map(self.text, call.args[1])
            return CallText(f"{args[0]}{call.name}", args[1:], keywords)
        dot = dotted(call) and not self.plan.buffers[call.result.number].permuted
        return CallText("np.dot" if dot else self.function(call), args, keywords, target=call.target, dot=dot)

    def function(self, call: Call) -> str:
        """The name of a function: NumPy's, or a helper that is imported."""
        if call.name.startswith("np."):
            return call.name
        if call.name.startswith(f"{GROUP}."):
            self.names.taken.add(GROUP)
            self.inputs.setdefault(GROUP, None)  # it comes when the workers start
            return call.name
        module, name = getattr(call.target, "__module__", "") or "", getattr(call.target, "__qualname__", "")
        if module.startswith("numpy"):
            return f"np.{name}"
        if module and name.isidentifier():
            if call.name not in self.imports:
                self.names.taken.add(call.name)
                self.imports[call.name] = f"from {module} import {name}" + (f" as {call.name}" * (name != call.name))
            return call.name
        return self.object(call.target)


def reshaped(text: str, shape: tuple[int, ...]) -> str:
    """An array in another shape; without axes it needs an empty tuple."""
    return f"{text}.reshape({', '.join(map(str, shape)) or '()'})"
