"""Tensors in arithmetic, indexing, shapes and NumPy's functions."""

from collections.abc import Iterator
from typing import assert_type

import numpy as np
import numpy.typing as npt

import tinytensor as tt
from tinytensor import Tensor

x = tt.tensor([[1.0, 2.0, 3.0], [4.0, 5.0, 6.0]], requires_grad=True)
a = np.ones((2, 3), np.float32)

# --- arithmetic, with numbers and arrays on either side ---
assert_type(x + 1, Tensor)
assert_type(1 - x, Tensor)
assert_type(2.0 * x, Tensor)
assert_type(x * a, Tensor)
assert_type(x @ x.T, Tensor)
assert_type(x**2, Tensor)
assert_type(-x, Tensor)
assert_type(x < 3, Tensor)
assert_type(x == 3, Tensor)
assert_type(~(x != 3), Tensor)
assert_type(abs(x), Tensor)
loss = ((x @ a.T - 1) ** 2).mean()
assert_type(loss, Tensor)
loss.backward(retain_graph=True)
loss.backward()

# --- indexing, and the loop over the first axis ---
assert_type(x[0], Tensor)
assert_type(x[:, 1:], Tensor)
assert_type(x[..., None], Tensor)
assert_type(x[np.array([0, 1]), [2, 0]], Tensor)
assert_type(x[x > 2], Tensor)
rows: Iterator[Tensor] = iter(x)
assert_type([row.sum() for row in x], list[Tensor])
first, second = x
assert_type(first, Tensor)

# --- methods and functions ---
assert_type(x.sum(axis=1, keepdims=True), Tensor)
assert_type(x.mean(0), Tensor)
assert_type(x.reshape(-1, 2), Tensor)
assert_type(x.transpose(1, 0), Tensor)
assert_type(x.exp().log().tanh(), Tensor)
assert_type(x.max(axis=1), Tensor)
assert_type(x.argmax(axis=1), Tensor)
assert_type(tt.exp(x), Tensor)
assert_type(tt.where(x > 2, x, 0.0), Tensor)
assert_type(tt.concatenate([x, x], axis=1), Tensor)
assert_type(tt.stack([first, second]), Tensor)
assert_type(tt.einsum("ij,kj->ik", x, x), Tensor)
assert_type(tt.softmax(x, axis=1), Tensor)
assert_type(tt.zeros(2, 3), Tensor)
assert_type(tt.arange(3), Tensor)
assert_type(tt.randn(2, 3), Tensor)
assert_type(tt.take(x, [0, 1], axis=0), Tensor)
assert_type(tt.linalg.norm(x), Tensor)
assert_type(tt.linalg.inv(x @ x.T), Tensor)
for part in tt.split(x, 2):
    assert_type(part, Tensor)

# --- what a tensor says of itself, and out of the graph ---
assert_type(x.shape, tuple[int, ...])
assert_type(x.ndim + x.size + len(x), int)
assert_type(x.requires_grad, bool)
assert_type(x.detach(), Tensor)
values: npt.NDArray[np.float32] = x.detach().numpy()
if x.grad is not None:
    gradient: npt.NDArray[np.float32] = x.grad
    print(x.grad.shape, np.linalg.norm(x.grad))
x.grad = None
number: float = loss.item()
letter = "abcdef"[tt.argmax(x).item()]  # an integer tensor's number is an index
print(float(loss), int(loss), bool(loss > 1), f"{loss:.3f}", x.tolist())
lookup = {1: "a"}[int(x[0, 0])]
if (x > 0).all():
    print(round(float(loss), 2))


# --- NumPy's functions take Tensors: its own annotations call most results arrays ---
def gaussian(x: Tensor) -> Tensor:
    y: Tensor = np.exp(-x * x).sum()
    return y


gaussian(x).backward()
np.maximum(x, 0).sum()
np.sum(x * x).backward()
print(np.concatenate([x, x]), np.stack([x, x]), np.where(a > 0, x, 0.0), np.mean(x), np.einsum("ij->i", x))
print(np.linalg.norm(x), np.reshape(x, (3, 2)), np.clip(x, 0, 1), np.matmul(x, x.T), np.cumsum(x, axis=0))
