"""What a refusal advises, taken literally, compiles: to the last bit it gives what it gives without the compiler."""

import ast
import copy
import functools
import importlib
import math
import random
import re
import sys
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest

import tinytensor as tt
from tinytensor import nn, optim
from tinytensor.compiler.audit import equal
from tinytensor.compiler.parallel import process_group
from tinytensor.compiler.tracing.gradients import UsedGradient

XS = [np.random.default_rng(i).standard_normal((4, 3)).astype(np.float32) for i in range(5)]
IX = np.array([2, 0, 1])
OUTSIDE = "pass what it gives as an argument"
BACK = "return the array or Tensor, and convert it outside of the step"
DECLARE = "pass the array, or the Module or Optimizer that holds it, to tt.compile"
Compile = Callable[..., Any]
PACKAGE = Path(tt.__file__).parent
CASES: list[tuple[str, Any, Any, str]] = []
# what no case follows, and why
LEFT = {
    "report this, with the step, and go on without tt.compile": "a fault of the compiler: none is known",
    "add a row for it to tinytensor/compiler/primitives.py": "a change of the library",
    "call it instead": "an op that was recorded is run again by the tests of rules only",
    # traced again, arrays of the user's have tracers, and a write into one is refused by its name
    "pass the array to tt.compile, or write a = a + b": "a write into one of the library's",
    "pass the array to tt.compile, or copy it in the step": "a write into one of the library's",
    "compute it outside of the step, or write np.where in place of an if": "no function of the table gives such",
    "call the step again, which starts new workers, or load a checkpoint": "a worker was killed: test_workers.py",
    "leave a core for each, or use fewer workers": "a worker that hangs",
    "run the step with workers=1 to see where": "a worker failed: test_workers.py",
    "compile the step anew in the child, or fork before it is compiled": "a process that the user forks",
}


def case(advice: str, wrong: Any, right: Any, error: str = "") -> None:
    """A step that is refused, a piece of the advice, and the step that follows it.

    Both are functions of a compiler, `c(step, *declared)`, and give what is called with each of XS. `error` is a piece
    of the rest of the error, where several refusals have the same advice.
    """
    CASES.append((advice, wrong, right, error))


def follows(advice: str, wrong: Any, error: str = "") -> Any:
    """The same, for what takes more than a line."""
    return lambda right: case(advice, wrong, right, error)


class Compiler:
    """What stands for tt.compile: it compiles, or leaves the step as it is, and keeps what was declared."""

    def __init__(self, compiles: bool) -> None:
        self.compiles, self.declared, self.compiled = compiles, list[Any](), list[Any]()

    def __call__(self, step: Any, *declared: Any, **options: Any) -> Any:
        self.declared += declared
        if not self.compiles:
            return lambda *args: step(*args)
        self.compiled.append(tt.compile(step, *declared, **options))
        return self.compiled[-1]

    def state(self, shared: bool) -> list[Any]:
        """What was declared as it is now."""
        found: list[Any] = []
        for x in self.declared:
            if isinstance(x, nn.Module):
                found += [x.state_dict(), [p.grad for p in x.parameters()]]
            elif isinstance(x, np.random.Generator | tt.Generator):
                draw = getattr(x, "random", None) or x.rand
                found.append([] if shared else draw(3))  # workers draw masks from streams of their own
            else:
                found.append(x.state_dict() if isinstance(x, optim.Optimizer) else x)
        return found


# --- values in control flow, and numbers taken out ---

def choice(c: Compile) -> Any:
    return c(lambda x: x if x.sum() > 0 else -x)


case("write np.where(condition, a, b)", choice, lambda c: c(lambda x: np.where(x.sum() > 0, x, -x)))


@follows("choose outside of the step", choice, "array values")
def _(c: Compile) -> Any:
    step = c(lambda x, sign: x * sign)
    return lambda x: step(x, 1.0 if x.sum() > 0 else -1.0)


def outside(step: Any, after: Any) -> Any:
    """A compiled step, and what is done with its result."""
    def made(c: Compile) -> Any:
        run = c(step)
        return lambda x: after(run(x))

    return made


for taken, given, after in (
        (lambda x: x * float(x.sum()), lambda x: (x, x.sum()), lambda y: y[0] * float(y[1])),
        (lambda x: x * int(x.sum()), lambda x: (x, x.sum()), lambda y: y[0] * int(y[1])),
        (lambda x: complex(x.sum()), lambda x: x.sum(), complex),
        (lambda x: tt.tensor(x).sum().item(), lambda x: tt.tensor(x).sum(), lambda y: y.item()),
        (lambda x: x.tolist(), lambda x: x * 1, lambda y: y.tolist()),
        (lambda x: f"{x}", lambda x: x * 1, lambda y: f"{y}"),
        (lambda x: [x for _ in range(x.astype(int).max())], lambda x: (x, x.astype(int).max()),
         lambda y: [y[0] for _ in range(y[1])])):
    case(BACK, lambda c, taken=taken: c(taken), outside(given, after), "would freeze the value seen")
