"""Compiled functions of every kind, and what may happen between their calls: as eager, to the last bit."""

import threading
from collections import OrderedDict, namedtuple
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
from steps import NETWORKS, V, World, batch, batchnorm, follow, sgd, small, tokens, training, vectors, world

import tinytensor as tt
from tinytensor import nn, optim
from tinytensor.compiler.audit import equal

# --- other functions than training ---


def test_evaluation_and_modes() -> None:
    def make() -> World:
        model = batchnorm()
        return World(lambda x, _y, _lr: model(x), [model], tokens)

    def between(world: World, i: int) -> None:
        if i in (3, 6, 12):
            world.declared[0].train(i == 6)
        if i == 15:
            world.declared[0][2].weight = nn.Parameter(np.ones((12, 24), np.float32))

    follow(make, between=between)


class ScaledLinear(nn.Linear):
    def forward(self, x: Any, scale: float = 1.0, *, shift: Any = None) -> Any:
        return super().forward(x) * scale + (0 if shift is None else shift)


def test_a_module_takes_the_arguments_of_its_forward() -> None:
    layer, x = ScaledLinear(3, 2, rng=1), np.ones((4, 3), np.float32)
    fast = tt.compile(layer, layer)
    for _ in range(3):
        assert equal(layer(x), fast(x)) and equal(layer(x, scale=0.5), fast(x, scale=0.5))
        assert equal(layer(x, 0.5, shift=x[:, :2]), fast(x, 0.5, shift=x[:, :2]))
    assert fast.programs
    fixed = tt.compile(layer, layer, static_argnames="scale")
    for scale in (0.5, 0.5, 0.25):
        assert equal(layer(x, scale), fixed(x, scale))


def test_gradients_alone() -> None:
    model, clone = small(), small()

    def gradients(model: Any) -> Any:
        return lambda x: tt.grad(tt.tanh(model(x)).sum(), list(model.parameters()))

    step = tt.compile(gradients(model), model)
    for i in range(5):
        assert equal(gradients(clone)(V[batch(i)]), step(V[batch(i)]))


def test_second_gradients() -> None:
    def step(x: Any) -> Any:
        t = tt.Tensor(x, requires_grad=True)
        slope = tt.grad((t**3 + tt.sin(t)).sum(), t, create_graph=True)
        return tt.grad((slope * slope).sum(), t)

    compiled = tt.compile(step)
    for i in range(5):
        assert equal(step(V[batch(i)]), compiled(V[batch(i)]))


def test_plain_numpy_and_nested_arguments() -> None:
    def step(pair: Any, options: Any, name: Any, n: int, scale: Any = 2.0, *, shift: Any = 0.0) -> Any:
        a, b = pair
        y = a @ b * options["k"] + options["more"][0] * scale + shift
        return {"y": y if name is None else y * 2, "n": n, "parts": [y[:1], (y.sum(), y.T)], "name": name}

    compiled = tt.compile(step)
    for i in range(6):
        rng = np.random.default_rng(i)
        args = ((rng.random((2, 3)), rng.random((3, 4))), {"k": rng.random(), "more": [rng.random(4)]}, None, 3)
        kwargs = {"shift": float(i)} if i % 2 else {"scale": 3.0 + i}
        assert equal(step(*args, **kwargs), compiled(*args, **kwargs))
        assert equal(step(*args[:2], "text", n=1), compiled(*args[:2], "text", n=1))
    assert len(compiled.programs) == 3  # floats that are left to their defaults are fixed


def test_tensor_arguments() -> None:
    def step(x: Any, y: Any) -> Any:
        loss = (x * y).sum()
        loss.backward()
        return loss, x.grad

    compiled = tt.compile(step)
    for i in range(4):
        x, clone = (tt.tensor(V[i : i + 3], requires_grad=True) for _ in range(2))
        assert equal(step(clone, tt.tensor(V[:3])), compiled(x, tt.tensor(V[:3])))


