"""The collectives of a step that several workers share: sums and means over all workers, and each worker's part.

The step is traced on the first worker's part of the batch. Parameters and the optimisers' vectors move into shared
memory, padded so that every worker has an equal part to update. How workers wait for each other is
`process_group.py`'s, and how their parts are put together again `placement.py`'s.
"""

from __future__ import annotations

import os
import weakref
from typing import Any, NamedTuple

import numpy as np

from ...core import TracerBase
from ...optim.flat import FlatBlock
from ..ir import Call, CompileError, Program, Value
from ..primitives import Primitive, always
from ..tracing.trace import Trace
from ..tracing.tracer import ArrayTracer
from .placement import SAME, Placement, check_loss, check_outputs, check_state
from .process_group import after_fork, shared
from .rules import propagate

FORKED = ("compile: a forked process called a step that several workers share; expected calls by the process that "
          "compiled it; compile the step anew in the child, or fork before it is compiled")


class Sharding(NamedTuple):
    """What the trace of a shared step found, for those that run it.

    Attributes
    ----------
    outputs : list
        How each result is made from the workers' parts.
    shapes : list
        Of the results of the whole batch.
    gradient : tuple
        The number of the collective that averages gradients, or -1; and the position of each parameter's in it.
    loss : str
        What a worker's loss is of the whole batch's.
    random : set
        The numbers of values that depend on each worker's own draws.
    """

    outputs: list[Placement]
    shapes: list[tuple[int, ...]]
    gradient: tuple[int, list[tuple[Any, int, int]]]
    loss: Placement
    random: set[int]


