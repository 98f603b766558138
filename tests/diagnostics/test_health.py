"""How a network is doing, in numbers: by hand in NumPy, against torch, and that looking leaves no traces."""

import gc
import math
import warnings
import weakref
from contextlib import contextmanager
from functools import partial

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

import tinytensor as tt
from tinytensor import nn, optim
from tinytensor.diagnostics import health
from tinytensor.diagnostics.health import Updates, Weights, mean, parameters, safe_ratio, std, table, watch

RNG = np.random.default_rng(0)
FINITE = {"allow_nan": False, "allow_infinity": False}


def values(*shape):
    return RNG.normal(size=shape).astype(np.float32)


def hand_made():
    """Linear, Tanh, Linear, ReLU, Linear: units of the first are dead or not, by the weights."""
    model = nn.Sequential(nn.Linear(2, 4, rng=0), nn.Tanh(), nn.Linear(4, 3, rng=1), nn.ReLU(), nn.Linear(3, 2, rng=2))
    model[0].weight.data[...] = [[9, 9], [0.1, 0.1], [-9, 9], [0, 0]]
    model[0].bias.data[...] = [0, 0, 0, 5]
    return model


X = np.array([[1, 1], [1, 2], [2, 1]], np.float32)


def look(model, x=X, kinds=(), **how):
    with watch(model, kinds, **how) as seen:
        y = model(tt.tensor(x))
        (y * y).sum().backward()
    return seen


def traces(model, *tensors):
    return [m for m in model.modules() if m._hooks] + [y for y in tensors if y.hooks]


@contextmanager
def no_collector():
    gc.collect()
    gc.disable()
    try:
        yield
    finally:
        gc.enable()


# --- watch: the numbers ---


def test_numbers_are_numpy_s():
    model = hand_made()
    seen = look(model)
    a = X @ model[0].weight.data.T + model[0].bias.data
    b = np.tanh(a)
    c = b @ model[2].weight.data.T + model[2].bias.data
    d = np.maximum(c, 0)
    e = d @ model[4].weight.data.T + model[4].bias.data
    gd = 2 * e @ model[4].weight.data
    below = gd * (c > 0)
    gb = below @ model[2].weight.data
    expected = {"0": (a, gb * (1 - b * b)), "1": (b, gb), "2": (c, below), "3": (d, gd), "4": (e, 2 * e)}
    assert list(seen.activations) == list(seen.gradients) == list(expected), "both in the order of the calls"
    rows = seen.report()
    assert [(r.layer, r.kind) for r in rows] == [("0", "Linear"), ("1", "Tanh"), ("2", "Linear"), ("3", "ReLU"),
                                                 ("4", "Linear")]
    for row in rows:
        y, g = expected[row.layer]
        np.testing.assert_allclose(seen.activations[row.layer], y, rtol=1e-5, atol=1e-6)
        np.testing.assert_allclose(seen.gradients[row.layer], g, rtol=1e-5, atol=1e-6)
        found = row.mean, row.std, row.grad_mean, row.grad_std
        np.testing.assert_allclose(found, (y.mean(), y.std(ddof=1), g.mean(), g.std(ddof=1)), rtol=1e-4, atol=1e-6)
    assert rows[1][4:6] == (np.mean(np.abs(b) > 0.97), 0.5), "units 0 and 3 are dead: +-1 for every example"
    assert rows[1].saturated == 8 / 12, "and unit 2 is saturated for two examples of three"
    assert rows[3][4:6] == (np.mean(d <= 0), np.mean((d <= 0).all(0)))
    assert all(math.isnan(v) for i in (0, 2, 4) for v in rows[i][4:6]), "a Linear can't saturate"


def test_gradients_are_those_of_retain_grad():
    model, kept = hand_made(), []
    y = tt.tensor(X)
    for layer in model:
        y = layer(y)
        y.retain_grad()
        kept.append(y)
    (y * y).sum().backward()
    found = look(model).gradients
    assert len(found) == 5 and all(np.array_equal(g, k.grad) for g, k in zip(found.values(), kept, strict=True))


def test_looking_changes_nothing():
    model = hand_made()
    look(model)
    watched = [p.grad for p in model.parameters()]
    model.zero_grad()
    (model(X) ** 2).sum().backward()
    assert all(np.array_equal(a, p.grad) for a, p in zip(watched, model.parameters(), strict=True))


