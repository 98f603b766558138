"""The GPTs that are measured: the network in PyTorch, as its users write it, and the tasks of training and writing.

The names GPT sees 32 texts of 16 tokens, width 64; the Shakespeare GPT 12 of 64, width 128; both have 4 blocks of 4
heads. PyTorch has its fused attention, layer norm and AdamW.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Any

import numpy as np

Step = Callable[[int], Any]
SIZES = {"names": {"vocabulary": 27, "context": 16, "width": 64, "layers": 4, "heads": 4},
         "shakespeare": {"vocabulary": 64, "context": 64, "width": 128, "layers": 4, "heads": 4}}
BATCH = {"names": 32, "shakespeare": 12}
LR, BETAS, DECAY = 1e-3, (0.9, 0.99), 0.1
WRITTEN = {"names": 15, "shakespeare": 63}  # tokens, after one that is given: as many as the context holds


def texts(which: str) -> tuple[np.ndarray, np.ndarray]:
    """A hundred batches of random tokens and of those that follow."""
    size, rng = SIZES[which], np.random.default_rng(1)
    shape = (100, BATCH[which], size["context"] + 1)
    tokens = rng.integers(0, size["vocabulary"], shape)
    return np.ascontiguousarray(tokens[..., :-1]), np.ascontiguousarray(tokens[..., 1:])


def torch_gpt(vocabulary: int, context: int, width: int, layers: int, heads: int) -> Any:
    """The network of `tinytensor.models.GPT`, with the same names and first weights' distribution."""
    import torch
    from torch import nn
    from torch.nn import functional as F

    class Attention(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.c_attn, self.c_proj = nn.Linear(width, 3 * width), nn.Linear(width, width)

        def forward(self, x: Any, cache: Any = None) -> Any:
            b, t, _ = x.shape
            q, k, v = (a.view(b, t, heads, -1).transpose(1, 2) for a in self.c_attn(x).split(width, dim=2))
            if cache is not None:
                if cache:
                    k, v = torch.cat([cache[0], k], 2), torch.cat([cache[1], v], 2)
                cache[:] = k, v
            y = F.scaled_dot_product_attention(q, k, v, is_causal=t > 1)
            return self.c_proj(y.transpose(1, 2).reshape(b, t, width))

    class Block(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.ln_1, self.attn, self.ln_2 = nn.LayerNorm(width), Attention(), nn.LayerNorm(width)
            self.mlp = nn.ModuleDict({"c_fc": nn.Linear(width, 4 * width), "c_proj": nn.Linear(4 * width, width)})

        def forward(self, x: Any, cache: Any = None) -> Any:
            x = x + self.attn(self.ln_1(x), cache)
            return x + self.mlp["c_proj"](F.gelu(self.mlp["c_fc"](self.ln_2(x)), approximate="tanh"))

    class GPT(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.wte, self.wpe = nn.Embedding(vocabulary, width), nn.Embedding(context, width)
            self.h, self.ln_f = nn.ModuleList([Block() for _ in range(layers)]), nn.LayerNorm(width)
            self.lm_head = nn.Linear(width, vocabulary, bias=False)
            self.lm_head.weight = self.wte.weight
            for name, p in self.named_parameters():
                if p.ndim == 2:
                    nn.init.normal_(p, 0, 0.02 / (2 * layers) ** 0.5 if name.endswith("c_proj.weight") else 0.02)
                elif name.endswith("bias"):
                    nn.init.zeros_(p)

        def forward(self, tokens: Any, caches: Any = None) -> Any:
            seen = caches[0][0].shape[2] if caches and caches[0] else 0
            x = self.wte(tokens) + self.wpe(torch.arange(seen, seen + tokens.shape[1]))
            for i, block in enumerate(self.h):
                x = block(x, None if caches is None else caches[i])
            return self.lm_head(self.ln_f(x))

    return GPT()


# --- a training step ---


def train_tinytensor(which: str) -> Step:
    import tinytensor as tt
    from tinytensor import optim
    from tinytensor.models import GPT

    tt.keep_freed_memory()  # as the examples do
    model = GPT(**SIZES[which])
    opt = optim.AdamW(model.parameters(), lr=LR, betas=BETAS, weight_decay=DECAY)
    X, Y = texts(which)

    def step(i: int) -> float:
        loss = tt.cross_entropy(model(X[i % 100]), Y[i % 100])
        opt.zero_grad()
        loss.backward()
        opt.step()
        return float(loss.item())

    return step


def train_torch(which: str) -> Step:
    import torch
    from torch.nn import functional as F

    model = torch_gpt(**SIZES[which])
    opt = torch.optim.AdamW(model.parameters(), lr=LR, betas=BETAS, weight_decay=DECAY, fused=True)
    X, Y = map(torch.from_numpy, texts(which))

    def step(i: int) -> float:
        loss = F.cross_entropy(model(X[i % 100]).flatten(0, 1), Y[i % 100].flatten())
        opt.zero_grad()
        loss.backward()
        opt.step()
        return float(loss.item())

    return step


# --- writing, with a cache ---


def write_tinytensor(which: str) -> Step:
    from tinytensor.models import GPT
    from tinytensor.random import Generator

    model, rng = GPT(**SIZES[which]).eval(), Generator(1)
    return lambda i: list(model.generate([[i % 20]], WRITTEN[which], rng))


def write_torch(which: str) -> Step:
    import torch

    model = torch_gpt(**SIZES[which]).eval()

    @torch.inference_mode()
    def step(i: int) -> Any:
        token, caches, written = torch.tensor([[i % 20]]), [[] for _ in model.h], []
        for _ in range(WRITTEN[which]):
            p = torch.softmax(model(token, caches)[:, -1], -1)
            token = torch.multinomial(p, 1)
            written.append(token)
        return written

    return step


# --- by the names that `tasks.make` looks for ---

names_tinytensor, names_torch = (partial(f, "names") for f in (train_tinytensor, train_torch))
shakespeare_tinytensor, shakespeare_torch = (partial(f, "shakespeare") for f in (train_tinytensor, train_torch))
writing_tinytensor, writing_torch = (partial(f, "shakespeare") for f in (write_tinytensor, write_torch))
