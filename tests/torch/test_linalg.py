"""Products and `torch.linalg` beside PyTorch: results, their kinds, gradients, and errors of the same class.

PyTorch's own samples of these functions are in `tests/torch/test_opinfo.py`.
"""

import warnings

import numpy as np
import pytest

import tinytensor.torch as ours

torch = pytest.importorskip("torch")

from tests.support.beside_torch import ERRORS, compare, flat, gradients, kept_apart  # noqa: E402

pytestmark = pytest.mark.peer


def names(module, requires_grad=False):
    """The tensors that expressions are about."""
    rng = np.random.default_rng(0)
    given = {"a": rng.normal(size=(3, 3)), "b": rng.normal(size=(3, 4)), "s": rng.normal(size=(2, 3, 3)),
             "v": rng.normal(size=3)}
    given["p"] = given["a"] @ given["a"].T + np.eye(3)
    leaves = {name: module.tensor(x.tolist(), dtype=module.float64, requires_grad=requires_grad)
              for name, x in given.items()}
    i = module.arange(4).view(2, 2)
    return {"torch": module, **leaves, "i": i, "m": i > 0, "f": i.float(), "linalg": module.linalg}


def on_both(expression):
    """What an expression gives, or raises, on PyTorch and here; and its gradients are held together."""
    theirs, mine = names(torch, True), names(ours, True)
    (a, refused), (b, raised) = (kept_apart(eval, expression, space) for space in (theirs, mine))
    if refused is None and raised is None:
        pairs = list(zip(flat(a), flat(b), strict=True))
        for i, (x, y) in enumerate(pairs):
            compare(f"output {i}", x, y)
        gradients([(x, y) for x, y in pairs if isinstance(x, torch.Tensor) and x.requires_grad],
                  [(theirs[k], mine[k]) for k in "abspv"])
    return a, refused, b, raised


RESULTS = """
torch.mm(a,b) a.mm(b) a@v torch.mv(a,v) torch.bmm(s,s) v.dot(v) torch.vdot(v,v) torch.inner(a,a) torch.outer(v,v)
v.ger(v) torch.addmm(b,a,b,beta=0.5,alpha=2) torch.addmv(v,a,v,beta=0) torch.addmm(i,i,i,beta=0.6,alpha=1.6)
torch.addr(m,m[0],m[0],beta=3,alpha=2) torch.addbmm(a,s,s) torch.baddbmm(a,s,s) torch.addr(a,v,v)
torch.chain_matmul(a,a,b) linalg.multi_dot([v,a,b]) torch.einsum('ij,jk->ik',a,b) torch.einsum('bij,bjk',s,s)
torch.einsum(a,[0,1],b,[1,2],[0,2]) torch.einsum('ii->i',a) torch.einsum('ij->',m) torch.einsum('...i,i',s,v)
torch.tensordot(s,b,1) torch.tensordot(s,a,([2,1],[0,1])) torch.kron(a,b) torch.cross(a,a.T)
torch.linalg.cross(a,a.flip(0),dim=0) torch.trace(a) torch.trace(i) torch.cdist(a,b.T[:2]) torch.cdist(a,a+1,p=1)
a.det() torch.logdet(p) torch.slogdet(a) a.slogdet() linalg.slogdet(s) a.inverse() linalg.inv(s) a.pinverse()
linalg.pinv(b) linalg.pinv(b,atol=1e-9) torch.cholesky(p) linalg.cholesky(p,upper=True) p.cholesky(True)
linalg.qr(b.T).R.abs() torch.qr(a).Q.abs() linalg.qr(a,mode='r') torch.svd(b).S linalg.svd(b).S linalg.svdvals(s)
b.svd().V.abs() linalg.eigh(p).eigenvalues linalg.eigvalsh(p) linalg.solve(a,b) linalg.solve(a,v)
linalg.solve(a,b.T,left=False) linalg.solve(s,b) linalg.solve_triangular(a,b,upper=True)
linalg.solve_triangular(a,b.T,upper=False,left=False,unitriangular=True) linalg.lstsq(b.T,b.T).solution
linalg.lstsq(b.T,b.T,driver='gelsd') linalg.lstsq(s,s,driver='gels') linalg.matrix_rank(s)
linalg.matrix_rank(b,tol=1.5) torch.matrix_power(a,3) a.matrix_power(-2) i.matrix_power(2) torch.matrix_exp(a)
linalg.matrix_exp(8*s) linalg.cond(a) linalg.cond(a,'fro') linalg.cond(a,1) linalg.norm(b) linalg.norm(b,2)
linalg.norm(b,'nuc') linalg.norm(v,0) linalg.norm(s,dim=(1,2)) linalg.vector_norm(s,3,dim=1,keepdim=True)
linalg.matrix_norm(s,-1) linalg.matrix_norm(s,'fro') linalg.vander(v) torch.vander(v,N=4)
torch.vander(i[1],increasing=True) linalg.vecdot(b,b) linalg.vecdot(s,s,dim=0) linalg.diagonal(s)
linalg.tensorinv(a.view(3,3,1),ind=1) linalg.tensorsolve(a,v) linalg.matmul(a,b) a.clone().addmm_(a,a,alpha=0.5)
v.clone().addmv_(a,v) a.clone().addr_(v,v) s.clone().baddbmm_(s,s,beta=2)
"""
REFUSED = """
a@b.T torch.mm(a,v) torch.mm(s,s) torch.bmm(a,a) torch.mv(a,a) v.dot(a)
torch.inner(a,torch.ones(4,dtype=torch.float64)) torch.outer(a,v) f@i torch.mm(f,i) torch.mm(f,f.double())
torch.mm(f,a) torch.addmm(f,i,i) torch.addmm(a,a,b) torch.dot(f[0],i[0]) torch.linalg.inv(i) torch.linalg.inv(b)
torch.inverse(torch.zeros(2,2)) linalg.det(b) linalg.cholesky(-p) linalg.solve(torch.zeros(2,2),f) linalg.solve(b,v)
linalg.multi_dot([a]) torch.einsum('ij,jk',a,f) torch.einsum('ij->k',a) torch.einsum('ij',a,a)
torch.einsum('ij,jk',a,a[:2]) torch.tensordot(f,i) torch.tensordot(a,b,([0],[1])) torch.cross(i,i)
linalg.cross(a,a,dim=3) torch.cdist(i,i) torch.cdist(a,b) linalg.norm(i) linalg.vector_norm(i) linalg.norm(s,2)
linalg.matrix_norm(v) linalg.lstsq(a,b[:2]) linalg.lstsq(a,b,driver='x') torch.vander(a) linalg.matrix_power(i,-1)
torch.addr(i,i[0],i[0],beta=.5) m@m torch.matmul(a,torch.tensor(1.0)) torch.trace(v) linalg.eigh(b) linalg.qr(v)
"""


