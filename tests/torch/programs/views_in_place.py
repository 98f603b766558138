"""In-place operations and views: who sees a write, what gradients flow through it, what is an error, by its type."""

import torch
import torch.nn as nn

torch.manual_seed(3)


def tried(name, f):
    try:
        print(name, "->", f())
    except Exception as error:
        print(name, "->", type(error).__name__)


# writes are seen through every view
base = torch.zeros(3, 4)
row, col, flat, turned = base[1], base[:, 2], base.view(-1), base.t()
row += 1
col.mul_(5)
flat[0] = 7
turned[3, 2] = -1
base[0, 1:3].fill_(2)
print(base, row, col, flat, turned)
diagonal, parts, window = base[:3, :3].diagonal(), base.split(2, dim=1), base.unfold(1, 2, 1)
diagonal.zero_()
parts[1].add_(100)
print(base, window[0], parts[0], base.data_ptr() == row.data_ptr(), base.data_ptr() == flat.data_ptr())
copy = base.clone()
copy.zero_()
index = base[[0, 1]]
index.zero_()
print(base.sum(), base.reshape(2, 6)[1, 5], base.t().reshape(12)[1], base.expand(2, 3, 4)[1, 0])
detached = base.detach()
detached[0, 0] = 55
shared = base.numpy()
shared[1, 1] = 66
print(base[0, 0], base[1, 1], base.data[0, 0], base.squeeze().view(12).view(3, 4)[0])
a = b = torch.ones(2)
a += 1
print(b, a is b)
a = a + 1
print(b, a is b)
x = torch.arange(4.0)
x[1:] = x[:-1].clone()
print(x, x.copy_(torch.tensor(3)), x.sub_(1).div_(2).pow_(2).neg_().abs_().sqrt_().exp_().clamp_(max=2))
n = torch.arange(5)
n *= 2
n[n > 4] -= 1
n[[0, 0, 1]] += 1
print(n, n.masked_fill_(n == 2, 9), n.index_fill_(0, torch.tensor([0]), -3), n.add_(1, alpha=2))
swap = torch.arange(6).view(2, 3)
swap[:, [0, 2]] = swap[:, [2, 0]]
print(swap, swap.unsqueeze_(0).shape, swap.squeeze_(0).shape, swap.t_().shape)
N = torch.zeros((3, 3), dtype=torch.int32)
for i, j in ((0, 1), (1, 2), (0, 1), (2, 2)):
    N[i, j] += 1
print(N, N.sum(1, keepdim=True))

# gradients through writes
w = torch.tensor([1.0, 2.0, 3.0, 4.0], requires_grad=True)
y = w * 2
y[0] = 10.0
y[1] = w[3] * w[2]
y[2:] *= w[0]
loss = (y**2).sum()
loss.backward()
print(y, w.grad)
w.grad = None
z = torch.zeros(2, 4)
z[0] = w
z[1, 1:3] = w[:2] ** 2
z[z > 8] = 1
z.sum().backward()
print(z, w.grad)
w.grad.zero_()
t = w * 1
t.add_(1).mul_(w)
view = t[1:3]
view += w[:2]
view.abs_()
t.sum().backward()
print(t, view, w.grad)
v = torch.ones(3, requires_grad=True)
h = v.clone()
for step in range(3):
    h[step] = h.sum() * v[step]
h.prod().backward()
print(h, v.grad)
m = torch.randn(3, 3, requires_grad=True)
out = m.masked_fill(torch.triu(torch.ones(3, 3), 1) == 1, float("-inf")).softmax(-1)
out = out @ m
out += m.mean(0)
out.relu_()
out.sum().backward()
print(out, m.grad)
u = torch.randn(2, 3)
u.requires_grad_(True)
k = u.view(6)
k2 = k * 3
k2.view(2, 3)[0].zero_()
k2.index_add_(0, torch.tensor([5]), u[0, :1])
k2.sum().backward()
print(k2, u.grad, u.is_leaf, k2.is_leaf, k2.requires_grad)
lists = torch.zeros(4, 3)
parameter = nn.Parameter(torch.tensor([1.0, -1.0, 2.0]))
for i in range(4):
    lists[i] = parameter * i
lists.var().backward()
print(lists, parameter.grad)

# leaves, under no_grad and by data
leaf = torch.ones(3, requires_grad=True)
with torch.no_grad():
    leaf *= 2
    leaf[0] = 5
    leaf -= torch.ones(3)
leaf.data += 1
leaf.data.mul_(2)
leaf.data[1] = 0
print(leaf, leaf.requires_grad, leaf.grad)
(leaf**2).sum().backward()
leaf.grad.data.zero_()
leaf.grad += 1
print(leaf.grad)
leaf.data = torch.tensor([9.0, 8.0, 7.0])
print(leaf, leaf.detach() is leaf, leaf.data.requires_grad)
layer = nn.Linear(2, 2)
with torch.no_grad():
    layer.weight.copy_(torch.eye(2))
    layer.bias[:] = 1
    layer.weight[0, 1] = 3
