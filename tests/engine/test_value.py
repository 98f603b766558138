"""The scalar engine: against Tensor, against differences, against calculus, and the first lecture's figures."""

import gc
import math
import operator
import random
import re
import sys
import weakref
from fractions import Fraction

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

import tinytensor as tt
from tinytensor.value import MLP, Layer, Module, Neuron, Value

numbers = st.floats(-3, 3, allow_subnormal=False)
positive = st.floats(0.1, 3)

# What an expression may do: a name, how many inputs, and what it is on Values and on Tensors alike; each holds for any
# inputs, and no result runs away.
STEPS = [
    ("+", 2, operator.add), ("-", 2, operator.sub), ("*", 2, lambda a, b: a * b / (1 + b * b)),
    ("/", 2, lambda a, b: a / (1.5 + b * b)), ("neg", 1, operator.neg), ("** 2", 1, lambda a: a**2 / (1 + a**2)),
    ("** -1.5", 1, lambda a: (1 + a * a) ** -1.5), ("a ** b", 2, lambda a, b: (1 + a * a) ** (b / (1 + b * b))),
    ("2 ** a", 1, lambda a: 2 ** (a / (1 + a * a))), ("3 - a", 1, lambda a: 3 - a),
    ("1 / a", 1, lambda a: 1 / (2 + a * a)), ("tanh", 1, lambda a: a.tanh()), ("exp", 1, lambda a: (-a * a).exp()),
    ("log", 1, lambda a: (1 + a * a).log()), ("relu", 1, lambda a: a.relu()),
]


@st.composite
def expressions(draw, smooth=False):
    """Leaves, and a program: the number of a step, and which earlier results it takes."""
    leaves = draw(st.lists(numbers, min_size=1, max_size=4))
    steps = [step for step in STEPS if not smooth or step[0] != "relu"]
    program = []
    for size in range(len(leaves), len(leaves) + draw(st.integers(1, 12))):
        _, arity, function = steps[draw(st.integers(0, len(steps) - 1))]
        program.append((function, [draw(st.integers(0, size - 1)) for _ in range(arity)]))
    return leaves, program


def computed(leaves, program):
    """The sum of all results: each of them is used, many several times."""
    results = list(leaves)
    for function, inputs in program:
        results.append(function(*(results[i] for i in inputs)))
    return sum(results)


# --- the engine against others ---


@given(expressions())
def test_the_same_as_tensor(expression):
    leaves, program = expression
    values = [Value(x) for x in leaves]
    tensors = [tt.tensor(np.float64(x), requires_grad=True) for x in leaves]
    ours, theirs = computed(values, program), computed(tensors, program)
    ours.backward()
    theirs.backward()
    assert ours.data == pytest.approx(theirs.item(), rel=1e-12, abs=1e-12)
    for v, t in zip(values, tensors, strict=True):
        assert v.grad == pytest.approx(t.grad.item(), rel=1e-10, abs=1e-10)


@given(expressions(smooth=True))
def test_the_gradient_is_the_symmetric_difference(expression):
    leaves, program = expression
    values = [Value(x) for x in leaves]
    computed(values, program).backward()
    for i, v in enumerate(values):
        up, down = ([Value(x + s * (i == j)) for j, x in enumerate(leaves)] for s in (1e-5, -1e-5))
        difference = (computed(up, program).data - computed(down, program).data) / 2e-5
        assert v.grad == pytest.approx(difference, rel=1e-5, abs=1e-5)


@given(numbers, positive)
def test_values_and_slopes_are_those_of_calculus(x, p):
    rows = [
        (lambda a: a.exp(), x, math.exp(x), math.exp(x)), (lambda a: a.log(), p, math.log(p), 1 / p),
        (lambda a: a.tanh(), x, math.tanh(x), 1 / math.cosh(x) ** 2), (lambda a: -a, x, -x, -1),
        (lambda a: a**3, x, x**3, 3 * x**2), (lambda a: a**0.5, p, p**0.5, 0.5 / p**0.5),
        (lambda a: a**-2, p, p**-2, -2 * p**-3), (lambda a: 2.5**a, x, 2.5**x, 2.5**x * math.log(2.5)),
        (lambda a: a.relu(), x, max(x, 0), float(x > 0)),
    ]
    for function, at, y, slope in rows:
        a = Value(at)
        result = function(a)
        result.backward()
        assert result.data == pytest.approx(y, rel=1e-12)
        assert a.grad == pytest.approx(slope, rel=1e-12, abs=1e-15)


