"""The source that a compiled step is written as: the lecture's MLP to the letter, and that it runs by itself."""

from pathlib import Path

import numpy as np
import pytest

import tinytensor as tt
from tinytensor import nn, optim
from tinytensor.compiler.codegen.names import Names
from tinytensor.compiler.codegen.peephole import CallText, as_operand, quick
from tinytensor.models import GPT

GOLDEN = Path(__file__).parents[1] / "golden" / "mlp_step.py"


class MLP(nn.Module):
    def __init__(self):
        super().__init__()
        self.embed, self.hidden = nn.Embedding(27, 10, rng=1), nn.Linear(30, 200, rng=2)
        self.output = nn.Linear(200, 27, rng=3)

    def forward(self, x):
        e = self.embed(x).reshape(len(x), -1)
        h = np.tanh(self.hidden(e))
        logits = self.output(h)
        return logits


def compiled(model, opt, x, y):
    def step(x, y, lr):
        loss = tt.cross_entropy(model(x), y)
        opt.zero_grad()
        loss.backward()
        opt.lr = lr
        opt.step()
        return loss

    step = tt.compile(step, model, opt)
    for _ in range(2):
        step(x, y, 0.1)
    return step


@pytest.fixture
def mlp():
    model, rng = MLP(), np.random.default_rng(0)
    x, y = rng.integers(0, 27, (32, 3)), rng.integers(0, 27, 32)
    return model, compiled(model, optim.SGD(model.parameters(), lr=0.1), x, y), x, y


def test_the_mlp_reads_like_the_lecture(mlp, request):
    """When the text changes for the better: pytest tests/compiler/test_source.py --golden writes it anew."""
    _, step, _, _ = mlp
    if request.config.getoption("--golden"):
        GOLDEN.write_text(step.source, "utf-8")
    assert step.source == GOLDEN.read_text("utf-8")


def test_the_source_runs_by_itself_given_its_inputs(mlp):
    _, step, x, y = mlp
    given = {name: a.copy() if isinstance(a, np.ndarray) else a for name, a in step.inputs.items()}
    pasted = dict(given)
    exec(step.source, pasted)
    losses = [step(x, y, 0.1).item() for _ in range(3)]
    alone = [float(pasted["step"](x, y, 0.1)[0]) for _ in range(3)]
    assert losses == alone
    np.testing.assert_array_equal(step.inputs["theta"], given["theta"])


def test_sections_layers_and_the_user_s_lines_stand_above_the_calls(mlp):
    text = mlp[1].source
    for told in ("# --- forward ---", "# --- backward ---", "# --- update ---", "# hidden: h = np.tanh(self.hidden(e))",
                 "# opt.step()", "np.tanh(hidden, out=h)", "np.dot(d_logits_T, h, out=d_output_weight)"):
        assert told in text, told


def test_explain_says_what_each_line_costs(mlp):
    _, step, x, y = mlp
    plain = step.explain()
    assert "np.tanh(hidden, out=h)" in str(plain) and "us" in str(plain)
    timed = step.explain(x, y, 0.1, steps=3)
    product = next(row for row in timed if "out=hidden_product" in row.line)
    assert product.shape == (32, 200) and product.flops == 2 * 32 * 200 * 30 and product.section == "forward"
    assert product.bytes == 4 * (32 * 30 + 30 * 200 + 32 * 200)
    assert all(row.seconds > 0 for row in timed) and len(timed) == len(plain)
    assert str(timed).count("\n") == len(timed) + 1


def test_profiled_steps_are_steps(mlp):
    model, step, x, y = mlp
    other = MLP()
    other.load_state_dict(model.state_dict())
    step.explain(x, y, 0.1, steps=4)
    again = compiled(other, optim.SGD(other.parameters(), lr=0.1), x, y)
    for _ in range(2):
        again(x, y, 0.1)
    for a, b in zip(model.state_dict().values(), other.state_dict().values(), strict=True):
        np.testing.assert_array_equal(a, b)


def test_names_of_a_gpt_are_those_of_its_layers():
    model, rng = GPT(27, 8, 16, 2, 2, rng=1), np.random.default_rng(0)
    text = compiled(model, optim.AdamW(model.parameters()), *rng.integers(0, 27, (2, 4, 8))).source
    for told in ("h_0_attn_c_attn_weight = theta[", "# h.1.mlp.c_fc: ", "out=d_h_0_mlp_c_proj_weight)"):
        assert told in text, told


