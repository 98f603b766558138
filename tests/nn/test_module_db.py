"""Layers and losses agree with PyTorch on its own samples, the `module_db` that its tests are made of.

In float64, in training and in eval mode: outputs, gradients of inputs and parameters, and buffers afterwards. A module
is covered as soon as `tinytensor.nn` has its name.
"""

import inspect
import warnings

import numpy as np
import pytest

from tinytensor import nn
from tinytensor.core import Tensor

torch = pytest.importorskip("torch")
pytest.importorskip("expecttest")  # which PyTorch's own tests need
with warnings.catch_warnings():
    warnings.simplefilter("ignore")
    from torch.testing._internal.common_modules import module_db

pytestmark = pytest.mark.peer
TOLERANCE = 1e-10

# --- what is left out, and why ---

EXCEPTIONS = [  # module, which samples (given the constructor's and the call's arguments), why
    ("BatchNorm1d", lambda how, x: not x[0].size, "statistics of nothing are an error here, not nan"),
    ("BatchNorm2d", lambda how, x: not x[0].size, "statistics of nothing are an error here, not nan"),
    ("LSTM", lambda how, x: how.get("proj_size"), "no projections"),
    ("MultiheadAttention", lambda how, x: how.get("add_bias_kv"), "no keys and values besides those given"),
    ("MultiheadAttention", lambda how, x: how.get("add_zero_attn"), "no keys and values besides those given"),
]
NOT_THERE = {  # modules with a name of PyTorch's that its samples leave out
    "Dropout": "is random: tests/nn/test_activations.py holds its stream",
    "Dropout1d": "is random: tests/torch/test_conv.py",
    "Dropout2d": "is random: tests/torch/test_conv.py",
    "Flatten": "tests/nn/test_nn.py",
    "Hardsigmoid": "its function's samples: tests/torch/test_conv.py",
    "Identity": "tests/nn/test_activations.py",
    "Module": "computes nothing",
    "ModuleDict": "computes nothing: tests/nn/test_containers.py",
    "ModuleList": "computes nothing",
    "Parameter": "no module",
    "ParameterDict": "computes nothing: tests/nn/test_containers.py",
    "ParameterList": "computes nothing: tests/nn/test_containers.py",
    "Sequential": "tests/nn/test_nn.py",
    "TripletMarginLoss": "its function's samples: tests/torch/test_conv.py",
    "Upsample": "its function's samples: tests/torch/test_conv.py",
}


def exceptions(name, how, x):
    return [i for i, (module, which, _) in enumerate(EXCEPTIONS) if module == name and which(how, x)]


# --- PyTorch's samples, for us ---

NAMES = {info.name.removeprefix("nn."): info for info in module_db}
COVERED = sorted(NAMES.keys() & set(nn.__all__))


def mapped(f, tree):
    """Tuples, lists and dicts with f of each leaf."""
    if isinstance(tree, tuple | list):
        return type(tree)(mapped(f, x) for x in tree)
    return {key: mapped(f, x) for key, x in tree.items()} if isinstance(tree, dict) else f(tree)


def leaves(tree):
    if isinstance(tree, tuple | list):
        return [leaf for x in tree for leaf in leaves(x)]
    return [leaf for x in tree.values() for leaf in leaves(x)] if isinstance(tree, dict) else [tree]


def array(x):
    return x.detach().numpy().copy() if isinstance(x, torch.Tensor) else x


def as_leaf(x):
    return x.detach().clone().requires_grad_(x.requires_grad) if isinstance(x, torch.Tensor) else x


def given(x):
    """A tensor of theirs as one of ours, which takes a gradient if theirs does."""
    return Tensor(array(x), requires_grad=x.requires_grad) if isinstance(x, torch.Tensor) else x


def samples(name, training):
    """The constructor's arguments and the call's, positional and by keyword; not what we lack and is off."""
    torch.manual_seed(0)
    info, known = NAMES[name], inspect.signature(getattr(nn, name)).parameters
    default = {key: p.default for base in info.module_cls.__mro__[::-1]
               for key, p in inspect.signature(base.__init__).parameters.items()}
    for s in info.module_inputs_func(info, device="cpu", dtype=torch.double, requires_grad=True, training=training):
        made, called = s.constructor_input, s.forward_input
        how = {k: v for k, v in made.kwargs.items() if k in known or v is not default.get(k)}
        yield (made.args, how), tuple([mapped(as_leaf, v) for v in (called.args, called.kwargs)])


