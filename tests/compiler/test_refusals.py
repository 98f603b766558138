"""What a step may not do: each time an error that names the line and what to write, and all is as it was before."""

import copy
import inspect
import math
import random
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest

import tinytensor as tt
from tinytensor import nn, optim
from tinytensor.compiler.audit import equal

X = np.arange(6, dtype=np.float32).reshape(2, 3)
IX = np.array([0, 1, 1])
FROZEN = ("would freeze the value seen while tracing; expected arrays throughout the step; return the array or Tensor, "
          "and convert it outside of the step")
CHOICE = "expected the same calls at each step; write np.where(condition, a, b), or choose outside of the step"
SHAPES = "expected shapes that are the same at each step; write np.where with all three arguments, or do it outside " \
         "of the step"
PLAIN = ("an array of the step was passed to something that takes plain arrays only (X[ix], np.asarray, a write into "
         "a plain array, printing); expected NumPy's functions of whole arrays; write x.data for np.asarray(x), or "
         "tt.take(X, ix, 0) for X[ix], or call it outside of the step")
WRITES = ("expected writes into the step's own arrays, or declared ones; pass the array, or the Module or Optimizer "
          "that holds it, to tt.compile, or copy it")
DRAWS = ("a draw from a Generator that was not declared would repeat at every call; expected draws from declared "
         "Generators; pass the Generator to tt.compile")
STREAMS = ("or a seed, would repeat at every call; expected draws from declared Generators; write rng = "
           "np.random.default_rng(seed), and pass it to tt.compile")
EFFECT = ("which a program would not repeat; expected no side effects on Python objects; return the value, count "
          "outside of the step, or make it a declared array")
CASES: dict[str, Any] = {}


def refused(sentence: str, *arguments: Any, calls: int = 2) -> Any:
    """A step that is refused with this sentence; where "# here" stands in it, the sentence names that line."""
    def note(make: Any) -> Any:
        CASES[make.__name__] = make, sentence, arguments or (X,), calls
        return make

    return note


def snapshot(declared: Any) -> list[Any]:
    """All that a refused step must leave as it was."""
    found: list[Any] = [np.random.get_state()[1:3], random.getstate(), tt.random.default_generator().get_state()]
    for x in declared:
        if isinstance(x, nn.Module):
            found += [x.state_dict(), [p.data for p in x.parameters()], [p.grad for p in x.parameters()],
                      [sorted(vars(m)) for m in x.modules()]]
        elif isinstance(x, optim.Optimizer):
            found += [x.state_dict(), [b.theta.copy() for b in x.blocks], [b.t for b in x.blocks]]
        elif isinstance(x, SimpleNamespace):
            found += [[k, v.get_state() if isinstance(v, tt.Generator) else v.bit_generator.state
                       if isinstance(v, np.random.Generator) else repr(v)] for k, v in vars(x).items()]
        else:
            found.append(copy.deepcopy(x))
    return found


# --- values that become Python's ---


@refused(f"control flow (if, while, and, or, assert) that depends on array values; {CHOICE}")
def choice() -> Any:
    return lambda x: x if x.sum() > 0 else -x, []  # here


@refused(f"control flow (if, while, and, or, assert) that depends on array values; {CHOICE}")
def assertion() -> Any:
    def step(x: Any) -> Any:
        assert (x > -1).all()  # here
        return x

    return step, []


@refused(f"float(), or a write into a plain array, {FROZEN}")
def float_of() -> Any:
    return lambda x: x * float(x.sum()), []  # here


@refused(f"int() {FROZEN}")
def int_of() -> Any:
    return lambda x: x * int(x.sum()), []  # here


@refused(f"an index or a count (range) {FROZEN}", IX)
def count() -> Any:
    return lambda x: [x for _ in range(x.sum())], []  # here


@refused(f".item() {FROZEN}")
def item() -> Any:
    return lambda x: x * x.sum().item(), []  # here


@refused(f".item() {FROZEN}")
def item_of_tensor() -> Any:
    return lambda x: tt.tensor(x).sum().item(), []  # here


@refused(f".tolist() {FROZEN}")
def tolist() -> Any:
    return lambda x: x.tolist(), []  # here


@refused(f"float(), or a write into a plain array, {FROZEN}")
def swallowed() -> Any:
    def step(x: Any) -> Any:
        try:
            return x * float(x.sum())  # here
        except RuntimeError:
            return x

    return step, []


@refused(f"a conversion to a string (print, str, an f-string) {FROZEN}")
def text() -> Any:
    return lambda x: {f"{x}": x}, []  # here


@refused(f"a conversion to a string (print, str, an f-string) {FROZEN}")
def text_of_tensor() -> Any:
    return lambda x: {str(tt.tensor(x)): x}, []  # here


@refused(f".item() {FROZEN}")
def format_of_tensor() -> Any:
    return lambda x: {f"{tt.tensor(x).sum():.3f}": x}, []  # here


@refused("print would be called at the first steps only; expected no side effects; return what is to be printed, and "
         "print it outside of the step")
def printing() -> Any:
    def step(x: Any) -> Any:
        print("loss")  # here
        return x

    return step, []


