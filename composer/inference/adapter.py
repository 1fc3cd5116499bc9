"""The one interface behind which every model family stands. The engine owns the loop: an adapter prepares, predicts, and
turns pictures into latents and back; it never samples by itself."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol

import numpy as np
from numpy.typing import NDArray

from composer.inference.request import PaintRequest

if TYPE_CHECKING:
    import torch
    from torch import Tensor


@dataclass(frozen=True)
class LatentSpace:
    """channels: of the latents. factor: pixels a latent along y and x. native: (h, w) of a tile the model was made for, in
    latents. multiple: tile sides are multiples of this many latents. frames: of a window, in pictures (1: a picture model).
    time_factor: pictures a latent along time: a window of T pictures has 1 + (T - 1) // time_factor latents.
    halo: reach of one denoising step's receptive field in latents, None where it sees the whole tile (attention).
    hold: sigma in latents of the averages that a picture keeps of its first prediction (see `hold`), 0: none; for networks
    that predict the clean latents alone. beside: pixels about what is painted that the network wants to see (see `roi`), 0:
    the whole picture."""

    channels: int
    factor: int
    native: tuple[int, int]
    multiple: int = 1
    frames: int = 1
    time_factor: int = 1
    halo: int | None = None
    hold: float = 0.0
    beside: int = 0


@dataclass(frozen=True)
class Schedule:
    """A sampler as numbers. Every sampler used here is linear in the latents, the prediction, the prediction before and
    fresh noise, so that one fused kernel does the step of any of them:

        x' = keep x + pred p + previous p_before + noise z,   p = network(scale_in x, timestep)

    timestep, scale_in, keep, pred, previous, noise: float32 [S]. signal, sigma: float32 [S + 1]: a clean latent x0 looks
    like signal[i] x0 + sigma[i] z before step i; the last entries are those after the last step.
    """

    timestep: NDArray[np.float32]
    scale_in: NDArray[np.float32]
    keep: NDArray[np.float32]
    pred: NDArray[np.float32]
    previous: NDArray[np.float32]
    noise: NDArray[np.float32]
    signal: NDArray[np.float32]
    sigma: NDArray[np.float32]

    def __len__(self) -> int:
        return len(self.timestep)


@dataclass(frozen=True)
class Canvas:
    """A condition for the whole picture, from which tiles are cut as the latents are.

    data: Tensor [C, T', h * scale, w * scale], T' = 1 or the latents' own number. scale: its pixels a latent."""

    data: Tensor
    scale: int


@dataclass(frozen=True)
class Prepared:
    """A request as one family reads it, on the device.

    known: Tensor [C, T', h, w], the guide as clean latents: what the engine starts from and keeps where it must not paint.
    canvases: by names that are the adapter's own. weights: Tensor [P, T', h, w] float32, summing to one over the P texts that
    the adapter keeps (P >= 1; one text, maybe empty, where there are no prompts). dropped: as in `Painting`.
    The texts' embeddings stay inside the adapter. states: so many times as many texts follow those, the same in other states of
    wear (see `varied`)."""

    known: Tensor
    canvases: Mapping[str, Canvas]
    weights: Tensor
    dropped: tuple[str, ...]
    states: int = 0


@dataclass(frozen=True)
class TileBatch:
    """B tiles at one step. latents: [B, C, T', h, w], already times `scale_in`. canvases: each [B, C, T', h * scale,
    w * scale]. text: which of the request's texts. timestep: float32 [B]. places: int32 [B, 2] on the device, (y, x) of each
    tile in latents. size: (h, w) of the whole picture in latents. host_timestep: the step's timestep on the host, which a
    family needs that changes networks between steps (`Adapter.stage`)."""

    latents: Tensor
    canvases: Mapping[str, Tensor]
    text: int
    timestep: Tensor
    places: Tensor
    size: tuple[int, int]
    host_timestep: float


class Adapter(Protocol):
    """family: as in bundle.yaml. takes: out of CONDITIONS. device, dtype: where and in what the networks run."""

    family: str
    takes: frozenset[str]
    space: LatentSpace
    device: torch.device
    dtype: torch.dtype

    def schedule(self, steps: int) -> Schedule:
        """The family's own sampler with so many steps."""
        ...

    def notes(self) -> tuple[str, ...]:
        """What is run in place of what the bundle names, for the record of each painted frame."""
        ...

    def prepare(self, request: PaintRequest) -> Prepared:
        """Texts, condition canvases and the guide's latents."""
        ...

    def denoise(self, batch: TileBatch) -> Tensor:
        """The network's prediction with guidance done: float32 or `dtype`, [B, C, T', h, w].

        It may be captured as a CUDA graph, which repeats the work on the same addresses without this code: it reads nothing
        back from the device, copies nothing from the host, and takes no turn by anything but the batch's shapes, its `text`
        and `size`, `stage` and `work_key`. Tensors of the batch are copied to where the graph reads them; whatever else it
        reads has to be where it was."""
        ...

    def stage(self, timestep: float) -> int:
        """Which of the family's networks works at a timestep."""
        ...

    def work_key(self, text: int) -> tuple[object, ...]:
        """What else the work for one of the prepared request's texts depends on: where its embeddings lie, and numbers that
        the code reads. The same key in another request means the same work."""
        ...

    def codec(self) -> Codec:
        """Pictures to latents and back."""
        ...


class Codec(Protocol):
    """A VAE, or a lossless rearrangement. Pictures are Tensor [N, 3, T, H, W] in 0..1; H and W are multiples of `factor`."""

    factor: int

    def modules(self) -> Mapping[str, torch.nn.Module]:
        """The networks 'encoder' and 'decoder' for tiling with whole-image statistics; empty for a codec without networks."""
        ...

    def encode(self, pictures: Tensor) -> Tensor:
        """Scaled latents [N, C, T', H / factor, W / factor]: the mean, no sampling."""
        ...

    def decode(self, latents: Tensor) -> Tensor:
        """Pictures [N, 3, T, H, W], about 0..1, not clamped."""
        ...
