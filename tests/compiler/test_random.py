"""Random programs of NumPy calls: compiled they give, to the last bit, what they give as they are, state included.

And the planner's rules, each perturbed in its turn: some random program has to notice.
"""

import random
from typing import Any

import numpy as np
import pytest

import tinytensor as tt
from tinytensor.compiler import buffers, ir, passes
from tinytensor.compiler.codegen import calls, expressions, writer
from tinytensor.compiler.passes import buffer_assignment, dce, horizontal_fusion, tiling

PROGRAMS, CALLS = 1500, 5
FLOATS, SIZES = (np.float32, np.float64), (2, 3, 4)
UNARY = (np.tanh, np.negative, np.abs, np.square, np.sin, np.cos, np.sign, np.floor)
BINARY = (np.add, np.subtract, np.multiply, np.maximum, np.minimum, np.add, np.multiply)


class Writer:
    """One run of a random program: the same seed makes the same choices, which depend on shapes and dtypes only."""

    def __init__(self, seed: int, inputs: Any, state: Any, rate: Any) -> None:
        self.r = random.Random(seed)
        self.pool = [(x, False) for x in inputs]  # an array, and whether it may be written into
        self.state, self.rate, self.last = state, rate, None
        self.pool += [(s, True) for s in state]

    # --- choices ---

    def any(self, fits: Any = lambda x: True) -> Any:
        """One of the arrays, late ones rather than early ones."""
        found = [x for x, _ in self.pool if fits(x)]
        return found[int(len(found) * self.r.random() ** 0.6)] if found else self.pool[0][0]

    def float(self) -> Any:
        return self.any(lambda x: x.dtype.kind == "f")

    def mine(self) -> Any:
        found = [x for x, mine in self.pool if mine]
        return self.r.choice(found) if found else None

    def keep(self, x: Any, mine: bool = True) -> Any:
        mine = mine and x.size <= 200 and x.flags.writeable and x.ndim > 0
        if x.size <= 200:
            self.pool.append((x, mine))
        return x

    def beside(self, x: Any) -> Any:
        """Something that broadcasts with x, and not beyond it."""
        def fits(y: Any) -> bool:
            try:
                return y.dtype.kind in "fi" and np.broadcast_shapes(x.shape, y.shape) == x.shape
            except ValueError:
                return False

        number = self.r.choice([2, 0.5, -1, 3.0, self.rate, self.rate * 2 + 1, 1 - self.rate])
        found = [y for y, _ in self.pool if fits(y)]
        return self.r.choice([*found, *found, number])

    def view(self, x: Any) -> Any:
        """A view, or what numpy makes of it where there is none."""
        r = self.r
        kind = r.randrange(8)
        if x.ndim == 0:
            return x.reshape(1)
        if kind == 0:
            return x.T
        if kind == 1:
            return x.reshape(-1)
        if kind == 2:
            return x[::-1]
        if kind == 3:
            return x[..., r.randrange(x.shape[-1]) :] if x.shape[-1] else x
        if kind == 4:
            return x[1:] if len(x) > 1 else x[None]
        if kind == 5:
            return x[..., ::2]
        if kind == 6:
            return x[:, None] if x.ndim < 3 else x[0]
        return x.reshape(*x.shape[:-2], -1) if x.ndim > 1 else x.reshape(len(x), 1)

    # --- steps ---

    def step(self) -> None:
        r = self.r
        kinds = (self.unary, self.binary, self.binary, self.look, self.look, self.write, self.write, self.put, self.put,
                 self.join, self.reduce, self.gather, self.product, self.convert, self.choose, self.again, self.swap,
                 self.out)
        r.choice(kinds)()

    def unary(self) -> None:
        self.keep(self.r.choice(UNARY)(self.float()))

    def binary(self) -> None:
        x, f = self.float(), self.r.choice(BINARY)
        y = self.beside(x)
        self.last = (f, x, y)
        self.keep(f(x, y) if self.r.random() < 0.7 else f(y, x))

    def again(self) -> None:
        if self.last is not None:
            f, x, y = self.last
            self.keep(f(x, y))

    def look(self) -> None:
        i = int(len(self.pool) * self.r.random() ** 0.6)
        x, mine = self.pool[i]
        self.keep(self.view(x), mine)

    def write(self) -> None:
        x = self.mine()
        if x is None or x.dtype.kind != "f":
            return
        y, kind = self.beside(x), self.r.randrange(4)
        if hasattr(y, "dtype") and not np.can_cast(y.dtype, x.dtype, "same_kind"):
            return
        if kind == 0:
            x += y
        elif kind == 1:
            x *= y
        elif kind == 2:
            x -= y
        else:
            x[...] = y

    def put(self) -> None:
        x = self.mine()
        if x is None or x.ndim == 0:
            return
        part = self.view(x) if self.r.random() < 0.5 else x
        keys = [slice(1, None), slice(None, None, 2), slice(None, None, -1), 0, -1, slice(0, 1), Ellipsis]
        key = self.r.choice(keys) if len(part) else Ellipsis
        y = self.beside(part[key])
        if x.dtype.kind == "f" or not hasattr(y, "dtype"):
            if x.dtype.kind == "f" or type(y) is int:
                part[key] = y
        elif y.dtype.kind == x.dtype.kind:
            part[key] = y

    def out(self) -> None:
        x = self.mine()
        if x is None or x.dtype.kind != "f":
            return
        y = self.beside(x)
        if not hasattr(y, "dtype") or y.dtype == x.dtype:
            self.r.choice(BINARY)(x, y, out=x)

    def join(self) -> None:
        x = self.float()
        same = [y for y, _ in self.pool if y.shape == x.shape and y.dtype == x.dtype]
        parts = [x, *(self.r.choice(same) for _ in range(self.r.randrange(1, 3)))]
        if self.r.random() < 0.3:
            self.keep(np.stack(parts, axis=self.r.randrange(x.ndim + 1)))
        elif x.ndim:
            flat = self.r.random() < 0.4
            self.keep(np.concatenate([p.reshape(-1) for p in parts] if flat else parts,
                                     axis=0 if flat else self.r.randrange(x.ndim)))

    def reduce(self) -> None:
        x, r = self.float(), self.r
        if not x.size:
            return
        axis = r.choice([None, *range(x.ndim)])
        f = r.choice([np.add.reduce, np.maximum.reduce, np.sum, np.max, np.mean, np.argmax])
        if f in (np.add.reduce, np.maximum.reduce) and x.ndim:
            y = f(x, axis=0 if axis is None else axis, keepdims=r.random() < 0.5)
        elif f is np.argmax or r.random() < 0.5:
            y = f(x, axis=axis)
        else:
            y = x.sum() if axis is None else x.sum(axis)
        self.keep(y, isinstance(y, np.ndarray))

    def gather(self) -> None:
        ix = self.any(lambda x: x.dtype == np.int64)
        x = self.any(lambda x: x.dtype.kind == "f" and x.ndim > 0 and len(x) > 1)
        if ix.dtype == np.int64 and x.ndim and len(x) > 1:
            self.keep(tt.take(x, ix % 2, 0))

    def product(self) -> None:
        a = self.any(lambda x: x.dtype.kind == "f" and x.ndim == 2)
        b = self.any(lambda x: x.dtype.kind == "f" and x.ndim in (1, 2) and a.ndim == 2 and len(x) == a.shape[1])
        if a.ndim == 2 and b.ndim in (1, 2) and len(b) == a.shape[1] and a.dtype.kind == b.dtype.kind == "f":
            self.keep(a @ b)

    def convert(self) -> None:
        x = self.float()
        self.keep(self.r.choice([lambda: x.astype(np.float32), lambda: x.astype(np.float64), lambda: x.copy(),
                                 lambda: x.copy("F"), lambda: x.clip(-1, 1)])())

    def choose(self) -> None:
        x = self.float()
        y = self.beside(x)
        mask = x > y
        self.keep(self.r.choice([lambda: np.where(mask, x, 0), lambda: np.where(mask, x, y), lambda: mask,
                                 lambda: mask.astype(np.float32), lambda: np.multiply(mask, x)])())

    def swap(self) -> None:
        if len(self.state) > 1 and self.state[0].shape == self.state[1].shape:
            a, b = self.state[:2]
            c = a.copy()
            a[...] = b
            b[...] = c

    def result(self) -> Any:
        r = self.r
        found = [self.any() for _ in range(r.randrange(1, 4))] + [self.pool[-1][0]]
        found.append(found[0])  # twice
        if r.random() < 0.3:
            found.append(self.rate * 3)
        return tuple(found) if r.random() < 0.7 else {"a": found[0], "rest": found[1:]}