def test_a_program_for_each_shape_and_the_oldest_goes() -> None:
    compiled = tt.compile(lambda x: x * 2, max_programs=4)
    for n in (1, 2, 3, 4, 1, 2, 3, 4, 1, 2, 3, 4, 5, 5, 5, 2, 2):
        assert equal(compiled(V[:n]), V[:n] * 2)
        assert len(compiled.programs) <= 4
    assert [p.key[0][0] for p in compiled.programs] == [(3, 6), (4, 6), (5, 6), (2, 6)]


def test_a_shape_that_is_another_at_each_call() -> None:
    compiled = tt.compile(lambda x: x * 2, max_programs=4)
    with pytest.raises(tt.CompileError) as error:
        for n in range(1, 9):
            assert equal(compiled(V[:n]), V[:n] * 2)
    assert str(error.value) == ("compile: <lambda> got x of (1, 6), (2, 6), (3, 6), (4, 6), (5, 6), and no program was "
                                "used twice; expected at most 4 kinds of arguments; cut or pad arrays to one shape, "
                                "pass numbers that vary as floats, or raise max_programs")


def test_results_are_copies() -> None:
    kept = np.ones(3)
    compiled = tt.compile(lambda x: (x, x.T, x * 2, kept))
    x = V[:3].copy()
    for _ in range(4):
        for y in compiled(x)[:3]:
            y += 1
        compiled(x)[3][0] = 5
    assert equal(x, V[:3]) and kept[0] == 1


def test_a_declared_array_may_be_an_argument() -> None:
    a, b = np.zeros(3), np.zeros(3)

    def step(s: Any, x: Any) -> Any:
        s += x
        return s.sum()

    compiled = tt.compile(step, a)
    for i in range(5):
        assert equal(step(b, V[i, :3]), compiled(a, V[i, :3])) and equal(a, b)


class Scaled(float):
    """A number with a class of its own."""


