"""Shapes, parts, joining, indexing, gathering, creation: PyTorch's values, dtypes, views, gradients and errors."""

from __future__ import annotations

import itertools
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import tinytensor.torch as ours

peer = pytest.mark.peer


def outcome(torch: Any, expression: str, **names: Any) -> Any:
    """What an expression comes to, for comparison: dtype, shape and values; or the kind of error."""
    try:
        return described(torch, eval(expression, {"torch": torch, "np": np, **names}))
    except Exception as error:
        return type(error).__name__


def described(torch: Any, y: Any) -> Any:
    if isinstance(y, torch.Tensor):
        return str(y.dtype), tuple(y.shape), y.detach().numpy().tolist()
    if isinstance(y, list | tuple):
        return [described(torch, part) for part in y]
    return str(y)


def same(torch: Any, expression: str, **names: Any) -> None:
    """Hold an expression to PyTorch's outcome; `names` are functions of the module."""
    theirs = outcome(torch, expression, **{key: f(torch) for key, f in names.items()})
    mine = outcome(ours, expression, **{key: f(ours) for key, f in names.items()})
    if "float64" in expression or "tensor(3)" in expression:  # of two errors either may come first
        mine, theirs = [{"IndexError": "RuntimeError"}.get(y, y) if isinstance(y, str) else y for y in (mine, theirs)]
    assert mine == theirs, f"{expression}: got {mine}, expected {theirs}"


# --- indexing ---

INDICES = """
    0; -1; 2; 5; -4; 1.0; ...; (); None; True; False; slice(1, None); slice(None, None, 2); slice(None, None, -1);
    slice(0, 1.5); slice(-2, None); slice(5, 9); [0, 1]; [2, -1, 0]; [5]; []; [True, False, True]; [True, False];
    range(2); (0, 1); (0, 1, 2); (0, 1, 2, 0); (0, 0, 0, 0, 0); (0, slice(None), [1, 2]); (slice(None), 0, [1, 2]);
    ([0, 1], 0); ([0, 1], slice(None), [1, 2]); ([0, 1], None, [1, 2]); (None, [0, 1], slice(None), [1, 2]);
    (..., 0); (0, ...); (..., [0, 1]); ([0, 1], ...); (..., None, 1); (0, None, [0, 1]); (slice(None), True);
    ([0, 1], [0, 1], [0, 1]); ([[0], [1]], [0, 1]); (0, ..., 0); (0, [True, False, True, False]);
    ([0, 1], [0, 1, 2]); (slice(1), slice(2), slice(3)); (0, [True, True, False, False], slice(1));
    np.array([0, 1]); np.int64(1); np.array([True, False, True]); torch.tensor(1); torch.tensor(-1);
    torch.tensor(7); torch.tensor([1, 1]); torch.tensor([[0], [2]]); torch.tensor([0.0]); torch.tensor(True);
    torch.tensor([True, False, True]); torch.tensor([], dtype=torch.int64); torch.zeros(0);
    torch.tensor([1, 0, 1], dtype=torch.uint8); torch.tensor([1], dtype=torch.int32);
    torch.tensor([1], dtype=torch.int8); torch.tensor(1, dtype=torch.int16); torch.tensor(1, dtype=torch.uint8);
    (torch.tensor(1), torch.tensor(0)); (torch.tensor(0), slice(None), torch.tensor([1, 2]));
    (torch.tensor([0, 1]), torch.tensor([1, 2])); x > 5; x > 99; (x > 5)[0]; (0, (x > 5)[0]);
    (torch.tensor([0, 2]), ..., torch.tensor([0, 3])); slice(torch.tensor(1), torch.tensor(3))"""
PARTS = [i.strip() for i in INDICES.split(";")]


