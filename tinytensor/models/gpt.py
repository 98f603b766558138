"""GPT: a Transformer that predicts the next token, with GPT-2's layout, names and first weights; and how it generates.

It trains nothing and knows no text: tokens are integers. Files of pretrained weights are read by `pretrained.py`.
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
from ..random import Generator, as_generator, seeded
from ..text.corpus import random_source
from ..text.sampling import check, draw
from .kv_cache import KVCache
from .pretrained import gpt2


class GPT(nn.Module):
    """A Transformer language model: logits of the token after each (Radford et al. 2018, 2019; GPT-2's layout, names).

    Parameters
    ----------
    vocabulary : int
        Number of tokens.
    context : int
        The longest sequence that it takes.
    width, layers, heads : int
        Embedding width, number of Blocks, and attention heads in each.
    dropout : float
        Dropout probability: of the embeddings, of attention weights, and of what each Block adds.
    bias : bool
        Whether the layers inside the Blocks have biases.
    tied : bool
        Whether the output matrix is the token embedding itself, as in GPT-2.
    dtype
        float32 or float64.
    rng : Generator, int or None
        Where the first weights come from: normal, with a standard deviation of 0.02; the last layer of each residual
        branch starts smaller, by sqrt(2 * layers). Biases start at 0.
    dropout_rng : Generator, int, numpy.random.Generator or None
        Where dropout draws its masks from; see `nn.Dropout`.
    positions : {"learned", "rotary"}
        A learned embedding for each position, `wpe`, as in GPT-2; or none, and queries and keys rotated by angles that
        grow with their position (RoFormer, Su et al. 2021), so that attention depends on distances. Heads then have an
        even width.

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
                 rng: Rng = None, dropout_rng: Any = None, *, positions: str = "learned") -> None:
        super().__init__()
        if positions not in ("learned", "rotary"):
            raise ValueError(f"GPT: got positions={positions!r}; expected 'learned' or 'rotary'; GPT-2's are learned")
        self.context = nn.arguments.check_size("GPT", "context", context)
        rng, layers = as_generator(rng), nn.arguments.check_size("GPT", "layers", layers)
        self.wte = nn.Embedding(vocabulary, width, dtype=dtype, rng=rng)
        self.wpe = nn.Embedding(context, width, dtype=dtype, rng=rng) if positions == "learned" else None
        dropout_rng = seeded(dropout_rng)  # one stream for all Blocks
        self.drop = nn.Dropout(dropout, rng=dropout_rng)
        rotary = positions == "rotary"
        self.h = nn.ModuleList([nn.Block(width, heads, dropout, bias, dtype, rng, dropout_rng, rotary=rotary)
                                for _ in range(layers)])
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
        """A GPT with the weights of a GPT-2 from a safetensors or npz file, in `eval()`; the sizes are the file's.

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
        x = self.drop(self._embed(tokens))
        for block in self.h:
            x = block(x)
        return self.lm_head(self.ln_f(x))  # (B, T, V)

    def _embed(self, tokens: Any) -> Any:  # (B, T) -> (B, T, C)
        self.check_tokens(np.shape(tokens))
        x = self.wte(tokens)
        return x if self.wpe is None else x + self.wpe(np.arange(np.shape(tokens)[1]))

    def check_tokens(self, shape: tuple[int, ...], cached: int = 0) -> None:
        """Raise ValueError unless tokens of this shape fit in the context, after those that are cached."""
        room = self.context - cached
        if len(shape) != 2 or not 0 < shape[1] <= room:
            limit = f"the context of {self.context} minus the {cached} cached" if cached else "the model's context"
            advice = "start a new KVCache with" if cached else "pass"
            raise ValueError(f"got tokens of shape {shape}; expected (B, T), with T from 1 to {room}, {limit}; "
                             f"{advice} the last {self.context} tokens of a longer text")

    @also_generator
    def generate(self, tokens: npt.ArrayLike, count: int, rng: Generator | int, temperature: float = 1.0,
                 top_k: int | None = None, top_p: float | None = None, cached: bool = True) -> Iterator[Array]:
        """Continue texts token by token: an iterator over `count` arrays of tokens (B,), one for each text.

        The model sees the last tokens that fit in its context. Whenever the context is full, its older half is dropped,
        with the cache or without: so both see the same, and the cache is refilled only that often.

        Parameters
        ----------
        tokens : (B, T), integer
            How the texts begin, T of 1 or more.
        count : int
            How many tokens to generate.
        rng, temperature, top_k, top_p
            As in `text.sampling.draw`; temperature 0 takes the likeliest token and draws nothing.
        cached : bool
            Keep keys and values (`KVCache`), instead of computing the whole window again for each token.

        Raises
        ------
        ValueError
            If the texts are empty, or a parameter is out of range: before the first token. A TypeError if `count` is
            no integer, or `rng` no generator.

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
            raise ValueError(f"generate: got tokens of shape {text.shape}; expected (B, T), T of 1 or more; begin "
                             f"with a token that marks the start, such as a line break")
        check(temperature, top_k, top_p)
        count = nn.arguments.check_size("generate", "count", count, 0)
        generator = random_source(rng, "generate", "multinomial") if temperature else seeded(rng)
        return self._generate(text, count, generator, temperature, top_k, top_p, cached)

    def _generate(self, text: Array, count: int, rng: Any, temperature: float, top_k: int | None,
                  top_p: float | None, cached: bool) -> Iterator[Array]:
        cache, start = KVCache(self), 0
        for _ in range(count):
            begin = window_start(text.shape[1], self.context)
            if begin != start or not cached:
                cache, start = KVCache(self), begin
            logits = cache(text[:, start + cache.length :])[:, -1]  # (B, V)
            token = draw(logits, rng, temperature, top_k, top_p)  # (B,)
            text = np.concatenate([text, token[:, None]], axis=1)
            yield token

    def attention(self, tokens: Any) -> Array:
        """The attention weights of every Block and head, (layers, B, heads, T, T), for pictures; rows sum to 1."""
        maps = []
        with eval_mode(self.modules()), no_grad():
            x = self._embed(tokens)
            for block in self.h:
                maps.append(block.attn.weights(block.ln_1(x)))  # type: ignore[attr-defined]
                x = block(x)
        return np.stack(maps)


@contextmanager
def eval_mode(modules: Iterable[nn.Module]) -> Iterator[None]:
    """`eval()` inside the block; afterwards the modules that were in training mode are again."""
    training = [module for module in modules if module.training]
    for module in training:
        module.training = False
    try:
        yield
    finally:
        for module in training:
            module.training = True


def window_start(length: int, context: int) -> int:
    """Where the window of a text that the model sees begins: 0, then as many half contexts as must be dropped.

    Examples
    --------
    >>> [window_start(length, 8) for length in (1, 8, 9, 12, 13)]
    [0, 0, 4, 4, 8]
    """
    half = max(1, context // 2)
    return max(0, -(-(length - context) // half) * half)
