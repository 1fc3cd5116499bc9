"""Paintings of the place projected through the camera: a key view's picture is laid on the surfaces that the key view saw,
and seen again from another frame.

Every piece in a pixel is followed by itself: its surface is known from the visibility buffer, and taken for flat over a
few pixels. The painting counts only where the key view's own buffer holds that surface (same piece, same depth as far as
the slope allows), so nothing is smeared over what it hides. Of several paintings the first has the first word; a later one
takes over, smoothly, where it has clearly more pixels on the same patch or where those before it see nothing. Both are
matters of the surface and of the key views alone, not of the frame: so a painting stands still.

After projective texture mapping (Segal et al., SIGGRAPH 1992) and view-dependent texturing with visibility and sampling
weights (Debevec et al., EGWR 1998; Buehler et al., SIGGRAPH 2001).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
import warp as wp
from numpy.typing import NDArray

from composer.camera.camera import View
from composer.crowd.agents import Agents, Cast
from composer.environment.model import Environment
from composer.errors import InputError
from composer.guides import kernel_pose, kernel_project, kernel_raster
from composer.guides.assets import assets_of
from composer.guides.bands import CPU_BAND_BYTES, CUDA_BAND_BYTES, fill_visibility
from composer.guides.device import Pool, eye_of, load_kernels, upload
from composer.guides.frame import look, skin
from composer.guides.kernel_project import Sight, project_kernel, sight_kernel
from composer.guides.lens_table import lens_tables
from composer.guides.passes import PlacePasses
from composer.guides.pattern import sample_places
from composer.guides.pieces import staged, without_people
from composer.guides.sun import SunPlan

F32 = NDArray[np.float32]

#: A painting's edge is softened over this share of its height where the camera has moved on.
FEATHER = 0.025
#: A painting with at least the second share of the finest one's pixels (on a side) is as good; with the first or less it
#: gives way wholly.
COARSE, AS_FINE = 0.45, 0.75


@dataclass(frozen=True)
class PlaceSight:
    """What a view sees of the place, before any holdout and without the crowd. piece: uint32 [H, W, S], 0 where there is
    none. depth_m: float32 [H, W, S], planar, inf where there is none. normal: float16 [H, W, S, 3], the triangle's, world
    axes; [0, 0, 0, 3] where it was not asked for."""

    view: View
    piece: NDArray[np.uint32]
    depth_m: F32
    normal: NDArray[np.float16]

    @property
    def coverage(self) -> F32:
        """float32 [H, W]."""
        return (self.piece > 0).mean(axis=2, dtype=np.float32)

    @property
    def nearest_m(self) -> F32:
        """float32 [H, W], inf where there is nothing."""
        return self.depth_m.min(axis=2)


@dataclass(frozen=True)
class KeyPicture:
    """A painting at a key view. rgba: float32 [H, W, 4], ACEScg, not premultiplied; alpha: how far a pixel is painted. pieces:
    uint32 [N], those that it is on; None: all."""

    sight: PlaceSight
    rgba: F32
    pieces: NDArray[np.uint32] | None = None

    def on(self, pieces: NDArray[np.uint32]) -> KeyPicture:
        """The same on these pieces alone."""
        kept = np.where(np.isin(self.sight.piece, pieces), self.sight.piece, np.uint32(0))
        return replace(self, sight=replace(self.sight, piece=kept), pieces=pieces)


@dataclass(frozen=True)
class Projected:
    """place: with the paintings on it. unseen: the share of what is to be painted on that no painting shows. by_key: the
    share that each of them shows."""

    place: PlacePasses
    unseen: float
    by_key: tuple[float, ...]


def place_sight(
    agents: Agents, cast: Cast, environment: Environment, view: View, ground_depth_m: F32 | None, samples: int = 4,
    device: str = "cpu", *, normals: bool = True, threads: int | None = None,
) -> PlaceSight:  # fmt: skip
    """The place alone, from a view. agents: of any frames; nobody of them is drawn. The rest as of `render_guides`."""
    stand = staged(cast, environment)
    alone = stand.over(without_people(agents))
    w, h = view.size_px
    load_kernels(device, kernel_pose, kernel_raster, kernel_project)
    pool = Pool(device, threads)
    try:
        assets, tables = assets_of(stand.cast, device), lens_tables(view)
        eye = eye_of(view, tables, view.position_m, device)
        slots = skin(alone, look(alone, assets, view, tables), SunPlan(np.eye(3), ()), assets, eye, pool, device)
        offset = upload(sample_places(samples), wp.vec2i, device)
        none = np.zeros((0, 0), np.float32)
        ground = upload(none if ground_depth_m is None else np.asarray(ground_depth_m, np.float32), wp.float32, device)
        who = upload(alone.agent_id[slots.index].astype(np.uint32), wp.uint32, device)
        piece, depth = np.zeros((h, w, samples), np.uint32), np.full((h, w, samples), np.inf, np.float32)
        normal = np.zeros((h, w, samples, 3) if normals else (0, 0, samples, 3), np.float16)
        out = _sight(piece, depth, normal, device)
        rows = max(16, (CPU_BAND_BYTES if device == "cpu" else CUDA_BAND_BYTES) // (w * samples * 8))

        def work(row0: int) -> None:
            row1 = min(row0 + rows, h)
            filled = fill_visibility(assets, slots, eye, (row0, row1), w, samples, offset, device)
            if filled is not None:
                inputs = [filled[0], samples, row0, w, assets.meshes, slots.draws, ground, who, out]
                wp.launch(sight_kernel, dim=(row1 - row0, w), device=device, inputs=inputs)

        pool.run(work, range(0, h, rows))
        if device != "cpu":
            piece, depth, normal = out.piece.numpy(), out.depth.numpy(), out.normal.numpy()
    finally:
        pool.close()
    return PlaceSight(view, piece, depth, normal)


def _sight(piece: NDArray[np.uint32], depth: F32, normal: NDArray[np.float16], device: str) -> Sight:
    out = Sight()
    out.piece, out.depth = upload(piece, wp.uint32, device), upload(depth, wp.float32, device)
    out.normal = upload(normal, wp.vec3h, device)
    return out


def unseen_share(sight: PlaceSight, keys: Sequence[KeyPicture], device: str = "cpu") -> float:
    """The share of the place that a view sees and that no painting shows. sight: with normals, of one sample a pixel."""
    there = sight.piece[..., 0].reshape(-1) > 0
    start = np.concatenate([[0], np.cumsum(there)]).astype(np.int64)
    found = _Entries(start, sight.piece[..., 0].reshape(-1)[there])
    meant = _meant(found.piece_id, keys)
    if not meant.any():
        return 0.0
    left = np.ones(len(found.piece_id), np.float32)
    for key in keys:
        left *= 1.0 - _shown(found, sight, key, device, None).share
    return float(left[meant].mean())


def _meant(piece_id: NDArray[np.uint32], keys: Sequence[KeyPicture]) -> NDArray[np.bool_]:
    """Which entries some painting is on, seen or not."""
    if any(key.pieces is None for key in keys):
        return np.ones(len(piece_id), bool)
    return np.isin(piece_id, np.concatenate([key.pieces for key in keys if key.pieces is not None] or [[]]))


def project_paintings(
    place: PlacePasses, sight: PlaceSight, keys: Sequence[KeyPicture], device: str = "cpu", *, threads: int | None = None
) -> Projected:  # fmt: skip
    """The place of a frame with paintings on it, the first of `keys` first. sight: the same frame's, with normals."""
    if sight.normal.shape[0] == 0:
        raise InputError("a frame's sight needs normals", expected="place_sight(..., normals=True)")
    entries = _Entries(place.samples.start, place.samples.agent_id)
    shown = [_shown(entries, sight, key, device, threads) for key in keys]
    count = len(place.samples.agent_id)
    finest = np.max([s.dense for s in shown], axis=0) if shown else np.zeros(count, np.float32)
    left = np.ones(count, np.float32)
    painted = np.zeros((count, 3), np.float32)
    by_key = []
    cover = place.samples.coverage * _meant(place.samples.agent_id, keys)
    whole = max(float(cover.sum()), 1e-9)
    for s in shown:
        side = np.sqrt(s.dense / np.maximum(finest, 1e-9))
        fine = np.clip((side - COARSE) / (AS_FINE - COARSE), 0, 1)
        mine = left * s.share * fine * fine * (3 - 2 * fine)
        painted += mine[:, None] * s.rgb
        left = left - mine
        by_key.append(float((mine * cover).sum()) / whole)
    own = place.samples.rgb
    mixed = painted * place.samples.coverage[:, None] + left[:, None] * own
    rgb = np.where(left[:, None] < 1, mixed, own)
    samples = replace(place.samples, rgb=rgb.astype(np.float32))
    beauty = _added(place, rgb - own)
    unseen = float((left * cover).sum()) / whole
    return Projected(replace(place, beauty=beauty, samples=samples), unseen, tuple(by_key))


