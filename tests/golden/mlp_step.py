"""step"""

import numpy as np
from tinytensor.machine import with_fast_numpy
from tinytensor.ops.fused import check_range
from tinytensor.ops.index import sum_one_hot

# given: theta (11897,)

arena = np.empty(106180, np.uint8)  # 0.10 MiB
arena = arena[-arena.ctypes.data % 64 :]  # from a cache line on

embed = np.ndarray((32, 3, 10), np.float32, arena, 98816)
embed_weight = theta[6000:6270].reshape(27, 10)
hidden_copy = np.ndarray((30, 32), np.float32, arena, 0)
e = embed.reshape(32, -1)
e_T = e.T
hidden_product = np.ndarray((32, 200), np.float32, arena, 47616)
hidden_copy_T = hidden_copy.T
hidden_weight = theta[0:6000].reshape(200, 30)
hidden_weight_T = hidden_weight.T
hidden = hidden_product
hidden_bias = theta[6270:6470].reshape(200)
h = hidden_product
output_product = np.ndarray((32, 27), np.float32, arena, 0)
output_weight = theta[6470:11870].reshape(27, 200)
output_weight_T = output_weight.T
logits = output_product
output_bias = theta[11870:11897].reshape(27)
columns = np.ndarray((27, 32), np.float32, arena, 3456)
logits_T = logits.T
top = np.ndarray((32,), np.float32, arena, 6912)
z = output_product
top_view = top.reshape(-1, 1)
e_2 = np.ndarray((32, 27), np.float32, arena, 102656)
total = np.ndarray((32,), np.float32, arena, 3712)
ones_27 = np.ones(27, np.float32)
log = np.ndarray((32,), np.float32, arena, 3840)
added = np.ndarray((32,), np.int64, arena, 3456)
starts = np.arange(0, 864, 27)
z_view = z.reshape(-1)
losses = log
loss = np.ndarray((), np.float32, arena, 106112)
shares_32 = np.full(32, 0.03125, np.float32)
d_ratio = e_2
total_view = total.reshape(-1, 1)
d_gathered = np.ndarray((32, 27), np.float32, arena, 0)
one_hot_27 = np.eye(27, dtype=np.float32)
d_difference = e_2
d_logits = e_2
d_h = np.ndarray((32, 200), np.float32, arena, 73216)
gradient = np.ndarray((11897,), np.float32, arena, 0)
d_output_weight = gradient[6470:11870].reshape(27, 200)
d_logits_T = d_logits.T
d_output_bias = gradient[11870:11897]
ones_32 = np.ones(32, np.float32)
h_squared = hidden_product
d_difference_2 = hidden_product
d_hidden = d_h
d_e = np.ndarray((32, 30), np.float32, arena, 57984)
d_hidden_weight = gradient[0:6000].reshape(200, 30)
d_hidden_T = d_hidden.T
d_hidden_bias = gradient[6270:6470]
d_embed_gathered = np.ndarray((96, 27), np.float32, arena, 47616)
d_embed_weight = gradient[6000:6270].reshape(27, 10)
d_embed_gathered_T = d_embed_gathered.T
d_embed = d_e.reshape(32, 3, 10)
d_embed_view = d_embed.reshape(96, 10)
change = gradient


@with_fast_numpy
def step(x, y, lr):
    # --- forward ---
    # embed: e = self.embed(x).reshape(len(x), -1)
    check_range(x, 27, "embedding: index", "a table of 27 rows")
    embed_weight.take(x, 0, out=embed, mode="clip")
    # hidden: h = np.tanh(self.hidden(e))
    np.copyto(hidden_copy, e_T)
    np.dot(hidden_copy_T, hidden_weight_T, out=hidden_product)
    np.add(hidden_product, hidden_bias, out=hidden)
    # h = np.tanh(self.hidden(e))
    np.tanh(hidden, out=h)
    # output: logits = self.output(h)
    np.dot(h, output_weight_T, out=output_product)
    np.add(output_product, output_bias, out=logits)
    # loss = tt.cross_entropy(model(x), y)
    check_range(y, 27, "cross_entropy: target", "27 classes")
    np.copyto(columns, logits_T)
    np.maximum.reduce(columns, axis=0, out=top)
    np.subtract(logits, top_view, out=z)
    np.exp(z, out=e_2)
    np.dot(e_2, ones_27, out=total)
    np.log(total, out=log)
    np.add(starts, y, out=added)
    gathered = z_view.take(added, None)
    np.subtract(log, gathered, out=losses)
    np.dot(losses, shares_32, out=loss)
    # --- backward ---
    # loss.backward()
    np.divide(e_2, total_view, out=d_ratio)
    one_hot_27.take(y, 0, out=d_gathered, mode="clip")
    np.subtract(d_ratio, d_gathered, out=d_difference)
    np.multiply(d_difference, np.float32(0.03125), out=d_logits)
    # output: loss.backward()
    np.dot(d_logits, output_weight, out=d_h)
    np.dot(d_logits_T, h, out=d_output_weight)
    np.dot(ones_32, d_logits, out=d_output_bias)
    # loss.backward()
    np.multiply(h, h, out=h_squared)
    np.subtract(1, h_squared, out=d_difference_2)
    np.multiply(d_h, d_difference_2, out=d_hidden)
    # hidden: loss.backward()
    np.dot(d_hidden, hidden_weight, out=d_e)
    np.dot(d_hidden_T, e, out=d_hidden_weight)
    np.dot(ones_32, d_hidden, out=d_hidden_bias)
    # embed: loss.backward()
    x_view = x.reshape(-1)
    one_hot_27.take(x_view, 0, out=d_embed_gathered, mode="clip")
    sum_one_hot(d_embed_gathered_T, d_embed_view, out=d_embed_weight)
    # --- update ---
    # opt.step()
    np.multiply(gradient, lr, out=change)
    np.subtract(theta, change, out=theta)
    return loss, lr
