"""The figures: each is a picture 1,000 pixels wide of its arguments, at the edges too; pyplot knows none of them."""

import inspect
import math
import os
import struct
import subprocess
import sys
from itertools import pairwise
from pathlib import Path

import numpy as np
import pytest

pytest.importorskip("matplotlib")

from matplotlib.colors import to_hex, to_rgb

import tinytensor as tt
from tinytensor.compiler.codegen.profile import Row
from tinytensor.diagnostics import plot
from tinytensor.diagnostics.plot.characters import GREEN, TINTS, moved_apart
from tinytensor.diagnostics.plot.health import density
from tinytensor.diagnostics.plot.style import BLUE, GREY, LAYERS, ORANGE, Figure
from tinytensor.machine import Roofline

ROOT = Path(tt.__file__).resolve().parents[1]
RNG = np.random.default_rng(0)
MANY = "\n !$&',-.3:;?ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz"


@pytest.fixture
def draw(tmp_path):
    """Draws a figure, checks the file, and returns the figure, whose artists can still be read."""
    def draw(function, *args, **kwargs):
        path = tmp_path / "figure.png"
        fig = function(*args, path=path, **kwargs)
        assert isinstance(fig, Figure) and fig._repr_png_()[:24] == path.read_bytes()[:24]
        head = path.read_bytes()[:24]
        assert head[:8] == b"\x89PNG\r\n\x1a\n" and struct.unpack(">I", head[16:20]) == (1000,)
        for ax in fig.axes:
            assert ax.get_title("left") or fig.get_suptitle()
            assert ax.get_xlabel() or ax.get_ylabel() or fig.get_supxlabel()
            assert not ax.spines["top"].get_visible() and not ax.spines["right"].get_visible()
        return fig

    return draw


def legend(ax):
    return [] if ax.get_legend() is None else [t.get_text() for t in ax.get_legend().get_texts()]


def texts(ax):
    return [t.get_text() for t in ax.texts]


def ticks(axis):
    return [t.get_text() for t in axis.get_ticklabels()]


def lines(ax):
    """Each line with a label of its own: label -> (x, y, colour)."""
    return {str(line.get_label()): (line.get_xdata(), line.get_ydata(), to_hex(line.get_color())) for line in ax.lines
            if not str(line.get_label()).startswith("_")}


# --- all ---


@pytest.mark.parametrize("name", plot.__all__)
def test_each_has_a_docstring_and_takes_a_path_by_keyword(name):
    function = getattr(plot, name)
    assert inspect.isfunction(function) and (function.__doc__ or "").splitlines()[0].endswith(".")
    path = inspect.signature(function).parameters["path"]
    assert path.kind is path.KEYWORD_ONLY and path.default is None
    assert "    path : str or Path\n" in function.__doc__


def test_nothing_is_written_or_registered_and_no_backend_is_chosen(tmp_path):
    code = ("import os, sys; os.environ['MPLBACKEND'] = 'svg'\n"
            "import matplotlib; from tinytensor.diagnostics import plot\n"
            "figure = plot.loss_curve([3.0, 2.0])\n"
            "assert 'matplotlib.pyplot' not in sys.modules and matplotlib.get_backend() == 'svg'\n"
            "import matplotlib.pyplot as plt; assert plt.get_fignums() == []\n"
            "figure.axes[0].set_title('mine'); figure.savefig('mine.png')\n"
            "assert os.listdir() == ['mine.png']\n")
    done = subprocess.run([sys.executable, "-c", code], cwd=tmp_path, capture_output=True, text=True,
                          env=os.environ | {"PYTHONPATH": str(ROOT)})
    assert done.returncode == 0, done.stderr


def test_all_names_are_there_and_sorted():
    assert plot.__all__ == sorted(plot.__all__) and {
        "count_map", "dilated_tree", "embedding_map", "histograms", "ladder_chart", "loss_curve", "push_and_pull",
        "rate_curve", "saturation", "size_curve", "sweep_curve", "tangents", "update_ratios"} <= set(plot.__all__)


# --- characters ---


