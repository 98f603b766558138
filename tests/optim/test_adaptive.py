"""What the adaptive optimisers have beyond test_optim.py; clipping, groups with and without decay, averaged weights."""

import copy
import math
import pickle
import re

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from parameters import P, fill, make, same, values

import tinytensor as tt
from tinytensor import checkpoint, nn, optim
from tinytensor.optim import EMA, SGD, Adagrad, Adam, AdamW, RMSprop, clip_grad_norm_, clip_grad_value_, decay_groups

ADAPTIVE = [Adam, AdamW, RMSprop, Adagrad]


@pytest.fixture
def rng():
    return np.random.default_rng(5)


# --- the arithmetic, written out ---


def adam(theta, g, t, s, lr=0.1, b1=0.9, b2=0.999, eps=1e-8, wd=0.3, decoupled=False):
    if decoupled:
        theta = theta - lr * wd * theta
    else:
        g = g + wd * theta
    s["m"] = b1 * s.get("m", 0) + (1 - b1) * g
    s["v"] = b2 * s.get("v", 0) + (1 - b2) * g**2
    return theta - lr * (s["m"] / (1 - b1**t)) / (np.sqrt(s["v"] / (1 - b2**t)) + eps)


def rmsprop(theta, g, t, s, lr=0.1, alpha=0.99, eps=1e-8, wd=0.3):
    g = g + wd * theta
    s["v"] = alpha * s.get("v", 0) + (1 - alpha) * g**2
    s["a"] = alpha * s.get("a", 0) + (1 - alpha) * g
    s["m"] = 0.9 * s.get("m", 0) + g / (np.sqrt(s["v"] - s["a"] ** 2) + eps)
    return theta - lr * s["m"]


def adagrad(theta, g, t, s, lr=0.1, wd=0.3):
    g = g + wd * theta
    s["sum"] = s.get("sum", 0.5) + g**2
    return theta - lr / (1 + (t - 1) * 0.2) * g / (np.sqrt(s["sum"]) + 1e-10)


@pytest.mark.parametrize(("opt", "formula"), [
    (Adam, adam),
    (AdamW, lambda *a: adam(*a, decoupled=True)),
    (lambda ps, **kw: RMSprop(ps, centered=True, momentum=0.9, **kw), rmsprop),
    (lambda ps, **kw: Adagrad(ps, lr_decay=0.2, initial_accumulator_value=0.5, **kw), adagrad),
], ids=["Adam", "AdamW", "RMSprop", "Adagrad"])
@pytest.mark.parametrize("climb", [False, True])
def test_the_formulas(rng, opt, formula, climb):
    (p,) = make(rng, [(3, 2)])
    opt, theta, state = opt([p], lr=0.1, weight_decay=0.3, maximize=climb), p.data.copy(), {}
    for t in range(1, 13):
        fill(rng, [p])
        theta = formula(theta, -p.grad if climb else p.grad, t, state)
        opt.step()
        np.testing.assert_allclose(p.data, theta, rtol=1e-10)


@pytest.mark.parametrize("kind", ADAPTIVE)
def test_float32_stays_and_is_nearly_float64(rng, kind):
    ps = make(rng, dtype=np.float32)
    qs = [P(p.data) for p in ps]
    options = {"lr": np.float64(0.01), "weight_decay": np.array(0.1), "eps": np.float64(1e-6)}
    if kind in (Adam, AdamW):
        options["betas"] = [np.float64(0.9), np.float64(0.99)]
    one, two = kind(ps, **options), kind(qs, **options)
    for _ in range(10):
        fill(rng, ps)
        for p, q in zip(ps, qs, strict=True):
            q.grad = p.grad.astype(np.float64)
        one.step()
        two.step()
    assert all(v.dtype == np.float32 for block in one.blocks for v in (block.theta, *block.state.values()))
    for p, q in zip(ps, qs, strict=True):
        np.testing.assert_allclose(p.data, q.data, rtol=1e-5, atol=1e-6)


