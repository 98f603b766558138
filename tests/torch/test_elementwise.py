"""PyTorch's elementwise functions, dtypes and fillers on tinytensor, beside PyTorch's own."""

import itertools
import math
import warnings

import numpy as np
import pytest

import tinytensor.torch as tt
from tinytensor.torch.gradients import grad

EDGES = [0.0, -0.0, 1.0, -1.0, 0.5, -0.5, 1.5, 2.5, -2.5, math.inf, -math.inf, math.nan, 1e-30, 1e30, 88.0, 3.7,
         0.999999, -0.999999, 0.9, 0.05, 5.0, -5.0, 30.0, -20.25, 170.5]
PAIRS = [0.0, -0.0, 1.0, -1.0, 0.5, -2.5, math.inf, -math.inf, math.nan, 3.0, 1e30]
ONE = """
abs acos acosh asin asinh atan atanh ceil cos cosh deg2rad digamma erf erfc erfinv exp exp2 expm1 floor frac
i0 isfinite isinf isnan isneginf isposinf isreal lgamma log log10 log1p log2 logical_not logit nan_to_num neg positive
rad2deg reciprocal relu round rsqrt sgn sigmoid sign signbit sin sinc sinh sqrt square tan tanh trunc angle special.entr
special.ndtri special.log_ndtr special.erfcx special.gammaln special.psi special.expit
"""
TWO = """
atan2 hypot fmod remainder fmax fmin maximum minimum copysign ldexp float_power logaddexp logaddexp2 xlogy pow
div clamp_min clamp_max heaviside nextafter special.xlog1py logical_and logical_or logical_xor
"""
DTYPES = ["float32", "float64", "float16", "int64", "int32", "int16", "int8", "uint8", "bool"]


def named(root, name):
    for part in name.split("."):
        root = getattr(root, part)
    return root


def compare(torch, theirs, ours, columns, dtype, rtol):
    """Values everywhere; gradients at finite inputs, where PyTorch's is finite and no pole's rounding."""
    xs = [torch.tensor(c, dtype=getattr(torch, dtype), requires_grad=True) for c in columns]
    zs = [tt.tensor(c.tolist(), dtype=getattr(tt, dtype), requires_grad=True) for c in columns]
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        y, z = theirs(*xs), ours(*zs)
    np.testing.assert_allclose(z.detach().numpy(), y.detach().numpy(), rtol, 1e-14 if dtype == "float64" else 1e-7)
    assert str(z.dtype) == str(y.dtype)
    if y.dtype.is_floating_point and z.requires_grad:
        expected = torch.autograd.grad(y, xs, torch.ones_like(y), allow_unused=True, materialize_grads=True)
        found = grad(z, zs, tt.tensor(np.ones(z.shape, z.detach().numpy().dtype)), allow_unused=True)
        finite = np.all([np.isfinite(c) for c in columns], axis=0)
        for g, h in zip(expected, found, strict=True):
            g = g.numpy(force=True)
            at = finite & np.isfinite(g) & (np.abs(g) < 1e9)
            np.testing.assert_allclose(h.numpy()[at], g[at], 10 * rtol, 1e-6)


@pytest.mark.peer
@pytest.mark.parametrize("name", ONE.split())
def test_functions_of_one_tensor_at_the_edges(name):
    torch = pytest.importorskip("torch")
    for dtype, rtol in (("float64", 1e-9), ("float32", 1e-4)):
        compare(torch, named(torch, name), named(tt, name), [np.array(EDGES)], dtype, rtol)


@pytest.mark.peer
@pytest.mark.parametrize("name", TWO.split())
def test_functions_of_two_tensors_at_the_edges(name):
    torch = pytest.importorskip("torch")
    pairs = np.array(list(itertools.product(PAIRS, PAIRS)))
    for dtype, rtol in (("float64", 1e-9), ("float32", 1e-4)):
        compare(torch, named(torch, name), named(tt, name), [*pairs.T], dtype, rtol)


