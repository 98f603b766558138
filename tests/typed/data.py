"""Text and its vocabulary, random streams, models of the lectures, checkpoints."""

from collections.abc import Iterator
from pathlib import Path
from typing import assert_type

import numpy as np
import numpy.typing as npt

import tinytensor as tt
from tinytensor import Tensor, checkpoint, models, nn, optim, text

Ints = npt.NDArray[np.int64]

rng = tt.Generator(42)
names = ["emma", "olivia", "ava", "isabella", "sophia", "charlotte", "mia", "amelia", "harper", "evelyn"]
vocabulary = text.Vocabulary.of(names)
assert_type(vocabulary.encode("emma"), Ints)
assert_type(vocabulary.decode([1, 2]), str)
train, dev, test = text.split(names, seed=42)
X, Y = text.windows(train, vocabulary, context=3)
assert_type(X, Ints)
pairs: Iterator[tuple[Ints, Ints]] = text.batches(X, Y, 2, rng)
tokenizer = text.Tokenizer.train("low lower lowest", merges=3)
assert_type(tokenizer.decode(tokenizer.encode("low")), str)

u: npt.NDArray[np.float32] = rng.rand(2, 3)
ix: npt.NDArray[np.int64] = rng.randint(0, len(X), (32,))
order: npt.NDArray[np.int64] = rng.randperm(10)
assert_type(rng.manual_seed(1), tt.Generator)
saved = rng.get_state()
rng.set_state(saved)

gpt = models.GPT(vocabulary=27, context=8, width=16, layers=1, heads=2)
assert_type(gpt(X), Tensor)
model = nn.Linear(3, 2)
opt = optim.Adam(model.parameters(), lr=1e-3)


def keep(path: Path) -> int:
    """Save all that a run needs, and read it back."""
    checkpoint.save(path, model=model, opt=opt, rng=rng, step=3)
    parts = checkpoint.load(path, model=model, opt=opt, rng=rng)
    return int(parts["step"])
