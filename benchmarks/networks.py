"""The lectures' networks in the names that `tinytensor.nn` and `torch.nn` share, with the same names of weights.

The WaveNet and the GPT are `tinytensor.models`'; what PyTorch has in their place stands in torch_.py and gpt.py.
"""

from __future__ import annotations

from itertools import pairwise
from typing import Any

from .tasks import Task


def mlp(nn: Any, tanh: Any, task: Task) -> Any:
    """Lecture 2: embeddings, one hidden layer with tanh, and a linear skip connection."""
    width = task.context * task.embedding

    class MLP(nn.Module):  # type: ignore[misc]
        def __init__(self) -> None:
            super().__init__()
            self.embed, self.hidden = nn.Embedding(task.vocabulary, task.embedding), nn.Linear(width, task.width)
            self.output = nn.Linear(task.width, task.vocabulary)
            self.skip = nn.Linear(width, task.vocabulary, bias=False)

        def forward(self, x: Any) -> Any:
            e = self.embed(x).reshape(len(x), -1)
            return self.output(tanh(self.hidden(e))) + self.skip(e)

    return MLP()


def batchnorm(nn: Any, task: Task) -> dict[str, Any]:
    """Lecture 3: Linear, BatchNorm1d and Tanh repeated, as the modules of a Sequential, without the last Tanh."""
    widths = [task.context * task.embedding, *[task.width] * task.depth, task.vocabulary]
    parts = {"embed": nn.Embedding(task.vocabulary, task.embedding), "flatten": nn.Flatten()}
    for i, (fan_in, fan_out) in enumerate(pairwise(widths), 1):
        parts[f"linear{i}"], parts[f"norm{i}"] = nn.Linear(fan_in, fan_out, bias=False), nn.BatchNorm1d(fan_out)
        if i <= task.depth:
            parts[f"tanh{i}"] = nn.Tanh()
    return parts
