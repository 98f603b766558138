"""The reference for speed: a training step of the lecture's MLP in plain NumPy, as fast as it can be made by hand.

It has no engine and no checks. All arrays are allocated once, and each line writes into one of them. Keep it fast.
"""

from __future__ import annotations

from itertools import accumulate
from math import prod

import numpy as np
from numpy import add, divide, exp, log, matmul, maximum, multiply, subtract, tanh

from tinytensor.machine import with_fast_numpy

BATCH, CONTEXT, EMBEDDING, HIDDEN, CLASSES = 64, 3, 16, 200, 27
WIDTH = CONTEXT * EMBEDDING
PARAMETERS = {"C": (CLASSES, EMBEDDING), "W1": (HIDDEN, WIDTH), "b1": (HIDDEN,), "S": (CLASSES, WIDTH),
              "W2": (CLASSES, HIDDEN), "b2": (CLASSES,)}


def pieces(shapes: dict[str, tuple[int, ...]], pad: int = 1) -> tuple[np.ndarray, dict[str, np.ndarray]]:
    """A float32 vector, and views of it as arrays, in sequence, each starting at a multiple of `pad` numbers."""
    ends = list(accumulate(-(-prod(shape) // pad) * pad for shape in shapes.values()))
    raw = np.zeros(ends[-1] + 16, np.float32)
    flat = raw[-raw.ctypes.data % 64 // 4:][:ends[-1]]  # aligned to a cache line
    return flat, {name: flat[start:start + prod(shape)].reshape(shape)
                  for (name, shape), start in zip(shapes.items(), [0, *ends], strict=False)}


class LectureMLP:
    """Embedding, tanh layer, linear skip connection, cross-entropy and SGD for batches of 64 windows of names.

    Functions are local names, outputs are positional and products are methods, because that calls NumPy fastest.
    Matrices are (out, in), as in PyTorch, so that their three products need the fewest copies.
    """

    def __init__(self, seed: int = 0) -> None:
        f = np.float32
        self.theta, self.p = pieces(PARAMETERS)  # all parameters, in one vector
        self.theta[:] = 0.1 * np.random.default_rng(seed).standard_normal(len(self.theta))
        self.gradient, self.g = pieces(PARAMETERS)
        arrays = {"emb": (BATCH * CONTEXT, EMBEDDING), "emb_turned": (WIDTH, BATCH), "h": (BATCH, HIDDEN),
                  "logits": (BATCH, CLASSES), "skip": (BATCH, CLASSES), "columns": (CLASSES, BATCH), "top": (BATCH, 1),
                  "total": (BATCH, 1), "losses": (BATCH, 1), "d_h": (BATCH, HIDDEN), "d_emb": (BATCH, WIDTH),
                  "d_skip": (BATCH, WIDTH), "one_hot": (BATCH * CONTEXT, CLASSES)}
        vars(self).update(pieces(arrays, 16)[1])
        self.eye, self.ones, self.shares = np.eye(CLASSES, dtype=f), np.ones(BATCH, f), np.full(BATCH, 1 / BATCH, f)
        self.one, self.share = np.array(1, f), np.array(1 / BATCH, f)  # arrays are faster operands than numbers
        self.offsets, self.place = np.arange(0, BATCH * CLASSES, CLASSES), np.empty(BATCH, np.int64)
        self.step = with_fast_numpy(self._step)

    def _step(self, x: np.ndarray, y: np.ndarray, lr: float) -> float:
        """The loss of the batch, and one step of gradient descent; x (64, 3), y (64,)."""
        C, W1, b1, S, W2, b2 = self.p.values()
        d_C, d_W1, d_b1, d_S, d_W2, d_b2 = self.g.values()
        x = x.reshape(-1)
        emb = self.emb.reshape(BATCH, WIDTH)
        h, logits, skip, columns, losses = self.h, self.logits, self.skip, self.columns, self.losses
        d_h, d_emb, d_skip = self.d_h, self.d_emb, self.d_skip
        # forward
        C.take(x, 0, self.emb, "clip")  # (B * T, D)
        self.emb_turned[...] = emb.T  # OpenBLAS is faster with a transposed left operand
        self.emb_turned.T.dot(W1.T, h)
        add(h, b1, h)
        tanh(h, h)  # (B, H)
        matmul(h.reshape(2, -1, HIDDEN), W2.T, logits.reshape(2, -1, CLASSES))  # small enough that BLAS copies nothing
        self.emb_turned.T.dot(S.T, skip)
        add(logits, b2, logits)
        add(logits, skip, logits)  # (B, V)
        columns[...] = logits.T  # NumPy's maximum is slow along short rows
        maximum.reduce(columns, 0, None, self.top[:, 0])
        subtract(logits, self.top, logits)
        p = exp(logits, skip)
        p.dot(self.ones[:CLASSES], self.total[:, 0])  # a sum, by BLAS
        log(self.total, losses)
        add(self.offsets, y, self.place)
        subtract(losses[:, 0], logits.take(self.place), losses[:, 0])
        loss = self.shares.dot(losses[:, 0])
        # backward
        divide(p, self.total, p)
        subtract(p, self.eye.take(y, 0, logits, "clip"), p)
        d_logits = multiply(p, self.share, p)
        d_logits.T.dot(h, d_W2)
        d_logits.T.dot(emb, d_S)
        self.ones.dot(d_logits, d_b2)
        d_logits.dot(W2, d_h)
        d_logits.dot(S, d_skip)
        multiply(h, h, h)
        subtract(self.one, h, h)
        multiply(d_h, h, d_h)
        d_h.T.dot(emb, d_W1)
        self.ones.dot(d_h, d_b1)
        d_h.dot(W1, d_emb)
        add(d_emb, d_skip, d_emb)
        self.eye.take(x, 0, self.one_hot, "clip")
        self.one_hot.T.dot(d_emb.reshape(-1, EMBEDDING), d_C)
        # update
        multiply(self.gradient, lr, self.gradient)
        subtract(self.theta, self.gradient, self.theta)
        return float(loss)
