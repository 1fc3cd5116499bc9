"""Decoded movie frames to RGB: the stream's own matrix and range, chroma upsampled, nothing clamped.

Chroma sits as MPEG-2, H.264 and HEVC have it by default: on the left luma sample horizontally, between two lines
vertically (4:2:0). Values above white and below black stay outside 0..1.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

if TYPE_CHECKING:
    import av

Image = NDArray[np.float32]

_YUV = re.compile(r"^yuv(a|j)?(420|422|444)p(9|10|12|14|16)?(le)?$")
_GBR = re.compile(r"^gbr(a)?p(9|10|12|14|16)?(le)?$")
_GRAY = re.compile(r"^gray(9|10|12|14|16)?(le)?$")
_SEMI = {
    "nv12": (8, 420),
    "nv16": (8, 422),
    "nv24": (8, 444),
    "p010le": (10, 420),
    "p210le": (10, 422),
    "p410le": (10, 444),
}

MATRICES = {
    1: (0.2126, 0.0722),
    5: (0.299, 0.114),
    6: (0.299, 0.114),
    7: (0.212, 0.087),
    9: (0.2627, 0.0593),
    4: (0.30, 0.11),
}
"""AVColorSpace to (Kr, Kb): ITU-R BT.709, BT.470BG, SMPTE 170M, SMPTE 240M, BT.2020 non-constant, FCC."""
UNSPECIFIED, RGB_MATRIX, FULL_RANGE = 2, 0, 2


def frame_notes(frame: av.VideoFrame) -> tuple[str, ...]:
    """What had to be assumed to turn frames like this into RGB."""
    notes = []
    name = frame.format.name
    yuv = bool(_YUV.match(name)) or name in _SEMI
    if yuv and frame.colorspace not in MATRICES:
        notes.append(
            f"the stream names no YUV matrix: {'BT.709' if frame.height >= 720 else 'BT.601'} taken by its size"
        )
    if yuv and frame.color_range == 0 and not name.startswith("yuvj"):
        notes.append("the stream names no range: video range taken")
    if not (yuv or _GBR.match(name) or _GRAY.match(name)):
        notes.append(f"pixel format {name} converted by swscale to {_fallback(frame)}")
    if frame.interlaced_frame:
        notes.append("interlaced: fields are not separated")
    return tuple(notes)


def to_rgb(frame: av.VideoFrame) -> Image:
    """float32 [H, W, 3], or 4 with the stream's alpha (straight, as stored)."""
    name = frame.format.name
    if match := _YUV.match(name):
        bits = int(match.group(3) or 8)
        planes = [_plane(frame, k, bits) for k in range(4 if match.group(1) == "a" else 3)]
        return _from_yuv(frame, planes, bits, match.group(1) == "j")
    if name in _SEMI:
        return _from_semi_planar(frame, *_SEMI[name])
    if match := _GBR.match(name):
        bits = int(match.group(2) or 8)
        order = (2, 0, 1, 3) if match.group(1) else (2, 0, 1)
        return np.stack([_plane(frame, k, bits) for k in order], axis=-1) / np.float32(2**bits - 1)
    if match := _GRAY.match(name):
        bits = int(match.group(1) or 8)
        luma = _luma(_plane(frame, 0, bits), bits, frame.color_range == FULL_RANGE)
        return np.repeat(luma[..., None], 3, axis=-1)
    converted = frame.reformat(format=_fallback(frame))
    if converted.format.name == "yuv444p16le":
        return _from_yuv(frame, [_plane(converted, k, 16) for k in range(3)], 16, False)
    pixels = converted.to_ndarray()
    return pixels.astype(np.float32) / np.float32(np.iinfo(pixels.dtype).max)


def _fallback(frame: av.VideoFrame) -> str:
    deep = max((c.bits for c in frame.format.components), default=8) > 8
    if not frame.format.is_rgb and not frame.format.has_palette:
        return "yuv444p16le"
    alpha = any(c.is_alpha for c in frame.format.components)
    return ("rgba64le" if alpha else "rgb48le") if deep else ("rgba" if alpha else "rgb24")


