"""The fifth lecture's WaveNet: a tree that joins neighbouring characters, level by level, to predict the next one.

It comes in two forms that hold the same weights and turn into each other: `WaveNet`, the tree over one window, as in
the lecture, and `CausalWaveNet`, the same tree at every position of a text at once, as dilated causal convolutions.
As in the lecture, the paper's gated units, residual and skip connections are left out (van den Oord et al. 2016,
'WaveNet: A Generative Model for Raw Audio').
"""

from __future__ import annotations

from typing import Any, TypeVar

import numpy as np

from .. import nn
from ..core import Tensor
from ..names import also_generator
from ..nn.init import Rng
from ..random import as_generator

Form = TypeVar("Form", "WaveNet", "CausalWaveNet")


def level_count(context: int, kernel: int) -> int:
    """How many levels of joining `kernel` neighbours make one of `context` characters.

    Raises
    ------
    ValueError
        If no number of levels does.

    Examples
    --------
    >>> level_count(8, 2)
    3
    """
    levels, width = 0, 1
    while width < context and kernel > 1:
        levels, width = levels + 1, width * kernel
    if width != context or levels == 0:
        powers = ", ".join(str(kernel**i) for i in (1, 2, 3))
        raise ValueError(f"WaveNet: got context={context}; expected a power of {kernel} ({powers}, ...), as every "
                         f"level joins {kernel} neighbours; pass one of these")
    return levels


@also_generator
def initialise(model: Any, rng: Rng = None) -> None:
    """The lecture's first weights, drawn layer by layer: standard normal, and small before the logits.

    Matrices are drawn as (in, out) and divided by sqrt(in), biases are 0; the last matrix is a tenth of that, so that
    the first logits are nearly equal.
    """
    rng, matrices = as_generator(rng), [layer for layer in model.modules() if isinstance(layer, nn.Linear)]
    for layer in model.modules():
        if isinstance(layer, nn.Embedding):
            rng.normal_(layer.weight)
        elif isinstance(layer, nn.Linear):
            layer.weight.data[...] = rng.randn(layer.in_features, layer.out_features).T / layer.in_features**0.5
            if layer.bias is not None:
                layer.bias.data[...] = 0
    matrices[-1].weight.data *= 0.1


# --- the tree ---


class WaveNet(nn.Sequential):
    """The logits of the next character after a window: each level joins `kernel` neighbours into one.

    Parameters
    ----------
    vocabulary : int
        How many characters there are.
    context : int
        How many of them predict the next; a power of `kernel`.
    embedding, hidden : int
        Embedding width of a character, and width of each level.
    kernel : int
        How many neighbours a level joins: 2 in the lecture. If it is `context`, all are joined at once, as in the
        network of the earlier lectures.
    unbiased : bool
        Whether batch norm normalises with the unbiased variance, as in the notebook; see `nn.BatchNorm1d`.
    rng : Generator, int or None
        Where the first weights come from, the notebook's if it is 42.

    Shapes
    ------
    input (B, context), integer; output (B, vocabulary)

    Examples
    --------
    >>> from tinytensor.models import WaveNet
    >>> model = WaveNet(27, context=8)
    >>> model(np.zeros((32, 8), np.int64)).shape, model.num_parameters()
    ((32, 27), 76579)
    """

    def __init__(self, vocabulary: int, context: int = 8, embedding: int = 24, hidden: int = 128, kernel: int = 2,
                 unbiased: bool = False, rng: Rng = None) -> None:
        layers: list[nn.Module] = [nn.Embedding(vocabulary, embedding, rng=0)]  # (B, T, D)
        width = embedding
        for _ in range(level_count(context, kernel)):
            layers += [nn.FlattenConsecutive(kernel),  # (B, T, C) -> (B, T / 2, 2 C); the last level: (B, 2 C)
                       nn.Linear(kernel * width, hidden, bias=False, rng=0),  # batch norm has its own bias
                       nn.BatchNorm1d(hidden, axis=-1, unbiased=unbiased), nn.Tanh()]
            width = hidden
        super().__init__(*layers, nn.Linear(hidden, vocabulary, rng=0))
        self.sizes: dict[str, Any] = {"vocabulary": vocabulary, "context": context, "embedding": embedding,
                                      "hidden": hidden, "kernel": kernel, "unbiased": unbiased}
        initialise(self, rng)

    def causal(self) -> CausalWaveNet:
        """The same network as convolutions: a copy with its own weights.

        Examples
        --------
        >>> from tinytensor.models import WaveNet
        >>> tree = WaveNet(27, rng=42).eval()
        >>> text = np.arange(20)[None]
        >>> windows = np.lib.stride_tricks.sliding_window_view(text[0], 8)
        >>> bool(np.allclose(tree.causal()(text).data[0], tree(windows).data, rtol=1e-5, atol=1e-6))
        True
        """
        return copy_weights(self, CausalWaveNet(**self.sizes, rng=0))


