"""A codec made fit for large pictures: its own code runs, but its layers work band by band (`bands`), with the whole
picture's statistics and the same result as untiled. The attention in the middle runs over the whole latent picture.

Layers that are not known here run whole: right as well, only with more memory. So video codecs with causal convolutions
(Wan, Qwen-Image) need no halo and no blending along time either.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager

import torch
from diffusers.models.downsampling import Downsample2D
from diffusers.models.resnet import ResnetBlock2D
from diffusers.models.upsampling import Upsample2D
from torch import Tensor, nn

from composer.inference import bands as band
from composer.inference.adapter import Codec
from composer.inference.bands import Bands, Edges

#: Of a layer's input and output at once.
BAND_BYTES = 64 << 20

Forward = Callable[..., Tensor]


@contextmanager
def banded(codec: Codec, band_bytes: int = BAND_BYTES) -> Iterator[None]:
    """Inside, the codec's networks run their large layers band by band. No gradients: blocks write over their input."""
    with banded_networks(codec.modules(), band_bytes):
        yield


@contextmanager
def banded_networks(networks: Mapping[str, nn.Module], band_bytes: int = BAND_BYTES) -> Iterator[None]:
    """The same for networks by themselves."""
    bands, changed = Bands(band_bytes), []
    try:
        for network in networks.values():
            for module in network.modules():
                for name, forward in _forwards(module, bands):
                    module.__dict__[name] = forward
                    changed.append((module, name))
        with torch.no_grad():
            yield
    finally:
        for module, name in changed:
            module.__dict__.pop(name, None)


def _forwards(module: nn.Module, bands: Bands) -> Iterator[tuple[str, Forward]]:
    """(name of the method, what stands in for it)."""
    if isinstance(module, ResnetBlock2D) and _plain(module):
        yield "forward", _resnet(module, bands)
    elif isinstance(module, Upsample2D) and _doubles(module):
        yield "forward", _upsample(module, bands)
    elif isinstance(module, Downsample2D) and isinstance(module.conv, nn.Conv2d) and module.norm is None:
        yield "forward", _downsample(module, bands)
    elif isinstance(module, nn.GroupNorm):
        yield "forward", _group_norm(module, bands)
    elif isinstance(module, nn.Conv2d | nn.Conv3d) and _zeros(module):
        # subclasses with a forward of their own (causal ones) still end here
        yield "_conv_forward", _conv(module, bands)


def _zeros(conv: nn.Module) -> bool:
    return (
        isinstance(conv, nn.Conv2d | nn.Conv3d) and conv.padding_mode == "zeros" and not isinstance(conv.padding, str)
    )


def _plain(block: ResnetBlock2D) -> bool:
    norms = isinstance(block.norm1, nn.GroupNorm) and isinstance(block.norm2, nn.GroupNorm)
    convs = all(_zeros(c) and c.stride == (1, 1) for c in (block.conv1, block.conv2))
    return norms and convs and block.upsample is None and block.downsample is None and block.time_emb_proj is None


def _doubles(block: Upsample2D) -> bool:
    return block.use_conv and not block.use_conv_transpose and block.norm is None and block.interpolate


def _resnet(block: ResnetBlock2D, bands: Bands) -> Forward:
    own = block.forward
    layers = band.Resnet(
        block.norm1, block.conv1, block.norm2, block.conv2, block.conv_shortcut, block.nonlinearity,
        float(block.output_scale_factor),
    )  # fmt: skip

    def forward(x: Tensor, temb: Tensor | None = None) -> Tensor:
        return band.resnet(layers, x, bands) if temb is None and bands.worth(x) else own(x, temb)

    return forward


def _upsample(block: Upsample2D, bands: Bands) -> Forward:
    own, conv = block.forward, block.conv if block.name == "conv" else block.Conv2d_0

    def forward(x: Tensor, output_size: int | None = None) -> Tensor:
        if output_size is not None or not bands.worth(x):
            return own(x, output_size)
        return band.conv(conv, x, bands, zoom=2)

    return forward


def _downsample(block: Downsample2D, bands: Bands) -> Forward:
    own = block.forward
    edges = Edges(0, 1, 0, 1) if block.padding == 0 else band.edges_of(block.conv)

    def forward(x: Tensor) -> Tensor:
        return band.conv(block.conv, x, bands, edges) if bands.worth(x) else own(x)

    return forward


def _group_norm(norm: nn.GroupNorm, bands: Bands) -> Forward:
    own = norm.forward

    def forward(x: Tensor) -> Tensor:
        return band.group_norm(norm, x, bands) if x.ndim >= 4 and bands.worth(x) else own(x)

    return forward


def _conv(conv: nn.Conv2d | nn.Conv3d, bands: Bands) -> Forward:
    own = conv._conv_forward

    def forward(x: Tensor, weight: Tensor, bias: Tensor | None) -> Tensor:
        if x.ndim != len(conv.kernel_size) + 2 or not bands.worth(x):
            return own(x, weight, bias)
        return band.conv(conv, x, bands)

    return forward
