"""The fifth lecture: WaveNet in both forms, the notebook's stream to the digit, and the example as its users run it."""

import re
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

import tinytensor as tt
from tinytensor import nn, optim, text
from tinytensor.models import CausalWaveNet, WaveNet

ROOT = Path(__file__).resolve().parents[2]
SIZES = [{"context": 8}, {"context": 2, "hidden": 5}, {"context": 16, "embedding": 3, "unbiased": True},
         {"context": 9, "kernel": 3, "hidden": 7}, {"context": 4, "kernel": 4}]


def grown(**sizes):
    """A tree whose every number, running statistics included, is its own."""
    model = WaveNet(27, **sizes, rng=1)
    rng = tt.Generator(2)
    for name, x in model.state_dict().items():
        if x.dtype.kind == "f":
            x[...] = np.abs(rng.randn(*x.shape)) + 0.5 if "var" in name else rng.randn(*x.shape) / x.shape[-1] ** 0.5
        model.load_state_dict({name: x}, strict=False)
    return model.eval()


def text_and_windows(model, length=25):
    ids = tt.Generator(3).randint(0, 27, (2, length))
    return ids, np.lib.stride_tricks.sliding_window_view(ids, model.sizes["context"], axis=1)


def steps(model, X, Y, rng, n):
    """The losses of n steps of the notebook's training."""
    opt, losses = optim.SGD(model.parameters(), lr=0.1), []
    for _, (x, y) in zip(range(n), text.batches(X, Y, 32, rng), strict=False):
        loss = tt.cross_entropy(model(x), y)
        opt.zero_grad()
        loss.backward()
        opt.step()
        losses.append(loss.item())
    return losses


# --- the tree ---


@pytest.mark.parametrize(("sizes", "weights"), [
    ((3, 10, 200, 3), 12_097), ((8, 10, 200, 8), 22_097), ((8, 10, 68), 22_397), ((8, 24, 128), 76_579)])
def test_the_lecture_s_sizes(sizes, weights):
    model = WaveNet(27, *sizes)
    assert model.num_parameters() == weights
    assert model(np.zeros((5, sizes[0]), np.int64)).shape == (5, 27)


@pytest.mark.parametrize(("context", "kernel", "powers"), [
    (6, 2, "(2, 4, 8, ...)"), (1, 2, "(2, 4, 8, ...)"), (0, 2, "(2"), (8, 3, "(3, 9, 27, ...)"), (-8, 2, "(2"),
    (8, 1, "(1")])
def test_a_context_that_no_levels_make(context, kernel, powers):
    with pytest.raises(ValueError, match=f"got context={context}; expected a power of {kernel} {re.escape(powers)}"):
        WaveNet(27, context, kernel=kernel)


def test_levels_see_pairs_then_fours_then_eights():
    """A character moves the outputs of a level where it stands, and no others."""
    model, x = grown(), np.zeros((2, 8), np.int64)
    x[1, 5] = 7
    touched = []
    for layer in model:
        x = layer(x)
        if isinstance(layer, nn.Tanh):
            touched.append(np.flatnonzero((x.data[0] != x.data[1]).reshape(-1, 128).any(1)).tolist())
    assert touched == [[2], [1], [0]]


def test_the_same_seed_gives_the_same_network_in_both_forms():
    a, b = WaveNet(27, rng=5), CausalWaveNet(27, rng=5).tree()
    assert all(np.array_equal(x, b.state_dict()[name]) for name, x in a.state_dict().items())
    tt.manual_seed(5)
    assert np.array_equal(WaveNet(27)[2].weight.data, a[2].weight.data)
    assert not np.array_equal(WaveNet(27)[2].weight.data, a[2].weight.data)


# --- the convolutions ---


@pytest.mark.parametrize("sizes", SIZES, ids=str)
def test_equal_weights_give_equal_outputs(sizes):
    tree = grown(**sizes)
    ids, windows = text_and_windows(tree)
    tt.manual_seed(6)
    causal = tree.causal()
    assert not causal.training
    assert tt.random.default_generator().rand(1) == tt.Generator(6).rand(1), "a conversion draws nothing"
    np.testing.assert_allclose(causal(ids).data, tree(windows.reshape(-1, windows.shape[-1])).data.reshape(
        *windows.shape[:2], 27), rtol=1e-5, atol=1e-6)