@pytest.mark.parametrize(("layer", "x", "saturated", "dead"), [
    (nn.Tanh, [[9, 9, 0], [-9, 0, 0]], 3 / 6, 1 / 3),
    (nn.Sigmoid, [[9, 9, 0], [-9, 0, 0]], 3 / 6, 1 / 3),
    (nn.ReLU, [[-1, 0, 1], [-2, 1, 2]], 3 / 6, 1 / 3),
    (nn.Tanh, [9, 0], 1 / 2, 1 / 2),  # one axis: each is a unit
    (nn.Tanh, 9, 1, 1),
    (nn.ReLU, [[[-1, 1], [-1, -1]], [[-1, -1], [-1, -1]]], 7 / 8, 1 / 2),  # (B, T, C): a unit is along C
    (nn.Flatten, [[9, 9, 0]], math.nan, math.nan),
    (nn.Tanh, np.ones((0, 3)), math.nan, math.nan),
    (nn.Tanh, np.ones((3, 0)), math.nan, math.nan),
    (nn.Tanh, [[math.nan, 9]], 1 / 2, 1 / 2),
])
def test_saturated_and_dead(layer, x, saturated, dead):
    row, = seen_in(layer(), np.array(x, np.float32))
    np.testing.assert_allclose((row.saturated, row.dead), (saturated, dead))


def seen_in(model, x):
    with watch(model) as seen, tt.no_grad():
        model(tt.tensor(x))
    return seen.report()


@pytest.mark.parametrize(("limit", "tanh", "sigmoid"), [(0.5, 0.75, 0.5), (0.97, 0.25, 0.0), (0.0, 1.0, 1.0)])
def test_limit(limit, tanh, sigmoid):
    x = np.array([[0.1, 0.6, 1.5, 4]], np.float32)  # 2 sigmoid(2x) - 1 = tanh(x)
    for layer, scale, expected in ((nn.Tanh(), 1, tanh), (nn.Sigmoid(), 2, tanh), (nn.Sigmoid(), 1, sigmoid)):
        with watch(layer, limit=limit) as seen:
            layer(scale * x)
        assert seen.report()[0].saturated == expected and seen.limit == limit
        assert seen.saturated("model").shape == x.shape


def test_a_class_of_one_s_own(monkeypatch):
    class Leaky(nn.Tanh):
        pass

    model = nn.Sequential(Leaky())
    with watch(model) as seen:
        model(5 * X)
    assert seen.report()[0].saturated == 1, "as its parent, if nothing else is said"
    monkeypatch.setitem(health.SATURATED, Leaky, lambda y, limit: y < 0)
    assert seen.report()[0].saturated == 0, "its own rule stands before its parent's"


# --- watch: which layers, which calls ---


def test_kinds():
    model = nn.Sequential({"inner": nn.Sequential(nn.Linear(2, 2, rng=0), nn.Tanh()), "end": nn.ReLU()})
    for kinds, layers in (((), ["inner.0", "inner.1", "end"]), (nn.Tanh, ["inner.1"]),
                          ((nn.Tanh, nn.ReLU), ["inner.1", "end"]), (nn.Sequential, ["inner", "model"])):
        assert list(look(model, X, kinds).activations) == layers
    assert list(look(nn.Linear(2, 2)).activations) == ["model"]


def test_no_layer_of_that_kind():
    for kinds, names in ((nn.Tanh, "Tanh"), ((nn.Tanh, nn.Sigmoid), "Tanh, Sigmoid")):
        with pytest.raises(ValueError) as caught, watch(nn.Sequential(nn.Linear(2, 2), nn.ReLU()), kinds):
            pass
        assert str(caught.value) == (
            f"watch: got a Sequential without modules of the kinds {names}; expected kinds that it has: Linear, ReLU, "
            f"Sequential; np.tanh and other functions can't be watched, use nn.Tanh()")


def test_a_layer_called_twice():
    act = nn.Tanh()
    model = nn.Sequential({"act": act, "linear": nn.Linear(2, 2, rng=0), "again": act})
    with watch(model, nn.Tanh) as seen:
        (model(tt.tensor(X, requires_grad=True)) ** 2).sum().backward()
    assert list(seen.activations) == list(seen.gradients) == ["act", "act#2"]
    np.testing.assert_allclose(seen.activations["act"], np.tanh(X), rtol=1e-6)
    y = seen.activations["act#2"]
    np.testing.assert_allclose(seen.gradients["act#2"], 2 * y, rtol=1e-6)
    np.testing.assert_allclose(seen.gradients["act"], 2 * y * (1 - y * y) @ model.linear.weight.data, rtol=1e-5)
    with watch(model, nn.Tanh) as seen:
        model(X)
        model(X)
    assert list(seen.activations) == ["act", "act#2", "act#3", "act#4"]