@refused("a boolean mask selects a number of elements that depends on values; expected shapes that are the same at "
         "each step; write np.where(mask, x, 0), or sums of x * mask")
def mask() -> Any:
    return lambda x: x[x > 0], []  # here


@refused(f"np.nonzero has a result whose shape or type depends on values; {SHAPES}")
def nonzero() -> Any:
    return lambda x: np.nonzero(x), []  # here


@refused(f"np.where has a result whose shape or type depends on values; {SHAPES}")
def where() -> Any:
    return lambda x: np.where(x), []  # here


@refused(f"np.allclose has a result whose shape or type depends on values; {SHAPES}")
def allclose() -> Any:
    return lambda x: np.allclose(x, 0), []  # here


@refused(PLAIN)
def asarray_of_tensor() -> Any:
    return lambda x: np.asarray(tt.tensor(x)) * 2, []  # here


@refused(".byteswap of an array; expected NumPy's functions and the usual methods; write it with NumPy's functions of "
         "arrays, or do it outside of the step")
def unknown_method() -> Any:
    return lambda x: x.byteswap(), []  # here


# --- numbers that vary ---


@refused("np.sqrt of a number; expected Python's own arithmetic, since NumPy's numbers would make float64 of float32; "
         "write x ** 0.5 for np.sqrt(x)", X, 0.1)
def sqrt_of_number() -> Any:
    return lambda x, lr: x * np.sqrt(lr), []  # here


@refused("a conversion of a number that varies (float(), int(), an index, a format); expected Python's own arithmetic "
         "with it; compute it outside of the step, and pass the result as a float", X, 0.1)
def math_of_number() -> Any:
    return lambda x, lr: x * math.sqrt(lr), []  # here


# --- writes ---


@refused(f"a write into a, which was not declared; {WRITES}")
def write_by_name() -> Any:
    a = np.zeros(3)

    def step(x: Any) -> Any:
        nonlocal a
        a += x.sum(0)  # here
        return x

    return step, [SimpleNamespace(a=a)]


@refused(f"a write into held.a[0], which was not declared; {WRITES}")
def write_by_item() -> Any:
    held = SimpleNamespace(a=[np.zeros(3)])

    def step(x: Any) -> Any:
        held.a[0][1] = x.sum()  # here
        return x

    return step, [held]


@refused(f"a write into a, which was not declared; {WRITES}")
def write_by_out() -> Any:
    a = np.zeros((2, 3))
    return lambda x: np.add(x, x, out=a), [SimpleNamespace(a=a)]  # here


@refused(f"a write into x, an argument of the step; {WRITES}")
def write_into_an_argument() -> Any:
    def step(x: Any) -> Any:
        x *= 2  # here
        return x

    return step, []


@refused("a plain array was written into after the step had used it; expected constants that stay as they are; make "
         "another array for other values, or declare this one")
def plain_writes() -> Any:
    def step(x: Any) -> Any:
        b = np.zeros(3)
        y = x * b
        b[0] = 1
        return y + x * b  # here

    return step, []


@refused("b shares memory with what the step may change; expected one name for it; pass a copy, or use the declared "
         "array itself and take views of it in the step")
def two_names() -> Any:
    a = np.zeros(4)
    b = a[1:]

    def step(x: Any) -> Any:
        a[...] = a + 1
        return b * 2

    return step, [a]


# --- what would be forgotten ---


@refused(f"n[0] was 0 before the step and is 1 after it, {EFFECT}")
def counter() -> Any:
    n = [0]

    def step(x: Any) -> Any:
        n[0] += 1
        return x * (0.1 if n[0] < 100 else 0.01)

    return step, [SimpleNamespace(n=n)]


