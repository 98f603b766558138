"""Byte pair encoding by itself: learning merges from counted chunks of bytes, and applying them to one chunk.

It knows no text, no ids but the merges' own, and no files: the rooms tokenizer and vocabulary_files do.
"""

import math
from collections import defaultdict
from collections.abc import Iterator, Mapping
from heapq import heapify, heappop, heappush
from itertools import pairwise, repeat
from typing import NamedTuple


class Merge(NamedTuple):
    """Two ids that became one, and how often they stood side by side; ids below 256 are the bytes."""

    left: int
    right: int
    times: int


def learn(chunks: Mapping[bytes, int]) -> Iterator[Merge]:
    """The merges of a text, given as its chunks and how often each occurs, one by one.

    Each time it is the most frequent pair of neighbours; **of equally frequent pairs the one with the smallest ids**,
    the left one first. The k-th merge makes the id 256 + k, from left to right in each chunk, never across two. It
    ends when no pair occurs twice. All merges together take time in proportion to the pairs they touch, for a pair's
    positions are kept in a list and the pairs in a heap.

    Source: Sennrich et al. (2016), 'Neural Machine Translation of Rare Words with Subword Units'.

    Example
    -------
    >>> list(learn({b"aaab": 2, b"aab": 1}))
    [Merge(left=97, right=97, times=5), Merge(left=97, right=98, times=2), Merge(left=256, right=257, times=2)]
    """
    ids, weights = [-1], [0]  # all chunks in one row, -1 between them
    for chunk, n in chunks.items():
        ids += [*chunk, -1]
        weights += repeat(n, len(chunk) + 1)
    before, after = list(range(-1, len(ids) - 1)), list(range(1, len(ids) + 1))  # the neighbours that are left
    counts, positions = defaultdict[tuple[int, int], int](int), defaultdict[tuple[int, int], list[int]](list)
    for i, pair in enumerate(pairwise(ids)):
        if -1 not in pair:
            counts[pair] += weights[i]
            positions[pair].append(i)
    heap = [(-n, pair) for pair, n in counts.items()]
    heapify(heap)
    new = 256
    while heap:
        n, pair = heappop(heap)
        if -n != counts[pair]:  # an old entry: a pair that is there already can only become rarer
            heappush(heap, (-counts[pair], pair))
            continue
        if -n < 2:
            return
        yield Merge(*pair, -n)
        left, right = pair
        made = set()
        for i in positions.pop(pair):  # subtle: in the order of the text, which matters where a pair overlaps itself
            j = after[i]
            if ids[i] != left or ids[j] != right:  # merged with another since
                continue
            h, k, w = before[i], after[j], weights[i]
            for old, fresh, position in (((ids[h], left), (ids[h], new), h), ((right, ids[k]), (new, ids[k]), i)):
                if -1 not in fresh:
                    counts[old] -= w
                    counts[fresh] += w
                    positions[fresh].append(position)
                    made.add(fresh)
            ids[i], ids[j], after[i], before[k] = new, -1, k, i
        del counts[pair]
        for fresh in made:
            heappush(heap, (-counts[fresh], fresh))
        new += 1


def apply(chunk: bytes, ranks: Mapping[bytes, int], below: float = math.inf) -> list[bytes]:
    """Split a chunk into tokens: of neighbours that make a token, those of the lowest rank merge first, from the left.

    A chunk of n bytes takes n log n steps, so that one of a million bytes is not slow.

    Parameters
    ----------
    ranks : mapping of bytes to int
        The tokens and their order; all bytes are among them.
    below : int, optional
        Only tokens of lower rank are made. With a token's own rank, its two halves come out: how it was merged.

    Example
    -------
    >>> apply(b"aaab", {b"a": 97, b"b": 98, b"aa": 256, b"ab": 257})
    [b'aa', b'ab']
    """
    n = len(chunk)
    end, before = list(range(1, n + 1)), list(range(-1, n))  # of the part that begins at i; end 0 where none begins
    heap = [(rank, i, i + 2) for i in range(n - 1) if (rank := ranks.get(chunk[i : i + 2], below)) < below]
    heapify(heap)
    while heap:
        _, i, k = heappop(heap)
        j = end[i]
        if not i < j < k or end[j] != k:  # one of the two has merged with another since
            continue
        end[i], end[j] = k, 0
        if k < n:
            before[k] = i
        for start, stop in ((before[i], k), (i, end[k] if k < n else 0)):
            if 0 <= start < stop and (rank := ranks.get(chunk[start:stop], below)) < below:
                heappush(heap, (rank, start, stop))
    return [chunk[i:j] for i, j in enumerate(end) if j]
