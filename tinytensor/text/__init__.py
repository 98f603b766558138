"""Text in and out: files of items, vocabularies, splits, windows, minibatches and sampling; the tokenizer."""

from importlib import import_module
from typing import TYPE_CHECKING, Any

from .corpus import CorpusError, Vocabulary, batches, read_items, sample, split, windows

if TYPE_CHECKING:  # at run time it is loaded when it is first named
    from .tokenizer import Tokenizer, learn_merges

__all__ = ["CorpusError", "Tokenizer", "Vocabulary", "batches", "learn_merges", "read_items", "sample", "split",
           "windows"]


def __dir__() -> list[str]:
    return __all__


def __getattr__(name: str) -> Any:
    if name in ("Tokenizer", "learn_merges"):
        return getattr(import_module(f"{__name__}.tokenizer"), name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
