"""The lens that the shot asks for, on its camera."""

from __future__ import annotations

from composer.camera.camera import Camera
from composer.camera.lens.files import lens_from_params, read_lens, with_lens
from composer.camera.lens.stmap import STMap
from composer.shot.schema import ShotFile
from composer.shot.schema_place import Lens3de, LensBrown, LensFile, LensSpec, LensStMap


def with_shot_lens(shot: ShotFile, spec: LensSpec, camera: Camera) -> Camera:
    """The camera with the lens of `camera.lens` in place of its own. Raises InputError."""
    if isinstance(spec, LensFile):
        return with_lens(camera, read_lens(shot.path(spec.path), node=spec.node, frame_offset=shot.camera.frame_offset))
    if isinstance(spec, LensStMap):
        maps = [None if p is None else shot.path(p) for p in (spec.distort, spec.undistort)]
        return with_lens(camera, STMap.load(*maps))
    params = spec.params if isinstance(spec, Lens3de) else spec.model_dump(exclude={"model"}, exclude_unset=True)
    assert isinstance(spec, Lens3de | LensBrown)
    return with_lens(camera, lens_from_params(spec.model, params, camera))