def test_count_map(draw):
    counts = np.array([[0, 100, 4], [1, 2, 3], [4, 12345, 9]])
    ax, = draw(plot.count_map, counts, ".ab").axes
    image, = ax.images
    np.testing.assert_allclose(image.get_array(), np.sqrt(counts))
    assert ticks(ax.xaxis) == ticks(ax.yaxis) == [".", "a", "b"]
    assert ax.get_ylabel() == "first character" and ax.get_xlabel() == "second character"
    cells = {(round(t.get_position()[0]), round(t.get_position()[1])): [] for t in ax.texts}
    for t in ax.texts:
        x, y = t.get_position()
        cells[round(x), round(y)].append(t.get_text())
    assert cells[1, 0] == [".a", "100"] and cells[0, 1] == ["a.", "1"] and cells[1, 2] == ["ba", "12345"]
    dark = {t.get_text(): t.get_color() for t in ax.texts}
    assert dark["ba"] == "white" and dark["a."] != "white", "readable on both shades"


@pytest.mark.parametrize(("counts", "names"), [
    (np.zeros((1, 1), int), "."), (np.zeros((3, 3)), "abc"), ([[1, 2], [3, 4]], ["a", "b"]),
    ([[0.5, math.nan], [1, 2]], "ab")])
def test_count_map_at_the_edges(draw, counts, names):
    ax, = draw(plot.count_map, counts, names).axes
    assert len(ax.texts) == 2 * len(names) ** 2


def test_count_map_of_many_characters_and_of_those_that_are_no_letters(draw):
    ax, = draw(plot.count_map, RNG.poisson(5, (65, 65)), MANY).axes
    assert not ax.texts and len(ticks(ax.xaxis)) == 65 and ticks(ax.yaxis)[:2] == ["↵", "␣"]
    ax, = draw(plot.count_map, np.ones((4, 4), int), ["$", "\n", " ", "\t"]).axes
    assert texts(ax)[0] == r"\$\$", "no formula" and texts(ax)[2] == r"\$↵"


def test_embedding_map(draw):
    points = RNG.normal(size=(6, 2))
    ax, = draw(plot.embedding_map, points, ".abce$", "aeiou", 0.345).axes
    assert texts(ax) == ["a", "e", "b", "c", r"\$", "."] and "34%" in ax.get_title("left")
    assert legend(ax) == ["vowel", "consonant", "other", "boundary"]
    for names, dots, disc, color in zip((".abce$"[1::3], ".abce$"[2:4], "$", "."), ax.collections[1::2],
                                        ax.collections[2::2], (ORANGE, BLUE, GREEN, GREY), strict=True):
        rows = [".abce$".index(name) for name in names]
        np.testing.assert_allclose(np.asarray(dots.get_offsets()), points[rows])
        assert to_hex(dots.get_facecolor()[0]) == color and to_hex(disc.get_facecolor()[0]) == TINTS[color]
        np.testing.assert_allclose(np.asarray(disc.get_offsets()), points[rows])
    for t in ax.texts:
        np.testing.assert_allclose(t.get_position(), points[".abce$".index(t.get_text()[-1])])


def test_kinds_of_characters_and_those_that_no_font_has(draw):
    """No warning of a missing glyph, and an accent or a capital makes no other letter of a vowel."""
    names = [".", "é", "A", "ż", "ß", "7", " ", "語", "\x1b", "Ж"]
    ax, = draw(plot.embedding_map, RNG.normal(size=(len(names), 2)), names, "aeiou", 0.5).axes
    assert texts(ax) == ["é", "A", "ż", "ß", "7", "␣", "8A9E", "1B", "Ж", "."]
    kinds = {kind: len(disc.get_offsets()) for kind, disc in zip(legend(ax), ax.collections[2::2], strict=True)}
    assert kinds == {"vowel": 2, "consonant": 2, "other": 5, "boundary": 1}
    draw(plot.attention_maps, np.ones((1, 1, 2, 2)), ["語", "😀"])
    draw(plot.count_map, np.ones((2, 2)), ["語", "\0"])


