"""Optimisers and schedules: against PyTorch, against hand formulas, and what makes flat storage safe."""

import copy
import gc
import itertools
import math
import pickle
import re
import weakref
from types import SimpleNamespace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from parameters import P, fill, make, same, values

from tinytensor import optim
from tinytensor.optim import SGD, Adagrad, Adam, AdamW, RMSprop


def reference(theta, g, m, lr, momentum=0, dampening=0, weight_decay=0, nesterov=False, maximize=False):
    """One step of the textbook for one parameter, written out: the new value and the new buffer."""
    g = -g if maximize else g
    g = g + weight_decay * theta
    if momentum:
        m = g if m is None else momentum * m + (1 - dampening) * g
        g = g + momentum * m if nesterov else m
    return theta - lr * g, m


OPTIONS = [
    {"lr": 0.1, "momentum": m, "dampening": d, "weight_decay": w, "nesterov": n, "maximize": x}
    for m, d, w, n, x in itertools.product((0, 0.9), (0, 0.3), (0, 0.02), (False, True), (False, True))
    if not n or (m and not d)
]

# Every optimiser, with each of its options on and off: what is generic is tested for all of them.
EVERY = [
    *((SGD, options) for options in OPTIONS),
    *((kind, {"lr": 0.1, "weight_decay": w, "amsgrad": a, "maximize": x, "betas": b})
      for kind in (Adam, AdamW) for w, a, x, b in itertools.product(
          (0, 0.02), (False, True), (False, True), ((0.9, 0.999), (0.5, 0.0)))),
    *((RMSprop, {"lr": 0.1, "weight_decay": w, "momentum": m, "centered": c, "maximize": x, "alpha": 0.9, "eps": 1e-4})
      for w, m, c, x in itertools.product((0, 0.02), (0, 0.9), (False, True), (False, True))),
    *((Adagrad, {"lr": 0.1, "weight_decay": w, "lr_decay": d, "initial_accumulator_value": i, "maximize": x})
      for w, d, i, x in itertools.product((0, 0.02), (0, 0.1), (0, 0.3), (False, True))),
]
SOME_OF_EACH = EVERY[::5]
every = pytest.mark.parametrize(("kind", "options"), EVERY, ids=lambda x: getattr(x, "__name__", str(x)))
some_of_each = pytest.mark.parametrize(("kind", "options"), SOME_OF_EACH, ids=lambda x: getattr(x, "__name__", str(x)))


# --- the arithmetic ---


@pytest.mark.parametrize("options", OPTIONS, ids=str)
@pytest.mark.parametrize("missing", [0.0, 0.3])
def test_sgd_is_the_formula(rng, options, missing):
    params = make(rng)
    theta, m = values(params), [None] * len(params)
    opt = SGD(params, **options)
    for _ in range(12):
        fill(rng, params, missing)
        for i, p in enumerate(params):
            if p.grad is not None:
                theta[i], m[i] = reference(theta[i], p.grad, m[i], **options)
        opt.step()
        for p, want in zip(params, theta, strict=True):
            np.testing.assert_allclose(p.data, want, rtol=1e-12, atol=1e-14)


@pytest.mark.peer
@every
@pytest.mark.parametrize("missing", [0.0, 0.3])
def test_every_one_is_torchs(rng, kind, options, missing):
    """Values and state, with two groups, settings that change on the way, and gradients that are missing."""
    torch = pytest.importorskip("torch")
    params = make(rng)
    peers = [torch.nn.Parameter(torch.tensor(p.data)) for p in params]
    extra = {"lr": 0.03, "weight_decay": 0.5}
    opt = kind([{"params": params[:2]}, {"params": params[2:], **extra}], **options)
    peer = getattr(torch.optim, kind.__name__)([{"params": peers[:2]}, {"params": peers[2:], **extra}], **options)
    change = {"momentum": 0.5} if options.get("momentum") or kind is SGD else {"lr": 0.07}
    for i in range(20):
        fill(rng, params, missing)
        for p, q in zip(params, peers, strict=True):
            q.grad = None if p.grad is None else torch.tensor(p.grad)
        if i == 10:
            opt.param_groups[1].update(change)
            peer.param_groups[1].update(change)
        opt.step()
        peer.step()
    for p, q in zip(params, peers, strict=True):
        np.testing.assert_allclose(p.data, q.detach().numpy(), rtol=1e-12, atol=1e-14)
    ours, theirs = opt.state_dict(), peer.state_dict()
    assert [g["params"] for g in ours["param_groups"]] == [g["params"] for g in theirs["param_groups"]]
    theirs["state"] = {i: entry for i, entry in theirs["state"].items() if entry and entry.get("step") != 0}
    assert set(ours["state"]) == set(theirs["state"])
    for i, entry in ours["state"].items():
        assert entry.keys() | {"step"} == theirs["state"][i].keys() | {"step"}
        for name, value in theirs["state"][i].items():
            np.testing.assert_allclose(entry[name], value.numpy(), atol=1e-14)