case("return what is to be printed, and print it outside of the step", lambda c: c(lambda x: print(x)),
     outside(lambda x: x.sum(), lambda y: print(y) or y), "print would be called")

# --- masks, and shapes that change ---

case("write np.where(mask, x, 0)", lambda c: c(lambda x: x[x > 0].sum()),
     lambda c: c(lambda x: np.where(x > 0, x, 0).sum()))
case("sums of x * mask", lambda c: c(lambda x: x[x > 0].mean()),
     lambda c: c(lambda x: (x * (x > 0)).sum() / (x > 0).sum()))
case("write np.where with all three arguments", lambda c: c(lambda x: x[np.where(x > 0)].sum()),
     lambda c: c(lambda x: np.where(x > 0, x, np.zeros_like(x)).sum()))
case("do it outside of the step", lambda c: c(lambda x: np.nonzero(np.tanh(x))),
     outside(lambda x: np.tanh(x), np.nonzero), "depends")


def growing(step: Any, sizes: int = 20) -> Any:
    """A step that is called with a new shape each time, twice."""
    return lambda x: [step(np.ones((n, 3))) for n in [*range(1, sizes), *range(1, sizes)]]


case("cut or pad arrays to one shape", lambda c: growing(c(lambda x: x * 2)), lambda c: growing_cut(c(lambda x: x * 2)))
case("raise max_programs", lambda c: growing(c(lambda x: x * 2)),
     lambda c: growing(c(lambda x: x * 2, max_programs=40)))


def growing_cut(step: Any) -> Any:
    return lambda x: [step(np.ones((n, 3))[:1]) for n in range(1, 20)]


def numbered(step: Any, kind: Any) -> Any:
    return lambda x: [step(x, kind(n)) for n in range(20)]


case("pass numbers that vary as floats", lambda c: numbered(c(lambda x, n: x * n), int),
     lambda c: numbered(c(lambda x, n: x * n), float))

# --- functions, methods and parameters that are not known ---

TABLE = np.arange(12.0).reshape(4, 3)
ROWS = np.empty(2, object)
ROWS[:] = [TABLE, TABLE]


def before(step: Any, what: Any) -> Any:
    """A compiled step that is given, besides, what is computed outside of it."""
    def made(c: Compile) -> Any:
        run = c(step)
        return lambda x: run(x, what(x))

    return made


def of(step: Any) -> Any:
    return lambda c: c(step)


case("compose it of functions without it", of(lambda x: np.polyfit(x[0], x[1], 1, rcond=1e-9)),
     of(lambda x: np.polyfit(x[0], x[1], 1)))
case("write np.where(condition, result, other)", of(lambda x: np.add(x, 1, where=x > 0)),
     of(lambda x: np.where(x > 0, np.add(x, 1), x)), "np.add with where=")
case("write np.where(condition, result, other)", of(lambda x: np.tanh(x, where=x > 0)),
     of(lambda x: np.where(x > 0, np.tanh(x), x)))
case("leave it out", of(lambda x: np.zeros_like(x, subok=False)), of(lambda x: np.zeros_like(x) + x))
case("leave it out", of(lambda x: np.add.outer(x, x, order="F")), of(lambda x: np.add.outer(x, x)))
case("compute it outside of the step, and pass it as an int", before(np.roll, lambda x: np.array(1)),
     before(np.roll, lambda x: int(np.array(1))))
case("compose it of others", of(lambda x: np.array([x, x], like=x)), of(lambda x: np.stack([x, x])))
case("call it outside of the step and pass the result as an argument", of(lambda x: np.array([x, x], like=x) * 2),
     before(lambda x, y: y * 2, lambda x: np.array([x, x], like=x)), "does not know")
case("compose it of NumPy's functions", of(lambda x: halved(x)), of(lambda x: x / 2))
case("write np.einsum with optimize=True", of(lambda x: np.einsum_path("ij,kj,kl", x, x, x)),
     of(lambda x: np.einsum("ij,kj,kl", x, x, x, optimize=True)))
case("write indices that broadcast: x[i[:, None], j] for x[np.ix_(i, j)]",
     before(lambda x, i: x[np.ix_(i, i)], lambda x: IX), before(lambda x, i: x[i[:, None], i], lambda x: IX))
case("do it outside of the step", of(lambda x: np.strings.upper(x)),
     outside(lambda x: np.tanh(x), lambda y: np.strings.upper(y.astype(str))))