def test_letters_that_would_overlap_are_moved_apart(draw):
    points = np.array([[0, 0], [0, 0], [0.01, 0], [1, 1], [1, 0.999], [3, 0]])
    ax, = draw(plot.embedding_map, points, ".abcde", "ae", 0.5).axes
    at = {t.get_text(): np.array(ax.transData.transform(t.get_position())) for t in ax.texts}
    gaps = [np.hypot(*(at[a] - at[b])) for a in at for b in at if a < b]
    assert min(gaps) > 27, "pixels: as wide as a disc"
    np.testing.assert_allclose(at["e"], ax.transData.transform(points[5]), atol=1e-6)
    assert len(ax.lines) == 6, "a line leads from each point to its letter"
    for line in ax.lines:
        start, end = line.get_xydata()
        assert any(np.array_equal(start, p) for p in points)
        assert any(np.allclose(end, t.get_position()) for t in ax.texts)
        assert np.hypot(*(ax.transData.transform(start) - ax.transData.transform(end))) < 60


def test_moved_apart():
    far = np.array([[0.0, 0], [30, 0]])
    assert np.array_equal(moved_apart(far, 28), far)
    crowd = moved_apart(np.zeros((40, 2)), 10.0)
    gap = np.hypot(*(crowd[:, None] - crowd).T) + 100 * np.eye(40)
    assert gap.min() > 9.8 and np.abs(crowd).max() < 60


def test_embedding_map_at_the_edges(draw):
    assert legend(draw(plot.embedding_map, np.zeros((1, 2)), ["."], "", 1).axes[0]) == ["boundary"]
    assert legend(draw(plot.embedding_map, np.ones((3, 2)), ".bc", "a", 0).axes[0]) == ["consonant", "boundary"]
    assert len(texts(draw(plot.embedding_map, RNG.normal(size=(65, 2)), MANY, "aeiou", 0.5).axes[0])) == 65
    draw(plot.embedding_map, np.full((2, 2), math.nan), ".a", "a", math.nan)


def test_sweep_curve(draw):
    rows = [(0, 1.0, 9.0), (0.1, 2.0, 2.5), (1, 2.1, 2.3, "more"), (10, 2.4, 2.6), (100, 2.5, math.inf)]
    fig = draw(plot.sweep_curve, {"added": {"bigrams": rows, "trigrams": rows[:3]}, "penalty": {"bigrams": rows[1:2]}})
    added, penalty = fig.axes
    assert (added.get_xlabel(), penalty.get_xlabel()) == ("added", "penalty") and added.get_xscale() == "log"
    assert legend(added) == ["bigrams: 2.300 at 1", "trigrams: 2.300 at 1"]
    assert legend(penalty) == ["bigrams: 2.500 at 0.1"]
    train, dev, best = added.lines[:3]
    assert train.get_xydata().tolist() == [[0.1, 2.0], [1, 2.1], [10, 2.4]] and train.get_linestyle() == "--"
    assert dev.get_xydata().tolist() == [[0.1, 2.5], [1, 2.3], [10, 2.6]] and dev.get_linestyle() == "-"
    assert best.get_xydata().tolist() == [[1, 2.3]]
    assert len({line.get_color() for line in added.lines}) == 2
    assert {line.get_color() for line in added.lines[:3]} == {line.get_color() for line in penalty.lines}
    assert added.get_ylim() == penalty.get_ylim()


def test_sweep_curve_at_the_edges(draw):
    ax, = draw(plot.sweep_curve, {"x": {"m": [(0, 1, 1), (1, 2, math.inf)], "n": []}}).axes
    assert legend(ax) == ["m: nowhere finite", "n: nowhere finite"]
    ax, = draw(plot.sweep_curve, {"x": {f"model {i}": [(1, 1, i), (10, 1, 2)] for i in range(9)}}).axes
    assert len(legend(ax)) == 9 and len(ax.lines) == 27, "none is left out where colours run out"


# --- gradients ---


def forces(rows, width):
    p = RNG.dirichlet(np.ones(width), rows)
    return np.eye(width)[np.arange(rows) % width] - p


