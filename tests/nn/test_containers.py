"""Containers hold what they are given under PyTorch's names; a plain list of modules or parameters is warned of."""

import gc
import warnings
from collections import OrderedDict

import numpy as np
import pytest

import tinytensor as tt
from tinytensor import nn, optim
from tinytensor.nn import hidden


def sizes(module):
    return {name: tuple(a.shape) for name, a in module.state_dict().items()}


def held(nn, tensor):
    """The same containers, of either framework."""
    class Model(nn.Module):
        def __init__(self):
            super().__init__()
            self.parts = nn.ModuleDict({"b": nn.Linear(2, 3), "a": nn.ModuleList([nn.Linear(1, 2), nn.Tanh()])})
            self.parts["c"] = nn.Embedding(4, 2, padding_idx=1)
            self.scales = nn.ParameterList([tensor([1.0, 2.0]), tensor([[3.0]])])
            self.scales.append(nn.Parameter(tensor([5.0])))
            self.named = nn.ParameterDict({"z": tensor([0.0]), "y": tensor([0.0, 0.0])})
            self.ordered = nn.ParameterDict(OrderedDict(z=tensor([0.0]), y=tensor([0.0, 0.0])))
            self.named["k"] = nn.Parameter(tensor([7.0]))
            self.named.update([("w", tensor([8.0]))])
    return Model()


@pytest.mark.peer
def test_names_and_order_are_pytorch_s():
    torch = pytest.importorskip("torch")
    ours, theirs = held(nn, tt.tensor), held(torch.nn, torch.tensor)
    assert list(sizes(ours).items()) == list(sizes(theirs).items())
    assert [n for n, _ in ours.named_parameters()] == [n for n, _ in theirs.named_parameters()]
    ours.load_state_dict({name: a.numpy() for name, a in theirs.state_dict().items()})
    for name, a in theirs.state_dict().items():
        assert np.array_equal(ours.state_dict()[name], a.numpy())
    for kind in ("parts", "named"):
        mine, other = getattr(ours, kind), getattr(theirs, kind)
        assert (list(mine), list(mine.keys()), len(mine)) == (list(other), list(other.keys()), len(other))
        assert "a" in ours.parts and "nothing" not in mine


def test_a_dict_of_modules_is_a_dict():
    a, b, c = nn.Linear(1, 2), nn.Tanh(), nn.ReLU()
    parts = nn.ModuleDict({"a": a})
    parts["b"] = b
    assert [*parts.items()] == [("a", a), ("b", b)] and [*parts.values()] == [a, b] and parts["b"] is b
    parts["b"] = c
    assert parts["b"] is c and parts.pop("b") is c and list(parts) == ["a"]
    del parts["a"]
    assert len(parts) == 0 and not list(parts.parameters())
    parts.update({"a": a, "c": c})
    parts.clear()
    assert len(nn.ModuleDict()) == len(parts) == 0 and "a" not in parts


def test_lists_of_parameters_are_trained_in_place():
    first = np.ones(2, np.float32)
    model = nn.Sequential(nn.Tanh())
    model.scales = nn.ParameterList([first, tt.ones(3)])
    opt = optim.SGD(model.parameters(), lr=1.0)
    (model.scales[0].sum() * 2 + model.scales[-1].sum()).backward()
    opt.step()
    assert model.scales[0].tolist() == [-1, -1] and model.scales[1].tolist() == [0, 0, 0]
    model.scales[1] = tt.full((3,), 9.0)
    assert [len(p) for p in model.scales[:1]] == [2] and model.scales[1].tolist() == [9, 9, 9]


@pytest.mark.parametrize("attempt, kind, text", [
    (lambda: nn.ModuleDict({"a": np.tanh}), TypeError, "ModuleDict: got a ufunc as 'a'; expected a Module"),
    (lambda: nn.ModuleDict({"keys": nn.Tanh()}), ValueError, "ModuleDict: got the name 'keys'; expected a new one, "),
    (lambda: nn.ModuleDict({"a.b": nn.Tanh()}), ValueError, "ModuleDict: got the name 'a.b'; expected a new one, "),
    (lambda: nn.ModuleDict({"a": nn.Tanh()})["b"], KeyError, "ModuleDict: got the name 'b'; expected one of ['a']"),
    (lambda: nn.ModuleDict().pop("b"), KeyError, "ModuleDict: got the name 'b'; expected one of []"),
    (lambda: nn.ParameterDict({"a": 1.0}), TypeError, "ParameterDict: got a float; expected Parameters, Tensors or"),
    (lambda: nn.ParameterList([nn.Tanh()]), TypeError, "ParameterList: got a Tanh; expected Parameters, Tensors or"),
    (lambda: nn.ParameterList(tt.ones(2)), TypeError, "ParameterList: got one Tensor; expected a list of them; "),
    (lambda: nn.ParameterList([tt.ones(2)])[1], IndexError, "ParameterList: got index 1 for a length of 1; expect"),
    (lambda: nn.ModuleList()[0], IndexError, "ModuleList: got index 0 for a length of 0; expected none, it is empty"),
])
def test_errors_say_what_to_do(attempt, kind, text):
    with pytest.raises(kind) as caught:
        attempt()
    assert text in str(caught.value)


