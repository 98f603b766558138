"""Lecture 3: six layers deep, and why it can be trained: initial weights, activations, gradients, BatchNorm.

The network of lecture 2 with five hidden layers: Linear, BatchNorm1d, Tanh. It shows the initial loss to expect,
saturated and dead units, what the scale of the initial weights does with and without BatchNorm, the health of a network
in training (activations, gradients, update:data), running and calibrated statistics, BatchNorm folded into the Linear
before it, and what a network of zeros can learn (--zero-init). It leaves out how the gradients are computed: lecture 4.

    python examples/batchnorm_mlp.py                     a minute, and twenty new names
    python examples/batchnorm_mlp.py --recipe lecture    the notebook's settings and random stream, its figures
                                                         beside ours
"""

from shared import common, compiled  # first: it sets one BLAS thread

import dataclasses  # isort: skip
import functools
import itertools
import math
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple

import numpy as np
from exercises import batchnorm as exercises

import tinytensor as tt
from tinytensor import nn, optim, text
from tinytensor.diagnostics import health

NOTEBOOK = dict(zip(range(0, 20_001, 2_000), (3.3016, 2.2823, 2.0225, 2.1432, 2.1164, 2.1357, 2.2422, 2.1831, 1.9529,
                                              2.2582, 1.9474)))
NOTEBOOK_SPLITS = {"train": 2.0581, "dev": 2.1088, "test": 2.1057}
NOTEBOOK_TANH = ((-0.0035, 0.6327, 5.8594), (-0.0011, 0.6479, 5.8359), (-0.0033, 0.6635, 4.6562),
                 (0.0, 0.6810, 3.2031), (0.0030, 0.6918, 1.7109))  # mean, std, % above 0.97
NOTEBOOK_GRADIENT = 8.7742  # 1e-4; std of the first tanh's gradient


@dataclass
class Settings(compiled.Settings, common.LectureSettings, common.NamesSettings):
    context: int = common.setting(3, "how many characters predict the next one", least=1)
    embedding: int = common.setting(16, "size of the embedding of a character", least=1)
    hidden: int = common.setting(200, "neurons per hidden layer", least=1)
    layers: int = common.setting(5, "hidden layers", least=1)
    batchnorm: bool = common.setting(True, "BatchNorm after each Linear")
    init: str = common.setting("normal", "distribution of the initial weights, which are divided by sqrt(fan_in)",
                               choices=("normal", "uniform"))
    gain: float = common.setting(5 / 3, "factor on the initial weights; 5/3 is Kaiming's for tanh", above=0)
    last: float = common.setting(0.1, "factor on the last layer's initial weights; small, so that no prediction is "
                                 "confident", least=0)
    batch: int = common.setting(64, "examples in a batch", least=1)
    steps: int = common.setting(50_000, "steps of gradient descent", least=1)
    lr: float = common.setting(0.2, "initial learning rate; it falls linearly to 0", least=0)
    weight_decay: float = common.setting(1e-4, "weight decay of the matrices", least=0)
    zero_init: bool = common.setting(False, "only train at most 1,000 steps from weights and gains of 0: what learns?")


LECTURE = {"context": 3, "embedding": 16, "hidden": 200, "layers": 5, "batchnorm": True, "init": "uniform", "gain": 1.0,
           "last": 0.1, "batch": 64, "steps": 20_001, "lr": 0.1, "weight_decay": 0.0, "seed": 2147483647}


# --- the model ---


