"""A number that remembers how it was made: the scalar engine of the first lecture, in plain Python.

Every operation makes a new `Value` that keeps its inputs and, for each of them, the slope: how fast the result changes
as that input does, itself a number. Going backwards, the slopes along a way are multiplied, and the ways add up. That
is the chain rule, and all that an engine does: `Tensor` is the same idea with arrays for numbers. What is left out:
arrays, speed, and gradients of gradients.

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
    """A number, how it was made, and the gradient of a later result with respect to it.

    Parameters
    ----------
    data : number
    inputs : tuple of Value
        What it was computed from; nothing stands behind a leaf.
    slopes : tuple of float
        The derivative with respect to each input, at the inputs' values.
    op, label : str
        What made it, and what it is called: for pictures.

    Examples
    --------
    Any function with a known derivative is an operation:

    >>> def sin(x):
    ...     return Value(math.sin(x.data), (x,), (math.cos(x.data),), "sin")
    >>> x = Value(0.0, label="x")
    >>> sin(3 * x).backward()
    >>> x
    Value(0.0, grad=3.0, label='x')
    """

    __slots__ = ("__weakref__", "data", "grad", "inputs", "label", "op", "slopes")
    __array_ufunc__ = None  # NumPy's numbers on the left leave the operation to us

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
            raise ZeroDivisionError(f"/: {self.data} / 0 came; expected a divisor other than 0; add a small number")
        y = self.data / other.data
        return Value(y, (self, other), (1 / other.data, -y / other.data), "/")

    def __pow__(self, other: Value | float) -> Value:
        """x ** n; a number as exponent takes any x for which the power is real, a Value only an x above 0."""
        x, n = self.data, other.data if isinstance(other, Value) else number(other)
        if x < 0 and not n.is_integer():
            raise ValueError(f"**: {x} ** {n} came, which is no real number; expected a base of 0 or more, or a whole "
                             f"number as exponent; see where the base comes from")
        if x == 0 and n < 0:
            raise ZeroDivisionError(f"**: 0 ** {n} came; expected a base other than 0; add a small number")
        try:
            y = x**n
            slope = n * x ** (n - 1) if x or n >= 1 else math.inf if n else 0.0
        except OverflowError:
            raise OverflowError(f"**: {x} ** {n} came, too large for a float; make the base smaller") from None
        if not isinstance(other, Value):
            return Value(y, (self,), (slope,), f"** {n:g}")
        if x <= 0:
            raise ValueError(f"**: base {x} with a Value as exponent came; expected a base above 0, for the slope is "
                             f"y log(x); give the exponent as a number: x ** {n:g}")
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
            raise OverflowError(f"exp: {self.data} came; expected 709 or less, or the result is too large for a float; "
                                f"in a softmax, subtract the largest logit first") from None
        return Value(y, (self,), (y,), "exp")

    def log(self) -> Value:
        """The natural logarithm."""
        if self.data <= 0:
            raise ValueError(f"log: {self.data} came; expected a number above 0; give it a probability or a count, and "
                             f"add a small number where that can be 0")
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
        """This Value and all behind it; each comes after everything that was computed from it.

        A loop, not a recursion: a chain of 100,000 operations would be too deep for Python's stack.
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
                if not uses[x]:  # all that use x have had their turn
                    ready.append(x)
        return ready

    def backward(self) -> None:
        """Give everything behind this Value its gradient: how fast this Value changes as that one does.

        The gradients of leaves add up over passes until they are set to 0; those in between start afresh.

        Examples
        --------
        >>> a = Value(3.0)
        >>> (a + a).backward()  # two ways lead back to a: += and not =
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
    """x itself, or the number x as a leaf."""
    return x if isinstance(x, Value) else Value(x)


def number(x: Any) -> float:
    """Any real number as a float, NumPy's among them; what is none is refused."""
    if not isinstance(x, Real):
        raise TypeError(f"Value: {type(x).__name__} came; expected a real number or a Value; take the number out of "
                        f"an array or a Tensor with .item(), out of a text with float()")
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
        """The Values to be trained."""
        return []

    def zero_grad(self) -> None:
        """Set every parameter's gradient to 0, for the next pass adds to it."""
        for p in self.parameters():
            p.grad = 0.0


class Neuron(Module):
    """The activation of w . x + b; with None in its place the sum itself.

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
            raise ValueError(f"Neuron: {len(x)} inputs came; expected {len(self.weights)}, one for each weight; see "
                             f"the first size that the network was given")
        y = sum((w * xi for w, xi in zip(self.weights, x, strict=True)), self.bias)
        return y if self.activation is None else self.activation(y)

    def parameters(self) -> list[Value]:
        return [*self.weights, self.bias]


class Layer(Module):
    """Neurons that see the same inputs: a list of their outputs, or the output of the only one."""

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