case("do it outside of the step", of(lambda x: x.tobytes()), outside(lambda x: np.tanh(x), lambda y: y.tobytes()))
case("write x.reshape(shape)", of(lambda x: x.resize((2, 6))), of(lambda x: x.reshape((2, 6))))
case("write x.astype(dtype) to convert it", of(lambda x: x.view(np.int32)), of(lambda x: x.astype(np.int32)))
case("do it outside of the step", of(lambda x: np.tanh(x).view(np.int32)),
     outside(lambda x: np.tanh(x), lambda y: y.view(np.int32)))
case("write it with NumPy's functions of arrays", of(lambda x: x.argpartition(1)), of(lambda x: np.argpartition(x, 1)))
case("do it outside of the step", of(lambda x: np.tanh(x).byteswap()),
     outside(lambda x: np.tanh(x), lambda y: y.byteswap()))
case("write x.data for np.asarray(x)", of(lambda x: np.asarray(tt.tensor(x)) * 2), of(lambda x: tt.tensor(x).data * 2))
case("tt.take(X, ix, 0) for X[ix]", before(lambda x, i: np.vectorize(TABLE[:, 0].__getitem__)(i), lambda x: IX),
     before(lambda x, i: tt.take(TABLE, i, 0), lambda x: IX))
case("call it outside of the step", of(lambda x: np.vectorize(lambda a: a * 2)(x)),
     before(lambda x, y: x * y, np.vectorize(lambda a: a * 2)), "plain arrays only")
case("stack arrays with np.stack", of(lambda x: (ROWS * x[0, 0])[0]), of(lambda x: (np.stack(list(ROWS)) * x[0, 0])[0]))
case("compute it outside of the step", of(lambda x: x.astype(object)),
     before(lambda x, y: x * y, lambda x: x.astype(float)))


@tt.core.primitive
def halved(x: Any) -> Any:
    return x / 2


# --- numbers that vary ---

RATE = "compute it outside of the step, and pass the result as a float"
case("write x ** 0.5 for np.sqrt(x)", before(lambda x, lr: x * np.sqrt(lr), lambda x: 0.1),
     before(lambda x, lr: x * lr**0.5, lambda x: 0.1))
case(RATE, before(lambda x, lr: x * np.exp(lr), lambda x: 0.1), before(lambda x, lr: x * lr, lambda x: math.exp(0.1)))
case(RATE, before(lambda x, lr: x * math.sqrt(lr), lambda x: 0.1),
     before(lambda x, lr: x * lr, lambda x: math.sqrt(abs(float(x.sum())))))
for full in (lambda lr: np.full(3, lr), tt.tensor):
    case("write np.ones(shape) * x", before(lambda x, lr, full=full: x * full(lr), lambda x: 0.1),
         before(lambda x, lr: x * (np.ones(3) * lr), lambda x: 0.1))


def tossed(c: Compile, outside: bool) -> Any:
    rng = generator()
    if not outside:
        return c(lambda x: x if rng.random() > 0.5 else -x, rng)
    run = c(lambda x, sign: x * sign)
    return lambda x: run(x, 1.0 if rng.random() > 0.5 else -1.0)


case("choose outside of the step, and pass the result as a float", lambda c: tossed(c, False),
     lambda c: tossed(c, True))

# --- writes ---


def into(a: Any, *declared: Any) -> Any:
    def made(c: Compile) -> Any:
        own = a.copy()
        return c(lambda x: np.add(own, x[0], out=own) * 1, *([own] if declared else []))

    return made


case(DECLARE, into(np.zeros(3)), into(np.zeros(3), "declared"))
case("copy it", into(np.zeros(3)), of(lambda x: np.add(x, 1, out=x.copy())))
case("copy it", of(lambda x: x.sort()), of(lambda x: np.sort(x.copy())), "an argument")


@follows("write x[i] = value", lambda c: c(lambda x: np.broadcast_arrays(x * 1, x[0])[0].fill(1)))
def _(c: Compile) -> Any:
    def step(x: Any) -> Any:
        y = x * 1
        y[...] = 1
        return y

    return c(step)


def rewritten(b: Any, x: Any) -> Any:
    y = x * b
    b[0] = 1
    return y + x * b


def anew(c: Compile) -> Any:
    def step(x: Any) -> Any:
        b, other = np.zeros(3), np.zeros(3)
        other[0] = 1
        return x * b + x * other

    return c(step)


def declared(c: Compile) -> Any:
    b = np.zeros(3)
    return c(lambda x: rewritten(b, x), b)


case("make another array for other values", of(lambda x: rewritten(np.zeros(3), x)), anew)
case("declare this one", of(lambda x: rewritten(np.zeros(3), x)), declared)


def views(c: Compile, inside: Any = None, more: bool = False) -> Any:
    a = np.zeros(4)
    view = inside or (lambda a, seen=a[1:]: seen)

    def step(x: Any) -> Any:
        a[...] = a + 1
        return view(a) * x

    return c(step, a, *([a[1:]] if more else []))