@given(positive, positive)
def test_two_inputs(x, y):
    for function, slopes in ((operator.add, (1, 1)), (operator.sub, (1, -1)), (operator.mul, (y, x)),
                             (operator.truediv, (1 / y, -x / y**2)),
                             (operator.pow, (y * x ** (y - 1), x**y * math.log(x)))):
        a, b = Value(x), Value(y)
        result = function(a, b)
        result.backward()
        assert result.data == function(x, y)
        assert (a.grad, b.grad) == pytest.approx(slopes, rel=1e-12)


@pytest.mark.parametrize("number", [2, 2.0, True, np.float32(2), np.int64(2), Fraction(2), np.float64(2)])
@pytest.mark.parametrize("function", [operator.add, operator.sub, operator.mul, operator.truediv, operator.pow])
def test_a_number_on_either_side(function, number):
    a = Value(3.0)
    left, right = function(number, a), function(a, number)
    assert type(left) is type(right) is Value and type(left.data) is type(right.data) is float
    assert left.data == pytest.approx(function(float(number), 3.0))
    assert right.data == pytest.approx(function(3.0, float(number)))
    left.backward()
    slope = {operator.add: 1, operator.sub: -1, operator.mul: float(number), operator.truediv: -float(number) / 9,
             operator.pow: float(number) ** 3 * math.log(number)}[function]
    assert a.grad == pytest.approx(slope)


@pytest.mark.parametrize(("x", "n", "slope"), [
    (0.0, 0, 0.0), (0.0, 1, 1.0), (0.0, 2, 0.0), (0.0, 0.5, math.inf), (-2.0, 3, 12.0), (-2.0, -1, -0.25),
    (-2.0, 0, 0.0)])
def test_powers_at_the_edges(x, n, slope):
    a = Value(x)
    y = a**n
    y.backward()
    assert (y.data, a.grad) == (x**n, slope)


def test_relu_at_0():
    a = Value(0.0)
    a.relu().backward()
    assert a.grad == 0


# --- the pass ---


def test_what_is_used_twice_adds_up():
    a = Value(3.0)
    (a + a).backward()
    assert a.grad == 2
    b = Value(3.0)
    c = b * b
    (c * c + c).backward()  # b^4 + b^2
    assert (b.grad, c.grad) == (4 * 27 + 6, 2 * 9 + 1)


def test_leaves_add_up_over_passes_and_what_lies_between_starts_afresh():
    a, b = Value(2.0), Value(5.0)
    c = a * b
    y = c.tanh() + c
    for n in (1, 2, 3):
        y.backward()
        assert (a.grad, b.grad) == pytest.approx((n * 5, n * 2), abs=1e-6)
        assert (y.grad, c.grad) == pytest.approx((1, 1), abs=1e-6)
    (3 * a).backward()
    assert a.grad == pytest.approx(18, abs=1e-6)


def test_a_leaf_is_its_own_result():
    a = Value(2.0)
    a.backward()
    assert a.grad == 1 and a.order() == [a]
    a.backward()
    assert a.grad == 2


@given(expressions())
def test_in_order_each_comes_after_all_that_use_it(expression):
    y = computed([Value(x) for x in expression[0]], expression[1])
    order = y.order()
    place = {node: i for i, node in enumerate(order)}
    assert order[0] is y and len(place) == len(order)
    assert all(place[x] > place[node] for node in order for x in node.inputs)


def test_100_000_operations_deep():
    """Built, run backwards and let go of, with no recursion that Python's stack would end."""
    a = Value(1.0)
    y = a
    for _ in range(100_000):
        y = y + 1e-5 * a
    y.backward()
    assert y.data == pytest.approx(2) and a.grad == pytest.approx(2)
    assert sys.getrecursionlimit() < 100_000
    del y


def test_a_graph_dies_with_its_last_name():
    gc.collect()
    gc.disable()
    try:
        model = MLP(2, [3, 1], random.Random(0))
        y = model([1.0, 2.0])
        middle = weakref.ref(y.inputs[0])
        y.backward()
        assert middle() is not None
        del y
        assert middle() is None
    finally:
        gc.enable()


# --- what is refused ---


