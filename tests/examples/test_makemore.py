"""makemore's models: none sees the future, each is what its formula says, and the example as its users run it."""

import math
import re
import signal
import struct
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest

import tinytensor as tt
from tinytensor import models, optim, text
from tinytensor.models import GPT, GRU, MLP, RNN, Bigram, BoW, CausalCNN

ROOT = Path(__file__).resolve().parents[2]
V, T = 7, 12
FAR = 10**9
BUILD = {  # what; how; how many tokens it sees
    "bigram": (lambda **given: Bigram(V, given.get("dtype", np.float32)), 1),
    "mlp": (lambda **given: MLP(V, 5, 4, 6, **given), 5),
    "cnn": (lambda **given: CausalCNN(V, 3, 6, **given), 8),
    "bow": (lambda **given: BoW(V, T, 6, 8, **given), FAR),
    "rnn": (lambda **given: RNN(V, 4, 6, **given), FAR),
    "gru": (lambda **given: GRU(V, 4, 6, **given), FAR),
    "gpt": (lambda **given: GPT(V, T, 8, 2, 2, **given), FAR),
}
ALL = pytest.mark.parametrize("name", BUILD)


def grown(name, dtype=np.float64):
    """A model whose every number is its own."""
    model, rng = BUILD[name][0](rng=1, dtype=dtype), np.random.default_rng(2)
    for p in model.parameters():
        p.data[...] = rng.normal(0, 0.5, p.shape)
    return model


def tokens(rows=3, length=T):
    return np.random.default_rng(3).integers(0, V, (rows, length))


# --- all of them ---


@ALL
def test_the_logits_at_a_place_depend_on_what_stands_before_it_and_no_further_back_than_it_sees(name):
    model, ids, sees = grown(name), tokens(), BUILD[name][1]
    before = model(ids).data
    for place in range(T):
        changed = ids.copy()
        changed[1, place] = (changed[1, place] + 1) % V
        moved = (model(changed).data != before).any(2)
        assert np.flatnonzero(moved[1]).tolist() == list(range(place, min(T, place + sees)))
        assert not moved[0].any() and not moved[2].any(), "texts do not see each other"


@ALL
def test_a_longer_text_has_the_same_beginning(name):
    model, ids = grown(name), tokens()
    for length in (1, 2, 7):
        np.testing.assert_allclose(model(ids[:, :length]).data, model(ids).data[:, :length], rtol=1e-12, atol=1e-12)


@ALL
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_shapes_dtypes_and_a_gradient_for_every_weight(name, dtype):
    model = grown(name, dtype)
    logits = model(tokens())
    assert logits.shape == (3, T, V) and logits.dtype == dtype
    tt.cross_entropy(logits, tokens(), ignore_index=0).backward()
    for path, p in model.named_parameters():
        assert p.grad.dtype == dtype and p.grad.any(), path


@ALL
def test_the_seed_gives_the_first_weights(name):
    a, b, c = (BUILD[name][0](rng=seed).state_dict() for seed in (5, 5, 6))
    assert all(np.array_equal(x, b[path]) for path, x in a.items())
    assert name == "bigram" or not all(np.array_equal(x, c[path]) for path, x in a.items())


@ALL
def test_each_learns(name):
    """A text that repeats itself: 0 1 2 0 1 2, for each its own loss near 0."""
    model, ids = BUILD[name][0](rng=4), np.arange(T + 1)[None] % 3
    opt = optim.AdamW(model.parameters(), lr=0.03)
    for _ in range(150):
        loss = tt.cross_entropy(model(ids[:, :-1]), ids[:, 1:])
        opt.zero_grad()
        loss.backward()
        opt.step()
    assert loss.item() < 0.1


@pytest.mark.parametrize("name", [name for name in BUILD if name != "gpt"])
@pytest.mark.parametrize("shape", [(4,), (1, 2, 3), (2, 0)])
def test_what_is_no_batch_of_texts(name, shape):
    up_to = f"T from 1 to {T}" if name == "bow" else "T of 1 or more"
    with pytest.raises(ValueError, match=re.escape(f"got tokens of shape {shape}; expected (B, T), {up_to}")):
        grown(name)(np.zeros(shape, np.int64))


def test_a_bag_is_only_as_long_as_its_context():
    error = f"got tokens of shape (2, {T + 1}); expected (B, T), T from 1 to {T}, the context of this model; "
    with pytest.raises(ValueError, match=re.escape(error)):
        grown("bow")(np.zeros((2, T + 1), np.int64))


@pytest.mark.parametrize(("build", "error"), [
    (lambda: Bigram(0), "Bigram: got vocabulary=0; expected 1 or more"),
    (lambda: MLP(V, context=0), "MLP: got context=0; expected 1 or more"),
    (lambda: CausalCNN(V, levels=0), "CausalCNN: got levels=0; expected 1 or more"),
    (lambda: BoW(V, 0), "BoW: got context=0; expected 1 or more"),
])
def test_sizes_that_are_none(build, error):
    with pytest.raises(ValueError, match=re.escape(error)):
        build()


