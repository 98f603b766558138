"""Lecture 4: backpropagation by hand, from single small steps to a network trained without an engine.

The network of lecture 3 with one hidden layer: embedding, batch norm, tanh. First the gradients of 26 small steps by
hand, compared with the engine's, then cross-entropy and batch norm in one formula each (exercises/backprop.py derives
them); from these follows the whole training in plain NumPy. It leaves out running statistics: those of the training set
are computed once, at the end. --generated shows the backward pass that the compiler writes, and compares both.

    python examples/manual_backprop.py                     a minute: the exercises, the training, and twenty new names
    python examples/manual_backprop.py --generated         a few seconds: the compiler's backward pass beside this one
    python examples/manual_backprop.py --recipe lecture    the notebook's settings and random streams, its figures
                                                           beside ours
"""

from dataclasses import dataclass
from pathlib import Path

import numpy as np
from exercises import backprop as exercises
from exercises import generated_backprop
from exercises.backprop import EPS, batch_norm_backward, cross_entropy, rows_added
from shared import common  # first: it sets one BLAS thread

import tinytensor as tt
from tinytensor import text
from tinytensor.testing import compare

NOTEBOOK_SPLITS = {"train": 2.0192, "dev": 2.0878, "test": 2.0899}
FRESH = {0: 3.6243, 10_000: 2.1714, 20_000: 2.0346, 30_000: 2.2201, 40_000: 2.1110, 50_000: 2.1213, 60_000: 2.4841,
         70_000: 2.3429, 80_000: 2.0773, 90_000: 2.1607, 100_000: 2.2610, 200_000: 2.1414}
FRESH_SPLITS = {"train": 2.02492, "dev": 2.09255, "test": 2.08945}
FRESH_NAMES = ["dex", "mariah", "makilah", "tyden", "maimitta"]
WHOSE = "another run's"  # a run of the notebook's code from the initial weights that it shows


@dataclass
class Settings(common.LectureSettings, common.NamesSettings):
    context: int = common.setting(3, "how many characters predict the next one", least=1)
    embedding: int = common.setting(16, "size of the embedding of a character", least=1)
    hidden: int = common.setting(200, "neurons in the hidden layer", least=1)
    batch: int = common.setting(128, "examples in a batch; batch norm needs two", least=2)
    steps: int = common.setting(150_000, "steps of gradient descent", least=1)
    lr: float = common.setting(0.3, "initial learning rate; it falls linearly to 0", least=0)
    weight_decay: float = common.setting(1e-4, "weight decay of the matrices", least=0)
    generated: bool = common.setting(False, "only show the backward pass that the compiler writes, beside that by hand")


LECTURE = {"context": 3, "embedding": 16, "hidden": 200, "batch": 64, "steps": 200_101, "lr": 0.1, "weight_decay": 0.0,
           "seed": 2147483647, "names": 20}


# --- exercise 4: training by hand; no Tensor from here on ---


def forward(p: dict, x) -> tuple:
    """The logits (B, V), and the values that the backward pass needs; batch norm uses the batch's mean and variance."""
    C, W1, b1, W2, b2, bngain, bnbias = p.values()
    n, ones = len(x), np.ones((1, len(x)), C.dtype)
    embcat = C.take(x, 0).reshape(n, -1)  # (B, T * D)
    bnraw = embcat @ W1  # (B, H)
    bnraw += b1
    bnraw -= ones @ bnraw / n
    bnvar_inv = (ones @ (bnraw * bnraw) / (n - 1) + EPS) ** -0.5  # (1, H)
    bnraw *= bnvar_inv
    h = bnraw * bngain  # (B, H)
    h += bnbias
    np.tanh(h, out=h)
    return h @ W2 + b2, (embcat, bnraw, bnvar_inv, h)


def backward(p: dict, x, dlogits, seen) -> list:
    """The gradients of the weights, in their order."""
    C, W1, _, W2, _, bngain, _ = p.values()
    embcat, bnraw, bnvar_inv, h = seen
    ones = np.ones(len(x), C.dtype)
    dW2, db2 = h.T @ dlogits, ones @ dlogits  # (H, V), (V,)
    dhpreact = dlogits @ W2.T  # (B, H)
    dhpreact *= 1 - h * h
    dhprebn, dbngain, dbnbias = batch_norm_backward(dhpreact, bnraw, bnvar_inv, bngain)  # (B, H), (1, H), (1, H)
    dW1, db1 = embcat.T @ dhprebn, ones @ dhprebn  # (T * D, H), (H,)
    dC = rows_added(dhprebn @ W1.T, x, len(C))  # (V, D)
    return [dC, dW1, db1, dW2, db2, dbngain, dbnbias]


def update(p: dict, gradients: list, rate: float, decay: float) -> None:
    """A step of gradient descent, in place; only the matrices W1 and W2 decay."""
    for (name, a), g in zip(p.items(), gradients):
        if decay and name in ("W1", "W2"):
            a *= 1 - rate * decay
        g *= rate
        a -= g