@pytest.mark.parametrize(("mistake", "kind", "text"), [
    (lambda: Value(1.0) / 0, ZeroDivisionError, "/: got 1.0 / 0; expected a divisor other than 0; add a small number"),
    (lambda: 1 / Value(0.0), ZeroDivisionError, "/: got 1.0 / 0"),
    (lambda: Value(-2.0) ** 0.5, ValueError, "**: got -2.0 ** 0.5, which is not a real number; expected a base of 0"),
    (lambda: Value(0.0) ** -1, ZeroDivisionError, "**: got 0 ** -1.0; expected a base other than 0"),
    (lambda: Value(1e200) ** 2, OverflowError, "**: got 1e+200 ** 2.0; expected a result that a float can hold"),
    (lambda: Value(-2.0) ** Value(2.0), ValueError, "pass the exponent as a number: x ** 2"),
    (lambda: 0 ** Value(2.0), ValueError, "**: got base 0.0 with a Value as exponent; expected a base above 0"),
    (lambda: Value(710.0).exp(), OverflowError, "exp: got 710.0; expected 709 or less"),
    (lambda: Value(0.0).log(), ValueError, "log: got 0.0; expected a number above 0"),
    (lambda: Value("2"), TypeError, "Value: got str; expected a real number or a Value; convert"),
    (lambda: Value(1.0) + np.ones(1), TypeError, "Value: got ndarray"),
    (lambda: np.ones(2) * Value(1.0), TypeError, "Value: got ndarray"),
    (lambda: Value(1.0) * tt.ones(1), TypeError, "Value: got Tensor"),
    (lambda: Value(1.0) ** None, TypeError, "Value: got NoneType"),
    (lambda: Value(1j), TypeError, "Value: got complex"),
    (lambda: Neuron(2, random.Random(0))([1.0]), ValueError, "Neuron: got 1 inputs; expected 2, one for each weight"),
    (lambda: MLP(3, [2], random.Random(0))([1.0, 2.0]), ValueError, "Neuron: got 2 inputs; expected 3"),
])
def test_mistakes_are_told_in_three_parts(mistake, kind, text):
    with pytest.raises(kind, match=re.escape(text)):
        mistake()


def test_it_shows_itself():
    assert repr(Value(2)) == "Value(2.0, grad=0.0)"
    assert repr(Value(2, label="a")) == "Value(2.0, grad=0.0, label='a')"


# --- the network ---


def test_sizes_and_parameters():
    model = MLP(3, [4, 4, 1], random.Random(42))
    assert len(model.parameters()) == 41 == len(set(model.parameters()))
    assert [len(layer.neurons) for layer in model.layers] == [4, 4, 1]
    assert all(-1 <= p.data <= 1 for p in model.parameters()) and len({p.data for p in model.parameters()}) == 41
    assert Module().parameters() == []
    assert isinstance(Layer(2, 1, random.Random(0))([1, 2]), Value)
    assert len(Layer(2, 3, random.Random(0))([1, 2])) == 3


def test_the_same_seed_gives_the_same_network():
    a, b, c = (MLP(2, [3, 1], random.Random(seed)) for seed in (1, 1, 2))
    assert [p.data for p in a.parameters()] == [p.data for p in b.parameters()] != [p.data for p in c.parameters()]


@pytest.mark.parametrize("last", [None, Value.tanh, Value.relu])
def test_it_computes_what_numpy_does(last):
    model, x = MLP(3, [4, 2], random.Random(3), last), [0.5, -1.0, 2.0]
    h = np.array(x)
    for layer, function in zip(model.layers, (np.tanh, {None: np.positive, Value.tanh: np.tanh}.get(
            last, lambda a: np.maximum(a, 0))), strict=True):
        weight = np.array([[w.data for w in n.weights] for n in layer.neurons])
        h = function(weight @ h + [n.bias.data for n in layer.neurons])
    np.testing.assert_allclose([y.data for y in model(x)], h, rtol=1e-14)


def test_zero_grad_and_a_step_downhill():
    model = MLP(2, [3, 1], random.Random(0))
    losses = []
    for _ in range(20):
        loss = (model([1.0, -1.0]) - 0.5) ** 2
        model.zero_grad()
        assert not any(p.grad for p in model.parameters())
        loss.backward()
        for p in model.parameters():
            p.data -= 0.1 * p.grad
        losses.append(loss.data)
    assert losses == sorted(losses, reverse=True) and losses[-1] < 0.1 * losses[0]


# --- the lecture's figures, to the last digit ---


def parabola(x):
    return 3 * x**2 - 4 * x + 5


