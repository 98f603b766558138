"""makemore: seven models learn the same names for the same time, from a table of pairs to a Transformer.

Bigram, MLP, dilated causal CNN, bag of words, RNN, GRU and Transformer take whole names (B, T) and return logits for
the character after each; the learning rate falls with the time that has passed. A table shows the loss of each model on
the splits, and names that it made up. The clock counts processor time, so other work on the machine does not matter.
Still, how many steps fit in differs from run to run, and so do all losses; --steps makes a run repeatable. It leaves
out the search for the best sizes, and regularisation.

    python examples/makemore.py                   twenty seconds each, about three minutes in all
    python examples/makemore.py --model gru       only one of them
    python examples/makemore.py --steps 1000      1,000 steps for each, however long they take
"""

from shared import common, compiled, texts  # first: it sets one BLAS thread

import time  # isort: skip
from dataclasses import dataclass
from pathlib import Path

import numpy as np

import tinytensor as tt
from tinytensor import optim
from tinytensor.models import GPT, GRU, MLP, RNN, Bigram, BoW, CausalCNN
from tinytensor.text.sampling import draw

CONTEXT, LONGEST = 16, 128  # tokens of a name and the boundary before it: at least, and at most
ALL, FEW = 10**9, 50  # how many names a loss is averaged over; few with --quick
MODELS = {  # how a model is built for V characters and T tokens; its initial learning rate
    "bigram": (lambda V, T, rng: Bigram(V), 0.1),
    "mlp": (lambda V, T, rng: MLP(V, context=8, rng=rng), 3e-3),
    "cnn": (lambda V, T, rng: CausalCNN(V, rng=rng), 3e-3),
    "bow": (lambda V, T, rng: BoW(V, T, rng=rng), 5e-3),
    "rnn": (lambda V, T, rng: RNN(V, rng=rng), 3e-3),
    "gru": (lambda V, T, rng: GRU(V, rng=rng), 5e-3),
    "transformer": (lambda V, T, rng: GPT(V, T, width=32, layers=2, heads=4, rng=rng), 5e-3),
}


@dataclass
class Settings(compiled.Settings, common.NamesSettings):
    model: str = common.setting("all", "which model to train", choices=("all", *MODELS))
    seconds: float = common.setting(20.0, "seconds of processor time to train each", above=0)
    steps: int = common.setting(0, "train each for so many steps instead of --seconds; 0: by the clock", least=0)
    batch: int = common.setting(32, "names in a batch", least=1)
    names: int = common.setting(5, "names for each model to make up at the end", least=0)
    seed: int = common.setting(42, "seed of everything random: weights, batches, names", least=0,
                               most=common.SEED)


# --- training ---


def train(model, data: texts.Lines, s: Settings, lr: float, rng, title: str):
    """Train for a time, or some steps: progress, seconds, and the dev loss by seconds; evaluation is not timed."""
    opt, batches, curve = optim.AdamW(model.parameters(), lr=lr), data.batches(s.batch, rng), {}
    most = FEW if s.quick else ALL
    total, slices = s.steps or s.seconds, s.steps or 100
    progress = common.Progress(slices, title if s.steps else f"{title}, % of {s.seconds:g} s")
    seconds = spent = evaluate_at = 0.0

    @compiled.step(model, opt, eager=s.eager)
    def step(x, y, lr):  # (B, T), (B, T)
        loss = tt.cross_entropy(model(x), y, ignore_index=common.NOTHING)
        opt.zero_grad()
        loss.backward()
        opt.lr = lr
        opt.step()
        return loss

    for i in progress:
        while spent < (i + 1) * total / slices:  # one step, or as many as fit in a hundredth of the time
            done, start = spent / total, time.process_time()
            loss = step(*next(batches), lr * (1 - done))
            took = time.process_time() - start
            seconds, spent = seconds + took, spent + (1 if s.steps else took)
            progress.log(loss.item())
            if done >= evaluate_at:
                curve[seconds], evaluate_at = data.evaluate(model, "dev", most), done + min(0.05, 0.01 + 0.3 * done)
    curve[seconds] = data.evaluate(model, "dev", most)
    progress.step = step
    return progress, seconds, curve


# --- what is shown ---


def made_up(model, data: texts.Lines, context: int, count: int, rng) -> str:
    """New names, all drawn at once, with * before those in the training set."""
    tokens = np.zeros((count, 1), np.int64)  # (N, T): each starts with the boundary
    with common.evaluating(model) as predict:
        for _ in range(context if count else 0):
            tokens = np.concatenate([tokens, draw(predict(tokens)[:, -1], rng)[:, None]], axis=1)
    known = set(data.names.splits["train"])
    names = [data.tokens.decode(row[1:]).split(data.tokens.boundary)[0] for row in tokens]
    return "  ".join(("*" if name in known else "") + name for name in names)


# --- the script, from top to bottom ---


def main(s: Settings) -> int:
    if s.quick:
        s.seconds, s.steps = min(s.seconds, 0.3), min(s.steps, 20)
    plot, data = common.plotting(s.plots), texts.Lines(s.data, LONGEST)
    context = max(CONTEXT, data.longest + 1)
    print(f"{data}; {f'{s.steps:,} steps' if s.steps else f'{s.seconds:g} s'} each")
    table = common.Table("model", "weights", "steps", "seconds", "train", "dev", "test", width=11)
    curves, speeds, status = {}, [], 0
    for name in MODELS if s.model == "all" else [s.model]:
        build, lr = MODELS[name]
        rng = tt.Generator(s.seed)
        model = build(len(data.tokens), context, rng)
        progress, seconds, curves[name] = train(model, data, s, lr, rng, name)
        result = {part: data.evaluate(model, part, FEW if s.quick else ALL) for part in data.splits}
        table.add(name, f"{model.num_parameters():,}", f"{len(progress.losses):,}", f"{seconds:.1f}",
                  *(f"{loss:.4f}" for loss in result.values()))
        if s.names:
            common.say("  it writes: " + made_up(model, data, context, s.names, rng))
        speeds.append(f"{name} {progress.step}")
        if status := progress.status:
            break
    print("\n".join(speeds))
    if plot:
        plot.race_chart(curves, ylabel="dev loss, nats per character", path=Path(s.plots) / "race.png")
        table.save(Path(s.plots) / "race.md")
        common.drawn(s.plots, "race.png", "race.md")
    return status


if __name__ == "__main__":
    common.run(main, Settings, __doc__)