def copied(c: Compile) -> Any:
    a = np.zeros(4)

    def step(x: Any, b: Any) -> Any:
        a[...] = a + 1
        return b * x

    run = c(step, a)
    return lambda x: run(x, a[1:].copy())


case("pass a copy", views, copied, "one name")
case("use the declared array itself and take views of it in the step", views,
     lambda c: views(c, lambda a: a[1:]))
case("declare the whole array, and take the view in the step", lambda c: views(c, lambda a: a[1:], True),
     lambda c: views(c, lambda a: a[1:]), "share memory")

# --- side effects, and what changes ---


def counter(c: Compile) -> Any:
    n = [0]

    def step(x: Any) -> Any:
        n[0] += 1
        return x * n[0]

    return c(step)


@follows("return the value", counter, "side effects")
def _(c: Compile) -> Any:
    run, n = c(lambda x, n: (x * n, n + 1.0)), 0.0

    def call(x: Any) -> Any:
        nonlocal n
        y, n = run(x, n)
        return y

    return call


@follows("count outside of the step", counter)
def _(c: Compile) -> Any:
    run, n = c(lambda x, n: x * n), [0.0]

    def call(x: Any) -> Any:
        n[0] += 1
        return run(x, n[0])

    return call


@follows("make it a declared array", counter)
def _(c: Compile) -> Any:
    n = np.zeros(1)

    def step(x: Any) -> Any:
        n[0] += 1
        return x * n[0]

    return c(step, n)


def rebound(c: Compile, in_place: bool) -> Any:
    a = np.zeros(3)

    def step(x: Any) -> Any:
        nonlocal a
        if in_place:
            a[...] = a + x[0]
        else:
            a = a + x[0]
        return x

    return c(step, a)


case("write a[...] = value", lambda c: rebound(c, False), lambda c: rebound(c, True))


def changing(c: Compile) -> Any:
    settings = SimpleNamespace(i=0)
    run = c(lambda x: x * (1 if settings.i < 100 else 2))

    def call(x: Any) -> Any:
        for _ in range(20):
            settings.i += 1
            run(x)

    return call


@follows("pass it as an argument, a number as a float", changing)
def _(c: Compile) -> Any:
    run = c(lambda x, i: x * i)
    return lambda x: [run(x, float(i)) for i in range(20)]


def limited(c: Compile) -> Any:
    run, limit = c(lambda x: x * sys.getrecursionlimit()), sys.getrecursionlimit()

    def call(x: Any) -> Any:
        run(x)
        sys.setrecursionlimit(limit + 1)
        try:
            run(x)
        finally:
            sys.setrecursionlimit(limit)

    return call


case("pass what varies as an argument (a learning rate as a float)", limited,
     before(lambda x, n: x * n, lambda x: float(sys.getrecursionlimit())))

# --- draws, and other hidden state ---


def drawing(draw: Any, make: Any = None) -> Any:
    """A step that draws, from a stream that is made and declared."""
    def made(c: Compile) -> Any:
        rng = make() if make else None
        return c(lambda x: x * draw(rng), *([rng] if make else []))

    return made


def undeclared(c: Compile) -> Any:
    rng = np.random.default_rng(0)
    return c(lambda x: x * rng.random(3))


def generator() -> Any:
    return np.random.default_rng(0)


uniform = drawing(lambda rng: rng.random(3), generator)
case("declare the Generator that is drawn from", limited, uniform)
case("pass the Generator to tt.compile", undeclared, uniform)
case("write rng = np.random.default_rng(seed), and pass it to tt.compile",
     drawing(lambda rng: np.random.rand(3)), uniform)
case("write rng = np.random.default_rng(seed), and pass it to tt.compile",
     drawing(lambda rng: random.random()), uniform)
case("draw with one of those", drawing(lambda rng: rng.laplace(size=3), generator), uniform)
case("write rng.rand(shape), rng.randn(shape) or rng.bernoulli(p, shape)",
     of(lambda x: nn.init.normal_(tt.tensor(x))),
     drawing(lambda rng: rng.rand(3) + rng.randn(3) + rng.bernoulli(0.5, 3), lambda: tt.Generator(0)))


@follows("seed the Generator outside of the step", of(lambda x: x * tt.manual_seed(0).rand(3)))
def _(c: Compile) -> Any:
    rng = tt.manual_seed(0)
    return c(lambda x: x * rng.rand(3), rng)


def hidden(make: Any, use: Any) -> Any:
    def made(c: Compile) -> Any:
        it = make()
        return c(lambda x: x * use(it))

    return made


def used_outside(c: Compile) -> Any:
    it, run = iter([1.0, 2.0, 3.0, 4.0, 5.0]), c(lambda x, y: x * y)
    return lambda x: run(x, next(it))


case("draw from a declared np.random.default_rng(seed)", hidden(lambda: random.Random(0), lambda it: it.random()),
     uniform)
case("use it outside of the step, and pass the result as an argument", hidden(lambda: iter([1, 2]), next),
     used_outside)


