"""The yardstick: one training step of the lecture's MLP in plain NumPy, by hand, as fast as hand can make it.

It has no engine and no checks. Every array is made once; each line writes into one of them. Slowing it is a fault.
"""

from __future__ import annotations

import numpy as np

BATCH, CONTEXT, EMBEDDING, HIDDEN, CLASSES = 64, 3, 16, 200, 27
WIDTH = CONTEXT * EMBEDDING


class LectureMLP:
    """Embedding, tanh layer, linear skip, cross-entropy and SGD for batches of 64 names' windows.

    The weights into the hidden layer and those of the skip stand side by side in one matrix, `WS`: both read the same
    embeddings, so one product does for two.
    """

    def __init__(self, seed: int = 0) -> None:
        rng, f = np.random.default_rng(seed), np.float32
        joint = HIDDEN + CLASSES
        shapes = {"C": (CLASSES, EMBEDDING), "WS": (WIDTH, joint), "b": (joint,), "W2": (HIDDEN, CLASSES)}
        sizes = [int(np.prod(shape)) for shape in shapes.values()]
        self.theta = (0.1 * rng.standard_normal(sum(sizes))).astype(f)  # all parameters, in one vector
        self.gradient, self.change = np.zeros_like(self.theta), np.empty_like(self.theta)

        def views(flat: np.ndarray) -> dict[str, np.ndarray]:
            cuts = np.split(flat, np.cumsum(sizes)[:-1])
            return {name: cut.reshape(shape) for (name, shape), cut in zip(shapes.items(), cuts, strict=True)}

        self.p, self.g = views(self.theta), views(self.gradient)
        self.emb = np.empty((BATCH * CONTEXT, EMBEDDING), f)
        self.joint = np.empty((BATCH, joint), f)  # the hidden layer before tanh, and the skip
        self.h, self.slope = np.empty((BATCH, HIDDEN), f), np.empty((BATCH, HIDDEN), f)
        self.logits, self.e = np.empty((BATCH, CLASSES), f), np.empty((BATCH, CLASSES), f)
        self.top, self.columns = np.empty(BATCH, f), np.empty((CLASSES, BATCH), f)
        self.total, self.log = np.empty((BATCH, 1), f), np.empty((BATCH, 1), f)
        self.d_joint, self.turned = np.empty((BATCH, joint), f), np.empty((joint, BATCH), f)
        self.d_emb = np.empty((BATCH, WIDTH), f)
        self.one_hot_x, self.one_hot_y = np.empty((CLASSES, BATCH * CONTEXT), f), np.empty((BATCH, CLASSES), f)
        self.eye, self.ones = np.eye(CLASSES, dtype=f), np.ones(BATCH, f)
        self.offsets = np.arange(0, BATCH * CLASSES, CLASSES)
        self.place = np.empty(BATCH, np.int64)

    def step(self, x: np.ndarray, y: np.ndarray, lr: float) -> float:
        """Loss of the batch, and one step down its gradient; x (64, 3), y (64,)."""
        C, WS, b, W2 = self.p.values()
        d_C, d_WS, d_b, d_W2 = self.g.values()
        x = x.reshape(-1)
        emb = self.emb.reshape(BATCH, WIDTH)
        h, logits, e, slope = self.h, self.logits, self.e, self.slope
        # forward
        C.take(x, 0, out=self.emb, mode="clip")  # (B * T, D)
        np.matmul(emb, WS, out=self.joint)
        np.add(self.joint, b, out=self.joint)
        np.tanh(self.joint[:, :HIDDEN], out=h)  # (B, H)
        np.matmul(h, W2, out=logits)
        np.add(logits, self.joint[:, HIDDEN:], out=logits)  # (B, V)
        np.copyto(self.columns, logits.T)  # NumPy's maximum is slow along short rows
        np.maximum.reduce(self.columns, axis=0, out=self.top)
        np.subtract(logits, self.top[:, None], out=logits)
        np.exp(logits, out=e)
        np.add.reduce(e, axis=1, keepdims=True, out=self.total)
        np.log(self.total, out=self.log)
        np.add(self.offsets, y, out=self.place)
        loss = (np.add.reduce(self.log, axis=None) - np.add.reduce(logits.take(self.place))) / BATCH
        # backward
        np.divide(e, self.total, out=e)
        self.eye.take(y, 0, out=self.one_hot_y, mode="clip")
        np.subtract(e, self.one_hot_y, out=e)
        d_logits = self.d_joint[:, HIDDEN:]
        np.multiply(e, 1 / BATCH, out=d_logits)
        np.matmul(h.T, d_logits, out=d_W2)
        d_h = self.d_joint[:, :HIDDEN]
        np.copyto(self.columns, d_logits.T)  # OpenBLAS is faster with a left side turned round
        np.matmul(self.columns.T, W2.T, out=d_h)
        np.multiply(h, h, out=slope)
        np.subtract(1, slope, out=slope)
        np.multiply(d_h, slope, out=d_h)
        np.matmul(emb.T, self.d_joint, out=d_WS)
        np.matmul(self.ones, self.d_joint, out=d_b)
        np.copyto(self.turned, self.d_joint.T)
        np.matmul(self.turned.T, WS.T, out=self.d_emb)
        self.eye.take(x, 1, out=self.one_hot_x, mode="clip")
        np.matmul(self.one_hot_x, self.d_emb.reshape(-1, EMBEDDING), out=d_C)
        # update
        np.multiply(self.gradient, lr, out=self.change)
        np.subtract(self.theta, self.change, out=self.theta)
        return float(loss)