@pytest.mark.parametrize("sizes", SIZES, ids=str)
def test_there_and_back_again(sizes):
    tree = grown(**sizes).astype(np.float64)
    back = tree.causal().tree()
    assert back.sizes == tree.sizes
    for name, x in tree.state_dict().items():
        np.testing.assert_array_equal(back.state_dict()[name], x)
        assert back.state_dict()[name].dtype == x.dtype
    back[0].weight.data += 1  # a copy: the other stays
    assert not np.array_equal(back[0].weight.data, tree[0].weight.data)


def test_a_prediction_depends_on_its_window_alone():
    causal = grown(embedding=4, hidden=6).causal()
    ids, _ = text_and_windows(causal)
    before = causal(ids).data
    for place in (0, 9, 24):
        changed = ids.copy()
        changed[0, place] = (changed[0, place] + 1) % 27
        moved = (causal(changed).data != before).any(2)
        assert np.flatnonzero(moved[0]).tolist() == list(range(max(place - 7, 0), min(place, 17) + 1))
        assert not moved[1].any()


def test_gradients_are_the_same_in_both_forms():
    tree = grown(embedding=4, hidden=6).astype(np.float64)
    causal = tree.causal()
    ids, windows = text_and_windows(tree)
    targets = tt.Generator(4).randint(0, 27, windows.shape[:2])
    tt.cross_entropy(tree(windows.reshape(-1, 8)), targets.reshape(-1)).backward()
    tt.cross_entropy(causal(ids), targets).backward()
    for p, q in zip(tree.parameters(), causal.parameters(), strict=True):
        own = q.grad if p.ndim == q.ndim else q.grad.swapaxes(1, 2).reshape(p.shape)
        np.testing.assert_allclose(own, p.grad, rtol=1e-9, atol=1e-12)


@pytest.mark.parametrize("shape", [(2, 7), (8,), (1, 2, 8)])
def test_texts_that_are_too_short_or_no_batch(shape):
    with pytest.raises(ValueError, match=re.escape(f"got a text of shape {shape}; expected (N, L) with L of 8 or")):
        CausalWaveNet(27)(np.zeros(shape, np.int64))


# --- the notebook's stream ---


@pytest.fixture(scope="module")
def splits():
    items = text.read_items(ROOT / "data" / "names.txt")
    vocabulary = text.Vocabulary.of(items)
    return [text.windows(part, vocabulary, 8) for part in text.split(items)]


def test_the_notebook_s_first_weights():
    model, rng = WaveNet(27, rng=42), tt.Generator(42)
    assert np.array_equal(model[0].weight.data, rng.randn(27, 24))
    for layer, (n, m), scale in ((model[2], (48, 128), 1), (model[6], (256, 128), 1), (model[10], (256, 128), 1),
                                 (model[13], (128, 27), np.float32(0.1))):
        assert np.array_equal(layer.weight.data.T, rng.randn(n, m) / n**0.5 * scale)
    assert not model[13].bias.data.any()


def test_the_notebook_s_run(splits):
    """Its first loss; and what a PyTorch run of it has after 5,001 steps."""
    rng = tt.Generator(42)
    model = WaveNet(27, unbiased=True, rng=rng)
    losses = steps(model, *splits[0], rng, 5001)
    assert abs(losses[0] - 3.3167) < 6e-5
    model.eval()
    with tt.no_grad():
        for (X, Y), expected in zip(splits[:2], (2.162915, 2.181458), strict=True):
            parts = range(0, len(X), 8192)
            total = sum(tt.cross_entropy(model(X[i : i + 8192]), Y[i : i + 8192], "sum").item() for i in parts)
            assert abs(total / len(X) - expected) < 1e-5