def stale(c: Compile, clear: bool = False, outside: bool = False) -> Any:
    k = [2.0]
    f = functools.lru_cache(lambda: k[0])
    f()
    k[0] = 5.0
    if clear:
        f.cache_clear()
    run = c(lambda x, y: x * y) if outside else c(lambda x: x * f())
    return (lambda x: run(x, f())) if outside else run


case("clear its cache", stale, lambda c: stale(c, clear=True))
case("call it outside of the step, and pass the result as an argument", stale, lambda c: stale(c, outside=True),
     "caches results")

# --- arguments and results ---

case("write np.asarray(x)", lambda c: (lambda f: lambda x: f(np.ma.array(x)))(c(lambda x: x * 2)),
     lambda c: (lambda f: lambda x: f(np.asarray(np.ma.array(x))))(c(lambda x: x * 2)))
case("return a dict of what it contains", of(lambda x: SimpleNamespace(y=x * 2)),
     of(lambda x: vars(SimpleNamespace(y=x * 2))))
case("leave it out of the result", lambda c: (lambda it: c(lambda x: (x * 2, it)))(iter([1])),
     of(lambda x: x * 2))
case("call it twice before reading its source", lambda c: lambda x: c(lambda x: x * 2).source,
     lambda c: looked_at(c(lambda x: x * 2), lambda f: f.source, 2))
case("call it twice with such arguments first", lambda c: (lambda f: lambda x: (f(x), f(x), f.explain(x[:1])))(
     c(lambda x: x * 2)), lambda c: looked_at(c(lambda x: x * 2), lambda f: f.explain(XS[0]), 2))


def looked_at(step: Any, look: Any, calls: int) -> Any:
    def call(x: Any) -> Any:
        y = [step(x) for _ in range(calls)]
        if hasattr(step, "source"):
            look(step)
        return y

    return call


# --- copies ---

MODEL = nn.Linear(3, 2, rng=0)


def linear(c: Compile) -> Any:
    m = nn.Linear(3, 2, rng=0)
    step = c(lambda x: m(x), m)
    clone = copy.deepcopy(step)
    return lambda x: (step(x), clone(x))


case("make the step in a function", lambda c: copy.deepcopy(c(lambda x: MODEL(x), MODEL)), linear)
case("compile another for the copy", lambda c: copy.deepcopy(c(lambda x: MODEL(x), MODEL)),
     lambda c: (lambda m: c(lambda x: m(x), m))(copy.deepcopy(MODEL)), "a copy")

# --- gradients ---


class Training:
    """A model and its optimiser, and the step that trains it."""

    def __init__(self, extra: str = "", loss: Any = None) -> None:
        self.model, self.more = nn.Linear(3, 2, rng=0), nn.Parameter(np.ones(2, np.float32))
        self.more.requires_grad = extra != "frozen"
        self.opt = optim.SGD([*self.model.parameters(), *([self.more] if extra else [])], lr=0.1, momentum=0.9)
        self.loss = loss or (lambda z: z.sum())

    def step(self, x: Any, zero: bool = True, update: bool = True) -> Any:
        loss = self.loss(self.model(x))
        if zero:
            self.opt.zero_grad()
        loss.backward()
        if update:
            self.opt.step()
        return loss

    def compiled(self, c: Compile, step: Any = None, **options: Any) -> Any:
        return c(step or self.step, self.model, self.opt, **options)


case("leave it out of the optimiser", lambda c: Training("unused").compiled(c),
     lambda c: Training().compiled(c))
case("set its requires_grad to False", lambda c: Training("unused").compiled(c),
     lambda c: Training("frozen").compiled(c))


def leaf(x: Any) -> Any:
    t = tt.tensor(x, requires_grad=True)
    t.grad = np.ones_like(x)
    return t


def squared(x: Any, clear: bool, back: bool = True) -> Any:
    if clear:
        x.grad = None
    (x * x).sum().backward()
    return x.grad if back else x * 2


def called_with(make: Any, step: Any) -> Any:
    """A compiled step of something else that is made of x."""
    def made(c: Compile) -> Any:
        run = c(step)
        return lambda x: run(make(x))

    return made


def cleared_by_optimizer(c: Compile) -> Any:
    t = Training()
    for p in t.model.parameters():
        p.grad = np.ones_like(p.data)
    return t.compiled(c)


case("call opt.zero_grad()", called_with(leaf, lambda x: squared(x, False)), cleared_by_optimizer)
case("write p.grad = None, in the step, before backward()", called_with(leaf, lambda x: squared(x, False)),
     called_with(leaf, lambda x: squared(x, True)))
case("return x.grad", called_with(lambda x: tt.tensor(x, requires_grad=True), lambda x: squared(x, False, False)),
     called_with(lambda x: tt.tensor(x, requires_grad=True), lambda x: squared(x, False)))


