"""Lecture 3: embeddings and a hidden layer predict the next character from the three before it."""

import random
import sys
from pathlib import Path

import tinytensor.torch as torch
import tinytensor.torch.nn.functional as F

steps = int(sys.argv[sys.argv.index("--steps") + 1]) if "--steps" in sys.argv else 10000
data = Path(__file__).resolve().parents[2] / "data"

words = open(data / "names.txt", encoding="utf-8").read().splitlines()
chars = sorted(set("".join(words)))
stoi = {s: i + 1 for i, s in enumerate(chars)}
stoi["."] = 0
itos = {i: s for s, i in stoi.items()}
block_size = 3


def build_dataset(words):
    X, Y = [], []
    for w in words:
        context = [0] * block_size
        for ch in w + ".":
            ix = stoi[ch]
            X.append(context)
            Y.append(ix)
            context = context[1:] + [ix]
    X = torch.tensor(X)
    Y = torch.tensor(Y)
    print(X.shape, X.dtype, Y.shape, Y.dtype)
    return X, Y


# five words, one step at a time
X, Y = build_dataset(words[:5])
C = torch.randn((27, 2), generator=torch.Generator().manual_seed(1))
print(C[5], F.one_hot(torch.tensor(5), num_classes=27).float() @ C)
emb = C[X]
print(emb.shape, emb[13, 2], C[X[13, 2]])
print(torch.cat([emb[:, 0, :], emb[:, 1, :], emb[:, 2, :]], 1).shape)
joined = torch.cat(torch.unbind(emb, 1), 1)
print((joined == emb.view(32, 6)).all())
a = torch.arange(18)
print(a.view(3, 3, 2).shape, a.storage_offset(), a.view(9, 2)[3])

# all words, split
random.seed(42)
random.shuffle(words)
n1 = int(0.8 * len(words))
n2 = int(0.9 * len(words))
Xtr, Ytr = build_dataset(words[:n1])
Xdev, Ydev = build_dataset(words[n1:n2])
Xte, Yte = build_dataset(words[n2:])

g = torch.Generator().manual_seed(2147483647)
C = torch.randn((27, 10), generator=g)
W1 = torch.randn((30, 200), generator=g)
b1 = torch.randn(200, generator=g)
W2 = torch.randn((200, 27), generator=g)
b2 = torch.randn(27, generator=g)
parameters = [C, W1, b1, W2, b2]
print("parameters:", sum(p.nelement() for p in parameters))
for p in parameters:
    p.requires_grad = True

# learning rates to try, each a little larger than the last
lre = torch.linspace(-3, 0, 1000)
lrs = 10**lre
print(lrs[0].item(), lrs[500], lrs[-1])

lri, lossi, stepi = [], [], []
for i in range(steps):
    # minibatch construct
    ix = torch.randint(0, Xtr.shape[0], (32,), generator=g)
    # forward pass
    emb = C[Xtr[ix]]
    h = torch.tanh(emb.view(-1, 30) @ W1 + b1)
    logits = h @ W2 + b2
    loss = F.cross_entropy(logits, Ytr[ix])
    # backward pass
    for p in parameters:
        p.grad = None
    loss.backward()
    # update
    lr = 0.1 if i < 100000 else 0.01
    for p in parameters:
        p.data += -lr * p.grad
    # track stats
    stepi.append(i)
    lossi.append(loss.log10().item())
    if i % max(steps // 10, 1) == 0:
        print(f"{i:7d}/{steps:7d}: {loss.item():.4f}")

if "--plots" in sys.argv:
    import matplotlib.pyplot as plt

    plt.plot(stepi, lossi)
    plt.xlabel("step")
    plt.ylabel("log10 of the loss")
    plt.savefig("loss.png")
    plt.figure(figsize=(8, 8))
    plt.scatter(C[:, 0].data, C[:, 1].data, s=200)
    for i in range(C.shape[0]):
        plt.text(C[i, 0].item(), C[i, 1].item(), itos[i], ha="center", va="center", color="white")
    plt.grid("minor")
    plt.savefig("embedding.png")

for name, X, Y in (("train", Xtr, Ytr), ("dev", Xdev, Ydev), ("test", Xte, Yte)):
    emb = C[X]
    h = torch.tanh(emb.view(-1, 30) @ W1 + b1)
    logits = h @ W2 + b2
    loss = F.cross_entropy(logits, Y)
    print(name, f"{loss.item():.4f}", loss)

g = torch.Generator().manual_seed(2147483647 + 10)
for _ in range(10):
    out = []
    context = [0] * block_size
    while True:
        emb = C[torch.tensor([context])]
        h = torch.tanh(emb.view(1, -1) @ W1 + b1)
        logits = h @ W2 + b2
        probs = F.softmax(logits, dim=1)
        ix = torch.multinomial(probs, num_samples=1, generator=g).item()
        context = context[1:] + [ix]
        out.append(ix)
        if ix == 0:
            break
    print("".join(itos[i] for i in out))