def test_a_step_makes_one_vector_beside_the_gradient(rng, monkeypatch):
    """In place on the gradient's copy and one scratch vector, whatever the options."""
    made = []

    class Counted(np.ndarray):
        def __array_ufunc__(self, ufunc, method, *inputs, out=None, **kw):
            arrays = [x.view(np.ndarray) if isinstance(x, Counted) else x for x in inputs]
            if out is None:
                made.append(ufunc.__name__)
                return getattr(ufunc, method)(*arrays, **kw).view(Counted)
            getattr(ufunc, method)(*arrays, out=tuple(x.view(np.ndarray) for x in out), **kw)
            return out[0]

    for kind, options in [(AdamW, {"amsgrad": True}), (Adam, {}), (RMSprop, {"centered": True, "momentum": 0.9}),
                          (Adagrad, {"initial_accumulator_value": 0.1})]:
        (p,) = make(rng, [(3,)])
        opt = kind([p], maximize=True, **options)
        (block,) = opt.blocks
        made.clear()
        opt.update(block.group, block, np.ones(3).view(Counted))
        assert len(made) == 1, (kind, made)


def test_centered_never_takes_the_root_of_less_than_nothing():
    """A constant gradient has no deviation; rounding leaves a little less than 0, of which PyTorch makes nan."""
    p = P(np.ones(50), np.float32)
    opt = RMSprop([p], centered=True, lr=1e-9, alpha=0.9)
    p.grad = np.linspace(0.1, 3, 50, dtype=np.float32)
    for _ in range(400):
        opt.step()
    assert np.isfinite(p.data).all()


@pytest.mark.parametrize(("kind", "switch", "name"), [
    (Adam, {"amsgrad": True}, "max_exp_avg_sq"), (RMSprop, {"centered": True}, "grad_avg"),
    (RMSprop, {"momentum": 0.9}, "momentum_buffer"),
])
def test_options_may_be_switched_on_late(kind, switch, name):
    """The vectors they ask for are made then, saved then, and gone when a state without them is loaded."""
    p = P([1.0, 2.0])
    p.grad = np.ones(2)
    opt = kind([p])
    opt.step()
    before = opt.state_dict()
    assert name not in before["state"][0] and name not in opt.blocks[0].state
    opt.param_groups[0].update(switch)
    kind([P([0.0, 0.0])]).load_state_dict(opt.state_dict())  # on, and not yet used
    opt.step()
    assert name in opt.state_dict()["state"][0]
    opt.load_state_dict(before)
    assert name not in opt.state_dict()["state"][0] and opt.param_groups[0][next(iter(switch))] in (False, 0)


def test_without_momentum_nothing_is_kept():
    p = P([1.0, 2.0])
    p.grad = np.ones(2)
    (opt := SGD([p])).step()
    assert opt.blocks[0].state == {}


@pytest.mark.parametrize(("kind", "options", "error", "text"), [
    (Adam, {"betas": 0.9}, TypeError, "betas: got 0.9; expected two numbers; write betas=(0.9, 0.999)"),
    (Adam, {"betas": (0.9, 0.99, 0.999)}, TypeError, "betas: got (0.9, 0.99, 0.999); expected two numbers"),
    (AdamW, {"betas": (0.9, 1.0)}, ValueError, "betas[1]: got 1.0; expected 0 or more and below 1; write 0.9"),
    (Adam, {"betas": (-0.1, 0.9)}, ValueError, "betas[0]: got -0.1; expected 0 or more and below 1"),
    (Adam, {"betas": ("a", 0.9)}, TypeError, "betas[0]: got 'a'; expected a number"),
    (RMSprop, {"alpha": 1.5}, ValueError, "alpha: got 1.5; expected 0 or more and below 1"),
    (RMSprop, {"alpha": -1}, ValueError, "alpha: got -1; expected 0 or more and below 1"),
    *((kind, {"eps": -1e-8}, ValueError, "eps: got -1e-08; expected 0 or more") for kind in ADAPTIVE),
    *((kind, {"lr": math.nan}, ValueError, "lr: got nan; expected 0 or more") for kind in ADAPTIVE),
    (Adagrad, {"lr_decay": -1}, ValueError, "lr_decay: got -1; expected 0 or more"),
    (Adagrad, {"initial_accumulator_value": -1}, ValueError, "initial_accumulator_value: got -1; expected 0 or more"),
])
def test_settings_that_are_refused(kind, options, error, text):
    with pytest.raises(error, match=re.escape(text)):
        kind([P([1.0])], **options)


