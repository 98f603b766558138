"""How things print: tensors of all kinds, sizes, dtypes, devices, parameters, modules, optimisers, generators' draws."""

import torch
import torch.nn as nn

torch.manual_seed(5)
print(torch.tensor(1), torch.tensor(1.0), torch.tensor(True), torch.tensor(-0.5), torch.tensor(1e-8), torch.tensor(123456.789))
print(torch.tensor([1.0, 2.0]), torch.tensor([1, 2]), torch.tensor([True, False]), torch.tensor([1.5, 2]), torch.tensor([1e10, 1]))
print(torch.tensor([0.1, 0.25, 1 / 3]), torch.tensor([1e-5, 1.0]), torch.tensor([1e-3, 1000.0]), torch.tensor([99999.0, 1.5]))
print(torch.tensor([float("nan"), float("inf"), -float("inf"), 1.0]), torch.tensor([float("nan")]), torch.tensor(float("-inf")))
print(torch.tensor([-1.0, 2.0]), torch.tensor([-1, 20, 300]), torch.tensor([[1, -2], [30, 4]]), torch.tensor([0.0, -0.0]))
print(torch.tensor([]), torch.zeros(0, 3), torch.zeros(2, 0), torch.tensor([], dtype=torch.long), torch.zeros(0, dtype=torch.bool))
print(torch.zeros(2, dtype=torch.float64), torch.zeros(2, dtype=torch.int32), torch.zeros(2, dtype=torch.uint8))
print(torch.zeros(2, dtype=torch.float16), torch.tensor(2, dtype=torch.int8), torch.ones((), dtype=torch.double))
print(torch.arange(1000).float(), torch.arange(1001), torch.zeros(1, 1, 1), torch.arange(2000).view(2, 1000))
print(torch.arange(24).view(2, 3, 4), torch.arange(24.0).view(2, 3, 4) / 7, torch.ones(2, 1, 2, 2))
print(torch.randn(5, 5), torch.randn(3) * 1e4, torch.rand(30), torch.randn(40, 40), torch.randn(2, 12), sep="\n")
print(torch.eye(3), torch.full((2, 2), 1e-20), torch.tensor([1e-20, 1e20]), torch.tensor([100.0, 200.0]), torch.tensor([2.0**24, 0.5]))

# with a graph
x = torch.tensor([1.0, 2.0, 3.0], requires_grad=True)
w = torch.randn(3, 3, requires_grad=True)
print(x, w, x.grad, x.detach(), x.data)
for y in (x + 1, x - 1, x * 2, x / 2, -x, x**2, 2**x, 1 / x, x.exp(), x.log(), x.sqrt(), x.tanh(), x.sigmoid(), x.relu(), x.abs(),
          x.sum(), x.mean(), x.max(), x.min(), x.prod(), x.std(), x.var(), x.sum(0), w.sum(1), w.mean(0), x.norm(), x.sin(),
          x.cos(), x[0], x[1:], x[[0, 2]], w[0], w[:, 1], w[x.detach() > 1], x.view(3, 1), x.reshape(1, 3), x.unsqueeze(0),
          w.t(), w.T, w.transpose(0, 1), w.permute(1, 0), w @ w, w @ x, x @ x, x.clone(), torch.cat([x, x]), torch.stack([x, x]),
          w.softmax(1), w.log_softmax(1), x.clamp(0, 2), w.tril(), x.masked_fill(x > 1, 0), x.expand(2, 3), w.flatten(), x.double(),
          w.max(1).values, w.sort(1).values, x.cumsum(0), torch.where(x > 1, x, -x), nn.functional.gelu(x), w.squeeze(),
          nn.functional.cross_entropy(w, torch.tensor([0, 1, 2])), nn.functional.mse_loss(x, x * 2), w.unbind(0)[1],
          nn.functional.layer_norm(w, (3,)), nn.functional.embedding(torch.tensor([1]), w), nn.Linear(3, 2)(w), w.split(2)[0],
          nn.Linear(3, 2, bias=False)(w), nn.functional.one_hot(torch.tensor([1])) @ torch.ones(2, 1).long(), w.logsumexp(0)):
    print(y)
print(w.max(1), w.detach().topk(2), w.detach().sort(), w.detach().min(0), torch.unique(torch.tensor([1, 1, 2]), return_counts=True))