def built(name, args, kwargs, training):
    """The two modules, with one state."""
    theirs = NAMES[name].module_cls(*args, **kwargs).double().train(training)
    ours = getattr(nn, name)(*mapped(array, args), **mapped(array, kwargs)).astype(np.float64).train(training)
    state = {key: v.numpy() for key, v in theirs.state_dict().items()}
    assert list(ours.state_dict()) == list(state)
    ours.load_state_dict(state)
    return ours, theirs


def called(module, args, kwargs):
    """The outputs; what is named otherwise here comes by position."""
    known = inspect.signature(module.forward).parameters
    return module(*args, *(x for key, x in kwargs.items() if key not in known),
                  **{key: x for key, x in kwargs.items() if key in known})


def same(a, b, what):
    a, b = (x.data if isinstance(x, Tensor) else array(x) for x in (a, b))
    assert (a is None) == (b is None), what
    if a is not None:
        assert a.shape == b.shape and a.dtype == b.dtype, what
        size = max(1, np.abs(b).max(initial=0))
        np.testing.assert_allclose(a, b, rtol=TOLERANCE, atol=TOLERANCE * size, err_msg=what)


def agree(name, made, x, how, training):
    """One sample: outputs, gradients for random ones of the outputs, and buffers."""
    ours, theirs = built(name, *made, training)
    mine = mapped(given, (x, how))
    with np.errstate(all="ignore"):
        y = leaves(called(ours, *mine))
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        z = leaves(theirs(*x, **how))
    for i, (a, b) in enumerate(zip(y, z, strict=True)):
        same(a, b, f"output {i}")
    graded = [(a, b, torch.randn_like(b)) for a, b in zip(y, z, strict=True) if b is not None and b.requires_grad]
    if graded:
        sum((a * c.numpy()).sum() for a, _, c in graded).backward()
        torch.autograd.backward([b for _, b, _ in graded], [c for *_, c in graded])
    for i, (a, b) in enumerate(zip(leaves(mine), leaves((x, how)), strict=True)):
        if isinstance(b, torch.Tensor) and b.requires_grad:
            same(a.grad, b.grad, f"gradient of input {i}")
    for (key, p), (_, q) in zip(ours.named_parameters(), theirs.named_parameters(), strict=True):
        same(p.grad, q.grad, f"gradient of {key}")
    for key, v in theirs.state_dict().items():
        same(ours.state_dict()[key], v, key)


@pytest.mark.parametrize("training", [True, False], ids=["train", "eval"])
@pytest.mark.parametrize("name", COVERED)
def test_it_is_torchs(name, training):
    tried = 0
    for made, (x, how) in samples(name, training):
        if not exceptions(name, made[1], [array(v) for v in leaves((x, how))]):
            try:
                agree(name, made, x, how, training)
            except Exception as error:
                shapes = mapped(lambda v: getattr(v, "shape", v), (x, how))
                error.add_note(f"sample: {name}{made}, called with {shapes}")
                raise
            tried += 1
    assert tried


def test_every_exception_is_one():
    """Each line of the table is about samples that there are, and that do not pass."""
    failing = {i: [] for i in range(len(EXCEPTIONS))}
    for name in {module for module, _, _ in EXCEPTIONS} & set(COVERED):
        for made, (x, how) in samples(name, training=True):
            for i in exceptions(name, made[1], [array(v) for v in leaves((x, how))]):
                try:
                    agree(name, made, x, how, training=True)
                except Exception:
                    failing[i].append(True)
                else:
                    failing[i].append(False)
    for i, results in failing.items():
        assert results and all(results), f"stale: {EXCEPTIONS[i][0]}, {EXCEPTIONS[i][2]}"


def test_every_module_is_covered_or_elsewhere():
    shared = {name for name in nn.__all__ if isinstance(getattr(torch.nn, name, None), type)}
    assert shared - set(COVERED) == NOT_THERE.keys()
    assert len(COVERED) > 20
