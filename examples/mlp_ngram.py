"""Lecture 2: a multilayer perceptron learns names, character by character (Bengio et al. 2003).

The last few characters, each looked up in a table of embeddings, go through one hidden layer to the logits of the next
character; a linear skip connection from the embeddings helps (the matrix W of the paper; the notebook calls it S). It
shows the initial loss to expect, the learning-rate finder, learning-rate decay, the three splits, sampling, and a map
of the learnt embedding. It leaves out normalisation and depth: lecture 3.

    python examples/mlp_ngram.py                     half a minute, and twenty new names
    python examples/mlp_ngram.py --recipe lecture    the notebook's settings and random streams, its figures beside ours
"""

from shared import common, compiled  # first: it sets one BLAS thread

import dataclasses  # isort: skip
import functools
import math
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from exercises import mlp as exercises

import tinytensor as tt
from tinytensor import checkpoint, nn, optim, text

NOTEBOOK = {0: 3.2562, 20_000: 2.1831, 40_000: 2.2410, 60_000: 2.3394, 80_000: 2.0558, 100_000: 2.1482,
            120_000: 2.0130, 140_000: 2.1223, 160_000: 1.9242, 180_000: 1.7396, 200_000: 2.1020}
NOTEBOOK_SPLITS = {"train": 2.0474, "dev": 2.1289, "test": 2.1304}
NOTEBOOK_NAMES = ["ter", "maleah", "makilah", "tyra", "kalissana", "noluwak", "kata", "kremiyah", "javer", "goton"]


@dataclass
class Settings(compiled.Settings, common.LectureSettings, common.NamesSettings):
    context: int = common.setting(3, "how many characters predict the next one", least=1)
    embedding: int = common.setting(16, "size of the embedding of a character", least=1)
    hidden: int = common.setting(200, "neurons of the hidden layer", least=1)
    skip: bool = common.setting(True, "a linear skip connection from the embeddings to the logits")
    batch: int = common.setting(128, "examples in a batch", least=1)
    steps: int = common.setting(100_000, "steps of gradient descent", least=1)
    lr: float = common.setting(0.2, "initial learning rate", least=0)
    schedule: str = common.setting("linear", "how the learning rate falls: linear or cosine to 0; step: to 0.3 of "
                                   "it after half of the steps", choices=("linear", "cosine", "step", "constant"))
    warmup: int = common.setting(0, "steps over which the learning rate rises from 0", least=0)
    weight_decay: float = common.setting(1e-4, "weight decay of the matrices", least=0)
    temperature: float = common.setting(1.0, "divides the logits of new names: below 1 they are more usual, above 1 "
                                        "wilder; 0: always the likeliest character", least=0)
    lr_find: bool = common.setting(False, "only try learning rates from 0.001 to 1, one step each")
    initial_loss: bool = common.setting(False, "only show how the scale of the last weights changes the first losses")
    sweep: bool = common.setting(False, "only train seven sizes, on a tenth of the data, for a fifth of --steps each: "
                                 "under- and overfitting")
    save: str = common.setting(None, "file for the trained network, the optimiser, the generator and the settings")
    sample_from: str = common.setting(None, "only make up names, with the network of a file that --save wrote")


LECTURE = {"context": 3, "embedding": 16, "hidden": 200, "skip": True, "batch": 64, "steps": 200_001, "lr": 0.1,
           "schedule": "step", "warmup": 0, "weight_decay": 0.0, "temperature": 1.0, "seed": 2147483647, "names": 10}


# --- the model ---


