"""Audits of compiled steps: when they are made, that they leave no trace, and what is told of a difference."""

import math
import sys

import numpy as np
import pytest

import tinytensor as tt
from tinytensor import nn, optim
from tinytensor.compiler import compiled as compiled_step
from tinytensor.compiler.audit import audited, equal, next_audit
from tinytensor.compiler.tracing.gradients import USED

X, Y = np.arange(24, dtype=np.float32).reshape(8, 3) / 9 - 1.5, np.array([0, 1, 1, 0, 2, 2, 0, 0])
WORKERS = [1, pytest.param(2, marks=pytest.mark.skipif(not sys.platform.startswith("linux"), reason="forks"))]


def numbers(check, shared=False, until=2000):
    """The calls that are audited."""
    found, n = [], 2
    while (n := next_audit(n, check, shared)) < until:
        found.append(n)
    return found


def test_they_become_rare():
    assert numbers(None) == [3, 10, 30, 100, 300, 1000]
    assert numbers(True) == [3, 4, 5, 10, 30, 100, 300, 1000]
    assert numbers(False) == [] and numbers(False, shared=True) == [3]
    assert next_audit(7, None, False) == 10 and next_audit(10**6, None, False) == 3 * 10**6
    assert len(numbers(None, until=10**5)) * 3 < 0.001 * 10**5, "of three steps' time each"


class World:
    """A network with all kinds of state."""

    def __init__(self, dropout=True):
        self.rng = np.random.default_rng(4)
        parts = [nn.Linear(3, 6, rng=1), nn.BatchNorm1d(6), nn.Tanh(), *([nn.Dropout(0.5, rng=self.rng)] * dropout)]
        self.model = nn.Sequential(*parts, nn.Linear(6, 4, rng=2))
        self.opt = optim.AdamW(self.model.parameters(), lr=0.01)
        self.sums = np.zeros(4, np.float32)

    def step(self, x, y):
        z = self.model(x)
        loss = tt.cross_entropy(z, y)
        self.opt.zero_grad()
        loss.backward()
        self.opt.step()
        self.sums += (self.model[-1].bias.grad if hasattr(self.model[-1].bias.grad, "shape") else 0)
        return loss, z

    def stands(self):
        return (self.model.state_dict(), self.opt.state_dict()["state"], self.sums.copy(),
                self.rng.bit_generator.state["state"]["state"])

    def objects(self):
        block, = self.opt.blocks
        return [block.theta, *block.state.values(), *[p.data for p in self.model.parameters()],
                *[b.data for _, b in self.model.named_buffers()]]


def compiled(world, **options):
    return tt.compile(world.step, world.model, world.opt, world.sums, world.rng, **options)


def test_an_audit_leaves_no_trace():
    worlds = [World() for _ in range(3)]
    steps = [compiled(worlds[0], check=True), compiled(worlds[1], check=False), worlds[2].step]
    objects = []
    for i in range(12):
        (a, za), (b, zb), (c, zc) = [step(X + i, Y) for step in steps]
        assert equal([a.data, za.data], [b.data, zb.data]) and equal([a.data, za.data], [c.data, zc.data])
        now = worlds[0].objects()
        assert i < 2 or all(x is y for x, y in zip(now, objects, strict=True))
        assert i < 1 or all(p.grad is USED for p in worlds[0].model.parameters())
        objects = now
    assert all(repr(world.stands()) == repr(worlds[2].stands()) for world in worlds)


def test_views_of_declared_arrays_that_stand_around_are_no_effect():
    world, a = World(), np.ones((2, 3))
    around = [world.model[0].weight.data, a[0]]

    def step(x, y):
        assert len(around) == 2
        a[...] += 1
        return world.step(x, y)

    run = tt.compile(step, world.model, world.opt, world.sums, world.rng, a, check=True)
    for _ in range(6):
        run(X, Y)
    assert around[1][0] == 7


@pytest.mark.parametrize("workers", WORKERS)
def test_the_step_itself_runs_only_then(workers, monkeypatch):
    calls, world = [], World(dropout=False)
    step = compiled(world, workers=workers)
    monkeypatch.setattr(compiled_step, "audited", lambda *rest: calls.append(now) or audited(*rest))
    for now in range(1, 35):
        step(X, Y)
        assert bool(step.programs) == (now > 1)
    assert calls == [3, 10, 30]


def spoilt(step, change):
    """The compiled step, whose program gives something else from now on."""
    run = step.latest.run
    step.latest.run = lambda *given: change(run(*given))
    return step