def _plane(frame: av.VideoFrame, index: int, bits: int) -> Image:
    """One plane as float32 code values [h, w]."""
    plane = frame.planes[index]
    dtype = np.dtype("<u2") if bits > 8 else np.dtype("u1")
    pixels = np.frombuffer(plane, dtype).reshape(plane.height, plane.line_size // dtype.itemsize)
    return pixels[:, : plane.width].astype(np.float32)


def _from_semi_planar(frame: av.VideoFrame, bits: int, layout: int) -> Image:
    """NV12 and its kin: chroma interleaved; 10 bits stand in the upper bits of 16."""
    dtype = np.dtype("<u2") if bits > 8 else np.dtype("u1")
    w, h = frame.width, frame.height
    cw, ch = (w if layout == 444 else (w + 1) // 2), (h if layout != 420 else (h + 1) // 2)
    planes = []
    for plane, (pw, ph) in zip(frame.planes, ((w, h), (2 * cw, ch)), strict=True):
        pixels = np.frombuffer(plane, dtype).reshape(-1, plane.line_size // dtype.itemsize)[:ph, :pw]
        planes.append((pixels >> (16 - bits) if bits > 8 else pixels).astype(np.float32))
    chroma = planes[1].reshape(ch, cw, 2)
    return _from_yuv(frame, [planes[0], chroma[..., 0], chroma[..., 1]], bits, False)


def _from_yuv(frame: av.VideoFrame, planes: list[Image], bits: int, jpeg: bool) -> Image:
    full = jpeg or frame.color_range == FULL_RANGE
    if frame.colorspace == RGB_MATRIX and planes[1].shape == planes[0].shape:
        top = np.float32(2**bits - 1)
        return np.stack([planes[2], planes[0], planes[1]], axis=-1) / top
    kr, kb = MATRICES.get(frame.colorspace, MATRICES[1] if frame.height >= 720 else MATRICES[6])
    h, w = planes[0].shape
    y = _luma(planes[0], bits, full)
    centre = np.float32(1 << (bits - 1))
    span = np.float32((1 << bits) - 1 if full else 224 << (bits - 8))
    cb, cr = ((_upsample((p - centre) / span, h, w)) for p in planes[1:3])
    kg = 1 - kr - kb
    out = np.empty((h, w, len(planes)), np.float32)
    np.add(y, np.float32(2 * (1 - kr)) * cr, out=out[..., 0])
    np.subtract(y, np.float32(2 * (1 - kb) * kb / kg) * cb + np.float32(2 * (1 - kr) * kr / kg) * cr, out=out[..., 1])
    np.add(y, np.float32(2 * (1 - kb)) * cb, out=out[..., 2])
    if len(planes) == 4:
        out[..., 3] = planes[3] / np.float32((1 << bits) - 1)
    return out


def _luma(plane: Image, bits: int, full: bool) -> Image:
    if full:
        return plane / np.float32((1 << bits) - 1)
    return (plane - np.float32(16 << (bits - 8))) / np.float32(219 << (bits - 8))


def _upsample(chroma: Image, h: int, w: int) -> Image:
    """Linear, from wherever chroma is smaller to [h, w]."""
    if chroma.shape[0] != h:
        above, below = np.concatenate([chroma[:1], chroma[:-1]]), np.concatenate([chroma[1:], chroma[-1:]])
        tall = np.empty((2 * len(chroma), chroma.shape[1]), np.float32)
        near = np.float32(0.75) * chroma
        tall[0::2] = near + np.float32(0.25) * above
        tall[1::2] = near + np.float32(0.25) * below
        chroma = tall[:h]
    if chroma.shape[1] != w:
        wide = np.empty((h, 2 * chroma.shape[1]), np.float32)
        wide[:, 0::2] = chroma
        wide[:, 1:-1:2] = np.float32(0.5) * (chroma[:, :-1] + chroma[:, 1:])
        wide[:, -1] = chroma[:, -1]
        chroma = wide[:, :w]
    return chroma