@pytest.mark.peer
def test_300_steps_in_torch(splits):
    """The notebook's layers, written in torch: every loss within 2e-6."""
    torch = pytest.importorskip("torch")
    torch.set_num_threads(1)  # its matrices are small, too
    rng = torch.Generator().manual_seed(42)
    table = torch.randn(27, 24, generator=rng)
    matrices = [torch.randn(n, m, generator=rng) / n**0.5 for n, m in ((48, 128), (256, 128), (256, 128), (128, 27))]
    matrices[-1] *= 0.1
    gains, shifts, bias = torch.ones(3, 128), torch.zeros(3, 128), torch.zeros(27)
    parameters = [table, *matrices, gains, shifts, bias]
    for p in parameters:
        p.requires_grad_()
    X, Y = map(torch.as_tensor, splits[0])
    expected = []
    for _ in range(300):
        ix = torch.randint(0, len(X), (32,), generator=rng)
        h = table[X[ix]]
        for weight, gain, shift in zip(matrices[:-1], gains, shifts, strict=True):
            h = h.reshape(32, h.shape[1] // 2, -1) @ weight
            h = (h - h.mean((0, 1))) / torch.sqrt(h.var((0, 1)) + 1e-5)
            h = torch.tanh(h * gain + shift)
        loss = torch.nn.functional.cross_entropy(h[:, 0] @ matrices[-1] + bias, Y[ix])
        for p, g in zip(parameters, torch.autograd.grad(loss, parameters), strict=True):
            p.data -= 0.1 * g
        expected.append(loss.item())
    ours = tt.Generator(42)
    losses = steps(WaveNet(27, unbiased=True, rng=ours), *splits[0], ours, 300)
    np.testing.assert_allclose(losses, expected, rtol=0, atol=2e-6)


# --- the example ---

SMALL = ("--steps", "60", "--hidden", "12", "--embedding", "4", "--names", "3")


def run(*arguments):
    return subprocess.run([sys.executable, str(ROOT / "examples" / "wavenet.py"), *map(str, arguments)],
                          capture_output=True, text=True, stdin=subprocess.DEVNULL)


@pytest.fixture
def names(tmp_path):
    path = tmp_path / "items.txt"
    path.write_text("\n".join(["anna", "hannah", "nan", "ananas", "ban", "bann", "banana", "hab", "nab", "bah"] * 3))
    return path


def test_the_network_and_its_convolution(names):
    done = run(*SMALL, "--data", names)
    assert done.returncode == 0, done.stderr
    assert re.search(r"FlattenConsecutive +\(4, 4, 12\) -> \(4, 2, 24\)", done.stdout)
    gap = re.search(r"times faster than one by one, largest difference (\S+)", done.stdout)
    assert float(gap[1]) < 2e-5


def test_the_lecture_s_first_loss():
    done = run("--recipe", "lecture", "--quick", "--names", "0")
    assert done.returncode == 0, done.stderr
    assert "0 steps: 3.3167 = the notebook's 3.3167" in done.stdout


def test_the_ladder(names, tmp_path):
    done = run("--ladder", "--data", names, "--steps", "30", "--batch", "8", "--plots", tmp_path / "p")
    assert done.returncode == 0, done.stderr
    table = [line.split(" | ") for line in (tmp_path / "p" / "ladder.md").read_text().splitlines()]
    printed = [re.split(r" {2,}", line) for line in done.stdout.splitlines() if re.search(r"\d\.\d{4} ", line)]
    assert [[cell.strip("| ") for cell in row] for row in table[2:]] == printed
    assert [row[1] for row in printed] == ["7,666", "17,666", "20,738", "20,738", "73,366"]  # of 6 characters
    assert "notebook" not in done.stdout, "its losses are of other data"
    assert (tmp_path / "p" / "ladder.png").stat().st_size > 10_000


def test_a_file_of_one_s_own(names):
    done = run(*SMALL, "--data", names, "--context", "16")
    assert done.returncode == 0, done.stderr
    assert "30 items, 6 characters" in done.stdout and "(4, 16, 4) -> (4, 8, 8)" in done.stdout


@pytest.mark.parametrize(("arguments", "error"), [
    (("--context", "6"), "--context: WaveNet: got context=6; expected a power of 2 (2, 4, 8, ...)"),
    (("--context", "1"), "argument --context: got 1; expected a whole number, 2 or more"),
    (("--batch", "1"), "argument --batch: got 1; expected a whole number, 2 or more"),
    (("--lr", "1e30"), "; expected a finite number; give a smaller --lr"),
])
def test_bad_input_is_one_line_and_status_2(names, arguments, error):
    done = run(*SMALL, *(() if "--data" in arguments else ("--data", names)), *arguments)
    errors = [line for line in done.stderr.splitlines() if line.startswith("wavenet.py: ")]
    assert done.returncode == 2 and len(errors) == 1 and error in errors[0], done.stderr
    assert "Traceback" not in done.stderr