@pytest.mark.peer
@some_of_each
@pytest.mark.parametrize("at", [0, 3])
def test_states_move_both_ways(rng, kind, options, at):
    """Torch's state goes on here, ours there, and all end in the same place."""
    torch = pytest.importorskip("torch")
    params = make(rng)
    there = getattr(torch.optim, kind.__name__)

    def peers_of(ps):
        return [torch.nn.Parameter(torch.tensor(p.data)) for p in ps]

    def moved(tree, convert):
        state = {i: {name: convert(v) for name, v in entry.items()} for i, entry in tree["state"].items()}
        return {"state": state, "param_groups": tree["param_groups"]}

    peers, others = peers_of(params), [P(p.data) for p in params]
    back = peers_of(params)
    opt, peer, other, again = kind(params, **options), there(peers, **options), kind(others), there(back)
    for i in range(6):
        fill(rng, params)
        for p, q, r, b in zip(params, peers, others, back, strict=True):
            q.grad, r.grad, b.grad = torch.tensor(p.grad), p.grad, torch.tensor(p.grad)
        if i == at:
            other.load_state_dict(moved(peer.state_dict(), lambda v: v.numpy() if torch.is_tensor(v) else v))
            if kind is not Adagrad or at:  # torch's Adagrad has a state from the start, and insists on it
                again.load_state_dict(moved(opt.state_dict(), torch.as_tensor))
            else:
                again.load_state_dict(moved(peer.state_dict(), torch.clone))
            for q, r, b in zip(peers, others, back, strict=True):
                r.data[...], b.data[...] = q.detach().numpy(), q.detach()
        for each in (opt, peer, *([other, again] if i >= at else [])):
            each.step()
    for p, q, r, b in zip(params, peers, others, back, strict=True):
        for x in (q.detach().numpy(), r.data, b.detach().numpy()):
            np.testing.assert_allclose(p.data, x, rtol=1e-12, atol=1e-14)


@pytest.mark.peer
@pytest.mark.parametrize("kind", [SGD, Adam, AdamW, RMSprop, Adagrad])
def test_the_defaults_are_torchs(kind):
    torch = pytest.importorskip("torch")
    theirs = getattr(torch.optim, kind.__name__)([torch.nn.Parameter(torch.zeros(1))]).defaults
    ours = kind([P([0.0])]).defaults
    assert ours == {name: theirs[name] for name in ours}
    assert theirs.keys() - ours.keys() <= {"foreach", "fused", "capturable", "differentiable"}


def test_momentum_switched_on_late_starts_undampened():
    p = P([0.0])
    opt = SGD([p], lr=1.0, dampening=0.5)
    p.grad = np.array([1.0])
    opt.step()
    opt.param_groups[0]["momentum"] = 0.5
    opt.step()
    assert p.data == -2.0
    opt.step()  # m = 0.5 * 1 + (1 - 0.5) * 1
    assert p.data == -3.0


@settings(max_examples=60, deadline=None)
@given(data=st.data())
def test_flat_is_the_loop_bit_for_bit(data):
    """Groups, dtypes and missing gradients: as if every parameter had an optimiser of its own."""
    make_it, options = data.draw(st.sampled_from(EVERY))
    shape = st.lists(st.integers(0, 3), max_size=3).map(tuple)
    dtype = st.sampled_from("efd" if make_it is SGD else "fd")  # in float16 eps, 1e-8, is 0
    kinds = data.draw(st.lists(st.tuples(shape, dtype, st.integers(0, 1)), min_size=1, max_size=7))
    rng = np.random.default_rng(data.draw(st.integers(0, 99)))
    params = [P(rng.normal(size=s), d) for s, d, _ in kinds]
    alone = [P(p.data, p.data.dtype) for p in params]
    members = [[p for p, kind in zip(params, kinds, strict=True) if kind[2] == k] for k in (0, 1)]
    groups = [{"params": ps, "lr": 0.1 + k} for k, ps in enumerate(members)]
    opt = make_it([group for group in groups if group["params"]], **options)
    singles = [make_it([q], **{**options, "lr": 0.1 + kind[2]}) for q, kind in zip(alone, kinds, strict=True)]
    for _ in range(data.draw(st.integers(1, 5))):
        fill(rng, params, data.draw(st.sampled_from([0.0, 0.5])))
        for p, q, single in zip(params, alone, singles, strict=True):
            q.grad = None if p.grad is None else p.grad.copy()
            single.step()
        before = [None if p.grad is None else p.grad.copy() for p in params]
        opt.step()
        assert same(values(params), values(alone))  # and every dtype is what it was
        assert all(p.grad is b is None or np.array_equal(p.grad, b) for p, b in zip(params, before, strict=True))


def test_dtypes_stay_and_numpy_numbers_become_pythons():
    params = [P([1.0, 2.0], np.float32), P([3.0], np.float64), P([4.0], np.float16)]
    opt = SGD(params, lr=np.float64(0.1), momentum=np.array(0.5), weight_decay=np.float32(0), nesterov=np.True_)
    group = opt.param_groups[0]
    assert [type(group[name]) for name in ("lr", "momentum", "weight_decay", "nesterov")] == [float, float, float, bool]
    opt.lr = np.float64(0.25)
    assert type(opt.lr) is float and opt.lr == 0.25
    group["lr"] = np.float64(0.25)  # even so
    for p in params:
        p.grad = np.ones_like(p.data)
    opt.step()
    assert [p.data.dtype for p in params] == [np.float32, np.float64, np.float16]
    assert params[0].data.tolist() == [0.625, 1.625]
    saved = opt.state_dict()
    assert [saved["state"][i]["momentum_buffer"].dtype for i in range(3)] == [np.float32, np.float64, np.float16]
    saved["param_groups"][0]["lr"] = np.float64(0.5)
    opt.load_state_dict(saved)
    assert type(opt.lr) is float and opt.lr == 0.5