def test_push_and_pull(draw):
    f = forces(4, 3)
    f[2] = [-0.95, -0.03, 0.98]
    table, one = draw(plot.push_and_pull, f, ["..", ".a", "ab", "bb"], [0, 1, 2, 0], ".ab").axes
    assert ticks(table.yaxis) == [".. → .", ".a → a", "ab → b", "bb → ."]
    assert ticks(table.xaxis) == ticks(one.xaxis) == [".", "a", "b"]
    rgb = np.asarray(table.images[0].get_array())
    assert rgb.shape == (4, 3, 3) and rgb.min() >= 0 and rgb.max() <= 1
    for i, j in np.ndindex(4, 3):  # white where there is no force, the full colour at 1
        depth = math.sqrt(abs(f[i, j]))
        pure = to_rgb(BLUE if f[i, j] > 0 else ORANGE)
        np.testing.assert_allclose(rgb[i, j], (1 - depth) + depth * np.array(pure), atol=1e-6)
    assert [bar.get_height() for bar in one.patches] == f[2].tolist()
    assert [to_hex(bar.get_facecolor()) for bar in one.patches] == [ORANGE, ORANGE, BLUE]
    assert one.get_title("left") == "the worst guess, ab → b: up by 0.98, down by 0.98 in all"


def test_push_and_pull_at_the_edges(draw):
    draw(plot.push_and_pull, np.zeros((1, 1)), ["a"], [0], "a")
    draw(plot.push_and_pull, [[0.5, -0.5]], ["a"], np.array([0]), "ab")
    draw(plot.push_and_pull, np.full((3, 3), math.nan), ["$$", "\n", ""], [0, 1, 2], "a$\n")
    table, one = draw(plot.push_and_pull, forces(64, 65), ["x$y$ \n"] * 64, np.arange(64), MANY).axes
    assert len(table.get_yticklabels()) == 64 and len(one.get_xticklabels()) == 65
    assert ticks(table.yaxis)[0] == r"x\$y\$␣↵ → ↵"
    sizes = [table.get_yticklabels()[0].get_fontsize() * 64, one.get_xticklabels()[0].get_fontsize() * 65]
    assert max(sizes) < 660, "labels have room beside each other"
    table, one = draw(plot.push_and_pull, forces(71, 71), ["ab"] * 71, np.arange(71), MANY + MANY[:6]).axes
    assert len(table.get_yticklabels()) < 20 and len(one.get_xticklabels()) < 20, "too many to be read"


# --- health ---


def test_histograms(draw):
    groups = {"first": {"tanh1": RNG.normal(size=(50, 4)), "tanh2": RNG.normal(size=90) / 2},
              "second": {"linear1": RNG.normal(size=30).astype(np.float32)}}
    fig = draw(plot.histograms, "Everything", groups, "value", bins=20)
    assert fig.get_suptitle() == "Everything" and [ax.get_title("left") for ax in fig.axes] == ["first", "second"]
    for ax, arrays in zip(fig.axes, groups.values(), strict=True):
        assert legend(ax) == list(arrays) == list(lines(ax)) and ax.get_xlabel() == "value"
        for i, (a, (x, y, color)) in enumerate(zip(arrays.values(), lines(ax).values(), strict=True)):
            width = x[1] - x[0]
            assert 0.9 < y.sum() * width <= 1 + 1e-9 and color == LAYERS[i]
            assert abs((x * y).sum() * width - np.mean(a)) < 0.05
        assert ax.get_ylim()[0] == 0
        box = ax.get_legend().get_window_extent()
        assert box.x0 > ax.bbox.x1 and box.x1 <= 1000, "beside the lines, and not cut"


def test_histograms_do_not_follow_outliers_and_leave_out_what_is_not_finite(draw):
    a = np.concatenate([RNG.normal(size=10_000), [1e6, -1e6]])
    b = np.concatenate([a, [math.nan, math.inf, -math.inf]])
    ax, = draw(plot.histograms, "t", {"g": {"a": a, "b": b}}, "x").axes
    (x, y, _), (_, z, _) = lines(ax).values()
    assert x[0] > -5 and x[-1] < 5 and np.array_equal(y, z) and len(x) == 200