@refused(f"m.calls was 0 before the step and is 1 after it, {EFFECT}")
def counting_layer() -> Any:
    class Counting(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.calls = 0

        def forward(self, x: Any) -> Any:
            self.calls += 1
            return x * 2

    m = Counting()
    return lambda x: m(x), [m]


@refused(f"m.out was not there before the step and is a value of the step after it, {EFFECT}")
def layer_that_keeps_its_output() -> Any:
    class Keeping(nn.Module):
        def forward(self, x: Any) -> Any:
            self.out = x * 2
            return self.out

    m = Keeping()
    return lambda x: m(x), [m]


@refused(f"losses[0] was not there before the step and is a value of the step after it, {EFFECT}")
def appending() -> Any:
    losses: list[Any] = []

    def step(x: Any) -> Any:
        losses.append(x.sum())
        return x

    return step, [SimpleNamespace(losses=losses)]


@refused("a is another array after the step, which a program would not repeat; expected writes into the array; write "
         "a[...] = value")
def another_array_by_name() -> Any:
    a = np.zeros(3)

    def step(x: Any) -> Any:
        nonlocal a
        a = a + x.sum(0)
        return x

    return step, [a]


@refused(f"weight.hooks was None before the step and is a list after it, {EFFECT}")
def hook() -> Any:
    m = nn.Linear(3, 2, rng=0)

    def step(x: Any) -> Any:
        m.weight.register_hook(lambda g: g * 2)
        return m(x)

    return step, [m]


@refused(f"the optimiser.count was 0 before the step and is 1 after it, {EFFECT}")
def counting_optimizer() -> Any:
    class Counting(optim.SGD):
        count = 0

        def update(self, *args: Any) -> None:
            self.count += 1
            super().update(*args)

    m = nn.Linear(3, 2, rng=0)
    opt = Counting(m.parameters(), lr=0.1)
    opt.count = 0

    def step(x: Any) -> Any:
        opt.zero_grad()
        m(x).sum().backward()
        opt.step()

    return step, [m, opt]


@refused(f"Settings.n was 1 before the step and is 2 after it, {EFFECT}")
def class_attributes() -> Any:
    class Settings:
        n = 1

    def step(x: Any) -> Any:
        Settings.n += 1
        return x

    return step, []


# --- random streams ---


@refused(DRAWS)
def hidden_draws() -> Any:
    rng = np.random.default_rng(0)
    return lambda x: x * rng.random(3), [SimpleNamespace(rng=rng)]  # here


@refused(DRAWS)
def hidden_draws_of_ours() -> Any:
    rng = tt.Generator(0)
    return lambda x: x * rng.rand(3), [SimpleNamespace(rng=rng)]  # here


@refused(f"a draw from np.random itself, {STREAMS}")
def draws_of_numpy() -> Any:
    return lambda x: x * np.random.rand(3), []


@refused(f"a draw from random itself, {STREAMS}")
def draws_of_python() -> Any:
    return lambda x: x * random.random(), []


@refused("manual_seed moves a Generator to another position; expected draws only; seed the Generator outside of the "
         "step")
def seeding() -> Any:
    return lambda x: x * tt.manual_seed(0).rand(3), []  # here


@refused("normal_ fills an array; expected draws that return a new array; write rng.rand(shape), rng.randn(shape) or "
         "rng.bernoulli(p, shape)")
def initialising() -> Any:
    m = nn.Linear(3, 2, rng=0)
    return lambda x: m(nn.init.normal_(m.weight)), [m]  # here


# --- training ---


def trained(*kept: str, old: bool = False, clear: bool = True, unused: bool = False) -> Any:
    model = nn.Linear(3, 2, rng=0)
    more = [nn.Parameter(np.ones(2, np.float32))] if unused else []
    opt = optim.SGD([*model.parameters(), *more], lr=0.1, momentum=0.9)
    if old:
        model.weight.grad = np.ones_like(model.weight.data)

    def step(x: Any) -> Any:
        loss = model(x).sum()
        if clear:
            opt.zero_grad()
        loss.backward()
        opt.step()
        return loss

    return step, [{"model": model, "opt": opt}[k] for k in kept or ("model", "opt")]


@refused("p2 had no gradient at the optimiser's step; expected one for each parameter that requires grad; leave it out "
         "of the optimiser, or set its requires_grad to False")
def no_gradient() -> Any:
    return trained(unused=True)


@refused(f"a write into opt.blocks[0].theta_views[0], which was not declared; {WRITES}")
def undeclared_optimizer() -> Any:
    return trained("model")  # here: opt.step()


@refused(f"a write into m.num_batches_tracked.data, which was not declared; {WRITES}")
def undeclared_buffers() -> Any:
    m = nn.BatchNorm1d(3)
    return lambda x: m(x), [SimpleNamespace(m=m)]  # here


@refused("the gradient of x, an argument, would be lost; expected the step to return it; return x.grad",
         tt.ones(3, requires_grad=True))
def gradient_of_an_argument() -> Any:
    def step(x: Any) -> Any:
        (x * x).sum().backward()
        return x * 2

    return step, []


@refused("the step returned a Back; expected arrays, numbers, and tuples, lists and dicts of them; return a dict of "
         "what it contains")
def object_given_back() -> Any:
    class Back:
        def __init__(self, y: Any) -> None:
            self.y = y

    return lambda x: Back(x * 2), []


@pytest.mark.parametrize("name", CASES)
def test_refusal(name: str) -> None:
    make, sentence, arguments, calls = CASES[name]
    step, declared = make()
    source, first = inspect.getsourcelines(make)
    line = next((n for n, text in enumerate(source) if "# here" in text), None)
    place = ""
    if line is not None and "# here:" in source[line]:  # in the step that `trained` makes
        code = source[line].partition("# here: ")[2].strip()
        source, first = inspect.getsourcelines(trained)
        line = next(n for n, text in enumerate(source) if text.strip() == code)
    if line is not None:
        place = f"test_refusals.py:{first + line}: {source[line].strip()!r}: "
    elif not sentence.startswith(("b shares",)):
        place = f"test_refusals.py:{step.__code__.co_firstlineno}: "
    compiled = tt.compile(step, *[x for x in declared if not isinstance(x, SimpleNamespace)])
    for _ in range(calls):
        before = snapshot(declared)
        with pytest.raises(tt.CompileError) as error:
            compiled(*arguments)
        assert str(error.value) == f"compile: {place}{sentence}"
        for a, b in zip(before, snapshot(declared), strict=True):
            assert equal(a, b)
