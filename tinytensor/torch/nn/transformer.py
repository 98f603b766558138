"""The layers of Transformers, for encoders and decoders, in PyTorch's arrangement; and stacks of them.

They are made of MultiheadAttention, Linear, LayerNorm and Dropout. No nested tensors.
"""

from __future__ import annotations

import copy
from collections.abc import Callable
from typing import Any

import numpy as np

from ...nn import init
from ..dtypes import default, numpy_dtype, on_cpu
from ..tensor import Tensor, of_array
from .arguments import size
from .containers import ModuleList
from .functions import activation as F
from .layers import Dropout, Linear
from .module import Module
from .multihead import MultiheadAttention
from .norm import LayerNorm

ACTIVATIONS: dict[Any, Callable[..., Any]] = {"relu": F.relu, "gelu": F.gelu}


def causal(name: str, mask: Any, is_causal: Any) -> Any:
    """The mask, which a hint that it is causal needs."""
    if is_causal and mask is None:
        raise RuntimeError(f"{name}: need attn_mask if specifying the is_causal hint; got None; give "
                           f"Transformer.generate_square_subsequent_mask(size)")
    return mask


class Layer(Module):
    """What the layers of encoders and decoders share: attention to oneself, and the two Linear layers."""

    def _build(self, blocks: int, d_model: int, nhead: int, dim_feedforward: int, dropout: float, activation: Any,
               layer_norm_eps: float, batch_first: bool, norm_first: bool, bias: bool, device: Any,
               dtype: Any) -> None:
        Module.__init__(self)
        how = {"dropout": dropout, "batch_first": batch_first, "bias": bias, "device": device, "dtype": dtype}
        self.self_attn = MultiheadAttention(d_model, nhead, **how)
        if blocks == 3:
            self.multihead_attn = MultiheadAttention(d_model, nhead, **how)
        self.linear1 = Linear(d_model, dim_feedforward, bias, device, dtype)
        self.dropout = Dropout(dropout)
        self.linear2 = Linear(dim_feedforward, d_model, bias, device, dtype)
        self.norm_first = norm_first
        for i in range(1, blocks + 1):
            setattr(self, f"norm{i}", LayerNorm(d_model, layer_norm_eps, bias=bias, device=device, dtype=dtype))
        for i in range(1, blocks + 1):
            setattr(self, f"dropout{i}", Dropout(dropout))
        if isinstance(activation, str) and activation not in ACTIVATIONS:
            raise RuntimeError(f"{type(self).__name__}: activation should be relu/gelu, not {activation}; give one of "
                               f"them, or a function")
        self.activation = ACTIVATIONS[activation] if isinstance(activation, str) else activation

    def _feed(self, x: Any, last: Any) -> Any:
        """The two Linear layers, and a dropout behind."""
        return last(self.linear2(self.dropout(self.activation(self.linear1(x)))))

    def _around(self, x: Any, norm: Any, block: Callable[[Any], Any]) -> Any:
        """x and what a block makes of it, with the norm before the block, or after the sum."""
        return x + block(norm(x)) if self.norm_first else norm(x + block(x))


class TransformerEncoderLayer(Layer):
    """Attention of a sequence to itself, then two Linear layers, each added to its input (Vaswani et al. 2017).

    Examples
    --------
    >>> import tinytensor.torch as torch
    >>> layer = torch.nn.TransformerEncoderLayer(8, 2, dim_feedforward=16)
    >>> layer(torch.ones(5, 3, 8)).shape
    torch.Size([5, 3, 8])
    """

    def __init__(self, d_model: int, nhead: int, dim_feedforward: int = 2048, dropout: float = 0.1,
                 activation: Any = F.relu, layer_norm_eps: float = 1e-5, batch_first: bool = False,
                 norm_first: bool = False, bias: bool = True, device: Any = None, dtype: Any = None) -> None:
        self._build(2, d_model, nhead, dim_feedforward, dropout, activation, layer_norm_eps, batch_first, norm_first,
                    bias, device, dtype)

    def forward(self, src: Tensor, src_mask: Tensor | None = None, src_key_padding_mask: Tensor | None = None,
                is_causal: bool = False) -> Any:
        mask = causal("TransformerEncoderLayer", src_mask, is_causal)

        def attend(x: Any) -> Any:
            return self.dropout1(self.self_attn(x, x, x, src_key_padding_mask, False, mask)[0])

        x = self._around(src, self.norm1, attend)
        return self._around(x, self.norm2, lambda x: self._feed(x, self.dropout2))


class TransformerDecoderLayer(Layer):
    """Attention of a sequence to itself, then to a memory, then two Linear layers, each added to its input."""

    def __init__(self, d_model: int, nhead: int, dim_feedforward: int = 2048, dropout: float = 0.1,
                 activation: Any = F.relu, layer_norm_eps: float = 1e-5, batch_first: bool = False,
                 norm_first: bool = False, bias: bool = True, device: Any = None, dtype: Any = None) -> None:
        self._build(3, d_model, nhead, dim_feedforward, dropout, activation, layer_norm_eps, batch_first, norm_first,
                    bias, device, dtype)

    def forward(self, tgt: Tensor, memory: Tensor, tgt_mask: Tensor | None = None, memory_mask: Tensor | None = None,
                tgt_key_padding_mask: Tensor | None = None, memory_key_padding_mask: Tensor | None = None,
                tgt_is_causal: bool = False, memory_is_causal: bool = False) -> Any:
        mask = causal("TransformerDecoderLayer", tgt_mask, tgt_is_causal)
        across = causal("TransformerDecoderLayer", memory_mask, memory_is_causal)

        def attend(x: Any) -> Any:
            return self.dropout1(self.self_attn(x, x, x, tgt_key_padding_mask, False, mask)[0])

        def look(x: Any) -> Any:
            return self.dropout2(self.multihead_attn(x, memory, memory, memory_key_padding_mask, False, across)[0])

        x = self._around(tgt, self.norm1, attend)
        x = self._around(x, self.norm2, look)
        return self._around(x, self.norm3, lambda x: self._feed(x, self.dropout3))