class MLP(nn.Module):
    """Embedding, one hidden layer with tanh, and a linear skip connection."""

    def __init__(self, vocabulary: int, s: Settings) -> None:
        super().__init__()
        width = s.context * s.embedding
        self.embed = nn.Embedding(vocabulary, s.embedding)
        self.skip = nn.Linear(width, vocabulary, bias=False) if s.skip else None
        self.hidden = nn.Linear(width, s.hidden)
        self.output = nn.Linear(s.hidden, vocabulary)

    def forward(self, x):  # (B, T) characters
        e = self.embed(x).reshape(len(x), -1)  # (B, T * D)
        h = np.tanh(self.hidden(e))  # (B, H)
        logits = self.output(h)  # (B, V)
        return logits + self.skip(e) if self.skip else logits

    def initialise(self, s: Settings, rng: tt.Generator) -> None:
        """Draw normal values in the notebook's order, scaled so that logits start near 0 and tanh is not saturated.

        The notebook scales only the layers next to the logits: its tanh starts saturated. A small embedding is soon
        dominated by what is learnt rather than by its random start, as the map shows.
        """
        gain = 1.0 if s.lecture else 5 / 3 / math.sqrt(self.hidden.in_features)  # Kaiming's, for tanh
        self.embed.weight.data[...] = (1.0 if s.lecture else 0.1) * rng.randn(*self.embed.weight.shape)
        if self.skip:
            self.skip.weight.data[...] = 0.01 * rng.randn(*self.skip.weight.T.shape).T
        self.hidden.weight.data[...] = gain * rng.randn(*self.hidden.weight.T.shape).T
        self.hidden.bias.data[...] = (1.0 if s.lecture else 0.01) * rng.randn(*self.hidden.bias.shape)
        self.output.weight.data[...] = 0.01 * rng.randn(*self.output.weight.T.shape).T
        self.output.bias.data[...] = 0.01 * rng.randn(*self.output.bias.shape)

    def optimizer(self, s: Settings) -> optim.SGD:
        """Gradient descent; only the matrices decay, not the biases and the embedding."""
        matrices = [layer.weight for layer in (self.hidden, self.output, self.skip) if layer]
        rest = [self.embed.weight, self.hidden.bias, self.output.bias]
        return optim.SGD([{"params": matrices, "weight_decay": s.weight_decay}, {"params": rest}], lr=s.lr)


