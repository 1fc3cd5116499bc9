"""What makes a diffusers network cheap to tile, whichever family it is of. None of it changes the result beyond rounding, but
for a ControlNet's picture, which is embedded from the whole picture instead of from tiles with cut edges."""

from __future__ import annotations

from collections.abc import Mapping

import torch
from diffusers import AutoencoderKL
from diffusers.models.attention_processor import Attention
from torch import Tensor, nn
from torch.nn.functional import silu

from composer.inference.cpu_layers import attention, has_packed, pack_layers
from composer.inference.lean import make_lean
from composer.inference.vae import banded_networks


def settle(net: nn.Module) -> nn.Module:
    """Ready to predict where it lies: no gradients, channels-last weights (as the engine's tiles lie), lean blocks, on the CPU
    in single precision packed layers. Not to be moved afterwards."""
    net = net.eval().requires_grad_(False).to(memory_format=torch.channels_last)  # type: ignore[call-overload]
    codec = isinstance(net, AutoencoderKL)  # its layers are run band by band (`vae`), which wants them as they are
    if not codec:
        make_lean(net)
    weight = next(net.parameters())
    if weight.device.type == "cpu" and weight.dtype == torch.float32 and has_packed():
        pack_layers(net, convolutions=not codec)
    return net


def sided(tiles: Tensor, sides: int) -> Tensor:
    """A batch for each side of guidance, one after the other. (`repeat` would lose channels-last.)"""
    return tiles if sides == 1 else torch.cat([tiles] * sides)


class TextOnce:
    """Attention as diffusers' AttnProcessor2_0, where a text may stand for several tiles: `encoder_hidden_states` [G, N, C]
    with G dividing the batch; its keys and values are computed once for each of the G, not for each tile. The batch lies
    by text: the tiles of the first text, then those of the second."""

    def __call__(
        self,
        attn: Attention,
        hidden_states: Tensor,
        encoder_hidden_states: Tensor | None = None,
        attention_mask: Tensor | None = None,
        temb: Tensor | None = None,
    ) -> Tensor:
        seen = hidden_states if encoder_hidden_states is None else encoder_hidden_states
        batch, count, _ = hidden_states.shape
        each = batch // seen.shape[0]
        query, key, value = attn.to_q(hidden_states), attn.to_k(seen), attn.to_v(seen)
        query = query.view(batch, count, attn.heads, -1).transpose(1, 2)
        key, value = (self._spread(v, attn.heads, each) for v in (key, value))
        out = attention(query, key, value)
        out = out.transpose(1, 2).reshape(batch, count, -1)
        return attn.to_out[1](attn.to_out[0](out))

    @staticmethod
    def _spread(states: Tensor, heads: int, each: int) -> Tensor:
        groups, count, _ = states.shape
        states = states.view(groups, 1, count, heads, -1).transpose(2, 3)
        return states.expand(-1, each, -1, -1, -1).flatten(0, 1)


def share_texts(net: nn.Module) -> None:
    """Let a UNet or ControlNet take texts [G, N, C] for B tiles. Only where each attention is the plain one."""
    found = [m for m in net.modules() if isinstance(m, Attention)]
    plain = all(
        m.group_norm is None and m.norm_q is None and m.norm_cross is None and m.spatial_norm is None
        and not m.residual_connection and m.rescale_output_factor == 1 and m.added_kv_proj_dim is None
        for m in found
    )  # fmt: skip
    if not plain:
        raise TypeError(f"{type(net).__name__} has attention of another kind")
    for module in found:
        module.set_processor(TextOnce())  # type: ignore[arg-type]


def share_where_plain(*nets: nn.Module) -> bool:
    """Whether all of these now take a text for several tiles. Where one does not, all still take a text a tile."""
    try:
        for net in nets:
            share_texts(net)
    except TypeError:
        return False
    return True


class Embedded(nn.Module):
    """In a ControlNet's place for embedding its picture: what comes in is embedded already."""

    def forward(self, picture: Tensor) -> Tensor:
        return picture


class PictureEmbedding:
    """Takes the embedding of the condition's picture out of a ControlNet (plain or union), so that it runs once for the
    whole picture and not at each step for each tile; its result is cut like any canvas, one cell a latent."""

    def __init__(self, controlnet: nn.Module) -> None:
        self._embedding: nn.Module = controlnet.controlnet_cond_embedding  # type: ignore[assignment]
        controlnet.controlnet_cond_embedding = Embedded()

    def modules(self) -> Mapping[str, nn.Module]:
        return {"embedding": self._embedding}

    def __call__(self, picture: Tensor) -> Tensor:
        """picture: [T, 3, H, W] to [T, C, H / 8, W / 8]."""
        net = self._embedding
        with banded_networks(self.modules()):
            x = net.conv_in(picture.contiguous(memory_format=torch.channels_last))  # type: ignore[operator]
            for block in net.blocks:  # type: ignore[union-attr]
                # in place: at a picture's full size, memory anew costs as much as the layer
                x = block(silu(x, inplace=True))
            return net.conv_out(silu(x, inplace=True))  # type: ignore[operator]