def test_all_models_are_offered():
    assert {"GPT", "GRU", "MLP", "RNN", "Bigram", "BoW", "CausalCNN"} <= set(models.__all__)


# --- each is what its formula says ---


def test_the_first_logits_of_a_bigram_are_equal_and_it_learns_to_count():
    model, ids = Bigram(V), tokens(20)
    assert not model(ids).data.any()
    opt = optim.SGD(model.parameters(), lr=20.0)
    for _ in range(400):
        loss = tt.cross_entropy(model(ids[:, :-1]), ids[:, 1:])
        opt.zero_grad()
        loss.backward()
        opt.step()
    counts = np.zeros((V, V))
    np.add.at(counts, (ids[:, :-1], ids[:, 1:]), 1)
    np.testing.assert_allclose(tt.softmax(model.logits).data, counts / counts.sum(1, keepdims=True), atol=1e-3)


def test_the_mlp_is_the_lecture_s_over_windows():
    model, items = grown("mlp"), ["abba", "fade", "a", "cab"]
    vocabulary = text.Vocabulary(".abcdef")
    X, _ = text.windows(items, vocabulary, context=5)  # (N, 5)
    weight = model.hidden.weight.data.swapaxes(1, 2).reshape(6, -1)  # (H, 5 * D)
    h = np.tanh(model.wte.weight.data[X].reshape(len(X), -1) @ weight.T + model.hidden.bias.data)
    expected = h @ model.lm_head.weight.data.T + model.lm_head.bias.data  # (N, V)
    ours = [model(vocabulary.encode("." + item)[None]).data[0] for item in items]
    np.testing.assert_allclose(np.concatenate(ours), expected, rtol=1e-12)


def test_the_bag_s_mean_by_a_loop():
    model, ids = grown("bow"), tokens(2)
    for p in model.think.parameters():
        p.data[...] = 0
    x = model.wte.weight.data[ids] + model.wpe.weight.data  # (B, T, C)
    x = np.stack([x[:, t] + x[:, : t + 1].mean(1) for t in range(T)], axis=1)
    expected = x @ model.lm_head.weight.data.T + model.lm_head.bias.data
    np.testing.assert_allclose(model(ids).data, expected, rtol=1e-12, atol=1e-12)


@pytest.mark.peer
@pytest.mark.parametrize("name", ["cnn", "rnn", "gru", "bow"])
def test_logits_and_gradients_are_torch_s(name):
    torch = pytest.importorskip("torch")
    F, model, ids = torch.nn.functional, grown(name), tokens()
    w = {path: torch.tensor(p.data.copy(), requires_grad=True) for path, p in model.named_parameters()}
    x = w["wte.weight"][torch.tensor(ids)]  # (B, T, C)
    if name == "cnn":
        x = x.mT  # (B, C, T)
        for i in range(3):
            a = F.conv1d(F.pad(x, (2**i, 0)), w[f"levels.{i}.conv.weight"], w[f"levels.{i}.conv.bias"], dilation=2**i)
            a, gate = a.chunk(2, dim=1)
            x = x + F.conv1d(a.tanh() * gate.sigmoid(), w[f"levels.{i}.join.weight"], w[f"levels.{i}.join.bias"])
        x = x.mT
    elif name == "bow":  # as in makemore: a softmax of what is masked
        x = x + w["wpe.weight"]
        mask = torch.full((T, T), -torch.inf, dtype=x.dtype).triu(1)
        x = x + mask.softmax(-1) @ x
        h = F.linear(x, w["think.0.weight"], w["think.0.bias"]).tanh()
        x = x + F.linear(h, w["think.2.weight"], w["think.2.bias"])
    else:
        layer = {"rnn": torch.nn.RNN, "gru": torch.nn.GRU}[name](4, 6, batch_first=True, dtype=torch.float64)
        own = {path.removeprefix("recurrent."): p for path, p in w.items() if path.startswith("recurrent")}
        x, _ = torch.func.functional_call(layer, own, (x,))
    logits = F.linear(x, w["lm_head.weight"], w["lm_head.bias"])
    targets = torch.tensor(ids).roll(1, 1)
    F.cross_entropy(logits.reshape(-1, V), targets.reshape(-1), ignore_index=0).backward()
    ours = model(ids)
    tt.cross_entropy(ours, targets.numpy(), ignore_index=0).backward()
    np.testing.assert_allclose(ours.data, logits.detach().numpy(), rtol=1e-10, atol=1e-12)
    for path, p in model.named_parameters():
        np.testing.assert_allclose(p.grad, w[path].grad.numpy(), rtol=1e-9, atol=1e-12, err_msg=path)


# --- the figure ---


