"""Tables of a model, at a prompt and in a notebook: true shapes and counts, and nothing of the model is touched."""

import re
from html.parser import HTMLParser

import numpy as np
import pytest

import tinytensor as tt
from tinytensor import models, nn
from tinytensor.random import default_generator


class Own(nn.Module):
    """A user's module: shared parts, buffers, dropout, a generator, hooks, a counter, and a dict as output."""

    def __init__(self):
        super().__init__()
        self.first = nn.Linear(4, 4, rng=0)
        self.again = self.first
        self.net = nn.Sequential(nn.BatchNorm1d(4), nn.Dropout(0.5, rng=3), nn.Dropout(0.5))
        self.tied = nn.Parameter(self.first.bias.data)
        self.tied = self.first.bias
        self.unused = nn.Linear(4, 2, rng=1)
        self.unused.requires_grad_(False)
        self.calls = [0]

    def forward(self, x, scale=1.0):
        self.calls[0] += 1
        x = self.net(self.again(self.first(x))) * scale + tt.randn(4) * 0
        return {"y": x, "both": (x, x.sum())}


def test_the_table_of_a_user_s_module():
    table = str(Own().summary(tt.ones(3, 4), scale=2.0))
    assert table.splitlines() == [
        "layer                output shape        parameters",
        "---------------------------------------------------",
        "Own                  (3, 4), (3, 4), ()           4",
        "  first (Linear)     (3, 4)                      16",
        "  net (Sequential)   (3, 4)                       0",
        "    0 (BatchNorm1d)  (3, 4)                       8",
        "    1 (Dropout)      (3, 4)                       0",
        "    2 (Dropout)      (3, 4)                       0",
        "  unused (Linear)    not called                  10",
        "---------------------------------------------------",
        "38 parameters, 10 of them frozen"]


@pytest.mark.parametrize("training", [True, False])
def test_nothing_is_touched(training):
    model, seen = Own(), []
    model.net.train(training)
    model.register_forward_hook(lambda *args: seen.append(args))
    model.first.weight.grad = np.ones((4, 4), np.float32)
    before, modes, grad = model.state_dict(), [m.training for m in model.modules()], model.first.weight.grad
    streams = [default_generator().get_state(), model.net[1].rng.get_state()]
    table = model.summary(np.ones((1, 4), np.float32))  # one row: batch norm in training would refuse it
    assert "(1, 4)" in table and repr(table) == str(table) and isinstance(table, str)
    assert not seen and model.calls == [0] and [m.training for m in model.modules()] == modes
    assert all(np.array_equal(a, b) for a, b in zip(before.values(), model.state_dict().values(), strict=True))
    assert model.first.weight.grad is grad and len(model._hooks) == 1 and not model.first._hooks
    for was, stream in zip(streams, (default_generator(), model.net[1].rng), strict=True):
        assert all(np.array_equal(v, stream.get_state()[k], equal_nan=True) for k, v in was.items())


def test_an_error_inside_is_the_layer_s_and_leaves_the_stream():
    before = default_generator().get_state()
    with pytest.raises(ValueError, match="Own"):
        Own().summary(tt.ones(3, 5))
    assert all(np.array_equal(v, default_generator().get_state()[k], equal_nan=True) for k, v in before.items())


MODELS = {
    "gpt": (lambda: models.GPT(11, 8, 16, 2, 2, rng=0), np.zeros((2, 5), int), "(2, 5, 11)"),
    "rotary": (lambda: models.GPT(11, 8, 16, 2, 2, positions="rotary", rng=0), np.zeros((2, 5), int), "(2, 5, 11)"),
    "wavenet": (lambda: models.WaveNet(27, rng=0), np.zeros((3, 8), int), "(3, 27)"),
    "gru": (lambda: models.GRU(9, rng=0), np.zeros((2, 4), int), "(2, 4, 9)"),
    "lstm": (lambda: nn.LSTM(3, 5, rng=0), np.zeros((4, 2, 3), np.float32), "(4, 2, 5), (1, 2, 5), (1, 2, 5)"),
    "image": (lambda: nn.Sequential(nn.Conv2d(3, 4, 3, rng=0), nn.BatchNorm2d(4), nn.MaxPool2d(2), nn.Flatten()),
              np.zeros((2, 3, 8, 8), np.float32), "(2, 36)"),
}


@pytest.mark.parametrize("name", MODELS)
def test_the_rows_add_up_to_the_total(name):
    make, x, shape = MODELS[name]
    model = make()
    head, _, *rows, _, total = model.summary(x).splitlines()
    counts = [int(re.search(r"([\d,]+)$", row)[1].replace(",", "")) for row in rows]
    assert sum(counts) == model.num_parameters() and total == f"{model.num_parameters():,} parameters"
    assert len(rows) == len(list(model.modules())) and shape in rows[0]
    assert len({len(row) for row in [head, *rows]}) == 1


class Cells(HTMLParser):
    """The text of each cell, and whether all that was opened is closed."""

    def __init__(self, text):
        super().__init__()
        self.open, self.cells = [], []
        self.feed(text)

    def handle_starttag(self, tag, attrs):
        self.open.append(tag)
        if tag in ("td", "th"):
            self.cells.append("")

    def handle_endtag(self, tag):
        assert self.open.pop() == tag

    def handle_data(self, data):
        if self.open and self.open[-1] in ("td", "th"):
            self.cells[-1] += data


def test_a_notebook_shows_a_table_and_escapes_it():
    class Marked(nn.Module):
        def __init__(self):
            super().__init__()
            self.scale = nn.Parameter(np.ones((2, 3), np.float32))

        def extra_repr(self):
            return "<script>&"

    model = nn.Sequential({"<b>": Marked(), "linear": nn.Linear(3, 2)})
    html = model._repr_html_()
    parsed = Cells(html)
    assert not parsed.open and "<script>" not in html and "<b>" not in html
    assert parsed.cells == ["layer", "kind", "parameters", "numbers", "model", "Sequential", "", "0",
                            "<b>", "Marked(<script>&)", "scale (2, 3)", "6",
                            "linear", "Linear(in_features=3, out_features=2, bias=True)", "weight (2, 3), bias (2,)",
                            "8"]
    assert html.endswith("<p>14 parameters</p>")
