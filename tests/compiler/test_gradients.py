"""Gradients at the edge of a compiled step: left in `p.grad`, added to, clipped outside, or through its outputs.

Each world is run twice, compiled and not: outputs, parameters, buffers and gradients have to be the same.
"""

from typing import Any

import numpy as np
import pytest

import tinytensor as tt
from tinytensor import nn, optim
from tinytensor.compiler.tracing.gradients import USED
from tinytensor.nn import functional as F

X = np.random.default_rng(0).standard_normal((8, 3)).astype(np.float32)
Y = np.arange(8) % 4
WORLDS: dict[str, Any] = {}


def world(make: Any) -> Any:
    WORLDS[make.__name__] = make
    return make


def alike(a: Any, b: Any) -> bool:
    """Whether results are the same, to the last bit; gradients that were used up are not looked at."""
    if isinstance(a, list | tuple):
        return len(a) == len(b) and all(map(alike, a, b))
    if a is USED or b is USED:
        return True
    if a is None or b is None:
        return a is b
    a, b = (np.asarray(getattr(x, "data", x)) for x in (a, b))
    return a.dtype == b.dtype and a.shape == b.shape and np.array_equal(a, b, equal_nan=True)


def state(*models: Any) -> list[Any]:
    grads = [p.grad if p.grad is None or p.grad is USED else p.grad.copy() for m in models for p in m.parameters()]
    return [[p.data.copy() for m in models for p in m.parameters()],
            [b.data.copy() for m in models for _, b in m.named_buffers()], grads]


def network() -> tuple[Any, Any]:
    model = nn.Sequential(nn.Linear(3, 6, rng=1), nn.BatchNorm1d(6), nn.Tanh(), nn.Linear(6, 4, rng=2))
    return model, optim.SGD(model.parameters(), lr=0.1, momentum=0.9)


# --- gradients that are left ---


@world
def accumulated_over_calls(compiled: Any) -> list[Any]:
    m, o = network()

    def part(x: Any, y: Any) -> Any:
        loss = F.cross_entropy(m(x), y)
        loss.backward()
        return loss

    step, out = compiled(part, m), []
    for i in range(12):
        out += [step(X + i, Y).data.copy(), state(m)]
        if i % 3 == 2:
            o.step()
            o.zero_grad()
    return out


@world
def clipped_outside(compiled: Any) -> list[Any]:
    m, o = network()

    def backward(x: Any, y: Any) -> None:
        o.zero_grad()
        F.cross_entropy(m(x), y).backward()

    step, out = compiled(backward, m, o), []
    for i in range(6):
        step(X + i, Y)
        out.append(optim.clip_grad_norm_(m.parameters(), 0.1))
        o.step()
        out.append(state(m))
    return out


@world
def second_optimiser_outside(compiled: Any) -> list[Any]:
    (m, o), head = network(), nn.Linear(4, 2, rng=3)
    other = optim.Adam(head.parameters(), lr=0.1)

    def step(x: Any) -> Any:
        o.zero_grad()
        other.zero_grad()
        loss = (head(m(x)) ** 2).mean()
        loss.backward()
        o.step()
        return loss

    run, out = compiled(step, m, head, o, other), []
    for i in range(6):
        run(X + i)
        other.step()
        out.append(state(m, head))
    return out


@world
def never_cleared(compiled: Any) -> list[Any]:
    m, o = network()

    def step(x: Any, y: Any) -> Any:
        loss = F.cross_entropy(m(x), y)
        loss.backward()
        o.step()
        return loss

    run, out = compiled(step, m, o), []
    for i in range(6):
        out += [run(X + i, Y).data.copy(), state(m)]
    return out


@world
def given_back(compiled: Any) -> list[Any]:
    m, o = network()

    def step(x: Any, y: Any) -> Any:
        o.zero_grad()
        F.cross_entropy(m(x), y).backward()
        o.step()
        return [p.grad for p in m.parameters()]

    run = compiled(step, m, o)
    return [[np.copy(g) for g in run(X + i, Y)] for i in range(5)]


@world
def own_gradients(compiled: Any) -> list[Any]:
    m = nn.Linear(3, 4, rng=1)
    run = compiled(lambda x: tt.grad((np.tanh(m(x)) ** 2).sum(), m.weight), m)
    return [run(X + i).data.copy() for i in range(5)]


# --- gradients that flow through outputs ---