def test_a_difference_is_told_with_its_line_and_changes_nothing():
    world = World()
    step = compiled(world)
    step(X, Y), step(X, Y)
    before = repr(world.stands())
    spoilt(step, lambda outputs: (outputs[0], outputs[1] * np.float32(1.5), *outputs[2:]))
    messages = []
    for _ in range(2):
        with pytest.raises(tt.CompileError, match=r"step: result 1\[0, 0\] is .* by the step itself and .* by its "
                                                  r"program, made at test_audits.py:\d+: 'z = self.mod") as error:
            step(X, Y)
        messages.append(str(error.value))
        assert repr(world.stands()) == before
    assert messages[0] == messages[1]
    assert np.isfinite(world.step(X, Y)[0].item())


@pytest.mark.parametrize("kind", ["declared array", "moment", "count", "stream"])
def test_all_that_a_step_changes_is_compared(kind):
    world = World()
    step = compiled(world)
    step(X, Y), step(X, Y)

    def change(outputs):
        block = world.opt.blocks[0]
        if kind == "declared array":
            world.sums[2] += 1
        elif kind == "moment":
            next(iter(block.state.values()))[3] += 1
        elif kind == "stream":
            world.rng.random()
        return (*outputs[:-1], outputs[-1] + 1) if kind == "count" else outputs

    spoilt(step, change)
    before = repr(world.stands())
    with pytest.raises(tt.CompileError, match="by the step itself and .* by its program"):
        step(X, Y)
    assert repr(world.stands()) == before


def test_what_the_step_does_until_its_own_error_stays():
    worlds = [World() for _ in range(2)]
    for world, step in zip(worlds, [compiled(worlds[0]), worlds[1].step], strict=True):
        step(X, Y), step(X, Y)
        before = repr(world.stands())
        with pytest.raises(IndexError, match="target 5"):
            step(X, Y + 5)
        assert repr(world.stands()) != before, "statistics, and draws"
        step(X, Y)
    assert repr(worlds[0].stands()) == repr(worlds[1].stands())


@pytest.mark.parametrize("kind", ["data", "swapped", "view", "vectors"])
def test_other_arrays_in_the_place_of_declared_ones(kind):
    def run(make):
        a, b = nn.Linear(3, 3, rng=1), nn.Linear(3, 3, rng=2)
        opt = optim.SGD(b.parameters(), lr=0.1, momentum=0.9)

        def step(x):
            loss = ((b(a(x)) - x) ** 2).mean()
            opt.zero_grad()
            loss.backward()
            opt.step()
            if kind == "data":
                a.weight.data = np.float32(0.9) * a.weight.data
            elif kind == "swapped":
                a.weight.data, a.bias.data = np.outer(a.bias.data, a.bias.data), a.weight.data[0]
            elif kind == "view":
                a.weight.data = a.weight.data[::-1]
            else:
                block, = opt.blocks
                block.state = {name: np.float32(0.5) * v for name, v in block.state.items()}
            return loss

        f, given = make(step, a, b, opt), []
        for i in range(12):
            given.append(f(X + i).item())
        return given, a.state_dict(), b.state_dict(), opt.state_dict()["state"]

    eager = run(lambda step, *_: step)
    assert repr(run(lambda step, *declared: tt.compile(step, *declared, check=True))) == repr(eager)


@pytest.mark.parametrize("change", [lambda a: a[:2], lambda a: a.astype(float)], ids=["shape", "dtype"])
def test_another_kind_of_array_in_the_place_of_a_declared_one_is_refused(change):
    a, s = nn.Linear(3, 4, rng=1), np.zeros(3)

    def step(x):
        s[...] += 1
        a.weight.data = change(a.weight.data)
        return x.sum()

    with pytest.raises(tt.CompileError, match=r"weight.data is float.* after the step; expected float32 of shape"):
        tt.compile(step, a, s)(X)
    assert s[0] == 0 and a.weight.shape == (4, 3) and a.weight.data.dtype == np.float32


def test_a_nan_is_a_nan():
    step = tt.compile(lambda x: (np.sqrt(x), np.float32(1) / x), check=True)
    with np.errstate(all="ignore"):
        for _ in range(6):
            step(np.array([-1.0, 0.0, np.inf]))


@pytest.mark.parametrize(("a", "b", "same"), [
    (1.0, 1.0 + 1e-6, True), (1.0, 1.0001, False), (math.nan, math.nan, True), (math.inf, math.inf, True),
    (math.inf, 1.0, False), ([1000.0, 0.0], [1000.0, 0.001], True), ([1, 2], [1, 3], False), ([True], [False], False),
    (10**6, 10**6 + 5, True), (3, 4, False), ({"a": [1.0]}, {"a": [1.0]}, True), ({"a": 1}, {"b": 1}, False)])
def test_what_is_the_same_but_for_rounding(a, b, same):
    a, b = ({k: np.array(v) for k, v in x.items()} if isinstance(x, dict) else np.array(x) for x in (a, b))
    assert equal(a, b, 1e-5) == same
    assert not equal(a, b) or same