# --- the same as convolutions ---


class CausalWaveNet(nn.Module):
    """The logits after each window of `context` characters of a text: the tree at all positions in one pass.

    Neighbouring windows share nearly all of their tree, and here every node is computed once: a level is a convolution
    with a kernel of `kernel`, whose dilation is the distance of the nodes that the tree joins, 1, 2, 4. Nothing is
    padded: a text starts with `context` boundaries, as the lectures' windows do, or wherever a window can.

    Subtle: in training, batch norm sees each node once, not once for each window; both forms give the same in eval
    mode only.

    Parameters
    ----------
    vocabulary, context, embedding, hidden, kernel, unbiased, rng
        As in `WaveNet`; the same seed gives the same network.

    Shapes
    ------
    input (N, L), integer, L at least `context`; output (N, L - context + 1, vocabulary)

    Examples
    --------
    >>> from tinytensor.models import CausalWaveNet
    >>> CausalWaveNet(27, context=8)(np.zeros((4, 20), np.int64)).shape
    (4, 13, 27)
    """

    def __init__(self, vocabulary: int, context: int = 8, embedding: int = 24, hidden: int = 128, kernel: int = 2,
                 unbiased: bool = False, rng: Rng = None) -> None:
        super().__init__()
        tree = WaveNet(vocabulary, context, embedding, hidden, kernel, unbiased, rng)
        self.sizes, self.context = tree.sizes, context
        self.embed = nn.Embedding(vocabulary, embedding, rng=0)
        self.levels = nn.Sequential()
        for level in range(level_count(context, kernel)):
            width = hidden if level else embedding
            self.levels.extend([nn.Conv1d(width, hidden, kernel, dilation=kernel**level, bias=False, rng=0),
                                nn.BatchNorm1d(hidden, unbiased=unbiased), nn.Tanh()])
        self.output = nn.Linear(hidden, vocabulary, rng=0)
        copy_weights(tree, self)

    def forward(self, x: Any) -> Tensor:  # (N, L)
        if np.ndim(x) != 2 or np.shape(x)[1] < self.context:
            raise ValueError(f"got a text of shape {np.shape(x)}; expected (N, L) with L of {self.context} or more; "
                             f"put boundaries before it")
        h = self.levels(self.embed(x).swapaxes(1, 2))  # (N, H, L - context + 1)
        return self.output(h.swapaxes(1, 2))  # (N, L - context + 1, V)

    def tree(self) -> WaveNet:
        """The same network as a tree over one window: a copy with its own weights."""
        return copy_weights(self, WaveNet(**self.sizes, rng=0))


def copy_weights(source: WaveNet | CausalWaveNet, target: Form) -> Form:
    """The target, with the values of the source: both have them in the same order.

    A matrix (out, kernel * in) of the tree, which multiplies neighbours side by side, is the convolution's
    (out, in, kernel).
    """

    def converted(a: Any, shape: tuple[int, ...]) -> Any:
        if a.ndim == 2 and len(shape) == 3:
            return a.reshape(shape[0], shape[2], shape[1]).swapaxes(1, 2)
        return a.swapaxes(1, 2).reshape(shape) if a.ndim == 3 and len(shape) == 2 else a

    target.astype(next(source.parameters()).dtype)
    pairs = zip(target.state_dict().items(), source.state_dict().values(), strict=True)
    target.load_state_dict({name: converted(a, own.shape) for (name, own), a in pairs})
    return target.train(source.training)