def trained(compiled: Any, make: Any, loss: Any, steps: int = 6, between: Any = lambda m, i: None) -> list[Any]:
    """Train a compiled model under an eager loss and optimiser."""
    m = make()
    o, run, out = optim.SGD([p for p in m.parameters() if p.requires_grad], lr=0.1), compiled(m, m), []
    for i in range(steps):
        between(m, i)
        value = loss(run, i)
        o.zero_grad()
        value.backward()
        out.append(state(m))
        o.step()
        out += [value.data.copy(), state(m)]
    return out


@world
def backbone_under_an_eager_head(compiled: Any) -> list[Any]:
    (m, _), head = network(), nn.Linear(4, 2, rng=2)
    o, run, out = optim.SGD([*m.parameters(), *head.parameters()], lr=0.5), compiled(m, m), []
    for i in range(6):
        loss = F.cross_entropy(head(run(X + i)), Y % 2)
        o.zero_grad()
        loss.backward()
        o.step()
        out.append(state(m, head))
    return out


@world
def loss_whose_backward_is_outside(compiled: Any) -> list[Any]:
    m, o = network()
    run, out = compiled(lambda x, y: F.cross_entropy(m(x), y), m), []
    for i in range(6):
        o.zero_grad()
        run(X + i, Y).backward()
        o.step()
        out.append(state(m))
    return out


@world
def called_twice_before_backward(compiled: Any) -> list[Any]:
    return trained(compiled, lambda: network()[0], lambda run, i: (run(X + i) * run(X - i)).mean())


@world
def a_model_that_is_not_declared(compiled: Any) -> list[Any]:
    m = nn.Linear(3, 4, rng=1)
    o, run, out = optim.SGD(m.parameters(), lr=0.1), compiled(lambda x: np.tanh(m(x))), []
    for i in range(6):
        o.zero_grad()
        run(X + i).sum().backward()
        o.step()
        out.append(state(m))
    return out


@world
def through_arguments(compiled: Any) -> list[Any]:
    m = nn.Linear(3, 4, rng=1)
    run, out = compiled(lambda x: np.tanh(m(x)), m), []
    for i in range(8):
        x = tt.tensor(X + i, requires_grad=True)
        (run(x * 2 if i % 2 else x) ** 2).sum().backward()
        out += [x.grad.copy(), state(m)]
    return out


@world
def several_outputs(compiled: Any) -> list[Any]:
    m = nn.Linear(3, 4, rng=1)
    run, out = compiled(lambda x: {"a": np.tanh(m(x)), "b": [m(x).sum(), x.sum()]}, m), []
    for i in range(5):
        found = run(X + i)
        ((found["a"] ** 2).sum() + found["b"][0] * 2).backward()
        out.append(state(m))
    return out


@world
def second_order(compiled: Any) -> list[Any]:
    w = tt.tensor(X[0], requires_grad=True)
    run, out = compiled(lambda w: (np.tanh(w) ** 3).sum()), []
    for _ in range(4):
        g = tt.grad(run(w), w, create_graph=True)
        out += [g.data.copy(), tt.grad((g**2).sum(), w).data.copy()]
    return out


@world
def second_order_of_parameters(compiled: Any) -> list[Any]:
    m = nn.Linear(3, 4, rng=1)
    run, out = compiled(lambda x: (np.tanh(m(x)) ** 3).sum(), m), []
    for i in range(4):
        g = tt.grad(run(X + i), m.weight, create_graph=True)
        out.append(tt.grad((g**2).sum(), m.weight).data.copy())
    return out


@world
def hook_of_a_parameter(compiled: Any) -> list[Any]:
    def make() -> Any:
        m = nn.Linear(3, 4, rng=1)
        m.weight.register_hook(lambda g: g * 2)
        return m

    return trained(compiled, make, lambda run, i: run(X + i).sum())


@world
def without_recording_between(compiled: Any) -> list[Any]:
    m = nn.Linear(3, 4, rng=1)
    run, out = compiled(m, m), []
    for i in range(8):
        if i % 2:
            with tt.no_grad():
                y = run(X + i)
            assert not y.requires_grad
            out.append(y.data.copy())
        else:
            run(X + i).sum().backward()
            out.append(state(m))
    return out


@world
def dropout(compiled: Any) -> list[Any]:
    def make() -> Any:
        return nn.Sequential(nn.Linear(3, 8, rng=1), nn.Dropout(0.5, rng=5), nn.Linear(8, 2, rng=2))

    return trained(compiled, make, lambda run, i: run(X + i).sum())


