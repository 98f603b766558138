"""What a step sees beside its arguments: whatever changes there is noticed at the next call, or refused by its name."""

import abc
import array
import builtins
import collections
import contextvars
import dataclasses
import enum
import functools
import importlib
import io
import itertools
import operator
import os
import queue
import random
import sys
import threading
import types
import weakref
from typing import Any

import numpy as np
import pytest

import tinytensor as tt
from tinytensor import nn
from tinytensor.compiler.audit import equal

X = np.arange(6, dtype=np.float32).reshape(2, 3) - 2.5
Pair = collections.namedtuple("Pair", "a b")
SETTING = 2.0
CASES: dict[str, Any] = {}


def ones(value: float = 1) -> Any:
    return np.full(3, value, np.float32)


def case(make: Any) -> Any:
    """A function that gives a step, and what changes something that it sees."""
    CASES[make.__name__] = make
    return make


PLACE = random.Random(1).getstate()


class Holder:
    k = 2.0

    def f(self, x: Any) -> Any:
        return x * self.k

    @property
    def p(self) -> Any:
        return self.k

    @classmethod
    def c(cls, x: Any) -> Any:
        return x * cls.k

    @staticmethod
    def s(x: Any) -> Any:
        return x * 2


def fresh() -> Any:
    """A class of its own, like Holder."""
    return type("Own", (Holder,), dict(vars(Holder)))


@case
def array_in_a_namedtuple() -> Any:
    n = Pair(ones(), 1)
    return lambda x: x * n.a, lambda: n.a.__setitem__(..., 5)


@case
def array_in_a_tuple_of_a_dict() -> Any:
    d = {"a": (ones(), [(ones(), 2)])}
    return lambda x: x * d["a"][1][0][0], lambda: d["a"][1][0][0].__setitem__(..., 5)


@case
def array_in_a_frozen_dataclass() -> Any:
    @dataclasses.dataclass(frozen=True, slots=True)
    class Frozen:
        a: Any

    n = Frozen(ones())
    return lambda x: x * n.a, lambda: n.a.__setitem__(..., 5)


@case
def array_met_by_a_call_into_python_itself() -> Any:
    held = {"a": ones()}
    return lambda x: x * functools.reduce(lambda a, b: a + b, held.values()), lambda: held["a"].__setitem__(..., 5)


@case
def array_behind_a_bound_method() -> Any:
    a = ones()
    total = a.sum
    return lambda x: x * total(), lambda: a.__setitem__(..., 5)


@case
def array_in_a_partial() -> Any:
    a = ones()
    f = functools.partial(np.multiply, a)
    return lambda x: f(x), lambda: a.__setitem__(..., 5)


@case
def deque() -> Any:
    d = collections.deque([ones()])
    return lambda x: x * d[-1], lambda: d.append(ones(5))


@case
def long_list() -> Any:
    d = [1.0] * 2000
    return lambda x: x * d[1500], lambda: d.__setitem__(1500, 5.0)


@case
def long_dict() -> Any:
    d = dict.fromkeys(range(2000), "a")
    return lambda x: x * len(d[1500]), lambda: d.__setitem__(1500, "abc")


@case
def order_of_a_dict() -> Any:
    d = {"a": 2.0, "b": 3.0}
    return lambda x: x * next(iter(d.values())), lambda: d.__setitem__("a", d.pop("a"))


@case
def order_of_an_ordered_dict() -> Any:
    d = collections.OrderedDict(a=2.0, b=3.0)
    return lambda x: x * next(iter(d.values())), lambda: d.move_to_end("a")


@case
def what_a_defaultdict_makes() -> Any:
    d: Any = collections.defaultdict(lambda: 2.0)
    return lambda x: x * d.copy()["k"], lambda: setattr(d, "default_factory", lambda: 5.0)


@case
def shape_of_an_array() -> Any:
    a = np.arange(12, dtype=np.float32).reshape(3, 4)
    return lambda x: x * a.sum(0).max(), lambda: setattr(a, "shape", (4, 3))


