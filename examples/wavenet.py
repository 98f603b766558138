"""Lecture 5: a tree of layers learns names, joining neighbouring characters level by level (WaveNet).

The network of lecture 3 squeezed its whole context into one layer; here each level joins two neighbours: pairs, fours,
eights. It shows Embedding, FlattenConsecutive and Sequential as building blocks, batch norm over a third axis, the
smoothed loss, the lecture's ladder of five networks (--ladder), and the same tree as dilated causal convolutions, which
compute all windows of a name in one pass. It leaves out the paper's gated units, residual and skip connections.

    python examples/wavenet.py                     about two minutes, and twenty new names
    python examples/wavenet.py --ladder            the lecture's five networks, one after the other
    python examples/wavenet.py --recipe lecture    the notebook's settings and random stream, its figures beside ours
"""

from shared import common, compiled  # first: it sets one BLAS thread

import dataclasses  # isort: skip
import timeit
from dataclasses import dataclass
from pathlib import Path

import numpy as np

import tinytensor as tt
from tinytensor import nn, optim, text
from tinytensor.models import WaveNet

NOTEBOOK = dict(zip((*range(0, 200_000, 10_000), 199_999), (
    3.3167, 2.0576, 2.0723, 2.5134, 2.1476, 1.7836, 2.2592, 1.9331, 1.6875, 2.0395, 1.7736, 1.9570, 1.7465, 1.8126,
    1.7406, 1.7466, 1.8806, 1.6266, 1.6476, 1.8555, 1.8919)))
NOTEBOOK_SPLITS = {"train": 1.769028, "dev": 1.993652}  # the notebook does not evaluate test
NOTEBOOK_NAMES = ["arlij", "chetta", "heago", "rocklei", "hendrix", "jamylie", "broxin", "denish", "anslibt",
                  "marianah", "astavia", "annayve", "aniah", "jayce", "nodiel", "remita", "niyelle", "jaylene", "aiyan",
                  "aubreana"]
LADDER = (  # network; context, embedding, hidden, kernel; the notebook's train and dev loss
    ("3 characters, joined at once", (3, 10, 200, 3), 2.058, 2.105),
    ("8 characters, joined at once", (8, 10, 200, 8), 1.918, 2.027),
    ("8 in a tree, statistics per position", (8, 10, 68, 2), 1.941, 2.029),
    ("8 in a tree, statistics over positions", (8, 10, 68, 2), 1.912, 2.022),
    ("the same, scaled up", (8, 24, 128, 2), 1.769, 1.993),
)


@dataclass
class Settings(compiled.Settings, common.LectureSettings, common.NamesSettings):
    context: int = common.setting(8, "how many characters predict the next one: a power of 2", least=2)
    embedding: int = common.setting(24, "size of the embedding of a character", least=1)
    hidden: int = common.setting(200, "neurons per level", least=1)
    batch: int = common.setting(64, "examples in a batch; batch norm needs two", least=2)
    steps: int = common.setting(100_000, "steps of gradient descent", least=1)
    lr: float = common.setting(0.2, "initial learning rate; it falls linearly to 0", least=0)
    weight_decay: float = common.setting(3e-4, "weight decay of all weights", least=0)
    ladder: bool = common.setting(False, "only train the lecture's five networks, one after the other, and compare "
                                  "them")
    seed: int = common.setting(42, "seed of everything random: weights, batches, names", least=0,
                               most=common.SEED)


LECTURE = {"context": 8, "embedding": 24, "hidden": 128, "batch": 32, "steps": 200_000, "lr": 0.1, "weight_decay": 0.0,
           "seed": 42, "names": 20}


# --- training ---


def schedule(s: Settings) -> optim.Schedule:
    if s.lecture:
        return optim.piecewise(s.lr, {150_000: 0.1 * s.lr})
    return optim.linear(s.lr, 0.0, s.steps)


@np.errstate(over="ignore", invalid="ignore")  # `log` reports a rate that is too high
def train(model, s: Settings, X, Y, rng, title="training") -> common.Progress:
    opt, rate = optim.SGD(model.parameters(), lr=s.lr, weight_decay=s.weight_decay), schedule(s)
    progress = common.Progress(s.steps, title, expected=NOTEBOOK if s.lecture and not s.ladder else None)

    @compiled.step(model, opt, eager=s.eager)
    def step(x, y, lr):  # (B, T), (B,)
        loss = tt.cross_entropy(model(x), y)
        opt.zero_grad()
        loss.backward()
        opt.lr = lr
        opt.step()
        return loss

    for i, (x, y) in zip(progress, text.batches(X, Y, s.batch, rng)):
        progress.log(step(x, y, rate(i)).item())
    progress.step = step
    return progress


def build(vocabulary: int, s: Settings, rng: tt.Generator, kernel: int = 2) -> WaveNet:
    try:
        return WaveNet(vocabulary, s.context, s.embedding, s.hidden, kernel, unbiased=s.lecture, rng=rng)
    except ValueError as error:
        raise common.UserError(f"--context: {error}") from None


# --- the ladder ---


