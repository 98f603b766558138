"""Lecture 0: a scalar engine, from the first derivative to a network that learns (the lecture's micrograd).

A Value is a number that remembers how it was computed; the backward pass multiplies derivatives along a path and adds
up paths. It shows a small graph, a neuron, the exercises (derivatives by calculus and by differences, softmax and
negative log-likelihood), a network that memorises four points and one that separates two moons, and both networks on
Tensor: the same gradients, many times faster. The derivatives are in exercises/value.py. It leaves out arrays,
characters and test data: lectures 1 and 2.

    python examples/value_mlp.py                     about ten seconds
    python examples/value_mlp.py --data FILE         with your own points instead of the two moons
    python examples/value_mlp.py --recipe lecture    the notebook's settings, one second
    python examples/value_mlp.py --plots DIR         draws graph.svg, tangents.png, steps.png, fit.png, moons.png
"""

from shared import common, texts  # first: it sets one BLAS thread

import dataclasses  # isort: skip
import gc
import math
import time
from dataclasses import dataclass
from pathlib import Path
from random import Random

import numpy as np
from exercises import value as exercises

from tinytensor import nn, optim
from tinytensor.diagnostics import graph
from tinytensor.value import MLP, Value

POINTS = [[1.0, 2.0, -1.0], [-1.0, 2.0, 0.5], [1.5, -2.0, 0.5], [2.0, -0.5, -2.0]], [1.0, -1.0, -1.0, 1.0]
NOTEBOOK = {0: 6.2985, 10: 3.3326e-4, 20: 1.3250e-4, 30: 9.1088e-5, 40: 7.2895e-5, 50: 6.2560e-5, 60: 5.5838e-5,
            70: 5.1080e-5, 80: 4.7512e-5, 90: 4.4720e-5, 100: 4.2464e-5}
MOONS, BATCH, DECAY = 100, 20, 1e-4  # points, points in a batch, weight decay
TINY = 1e-12  # a learning rate that leaves the weights as they are, so that every timed step is the same


@dataclass
class Settings(common.LectureSettings):
    steps: int = common.setting(2_000, "steps on the four points", least=1)
    lr: float = common.setting(0.2, "initial learning rate on the four points", least=0)
    moons: int = common.setting(300, "steps on the two moons, or on --data; 0 leaves them out", least=0)
    data: str = common.setting(None, "UTF-8 file with points to use instead of the two moons: two coordinates and a "
                               "label on each line, positive for one class, else for the other")


LECTURE = {"steps": 101, "lr": 0.5, "moons": 0}


# --- a network that memorises four points ---


def squared(model: MLP, X, Y) -> Value:
    return sum((model(x) - y) ** 2 for x, y in zip(X, Y))


def descend(model: MLP, loss: Value, lr: float) -> float:
    """A step of gradient descent, which returns the loss before it."""
    model.zero_grad()
    loss.backward()
    for p in model.parameters():
        p.data -= lr * p.grad
    return loss.data


def four_points(s: Settings, model: MLP) -> common.Progress:
    (X, Y), progress = POINTS, common.Progress(s.steps, "four points")
    print(f"four points, {len(model.parameters())} weights, learning rate {s.lr}: the sum of the squared errors")
    for i in progress:
        lr = s.lr if s.lecture else s.lr * (1 + i / 20)  # tanh saturates and gradients vanish: larger steps are safe
        progress.log(descend(model, squared(model, X, Y), lr))
        progress.note = f"loss {progress.losses[-1]:.1e}"
    if s.lecture:
        print("  the notebook drew its weights without a seed, so its losses can't be reproduced; ours beside them")
        for i, theirs in NOTEBOOK.items():
            if i < len(progress.losses):
                print(f"  step {i:>3}   ours {progress.losses[i]:.2e}   the notebook's {theirs:.2e}")
    print(f"  {progress.pace()}")
    print(f"  targets {Y}, outputs [{', '.join(f'{model(x).data:.4f}' for x in X)}]")
    return progress


# --- two moons, or a file of points ---