@case
def dtype_of_an_array() -> Any:
    a = np.full(2, 2**20, np.float32)
    return lambda x: x + a.max(), lambda: setattr(a, "dtype", np.int32)


@case
def bases_of_a_class() -> Any:
    class A:
        def f(self, x: Any) -> Any:
            return x * 2

    class B:
        def f(self, x: Any) -> Any:
            return x * 3

    class C(A):
        pass

    c = C()
    return lambda x: c.f(x), lambda: setattr(C, "__bases__", (B,))


@case
def item_that_a_getter_gets() -> Any:
    get, d = operator.itemgetter("a"), {"a": 2.0}
    return lambda x: x * get(d), lambda: d.__setitem__("a", 5.0)


class Doubled(list):  # type: ignore[type-arg]
    def __getitem__(self, i: Any) -> Any:
        return list.__getitem__(self, i) * 2


class Short(collections.deque):  # type: ignore[type-arg]
    def __len__(self) -> int:
        return 1


class Silent(set):  # type: ignore[type-arg]
    def __iter__(self) -> Any:
        return iter(())


@case
def list_that_gives_other_items() -> Any:
    d = Doubled([1.0])
    return lambda x: x * d[0], lambda: d.__setitem__(0, 5.0)


@case
def deque_of_another_length() -> Any:
    d = Short([1.0, 2.0])
    return lambda x: x * d[1], lambda: d.__setitem__(1, 5.0)


@case
def set_that_shows_nothing() -> Any:
    d = Silent([1.0])
    return lambda x: x * len(d), lambda: d.add(2.0)


@case
def arguments_of_an_exception() -> Any:
    e = ValueError(2.0)
    return lambda x: x * e.args[0], lambda: setattr(e, "args", (5.0,))


@case
def classes_that_are_registered() -> Any:
    class A(abc.ABC):  # noqa: B024
        pass

    class B:
        pass

    b = B()
    return lambda x: x * (2 if isinstance(b, A) else 3), lambda: A.register(B)


@case
def variable_of_the_environment_by_getenv() -> Any:
    os.environ["TINYTENSOR_TEST"] = "2"
    return lambda x: x * float(os.getenv("TINYTENSOR_TEST", "")), lambda: os.environ.update(TINYTENSOR_TEST="3")


@case
def variable_of_sys() -> Any:
    sys.tinytensor_test = 2.0  # type: ignore[attr-defined]
    return lambda x: x * sys.tinytensor_test, lambda: setattr(sys, "tinytensor_test", 3.0)  # type: ignore[attr-defined]


@case
def variable_among_the_builtins() -> Any:
    builtins.tinytensor_test = 2.0  # type: ignore[attr-defined]
    return (lambda x: x * tinytensor_test,  # type: ignore[name-defined]  # noqa: F821
            lambda: setattr(builtins, "tinytensor_test", 3.0))


@case
def keyword_default_of_the_step_itself() -> Any:
    def step(x: Any, *, k: float = 2.0) -> Any:
        return x * k

    return step, lambda: step.__kwdefaults__.__setitem__("k", 5.0)


@case
def view_of_a_dict() -> Any:
    d = {"a": 2.0}
    items = d.items()
    return lambda x: x * sum(v for _, v in items), lambda: d.__setitem__("b", 5.0)


@case
def keys_of_a_dict() -> Any:
    d = {"a": 2.0}
    return lambda x: x * len(next(iter(d))), lambda: d.__setitem__("abc" * len(next(iter(d))), d.popitem()[1])


@case
def an_item_that_goes_to_another_list() -> Any:
    a, b = [1.0], [2.0, 3.0]
    return lambda x: x * len(a), lambda: a.append(b.pop(0))


@case
def a_list_replaced_by_an_equal_one() -> Any:
    held = types.SimpleNamespace(items=[1.0, "a"])

    def change() -> None:
        held.items = list(held.items)
        yes(X)
        held.items[0] = 7.0

    yes = tt.compile(lambda x: x * held.items[0])
    for _ in range(3):
        yes(X)
    return lambda x: yes(x), change