@pytest.mark.peer
@pytest.mark.parametrize("name", ["clamp", "lerp", "addcmul", "addcdiv"])
def test_functions_of_three_tensors_at_the_edges(name):
    torch = pytest.importorskip("torch")
    three = itertools.product([0.0, 1.0, -1.0, math.nan, 3.0, math.inf], [0.0, 1.0, math.nan, -math.inf],
                              [0.0, 1.0, 0.25, math.nan, 2.0])
    compare(torch, named(torch, name), named(tt, name), [*np.array(list(three)).T], "float64", 1e-9)


@pytest.mark.peer
@pytest.mark.parametrize("limits", [(0, 1), (None, 1), (0, None), (1, 0), (-0.5, 0.5)])
def test_clamp_by_numbers(limits):
    torch = pytest.importorskip("torch")
    compare(torch, lambda x: torch.clamp(x, *limits), lambda x: tt.clamp(x, *limits), [np.array(EDGES)], "float32", 0)


@pytest.mark.peer
@pytest.mark.parametrize("name", [*ONE.split(), "frexp", "bitwise_not", "conj_physical", "real"])
def test_dtypes_are_pytorchs_and_so_is_what_is_refused(name):
    torch = pytest.importorskip("torch")
    for dtype in DTYPES:
        if dtype == "float16" and name.startswith("special."):  # some are not there in PyTorch
            continue
        asked = []
        for library in (torch, tt):
            try:
                y = named(library, name)(library.tensor([1, 0, 1], dtype=getattr(library, dtype)))
                asked.append(str(getattr(y, "mantissa", y).dtype))
            except (RuntimeError, TypeError) as error:
                asked.append("refused")
                assert library is torch or "expected" in str(error)
        assert asked[0] == asked[1], dtype


@pytest.mark.peer
@pytest.mark.parametrize("name", ["polygamma", "mvlgamma", "special.zeta", "special.i1", "special.ndtr"])
def test_special_functions_of_ordinary_numbers(name):
    torch = pytest.importorskip("torch")
    points = np.array([0.3, 0.9, 1.0, 2.0, 3.5, 12.0, 60.0])
    calls = {"polygamma": lambda lib: lambda x: sum(lib.polygamma(n, x) * 0.5**n for n in range(4)),
             "mvlgamma": lambda lib: lambda x: lib.mvlgamma(x + 1, 3),
             "special.zeta": lambda lib: lambda x: lib.special.zeta((x + 1).detach(), x.detach() * 2)}
    call = calls.get(name, lambda lib: named(lib, name))
    compare(torch, call(torch), call(tt), [points], "float64", 1e-9)