def test_plain_converts_inside_tuples():
    class Beta(Adam):
        def __init__(self, params, betas):
            super().__init__(params)
            self.add_param_group({"params": [P([1.0])], "betas": betas})

    betas = Beta([P([1.0])], (np.float64(0.9), 0.99)).param_groups[1]["betas"]
    assert betas == (0.9, 0.99) and type(betas[0]) is float


def test_layouts_of_data_and_gradients(rng):
    p, q = P(np.asfortranarray(rng.normal(size=(3, 4)))), P(rng.normal(size=(4, 3)))
    p.data, q.data = np.asfortranarray(p.data), q.data[::-1]
    want = [p.data - 0.5, q.data - np.arange(12.0).reshape(3, 4).T * 0.5]
    opt = SGD([p, q], lr=0.5)
    p.grad, q.grad = np.broadcast_to(np.float64(1), (3, 4)), np.arange(12.0).reshape(3, 4).T
    opt.step()
    np.testing.assert_array_equal(p.data, want[0])
    np.testing.assert_array_equal(q.data, want[1])


@every
def test_the_gradient_is_only_read(kind, options):
    p = P([1.0, 2.0])
    kind([p], **options).step()  # no gradient: nothing
    assert p.data.tolist() == [1, 2]
    opt = kind([p], **options)
    p.grad = np.array([1.0, 1.0])
    p.grad.flags.writeable = False
    opt.step()
    assert p.grad.tolist() == [1, 1] and p.data[0] != 1


# --- flat and safe ---


def test_parameters_are_views_of_one_vector(rng):
    params = make(rng)
    before = values(params)
    opt = SGD(params)
    (block,) = opt.blocks
    assert all(p.data.base is block.theta for p in params)
    assert same(before, values(params))
    block.theta[...] = 7
    assert all((p.data == 7).all() for p in params)


def test_tied_parameters_count_once():
    p, q = P([1.0]), P([2.0])
    opt = SGD([p, q, p], lr=1.0)
    p.grad = np.array([0.25])
    opt.step()
    assert p.data == 0.75
    assert opt.state_dict()["param_groups"][0]["params"] == [0, 1]


def test_rebound_data_is_copied_back_and_bound_again():
    p, q = P([1.0, 2.0]), P([3.0])
    opt = SGD([p, q], lr=1.0)
    mine = np.array([10.0, 20.0])
    p.data = mine
    p.grad, q.grad = np.array([1.0, 1.0]), np.array([1.0])
    opt.step()
    assert p.data.tolist() == [9, 19] and q.data.tolist() == [2]
    assert p.data.base is opt.blocks[0].theta and mine.tolist() == [10, 20]
    opt.step()
    assert p.data.tolist() == [8, 18]


def test_swapped_views_are_swapped_values():
    p, q = P([1.0]), P([2.0])
    opt = SGD([{"params": [p]}, {"params": [q]}], lr=1.0)
    p.data, q.data = q.data, p.data
    p.grad, q.grad = np.zeros(1), np.zeros(1)
    opt.step()
    assert (p.data.item(), q.data.item()) == (2, 1)
    p.data = q.data  # another parameter's view: its value is taken, the two stay apart
    p.grad = np.ones(1)
    opt.step()
    assert (p.data.item(), q.data.item()) == (0, 1)


@pytest.mark.parametrize(
    ("new", "kind"),
    [(np.zeros((3, 2)), "(3, 2) float64"), (np.zeros((2, 3), "f"), "(2, 3) float32"), ([1.0], "a list")],
)
def test_rebound_data_of_another_kind_is_refused(new, kind):
    p, q = P(np.ones((2, 3))), P([5.0])
    opt = SGD([q, p], lr=1.0)
    q.grad = np.ones(1)
    p.data = new
    text = (f"SGD: parameter 1: got {kind}; expected (2, 3) float64, as before; convert the new data, or make a new "
            "optimiser")
    with pytest.raises(ValueError, match=re.escape(text)):
        opt.step()
    assert q.data == 5 and p.data is new
    p.data = np.full((2, 3), 4.0)
    opt.step()
    assert q.data == 4 and p.data[0, 0] == 4


def test_a_newer_optimiser_takes_over_and_the_older_says_so():
    p, q = P([1.0, 2.0]), P([3.0])
    old = SGD([q, p], lr=1.0)
    p.grad, q.grad = np.ones(2), np.ones(1)
    old.step()
    new = SGD([p], lr=10.0)
    assert p.data.tolist() == [0, 1]  # its values at that moment
    new.step()
    text = ("SGD: parameter 1: got one that now belongs to a newer SGD; expected one optimiser; go on with the newer "
            "one, or delete it, and this one takes it back")
    with pytest.raises(RuntimeError, match=re.escape(text)):
        old.step()
    assert q.data == 2 and p.data.tolist() == [-10, -9]
    p.data = p.data.copy()  # rebinding doesn't free it
    with pytest.raises(RuntimeError, match="now belongs to a newer SGD"):
        old.step()
    del new
    old.step()
    assert q.data == 1 and p.data.tolist() == [-11, -10]
    assert p.data.base is old.blocks[0].theta
    newest = SGD([p])
    with pytest.raises(RuntimeError, match="now belongs to a newer SGD"):
        old.step()
    newest.step()


