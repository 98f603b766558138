"""The test kit finds what is wrong, says what to fix, and never passes by accident."""
import gc
import importlib
import re
import subprocess
import sys
import threading
import traceback
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import tinytensor as tt
from tinytensor import nn
from tinytensor.apply import PUBLIC
from tinytensor.core import NUMPY, POSITIVE, REAL, REGISTRY, Tensor
from tinytensor.define import S, op, ufunc_op
from tinytensor.ops.elementwise import UNIT
from tinytensor.testing import (
    against,
    assert_float32_kept,
    assert_no_leak,
    check_op,
    checks,
    gradcheck,
)
from tinytensor.testing.breaks import BREAKS, breaking, examined, main
from tinytensor.testing.points import special, special_inputs

ROOT = Path(__file__).resolve().parents[2]
X = np.array([[0.3, -1.2, 2.0], [0.7, 1.5, -0.4]])
MODULES = [f"tinytensor.testing.{p.stem}" for p in (ROOT / "tinytensor" / "testing").glob("*.py") if p.stem[0] != "_"]


def text_of(f: Any, *args: Any, error: Any = AssertionError, **kwargs: Any) -> str:
    with pytest.raises(error) as caught:
        f(*args, **kwargs)
    return str(caught.value)


@pytest.mark.parametrize("name", MODULES)
def test_classes_have_docstrings(name: str) -> None:
    module = importlib.import_module(name)
    for key, thing in vars(module).items():
        if isinstance(thing, type) and thing.__module__ == name:
            assert thing.__doc__, f"{name}.{key}"


# --- the op at fault ---


def wrong_tanh(g: Any, y: Any, x: Any) -> Any:
    return 1.01 * g * (1 - y * y)


def detached_tanh(g: Any, y: Any, x: Any) -> Any:
    y = y.data if isinstance(y, Tensor) else y
    return g * (1 - y * y)


def network(x: Any) -> Any:
    hidden = np.tanh(x @ X.T)
    return (hidden * np.exp(-hidden)).sum()