CALLS = """
torch.exp(1.0)
torch.tensor([1, 2]).exp_()
torch.tensor([1.0, 4.0]).sqrt_().log10_().neg_()
torch.clamp(T([1, 2]), 0.5)
torch.clamp(T([1, 2]), T([0.5]))
torch.clamp(T([1, 2]))
torch.clamp(T([1, 2]), 1, T([2]))
torch.clamp(T([True, False]), 0, 1)
T([1, 5]).clamp_(2, 3)
T([1.0, 5.0]).clip(max=2)
torch.clamp_min(T([1, 2]), 1.5)
torch.equal(T([1, 2]), T([1.0, 2.0])), torch.equal(T([1, 2]), T([1]))
torch.allclose(T([1, 2]), T([1.0, 2.0]))
torch.allclose(T([1.0, math.nan]), T([1.0, math.nan]), equal_nan=True)
torch.round(T([15, 25]), decimals=-1)
torch.round(T([15.3, 25]), decimals=-1), torch.round(T([1.2345]), decimals=2)
torch.logical_and(T([1.0, 0.0]), 1)
torch.where(T([1, 0]), 1, 2)
torch.where(T([True, False]), 1, 2.0), torch.where(T([True, False]), 1, 2).dtype
torch.where(T([True, False]), T([1, 2]), 2.0), torch.where(T([[True, False], [True, True]]))
T([1.0, 2]).where(T([True, False]), 0)
torch.lerp(T([1.0, 2]), T([3.0, 4]), 0.25), torch.lerp(T([1e10]), T([1.0]), 1.0)
torch.lerp(T([1.0, 2]), T([3.0, 4]).double(), 0.5)
torch.lerp(T([1, 2]), T([3, 4]), 0.5)
torch.addcmul(T([1, 2]), T([3, 4]), T([3, 4]), value=2), torch.addcmul(T([1, 2]), T([3.0, 4]), T([3, 4]), value=0.5)
torch.addcdiv(T([1.0, 2]), T([3, 4]), T([3, 4]))
torch.softmax(T([1, 2]), 0)
torch.softmax(T(1.0), 0), torch.softmax(T([1, 2]), 0, dtype=torch.float64), T([[0.0, 1.0]]).log_softmax(dim=1)
torch.softmax(T([1.0, 2]), 2)
torch.softmax(T([1.0, 2]))
torch.heaviside(T([1.0, -2]), T([1, 2]))
torch.heaviside(T([1.0, -2, 0]), T([0.5]))
torch.copysign(T([1, 2]), -1), torch.atan2(T([1, 2]), T([-1, 2]))
torch.hypot(T([1, 2]), T([-1, 2]))
torch.atan2(T([1.0, 2]), 2.0)
torch.xlogy(2, T([-1, 2])), torch.xlogy(T([0, 2]), 3), torch.xlogy(T([1.0]), T([2.0]).double())
torch.fmod(T([5, -5]), 3), T([5, -5]) % 3, torch.remainder(5, T([3])), T([5.5]).fmod(-2)
torch.fmod(T([5, -5]), 0)
torch.fmod(T([True]), T([True]))
torch.fmax(T([1, 2]), T([1.0, 3.0])), torch.gcd(T([4]), T([6])), torch.lcm(T([4]), T([6]))
torch.gcd(T([1.0]), T([2.0]))
torch.lcm(T([4]), 6)
torch.ldexp(T([1, 2]), T([1, 2])), torch.float_power(T([1, 2]), 2), torch.float_power(2, T([1.0, 2.0]))
T([2.0]).float_power_(2)
torch.rsub(T([1, 2]), 3, alpha=2), T([2, 3]) ** T([2, -1]), T([1, -1]) ** T([-3, -3])
torch.nan_to_num(T([math.nan, math.inf]), nan=3.0, posinf=9.0), torch.nan_to_num(T([1, 2]), nan=3.0)
torch.frexp(T([3.0, 0.0]))
T([1.0, 2]).type(), T([1.0, 2]).type("torch.LongTensor"), T([1.7]).type(torch.int32), T([1.7]).type_as(T([1]))
T([1.7]).to("cpu", torch.int32), T([1.7]).to(torch.device("cpu"), dtype=torch.int32), T([1]).to(T([1.5]))
T([1.7]).to("nowhere")
T([1.7, -1.7]).int(), T([0.5, 0]).bool(), T([1]).double(), T([3.9]).byte(), T([1]).half(), T([True]).float()
T([1.7]).long(), T([math.nan]).long(), T([1.5]).short(), T([1.5]).char()
T([1, 2]).fill_(2.7), T([1, 2]).fill_(T(2.7)), T([1.0, 2]).zero_(), torch.fill(T([1.0, 2]), 3)
T([1, 2]).fill_(T([2.7]))
T([1, 2]).copy_(T(2.7)), T([1, 2]).copy_(2), T([[1.0], [2.0]]).copy_(T([3]))
T([1, 2]).copy_(T([1, 2, 3]))
T([1.0, 2]).new_tensor([1, 2]), T([1.0, 2]).new_full((2,), 3), T([1]).new_zeros(2, 3)
T([1.0]).new_ones((2,), dtype=torch.int64)
T([[1.0, 2]]).size(), T([[1.0, 2]]).size(-1), T([[1.0, 2]]).numel(), T([[1.0, 2]]).nelement(), T([1]).dim()
T(1).ndimension()
T([1.0]).size(3)
torch.zeros(2, 3).stride(), torch.zeros(2, 3).stride(1), torch.zeros(2, 1).stride(), T(1.0).stride()
T([1.0]).element_size()
torch.is_tensor(T(1)), torch.is_tensor(1), T([1.0]).is_floating_point(), torch.is_complex(T(1)), T([1]).is_signed()
torch.numel(T([1, 2])), T([2.0]).is_nonzero(), T([1]).is_same_size(T([2])), T([1.0]).is_cuda, T([1]).is_contiguous()
T([1.0, 2]).is_nonzero()
T([1.0]).clone(), torch.clone(T([True])), T([1.0]).cpu(), T([1.0]).contiguous()
T([1.0])._version, T([1.0]).add_(1)._version
torch.relu(T([True]))
torch.neg(T([True]))
torch.square(T([True])), torch.sign(T([True, False])), T([-2, 3]).abs(), T([-2.5]).absolute()
torch.signbit(T([-0.0, 1]))
torch.isclose(T([1.0]), T([2.0]).double())
T([1.0, 2.0]).apply(1)
torch.ones(2, 3).sum_to_size(1, 3), torch.ones(2, 3).sum_to_size(3), torch.ones(2, 3).sum_to_size(2, 1)
torch.ones(2, 3).sum_to_size(2)
torch.pi, torch.inf, -torch.nan, torch.e, T([1.0])[torch.newaxis]
torch.zero_(T([1.0])), torch.relu_(T([-1.0])), torch.exp_(T([0.0]))
T([1.0], requires_grad=True).zero_()
T([4.0], requires_grad=True).rsqrt(), T([0.4], requires_grad=True).logit(), T([0.4], requires_grad=True).clamp(0, 1)
T([4.0], requires_grad=True).softmax(0), T([4.0], requires_grad=True).clone(), T([4.0], requires_grad=True).double()
T([4.0], requires_grad=True).lgamma(), T([4.0], requires_grad=True).detach_(), T([4.4], requires_grad=True).frac()
torch.rsqrt(a).add_(1), (a * 1).zero_(), (a * 1).fill_(2), (a * 1).copy_(T([1.0, 2])), torch.empty(2).fill_(a[0])
a.to(torch.float64), a.double().float(), a.clone().detach().requires_grad_(), a.round(decimals=1), a.fmod(2), a.fmod(a)
torch.where(a > 1, a, 0.0), torch.where(a > 1, a.double(), 0.0), torch.where(T([True, False]), T([1]).int(), 3)
a.clamp(min=T([0.0])), a.log_softmax(-1), torch.fmax(a, a), a.lerp(a, 0.5), a.lerp(a, a), a.addcdiv(a, a)
a.nan_to_num(), a.erf(), a.erfc(), a.digamma(), a.polygamma(1), a.relu(), a.atan2(a), a.float_power(2), a.float_power(a)
T([1.0]).to(T([1, 2])), T([1.0]).to(copy=True), T([1.0]).to(), T([1.7]).to(int), T([1]).to("cpu:0", torch.float16)
torch.clamp(T([1, 2, 3]), max=2.5), torch.clamp(T([1.0, 2]), T(1.5), T(1.7)), torch.where(T([1, 0, 2]))
torch.round(T([-0.5, 0.5, -1.5])), torch.frac(T([-1.5])), torch.fix(T([1.7])), torch.sgn(T([-2.0, 0, math.nan]))
T([1, 0]).logical_and_(T([1, 1])), T([1.0, 0]).logical_not_(), torch.logical_xor(T([True]), T([True]))
torch.zeros(0, 3).stride(), torch.zeros(2, 0, 3).stride(), torch.zeros(2, 3)[:, None].stride()
a.abs_()
a.data.neg_(), a.detach().abs_(), a
torch.polygamma(-1, a)
T([1, 2, 3]) / 2, T([-7]) // 2, T([-7.0]) // 2, 7 // T([2]), T([7]).div(2, rounding_mode="trunc"), T([1.0]) / 0
T([1]) // 0
T([2]) ** -1
T([1, 2]).copy_(T([1.5, 2.5])), T([True, False]).copy_(T([2, 0])), T([True, False]).fill_(3), T([1, 2]).fill_(True)
""".strip().splitlines()


