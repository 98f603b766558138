"""A training loop, eager and compiled: the compiled step keeps the signature of the step, as does a compiled method."""

from collections.abc import Callable
from typing import assert_type

import numpy as np
import numpy.typing as npt

import tinytensor as tt
from tinytensor import Tensor, nn, optim

tt.manual_seed(42)
rng = tt.Generator(1)
model = nn.Sequential(nn.Linear(2, 16, rng=rng), nn.Tanh(), nn.Linear(16, 2, rng=rng))
opt = optim.AdamW(model.parameters(), lr=1e-3, betas=(0.9, 0.99), weight_decay=0.1)
average = optim.EMA(model.parameters(), decay=0.9)
schedule = optim.warmup(optim.cosine(1e-3, 1e-4, 100), 10)
points = tt.randn(200, 2)
inside = ((points**2).sum(axis=1) < 1).astype(np.int64)
assert_type(points, Tensor)
assert_type(inside, Tensor)

losses: list[float] = []
for i in range(3):
    opt.lr = schedule(i)
    loss = tt.cross_entropy(model(points), inside)
    assert_type(loss, Tensor)
    opt.zero_grad()
    loss.backward()
    norm: float = optim.clip_grad_norm_(model.parameters(), 1.0)
    opt.step()
    average.update()
    losses.append(loss.item())
    print(f"{loss:.3f} {float(loss):.3f} {norm:.3f} {opt.lr:.1e}")

for p in model.parameters():  # an update by hand
    if p.grad is not None:
        with tt.no_grad():
            p -= 0.1 * p.grad
groups = optim.decay_groups(nn.Linear(2, 3).named_parameters(), 0.1)
other = optim.SGD(groups, lr=0.1, momentum=0.9, nesterov=True)
other.load_state_dict(other.state_dict())


def step(x: Tensor | npt.NDArray[np.float32], y: Tensor, scale: float = 1.0) -> Tensor:
    loss = scale * tt.cross_entropy(model(x), y)
    opt.zero_grad()
    loss.backward()
    opt.step()
    return loss


fast = tt.compile(step, model, opt)
assert_type(fast(points, inside), Tensor)
assert_type(fast(points, inside, scale=0.5), Tensor)
print(fast(points, inside))
assert_type(fast.source, str)
print(fast.explain(points, inside))
same: Callable[[Tensor, Tensor], Tensor] = fast
predict = tt.compile(model, model)
assert_type(predict(points), Tensor)


@tt.compile
def doubled(x: Tensor) -> Tensor:
    return 2 * x


assert_type(doubled(points), Tensor)


class Trainer:
    """Its methods are compiled for each instance."""

    def __init__(self) -> None:
        self.model = nn.Linear(2, 2)
        self.opt = optim.SGD(self.model.parameters(), lr=0.1)

    @tt.compile
    def step(self, x: Tensor, y: Tensor) -> Tensor:
        loss = tt.cross_entropy(self.model(x), y)
        self.opt.zero_grad()
        loss.backward()
        self.opt.step()
        return loss

    @tt.compile(fast=True)
    def faster(self, x: Tensor, y: Tensor) -> tuple[Tensor, Tensor]:
        return self.step(x, y), x

    @tt.no_grad()
    def loss(self, x: Tensor, y: Tensor) -> float:
        return float(tt.cross_entropy(self.model(x), y))


trainer = Trainer()
assert_type(trainer.step(points, inside), Tensor)
assert_type(trainer.faster(points, inside), tuple[Tensor, Tensor])
assert_type(trainer.loss(points, inside), float)


class Sign(optim.Schedule):
    """A schedule of one's own."""

    def rate(self, step: int) -> float:
        return 0.1 if step < 10 else 0.01


assert_type(Sign()(3), float)