@pytest.mark.parametrize("expression", RESULTS.split())
def test_results(expression):
    a, refused, b, raised = on_both(expression)
    assert refused is None
    assert raised is None, raised
    if isinstance(a, tuple):
        assert type(b).__name__ == type(a).__name__.removeprefix("torch.return_types.").split(".")[-1]


@pytest.mark.parametrize("expression", REFUSED.split())
def test_what_raises_there_raises_here(expression):
    _, refused, b, raised = on_both(expression)
    assert refused is not None
    assert isinstance(raised, ERRORS), b
    assert ";" in str(raised)
    assert isinstance(raised, ours.linalg.LinAlgError) == isinstance(refused, torch.linalg.LinAlgError)


def test_names():
    found = {name for name in dir(torch.linalg) if not name.startswith("_")}
    assert set(ours.linalg.LINALG) <= found
    with pytest.raises(AttributeError, match="write solve"):
        ours.linalg.lu_solve  # noqa: B018


@pytest.mark.parametrize("size", [0.0, 1e-9, 0.3, 5, 18])
@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_matrix_exp_of_any_size(size, dtype):
    a = np.random.default_rng(1).normal(size=(2, 4, 4)).astype(dtype) * size
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        y = ours.matrix_exp(ours.from_numpy(a)).numpy()
    expected = torch.matrix_exp(torch.from_numpy(a.astype(np.float64))).numpy()
    assert y.dtype == dtype
    scale = np.abs(expected).max()
    np.testing.assert_allclose(y, expected, 1e-3 if dtype == "float32" else 1e-9, scale * (
        1e-4 if dtype == "float32" else 1e-12))


def test_where_there_is_no_result_the_step_is_told():
    found = []
    for t in (ours, torch):
        z = t.tensor([[1.0, 2.0, 3.0], [2.0, 4.0, 6.0], [1.0, 1.0, 1.0]])
        told = [t.linalg.inv_ex(t.zeros(2, 2)), t.linalg.inv_ex(z), t.linalg.solve_ex(z, t.ones(3)),
                t.linalg.cholesky_ex(t.diag(t.tensor([1.0, -1.0, 1.0]))), t.linalg.cholesky_ex(-t.eye(2)),
                t.linalg.inv_ex(t.eye(3).expand(2, 3, 3))]
        found.append([(type(x).__name__, x.info.tolist(), str(x.info.dtype)) for x in told])
        with pytest.raises(RuntimeError):
            t.linalg.inv_ex(z, check_errors=True)
    assert found[0] == found[1]
    with pytest.raises(RuntimeError, match="one of which has no result"):
        ours.linalg.inv_ex(ours.zeros(2, 3, 3))
