"""First steps on tensors: making, dtypes, shapes, indexing, masks, joining, reducing, sorting, broadcasting, NumPy and back."""

import numpy as np
import torch
import torch.nn.functional as F

torch.manual_seed(1)

# making
a = torch.arange(12)
b = torch.arange(0, 1, 0.25)
c = torch.linspace(-1, 1, 5)
d = torch.full((2, 3), 7)
e = torch.full((2, 3), 0.5)
f = torch.empty(2, 3).fill_(3)
h = torch.eye(3)
i = torch.zeros(2, 2, dtype=torch.int32)
j = torch.tensor([True, False])
k = torch.tensor([[1, 2], [3, 4]], dtype=torch.float64)
l1 = torch.logspace(0, 2, 3)
m = torch.Tensor([1, 2, 3])
o = torch.LongTensor([4, 5])
p = torch.zeros_like(a, dtype=torch.float)
q = torch.randint(0, 10, (2, 5))
r = torch.randperm(6)
s = torch.normal(0.0, 1.0, (2, 2))
u = torch.rand(2, 3).uniform_(-1, 1)
v = a.new_zeros(2)
for name in "abcdefhijkmopqrsuv":
    t = globals()[name]
    print(name, t.dtype, tuple(t.shape), t.ndim, t.numel(), t.nelement(), t.element_size(), t.is_contiguous(), t.stride())
print(torch.is_tensor(a), isinstance(a, torch.Tensor), a.type(), k.type(), j.type())