Pair = namedtuple("Pair", "a b")
KINDS = {
    "numbers": (lambda x, f: (f, f * 2, f**2, f // 0.3, f % 0.3, -f, abs(f), x * (f > 0.5)),
                lambda i: (V[:3], 0.1 * i)),
    "float and float64": (lambda x, f: x * f, lambda i: (V[:3], np.float64(i) if i % 2 else float(i))),
    "float32": (lambda x, f: (x * f, f, f * 2), lambda i: (V[:3], np.float32(i))),
    "another class of floats": (lambda x, f: x * f, lambda i: (V[:3], Scaled(i // 3))),
    "namedtuple": (lambda p: Pair(p.a * 2, p.b + 1), lambda i: (Pair(V[i : i + 3], V[i : i + 2]),)),
    "OrderedDict": (lambda p: p["a"] * 2, lambda i: (OrderedDict(a=V[i : i + 3]),)),
    "bools": (lambda m: (m & ~m, m.any(), m.sum(), m * 2), lambda i: (V[i : i + 3] > 0,)),
    "complex": (lambda x: (x * 1j + 2, np.abs(x * 1j)), lambda i: (V[i : i + 3],)),
    "empty": (lambda x: (x[:0] * 2, x[:0].sum()), lambda i: (V[i : i + 3],)),
    "no axes": (lambda x: (x * 2, x.reshape(1)), lambda i: (np.array(1.0 * i),)),
    "indices": (lambda x, i: (x[i], x[[0, 1]], x[:, None, ::-2], x.take(i, 0)),
                lambda i: (V[i : i + 3], np.array([0, 2]))),
    "instances": (lambda x, f: x * f if isinstance(x, np.ndarray) and isinstance(f, float) else x,
                  lambda i: (V[:3], 0.1 * i)),
    "functions": (lambda x: (np.cumsum(x, 0), np.roll(x, 1, 0), np.outer(x[0], x[1]), np.var(x), np.sort(x, 1),
                             np.pad(x, 1), np.split(x, 3, 1), np.einsum("ij,kj->ik", x, x), np.linalg.norm(x),
                             np.zeros_like(x), np.tril(x)), lambda i: (V[i : i + 3],)),
    "views of one of several": (lambda x: (np.split(x @ x.T, 3)[0].T + 1, np.split(2 * x, 3)[1][0, 1:] * 2),
                                lambda i: (V[i : i + 3],)),
    "made again": (lambda x: (np.modf(x * 1.5)[0] + np.modf(x * 1.5)[1], (x + 1).T.sum() + (x + 1).T.max()),
                   lambda i: (V[i : i + 3],)),
}


@pytest.mark.parametrize("name", KINDS)
def test_kinds_of_arguments(name: str) -> None:
    step, arguments = KINDS[name]
    compiled = tt.compile(step)
    for i in range(6):
        assert equal(step(*arguments(i)), compiled(*arguments(i)))


def by_hand(rebind: bool) -> Any:
    def make() -> World:
        model = small()

        def step(x: Any, y: Any, lr: Any) -> Any:
            model.zero_grad()
            loss = tt.cross_entropy(model(x), y)
            loss.backward()
            for p in model.parameters():
                if rebind:
                    p.data = p.data - lr * p.grad
                else:
                    p.data -= lr * p.grad
            return loss

        return World(step, [model], vectors)

    return make


@pytest.mark.parametrize("rebind", [False, True])
def test_updates_by_hand(rebind: bool) -> None:
    follow(by_hand(rebind))


@pytest.mark.parametrize("late", [False, True])
def test_parameters_that_the_step_gives_other_arrays(late: bool) -> None:
    def make() -> World:
        model = small()
        opt = sgd(model)
        inner = training(model, opt)

        def step(x: Any, y: Any, lr: Any) -> Any:
            loss = inner(x, y, lr) if late else None
            for p in model.parameters():
                p.data = p.data * 0.9
            return loss if late else inner(x, y, lr)

        return World(step, [model, opt], vectors)

    follow(make)


def test_a_compiled_step_within_another() -> None:
    inner = tt.compile(lambda x: x * 2)
    outer = tt.compile(lambda x: inner(x) + 1)
    for i in range(5):
        assert equal(outer(V[i]), V[i] * 2 + 1)


def test_an_optimizer_without_tensors() -> None:
    def make() -> World:
        w = SimpleNamespace(data=np.ones((8, 6), np.float32), grad=None)
        opt = optim.Adam([w])

        def step(x: Any, _: Any, lr: Any) -> Any:
            opt.lr = lr
            w.grad = x * w.data
            opt.step()
            return w.data

        return World(step, [opt], vectors)

    follow(make)


# --- what happens between steps ---


def between_steps() -> dict[str, Any]:
    def rebind(world: World, i: int) -> None:
        if i in (1, 5):
            for p in world.declared[0].parameters():
                p.data = p.data * 0.5

    def load(world: World, i: int) -> None:
        if i == 5:
            model, opt = world.declared
            world.saved = model.state_dict(), opt.state_dict()
        if i == 9:
            world.declared[0].load_state_dict(world.saved[0])
            world.declared[1].load_state_dict(world.saved[1])

    def settings(world: World, i: int) -> None:
        if i in (3, 7):
            world.declared[1].param_groups[0]["momentum"] = 0.5 + 0.01 * i

    def freeze(world: World, i: int) -> None:
        if i in (4, 8):
            world.declared[0][0].requires_grad_(i == 8)

    def grads(world: World, i: int) -> None:
        if i in (4, 5):
            for p in world.declared[0].parameters():
                p.grad = np.ones_like(p.data)

    def grad(world: World, i: int) -> None:
        first, *_, last = world.declared[0].parameters()
        if i in (4, 7):
            (first if i == 4 else last).grad = np.ones_like(first.data if i == 4 else last.data)

    def history(world: World, i: int) -> None:
        if i in (4, 8):
            state = world.declared[1].blocks[0].state
            state.update({name: vector * 2 for name, vector in state.items()})

    def tensor_hook(world: World, i: int) -> None:
        if i == 4:
            world.handle = world.declared[0][0].weight.register_hook(lambda g: g * 2)
        if i == 8:
            world.handle.remove()

    def hook(world: World, i: int) -> None:
        if i == 4:
            world.handle = world.declared[0][1].register_forward_hook(lambda m, x, y: y * 2)
        if i == 8:
            world.handle.remove()

    def swap(world: World, i: int) -> None:
        if i == 5:
            setattr(world.declared[0], "1", nn.ReLU())

    changes = (rebind, load, settings, freeze, grads, grad, history, tensor_hook, hook, swap)
    return {f.__name__: f for f in changes}


@pytest.mark.parametrize("name", between_steps())
def test_between_steps(name: str) -> None:
    follow(lambda: world(small(), vectors), 12, between=between_steps()[name])


def test_a_step_that_raises() -> None:
    model, table = nn.Embedding(9, 4, rng=0), np.arange(12.0)
    opt = sgd(model)

    def step(ix: Any, j: Any) -> Any:
        loss = model(ix).sum() + tt.take(table, j, 0).sum()
        opt.zero_grad()
        loss.backward()
        opt.step()
        return loss

    compiled, good, bad = tt.compile(step, model, opt), np.array([1, 2]), np.array([1, 99])
    for _ in range(5):
        before, state = model.state_dict(), opt.state_dict()
        with pytest.raises(IndexError):
            compiled(good, bad)
        assert equal(before, model.state_dict()) and equal(state, opt.state_dict())
        compiled(good, good)
        assert not equal(before, model.state_dict())


def test_callables() -> None:
    class Trainer:
        def __init__(self) -> None:
            self.scale, self.model = 2.0, small()

        def forward(self, x: Any) -> Any:
            return self.model(x) * self.scale

        def __call__(self, x: Any) -> Any:
            return self.forward(x)

    trainer = Trainer()
    for step in (trainer, trainer.forward, lambda x: trainer(x)):
        compiled = tt.compile(step)
        for scale in (2.0, 2.0, 2.0, 3.0, 3.0, 3.0):
            trainer.scale = scale
            trainer.model[0].weight.data *= 1.5  # not declared, and read all the same
            assert equal(step(V[:4]), compiled(V[:4]))


# --- check=True ---


def test_checked_steps() -> None:
    for name in ("gpt, dropout by numpy", "batchnorm"):
        follow(lambda name=name: world(NETWORKS[name]()), steps=7, check=True)  # type: ignore[misc]


def reject_overlaps(x: Any) -> Any:
    return x[:, :90]


# Sums of what doesn't lie in one piece: in which order they are made depends on NumPy's buffers.
PIECES = {
    "sum": lambda x: reject_overlaps(x * 2).sum(),
    "mean of two axes": lambda x: reject_overlaps(x * 2).mean((0, 1)),
    "reduce": lambda x: np.add.reduce(reject_overlaps(x * 2), axis=None),
    "var": lambda x: np.var(reject_overlaps(x * 2)),
    "of another type": lambda x: np.add.reduce(x * 2, axis=None, dtype=np.float64),
    "product": lambda x: np.prod(reject_overlaps(1 + 1e-3 * x)),
    "Tensors": lambda x: reject_overlaps(tt.Tensor(x) * 2).sum(),
}


@pytest.mark.parametrize("name", PIECES)
def test_sums_are_made_in_the_order_of_eager_ones(name: str) -> None:
    step = tt.compile(PIECES[name])
    for i in range(6):
        x = np.random.default_rng(i).standard_normal((300, 100)).astype(np.float32)
        assert equal(PIECES[name](x), step(x))
    assert "@with_fast_numpy" in step.source and step.source.count("np.setbufsize(") == 2


def test_one_call_at_a_time() -> None:
    x, failed = np.ones((1200, 1200), np.float32), []
    step = tt.compile(lambda x: x @ x @ x @ x)
    wanted = step(x), step(x)
    barrier = threading.Barrier(2)

    def call() -> None:
        barrier.wait()
        try:
            assert np.array_equal(step(x), wanted[0])
        except RuntimeError as error:
            failed.append(str(error))

    threads = [threading.Thread(target=call) for _ in range(2)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert not failed
    assert np.array_equal(step(x), wanted[1])