@pytest.mark.peer
@pytest.mark.parametrize("call", CALLS)
def test_calls_give_what_pytorch_prints_or_are_refused_as_there(call):
    torch = pytest.importorskip("torch")
    told = []
    for library in (torch, tt):
        try:
            a = library.tensor([1.0, 4.0], requires_grad=True)
            told.append(repr(eval(call, {"torch": library, "T": library.tensor, "math": math, "a": a})))
        except Exception as error:
            kind = RuntimeError if isinstance(error, RuntimeError) else type(error)
            told.append(f"refused: {kind.__name__}")
            assert library is torch or not isinstance(error, RuntimeError) or "expected" in str(error)
    assert told[1].replace("tinytensor.", "") == told[0]


def test_methods_in_place_and_functions_are_one():
    for name in ("abs", "exp", "log", "sqrt", "tanh", "sigmoid", "erf", "erfinv", "digamma", "round", "relu", "frac"):
        x = tt.tensor([0.3, 0.7])
        expected = getattr(tt, name)(x).tolist()
        assert getattr(x, name)().tolist() == expected
        assert getattr(x, f"{name}_")() is x and x.tolist() == expected


def test_fillers_in_the_graph():
    a, b = tt.tensor([1.0, 2.0], requires_grad=True), tt.tensor([3.0, 4.0], requires_grad=True)
    y = a * 1
    y[0].copy_(b[1])
    y.sum().backward()
    assert a.grad.tolist() == [0, 1] and b.grad.tolist() == [0, 1]
    a.grad = None
    y = (a * 1).zero_()
    (y + a * 3).sum().backward()
    assert y.tolist() == [0, 0] and a.grad.tolist() == [3, 3]
    v = tt.tensor(5.0, requires_grad=True)
    (a * 1).fill_(v).sum().backward()
    assert v.grad.item() == 2 and a.grad.tolist() == [3, 3]
    c = tt.zeros(2, dtype=tt.float64)
    c.copy_(b).sum().backward()
    assert c.dtype is tt.float64 and b.grad.dtype is tt.float32 and b.grad.tolist() == [1, 2]