def test_taking_back_is_a_binding_too():
    p = P([1.0])
    p.grad = np.ones(1)
    first, second, third = SGD([p], lr=1.0), SGD([p], lr=1.0), SGD([p], lr=1.0)
    del third
    first.step()
    with pytest.raises(RuntimeError, match="belongs"):
        second.step()
    assert p.data == 0


def test_a_failed_constructor_binds_nothing():
    p, q = P([1.0]), P([2.0])
    old = SGD([p], lr=1.0)
    p.grad = np.ones(1)
    before = p.data
    with pytest.raises(ValueError, match="two groups"):
        SGD([{"params": [p]}, {"params": [q, p]}])
    with pytest.raises(ValueError, match="lr"):
        SGD([p], lr=-1)
    assert p.data is before
    with pytest.raises(TypeError, match="got an int among them"):
        old.add_param_group({"params": [q, 3]})
    assert len(old.param_groups) == len(old.blocks) == 1
    old.step()
    assert p.data == 0


@pytest.mark.parametrize("kind", [lambda ps, **kw: SGD(ps, momentum=0.9, **kw), Adam, AdamW, RMSprop, Adagrad])
def test_no_gradient_means_skipped(rng, kind):
    """No decay, no momentum, its own count of steps; and the neighbours go on as one."""
    params = make(rng, [(2,)] * 5)
    opt = kind(params, lr=0.1, weight_decay=0.1)
    fill(rng, params)
    opt.step()
    assert len(opt.blocks) == 1
    frozen = params[2].data.copy()
    params[2].grad = None
    opt.step()
    opt.step()
    assert np.array_equal(params[2].data, frozen)
    assert [block.indices for block in opt.blocks] == [[0, 1], [2], [3, 4]]
    assert [block.t for block in opt.blocks] == [3, 1, 3]
    assert [opt.state_dict()["state"][i]["step"] for i in range(5)] == [3, 3, 1, 3, 3]
    assert all(p.data.base is block.theta for block in opt.blocks for p in block.params)


def test_a_parameter_never_used_has_no_state():
    p, q = P([1.0]), P([2.0])
    opt = SGD([p, q], momentum=0.9)
    opt.step()
    assert len(opt.blocks) == 1 and opt.state_dict()["state"] == {}
    q.grad = np.ones(1)
    opt.step()
    assert list(opt.state_dict()["state"]) == [1]


@pytest.mark.parametrize(
    ("grad", "kind"),
    [
        (np.ones((3, 2)), "(3, 2) float64"),
        (np.ones(6), "(6,) float64"),
        (np.float64(1), "() float64"),
        (np.ones((2, 3), "f"), "(2, 3) float32"),
        (np.ones((2, 3), int), "(2, 3) int64"),
        ([1.0], "a list"),
    ],
)
@pytest.mark.parametrize("other", [None, np.ones(1)])
def test_a_gradient_of_another_kind_is_refused(grad, kind, other):
    p, q = P(np.ones((2, 3))), P([5.0])
    opt = SGD([{"params": [q]}, {"params": [p]}], lr=1.0)
    q.grad, p.grad = other, grad
    text = (f"the gradient of parameter 1: got {kind}; expected (2, 3) float64, as its data; set p.grad to such an "
            "array, or to None")
    with pytest.raises(ValueError, match=re.escape(text)) as caught:
        opt.step()
    assert caught.value.__suppress_context__  # NumPy's own words don't stand in front
    assert q.data == 5 and (p.data == 1).all()


def test_a_bad_gradient_beside_a_missing_one_is_refused():
    p, q = P([1.0, 2.0]), P([5.0])
    opt = SGD([p, q], lr=1.0)
    p.grad = np.ones(3)
    with pytest.raises(ValueError, match="parameter 0: got"):
        opt.step()


def test_an_error_that_is_not_ours_comes_through():
    class Odd(np.ndarray):
        def ravel(self):
            raise TypeError("odd")

    p = P([1.0])
    opt = SGD([p])
    p.grad = np.ones(1).view(Odd)
    with pytest.raises(TypeError, match="odd"):
        opt.step()


def test_zero_grad_sets_none():
    p, q = P([1.0], "f"), P([1.0])
    opt = SGD([p, q])
    p.grad, q.grad = np.ones(1, "f"), np.ones(1)
    opt.zero_grad()
    assert p.grad is None and q.grad is None


def test_a_dead_optimiser_is_freed_at_once():
    gc.disable()
    try:
        p = P([1.0, 2.0])
        opt = SGD([p], momentum=0.9)
        p.grad = np.ones(2)
        opt.step()
        ref = weakref.ref(opt)
        del opt
        assert ref() is None
        ref = weakref.ref(p)
        del p
        assert ref() is None
    finally:
        gc.enable()