@peer
@pytest.mark.filterwarnings("ignore::UserWarning")
@pytest.mark.parametrize("index", PARTS)
def test_indexing(torch: Any, index: str) -> None:
    def x(t: Any) -> Any:
        return t.arange(24.0).reshape(3, 4, 2)

    for shape in ("x", "x[0, 0, 0]", "x[:, 0, 0]"):
        same(torch, f"({shape})[{index}]", x=x)
    for value in ("1", "1.5", "torch.tensor(2.0)", "(x[INDEX] * 2)", "torch.ones(7)", "torch.ones(2)", "[1, 2]", "None",
                  "torch.ones(1, 1, 1, 4, 2)", "torch.tensor(3)", "torch.ones(4, 2, dtype=torch.float64)"):
        if "uint8" in index or (index == "False" and "7" in value):
            continue  # PyTorch refuses to write by such masks; and takes any value where nothing is written
        same(torch, f"(x.__setitem__({index}, {value.replace('INDEX', index)}), x)[1]", x=x)
    if "uint8" in index:
        return
    same(torch, f"(x.__setitem__({index}, 1.7), x)[1]", x=lambda t: t.arange(24).reshape(3, 4, 2))


parts = st.one_of(st.integers(-3, 3), st.none(), st.just(...), st.booleans(), st.lists(st.integers(-2, 2), max_size=3),
                  st.builds(slice, st.none() | st.integers(-3, 3), st.none() | st.integers(-3, 3),
                            st.none() | st.integers(1, 2)), st.integers(0, 1).map(np.array))


@peer
@settings(max_examples=300, deadline=None)
@given(st.lists(parts, max_size=4), st.booleans())
def test_any_index_reads_and_writes_with_gradients(index: list[Any], write: bool) -> None:
    torch = pytest.importorskip("torch")
    if sum(i is ... for i in index) > 1 or sum(isinstance(i, bool) for i in index) > 1:
        return
    results = []
    for t in (torch, ours):
        leaf = t.tensor(np.arange(24.0).reshape(2, 3, 4), requires_grad=True)
        i = tuple([t.tensor(part) if isinstance(part, np.ndarray) else part for part in index])
        try:
            y = leaf * 2
            if write:
                y[i] = y[i].detach() * 3
            else:
                y = y[i]
                assert t is torch or not y.requires_grad or (getattr(y, "base", None) is None) != results[0][2]
            (y * y).sum().backward()
            results.append((y.detach().numpy().tolist(), leaf.grad.numpy().tolist(), y._is_view() if t is torch else 0))
        except IndexError as error:
            results.append(type(error))
    if results[1] is IndexError and not isinstance(results[0], type):  # of what is empty PyTorch takes any place
        places = tuple([torch.tensor(part) if isinstance(part, np.ndarray) else part for part in index])
        assert torch.zeros(2, 3, 4)[places].numel() == 0
    elif isinstance(results[0], type):
        assert results[0] is results[1]
    else:
        assert results[0][:2] == results[1][:2]


# --- creation ---