# --- what a plain list hides ---


class Model(nn.Module):
    def __init__(self, **parts):
        super().__init__()
        for name, part in parts.items():
            setattr(self, name, part)


HIDDEN = {
    "list": (lambda: [nn.Linear(1, 2), nn.Tanh()], "Modules in a plain list, self.x, ", "nn.ModuleList"),
    "tuple": (lambda: (nn.Linear(1, 2),), "Modules in a plain tuple, self.x, ", "nn.ModuleList"),
    "dict": (lambda: {"a": nn.Tanh()}, "Modules in a plain dict, self.x, ", "nn.ModuleDict"),
    "parameters": (lambda: [nn.Parameter(1.0)], "Parameters in a plain list, self.x, ", "nn.ParameterList"),
    "named": (lambda: {"a": nn.Parameter(1.0)}, "Parameters in a plain dict, self.x, ", "nn.ParameterDict"),
    "deep": (lambda: [{"a": [nn.Tanh()]}], "Modules in a plain list, self.x[0]['a'], ", "nn.ModuleList"),
}


@pytest.mark.parametrize("ask", [lambda m: m.parameters(), lambda m: m.state_dict(), lambda m: m.named_parameters()])
@pytest.mark.parametrize("case", HIDDEN)
def test_what_a_plain_container_hides_is_named_once(case, ask):
    make, where, advice = HIDDEN[case]
    model = Model(x=make(), inner=nn.Linear(1, 1))
    with pytest.warns(UserWarning, match="Model: got ") as caught:
        ask(model)
    assert len(caught) == 1 and where in str(caught[0].message) and advice in str(caught[0].message)
    assert caught[0].filename == __file__
    for again in (model.parameters, model.state_dict, model.train, lambda: model.x):  # warnings are errors here
        again()
    with pytest.warns(UserWarning, match=r"self\.more"):
        model.more = [nn.ReLU()]
        model.num_parameters()


@pytest.mark.parametrize("ask", ["parameters", "state_dict"])
def test_a_hidden_part_of_a_part_is_found(ask):
    with pytest.warns(UserWarning, match=r"Model: got Modules in a plain list, self\.layers"):
        getattr(nn.Sequential(Model(layers=[nn.Tanh()])), ask)()


def test_what_is_registered_too_or_no_part_at_all_is_no_cause():
    layer = nn.Linear(1, 2)
    ring = [1.0]
    ring.append(ring)
    model = Model(layer=layer, both=[layer, layer.weight], sizes=(3, 4), names={"a": "b"}, ring=ring,
                  data=[0] * 10**6, arrays=[np.ones(3), tt.ones(2, requires_grad=True)])
    model.parameters(), model.state_dict()
    nn.Sequential(model, nn.GRU(2, 3, num_layers=2, bidirectional=True), nn.Conv2d(1, 2, 3)).parameters()


def test_what_was_warned_of_is_forgotten_with_the_module():
    before = len(hidden.SEEN)
    with warnings.catch_warnings(record=True):
        warnings.simplefilter("always")
        model = Model(x=[nn.Tanh()])
        model.parameters()
    assert len(hidden.SEEN) == before + 1
    del model
    gc.collect()
    assert len(hidden.SEEN) == before


def test_a_compiled_step_takes_containers():
    class Heads(nn.Module):
        def __init__(self):
            super().__init__()
            self.parts = nn.ModuleDict({"a": nn.Linear(3, 2, rng=1), "b": nn.Linear(3, 2, rng=2)})
            self.scales = nn.ParameterList([tt.ones(2), tt.ones(2)])

        def forward(self, x):
            return sum(part(x).tanh() * scale for part, scale in zip(self.parts.values(), self.scales, strict=True))

    def made():
        model = Heads()
        opt = optim.SGD(model.parameters(), lr=0.1)

        def step(x):
            opt.zero_grad()
            loss = (model(x) ** 2).mean()
            loss.backward()
            opt.step()
            return loss
        return model, opt, step

    x = np.random.default_rng(0).standard_normal((5, 3)).astype(np.float32)
    eager, _, plain = made()
    model, opt, step = made()
    step = tt.compile(step, model, opt)
    for _ in range(3):
        assert plain(x).item() == step(x).item()
    for p, q in zip(eager.parameters(), model.parameters(), strict=True):
        assert np.array_equal(p.data, q.data)