@case
def user_dict() -> Any:
    d = collections.UserDict(a=2.0)
    return lambda x: x * d["a"], lambda: d.__setitem__("a", 5.0)


@case
def chain_map() -> Any:
    d = collections.ChainMap({}, {"a": 2.0})
    return lambda x: x * d["a"], lambda: d.__setitem__("a", 5.0)


@case
def default_dict() -> Any:
    d = collections.defaultdict(lambda: 2.0, a=1.0)
    return lambda x: x * d["a"], lambda: d.__setitem__("a", 5.0)


@case
def mapping_proxy() -> Any:
    d = {"a": 2.0}
    view = types.MappingProxyType(d)
    return lambda x: x * view["a"], lambda: d.__setitem__("a", 5.0)


@case
def counter() -> Any:
    d = collections.Counter("aab")
    return lambda x: x * d["a"], lambda: d.update("a")


@case
def sets() -> Any:
    d = {1.0, 2.0}
    return lambda x: x * len(d), lambda: d.add(5.0)


@case
def array_array() -> Any:
    d = array.array("d", [1.0, 2.0])
    return lambda x: x * d[1], lambda: d.__setitem__(1, 5.0)


@case
def byte_array() -> Any:
    d = bytearray(b"ab")
    return lambda x: x * d[1], lambda: d.__setitem__(1, 5)


@case
def memory_view() -> Any:
    d = bytearray(b"ab")
    view = memoryview(d)
    return lambda x: x * view[1], lambda: d.__setitem__(1, 5)


@case
def array_of_objects() -> Any:
    d = np.array([[2.0], None], object)
    return lambda x: x * d[0][0], lambda: d[0].__setitem__(0, 5.0)


@case
def array_of_texts() -> Any:
    d = np.array(["a", "b"])
    return lambda x: x * len(str(d[0])), lambda: d.__setitem__(0, "")


@case
def function_attribute() -> Any:
    def f(x: Any) -> Any:
        return x * f.k  # type: ignore[attr-defined]

    f.k = 1.0  # type: ignore[attr-defined]
    return f, lambda: setattr(f, "k", 5.0)


@case
def function_attribute_that_was_not_there() -> Any:
    def f(x: Any) -> Any:
        return x * getattr(f, "k", 1.0)

    return f, lambda: setattr(f, "k", 5.0)


@case
def defaults() -> Any:
    def f(x: Any, k: float = 2.0) -> Any:
        return x * k

    return lambda x: f(x), lambda: setattr(f, "__defaults__", (5.0,))


@case
def defaults_of_the_step() -> Any:
    def f(x: Any, k: float = 2.0) -> Any:
        return x * k

    return f, lambda: setattr(f, "__defaults__", (5.0,))


@case
def keyword_defaults() -> Any:
    def f(x: Any, *, k: float = 2.0) -> Any:
        return x * k

    return lambda x: f(x), lambda: f.__kwdefaults__.__setitem__("k", 5.0)


@case
def code() -> Any:
    def f(x: Any) -> Any:
        return x * 2

    return lambda x: f(x), lambda: setattr(f, "__code__", (lambda x: x * 7).__code__)


@case
def cell_that_is_filled_later() -> Any:
    def step(x: Any) -> Any:
        try:
            return x * late
        except NameError:
            return x

    def change() -> None:
        nonlocal late
        late = 5.0

    if len(CASES) < 0:
        late = 1.0
    return step, change


@case
def class_of_an_object() -> Any:
    own = fresh()
    a, other = own(), type("Other", (own,), {"f": lambda self, x: x * 7})
    return lambda x: a.f(x), lambda: setattr(a, "__class__", other)


@case
def method_replaced() -> Any:
    own = fresh()
    a = own()
    return lambda x: a.f(x), lambda: setattr(own, "f", lambda self, x: x * 7)


@case
def method_of_an_object() -> Any:
    a = fresh()()
    return lambda x: a.f(x), lambda: setattr(a, "f", lambda x: x * 7)


