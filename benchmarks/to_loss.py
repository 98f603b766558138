"""Measures how long lecture 2's MLP takes to reach the notebook's loss, for one contender in its own process.

    python -m benchmarks.to_loss CONTENDER [TARGET] [MOST STEPS]

Data, network, initial weights, batches and schedule are those of examples/mlp_ngram.py. The loss on dev is measured
every thousand steps, and that time is not counted. The result is one line of JSON.
"""

from __future__ import annotations

import json
import os
import sys
import time
from collections.abc import Callable
from typing import Any

import numpy as np

import tinytensor as tt
from tinytensor import text

from .report import ROOT
from .tasks import CONTENDERS, TORCH, Contender

sys.path.insert(0, str(ROOT / "examples"))

import mlp_ngram as example
from shared import common

EVERY = 1000  # steps between two evaluations of dev
NOTEBOOK: float = example.NOTEBOOK_SPLITS["dev"]

Train = Callable[[Any, Any, float], Any]
Evaluate = Callable[[Any, Any], float]


def ours(s: Any, vocabulary: int, chosen: Contender) -> tuple[Train, Evaluate, Any]:
    """Functions for a step at a learning rate and for the loss on a split, and the generator of the batches."""
    model, opt, rng = example.build(s, vocabulary)

    def step(x: Any, y: Any) -> Any:
        loss = tt.cross_entropy(model(x), y)
        opt.zero_grad()
        loss.backward()
        opt.step()
        return loss

    if chosen.options:
        step = tt.compile(step, model, opt)

    def train(x: Any, y: Any, lr: float) -> None:
        opt.lr = lr
        step(x, y)

    return train, lambda X, Y: common.evaluate(model, X, Y), rng


def theirs(s: Any, vocabulary: int, chosen: Contender) -> tuple[Train, Evaluate, Any]:
    """The same by PyTorch."""
    import torch
    from torch import nn
    from torch.nn import functional as F

    from . import networks
    from .tasks import Task

    torch.set_num_threads(chosen.cores)
    own, _, rng = example.build(s, vocabulary)
    model = networks.mlp(nn, torch.tanh, Task("", "mlp", (), s.batch, s.context, s.embedding, s.hidden, 1, vocabulary))
    model.load_state_dict({name: torch.from_numpy(a.copy()) for name, a in own.state_dict().items()})
    matrices = [model.hidden.weight, model.output.weight, model.skip.weight]
    rest = [model.embed.weight, model.hidden.bias, model.output.bias]
    opt = torch.optim.SGD([{"params": matrices, "weight_decay": s.weight_decay}, {"params": rest}], lr=s.lr, fused=True)

    def train(x: Any, y: Any, lr: float) -> None:
        for group in opt.param_groups:
            group["lr"] = lr
        loss = F.cross_entropy(model(torch.from_numpy(x)), torch.from_numpy(y))
        opt.zero_grad()
        loss.backward()
        opt.step()

    @torch.inference_mode()
    def evaluate(X: Any, Y: Any) -> float:
        return float(F.cross_entropy(model(torch.from_numpy(X)), torch.from_numpy(Y)))

    return train, evaluate, rng


def main(contender: str, target: float = NOTEBOOK, most: int = example.Settings().steps) -> dict[str, Any]:
    s, chosen = example.Settings(), CONTENDERS[contender]
    names = common.read_names(s.data)
    data = names.windows(s.context)
    make = theirs if contender in TORCH else ours
    train, evaluate, rng = make(s, len(names.vocabulary), chosen)
    rate, stream, took, loss = example.schedule(s), text.batches(*data["train"], s.batch, rng), 0.0, np.inf
    for done in range(EVERY, most + 1, EVERY):
        start = time.perf_counter()
        for i in range(done - EVERY, done):
            train(*next(stream), rate(i))
        took += time.perf_counter() - start
        if (loss := evaluate(*data["dev"])) <= target:
            break
    return {"seconds": took, "steps": done, "dev": loss, "target": target}


if __name__ == "__main__":
    out = os.fdopen(os.dup(1), "w")
    os.dup2(2, 1)
    contender, *numbers = sys.argv[1:]
    try:
        if CONTENDERS[contender].options and not hasattr(tt, "compile"):
            result: dict[str, Any] = {"missing": "this tinytensor has no compile"}
        else:
            result = main(contender, *(kind(a) for kind, a in zip((float, int), numbers, strict=False)))
    except ImportError as error:
        result = {"missing": "not installed" if error.name == "torch" else str(error)}
    except Exception as error:
        result = {"missing": f"{type(error).__name__}: {error}".splitlines()[0]}
    print(json.dumps(result), file=out, flush=True)
