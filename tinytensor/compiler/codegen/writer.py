"""A plan as source: one call a line, as a person would have written it, that runs by itself.

What is made once (memory, views, constants) stands before the step, the step in the sections forward, backward, update.
"""

from __future__ import annotations

import json
import math
import re
from typing import Any

import numpy as np

from ..ir import Call, SourceInfo, Value, values
from ..layout import compact
from ..passes.buffer_assignment import parts
from ..passes.buffers import Buffer, Plan, TiledLoop
from ..passes.tiling import reads_by_rows
from ..primitives import DYNAMIC_SLICE, FILL, PUT
from .exact import dotted, unbuffered
from .literals import HELPERS, place, spelling
from .names import Names
from .peephole import quick
from .source import Line, Source

PRECEDENCE = {"**": 4, "neg": 3, "*": 2, "/": 2, "//": 2, "%": 2, "+": 1, "-": 1}
ARITHMETIC = {np.add, np.subtract, np.multiply, np.divide, np.maximum, np.minimum, np.power, np.less, np.greater,
              np.less_equal, np.greater_equal}
MARKED = re.compile("\0(.*?)\0(.)\0")


class Writer:
    """Writes a plan down; names are given as they are needed."""

    def __init__(self, plan: Plan, title: str) -> None:
        self.plan, self.title = plan, title
        helpers = {c.name for c in plan.calls if c.name.isidentifier()} - {"gathered"}
        self.names = Names(helpers)
        self.made: list[str] = []  # the lines before the step
        self.defined: set[int] = set()
        self.inputs: dict[str, Any] = {}
        self.imports: dict[str, str] = {}
        self.body: list[Line] = []
        self.run: TiledLoop | None = None
        self.call: Call | None = None
        self.turns: dict[Any, str] = {}
        self.pieces: list[str] = []
        self.helpers: set[str] = set()
        self.uses: dict[int, int] = {}
        self.viewed: dict[int, int] = {}  # of these, how often only to make another view
        for call in plan.calls:
            makes_view = isinstance(call.result, Value) and call.result.is_array and call.result.base is not call.result
            for v in call.inputs():
                self.uses[v.number] = self.uses.get(v.number, 0) + 1
                self.viewed[v.number] = self.viewed.get(v.number, 0) + makes_view

    # --- what values are written as ---

    def ref(self, v: Value) -> str:
        """What a value is written as, once all that it needs stands before it."""
        if not v.is_array:
            return self.number(v) if v.kind != "stream" else self.outside(v)
        if self.run is not None and self.call is not None and reads_by_rows(self.call, v):
            return self.turns[self.turn(v)]
        if self.run is not None:  # subtle: what is read whole is made of whole arrays
            run, self.run = self.run, None
            text = self.ref(v)
            self.run = run
            return text
        if v.number in self.defined:
            return self.names.of(v)
        if v.kind in ("constant", "state"):
            return self.outside(v)
        if not self.plan.preallocated(v):
            return self.names.of(v)
        if v.base is not v:
            return self.view(v)
        self.home(v)
        return self.names.of(v)

    def turn(self, v: Value) -> Any:
        """By what the piece of a value is known in a run: values in one home share it."""
        key = id(self.plan.home[v.number]) if v.base is v and v.number in self.plan.home else v.number
        if key not in self.turns:
            run, self.run = self.run, None  # subtle: the whole array's name, not that of a piece
            name = self.ref(v)
            self.run = run
            self.turns[key] = self.names.unique(f"{name.partition('[')[0].rpartition('.')[2]}_i")
            home = self.plan.home.get(v.number) if v.base is v else None
            assert run is not None
            rows = run.rows(len(v.array))
            self.pieces.append(f"again({name}, {len(v.array)}, {rows})" if home is not None and home.run is not None
                               else f"pieces({name}, {rows})")
        return key

    def outside(self, v: Value) -> str:
        """A source: given to the text, or, of a constant that can be spelled, written out."""
        name = self.names.of(v)
        if v.number not in self.defined:
            self.defined.add(v.number)
            spelled = spelling(v.array) if v.kind == "constant" and not v.mutable else ""
            if spelled:
                self.made.append(f"{name} = {spelled}")
            else:
                self.inputs[name] = v.array
        return name

    def view(self, v: Value) -> str:
        """A view of something that stands before the step: by name if it has one, or is used more than once."""
        assert v.call is not None
        text = self.expression(v.call)
        if not v.name and self.uses.get(v.number, 0) - self.viewed.get(v.number, 0) < 1:
            return text
        name = self.names.of(v)
        if v.number not in self.defined:
            self.defined.add(v.number)
            self.made.append(f"{name} = {text}")
        return name

    def home(self, v: Value) -> None:
        """The array that a value is made in."""
        home = self.plan.home[v.number]
        first = home.value
        self.defined.add(v.number)
        if home.kind == "state" and not v.has_user_name:
            self.names.given[v.number] = self.ref(first)
            return
        if home.region is not None and first is v:
            text = self.ref(home.region)
        elif first is not v:
            text = self.ref(first)
        elif home.kind == "given":
            self.names.taken.add("group")
            self.inputs.setdefault("group", None)
            text = home.text
        elif home.permuted:
            assert home.parent is not None
            text = f"{self.ref(home.parent.value)}{home.text}"
        elif home.kind == "part":
            assert home.parent is not None
            text = self.piece(home, home.parent)
        else:
            text = place(v.array if home.run is None else v.array[: home.run.rows(len(v.array))], "memory", home.offset)
        self.made.append(f"{self.names.of(v)} = {text}")

    def piece(self, home: Buffer, parent: Buffer) -> str:
        """A contiguous piece of another array."""
        a, size = home.value.array, home.value.array.itemsize
        begin, whole = home.offset // size, self.ref(parent.value)
        flat = whole if parent.value.array.ndim == 1 else f"{whole}.reshape(-1)"
        cut = f"{flat}[{begin}:{begin + a.size}]"
        return cut if a.ndim == 1 else f"{cut}.reshape({', '.join(map(str, a.shape))})" if a.ndim else \
            f"{cut}.reshape(())"

    def number(self, v: Value) -> str:
        """A number: its name, or its arithmetic if it is used only once."""
        if v.call is None or not v.call.primitive.kind == "scalar" or self.uses.get(v.number, 0) > 1:
            return self.names.of(v)
        return self.arithmetic(v.call)

    def arithmetic(self, call: Call) -> str:
        symbol = call.name.removeprefix("number ")
        if len(call.args) == 1:
            return f"-{self.bracketed(call.args[0], 3)}"
        level = PRECEDENCE.get(symbol, 0)
        left, right = call.args
        return (f"{self.bracketed(left, level + (symbol == '**'))} {symbol} "
                f"{self.bracketed(right, level + (symbol != '**'))}")

    def bracketed(self, x: Any, level: int) -> str:
        text = self.text(x)
        inner = (isinstance(x, Value) and x.call is not None and not x.is_array
                 and text != self.names.given.get(x.number))
        symbol = x.call.name.removeprefix("number ") if inner else ""
        weak = inner and PRECEDENCE.get("neg" if len(x.call.args) == 1 else symbol, 0) < level
        return f"({text})" if weak or (not isinstance(x, Value) and x < 0) else text

    def text(self, x: Any) -> str:
        """Any argument of a call."""
        if isinstance(x, Value):
            return self.ref(x)
        if isinstance(x, list):
            return f"[{', '.join(map(self.text, x))}]"
        if isinstance(x, tuple):
            return f"({', '.join(map(self.text, x))}{',' if len(x) == 1 else ''})"
        if isinstance(x, slice):
            return f"slice({self.text(x.start)}, {self.text(x.stop)}, {self.text(x.step)})"
        if isinstance(x, np.dtype) or (isinstance(x, type) and issubclass(x, np.generic)):
            return f"np.{np.dtype(x).name}"
        if isinstance(x, float) and not math.isfinite(x):
            return f"float('{x}')"
        if isinstance(x, np.generic):
            return f"np.{x.dtype.name}({self.text(x.item())})"
        if x is Ellipsis:
            return "..."
        if isinstance(x, str):
            return json.dumps(x)
        if x is None or isinstance(x, int | float | bool):
            return repr(x)
        return self.given(x)

    def operand(self, x: Any, dtype: np.dtype[Any] | None) -> str:
        """An argument of a call; of a marked number `add` makes an array, which costs a quarter microsecond less."""
        text = self.text(x)
        return text if dtype is None or type(x) not in (int, float, dtype.type) else f"\0{text}\0{dtype.char}\0"

    def given(self, x: Any) -> str:
        """An object that has no text: it comes with the inputs."""
        name = next((n for n, y in self.inputs.items() if y is x), "")
        if not name:
            name = self.names.unique(getattr(x, "__name__", type(x).__name__))
            self.inputs[name] = x
        return name

    # --- calls ---

    def expression(self, call: Call) -> str:
        """A call as Python, without where its result goes."""
        dtype = operands(call)
        args = [self.index(call.args[1]) if call.name == "[]" and i else self.operand(a, dtype)
                for i, a in enumerate(call.args)]
        if call.name in (".T", ".mT"):
            return f"{args[0]}{call.name}"
        if call.name == "[]":
            return f"{args[0]}[{args[1]}]"
        options = [f"{k}={self.text(x)}" for k, x in call.kwargs.items()
                   if k == "axis" or call.target is not np.concatenate]  # out= has a dtype of its own
        if call.primitive.kind == "scalar":
            return self.arithmetic(call)
        if call.name == "gathered":
            return f"{args[0]}.take({', '.join(args[1:])})"
        if call.primitive is DYNAMIC_SLICE:
            return f"{args[0]}[{self.index(call.args[1])}].copy()"
        if call.name.startswith("."):
            if call.name in (".reshape", ".transpose") and len(args) == 2 and isinstance(call.args[1], tuple):
                args[1] = ", ".join(map(self.text, call.args[1]))
            return f"{args[0]}{call.name}({', '.join([*args[1:], *options])})"
        return f"{self.function(call)}({', '.join([*args, *options])})"

    def index(self, key: Any) -> str:
        """What stands in square brackets."""
        if isinstance(key, tuple) and key:
            return ", ".join(map(self.index, key))
        if not isinstance(key, slice):
            return self.text(key)
        start, stop, step = ("" if x is None else self.text(x) for x in (key.start, key.stop, key.step))
        return f"{start}:{stop}{step and ':'}{step}"

    def function(self, call: Call) -> str:
        """The name of a function: NumPy's, or a helper that is imported."""
        if dotted(call) and not self.plan.home[call.result.number].permuted:
            return "np.dot"
        if call.name.startswith("np."):
            return call.name
        if call.name.startswith("group."):
            self.names.taken.add("group")
            self.inputs.setdefault("group", None)  # it comes when the workers start
            return call.name
        module, name = getattr(call.target, "__module__", ""), getattr(call.target, "__qualname__", "")
        if module.startswith("numpy"):
            return f"np.{name}"
        if module and name.isidentifier():
            if call.name not in self.imports:
                self.names.taken.add(call.name)
                self.imports[call.name] = f"from {module} import {name}" + (f" as {call.name}" * (name != call.name))
            return call.name
        return self.given(call.target)

    def write(self, call: Call) -> None:
        """The line of a call, or none where a plan has made it needless."""
        v = call.result
        if not isinstance(v, Value):
            self.several(call)
        elif not v.is_array:
            if not call.primitive.kind == "scalar" or self.uses.get(v.number, 0) > 1:
                self.add(f"{self.names.of(v)} = {self.expression(call)}", call)
        elif v.base is not v:
            if not self.plan.preallocated(v):
                self.add(f"{self.names.of(v)} = {self.expression(call)}", call)
                self.defined.add(v.number)
        elif self.plan.home[v.number].kind == "outside":
            self.add(f"{self.names.of(v)} = {self.expression(call)}", call)
            self.defined.add(v.number)
        elif call.primitive.kind == "update":
            self.put(call)
        elif call.primitive.kind == "join":
            self.joined(call)
        elif not self.made_there(call):
            self.add(self.into(call, self.ref(v)), call)

    def made_there(self, call: Call) -> bool:
        """Whether what a call would copy is made in its result already."""
        source = call.args[0] if call.args else None
        there = self.plan.home.get(source.base.number) if isinstance(source, Value) and source.is_array else None
        return there is not None and there.permuted and there.parent is self.plan.home[call.result.number]

    def several(self, call: Call) -> None:
        """A call that gives several arrays, or nothing."""
        outputs = list(call.outputs())
        for v in outputs:
            self.defined.add(v.number)
        lead = f"{', '.join(map(self.names.of, outputs))} = " if outputs else ""
        self.add(lead + self.expression(call), call)

    def into(self, call: Call, out: str) -> str:
        """A call that writes into an array."""
        if call.primitive.kind in ("copy", "layout") and call.name != "turned_by_blocks":
            return self.copy(call, out)
        text = self.expression(call)
        clip = ', mode="clip"' if call.name == "gathered" else ""
        return f"{text[:-1]}{'' if text.endswith('()') else ', '}out={out}{clip})"

    def copy(self, call: Call, out: str) -> str:
        """A call that only copies, or converts."""
        source = call.args[0]
        a, b = call.result.array, source.array if isinstance(source, Value) and source.is_array else None
        if b is not None and b.shape != a.shape and b.size == a.size and call.primitive is not FILL:
            out = f"{out}.reshape({', '.join(map(str, b.shape))})"
        safe = a.dtype.kind in "fc" if b is None else np.can_cast(b.dtype, a.dtype, "same_kind")
        return f"np.copyto({out}, {self.text(source)}{'' if safe else ', casting=' + repr('unsafe')})"

    def put(self, call: Call) -> None:
        """A new part of an array, where it is not made there."""
        base, part, whole = call.args[0], call.args[-1] if len(call.args) > 1 else None, call.result
        out = self.ref(whole)
        if self.plan.home.get(base.number) is not self.plan.home[whole.number]:
            self.add(f"np.copyto({out}, {self.ref(base)})", call)
        if call.name == "[]=":
            self.add(f"{out}[{self.index(call.args[1])}] = {self.text(part)}", call)
            return
        if call.primitive is not PUT:
            options = [f"{k}={self.text(x)}" for k, x in call.kwargs.items()]
            self.add(f"{self.function(call)}({', '.join([out, *map(self.text, call.args[1:]), *options])})", call)
            return
        home = self.plan.home.get(part.number) if isinstance(part, Value) else None
        if home is None or home.region is not call.region:
            assert call.region is not None
            self.add(f"np.copyto({self.ref(call.region)}, {self.text(part)})", call)

    def joined(self, call: Call) -> None:
        """Arrays side by side: copied only where they are not made there."""
        whole, out = call.result, self.ref(call.result)
        home, at = self.plan.home[whole.number], 0
        if home.permuted:
            for i, v in enumerate(call.args[0]):
                own = self.plan.home.get(v.number)
                if own is None or own.parent is not home or own.text != f"[{i}]":  # it may stand there more than once
                    self.add(f"np.copyto({out}[{i}], {self.ref(v)})", call)
            return
        there = [self.stands(v, home, offset) for v, offset in parts(call)] if compact(whole.array) else []
        if not any(there):
            self.add(self.into(call, out), call)
            return
        for v, done in zip(call.args[0], there, strict=True):
            rows = 1 if call.target is np.stack else len(v.array)
            if not done:
                place = f"{at}, ..." if call.target is np.stack else f"{at}:{at + rows}"
                self.add(f"np.copyto({out}[{place}], {self.ref(v)})", call)
            at += rows

    def stands(self, v: Value, home: Buffer, offset: int) -> bool:
        """Whether a part is made where it belongs."""
        there = self.plan.home.get(v.base.number)
        return (there is not None and there.parent is not None and there.parent is home and there.offset == offset
                and compact(v.array) and v.array.size == v.base.array.size)

    def add(self, text: str, call: Call | None, info: SourceInfo | None = None) -> None:
        """A line; where it runs, functions and numbers in it that are marked have names."""
        code = MARKED.sub(lambda found: self.names.number(*found.groups()), text)
        text = MARKED.sub(r"\1", text)
        code = quick(code, self.names.function, call is not None and dotted(call))
        self.body.append(Line(text, code, call, info or call.info))  # type: ignore[union-attr]

    # --- all of it ---

    def source(self) -> Source:
        """The text, and what it needs."""
        program = self.plan.program
        arguments = [self.names.of(v, "x") for v in program.inputs]
        for v in (*program.sources, *[v for call in self.plan.calls for v in call.outputs()]):
            if v.name and (v.has_user_name or v.kind == "state"):
                self.names.of(v)
        numbers = [source for source, _ in program.state if not source.is_array and source.kind == "number"]
        read = {v.number for call in self.plan.calls for v in call.inputs()}
        read |= {v.number for v in values(program.result)}
        kept = [source for source in numbers if source.number in read]
        self.numbers = kept, [source for source in numbers if self.changed(source)]
        arguments += [self.names.of(v) for v in kept]
        runs = {run.first: run for run in self.plan.runs}
        ends = {run.last for run in self.plan.runs}
        for i, call in enumerate(self.plan.calls):
            if i in runs:
                self.open(runs[i])
            self.call = call
            self.write(call)
            if i in ends:
                self.close()
        finals = {source.number: final for source, final in program.state}
        last = SourceInfo("", "", "", "update")
        olds = []
        for source, final in self.plan.copies:
            text = self.ref(final)
            if final.base.kind == "state":
                old = self.names.unique("old")
                self.add(f"{old} = {text}.copy()", None, last)
                text = old
            olds.append((self.ref(source), text))
        for out, text in olds:
            self.add(f"np.copyto({out}, {text})", None, last)
        results = [self.text(v) for v in values(program.result)]
        results += [self.text(finals[source.number]) for source in self.numbers[1]]
        returned = f"return {', '.join(results)}{',' if len(results) == 1 else ''}" if results else "return ()"
        return Source(self.head(arguments), self.body, f"    {returned}", self.inputs, self.names.inside)

    def open(self, run: TiledLoop) -> None:
        """From here on, lines are those of a loop over pieces."""
        self.run, self.start, self.turns, self.pieces = run, len(self.body), {}, []

    def close(self) -> None:
        """The loop is complete: its head is known now."""
        run, lines = self.run, self.body[self.start :]
        assert run is not None
        self.run = None
        several = self.names.unique("turns")
        self.made.append(f"{several} = list(zip({', '.join(self.pieces)}))")
        names = ", ".join(self.turns.values()) + "," * (len(self.turns) == 1)
        del self.body[self.start :]
        self.add(f"for {names} in {several}:  # {run.step} of {run.total} rows at a time", None, lines[0].info)
        self.body += [line._replace(text=f"    {line.text}", code=f"    {line.code}") for line in lines]
        self.helpers |= {text.partition("(")[0] for text in self.pieces}

    def changed(self, source: Value) -> bool:
        return any(final is not s for s, final in self.plan.program.state if s is source)

    def head(self, arguments: list[str]) -> str:
        """All that stands before the calls."""
        size, settings = self.plan.size, '@np.errstate(all="ignore")'
        if all(map(unbuffered, self.plan.calls)):
            settings, self.imports["swift"] = "@swift", "from tinytensor.machine import swift"
        lines = [f'"""{self.title}"""', "", "import numpy as np", *sorted(self.imports.values()), ""]
        if self.inputs:
            told = [f"{name} {a.shape}" if isinstance(a, np.ndarray) else name for name, a in self.inputs.items()]
            lines += [f"# given: {', '.join(told)}", ""]
        if size:
            lines += [f"memory = np.empty({size + 64}, np.uint8)  # {size / 2**20:.2f} MiB",
                      "memory = memory[-memory.ctypes.data % 64 :]  # from a line of the cache on", ""]
        for helper in sorted(self.helpers):
            lines += [*HELPERS[helper], "", ""]
        lines += [*self.made, "", "", settings, f"def step({', '.join(arguments)}):"]
        return "\n".join(lines)


def operands(call: Call) -> np.dtype[Any] | None:
    """The dtype that a number among a call's arrays is converted to, if they have one."""
    dtypes = {v.array.dtype for v in call.inputs() if v.is_array}
    if call.target not in ARITHMETIC or len(dtypes) != 1 or not isinstance(call.result, Value):
        return None
    dtype = dtypes.pop()
    return dtype if dtype.char in "fd" or (dtype == np.int64 and call.result.array.dtype == dtype) else None


def written(plan: Plan, title: str) -> tuple[Source, tuple[list[Value], list[Value]]]:
    """The source of a plan, and the declared numbers that it takes behind the inputs, and that it gives back."""
    writer = Writer(plan, title)
    source = writer.source()
    return source, writer.numbers