@some_of_each
@pytest.mark.parametrize("clone", [copy.deepcopy, lambda x: pickle.loads(pickle.dumps(x))], ids=["deepcopy", "pickle"])
def test_a_copy_goes_on_with_copied_parameters(rng, clone, kind, options):
    params = make(rng)
    opt = kind([{"params": params[:2], "lr": 0.5}, {"params": params[2:]}], **options)
    fill(rng, params, 0.4)
    opt.step()
    params2, opt2 = clone((params, opt))
    assert [p is q for g in opt2.param_groups for p, q in zip(g["params"], params2, strict=False)][:2] == [True, True]
    frozen = values(params)
    fill(rng, params)
    for p, q in zip(params, params2, strict=True):
        q.grad = p.grad.copy()
    opt2.step()
    assert same(values(params), frozen)
    opt.step()
    assert same(values(params), values(params2))
    assert not same(values(params), frozen)


# --- groups and saving ---


def test_groups_and_the_common_rate():
    p, q, r = P([1.0]), P([1.0]), P([1.0])
    given_group = {"params": [q], "lr": 0.5, "name": "head"}
    opt = SGD([{"params": (x for x in [p])}, given_group], lr=0.25)
    opt.add_param_group({"params": [r]})
    assert [g["lr"] for g in opt.param_groups] == [0.25, 0.5, 0.25]
    assert opt.param_groups[1]["name"] == "head" and given_group["params"][0] is q
    for x in (p, q, r):
        x.grad = np.ones(1)
    opt.step()
    assert [x.data.item() for x in (p, q, r)] == [0.75, 0.5, 0.75]
    text = "opt.lr: got groups with lr [0.25, 0.5, 0.25]; expected one for all; read opt.param_groups[i]['lr']"
    with pytest.raises(ValueError, match=re.escape(text)):
        _ = opt.lr
    opt.lr = 0.125
    assert opt.lr == 0.125 and [g["lr"] for g in opt.param_groups] == [0.125] * 3
    assert [g["params"] for g in opt.state_dict()["param_groups"]] == [[0], [1], [2]]


def test_the_rate_may_be_a_stand_in():
    """While a step is compiled, numbers are stood in for by objects that have arithmetic but no order."""

    class Stand:
        __array_ufunc__ = None

        def __neg__(self):
            raise AssertionError

        def __lt__(self, other):
            raise AssertionError

        __ge__ = __eq__ = __lt__
        __hash__ = None

    stand = Stand()
    opt = SGD([{"params": [P([1.0])]}, {"params": [P([1.0])]}])
    opt.lr = stand
    assert opt.lr is stand


@every
@pytest.mark.parametrize("missing", [0.0, 0.5])
def test_a_saved_state_goes_on_exactly(rng, missing, kind, options):
    options = {name: value for name, value in options.items() if name != "lr"}
    kinds = [np.float64, np.float32, np.float64, np.float32]
    params = [P(rng.normal(size=(i + 1, 2)), kind) for i, kind in enumerate(kinds)]

    def build(ps, lr):
        return kind([{"params": ps[:3]}, {"params": ps[3:], "lr": lr}], lr=lr, **options)

    opt = build(params, 0.1)
    for _ in range(3):
        fill(rng, params, missing)
        opt.step()
    saved = opt.state_dict()
    frozen = copy.deepcopy(saved)
    others = [P(p.data, p.data.dtype) for p in params]
    other = build(others, 0.7)
    for p in others:
        p.grad = np.ones_like(p.data)
    other.step()  # has a state of its own, to be replaced
    for p, q in zip(params, others, strict=True):
        q.data[...] = p.data
    vectors = [(name, v) for block in other.blocks for name, v in block.state.items()] if not missing else []
    other.load_state_dict(saved)
    assert all(any(np.shares_memory(v, block.state[name]) for block in other.blocks) for name, v in vectors)
    assert [g["lr"] for g in other.param_groups] == [0.1, 0.1]
    for _ in range(3):
        fill(rng, params)
        for p, q in zip(params, others, strict=True):
            q.grad = p.grad
        opt.step()
        other.step()
    assert same(values(params), values(others))
    for i, entry in frozen["state"].items():  # what was saved is a copy
        assert all(np.array_equal(value, saved["state"][i][name]) for name, value in entry.items())
    assert frozen["param_groups"] == saved["param_groups"]


def test_the_layout_of_a_state_dict():
    p, q = P([1.0], "f"), P([2.0, 3.0])
    opt = SGD([p, q], lr=0.5, momentum=0.5)
    p.grad, q.grad = np.ones(1, "f"), np.ones(2)
    opt.step()
    saved = opt.state_dict()
    assert list(saved["state"]) == [0, 1]
    assert saved["state"][1]["step"] == 1 and saved["state"][1]["momentum_buffer"].tolist() == [1, 1]
    assert saved["param_groups"] == [
        {"lr": 0.5, "momentum": 0.5, "dampening": 0, "weight_decay": 0, "nesterov": False, "maximize": False,
         "params": [0, 1]}
    ]


