"""PyTorch as an oracle, where it is installed: values and gradients, at random points and where the conventions matter.

`torch._numpy` has NumPy's names and signatures, so one call runs on both.
"""
import importlib
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import tinytensor as tt
from tinytensor.core import REGISTRY, Op, Tensor
from tinytensor.define import public
from tinytensor.testing.strategies import inputs

torch = pytest.importorskip("torch")
tnp = importlib.import_module("torch._numpy")
F = torch.nn.functional
pytestmark = pytest.mark.peer
FEW = settings(max_examples=max(settings().max_examples // 6, 1))

BY_HAND = {  # what `torch._numpy` does not have, or has with another signature or another meaning
    "sigmoid": torch.sigmoid,
    "relu": torch.relu,
    "erf": torch.erf,
    "silu": F.silu,
    "gelu": lambda x, approximate="none": F.gelu(x, approximate=approximate),
    "cbrt": lambda x: torch.sign(x) * torch.abs(x) ** (1 / 3),
    "fmax": torch.maximum,  # torch's fmax gives a tie to the first
    "fmin": torch.minimum,
    "power": lambda a, b: a**b,
    "float_power": torch.float_power,
    "remainder": torch.remainder,
    "fmod": torch.fmod,
    "ldexp": lambda x, i: torch.ldexp(x, i.to(x.dtype)),
    "clip": lambda x, a_min=None, a_max=None: torch.clamp(x, a_min, a_max),
    "fix": torch.fix,  # `torch._numpy` rounds
    "dot": lambda a, b: torch.tensordot(a, b, ([-1], [-2 if b.ndim > 1 else -1])) if a.ndim and b.ndim else a * b,
    "outer": lambda a, b: torch.outer(a.reshape(-1), b.reshape(-1)),
    "vecdot": torch.linalg.vecdot,
    "matvec": lambda a, b: (a @ b[..., None])[..., 0],
    "vecmat": lambda a, b: (a[..., None, :] @ b)[..., 0, :],
    "where": torch.where,
    "astype": lambda x, dtype: x.to(like(x, dtype)),
    "zeros_like": lambda x, dtype=None, shape=None: torch.zeros(shape or x.shape, dtype=like(x, dtype)),
    "ones_like": lambda x, dtype=None, shape=None: torch.ones(shape or x.shape, dtype=like(x, dtype)),
    "full_like": lambda x, fill_value, shape=None: fill_value.expand(shape or x.shape),
    "any": lambda x, axis=None, keepdims=False: torch.amax(x != 0, axes(x, axis), keepdims),
    "all": lambda x, axis=None, keepdims=False: torch.amin(x != 0, axes(x, axis), keepdims),
    "max": lambda x, axis=None, keepdims=False: torch.amax(x, axes(x, axis), keepdims),
    "min": lambda x, axis=None, keepdims=False: torch.amin(x, axes(x, axis), keepdims),
    "prod": lambda x, axis=None, keepdims=False: product(x, axes(x, axis), keepdims),
    "var": lambda x, axis=None, ddof=0, correction=None, keepdims=False: torch.var(
        x, axes(x, axis), correction=ddof if correction is None else correction, keepdim=keepdims),
    "std": lambda x, axis=None, ddof=0, correction=None, keepdims=False: torch.std(
        x, axes(x, axis), correction=ddof if correction is None else correction, keepdim=keepdims),
    "norm": lambda x, ord=None, axis=None, keepdims=False: torch.linalg.norm(x, ord, axis, keepdims),
    "logsumexp": lambda x, axis=None, keepdims=False: torch.logsumexp(x, axes(x, axis), keepdims),
    "softmax": lambda x, axis=-1: torch.softmax(x, axis),
    "log_softmax": lambda x, axis=-1: torch.log_softmax(x, axis),
    "linear": F.linear,
    "matmul_tn": lambda a, b: a.T @ b,
    "cross_entropy": lambda z, t, reduction="mean", ignore_index=-100: crossed(z, t, reduction, ignore_index),
    "embedding": lambda weight, i: F.embedding(i, weight),
    "contract": lambda *operands, subscripts: torch.einsum(subscripts, *operands),
    "getitem": lambda x, index: x[places(index, x.shape)],
    "scatter": lambda x, index, shape: x.new_zeros(shape).index_put(places(index, shape), x, accumulate=True),
    "index_put": lambda x, v, index: put(x, v, places(index, x.shape)),
    "take": lambda x, i, axis=None, mode="raise": taken(x.reshape(-1) if axis is None else x, i, axis or 0, mode),
    "take_along_axis": lambda x, i, axis=-1: torch.take_along_dim(x, i, axis),
    "reshape": lambda x, shape, order="C", copy=None: x.reshape(shape) if order == "C" else
        x.permute(*range(x.ndim)[::-1]).reshape(shape[::-1]).permute(*range(len(shape))[::-1]),
    "tril": lambda x, k=0: torch.tril(x.expand(x.shape[0], -1) if x.ndim == 1 else x, k),
    "triu": lambda x, k=0: torch.triu(x.expand(x.shape[0], -1) if x.ndim == 1 else x, k),
    "argsort": lambda x, axis=-1, stable=None: torch.argsort(
        x if axis is not None else x.reshape(-1), dim=axis or 0, stable=True),
    "fftshift": lambda x, axes=None: torch.fft.fftshift(x, axes),
    "ifftshift": lambda x, axes=None: torch.fft.ifftshift(x, axes),
    "transpose": lambda x, axes=None: x.permute(axes or tuple(range(x.ndim))[::-1]),
    "squeeze": lambda x, axis=None: x.squeeze() if axis is None else x.squeeze(axis),
    "concatenate": lambda *xs, axis=0: torch.cat([x.reshape(-1) for x in xs] if axis is None else xs, axis or 0),
    "stack": lambda *xs, axis=0: torch.stack(xs, axis),
    "attention": lambda qkv, keep=1, heads=1, causal=True: attended(qkv, keep, heads, causal),
    "batch_norm": lambda x, *affine, **how: batch_normed(x, *affine, **how),
    "layer_norm": lambda x, weight=None, bias=None, axes=1, eps=1e-5: F.layer_norm(
        x, x.shape[-axes:], weight, bias, eps),
    "rms_norm": lambda x, weight=None, axes=1, eps=None: F.rms_norm(x, x.shape[-axes:], weight, eps),
    "sliding_window_view": lambda x, window_shape, axis=-1, stride=1, dilation=1: x.unfold(
        axis, dilation * (window_shape - 1) + 1, stride)[..., ::dilation],
    "overlap_add": lambda x, size, axis=-1, stride=1, dilation=1: overlapped(x, size, axis, stride, dilation),
    "rnn": lambda a, weight, h, nonlinearity="tanh": layered(
        torch.rnn_relu if nonlinearity == "relu" else torch.rnn_tanh, a, h[None], weight)[0],
    "gru": lambda a, weight, h, bias=None: layered(torch.gru, a, h[None], weight, bias)[0],
    "lstm": lambda a, weight, h, c: torch.cat(layered(torch.lstm, a, (h[None], c[None]), weight)[::2]),
    "pad": lambda x, pad_width: F.pad(x, np.broadcast_to(pad_width, (x.ndim, 2))[::-1].reshape(-1).tolist()),
}

WITHOUT = {  # ops that the peer can't differentiate
    "heaviside": "not implemented",
    "floor_divide": "not implemented",
    "nextafter": "not implemented",
    "bitwise_count": "there is none",
    "argpartition": "there is none",
    "delete": "there is none; tests/ops/test_arrange.py holds it against JAX",
    **dict.fromkeys(("extract_patches", "add_patches", "max_pool", "sum_pool", "pool_index", "pool_gather",
                     "pool_scatter", "bernoulli_cross_entropy", "leaky_relu"), "in tests/torch/test_conv.py"),
    **{name: "in tests/ops/test_linalg.py" for name in REGISTRY if name.startswith("linalg.")},
}


def like(x: Any, dtype: Any) -> Any:
    return x.dtype if dtype is None else getattr(torch, np.dtype(dtype).name)


def taken(x: Any, i: Any, axis: int, mode: str) -> Any:
    n = x.shape[axis]
    i = torch.as_tensor(i)
    return x[(slice(None),) * axis + (i.clamp(0, n - 1) if mode == "clip" else i % n if mode == "wrap" else i,)]


def product(x: Any, axes: Any, keepdims: bool) -> Any:
    """torch's product is over one axis at a time."""
    for axis in sorted([a % x.ndim for a in np.atleast_1d(axes).tolist()], reverse=True):
        x = x.prod(axis, keepdims)
    return x


def places(index: Any, shape: Any) -> Any:
    """An index of any kind as one array for each axis."""
    flat = np.arange(np.prod(shape)).reshape(shape)[index]
    return tuple(map(torch.as_tensor, np.unravel_index(flat, shape)))


def put(x: Any, v: Any, index: Any) -> Any:
    """A copy of x with v at an index; NumPy lets v have axes of 1 more."""
    return x.index_put(index, v.reshape(v.shape[v.ndim - index[0].ndim :]) if v.ndim > index[0].ndim else v)


def axes(x: Any, axis: Any) -> Any:
    return tuple(range(x.ndim)) if axis is None else axis


def crossed(z: Any, t: Any, reduction: str, ignore_index: int) -> Any:
    losses = F.cross_entropy(z.reshape(-1, z.shape[-1]), t.reshape(-1), None, None, ignore_index, None, reduction)
    return losses.reshape(t.shape) if reduction == "none" else losses


def attended(qkv: Any, keep: Any, heads: int, causal: bool) -> Any:
    q, k, v = (x.unflatten(-1, (heads, -1)).transpose(1, 2) for x in qkv.chunk(3, -1))
    p = q @ k.mT / q.shape[-1] ** 0.5
    p = p.masked_fill(torch.ones(p.shape[-2:]).triu(1).bool(), -torch.inf) if causal else p
    return (p.softmax(-1) * keep @ v).transpose(1, 2).flatten(2)


def batch_normed(x: Any, weight: Any = None, bias: Any = None, mean: Any = None, var: Any = None, axis: int = -1,
                 eps: float = 1e-5, correction: int = 0) -> Any:
    """torch's has no gradient for given statistics, and no unbiased variance: with that, eps and the scale differ."""
    z, n = x.movedim(axis, 1), x.numel() // x.shape[axis]
    if mean is not None:
        y = (x.movedim(axis, -1) - mean) / torch.sqrt(var + eps) * weight
        return (y if bias is None else y + bias).movedim(-1, axis)
    bessel = n / (n - correction)
    y = F.batch_norm(z, None, None, weight / bessel**0.5 if correction else weight, bias, True, 0.1, eps / bessel)
    return y.movedim(1, axis)


def layered(layer: Any, a: Any, states: Any, weight: Any, bias: Any = None) -> Any:
    """torch's layer projects its inputs: with the identity here."""
    weights = [torch.eye(a.shape[-1], dtype=a.dtype), weight]
    weights += [] if bias is None else [torch.zeros_like(bias), bias]
    return layer(a, states, weights, bias is not None, 1, 0.0, False, False, False)


def overlapped(x: Any, size: int, axis: int, stride: int, dilation: int) -> Any:
    """Places along the axis picked by an index, and added to."""
    axis %= x.ndim - 1
    x = x.movedim(axis, -2)
    windows, elements = x.shape[-2:]
    at = (torch.arange(windows)[:, None] * stride + torch.arange(elements) * dilation).reshape(-1)
    return x.new_zeros(*x.shape[:-2], size).index_add(-1, at, x.reshape(*x.shape[:-2], -1)).movedim(-1, axis)


def needs(op: Op, i: int, x: np.ndarray) -> bool:
    return x.dtype.kind == "f" and bool(op.rules[i])


def by_torch(op: Op, args: Any, params: Any) -> tuple[np.ndarray, list[Any]]:
    """torch's output for the same call, and its gradients for a gradient of ones."""
    leaves = [torch.tensor(x, requires_grad=needs(op, i, x)) if isinstance(x, np.ndarray) else x
              for i, x in enumerate(args)]
    by_hand = BY_HAND.get(op.name)
    y = by_hand(*leaves, **params) if by_hand else getattr(tnp, op.name)(*leaves, **params).tensor
    if y.requires_grad:
        y.backward(torch.ones_like(y))
    return y.detach().numpy(), [x.grad.numpy() if x.grad is not None else None
                                for x in leaves if isinstance(x, torch.Tensor) and x.is_floating_point()]


def by_us(op: Op, args: Any, params: Any) -> tuple[np.ndarray, list[Any]]:
    leaves = [Tensor(x, requires_grad=needs(op, i, x)) if isinstance(x, np.ndarray) else x for i, x in enumerate(args)]
    with np.errstate(all="ignore"):
        y = public(op.name)(*leaves, **params)
    if not isinstance(y, Tensor):
        return np.asarray(y), []
    if y.requires_grad:
        y.backward(np.ones(y.shape))
    return y.data, [x.grad for x in leaves if isinstance(x, Tensor) and x.dtype.kind == "f"]


def agree(op: Op, args: Any, params: Any) -> None:
    (y, found), (z, expected) = by_us(op, args, params), by_torch(op, args, params)
    np.testing.assert_allclose(y, z, rtol=1e-12, atol=1e-13)
    for g, h in zip(found, expected, strict=True):
        if g is not None:
            np.testing.assert_allclose(g, np.zeros_like(g) if h is None else h, rtol=1e-12, atol=1e-13)


# --- random points ---

PEERED = [op for op in REGISTRY.values() if (op.name in BY_HAND or hasattr(tnp, op.name)) and op.name not in WITHOUT]


def test_the_peer_knows_almost_every_op() -> None:
    assert REGISTRY.keys() - {op.name for op in PEERED} - WITHOUT.keys() == set()


@pytest.mark.parametrize("op", [pytest.param(op, id=op.name) for op in PEERED])
@FEW
@given(data=st.data())
def test_torch_agrees(op: Op, data: st.DataObject) -> None:
    for sample in op.samples:
        agree(op, data.draw(inputs(op, sample)), sample.params)


# --- where conventions matter ---

ZERO, TIE = np.array([0.0, -0.0]), np.array([2.0, 2.0, 1.0, 2.0])
AT = [
    ("absolute", ZERO), ("sign", ZERO), ("relu", ZERO), ("sqrt", ZERO[:1]), ("log", ZERO[:1]), ("norm", ZERO),
    ("std", TIE[:2]),
    ("max", TIE), ("min", -TIE), ("maximum", TIE, TIE[::-1].copy()), ("minimum", TIE, TIE[::-1].copy()),
    ("prod", np.array([0.0, 2.0, 3.0])), ("prod", np.array([0.0, 0.0, 3.0])), ("power", ZERO[:1], np.array([2.0])),
    ("hypot", np.array([3.0]), np.array([0.0])), ("arctan2", ZERO, np.array([2.0, 0.0])),
    ("power", np.array([0.0]), np.array([0.0])), ("power", np.array([-2.0]), np.array([3.0])),
    ("remainder", np.array([5.5, -5.5, 4.0]), np.array([2.0, 2.0, -2.0])),
    ("fmod", np.array([5.5, -5.5, -4.0]), np.array([2.0, 2.0, 2.0])),
    ("logaddexp", np.array([1e4, -1e4, -np.inf, 0.0]), np.array([1e4, 1e4, 0.0, -np.inf])),
    ("sigmoid", np.array([-1e4, 1e4, -np.inf, np.inf, 0.0])), ("logsumexp", np.array([1e4, -1e4, -np.inf])),
    ("softmax", np.array([1e4, 1e4, -np.inf])), ("log_softmax", np.array([1e4, 0.0, -1e4])),
]


@pytest.mark.parametrize("name, args", [(name, args) for name, *args in AT])
def test_torch_agrees_on_conventions(name: str, args: list[np.ndarray]) -> None:
    agree(REGISTRY[name], args, {})


def test_clip_at_its_bounds() -> None:
    agree(REGISTRY["clip"], [np.array([-1.5, -1.0, 0.0, 2.0, 2.5])], {"a_min": -1.0, "a_max": 2.0})


def test_where_torch_gives_nan_we_give_the_limit_or_0() -> None:
    """The conventions that are not torch's, each with what torch does."""
    for name, args in {
        "hypot": [np.zeros(1), np.zeros(1)],
        "logaddexp": [np.array([np.inf]), np.array([np.inf])],
    }.items():
        _, ours = by_us(REGISTRY[name], args, {})
        _, theirs = by_torch(REGISTRY[name], args, {})
        assert np.isfinite(ours).all(), name
        assert not np.isfinite(theirs).all(), f"{name}: torch has a number now; is its convention ours?"


def test_second_order_agrees_on_a_network() -> None:
    """The gradient of a gradient's norm, through what a network is made of."""
    rng = np.random.default_rng(0)
    arrays = [rng.normal(size=shape) for shape in ((5, 3), (4, 3), (4,), (6, 4))]
    t = np.array([0, 5, 2, 2, 1])
    ours = [Tensor(a, requires_grad=True) for a in arrays]
    x, w, b, v = ours
    loss = tt.cross_entropy(np.tanh(tt.linear(x, w, b)) @ v.swapaxes(0, 1), t)
    sum((g * g).sum() for g in tt.grad(loss, ours, create_graph=True)).backward()
    theirs = [torch.tensor(a, requires_grad=True) for a in arrays]
    x, w, b, v = theirs
    loss = F.cross_entropy(torch.tanh(F.linear(x, w, b)) @ v.T, torch.tensor(t))
    sum((g * g).sum() for g in torch.autograd.grad(loss, theirs, create_graph=True)).backward()
    for a, c in zip(ours, theirs, strict=True):
        np.testing.assert_allclose(a.grad, c.grad.numpy(), rtol=1e-10, atol=1e-12)