def moons(n: int, rng: Random, noise: float = 0.1) -> tuple[list[list[float]], list[float]]:
    """Two interleaved half circles, one point of each in turn: label 1 above, -1 below."""
    X, Y = [], []
    for i in range(n):
        t, label = math.pi * (i // 2) / (n // 2 - 1), 1.0 - 2.0 * (i % 2)
        x, y = (math.cos(t), math.sin(t)) if label == 1 else (1 - math.cos(t), 0.5 - math.sin(t))
        X.append([rng.gauss(x, noise), rng.gauss(y, noise)])
        Y.append(label)
    return X, Y


def read_points(path: str) -> tuple[list[list[float]], list[float]]:
    """The points of a file, scaled to mean 0 and standard deviation 1, and their labels, 1 or -1."""
    rows = []
    for n, line in enumerate(texts.read_text(path, 0).splitlines(), 1):
        try:
            rows += [[float(cell) for cell in line.replace(",", " ").replace(";", " ").split()]] if line.strip() else []
        except ValueError:
            rows += [[]]
        if rows and (len(rows[-1]) != 3 or not all(map(math.isfinite, rows[-1]))):
            raise common.UserError(f"{path}: got {line[:40]!r} in line {n}; expected two coordinates and a label, such "
                                   f"as 0.5, -1.2, 1; leave out titles and empty cells")
    X, Y = np.array(rows).reshape(-1, 3)[:, :2], [1.0 if row[2] > 0 else -1.0 for row in rows]
    if len(rows) < 4 or len(set(Y)) < 2:
        raise common.UserError(f"{path}: got {len(rows)} points of {len(set(Y))} classes; expected 4 points or more, "
                               f"some with a positive label and some without; add points")
    X /= nonzero(np.abs(X).max(0))  # subtle: the square of 1e300 is inf, and that of 1e-300 is 0
    return ((X - X.mean(0)) / nonzero(X.std(0))).tolist(), Y


def nonzero(scale):
    """The scale of each coordinate, or 1 if that is 0: the coordinate is the same for all points."""
    return np.where(scale > 0, scale, 1.0)


def hinge(model: MLP, X, Y) -> Value:
    """How far each score misses a margin of 1 on its side, and a small penalty on the weights."""
    misses = sum((1 - model(x) * y).relu() for x, y in zip(X, Y)) / len(X)
    return misses + DECAY * sum(p * p for p in model.parameters())


def two_classes(s: Settings, X, Y, rng: Random, title: str) -> tuple[MLP, common.Progress]:
    model, progress = MLP(2, [16, 16, 1], rng, last=None), common.Progress(s.moons, title)
    size = min(BATCH, len(X))
    print(f"{title}, {len(X)} points, {len(model.parameters())} weights, {size} points in a batch: hinge loss")
    for i in progress:
        batch = rng.sample(range(len(X)), size)
        loss = hinge(model, [X[j] for j in batch], [Y[j] for j in batch])
        progress.log(descend(model, loss, 1.0 - 0.9 * i / s.moons))
    return model, progress


# --- the same on Tensor ---


def on_tensor(model: MLP) -> nn.Sequential:
    """The same network with the same weights; each layer is one matrix."""
    layers = []
    for layer in model.layers:
        weight = np.array([[w.data for w in n.weights] for n in layer.neurons])  # (out, in)
        linear = nn.Linear(weight.shape[1], weight.shape[0]).astype(np.float64)
        linear.weight.data[...] = weight
        linear.bias.data[...] = [n.bias.data for n in layer.neurons]
        layers += [linear, nn.Tanh()] if layer.neurons[0].activation else [linear]
    return nn.Sequential(*layers)


def compared(what: str, model: MLP, X, Y) -> None:
    """Compare the gradients and the time of one step of both, on the mean squared error, from the same weights."""
    net, x, y = on_tensor(model), np.array(X), np.array(Y)  # (B, in), (B,)
    opt = optim.SGD(net.parameters(), lr=TINY)

    def step() -> None:
        loss = ((net(x).reshape(-1) - y) ** 2).mean()
        opt.zero_grad()
        loss.backward()
        opt.step()

    def step_of_values() -> None:
        descend(model, squared(model, X, Y) / len(X), TINY)

    step_of_values()
    step()
    ours = [np.column_stack([a.weight.grad, a.bias.grad]).ravel() for a in net if isinstance(a, nn.Linear)]
    gap = np.abs(np.concatenate(ours) - [p.grad for p in model.parameters()]).max()
    slow, fast = timed(step_of_values), timed(step)
    print(f"{what}: largest difference of gradients {gap:.0e}; a step {slow * 1e3:.3g} ms on Values, "
          f"{fast * 1e3:.2g} ms on Tensors, {slow / fast:,.0f} times faster")


def timed(step, seconds: float = 0.3) -> float:
    """The time of the fastest of several steps, because other work may slow down some."""
    times, end = [], time.perf_counter() + seconds
    while time.perf_counter() < end or len(times) < 3:
        start = time.perf_counter()
        step()
        times.append(time.perf_counter() - start)
    return min(times)


def draw_classes(plot, path: Path, model: MLP, X, Y, title: str) -> None:
    low, high = np.min(X, 0) - 0.4, np.max(X, 0) + 0.4
    x, y = np.linspace(low[0], high[0], 221), np.linspace(low[1], high[1], 146)
    grid = np.stack(np.meshgrid(x, y), -1).reshape(-1, 2)  # on Tensor, because there are 32,266 points
    scores = on_tensor(model)(grid).data.reshape(len(y), len(x))
    plot.decision_map(title, x, y, scores, X, Y, path=path)


# --- the script, from top to bottom ---


def main(s: Settings) -> int:
    if s.quick:
        s = dataclasses.replace(s, steps=min(s.steps, 500), moons=min(s.moons, 30))
    plot, rng = common.plotting(s.plots), Random(s.seed)
    X, Y = read_points(s.data) if s.data else moons(MOONS, rng)
    gc.disable()  # a graph has no cycles, so reference counts free it; the collector would take a third of the time

    exercises.small_graph()
    output = exercises.neuron()
    sizes, errors = exercises.derivatives()
    exercises.likelihood()
    model = MLP(3, [4, 4, 1], Random(s.seed))
    compared("four points on Tensor", model, *POINTS)
    progress = four_points(s, model)
    status, last = progress.status, f"loss: four points {progress.losses[-1]:.1e}"
    if plot:
        folder = Path(s.plots)
        graph.draw(output, path=folder / "graph.svg")
        exercises.draw_tangents(plot, folder / "tangents.png")
        plot.difference_errors(sizes, errors, path=folder / "steps.png")
        plot.fit_curve(progress.losses, {} if s.own_data else NOTEBOOK, path=folder / "fit.png")
        drawn = ["graph.svg", "tangents.png", "steps.png", "fit.png"]
    if s.moons and not status:
        title = Path(s.data).name if s.data else "two moons"
        model, progress = two_classes(s, X, Y, rng, title)
        right = int((on_tensor(model)(np.array(X)).data.ravel() * Y > 0).sum())
        print(f"  loss {progress.losses[-1]:.3f} after {len(progress.losses)} steps, {right} of {len(X)} right")
        compared(f"{len(X[:MOONS])} points on Tensor", model, X[:MOONS], Y[:MOONS])
        status, last = progress.status, f"{last}, {title} {right} of {len(X)} right"
        if plot:
            caption = "Your points" if s.data else "Two moons"  # a file's name may have signs that no font has
            draw_classes(plot, folder / "moons.png", model, X, Y, f"{caption}: {right} of {len(X)} right")
            drawn.append("moons.png")
    if plot:
        common.drawn(folder, *drawn)
    if not s.own_data:
        print("the notebook's loss: 4.2e-05 on the four points, after 101 steps")
    print(last)
    return status


if __name__ == "__main__":
    common.run(main, Settings, __doc__, {"lecture": LECTURE})
