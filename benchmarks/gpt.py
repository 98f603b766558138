"""The GPT in PyTorch, as its users write it: fused attention and layer norm. Its training is in torch_.py."""

from __future__ import annotations

from typing import Any


def torch_gpt(vocabulary: int, context: int, width: int, layers: int, heads: int) -> Any:
    """The network of `tinytensor.models.GPT`, with the same names and the same distribution of initial weights.

    `model(tokens, caches)`, with an empty list for each block, keeps keys and values for the next token.
    """
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