def test_steps_may_differ_by_parameter_in_a_saved_state():
    params = [P([1.0], kind) for kind in "dfdd"]
    opt = SGD(params, momentum=0.5, dampening=0.5)
    saved = opt.state_dict()
    entries = {0: 3, 1: 1, 3: 2}
    saved["state"] = {i: {"step": t, "momentum_buffer": np.ones(1)} for i, t in entries.items()}
    opt.load_state_dict(saved)
    again = opt.state_dict()["state"]
    assert list(again) == [0, 1, 3] and {i: entry["step"] for i, entry in again.items()} == entries
    opt.lr = 1.0
    for p in params:
        p.grad = np.ones_like(p.data)
    opt.step()  # the third has no buffer yet: it takes its gradient undampened, as 0.5 * 1 + 0.5 * 1 is for the others
    assert [entry["step"] for entry in opt.state_dict()["state"].values()] == [4, 2, 1, 3]
    assert [p.data.item() for p in params] == [0, 0, 0, 0]


def test_states_that_do_not_fit_are_refused_and_change_nothing():
    p, q = P([1.0]), P([2.0, 3.0])
    opt = SGD([p, q], lr=0.5, momentum=0.5)
    p.grad, q.grad = np.ones(1), np.ones(2)
    opt.step()
    good = opt.state_dict()

    def changed(**changes):
        return {**copy.deepcopy(good), **changes}

    group = good["param_groups"][0]
    cases = [
        (changed(param_groups=[{**group, "params": [0]}]),
         "load_state_dict: got groups of [1] parameters; expected [2]; build the same groups"),
        (changed(param_groups=[{"params": [0, 1], "lr": 9.0}]),
         "load_state_dict: got a group without dampening, maximize, momentum, nesterov, weight_decay; expected the "
         "settings of SGD; load the state of the same class"),
        (changed(param_groups=[{**group, "lr": -1.0}]), "lr: got -1.0; expected 0 or more; leave out the sign"),
        (changed(state={0: {"step": 5, "momentum_buffer": np.ones(1)}, 1: {"momentum_buffer": np.ones(3)}}),
         "load_state_dict: got {'momentum_buffer': (3,)} for parameter 1; expected {'momentum_buffer': (2,)}; load the "
         "state of the same parameters and class"),
        (changed(state={1: {"step": 5, "exp_avg": np.ones(2)}}), "load_state_dict: got {'exp_avg': (2,)} for"),
        (changed(state={0: {"step": 5}}), "load_state_dict: got {} for parameter 0"),
    ]
    for bad, text in cases:
        with pytest.raises(ValueError, match=re.escape(text)):
            opt.load_state_dict(bad)
        now = opt.state_dict()
        assert now["param_groups"] == good["param_groups"]
        for i in (0, 1):
            assert np.array_equal(now["state"][i]["momentum_buffer"], good["state"][i]["momentum_buffer"])
    opt.load_state_dict(changed(state={0: {"momentum_buffer": None}}))  # as an older PyTorch writes it
    assert opt.state_dict()["state"] == {}
    assert (opt.blocks[0].vector("momentum_buffer") == 0).all()


# --- what is refused ---


@pytest.mark.parametrize(
    ("params", "error", "text"),
    [
        ([], ValueError, "params: got none; expected one parameter or more; keep layers in nn.ModuleList, not in a "
         "plain list, and read a generator only once"),
        (iter(()), ValueError, "params: got none"),
        ([{"params": []}], ValueError, "params: got none"),
        (P([1.0]), TypeError, "params: got a P; expected a list of parameters; write [p]"),
        ([{"params": P([1.0])}], TypeError, "params: got a P"),
        (np.ones(3), TypeError,
         "params: got an ndarray; expected a list of parameters; write model.parameters(), or [p, q]"),
        ({P([1.0])}, TypeError,
         "params: got a set; expected a list of parameters; write a list: a set has another order in each run"),
        (frozenset([P([1.0])]), TypeError, "params: got a frozenset"),
        ({"w": P([1.0])}, TypeError, "params: got a dict; expected a list of parameters; write [*params.values()]"),
        ("w", TypeError, "params: got a str"),
        ([P([1.0]), 3], TypeError, "params: got an int among them; expected Tensors, which have data and "
         "grad; pass nn.Parameter(x), or model.parameters()"),
        ([np.ones(3)], TypeError, "params: got an ndarray among them"),
        ([SimpleNamespace(data=np.ones(3))], TypeError, "params: got a SimpleNamespace among them"),
        ([("w", P([1.0]))], TypeError, "leave out the names, as model.parameters() does"),
        ([P([1.0]), {"params": []}], TypeError,
         "params: got a dict among them; expected Tensors, which have data and grad; "
         "pass groups alone, each a dict, or parameters alone"),
        ([{"params": [P([1.0])]}, P([2.0])], TypeError, "a group: got <"),
        ([{"lr": 0.1}], TypeError,
         "a group: got {'lr': 0.1}; expected a dict; write {'params': [p, q], 'lr': 0.1}"),
        ([P([1], int)], TypeError, "a parameter: got (1,) int64; expected floats; convert it, or leave it out"),
        ([P([1], complex)], TypeError, "a parameter: got (1,) complex128"),
    ],
)
def test_parameters_that_are_none(params, error, text):
    with pytest.raises(error, match=re.escape(text)):
        SGD(params)