class ShardedState:
    """Arrays that were moved into shared memory.

    Attributes
    ----------
    padded : dict
        For each block of an optimiser, by id: theta and the state vectors, with zeros behind them.
    own : dict
        The same, but only the first worker's part.
    whole : dict
        The array that a part is of, by the part's id.
    """

    def __init__(self, size: int) -> None:
        self.size, self.pid = size, os.getpid()
        self.sharding = Sharding([], [], (-1, []), SAME, set())  # of the latest trace
        if size > 1:
            after_fork(weakref.WeakMethod(self.unshare))
        self.padded: dict[int, dict[str, Any]] = {}
        self.own: dict[int, dict[str, Any]] = {}
        self.whole: dict[int, Any] = {}

    def move(self, state: Any) -> None:
        """Move the optimisers' vectors that are not shared yet."""
        self.check_process()
        blocks = [block for opt in state.optimizers for block in opt.blocks]
        for gone in self.padded.keys() - {id(block) for block in blocks}:
            del self.padded[gone], self.own[gone]
        for block in blocks:
            self.move_block(block)
        parts = {id(part): self.padded[i][name] for i, own in self.own.items() for name, part in own.items()}
        self.whole = parts

    def whole_shapes(self, results: list[Any]) -> None:
        """Note which shapes the results of the whole batch have."""
        self.sharding = self.sharding._replace(shapes=list(map(np.shape, results)))

    def check_process(self) -> None:
        """Raise in a process that was forked by the user: the workers belong to its parent."""
        if os.getpid() != self.pid:
            raise CompileError(FORKED)

    def unshare(self) -> None:
        """In a forked process: copy parameters and vectors, so that it can't write to those of others."""
        for known in self.padded.values():
            block = known["block"]
            if np.shares_memory(known["theta"], block.theta):
                block.theta = block.theta.copy()
                block.state = {name: v.copy() for name, v in block.state.items()}
                block.bind()
        self.padded, self.own, self.whole = {}, {}, {}

    def vectors(self) -> list[Any]:
        """All arrays in shared memory, and the first worker's parts of them."""
        return [a for arrays in (*self.padded.values(), *self.own.values()) for name, a in arrays.items()
                if name != "block"]

    def move_block(self, block: FlatBlock) -> None:
        known = self.padded.get(id(block))
        if known is not None and known["block"] is block and all(
                np.shares_memory(known.get(name, ()), v) for name, v in {"theta": block.theta, **block.state}.items()):
            return
        n = len(block.theta)
        size = -(-n // (16 * self.size)) * 16 * self.size
        new: dict[str, Any] = {"block": block}
        for name, v in {"theta": block.theta, **block.state}.items():
            new[name] = shared((size,), v.dtype)
            new[name][:n] = v
        self.padded[id(block)] = new
        self.own[id(block)] = {k: v[: size // self.size] for k, v in new.items() if k != "block"}
        block.theta = new["theta"][:n]
        block.state = {name: new[name][:n] for name in block.state}
        block.bind()


class Collectives:
    """Records collectives in a trace."""

    def __init__(self, trace: Trace, shares: ShardedState) -> None:
        self.trace, self.size, self.shares, self.count = trace, shares.size, shares, 0
        self.blocks: list[FlatBlock] = []
        self.thetas: dict[int, ArrayTracer] = {}  # id of a block -> what stands for its whole vector
        self.mean: ArrayTracer | None = None
        self.starts: dict[int, int] = {}  # id of a block -> where it begins in the mean gradient
        self.views: dict[int, Value] = {}  # id of a parameter -> its part of the mean gradient
        self.loss: tuple[Any, ...] = ()  # the tensors that gradients belong to, and the first gradient
        self.order: list[tuple[Any, int, int]] = []  # each parameter, and where its gradient begins and ends

    def collective_id(self) -> int:
        self.count += 1
        return self.count - 1

    def note(self, target: Any, text: str, args: tuple[Any, ...], kwargs: dict[str, Any] | None = None) -> Any:
        primitive = Primitive(target, text, kind="collective", linear="first", unbuffered=always)
        result = self.trace.call(primitive, args, kwargs or {}, effect=True)
        return self.trace.lifted(result, (args, kwargs))

    def all_reduce_sum(self, *xs: Any) -> Any:
        """Sums over all workers, of several arrays at once."""
        if len(xs) == 1:
            return (self.note(copied, "group.all_reduce_sum", (xs[0], self.collective_id())),)
        joined, found, at = np.concatenate([x.reshape(-1) for x in xs]), [], 0
        total = self.note(copied, "group.all_reduce_sum", (joined, self.collective_id()))
        for x in xs:
            found.append(total[at : at + x.size].reshape(x.shape))
            at += x.size
        return tuple(found)

    def local_shard(self, a: Any) -> Any:
        """The part of a vector that a worker updates."""
        size = self.size
        shard = Primitive(lambda a: a[: len(a) // size], "group.local_shard", kind="collective", linear="first",
                          unbuffered=always)
        return self.trace.apply(shard, (a,))

    def all_reduce_mean(self, gs: tuple[Any, ...], leaves: Any = (), loss: Any = None) -> Any:
        """Means of gradients or numbers; gradients of parameters are joined in the order of the optimisers."""
        if not leaves:
            return tuple([self.note(copied, "group.all_reduce_mean", (g, self.collective_id())) for g in gs])
        if self.mean is not None:
            raise self.trace.refusal("a second backward()", "one for each step, where workers share it",
                                           "add the losses, or leave workers out")
        self.loss = tuple([self.trace.value(x) if isinstance(x, TracerBase) else x for x in loss or ()])
        given = {id(leaf): g for leaf, g in zip(leaves, gs, strict=True)}
        order: list[tuple[Any, int, int]] = []
        pieces: list[Any] = []
        bounds, at = [], 0
        for block in self.blocks:
            start, dtype = at, block.theta.dtype
            self.starts[id(block)] = start
            for p in block.params:
                if id(p) not in given:
                    raise self.trace.refusal("a parameter without a gradient", "one for each, where workers "
                                                   "share a step", "give the optimiser only parameters that get one")
                g = given[id(p)]
                order.append((p, at, at + g.size))
                pieces.append(g.reshape(-1))
                at += g.size
            stop = start + len(self.shares.padded[id(block)]["theta"])
            if stop > at:
                pieces.append(np.zeros(stop - at, dtype))
            bounds.append((start, stop))
            at = stop
        bound = {id(p) for p, _, _ in order}
        for leaf in leaves:
            if id(leaf) not in bound:
                order.append((leaf, at, at + given[id(leaf)].size))
                pieces.append(given[id(leaf)].reshape(-1))
                at += given[id(leaf)].size
        if at > (bounds[-1][1] if bounds else 0):
            raise self.trace.refusal("a gradient of a Tensor that is in no "
                                     "optimiser", "gradients of its parameters only, "
                                           "where workers share a step", "freeze the others, or leave workers out")
        flat = np.concatenate(pieces)  # the trace's
        self.mean = self.note(copied, "group.all_reduce_mean", (flat, self.collective_id(), tuple(bounds), True))
        found = {}
        for p, first, last in order:
            view = self.mean[first:last].reshape(p.data.shape)
            self.views[id(p)], self.order = view.current(), order
            found[id(p)] = view
        return tuple([found[id(leaf)] for leaf in leaves])

    def gradient(self, block: FlatBlock) -> Any:
        """A worker's own part of a block's gradient."""
        if self.mean is None:
            raise self.trace.refusal("an update without backward()", "gradients that backward() made, where "
                                           "workers share a step", "call loss.backward() in the step")
        start, size = self.starts[id(block)], len(self.shares.padded[id(block)]["theta"])
        if all(p.grad.current() is self.views[id(p)] for p in block.params):
            g = self.mean[start : start + size]
        else:
            pieces = [p.grad.ravel() for p in block.params]
            n = sum(p.grad.size for p in block.params)
            g = np.concatenate([*pieces, np.zeros(size - n, block.theta.dtype)])
        part = self.local_shard(g)
        own = ArrayTracer(self.trace, part.current())
        theta = self.thetas[id(block)]  # from here on it is a value that only all workers together have
        theta._value = self.trace.source(theta.current().array, "updated", "theta")
        return own

    def scatter(self, rng: Value, drawn: Any, name: str, args: Any, kwargs: Any) -> Any:
        """A draw of integers, such as the rows of a batch: the first worker draws, and each takes its part."""
        size = self.size

        def part(number: int, rng: Any, name: str, *args: Any, **kwargs: Any) -> Any:
            whole = drawn(rng, *args, **kwargs)
            if not np.ndim(whole) or len(whole) % size:
                raise self.trace.refusal(f"integers of shape {np.shape(whole)} are drawn", f"a multiple of {size} "
                                         "rows, one part for each worker", "draw a number outside of the step")
            return whole[: len(whole) // size].copy()

        return self.note(part, "group.scatter", (self.collective_id(), rng, name, *args), kwargs)

    def cut(self, x: Any, name: str) -> Any:
        """The first worker's part of an argument."""
        if not x.ndim or len(x) % self.size:
            raise CompileError(f"compile: got {name} of shape {x.shape} for {self.size} workers; expected arrays whose "
                               f"first axis is a multiple of {self.size}; pass batches of such a size")
        return x[: len(x) // self.size]


def copied(x: Any, *_: Any) -> Any:
    """The result of a sum or mean over workers while a step is traced."""
    return np.array(x)


class ShardedBlock(FlatBlock):
    """A FlatBlock that is traced for workers: an update sees one worker's part."""

    collectives: Collectives

    def gradient(self) -> Any:
        return self.collectives.gradient(self)


def finish(program: Program, collectives: Collectives) -> None:
    """Refuse results that sharing would change; wait for other workers' parts of a mean gradient where one is read."""
    calls, result, shares = program.calls, program.result, collectives.shares
    readers = [f"{c.info.where}: {c.info.line!r}: " for c in calls if not c.makes_view
               and any(v.base.kind == "updated" for v in c.inputs())]
    if readers or any(v.base.kind == "updated" for v in result):
        raise CompileError(f"compile: {(readers or [''])[0]}parameters are read after the optimiser's step; expected "
                           "reads before it, since other workers may not have updated their part yet; read them "
                           "outside of the step, or leave workers out")
    private = {id(a) for a in shares.vectors()}
    placements = propagate(program, {id(a) for own in shares.own.values() for a in own.values()})
    loss, number = check_loss(placements, collectives.loss), -1
    outputs = check_outputs(placements, program, [f"result {i}" if len(result) > 1 else "the result"
                                                  for i in range(len(result))])
    check_state(placements, program, private)
    for call in calls:
        if call.name == "group.all_reduce_mean" and len(call.args) == 4:
            whole = any(c.name != "group.local_shard" and not only_own(calls, c) for c in calls
                        if any(v is call.result for v in c.inputs()))
            whole = whole or any(v.base is call.result for v in (*result, *[final for _, final in program.state]))
            call.args, number = (*call.args[:3], whole), call.args[1]
    shares.sharding = Sharding(outputs, [], (number, collectives.order), loss, placements.random)


def only_own(calls: list[Call], view: Call) -> bool:
    """Whether a view is read by nothing but `own`, or by nothing."""
    if not view.makes_view:
        return False
    readers = [c for c in calls if any(v is view.result for v in c.inputs())]
    return all(c.name == "group.local_shard" or only_own(calls, c) for c in readers)


def comm_buffer(call: Call, size: int) -> Any:
    """The shared memory that a call of workers needs."""
    shape, dtype = call.result.array.shape, call.result.array.dtype
    if call.name == "group.scatter":
        return shared((shape[0] * size, *shape[1:]), dtype)
    return shared((size + (call.name == "group.all_reduce_mean"), *shape), dtype)


def collective_id(call: Call) -> int:
    """Its number among the calls of workers."""
    return int(call.args[0] if call.name == "group.scatter" else call.args[1])