# other things
print(x.shape, torch.Size([]), torch.Size([2, 3]), [w.shape], x.dtype, torch.float64, torch.long, x.device, torch.device("cpu"))
print(repr(x.shape), str(x.dtype), repr(torch.int64), [torch.float32, torch.bool], {"a": torch.tensor(1.5)}, (torch.ones(2),))
print(f"{torch.tensor(3)} {torch.tensor(2.5)} {torch.tensor([1, 2])} {x} {torch.tensor(3.14159):.2f} {torch.tensor(7):5d}|")
print(nn.Parameter(torch.ones(2)), nn.Parameter(torch.zeros(2, 2), requires_grad=False), [nn.Parameter(torch.tensor(1.0))])
print(torch.tensor([1.0], requires_grad=True) * 1e6, torch.ones(30, requires_grad=True), torch.ones(9, dtype=torch.float64) * w[0, 0])
with torch.no_grad():
    print(x * 2)


# modules
class Net(nn.Module):
    def __init__(self):
        super().__init__()
        self.table = nn.Embedding(10, 4, padding_idx=0)
        self.blocks = nn.ModuleList([nn.Linear(4, 4) for _ in range(3)])
        self.parts = nn.ModuleDict({"norm": nn.LayerNorm(4), "drop": nn.Dropout(0.1)})
        self.scale = nn.Parameter(torch.ones(4))

    def extra_repr(self):
        return "four wide"


for module in (Net(), nn.Linear(2, 3), nn.Linear(2, 3, bias=False), nn.Conv2d(1, 6, 5), nn.Conv1d(2, 4, 3, stride=2, padding=1),
               nn.Conv2d(4, 4, 3, groups=2, bias=False, padding="same"), nn.BatchNorm1d(4), nn.BatchNorm2d(3, eps=1e-3),
               nn.LayerNorm(8), nn.LayerNorm((2, 3), elementwise_affine=False), nn.GroupNorm(2, 4), nn.Dropout(), nn.ReLU(),
               nn.ReLU(inplace=True), nn.Tanh(), nn.GELU(), nn.GELU(approximate="tanh"), nn.Softmax(dim=1), nn.LeakyReLU(0.2), nn.ELU(),
               nn.Sequential(nn.Linear(1, 2), nn.Tanh(), nn.Sequential(nn.ReLU())), nn.Flatten(), nn.Identity(), nn.Embedding(3, 2),
               nn.MaxPool2d(2), nn.AvgPool2d(2, stride=1), nn.AdaptiveAvgPool2d((1, 1)), nn.RNN(3, 4), nn.LSTM(3, 4, num_layers=2),
               nn.GRU(3, 4, batch_first=True), nn.LSTMCell(3, 4), nn.MultiheadAttention(4, 2), nn.CrossEntropyLoss(), nn.MSELoss(),
               nn.BCEWithLogitsLoss(), nn.ModuleList(), nn.ParameterList([nn.Parameter(torch.ones(2))]), nn.Sigmoid(), nn.SiLU()):
    print(module)

# optimisers and schedules
p = [nn.Parameter(torch.ones(2))]
for optimizer in (torch.optim.SGD(p, lr=0.1), torch.optim.SGD(p, lr=0.1, momentum=0.9, nesterov=True), torch.optim.Adam(p),
                  torch.optim.AdamW(p, lr=1e-3, betas=(0.9, 0.95), weight_decay=0.1), torch.optim.RMSprop(p), torch.optim.Adagrad(p)):
    print(optimizer)
print(torch.optim.AdamW([{"params": p, "lr": 0.5}, {"params": [nn.Parameter(torch.ones(1))]}], lr=0.1))
print(list(torch.optim.Adam(p).state_dict()), torch.optim.SGD(p, lr=0.5).state_dict()["param_groups"][0]["params"])

# options
torch.set_printoptions(precision=2)
print(torch.rand(3), torch.tensor(1 / 3))
torch.set_printoptions(sci_mode=True)
print(torch.rand(3))
torch.set_printoptions(profile="default")
torch.set_printoptions(sci_mode=False, linewidth=40, edgeitems=1, threshold=5)
print(torch.rand(3) * 1e-6, torch.arange(8).float(), torch.rand(2, 6))
torch.set_printoptions(profile="default", sci_mode=None)
print(torch.rand(3))