def test_a_parameter_in_two_groups():
    p = P([1.0])
    text = "a parameter: got (1,) float64 in two groups; expected it in one; leave it out of the other"
    with pytest.raises(ValueError, match=re.escape(text)):
        SGD([{"params": [p]}, {"params": [p]}])
    opt = SGD([p])
    with pytest.raises(ValueError, match=re.escape(text)):
        opt.add_param_group({"params": [p]})


def test_parameters_that_share_memory():
    p, q = P(np.ones((2, 2))), P(np.ones((2, 2)))
    q.data = p.data.T
    text = ("a parameter: got (2, 2) float64, which shares memory with another; expected its own array; copy one, or "
            "use one Tensor in both places")
    with pytest.raises(ValueError, match=re.escape(text)):
        SGD([p, q])
    with pytest.raises(ValueError, match=re.escape(text)):
        SGD([{"params": [p]}, {"params": [q]}])
    p.data, q.data = np.ones((0, 2)), np.ones((0, 2))
    q.data = p.data
    SGD([p, q])  # nothing to share


@pytest.mark.parametrize("name", ["lr", "momentum", "weight_decay"])
def test_settings_out_of_range(name):
    for bad in (-0.1, math.nan, np.float64(-0.1)):
        hint = " (maximize=True climbs)" if name == "lr" else ""
        advice = "look where the nan comes from" if bad != bad else f"leave out the sign{hint}"
        text = f"{name}: got {float(bad)!r}; expected 0 or more; {advice}"
        with pytest.raises(ValueError, match=re.escape(text)):
            SGD([P([1.0])], **{name: bad})
        with pytest.raises(ValueError, match=re.escape(text)):
            SGD([{"params": [P([1.0])], name: bad}])
    for bad in ("0.1", None, optim.constant(0.1), np.ones(2), [0.1]):
        advice = "call the schedule, as in schedule(i)" if callable(bad) else "pass a float"
        text = f"{name}: got {bad!r}; expected a number; {advice}"
        with pytest.raises(TypeError, match=re.escape(text)):
            SGD([P([1.0])], **{name: bad})
    SGD([P([1.0])], **{name: 0})


@pytest.mark.parametrize(("momentum", "dampening"), [(0, 0), (0.9, 0.1), (0, 0.1)])
def test_nesterov_needs_momentum_and_no_dampening(momentum, dampening):
    text = (f"nesterov: got momentum {momentum} and dampening {dampening}; expected momentum above 0 and dampening 0; "
            "set momentum=0.9, or leave nesterov out")
    with pytest.raises(ValueError, match=re.escape(text)):
        SGD([P([1.0])], nesterov=True, momentum=momentum, dampening=dampening)


def test_the_rate_is_checked_when_set():
    opt = SGD([P([1.0])], lr=0.5)
    with pytest.raises(ValueError, match="lr: got -1; expected 0 or more"):
        opt.lr = -1
    with pytest.raises(TypeError, match="call the schedule"):
        opt.lr = optim.constant(0.1)
    assert opt.lr == 0.5


# --- schedules ---

rates = st.floats(0, 10)
counts = st.integers(1, 1000)
steps = st.integers(0, 3000)


@given(rates, rates, counts, steps)
def test_schedules_by_hand(a, b, n, i):
    done = min(i, n) / n
    assert optim.constant(a)(i) == a
    assert optim.linear(a, b, n)(i) == pytest.approx(a + (b - a) * done, abs=1e-12)
    assert optim.cosine(a, b, n)(i) == pytest.approx(b + (a - b) * math.cos(math.pi * done / 2) ** 2, abs=1e-12)
    assert optim.piecewise(a, {n: b})(i) == (a if i < n else b)
    assert optim.warmup(optim.constant(a), n)(i) == pytest.approx(a * min(1, (i + 1) / n), abs=1e-12)
    assert optim.warmup(optim.linear(a, b, n), n)(i) == pytest.approx(
        optim.linear(a, b, n)(i) * min(1, (i + 1) / n), abs=1e-12
    )


