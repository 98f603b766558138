"""Reductions, sorting, running sums, searching and counting beside PyTorch: every form of call, ties, nan, and errors.

PyTorch's own samples of these functions are in `tests/torch/test_opinfo.py`.
"""

import numpy as np
import pytest

import tinytensor.torch as ours

torch = pytest.importorskip("torch")

from tests.support.beside_torch import ERRORS, compare, flat, gradients, kept_apart  # noqa: E402

pytestmark = pytest.mark.peer


def names(module):
    """The tensors that expressions are about: x has no ties, t has many, n has nan; i and m are no floats."""
    x = np.random.default_rng(0).normal(size=(3, 4))
    t = np.array([[1.0, 2, 2, 0], [0, 0, 3, 3], [2, 2, 2, 2]])
    n = np.where(t == 3, np.nan, t)
    space = {"torch": module, "i": module.tensor(t.tolist()).long(), "m": module.tensor((t > 1).tolist()),
             "z": module.zeros(0, 3)}
    return space | {name: module.tensor(a.tolist(), dtype=module.float64, requires_grad=True)
                    for name, a in (("x", x), ("t", t), ("n", n), ("o", np.array(2.5)))}


def on_both(expression):
    """What an expression gives, or raises, on PyTorch and here; gradients are held together."""
    theirs, mine = names(torch), names(ours)
    (a, refused), (b, raised) = (kept_apart(eval, expression, space) for space in (theirs, mine))
    if refused is None and raised is None:
        pairs = list(zip(flat(a), flat(b), strict=True))
        for i, (x, y) in enumerate(pairs):
            compare(f"output {i}", x, y)
        gradients(pairs, [(theirs[k], mine[k]) for k in "xtno"])
    return a, refused, b, raised