def schedule(s: Settings) -> optim.Schedule:
    if s.lecture:
        return optim.piecewise(s.lr, {100_000: 0.3 * s.lr})
    rate = {"linear": optim.linear(s.lr, 0.0, s.steps), "cosine": optim.cosine(s.lr, 0.0, s.steps),
            "constant": optim.constant(s.lr), "step": optim.piecewise(s.lr, {max(1, s.steps // 2): 0.3 * s.lr})}
    return optim.warmup(rate[s.schedule], s.warmup) if s.warmup else rate[s.schedule]


# --- training ---


def build(s: Settings, vocabulary: int) -> tuple[MLP, optim.SGD, tt.Generator]:
    """The untrained network, its optimiser, and the generator that also draws the batches."""
    rng = tt.Generator(s.seed)
    model = MLP(vocabulary, s)
    model.initialise(s, rng)
    return model, model.optimizer(s), rng


def descent(model, opt, s: Settings) -> compiled.Step:
    """A step of gradient descent, which returns the loss before the update."""

    @compiled.step(model, opt, eager=s.eager)
    def step(x, y, lr):  # (B, T), (B,)
        loss = tt.cross_entropy(model(x), y)
        opt.zero_grad()
        loss.backward()
        opt.lr = lr
        opt.step()
        return loss

    return step


@np.errstate(over="ignore", invalid="ignore")  # `log` reports a rate that is too high
def train(model, opt, s: Settings, X, Y, rng, title="training") -> common.Progress:
    step, rate = descent(model, opt, s), schedule(s)
    progress = common.Progress(s.steps, title, expected=NOTEBOOK if s.lecture else None)
    for i, (x, y) in zip(progress, text.batches(X, Y, s.batch, rng)):  # (B, T), (B,)
        progress.log(step(x, y, rate(i)).item())
    progress.step = step
    return progress


# --- what is shown ---


def draw(plot, folder: Path, model, vocabulary, losses, lines: dict[str, float], finder) -> None:
    """The three figures."""
    plot.loss_curve(losses, lines, ylabel=common.NATS, path=folder / "loss.png")
    plot.rate_curve(*finder, ylabel=common.NATS, path=folder / "learning_rate.png")
    table = model.embed.weight.data - model.embed.weight.data.mean(0)  # (V, D)
    _, spread, axes = np.linalg.svd(table, full_matrices=False)  # the first two principal components
    points = np.pad(table @ axes[:2].T, ((0, 0), (0, max(0, 2 - len(axes)))))  # --embedding 1 has no second axis
    plot.embedding_map(points, vocabulary.characters, "aeiou", (spread[:2] ** 2).sum() / (spread**2).sum(),
                       path=folder / "embedding.png")
    common.drawn(folder, "loss.png", "learning_rate.png", "embedding.png")


def sample_only(s: Settings) -> None:
    """Make up names with a saved network; its sizes are those in the file."""
    saved = checkpoint.load(s.sample_from)
    try:
        sizes = {key: saved["settings"][key] for key in ("context", "embedding", "hidden", "skip")}
        vocabulary = text.Vocabulary(saved["vocabulary"])
    except (KeyError, TypeError):
        raise common.UserError(f"{s.sample_from}: got a checkpoint of another model; expected one that "
                               f"examples/mlp_ngram.py wrote with --save; name another file") from None
    common.check_saved(s, sizes, s.sample_from)
    s = dataclasses.replace(s, **sizes)
    model = MLP(len(vocabulary), s)
    checkpoint.load(s.sample_from, model=model)
    default = not s.own_data  # the names that it was trained on, unless --data names others
    items = text.read_items(saved["settings"].get("data", s.data) if default else s.data)
    show_names(model, s, common.Names(items, vocabulary, {"train": text.split(items)[0]}))


def show_names(model, s: Settings, names: common.Names, expected=()) -> None:
    with common.evaluating(model) as predict:
        common.show_names(predict, names, s.context, tt.Generator(s.seed), s.names, s.temperature, expected)


# --- the script, from top to bottom ---


def main(s: Settings) -> int:
    s.steps = min(s.steps, 2_001 if s.lecture else 2_000) if s.quick else s.steps
    common.only_one(s, "sample_from", "sweep", "initial_loss", "lr_find", "save")
    if s.sample_from:
        common.nothing_drawn(s.plots, "--sample-from trains nothing")
        sample_only(s)
        return 0
    names, plot = common.read_names(s.data), common.plotting(s.plots)
    if s.save:
        checkpoint.writable(s.save)
    data, vocabulary = names.windows(s.context), names.vocabulary
    X, Y = data["train"]  # (N, T), (N,)

    model, opt, rng = build(s, len(vocabulary))
    print(f"{names.sizes(data)}, {model.num_parameters():,} weights")
    tried = (model, s, descent, text.batches(X, Y, s.batch, tt.Generator(s.seed)))
    if s.initial_loss:
        common.nothing_drawn(s.plots, "--initial-loss prints a table")
        exercises.initial_loss(*tried, len(vocabulary))
        return 0
    if s.sweep:
        return exercises.sweep(s, functools.partial(build, vocabulary=len(vocabulary)), train, data, plot)
    finder = exercises.find_rate(*tried) if s.lr_find or plot else None
    if s.lr_find:
        print(f"learning-rate finder: the smoothed loss is lowest, {finder[2].min():.3f}, at a rate of {finder[3]:.2g}")
        if plot:
            plot.rate_curve(*finder, ylabel=common.NATS, path=Path(s.plots) / "learning_rate.png")
            common.drawn(s.plots, "learning_rate.png")
        return 0

    progress = train(model, opt, s, X, Y, rng)
    V = len(vocabulary)
    print(f"initial loss {progress.losses[0]:.4f}; expected -log(1/{V}) = {math.log(V):.4f}\n{progress.pace()}")
    result = {name: common.evaluate(model, *part) for name, part in data.items()}
    complete = s.lecture and len(progress.losses) == LECTURE["steps"]
    show_names(model, s, names, NOTEBOOK_NAMES if complete else ())
    if plot:
        lines = common.references(s, "test", result, NOTEBOOK_SPLITS)
        draw(plot, Path(s.plots), model, vocabulary, progress.losses, lines, finder)
    if s.save:
        checkpoint.save(s.save, model=model, optimizer=opt, rng=rng, vocabulary=vocabulary.characters,
                        settings=dataclasses.asdict(s), schedule=repr(schedule(s)), step=len(progress.losses))
        print(f"saved: {s.save}")
    if complete:
        common.tell_splits(result, NOTEBOOK_SPLITS)
    common.show_losses(s, result, NOTEBOOK_SPLITS)
    return progress.status


if __name__ == "__main__":
    common.run(main, Settings, __doc__, {"lecture": LECTURE})
