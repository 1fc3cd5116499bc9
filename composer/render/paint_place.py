"""Key views painted by a diffusion model: the place as one frame sees it, conditioned on its own depth and normals and on the
plate around it. Painted once, kept beside the delivery, and projected like a painter's picture."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field, replace
from pathlib import Path

import numpy as np

from composer.color.model_range import ModelRange
from composer.comp.layer import F32
from composer.environment.build import build_environment
from composer.errors import InputError, InputErrors, MusterError
from composer.guides.control import control_depth
from composer.inference.bundle import Bundle
from composer.inference.bundle_verify import verify_bundle
from composer.inference.conditions import albedo_in_range, tame
from composer.inference.noise import ScreenNoise
from composer.inference.policy import Policy
from composer.inference.request import PaintRequest, Prompt
from composer.io.files import sha256_bytes
from composer.render.anchors import Picture, Store
from composer.render.brush import open_brush, window_of
from composer.render.key_view import deserted, place_alone
from composer.render.look import Scene, look_at, read_inputs
from composer.render.paint import Brush
from composer.render.painters import USUAL_STRENGTH, range_of
from composer.render.paintings import bundle_of, specs_of
from composer.render.quality import Quality
from composer.shot.located import located
from composer.shot.schema_painting import PaintingSpec
from composer.shot.stage import Stage


@dataclass
class BundlePainter:
    """bundles: by index of `environment.paintings`, proven whole. range: of the shot. folder: keeps them. open_brush:
    loads a bundle's networks. said: notes on what was painted, by frame."""

    bundles: dict[int, Bundle]
    range: ModelRange
    quality: Quality
    folder: Path
    open_brush: Callable[[Bundle], Brush]
    said: dict[int, tuple[str, ...]] = field(default_factory=dict)

    def key(self) -> tuple[object, ...]:
        """What the pictures depend on beside shot and place."""
        return (tuple((i, b.sha256, self.quality.steps_of(b)) for i, b in sorted(self.bundles.items())), self.range)

    def painted(self, scene: Scene, index: int) -> F32:
        """float32 [H, W, 3], ACEScg; out of the store where it was painted from the same things."""
        from composer.render.depends import place_key

        spec, bundle = specs_of(scene.stage)[index], self.bundles[index]
        told = (
            place_key(scene, spec.frame),
            bundle.sha256,
            spec.model_dump_json(),
            self.range,
            self._steps(spec, bundle),
        )
        key, store = sha256_bytes(repr(told).encode()), Store(self.folder / str(index))
        picture = store.get(spec.frame, key)
        request, guide = self._request(scene, spec, bundle)
        if picture is None:
            brush = self.open_brush(bundle)
            painting = brush.paint(request)
            dropped = (
                (f"{bundle.name} does not take {', '.join(painting.dropped)}: left out",) if painting.dropped else ()
            )
            self.said[spec.frame] = (*dropped, *painting.notes)
            picture = store.put(spec.frame, key, Picture(painting.rgb[0].astype(np.float32), request.mask[0]))
        change = (request.mask[0] * request.strength[0])[..., None]
        return np.where(change > 0, self.range.decode(picture.rgb, guide), guide).astype(np.float32)

    def _steps(self, spec: PaintingSpec, bundle: Bundle) -> int:
        return spec.steps or self.quality.steps_of(bundle)

    def _request(self, scene: Scene, spec: PaintingSpec, bundle: Bundle) -> tuple[PaintRequest, F32]:
        """What the model is asked for, and the guide in ACEScg: the place over the plate, nobody before it."""
        bare = replace(deserted(scene), place_painter=None)
        passes, light = place_alone(bare, spec.frame, painted=False)
        plate = look_at(bare, read_inputs(scene.stage, spec.frame), keys=()).behind_the_place()
        alpha = passes.coverage[..., None]
        guide = tame(plate * (1 - alpha) + light)
        there = np.isfinite(passes.depth_m)
        near, far = (float(v) for v in np.percentile(passes.depth_m[there], (0.5, 99.5))) if there.any() else (1.0, 2.0)
        strength = USUAL_STRENGTH if spec.strength is None else spec.strength
        own = spec.prompt or spec.negative
        normal = np.where(passes.normal.any(-1, keepdims=True), (passes.normal + 1) / 2, 0)
        request = PaintRequest(
            frames=(spec.frame,), plate=self.range.encode(tame(plate))[None], guide=self.range.encode(guide)[None],
            mask=passes.coverage[None].astype(np.float32), strength=np.full((1, *there.shape), strength, np.float32),
            depth=control_depth(passes.depth_m, near, max(far, 1.01 * near))[None],
            normal=normal[None].astype(np.float32), albedo=albedo_in_range(passes)[None],
            pose=np.zeros((1, *there.shape, 3), np.float32),
            agent_id=passes.piece_id[None], noise=ScreenNoise(spec.seed or 0, scene.device),
            steps=self._steps(spec, bundle), prompts=(Prompt(spec.prompt or "", spec.negative or ""),) if own else (),
            guidance=float(spec.guidance or bundle.guidance),
        )  # fmt: skip
        return request, guide


def open_place_painter(
    stage: Stage, quality: Quality, folder: Path, device: str, told: Callable[[str], None] | None = None
) -> tuple[BundlePainter | None, tuple[str, ...]]:  # fmt: skip
    """What paints the key views that the shot gives to bundles, and what the job says of it; None where there are none, or
    where the quality is not painted. folder: keeps them. Raises InputErrors."""
    specs = {i: s for i, s in enumerate(specs_of(stage)) if s.bundle is not None}
    if not specs or build_environment(stage) is None:
        return None, ()
    if not quality.paints:
        return None, (f"quality {quality.name} is not painted: key views of bundles are left as the place is rendered",)
    policy, bundles = Policy.load(), dict[int, Bundle]()
    errors: list[MusterError] = []
    for i, spec in specs.items():
        try:
            with located(stage.shot, "environment", "paintings", i, "bundle"):
                bundles[i] = cleared(bundle_of(stage, spec), quality, policy, told)
        except MusterError as error:
            errors += error.errors
    if errors:
        raise InputErrors(errors)
    painter = BundlePainter(bundles, range_of(stage), quality, folder, lambda bundle: open_brush(bundle, device))
    return painter, tuple(
        f"paintings: {b.name} ({b.licence.id}) paints frame {specs[i].frame}" for i, b in bundles.items()
    )


def cleared(bundle: Bundle, quality: Quality, policy: Policy, told: Callable[[str], None] | None) -> Bundle:
    """The bundle, once it may be used, paints single pictures and is proven whole. Raises InputError."""
    if why := policy.refuse(bundle, quality.name):
        raise InputError(why)
    if window_of(bundle) > 1:
        raise InputError("a key view is one picture", expected="a bundle of a picture model", got=bundle.name)
    if told:
        told(bundle.name)
    verify_bundle(bundle)
    return bundle
