"""The Shakespeare recipe of examples/gpt.py run by PyTorch: the same file, split, initial weights and batches.

    python -m benchmarks.recipe    a minute or two; prints the losses to compare with `gpt.py --recipe shakespeare`

It measures no time; `python -m benchmarks` does.
"""

from __future__ import annotations

import dataclasses
import sys
from typing import Any

from .gpt import torch_gpt
from .report import ROOT

sys.path.insert(0, str(ROOT / "examples"))

import gpt as example
import numpy as np
from shared import common, texts

import tinytensor as tt


class AsOurs:
    """A PyTorch model with the interface that `common.evaluate` needs."""

    def __init__(self, model: Any) -> None:
        self.model, self.training = model, True

    def __call__(self, x: Any) -> Any:
        import torch

        with torch.inference_mode():
            return tt.Tensor(self.model(torch.from_numpy(x)).numpy())

    def eval(self) -> None:
        self.model.eval()

    def train(self, on: bool) -> None:
        self.model.train(on)


def main() -> None:
    import torch
    from torch.nn import functional as F

    s = dataclasses.replace(example.Settings(), **example.RECIPES["shakespeare"])
    data = texts.LongText(s.data, s.context)
    ours, _, rng, _ = example.build(s, len(data.tokens))
    model = torch_gpt(len(data.tokens), s.context, s.width, s.layers, s.heads)
    model.load_state_dict({name: torch.from_numpy(a.copy()) for name, a in ours.state_dict().items()})
    matrices = [p for name, p in model.named_parameters() if p.ndim == 2 and name not in ("wte.weight", "wpe.weight")]
    rest = [p for p in model.parameters() if not any(p is m for m in matrices)]
    opt = torch.optim.AdamW([{"params": matrices, "weight_decay": s.weight_decay},
                             {"params": rest, "weight_decay": 0.0}], lr=s.lr, betas=(0.9, 0.99))
    rate, progress = example.schedule(s), common.Progress(s.steps, "PyTorch")
    for i, (x, y) in zip(progress, data.batches(s.batch, rng), strict=False):
        logits = model(torch.from_numpy(np.ascontiguousarray(x)))
        loss = F.cross_entropy(logits.flatten(0, 1), torch.from_numpy(np.ascontiguousarray(y)).flatten())
        opt.zero_grad()
        loss.backward()
        torch.nn.utils.clip_grad_norm_(model.parameters(), 1.0)
        for group in opt.param_groups:
            group["lr"] = rate(i)
        opt.step()
        progress.log(loss.item())
    print("PyTorch: " + " ".join(f"{part} {data.evaluate(AsOurs(model), part):.4f}" for part in data.splits))


if __name__ == "__main__":
    main()
