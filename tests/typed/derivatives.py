"""Gradients as values, transforms of functions, blocks that record or guard, and checks of one's own op."""

from typing import assert_type

import numpy as np

import tinytensor as tt
from tinytensor import Tensor, nn, testing

x = tt.tensor([1.0, 2.0, 3.0], requires_grad=True)
w = tt.tensor(2.0, requires_grad=True)
slope = tt.grad((x**3).sum(), x, create_graph=True)
assert_type(slope, Tensor)
assert_type(tt.grad(slope.sum(), x), Tensor)
dx, dw = tt.grad((w * x).sum(), [x, w])
assert_type(dx, Tensor)
assert_type(tt.grad(x.sum(), [x, w], allow_unused=True), tuple[Tensor, ...])


def loss(p: dict[str, Tensor], x: float) -> Tensor:
    return ((p["w"] * x + p["b"]) ** 2).sum()


value, gradients = tt.value_and_grad(loss)({"w": np.float32(2.0), "b": np.float32(1.0)}, 3.0)
assert_type(value, Tensor)
print(gradients["w"])

A = np.array([[2.0, 1.0], [1.0, 3.0]])


def quadratic(x: Tensor) -> Tensor:
    return 0.5 * x @ A @ x


def squares(x: Tensor) -> Tensor:
    return x * x


print(tt.hessian(quadratic)(np.ones(2)))
print(np.linalg.norm(tt.jacobian(np.linalg.inv)(A)))
output, pull = tt.vjp(squares, np.ones(3))
(back,) = pull(np.ones(3))
output, tangent = tt.jvp(squares, (np.ones(3),), (np.ones(3),))
print(tt.hvp(quadratic, (np.ones(2),), (np.ones(2),)))

model = nn.Linear(3, 1)


def penalised(model: nn.Linear) -> Tensor:
    return (model(tt.ones(2, 3)) ** 2).mean()


print(tt.value_and_grad(penalised)(model))

with tt.no_grad():
    assert_type(x * 2, Tensor)
with tt.detect_anomaly(), tt.guard():
    (x * x).sum().backward()


@tt.no_grad
def evaluate(x: Tensor, times: int = 2) -> Tensor:
    return x * times


assert_type(evaluate(x, times=3), Tensor)
assert_type(tt.recompute(evaluate, x), Tensor)

assert_type(testing.gradcheck(quadratic, np.ones(2)), bool)
x.sum().backward()
assert_type(testing.compare("x", np.ones(3), x), testing.Comparison)
