"""Things painted out of the plate by a diffusion model: the key frame is inpainted once within the marked region, conditioned
on what is behind the thing and on the plate around it; kept beside the delivery, and carried like a painter's picture."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np

from composer.camera.camera import View
from composer.color.model_range import ModelRange
from composer.comp.layer import F32
from composer.errors import InputErrors, MusterError
from composer.guides.control import control_depth
from composer.inference.bundle import Bundle
from composer.inference.conditions import tame
from composer.inference.noise import ScreenNoise
from composer.inference.policy import Policy
from composer.inference.request import PaintRequest, Prompt
from composer.io.files import sha256_bytes
from composer.render.anchors import Picture, Store
from composer.render.brush import open_brush
from composer.render.paint import Brush
from composer.render.paint_place import cleared
from composer.render.painters import range_of
from composer.render.paintings import bundle_of
from composer.render.quality import Quality
from composer.render.repairs import HORIZON_M, Hole
from composer.shot.located import located
from composer.shot.schema_repair import RepairSpec
from composer.shot.stage import Stage


@dataclass
class BundleRepairer:
    """bundles: by index of `repairs`, proven whole. range: of the shot. folder: keeps what is painted. open_brush: loads a
    bundle's networks. said: notes on what was painted, by repair."""

    bundles: dict[int, Bundle]
    range: ModelRange
    quality: Quality
    folder: Path
    device: str
    open_brush: Callable[[Bundle], Brush]
    said: dict[int, tuple[str, ...]] = field(default_factory=dict)

    def key(self) -> tuple[object, ...]:
        """What the pictures depend on beside shot and plate."""
        return (tuple((i, b.sha256, self.quality.steps_of(b)) for i, b in sorted(self.bundles.items())), self.range)

    def painted(self, stage: Stage, index: int, hole: Hole) -> F32:
        """float32 [H, W, 3], in the delivery space; out of the store where it was painted from the same things. Outside the
        mask it is the plate."""
        from composer.render.depends import code_digest

        spec, bundle, space = stage.shot.repairs[index], self.bundles[index], stage.plate.delivery_colorspace
        guide = tame(stage.color.to_working(hole.filled, space))
        request = self._request(spec, bundle, hole, guide)
        told = (code_digest(), bundle.sha256, self.range, self.device, _digest(request))
        key, store = sha256_bytes(repr(told).encode()), Store(self.folder / f"repair{index}")
        picture = store.get(spec.frame, key)
        if picture is None:
            painting = self.open_brush(bundle).paint(request)
            dropped = f"{bundle.name} does not take {', '.join(painting.dropped)}: left out"
            said = ((dropped,) if painting.dropped else ()) + painting.notes
            self.said[index] = tuple(f"repair {spec.name}: {s}" for s in said)
            picture = store.put(spec.frame, key, Picture(painting.rgb[0].astype(np.float32), request.mask[0]))
        new = stage.color.from_working(self.range.decode(picture.rgb, guide).astype(np.float32), space)
        return np.where(hole.mask[..., None] > 0, new, hole.plate).astype(np.float32)

    def _request(self, spec: RepairSpec, bundle: Bundle, hole: Hole, guide: F32) -> PaintRequest:
        """What the model is asked for. It sees nothing of the thing: plate and guide are filled from around the hole."""
        depth = np.where(hole.depth_m < HORIZON_M, hole.depth_m, np.inf).astype(np.float32)
        there = np.isfinite(depth)
        near, far = (float(v) for v in np.percentile(depth[there], (0.5, 99.5))) if there.any() else (1.0, 2.0)
        shown, shape = self.range.encode(guide)[None], hole.mask.shape
        own, strength = spec.prompt or spec.negative, 1.0 if spec.strength is None else spec.strength
        return PaintRequest(
            frames=(spec.frame,), plate=shown, guide=shown, mask=hole.mask[None],
            strength=np.full((1, *shape), strength, np.float32),
            depth=control_depth(depth, near, max(far, 1.01 * near))[None], normal=_normals(hole.view, depth)[None],
            albedo=np.zeros((1, *shape, 3), np.float32), pose=np.zeros((1, *shape, 3), np.float32),
            agent_id=np.zeros((1, *shape), np.uint32),
            noise=ScreenNoise(spec.seed or 0, self.device), steps=spec.steps or self.quality.steps_of(bundle),
            prompts=(Prompt(spec.prompt or "", spec.negative or ""),) if own else (),
            guidance=float(spec.guidance or bundle.guidance),
        )  # fmt: skip


def _digest(request: PaintRequest) -> tuple[object, ...]:
    """All of a request; its noise is a function of the seed."""
    pictures = (request.guide, request.mask, request.strength, request.depth, request.normal)
    noise = request.noise
    assert isinstance(noise, ScreenNoise)
    own = tuple((p.text, p.negative) for p in request.prompts)
    digests = tuple(sha256_bytes(np.ascontiguousarray(p).tobytes()) for p in pictures)
    return (request.frames, request.size, digests, noise.seed, request.steps, own, request.guidance)


def _normals(view: View, depth_m: F32) -> F32:
    """float32 [H, W, 3] as models take it, of the surface with that depth; 0 where there is none."""
    h, w = depth_m.shape
    rays = view.rays(np.stack(np.meshgrid(np.arange(w) + 0.5, np.arange(h) + 0.5), axis=-1))
    seen = np.isfinite(depth_m)
    at = rays * np.where(seen, depth_m, 0)[..., None]
    normal = np.cross(np.gradient(at, axis=0), np.gradient(at, axis=1)) @ view.world_from_camera[:3, :3]
    normal /= np.maximum(np.linalg.norm(normal, axis=-1, keepdims=True), 1e-12)
    return np.where(seen[..., None], (normal + 1) / 2, 0).astype(np.float32)


def open_repair_painter(
    stage: Stage, quality: Quality, folder: Path, device: str, told: Callable[[str], None] | None = None
) -> tuple[BundleRepairer | None, tuple[str, ...]]:  # fmt: skip
    """What paints out the things that the shot gives to bundles, and what the job says of it; None where there are none, or
    where the quality is not painted. folder: keeps the pictures. Raises InputErrors."""
    specs = {i: s for i, s in enumerate(stage.shot.repairs) if s.bundle is not None}
    if not specs:
        return None, ()
    if not quality.paints:
        left = ", ".join(s.name for s in specs.values())
        return None, (f"quality {quality.name} is not painted: the plate keeps what bundles are to paint out: {left}",)
    policy, bundles = Policy.load(), dict[int, Bundle]()
    errors: list[MusterError] = []
    for i, spec in specs.items():
        try:
            with located(stage.shot, "repairs", i, "bundle"):
                bundles[i] = cleared(bundle_of(stage, spec), quality, policy, told)
        except MusterError as error:
            errors += error.errors
    if errors:
        raise InputErrors(errors)
    painter = BundleRepairer(
        bundles, range_of(stage), quality, folder, device, lambda bundle: open_brush(bundle, device)
    )
    return painter, tuple(
        f"repair {specs[i].name}: {b.name} ({b.licence.id}) paints it out of frame {specs[i].frame}"
        for i, b in bundles.items()
    )
