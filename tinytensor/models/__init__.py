"""The lectures' named networks, ready to be trained. The public names; nothing is defined here."""

from .gpt import GPT
from .kv_cache import KVCache
from .makemore import GRU, MLP, RNN, Bigram, BoW, CausalCNN
from .wavenet import CausalWaveNet, WaveNet

__all__ = ["GPT", "GRU", "MLP", "RNN", "Bigram", "BoW", "CausalCNN", "CausalWaveNet", "KVCache", "WaveNet"]

Reader = KVCache  # its former name


def __dir__() -> list[str]:
    return __all__