def test_a_state_of_another_class_is_refused():
    p = P([1.0])
    p.grad = np.ones(1)
    (opt := Adam([p])).step()
    saved = {**RMSprop([P([1.0])]).state_dict(), "state": opt.state_dict()["state"]}
    text = ("load_state_dict: got a group without amsgrad, betas, decoupled_weight_decay; expected the settings of "
            "Adam; load the state of the same class")
    with pytest.raises(ValueError, match=re.escape(text)):
        opt.load_state_dict(saved)
    text = "load_state_dict: got {'exp_avg': (1,), 'exp_avg_sq': (1,)} for parameter 0; expected {'square_avg': (1,)}"
    with pytest.raises(ValueError, match=re.escape(text)):
        RMSprop([P([1.0])]).load_state_dict(saved)


@pytest.mark.parametrize("kind", ADAPTIVE)
def test_a_network_learns_by_it_and_goes_on_bit_for_bit(tmp_path, kind):
    """The whole way: tied weights, groups, clipping, a saved file and another process's objects."""
    def build():
        model = nn.Sequential(nn.Embedding(5, 4, rng=1), nn.Tanh(), nn.Linear(4, 5, bias=True, rng=2))
        model[2].weight = model[0].weight
        groups = decay_groups(model.named_parameters(), 0.01)
        return model, kind(groups, lr=0.05), EMA(model.parameters(), 0.9)

    def train(model, opt, ema, steps):
        x = np.arange(5)
        for _ in range(steps):
            loss = tt.cross_entropy(model(x), x[::-1].copy())
            opt.zero_grad()
            loss.backward()
            clip_grad_norm_(model.parameters(), 1.0)
            opt.step()
            ema.update()
        return loss.item()

    model, opt, ema = build()
    first = train(model, opt, ema, 1)
    train(model, opt, ema, 10)
    checkpoint.save(tmp_path / "all.npz", model=model, opt=opt, ema=ema)
    last = train(model, opt, ema, 30)
    model2, opt2, ema2 = build()
    checkpoint.load(tmp_path / "all.npz", model=model2, opt=opt2, ema=ema2)
    assert train(model2, opt2, ema2, 30) == last < 0.7 * first
    assert same(values(model.parameters()), values(model2.parameters())) and same(ema.average, ema2.average)
    assert [p.shape for p in opt.param_groups[0]["params"]] == [(5, 4)]
    assert all(p.dtype == np.float32 for p in model.parameters())


# --- clipping ---

orders = st.sampled_from([2.0, 1, 3.5, math.inf, "inf"])
numbers = st.floats(-1e3, 1e3, width=32)
gradient_lists = st.lists(st.none() | st.lists(numbers, max_size=4), min_size=1, max_size=5)


def with_gradients(grads, dtype):
    ps = [P(np.zeros(0 if g is None else len(g)), dtype) for g in grads]
    for p, g in zip(ps, grads, strict=True):
        p.grad = None if g is None else np.array(g, dtype)
    return ps


def whole(ps):
    return np.concatenate([np.zeros(1), *(p.grad.astype(np.float64) for p in ps if p.grad is not None)])


