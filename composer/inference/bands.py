"""Layers over pictures too large to run at once, one band of rows at a time.

The network's own forward goes layer by layer over the whole picture; inside a layer only a band is worked on. So a
convolution sees its true neighbours and a GroupNorm the whole picture's statistics, and the result is the untiled one;
what is saved are the temporaries. Tiling the network from end to end, as diffusers' `enable_tiling` does, normalises
each tile by itself: the tone jumps from tile to tile.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass

import torch
from torch import Tensor, nn
from torch.nn import functional as F

Activation = Callable[[Tensor], Tensor]


@dataclass(frozen=True)
class Bands:
    """most_bytes: of a layer's input and output in one band; maps that are smaller are not cut."""

    most_bytes: int

    def of(self, rows: int, row_bytes: int) -> Iterator[tuple[int, int]]:
        """[first, end) rows of each band."""
        step = max(8, self.most_bytes // max(1, row_bytes))
        for first in range(0, rows, step):
            yield first, min(first + step, rows)

    def worth(self, x: Tensor) -> bool:
        """Whether a map is larger than a band."""
        return x.numel() * x.element_size() > self.most_bytes


def rows_of(x: Tensor, first: int, end: int) -> Tensor:
    """Rows along the last axis but one."""
    return x[..., first:end, :]


def new_map(x: Tensor, channels: int, height: int, width: int) -> Tensor:
    """Room for a layer's output beside x [N, C, (T,) H, W], channels-last in memory so that bands lie together."""
    dense = torch.channels_last if x.ndim == 4 else torch.channels_last_3d
    shape = (x.shape[0], channels, *x.shape[2:-2], height, width)
    return torch.empty(shape, dtype=x.dtype, device=x.device, memory_format=dense)


class Moments:
    """Mean and variance of each group over the whole picture, gathered band by band in double precision (Chan, Golub and
    LeVeque 1983)."""

    def __init__(self, groups: int) -> None:
        self.groups, self.count = groups, 0
        self.mean: Tensor = torch.zeros(())
        self.square: Tensor = torch.zeros(())

    def add(self, part: Tensor) -> None:
        """A band [N, C, ..., rows, W]."""
        n, c = part.shape[:2]
        grouped = part.float().reshape(n, self.groups, c // self.groups, -1).flatten(2)
        count = grouped.shape[-1]
        var, mean = torch.var_mean(grouped, dim=-1, correction=0)
        var, mean = var.double(), mean.double()
        if self.count == 0:
            self.count, self.mean, self.square = count, mean, var * count
            return
        total, gap = self.count + count, mean - self.mean
        self.square = self.square + var * count + gap**2 * (self.count * count / total)
        self.mean = self.mean + gap * (count / total)
        self.count = total

    def affine(self, norm: nn.GroupNorm, ndim: int) -> tuple[Tensor, Tensor]:
        """What the norm does with these moments, as (scale, shift), each float32 [N, C, 1, ...]."""
        per = norm.num_channels // self.groups
        inverse = torch.rsqrt(self.square / self.count + norm.eps)
        scale, shift = inverse, -self.mean * inverse
        scale, shift = (v.repeat_interleave(per, dim=1) for v in (scale, shift))
        if norm.affine:
            scale, shift = scale * norm.weight, shift * norm.weight + norm.bias
        trail = (1,) * (ndim - 2)
        return scale.float().reshape(*scale.shape, *trail), shift.float().reshape(*shift.shape, *trail)


def moments_of(x: Tensor, groups: int, bands: Bands) -> Moments:
    """Of a whole map."""
    found = Moments(groups)
    for first, end in bands.of(x.shape[-2], _row_bytes(x)):
        found.add(rows_of(x, first, end))
    return found


def _row_bytes(x: Tensor, channels: int = 0) -> int:
    per = x[..., 0, :].numel() * x.element_size()
    return per * (x.shape[1] + channels) // x.shape[1]


@dataclass(frozen=True)
class Normed:
    """A norm with the whole picture's moments, and the activation after it."""

    scale: Tensor
    shift: Tensor
    activation: Activation | None = None

    def __call__(self, part: Tensor) -> Tensor:
        out = torch.addcmul(self.shift, part.float(), self.scale).to(part.dtype)
        return out if self.activation is None else self.activation(out)


@dataclass(frozen=True)
class Edges:
    """Zeros around a picture, in places: those of a convolution."""

    top: int
    bottom: int
    left: int
    right: int


def edges_of(conv: nn.Conv2d | nn.Conv3d) -> Edges:
    """A convolution's own padding along rows and columns."""
    y, x = conv.padding[-2:]
    return Edges(int(y), int(y), int(x), int(x))


def conv_rows(
    conv: nn.Conv2d | nn.Conv3d,
    x: Tensor,
    rows: tuple[int, int],
    edges: Edges,
    before: Activation | None = None,
    zoom: int = 1,
) -> Tensor:
    """Rows [first, end) of the convolution's output. before: what is done to the input, in front of the padding. zoom: the
    input is enlarged so many times first (nearest)."""
    stride, reach = conv.stride[-2], (conv.kernel_size[-2] - 1) * conv.dilation[-2] + 1
    first, end = rows[0] * stride - edges.top, (rows[1] - 1) * stride + reach - edges.top
    height = x.shape[-2] * zoom
    top, bottom = max(0, -first), max(0, end - height)
    first, end = max(first, 0), min(end, height)
    part = rows_of(x, first // zoom, -(-end // zoom))
    if before is not None:
        part = before(part)
    if zoom > 1:
        skip = first % zoom
        part = F.interpolate(part, scale_factor=float(zoom), mode="nearest")[..., skip : skip + end - first, :]
    if edges.left or edges.right or top or bottom:
        part = F.pad(part, (edges.left, edges.right, top, bottom))
    bias = conv.bias
    if isinstance(conv, nn.Conv3d):
        # the padding along time stays the convolution's own
        pad = (conv.padding[0], 0, 0)
        return F.conv3d(part, conv.weight, bias, conv.stride, pad, conv.dilation, conv.groups)  # type: ignore[arg-type]
    return F.conv2d(part, conv.weight, bias, conv.stride, 0, conv.dilation, conv.groups)  # type: ignore[arg-type]


def out_size(conv: nn.Conv2d | nn.Conv3d, height: int, width: int, edges: Edges) -> tuple[int, int]:
    """(rows, columns) that the convolution gives."""
    sizes = []
    for axis, length in ((-2, height + edges.top + edges.bottom), (-1, width + edges.left + edges.right)):
        reach = (conv.kernel_size[axis] - 1) * conv.dilation[axis] + 1
        sizes.append((length - reach) // conv.stride[axis] + 1)
    return sizes[0], sizes[1]


def conv(layer: nn.Conv2d | nn.Conv3d, x: Tensor, bands: Bands, edges: Edges | None = None, zoom: int = 1) -> Tensor:
    """A whole convolution, band by band."""
    edges = edges or edges_of(layer)
    height, width = out_size(layer, x.shape[-2] * zoom, x.shape[-1] * zoom, edges)
    out: Tensor | None = None
    for rows in bands.of(height, _row_bytes(x, layer.out_channels) * zoom):
        part = conv_rows(layer, x, rows, edges, zoom=zoom)
        if out is None:
            shape = (*part.shape[:-2], height, width)
            dense = torch.channels_last if x.ndim == 4 else torch.channels_last_3d
            out = torch.empty(shape, dtype=part.dtype, device=x.device, memory_format=dense)
        rows_of(out, *rows).copy_(part)
    assert out is not None
    return out


def group_norm(norm: nn.GroupNorm, x: Tensor, bands: Bands) -> Tensor:
    """A whole GroupNorm, band by band."""
    normed = Normed(*moments_of(x, norm.num_groups, bands).affine(norm, x.ndim))
    out = torch.empty_like(x)
    for rows in bands.of(x.shape[-2], _row_bytes(x)):
        rows_of(out, *rows).copy_(normed(rows_of(x, *rows)))
    return out


@dataclass(frozen=True)
class Resnet:
    """The layers of a residual block: out = (shortcut(x) + conv2(act(norm2(conv1(act(norm1(x))))))) / divisor."""

    norm1: nn.GroupNorm
    conv1: nn.Conv2d
    norm2: nn.GroupNorm
    conv2: nn.Conv2d
    shortcut: nn.Conv2d | None
    activation: Activation
    divisor: float


def resnet(block: Resnet, x: Tensor, bands: Bands) -> Tensor:
    """A residual block with two maps alive at once: its input and the one between the convolutions. The output takes the
    input's place where it has no more channels."""
    height, width = x.shape[-2:]
    norm1 = moments_of(x, block.norm1.num_groups, bands).affine(block.norm1, x.ndim)
    first = Normed(*norm1, block.activation)
    middle, moments = new_map(x, block.conv1.out_channels, height, width), Moments(block.norm2.num_groups)
    row_bytes = _row_bytes(x, block.conv1.out_channels)
    for rows in bands.of(height, row_bytes):
        part = conv_rows(block.conv1, x, rows, edges_of(block.conv1), first)
        moments.add(part)
        rows_of(middle, *rows).copy_(part)
    second = Normed(*moments.affine(block.norm2, x.ndim), block.activation)
    channels = block.conv2.out_channels
    out = x[:, :channels] if channels <= x.shape[1] else new_map(x, channels, height, width)
    for rows in bands.of(height, row_bytes):
        part = conv_rows(block.conv2, middle, rows, edges_of(block.conv2), second)
        kept = rows_of(x, *rows)
        part += kept if block.shortcut is None else block.shortcut(kept)
        rows_of(out, *rows).copy_(part if block.divisor == 1 else part / block.divisor)
    return out
