"""A user's own layers and network: what a call returns is what `forward` says, and attributes keep their types."""

from typing import Any, assert_type

import numpy as np
import numpy.typing as npt

import tinytensor as tt
from tinytensor import Tensor, nn


class Scale(nn.Module):
    """A layer of one parameter and one buffer."""

    def __init__(self, width: int, rng: tt.Generator | int | None = None) -> None:
        super().__init__()
        self.weight = nn.Parameter(np.ones(width, np.float32))
        self.linear = nn.Linear(width, width, rng=rng)
        self.register_buffer("seen", np.zeros((), np.int64))
        nn.init.normal_(self.weight, std=0.02)

    def forward(self, x: Tensor) -> Tensor:
        return self.linear(x) * self.weight

    def extra_repr(self) -> str:
        return f"width={len(self.weight)}"


class Classifier(nn.Module):
    """A network with an optional target, as in the lectures: `forward` returns the logits and the loss."""

    def __init__(self, symbols: int, context: int, width: int = 10) -> None:
        super().__init__()
        self.table = nn.Embedding(symbols, width)
        self.body = nn.Sequential(nn.Flatten(), nn.Linear(context * width, 64), nn.BatchNorm1d(64), nn.Tanh())
        self.blocks = nn.ModuleList(Scale(64) for _ in range(2))
        self.head = nn.Linear(64, symbols)
        self.dropout = nn.Dropout(0.1)

    def forward(self, tokens: npt.ArrayLike, targets: npt.ArrayLike | None = None) -> tuple[Tensor, Tensor | None]:
        x = self.body(self.table(tokens))
        for block in self.blocks:
            x = x + block(x)
        logits = self.head(self.dropout(x))
        return logits, None if targets is None else tt.cross_entropy(logits, targets)


layer = Scale(8, rng=1)
assert_type(layer.weight, nn.Parameter)
assert_type(layer(tt.ones(4, 8)), Tensor)
assert_type(nn.Linear(8, 2)(tt.ones(4, 8)), Tensor)
assert_type(nn.Sequential(nn.Linear(8, 2), nn.ReLU())(tt.ones(4, 8)), Tensor)
assert_type(nn.MSELoss()(tt.ones(4), tt.zeros(4)), Tensor)

model = Classifier(27, 3)
logits, loss = model(np.zeros((5, 3), np.int64), np.zeros(5, np.int64))
assert_type(logits, Tensor)
assert_type(loss, Tensor | None)
assert_type(model.training, bool)
assert_type(model.eval(), Classifier)
assert_type(model.train(), Classifier)
assert_type(model.astype(np.float64), Classifier)
size: int = sum(p.size for p in model.parameters())
for name, p in model.named_parameters():
    assert_type(name, str)
    assert_type(p, nn.Parameter)
    assert_type(p.grad, npt.NDArray[Any] | None)
model.load_state_dict(model.state_dict())
model.zero_grad()


def show(module: nn.Module, args: tuple[object, ...], output: Tensor) -> None:
    """A forward hook."""
    print(module, len(args), output.shape)


handle = model.head.register_forward_hook(show)
handle.remove()
