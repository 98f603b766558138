"""The lectures' training loops as you type them, for PyTorch or `tinytensor.torch` as `torch`; one step per call.

Batches are drawn in the loop, parameters updated by hand, as in the videos; the GPT uses AdamW.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

Step = Callable[[], float]


def names(torch: Any, context: int) -> tuple[Any, Any]:
    """As many windows of characters as the names have, drawn at random."""
    g = torch.Generator().manual_seed(1)
    return torch.randint(0, 27, (180_000, context), generator=g), torch.randint(0, 27, (180_000,), generator=g)


def descent(torch: Any, forward: Callable[[Any], Any], parameters: list[Any], Xtr: Any, Ytr: Any, rate: float,
            compiled: bool) -> Step:
    """The training loop of lectures 3, 4 and 6."""
    F = torch.nn.functional
    for p in parameters:
        p.requires_grad = True

    def train(X: Any, Y: Any) -> Any:
        loss = F.cross_entropy(forward(X), Y)
        for p in parameters:
            p.grad = None
        loss.backward()
        for p in parameters:
            p.data += -rate * p.grad
        return loss

    run = torch.compile(train) if compiled else train

    def step() -> float:
        ix = torch.randint(0, Xtr.shape[0], (32,))
        return float(run(Xtr[ix], Ytr[ix]).item())

    return step


def mlp(torch: Any, compiled: bool = False) -> Step:
    """Lecture 3: an n-gram MLP; the embedding is 10 wide, the hidden layer 200."""
    torch.manual_seed(1)
    Xtr, Ytr = names(torch, 3)
    g = torch.Generator().manual_seed(2147483647)
    C = torch.randn((27, 10), generator=g)
    W1 = torch.randn((30, 200), generator=g)
    b1 = torch.randn(200, generator=g)
    W2 = torch.randn((200, 27), generator=g) * 0.1
    b2 = torch.randn(27, generator=g) * 0
    parameters = [C, W1, b1, W2, b2]

    def forward(X: Any) -> Any:
        emb = C[X]
        h = torch.tanh(emb.view(-1, 30) @ W1 + b1)
        return h @ W2 + b2

    return descent(torch, forward, parameters, Xtr, Ytr, 0.01, compiled)


def layers(torch: Any) -> tuple[Any, Any, Any]:
    """Lecture 4's classes."""

    class Linear:
        def __init__(self, fan_in: int, fan_out: int, bias: bool = True) -> None:
            self.weight = torch.randn((fan_in, fan_out)) / fan_in**0.5
            self.bias = torch.zeros(fan_out) if bias else None

        def __call__(self, x: Any) -> Any:
            self.out = x @ self.weight
            if self.bias is not None:
                self.out += self.bias
            return self.out

        def parameters(self) -> list[Any]:
            return [self.weight] + ([] if self.bias is None else [self.bias])

    class BatchNorm1d:
        def __init__(self, dim: int, eps: float = 1e-5, momentum: float = 0.1) -> None:
            self.eps, self.momentum, self.training = eps, momentum, True
            self.gamma, self.beta = torch.ones(dim), torch.zeros(dim)
            self.running_mean, self.running_var = torch.zeros(dim), torch.ones(dim)

        def __call__(self, x: Any) -> Any:
            if self.training:
                dim = 0 if x.ndim == 2 else (0, 1)
                xmean = x.mean(dim, keepdim=True)
                xvar = x.var(dim, keepdim=True)
            else:
                xmean, xvar = self.running_mean, self.running_var
            xhat = (x - xmean) / torch.sqrt(xvar + self.eps)
            self.out = self.gamma * xhat + self.beta
            if self.training:
                with torch.no_grad():
                    self.running_mean = (1 - self.momentum) * self.running_mean + self.momentum * xmean
                    self.running_var = (1 - self.momentum) * self.running_var + self.momentum * xvar
            return self.out

        def parameters(self) -> list[Any]:
            return [self.gamma, self.beta]

    class Tanh:
        def __call__(self, x: Any) -> Any:
            self.out = torch.tanh(x)
            return self.out

        def parameters(self) -> list[Any]:
            return []

    return Linear, BatchNorm1d, Tanh


def batchnorm(torch: Any, compiled: bool = False) -> Step:
    """Lecture 4: six layers with BatchNorm, made of the lecture's own classes."""
    torch.manual_seed(2147483647)
    Linear, BatchNorm1d, Tanh = layers(torch)
    Xtr, Ytr = names(torch, 3)
    C = torch.randn((27, 10))
    network: list[Any] = [Linear(30, 100, bias=False), BatchNorm1d(100), Tanh()]
    for _ in range(4):
        network += [Linear(100, 100, bias=False), BatchNorm1d(100), Tanh()]
    network += [Linear(100, 27, bias=False), BatchNorm1d(27)]
    with torch.no_grad():
        network[-1].gamma *= 0.1
        for layer in network[:-1]:
            if isinstance(layer, Linear):
                layer.weight *= 5 / 3
    parameters = [C] + [p for layer in network for p in layer.parameters()]

    def forward(X: Any) -> Any:
        emb = C[X]
        x = emb.view(emb.shape[0], -1)
        for layer in network:
            x = layer(x)
        return x

    return descent(torch, forward, parameters, Xtr, Ytr, 0.1, compiled)


