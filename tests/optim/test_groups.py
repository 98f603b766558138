"""Parameter groups and frozen parameters as a user writes them; what optimisers print; params that are no list."""

import copy
import re

import numpy as np
import pytest

import tinytensor as tt
from tinytensor import nn, optim


def network():
    return nn.Sequential(nn.Linear(3, 4, rng=0), nn.Tanh(), nn.Linear(4, 2, rng=1))


def train(model, opt, steps=1):
    for _ in range(steps):
        opt.zero_grad()
        (model(np.ones((5, 3), "f")) ** 2).mean().backward()
        opt.step()


MODULE = "params: got {}; expected a list of parameters; write model.parameters(), or [p, q]"
USES = {
    "Adam": lambda ps: optim.Adam(ps),
    "a group": lambda ps: optim.Adam([{"params": ps}]),
    "EMA": lambda ps: optim.EMA(ps),
    "clip_grad_norm_": lambda ps: optim.clip_grad_norm_(ps, 1.0),
    "clip_grad_value_": lambda ps: optim.clip_grad_value_(ps, 1.0),
}


@pytest.mark.parametrize("use", USES.values(), ids=USES)
def test_a_module_in_the_place_of_its_parameters(use):
    class MLP(nn.Module):
        def __init__(self):
            super().__init__()
            self.layer = nn.Linear(2, 2)

        def __call__(self, x):
            return self.layer(x)

    with pytest.raises(TypeError, match=re.escape(MODULE.format("a Linear"))):
        use(nn.Linear(2, 2))
    with pytest.raises(TypeError, match=re.escape(MODULE.format("an MLP"))):
        use(MLP())
    for layers in (network(), [nn.Linear(2, 2)]):
        with pytest.raises(TypeError, match=re.escape("params: got a Linear among them; expected Tensors, which have "
                                                      "data and grad; write model.parameters()")):
            use(layers)
    with pytest.raises(TypeError, match=re.escape("params: got a method; expected a list of parameters; call it, as in "
                                                  "model.parameters()")):
        use(network().parameters)
    with pytest.raises(TypeError, match=re.escape("params: got a tuple among them; expected Tensors, which have data "
                                                  "and grad; leave out the names, as model.parameters() does")):
        use(network().named_parameters())


def test_decay_groups_of_a_module():
    model = network()
    for wrong in (model, model.named_parameters, model.parameters()):
        with pytest.raises(TypeError, match=re.escape("; expected pairs of path and parameter; write model.named_par")):
            optim.decay_groups(wrong, 0.1)
    assert [len(g["params"]) for g in optim.decay_groups(model.named_parameters(), 0.1)] == [2, 2]


@pytest.mark.parametrize("make", [optim.SGD, optim.Adam, optim.AdamW, optim.RMSprop, optim.Adagrad])
def test_a_setting_that_nothing_reads_is_refused(make):
    p, q = nn.Parameter(np.ones(2)), nn.Parameter(np.ones(2))
    text = f"a group of {make.__name__}: got the setting 'learning_rate'; expected some of lr, "
    with pytest.raises(TypeError, match=re.escape(text)):
        make([{"params": [p], "learning_rate": 0.1}])
    opt = make([{"params": [p], "name": "head"}])
    with pytest.raises(TypeError, match=re.escape(text)):
        opt.add_param_group({"params": [q], "learning_rate": 0.1})
    assert len(opt.param_groups) == 1
    again = copy.deepcopy(opt)
    assert again.param_groups[0]["name"] == "head"


def test_a_subclass_with_the_older_names_of_its_lists():
    class Old(optim.Optimizer):
        state, extra, rates = ("a",), ("b",), ("lr", "c")

        def update(self, group, block, g):
            block.theta -= group["lr"] * g

    assert Old.optional_state == ("b",) and Old.nonnegative == ("lr", "c")
    assert optim.Optimizer.nonnegative == ("lr", "weight_decay")
    with pytest.raises(ValueError, match="c: got -1; expected 0 or more"):
        Old([nn.Parameter(np.ones(2))], {"lr": 0.1, "c": -1})


# --- freezing ---


@pytest.mark.parametrize("compiled", [False, True])
def test_frozen_parameters_stay(compiled):
    model = network()
    model[0].requires_grad_(False)
    opt = optim.AdamW(model.parameters(), lr=0.1, weight_decay=0.1)
    before = model.state_dict()

    def step(x):
        opt.zero_grad()
        loss = (model(x) ** 2).mean()
        loss.backward()
        opt.step()
        return loss

    run = tt.compile(step, model, opt) if compiled else step
    x = np.ones((5, 3), "f")
    run(x)
    after = model.state_dict()
    changed = {name for name in before if not np.array_equal(before[name], after[name])}
    assert changed == {"2.weight", "2.bias"}
    model[0].requires_grad_(True)
    run(x)
    later = model.state_dict()
    assert all(not np.array_equal(after[name], later[name]) for name in after)
    assert {i: entry["step"] for i, entry in opt.state_dict()["state"].items()} == {0: 1, 1: 1, 2: 2, 3: 2}


def test_groups_have_their_own_rates():
    model = network()
    opt = optim.SGD([{"params": model[0].parameters(), "lr": 0.0, "name": "body"},
                     {"params": model[2].parameters()}], lr=0.1)
    before = model.state_dict()
    train(model, opt)
    after = model.state_dict()
    assert {name for name in before if not np.array_equal(before[name], after[name])} == {"2.weight", "2.bias"}
    for group in opt.param_groups:
        group["lr"] = 0.1 if group.get("name") == "body" else 0.0
    train(model, opt)
    later = model.state_dict()
    assert {name for name in before if not np.array_equal(after[name], later[name])} == {"0.weight", "0.bias"}


# --- what they print ---


@pytest.mark.peer
@pytest.mark.parametrize("name", ["SGD", "Adam", "AdamW", "RMSprop", "Adagrad"])
def test_an_optimiser_prints_as_torch_s(name):
    """The same but for what torch alone has, and for the line with the parameters."""
    torch = pytest.importorskip("torch")
    shapes = [(3, 2), (4,)]
    ours = getattr(optim, name)([{"params": [nn.Parameter(np.zeros(s))], "lr": 0.1 + i} for i, s in enumerate(shapes)])
    theirs = getattr(torch.optim, name)([{"params": [torch.zeros(s, requires_grad=True)], "lr": 0.1 + i}
                                         for i, s in enumerate(shapes)])
    only = ("foreach:", "fused:", "capturable:", "differentiable:")
    want = [line for line in repr(theirs).splitlines() if not line.strip().startswith(only)]
    got = repr(ours).splitlines()
    assert [line for line in got if "params:" not in line] == want
    assert [line for line in got if "params:" in line] == [
        "    params: 1 tensor, 6 numbers", "    params: 1 tensor, 4 numbers"]


def test_what_prints():
    model = network()
    opt = optim.Adam(model.parameters())
    assert "    params: 4 tensors, 26 numbers\n" in repr(opt) and "    lr: 0.001\n" in repr(opt)
    ema = optim.EMA(model.parameters(), decay=0.99)
    ema.update()
    assert repr(ema) == "EMA(4 parameters, decay=0.99, steps=1)"
    assert repr(optim.warmup(optim.constant(0.1), 5)) == "warmup(schedule=constant(value=0.1), steps=5, delay=False)"