def test_the_race_chart_has_each_curve_and_names_the_lowest_last():
    pytest.importorskip("matplotlib")
    from tinytensor.diagnostics import plot

    curves = {"gru": {0.1: 3.0, 1.0: 2.1, 2.0: 2.0}, "bigram": {0.1: 2.5, 2.0: 2.45}, "mlp": {1.5: 2.2}}
    (ax,) = plot.race_chart(curves).axes
    drawn = {str(line.get_label()).split()[1]: dict(zip(*line.get_data(), strict=True)) for line in ax.lines}
    assert drawn == curves
    assert [t.get_text() for t in ax.get_legend().get_texts()] == ["2.450  bigram", "2.200  mlp", "2.000  gru"]
    low, high = ax.get_ylim()
    assert low < 2.0 and 2.45 < high < 3.0, "the end can be seen, the first drop is cut"


# --- the example ---


@pytest.fixture
def names(tmp_path):
    path = tmp_path / "items.txt"
    path.write_text("\n".join(["anna", "hannah", "nan", "ananas", "ban", "bann", "banana", "hab", "nab", "bah"] * 3))
    return path


def run(*arguments):
    return subprocess.run([sys.executable, str(ROOT / "examples" / "makemore.py"), *map(str, arguments)],
                          capture_output=True, text=True, stdin=subprocess.DEVNULL)


def rows(done):
    """The table: model -> its other columns."""
    assert done.returncode in (0, 130), done.stderr
    lines = done.stdout.splitlines()
    table = lines[next(i for i, line in enumerate(lines) if line.startswith("model ")) + 1 :]
    return {line.split()[0]: line.split()[1:] for line in table if re.search(r"\d\.\d{4}$", line)}


def test_all_models_by_steps_are_repeatable_and_drawn(names, tmp_path):
    pytest.importorskip("matplotlib")
    done = run("--data", names, "--steps", 5, "--names", 2, "--plots", tmp_path / "p")
    again = run("--data", names, "--steps", 5, "--names", 2)
    table, same = rows(done), rows(again)
    assert list(table) == list(same) == ["bigram", "mlp", "cnn", "bow", "rnn", "gru", "transformer"]
    for name, (_, steps, _, *rest) in table.items():
        assert steps == "5" and rest == same[name][3:], "all but the seconds is the same"
        assert len(rest) <= 5 and all(math.isfinite(float(loss)) for loss in rest[:3])
    head = (tmp_path / "p" / "race.png").read_bytes()[:24]
    assert head[:8] == b"\x89PNG\r\n\x1a\n" and struct.unpack(">I", head[16:20]) == (1000,)


def test_one_model_by_the_clock(names):
    done = run("--data", names, "--model", "bigram", "--seconds", "0.2", "--names", 0)
    (name, columns), = rows(done).items()
    assert name == "bigram" and int(columns[1].replace(",", "")) > 10
    assert columns[2] == "0.2" and float(columns[3]) < 1.5 < np.log(6) and len(columns) == 6


def test_ctrl_c_ends_with_what_was_reached(names):
    command = [sys.executable, "-u", str(ROOT / "examples" / "makemore.py"), "--data", str(names), "--steps", "300000"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as process:
        seen = process.stderr.read(100)  # the bar is there: it trains
        time.sleep(0.5)
        process.send_signal(signal.SIGINT)
        out, err = process.stdout.read(), seen + process.stderr.read()
    done = subprocess.CompletedProcess(command, process.returncode, out, err)
    assert done.returncode == 130 and "Traceback" not in err and list(rows(done)) == ["bigram"]


@pytest.mark.parametrize(("arguments", "error"), [
    (("--model", "lstm"), "argument --model: got 'lstm'; expected all"),
    (("--seconds", "0"), "argument --seconds: got 0; expected a number above 0"),
    (("--steps", "-1"), "argument --steps: got -1; expected a whole number, 0 or more"),
    (("--batch", "0"), "argument --batch: got 0; expected a whole number, 1 or more"),
    (("--data", "no/such"), "no/such"),
    (("--plots", __file__), "got a file; expected a folder"),
])
def test_bad_input_is_one_line_and_status_2(names, arguments, error):
    done = run("--data", names, "--steps", "2", *arguments)
    assert done.returncode == 2 and done.stderr.count("\n") == 1 and error in done.stderr, done.stderr


def test_names_that_are_too_long(tmp_path):
    (tmp_path / "long.txt").write_text("ab\n" * 30 + "a" * 20 + "\n")
    done = run("--data", tmp_path / "long.txt", "--steps", "2", "--model", "transformer", "--names", 0)
    assert done.returncode == 0, "a context of 21"
    (tmp_path / "long.txt").write_text("ab\n" * 30 + "a" * 128 + "\n")
    done = run("--data", tmp_path / "long.txt")
    assert done.returncode == 2 and done.stderr.count("\n") == 1 and "got a line of 128 characters" in done.stderr