def build(vocabulary: int, s: Settings, rng: tt.Generator) -> nn.Sequential:
    """Embedding, then Linear, BatchNorm1d and Tanh repeated, without the last Tanh; weights in the lecture's order."""
    widths = [s.context * s.embedding, *[s.hidden] * s.layers, vocabulary]
    parts = {"embed": nn.Embedding(vocabulary, s.embedding), "flatten": nn.Flatten()}
    parts["embed"].weight.data[...] = rng.randn(vocabulary, s.embedding)
    for i, (fan_in, fan_out) in enumerate(itertools.pairwise(widths), 1):
        parts[f"linear{i}"] = end = linear = nn.Linear(fan_in, fan_out, bias=not s.batchnorm)  # BatchNorm has a bias
        drawn = rng.randn(fan_in, fan_out) if s.init == "normal" else rng.rand(fan_in, fan_out) * 2 - 1
        linear.weight.data[...] = (drawn * (s.gain / math.sqrt(fan_in))).T
        if s.batchnorm:
            parts[f"norm{i}"] = end = nn.BatchNorm1d(fan_out, unbiased=s.lecture)
        else:
            linear.bias.data[...] = 0
        if i <= s.layers:
            parts[f"tanh{i}"] = nn.Tanh()
    end.weight.data *= s.last
    return nn.Sequential(parts)  # (B, T) characters -> (B, V) logits


def optimizer(model, s: Settings) -> optim.SGD:
    """Gradient descent; only the matrices of Linear decay."""
    matrices = [m.weight for m in model if isinstance(m, nn.Linear)]
    rest = [p for p in model.parameters() if not any(p is matrix for matrix in matrices)]
    return optim.SGD([{"params": matrices, "weight_decay": s.weight_decay}, {"params": rest}], lr=s.lr)


# --- training ---


class Run(NamedTuple):
    progress: common.Progress
    watched: list[int]  # the steps at which the network was watched
    updates: health.Updates  # update:data at these steps
    seen: health.Seen  # the tanh layers at the last of them