def test_density():
    a, edges = RNG.normal(size=100_000), np.linspace(-3, 3, 121)
    middle = (edges[1:] + edges[:-1]) / 2
    exact = np.exp(-middle**2 / 2) / math.sqrt(2 * math.pi)
    np.testing.assert_allclose(density(a, edges), exact, atol=0.012)
    flat = density(RNG.uniform(-1, 1, 100_000), np.linspace(-1, 1, 101))
    np.testing.assert_allclose(flat, 0.5, atol=0.03, err_msg="no mass leaks out at the edges")
    spike = density(np.repeat([0.0, 1.0], [99, 1]), np.linspace(-1, 1, 11))
    np.testing.assert_allclose(spike[5:], [0.99 * 5, 0, 0, 0, 0.01 * 5], err_msg="no width: plain bins")


@pytest.mark.parametrize("a", [
    np.ones(10), np.zeros((3, 3), np.float32), np.full(4, 1e30), np.array(3.0), np.array([math.nan, math.inf]),
    np.empty(0), np.array([1, 1 + 3e-16]), np.array([1e-40, 2e-40]), np.array([True, False])])
def test_histograms_at_the_edges(draw, a):
    ax, = draw(plot.histograms, "t", {"g": {"layer": a}}, "x").axes
    x, y, _ = lines(ax)["layer"]
    assert np.isfinite(x).all() and np.isfinite(y).all() and (np.diff(x) >= 0).all()
    assert y.any() == np.isfinite(a).any()


def test_histograms_of_no_layers_and_of_many(draw):
    ax, = draw(plot.histograms, "t", {"g": {}}, "x").axes
    assert legend(ax) == []
    layers = {f"blocks.{i}.attention.weight": RNG.normal(size=40) for i in range(33)}
    ax, = draw(plot.histograms, "t", {"g": layers}, "x").axes
    assert len(legend(ax)) == 33
    looks = [(line.get_color(), line.get_linestyle()) for line in ax.lines]
    assert len(set(looks[:32])) == 32, "where colours start again the lines are others"


def test_update_ratios(draw):
    steps, ratios = [0, 10, 20], {"w1": [-3, -2.5, -math.inf], "w2": np.array([math.nan, -2, -1])}
    ax, = draw(plot.update_ratios, steps, ratios, good=-2.5).axes
    assert legend(ax) == ["w1", "w2", "a good pace, -2.5"]
    found = lines(ax)
    for i, (name, values) in enumerate(ratios.items()):
        x, y, color = found[name]
        assert list(x) == steps and color == LAYERS[i]
        np.testing.assert_array_equal(y, np.where(np.isfinite(values), values, math.nan))
    assert list(found["a good pace, -2.5"][1]) == [-2.5, -2.5]


def test_update_ratios_at_the_edges(draw):
    ax, = draw(plot.update_ratios, [0], {"w": [-3.0]}).axes
    assert ax.lines[0].get_marker() == "o", "a single step can be seen"
    low, high = ax.get_xlim()
    assert [x for x in ax.get_xticks() if low <= x <= high] == [0]
    draw(plot.update_ratios, [0, 1], {"w": [-math.inf, math.nan]})
    draw(plot.update_ratios, [], {})
    assert len(legend(draw(plot.update_ratios, [0], {str(i): [-3] for i in range(40)}).axes[0])) == 41


def test_the_same_layer_has_the_same_colour(draw):
    names = [f"layer{i}" for i in range(6)]
    fig = draw(plot.histograms, "t", {g: {n: RNG.normal(size=9) for n in names} for g in "ab"}, "x")
    ax, = draw(plot.update_ratios, [0, 1], {n: [-3, -2] for n in names}).axes
    colors = [{n: lines(a)[n][2] for n in names} for a in (*fig.axes, ax)]
    assert colors[0] == colors[1] == colors[2] and len(set(colors[0].values())) == 6


def test_saturation(draw):
    images = {"before": RNG.random((5, 7)) > 0.5, "after": np.zeros((5, 7), bool)}
    fig = draw(plot.saturation, "White", images)
    assert fig.get_suptitle() == "White" and [ax.get_title("left") for ax in fig.axes] == list(images)
    for ax, image in zip(fig.axes, images.values(), strict=True):
        assert np.array_equal(ax.images[0].get_array(), image) and ax.images[0].get_clim() == (0, 1)
        assert (ax.get_xlabel(), ax.get_ylabel()) == ("unit", "example")


