"""diffusers' blocks with fewer passes over memory, the same to rounding: a transformer's output stays channels-last (diffusers
lays it out anew, and every layer after it then does so again), activations and additions go in place, nothing is divided by
one, and what the time scales and shifts goes into the norm before it. On a card each pass less is a kernel less."""

from __future__ import annotations

from diffusers.models.resnet import ResnetBlock2D
from diffusers.models.transformers.transformer_2d import Transformer2DModel
from torch import Tensor, nn
from torch.nn.functional import group_norm, silu


class LeanResnet(ResnetBlock2D):
    """A plain block: norm, SiLU, convolution, time, norm, SiLU, convolution, shortcut. The time is added before the second
    norm, or scales and shifts what comes out of it."""

    def forward(self, input_tensor: Tensor, temb: Tensor | None, *args: object, **kwargs: object) -> Tensor:
        x = self.conv1(silu(self.norm1(input_tensor), inplace=True))
        time = None if temb is None or self.time_emb_proj is None else self.time_emb_proj(silu(temb))
        if time is not None and self.time_embedding_norm == "scale_shift":
            x = _scaled_norm(self.norm2, x, time)
        else:
            x = self.norm2(x if time is None else x.add_(time[:, :, None, None]))
        x = self.conv2(silu(x, inplace=True))
        return x.add_(input_tensor if self.conv_shortcut is None else self.conv_shortcut(input_tensor))


def _scaled_norm(norm: nn.GroupNorm, x: Tensor, time: Tensor) -> Tensor:
    """norm(x) * (1 + scale) + shift. time: [B, 2C], scale and shift. A single picture's go into the norm's own."""
    if len(x) == 1:
        scale, shift = time[0].chunk(2)
        scale = 1 + scale
        return group_norm(x, norm.num_groups, norm.weight * scale, norm.bias * scale + shift, norm.eps)
    scale, shift = time[:, :, None, None].chunk(2, 1)
    return norm(x).mul_(1 + scale).add_(shift)


class LeanTransformer(Transformer2DModel):
    """One over pictures."""

    def _get_output_for_continuous_inputs(
        self, hidden_states: Tensor, residual: Tensor, batch_size: int, height: int, width: int, inner_dim: int
    ) -> Tensor:
        x = self.proj_out(hidden_states) if self.use_linear_projection else hidden_states
        x = x.reshape(batch_size, height, width, inner_dim).permute(0, 3, 1, 2)
        return (x if self.use_linear_projection else self.proj_out(x)).add_(residual)


def _plain(block: ResnetBlock2D) -> bool:
    return (
        block.upsample is None and block.downsample is None and block.time_embedding_norm in ("default", "scale_shift")
        and not block.skip_time_act and block.output_scale_factor == 1 and isinstance(block.nonlinearity, nn.SiLU)
    )  # fmt: skip


def make_lean(net: nn.Module) -> None:
    """Let the blocks of a UNet or ControlNet that is only to predict be the lean ones; others stay what they are."""
    for module in net.modules():
        if type(module) is ResnetBlock2D and _plain(module):
            module.__class__ = LeanResnet
        elif type(module) is Transformer2DModel and module.is_input_continuous:
            module.__class__ = LeanTransformer