class NormOverBatchOnly(nn.Module):
    """The lecture's mistake: batch norm that averages over axis 0 alone of (B, T, C).

    It runs, because everything broadcasts, but each of the T positions gets its own mean and variance, from B numbers
    instead of B * T: noisier estimates, although the same weights compute all positions.
    """

    def __init__(self, fixed: nn.BatchNorm1d, positions: int) -> None:
        super().__init__()
        self.norm = nn.BatchNorm1d(positions * fixed.num_features, affine=False, unbiased=fixed.unbiased)
        self.weight, self.bias = fixed.weight, fixed.bias

    def forward(self, x):  # (B, T, C) or, at the last level, (B, C)
        return self.norm(x.reshape(len(x), -1)).reshape(x.shape) * self.weight + self.bias


def ladder(s: Settings, names: common.Names, plot) -> int:
    """The lecture's five networks, each trained in the same way; a row is printed after each."""
    theirs, rows = () if s.own_data else ("the notebook's train / dev",), []
    table = common.Table("network", "weights", "train", "dev", *theirs, "seconds", width=39)
    for what, (context, embedding, hidden, kernel), *notebook in LADDER:
        s, rng = dataclasses.replace(s, context=context, embedding=embedding, hidden=hidden), tt.Generator(s.seed)
        model, data = build(len(names.vocabulary), s, rng, kernel), names.windows(context)
        if "per position" in what:
            for i, positions in ((3, context // 2), (7, context // 4), (11, context // 8)):  # after every Linear
                model[i] = NormOverBatchOnly(model[i], positions)
        progress = train(model, s, *data["train"], rng, what)
        if progress.interrupted:
            break
        ours = [common.evaluate(model, *data[part]) for part in ("train", "dev")]
        rows.append((what, *ours, *notebook))
        table.add(what, f"{model.num_parameters():,}", *(f"{loss:.4f}" for loss in ours),
                  *[f"{notebook[0]:.3f} / {notebook[1]:.3f}" for _ in theirs], f"{progress.seconds:.0f}")
    print(f"{what}: {progress.step}")
    if plot and rows:
        folder = Path(s.plots)
        table.save(folder / "ladder.md")
        plot.ladder_chart(rows, xlabel=common.NATS, path=folder / "ladder.png")
        common.drawn(folder, "ladder.png", "ladder.md")
    elif not rows:
        common.nothing_drawn(s.plots, "no network was trained to its end")
    return 130 if progress.interrupted else 0


# --- what is shown ---


@tt.no_grad()
def show_shapes(model: WaveNet, x) -> None:
    """The shapes of each layer's input and output for four examples, and its number of weights."""
    for layer in model.eval():
        before, x = np.shape(x), layer(x)
        print(f"{type(layer).__name__:>20} {before!s:>12} -> {x.shape!s:<12} {layer.num_parameters():>7,} weights")
    model.train()


@tt.no_grad()
def show_convolution(model: WaveNet, names: common.Names, context: int) -> None:
    """The lecture's hint: neighbouring windows share most of their tree, and a convolution computes it once.

    Eval mode matters: in training mode, batch norm would mix the windows, and refuse a single one.
    """
    model.eval()
    causal, name = model.causal(), names.splits["train"][:2][-1]  # the lecture's: diondre
    ids = names.vocabulary.encode(names.vocabulary.boundary * context + name)  # (context + len(name),)
    windows = np.lib.stride_tricks.sliding_window_view(ids, context)  # (len(name) + 1, context)
    ways = {"tree, window by window": lambda: np.concatenate([model(window[None]).data for window in windows]),
            "tree, windows as a batch": lambda: model(windows).data,
            "dilated convolutions": lambda: causal(ids[None]).data[0]}
    first, *others = (way() for way in ways.values())
    gap = max(np.abs(other - first).max() for other in others)
    times = [min(timeit.repeat(way, number=5, repeat=10)) / 5 * 1e6 for way in ways.values()]
    print(f"{name!r}, {len(windows)} predictions: " + ", ".join(f"{n} {t:.0f} us" for n, t in zip(ways, times))
          + f"; {times[0] / times[2]:.1f} times faster than one by one, largest difference {gap:.1e}")


# --- the script, from top to bottom ---


def main(s: Settings) -> int:
    s.steps = min(s.steps, 500) if s.quick else s.steps
    names, plot, rng = common.read_names(s.data), common.plotting(s.plots), tt.Generator(s.seed)
    if s.ladder:
        return ladder(s, names, plot)
    model, data = build(len(names.vocabulary), s, rng), names.windows(s.context)
    print(f"{names.sizes(data)}, {model.num_parameters():,} weights")
    show_shapes(model, data["train"][0][:4])

    progress = train(model, s, *data["train"], rng)
    print(progress.pace())
    result = {name: common.evaluate(model, *part) for name, part in data.items()}
    complete = s.lecture and len(progress.losses) == LECTURE["steps"]
    show_convolution(model, names, s.context)
    with common.evaluating(model) as predict:
        common.show_names(predict, names, s.context, rng, s.names, expected=NOTEBOOK_NAMES if complete else ())
    if plot:
        folder = Path(s.plots)
        plot.loss_curve(progress.losses, common.references(s, "dev", result, NOTEBOOK_SPLITS), ylabel=common.NATS,
                        path=folder / "loss.png")
        plot.dilated_tree(s.context, path=folder / "tree.png")
        common.drawn(folder, "loss.png", "tree.png")
    if complete:
        common.tell_splits(result, NOTEBOOK_SPLITS, 6)
    common.show_losses(s, result, NOTEBOOK_SPLITS)
    return progress.status


if __name__ == "__main__":
    common.run(main, Settings, __doc__, {"lecture": LECTURE})