MADE = """
    tensor([np.float64(1)]); tensor([np.float32(1), 2.5]); tensor(np.float64(1)); tensor([torch.tensor(1), 2.5]);
    tensor([torch.tensor(1.0, dtype=torch.float64), 2]); tensor([torch.ones(2), torch.ones(2)]);
    tensor([torch.ones(1)]); tensor([np.ones(2), np.ones(2)]); tensor([1, 2.0, True]); tensor([True, 2]);
    tensor([[], []]); tensor([]); tensor(3); tensor([1.5, 2], dtype=torch.int32); tensor(2**63 - 1);
    tensor([300], dtype=torch.uint8); tensor([[1, 2], [3]]); tensor([-1], dtype=torch.uint8);
    tensor([1, 2], requires_grad=True); tensor('a'); tensor(None); tensor(range(3)); tensor((1, (2))); tensor({1});
    tensor(torch.ones(2, requires_grad=True)); tensor([1e300]); tensor([1], dtype=float);
    tensor(float('inf'), dtype=torch.int64); Tensor([1, 2]); Tensor(2, 3).shape; Tensor(); Tensor((2, 3));
    Tensor(2.5); Tensor(torch.tensor([1, 2])); Tensor(np.array([1.0, 2.0])); LongTensor([1, 2]); LongTensor([1.5]);
    BoolTensor([1, 0]); LongTensor(2, 3).shape; FloatTensor([[1, 2]]); IntTensor(torch.tensor([1.0]));
    FloatTensor(torch.Size([2])).shape; full((2,), 1); full((2,), True); full((2,), 1.0); full((), torch.tensor(3));
    full(2, 1); full((2,), 2.7, dtype=torch.int8); arange(0, 1, 0.1); arange(1, 0); arange(0, 5, 0); arange(5.0);
    arange(5, dtype=torch.float64); arange(torch.tensor(3)); arange(0.5, 4, dtype=torch.int64); arange(-1);
    arange(3, 1, -1); arange(end=4); arange(start=1, end=4); arange(0); arange(-3, 20, 0.3);
    arange(2.5, 40, 0.7, dtype=torch.float64); arange(100) * 0.1; linspace(0, 1, 11); range(1, 3);
    linspace(0, 10, 4, dtype=torch.int64); linspace(4.3, -3, 50, dtype=torch.int64); linspace(0, 1, 1);
    linspace(0, 1, 0); linspace(0, 1, -1); linspace(-3, 7, 33, dtype=torch.float64); linspace(0, 1);
    logspace(0, 2, 3); eye(2, 3); eye(-1); zeros(2, 3, dtype=torch.bool); zeros(()); zeros(); zeros(2.0);
    zeros(size=(2,)); zeros(-1); ones([2]); ones((2, 0)); scalar_tensor(3); as_tensor(np.float32(2));
    as_tensor([1, 2]); asarray(np.arange(3), copy=True); zeros(torch.tensor(3));
    zeros_like(torch.ones(2, dtype=torch.int32), dtype=torch.float32);
    full_like(torch.ones(2, dtype=torch.int32), 2.7); frombuffer(bytearray(8), dtype=torch.int32);
    from_numpy(np.float32(2)); from_numpy(np.arange(3)[::-1]); is_tensor(1);
    zeros(3, dtype=torch.int64, requires_grad=True); tensor(3, requires_grad=True); ones_like(torch.zeros(2, 1));
    eye(2).numpy(); zeros(2, device='cpu'); zeros(2, device='cuda'); tril_indices(3, 4, 1); triu_indices(4, 3, -1);
    zeros(2, wrong=1)"""


@peer
@pytest.mark.filterwarnings("ignore::UserWarning", "ignore::DeprecationWarning")
@pytest.mark.parametrize("made", [m.strip() for m in MADE.split(";")])
def test_creation(torch: Any, made: str) -> None:
    if "cuda" in made:
        with pytest.raises(RuntimeError, match="expected 'cpu'"):
            ours.zeros(2, device="cuda")
        return
    same(torch, f"torch.{made}")


@peer
def test_ranges_to_the_last_digit(torch: Any) -> None:
    threads, rng = torch.get_num_threads(), np.random.default_rng(0)
    torch.set_num_threads(1)
    try:
        for _ in range(100):
            a, b, step = rng.uniform(-5, 5), rng.uniform(6, 50), rng.choice([0.1, 0.3, 0.5, rng.uniform(0.01, 1)])
            for name in ("float32", "float64"):
                for call in (lambda t, a=a, b=b, step=step, name=name: t.arange(a, b, step, dtype=getattr(t, name)),
                             lambda t, a=a, b=b, name=name: t.linspace(a, b, int(b), dtype=getattr(t, name))):
                    np.testing.assert_array_equal(call(ours).numpy(), call(torch).numpy())
    finally:
        torch.set_num_threads(threads)


# --- PyTorch's own samples ---