def test_what_needs_no_copy_is_the_tensor_itself():
    x = tt.tensor([[1.0, 2.0], [3.0, 4.0]])
    for y in (x.float(), x.to("cpu"), x.to(tt.float32), x.cpu(), x.contiguous(), x.conj(), x.real, x.type_as(x)):
        assert y is x
    for y in (x.clone(), x.to("cpu", copy=True), x.abs(), x.int().floor()):
        assert y is not x and y.data_ptr() != x.data_ptr()
    shown = tt.from_numpy(x.numpy().T)
    assert shown.stride() == (1, 2) and not shown.is_contiguous() and shown.contiguous().stride() == (2, 1)
    assert tt.from_numpy(x.numpy()[1:]).storage_offset() == 2


def test_integers_and_conversions_take_no_gradient():
    x = tt.tensor([1.5], requires_grad=True)
    assert not any(y.requires_grad for y in (x.long(), x.bool(), x > 1, x.isnan(), x.detach()))
    x.double().sum().backward()
    assert x.grad.dtype is tt.float32
    with pytest.raises(AttributeError, match="cpu"):
        x.cuda()
    with pytest.raises(RuntimeError, match="expected 'cpu'"):
        x.to("cuda")
    with pytest.raises(RuntimeError, match="complex"):
        tt.imag(x)


def test_second_derivatives():
    for f in (tt.lgamma, tt.digamma, tt.erfinv, tt.special.erfcx, tt.logit, tt.special.log_ndtr, tt.special.i1):
        x = tt.tensor([0.3, 0.6], dtype=tt.float64, requires_grad=True)
        first = grad(f(x).sum(), x, create_graph=True)[0]
        second = grad(first.sum(), x)[0]
        at, step = x.detach(), 1e-4
        numeric = (f(at + step) - 2 * f(at) + f(at - step)) / step**2
        assert tt.allclose(second, numeric, rtol=1e-4)
