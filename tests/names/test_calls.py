"""Calls with arguments that a function does not have, most of them PyTorch's: refused in one sentence."""

import inspect
import pickle
import types

import numpy as np
import pytest

import tinytensor as tt
from tinytensor import nn, optim
from tinytensor.names.calls import ADVICE, explained

LAYERS = [name for name in nn.__all__ if isinstance(getattr(nn, name), type) and name != "Identity"]  # takes any
OPTIMISERS = ["SGD", "Adam", "AdamW", "Adagrad", "RMSprop"]
CREATORS = ["tensor", "zeros", "ones", "empty", "full", "eye", "arange", "linspace", "randn", "rand", "randint",
            "randperm", "randn_like", "rand_like", "multinomial"]
FUNCTIONS = [nn.functional, nn.init]


def refused(make, *args, **how):
    with pytest.raises(TypeError) as caught:
        make(*args, **how)
    text = str(caught.value)
    assert ": got " in text and "; expected " in text and text.count("; ") == 2, text
    return text


@pytest.mark.parametrize("name", LAYERS)
def test_every_layer_refuses_what_it_does_not_have(name):
    text = refused(getattr(nn, name), *needed(getattr(nn, name)), device="cuda")
    assert text.startswith(f"{name}: got an unknown parameter 'device'; expected {name}(")
    assert text.endswith("on the cpu")


def needed(function):
    """Values for the parameters without defaults: none is reached, for the call does not fit."""
    return [2 for p in inspect.signature(function).parameters.values()
            if p.default is p.empty and p.kind is p.POSITIONAL_OR_KEYWORD]


@pytest.mark.parametrize("name", OPTIMISERS)
@pytest.mark.parametrize("key", ["foreach", "fused", "capturable", "differentiable"])
def test_every_optimiser_says_what_the_switches_of_pytorch_are(name, key):
    text = refused(getattr(optim, name), [nn.Parameter(np.zeros(2))], **{key: True})
    assert text.startswith(f"{name}: got an unknown parameter {key!r}; expected {name}(params, lr=")
    assert text.endswith(ADVICE[key])


@pytest.mark.parametrize("name", CREATORS)
def test_every_function_that_makes_tensors_has_no_device(name):
    function = getattr(tt, name)
    assert refused(function, *needed(function), device="cpu").startswith(f"{name}: got an unknown parameter 'device'")


@pytest.mark.parametrize("module, name", [(m, n) for m in FUNCTIONS for n in dir(m)
                                          if isinstance(getattr(m, n), types.FunctionType)
                                          and n not in ("sigmoid", "tanh")])  # rows of elementwise ops
def test_every_function_of_nn_refuses_what_it_does_not_have(module, name):
    function = getattr(module, name)
    text = refused(function, *needed(function), nowhere=1)
    assert "got an unknown parameter 'nowhere'" in text