print(layer(torch.tensor([1.0, 2.0])), layer.weight)
layer.weight.data = torch.zeros(2, 2)
layer.weight.data.fill_diagonal_(4)
layer(torch.ones(1, 2)).sum().backward()
print(layer.weight.grad, layer.bias.grad)


# errors
def saved_then_written():
    x = torch.ones(2, requires_grad=True)
    y = x.exp()
    y += 1
    y.sum().backward()


def saved_by_product():
    x = torch.ones(2, requires_grad=True)
    c = torch.ones(2)
    y = x * c
    c[0] = 3
    y.sum().backward()


def not_saved():
    x = torch.ones(2, requires_grad=True)
    y = x + 1
    y.mul_(2)
    y.sum().backward()
    return x.grad


def leaf_written():
    x = torch.ones(2, requires_grad=True)
    x += 1


def view_of_leaf_written():
    x = torch.ones(2, requires_grad=True)
    x[0] = 1


def backward_twice():
    x = torch.ones(2, requires_grad=True)
    y = (x * x).sum()
    y.backward()
    y.backward()


def step_between():
    w = torch.ones(2, requires_grad=True)
    y = (w * w).sum()
    with torch.no_grad():
        w -= 0.1
    y.backward()


def numpy_of_a_leaf():
    return torch.ones(2, requires_grad=True).numpy()


def leaf_to_float():
    return torch.tensor([2.0], requires_grad=True).item()


tried("exp, then +=", saved_then_written)
tried("a factor written", saved_by_product)
tried("a sum written", not_saved)
tried("leaf +=", leaf_written)
tried("leaf[0] =", view_of_leaf_written)
tried("backward twice", backward_twice)
tried("step between", step_between)
tried("numpy of a leaf", numpy_of_a_leaf)
tried("item of a leaf", leaf_to_float)
tried("backward of two", lambda: torch.ones(2, requires_grad=True).backward())
tried("no graph", lambda: torch.ones(()).backward())
tried("view of turned", lambda: torch.ones(2, 3).t().view(6))
tried("view of wrong size", lambda: torch.ones(2, 3).view(4, 2))
tried("shapes that do not fit", lambda: torch.ones(2, 3) + torch.ones(2))
tried("product", lambda: torch.ones(2, 3) @ torch.ones(2, 3))
tried("dtypes of a product", lambda: torch.ones(2, 2) @ torch.ones(2, 2, dtype=torch.long))
tried("float into int", lambda: torch.arange(3).add_(1.5))
tried("float set in int", lambda: torch.arange(3).index_fill_(0, torch.tensor([1]), 2))
tried("out of range", lambda: torch.ones(3)[3])
tried("out of range, by tensor", lambda: torch.ones(3)[torch.tensor([3])])
tried("too many indices", lambda: torch.ones(3)[0, 0])
tried("no such dim", lambda: torch.ones(3).sum(2))
tried("item of many", lambda: torch.ones(2).item())
tried("bool of many", lambda: bool(torch.ones(2)))
tried("len of 0-d", lambda: len(torch.tensor(1)))
tried("mean of integers", lambda: torch.arange(3).mean())
tried("integers that require grad", lambda: torch.arange(3, requires_grad=True))
tried("cat of dims", lambda: torch.cat([torch.ones(2), torch.ones(2, 2)]))
tried("stack of shapes", lambda: torch.stack([torch.ones(2), torch.ones(3)]))
tried("no such name", lambda: torch.ones(2).no_such_name)
tried("ragged", lambda: torch.tensor([[1, 2], [3]]))
tried("text", lambda: torch.tensor("a"))
tried("mask of another shape", lambda: torch.ones(3)[torch.tensor([True, False])])
tried("expand written", lambda: torch.ones(1).expand(3).add_(1))
tried("layer of another width", lambda: nn.Linear(3, 2)(torch.ones(1, 4)))
tried("class out of range", lambda: nn.functional.cross_entropy(torch.ones(1, 3), torch.tensor([3])))
tried("embedding out of range", lambda: nn.Embedding(3, 2)(torch.tensor([3])))
tried("embedding of floats", lambda: nn.Embedding(3, 2)(torch.tensor([1.0])))
tried("state_dict that lacks one", lambda: nn.Linear(2, 2).load_state_dict({"weight": torch.ones(2, 2)}))
tried("optimizer of nothing", lambda: torch.optim.SGD([], lr=0.1))
tried("negative rate", lambda: torch.optim.SGD([torch.ones(1, requires_grad=True)], lr=-1))