@given(rates, rates, counts)
def test_ends_are_exact_and_values_stay_between(a, b, n):
    for kind in (optim.linear, optim.cosine):
        schedule = kind(a, b, n)
        assert schedule(0) == pytest.approx(a, abs=1e-15, rel=1e-15)
        assert schedule(n) == schedule(n + 1) == schedule(10 * n) == b
        assert min(a, b) - 1e-12 <= schedule(n // 2) <= max(a, b) + 1e-12


def test_the_lectures_rates():
    schedule = optim.piecewise(0.1, {100_000: 0.03})
    assert [schedule(i) for i in (0, 99_999, 100_000, 200_000)] == [0.1, 0.1, 0.03, 0.03]
    schedule = optim.piecewise(0.1, {20: 0.01, 10: 0.05})  # in any order
    assert [schedule(i) for i in (9, 10, 19, 20)] == [0.1, 0.05, 0.05, 0.01]
    assert [optim.linear(0.1, 0.0, 10)(i) for i in (0, 5, 10)] == [0.1, 0.05, 0.0]
    assert [optim.warmup(optim.constant(1.0), 4)(i) for i in range(5)] == [0.25, 0.5, 0.75, 1.0, 1.0]


SOME = [
    optim.constant(0.1),
    optim.linear(0.1, 0.0, 100),
    optim.cosine(0.1, 0.01, 100),
    optim.piecewise(0.1, {50: 0.03, 70: 0.01}),
    optim.warmup(optim.cosine(0.1, 0.01, 100), 10),
    optim.warmup(optim.cosine(0.1, 0.01, 90), 10, delay=True),
]


@pytest.mark.parametrize("schedule", SOME, ids=str)
def test_schedules_print_compare_copy_and_stay(schedule):
    again = eval(repr(schedule), vars(optim))
    assert again == schedule == pickle.loads(pickle.dumps(schedule)) == copy.deepcopy(schedule)
    assert hash(again) == hash(schedule) and {type(schedule)(**vars(schedule)): 1}[schedule] == 1
    assert [again(i) for i in range(120)] == [schedule(i) for i in range(120)]
    assert type(schedule(np.int64(3))) is float and type(schedule(0)) is float
    with pytest.raises(AttributeError):
        schedule.steps = 3
    text = f"{type(schedule).__name__}: got step -1; expected 0 or more; count steps from 0"
    with pytest.raises(ValueError, match=re.escape(text)):
        schedule(-1)


def test_schedules_differ():
    assert len({repr(s) for s in SOME}) == len(set(SOME)) == len(SOME)
    assert repr(SOME[1]) == "linear(start=0.1, stop=0.0, steps=100)"
    assert repr(optim.linear(np.float64(0.1), 0.0, np.int64(100))) == repr(SOME[1])


@pytest.mark.parametrize("steps", [0, -5, 2.0, "3", None, True])
def test_counts_that_are_none(steps):
    text = f"steps: got {steps!r}; expected an int, 1 or more; pass a number of steps"
    for make_it in (lambda n: optim.linear(0.1, 0.0, n), lambda n: optim.cosine(0.1, 0.0, n),
                    lambda n: optim.warmup(optim.constant(0.1), n)):
        with pytest.raises(ValueError, match=re.escape(text)):
            make_it(steps)
    with pytest.raises(ValueError, match=re.escape(text.replace("steps:", "a step of then:"))):
        optim.piecewise(0.1, {steps: 0.3})


@pytest.mark.parametrize(("bad", "error"), [(-0.1, ValueError), (math.nan, ValueError), ("0.1", TypeError)])
def test_rates_that_are_none(bad, error):
    makers = {
        "value": lambda: optim.constant(bad),
        "start": lambda: optim.linear(bad, 0.1, 3),
        "stop": lambda: optim.cosine(0.1, bad, 3),
        "first": lambda: optim.piecewise(bad, {}),
        "a rate of then": lambda: optim.piecewise(0.1, {3: bad}),
    }
    for name, make_it in makers.items():
        with pytest.raises(error, match=re.escape(f"{name}: got {bad!r}; expected")):
            make_it()


def test_warmup_wraps_a_schedule():
    text = "warmup: got 0.1; expected a schedule; write warmup(constant(0.1), 100)"
    with pytest.raises(TypeError, match=re.escape(text)):
        optim.warmup(0.1, 10)
    assert optim.warmup(lambda i: 2.0 * i, 2)(5) == 10.0


@given(rates, rates, counts, counts, steps)
def test_a_cosine_that_begins_after_the_warm_up(a, b, warm, n, i):
    """The rate of nanoGPT's train.py, as it stands there; its last steps of warm-up end at the full rate."""
    schedule = optim.warmup(optim.cosine(a, b, n), warm, delay=True)
    if i < warm:
        want = a * (i + 1) / warm
    elif i > warm + n:
        want = b
    else:
        want = b + 0.5 * (1 + math.cos(math.pi * (i - warm) / n)) * (a - b)
    assert schedule(i) == pytest.approx(want, abs=1e-12)


def test_a_training_loop_with_a_schedule():
    p = P([8.0])
    opt = SGD([p], lr=0.5)
    schedule = optim.warmup(optim.linear(0.5, 0.0, 50), 5)
    for i in range(50):
        opt.zero_grad()
        p.grad = p.data.copy()
        opt.lr = schedule(i)
        opt.step()
    assert opt.lr == schedule(49) and 0 < abs(p.data.item()) < 0.01


@pytest.fixture
def rng():
    return np.random.default_rng(3)


def test_the_output_of_an_op_is_refused():
    import tinytensor as tt

    with pytest.raises(TypeError, match="the output of an op, which gets no gradient; expected a leaf; pass"):
        SGD([tt.ones(2, requires_grad=True) * 2], lr=0.1)


def test_parameters_of_whole_lines_of_the_cache_begin_with_one():
    params = [P(np.ones(shape, np.float32)) for shape in ((27,), (16, 3), (5, 5), (64, 4))]
    opt = SGD(params, lr=1.0)
    assert [p.data.ctypes.data % 64 for p in (params[1], params[3])] == [0, 0]
    for i, p in enumerate(params):
        p.grad = np.full_like(p.data, i)
    opt.step()
    assert [p.data.ravel()[0] for p in params] == [1, 0, -1, -2]