@case
def property_replaced() -> Any:
    own = fresh()
    a = own()
    return lambda x: x * a.p, lambda: setattr(own, "p", property(lambda self: 7.0))


@case
def class_attribute() -> Any:
    own = fresh()
    return lambda x: own.c(x), lambda: setattr(own, "k", 5.0)


@case
def attribute_of_a_base() -> Any:
    own = fresh()
    a = type("Under", (own,), {})()
    return lambda x: a.f(x), lambda: setattr(own, "k", 5.0)


@case
def class_attribute_shadowed() -> Any:
    a = fresh()()
    return lambda x: a.f(x), lambda: setattr(a, "k", 5.0)


@case
def static_method() -> Any:
    own = fresh()
    return lambda x: own.s(x), lambda: setattr(own, "s", staticmethod(lambda x: x * 7))


@case
def enumeration() -> Any:
    class Mode(enum.Enum):
        A = "a"
        B = "bbb"

    held = types.SimpleNamespace(mode=Mode.A)
    return lambda x: x * len(held.mode.value), lambda: setattr(held, "mode", Mode.B)


@case
def attribute_of_a_text() -> Any:
    class Text(str):
        k = 1.0

    a = Text("a")
    return lambda x: x * a.k, lambda: setattr(a, "k", 5.0)


@case
def slot_that_was_empty() -> Any:
    class Slots:
        __slots__ = ("k",)

    a = Slots()
    return lambda x: x * getattr(a, "k", 1.0), lambda: setattr(a, "k", 5.0)


@case
def private_slot() -> Any:
    class Slots:
        __slots__ = ("__k",)

        def __init__(self) -> None:
            self.put(1.0)

        def put(self, k: float) -> None:
            self.__k = k

        def get(self) -> float:
            return self.__k

    a = Slots()
    return lambda x: x * a.get(), lambda: a.put(5.0)


@case
def weak_reference() -> Any:
    a = [Holder()]
    r = weakref.ref(a[0])
    return lambda x: x * (1 if r() is None else 2), lambda: a.clear()


@case
def variable_of_this_module() -> Any:
    def change() -> None:
        global SETTING
        SETTING += 1

    return lambda x: x * SETTING, change


@case
def variable_by_a_text() -> Any:
    space: dict[str, Any] = {"SETTING": 2.0}  # a module of its own: all that is reached from globals() is looked at
    exec('step = lambda x: x * globals()["SET" + "TING"]', space)

    def change() -> None:
        space["SETTING"] += 1

    return space["step"], change


@case
def method_of_the_library(monkeypatch: Any = None) -> Any:
    layer = nn.Tanh()
    own = nn.Tanh.forward

    def change() -> None:
        nn.Tanh.forward = (lambda self, x: x * 7) if nn.Tanh.forward is own else own  # type: ignore[method-assign]

    return lambda x: layer(x), change


@case
def cached_function() -> Any:
    k = [2.0]

    @functools.lru_cache
    def f() -> float:
        return k[0]

    def change() -> None:
        k[0] = 5.0
        f.cache_clear()

    return lambda x: x * f(), change


@case
def dispatched_function() -> Any:
    @functools.singledispatch
    def f(k: Any, x: Any) -> Any:
        return x

    k = [2.0]
    f.register(int)(lambda _, x: x * k[0])
    return lambda x: f(1, x), lambda: k.__setitem__(0, 5.0)


@case
def environment() -> Any:
    settings = importlib.import_module("os").environ
    settings["TINYTENSOR_OF_A_TEST"] = "a"
    return lambda x: x * len(settings["TINYTENSOR_OF_A_TEST"]), lambda: settings.__setitem__(
        "TINYTENSOR_OF_A_TEST", "abc")


@case
def looked_up_by_a_name_that_is_made() -> Any:
    a = fresh()()
    name = "".join(["f"])
    return lambda x: getattr(a, name)(x), lambda: setattr(type(a), "f", lambda self, x: x * 7)