def test_its_first_derivatives():
    h, x = 0.000001, 2 / 3
    assert parabola(3.0) == 20
    assert (parabola(x + h) - parabola(x)) / h == 2.999378523327323e-06
    h, a, b, c = 0.0001, 2.0, -3.0, 10.0
    assert (a * b + (c + h) - (a * b + c)) / h == 0.9999999999976694
    h, f = 0.001, -2.0
    assert ((a * (b + h) + c) * f - (a * b + c) * f) / h == -3.9999999999995595


def test_its_small_graph():
    leaves = a, b, c, f = [Value(x) for x in (2.0, -3.0, 10.0, -2.0)]
    d = a * b + c
    L = d * f
    L.backward()
    assert (d.data, L.data) == (4, -8)
    assert [x.grad for x in (*leaves, d)] == [6, -4, -2, 4, -2]
    for x in leaves:
        x.data += 0.01 * x.grad
    assert ((a * b + c) * f).data == -7.286496


def test_its_neuron():
    x1, x2, w1, w2, b = (Value(x) for x in (2.0, 0.0, -3.0, 1.0, 6.8813735870195432))
    n = x1 * w1 + x2 * w2 + b
    e = (2 * n).exp()
    o = (e - 1) / (e + 1)
    o.backward()
    assert (n.data, o.data, n.tanh().data) == (0.8813735870195432, 0.7071067811865476, 0.7071067811865477)
    assert 1 - o.data**2 == 0.4999999999999999
    assert [x.grad for x in (x1, w1, x2, w2)] == pytest.approx([-1.5, 1, 0.5, 0], rel=1e-14)


def test_its_neuron_with_a_float32_bias():
    """torch.Tensor rounds b to float32; all the rest is the same."""
    x1, x2, w1, w2 = (Value(x) for x in (2.0, 0.0, -3.0, 1.0))
    o = (x1 * w1 + x2 * w2 + np.float32(6.8813735870195432)).tanh()
    o.backward()
    assert o.data == 0.7071066904050358
    assert [x2.grad, w2.grad, x1.grad, w1.grad] == [0.5000001283844369, 0.0, -1.5000003851533106, 1.0000002567688737]


def exercise(a, b, c, sin=math.sin):
    return -(a**3) + sin(3 * b) - 1.0 / c + b**2.5 - a**0.5


def test_its_exercise():
    def sin(x):
        return Value(math.sin(x.data), (x,), (math.cos(x.data),), "sin")

    x = [Value(v) for v in (2, 3, 4)]
    y = exercise(*x, sin=sin)
    y.backward()
    assert y.data == exercise(2, 3, 4) == 6.336362190988558
    assert [v.grad for v in x] == [-12.353553390593273, 10.25699027111255, 0.0625]
    at, h = [2, 3, 4], 1e-9
    for i, notebook in enumerate((-12.353554623700802, 10.256990812251843, 0.06250022721587811)):
        up, down = (exercise(*(v + step * (i == j) for j, v in enumerate(at))) for step in (h, -h))
        assert (up - exercise(*at)) / h == (up - down) / (2 * h) == notebook


def test_its_softmax():
    logits = [Value(x) for x in (0.0, 3.0, -2.0, 1.0)]
    counts = [x.exp() for x in logits]
    total = sum(counts)
    loss = -(counts[3] * total**-1).log()
    loss.backward()
    assert loss.data == 2.1755153626167147
    expected = [0.041772570515350445, 0.8390245074625319, 0.005653302662216329, -0.8864503806400986]
    assert [x.grad for x in logits] == expected
    tensor = tt.tensor(np.array([[0.0, 3.0, -2.0, 1.0]]), requires_grad=True)
    tt.cross_entropy(tensor, np.array([3])).backward()
    np.testing.assert_allclose(tensor.grad[0], expected, rtol=1e-14)


# --- another engine ---


@pytest.mark.peer
@given(expressions())
def test_the_same_as_torch(expression):
    torch = pytest.importorskip("torch")
    leaves, program = expression
    values = [Value(x) for x in leaves]
    theirs = [torch.tensor(x, dtype=torch.float64, requires_grad=True) for x in leaves]
    y, z = computed(values, program), computed(theirs, program)
    y.backward()
    z.backward()
    assert y.data == pytest.approx(z.item(), rel=1e-12, abs=1e-12)
    for v, t in zip(values, theirs, strict=True):
        assert v.grad == pytest.approx(t.grad.item(), rel=1e-10, abs=1e-10)