RESULTS = """
x.sum() x.sum(0) x.sum(-1,True) x.sum((0,1)) x.sum([0],keepdim=True) x.sum(axis=1,keepdims=True) x.sum(()) i.sum()
m.sum() i.sum(0,dtype=torch.int32) m.sum(dtype=torch.float32) i.sum(1,dtype=torch.float32) o.sum() o.sum(0)
o.sum(-1,True) z.sum(0) z.sum(1) n.nansum() n.nansum(1) x.mean() x.mean(1) x.mean((0,1),keepdim=True)
i.mean(dtype=torch.float32) n.nanmean(0) z.mean() x.std() x.std(0) x.std(0,True) x.std(0,False) x.std(False)
x.std(unbiased=False) x.std(dim=1,unbiased=True,keepdim=True) x.std(correction=0) x.std(1,correction=2) x.std((0,1))
torch.std(x,0,False,True) x.var() x.var(0,False) x.var(-1,keepdim=True) x.var([0,1],correction=0) o.std() o.var(0)
t.std(1) torch.std_mean(x) torch.std_mean(x,0) torch.std_mean(x,False) torch.var_mean(x,1,unbiased=False,keepdim=True)
x.prod() x.prod(0) x.prod(1,True) i.prod() t.prod(1) m.prod(0) x.logsumexp(0) x.logsumexp((0,1),True)
torch.logsumexp(i,1) o.logsumexp(0) x.max() t.max() x.max(0) t.max(1) t.max(1,True) x.max(dim=0,keepdim=True) n.max()
n.max(1) i.max(0) m.max(1) o.max() o.max(0) x.max(t) torch.max(x,t) torch.max(t,1).indices t.min() t.min(1) n.min(0)
torch.min(t,t) x.min(-1)[1] t.amax(1) t.amax((0,1)) t.amin(0,True) t.amax() i.amin(1) t.aminmax() t.aminmax(dim=1)
t.argmax() t.argmax(1) t.argmin(0) n.argmax() n.argmin(1) i.argmax(1,True) x.argmax(keepdim=True) o.argmax()
o.argmax(0) t.all() m.all(1) m.any((0,1)) i.any(0,True) m.byte().all() i.count_nonzero() i.count_nonzero((0,1))
t.count_nonzero(1) x.norm() x.norm(1) x.norm(dim=1) x.norm(2,0,True) x.norm(0) x.norm(float('inf'))
x.norm(float('-inf'),1) x.norm('nuc') x.norm('fro',(0,1)) o.norm() torch.dist(x,t) torch.dist(x,t,1) x.renorm(2,0,1)
x.renorm(1,1,0.5) x.detach().clone().renorm_(2,0,1) x.median() t.median() x.median(0) t.median(1) n.median()
n.median(1,True) n.nanmedian(1) n.nanmedian() i.median(1)[0] i.mode(1)[0] t.mode(0) x.quantile(0.3)
x.quantile(x.detach().new_tensor([0.1,0.9]),1) x.quantile(0.5,0,True,interpolation='midpoint') n.quantile(0.5,1)
n.nanquantile(0.25,1,interpolation='nearest') x.quantile(0.6,interpolation='lower')
x.quantile(0.6,1,interpolation='higher') x.sort() t.sort(1) t.sort(1,descending=True) t.sort(stable=True) n.sort(0)
x.argsort() t.argsort(1,True) i.sort(0) m.sort(1) x.msort() x.topk(2) x.topk(2,0) x.topk(2,largest=False) o.sort()
o.topk(1) x.kthvalue(2) x.kthvalue(3,0,True) x.cumsum(0) i.cumsum(1) m.cumsum(0) i.cumsum(1,dtype=torch.float32)
x.detach().clone().cumsum_(0) x.cumprod(1) t.cumprod(0) t.cummax(1) n.cummax(1) t.cummin(0) i.cummax(0) m.cummax(1)
x.logcumsumexp(0) o.cumsum(0) x.diff() x.diff(2,0) x.diff(0) x.diff(prepend=t,append=t[:,:1]) m.diff() i.diff(1,0)
torch.trapezoid(x) torch.trapezoid(x,t) torch.trapz(x,dx=0.5,dim=0) torch.trapezoid(i) torch.cumulative_trapezoid(x)
torch.cumulative_trapezoid(i,dim=0) torch.gradient(x) torch.gradient(x,dim=1) torch.gradient(x,spacing=(2,0.5))
torch.gradient(x[0],spacing=(t.detach()[0].cumsum(0)+1,)) torch.gradient(x,edge_order=2) t.unique()
i.unique(return_counts=True) i.unique(return_inverse=True,return_counts=True) i.unique(dim=0) i.unique(dim=1)
i.unique_consecutive() i.unique_consecutive(return_inverse=True,return_counts=True) i.unique_consecutive(dim=0)
i.flatten().bincount() i.flatten().bincount(minlength=9) i.flatten().bincount(t.detach().flatten())
x.detach().histc(4) x.detach().histc(4,-1,1) torch.histogram(x.detach(),3)
torch.histogram(x.detach(),3,range=(-1,1),density=True) torch.histogram(x.detach().float(),torch.tensor([-1.0,0,1]))
torch.histogramdd(x.detach()[:,:2],[2,3]) torch.searchsorted(torch.tensor([1.,2,3]),torch.tensor([[0.,2],[5,3]]))
torch.bucketize(i,torch.tensor([0,2]),right=True) torch.searchsorted(i.sort(1)[0],i[:,:2],right=True,out_int32=True)
torch.bucketize(t.detach(),torch.tensor([0.5,2]).double()) x.cov() x.cov(correction=0) x[0].cov()
torch.cov(x,fweights=i[0]+1,aweights=x[0].abs()) x.corrcoef() i.cov() torch.isin(i,torch.tensor([0,2]))
torch.isin(i,2,invert=True) torch.unravel_index(i,(2,2)) x.isclose(x) x.sum_to_size(3,1)
"""
REFUSED = """
i.mean() i.std() i.var() m.mean() x.sum(2) x.sum((0,0)) x.mean(5) x.max(3) x.max((0,1)) z.max() z.max(0) z.argmax()
z.amax() m.argmax() x.std(1,unbiased=True,correction=0) i.norm() x.topk(9) x.kthvalue(0) x.kthvalue(5) x.quantile(2.)
i.quantile(.5) x.quantile(.5,interpolation='cubic') z.quantile(.5) x.quantile(torch.tensor(.5)) i.bincount()
x.bincount() torch.bucketize(i,i) torch.searchsorted(i,i[:2]) x.diff(-1) x.cov(fweights=x[0]) x[None].cov()
x.renorm(2,0,-1) x.renorm(0,0,1) torch.gradient(x,spacing=(1,)) torch.trapezoid(x,dx=1,x=t) x.sum(0,out=x) o.diff()
x.sum('a') x.isclose(i) x.sum_to_size(2,4) x.cumsum(2) i.clone().cumsum_(0.5)
"""


@pytest.mark.parametrize("expression", RESULTS.split())
def test_results(expression):
    a, refused, b, raised = on_both(expression)
    assert refused is None
    assert raised is None, raised
    if type(a).__module__ == "torch.return_types":
        assert type(b).__name__ == type(a).__name__
        assert repr(b).split("(")[0] == repr(a).split("(")[0]


@pytest.mark.parametrize("expression", REFUSED.split())
def test_what_raises_there_raises_here(expression):
    _, refused, b, raised = on_both(expression)
    assert refused is not None
    assert isinstance(raised, ERRORS), b
    assert ":" in str(raised)


def test_results_have_names():
    x = ours.tensor([[3.0, 1.0], [2.0, 5.0]])
    y = x.max(1)
    assert str(y) == "torch.return_types.max(\nvalues=tensor([3., 5.]),\nindices=tensor([0, 1]))"
    values, indices = y
    assert values is y.values
    assert indices is y[1]


def test_gradients_go_to_what_was_picked():
    x = ours.tensor([2.0, 7.0, 7.0], requires_grad=True)
    for y, expected in ((x.max(), [0, 0.5, 0.5]), (x.max(0).values, [0, 1, 0]), (x.median(), [0, 0.5, 0.5]),
                        (x.topk(1).values.sum(), [0, 1, 0]), (x.amin(), [1, 0, 0])):
        x.grad = None
        y.backward()
        assert x.grad.tolist() == expected
