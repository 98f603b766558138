"""The table of PyTorch's names agrees with PyTorch, with what tinytensor has, and with what tinytensor.torch offers."""

import copy
import pickle
import re
import subprocess
import sys
import types
from functools import reduce
from importlib import import_module
from pathlib import Path

import numpy as np
import pytest

import tinytensor as tt
from tinytensor import names, nn, optim
from tinytensor.names import SPACES, Missing, elsewhere, kinds, refusal, table

ROOT = Path(__file__).resolve().parents[2]
F = nn.functional
OWN = {"torch": tt, "Tensor": tt.ones(2, 2), "nn": nn, "functional": F, "init": nn.init, "Module": nn.Linear(2, 2),
       "optim": optim, "linalg": tt.linalg}
ROOTS = {"tt": tt, "np": np, "nn": nn, "optim": optim, "F": F}
MODULES = {"Tensor": "torch", "Module": "torch.nn"}  # where a class stands
REFUSING = {  # what the layer has only to say, when it is called, why it is not here
    "torch": {"set_default_tensor_type", "bfloat16", "distributed"}, "nn": {"parallel"}, "Tensor": {"cuda"},
    "Module": {"cuda", "bfloat16", "share_memory"}}
STATUSES = {"same", "ours", "differs", "only", "no"}
# What PyTorch's modules import for themselves, and constants of theirs.
LEFT = {"Any", "DType", "TYPE_CHECKING", "T_destination", "Tensor", "Optimizer", "torch", "inf", "boolean_dispatch",
        "assert_int_or_pair", "BroadcastingList1", "BroadcastingList2", "BroadcastingList3", "handle_torch_function",
        "has_torch_function", "has_torch_function_unary", "has_torch_function_variadic", "EPOCH_DEPRECATION_WARNING",
        "onnx"}


def every(*statuses):
    """The entries of all namespaces with one of the statuses."""
    return [entry for space in SPACES for entry in table(space).values() if entry.status in statuses]


def owner(space, package):
    """What has a namespace's names, in PyTorch or in our layer."""
    *_, last = SPACES[space].torch.split(".")
    module = import_module(MODULES.get(space, SPACES[space].torch).replace("torch", package, 1))
    return getattr(module, last) if space in MODULES else module


def public(space, package):
    """The public names of a namespace of PyTorch's."""
    here = owner(space, package)
    if space == "Module":
        here = here()
    for name in dir(here):
        value = getattr(here, name, None)
        whole = space in ("torch", "Tensor", "Module") or (space, name) == ("optim", "Optimizer")
        if name.startswith("_") or name in LEFT - ({"Tensor", "Optimizer", "inf"} if whole else set()):
            continue
        if isinstance(value, types.ModuleType):
            if not value.__name__.startswith("torch."):
                continue
        elif not whole and (getattr(value, "__module__", None) or "torch").split(".")[0] != "torch":
            continue
        yield name


def found(space, path):
    """What a name of the table's leads to, in its own namespace or from one of the roots."""
    first, *rest = path.split(".")
    start = ROOTS[first] if first in ROOTS and rest else getattr(OWN[space], first)
    return reduce(getattr, rest, start)


# --- the table in itself, and beside tinytensor ---


def test_every_line_is_well_formed_and_in_order():
    for space in SPACES:
        rows = table(space)
        assert list(rows) == sorted(rows) and len(rows) == len(names.lines(space)), space
        for entry in rows.values():
            assert entry.status in STATUSES, entry
            assert (entry.kind in kinds()) if entry.status == "no" else not entry.kind, entry
            assert entry.text or entry.status not in ("ours", "differs"), entry
            assert not entry.text.endswith((".", ";")), entry
    used = {entry.kind for entry in every("no")}
    assert used == kinds().keys()
    assert all(kinds()[entry.kind].advice or entry.text for entry in every("no"))


def test_what_the_table_says_of_tinytensor_is_so():
    for space in OWN:
        for entry in table(space).values():
            has = own(space, entry.name)
            if entry.status in ("same", "differs"):
                assert has, f"{space}.{entry.name}: {entry.status}, and tinytensor has no such name"
            elif entry.status in ("only", "ours"):
                assert not has, f"{space}.{entry.name}: {entry.status}, but tinytensor has it"
    for space in SPACES:
        for entry in table(space).values():
            if entry.status == "ours" and names.is_name(entry.text):
                found(space, entry.text)  # raises where nothing is


def own(space, name):
    """Whether tinytensor's own namespace has a name, and it is no refusal."""
    if space in ("nn", "functional", "optim"):
        return name in OWN[space].__all__
    value = getattr(type(OWN[space]) if space == "Tensor" else OWN[space], name, None)
    hidden = isinstance(value, types.ModuleType) and space == "torch" and name in ("autograd", "hooks")
    return (value is not None and "refused" not in getattr(value, "__qualname__", "") and not hidden) or name == "grad"