@np.errstate(over="ignore", invalid="ignore")  # `log` reports a rate that is too high
def train(model, s: Settings, X, Y, rng) -> Run:
    rate = optim.piecewise(s.lr, {10_000: 0.3 * s.lr}) if s.lecture else optim.linear(s.lr, 0.0, s.steps)
    opt, updates, watched = optimizer(model, s), health.Updates(model), []
    progress = common.Progress(s.steps, expected=NOTEBOOK if s.lecture and not s.zero_init else None)

    @compiled.step(model, opt, eager=s.eager)
    def step(x, y, lr):  # (B, T), (B,)
        loss = tt.cross_entropy(model(x), y)
        opt.zero_grad()
        loss.backward()
        opt.lr = lr
        opt.step()
        return loss

    for i, (x, y) in zip(progress, text.batches(X, Y, s.batch, rng)):
        if i % max(1, s.steps // 500) == 0 or i == s.steps - 1:
            with health.watch(model, nn.Tanh) as seen, updates:  # to watch the inside, run the step as written
                loss = step.plain(x, y, rate(i))
            gradients = [p.grad for p in model.parameters()]
            watched.append(i)
        else:
            loss = step(x, y, rate(i))
        progress.log(loss.item())
    for p, g in zip(model.parameters(), gradients):  # those of the last watched step; a compiled step leaves none
        p.grad = g
    progress.step = step
    return Run(progress, watched, updates, seen)


# --- what is shown ---


def show_health(model, run: Run, complete: bool) -> None:
    """Activations, gradients and the sizes of the updates, as numbers."""
    print(f"\nthe tanh layers at step {run.watched[-1]:,}; saturated: |tanh(x)| > {run.seen.limit}")
    print(health.table(run.seen.report()))
    print("\nthe matrices, and the last update of each")
    print(health.table([row for row in health.parameters(model) if len(row.shape) == 2]))
    late = {name: np.mean(ratios[-max(1, len(ratios) // 10):]) for name, ratios in run.updates.ratios.items()}
    print("log10 of update:data, mean of the last tenth: " + ", ".join(f"{n} {r:.2f}" for n, r in late.items()))
    if complete:
        for row, (mean, std, saturated) in zip(run.seen.report(), NOTEBOOK_TANH):
            common.tell(f"{row.layer} mean", row.mean, mean)
            common.tell(f"{row.layer} std", row.std, std)
            common.tell(f"{row.layer} saturated, %", 100 * row.saturated, saturated, 0.02)
        common.tell("tanh1 std of the gradient, 1e-4", 1e4 * run.seen.report()[0].grad_std, NOTEBOOK_GRADIENT)


def draw(plot, folder: Path, model, make, s: Settings, run: Run, lines: dict[str, float], batch) -> None:
    """The five figures."""
    plot.loss_curve(run.progress.losses, lines, ylabel=common.NATS, path=folder / "loss.png")
    _, start = exercises.untrained(make, s, *batch)
    plot.histograms("Outputs of the tanh layers", {"before training": start.activations,
                                                  "after training": run.seen.activations}, "tanh(x)",
                    path=folder / "activations.png")
    matrices = {name: p for name, p in model.named_parameters() if name.startswith("linear") and p.ndim == 2}
    plot.histograms("Gradients after training", {"of the tanh layers' outputs": run.seen.gradients,
                                                "of the matrices": {n: p.grad for n, p in matrices.items()}},
                    "gradient", path=folder / "gradients.png")
    plot.update_ratios(run.watched, {name: run.updates.ratios[name] for name in matrices},
                       path=folder / "updates.png")
    wide = dataclasses.replace(s, batchnorm=False, init="normal", gain=math.sqrt(s.context * s.embedding))
    images = {}
    for name, seen in (("weights as drawn by randn, no BatchNorm", exercises.untrained(make, wide, *batch)[1]),
                       ("before training, with the chosen scale", start), ("after training", run.seen)):
        images[f"{name}: {seen.report()[0].saturated:.1%}"] = seen.saturated("tanh1")
    plot.saturation(f"First tanh layer: white where |tanh(x)| > {start.limit}", images, path=folder / "saturation.png")
    common.drawn(folder, "loss.png", "activations.png", "gradients.png", "updates.png", "saturation.png")


# --- the script, from top to bottom ---


def main(s: Settings) -> int:
    if s.quick or s.zero_init:
        s.steps = min(s.steps, 2_001 if s.lecture and s.quick else 1_000)
    if s.batchnorm and s.batch == 1:
        raise common.UserError("argument --batch: got 1; expected 2 or more, because BatchNorm needs a variance; give "
                               "a larger --batch, or --no-batchnorm")
    names, plot = common.read_names(s.data), common.plotting(s.plots)
    data, V = names.windows(s.context), len(names.vocabulary)
    X, Y = data["train"]  # (N, T), (N,)
    make, rng = functools.partial(build, V), tt.Generator(s.seed)
    model = make(s, rng)
    print(f"{names.sizes(data)}, {model.num_parameters():,} weights")
    if s.zero_init:
        common.nothing_drawn(s.plots, "--zero-init prints a table")
        return exercises.zero_init(model, train, s, V, data)
    batch = next(text.batches(X, Y, max(s.batch, 2), tt.Generator(s.seed)))  # (B, T), (B,)
    exercises.show_start(make, s, *batch, V)

    run = train(model, s, X, Y, rng)
    complete = s.lecture and len(run.progress.losses) == LECTURE["steps"]
    print(run.progress.pace())
    show_health(model, run, complete)
    if s.batchnorm:
        exercises.show_folding(model, data)
    result = {name: common.evaluate(model, *part) for name, part in data.items()}
    with common.evaluating(model) as predict:
        common.show_names(predict, names, s.context, tt.Generator(s.seed), s.names)
    if plot:
        lines = common.references(s, "test", result, NOTEBOOK_SPLITS)
        draw(plot, Path(s.plots), model, make, s, run, lines, batch)
    if complete:
        common.tell_splits(result, NOTEBOOK_SPLITS)
    common.show_losses(s, result, NOTEBOOK_SPLITS)
    return run.progress.status


if __name__ == "__main__":
    common.run(main, Settings, __doc__, {"lecture": LECTURE})