@pytest.mark.parametrize("rule, order", [(wrong_tanh, 1), (detached_tanh, 2), (lambda g, y, x: g[0], 1)])
def test_the_op_and_the_line_are_named(rule: Any, order: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(REGISTRY["tanh"], "rules", (rule,))
    text = text_of(gradcheck, network, X, order=order)
    line = rule.__code__.co_firstlineno
    assert f"; fix the rule of tanh for input 0 (test_kit.py:{line}), applied at test_kit.py:" in text
    assert text.endswith(": hidden = np.tanh(x @ X.T)")


def test_a_wrong_definition_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(REGISTRY["softmax"], "definition", lambda x, axis=-1: np.tanh(x))
    assert gradcheck(tt.softmax, X)
    assert "fix the rule of softmax for input 0" in text_of(gradcheck, lambda x: np.exp(tt.softmax(x)), X, order=2)


@pytest.mark.parametrize("f", [lambda x: x * x.detach(), lambda x: x + np.exp(x.data), lambda x: x * quietly(x)])
def test_a_gradient_that_is_lost_between_ops(f: Any) -> None:
    assert "every op on the way is right by itself: look for data that leaves the graph" in text_of(gradcheck, f, X)


def test_a_rule_without_g_is_wrong_for_a_scalar_too(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(REGISTRY["exp"], "rules", (lambda g, y, x: y,))
    assert "where the value is 0; expected 1, the" in text_of(gradcheck, np.exp, np.zeros(()))


def quietly(x: Any) -> Any:
    with tt.no_grad():
        return np.exp(x)


def test_a_line_in_a_layer_of_the_package_is_the_layers_own(monkeypatch: pytest.MonkeyPatch) -> None:
    linear = REGISTRY["linear"]
    monkeypatch.setattr(linear, "rules", (*linear.rules[:2], lambda g, y, x, w, b: 2 * g.sum(0)))
    assert "fix the rule of linear for input 2 (test_kit.py:" in text_of(gradcheck, nn.Linear(3, 2, rng=0), X)


@pytest.mark.parametrize("check, f, error", [
    (gradcheck, lambda x: x * x.detach(), AssertionError),
    (gradcheck, lambda x: x > 0, TypeError),
    (assert_float32_kept, lambda x: x * X, AssertionError),
])
def test_the_traceback_has_the_users_frames_alone(check: Any, f: Any, error: Any) -> None:
    with pytest.raises(error) as caught:
        check(f, X)
    frames = traceback.extract_tb(caught.value.__traceback__)
    assert [frame.name for frame in frames] == ["test_the_traceback_has_the_users_frames_alone", "call"]


def test_an_error_of_the_users_own_keeps_its_frames() -> None:
    def faulty(x: Any) -> Any:
        raise KeyError("mine")

    for check in (gradcheck, assert_float32_kept, assert_no_leak):
        with pytest.raises(KeyError) as caught:
            check(faulty, X)
        names = [frame.name for frame in traceback.extract_tb(caught.value.__traceback__)]
        assert names == ["test_an_error_of_the_users_own_keeps_its_frames", "call", "faulty"]


# --- against ---


def needs(*names: str) -> list[Any]:
    return [pytest.param(name, marks=() if name == "numpy" else pytest.mark.peer) for name in names]


def both(np: Any, x: Any) -> Any:
    return np.tanh(x) @ x.T, np.sum(x, axis=0), np.argmax(x)


@pytest.mark.parametrize("oracle", needs("numpy", "torch", "jax"))
def test_against(oracle: str) -> None:
    pytest.importorskip(oracle)
    assert against(both, oracle, X)
    assert against(lambda np, x, i, k: np.exp(x[i]) * k, oracle, X.astype(np.float32), np.array([1, 1, 0]), 2)
    assert against(lambda np, x: np.sign(x) * 2, oracle, X)
    assert against(lambda np, a, b: a * 3, oracle, X, X)  # one that is not used
    differ = text_of(against, (np.tanh, lambda x: x * 2), oracle, X)
    assert differ.startswith("against: the value is 0.96402758 at element (0, 2); expected 4, that of " + oracle)


@pytest.mark.peer
@pytest.mark.parametrize("oracle", ["torch", "jax"])
def test_against_finds_a_gradient_that_differs(oracle: str, monkeypatch: pytest.MonkeyPatch) -> None:
    pytest.importorskip(oracle)
    monkeypatch.setattr(REGISTRY["tanh"], "rules", (wrong_tanh,))
    text = text_of(against, lambda np, x: np.tanh(x), oracle, X)
    assert "against: the gradient of input 0 is" in text and "the values agree, so fix a rule" in text


@pytest.mark.peer
def test_against_torchs_own_functions() -> None:
    torch = pytest.importorskip("torch")
    assert against((tt.softmax, lambda x: torch.softmax(x, -1)), "torch", X)
    assert against((lambda x: tt.split(x, 3, 1), lambda x: torch.split(x, 1, 1)), "torch", X)
    text = text_of(against, (tt.softmax, lambda x: torch.softmax(x, 0)), "torch", X.astype(np.float32))
    assert "against: the value is" in text and "fix the forward pass" in text
    assert "f returned 3 outputs; expected 1" in text_of(against, (lambda x: tt.split(x, 3, 1), torch.exp), "torch", X)
    text = text_of(against, (tt.transpose, torch.exp), "torch", X)
    assert "the value has shape (3, 2) and dtype float64; expected (2, 3) and float64, as torch returns" in text


@pytest.mark.peer
def test_jax_is_left_as_it_was() -> None:
    jnp = pytest.importorskip("jax.numpy")
    against(lambda np, x: np.exp(x), "jax", X)
    assert jnp.asarray(X).dtype == np.float32


def test_against_says_what_it_needs(monkeypatch: pytest.MonkeyPatch) -> None:
    assert "got oracle 'mxnet'; expected one of 'torch', 'jax', 'numpy'" in text_of(
        against, np.exp, "mxnet", X, error=ValueError)
    assert "got no floating array among the inputs" in text_of(against, lambda np, x: x, "numpy", 3, error=ValueError)
    monkeypatch.setitem(sys.modules, "torch", None)
    monkeypatch.delitem(sys.modules, "torch._numpy", raising=False)
    assert text_of(against, lambda np, x: x, "torch", X, error=ImportError).endswith(
        'pip install torch, or compare f with "numpy", which is always there')


# --- float32 ---


@pytest.mark.parametrize("f", [
    lambda x: np.tanh(0.5 * x).var(ddof=1), lambda x: tt.where(x > 0, x, 0.1), lambda x: x.argmax(),
    lambda x: x * np.float32([1.5]), lambda x: tt.split(np.exp(x), 3, 1), nn.Linear(3, 2, rng=0), nn.LayerNorm(3)])
def test_what_keeps_float32(f: Any) -> None:
    assert assert_float32_kept(f, X)


@pytest.mark.parametrize("f, text", [
    (lambda x: np.exp(x * np.array([2.0])).sum(), r"multiply returned float64 of shape \(2, 3\), from float32 \(2, 3\) "
     r"and float64 \(1,\), at test_kit\.py:\d+: .*; expected float32; make constant arrays float32"),
    (lambda x: x.astype(np.float64).sum(), "astype returned float64"),
    (lambda x: np.float64(0.5) * x.detach(), r"a constant returned float64 of shape \(2, 3\), at"),
    (lambda x: [x, x + np.eye(3)[:2]], "add returned float64"),
])
def test_what_does_not(f: Any, text: str) -> None:
    assert re.match(f"assert_float32_kept: {text}", text_of(assert_float32_kept, f, X), re.DOTALL)


def test_a_rule_that_promotes_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(REGISTRY["tanh"], "rules", (lambda g, y, x: g * (np.ones(()) - y * y),))
    assert "the rule of tanh for input 0: got" in text_of(assert_float32_kept, np.tanh, X)
    there_and_back = lambda g, y, x: (g.astype(np.float64) * (1 - y * y)).astype(np.float32)
    monkeypatch.setattr(REGISTRY["tanh"], "rules", (there_and_back,))
    assert "returned float64 of shape (2, 3) in a rule" in text_of(assert_float32_kept, np.tanh, X)
    assert "f returned float; expected a Tensor" in text_of(assert_float32_kept, lambda x: 1.0, X, error=TypeError)


# --- leaks ---

KEPT: list[Any] = []


class Trainer:
    seen: list[Any] = []  # noqa: RUF012 (the leak)

    def last(self, x: Any) -> None:
        self.loss = np.exp(x).sum()

    def all(self, x: Any) -> None:
        self.seen.append(np.exp(x).sum())


def in_a_closure() -> Any:
    kept = {}

    def step(x: Any) -> None:
        kept[len(kept)] = np.exp(x).sum()

    return step


def with_a_hook(x: Any) -> None:
    y = np.exp(x)
    y.register_hook(lambda g: print(y.shape))


LEAKS = {
    "a list, the global KEPT of test_kit": lambda x: KEPT.append(np.exp(x).sum()),
    "the attribute loss of a Trainer": Trainer().last,
    "a list, the key 'seen' of a dict, the class Trainer": Trainer().all,
    "the variable kept of in_a_closure.<locals>.step (test_kit.py:": in_a_closure(),
    "a reference cycle, until the garbage collector runs: the variable y of with_a_hook": with_a_hook,
}


@pytest.mark.parametrize("holder", LEAKS)
def test_what_holds_a_graph_is_named(holder: str) -> None:
    try:
        text = text_of(assert_no_leak, LEAKS[holder], X)
    finally:
        KEPT.clear()
        Trainer.seen.clear()
    assert text.startswith("assert_no_leak: after 3 steps ") and "the newest was made by " in text
    assert holder in text and ", at test_kit.py:" in text and gc.isenabled()


@pytest.mark.parametrize("f", [
    lambda x: np.exp(x), lambda x: KEPT.append(np.exp(x).sum().item()), lambda x: KEPT.append(np.exp(x).detach()),
    lambda x: tt.softmax(x).sum().backward(), lambda x: tt.grad(np.exp(x).sum(), x, create_graph=True)])
def test_what_leaks_nothing(f: Any) -> None:
    assert assert_no_leak(f, X, steps=2)
    KEPT.clear()


# --- ops of users ---


def softsign_rule(g: Any, y: Any, x: Any) -> Any:
    return g / np.square(1 + np.abs(x))


def defined(rule: Any = softsign_rule, forward: Any = lambda x: x / (1 + np.abs(x)), **options: Any) -> Any:
    forward = type(forward)(forward.__code__, forward.__globals__, "softsign", None, forward.__closure__)
    forward.__module__ = __name__
    return op(rule, **{"samples": (S((2, 3)), S(())), "method": False, **options})(forward)


def test_an_op_of_ones_own_is_checked() -> None:
    names = [str(check) for check in checks(defined())]
    assert {"softsign-0-values", "softsign-1-special", "softsign-shapes"} <= set(names)
    check_op(defined(), lambda x: x / (1 + abs(x)))
    check_op(defined(definition=lambda x: x / (1 + np.abs(x))))
    check_op("tanh")
    check_op(REGISTRY["multiply"])


def test_an_op_of_ones_own_compiles() -> None:
    mine, x = defined(), tt.tensor([1.0, -3.0], requires_grad=True)

    def step(x: Any) -> Any:
        y = mine(x).sum()
        return y, tt.grad(y, x)

    for got, expected in zip(tt.compile(step)(x), step(x), strict=True):
        np.testing.assert_array_equal(got.detach(), expected.detach())


def half(x: Any) -> Any:
    return np.where(x == 0, 1.0, x) * 0.5 if x.dtype == np.float64 else x / 2


def writes(g: Any, y: Any, x: Any) -> Any:
    g *= 2
    return g / 2 * softsign_rule(1, y, x)


WRONG = {  # options of the op -> the check that notices
    "values": ({"forward": lambda x: x / (1.1 + np.abs(x))}, "the reference"),
    "layouts": ({"rule": writes}, "read-only"),
    "gradient": ({"rule": lambda g, y, x: 1.01 * softsign_rule(g, y, x)}, "gradcheck"),
    "definition": ({"definition": lambda x: x / (1 + 2 * np.abs(x))}, "Not equal"),
    "float32": ({"rule": lambda g, y, x: softsign_rule(g, y, x) * np.ones(())}, "the rule of softsign"),
    "special": ({"rule": lambda g, y, x: softsign_rule(g, y, x) * np.where(x == 0, 0, 1)}, "expected from 1"),
    "shapes": ({"rule": lambda g, y, x: softsign_rule(g, y, x) if y.size else np.zeros(7)}, "the rule of softsign"),
}


@pytest.mark.parametrize("name", WRONG)
def test_each_check_notices(name: str) -> None:
    mine = defined(**WRONG[name][0])
    failed = set()
    for check in checks(mine, lambda x: x / (1 + np.abs(x))):
        try:
            check()
        except (AssertionError, ValueError, RuntimeError):
            failed.add(str(check).rpartition("-")[2])
    assert name in failed
    with pytest.raises((AssertionError, ValueError, RuntimeError)) as caught:
        check_op(mine, lambda x: x / (1 + np.abs(x)))
    assert caught.value.__notes__[0].startswith("in the check softsign-")


def test_a_users_op_gets_no_name_and_takes_none() -> None:
    before, answers = set(PUBLIC), set(NUMPY)
    defined()
    defined()  # again, as in a notebook
    assert set(PUBLIC) == before and set(NUMPY) == answers and not hasattr(Tensor, "softsign")
    assert "softsign" not in REGISTRY
    with pytest.raises(ValueError,
                       match="define: got the name exp, which .*; expected a new"):
        op(softsign_rule, samples=(S(()),))(type(half)(half.__code__, globals(), "exp"))
    with pytest.raises(ValueError, match="define: got the name shape, which"):
        op(softsign_rule, method=True)(type(half)(half.__code__, globals(), "shape"))
    with pytest.raises(ValueError,
                       match="define: got numpy=exp, which has an op already, exp; expected"):
        op(softsign_rule, numpy=(np.exp,))(half)
    with pytest.raises(ValueError, match="define: got numpy=exp, which has|define: got the name exp"):
        ufunc_op(np.exp, lambda g, y, x: g)


def test_a_method_where_it_is_asked_for() -> None:
    try:
        defined(method=True)
        mine = defined(method=True)  # again, as in a notebook
        assert tt.tensor([1.0]).softsign().item() == 0.5 and Tensor.softsign is mine
    finally:
        del Tensor.softsign


@pytest.mark.peer
def test_a_ufunc_of_another_library() -> None:
    scipy = pytest.importorskip("scipy.special")
    try:
        gammaln = ufunc_op(scipy.gammaln, lambda g, y, x: g * scipy.digamma(np.asarray(x)), domain=POSITIVE)
        x = tt.tensor([3.0], requires_grad=True)
        scipy.gammaln(x).backward()
        assert x.grad[0] == pytest.approx(scipy.digamma(3.0)) and not hasattr(Tensor, "gammaln")
        assert gradcheck(gammaln, np.array([0.5, 2.0]))
    finally:
        NUMPY.pop(scipy.gammaln, None)


@pytest.mark.parametrize("thing, error, text", [
    (lambda x: x, TypeError, "check_op: got <lambda>, which is not an op; expected the result of define.op or "
                             "define.ufunc_op"),
    ("nonsense", TypeError, "check_op: got nonsense, which is not an op"),
    (defined(samples=()), ValueError, "check_op: got softsign, which has no samples; expected one call or more"),
])
def test_what_can_not_be_checked(thing: Any, error: Any, text: str) -> None:
    assert text_of(check_op, thing, error=error).startswith(text)


def test_special_points() -> None:
    assert special(REAL) == (0, 1, -1) and special(POSITIVE) == (0, 1) and special(UNIT) == (0, 1, -1)
    grid, = special_inputs(REGISTRY["divide"], REGISTRY["divide"].samples[0])
    assert len(grid[0]) == 9 and set(grid[1].tolist()) == {0, 1, -1}
    fills = [x.ravel().tolist() for x, in special_inputs(REGISTRY["max"], S((2, 2)))]
    assert fills == [[0] * 4, [1] * 4, [-1] * 4, [0, 1, -1, 0]]


# --- labs ---


@pytest.mark.parametrize("name", BREAKS)
def test_a_mistake_is_caught_by_the_checks_that_are_named(name: str) -> None:
    before = examined(BREAKS[name].f)
    with breaking(name) as mistake:
        found = examined(mistake.f)
    assert {check for check, text in found.items() if text} == mistake.caught_by
    assert not any(before.values()) and examined(mistake.f) == before  # right before, and restored


def test_the_page_shows_each_mistake_with_the_checks_that_catch_it() -> None:
    page = (ROOT / "examples" / "guides" / "testing.md").read_text("utf-8")
    rows = re.findall(r"^\| ([^|]+) \| (`[^|]+) \|$", page.partition("| mistake |")[2], re.MULTILINE)
    shown = {name: set(re.findall("`(.*?)`", told)) for name, told in rows}
    assert shown == {name: mistake.caught_by for name, mistake in BREAKS.items()}


def test_another_thread_makes_no_mistake() -> None:
    found = []
    with breaking("= for +="):
        thread = threading.Thread(target=lambda: found.append(gradcheck(lambda x: x * x, X)))
        thread.start()
        thread.join()
        assert "gradcheck: " in text_of(gradcheck, lambda x: x * x, X)
    assert found == [True]


def test_the_script(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["a wrong factor"]) == 0
    out = capsys.readouterr().out
    assert "the rule of square: `2 * g * x` becomes `g * x`" in out
    assert re.search(r"gradcheck +catches it: .*\n.*against +catches it: .*\n.*float32_kept +passes", out)
    assert main(["nonsense"]) == 2 and "got 'nonsense'; expected any of 'no topo" in capsys.readouterr().err
    assert "got 'nonsense'" in text_of(breaking("nonsense").__enter__, error=ValueError)


MINE = """
import numpy as np
from tinytensor.testing import gradcheck

def test_it():
    gradcheck(lambda x: x * x, np.ones(2))
"""


@pytest.mark.parametrize("flag, passes", [((), True), (("--break", "= for +="), False)])
def test_the_plugin(flag: Any, passes: bool, tmp_path: Path) -> None:
    (tmp_path / "test_mine.py").write_text(MINE)
    command = [sys.executable, "-m", "pytest", "-p", "tinytensor.testing.plugin", "-p", "no:cacheprovider", *flag]
    done = subprocess.run([*command, "test_mine.py"], cwd=tmp_path, capture_output=True, text=True,
                          env={"PYTHONPATH": str(ROOT), "OPENBLAS_NUM_THREADS": "1"})
    assert (done.returncode == 0) == passes, done.stdout
    assert passes or "gradcheck: the gradient of input 0 is" in done.stdout