@dataclass(frozen=True)
class _Entries:
    """start, piece_id: as `Samples` has them."""

    start: NDArray[np.int64]
    piece_id: NDArray[np.uint32]


@dataclass(frozen=True)
class _Shown:
    """By entry: rgb float32 [E, 3], share and dense float32 [E], as of `project_kernel`."""

    rgb: F32
    share: F32
    dense: F32


def _shown(entries: _Entries, sight: PlaceSight, key: KeyPicture, device: str, threads: int | None) -> _Shown:
    h, w, samples = sight.piece.shape
    if key.rgba.shape != (*key.sight.piece.shape[:2], 4):
        raise InputError(
            "the painting does not fit its key view", expected=f"{list(key.sight.piece.shape[:2])}",
            got=str(list(key.rgba.shape)),
        )  # fmt: skip
    load_kernels(device, kernel_project)
    count = len(entries.piece_id)
    rgb, share, dense = np.zeros((count, 3), np.float32), np.zeros(count, np.float32), np.zeros(count, np.float32)
    if count == 0:
        return _Shown(rgb, share, dense)
    out = [upload(rgb, wp.vec3, device), upload(share, wp.float32, device), upload(dense, wp.float32, device)]
    origin = sight.view.position_m
    inputs = [
        _sight(sight.piece, sight.depth_m, sight.normal, device), upload(sample_places(samples), wp.vec2i, device),
        eye_of(sight.view, lens_tables(sight.view), origin, device),
        eye_of(key.sight.view, lens_tables(key.sight.view), origin, device),
        _sight(key.sight.piece, key.sight.depth_m, key.sight.normal, device), upload(key.rgba, wp.float32, device),
        FEATHER * key.rgba.shape[0], upload(entries.start, wp.int64, device),
        upload(entries.piece_id, wp.uint32, device),
    ]  # fmt: skip
    pool = Pool(device, threads)

    def work(rows: tuple[int, int]) -> None:
        wp.launch(project_kernel, dim=(rows[1] - rows[0], w), device=device, inputs=[*inputs, rows[0], *out])

    try:
        pool.run(work, pool.split(h, 16))
    finally:
        pool.close()
    return _Shown(*(a.numpy() for a in out))


def _added(place: PlacePasses, change: F32) -> F32:
    """The beauty with each entry's change added to its pixel; bit for bit the same where there is none."""
    start = place.samples.start
    filled = np.flatnonzero(np.diff(start))
    beauty = place.beauty.reshape(-1, 3).copy()
    if len(filled):
        beauty[filled] += np.add.reduceat(change, start[filled], axis=0)
    return beauty.reshape(place.beauty.shape)
