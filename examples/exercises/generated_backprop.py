"""Lecture 4's backward pass as the compiler writes it, which manual_backprop.py shows for --generated.

The same network made of the engine's ops, its step compiled, and the backward part of the generated source beside the
pass by hand. Nothing is trained here.
"""

import inspect
import re
import shutil
import textwrap
from itertools import zip_longest

import numpy as np
from shared import common

import tinytensor as tt
from tinytensor import nn, optim, text
from tinytensor.testing import compare

from . import backprop as exercises

SIGNS = {"matmul": "@", "dot": "@", "multiply": "*", "add": "+", "subtract": "-", "divide": "/"}


class Network(nn.Module):
    """The network that is written out by hand, made of the engine's ops, with the same names."""

    def __init__(self, weights: dict) -> None:
        super().__init__()
        for name, a in weights.items():
            setattr(self, name, nn.Parameter(a.reshape(-1) if a.shape[0] == 1 else a))

    def forward(self, x):  # (B, T)
        embcat = tt.embedding(self.C, x).reshape(len(x), -1)  # (B, T * D)
        hprebn = embcat @ self.W1 + self.b1  # (B, H)
        hpreact = tt.batch_norm(hprebn, self.bngain, self.bnbias, eps=exercises.EPS, correction=1)  # (B, H), unbiased
        h = np.tanh(hpreact)  # (B, H)
        return h @ self.W2 + self.b2  # (B, V)


def backwards(source: str) -> str:
    """The backward section of a step, as formulas: `np.matmul(h_T, d_logits, out=d_W2)` is d_W2 = h_T @ d_logits.

    That leaves out that a result is written into an array that exists before the first step.
    """
    section = textwrap.dedent(source.partition("# --- backward ---\n")[2].partition("    # --- update ---")[0])
    lines = [line for line in section.splitlines() if not line.lstrip().startswith("#")]
    for i, line in enumerate(lines):
        if found := re.fullmatch(r"( *)np\.(\w+)\((\S+), (\S+), out=(\S+)\)", line):
            indent, function, a, b, y = found.groups()
            lines[i] = f"{indent}{y} = {a} {SIGNS[function]} {b}" if function in SIGNS else line
        elif found := re.fullmatch(r"( *)(\S+\.take\(\S+, \S+), out=(\S+), mode=\S+\)", line):
            lines[i] = f"{found[1]}{found[3]} = {found[2]})"
    return "\n".join(lines)


def by_hand(*functions) -> str:
    """The functions' source without docstrings and shapes."""
    sources = [re.sub(r'    """.*?"""\n', "", inspect.getsource(f), flags=re.DOTALL) for f in functions]
    return re.sub(r"  # .*", "", "\n".join(sources))


def beside(left: str, right: str) -> str:
    """Two texts in columns, or one below the other where the terminal is too narrow."""
    a, b = left.splitlines(), right.splitlines()
    width = max(map(len, a)) + 3
    if width + max(map(len, b)) > shutil.get_terminal_size().columns:
        return f"{left}\n\n{right}"
    return "\n".join(f"{x:<{width}}{y}".rstrip() for x, y in zip_longest(a, b, fillvalue=""))


def show(s, names: common.Names, X, Y, forward, backward) -> None:
    """Print both backward passes, and whether their gradients agree, in double precision."""
    rng = tt.Generator(s.seed)
    weights = exercises.initial_weights(len(names.vocabulary), s.context, s.embedding, s.hidden, rng)
    model = Network(exercises.in_double(weights))
    opt = optim.SGD(model.parameters(), lr=s.lr)

    def step(x, y):  # (B, T), (B,)
        logits = model(x)  # (B, V)
        loss = tt.cross_entropy(logits, y)
        opt.zero_grad()
        loss.backward()
        opt.step()
        return [p.grad for p in model.parameters()]

    step = tt.compile(step, model, opt)
    for _, (x, y) in zip(range(3), text.batches(X, Y, s.batch, rng)):
        p = {name: a.copy() for name, a in zip(weights, model.state_dict().values())}
        found = step(x, y)  # the first two calls trace and compile, the third runs the compiled step
    print(beside("by hand\n-------\n" + by_hand(backward, exercises.batch_norm_backward, exercises.rows_added),
                 "by the compiler, from the forward pass alone (x_T is x transposed)\n" + 66 * "-" + "\n"
                 + backwards(step.source)))
    print(f"\nthe gradients of a batch of {s.batch}, by hand and by the compiler, in double precision")
    logits, seen = forward(p, x)
    gradients = backward(p, x, exercises.cross_entropy(logits, y)[1], seen)
    lines = [compare(name, g.reshape(mine.shape), mine) for name, g, mine in zip(p, gradients, found)]
    print(f"{sum(line.close for line in lines)} of {len(lines)} agree")
