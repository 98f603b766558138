"""Reprs as PyTorch prints them: texts that it has printed, and PyTorch itself beside ours."""

from math import inf, nan

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

import tinytensor as tt
from tinytensor.core import REGISTRY
from tinytensor.torch.backward_names import backward_name
from tinytensor.torch.printing import PARAMETER, set_printoptions, tensor_text


@pytest.fixture(autouse=True)
def default_options():
    yield
    set_printoptions(profile="default")


def text(values, dtype="float32", **options):
    return tensor_text(np.array(values, dtype), dtype_name=dtype, **options)


# --- texts that PyTorch has printed ---

F16, F64, I32, I64, BOOL = "float16", "float64", "int32", "int64", "bool"
FIXED = [
    (text(3.0), "tensor(3.)"),
    (text(2.5, grad_fn="MeanBackward0"), "tensor(2.5000, grad_fn=<MeanBackward0>)"),
    (text([1, -2, 30]), "tensor([ 1., -2., 30.])"),
    (text([-0.0, 0.0, nan]), "tensor([-0., 0., nan])"),
    (text([1.0, nan, inf, -inf]), "tensor([1., nan, inf, -inf])"),
    (text([0.5, nan, -inf]), "tensor([0.5000,    nan,   -inf])"),
    (text([1e-5, 1.0]), "tensor([1.0000e-05, 1.0000e+00])"),
    (text([1e8, 2e8]), "tensor([1.0000e+08, 2.0000e+08])"),
    (text([1.0, 1000.0]), "tensor([   1., 1000.])"),
    (text([1.0, 1001.0]), "tensor([1.0000e+00, 1.0010e+03])"),
    (text([True, False], BOOL), "tensor([ True, False])"),
    (text([[1, -10], [3, 4]], I64), "tensor([[  1, -10],\n        [  3,   4]])"),
    (text([1, 2], I32), "tensor([1, 2], dtype=torch.int32)"),
    (text([0.1], F16), "tensor([0.1000], dtype=torch.float16)"),
    (text([0.1], F64, default_dtype_name=F64), "tensor([0.1000])"),
    (text([0.1], default_dtype_name=F64), "tensor([0.1000], dtype=torch.float32)"),
    (text([]), "tensor([])"),
    (text([], I64), "tensor([], dtype=torch.int64)"),
    (text(np.zeros((2, 0, 3))), "tensor([], size=(2, 0, 3))"),
    (text([[[1]], [[2]]], I64), "tensor([[[1]],\n\n        [[2]]])"),
    (text([1.0], requires_grad=True), "tensor([1.], requires_grad=True)"),
    (text([1.0], requires_grad=True, grad_fn="CopySlices"), "tensor([1.], grad_fn=<CopySlices>)"),
    (text([1.0], requires_grad=True, prefix=PARAMETER), "Parameter containing:\ntensor([1.], requires_grad=True)"),
    (text([[1], [2]], prefix="Mine("), "Mine([[1.],\n      [2.]])"),
    (text(range(1001), I64), "tensor([   0,    1,    2,  ...,  998,  999, 1000])"),
    (text(np.arange(8), F64, requires_grad=True),
     "tensor([0., 1., 2., 3., 4., 5., 6., 7.], dtype=torch.float64,\n       requires_grad=True)"),
    (text(np.arange(20)), "tensor([ 0.,  1.,  2.,  3.,  4.,  5.,  6.,  7.,  8.,  9., 10., 11., 12., 13.,\n"
                          "        14., 15., 16., 17., 18., 19.])"),
    (text(np.ones((40, 30))), "tensor([[1., 1., 1.,  ..., 1., 1., 1.],\n        "
     + 2 * "[1., 1., 1.,  ..., 1., 1., 1.],\n        " + "...,\n        "
     + 2 * "[1., 1., 1.,  ..., 1., 1., 1.],\n        " + "[1., 1., 1.,  ..., 1., 1., 1.]])"),
]


@pytest.mark.parametrize("ours, expected", FIXED, ids=range(len(FIXED)))
def test_a_text_that_pytorch_has_printed(ours, expected):
    assert ours == expected


