"""What is measured, on which data, and who takes part. It knows no framework, and times nothing.

A framework's file has `make(task, sampled, **options)`, which returns a function of a batch number that does one step
of the task and returns its loss. Every contender does the same arithmetic on the same shapes, from the same initial
weights, written as its users would write it. `sampled` is the variant that draws its batch within the step, from all
of the data.
"""

from __future__ import annotations

import importlib
import os
from collections.abc import Callable
from dataclasses import dataclass, field
from itertools import pairwise
from typing import Any

import numpy as np

Step = Callable[[int], Any]
BATCHES = 100  # used in turn where the batch is given
LR = 0.1  # of gradient descent
ADAMW = {"lr": 1e-3, "betas": (0.9, 0.99), "weight_decay": 0.1}
EPS = 1e-5  # of batch norm and layer norm


class Missing(Exception):
    """A contender that can't take part, with the reason in one line."""


# --- who takes part ---


@dataclass(frozen=True)
class Contender:
    """A framework in one of its forms: its file here, its number of threads (0: all), and its options."""

    file: str
    threads: int = 1
    options: dict[str, Any] = field(default_factory=dict)

    @property
    def cores(self) -> int:
        return self.threads or os.cpu_count() or 1


EAGER, COMPILED, TWO = "tinytensor, eager", "tinytensor, compiled", "tinytensor, compiled, 2 workers"
COMPILED_ALL = "tinytensor, compiled, all threads"
FAST, TWO_FAST = "tinytensor, compiled, fast", "tinytensor, compiled, 2 workers, fast"
TORCH = ("PyTorch, 1 thread", "PyTorch, all threads")
TORCH_COMPILE = ("torch.compile, 1 thread", "torch.compile, all threads")
JAX, MYGRAD, AUTOGRAD, BY_HAND = "JAX jit", "MyGrad", "HIPS autograd", "by hand"
VALUE, MICROGRAD = "tinytensor.value", "micrograd"
CONTENDERS = {
    BY_HAND: Contender("hand"),
    EAGER: Contender("ours"),
    COMPILED: Contender("ours", options={"workers": 1}),
    COMPILED_ALL: Contender("ours", threads=0, options={"workers": 1}),
    FAST: Contender("ours", options={"workers": 1, "fast": True}),
    TWO: Contender("ours", options={"workers": 2}),
    TWO_FAST: Contender("ours", options={"workers": 2, "fast": True}),
    TORCH[0]: Contender("torch_"),
    TORCH[1]: Contender("torch_", threads=0),
    TORCH_COMPILE[0]: Contender("torch_", options={"compiled": True}),
    TORCH_COMPILE[1]: Contender("torch_", threads=0, options={"compiled": True}),
    JAX: Contender("jax_", threads=0),  # XLA chooses how many of them it uses
    MYGRAD: Contender("mygrad_"),
    AUTOGRAD: Contender("autograd_"),
    VALUE: Contender("scalars", options={"package": "tinytensor.value"}),
    MICROGRAD: Contender("scalars", options={"package": "micrograd"}),
}
PACKAGES = ("numpy", "torch", "jax", "mygrad", "autograd", "micrograd")

TINY = (BY_HAND, EAGER, COMPILED, TORCH[0], JAX, MYGRAD, AUTOGRAD)
TRAINING = (EAGER, COMPILED, TWO, *TORCH, *TORCH_COMPILE, JAX, MYGRAD, AUTOGRAD)
LARGE = (COMPILED_ALL, *TRAINING)  # where products are large enough for threads
DESCENT = (FAST, TWO_FAST, *TRAINING)  # for gradient descent; `fast` changes nothing for AdamW
UNSAMPLED = (MYGRAD, AUTOGRAD)  # which do not take part in the second variant

# --- what they do ---


@dataclass(frozen=True)
class Task:
    """A training step, or another piece of work, and its sizes."""

    title: str
    kind: str  # forward, both, micrograd, mlp, batchnorm, wavenet, gpt, writing
    contenders: tuple[str, ...] = TRAINING
    batch: int = 1
    context: int = 1
    embedding: int = 1
    width: int = 1  # of hidden layers, or of a Transformer
    depth: int = 1  # hidden layers, or blocks
    vocabulary: int = 27
    heads: int = 4

    @property
    def variants(self) -> dict[str, tuple[str, ...]]:
        """The contenders where the batch is given, and where it is drawn within the step."""
        drawing = {"sampled": tuple(c for c in self.contenders if c not in UNSAMPLED)}
        return {"given": self.contenders} | (drawing if self.trains else {})

    @property
    def trains(self) -> bool:
        """Whether it trains a network of the lectures, from given weights, with a second variant that samples."""
        return self.kind in ("mlp", "batchnorm", "wavenet", "gpt")


