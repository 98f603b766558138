"""The programs that a step keeps: for each mode and setting; numbers that vary, methods, copies, threads, Ctrl-C."""

import builtins
import copy
import functools
import gc
import math
import pickle
import random
import signal
import sys
import threading
import weakref
from functools import partial
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
from steps import V, World, Y, batch, follow

import tinytensor as tt
from tinytensor import core, nn, optim
from tinytensor.compiler.audit import equal

X = np.arange(6, dtype=np.float32).reshape(2, 3) - 2.5


def pairs(i: int) -> tuple[Any, ...]:
    return V[batch(i)], Y[batch(i)] % 4


class Trainer:
    """A model, its optimiser, an average of its weights, and a step."""

    def __init__(self, momentum: Any = None, seed: int = 1) -> None:
        self.model = nn.Sequential(nn.Linear(6, 5, rng=seed), nn.BatchNorm1d(5, momentum=momentum), nn.Dropout(0.5),
                                   nn.Linear(5, 4, rng=seed + 1))
        self.opt = optim.SGD(self.model.parameters(), lr=0.1, momentum=0.9)
        self.ema = optim.EMA(self.model.parameters(), decay=0.9)
        self.smoothing, self.clip = 0.1, 1.0

    def step(self, x: Any, y: Any) -> Any:
        loss = tt.nn.functional.cross_entropy(self.model(x), y, label_smoothing=self.smoothing)
        self.opt.zero_grad()
        loss.backward()
        optim.clip_grad_norm_(list(self.model.parameters()), self.clip)
        self.opt.step()
        self.ema.update()
        return loss

    def state(self) -> list[Any]:
        return [self.model.state_dict(), self.opt.state_dict(), self.ema.state_dict()]


def world(declare: bool = True, momentum: Any = None) -> Any:
    def make() -> World:
        t = Trainer(momentum)
        w = World(t.step, [t.model, t.opt, *([t.ema] if declare else [])], pairs)
        w.trainer, w.state = t, t.state  # type: ignore[attr-defined, method-assign]
        return w

    return make


# --- modes and settings ---


def test_averages_and_statistics_that_count_their_steps() -> None:
    assert len(follow(world()).programs) == len(follow(world(declare=False)).programs) == 1


def test_train_and_eval_by_turns() -> None:
    def between(w: Any, i: int) -> None:
        w.trainer.model.train(i % 2 == 0)

    step = follow(world(), between=between)
    assert len(step.programs) == 2