@world
def retained_graph(compiled: Any) -> list[Any]:
    m = nn.Linear(3, 4, rng=1)
    run, out = compiled(m, m), []
    for i in range(4):
        loss = run(X + i).sum()
        loss.backward(retain_graph=True)
        loss.backward()
        out.append(state(m))
    return out


@world
def frozen_layer(compiled: Any) -> list[Any]:
    def make() -> Any:
        m, _ = network()
        m[0].weight.requires_grad = False
        return m

    return trained(compiled, make, lambda run, i: run(X + i).sum())


@world
def train_and_eval(compiled: Any) -> list[Any]:
    return trained(compiled, lambda: network()[0], lambda run, i: (run(X + i) ** 2).sum(), 8,
                   lambda m, i: m.train(i % 2 == 0))


@world
def embedding(compiled: Any) -> list[Any]:
    return trained(compiled, lambda: nn.Embedding(10, 4, rng=1),
                   lambda run, i: (run(np.array([[1, 2], [3, i]])) ** 3).sum())


def twice(first: Any, second: Any, inside: bool) -> Any:
    """A world of two backward passes, by which a gradient is the same at each step, or is not."""
    def made(compiled: Any) -> list[Any]:
        m = nn.Linear(3, 4, rng=1)
        opt, out = optim.SGD(m.parameters(), lr=0.1), []

        def step(x: Any) -> None:
            m.zero_grad()
            for loss in (first, second):
                loss(m(x)).backward()
            if inside:
                opt.step()

        run = compiled(step, m, opt)
        for i in range(5):
            run(X + i)
            if not inside:
                opt.step()
            out.append(state(m))
        return out

    return made


LOSSES: dict[str, Any] = {"sum": lambda y: y.sum(), "squares": lambda y: (y * y).sum()}
WORLDS |= {f"{a} and {b}, {inside}": twice(f, g, inside) for a, f in LOSSES.items() for b, g in LOSSES.items()
           for inside in (True, False)}


@pytest.mark.parametrize("name", WORLDS)
def test_gradients_are_those_of_the_step_itself(name: str) -> None:
    assert alike(WORLDS[name](lambda f, *declared: f), WORLDS[name](tt.compile))


# --- what is told, where there is no gradient ---


def used_up() -> Any:
    m, o = network()

    def step(x: Any, y: Any) -> Any:
        o.zero_grad()
        loss = F.cross_entropy(m(x), y)
        loss.backward()
        o.step()
        return loss

    run = tt.compile(step, m, o)
    for _ in range(4):
        run(X, Y)
    return m, o, step, run


@pytest.mark.parametrize("use", [lambda m, o: o.step(), lambda m, o: optim.clip_grad_norm_(m.parameters(), 1.0),
                                 lambda m, o: m(X).sum().backward(), lambda m, o: m[0].weight.grad.sum(),
                                 lambda m, o: np.asarray(m[0].weight.grad), lambda m, o: m[0].weight.grad + 1])
def test_a_gradient_that_was_used_up_says_so(use: Any) -> None:
    m, o, *_ = used_up()
    before = state(m)[0]
    with pytest.raises(tt.CompileError, match="used up by the optimiser of a compiled step"):
        use(m, o)
    assert alike(before, state(m)[0])


def test_after_zero_grad_all_is_as_ever() -> None:
    (m, o, step, run), (n, p, other, _) = used_up(), used_up()
    for world, train in ((o, run), (p, other)):
        world.zero_grad()
        train(X + 1, Y)
    o.zero_grad()
    p.zero_grad()
    step(X, Y)
    other(X, Y)
    assert alike(state(m), state(n))


def test_workers_give_no_gradients_to_others() -> None:
    m = nn.Linear(3, 4, rng=1)
    run = tt.compile(m, m, workers=2)
    for _ in range(3):
        y = run(X)
        with pytest.raises(tt.CompileError, match="several workers share; expected backward"):
            y.sum().backward()


def test_higher_orders_of_what_changes_its_state_are_refused() -> None:
    m, _ = network()
    run = tt.compile(m, m)
    for _ in range(3):
        with pytest.raises(tt.CompileError, match="changes its state or draws random numbers"):
            tt.grad(run(X).sum(), m[0].weight, create_graph=True)
