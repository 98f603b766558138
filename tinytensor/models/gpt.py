"""GPT: a Transformer that predicts the next token, with GPT-2's layout, names and first weights, and how it writes.

It trains nothing and knows no text: tokens are integers. Weights of others are read by `models/pretrained.py`.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Self

import numpy as np
import numpy.typing as npt

from .. import nn
from ..core import Array, Tensor
from ..modes import no_grad
from ..names import also_generator
from ..nn.init import Rng
from ..random import Generator, as_generator
from ..text.sampling import check, draw
from .pretrained import gpt2
from .reading import Reader


class GPT(nn.Module):
    """Tokens to the logits of the token after each (Radford et al. 2018 and 2019; the layout and names are GPT-2's).

    Parameters
    ----------
    vocabulary : int
        How many tokens there are.
    context : int
        How many places it can see at once: each has an embedding.
    width, layers, heads : int
        Numbers for a token, and Blocks, and attention heads in each.
    dropout : float
        Of the embeddings, of attention weights, and of what each Block adds.
    bias : bool
        Whether the layers inside of the Blocks have one.
    tied : bool
        Whether the head's matrix is the tokens' table itself, as in GPT-2.
    dtype
        float32 or float64.
    rng : Generator, int or None
        Where the first weights come from: normal, with a standard deviation of 0.02; what a Block adds starts smaller,
        by sqrt(2 * layers). Biases start at 0.
    noise : Generator, numpy.random.Generator or None
        Where dropout draws from; see `nn.Dropout`.

    Shapes
    ------
    input (B, T), integer, T at most `context`; output (B, T, vocabulary)

    Examples
    --------
    >>> from tinytensor.models import GPT
    >>> model = GPT(vocabulary=27, context=16, width=64, layers=4, heads=4)
    >>> model(np.zeros((32, 16), np.int64)).shape, model.num_parameters()
    ((32, 16, 27), 202816)
    """

    def __init__(self, vocabulary: int, context: int = 64, width: int = 128, layers: int = 4, heads: int = 4,
                 dropout: float = 0.0, bias: bool = True, tied: bool = True, dtype: Any = np.float32,
                 rng: Rng = None, noise: Any = None) -> None:
        super().__init__()
        self.context = nn.arguments.size("GPT", "context", context)
        rng, layers = as_generator(rng), nn.arguments.size("GPT", "layers", layers)
        self.wte = nn.Embedding(vocabulary, width, dtype, rng)
        self.wpe = nn.Embedding(context, width, dtype, rng)
        self.drop = nn.Dropout(dropout, rng=noise)
        self.h = nn.ModuleList([nn.Block(width, heads, dropout, bias, dtype, rng, noise) for _ in range(layers)])
        self.ln_f = nn.LayerNorm(width, bias=bias, dtype=dtype)
        self.lm_head = nn.Linear(width, vocabulary, False, dtype, rng)
        if tied:
            self.lm_head.weight = self.wte.weight
        for name, p in self.named_parameters():
            if p.ndim == 2:
                rng.normal_(p, 0.0, 0.02 / math.sqrt(2 * layers) if name.endswith("c_proj.weight") else 0.02)
            elif name.endswith("bias"):
                p.data[...] = 0

    @classmethod
    def from_pretrained(cls, path: str | Path, heads: int | None = None) -> Self:
        """A GPT with the weights of a GPT-2 that a safetensors or npz file holds, in `eval()`; sizes are the file's.

        See `models.pretrained.gpt2` for the file, `heads`, and what is raised.

        Examples
        --------
        >>> from tempfile import TemporaryDirectory
        >>> from tinytensor.models import GPT
        >>> from tinytensor.models.pretrained import layout
        >>> shapes = layout(vocabulary=99, context=32, width=128, layers=2)
        >>> with TemporaryDirectory() as folder:
        ...     np.savez(f"{folder}/gpt2.npz", **{name: np.ones(shape, "f") for name, shape in shapes.items()})
        ...     GPT.from_pretrained(f"{folder}/gpt2.npz").num_parameters()
        413568
        """
        sizes, state = gpt2(path, heads)
        model = cls(**sizes)
        model.load_state_dict(state)
        return model.eval()

    def forward(self, tokens: Any) -> Tensor:  # (B, T)
        x = self.drop(self._embedded(tokens))
        for block in self.h:
            x = block(x)
        return self.lm_head(self.ln_f(x))  # (B, T, V)

    def _embedded(self, tokens: Any) -> Any:  # (B, T) -> (B, T, C)
        self.fits(np.shape(tokens))
        return self.wte(tokens) + self.wpe(np.arange(np.shape(tokens)[1]))

    def fits(self, shape: tuple[int, ...], seen: int = 0) -> None:
        """Raise ValueError unless tokens of this shape fit in the context, after so many that were seen."""
        room = self.context - seen
        if len(shape) != 2 or not 0 < shape[1] <= room:
            held = f" less the {seen} that were read" * bool(seen)
            raise ValueError(f"tokens of shape {shape} came; expected (B, T), with T from 1 to {room}, the context of "
                             f"this model{held}; give the last {self.context} of a longer text{', anew' * bool(seen)}")

    @also_generator
    def generate(self, tokens: npt.ArrayLike, count: int, rng: Generator, temperature: float = 1.0,
                 top_k: int | None = None, top_p: float | None = None, cached: bool = True) -> Iterator[Array]:
        """Go on with texts, token by token: gives (B,) tokens as they are drawn, `count` times.

        Each is drawn after the last places that fit in the context. Once it is full, its older half is let go of, and
        so again and again: with the cache or without, the same is seen, and the cache starts anew only that often.

        Parameters
        ----------
        tokens : (B, T), integer
            How the texts begin, T of 1 or more.
        count : int
        rng, temperature, top_k, top_p
            As in `text.draw`.
        cached : bool
            Keep keys and values, in the place of computing the whole window again for each token.

        Raises
        ------
        ValueError
            If the texts are empty, or a parameter is out of range: before the first token.

        Examples
        --------
        >>> from tinytensor.models import GPT
        >>> from tinytensor.random import Generator
        >>> model = GPT(27, rng=42)
        >>> [t.item() for t in model.generate([[0]], 5, Generator(1))] == [
        ...     t.item() for t in model.generate([[0]], 5, Generator(1), cached=False)]
        True
        """
        text = np.asarray(tokens)
        if text.ndim != 2 or not text.size:
            raise ValueError(f"generate: tokens of shape {text.shape} came; expected (B, T), T of 1 or more; begin "
                             f"with a token that stands for a start, such as a line break")
        check(temperature, top_k, top_p)
        return self._written(text, count, rng, temperature, top_k, top_p, cached)

    def _written(self, text: Array, count: int, rng: Generator, temperature: float, top_k: int | None,
                 top_p: float | None, cached: bool) -> Iterator[Array]:
        reader, start = Reader(self), 0
        for _ in range(count):
            begin = window(text.shape[1], self.context)
            if begin != start or not cached:
                reader, start = Reader(self), begin
            logits = reader(text[:, start + reader.length :])[:, -1]  # (B, V)
            token = draw(logits, rng, temperature, top_k, top_p)  # (B,)
            text = np.concatenate([text, token[:, None]], axis=1)
            yield token

    def attention(self, tokens: Any) -> Array:
        """How much each place takes from each, for every Block and head: (layers, B, heads, T, T), for pictures."""
        maps = []
        with evaluating(self.modules()), no_grad():
            x = self._embedded(tokens)
            for block in self.h:
                maps.append(block.attn.weights(block.ln_1(x)))  # type: ignore[attr-defined]
                x = block(x)
        return np.stack(maps)


@contextmanager
def evaluating(modules: Iterable[nn.Module]) -> Iterator[None]:
    """`eval()` for a while: the modules that were in training are so again afterwards, and no others."""
    training = [module for module in modules if module.training]
    for module in training:
        module.training = False
    try:
        yield
    finally:
        for module in training:
            module.training = True


def window(length: int, context: int) -> int:
    """Where the part of a text that a model sees begins: 0, and later as many half contexts as must be let go of.

    Examples
    --------
    >>> [window(length, 8) for length in (1, 8, 9, 12, 13)]
    [0, 0, 4, 4, 8]
    """
    half = max(1, context // 2)
    return max(0, -(-(length - context) // half) * half)