def used_up(c: Compile, inside: bool = True, back: bool = False, zero: bool = False) -> Any:
    t = Training()

    def step(x: Any) -> Any:
        loss = t.step(x, update=inside)
        return (loss, t.model.weight.grad) if back else loss

    run = t.compiled(c, step)

    def call(x: Any) -> Any:
        y = [run(x), run(x)]
        if zero:
            t.opt.zero_grad()
            t.step(x)
        elif not back:
            t.opt.step()
        return y

    return call


case("zero_grad() before the next backward()", used_up, lambda c: used_up(c, zero=True))
case("to read it, return p.grad from the step", used_up, lambda c: used_up(c, back=True))
case("to use it outside, call the optimiser's step there", used_up, lambda c: used_up(c, inside=False))


def twice_differentiated(c: Compile, inside: bool = False) -> Any:
    m = nn.Sequential(nn.Linear(3, 2, rng=0), nn.Dropout(0.5, rng=1), nn.Tanh())

    def grad(run: Any, x: Any) -> Any:
        return tt.grad(run(x).sum(), m[0].weight, create_graph=True)

    if inside:
        return c(lambda x: grad(m, x), m)
    run = c(m, m)
    return lambda x: grad(run, x)


case("call tt.grad in the step", twice_differentiated, lambda c: twice_differentiated(c, True))
case("leave tt.compile out", twice_differentiated, lambda c: twice_differentiated(lambda step, *_: step),
     "second deriv")

# --- workers ---

ALONE = "leave workers out"
FIRST_OF_WORKERS = len(CASES)
WORKERS: set[int] = set()  # the cases of several workers, which may differ by rounding


def shared(advice: str, wrong: Any, right: Any, error: str) -> None:
    """A step that two workers may not share, one that they may, and the first by one process."""
    def by(make: Any, n: int) -> Any:
        return lambda c: make(functools.partial(c, workers=n))

    WORKERS.add(len(CASES))
    case(advice, by(wrong, 2), by(right, 2), error)
    case(ALONE, by(wrong, 2), by(wrong, 1), error)


def trains(step: Any = None, loss: Any = None) -> Any:
    """A step of a model and its optimiser."""
    def made(c: Compile) -> Any:
        t = Training(loss=loss)
        return t.compiled(c, step and (lambda x: step(t, x)))

    return made


def backwards(t: Training, x: Any, *losses: Any, also: Any = None) -> Any:
    t.opt.zero_grad()
    for loss in losses:
        loss(t.model(x)).backward()
    t.opt.step()
    return also(t, x) if also else x * 2


def mean(z: Any) -> Any:
    return z.mean()


shared("add the losses", trains(lambda t, x: backwards(t, x, lambda z: (z * z).mean(), mean)),
       trains(lambda t, x: backwards(t, x, lambda z: z.mean() + (z * z).mean())), "a second backward()")
shared("call opt.step() there", trains(lambda t, x: t.step(x, update=False)), trains(), "left in p.grad")
shared("read them outside of the step", trains(lambda t, x: backwards(t, x, mean, also=lambda t, x: t.model(x))),
       lambda c: (lambda t: (lambda run: lambda x: (run(x), t.model.weight.data.copy()))(t.compiled(c)))(Training()),
       "after the optimiser's step")
shared("return rows or sums, and finish outside of the step", lambda c: c(lambda x: np.sqrt((x * x).sum())),
       lambda c: (lambda run: lambda x: np.sqrt(run(x)))(c(lambda x: (x * x).sum())), "the workers' parts")


def given_rows(n: int) -> Any:
    def made(c: Compile) -> Any:
        run = c(lambda x: x[:, :1].T * x.T)
        return lambda x: run(x[:n])

    return made


shared("give each worker two rows or more", given_rows(2), given_rows(4), "the workers' parts")


def masked(z: Any) -> Any:
    return (z * (z.data > 0)).sum() / (z.data > 0).sum()


LOSS = "use the library's losses with ignore_index or weight"


def labelled(z: Any) -> Any:
    return tt.cross_entropy(z, z.data.argmax(1), ignore_index=0)


shared(LOSS, trains(loss=masked), trains(loss=labelled), "gradient of this loss")
shared("divide by the batch's size", trains(loss=masked), trains(loss=lambda z: (z * (z.data > 0)).sum() / len(z.data)),
       "gradient of this loss")
shared(LOSS, trains(loss=lambda z: (z / len(z.data)).mean()), trains(loss=labelled), "for the whole batch")
shared("divide by the batch's size", trains(loss=lambda z: (z / len(z.data)).mean()),
       trains(loss=lambda z: z.sum() / len(z.data)), "for the whole batch")
shared("return rows, sums or means, and finish outside of the step", lambda c: c(lambda x: (x * 1, len(x))),
       lambda c: (lambda run: lambda x: (run(x), len(x)))(c(lambda x: x * 1)), "for the whole batch")