NAMES = """
    view view_as reshape reshape_as flatten unflatten ravel permute transpose t T mT H mH movedim squeeze
    unsqueeze expand expand_as broadcast_to broadcast_tensors broadcast_shapes repeat tile repeat_interleave
    narrow select unbind split split_with_sizes chunk tensor_split hsplit vsplit dsplit diagonal diag diag_embed
    diagflat unfold flip fliplr flipud roll rot90 tril triu tril_indices triu_indices cat stack hstack vstack
    dstack column_stack block_diag meshgrid cartesian_prod combinations atleast_1d atleast_2d atleast_3d gather
    scatter scatter_add scatter_reduce index_select index_add index_copy index_fill index_put index_reduce
    masked_fill masked_select masked_scatter take take_along_dim put nonzero argwhere __getitem__ select_scatter
    slice_scatter diagonal_scatter trace full full_like zeros_like ones_like linspace logspace eye zeros ones
    scalar_tensor"""
LIKEWISE = {"nonzero", "repeat_interleave"}  # where PyTorch's result is a view of something else than the input


def translated(torch: Any, x: Any, leaves: list[Any]) -> Any:
    """An argument of PyTorch's as ours; tensors that require grad are noted in pairs."""
    if isinstance(x, torch.Tensor):
        y = ours.tensor(x.detach().numpy(), requires_grad=x.requires_grad)
        if x.requires_grad:
            leaves.append((x, y))
        return y
    if isinstance(x, torch.dtype):
        return getattr(ours, str(x).removeprefix("torch."))
    if isinstance(x, torch.device):
        return None
    if isinstance(x, dict):
        return {key: translated(torch, value, leaves) for key, value in x.items()}
    if isinstance(x, slice):
        return slice(*[translated(torch, part, leaves) for part in (x.start, x.stop, x.step)])
    return type(x)([translated(torch, part, leaves) for part in x]) if type(x) in (list, tuple) else x


def called(name: str) -> Any:
    if name in ("T", "mT", "H", "mH"):
        return lambda x: getattr(x, name)
    return getattr(ours, name, None) or getattr(ours.Tensor, name)


def tensors(kind: Any, y: Any) -> list[Any]:
    if isinstance(y, kind):
        return [y]
    return [part for other in y for part in tensors(kind, other)] if isinstance(y, list | tuple) else []


@peer
@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize("name", NAMES.split())
def test_pytorchs_own_samples(torch: Any, name: str) -> None:
    methods = pytest.importorskip("torch.testing._internal.common_methods_invocations")
    for op in [op for op in methods.op_db if op.name.removeprefix("Tensor.") == name]:
        for dtype in {torch.float64, torch.int64, torch.bool} & {*op.dtypes}:
            wants = dtype.is_floating_point and op.supports_autograd
            for sample in itertools.islice(op.sample_inputs("cpu", dtype, requires_grad=wants), 25):
                check_sample(torch, name, op, sample)


def check_sample(torch: Any, name: str, op: Any, sample: Any) -> None:
    """Values, dtypes, shapes, whether they are views, and gradients."""
    leaves: list[Any] = []
    given = [translated(torch, x, leaves) for x in (sample.input, sample.args, sample.kwargs)]
    ys = tensors(torch.Tensor, op(sample.input, *sample.args, **sample.kwargs))
    zs = tensors(ours.Tensor, called(name)(given[0], *given[1], **given[2]))
    assert len(ys) == len(zs)
    for y, z in zip(ys, zs, strict=True):
        assert (str(z.dtype), tuple(z.shape), z.requires_grad) == (str(y.dtype), tuple(y.shape), y.requires_grad)
        np.testing.assert_allclose(z.detach().numpy(), y.detach().numpy(), rtol=1e-12)
        if isinstance(sample.input, torch.Tensor) and name not in LIKEWISE and z.numpy(force=True).size:
            assert (hasattr(z, "base") or z is given[0]) == (y._is_view() or y is sample.input)
    seeds = [np.random.default_rng(0).normal(size=tuple(y.shape)) for y in ys if y.requires_grad]
    if leaves and seeds:
        theirs = torch.autograd.grad([y for y in ys if y.requires_grad], [a for a, _ in leaves],
                                     [torch.tensor(seed) for seed in seeds], materialize_grads=True, allow_unused=True)
        total = sum((z * ours.tensor(seed)).sum() for z, seed in
                    zip([z for z in zs if z.requires_grad], seeds, strict=True))
        total.backward()
        for (_, leaf), g in zip(leaves, theirs, strict=True):
            found = np.zeros(tuple(leaf.shape)) if leaf.grad is None else leaf.grad.numpy()
            np.testing.assert_allclose(found, g.numpy(), rtol=1e-9, atol=1e-12)