def test_an_update_by_hand_is_one():
    """And what the step tells of its results is none, wherever it stands."""
    W, x = tt.ones(3, 2, requires_grad=True), np.ones((4, 3), np.float32)

    def step(x):
        logits = x @ W
        loss = (logits * logits).mean()
        W.grad = None
        loss.backward()
        W.data -= 0.1 * W.grad
        return loss, np.maximum(logits.data, 0)

    step = tt.compile(step, W)
    for _ in range(2):
        step(x)
    order = ("--- backward", "--- update", "np.multiply(0.1, d_p0", "np.subtract", "--- forward", "np.maximum")
    places = [step.source.rindex(text) for text in order]
    assert places == sorted(places)


def test_a_step_that_was_not_called_twice_has_no_source():
    step = tt.compile(lambda x: x + 1)
    for told in ("never", "once"):
        with pytest.raises(tt.CompileError, match=f"was called {told}; expected two calls"):
            step.source  # noqa: B018
        step(np.ones(2))
    assert "np.add(x, 1, out=" in step.source


LINES = {
    "a.dot(b, c)": CallText("np.dot", ["a", "b"], {"out": "c"}, target=np.matmul, dot=True),
    "np.dot(2.0, b, out=c)": CallText("np.dot", ["2.0", "b"], {"out": "c"}, target=np.dot),
    "np_add(a, 1, a)": CallText("np.add", ["a", "1"], {"out": "a"}, target=np.add),
    "np_matmul(a, b, c)": CallText("np.matmul", ["a", "b"], {"out": "c"}, target=np.matmul),
    "np_maximum(a, 0, out=a)": CallText("np.maximum", ["a", "0"], {"out": "a"}, target=np.maximum),
    "np_maximum_reduce(a, 1, None, top)": CallText("np.maximum.reduce", ["a"], {"axis": "1", "out": "top"},
                                                   target=np.maximum.reduce),
    'a.take(i, 0, c, "clip")': CallText("a.take", ["i", "0"], {"out": "c", "mode": '"clip"'}),
    "c.reshape(27)[...] = b.reshape(27)": CallText("np.copyto", ["c.reshape(27)", "b.reshape(27)"], {}),
    "c.T[...] = b": CallText("np.copyto", ["c.T", "b"], {}),
    "np.copyto(c, a, casting='unsafe')": CallText("np.copyto", ["c", "a"], {"casting": "'unsafe'"}),
    'np.multiply(a, b, order="C", out=c)': CallText("np.multiply", ["a", "b"], {"order": '"C"', "out": "c"},
                                                    target=np.multiply),
    "np.clip(a, 0, 1, out=c)": CallText("np.clip", ["a", "0", "1"], {"out": "c"}, target=np.clip),
    "x = a.reshape(-1)": CallText("a.reshape", ["-1"], {}, "x"),
}


@pytest.mark.parametrize("spelled", LINES)
def test_what_runs_does_what_is_read(spelled):
    """Where a line runs it is spelled for speed: it makes the same call."""
    names, found = Names([]), []
    assert quick(LINES[spelled], names) == spelled
    for text in (str(LINES[spelled]), spelled):
        a, b, c = np.arange(27.0).reshape(3, 3, 3) / 7 - 1
        if "27" in text:
            b, c = np.arange(54.0).reshape(2, 3, 9)
        arrays = {"a": a, "b": b, "c": c, "top": np.zeros(3), "i": np.array([2, 0, 2])}
        exec(text, {"np": np, **names.runtime}, arrays)
        found.append(arrays)
    for name, x in found[0].items():
        np.testing.assert_array_equal(x, found[1][name], name)


def test_a_number_among_arrays_is_an_array_where_it_runs():
    line, names = CallText("np.add", ["a", as_operand(1, "1", np.dtype("f"))], {"out": "a"}, target=np.add), Names([])
    assert str(line) == "np.add(a, 1, out=a)" and quick(line, names) == "np_add(a, number, a)"
    assert names.runtime["number"] == 1 and names.runtime["number"].dtype == np.float32


@pytest.mark.parametrize("product", [lambda x, s: np.dot(2.0, x), lambda x, s: np.dot(3, x), lambda x, s: np.dot(s, x)])
@pytest.mark.parametrize("s", [0.5, np.float32(0.5), np.array(0.5, np.float32)])
def test_products_of_numbers(product, s):
    """They have no method dot."""
    x = np.ones((4, 3), np.float32)
    step = tt.compile(product)
    for _ in range(3):
        np.testing.assert_array_equal(step(x, s), product(x, s))