@pytest.mark.parametrize(("shape", "drawn"), [((1, 1), (1, 1)), ((4, 2, 3), (8, 3)), ((5,), (1, 5)), ((2, 1), (2, 1))])
def test_saturation_of_other_shapes(draw, shape, drawn):
    image = RNG.random(shape) > 0.5
    ax, = draw(plot.saturation, "t", {"a": image}).axes
    assert np.array_equal(ax.images[0].get_array(), image.reshape(drawn))


# --- training ---


def test_few_steps_have_whole_numbers_below_them(draw):
    fig = draw(plot.loss_curve, [3.0, 2.5, 2.4])
    fig.draw_without_rendering()
    ax, = fig.axes
    assert [t.get_text() for t in ax.get_xticklabels() if -0.1 < t.get_position()[0] < 2.1] == ["0", "1", "2"]
    assert "each step" in legend(ax)


def test_loss_curve(draw):
    losses = 2 + np.exp(-np.arange(5000) / 500) + RNG.normal(size=5000) / 10
    ax, = draw(plot.loss_curve, losses.tolist(), {"dev": 2.125, "test": 2.25}).axes
    single, mean, *levels = lines(ax).values()
    assert legend(ax)[:2] == ["single batches", "mean of 125 steps"]
    assert legend(ax)[-2:] == ["dev 2.1250", "test 2.2500"] and len(levels) == 2
    assert [list(y) for _, y, _ in levels] == [[2.125, 2.125], [2.25, 2.25]]
    assert 2 <= len(mean[0]) <= 1100 and len(single[0]) <= 2500, "thinned and smoothed by itself"
    np.testing.assert_allclose(mean[1], 2 + np.exp(-np.asarray(mean[0]) / 500), atol=0.1)
    np.testing.assert_array_equal(single[1], losses[np.asarray(single[0], int)])
    low, high = ax.get_ylim()
    assert low < 2.125 and high > 2.25 and mean[0][0] >= 0 and mean[0][-1] <= 5000
    assert ax.get_xlabel() == "step" and ax.get_ylabel() == "loss of a batch"


def test_loss_curve_of_a_resumed_run_in_a_unit_of_one_s_own(draw):
    ax, = draw(plot.loss_curve, [5.0, 4.0, 3.0], start=70, ylabel="mean squared error, m^2", dev={72: 3.5}).axes
    single, mean, dev = lines(ax).values()
    assert list(single[0]) == list(mean[0]) == [70, 71, 72] and list(dev[0]) == [72]
    assert ax.get_ylabel() == "mean squared error, m^2"


def test_the_moving_average_does_not_lag(draw):
    losses = np.linspace(3, 1, 4000)
    ax, = draw(plot.loss_curve, losses).axes
    x, y, _ = lines(ax)["mean of 101 steps"]
    np.testing.assert_allclose(y, losses[x], err_msg="a straight line stays where it is")
    assert x[0] == 50 and 3940 < x[-1] < 3950


@pytest.mark.parametrize("losses", [[3.0], [3.0, 2.0], [2.0] * 300, np.linspace(3, 2, 399, dtype=np.float32)])
def test_loss_curve_at_the_edges(draw, losses):
    ax, = draw(plot.loss_curve, losses, {"low": 1.0, "high": 5.0} if len(losses) == 2 else None).axes
    mean = list(lines(ax).values())[1]
    assert np.isclose(np.mean(mean[1]), np.mean(losses), atol=0.01)
    low, high = ax.get_ylim()
    assert len(mean[0]) == len(losses) - len(losses) // 40 // 2 * 2 and low < min(mean[1]) and max(mean[1]) < high
    assert legend(ax)[2:] == (["low 1.0000", "high 5.0000"] if len(losses) == 2 else [])


