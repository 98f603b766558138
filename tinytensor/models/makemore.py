"""makemore's models of the next token, from a table of pairs to recurrent networks.

All map tokens (B, T) to logits (B, T, V) of the token after each, and are causal. Token 0 is the boundary: it pads a
text on the left for models that see further back. The Transformer is `GPT`. Nothing is
trained here. Models and names are those of Karpathy's makemore, first weights those of PyTorch's layers.
"""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from .. import nn
from ..core import Tensor
from ..nn import functional as F
from ..nn.arguments import check_size
from ..nn.init import Rng
from ..ops.padding import pad
from ..random import as_generator


def check(tokens: Any, most: float = math.inf) -> None:
    """Raise ValueError unless tokens are a batch of texts (B, T), with T from 1 to `most`."""
    shape = np.shape(tokens)
    if len(shape) != 2 or not 0 < shape[1] <= most:
        up_to = "T of 1 or more" if most == math.inf else f"T from 1 to {most}, the context of this model"
        raise ValueError(f"got tokens of shape {shape}; expected (B, T), {up_to}; write tokens[None] for one text")


# --- feed-forward ---


class Bigram(nn.Module):
    """The next token given the current one: a table of logits, all equal at first.

    Parameters
    ----------
    vocabulary : int
        How many tokens there are.
    dtype
        float32 or float64.

    Shapes
    ------
    input (B, T), integer; output (B, T, vocabulary)

    Examples
    --------
    >>> from tinytensor.models import Bigram
    >>> model = Bigram(27)
    >>> model(np.zeros((32, 16), np.int64)).shape, model.num_parameters()
    ((32, 16, 27), 729)
    """

    def __init__(self, vocabulary: int, dtype: Any = np.float32) -> None:
        super().__init__()
        vocabulary = check_size("Bigram", "vocabulary", vocabulary)
        self.logits = nn.Parameter(np.zeros((vocabulary, vocabulary), dtype))

    def forward(self, tokens: Any) -> Tensor:  # (B, T)
        check(tokens)
        return F.embedding(tokens, self.logits)  # (B, T, V)


class MLP(nn.Module):
    """The next token given the last `context` ones, by one hidden layer (Bengio et al. 2003).

    The layer is a convolution: the same one for every window of a text, whose first windows begin with boundaries.

    Parameters
    ----------
    vocabulary : int
    context : int
        How many tokens predict the next.
    embedding, hidden : int
        Embedding width, and neurons of the hidden layer.
    dtype, rng
        As in `nn.Linear`.

    Shapes
    ------
    input (B, T), integer; output (B, T, vocabulary)

    Examples
    --------
    >>> from tinytensor.models import MLP
    >>> model = MLP(27, context=3, embedding=10, hidden=200)
    >>> model(np.zeros((32, 16), np.int64)).shape, model.num_parameters()
    ((32, 16, 27), 11897)
    """

    def __init__(self, vocabulary: int, context: int = 8, embedding: int = 24, hidden: int = 256,
                 dtype: Any = np.float32, rng: Rng = None) -> None:
        super().__init__()
        rng, self.context = as_generator(rng), check_size("MLP", "context", context)
        self.wte = nn.Embedding(vocabulary, embedding, dtype=dtype, rng=rng)
        self.hidden = nn.Conv1d(embedding, hidden, context, dtype=dtype, rng=rng)
        self.lm_head = nn.Linear(hidden, vocabulary, dtype=dtype, rng=rng)

    def forward(self, tokens: Any) -> Tensor:  # (B, T)
        check(tokens)
        x = self.wte(pad(tokens, ((0, 0), (self.context - 1, 0))))  # (B, context - 1 + T, D)
        h = F.tanh(self.hidden(x.swapaxes(1, 2))).swapaxes(1, 2)  # (B, T, H)
        return self.lm_head(h)  # (B, T, V)


class GatedConv(nn.Module):
    """A level of `CausalCNN`: a gated convolution of each position with the one `dilation` before, plus the input."""

    def __init__(self, width: int, dilation: int, dtype: Any = np.float32, rng: Rng = None) -> None:
        super().__init__()
        self.conv = nn.Conv1d(width, 2 * width, 2, dilation=dilation, dtype=dtype, rng=rng)
        self.join = nn.Conv1d(width, width, 1, dtype=dtype, rng=rng)

    def forward(self, x: Any) -> Tensor:  # (B, C, T)
        a = self.conv(pad(x, ((0, 0), (0, 0), (self.conv.dilation[0], 0))))  # (B, 2 C, T): zeros before a text
        value, gate = a[:, : x.shape[1]], a[:, x.shape[1] :]  # (B, C, T)
        return x + self.join(F.tanh(value) * F.sigmoid(gate))