class TransformerEncoder(Module):
    """Copies of an encoder layer, one above the other, and a norm behind them, if there is one."""

    def __init__(self, encoder_layer: Any, num_layers: int, norm: Module | None = None,
                 enable_nested_tensor: bool = True, mask_check: bool = True) -> None:
        super().__init__()
        num_layers = size("TransformerEncoder", "num_layers", num_layers)
        self.layers = ModuleList([copy.deepcopy(encoder_layer) for _ in range(num_layers)])
        self.num_layers, self.norm = num_layers, norm

    def forward(self, src: Tensor, mask: Tensor | None = None, src_key_padding_mask: Tensor | None = None,
                is_causal: bool | None = None) -> Any:
        x = src
        for layer in self.layers:
            x = layer(x, mask, src_key_padding_mask, bool(is_causal))
        return x if self.norm is None else self.norm(x)


class TransformerDecoder(Module):
    """Copies of a decoder layer, one above the other, and a norm behind them, if there is one."""

    def __init__(self, decoder_layer: Any, num_layers: int, norm: Module | None = None) -> None:
        super().__init__()
        num_layers = size("TransformerDecoder", "num_layers", num_layers)
        self.layers = ModuleList([copy.deepcopy(decoder_layer) for _ in range(num_layers)])
        self.num_layers, self.norm = num_layers, norm

    def forward(self, tgt: Tensor, memory: Tensor, tgt_mask: Tensor | None = None, memory_mask: Tensor | None = None,
                tgt_key_padding_mask: Tensor | None = None, memory_key_padding_mask: Tensor | None = None,
                tgt_is_causal: bool | None = None, memory_is_causal: bool = False) -> Any:
        x = tgt
        for layer in self.layers:
            x = layer(x, memory, tgt_mask, memory_mask, tgt_key_padding_mask, memory_key_padding_mask,
                      bool(tgt_is_causal), memory_is_causal)
        return x if self.norm is None else self.norm(x)


class Transformer(Module):
    """An encoder, and a decoder that attends to its output (Vaswani et al. 2017).

    Examples
    --------
    >>> import tinytensor.torch as torch
    >>> model = torch.nn.Transformer(8, 2, 1, 1, dim_feedforward=16)
    >>> model(torch.ones(5, 3, 8), torch.ones(4, 3, 8)).shape
    torch.Size([4, 3, 8])
    """

    def __init__(self, d_model: int = 512, nhead: int = 8, num_encoder_layers: int = 6, num_decoder_layers: int = 6,
                 dim_feedforward: int = 2048, dropout: float = 0.1, activation: Any = F.relu,
                 custom_encoder: Any = None, custom_decoder: Any = None, layer_norm_eps: float = 1e-5,
                 batch_first: bool = False, norm_first: bool = False, bias: bool = True, device: Any = None,
                 dtype: Any = None) -> None:
        super().__init__()
        how = (d_model, nhead, dim_feedforward, dropout, activation, layer_norm_eps, batch_first, norm_first, bias,
               device, dtype)

        def norm() -> LayerNorm:
            return LayerNorm(d_model, layer_norm_eps, bias=bias, device=device, dtype=dtype)

        self.encoder = custom_encoder
        if custom_encoder is None:
            layer = TransformerEncoderLayer(*how)
            self.encoder = TransformerEncoder(layer, num_encoder_layers, norm())
        self.decoder = custom_decoder
        if custom_decoder is None:
            self.decoder = TransformerDecoder(TransformerDecoderLayer(*how), num_decoder_layers, norm())
        for p in self.parameters():
            if p.ndim > 1:
                init.xavier_uniform_(p.node)
        self.d_model, self.nhead, self.batch_first = d_model, nhead, batch_first

    def forward(self, src: Tensor, tgt: Tensor, src_mask: Tensor | None = None, tgt_mask: Tensor | None = None,
                memory_mask: Tensor | None = None, src_key_padding_mask: Tensor | None = None,
                tgt_key_padding_mask: Tensor | None = None, memory_key_padding_mask: Tensor | None = None,
                src_is_causal: bool | None = None, tgt_is_causal: bool | None = None,
                memory_is_causal: bool = False) -> Any:
        memory = self.encoder(src, src_mask, src_key_padding_mask, src_is_causal)
        return self.decoder(tgt, memory, tgt_mask, memory_mask,
                            tgt_key_padding_mask, memory_key_padding_mask, tgt_is_causal, memory_is_causal)

    @staticmethod
    def generate_square_subsequent_mask(sz: int, device: Any = None, dtype: Any = None) -> Any:
        """The causal mask, to add to scores: -inf above the diagonal, 0 elsewhere."""
        on_cpu(device)
        return of_array(np.triu(np.full((sz, sz), -np.inf, numpy_dtype(dtype, default[0].numpy)), 1))