def test_loss_curve_of_losses_that_are_not_finite_and_of_none(draw):
    draw(plot.loss_curve, [3.0, 2.0, math.inf, math.nan])
    draw(plot.loss_curve, [math.nan])
    assert draw(plot.loss_curve, 1e-5 * np.arange(3.0)).axes[0].get_ylim()[1] < 1e-4, "small losses fill it"
    with pytest.raises(ValueError, match="loss_curve: got no losses; expected one for each step"):
        plot.loss_curve([])


def test_rate_curve(draw):
    rates, losses = np.logspace(-3, 0, 50), 3 + RNG.normal(size=50) / 10
    smooth = np.convolve(losses, np.ones(5) / 5, "same")
    ax, = draw(plot.rate_curve, rates, losses, smooth, 0.1).axes
    found = lines(ax)
    assert legend(ax) == ["single batches", "smoothed", "lowest at 0.1"] == list(found) and ax.get_xscale() == "log"
    for name, y in (("single batches", losses), ("smoothed", smooth)):
        assert np.array_equal(found[name][0], rates) and np.array_equal(found[name][1], y)
    assert list(found["lowest at 0.1"][0]) == [0.1, 0.1]
    draw(plot.rate_curve, rates, np.ones(50), np.ones(50), 0.1)


def test_size_curve(draw):
    ax, = draw(plot.size_curve, (10, 100, 1000), (2.4, 2.1, 1.8), (2.5, 2.2, 2.3), "neurons").axes
    found = lines(ax)
    assert list(found["train"][1]) == [2.4, 2.1, 1.8] and list(found["dev"][1]) == [2.5, 2.2, 2.3]
    assert list(found["lowest dev loss, 2.200"][0]) == [100, 100] and ticks(ax.xaxis) == ["10", "100", "1,000"]
    assert legend(ax) == ["gap", "dev", "train", "lowest dev loss, 2.200"] and ax.get_xlabel() == "neurons"
    draw(plot.size_curve, (10,), (2.0,), (2.0,), "neurons")


# --- wavenet ---


@pytest.mark.parametrize(("context", "kernel", "levels"), [(8, 2, 3), (2, 2, 1), (9, 3, 2), (16, 4, 2)])
def test_dilated_tree(draw, context, kernel, levels):
    ax, = draw(plot.dilated_tree, context, kernel).axes
    assert f" {context} characters" in ax.get_title("left")
    assert ticks(ax.yaxis) == ["characters", *(f"level {i + 1}\ndilation {kernel**i}" for i in range(levels))]
    strong = [line for line in ax.lines if line.get_linewidth() == 2]
    assert len(strong) == sum(kernel**i for i in range(1, levels + 1)), "one tree"
    ends = {int(x) for line in strong for x, y in line.get_xydata() if y == 0}
    last = max(x for line in ax.lines for x in line.get_xdata())
    assert ends == set(range(last - context + 1, last + 1)), "it sees the last window, all of it, and nothing else"
    for dots, level in zip(ax.collections, (*range(levels, 0, -1), 0), strict=True):
        full = [x for (x, _), c in zip(dots.get_offsets(), dots.get_facecolor(), strict=True) if to_hex(c) != "#d4d7db"]
        assert full == list(range(int(last), int(last) - context, -(kernel**level)))[::-1], "its nodes are in colour"
    for line in ax.lines:
        (above, level), (below, under) = line.get_xydata()
        assert level - under == 1 and (above - below) % kernel ** (level - 1) == 0
        assert 0 <= above - below < kernel**level
        assert line.get_linewidth() != 2 or to_hex(line.get_color()) == LAYERS[int(level) - 1]


def test_ladder_chart(draw):
    rows = [("MLP, context 3", 2.0, 2.25, 2.01, 2.26), ("tree", 1.75, 2.0, 1.76, 2.01)]
    ax, = draw(plot.ladder_chart, rows).axes
    assert ticks(ax.yaxis) == ["MLP,\ncontext 3", "tree"] and "2 networks" in ax.get_title("left")
    assert legend(ax) == ["train", "dev", "train, the notebook", "dev, the notebook"]
    for i, dots in enumerate(ax.collections):
        x, y = np.asarray(dots.get_offsets()).T
        assert x.tolist() == [row[1 + i] for row in rows] and np.round(y).tolist() == [0, -1]
    assert [list(line.get_ydata()) for line in ax.lines] == [[0.12, 0.12], [-0.88, -0.88]]
    assert [list(line.get_xdata()) for line in ax.lines] == [[2.0, 2.25], [1.75, 2.0]]
    ax, = draw(plot.ladder_chart, [("alone", 1.0, 1.0, math.nan, 2.0)], theirs="the lecture", xlabel="nats").axes
    assert legend(ax) == ["train", "dev", "dev, the lecture"] and ax.get_xlabel() == "nats"
    draw(plot.ladder_chart, [("alone", 1.0, 1.0, math.nan, math.nan)])