@pytest.mark.parametrize("make, text", [
    (lambda: nn.ReLU(inplace=True),
     "ReLU: got an unknown parameter 'inplace'; expected ReLU(); leave it out: a result is always a new array"),
    (lambda: nn.ReLU(True), "ReLU: got 1 argument by position; expected ReLU(); leave out the last"),
    (lambda: nn.Linear(3), "Linear: got no out_features; expected Linear(in_features, out_features, bias=True, "
                           "dtype=np.float32, rng=None); pass it"),
    (lambda: optim.Adam([nn.Parameter(np.zeros(2))], learning_rate=0.1), "write 'lr'"),
    (lambda: nn.Dropout(probability=0.5), "leave it out"),
    (lambda: nn.LayerNorm(4, epss=1e-3), "write 'eps'"),
    (lambda: nn.LSTM(3, 4, proj_size=2), "LSTM: got an unknown parameter 'proj_size'; expected LSTM(input_size, "),
    (lambda: nn.Linear(3, 4)(tt.ones(2, 3), 1),
     "Linear: forward: got 2 arguments by position; expected forward(x); leave out the last"),
    (lambda: nn.ReLU()(tt.ones(2), inplace=True), "ReLU: forward: got an unknown parameter 'inplace'"),
    (lambda: tt.Generator(device="cpu"), "Generator: got an unknown parameter 'device'; expected Generator(seed="),
    (lambda: tt.compile(lambda x: x, fullgraph=True), "compile: got an unknown parameter 'fullgraph'"),
    (lambda: nn.functional.relu(tt.ones(2), inplace=True), "leave it out: a result is always a new array"),
    (lambda: optim.SGD([nn.Parameter(np.zeros(2))], lr=0.1).step(closure=len), "call it before, then step()"),
    (lambda: nn.Linear(2, 2).state_dict(keep_vars=True), "state_dict: got an unknown parameter 'keep_vars'"),
    (lambda: tt.ones(2, 2).flatten(start_dim=1), "write x.reshape(len(x), -1), which keeps the first axis"),
    (lambda: tt.ones(2, 2).flatten(1), "ravel: got order=1; expected 'C', 'F', 'A' or 'K'; to keep the first axis, "),
    (lambda: tt.linspace(0, 1, steps=5), "write 'num', as NumPy does"),
    (lambda: tt.sum(tt.ones(2), nowhere=3), "sum: got an unknown parameter 'nowhere'; expected sum("),
    (lambda: nn.ModuleList(nn.ReLU()), "ModuleList: got a ReLU; expected an iterable of modules; write"),
    (lambda: nn.Sequential([nn.ReLU()]), "got a list as '0'; expected a Module; pass its elements: *layers"),
    (lambda: nn.Sequential(nn.ReLU), "Sequential: got the class ReLU as '0'; expected a Module; write ReLU()"),
])
def test_the_sentence_fits_the_call(make, text):
    assert text in refused(make)


def test_zero_grad_takes_the_only_value_that_it_means():
    w = nn.Linear(2, 2)
    opt = optim.SGD(w.parameters(), lr=0.1)
    for thing in (w, opt):
        w(tt.ones(1, 2)).sum().backward()
        thing.zero_grad(set_to_none=True)
        assert w.weight.grad is None
        with pytest.raises(ValueError, match="zero_grad: got set_to_none=False; expected True, .*; write p.grad = "):
            thing.zero_grad(set_to_none=False)


def test_an_error_inside_the_function_is_its_own():
    @explained
    def broken(x):
        return len(x, x)

    with pytest.raises(TypeError, match=r"len\(\) takes exactly one argument"):
        broken(3)
    with pytest.raises(TypeError, match=r"broken: got no x; expected broken\(x\); pass it"):
        broken()


def test_a_users_own_module_is_named_as_it_is():
    class Mine(nn.Module):
        def __init__(self, n):
            super().__init__()

    class Wide(nn.Linear):
        pass

    class Misled(nn.Module):
        def __init__(self):
            super().__init__(3)

    with pytest.raises(TypeError, match=r"Mine.__init__\(\) got an unexpected keyword argument 'm'"):
        Mine(m=3)
    assert refused(Wide, 3, 4, device="cpu").startswith("Wide: got an unknown parameter 'device'; expected Wide(in_")
    assert refused(Misled).startswith("Module: got 1 argument by position; expected Module()")


def test_signatures_and_pickles_are_as_before():
    assert list(inspect.signature(nn.Linear).parameters)[:3] == ["in_features", "out_features", "bias"]
    assert next(iter(inspect.signature(tt.randn).parameters)) == "shape"
    for function in (tt.zeros, nn.functional.pad, nn.init.zeros_):
        assert pickle.loads(pickle.dumps(function)) is function
    assert repr(pickle.loads(pickle.dumps(nn.Linear(2, 3)))) == repr(nn.Linear(2, 3))


def test_what_a_user_prints_says_what_it_is():
    x = tt.ones(2, requires_grad=True)
    handle = x.register_hook(len)
    assert repr(handle) == "Handle(len)"
    handle.remove()
    assert repr(handle) == "Handle(len, removed)"