class CausalCNN(nn.Module):
    """Dilated causal convolutions (van den Oord et al. 2016, WaveNet): each level doubles the receptive field.

    It has the paper's gated units and residual connections, which the lecture's tree (`WaveNet`) leaves out.

    Parameters
    ----------
    vocabulary : int
    levels : int
        With n levels 2**n tokens predict the next.
    width : int
        Number of channels.
    dtype, rng
        As in `nn.Linear`.

    Shapes
    ------
    input (B, T), integer; output (B, T, vocabulary)

    Examples
    --------
    >>> from tinytensor.models import CausalCNN
    >>> model = CausalCNN(27)
    >>> model(np.zeros((32, 16), np.int64)).shape, model.num_parameters()
    ((32, 16, 27), 86171)
    """

    def __init__(self, vocabulary: int, levels: int = 4, width: int = 64, dtype: Any = np.float32,
                 rng: Rng = None) -> None:
        super().__init__()
        rng, levels = as_generator(rng), check_size("CausalCNN", "levels", levels)
        self.wte = nn.Embedding(vocabulary, width, dtype=dtype, rng=rng)
        self.levels = nn.Sequential(*(GatedConv(width, 2**i, dtype, rng) for i in range(levels)))
        self.lm_head = nn.Linear(width, vocabulary, dtype=dtype, rng=rng)

    def forward(self, tokens: Any) -> Tensor:  # (B, T)
        check(tokens)
        x = self.levels(self.wte(tokens).swapaxes(1, 2))  # (B, C, T)
        return self.lm_head(x.swapaxes(1, 2))  # (B, T, V)


class BoW(nn.Module):
    """A causal bag of words: to each position the mean of all up to it is added, then the output of an MLP.

    The mean is attention with equal weights; only the position embeddings carry the order.

    Parameters
    ----------
    vocabulary : int
    context : int
        The longest sequence that it takes.
    width, hidden : int
        Embedding width, and neurons of the hidden layer.
    dtype, rng
        As in `nn.Linear`.

    Shapes
    ------
    input (B, T), integer, T at most `context`; output (B, T, vocabulary)

    Examples
    --------
    >>> from tinytensor.models import BoW
    >>> model = BoW(27, context=16)
    >>> model(np.zeros((32, 16), np.int64)).shape, model.num_parameters()
    ((32, 16, 27), 37595)
    """

    def __init__(self, vocabulary: int, context: int, width: int = 64, hidden: int = 256, dtype: Any = np.float32,
                 rng: Rng = None) -> None:
        super().__init__()
        rng, self.context = as_generator(rng), check_size("BoW", "context", context)
        self.wte = nn.Embedding(vocabulary, width, dtype=dtype, rng=rng)
        self.wpe = nn.Embedding(context, width, dtype=dtype, rng=rng)
        self.think = nn.Sequential(nn.Linear(width, hidden, dtype=dtype, rng=rng), nn.Tanh(),
                                   nn.Linear(hidden, width, dtype=dtype, rng=rng))
        self.lm_head = nn.Linear(width, vocabulary, dtype=dtype, rng=rng)

    def forward(self, tokens: Any) -> Tensor:  # (B, T)
        check(tokens, self.context)
        positions = np.arange(np.shape(tokens)[1])
        x = self.wte(tokens) + self.wpe(positions)  # (B, T, C)
        mean = np.tri(len(positions), dtype=x.dtype) / (positions[:, None] + 1).astype(x.dtype)  # (T, T)
        x = x + mean @ x
        return self.lm_head(x + self.think(x))  # (B, T, V)


# --- recurrent ---


class RNN(nn.Module):
    """A recurrent network of one layer (Mikolov et al. 2010): each token updates a state, from which the logits follow.

    Parameters
    ----------
    vocabulary : int
    embedding, hidden : int
        How many numbers describe a token, and the state.
    dtype, rng
        As in `nn.Linear`.

    Shapes
    ------
    input (B, T), integer; output (B, T, vocabulary)

    Examples
    --------
    >>> from tinytensor.models import RNN
    >>> model = RNN(27)
    >>> model(np.zeros((32, 16), np.int64)).shape, model.num_parameters()
    ((32, 16, 27), 30043)
    """

    layer: Any = nn.RNN

    def __init__(self, vocabulary: int, embedding: int = 64, hidden: int = 128, dtype: Any = np.float32,
                 rng: Rng = None) -> None:
        super().__init__()
        rng = as_generator(rng)
        self.wte = nn.Embedding(vocabulary, embedding, dtype=dtype, rng=rng)
        self.recurrent = self.layer(embedding, hidden, batch_first=True, dtype=dtype, rng=rng)
        self.lm_head = nn.Linear(hidden, vocabulary, dtype=dtype, rng=rng)

    def forward(self, tokens: Any) -> Tensor:  # (B, T)
        check(tokens)
        states, _ = self.recurrent(self.wte(tokens))  # (B, T, H)
        return self.lm_head(states)  # (B, T, V)


class GRU(RNN):
    """The same with gated recurrent units (Cho et al. 2014), which choose what the state keeps.

    Parameters and shapes are those of `RNN`.

    Examples
    --------
    >>> from tinytensor.models import GRU
    >>> model = GRU(27)
    >>> model(np.zeros((32, 16), np.int64)).shape, model.num_parameters()
    ((32, 16, 27), 79707)
    """

    layer = nn.GRU
