"""Lecture 0's derivatives, which value_mlp.py runs: the first graph, a neuron, the exercises, beside the notebook's.

No network is trained here.
"""

from __future__ import annotations

import math

import numpy as np

from tinytensor.value import Value


def tell(what: str, ours: float, notebook: float) -> None:
    """Print our figure in full, and whether it equals the notebook's."""
    mark = "=" if ours == notebook else "≈" if math.isclose(ours, notebook, rel_tol=1e-9) else "differs from"
    print(f"  {what:<42} {ours!r:>23} {mark} {notebook!r}")


# --- derivatives, and the chain rule ---


def small_graph() -> None:
    """What a derivative is: how much a result changes when an input does. L = (a b + c) f, and its gradient."""
    print("a derivative is the change of the result divided by a small step; = marks the notebook's figure in full")
    h, x = 0.000001, 2 / 3
    tell("f(x) = 3 x^2 - 4 x + 5 at 3", parabola(3.0), 20.0)
    tell("its derivative at 2/3, h = 1e-6", (parabola(x + h) - parabola(x)) / h, 2.999378523327323e-06)
    tell("d(a b + c)/dc, h = 1e-4", (2.0 * -3.0 + (10.0 + 1e-4) - 4.0) / 1e-4, 0.9999999999976694)
    tell("d((a b + c) f)/db, h = 1e-3", ((2.0 * (-3.0 + 1e-3) + 10.0) * -2.0 + 8.0) / 1e-3,
         -3.9999999999995595)
    a, b, c, f = (Value(x, label=name) for x, name in zip((2.0, -3.0, 10.0, -2.0), "abcf"))
    d = a * b + c
    L = d * f
    L.backward()
    tell("d = a b + c", d.data, 4.0)
    tell("L = d f", L.data, -8.0)
    for x, slope in zip((a, b, c, f), (6.0, -4.0, -2.0, 4.0)):
        tell(f"dL/d{x.label}, by the chain rule", x.grad, slope)
        x.data += 0.01 * x.grad
    tell("L after a step up the gradient", ((a * b + c) * f).data, -7.286496)


def parabola(x: float) -> float:
    return 3 * x**2 - 4 * x + 5


def draw_tangents(plot, path) -> None:
    """The lecture's two curves, with the slopes that were found above."""
    plot.tangents({
        "f(x) = 3 x^2 - 4 x + 5": (parabola, lambda x: 6 * x - 4, np.linspace(-5, 5, 201), [3.0, 2 / 3]),
        "tanh(x), with the slope 1 - tanh(x)^2": (np.tanh, lambda x: 1 - np.tanh(x) ** 2, np.linspace(-5, 5, 201),
                                                  [0.0, 0.8813735870195432]),
    }, path=path)


def neuron() -> Value:
    """tanh(x1 w1 + x2 w2 + b), with tanh made of exp."""
    x1, x2, w1, w2 = (Value(x, label=name) for x, name in zip((2.0, 0.0, -3.0, 1.0), ("x1", "x2", "w1", "w2")))
    b = Value(6.8813735870195432, label="b")
    n = x1 * w1 + x2 * w2 + b
    n.label = "n"
    e = (2 * n).exp()
    o = (e - 1) / (e + 1)
    o.label = "o"
    o.backward()
    print("a neuron, o = tanh(x1 w1 + x2 w2 + b)")
    tell("n", n.data, 0.8813735870195432)
    tell("o = (e^2n - 1) / (e^2n + 1)", o.data, 0.7071067811865476)
    tell("o = tanh(n), with another last bit", n.tanh().data, 0.7071067811865477)
    tell("do/dn = 1 - o^2", 1 - o.data**2, 0.4999999999999999)
    print("  gradient " + ", ".join(f"{x.label} {x.grad:.4f}" for x in (x1, w1, x2, w2)))
    a = Value(3.0)
    (a + a).backward()
    tell("d(a + a)/da: two paths, added up", a.grad, 2.0)
    return o