# dtypes
print((a / 2).dtype, (a // 5).dtype, (a * 1.5).dtype, (a + True).dtype, (k + m[:2]).dtype, (i + 1).dtype, (j + j).dtype)
print(a.float().dtype, a.double().dtype, m.long(), m.int().dtype, m.bool(), m.half().dtype, a.to(torch.float64).dtype)
print(a[:3].type(torch.float32), m.to(k).dtype, m.type_as(o).dtype, torch.result_type(a, 1.0), a.mean(dtype=torch.float))
print(torch.tensor(3.7).int(), torch.tensor([-3.7, 3.7]).long(), torch.tensor([0.0, 2.0]).bool())
print(-7 // torch.tensor(2), torch.tensor(-7) % 3, torch.tensor(-7.5) % 2, torch.fmod(torch.tensor(-7.5), 2), 2**torch.arange(4))
print(torch.tensor([0.5, 1.5, 2.5]).round(), torch.tensor([1.25]).round(decimals=1), torch.tensor([-1.5]).trunc())

# shapes
x = torch.arange(24).view(2, 3, 4)
print(x.shape, x.size(), x.size(-1), x.dim(), len(x), x.view(-1).shape, x.view(6, -1).shape, x.reshape(4, 6)[1])
print(x.transpose(0, 1).shape, x.permute(2, 0, 1).shape, x[0].T.shape, x.mT.shape, x.flatten(1).shape, x.movedim(0, -1).shape)
print(x.unsqueeze(0).shape, x.unsqueeze(-1).shape, x[:, :1].squeeze(1).shape, x[:1].squeeze().shape, x[None].shape)
print(torch.ones(3, 1).expand(3, 4).shape, torch.ones(3).expand(2, -1).shape, torch.arange(3).repeat(2, 2),
      torch.arange(3).repeat_interleave(2))
print(x.transpose(1, 2).is_contiguous(), x.transpose(1, 2).contiguous().is_contiguous(), x.transpose(1, 2).stride())
print([y.shape for y in x.split(2, dim=1)], [y.shape for y in x.chunk(3, 2)], [y.tolist() for y in a.split([5, 7])])
print([y.sum().item() for y in torch.unbind(x, 1)], torch.roll(a, 2), torch.flip(a, [0]), torch.tril(torch.ones(3, 3)),
      torch.triu(torch.ones(3, 3), 1))

# indexing
print(x[0], x[1, 2], x[1, 2, 3], x[..., 1], x[:, -1], x[0, 1:, ::2], x[[1, 0], [0, 2]], x[torch.tensor([1, 1])][:, 0, 0])
print(a[a > 8], a[(a > 2) & (a < 6)], (a == 3).nonzero(), torch.nonzero(a > 9, as_tuple=True), a[~(a > 3)], x[x % 7 == 0])
print(torch.where(a > 5, a, -a), torch.where(a > 9)[0], x.gather(2, torch.zeros(2, 3, 1, dtype=torch.long)).squeeze(),
      x.index_select(1, torch.tensor([2, 0])).shape, torch.take(x, torch.tensor([0, 5])))
y = torch.zeros(3, 4)
y[0] = 1
y[:, 1] = torch.tensor([5.0, 6.0, 7.0])
y[1, 2:] = 9
y[y == 9] = -1
y[torch.tensor([0, 2]), torch.tensor([3, 3])] = 4.5
y[2] += 10
print(y, y.masked_fill(y < 0, 0.0), y.clamp(min=0, max=5), y.scatter(1, torch.tensor([[0], [1], [2]]), 100.0))
z = torch.zeros(4).scatter_add_(0, torch.tensor([0, 1, 0, 3]), torch.ones(4))
print(z, z.index_add(0, torch.tensor([2, 2]), torch.tensor([1.0, 2.0])), F.one_hot(torch.tensor([0, 2])))

# joining
t = torch.ones(2, 2)
print(torch.cat([t, t * 2]), torch.cat((t, t), dim=1).shape, torch.stack([t, t]).shape, torch.stack([t, t], dim=-1).shape,
      torch.vstack([t, t]).shape, torch.hstack([t, t]).shape, torch.stack([torch.tensor(1.0), torch.tensor(2.0)]))
gx, gy = torch.meshgrid(torch.arange(2), torch.arange(3), indexing="ij")
print(gx, gy, torch.cartesian_prod(torch.arange(2), torch.arange(2)))

# reducing and sorting
w = torch.tensor([[3.0, 1.0, 2.0], [6.0, 5.0, 4.0]])
print(w.sum(), w.sum(0), w.sum(1, keepdim=True), w.mean(1), w.std(), w.std(0), w.std(1, unbiased=False), w.var(0), w.prod())
print(w.max(), w.max(1), w.max(1).values, w.min(dim=0)[1], w.argmax(), w.argmin(1), w.amax((0, 1)), torch.max(w, w.flip(1)))
print(w.sort(), w.sort(1, descending=True).indices, w.argsort(0), w.topk(2), w.cumsum(1), w.norm(), w.norm(dim=1), w.median())
print((w > 2).all(), (w > 2).any(1), (w > 2).sum(), w.logsumexp(1), torch.unique(torch.tensor([3, 1, 3])), w.count_nonzero())
print(torch.allclose(w, w + 1e-9), torch.equal(w, w.clone()), torch.isnan(w).any(), torch.isclose(w, w).all(), w.numel())
print(torch.bincount(torch.tensor([0, 1, 1, 5])), torch.histc(w, 3, 1, 6), w.quantile(0.5), torch.var_mean(w))

# broadcasting and products
print((torch.ones(3, 1) + torch.arange(4)).shape, (w - w.mean(0)).sum(), w / w.sum(1, keepdim=True), w * torch.tensor([1, 0, 2]))
print(w @ w.T, torch.mm(w, w.t()), torch.mv(w, torch.ones(3)), torch.dot(w[0], w[1]), torch.bmm(torch.ones(2, 2, 3),
      torch.ones(2, 3, 1)).shape, torch.outer(w[0], w[0]), torch.einsum("ij,kj->ik", w, w), torch.matmul(w, w[0]))
print(torch.linalg.norm(w), torch.linalg.inv(torch.tensor([[2.0, 0.0], [0.0, 4.0]])), torch.det(w[:, :2]), torch.trace(h))
print(w.exp().log(), w.sqrt(), w.rsqrt(), w.pow(2), w**0.5, w.abs(), w.sigmoid(), torch.relu(w - 3), w.tanh(), 1 / w, 2 - w)
print(torch.softmax(w, dim=1), w.log_softmax(-1), F.softmax(w, dim=0), torch.clamp(w, 2, 5), torch.sign(w - 3), torch.lerp(w, -w, 0.5))

# numbers, NumPy, devices
print(w[0, 0].item(), w.tolist(), int(w[0, 0]), float(w[0, 1]), bool(w[0, 0] > 2), f"{w[0, 0]:.2f}", "%.3f" % w[1, 0])
n = w.numpy()
n[0, 0] = 30
print(w[0, 0], type(n).__name__, n.dtype, torch.from_numpy(np.arange(3)), torch.as_tensor(n).dtype, torch.tensor(n).dtype)
print(np.sin(w.numpy())[0, 1], w.detach().cpu().numpy().sum(), torch.tensor(np.float64(1.5)), torch.tensor(np.ones(2)))
print(w.device, torch.device("cpu"), w.to("cpu") is w, w.to(torch.device("cpu"), torch.float64).dtype, torch.cuda.is_available())
print([round(float(t), 3) for t in w[1]], sum(w[1]), max(w[1]), [len(row) for row in w], 5 in torch.arange(6), list(o))
print(range(o[0])[-1], [10, 20, 30, 40, 50][torch.tensor(2)], torch.Size([2, 3]).numel(), torch.Size((2, 3))[1:], x.shape[1:] == (3, 4))