NAMES = {"batch": 32, "context": 16, "width": 64, "depth": 4}
SHAKESPEARE = {"batch": 12, "context": 64, "width": 128, "depth": 4, "vocabulary": 64}
TASKS = {
    "forward": Task("chain of 600 tiny ops, forward", "forward", TINY),
    "both": Task("chain of 600 tiny ops, forward and backward", "both", TINY),
    "micrograd": Task("micrograd's network 2-16-16-1 on 100 points of two moons", "micrograd",
                      (MICROGRAD, VALUE, EAGER, COMPILED, TORCH[0]), batch=100),
    "mlp": Task("lecture MLP, batch 64", "mlp", (BY_HAND, *DESCENT), 64, 3, 16, 200),
    "batchnorm": Task("six-layer BatchNorm MLP, batch 64", "batchnorm", DESCENT, 64, 3, 16, 200, 5),
    "wavenet": Task("WaveNet, batch 32", "wavenet", DESCENT, 32, 8, 24, 128, 3),
    "names": Task("names GPT, 32 x 16, width 64", "gpt", LARGE, **NAMES),
    "shakespeare": Task("Shakespeare GPT, 12 x 64, width 128", "gpt", LARGE, **SHAKESPEARE),
    "writing": Task("63 tokens written by the Shakespeare GPT", "writing", (EAGER, *TORCH), **SHAKESPEARE),
}

GROWTH = (("names", "batch", (8, 32, 128)), ("names", "width", (32, 64, 128)), ("names", "depth", (2, 4, 8)),
          ("names", "context", (8, 16, 64)), ("mlp", "batch", (16, 64, 256)), ("mlp", "width", (50, 200, 800)))
OURS = (COMPILED, COMPILED_ALL)  # without workers, exact: the fastest counts, as for the peers
FORMS = {"1": (COMPILED,), "1, best of threads": OURS, "1, fast=True": (FAST,), "2": (TWO,),
         "2, fast=True": (TWO_FAST,)}  # rows of the ratios: the form, and its contenders
PEERS = {"torch": TORCH, "compile": TORCH_COMPILE, "jax": (JAX,), "hand": (BY_HAND,)}  # the fastest counts


def make(task: Task, contender: str, sampled: bool = False) -> Step:
    """The step of a contender.

    Raises
    ------
    Missing
        With the reason, if its package is not installed or it can't do the task.
    """
    chosen = CONTENDERS[contender]
    try:
        framework = importlib.import_module(f"{__package__}.{chosen.file}")
    except ImportError as error:
        raise Missing("not installed" if error.name in PACKAGES else str(error)) from error
    if chosen.file == "torch_":
        framework.set_threads(chosen.cores)
    step: Step = framework.make(task, sampled, **chosen.options)
    return step


# --- the data ---


def windows(task: Task, count: int, seed: int = 1) -> tuple[np.ndarray, np.ndarray]:
    """Windows of random tokens, (count, T), and what follows: (count,), or (count, T) for a GPT."""
    tokens = np.random.default_rng(seed).integers(0, task.vocabulary, (count, task.context + 1))
    following = tokens[:, 1:] if task.kind == "gpt" else tokens[:, -1]
    return np.ascontiguousarray(tokens[:, :-1]), np.ascontiguousarray(following)


def batches(task: Task) -> tuple[np.ndarray, np.ndarray]:
    """A hundred batches: (100, B, T), and (100, B) or (100, B, T)."""
    X, Y = windows(task, BATCHES * task.batch)
    return X.reshape(BATCHES, task.batch, -1), Y.reshape(BATCHES, task.batch, *Y.shape[1:])


def corpus(task: Task) -> tuple[np.ndarray, np.ndarray]:
    """The data that a step draws its batch from: about as many windows as the names have, fewer if they are long."""
    return windows(task, min(180_000, 3_000_000 // task.context))


def chain() -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """The start, the factor and the offset of the tiny chain: 8 numbers each."""
    return np.full(8, 0.1, np.float32), np.full(8, 0.9, np.float32), np.full(8, 0.1, np.float32)


LINKS = 200  # of the tiny chain: h = tanh(h * w + b), three ops each


def moons(count: int) -> tuple[np.ndarray, np.ndarray]:
    """Two interleaved half circles, (count, 2), and their labels 1 and -1, as in micrograd's demo."""
    rng, t = np.random.default_rng(1), np.linspace(0, np.pi, count // 2)
    upper, lower = np.stack([np.cos(t), np.sin(t)], 1), np.stack([1 - np.cos(t), 0.5 - np.sin(t)], 1)
    X = np.concatenate([upper, lower]) + 0.1 * rng.standard_normal((count, 2))
    return X.astype(np.float32), np.repeat(np.array([1, -1], np.float32), count // 2)


MICROGRAD_SIZES = (2, 16, 16, 1)
MICROGRAD_LR, MICROGRAD_DECAY = 0.05, 1e-4  # the demo's decay is a penalty in the loss


def micrograd_weights() -> list[tuple[np.ndarray, np.ndarray]]:
    """(out, in) and (out,) for each layer, uniform from -1 to 1, with biases of 0, as micrograd draws them."""
    rng = np.random.default_rng(0)
    return [(rng.uniform(-1, 1, (b, a)).astype(np.float32), np.zeros(b, np.float32))
            for a, b in pairwise(MICROGRAD_SIZES)]