@np.errstate(over="ignore", invalid="ignore")  # `log` reports a rate that is too high
def train(p: dict, s: Settings, X, Y, rng) -> common.Progress:
    progress = common.Progress(s.steps, expected=FRESH if s.lecture else None, whose=WHOSE)
    for i, (x, y) in zip(progress, text.batches(X, Y, s.batch, rng)):  # (B, T), (B,)
        logits, seen = forward(p, x)
        loss, dlogits = cross_entropy(logits, y)
        rate = (s.lr if i < 100_000 else 0.3 * s.lr) if s.lecture else s.lr * (1 - i / s.steps)
        update(p, backward(p, x, dlogits, seen), rate, s.weight_decay)
        progress.log(loss)
    return progress


def calibrated(p: dict, X) -> tuple:
    """Mean and variance (H,) of the hidden layer before batch norm, over the whole training set.

    They follow from the statistics of its inputs, which are fewer: the mean of the outputs is the output for the mean,
    and a neuron with weights w has the variance w' Cov w.
    """
    e = p["C"].take(X, 0).reshape(len(X), -1)  # (N, T * D)
    mean = e.mean(0, dtype=np.float64).astype(e.dtype)  # (T * D,)
    e -= mean
    covariance = e.T @ e / (len(e) - 1)  # (T * D, T * D)
    return mean @ p["W1"] + p["b1"], (covariance @ p["W1"] * p["W1"]).sum(0)


def predict(p: dict, statistics: tuple, x):
    """Logits (B, V), normalised by the statistics of the training set.

    The notebook's sampling divides by (var + eps) ** -0.5 where it must multiply; its loss on the splits is right.
    """
    C, W1, b1, W2, b2, bngain, bnbias = p.values()
    mean, var = statistics
    hprebn = C.take(x, 0).reshape(len(x), -1) @ W1 + b1  # (B, H)
    return np.tanh((hprebn - mean) * (var + EPS) ** -0.5 * bngain + bnbias) @ W2 + b2


def evaluate(p: dict, statistics: tuple, X, Y) -> float:
    """The mean loss over a whole split."""
    parts = [slice(i, i + 8192) for i in range(0, len(X), 8192)]
    return sum(cross_entropy(predict(p, statistics, X[part]), Y[part])[0] * len(Y[part]) for part in parts) / len(X)


# --- the script, from top to bottom ---


def main(s: Settings) -> int:
    s.steps = min(s.steps, 2_000) if s.quick else s.steps
    names, plot = common.read_names(s.data), None if s.generated else common.plotting(s.plots)
    data = names.windows(s.context)
    X, Y = data["train"]  # (N, T), (N,)
    if s.generated:
        common.nothing_drawn(s.plots, "--generated shows two backward passes as text")
        generated_backprop.show(s, names, X, Y, forward, backward)
        return 0
    exercises.show(s, names, X, Y, plot)

    rng = tt.Generator(s.seed)
    p = exercises.initial_weights(len(names.vocabulary), s.context, s.embedding, s.hidden, rng)
    size = sum(a.size for a in p.values())
    print(f"exercise 4: training by hand, {size:,} weights; first one step beside the engine's")
    x, y = next(text.batches(X, Y, s.batch, tt.Generator(s.seed)))
    double = exercises.in_double(p)
    logits, seen = forward(double, x)
    _, steps = exercises.small_steps(double, x, y)
    for name, g in zip(p, backward(double, x, cross_entropy(logits, y)[1], seen)):
        compare(name, g, steps[name])
    if s.lecture:
        print("The notebook printed 1.9306 before its first step here, and 2.0192 2.0878 2.0899 for the splits at the "
              "end:\nit started from trained weights. From the initial weights that it shows, its code gives:")
    progress = train(p, s, X, Y, rng)
    print(progress.pace())

    statistics = calibrated(p, X)
    result = {name: evaluate(p, statistics, *part) for name, part in data.items()}
    complete = s.lecture and len(progress.losses) == LECTURE["steps"]
    common.show_names(lambda ids: predict(p, statistics, ids), names, s.context, tt.Generator(s.seed), s.names,
                      expected=FRESH_NAMES if complete else ())
    if plot:
        plot.loss_curve(progress.losses, common.references(s, "test", result, NOTEBOOK_SPLITS), ylabel=common.NATS,
                        path=Path(s.plots) / "loss.png")
        common.drawn(s.plots, "dlogits.png", "loss.png")
    if complete:
        common.tell_splits(result, FRESH_SPLITS, 5, WHOSE)
    common.show_losses(s, result, NOTEBOOK_SPLITS)
    return progress.status


if __name__ == "__main__":
    common.run(main, Settings, __doc__, {"lecture": LECTURE})
