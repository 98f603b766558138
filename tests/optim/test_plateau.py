"""ReduceLROnPlateau against PyTorch's, and KeepBest: what both remember of a metric, and how they are saved."""

import copy
import math
import re

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

import tinytensor as tt
from tinytensor import checkpoint, nn, optim


def optimizer(lrs=(1.0,)):
    return optim.SGD([{"params": [nn.Parameter(np.zeros(2))], "lr": lr} for lr in lrs])


# --- ReduceLROnPlateau ---


@pytest.mark.peer
@given(
    metrics=st.lists(st.sampled_from([3.0, 2.0, 1.9999, 1.5, 0.0, -1.0, math.inf, -math.inf, math.nan]), max_size=30),
    options=st.fixed_dictionaries({
        "mode": st.sampled_from(["min", "max"]), "factor": st.sampled_from([0.1, 0.5, 0.0]),
        "patience": st.integers(0, 3), "threshold": st.sampled_from([1e-4, 0.1, 0.0, 1.0]),
        "threshold_mode": st.sampled_from(["rel", "abs"]), "cooldown": st.integers(0, 3),
        "min_lr": st.sampled_from([0, 0.2, [0.3, 0.01]]), "eps": st.sampled_from([1e-8, 0.3])}))
def test_it_is_torchs(metrics, options):
    torch = pytest.importorskip("torch")
    opt, peer = optimizer((1.0, 0.3)), torch.optim.SGD(
        [{"params": [torch.nn.Parameter(torch.zeros(2))], "lr": lr} for lr in (1.0, 0.3)])
    ours, theirs = optim.ReduceLROnPlateau(opt, **options), torch.optim.lr_scheduler.ReduceLROnPlateau(peer, **options)
    for metric in metrics:
        ours.step(metric)
        theirs.step(metric)
        assert [g["lr"] for g in opt.param_groups] == [g["lr"] for g in peer.param_groups]
        assert ours.num_bad_epochs == theirs.num_bad_epochs
        assert ours.best == theirs.best and ours.cooldown_counter == theirs.cooldown_counter


@pytest.mark.peer
def test_the_defaults_are_torchs():
    torch = pytest.importorskip("torch")
    theirs = torch.optim.lr_scheduler.ReduceLROnPlateau(torch.optim.SGD([torch.nn.Parameter(torch.zeros(1))], lr=1.0))
    ours = optim.ReduceLROnPlateau(optimizer())
    for name in ("mode", "factor", "patience", "threshold", "threshold_mode", "cooldown", "eps"):
        assert getattr(ours, name) == getattr(theirs, name)


def test_plateau_takes_a_tensor_and_goes_on_from_a_checkpoint(tmp_path):
    opt = optimizer()
    plateau = optim.ReduceLROnPlateau(opt, factor=0.5, patience=2, min_lr=[0.1])
    for loss in (2.0, 1.0, 1.0, 1.0):
        plateau.step(tt.tensor(loss))
    assert opt.lr == 1.0 and plateau.num_bad_epochs == 2
    checkpoint.save(tmp_path / "a.npz", opt=opt, plateau=plateau)
    opt2 = optimizer()
    again = optim.ReduceLROnPlateau(opt2)
    checkpoint.load(tmp_path / "a.npz", opt=opt2, plateau=again)
    assert repr(again) == repr(plateau) and again.optimizer is opt2
    for each in (plateau, again):
        each.step(np.float64(1.0))
    assert opt.lr == opt2.lr == 0.5 and type(opt2.lr) is float
    with pytest.raises(ValueError, match=re.escape("ReduceLROnPlateau.load_state_dict: got ['best']; expected [")):
        again.load_state_dict({"best": 1.0})
    assert copy.deepcopy(plateau).state_dict() == plateau.state_dict()


def test_plateau_prints():
    assert repr(optim.ReduceLROnPlateau(optimizer(), patience=3)) == (
        "ReduceLROnPlateau(mode='min', factor=0.1, patience=3, threshold=0.0001, threshold_mode='rel', cooldown=0, "
        "min_lr=0, eps=1e-08, best=inf, num_bad_epochs=0, cooldown_counter=0)")


def test_a_compiled_step_follows_the_plateau_without_a_new_program():
    model = nn.Linear(3, 1, rng=0)
    opt = optim.SGD(model.parameters(), lr=0.5)

    def step(x):
        loss = (model(x) ** 2).mean()
        opt.zero_grad()
        loss.backward()
        opt.step()
        return loss

    compiled, plateau = tt.compile(step, model, opt), optim.ReduceLROnPlateau(opt, factor=0.0, patience=0)
    x = np.ones((2, 3), "f")
    compiled(x)
    plateau.step(1.0)
    plateau.step(1.0)
    before = model.weight.data.copy()
    compiled(x)
    assert opt.lr == 0 and (model.weight.data == before).all() and len(compiled.programs) == 1


