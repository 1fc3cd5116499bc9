"""Linear layers and attention in single precision on the CPU, by oneDNN's matrix products.

torch sends them to MKL, which on processors of another maker leaves their wide registers unused: measured on an AMD EPYC
with AVX-512, a packed oneDNN product is 2.4 times faster, the attention below 1.5 times. On a processor with a matrix unit
(Intel's AMX) torch's own attention is: 5 times in bfloat16. The same sums in another order.
"""

from __future__ import annotations

from functools import lru_cache

import torch
from diffusers.models.activations import GEGLU
from diffusers.models.attention import FeedForward
from torch import Tensor, nn
from torch.nn import functional as F

#: Scores at once: 256 queries against a thousand keys stay in a core's cache, and so do more against fewer.
_SCORES, _BLOCK = 1 << 18, 256
#: Rows of a feed-forward at once, and the fewest keys for which the attention here is the faster one.
_ROWS, _FEW_KEYS = 512, 64


def has_packed() -> bool:
    """Whether this build of torch has the operators (its own compiler uses them)."""
    return torch.backends.mkldnn.is_available() and hasattr(torch.ops.mkldnn, "_linear_pointwise")


def _product(x: Tensor, weight: Tensor, bias: Tensor | None) -> Tensor:
    """x [..., I] times weight [O, I] transposed, plus the bias."""
    return torch.ops.mkldnn._linear_pointwise(x, weight, bias, "none", [], "")


class PackedLinear(nn.Module):
    """nn.Linear with the weight laid out for oneDNN, once."""

    def __init__(self, linear: nn.Linear) -> None:
        super().__init__()
        self.in_features, self.out_features = linear.in_features, linear.out_features
        self._packed = torch.ops.mkldnn._reorder_linear_weight(linear.weight.detach().contiguous(), 4096)
        self.bias = linear.bias

    def forward(self, x: Tensor) -> Tensor:
        return _product(x.contiguous(), self._packed, self.bias)


class PackedPointwise(nn.Module):
    """nn.Conv2d of one pixel as the matrix product that it is: torch's own way for a small batch copies first."""

    def __init__(self, conv: nn.Conv2d) -> None:
        super().__init__()
        weight = conv.weight.detach().flatten(1).contiguous()
        self._packed, self.bias = torch.ops.mkldnn._reorder_linear_weight(weight, 4096), conv.bias

    def forward(self, x: Tensor) -> Tensor:
        return _product(x.permute(0, 2, 3, 1).contiguous(), self._packed, self.bias).permute(0, 3, 1, 2)


def _pointwise(module: nn.Module) -> bool:
    return (
        type(module) is nn.Conv2d and module.kernel_size == (1, 1) and module.stride == (1, 1)
        and module.padding == (0, 0) and module.groups == 1
    )  # fmt: skip


class BlockedFeedForward(nn.Module):
    """A transformer block's gated feed-forward, a block of rows at a time, so that its wide middle stays in a core's cache:
    out((W_h x + b_h) * gelu(W_g x + b_g))."""

    def __init__(self, gated: GEGLU, out: nn.Linear) -> None:
        super().__init__()
        biases = gated.proj.bias.detach().chunk(2)
        weights = gated.proj.weight.detach().chunk(2)
        pack = torch.ops.mkldnn._reorder_linear_weight
        self._hidden, self._gate = (pack(w.contiguous(), _ROWS) for w in weights)
        self._hidden_bias, self._gate_bias = (b.contiguous() for b in biases)
        self._out, self._out_bias = pack(out.weight.detach().contiguous(), _ROWS), out.bias
        self._width = out.out_features

    def forward(self, x: Tensor) -> Tensor:
        flat = x.reshape(-1, x.shape[-1])
        out = torch.empty((len(flat), self._width))
        for first in range(0, len(flat), _ROWS):
            part = flat[first : first + _ROWS]
            gate = torch.ops.mkldnn._linear_pointwise(part, self._gate, self._gate_bias, "gelu", [], "none")
            gate *= _product(part, self._hidden, self._hidden_bias)
            out[first : first + _ROWS] = _product(gate, self._out, self._out_bias)
        return out.view(*x.shape[:-1], self._width)


def _gated(module: nn.Module) -> bool:
    if not isinstance(module, FeedForward) or len(module.net) != 3 or not isinstance(module.net[0], GEGLU):
        return False
    return (
        isinstance(module.net[2], nn.Linear) and module.net[2].bias is not None and module.net[0].proj.bias is not None
    )


def pack_layers(net: nn.Module, convolutions: bool) -> None:
    """Put packed layers in the place of a network's linear ones and, with `convolutions`, of those of one pixel. It can then
    only run on the CPU."""
    for parent in list(net.modules()):
        for name, child in list(parent.named_children()):
            if _gated(child):
                setattr(parent, name, BlockedFeedForward(child.net[0], child.net[2]))  # type: ignore[union-attr,index]
    for parent in list(net.modules()):
        for name, child in list(parent.named_children()):
            if type(child) is nn.Linear:
                setattr(parent, name, PackedLinear(child))
            elif convolutions and _pointwise(child):
                setattr(parent, name, PackedPointwise(child))  # type: ignore[arg-type]


@lru_cache(maxsize=1)
def _gains() -> bool:
    """Whether the attention here is faster than torch's own."""
    return has_packed() and not torch.cpu._is_amx_tile_supported()


def attention(query: Tensor, key: Tensor, value: Tensor) -> Tensor:
    """softmax(q k^T / sqrt(d)) v. query: [B, H, N, D]; key, value: [B, H, M, D]; returns [B, H, N, D]. bfloat16 is computed
    in single precision, which is the faster one here."""
    ours = query.device.type == "cpu" and query.dtype in (torch.float32, torch.bfloat16) and _gains()
    if not ours or key.shape[2] < _FEW_KEYS:
        return F.scaled_dot_product_attention(query, key, value)
    if query.dtype == torch.bfloat16:
        return attention(query.float(), key.float(), value.float()).to(query.dtype)
    b, h, n, d = query.shape
    out = torch.empty((b, n, h, d))
    query = torch.mul(query, d**-0.5, out=torch.empty((b, h, n, d)))  # each head's lie together
    block = max(_BLOCK, _SCORES // key.shape[2])
    for i in range(b):
        for j in range(h):
            keys, values = key[i, j].contiguous(), value[i, j].t().contiguous()
            for first in range(0, n, block):
                part = slice(first, first + block)
                scores = _product(query[i, j, part], keys, None)
                out[i, part, j] = _product(scores.softmax(-1), values, None)
    return out.transpose(1, 2)