def program(seed: int) -> tuple[Any, list[Any], Any]:
    """A step, its state, and a function that gives its arguments at each call."""
    r = random.Random(seed)
    rng = np.random.default_rng(seed)
    a, b, c = (r.choice(SIZES) for _ in range(3))
    shapes = [(a, b), (b, c), (b,), (a, b, c)]
    kinds = [(r.choice(shapes), r.choice(FLOATS)) for _ in range(r.randrange(1, 4))]
    one = r.choice(shapes[:3])
    dtype = r.choice(FLOATS)
    state = [rng.standard_normal(one).astype(dtype), rng.standard_normal(one).astype(dtype)][: r.randrange(0, 3)]
    length = r.randrange(4, 22)

    def step(rate: Any, ix: Any, *inputs: Any) -> Any:
        writer = Writer(seed, [*inputs, ix], list(state), rate)
        for _ in range(length):
            writer.step()
        return writer.result()

    def arguments(call: int) -> list[Any]:
        now = np.random.default_rng((seed, call))
        return [float(now.random()), now.integers(0, 2, (r_size,)),
                *(now.standard_normal(shape).astype(kind) for shape, kind in kinds)]

    r_size = r.choice(SIZES)
    return step, state, arguments


def same(a: Any, b: Any) -> bool:
    if isinstance(a, tuple | list):
        return len(a) == len(b) and all(map(same, a, b))
    if isinstance(a, dict):
        return a.keys() == b.keys() and all(same(a[k], b[k]) for k in a)
    if type(a) is float:
        return type(b) is float and a == b
    return type(a) is type(b) and a.dtype == b.dtype and a.shape == b.shape and (
        a.tobytes() == b.tobytes() or np.array_equal(a, b, equal_nan=True))


