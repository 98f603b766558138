"""Pictures of expression graphs: what is in them, where it stands, and what can't be drawn."""

import random
import re
import xml.etree.ElementTree as ET

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

import tinytensor as tt
from tinytensor import nn
from tinytensor.diagnostics import graph
from tinytensor.value import MLP, Value

SVG = "{http://www.w3.org/2000/svg}"
NUMBER = r"-?\d+(?:\.\d+)?"


class Picture:
    """What a browser would see: boxes with their texts, operations, and lines, as numbers."""

    def __init__(self, text):
        root = ET.fromstring(text)  # raises where it is not well-formed
        self.width, self.height = float(root.get("width")), float(root.get("height"))
        rects = [r for r in root.iter(SVG + "rect") if r.get("x")]
        shape = [(tuple(float(r.get(k)) for k in ("x", "y", "width", "height")), r.get("fill")) for r in rects]
        self.boxes = [(s, fill) for s, fill in shape if fill != graph.OP]
        self.pills = [s for s, fill in shape if fill == graph.OP]
        self.texts = [(t.text, float(t.get("x")), float(t.get("y"))) for t in root.iter(SVG + "text")]
        lines = [p.get("d") for p in root.iter(SVG + "path") if p.get("marker-end")]
        self.straight = [d for d in lines if "C" not in d]  # from operation to box
        self.lines = [d for d in lines if "C" in d]

    def of(self, fill):
        return sum(f == fill for _, f in self.boxes)

    def words(self):
        return [t for t, _, _ in self.texts]


def points(d):
    """Points on a line, close enough to see what it crosses."""
    found, x, y = [], 0.0, 0.0
    for command, numbers in re.findall(r"([MHC])([^MHC]*)", d):
        n = [float(v) for v in re.findall(NUMBER, numbers)]
        if command == "C":
            t = np.linspace(0, 1, 60)[:, None]
            a, b, c, e = np.array([[x, y], n[:2], n[2:4], n[4:]])
            found.append((1 - t) ** 3 * a + 3 * (1 - t) ** 2 * t * b + 3 * (1 - t) * t**2 * c + t**3 * e)
            x, y = n[4:]
        elif command == "H":
            found.append(np.stack([np.linspace(x, n[0], 60), np.full(60, y)], -1))
            x = n[0]
        else:
            x, y = n
    return np.concatenate(found)


def tidy(picture):
    """No box on another, nothing outside, lines from left to right and through no box, every text inside its box."""
    shapes = [s for s, _ in picture.boxes] + picture.pills
    for i, (x, y, w, h) in enumerate(shapes):
        assert x >= 0 and y >= 0 and x + w <= picture.width and y + h <= picture.height
        for x2, y2, w2, h2 in shapes[:i]:
            assert x + w <= x2 or x2 + w2 <= x or y + h <= y2 or y2 + h2 <= y, "two boxes overlap"
    for word, x, y in picture.texts:
        assert any(bx <= x - 3.9 * len(word) and x + 3.9 * len(word) <= bx + w and by < y - 6 and y + 6 < by + h
                   for bx, by, w, h in shapes), f"{word} stands over the edge"
    inner = np.array(shapes)[:, None]
    for d in picture.lines:
        x, y = points(d).T
        assert (np.diff(x) >= 0).all() and x[0] < x[-1]
        assert y.min() >= graph.PAD and y.max() <= picture.height - graph.PAD
        through = ((x > inner[..., 0] + 2) & (x < inner[..., 0] + inner[..., 2] - 2)
                   & (y > inner[..., 1] + 2) & (y < inner[..., 1] + inner[..., 3] - 2))
        assert not through.any(), f"a line runs through a box: {d}"


@pytest.fixture
def neuron():
    x, w, b = (Value(v, label=name) for v, name in ((2.0, "x"), (-3.0, "w"), (6.88, "b")))
    y = (x * w + b).tanh()
    y.label = "y"
    y.backward()
    return y


# --- what is in it ---


def test_a_neuron_has_a_box_a_node_and_a_line_an_input(neuron):
    picture = Picture(graph.svg(neuron))
    assert (len(picture.boxes), len(picture.pills)) == (6, 3)
    assert (picture.of(graph.LEAF), picture.of(graph.COMPUTED)) == (3, 3)
    assert (len(picture.straight), len(picture.lines)) == (3, 5)
    assert {"x", "w", "b", "y", "*", "+", "tanh", "data 2.0000", "grad 1.0000", f"data {neuron.data:.4f}"} <= set(
        picture.words())
    tidy(picture)


def test_the_result_is_at_the_right_and_inputs_in_their_order(neuron):
    place = {word: (x, y) for word, x, y in Picture(graph.svg(neuron)).texts}
    assert place["y"][0] == max(x for x, _ in place.values())
    assert place["x"][0] < place["b"][0] < place["y"][0]
    assert place["x"][1] < place["w"][1]


def test_a_node_that_is_used_twice_is_drawn_once():
    a = Value(3.0, label="a")
    b = a + a
    picture = Picture(graph.svg(b * b + a))
    assert (len(picture.boxes), len(picture.pills)) == (4, 3)
    assert len(picture.lines) == 6 and picture.words().count("a") == 1
    tidy(picture)


def test_a_single_leaf():
    picture = Picture(graph.svg(Value(1.0)))
    assert (len(picture.boxes), len(picture.lines), picture.words()) == (1, 0, ["data 1.0000", "grad 0.0000"])