# --- scalars ---


def test_tangents(draw):
    square = lambda x: x * x
    fig = draw(plot.tangents, {"square": (square, lambda x: 2 * x, [-2, 0, 2], [1.0, 0]), "line": (lambda x: x,
               lambda x: 1.0, [0, 1], [])})
    left, right = fig.axes
    found = lines(left)
    assert list(found) == legend(left) == ["y", "dy/dx", "slope 2 at 1", "slope 0 at 0"]
    assert list(found["y"][1]) == [4, 0, 4] and list(found["dy/dx"][1]) == [-4, 0, 4]
    x, y, _ = found["slope 2 at 1"]
    np.testing.assert_allclose(y, 1 + 2 * (np.asarray(x) - 1))
    assert x[0] < 1 < x[1] and list(lines(right)["dy/dx"][1]) == [1, 1]


# --- attention ---


def test_attention_maps(draw):
    maps = RNG.dirichlet(np.ones(3), (2, 4, 3))  # (layers, heads, T, T)
    fig = draw(plot.attention_maps, maps, ["a", " ", "$"])
    assert len(fig.axes) == 8 and (fig.get_supxlabel(), fig.get_supylabel()) == (
        "key: the position attended to", "query: the position that attends")
    for ax, image in zip(fig.axes, maps.reshape(8, 3, 3), strict=True):
        assert np.array_equal(ax.images[0].get_array(), image)
    assert fig.axes[5].get_title("left") == "block 2, head 2"
    assert ticks(fig.axes[4].xaxis) == ticks(fig.axes[4].yaxis) == ["a", "␣", r"\$"]


@pytest.mark.parametrize(("layers", "heads", "count"), [(1, 1, 1), (1, 1, 64), (4, 4, 24), (2, 12, 8)])
def test_attention_labels_have_room(draw, layers, heads, count):
    fig = draw(plot.attention_maps, np.full((layers, heads, count, count), 1 / count), ["w"] * count)
    boxes = [t.get_window_extent() for t in fig.axes[-heads].get_yticklabels()]
    pitch = fig.axes[0].bbox.height / count
    assert all(t.get_fontsize() / 0.72 <= pitch for t in fig.axes[-heads].get_yticklabels()), "no two lines touch"
    assert len(boxes) == count and all(a.y0 > b.y0 for a, b in pairwise(boxes))


def test_roofline(draw):
    rows = [Row("np.matmul(a, b, out=c)", "forward", (4, 4), 128, 192, 3e-6), Row("np.add(c, 1, out=c)", "backward",
            (4, 4), 16, 128, 1e-6), Row("d = table.take(ix, 0)", "update", (4,), 0, 64, 1e-6)]
    fig = draw(plot.roofline, rows, Roofline(1e11, 1e10))
    assert fig.get_suptitle() == "Where a step of 5 us goes"
    left, right = fig.axes
    assert ticks(left.yaxis) == ["matmul", "add", "x.take"] and texts(left) == [" 60%", " 20%", " 20%"]
    assert sum(len(c.get_offsets()) for c in right.collections) == 2, "what computes nothing is under no roof"
    assert right.lines[0].get_ydata().max() == 100


def test_roofline_of_many_kinds_and_of_one(draw):
    many = [Row(f"np.f{i}(a)", "forward", (), 1, 4, 1e-6) for i in range(15)]
    assert ticks(draw(plot.roofline, many, Roofline(1e11, 1e10)).axes[0].yaxis)[-1] == "the rest"
    draw(plot.roofline, many[:1], Roofline(1e11, 1e10))