def test_schedules_of_numbers_that_nobody_declared() -> None:
    def between(w: Any, i: int) -> None:
        t = w.trainer
        t.opt.param_groups[0]["momentum"], t.ema.decay = 0.5 + i / 99, 0.9 + i / 999
        t.smoothing, t.clip = i / 99, 1.0 + i
        t.opt.param_groups[0]["weight_decay"] = 0.01 * (i // 7)
        t.model[1].momentum = 0.1 + i / 99

    step = follow(world(momentum=0.1), steps=30, between=between)
    assert 1 <= len(step.programs) <= 4
    assert step.programs[-1].used


NUMBER = 1.0


class Class:
    number = 1.0


def number_places() -> dict[str, Any]:
    held, items, cell = SimpleNamespace(number=1.0), {"number": 1.0, "list": [0, 1.0]}, 1.0

    class Slots:
        __slots__ = ("number",)

    def set_global(v: float) -> None:
        global NUMBER
        NUMBER = v

    def set_cell(v: float) -> None:
        nonlocal cell
        cell = v

    slots = Slots()
    slots.number = 1.0
    return {
        "attribute": (lambda: held.number, lambda v: setattr(held, "number", v)),
        "item": (lambda: items["number"], lambda v: items.__setitem__("number", v)),
        "item of a list": (lambda: items["list"][1], lambda v: items["list"].__setitem__(1, v)),  # type: ignore[index]
        "slot": (lambda: slots.number, lambda v: setattr(slots, "number", v)),
        "global": (lambda: NUMBER, set_global), "variable around": (lambda: cell, set_cell),
        "class attribute": (lambda: Class.number, lambda v: setattr(Class, "number", v)),
    }


@pytest.mark.parametrize("name", number_places())
def test_a_number_that_varies_is_read_at_each_call(name: str) -> None:
    get, put = number_places()[name]
    step = tt.compile(lambda x: x * get() ** 2 + (get() if get() > 4 else 0) + x ** get())
    for i in range(12):
        put(i / 2)
        x = np.abs(X)
        assert equal(step(x), x * get() ** 2 + (get() if get() > 4 else 0) + x ** get()), i
        assert type(get()) is float
    assert len(step.programs) <= 6
    before = len(step.traces), len(step.programs)
    for i in range(12):
        put(5.25 + i)
        step(np.abs(X))
    assert len(step.programs) <= before[1] + 1


def test_a_number_that_is_needed_as_it_is() -> None:
    held = SimpleNamespace(angle=0.5)
    step = tt.compile(lambda x: x * math.cos(held.angle), max_programs=3)
    for _ in range(3):
        for angle in (0.5, 1.0, 1.5):
            held.angle = angle
            for _ in range(2):
                assert equal(step(X), X * math.cos(angle))
    assert len(step.programs) == 3
    with pytest.raises(tt.CompileError, match="angle has a different value at every call, .* pass it as an argument, a "
                                              "number as a "):
        for _ in range(9):
            held.angle += 0.1
            step(X)


@pytest.mark.parametrize("use", [
    lambda k: {0.5: 2.0}.get(k, 3.0), lambda k: 2.0 if k in {0.5} else 3.0, lambda k: 2.0 if type(k) is float else 3.0,
    lambda k: np.float32(k), lambda k: k.hex() == "x", lambda k: round(k), lambda k: len(f"{k}"), lambda k: int(k),
    lambda k: math.floor(k), lambda k: np.full(3, k), lambda k: divmod(k, 2)[0], lambda k: sorted([k, 0.75])[0],
    lambda k: k or 2.0, lambda k: not k, lambda k: (k, 1.0) < (0.75, 2.0), lambda k: isinstance(k, float),
    lambda k: functools.lru_cache(lambda y: y * 2)(k), lambda k: np.sqrt(k), lambda k: sum([k, k]), lambda k: abs(k)])
def test_whatever_a_float_that_changes_is_used_for(use: Any) -> None:
    held = SimpleNamespace(k=0.5)
    step = tt.compile(lambda x: x * use(held.k))
    for k in (0.5, 0.5, 0.5, 1.0, 1.0, 1.0, 0.5, 0.0, 0.0, 0.0, 1.5, 1.5, 0.5):
        held.k = k
        assert equal(step(X), X * use(k)), k


def test_choices_by_float_arguments() -> None:
    def f(x: Any, lr: float) -> Any:
        return x * (max(lr, 0.5) if lr != 0 else 7)

    step = tt.compile(f)
    for lr in (1.0, 0.25, 0.0, 0.75, 2.0, 0.125, 0.0, -1.0, 3.0, 0.0) * 2:
        assert equal(step(X, lr), f(X, lr))
    assert len(step.programs) == 3


def test_floats_that_are_fixed() -> None:
    def f(x: Any, eps: float = 0.5) -> Any:
        return x * np.sqrt(np.float32(1) + eps) * math.sqrt(eps)

    step = tt.compile(f)
    for _ in range(3):
        assert equal(step(X), f(X))
    with pytest.raises(tt.CompileError):
        step(X, 0.25)
    step = tt.compile(f, static_argnames=("eps",))
    for eps in (0.5, 0.25, -0.0, 0.0, 0.5, 0.25) * 3:
        assert equal(step(X, eps=eps), f(X, eps))
    assert len(step.programs) == 4
    with pytest.raises(TypeError, match="one of static_argnames, got an array"):
        step(X, X)
    with pytest.raises(ValueError, match="expected names of f's arguments, x, eps"):
        tt.compile(f, static_argnames="epsilon")
    with pytest.raises(ValueError, match="got max_programs=0"):
        tt.compile(f, max_programs=0)


def test_programs_that_go_are_freed() -> None:
    step = tt.compile(lambda x: np.tanh(x @ x.T), max_programs=2)
    found = []
    for n in range(2, 8):
        for _ in range(3):
            step(np.ones((n, 3)))
        found.append(weakref.ref(step.programs[-1]))
    gc.collect()
    assert [f() is not None for f in found] == [False] * 4 + [True] * 2
    last = weakref.ref(step)
    del step
    gc.collect()
    assert last() is None and not any(f() for f in found)


def test_parameters_that_get_other_arrays_do_not_keep_the_old_ones() -> None:
    w = nn.Parameter(np.ones(3))
    step = tt.compile(lambda x: x * w, w)
    for i in range(6):
        w.data = np.full(3, float(i))
        for _ in range(3):
            assert equal(step(X), X * w)
    assert len(step.programs) == 1


# --- methods ---


class Decorated(Trainer):
    @tt.compile
    def fast(self, x: Any, y: Any) -> Any:
        """One step."""
        return self.step(x, y)


class Layer(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.layer, self.norm = nn.Linear(6, 3, rng=1), nn.BatchNorm1d(3)

    @tt.compile(max_programs=3)
    def forward(self, x: Any) -> Any:
        return self.norm(self.layer(x))


def test_decorated_methods() -> None:
    fast, other, plain = Decorated(seed=1), Decorated(seed=4), [Trainer(seed=1), Trainer(seed=4)]
    for i in range(6):
        for a, b in zip((fast, other), plain, strict=True):
            tt.manual_seed(i)
            wanted = b.step(*pairs(i)).data
            tt.manual_seed(i)
            assert equal(a.fast(*pairs(i)).data, wanted) and equal(a.state(), b.state())
    assert fast.fast is not other.fast and fast.fast.programs and Decorated.fast is Decorated.__dict__["fast"]
    gone = weakref.ref(fast)
    del fast, a
    gc.collect()
    assert gone() is None
    again = pickle.loads(pickle.dumps(other))
    tt.manual_seed(9)
    wanted = other.fast(*pairs(0)).data
    tt.manual_seed(9)
    assert equal(again.fast(*pairs(0)).data, wanted) and again.fast.attribute[0] is again


def test_a_decorated_forward() -> None:
    layer, plain = Layer(), Layer()
    own = Layer.__dict__["forward"].step
    for i in range(5):
        assert equal(layer(V[batch(i)]).data, own(plain, V[batch(i)]).data)
        assert equal(layer.state_dict(), plain.state_dict())
    twin = copy.deepcopy(layer)
    layer(V[:8])
    assert not equal(twin.state_dict(), layer.state_dict()) and equal(twin.state_dict(), plain.state_dict())


# --- copies ---


def closure(declared_by_name: bool = True) -> Any:
    t = Trainer()

    def helper(x: Any, y: Any) -> Any:
        return t.step(x, y)

    t.run = tt.compile(lambda x, y: helper(x, y), t.model, t.opt, t.ema)  # type: ignore[attr-defined]
    return t


def bound() -> Any:
    t = Trainer()
    t.run = tt.compile(t.step, t.model, t.opt, t.ema)  # type: ignore[attr-defined]
    return t


def with_partial() -> Any:
    t = Trainer()
    t.run = tt.compile(partial(Trainer.step, t), t.model, t.opt)  # type: ignore[attr-defined]
    return t


def default() -> Any:
    t = Trainer()

    def f(x: Any, y: Any, *, t: Any = t) -> Any:
        return t.step(x, y)

    t.run = tt.compile(f, t.model, t.opt)  # type: ignore[attr-defined]
    return t


@pytest.mark.parametrize("make", [closure, bound])
def test_the_copy_of_a_trainer_trains_apart(make: Any) -> None:
    t, plain = make(), Trainer()
    for i in range(8):
        tt.manual_seed(i)
        wanted = plain.step(*pairs(i)).data
        tt.manual_seed(i)
        assert equal(t.run(*pairs(i)).data, wanted)
        if i == 3:
            u = copy.deepcopy(t)
            kept = copy.deepcopy(u.state())
    assert equal(kept, u.state())
    for i in range(4, 8):
        tt.manual_seed(i)
        u.run(*pairs(i))
    assert equal(u.state(), t.state()) and u.run.programs


MODEL = nn.Linear(3, 2, rng=1)


def test_a_step_that_reaches_what_was_declared_by_variables_of_its_module_is_not_copied() -> None:
    with pytest.raises(tt.CompileError, match="a copy would train the same"):
        copy.deepcopy(tt.compile(lambda x: MODEL(x), MODEL))


def test_pickling_says_what_to_do() -> None:
    with pytest.raises(TypeError, match=r"can't be pickled; expected what it was made of; pickle the model"):
        pickle.dumps(tt.compile(lambda x: x))


# --- threads ---


def in_threads(n: int, work: Any) -> None:
    """Run it with 0, 1, ... in so many threads at once; what one raises is raised here."""
    failed: list[BaseException] = []

    def run(i: int) -> None:
        try:
            work(i)
        except BaseException as error:
            failed.append(error)

    threads = [threading.Thread(target=run, args=(i,)) for i in range(n)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(60)
        assert not thread.is_alive()
    if failed:
        raise failed[0]


@pytest.fixture
def switching() -> Any:
    before = sys.getswitchinterval()
    sys.setswitchinterval(1e-5)
    yield
    sys.setswitchinterval(before)


def simple(seed: int) -> Any:
    model = nn.Sequential(nn.Linear(6, 5, rng=seed), nn.Tanh(), nn.Linear(5, 4, rng=seed))
    opt = optim.SGD(model.parameters(), lr=0.1)

    def step(x: Any, y: Any) -> Any:
        loss = tt.cross_entropy(model(x), y)
        opt.zero_grad()
        loss.backward()
        opt.step()
        return loss

    return model, opt, step


@pytest.mark.parametrize("n", [2, 4])
def test_steps_that_are_compiled_at_once(n: int, switching: Any) -> None:
    def work(i: int) -> None:
        (model, opt, step), (_, _, plain) = simple(i), simple(i)
        compiled = tt.compile(step, model, opt)
        for k in range(6):
            assert equal(compiled(*pairs(k)).data, plain(*pairs(k)).data)

    for _ in range(4):
        in_threads(n, work)


def test_a_step_that_two_threads_call(switching: Any) -> None:
    (model, opt, step), (_, _, plain) = simple(1), simple(1)
    compiled, found = tt.compile(step, model, opt), list[float]()
    in_threads(2, lambda i: [found.append(float(compiled(*pairs(0)))) for _ in range(20)])
    assert sorted(found) == sorted([float(plain(*pairs(0))) for _ in range(40)])


def test_others_go_on_while_one_traces(switching: Any) -> None:
    model, opt, step = simple(1)
    noisy, ended, drawn, real = nn.Dropout(0.5), threading.Event(), [0], builtins.print

    def work(i: int) -> None:
        if i:
            while not ended.is_set() or not drawn[0]:
                builtins.print("", end="")
                tt.random.default_generator().rand(2)
                np.random.rand()
                random.random()
                noisy(V[:2])
                float(tt.cross_entropy(model(V[:8]), Y[:8] % 4))
                str(model[0].weight)
                drawn[0] += 1
            return
        try:
            for _ in range(15):
                compiled = tt.compile(step, model, opt)
                for k in range(3):
                    compiled(*pairs(k))
                with pytest.raises(tt.CompileError, match=r"float\(\)"):
                    tt.compile(lambda x: x * float(x.sum()))(X)
                with pytest.raises(tt.CompileError, match="a draw from np.random itself"):
                    tt.compile(lambda x: x * np.random.rand())(X)
        finally:
            ended.set()

    in_threads(2, work)
    assert builtins.print is real and not core.tracing and type(tt.random.default_generator()) is tt.Generator


# --- errors of the step's own ---


def test_what_a_step_did_before_its_error_stays() -> None:
    def run(make: Any, fails: Any) -> list[Any]:
        s, rng, log, found = np.zeros(3, np.float32), np.random.default_rng(1), list[int](), list[Any]()

        def step(x: Any, k: bool) -> Any:
            log.append(1)
            s[...] += rng.normal(size=3)
            if k:
                raise KeyError("own")
            log.pop()
            return x + s

        f = make(step, s, rng)
        for i in range(24):
            try:
                found.append(f(X, i in fails).tolist())
            except KeyError as error:
                found.append((repr(error), error.__context__))
            found.append((s.tolist(), len(log)))
        return found

    for fails in ([0, 3], [1, 2, 9], range(20)):
        assert run(tt.compile, fails) == run(lambda step, *_: step, fails)


def test_an_error_that_only_a_trace_has() -> None:
    """The result comes, and the state is moved once."""
    s = np.zeros(3, np.float32)

    def step(x: Any) -> Any:
        s[...] += 1
        if core.tracing:
            raise KeyError
        return x + s

    f = tt.compile(step, s)
    assert f(X).tolist() == (X + 1).tolist() and s.tolist() == [1, 1, 1] and not f.traces


# --- Ctrl-C ---


def test_an_interrupt_leaves_nothing_changed_or_the_whole_step_made() -> None:
    def begun() -> Any:
        t = Trainer()
        t.held = {"a": np.ones(6, np.float32), "b": (np.ones(6, np.float32), 2)}  # type: ignore[attr-defined]
        return t, tt.compile(lambda x, y: t.step(x * t.held["a"] * t.held["b"][0], y), t.model, t.opt)  # type: ignore[attr-defined]

    def called(run: Any, at: int = -1) -> int:
        count = 0

        def event(frame: Any, kind: str, arg: Any) -> Any:
            nonlocal count
            count += 1
            if 0 <= at <= count and frame.f_code.co_name != "<genexpr>":  # one that is being closed would ignore it
                sys.settrace(None)
                signal.raise_signal(signal.SIGINT)
            return event

        before = sys.gettrace()
        sys.settrace(event)
        try:
            run(*pairs(0))
        finally:
            sys.settrace(before)
        return count

    def state(t: Any) -> Any:
        params = list(t.model.parameters())
        return [t.state(), t.held, tt.random.default_generator().get_state(), [type(p.data) for p in params],
                [p.grad for p in params], type(t.opt.lr), t.ema.steps]

    total = min(called(begun()[1]) for _ in range(3)) - 99
    tt.manual_seed(0)
    whole, run = begun()
    run(*pairs(0))
    wanted, real, rng = state(whole), builtins.print, random.Random(0)
    for at in sorted(rng.sample(range(total), 25)):
        tt.manual_seed(0)
        t, run = begun()
        before = copy.deepcopy(state(t))
        with pytest.raises(KeyboardInterrupt):
            called(run, at)
        assert equal(state(t), before) or equal(state(t), wanted), at
        assert builtins.print is real and not core.tracing
        assert signal.getsignal(signal.SIGINT) is signal.default_int_handler
        for k in range(3):
            run(*pairs(k))