@pytest.mark.parametrize(("options", "error", "text"), [
    ({"mode": "minimum"}, ValueError, "mode: got 'minimum'; expected 'min' or 'max'; choose one"),
    ({"threshold_mode": None}, ValueError, "threshold_mode: got None; expected 'rel' or 'abs'; choose one"),
    ({"factor": 1.0}, ValueError, "factor: got 1.0; expected 0 or more and below 1"),
    ({"factor": -0.5}, ValueError, "factor: got -0.5; expected 0 or more and below 1"),
    ({"patience": 1.5}, ValueError, "patience: got 1.5; expected an int, 0 or more; pass a number of calls"),
    ({"cooldown": -1}, ValueError, "cooldown: got -1; expected an int, 0 or more"),
    ({"threshold": "a"}, TypeError, "threshold: got 'a'; expected a number"),
    ({"eps": -1.0}, ValueError, "eps: got -1.0; expected 0 or more"),
    ({"min_lr": -1.0}, ValueError, "min_lr: got -1.0; expected 0 or more"),
    ({"min_lr": [0.1, 0.2]}, ValueError, "min_lr: got 2 values; expected 1, one for each of optimizer.param_groups; "),
])
def test_arguments_of_a_plateau_that_are_refused(options, error, text):
    with pytest.raises(error, match=re.escape(text)):
        optim.ReduceLROnPlateau(optimizer(), **options)


def test_a_plateau_of_no_optimiser():
    text = "ReduceLROnPlateau: got a Linear; expected an optimiser; pass one of tt.optim"
    with pytest.raises(TypeError, match=re.escape(text)):
        optim.ReduceLROnPlateau(nn.Linear(2, 2))


# --- KeepBest ---


def model_of(value):
    model = nn.Sequential(nn.Linear(2, 2, rng=0), nn.BatchNorm1d(2))
    set_to(model, value)
    return model


def set_to(model, value):
    for x in (*model.parameters(), model[1].running_mean):
        x.data[...] = value


@given(metrics=st.lists(st.sampled_from([0.0, 1.0, 2.0, -1.0, math.inf, -math.inf, math.nan]), min_size=1, max_size=12),
       mode=st.sampled_from(["min", "max"]))
def test_the_best_is_kept(metrics, mode):
    model = model_of(-1)
    best = optim.KeepBest(model, mode)
    seen, improved = [], []
    for i, metric in enumerate(metrics):
        set_to(model, i)
        improved.append(best.update(metric))
        if not math.isnan(metric):
            seen.append((metric if mode == "min" else -metric, i))
    set_to(model, 99)
    if not seen:
        with pytest.raises(RuntimeError, match="got no metric but nan; expected one before"):
            best.restore()
        assert math.isnan(best.value) and best.since_best == len(metrics) and not any(improved)
        return
    _, at = min(seen)  # of equal ones the first
    assert best.restore() == metrics[at] == best.value
    assert best.since_best == len(metrics) - 1 - at and improved[at] and not any(improved[at + 1 :])
    for x in (*model.parameters(), model[1].running_mean):
        assert (x.data == at).all()
    set_to(model, 7)
    best.restore()  # what is kept is a copy
    assert (model[0].weight.data == at).all()


def test_keep_best_goes_on_from_a_checkpoint(tmp_path):
    model = model_of(1)
    best = optim.KeepBest(model)
    checkpoint.save(tmp_path / "empty.npz", best=best)
    best.update(tt.tensor(0.5))
    set_to(model, 2)
    best.update(0.75)
    checkpoint.save(tmp_path / "a.npz", best=best)
    other = model_of(3)
    again = optim.KeepBest(other)
    checkpoint.load(tmp_path / "a.npz", best=again)
    assert (other[0].weight.data == 3).all() and repr(again) == repr(best) == (
        "KeepBest(Sequential, mode='min', value=0.5, since_best=1)")
    assert again.restore() == 0.5 and (other[0].weight.data == 1).all()
    checkpoint.load(tmp_path / "empty.npz", best=again)
    with pytest.raises(RuntimeError, match="got no metric"):
        again.restore()
    with pytest.raises(ValueError, match="expected mode, value, since_best and model"):
        again.load_state_dict({"value": 1.0})


def test_keep_best_of_averages():
    model = nn.Linear(1, 1, rng=0)
    ema, best = optim.EMA(model.parameters(), decay=0.5), optim.KeepBest(model)
    for value in (0.0, 1.0):
        for p in model.parameters():
            p.data[...] = value
        ema.update()
    with ema:
        best.update(0.1)
    best.restore()
    assert model.weight.data.item() == 0.5


def test_keep_best_while_an_optimiser_holds_the_parameters():
    model = nn.Linear(2, 1, rng=0)
    opt = optim.SGD(model.parameters(), lr=1.0)
    before, best = model.weight.data.copy(), optim.KeepBest(model)
    best.update(1.0)
    for p in model.parameters():
        p.grad = np.ones_like(p.data)
    opt.step()
    best.restore()
    np.testing.assert_array_equal(model.weight.data, before)
    opt.step()
    np.testing.assert_array_equal(model.weight.data, before - 1)


def test_keep_best_refuses():
    with pytest.raises(TypeError, match=re.escape("KeepBest: got a list; expected an object with state_dict and")):
        optim.KeepBest([1])
    with pytest.raises(ValueError, match="mode: got 'lowest'; expected 'min' or 'max'"):
        optim.KeepBest(nn.Tanh(), "lowest")