# --- beside PyTorch ---

DTYPES = ["float32", F16, F64, BOOL, "uint8", "int8", "int16", I32, I64]
SHAPES = [(), (1,), (7,), (30,), (1001,), (0,), (3, 0), (1, 0, 2), (3, 4), (1, 1), (2, 3, 4), (8, 9, 2), (3, 400),
          (400, 3), (2, 2, 1, 3), (20, 7, 8)]
SPECIAL = [nan, inf, -inf, 0.0, -0.0, 0.1, 1.0, 1e-4, 1000.0, 1e8, 99999.99999]


@st.composite
def arrays(draw):
    dtype, shape = np.dtype(draw(st.sampled_from(DTYPES))), draw(st.sampled_from(SHAPES))
    rng = np.random.default_rng(draw(st.integers(0, 2**32)))
    spread, scale = draw(st.sampled_from([0, 1, 3, 40])), draw(st.sampled_from([-320, -40, -5, -2, 0, 0, 2, 4, 7, 300]))
    with np.errstate(all="ignore"):
        values = rng.standard_normal(shape) * 10.0 ** (scale + spread * rng.standard_normal(shape))
        if draw(st.booleans()):
            values = np.round(values)
        if draw(st.booleans()):
            values = np.abs(values)
        if draw(st.booleans()):
            chosen = draw(st.lists(st.sampled_from(SPECIAL), min_size=1, max_size=4))
            values = np.where(rng.random(shape) < draw(st.sampled_from([0.2, 1.0])), rng.choice(chosen, shape), values)
        if dtype.kind in "iu":
            info = np.iinfo(dtype)
            values = np.clip(np.nan_to_num(values), info.min // 2, info.max // 2)
        return np.asarray(values).astype(dtype)


OPTIONS = st.one_of(st.just({}), st.fixed_dictionaries({}, optional={
    "precision": st.integers(0, 9), "threshold": st.sampled_from([0, 5, 100, inf]), "edgeitems": st.integers(0, 5),
    "linewidth": st.integers(0, 130), "profile": st.sampled_from(["default", "short", "full"]),
    "sci_mode": st.booleans()}))


@pytest.mark.peer
@given(arrays(), OPTIONS, st.sampled_from(["", "leaf", "made", "parameter"]), st.sampled_from(["float32", F64]))
def test_texts_are_pytorch_s(array, options, kind, default):
    torch = pytest.importorskip("torch")
    kind = kind if array.dtype.kind == "f" else ""
    theirs = torch.from_numpy(array.copy()).requires_grad_(bool(kind))
    theirs = {"made": lambda: theirs.view_as(theirs), "parameter": lambda: torch.nn.Parameter(theirs)}.get(
        kind, lambda: theirs)()
    torch.set_default_dtype(getattr(torch, default))
    try:
        for set_both in (torch.set_printoptions, set_printoptions):
            set_both(**{"profile": "default"} | options)
        expected = repr(theirs)
    finally:
        torch.set_printoptions(profile="default")
        torch.set_default_dtype(torch.float32)
    assert tensor_text(array, grad_fn="ViewBackward0" if kind == "made" else None, requires_grad=bool(kind),
                       dtype_name=array.dtype.name, default_dtype_name=default,
                       prefix=PARAMETER if kind == "parameter" else "tensor(") == expected


def test_options_stay_until_they_are_set_again():
    set_printoptions(precision=2, sci_mode=True)
    assert text([1.0]) == "tensor([1.00e+00])"
    set_printoptions(edgeitems=1)
    assert text([0.5]) == "tensor([0.50])"
    set_printoptions(threshold=2)
    assert text([0.5, 1, 1, 2]) == "tensor([0.50,  ..., 2.00])"


@pytest.mark.parametrize("bad", [{"precision": -1}, {"linewidth": 2.5}, {"edgeitems": "3"}, {"threshold": nan},
                                 {"profile": "long"}, {"sci_mode": "yes"}], ids=lambda bad: next(iter(bad)))
def test_options_with_which_nothing_could_be_printed_are_refused_and_change_nothing(bad):
    with pytest.raises(ValueError, match=rf"set_printoptions: got {next(iter(bad))}=.*; expected .*; "):
        set_printoptions(**{"precision": 2} | bad)
    assert text([0.5]) == "tensor([0.5000])"


# --- names of backward functions ---

# One call for both, or ours | PyTorch's.
CALLS = """
x + x; x + 1; x - x; x - 1; 1 - x; x * x; x / x; x / 2; 1 / x; -x; x % 2; x ** 2; x ** 0.5; x ** -1; x ** x; 2 ** x
x ** s; x.T; x.sum(); x.sum(0); x.sum((0, 1)); x.mean(); x.mean(1); x.prod(); x.prod(0); x.max(); x.min()
x.max(0) | x.max(0).values; x.min(1) | x.min(1).values; b.max((0, 1)) | b.amax((0, 1)); x.std(); x.var(0); x.cumsum(0)
x.reshape(-1); x.reshape(2, 6); x @ y; x @ v; v @ y; v @ v; b @ y; b @ v; x @ c; v @ c; b @ c; x.squeeze()
o.squeeze(0); o.squeeze((0, 2)); x.swapaxes(0, 1); x[0]; x[0, 1]; x[1:]; x[:, 1:]; x[:]; x[:, :]; x[0:3, 0:4]
x[..., 0]; x[None]; x[:, None]; x[:, 1:, None]; x[None, :, 1:]; x[...]; x[()]; s[...]; s[None]; b[0, :, 1:]
b[:, -1, :]; b[1:, 0]; b[..., 0, 1:]; x[[0, 1]]; x[0, [0, 1]]; x[x > 0]; x[True]
b.transpose(1, 0, 2) | b.permute(1, 0, 2); tt.moveaxis(b, 0, 1) | tt.movedim(b, 0, 1)
tt.expand_dims(x, 1) | x.unsqueeze(1); tt.broadcast_to(v, (3, 4)); x.astype(np.float16) | x.half()
x.copy() | x.clone(); tt.concatenate([x, x]); tt.stack([x, x]); tt.where(x > 0, x, x); x.clip(0, 1); x.clip(None, 1.0)
tt.clip(x, x, x) | x.clamp(x, x); tt.maximum(x, x); tt.minimum(x, x); tt.exp(x); tt.exp2(x); tt.expm1(x); tt.log(x)
tt.log2(x); tt.log10(x); tt.log1p(x); tt.sqrt(x); tt.square(x); tt.absolute(x); tt.sin(x); tt.cos(x); tt.tan(x)
tt.sinh(x); tt.cosh(x); tt.tanh(x); tt.arcsin(x); tt.arccos(x); tt.arctan(x); tt.arcsinh(x); tt.arccosh(x + 1)
tt.arctanh(x); tt.arctan2(x, x); tt.sign(x); tt.floor(x); tt.ceil(x); tt.trunc(x); tt.fix(x); tt.rint(x) | x.round()
tt.round(x, 2) | x.round(decimals=2); tt.reciprocal(x); tt.hypot(x, x); tt.logaddexp(x, x); tt.logaddexp2(x, x)
tt.fmod(x, x); tt.fmod(x, 2); tt.remainder(x, x); tt.copysign(x, x); tt.radians(x) | tt.deg2rad(x)
tt.degrees(x) | tt.rad2deg(x); tt.fmax(x, x); tt.float_power(x, 2); tt.nan_to_num(x); tt.tril(x); tt.triu(x)
tt.diag(v); tt.diag(x); tt.diagonal(x); tt.diagflat(v); tt.flip(x, 0) | x.flip(0); tt.fliplr(x); tt.flipud(x)
tt.roll(x, 1); tt.rot90(x); tt.tile(x, (2, 2)); tt.repeat(x, 2) | x.repeat_interleave(2)
tt.take(x, np.array([0, 1])) | x.take(i); tt.take(x, np.array([0, 1]), 0) | x.index_select(0, i)
tt.pad(x, 1) | F.pad(x, (1, 1)); tt.outer(v, v); tt.inner(x, x); tt.dot(v, v); tt.vdot(v, v); tt.kron(x, x)
tt.tensordot(x, y, 1); tt.einsum("ij,jk->ik", x, y); tt.linalg.det(z); tt.linalg.inv(z); tt.linalg.solve(z, z)
tt.linalg.pinv(z); tt.linalg.norm(x); tt.linalg.norm(x, 1); tt.linalg.norm(z, -2); tt.linalg.norm(x, "nuc")
tt.linalg.norm(v, 3); tt.linalg.cholesky(tt.eye(3) + 0 * z); tt.linalg.multi_dot([x, y, y.T]); F.relu(x); F.gelu(x)
F.silu(x); F.softmax(x, -1); F.log_softmax(x, -1); tt.logsumexp(x, 0); F.linear(x, w, v5); F.linear(x, w)
F.linear(b, w, v5); F.linear(b, w); F.linear(v, w, v5); F.linear(v, w); F.cross_entropy(x, j)
F.cross_entropy(x, j, reduction="sum"); F.cross_entropy(x, j, reduction="none"); F.embedding(j, x)
tt.einsum("ij->ji", x); tt.einsum("ij->i", x); F.rms_norm(x, (4,)); F.dropout(x, 0.5); v.sum(0); s.sum(); s / x; x / s
x // 2; x[::2]; x[i]; x[i, i]; x[:, i]; x[n, i]; x[n]; x[J]; b[n, :, i]; x[None, None]; x[0:10, :]; b[..., None, 1]
q @ q.swapaxes(2, 3); q @ v; tt.clip(x, 0.0, x) | x.clamp(x * 0, x); F.cross_entropy(v, n); F.cross_entropy(q, K)
F.layer_norm(x, (4,)); F.sigmoid(x)
"""


def names_space(library, functional, tensor, integers):
    rng = np.random.default_rng(0)
    shapes = {"x": (3, 4), "y": (4, 5), "v": (4,), "b": (2, 3, 4), "c": (2, 4, 5), "s": (), "z": (3, 3), "w": (5, 4),
              "v5": (5,), "o": (1, 3, 1), "q": (2, 2, 3, 4)}
    space = {name: tensor(rng.uniform(0.1, 0.9, shape)) for name, shape in shapes.items()}
    return space | {"tt": library, "F": functional, "np": np, "i": integers([0, 1]), "j": integers([0, 1, 2]),
                    "n": integers(1), "J": integers([[0, 1], [2, 1]]), "K": integers(np.ones((2, 3, 4), int).tolist())}


@pytest.mark.peer
def test_names_are_pytorch_s():
    torch = pytest.importorskip("torch")
    ours = names_space(tt, tt.nn.functional, lambda a: tt.tensor(a, requires_grad=True), tt.tensor)
    theirs = names_space(torch, torch.nn.functional, lambda a: torch.tensor(a, requires_grad=True), torch.tensor)
    wrong = {}
    for call in CALLS.replace("\n", ";").split(";"):
        if call.strip():
            mine, _, other = (part.strip() for part in call.partition("|"))
            node = eval(mine, {}, ours)
            name = backward_name(node.op.name, node.params, [getattr(a, "shape", None) for a in node.saved])
            expected = type(eval(other or mine, {}, theirs).grad_fn).__name__
            if name != expected:
                wrong[call] = name, expected
    assert not wrong


def test_every_op_has_a_name():
    for op in REGISTRY.values():
        for sample in op.samples:
            shapes = [x if isinstance(x, tuple) else getattr(x, "shape", None) for x in sample.inputs]
            name = backward_name(op.name, sample.params, shapes)
            assert name.isidentifier() and ("Backward" in name or name == "NotImplemented"), (op.name, name)


def test_a_reshape_that_copies_has_another_name():
    assert backward_name("reshape", {"shape": (6,)}, [(2, 3)], copied=True) == "UnsafeViewBackward0"