# --- the exercises ---


def f(a, b, c, sin=math.sin):
    return -(a**3) + sin(3 * b) - 1.0 / c + b**2.5 - a**0.5


def gradf(a: float, b: float, c: float) -> list[float]:
    """The gradient, by calculus."""
    return [-3 * a**2 - 0.5 * a**-0.5, 3 * math.cos(3 * b) + 2.5 * b**1.5, c**-2]


def sine(x: Value) -> Value:
    """Any function with a known derivative is an operation."""
    return Value(math.sin(x.data), (x,), (math.cos(x.data),), "sin")


def differences(x: list[float], h: float) -> tuple[list[float], list[float]]:
    """The gradient without calculus: (f(x + h) - f(x)) / h, and symmetric, (f(x + h) - f(x - h)) / 2h."""
    up, down = ([f(*(v + s * (i == j) for j, v in enumerate(x))) for i in range(3)] for s in (h, -h))
    return [(u - f(*x)) / h for u in up], [(u - d) / (2 * h) for u, d in zip(up, down)]


def derivatives() -> tuple[list[float], dict[str, list[float]]]:
    """Analytic, forward and symmetric gradient; and the error of the latter two for every step size h."""
    x = [2.0, 3.0, 4.0]
    print("the exercises: f(a, b, c) = -a^3 + sin(3 b) - 1 / c + b^2.5 - a^0.5 at 2, 3, 4")
    tell("f", f(*x), 6.336362190988558)
    exact, (forward, symmetric) = gradf(*x), differences(x, 1e-9)
    values = [Value(v) for v in x]
    f(*values, sin=sine).backward()
    for how, ours, notebook in (
            ("calculus", exact, (-12.353553390593273, 10.25699027111255, 0.0625)),
            ("Value", [v.grad for v in values], (-12.353553390593273, 10.25699027111255, 0.0625)),
            ("forward difference, h = 1e-9", forward, (-12.353554623700802, 10.256990812251843, 0.06250022721587811)),
            ("symmetric, h = 1e-9", symmetric, (-12.353554623700802, 10.256990812251843, 0.06250022721587811))):
        for name, own, expected in zip("abc", ours, notebook):
            tell(f"df/d{name} by {how}", own, expected)
    sizes, errors = [10.0**-k for k in range(1, 13)], {"forward": [], "symmetric": []}
    print("  at h = 1e-9 both are rounded alike. The forward error is about h, the symmetric h^2, rounding 1e-15 / h:")
    print("       h   forward  symmetric, the largest error of the three")
    for h in sizes:
        for column, own in zip(errors.values(), differences(x, h)):
            column.append(max(abs(a - b) for a, b in zip(own, exact)))
        print(f"   {h:.0e}   {errors['forward'][-1]:.1e}  {errors['symmetric'][-1]:.1e}")
    best = {name: sizes[column.index(min(column))] for name, column in errors.items()}
    print("  best: " + ", ".join(f"{name} at h = {h:.0e}" for name, h in best.items()))
    return sizes, errors


def likelihood() -> None:
    """Softmax and the negative log-likelihood of the last class: its gradient is p, minus 1 for the right one."""
    logits = [Value(x) for x in (0.0, 3.0, -2.0, 1.0)]
    counts = [x.exp() for x in logits]
    total = sum(counts)
    loss = -(counts[3] * total**-1).log()  # divided as in the notebook: / differs in the last bit
    loss.backward()
    print("softmax and negative log-likelihood of the logits 0, 3, -2, 1, where the last class is right")
    tell("loss", loss.data, 2.1755153626167147)
    for i, notebook in enumerate((0.041772570515350445, 0.8390245074625319, 0.005653302662216329, -0.8864503806400986)):
        tell(f"dloss/dlogit {i}", logits[i].grad, notebook)
