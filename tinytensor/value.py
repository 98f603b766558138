"""A number that records how it was computed: the scalar engine of the first lecture, in plain Python.

Every operation makes a new `Value` that keeps its inputs and, for each of them, the slope: how fast the result changes
with that input. The backward pass multiplies the slopes along each path, and adds up the paths. That is the chain
rule, and all that an engine does: `Tensor` is the same idea with arrays instead of numbers. Not here: arrays, speed,
and gradients of gradients.

Examples
--------
>>> a, b = Value(2.0), Value(-3.0)
>>> y = a * b + a**2
>>> y.backward()
>>> y.data, a.grad, b.grad  # dy/da = b + 2 a, dy/db = a
(-2.0, 1.0, 2.0)
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from importlib import import_module
from numbers import Real
from typing import Any

__all__ = ["MLP", "Layer", "Module", "Neuron", "Value"]


class Value:
    """A number, how it was computed, and the gradient of a later result with respect to it.

    Parameters
    ----------
    data : number
    inputs : tuple of Value
        What it was computed from; a leaf has none.
    slopes : tuple of float
        The derivative with respect to each input, at the inputs' values.
    op, label : str
        The operation, and a name: for drawings.

    Examples
    --------
    Any function with a known derivative can be an operation:

    >>> def sin(x):
    ...     return Value(math.sin(x.data), (x,), (math.cos(x.data),), "sin")
    >>> x = Value(0.0, label="x")
    >>> sin(3 * x).backward()
    >>> x
    Value(0.0, grad=3.0, label='x')
    """

    __slots__ = ("__weakref__", "data", "grad", "inputs", "label", "op", "slopes")
    __array_ufunc__ = None  # so that NumPy's numbers on the left defer to Value

    def __init__(self, data: float, inputs: tuple[Value, ...] = (), slopes: tuple[float, ...] = (), op: str = "",
                 label: str = "") -> None:
        self.data, self.grad = data if type(data) is float else number(data), 0.0
        self.inputs, self.slopes, self.op, self.label = inputs, slopes, op, label

    def __repr__(self) -> str:
        return f"Value({self.data}, grad={self.grad}" + (f", label={self.label!r})" if self.label else ")")

    # --- operations: a result, its inputs, and a slope for each ---

    def __add__(self, other: Value | float) -> Value:
        other = value(other)
        return Value(self.data + other.data, (self, other), (1.0, 1.0), "+")

    def __sub__(self, other: Value | float) -> Value:
        other = value(other)
        return Value(self.data - other.data, (self, other), (1.0, -1.0), "-")

    def __mul__(self, other: Value | float) -> Value:
        other = value(other)
        return Value(self.data * other.data, (self, other), (other.data, self.data), "*")

    def __truediv__(self, other: Value | float) -> Value:
        other = value(other)
        if other.data == 0:
            raise ZeroDivisionError(f"/: got {self.data} / 0; expected a divisor other than 0; add a small number")
        y = self.data / other.data
        return Value(y, (self, other), (1 / other.data, -y / other.data), "/")

    def __pow__(self, other: Value | float) -> Value:
        """x ** n; a number as exponent takes any x for which the power is real, a Value only an x above 0."""
        x, n = self.data, other.data if isinstance(other, Value) else number(other)
        if x < 0 and not n.is_integer():
            raise ValueError(f"**: got {x} ** {n}, which is not a real number; expected a base of 0 or more, or an "
                             f"integer exponent; check where the base comes from")
        if x == 0 and n < 0:
            raise ZeroDivisionError(f"**: got 0 ** {n}; expected a base other than 0; add a small number")
        try:
            y = x**n
            slope = n * x ** (n - 1) if x or n >= 1 else math.inf if n else 0.0
        except OverflowError:
            raise OverflowError(f"**: got {x} ** {n}; expected a result that a float can hold; make the base "
                                f"smaller") from None
        if not isinstance(other, Value):
            return Value(y, (self,), (slope,), f"** {n:g}")
        if x <= 0:
            raise ValueError(f"**: got base {x} with a Value as exponent; expected a base above 0, for the slope is "
                             f"y log(x); pass the exponent as a number: x ** {n:g}")
        return Value(y, (self, other), (slope, y * math.log(x)), "**")

    def __neg__(self) -> Value:
        return Value(-self.data, (self,), (-1.0,), "neg")

    __radd__, __rmul__ = __add__, __mul__  # a number on the left: 2 * x is x * 2

    def __rsub__(self, other: float) -> Value:
        return value(other) - self

    def __rtruediv__(self, other: float) -> Value:
        return value(other) / self

    def __rpow__(self, other: float) -> Value:
        return value(other) ** self

    def exp(self) -> Value:
        """e ** x, which is its own slope."""
        try:
            y = math.exp(self.data)
        except OverflowError:
            raise OverflowError(f"exp: got {self.data}; expected 709 or less, for a float holds no more; in a softmax, "
                                f"subtract the largest logit first") from None
        return Value(y, (self,), (y,), "exp")

    def log(self) -> Value:
        """The natural logarithm."""
        if self.data <= 0:
            raise ValueError(f"log: got {self.data}; expected a number above 0; add a small number to what can be 0")
        return Value(math.log(self.data), (self,), (1 / self.data,), "log")

    def tanh(self) -> Value:
        """The hyperbolic tangent: any number, squashed into -1 to 1."""
        y = math.tanh(self.data)
        return Value(y, (self,), (1 - y * y,), "tanh")

    def relu(self) -> Value:
        """max(x, 0); its slope at 0 is taken as 0."""
        return Value(0.0 if self.data < 0 else self.data, (self,), (float(self.data > 0),), "relu")

    # --- backwards ---

    def order(self) -> list[Value]:
        """This Value and all that it was computed from, each after everything that was computed from it.

        A loop, not a recursion, which a chain of 100,000 operations would make too deep for Python.
        """
        uses = {self: 0}
        for node in (reached := [self]):  # the list grows while the loop runs
            for x in node.inputs:
                if x not in uses:
                    uses[x] = 0
                    reached.append(x)
                uses[x] += 1
        for node in (ready := [self]):
            for x in node.inputs:
                uses[x] -= 1
                if not uses[x]:  # all that were computed from x are in the list
                    ready.append(x)
        return ready

    def backward(self) -> None:
        """Compute the gradient of all that this Value was computed from: how fast this Value changes with each.

        The gradients of leaves add up over passes until they are set to 0; all others start at 0 in each pass.

        Examples
        --------
        >>> a = Value(3.0)
        >>> (a + a).backward()  # two paths lead back to a: += and not =
        >>> a.grad
        2.0
        """
        order = self.order()
        for node in order:
            if node.inputs:
                node.grad = 0.0
        self.grad += 1.0
        for node in order:
            for x, slope in zip(node.inputs, node.slopes, strict=True):
                x.grad += slope * node.grad


def value(x: Value | float) -> Value:
    """x itself, or a number x as a leaf."""
    return x if isinstance(x, Value) else Value(x)


def number(x: Any) -> float:
    """A real number, also one of NumPy's, as a float; anything else is an error."""
    if not isinstance(x, Real):
        raise TypeError(f"Value: got {type(x).__name__}; expected a real number or a Value; convert an array or a "
                        f"Tensor with .item(), a string with float()")
    return float(x)