def test_names_go_before_labels_and_are_escaped(neuron):
    a, b = Value(1.0, label="<a> & \"b\""), Value(2.0, label="two\nlines\x00\ud800")
    y = a * b
    text = graph.svg(y, {b: "b" * 40})
    assert "&lt;a&gt; &amp; " in text
    assert {"<a> & \"b\"", "b" * 27 + "…"} <= set(Picture(text).words())
    assert "two?lines??" in Picture(graph.svg(y)).words()
    tidy(Picture(text))


def test_tensors():
    model = nn.Linear(3, 2)
    x = tt.ones(4, 3)
    loss = (np.tanh(model(x)) * np.float32(2) - np.zeros((4, 2), np.float32)).sum()
    picture = Picture(graph.svg(loss, {p: name for name, p in model.named_parameters()} | {x: "x"}))
    words = picture.words()
    assert {"weight", "bias", "x", "(2, 3) float32", "(2,) float32", "linear", "tanh", "sum", "2.0",
            "() float32", f"{loss.item():.4f}"} <= set(words)
    assert picture.of(graph.LEAF) == 2 and picture.of(graph.CONSTANT) == 3
    tidy(picture)


def test_a_number_has_a_box_for_each_use_and_an_array_one():
    w = tt.ones(2, requires_grad=True)
    assert Picture(graph.svg((w * 2 + 2) * 2)).of(graph.CONSTANT) == 3
    x = np.ones(2, np.float32)
    assert Picture(graph.svg((w * x + x) * x)).of(graph.CONSTANT) == 1
    zero = Picture(graph.svg(w * np.array(0.5, np.float32))).words()
    assert {"() float32", "0.5000"} <= set(zero)


def test_before_and_after_the_pass():
    w = tt.ones(2, requires_grad=True)
    y = (w * w).sum()
    y.backward(retain_graph=True)
    before = graph.svg(y)
    y.backward()
    assert Picture(before).of(graph.LEAF) == 1
    with pytest.raises(ValueError, match=re.escape("graph: got a tensor whose graph backward() has released; "
                                                   "expected the graph; draw before backward(), or call "
                                                   "backward(retain_graph=True)")):
        graph.svg(y)


def test_what_can_t_be_drawn():
    a = y = Value(1.0)
    for _ in range(graph.MAX_NODES - 1):
        y = y.tanh()
    assert len(Picture(graph.svg(y)).boxes) == graph.MAX_NODES
    with pytest.raises(ValueError, match="graph: got more than 300 nodes; expected a graph that can be read; draw"):
        graph.svg(y + a)
    with pytest.raises(TypeError, match="graph: got a float; expected a Value or a Tensor; pass the result itself"):
        graph.svg(1.0)
    with pytest.raises(TypeError, match=re.escape("expected a Value or a Tensor; write draw(y, path=...")):
        graph.draw("y.svg")


def test_a_picture_prints_as_a_line():
    assert repr(graph.draw(Value(1.0))) == ("Picture('Expression graph of 1 node'; a notebook shows it, "
                                            ".save(path) writes it)")


def test_drawing_changes_nothing_and_is_the_same_every_time(neuron, tmp_path):
    before = [(v.data, v.grad, v.inputs) for v in neuron.order()]
    picture = graph.draw(neuron, path=tmp_path / "y.svg")
    assert picture.svg == picture._repr_svg_() == graph.svg(neuron)
    assert (tmp_path / "y.svg").read_text("utf-8") == graph.svg(neuron)
    assert [(v.data, v.grad, v.inputs) for v in neuron.order()] == before


# --- where it stands ---


@st.composite
def expressions(draw):
    nodes = [Value(float(i), label=draw(st.sampled_from(["", f"v{i}", "a longer name " * 3]))) for i in range(4)]
    for _ in range(draw(st.integers(1, 25))):
        a, b = (nodes[draw(st.integers(max(0, len(nodes) - 12), len(nodes) - 1))] for _ in range(2))
        nodes.append(draw(st.sampled_from([lambda a, b: a + b, lambda a, b: a * b - a, lambda a, b: a.tanh(),
                                           lambda a, b: (a * a) ** 0.5,
                                           lambda a, b: Value(1.0, (a, b), (1.0, 1.0), "a wide operation")]))(a, b))
    return sum(nodes[-3:], nodes[0])


@given(expressions())
def test_any_graph_is_tidy(y):
    picture = Picture(graph.svg(y))
    order = y.order()
    assert len(picture.boxes) == len(order) and len(picture.pills) == sum(bool(v.op) for v in order)
    assert len(picture.lines) + len(picture.straight) == sum(len(v.inputs) + bool(v.op) for v in order)
    tidy(picture)


def test_networks_are_tidy():
    model = MLP(2, [3, 3, 1], random.Random(1))
    tidy(Picture(graph.svg((model([1.0, -2.0]) - 1) ** 2)))
    net = nn.Sequential(nn.Linear(3, 4), nn.Tanh(), nn.BatchNorm1d(4), nn.Linear(4, 2))
    loss = tt.cross_entropy(net(tt.randn(5, 3)), np.array([0, 1, 0, 1, 1]))
    tidy(Picture(graph.svg(loss + 0.01 * sum((p * p).sum() for p in net.parameters()),
                           {p: name for name, p in net.named_parameters()})))


def test_a_picture_is_not_written_under_the_name_of_another_format(tmp_path):
    y = tt.ones(2, requires_grad=True) * 2
    with pytest.raises(ValueError, match=r"graph: got the file name a.png; expected one that ends in .svg"):
        graph.draw(y, path=tmp_path / "a.png")
    assert not list(tmp_path.iterdir())
    graph.draw(y, path=tmp_path / "a.SVG")


def test_names_are_by_tensor():
    y = tt.ones(2, requires_grad=True) * 2
    with pytest.raises(TypeError, match="expected Values or Tensors as keys"):
        graph.draw(y, {"y": y})