@given(gradient_lists, st.floats(0, 100), orders, st.sampled_from("fd"))
def test_the_norm_is_at_most_the_maximum_and_the_direction_is_kept(grads, most, order, dtype):
    ps = with_gradients(grads, dtype)
    before, arrays = whole(ps), [p.grad for p in ps]
    norm, tiny = clip_grad_norm_(ps, most, order), 1e-12  # powers of less than that vanish in float32
    assert type(norm) is float
    assert norm == pytest.approx(np.linalg.norm(before, float(order)), rel=1e-5, abs=tiny)
    after = whole(ps)
    assert np.linalg.norm(after, float(order)) <= most * (1 + 1e-5) + tiny
    factor = min(1, most / (norm + 1e-6))
    np.testing.assert_allclose(after, before * factor, rtol=1e-5, atol=tiny)
    if factor == 1:
        assert np.array_equal(after, before)
    assert all(p.grad is a and (a is None or a.dtype == dtype) for p, a in zip(ps, arrays, strict=True))  # in place


@pytest.mark.parametrize("most", [5.0001, 7.5, 1e9, math.inf])
def test_gradients_are_never_scaled_up(most):
    p = P([0.0, 0.0], np.float32)
    p.grad = np.array([3, -4], np.float32)
    assert clip_grad_norm_([p], most) == 5 and p.grad.tolist() == [3, -4]


@given(gradient_lists, st.floats(0, 100), st.sampled_from("fd"))
def test_values_are_cut(grads, most, dtype):
    ps = with_gradients(grads, dtype)
    before, arrays = whole(ps), [p.grad for p in ps]
    assert clip_grad_value_(ps, most) is None
    np.testing.assert_allclose(whole(ps), np.clip(before, -most, most), rtol=1e-6, atol=1e-30)
    assert all(p.grad is a and (a is None or a.dtype == dtype) for p, a in zip(ps, arrays, strict=True))


@pytest.mark.peer
@pytest.mark.parametrize("order", [2.0, 1.0, 3.0, math.inf, "inf"])
@pytest.mark.parametrize("bad", [None, math.inf, -math.inf, math.nan])
@pytest.mark.parametrize("scale", [0.01, 10])
def test_clipping_is_torchs(rng, order, bad, scale):
    torch = pytest.importorskip("torch")
    ps = make(rng, [(3, 2), (4,), (), (1, 3, 2)])  # of an empty gradient torch takes no inf norm
    fill(rng, ps)
    for p in ps:
        p.grad *= scale
    if bad is not None:
        ps[0].grad[1, 0] = bad
    qs = [torch.nn.Parameter(torch.tensor(p.data)) for p in ps]
    for p, q in zip(ps, qs, strict=True):
        q.grad = torch.tensor(p.grad)
    theirs = torch.nn.utils.clip_grad_norm_(qs, 1.5, order)
    np.testing.assert_allclose(clip_grad_norm_(ps, 1.5, order), theirs.item(), rtol=1e-12)
    for p, q in zip(ps, qs, strict=True):
        np.testing.assert_allclose(p.grad, q.grad.numpy(), rtol=1e-12)
    torch.nn.utils.clip_grad_value_(qs, 0.1)
    clip_grad_value_(ps, 0.1)
    for p, q in zip(ps, qs, strict=True):
        np.testing.assert_allclose(p.grad, q.grad.numpy(), rtol=1e-12)


@pytest.mark.parametrize(("bad", "norm"), [(math.inf, "inf"), (-math.inf, "inf"), (math.nan, "nan")])
def test_a_norm_that_is_not_finite(bad, norm):
    p = P([0.0, 0.0])
    p.grad = np.array([bad, 1.0])
    text = f"clip_grad_norm_: got gradients of norm {norm} (order 2.0); expected a finite one; look for the layer"
    with pytest.raises(RuntimeError, match=re.escape(text)):
        clip_grad_norm_([p], 1.0, error_if_nonfinite=True)
    assert p.grad[1] == 1
    assert str(clip_grad_norm_([p], 1.0)) == norm
    assert math.isnan(p.grad[0]) and (p.grad[1] == 0 if norm == "inf" else math.isnan(p.grad[1]))