def dropped(scale: Any) -> Any:
    def made(c: Compile) -> Any:
        t = Training()
        rng = tt.Generator(0)

        def step(x: Any) -> Any:
            loss = scale(t.model(x))
            t.opt.zero_grad()
            loss.backward()
            t.opt.step()
            return x[:, 0] * rng.rand(len(x)) * 0

        return c(step, t.model, t.opt, rng)

    return made


for way, scale in (("write .mean()", mean), ("divide by len(x)", lambda z: z.sum() / len(z.data))):
    shared(way, dropped(lambda z: z.sum() / 100), dropped(scale), "can't be checked")


def counted(c: Compile) -> Any:
    n = np.zeros((), np.int64)

    def step(x: Any) -> Any:
        n[...] = n + (x > 0).sum()
        return x * 1

    return c(step, n)


def counted_outside(c: Compile) -> Any:
    run, n = c(lambda x: (x > 0).sum()), [0]

    def call(x: Any) -> Any:
        n[0] += run(x)
        return n[0]

    return call


shared("return it and keep it outside of the step", counted, counted_outside, "declared state")


def headed(frozen: bool) -> Any:
    def made(c: Compile) -> Any:
        t, head = Training(), nn.Linear(2, 2, rng=1)
        for p in head.parameters():
            p.requires_grad = not frozen

        def step(x: Any) -> Any:
            loss = head(t.model(x)).mean()
            t.opt.zero_grad()
            head.zero_grad()
            loss.backward()
            t.opt.step()
            return loss

        return c(step, t.model, t.opt, head)

    return made


shared("freeze the others", headed(False), headed(True), "no optimiser")


def refused_by_workers(advice: str, wrong: Any, right: Any, error: str = "") -> None:
    """What several workers refuse, and can do."""
    WORKERS.add(len(CASES))
    two = {"workers": 2}
    case(advice, lambda c: wrong(functools.partial(c, **two)), lambda c: right(functools.partial(c, **two)), error)


def without_bias(c: Compile, given: bool) -> Any:
    m = nn.Linear(3, 2, rng=0)
    opt = optim.SGD([m.weight] if given else m.parameters(), lr=0.1)
    m.bias.requires_grad = not given

    def step(x: Any) -> Any:
        loss = (x @ m.weight.T).mean()
        opt.zero_grad()
        loss.backward()
        opt.step()
        return loss

    return c(step, m, opt)


refused_by_workers("give the optimiser only parameters that get one", lambda c: without_bias(c, False),
                   lambda c: without_bias(c, True), "without a gradient")
refused_by_workers("call loss.backward() in the step", trains(backwards), trains(lambda t, x: backwards(t, x, mean)))
refused_by_workers("pass batches of such a size", lambda c: (lambda f: lambda x: f(x[:3]))(c(lambda x: x * 2)),
                   lambda c: (lambda f: lambda x: f(x[:2]))(c(lambda x: x * 2)))


def dealt(c: Compile, outside: bool) -> Any:
    rng = generator()
    if not outside:
        return c(lambda x: x * rng.integers(1, 9), rng)
    run = c(lambda x, i: x * i)
    return lambda x: run(x, float(rng.integers(1, 9)))


refused_by_workers("draw a number outside of the step", lambda c: dealt(c, False), lambda c: dealt(c, True))


def streams(c: Compile, two: bool) -> Any:
    rng = generator()
    other = np.random.default_rng(1) if two else rng

    def step(x: Any) -> Any:
        i = rng.integers(0, 4, 4)
        return tt.take(TABLE, i, 0) + 0 * other.random((len(i), 3))

    return c(step, rng, other) if two else c(step, rng)


refused_by_workers("make another for dropout", lambda c: streams(c, False), lambda c: streams(c, True))


def output(x: Any) -> Any:
    return tt.tensor(x, requires_grad=True) * 2


refused_by_workers("compute it in the step", called_with(output, lambda x: x * 2), of(lambda x: tt.tensor(x) * 2 * 2),
                   "would flow out")
refused_by_workers("pass x.detach()", called_with(output, lambda x: x * 2),
                   called_with(lambda x: output(x).detach(), lambda x: x * 2))


def flowing(c: Compile) -> Any:
    m = nn.Linear(3, 2, rng=0)
    run = c(m, m)

    def call(x: Any) -> Any:
        run(x).sum().backward()
        g = m.weight.grad
        m.zero_grad()
        return g

    return call


shared("call it there", flowing, trains(lambda t, x: t.step(x)), "would flow back into")


def explaining(n: int, *given: Any) -> Any:
    return lambda c: looked_at(c(lambda x: x * 2, workers=n), lambda f: f.explain(*given), 2)


def elsewhere(c: Compile) -> Any:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(process_group.sys, "platform", "darwin")
        return c(lambda x: x * 2, workers=2)