@pytest.mark.parametrize("name", CASES)
def test_a_change_is_seen(name: str) -> None:
    step, change = CASES[name]()
    compiled = tt.compile(step)
    for i in range(12):
        assert equal(compiled(X), step(X)), i
        if i in (4, 7):
            change()
    if name == "method_of_the_library":
        assert nn.Tanh.forward.__qualname__ == "Tanh.forward"
    assert compiled.programs


@pytest.fixture
def package(tmp_path: Any, monkeypatch: pytest.MonkeyPatch) -> Any:
    """A package that stands where installed ones do."""
    room = tmp_path / "site-packages"
    (room / "pack_of_a_test").mkdir(parents=True)
    (room / "pack_of_a_test" / "__init__.py").write_text("from . import sub\nk = 2.0\n")
    (room / "pack_of_a_test" / "sub.py").write_text(
        "k = 2.0\nclass A:\n    k = 3.0\n    def f(self, x): return x * self.k * k\n"
        "a = A()\ndef f(x):\n    return x * k\ntable = {'f': f}\n")
    monkeypatch.syspath_prepend(str(room))
    yield lambda: importlib.import_module("pack_of_a_test")
    for name in ("pack_of_a_test", "pack_of_a_test.sub"):
        sys.modules.pop(name, None)


def inside(x: Any) -> Any:
    import pack_of_a_test.sub  # type: ignore[import-not-found]
    from pack_of_a_test.sub import k

    return x * k * pack_of_a_test.sub.a.k


STEPS: dict[str, Any] = {
    "module attribute": lambda p: lambda x: x * p.k,
    "through another module": lambda p: lambda x: x * p.sub.k,
    "function": lambda p: p.sub.f,
    "called function": lambda p: lambda x: p.sub.f(x),
    "method": lambda p: lambda x: p.sub.a.f(x),
    "by a name that is made": lambda p: lambda x: x * getattr(p.sub, "".join("k")),
    "table of functions": lambda p: lambda x: p.sub.table["".join("f")](x),
    "imported inside": lambda p: inside,
    "imported by name": lambda p: lambda x: importlib.import_module("pack_of_a_test" + ".sub").f(x),
    "through sys.modules": lambda p: lambda x: sys.modules["pack_of_a_test"].sub.f(x),
}


@pytest.mark.parametrize("name", STEPS)
def test_installed_packages_are_the_users(name: str, package: Any) -> None:
    step = STEPS[name](package())
    compiled, p = tt.compile(step), package()
    for i in range(15):
        assert equal(compiled(X), step(X)), i
        if i in (5, 9):
            p.k += 1
            p.sub.k += 1
            p.sub.A.k += 1
    assert compiled.programs


def test_a_module_that_the_step_imports_first(package: Any) -> None:
    compiled = tt.compile(inside)
    for i in range(10):
        assert equal(compiled(X), inside(X)), i
        if i == 6:
            package().sub.k += 1
    assert compiled.programs


# --- what can't be compared ---