def wavenet(torch: Any, compiled: bool = False) -> Step:
    """Lecture 6: a tree of layers over eight characters."""
    torch.manual_seed(42)
    Linear, BatchNorm1d, Tanh = layers(torch)
    Xtr, Ytr = names(torch, 8)

    class Embedding:
        def __init__(self, count: int, width: int) -> None:
            self.weight = torch.randn((count, width))

        def __call__(self, index: Any) -> Any:
            self.out = self.weight[index]
            return self.out

        def parameters(self) -> list[Any]:
            return [self.weight]

    class FlattenConsecutive:
        def __init__(self, n: int) -> None:
            self.n = n

        def __call__(self, x: Any) -> Any:
            B, T, C = x.shape
            x = x.view(B, T // self.n, C * self.n)
            if x.shape[1] == 1:
                x = x.squeeze(1)
            self.out = x
            return self.out

        def parameters(self) -> list[Any]:
            return []

    def block(fan_in: int) -> list[Any]:
        return [FlattenConsecutive(2), Linear(fan_in * 2, 128, bias=False), BatchNorm1d(128), Tanh()]

    network: list[Any] = [Embedding(27, 24), *block(24), *block(128), *block(128), Linear(128, 27)]
    with torch.no_grad():
        network[-1].weight *= 0.1
    parameters = [p for layer in network for p in layer.parameters()]

    def forward(x: Any) -> Any:
        for layer in network:
            x = layer(x)
        return x

    return descent(torch, forward, parameters, Xtr, Ytr, 0.1, compiled)


def gpt(torch: Any, compiled: bool = False) -> Step:
    """Lecture 7: the GPT of the video, four layers of four heads, 64 wide, 32 characters, batches of 16."""
    nn, F = torch.nn, torch.nn.functional
    torch.manual_seed(1337)
    block_size, n_embd, n_head, n_layer, vocabulary, dropout = 32, 64, 4, 4, 65, 0.0
    data = torch.randint(0, vocabulary, (1_000_000,))

    class Head(nn.Module):  # type: ignore[misc,name-defined]
        def __init__(self, head_size: int) -> None:
            super().__init__()
            self.key = nn.Linear(n_embd, head_size, bias=False)
            self.query = nn.Linear(n_embd, head_size, bias=False)
            self.value = nn.Linear(n_embd, head_size, bias=False)
            self.register_buffer("tril", torch.tril(torch.ones(block_size, block_size)))
            self.dropout = nn.Dropout(dropout)

        def forward(self, x: Any) -> Any:
            _, T, C = x.shape
            k, q = self.key(x), self.query(x)
            wei = q @ k.transpose(-2, -1) * C**-0.5
            wei = wei.masked_fill(self.tril[:T, :T] == 0, float("-inf"))
            wei = self.dropout(F.softmax(wei, dim=-1))
            return wei @ self.value(x)

    class MultiHeadAttention(nn.Module):  # type: ignore[misc,name-defined]
        def __init__(self) -> None:
            super().__init__()
            self.heads = nn.ModuleList([Head(n_embd // n_head) for _ in range(n_head)])
            self.proj = nn.Linear(n_embd, n_embd)
            self.dropout = nn.Dropout(dropout)

        def forward(self, x: Any) -> Any:
            return self.dropout(self.proj(torch.cat([h(x) for h in self.heads], dim=-1)))

    class Block(nn.Module):  # type: ignore[misc,name-defined]
        def __init__(self) -> None:
            super().__init__()
            self.sa = MultiHeadAttention()
            self.ffwd = nn.Sequential(nn.Linear(n_embd, 4 * n_embd), nn.ReLU(), nn.Linear(4 * n_embd, n_embd),
                                      nn.Dropout(dropout))
            self.ln1, self.ln2 = nn.LayerNorm(n_embd), nn.LayerNorm(n_embd)

        def forward(self, x: Any) -> Any:
            x = x + self.sa(self.ln1(x))
            return x + self.ffwd(self.ln2(x))

    class LanguageModel(nn.Module):  # type: ignore[misc,name-defined]
        def __init__(self) -> None:
            super().__init__()
            self.token_embedding_table = nn.Embedding(vocabulary, n_embd)
            self.position_embedding_table = nn.Embedding(block_size, n_embd)
            self.blocks = nn.Sequential(*[Block() for _ in range(n_layer)])
            self.ln_f = nn.LayerNorm(n_embd)
            self.lm_head = nn.Linear(n_embd, vocabulary)

        def forward(self, idx: Any, targets: Any) -> Any:
            B, T = idx.shape
            x = self.token_embedding_table(idx) + self.position_embedding_table(torch.arange(T))
            logits = self.lm_head(self.ln_f(self.blocks(x)))
            B, T, C = logits.shape
            return F.cross_entropy(logits.view(B * T, C), targets.view(B * T))

    model = LanguageModel()
    optimizer = torch.optim.AdamW(model.parameters(), lr=1e-3)

    def train(xb: Any, yb: Any) -> Any:
        loss = model(xb, yb)
        optimizer.zero_grad(set_to_none=True)
        loss.backward()
        optimizer.step()
        return loss

    run = torch.compile(train) if compiled else train

    def step() -> float:
        ix = torch.randint(len(data) - block_size, (16,))
        x = torch.stack([data[i : i + block_size] for i in ix])
        y = torch.stack([data[i + 1 : i + block_size + 1] for i in ix])
        return float(run(x, y).item())

    return step


LOOPS: dict[str, Callable[..., Step]] = {"mlp": mlp, "batchnorm": batchnorm, "wavenet": wavenet, "gpt": gpt}