def test_what_is_to_be_written_exists():
    for entry in every("ours", "only"):
        for root, path in re.findall(r"\b(tt|np|nn|optim)((?:\.\w+)+)", entry.text):
            reduce(getattr, path[1:].split("."), ROOTS[root])  # raises where nothing is
    advice = {name: kind.advice for name, kind in kinds().items()}
    for name, text in [*advice.items(), *((entry.name, entry.text) for entry in every("no"))]:
        for path in re.findall(r"\b(?:torch|F|nn)(?:\.\w+)+", text):
            path = re.sub(r"^nn\.", "torch.nn.", re.sub(r"^F\.", "torch.nn.functional.", path))
            space = max((s for s in SPACES if path.startswith(f"{SPACES[s].torch}.")), key=lambda s: SPACES[s].torch)
            word = path.removeprefix(f"{SPACES[space].torch}.").split(".")[0]
            assert word == "__version__" or table(space)[word].status != "no", f"{name}: {path} is not here either"
        for word in re.findall(r"\bx\.(\w+)", text):
            assert table("Tensor")[word].status != "no", f"{name}: x.{word} is not here either"


WRITTEN = {  # what PyTorch's name gives of the tensors below
    "cdist": "torch.cdist(a, b)", "frac": "torch.frac(x)", "lerp": "torch.lerp(a, b, w)", "logdet": "torch.logdet(c)",
    "addcmul": "torch.addcmul(x, a, b, value=value)", "addcdiv": "torch.addcdiv(x, a, b, value=value)",
    "kthvalue": "torch.kthvalue(x, k).values", "msort": "torch.msort(x)", "topk": "torch.topk(x, k).values",
    "masked_fill": "torch.masked_fill(x, mask, value)", "masked_select": "torch.masked_select(x, mask)",
    "addmm": "torch.addmm(c, a, b)", "addr": "torch.addr(c, u, v)", "dist": "torch.dist(a, b)",
    "erfc": "torch.erfc(x)", "logit": "torch.logit(x)", "rsqrt": "torch.rsqrt(x)", "xlogy": "torch.xlogy(x, y)",
    "diag_embed": "torch.diag_embed(x)", "cumulative_trapezoid": "torch.cumulative_trapezoid(u)",
}
GIVEN = {"x": [[0.2, 0.7], [0.4, 0.1]], "y": [[0.5, 0.25], [1.0, 2.0]], "a": [[1.0, 2.0], [3.0, 5.0]],
         "b": [[2.0, 0.5], [1.0, 4.0]], "c": [[1.0, 0.0], [2.0, 1.0]], "w": [[0.1, 0.2], [0.3, 0.4]], "u": [1.0, 2.0],
         "v": [3.0, 4.0], "mask": [[True, False], [False, True]]}


@pytest.mark.peer
@pytest.mark.parametrize("name", WRITTEN)
def test_what_is_written_instead_gives_what_pytorch_gives(name):
    torch = pytest.importorskip("torch")
    more = {"value": 2.0, "k": 1, "n": 2, "torch": torch, "tt": tt, "np": np}
    theirs = {n: torch.tensor(v) for n, v in GIVEN.items()}
    ours = {n: tt.tensor(v) for n, v in GIVEN.items()}
    ours["y"] = ours["u"] if name == "cumulative_trapezoid" else ours["y"]
    ours["x"] = ours["c"] if name == "logdet" else ours["x"]
    got, wanted = eval(table("torch")[name].text, ours | more), eval(WRITTEN[name], theirs | more)
    assert np.allclose(got.data, wanted.numpy().reshape(got.shape), 1e-5, equal_nan=True)


# --- beside the layer ---


@pytest.mark.parametrize("space", SPACES)
def test_the_layer_offers_what_the_table_says_and_refuses_the_rest(space):
    here = owner(space, "tinytensor.torch")
    if space == "Module":
        here = here()
    offered = {e.name for e in table(space).values() if hasattr(here, e.name)} - REFUSING.get(space, set())
    missing = [e.name for e in table(space).values() if e.status != "no" and e.name not in offered]
    beyond = [e.name for e in table(space).values() if e.status == "no" and e.name in offered]
    assert not missing, f"said to be offered, but not there: {missing}"
    assert not beyond, f"said not to be here, but there: {beyond}"


@pytest.mark.parametrize("space", REFUSING)
def test_what_the_layer_has_only_to_refuse_raises(space):
    here = owner(space, "tinytensor.torch")
    if here is None:
        pytest.skip(f"{SPACES[space].torch} is not there")
    here = here(2) if space == "Tensor" else here() if space == "Module" else here
    for name in REFUSING[space]:
        with pytest.raises((RuntimeError, TypeError, AttributeError)):
            getattr(here, name)(*["torch.FloatTensor"][: space == "torch"])


# --- beside PyTorch ---


@pytest.mark.peer
@pytest.mark.parametrize("space", SPACES)
def test_the_table_has_every_public_name_of_pytorch(space):
    pytest.importorskip("torch")
    theirs = set(public(space, "torch"))
    assert sorted(theirs ^ table(space).keys()) == []