USES: dict[str, Any] = {
    "a count": (lambda: itertools.count(1), lambda it, x: x * next(it)),
    "a list_iterator": (lambda: iter([1, 2, 3, 4, 5, 6]), lambda it, x: x * next(it)),
    "a generator": (lambda: (i for i in range(9)), lambda it, x: x * next(it)),
    "a cycle": (lambda: itertools.cycle([1.0, 2.0]), lambda it, x: x * max(itertools.islice(it, 2))),
    "a Random": (lambda: random.Random(3), lambda r, x: x * r.choice([1.0, 1.0, 5.0])),
    "a StringIO": (lambda: io.StringIO("1\n2\n3"), lambda f, x: x * int(f.readline())),
    "a lock": (threading.Lock, lambda lock, x: x * (2 if lock.locked() else 1)),
    "a SimpleQueue": (queue.SimpleQueue, lambda q, x: x * q.qsize()),
    "a ContextVar": (lambda: contextvars.ContextVar("k", default=2.0), lambda v, x: x * v.get()),
    "a _local": (threading.local, lambda v, x: x * getattr(v, "k", 1.0)),
    "a zip": (lambda: zip([1.0, 2.0, 3.0], [1, 2, 3], strict=True), lambda z, x: [x * a for a, _ in z]),
    "a MaskedArray": (lambda: np.ma.array([1.0, 2, 3], mask=[0, 1, 0]), lambda a, x: x + a.sum()),
}
PLACES: dict[str, Any] = {
    "variable": lambda it: (lambda use: lambda x: use(it, x)),
    "attribute": lambda it: (lambda h: lambda use: lambda x: use(h.it, x))(types.SimpleNamespace(it=it)),
    "tuple": lambda it: (lambda h: lambda use: lambda x: use(h[1][0], x))((1, (it,))),
    "namedtuple": lambda it: (lambda h: lambda use: lambda x: use(h.a, x))(Pair(it, 1)),
    "deque": lambda it: (lambda h: lambda use: lambda x: use(h[0], x))(collections.deque([it])),
}


@pytest.mark.parametrize("place", PLACES)
@pytest.mark.parametrize("name", USES)
def test_what_has_a_hidden_state_may_be_reached_and_not_used(name: str, place: str) -> None:
    make, use = USES[name]
    it = make()
    with pytest.raises(tt.CompileError, match="state can't be compared from call to call"):
        tt.compile(PLACES[place](it)(use))(X)
    use(it, X)  # it is what it was
    unused = tt.compile(PLACES[place](it)(lambda it, x: x * 2))
    for _ in range(4):
        assert equal(unused(X), X * 2)


def test_a_bound_method_of_an_iterator() -> None:
    draw = itertools.count(1).__next__
    with pytest.raises(tt.CompileError, match="draw, a method-wrapper, is used"):
        tt.compile(lambda x: x * draw())(X)


def test_a_cache_that_is_stale() -> None:
    k = [2.0]

    @functools.lru_cache
    def f() -> float:
        return k[0]

    f()
    k[0] = 5.0
    with pytest.raises(tt.CompileError, match="caches results that it would not return now"):
        tt.compile(lambda x: x * f())(X)


# --- effects ---


def effects() -> dict[str, Any]:
    def f() -> None:
        f.k += 1  # type: ignore[attr-defined]

    f.k = 0  # type: ignore[attr-defined]

    class Slots:
        __slots__ = ("k",)

    own, slots, d, u = fresh(), Slots(), collections.deque([1.0], 3), collections.UserDict(a=1)
    slots.k = 0
    c, s, b, dd, od = collections.Counter("a"), {1}, bytearray(b"ab"), collections.defaultdict(list), {"b": 1, "a": 2}
    oo = collections.OrderedDict(b=1, a=2)
    a = array.array("d", [1.0])
    return {
        "deque": (d, lambda: d.append(1.0)), "deque that is full": (d, lambda: d.extend([1.0, 2.0, 3.0])),
        "function attribute": (f, f), "class attribute": (own, lambda: setattr(own, "k", own.k + 1)),
        "slot": (slots, lambda: setattr(slots, "k", slots.k + 1)), "UserDict": (u, lambda: u.update(b=2)),
        "Counter": (c, lambda: c.update("a")), "set": (s, lambda: s.add(len(s) + 1)),
        "bytearray": (b, lambda: b.__setitem__(0, b[0] + 1)), "array.array": (a, lambda: a.__setitem__(0, a[0] + 1)),
        "missing key": (dd, lambda: dd["k"]), "order": (od, lambda: od.__setitem__("b", od.pop("b"))),
        "order of an OrderedDict": (oo, lambda: oo.move_to_end(next(iter(oo)))),
    }


def told(x: Any) -> str:
    return repr(x.k) if hasattr(x, "k") else repr(x)


