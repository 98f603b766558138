"""Lecture 2's exercises, which mlp_ngram.py runs for --lr-find, --initial-loss and --sweep.

They train copies and variants of the network that they are given; the network itself, and its training, are in
mlp_ngram.py.
"""

import copy
import dataclasses
import math
from pathlib import Path

import numpy as np
from shared import common

import tinytensor as tt

RATES = 10 ** np.linspace(-3, 0, 1000)
HIDDEN = (2, 5, 15, 50, 150, 500, 1500)
SCALES = (1.0, 0.1, 0.01, 0.0)


@np.errstate(over="ignore", invalid="ignore")
def find_rate(model, s, descent, batches):
    """Train a copy with a rate that grows from 0.001 to 1: the rates, the losses, smoothed losses, the best rate."""
    model = copy.deepcopy(model)
    step = descent(model, model.optimizer(s), s)
    losses = [step(x, y, rate).item() for rate, (x, y) in zip(RATES.tolist(), batches)]
    window = np.ones(51)
    smooth = np.convolve(losses, window, "same") / np.convolve(np.ones(len(RATES)), window, "same")
    return RATES, np.array(losses), smooth, RATES[smooth.argmin()]


def initial_loss(model, s, descent, batches, classes: int) -> None:
    """E02: the loss before the first step, and after 1,000, for larger and smaller weights of the output layer.

    An untrained network should give every character the same probability: a loss of -log(1/27). With random logits it
    is confident, and wrong; its first steps only shrink the logits (the steep start of the hockey stick).
    """
    print(f"all characters equally likely: -log(1/{classes}) = {math.log(classes):.4f}")
    print("output layer's weights    | first loss | mean loss of steps 900 to 1,000")
    batches = [batch for _, batch in zip(range(1000), batches)]
    for scale in SCALES:
        variant = copy.deepcopy(model)
        rng = tt.Generator(1)
        for p in (variant.output.weight, variant.output.bias, *([variant.skip.weight] if variant.skip else [])):
            p.data[...] = scale * rng.randn(*p.shape)
        step = descent(variant, variant.optimizer(s), s)
        losses = [step(x, y, s.lr).item() for x, y in batches]
        print(f"{scale:>11g} x randn       | {losses[0]:10.4f} | {np.mean(losses[900:]):.4f}")


def sweep(s, build, train, data, plot) -> int:
    """Train networks from far too small to large, in the same way, on a tenth of the training set.

    A network that is too small can't learn what the data holds: both losses are high (underfitting). The larger it is,
    the further train falls below dev: what it learns holds for the training names alone (overfitting).
    """
    s, rows = dataclasses.replace(s, steps=max(1, s.steps // 5), weight_decay=0.0), []
    X, Y = (a[: max(1, len(a) // 10)] for a in data["train"])  # little data: a large network can learn it by heart
    print(f"a tenth of the training set, {len(Y):,} examples, {s.steps:,} steps, no weight decay")
    print("hidden | weights |  train |    dev | dev - train")
    for hidden in HIDDEN:
        sized = dataclasses.replace(s, hidden=hidden)
        model, opt, rng = build(sized)
        progress = train(model, opt, sized, X, Y, rng, f"{hidden} neurons")
        if progress.interrupted:
            break
        low, dev = common.evaluate(model, X, Y), common.evaluate(model, *data["dev"])
        rows.append((hidden, low, dev))
        common.say(f"{hidden:6,} | {model.num_parameters():7,} | {low:.4f} | {dev:.4f} | {dev - low:+.4f}")
    if rows:
        best = min(rows, key=lambda row: row[2])
        print(f"the lowest dev loss: {best[2]:.4f} with {best[0]} hidden neurons; test is not used here")
        if plot:
            plot.size_curve(*zip(*rows), "neurons in the hidden layer", ylabel=common.NATS,
                            path=Path(s.plots) / "sizes.png")
            common.drawn(s.plots, "sizes.png")
    else:
        common.nothing_drawn(s.plots, "no network was trained to its end")
    return progress.status