@pytest.mark.parametrize(("dtype", "huge"), [(np.float32, 3e38), (np.float16, 6e4), (np.float32, 1e20)])
def test_squares_that_overflow_are_no_infinite_norm(dtype, huge):
    p = P([0.0, 0.0], dtype)
    p.grad = np.array([huge, -huge], dtype)
    norm = clip_grad_norm_([p], 1.0, error_if_nonfinite=True)
    assert norm == pytest.approx(huge * 2**0.5, rel=1e-3)
    if dtype is np.float32:
        np.testing.assert_allclose(p.grad, [0.5**0.5, -(0.5**0.5)], rtol=1e-5)
    assert p.grad.dtype == dtype


def test_what_clipping_takes():
    p = P([1.0])
    p.grad = np.array([3.0])
    assert clip_grad_norm_(p, 10) == clip_grad_norm_([p, p], 10) == 3.0  # one, or one twice
    clip_grad_value_(p, 2)
    assert p.grad == 2
    assert clip_grad_norm_([P([1.0])], 1.0) == 0.0  # no gradients
    for bad, error, text in [
        (lambda: clip_grad_norm_([p], -1.0), ValueError, "max_norm: got -1.0; expected 0 or more; leave out the sign"),
        (lambda: clip_grad_norm_([p], "a"), TypeError, "max_norm: got 'a'; expected a number"),
        (lambda: clip_grad_norm_([p], 1.0, 0), ValueError, "norm_type: got 0; expected a number above 0; write 2, 1"),
        (lambda: clip_grad_norm_([p], 1.0, math.nan), ValueError, "norm_type: got nan; expected a number above 0"),
        (lambda: clip_grad_value_([p], math.nan), ValueError, "clip_value: got nan; expected 0 or more"),
        (lambda: clip_grad_norm_(iter(()), 1.0), ValueError, "params: got none"),
        (lambda: clip_grad_norm_([nn.Linear(2, 2)], 1.0), TypeError, "params: got a Linear among them"),
    ]:
        with pytest.raises(error, match=re.escape(text)):
            bad()


# --- averaged weights ---


@given(st.lists(st.lists(numbers, min_size=3, max_size=3), min_size=1, max_size=6), st.floats(0, 0.999),
       st.sampled_from("fd"))
def test_the_average_is_the_weighted_sum(steps, decay, dtype):
    p, q = P(np.ones((2, 1)), dtype), P(0.0, dtype)
    ema = EMA([p, q, p], decay)
    for row in steps:
        p.data[...], q.data[...] = np.array(row[:2], dtype)[:, None], row[2]
        ema.update()
    weights = [(1 - decay) * decay ** (len(steps) - 1 - i) for i in range(len(steps))]
    weights[0] = decay ** (len(steps) - 1)
    want = np.einsum("i,ij->j", weights, np.array(steps))
    own = values([p, q])
    with ema:
        np.testing.assert_allclose([*p.data[:, 0], q.data], want, rtol=1e-4, atol=1e-3)
        assert p.data.dtype == q.data.dtype == dtype
        assert len(steps) > 1 or same(values([p, q]), own)  # the first is taken as it is
    assert same(values([p, q]), own)


@pytest.mark.peer
def test_the_average_is_torchs(rng):
    torch = pytest.importorskip("torch")
    from torch.optim.swa_utils import AveragedModel, get_ema_multi_avg_fn

    model = torch.nn.Linear(3, 2).double()
    peer = AveragedModel(model, multi_avg_fn=get_ema_multi_avg_fn(0.9))
    ps = [P(q.detach().numpy()) for q in model.parameters()]
    ema = EMA(ps, 0.9)
    for _ in range(10):
        for p, q in zip(ps, model.parameters(), strict=True):
            p.data += rng.normal(size=p.data.shape)
            with torch.no_grad():
                q.copy_(torch.tensor(p.data))
        ema.update()
        peer.update_parameters(model)
    for a, q in zip(ema.average, peer.module.parameters(), strict=True):
        np.testing.assert_allclose(a, q.detach().numpy(), rtol=1e-12)
    assert ema.steps == peer.n_averaged