# --- what is said ---

SAID = [
    (lambda: tt.ones(2).unsqueeze, "write tt.expand_dims(x, axis); or use PyTorch's names: import tinytensor.torch"),
    (lambda: tt.ones(2).numel, "Tensor has no attribute 'numel': NumPy's name is size; or use PyTorch's names"),
    (lambda: tt.ones(2).float, "write x.astype(np.float32)"),
    (lambda: tt.ones(2).bakward, "Tensor has no attribute 'bakward'; the nearest is 'backward'"),
    (lambda: tt.ones(2).cuda, "everything is computed by NumPy on the cpu; leave it out"),
    (lambda: tt.cat, "tinytensor has no attribute 'cat': NumPy's name is concatenate"),
    (lambda: tt.from_numpy, "write tt.tensor(x)"),
    (lambda: tt.CrossEntropyLoss, "tinytensor has no attribute 'CrossEntropyLoss': it is nn.CrossEntropyLoss"),
    (lambda: tt.linspac, "the nearest is 'linspace'"),
    (lambda: nn.FractionalMaxPool2d, "nn has no attribute 'FractionalMaxPool2d': few models need it; use max_pool2d"),
    (lambda: nn.Liner, "the nearest is 'Linear'"),
    (lambda: F.cross_entrpy, "nn.functional has no attribute 'cross_entrpy'; the nearest is 'cross_entropy'"),
    (lambda: optim.LBFGS, "optim has no attribute 'LBFGS': few programs need it; use AdamW"),
    (lambda: nn.init.kaiming_normal, "PyTorch itself has replaced it; write kaiming_normal_"),
    (lambda: nn.Linear(2, 2).double, "write model.astype(np.float64)"),
    (lambda: nn.Linear(2, 2).wieght, "the nearest is 'weight'"),
]


@pytest.mark.parametrize("case", SAID, ids=lambda case: case[1][:40])
def test_tinytensor_says_what_to_write(case):
    with pytest.raises(AttributeError) as caught:
        case[0]()
    assert case[1] in str(caught.value)


def test_a_missing_name_costs_nothing_until_its_words_are_read_and_travels_as_what_it_is():
    x, model = tt.ones(2), nn.Linear(2, 2)
    assert not hasattr(x, "units") and not hasattr(x, "__dataframe__") and not hasattr(model, "keys")
    assert np.array_equal(copy.deepcopy(x).data, pickle.loads(pickle.dumps(x)).data)
    assert repr(pickle.loads(pickle.dumps(copy.deepcopy(model)))) == repr(model)
    reads = []
    error = Missing(lambda *parts: reads.append(parts) or "words", "Tensor", "abc", lambda: ["a", "_b"])
    assert reads == [] and str(error) == "words" and reads == [("Tensor", "abc", ["a"])]
    assert type(error).__name__ == "AttributeError" and type(pickle.loads(pickle.dumps(error))) is AttributeError


def test_every_sentence_is_whole():
    for space in SPACES:
        for entry in table(space).values():
            for text in (refusal(space, entry.name), elsewhere(space, entry.name)):
                assert entry.name in text and "  " not in text and not text.endswith((".", ";", ":", " ")), text


# --- generator= ---


@pytest.mark.parametrize("draw", [
    lambda **g: tt.rand(3, **g), lambda **g: tt.randn(3, **g), lambda **g: tt.randint(0, 9, (3,), **g),
    lambda **g: nn.Linear(2, 3, **g).weight, lambda **g: nn.Embedding(2, 3, **g).weight,
    lambda **g: nn.GRU(2, 3, **g).weight_hh_l0, lambda **g: nn.Dropout(0.5, **g)(tt.ones(9)),
    lambda **g: F.dropout(tt.ones(9), **g), lambda **g: nn.init.normal_(tt.zeros(3), **g),
    lambda **g: nn.init.kaiming_uniform_(tt.zeros(3, 2), **g),
    lambda **g: tt.models.gpt.GPT(vocabulary=5, context=4, width=4, heads=2, layers=1, **g).wte.weight,
    lambda **g: next(tt.text.batches(np.arange(9), np.arange(9), 4, **g))[0],
], ids=lambda f: ",".join(f.__code__.co_names[:4]))
def test_generator_is_another_name_of_rng(draw):
    first, second = draw(rng=tt.Generator(7)), draw(generator=tt.Generator(7))
    assert np.array_equal(np.asarray(getattr(first, "data", first)), np.asarray(getattr(second, "data", second)))
    with pytest.raises(TypeError, match="got rng and generator; expected one of them"):
        draw(rng=tt.Generator(7), generator=tt.Generator(7))


# --- the page ---


def test_the_page_is_current():
    check = [sys.executable, "-m", "tinytensor.names", "--check"]
    done = subprocess.run(check, cwd=ROOT, capture_output=True, text=True)
    assert done.returncode == 0, done.stdout
