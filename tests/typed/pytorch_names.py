"""PyTorch's names, in a program with annotations: a module, its training, and what a tensor says of itself."""

from typing import assert_type

import tinytensor.torch as torch
import tinytensor.torch.nn as nn
from tinytensor.torch import Tensor
from tinytensor.torch.nn import functional as F


class Net(nn.Module):
    """A network of two layers."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.layers = nn.Sequential(nn.Linear(2, width), nn.Tanh(), nn.Linear(width, 2))

    def forward(self, x: Tensor) -> Tensor:
        y: Tensor = self.layers(x)
        return y


class Scaled(torch.nn.Module):
    """A layer, by the long name of its base."""

    def __init__(self) -> None:
        super().__init__()
        self.scale = torch.nn.Parameter(torch.ones(1))

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return self.scale * x


g = torch.Generator().manual_seed(2147483647)
model = Net(8)
opt = torch.optim.SGD(model.parameters(), lr=0.1)
x, y = torch.randn(4, 2, generator=g), torch.tensor([0, 1, 1, 0])
loss = F.cross_entropy(model(x), y)
opt.zero_grad()
loss.backward()
opt.step()
assert_type(model(x), Tensor)
assert_type(Scaled()(x), Tensor)
assert_type(model.eval(), Net)
print(loss.item(), x.shape, x.dtype == torch.float32, model.layers[0].weight.grad)
with torch.no_grad():
    best: int = model(x).argmax(1)[0].item()
