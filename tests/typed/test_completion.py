"""What an editor shows when a call is typed: the parameters of layers and optimisers, as jedi finds them."""

import pytest

jedi = pytest.importorskip("jedi")


@pytest.mark.parametrize("call, parameters", [
    ("nn.Linear(", "in_features"), ("nn.Conv2d(", "in_channels"), ("nn.LSTM(", "input_size"), ("nn.Dropout(", "p"),
    ("optim.SGD(", "params"), ("optim.AdamW(", "params"), ("tt.randn(", "shape"), ("tt.compile(", "step"),
])
def test_the_first_parameter_is_shown(call, parameters):
    text = f"import tinytensor as tt\nfrom tinytensor import nn, optim\n{call}"
    shown = [s.params[0].name for s in jedi.Script(text).get_signatures(3, len(call))]
    assert parameters in shown