# --- a network of neurons ---


def source(rng: Any) -> Any:
    """Where first weights come from: a seed as Python's generator, or a generator as it is."""
    # subtle: not imported at the top, where it would be `random.py` beside this file if this file is run by its path
    return import_module("random").Random(rng) if isinstance(rng, int) else rng


Activation = Callable[[Value], Value]


class Module:
    """Something with parameters."""

    def parameters(self) -> list[Value]:
        """The Values to train."""
        return []

    def zero_grad(self) -> None:
        """Set every parameter's gradient to 0, since the next pass adds to it."""
        for p in self.parameters():
            p.grad = 0.0


class Neuron(Module):
    """The activation of w . x + b; with None the sum itself.

    Parameters
    ----------
    inputs : int
    rng : random.Random or int
        Where the first weights come from, a generator or a seed: ``rng.uniform(-1, 1)``.
    activation : function of a Value, or None
    """

    def __init__(self, inputs: int, rng: Any, activation: Activation | None = Value.tanh) -> None:
        rng = source(rng)
        self.weights = [Value(rng.uniform(-1, 1)) for _ in range(inputs)]
        self.bias = Value(rng.uniform(-1, 1))
        self.activation = activation

    def __call__(self, x: Sequence[Value | float]) -> Value:
        if len(x) != len(self.weights):
            raise ValueError(f"Neuron: got {len(x)} inputs; expected {len(self.weights)}, one for each weight; check "
                             f"the number of inputs that the network was built with")
        y = sum((w * xi for w, xi in zip(self.weights, x, strict=True)), self.bias)
        return y if self.activation is None else self.activation(y)

    def parameters(self) -> list[Value]:
        return [*self.weights, self.bias]


class Layer(Module):
    """Neurons with the same inputs: a list of their outputs, or the output if there is only one."""

    def __init__(self, inputs: int, outputs: int, rng: Any, activation: Activation | None = Value.tanh) -> None:
        rng = source(rng)
        self.neurons = [Neuron(inputs, rng, activation) for _ in range(outputs)]

    def __call__(self, x: Sequence[Value | float]) -> Any:
        y = [neuron(x) for neuron in self.neurons]
        return y[0] if len(y) == 1 else y

    def parameters(self) -> list[Value]:
        return [p for neuron in self.neurons for p in neuron.parameters()]


class MLP(Module):
    """A multilayer perceptron: layer after layer, tanh between them; `last` is the activation of the last one.

    Examples
    --------
    >>> model = MLP(3, [4, 4, 1], rng=42)
    >>> len(model.parameters())
    41
    >>> y = model([1.0, 2.0, -1.0])
    >>> y.backward()
    >>> -1 < y.data < 1
    True
    """

    def __init__(self, inputs: int, sizes: Sequence[int], rng: Any, last: Activation | None = Value.tanh) -> None:
        rng, depth = source(rng), range(len(sizes))
        self.layers = [Layer(before, size, rng, Value.tanh if i + 1 < len(sizes) else last)
                       for i, before, size in zip(depth, [inputs, *sizes], sizes, strict=False)]

    def __call__(self, x: Sequence[Value | float]) -> Any:
        y: Any = [value(xi) for xi in x]  # one node an input, shared by all neurons
        for layer in self.layers:
            y = layer(y)
        return y

    def parameters(self) -> list[Value]:
        return [p for layer in self.layers for p in layer.parameters()]


def __dir__() -> list[str]:
    return __all__
