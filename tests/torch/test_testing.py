"""`torch.testing.assert_close` beside PyTorch's: the same verdicts, and the same first line."""

import pytest

import tinytensor.torch as ours

PAIRS = {
    "equal": lambda t: (t.tensor([1.0, 2.0]), t.tensor([1.0, 2.0])),
    "rounding": lambda t: (t.tensor([1.0, 2.0]), t.tensor([1.0, 2.000001])),
    "far": lambda t: (t.tensor([[1.0, 2.0]]), t.tensor([[1.0, 2.1]])),
    "shapes": lambda t: (t.zeros(2), t.zeros(3)),
    "dtypes": lambda t: (t.zeros(2), t.zeros(2, dtype=t.float64)),
    "half": lambda t: (t.tensor([1.0], dtype=t.float16), t.tensor([1.0005], dtype=t.float16)),
    "integers": lambda t: (t.tensor([1, 2, 3]), t.tensor([1, 5, 3])),
    "booleans": lambda t: (t.tensor([True, False]), t.tensor([True, True])),
    "nan": lambda t: (t.tensor([float("nan")]), t.tensor([float("nan")])),
    "infinities": lambda t: (t.tensor([float("inf")]), t.tensor([float("inf")])),
    "numbers": lambda t: (1.0, 1.5),
    "close numbers": lambda t: (1.0, 1.0 + 1e-9),
    "lists": lambda t: ([t.zeros(2), t.ones(1)], [t.zeros(2), t.zeros(1)]),
    "lengths": lambda t: ([t.zeros(2)], [t.zeros(2), t.zeros(1)]),
    "dicts": lambda t: ({"a": t.zeros(1), "b": 2}, {"a": t.zeros(1), "b": 3}),
    "keys": lambda t: ({"a": 1}, {"b": 1}),
    "empty": lambda t: (t.zeros(0), t.zeros(0)),
}
SETTINGS = {"default": {}, "loose": {"rtol": 0.1, "atol": 0.2}, "dtype": {"check_dtype": False},
            "nan": {"equal_nan": True}, "one": {"rtol": 0.1}, "text": {"msg": "no"},
            "made": {"msg": lambda text: "so: " + text}}


def verdict(t, pair, settings):
    try:
        t.testing.assert_close(*PAIRS[pair](t), **settings)
    except (AssertionError, ValueError) as error:
        return type(error), [line for line in str(error).splitlines() if line][:2]
    return None


@pytest.mark.peer
@pytest.mark.parametrize("pair", PAIRS)
def test_verdicts_are_pytorchs(pair):
    torch = pytest.importorskip("torch")
    for name, settings in SETTINGS.items():
        got, expected = verdict(ours, pair, settings), verdict(torch, pair, settings)
        if expected is None or got is None or expected[0] is ValueError or pair in ("keys", "lengths"):
            assert (got and got[0]) == (expected and expected[0]), name
        else:
            assert got == expected, name


def test_what_is_no_tensor_is_refused():
    with pytest.raises(TypeError, match="convert it first"):
        ours.testing.assert_close(object(), object())
    with pytest.raises(AttributeError, match="assert_close"):
        _ = ours.testing.make_tensor