# --- errors and views ---


@pytest.mark.parametrize(("call", "error", "match"), [
    (lambda x: x.view(5), RuntimeError, "invalid for input of size 6"),
    (lambda x: x.t().view(6), RuntimeError, "use .reshape"),
    (lambda x: x.view(-1, -1), RuntimeError, "only one dimension can be inferred"),
    (lambda x: x.permute(0), RuntimeError, "number of dimensions"),
    (lambda x: x.transpose(0, 2), IndexError, "Dimension out of range"),
    (lambda x: x.expand(4, 3), RuntimeError, "must match the existing size"),
    (lambda x: x.split([1, 2], 0), RuntimeError, "sum exactly to 2"),
    (lambda x: ours.cat([x, x[:, :1]]), RuntimeError, "must match except in dimension 0"),
    (lambda x: ours.stack([x, x[0]]), RuntimeError, "equal size"),
    (lambda x: ours.cat([]), ValueError, "non-empty"),
    (lambda x: x.gather(1, ours.tensor([[3], [0]])), RuntimeError, "out of bounds"),
    (lambda x: x.gather(1, ours.tensor([[-1], [0]])), RuntimeError, "count from 0"),
    (lambda x: x.index_select(0, ours.tensor([2])), IndexError, "out of bounds"),
    (lambda x: x.scatter(1, ours.tensor([[0]]), ours.ones(1, 1, dtype=ours.float64)), RuntimeError, "same|equal"),
    (lambda x: x.masked_fill(ours.ones(2, 3), 0), RuntimeError, "boolean masks"),
    (lambda x: x.reshape(6, wrong=1), TypeError, "unexpected keyword"),
    (lambda x: x[[[0, 1], [1, 0]]], IndexError, r"write x\[i, j\]"),
    (lambda x: x.expand(2, 2, 3).add_(1), RuntimeError, "single memory location"),
])
def test_errors(call: Any, error: Any, match: str) -> None:
    with pytest.raises(error, match=match):
        call(ours.arange(6.0).reshape(2, 3))


def test_views_see_writes_both_ways() -> None:
    x = ours.zeros(2, 3)
    views = [x.view(-1), x.t(), x[0], x[None], x.unfold(1, 2, 1), x.diagonal(), x.expand(1, 2, 3), x.chunk(2)[1]]
    x.add_(1)
    assert all(bool((v == 1).all()) for v in views)
    views[1][0, 0] = 5
    views[-1].mul_(2)
    assert x.tolist() == [[5, 1, 1], [2, 2, 2]]
    assert views[0].tolist() == [5, 1, 1, 2, 2, 2]
    assert [v.tolist() for v in x.unbind()] == x.tolist()


def test_copies_do_not() -> None:
    x = ours.arange(4.0).reshape(2, 2)
    copies = [x.flip(0), x.rot90(4), x.roll(0, 0), x.repeat(1, 1), x.tril(9), ours.cat([x]),
              x.diag(),
              x[[0, 1]], x[x > -1], x.masked_fill(x > 9, 0), x.index_select(0, ours.tensor([0, 1])), x.tile(1)]
    kept = [c.tolist() for c in copies]
    x.mul_(0)
    assert [c.tolist() for c in copies] == kept