def test_of_two_passes_the_last_counts():
    model = nn.Sequential(nn.Tanh())
    x = tt.tensor(X, requires_grad=True)
    with watch(model) as seen:
        y = model(x)
        y.sum().backward(retain_graph=True)
        (3 * y).sum().backward()
    assert (seen.gradients["0"] == 3).all()


def test_without_gradients():
    model = hand_made()
    with watch(model) as seen, tt.no_grad():
        y = model(tt.tensor(X))
    assert not seen.gradients and len(seen.activations) == 5 and not traces(model, y)
    assert all(math.isnan(row.grad_mean) and math.isnan(row.grad_std) for row in seen.report())
    assert all(line.endswith("-") for line in table(seen.report()).splitlines()[1:])
    with watch(model) as seen:
        y = model(tt.tensor(X))
    y.sum().backward()
    assert not seen.gradients and not traces(model, y), "a pass after the block isn't watched"


def test_a_gradient_that_came_to_some_layers_only():
    model = hand_made()
    with watch(model) as seen:
        half = model[1](model[0](tt.tensor(X)))
        model[4](model[3](model[2](half)))
        half.sum().backward()
    assert list(seen.gradients) == ["0", "1"] and len(seen.activations) == 5


def test_gradients_that_are_recorded_themselves():
    model, x = nn.Sequential(nn.Tanh()), tt.tensor(X, requires_grad=True)
    with watch(model) as seen:
        y = model(x)
        tt.grad((y * y).sum(), x, create_graph=True)
    assert type(seen.gradients["0"]) is np.ndarray and np.array_equal(seen.gradients["0"], 2 * y.data)


def test_layers_that_give_arrays_or_other_things():
    class Pair(nn.Module):
        def forward(self, x):
            return x, x

    model = nn.Sequential(nn.Flatten(), nn.Embedding(5, 2, rng=0), Pair())
    with watch(model) as seen:
        model(np.arange(4).reshape(2, 2, 1))
    assert list(seen.activations) == ["0", "1"] and seen.report()[0].mean == 1.5


def test_numbers_of_a_network_that_has_blown_up():
    rows = seen_in(nn.Sequential(nn.Flatten(), nn.Tanh()), np.array([[math.inf, -math.inf, math.nan]], np.float32))
    assert math.isnan(rows[0].mean) and math.isnan(rows[0].std) and rows[1].saturated == 2 / 3
    row, = seen_in(nn.Flatten(), np.full((2, 2), 3e38, np.float32) * np.float32([1, -1]))
    assert row.mean == 0 and row.std == pytest.approx(3e38 * math.sqrt(4 / 3))


# --- watch: no traces ---


def test_no_hooks_remain():
    model = hand_made()
    with watch(model) as seen:
        y = model(tt.tensor(X))
        assert len(traces(model, y)) == 6
        (y * y).sum().backward(retain_graph=True)
    assert not traces(model, y)
    before = dict(seen.activations)
    model(tt.tensor(2 * X))
    assert {k: id(v) for k, v in seen.activations.items()} == {k: id(v) for k, v in before.items()}


@pytest.mark.parametrize("place", ["model", "block"])
def test_no_hooks_remain_after_an_exception(place):
    model, kept = hand_made(), []
    with pytest.raises(ValueError), watch(model) as seen:
        kept.append(model[0](tt.tensor(X)))
        if place == "model":
            model(tt.tensor(np.ones((3, 5), np.float32)))
        raise ValueError
    assert list(seen.activations) == ["0"] and not traces(model, *kept)


def test_hooks_of_others_stay():
    model, mine = hand_made(), []
    handle = model[1].register_forward_hook(lambda module, x, y: mine.append(y))
    with watch(model) as outer:
        with watch(model, nn.Tanh) as inner:
            y = model(tt.tensor(X))
            y.sum().backward()
        model(tt.tensor(X))
    assert len(inner.activations) == 1 and len(outer.activations) == 10 and len(mine) == 2
    assert np.array_equal(inner.gradients["1"], outer.gradients["1"]) and traces(model) == [model[1]]
    handle.remove()
    assert not traces(model)


