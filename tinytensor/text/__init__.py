"""Text in and out: files of items, vocabularies, splits, windows, minibatches and sampling."""

from .corpus import CorpusError, Vocabulary, batches, read_items, sample, split, windows

__all__ = ["CorpusError", "Vocabulary", "batches", "read_items", "sample", "split", "windows"]