def test_swapping_keeps_the_optimisers_views_and_outlives_an_error(rng):
    ps = make(rng)
    opt, ema = AdamW(ps), EMA(ps, 0.5)
    for _ in range(3):
        fill(rng, ps)
        opt.step()
        ema.update()
    own, views = values(ps), [p.data for p in ps]
    with pytest.raises(ZeroDivisionError), ema as inside:
        assert inside is ema and same(values(ps), ema.average) and not same(values(ps), own)
        raise ZeroDivisionError
    assert same(values(ps), own) and all(p.data is v for p, v in zip(ps, views, strict=True))
    with ema:
        with pytest.raises(RuntimeError, match=re.escape("EMA.update: got parameters that hold the averages")):
            ema.update()
        with pytest.raises(RuntimeError, match=re.escape("EMA: got a `with` block inside another")), ema:
            pass
    assert same(values(ps), own)


def test_an_average_is_saved_and_copied(rng):
    ps = make(rng)
    ema = EMA(ps, 0.75)
    ema.update()
    saved = ema.state_dict()
    frozen = copy.deepcopy(saved)
    for p in ps:
        p.data += 1
    clone = pickle.loads(pickle.dumps(ema))
    ema.update()
    clone.update()
    assert same(saved["average"], frozen["average"]) and same(ema.average, clone.average)
    other = EMA([P(p.data) for p in ps])
    other.load_state_dict(saved)
    other.update()
    assert same(other.average, ema.average) and other.decay == 0.75 and other.steps == 2
    bad = {**saved, "average": [np.zeros((9, 9)), *saved["average"][1:]]}
    with pytest.raises(ValueError, match=re.escape("got averages ['(9, 9) float64', '(4,) float64'")):
        other.load_state_dict(bad)
    with pytest.raises(ValueError, match=re.escape("decay: got 1.0; expected 0 or more and below 1")):
        other.load_state_dict({**saved, "decay": 1.0})
    assert same(other.average, ema.average)
    with pytest.raises(ValueError, match="params: got none"):
        EMA([])
    with pytest.raises(TypeError, match="params: got an int"):
        EMA([3])
    with pytest.raises(ValueError, match="decay: got -0.5; expected 0 or more"):
        EMA(ps, -0.5)


# --- groups with and without decay ---


def test_matrices_decay_but_for_the_exempt():
    shapes = {"wte.weight": (3, 2), "wte2.weight": (3, 2), "h.0.weight": (2, 2), "h.0.bias": (2,),
              "h.00.weight": (2, 2, 2), "gain": ()}
    named = [(name, P(np.ones(shape))) for name, shape in shapes.items()]
    at = {id(p): name for name, p in named}

    def names(*args):
        return [(group["weight_decay"], [at[id(p)] for p in group["params"]]) for group in decay_groups(*args)]

    assert names(iter(named), 0.1) == [(0.1, ["wte.weight", "wte2.weight", "h.0.weight", "h.00.weight"]),
                                       (0.0, ["h.0.bias", "gain"])]
    assert names(named, 0.1, ["wte", "h.0.weight"]) == [(0.1, ["wte2.weight", "h.00.weight"]),
                                                        (0.0, ["wte.weight", "h.0.weight", "h.0.bias", "gain"])]
    assert names(named[:1], 0.1) == [(0.1, ["wte.weight"])] and names(named[3:4], 0.1) == [(0.0, ["h.0.bias"])]
    text = "decay_groups: got exempt paths without a parameter, ['wpe']; expected paths of, or above, ['wte.weight', "
    with pytest.raises(ValueError, match=re.escape(text)):
        decay_groups(named, 0.1, ["wpe", "h"])
    AdamW(decay_groups(named, 0.1), lr=1.0)


def test_all_is_exported():
    assert all(hasattr(optim, name) for name in optim.__all__)