@pytest.mark.parametrize("fails", [False, True])
def test_what_was_seen_dies_with_its_name(fails):
    model = hand_made()
    with no_collector():
        try:
            with watch(model) as seen:
                y = model(tt.tensor(X))
                (y * y).sum().backward()
                if fails:
                    raise ValueError
        except ValueError:
            pass
        dying = [weakref.ref(a) for a in (*seen.activations.values(), *seen.gradients.values())]
        dying.append(weakref.ref(seen))
        assert len(dying) == 11
        del y
        assert all(r() is not None for r in dying), "the result keeps them"
        del seen
        assert not any(r() is not None for r in dying)


# --- parameters ---


def test_parameters():
    model = hand_made()
    look(model)
    rows = parameters(model)
    assert [(r.parameter, r.shape) for r in rows] == [(n, p.shape) for n, p in model.named_parameters()]
    for row, p in zip(rows, model.parameters(), strict=True):
        expected = p.data.std(ddof=1), p.grad.mean(), p.grad.std(ddof=1), p.grad.std(ddof=1) / p.data.std(ddof=1)
        np.testing.assert_allclose(row[2:], expected, rtol=1e-4)
    assert parameters(nn.Tanh()) == []


def test_parameters_without_a_gradient_and_constant_ones():
    model = nn.Linear(2, 3)
    model.bias.data[...] = 0
    weight, bias = parameters(model)
    assert weight.std > 0 and bias.std == 0
    assert all(math.isnan(v) for row in (weight, bias) for v in (row.grad_mean, row.grad_std, row.ratio))
    model.bias.grad = np.array([1, 2, 3], np.float32)
    assert parameters(model)[1][2:] == (0, 2, 1, math.inf)
    model.bias.grad = np.ones(3, np.float32)
    assert math.isnan(parameters(model)[1].ratio), "no spread in a constant one"


# --- updates ---


class ByHand(optim.SGD):
    """No optimiser of the house: new arrays, by the signs of the gradients."""

    def step(self):
        for p in self.param_groups[0]["params"]:
            p.data = p.data - 0.01 * np.sign(p.grad)


@pytest.mark.parametrize("make", [optim.SGD, partial(optim.SGD, momentum=0.9, weight_decay=0.1), ByHand])
def test_the_change_that_took_place(make):
    model = hand_made()
    opt, updates, expected = make(model.parameters(), lr=0.1), Updates(model), []
    assert list(updates.ratios) == ["0.weight", "2.weight", "4.weight"], "matrices only"
    for _ in range(3):
        opt.zero_grad()
        (model(X) ** 2).mean().backward()
        before = model.state_dict()
        with updates:
            opt.step()
        expected.append([np.log10((p.data.astype(np.float64) - before[n]).std(ddof=1) / before[n].std(ddof=1))
                         for n, p in model.named_parameters() if p.ndim > 1])
    np.testing.assert_allclose(list(zip(*updates.ratios.values(), strict=True)), expected, rtol=1e-5)
    assert updates.before == {}


def test_changes_at_the_edges():
    model = nn.Linear(2, 3, rng=0)
    model.weight.data[...] = np.arange(6).reshape(3, 2)
    updates = Updates(model)
    ratios = updates.ratios["weight"]
    with updates:
        pass
    assert ratios == [-math.inf]
    with updates:
        model.weight.data += 1
    assert ratios[1] == -math.inf, "all by the same"
    with updates:
        model.weight.data = model.weight.data * 2  # an array of its own
    assert ratios[2] == pytest.approx(0)
    model.weight.data[...] = 1
    with updates:
        pass
    assert math.isnan(ratios[3])
    with updates:
        model.weight.data[0, 0] = 2
    assert ratios[4] == math.inf
    model.weight.data[...] = math.inf
    with updates:
        model.weight.data *= 2
    assert math.isnan(ratios[5]), "quietly"


def test_an_exception_between():
    model = nn.Linear(2, 3)
    updates = Updates(model)
    with pytest.raises(ZeroDivisionError), updates:
        model.weight.data *= 2
        raise ZeroDivisionError
    assert updates.ratios == {"weight": []} and updates.before == {}
    with updates:
        model.weight.data *= 2
    assert updates.ratios["weight"] == pytest.approx([0])


# --- table ---


def test_a_table_is_aligned():
    rows = [Weights("a", (3,), 1.0, math.nan, math.inf, 2), Weights("a.longer.name", (100, 200), 0.5, -1e-9, 3e-5, 1)]
    lines = table(rows).splitlines()
    assert lines == [
        "parameter      shape       std     grad_mean  grad_std    ratio",
        "a              (3,)        1.0000  -          inf         2.0000e+00",
        "a.longer.name  (100, 200)  0.5000  -1.00e-09  3.0000e-05  1.0000e+00"]
    for name in Weights._fields[1:]:
        at = lines[0].index(name)
        assert all(line[at - 2 : at] == "  " and line[at] != " " for line in lines)
    assert "call the model inside the block" in table([])