@pytest.mark.parametrize("name", effects())
def test_effects_on_objects_are_refused_and_undone(name: str) -> None:
    x, effect = effects()[name]
    before = told(x)

    def step(y: Any) -> Any:
        effect()
        return y * len(told(x))

    for _ in range(2):
        with pytest.raises(tt.CompileError, match="which a program would not repeat"):
            tt.compile(step)(X)
        assert told(x) == before


@pytest.mark.parametrize("seed", [lambda: np.random.seed(1), lambda: random.seed(1), lambda: random.setstate(PLACE)])
def test_seeds_of_whole_modules_are_refused_even_if_nothing_moves(seed: Any) -> None:
    def step(x: Any) -> Any:
        seed()
        return x * 2

    numpy, python = np.random.get_state(), random.getstate()
    seed()
    try:
        with pytest.raises(tt.CompileError, match="a draw from (np.)?random itself, or a seed, would repeat"):
            tt.compile(step)(X)
    finally:
        np.random.set_state(numpy)
        random.setstate(python)


def test_objects_that_can_not_be_looked_at_are_refused() -> None:
    class Odd:
        def __getattribute__(self, name: str) -> Any:
            return {"k": 2.0}[name]

    odd = Odd()
    with pytest.raises(tt.CompileError, match="odd, an Odd, raised KeyError.*when its attributes were read"):
        tt.compile(lambda x: x * odd.k)(X)


@pytest.mark.parametrize("read", [lambda path: float(open(path).read()),  # noqa: SIM115
                                  lambda path: float(path.read_text()), lambda path: np.load(path).sum()])
def test_files_are_read_outside(read: Any, tmp_path: Any) -> None:
    path = tmp_path / "a"
    path.write_text("2.0")
    with pytest.raises(tt.CompileError, match="open would be called at the first steps only"):
        tt.compile(lambda x: x * read(path))(X)
    assert path.read_text() == "2.0"


def test_modules_that_make_their_attributes() -> None:
    made = types.ModuleType("made")
    made.__getattr__ = lambda name: {"k": 2.0}[name]  # type: ignore[method-assign]
    step = tt.compile(lambda x: x * made.k)
    for _ in range(4):
        assert equal(step(X), X * 2)


@pytest.mark.parametrize("every", [2, 3])
def test_declared_arrays_that_come_as_arguments_now_and_then(every: int) -> None:
    def runs(compiled: Any) -> list[Any]:
        s = np.zeros((2, 3), np.float32)

        def step(x: Any) -> Any:
            s[...] += x + 1
            return x * 2 + s

        run = compiled(step, s)
        return [np.copy(run(s if i % every else X)) for i in range(10)]

    assert equal(runs(lambda step, _: step), runs(tt.compile))


# --- how NumPy and this package are set ---


def test_floating_point_errors_that_are_asked_for() -> None:
    step = tt.compile(lambda x: 1 / (x * 0 + x))
    for _ in range(3):
        step(X)
    zero = X * 0
    with np.errstate(divide="raise"), pytest.raises(FloatingPointError):
        step(zero)
    noted: list[Any] = []
    with np.errstate(divide="call", call=lambda *args: noted.append(args)):
        step(zero)
    assert noted
    with np.errstate(divide="ignore"):
        assert np.isinf(step(zero)).all()


def test_anomalies_are_found_by_the_step_itself() -> None:
    w = nn.Parameter(np.zeros(3, np.float32))

    def step(x: Any) -> Any:
        y = tt.sqrt(w * x).sum()
        w.grad = None
        y.backward()
        return y

    compiled = tt.compile(step, w)
    for _ in range(3):
        compiled(np.zeros(3, np.float32))
    with tt.detect_anomaly(), pytest.raises(FloatingPointError):
        compiled(np.zeros(3, np.float32))


def test_recording_is_part_of_what_a_program_is_kept_for() -> None:
    w = nn.Parameter(ones())
    compiled = tt.compile(lambda x: (w * x).requires_grad, w)
    for _ in range(3):
        for _ in range(3):
            assert compiled(X) is True
        with tt.no_grad():
            for _ in range(3):
                assert compiled(X) is False
    assert len(compiled.programs) == 2
