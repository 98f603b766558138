"""Writes a program as source that runs on its own: one call per line, as a person would have written it.

What is made once (the arena, views, constants) stands before the step, the step in the phases forward, backward,
update.
"""

from __future__ import annotations

from itertools import groupby

import numpy as np

from ..buffers import BufferPlan, TiledLoop
from ..ir import Program, SourceInfo, Value, values
from .calls import Calls, copied
from .peephole import unbuffered
from .source import Line, Source

# Functions that a source brings along, where it has loops.
HELPERS = {
    "tiles": ["def tiles(a, rows):  # views of this many rows each",
              "    return [a[i : i + rows] for i in range(0, len(a), rows)]"],
    "reused": ["def reused(a, total, rows):  # the same memory for every tile of rows",
               "    return [a[: min(rows, total - i)] for i in range(0, total, rows)]"],
}
SWITCHES = 4  # at most this many changes of the size of NumPy's buffers: each takes as long as two calls


class Writer(Calls):
    """Writes a program whose buffers are assigned."""

    def __init__(self, program: Program, plan: BufferPlan, title: str) -> None:
        super().__init__(plan)
        self.program, self.title, self.helpers = program, title, set[str]()
        declared = [source for source, _ in program.state if not source.is_array and source.kind == "number"]
        read = {v.number for call in plan.calls for v in call.inputs()} | {v.number for v in values(program.result)}
        final = {source.number: final for source, final in program.state}
        self.number_inputs = [source for source in declared if source.number in read]
        self.number_outputs = [source for source in declared if final[source.number] is not source]
        self.results = [*values(program.result), *[final[source.number] for source in self.number_outputs]]

    def source(self) -> Source:
        """The text, and the variables that it needs."""
        arguments = [self.names.of(v, "x") for v in self.program.inputs]
        for v in (*self.program.sources, *[v for call in self.plan.calls for v in call.outputs()]):
            if v.name and (v.has_user_name or v.kind == "state"):
                self.names.of(v)
        arguments += [self.names.of(v) for v in self.number_inputs]
        first, last = ({getattr(loop, key): loop for loop in self.plan.loops} for key in ("first", "last"))
        for i, call in enumerate(self.plan.calls):
            if i in first:
                self.open_loop(first[i])
            self.call = call
            self.write(call)
            if i in last:
                self.close_loop(last[i])
        self.copy_state()
        results = [self.text(v) for v in self.results]
        returned = f"return {', '.join(results)}{',' if len(results) == 1 else ''}" if results else "return ()"
        return Source(self.head(arguments), self.body, f"    {returned}", self.inputs, self.names.runtime)

    def copy_state(self) -> None:
        """The last lines: final values go to declared arrays that they were not made in. Declared arrays that are
        final values of others are copied before any of them changes."""
        info, copies = SourceInfo("", "", "", "update"), []
        for source, final in self.plan.state_copies:
            text = self.ref(final)
            if final.base.kind == "state":
                old = self.names.unique("old")
                self.add(f"{old} = {text}.copy()", None, info)
                text = old
            copies.append(copied(text, self.ref(source)))
        for line in copies:
            self.add(line, None, info)

    def open_loop(self, loop: TiledLoop) -> None:
        """Start a loop over tiles: the lines that follow belong to it."""
        self.loop, self.start, self.tile_names, self.tile_lists = loop, len(self.body), {}, []

    def close_loop(self, loop: TiledLoop) -> None:
        """End the loop: its head is known now."""
        self.loop, lines = None, self.body[self.start :]
        tiles = self.names.unique("all_tiles")
        self.preamble.append(f"{tiles} = list(zip({', '.join(self.tile_lists)}))")
        names = ", ".join(self.tile_names.values()) + "," * (len(self.tile_names) == 1)
        del self.body[self.start :]
        self.add(f"for {names} in {tiles}:  # {loop.tile} of {loop.length} rows at a time", None, lines[0].info)
        self.body += [line.indented() for line in lines]
        self.helpers |= {text.partition("(")[0] for text in self.tile_lists}

    def small_buffers(self) -> str:
        """The step's decorator: `with_fast_numpy`, under which NumPy has small buffers, where that changes no result.

        A few calls may depend on the size of the buffers: for these the user's own size is set, and then the small one
        again. A step with many such calls runs under the user's size.
        """
        groups = [(exact, [*lines]) for exact, lines in groupby(
            self.body, lambda line: line.call is None or unbuffered(line.call))]
        count = sum(not exact for exact, _ in groups)
        if count > SWITCHES:
            return '@np.errstate(all="ignore")'
        self.imports["with_fast_numpy"] = f"from tinytensor.machine import {'BUFFER, ' * bool(count)}with_fast_numpy"
        if count:
            self.preamble.append("buffer_size = np.getbufsize()")
            self.body = [line for exact, lines in groups for line in (
                lines if exact else [set_buffers(lines[0], "buffer_size"), *lines, set_buffers(lines[-1], "BUFFER")])]
        return "@with_fast_numpy"

    def head(self, arguments: list[str]) -> str:
        """The text before the calls."""
        nbytes, decorator = self.plan.arena_bytes, self.small_buffers()
        lines = [f'"""{self.title}"""', "", "import numpy as np", *sorted(self.imports.values()), ""]
        if self.inputs:
            named = [f"{name} {a.shape}" if isinstance(a, np.ndarray) else name for name, a in self.inputs.items()]
            lines += [f"# given: {', '.join(named)}", ""]
        if nbytes:
            lines += [f"arena = np.empty({nbytes + 64}, np.uint8)  # {nbytes / 2**20:.2f} MiB",
                      "arena = arena[-arena.ctypes.data % 64 :]  # from a cache line on", ""]
        for helper in sorted(self.helpers):
            lines += [*HELPERS[helper], "", ""]
        return "\n".join([*lines, *self.preamble, "", "", decorator, f"def step({', '.join(arguments)}):"])


def set_buffers(beside: Line, size: str) -> Line:
    """The line that sets the size of NumPy's buffers, beside a call that depends on it."""
    indent = " " * (len(beside.text) - len(beside.text.lstrip()))
    text = f"{indent}np.setbufsize({size})"
    return Line(text, text, None, beside.info)


def write_source(program: Program, title: str) -> tuple[Source, tuple[list[Value], list[Value]]]:
    """The source of a program; the declared numbers that it takes after the inputs, and those that it returns."""
    assert program.plan is not None
    writer = Writer(program, program.plan, title)
    return writer.source(), (writer.number_inputs, writer.number_outputs)
