"""Lecture 8: byte pairs are merged into tokens, and tokens are looked up in an embedding."""

import sys
from pathlib import Path

import tinytensor.torch as torch

vocab_size = int(sys.argv[sys.argv.index("--size") + 1]) if "--size" in sys.argv else 276
data = Path(__file__).resolve().parents[2] / "data"

text = "Ünï¢ödé! 😄 안녕하세요"
print([ord(x) for x in text])
print(list(text.encode("utf-8")))
print(list("hello".encode("utf-16")), list("hello".encode("utf-32"))[:8])


def get_stats(ids, counts=None):
    counts = {} if counts is None else counts
    for pair in zip(ids, ids[1:]):
        counts[pair] = counts.get(pair, 0) + 1
    return counts


def merge(ids, pair, idx):
    newids = []
    i = 0
    while i < len(ids):
        if i < len(ids) - 1 and ids[i] == pair[0] and ids[i + 1] == pair[1]:
            newids.append(idx)
            i += 2
        else:
            newids.append(ids[i])
            i += 1
    return newids


print(merge([5, 6, 6, 7, 9, 1], (6, 7), 99))
text = open(data / "shakespeare.txt", encoding="utf-8").read()[:20000]
tokens = list(text.encode("utf-8"))
stats = get_stats(tokens)
top = sorted(((v, k) for k, v in stats.items()), reverse=True)[:5]
print(top)

ids = list(tokens)
merges = {}
for i in range(vocab_size - 256):
    stats = get_stats(ids)
    pair = max(stats, key=stats.get)
    idx = 256 + i
    print(f"merging {pair} into a new token {idx}")
    ids = merge(ids, pair, idx)
    merges[pair] = idx
print("tokens length:", len(tokens), "ids length:", len(ids), f"compression ratio: {len(tokens) / len(ids):.2f}X")

vocab = {idx: bytes([idx]) for idx in range(256)}
for (p0, p1), idx in merges.items():
    vocab[idx] = vocab[p0] + vocab[p1]


def decode(ids):
    return b"".join(vocab[int(idx)] for idx in ids).decode("utf-8", errors="replace")


def encode(text):
    tokens = list(text.encode("utf-8"))
    while len(tokens) >= 2:
        stats = get_stats(tokens)
        pair = min(stats, key=lambda p: merges.get(p, float("inf")))
        if pair not in merges:
            break
        tokens = merge(tokens, pair, merges[pair])
    return tokens


print(decode([128]), encode("hello world"), decode(encode("hello world")) == "hello world")
print(decode(encode(text[1000:2000])) == text[1000:2000])

# the input of a network: ids as a tensor, and for each a row of the embedding
idx = torch.tensor(encode("the king and the queen"), dtype=torch.long)
print(idx, idx.shape, decode(idx))
torch.manual_seed(1337)
table = torch.nn.Embedding(vocab_size, 4)
print(table(idx).shape, table(idx)[0])
counts = torch.bincount(torch.tensor(ids), minlength=vocab_size)
print(counts.max(), vocab[counts.argmax().item()], torch.topk(counts, 3))
