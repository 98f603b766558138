"""Errors have one form: the function's name, what was got, what was expected, what to do; a walk over public calls.

It guards the form alone; what each message says is held by the tests of its part.
"""

import re

import numpy as np
import pytest

import tinytensor as tt
from tinytensor import checkpoint, nn, optim, text
from tinytensor.advice import a_type
from tinytensor.nn import functional as F
from tinytensor.nn import init

X, Y, INTS = tt.ones(2, 3), tt.ones(2, 3), tt.tensor([0, 1])
FORM = re.compile(r"[\w.+*/@-]+=?(\.\w+)?: (?=.*\bgot\b)(?=.*\bexpected\b).+; \S.*[^\s;,:.]", re.DOTALL)
WRONG = re.compile(r"\bcame\b|\ba (int|object|ndarray|MLP|LSTM)\b|; ;|, ,|;;|<\w+ object at|NoneType object")


class Other:
    """An object that is nothing the package knows."""


# What is passed for a parameter that is one number, one word, one array or one path.
NO_NUMBER = ("abc", [1], None, np.ones(2), np.datetime64("2020-01-01"), 1j, Other(), nn.Tanh)
NO_WORD = (3, None, np.ones(2), ["mean"], {}, "abc", Other())
NO_ARRAY = ("abc", 1.5, [1.0, 2.0], None, Other(), nn.Linear(2, 2))
NO_PATH = (3, None, np.ones(2), X, b"a", Other())
NO_INTEGER = ("abc", 2.5, None, True, np.ones(2), X, 1j, [1], Other())
NO_DTYPE = (-1, 2.5, "float99", np.ones(2), len, Other())

CALLS = {
    "p of dropout": (lambda v: F.dropout(X, v), NO_NUMBER),
    "p of Dropout": (lambda v: nn.Dropout(v), NO_NUMBER),
    "delta": (lambda v: F.huber_loss(X, Y, delta=v), NO_NUMBER),
    "beta": (lambda v: F.smooth_l1_loss(X, Y, beta=v), NO_NUMBER),
    "label_smoothing": (lambda v: F.cross_entropy(X, INTS, label_smoothing=v), NO_NUMBER),
    "lambd": (lambda v: F.softshrink(X, v), NO_NUMBER),
    "lambd of hardshrink": (lambda v: F.hardshrink(X, v), NO_NUMBER),
    "min_val": (lambda v: F.hardtanh(X, v), NO_NUMBER),
    "min_val of a layer": (lambda v: nn.Hardtanh(v), NO_NUMBER),
    "alpha": (lambda v: F.celu(X, v), NO_NUMBER),
    "margin": (lambda v: F.triplet_margin_loss(X, X, Y, margin=v), NO_NUMBER),
    "std": (lambda v: init.normal_(tt.zeros(3), 0.0, v), NO_NUMBER),
    "a": (lambda v: init.uniform_(tt.zeros(3), v), NO_NUMBER),
    "std of trunc_normal_": (lambda v: init.trunc_normal_(tt.zeros(3), 0.0, v), NO_NUMBER),
    "val": (lambda v: init.constant_(tt.zeros(3), v), NO_NUMBER),
    "gain": (lambda v: init.xavier_uniform_(tt.zeros(3, 3), v), NO_NUMBER),
    "lr": (lambda v: optim.SGD([nn.Parameter(np.ones(2))], v), NO_NUMBER),
    "reduction": (lambda v: F.mse_loss(X, Y, v), NO_WORD),
    "reduction of a layer": (lambda v: nn.BCEWithLogitsLoss(reduction=v), NO_WORD),
    "nonlinearity": (lambda v: init.calculate_gain(v), NO_WORD),
    "mode": (lambda v: F.interpolate(tt.ones(1, 1, 2), 4, mode=v), NO_WORD),
    "a tensor to fill": (init.ones_, NO_ARRAY),
    "a weight to fill": (init.kaiming_normal_, NO_ARRAY),
    "a matrix to fill": (init.eye_, NO_ARRAY),
    "a tensor to draw": (init.normal_, NO_ARRAY),
    "a tensor to make orthogonal": (init.orthogonal_, NO_ARRAY),
    "a file of items": (text.read_items, NO_PATH),
    "a checkpoint": (lambda v: checkpoint.load(v), NO_PATH),
    "a checkpoint to write": (lambda v: checkpoint.save(v, x=1), NO_PATH),
    "in_features": (lambda v: nn.Linear(v, 2), NO_INTEGER),
    "dim": (nn.Softmax, NO_INTEGER),
    "start_dim": (nn.Flatten, NO_INTEGER),
    "num_groups": (lambda v: F.group_norm(X, v), NO_INTEGER),
    "num_classes": (lambda v: F.one_hot(INTS, v), NO_INTEGER),
    "axis of glu": (lambda v: F.glu(X, v), NO_INTEGER),
    "a seed": (tt.manual_seed, NO_INTEGER),
    "context": (lambda v: text.windows(["ava"], text.Vocabulary(".av"), v), NO_INTEGER),
    "batch size": (lambda v: next(text.batches(np.ones(3), np.ones(3), size=v, rng=0)), NO_INTEGER),
    "dtype of zeros": (lambda v: tt.zeros(2, dtype=v), NO_DTYPE),
    "dtype of full": (lambda v: tt.full(2, 1.0, dtype=v), NO_DTYPE),
    "dtype of eye": (lambda v: tt.eye(2, dtype=v), NO_DTYPE),
    "dtype of rand": (lambda v: tt.rand(2, dtype=v), NO_DTYPE),
    "dtype of rand_like": (lambda v: tt.rand_like(X, dtype=v), NO_DTYPE),
    "a size of zeros": (lambda v: tt.zeros(2, v), ("abc", 2.5, None, Other())),
    "a size of eye": (tt.eye, ("abc", 2.5, Other(), [1])),
    "an operand": (lambda v: X + v, (None, 1j, np.array(["a"]), np.datetime64("2020-01-01"))),
    "a base": (lambda v: tt.power(v, X), (1j, np.array(["a"]))),
    "modules of a list": (nn.ModuleList, (3, Other(), [3], [X])),
    "modules of a dict": (nn.ModuleDict, (3, Other(), [3], {"a": 3}, {"a": X})),
    "parameters of a list": (nn.ParameterList, (3, Other(), [3], ["a"])),
    "characters": (text.Vocabulary, (3, 1j, ["a"], "a", "aa")),
}


@pytest.mark.parametrize("name", CALLS)
def test_errors_have_three_parts(name):
    call, values = CALLS[name]
    for value in values:
        with pytest.raises((TypeError, ValueError)) as caught:
            call(value)
        message = str(caught.value)
        assert type(caught.value).__module__ != "numpy._core._exceptions", (value, message)
        assert FORM.fullmatch(message) and not WRONG.search(message), (value, message)


@pytest.mark.parametrize("value, text", [
    (3, "an int"), (1.5, "a float"), (np.ones(2), "an ndarray"), (X, "a Tensor"), (Other(), "an Other"),
    (nn.Tanh(), "a Tanh"), (nn.LSTM(2, 2), "an LSTM"), (nn.Embedding(2, 2), "an Embedding"), (None, "a NoneType")])
def test_a_type_has_its_article(value, text):
    assert a_type(value) == text