@np.errstate(all="ignore")
def differs(seed: Any, calls: int = CALLS, verify: bool = False) -> str:
    """What is wrong with a program when it is compiled, a random one or one of the `FIRST`: "" for nothing.

    `verify`: the program is also verified as traced, and after every pass.
    """
    plain, state, arguments = program(seed) if isinstance(seed, int) else seed()
    step, own, _ = program(seed) if isinstance(seed, int) else seed()
    step = tt.compile(step, *own)
    for call in range(calls):
        given = arguments(call)
        copies = [np.copy(x) for x in given]
        for x in given[1:]:
            x.flags.writeable = False
        wanted, found = plain(*given), step(*given)
        if not same(wanted, found):
            return f"results at call {call}"
        if not same(state, own):
            return f"state at call {call}"
        if not all(np.array_equal(x, y) for x, y in zip(given, copies, strict=True)):
            return "an argument was written into"
    if verify:
        step.program.verify()
        passes.optimized(step.program, verify=True)
    return ""


def blocked(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let small arrays be worked on row by row, as only large ones are."""
    monkeypatch.setattr(tiling, "LARGE", 48)
    monkeypatch.setattr(tiling, "TILE", 24)


@pytest.mark.parametrize("part", range(4))
def test_random_programs(part: int) -> None:
    assert not {seed: found for seed in range(part, PROGRAMS, 4)
                if (found := differs(seed, verify=True))}


def test_random_programs_by_rows(monkeypatch: pytest.MonkeyPatch) -> None:
    blocked(monkeypatch)
    assert not {seed: found for seed in range(300) if (found := differs(seed, 3, verify=True))}


# --- each rule, perturbed ---


def loses_base(program: Any) -> Any:
    """`eliminate_dead_code`, that forgets that the rest of an array lives on when a part of it is new."""
    kept = eliminate_dead_code(program).calls
    bases = {id(c.args[0].call) for c in kept if c.primitive is PUT and c.args[0].call is not None}
    return program._replace(calls=[c for c in kept if id(c) not in bases])


def blind(assign: Any) -> Any:
    """`assign_update_slice`, that does not look at who reads the old array."""
    def assign_blindly(plan: Any, *rest: Any) -> None:
        uses, plan.uses = plan.uses, {}
        assign(plan, *rest)
        plan.uses = uses

    return assign_blindly


def all_at_once(program: Any) -> Any:
    """`pack_arena`, that gives everything the same place."""
    for buffer in program.plan.buffers.values():
        program.plan.arena_bytes = max(program.plan.arena_bytes, buffer.root.nbytes())
    program.plan.packed = True
    return program


def uses_less(program: Any) -> Any:
    """`uses`, that forgets what is given back."""
    return uses(program._replace(result=[]))


def first_last(plan: Any, buffer: Any) -> tuple[int, int]:
    return min(r.start for r in buffer.all_live_ranges()), max(r.end for r in buffer.all_live_ranges())


def shifted(call: Any) -> Any:
    """`joined_at`, that puts each array where the one before it belongs."""
    found = list(joined_at(call))
    return zip([v for v, _ in found], [0, *(offset for _, offset in found)], strict=False)


MODULES = (buffers, dce, buffer_assignment, tiling, horizontal_fusion, expressions, calls, writer)
Plan, PUT = buffers.BufferPlan, buffer_assignment.PUT
eliminate_dead_code, uses, joined_at = dce.eliminate_dead_code, buffers.uses, buffer_assignment.joined_at
last_use, users, assign_slice = Plan.last_use, Plan.users, buffer_assignment.assign_update_slice
PERTURBED = {
    "can_share: everything can": (Plan, "can_share", lambda *_: True),
    "can_alias: everything can": (Plan, "can_alias", lambda *_: True),
    "last_use: a call too early": (Plan, "last_use", lambda p, v: max(p.def_index(v), last_use(p, v) - 1)),
    "uses: state is done with at its last read": (MODULES, "FOREVER", 0),
    "uses: results are not read": (MODULES, "uses", uses_less),
    "eliminate_dead_code: the base of a put is not": (MODULES, "eliminate_dead_code", loses_base),
    "live_extent: loops do not extend it": (MODULES, "live_extent", first_last),
    "assign_update_slice: nobody reads the old array": (MODULES, "assign_update_slice", blind(assign_slice)),
    "pack_arena: lives do not overlap": (MODULES, "pack_arena", all_at_once),
    "overlaps: slices never do": (MODULES, "overlaps", lambda *_: False),
    "same_layout: strides do not matter": (MODULES, "same_layout",
                                           lambda a, b: a.shape == b.shape and a.dtype == b.dtype),
    "joined_at: in the place before": (MODULES, "joined_at", shifted),
    "users: only the last": (Plan, "users", lambda p, v: set(sorted(users(p, v))[-1:])),
    "aligned: everything is": (MODULES, "aligned", lambda *_: True),
    "reads_views: never": (MODULES, "reads_views", lambda *_: False),
    "preallocated: everything is": (Plan, "preallocated", lambda *_: True),
    "compact: everything is": (MODULES, "compact", lambda _: True),
    "reads_by_rows: everything is": (ir.Call, "reads_by_rows", lambda *_: True),
    "operand_dtype: whole numbers": (MODULES, "operand_dtype", lambda _: np.dtype(np.int64)),
}


def in_another_order() -> Any:
    """A sum in the usual order of a sum in the other, whose memory must not be taken for it."""
    def step(x: Any, y: Any) -> Any:
        return ((x.T * 2 + y) * 1.5).reshape(-1) * 3

    return step, [], lambda call: [0.5 * call + np.arange(6.0).reshape(3, 2), np.arange(6.0).reshape(2, 3)]


def copied_in_another_order() -> Any:
    """Products that are added up, before they are copied in another order."""
    def step(x: Any, y: Any) -> Any:
        z = x @ y
        return z.sum() * 2, z.transpose(1, 0, 2).reshape(-1) * 2

    def arguments(call: int) -> list[Any]:
        rng = np.random.default_rng(call)
        return [rng.standard_normal(shape).astype(np.float32) for shape in ((7, 5, 40), (40, 40))]

    return step, [], arguments


def transposed_in_a_loop() -> Any:
    """Rows that come of other rows, made in the call before."""
    def step(x: Any, y: Any) -> Any:
        x, y = x + 1, y + 1
        return np.add(y, np.tanh(x).T) * 3

    return step, [], lambda call: [*np.random.default_rng(call).standard_normal((2, 5, 5))]


# Programs that are tried first, where few notice: seeds, or programs by themselves.
FIRST: dict[str, Any] = {"same_layout": [in_another_order], "assign_update_slice": [496], "overlaps": [820],
                         "aligned": [transposed_in_a_loop], "users": [copied_in_another_order], "compact": [1146]}


def perturb(name: str, monkeypatch: pytest.MonkeyPatch) -> str:
    """Let a rule be another one; the rule's name."""
    owner, rule, other = PERTURBED[name]
    blocked(monkeypatch)
    for where in owner if owner is MODULES else (owner,):
        if hasattr(where, rule):
            monkeypatch.setattr(where, rule, other)
    for where, table in (((buffer_assignment), "RULES"), (passes, "PASSES")):
        rules = [next((m.__dict__[f.__name__] for m in MODULES if f.__name__ in m.__dict__), f)
                 for f in getattr(where, table)]
        monkeypatch.setattr(where, table, rules)
    return rule


@pytest.mark.parametrize("name", PERTURBED)
def test_a_perturbed_rule_is_noticed(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """By the results: the source is another, or does not even run."""
    rule = perturb(name, monkeypatch)
    for seed in (*FIRST.get(rule, ()), *range(PROGRAMS)):
        try:
            if differs(seed, 4):
                return
        except Exception:
            return
    raise AssertionError(f"{PROGRAMS} programs are the same with the rule perturbed")


IN_SOURCES = ("preallocated: everything is", "operand_dtype: whole numbers")  # rules that only the text follows


@pytest.fixture(scope="module")
def traced() -> list[Any]:
    """Programs as traced."""
    found = []
    for seed in (*{x: None for tried in FIRST.values() for x in tried}, *range(60)):
        plain, state, arguments = program(seed) if isinstance(seed, int) else seed()
        step = tt.compile(plain, *state)
        with np.errstate(all="ignore"):
            for call in range(2):
                step(*arguments(call))
        found.append(step.program)
    return found


@pytest.mark.parametrize("name", [name for name in PERTURBED if name not in IN_SOURCES])
def test_verify_notices_a_perturbed_rule(name: str, traced: list[Any], monkeypatch: pytest.MonkeyPatch) -> None:
    """Without running anything."""
    perturb(name, monkeypatch)
    with pytest.raises((AssertionError, IndexError)):
        for p in traced:
            passes.optimized(p, verify=True)