WORKERS.add(len(CASES))
case("write explain() for a table without them", explaining(2, XS[0]), explaining(2))
case("compile it with workers=1 for times", explaining(2, XS[0]), explaining(1, XS[0]), "timed alone")


@follows(ALONE, elsewhere, "expected Linux")
def _(c: Compile) -> Any:
    return c(lambda x: x * 2)

# --- the tests ---

NAMES = [f"{i}: {advice}" for i, (advice, *_) in enumerate(CASES)]
LINUX = sys.platform.startswith("linux")


@functools.cache
def error_of(number: int) -> str:
    """What the step that is refused says."""
    _, wrong, _, _ = CASES[number]
    with pytest.raises(tt.CompileError) as error:
        call = wrong(Compiler(True))
        for x in XS * 3:
            call(x.copy())
    return str(error.value)


def ran(number: int, compiles: bool) -> tuple[Any, ...]:
    compiler = Compiler(compiles)
    call = CASES[number][2](compiler)
    return [call(x.copy()) for x in XS], compiler.state(number in WORKERS), compiler.compiled


def kept(state: Any, of: Any = None) -> Any:
    """State without gradients that a compiled step used up and did not keep, which say so; `of` that state's twin."""
    if not isinstance(state, list):
        return state if of is None else of
    return [y for x, y in zip(state, state if of is None else of, strict=True) if not isinstance(x, UsedGradient)]


@pytest.mark.parametrize("number", range(len(CASES)), ids=NAMES)
def test_advice(number: int) -> None:
    if number >= FIRST_OF_WORKERS and not LINUX:
        pytest.skip("workers are forked on Linux only")
    advice, _, _, error = CASES[number]
    assert advice in error_of(number) and error in error_of(number)
    (got, state, compiled), (expected, other, _) = ran(number, True), ran(number, False)
    tolerance = 1e-5 if number in WORKERS else 0.0
    assert equal(got, expected, tolerance)
    for a, b in zip(state, other, strict=True):
        assert equal(kept(a), kept(a, b), tolerance)
    assert any(step.programs for step in compiled) or advice == "leave tt.compile out"


# --- nothing is left out ---


def template(node: Any) -> str:
    """A text, with a NUL for what stands in braces."""
    if isinstance(node, ast.Constant):
        return str(node.value)
    return "".join(map(template, node.values)) if isinstance(node, ast.JoinedStr) else "\0"


def texts(node: Any, module: Any) -> list[str]:
    """The texts that an expression may give."""
    if isinstance(node, ast.Starred):
        return texts(node.value, module)
    if isinstance(node, ast.Constant | ast.JoinedStr):
        return [template(node)]
    if isinstance(node, ast.IfExp):
        return texts(node.body, module) + texts(node.orelse, module)
    if isinstance(node, ast.Name):
        value = getattr(module, node.id, ())
        return [value] if isinstance(value, str) else [*dict.fromkeys(value.values())] if isinstance(value, dict) else [
            *value[-1:]]
    if isinstance(node, ast.Subscript):
        return texts(node.value, module)
    if isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute) and node.func.attr == "get":
        return texts(node.func.value, module) + texts(node.args[1], module)
    return []


def sentences() -> set[str]:
    """The advice of every refusal in the source."""
    found: set[str] = set()
    for path in (PACKAGE / "compiler").rglob("*.py"):
        module = importlib.import_module(".".join(("tinytensor", *path.relative_to(PACKAGE).with_suffix("").parts)))
        for node in ast.walk(ast.parse(path.read_text("utf-8"))):
            if isinstance(node, ast.Assign) and getattr(node.targets[0], "id", "") == "advice":
                found.update(texts(node.value, module))
            elif isinstance(node, ast.Call) and node.args:
                name = getattr(node.func, "attr", getattr(node.func, "id", ""))
                if name in ("refusal", "refused", "CompileError", "Unknown", "Disagreement"):
                    found.update(text.rpartition("; ")[2] for text in texts(node.args[-1], module))
    return {text for text in found if text.strip("\0")}


@pytest.mark.skipif(not LINUX, reason="workers are forked on Linux only")
def test_every_advice_has_a_case() -> None:
    advice = [error_of(number).rpartition("; ")[2] for number in range(len(CASES))]
    for sentence in sentences() - LEFT.keys():
        pattern = ".*".join(map(re.escape, sentence.split("\0")))
        told = next((text for text in advice if re.fullmatch(pattern, text)), None)
        assert told, f"no case follows {sentence!r}"
        pieces = {*LEFT, *(c[0] for c, text in zip(CASES, advice, strict=True) if text == told)}
        for piece in sorted(pieces, key=len, reverse=True):
            told = told.replace(piece, "")
        assert not {*re.findall(r"\w+", told)} - {"or", "and"}, f"no case follows {told!r} of {sentence!r}"
