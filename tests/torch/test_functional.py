"""torch.nn.functional agrees with PyTorch on its own samples, the `op_db` that its tests are made of.

Values, dtypes, shapes, gradients, and the names of nodes. What is refused is listed, with its reason.
"""

import warnings

import numpy as np
import pytest

import tinytensor.torch as ours
import tinytensor.torch.nn.functional as F
from tinytensor.torch.gradients import grad

pytestmark = pytest.mark.peer
torch = pytest.importorskip("torch")
pytest.importorskip("expecttest")  # which PyTorch's own tests need
with warnings.catch_warnings():
    warnings.simplefilter("ignore")
    from torch.testing._internal.common_methods_invocations import op_db

NAMED = [info for info in op_db if info.name.startswith("nn.functional.") and hasattr(F, info.name[14:])]
INFOS = [info for info in NAMED if info.variant_test_name not in ("complex", "without_cudnn")]
REFUSED = {  # function, or function and variant: why none of its samples is compared
    "embedding": "these samples have the arguments exchanged, and other settings: tests/torch/test_nn.py",
    "triplet_margin_with_distance_loss": "the samples give PyTorch's own distances: tests/torch/test_nn.py",
}
SKIPPED = [  # function, which samples, why
    ("batch_norm", lambda args, kwargs: args[0].dim() == 1, "an input without channels"),
    ("group_norm", lambda args, kwargs: not args[0].numel(), "statistics of nothing"),
    ("multilabel_margin_loss", lambda args, kwargs: not args[0].dim(), "no classes"),
]
NAMES_DIFFER = {"adaptive_avg_pool1d", "avg_pool1d", "dropout3d"}  # at some shapes


def to_ours(x):
    """A tree of theirs, with our tensors."""
    if isinstance(x, torch.Tensor):
        t = ours.from_numpy(x.detach().numpy().copy())
        return t.requires_grad_() if x.requires_grad else t
    if isinstance(x, torch.dtype):
        return getattr(ours, str(x).removeprefix("torch."))
    if isinstance(x, tuple | list):
        return type(x)([to_ours(a) for a in x])
    return {k: to_ours(v) for k, v in x.items()} if isinstance(x, dict) else x


def leaves(x):
    """The tensors in a tree."""
    if isinstance(x, tuple | list):
        return [leaf for a in x for leaf in leaves(a)]
    if isinstance(x, dict):
        return [leaf for a in x.values() for leaf in leaves(a)]
    return [x] if hasattr(x, "requires_grad") else []


def same(a, b, what):
    a, b = a.detach().numpy(), b.detach().numpy()
    assert (a.shape, a.dtype) == (b.shape, b.dtype), what
    exact = b.dtype == np.float64 and what[0] != "hardsigmoid"  # of which PyTorch's constants are float32
    tolerance = 1e-9 if exact else 1e-5
    size = max(1, np.abs(b[np.isfinite(b)]).max(initial=0)) if b.dtype.kind == "f" else 0
    np.testing.assert_allclose(a, b, rtol=tolerance, atol=tolerance * size, err_msg=str(what))


def differentiate(mine, theirs, given, ours_given, what):
    """The gradients of all that take one."""
    of = [x for x in leaves(given) if x.requires_grad]
    ours_of = [x for x in leaves(ours_given) if x.requires_grad]
    weights = [torch.rand_like(y) for y in theirs]
    wanted = torch.autograd.grad(theirs, of, weights, allow_unused=True)
    found = grad(mine, ours_of, to_ours(weights), allow_unused=True)
    for x, g, w in zip(of, found, wanted, strict=True):
        same(ours.from_numpy(np.zeros(x.shape)) if g is None else g, torch.zeros_like(x) if w is None else w, what)


@pytest.mark.parametrize("info", INFOS, ids=lambda info: info.full_name[14:])
def test_functions_agree_on_pytorch_s_samples(info):
    name = info.name.removeprefix("nn.functional.")
    if name in REFUSED or f"{name} {info.variant_test_name}".strip() in REFUSED:
        pytest.skip(REFUSED.get(name) or REFUSED[f"{name} {info.variant_test_name}"])
    compared = 0
    for dtype in (torch.float64, torch.int64):
        if dtype not in info.dtypes or (dtype == torch.int64 and ("pool" in name or "conv" in name)):
            continue  # integers have no pooling and no convolution here
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            samples = list(info.sample_inputs("cpu", dtype, requires_grad=dtype.is_floating_point))
            for s in samples[:: 1 + len(samples) // 40]:
                given = (s.input, *s.args), s.kwargs
                if any(name == f and which(*given) for f, which, _ in SKIPPED):
                    continue
                ours_given, what = to_ours(given), (name, given)
                theirs = leaves(info.op(*given[0], **given[1]))
                ours.manual_seed(42)  # as the samples of random functions do
                mine = leaves(getattr(F, name)(*ours_given[0], **ours_given[1]))
                compared += 1
                for z, y in zip(mine, theirs, strict=True):
                    same(z, y, what)
                    if y.requires_grad and name not in NAMES_DIFFER:
                        assert (z.grad_fn and z.grad_fn.name()) == (y.grad_fn and y.grad_fn.name()), what
                theirs = [y for y in theirs if y.requires_grad]
                mine = [z for z in mine if z.requires_grad]
                assert len(mine) == len(theirs) or name in NAMES_DIFFER, what
                if mine:
                    differentiate(mine, theirs, given, ours_given, what)
    assert compared


def test_keywords_are_pytorch_s_and_numpy_s():
    x = ours.tensor([[1.0, 2.0], [3.0, 5.0]])
    assert ours.equal(F.softmax(x, axis=0), F.softmax(x, dim=0))
    assert F.softmax(input=x, dim=0, dtype=ours.float64).dtype == ours.float64


def test_every_public_function_is_named_as_pytorch_s():
    assert len(F.__all__) > 85 and all(hasattr(torch.nn.functional, name) for name in F.__all__)