def test_a_table_of_activations():
    seen = look(hand_made())
    lines = table(seen.report()).splitlines()
    assert lines[0].split() == list(health.Activation._fields) and len(lines) == 6
    assert lines[2].split()[:2] == ["1", "Tanh"] and lines[2].split()[4:6] == ["66.67%", "50.00%"]
    assert lines[1].split()[4:6] == ["-", "-"] and {len(line) for line in lines[1:]} == {len(lines[1])}


# --- the three measures ---


@given(hnp.arrays(np.float32, hnp.array_shapes(min_dims=0, max_dims=3, min_side=0, max_side=5),
                  elements=st.floats(-1e6, 1e6, width=32)))
def test_std_and_mean(a):
    if a.size:
        exact = a.astype(np.float64)
        assert mean(a) == pytest.approx(exact.mean()) and type(mean(a)) is type(std(a)) is float
        expected = exact.std(ddof=1) if a.size > 1 else 0
        assert std(a) == pytest.approx(expected)
    else:
        assert math.isnan(mean(a)) and math.isnan(std(a))


def test_spread_is_double():
    a = np.full(1_000_000, 0.1, np.float32)
    assert mean(a) == pytest.approx(float(np.float32(0.1)), rel=1e-12) and std(a) < 1e-12
    assert std(np.float32([1e30, -1e30])) == pytest.approx(math.sqrt(2) * 1e30)


@given(st.floats(0, **FINITE), st.floats(1e-300, **FINITE))
def test_safe_ratio(part, whole):
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert safe_ratio(part, whole) == part / whole
    assert safe_ratio(part, 0.0) == math.inf if part else math.isnan(safe_ratio(part, 0.0))
    assert math.isnan(safe_ratio(math.nan, whole)) and math.isnan(safe_ratio(math.nan, 0.0))
    assert safe_ratio(part, math.inf) == 0


# --- against PyTorch ---


@pytest.mark.peer
def test_the_lecture_s_network_is_torch_s():
    """Five hidden layers of 200 with BatchNorm: mean, std, saturation and gradients of each tanh, and the weights."""
    torch = pytest.importorskip("torch")
    rng, ours, theirs = tt.Generator(1), [], []
    for n, m in ((48, 200), *[(200, 200)] * 4, (200, 27)):
        ours += [nn.Linear(n, m, bias=False, rng=rng), nn.BatchNorm1d(m), nn.Tanh()]
        ours[-3].weight.data *= 5 / 3 * math.sqrt(3)
        theirs += [torch.nn.Linear(n, m, bias=False), torch.nn.BatchNorm1d(m), torch.nn.Tanh()]
    model, peer = nn.Sequential(*ours[:-1]), torch.nn.Sequential(*theirs[:-1])
    peer.load_state_dict({name: torch.tensor(v) for name, v in model.state_dict().items()})
    x, y = values(64, 48), np.arange(64) % 27
    with watch(model, nn.Tanh) as seen:
        tt.cross_entropy(model(x), y).backward()
    out, outs = torch.tensor(x), []
    for layer in peer:
        out = layer(out)
        if isinstance(layer, torch.nn.Tanh):
            out.retain_grad()
            outs.append(out)
    torch.nn.functional.cross_entropy(out, torch.tensor(y)).backward()
    rows = seen.report()
    assert len(rows) == 5 and rows[0].layer == "2"
    for row, h in zip(rows, outs, strict=True):
        expected = h.mean(), h.std(), (h.abs() > 0.97).float().mean(), h.grad.std()
        np.testing.assert_allclose((row.mean, row.std, row.saturated, row.grad_std), [v.item() for v in expected],
                                   rtol=1e-3, atol=1e-6)
        assert 0.005 < row.saturated < 0.2 and abs(row.grad_mean - h.grad.mean().item()) < 1e-7
        assert row.dead == (h.abs() > 0.97).all(0).float().mean().item()
    for row, (name, p) in zip(parameters(model), peer.named_parameters(), strict=True):
        assert row.parameter == name
        if p.ndim == 2:
            np.testing.assert_allclose(row[2:], [v.item() for v in (
                p.std(), p.grad.mean(), p.grad.std(), p.grad.std() / p.std())], rtol=1e-3, atol=1e-7)
