"""The matte paintings of a shot: read, made into what a key view holds, and seen again from every frame.

A painting is a picture of the place as the key frame's camera sees it, air and all. The air is taken out with the key
view's own depth and comes back with the frame's, so a painting far away fades as the place does.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from threading import RLock
from typing import TYPE_CHECKING, Protocol

import cv2
import numpy as np

from composer.camera.camera import View
from composer.comp.layer import F32
from composer.environment.build import build_environment
from composer.environment.model import Environment, Haze
from composer.errors import InputError, InputErrors, MusterError, Where
from composer.guides.ground import ground_depth
from composer.guides.passes import GuidePasses, PlacePasses, Samples
from composer.guides.project import KeyPicture, PlaceSight, place_sight, project_paintings
from composer.inference.bundle import Bundle
from composer.inference.library import find_bundle
from composer.io.image import read_image, read_info
from composer.io.pixels import ImageInfo
from composer.render.place import hazed
from composer.shot.located import located
from composer.shot.reduced import ReducedPlate, smaller
from composer.shot.schema_painting import PaintingSpec
from composer.shot.schema_repair import RepairSpec
from composer.shot.stage import Stage

if TYPE_CHECKING:
    from composer.render.look import Scene

#: Air that lets less through than this is not taken out: there would be nothing but noise.
LEAST_THROUGH = 1e-3
#: How far the colour of whole pixels is carried to the place's edge in a picture without alpha, pixels.
EDGE_PX = 3.0
#: Less of the place unseen by any painting is not worth a word.
WORTH_A_NOTE = 0.03


class PlacePainter(Protocol):
    """What paints key views that the shot gives to a bundle. said: notes on what was painted, by frame."""

    said: dict[int, tuple[str, ...]]

    def key(self) -> tuple[object, ...]: ...

    def painted(self, scene: Scene, index: int) -> F32:
        """float32 [H, W, 3], ACEScg: the picture of `environment.paintings[index]`, without alpha."""
        ...


@dataclass(frozen=True)
class PaintedPlace:
    """guides: with the paintings on the place. notes: what they do not show."""

    guides: GuidePasses
    notes: tuple[str, ...] = ()


def specs_of(stage: Stage) -> tuple[PaintingSpec, ...]:
    return () if stage.shot.environment is None else stage.shot.environment.paintings


def painting_files(stage: Stage) -> list[Path]:
    """The pictures that the shot names."""
    return [stage.shot.path(s.picture) for s in specs_of(stage) if s.picture is not None]


def told_of(stage: Stage) -> list[object]:
    """All that the paintings are but for their files, to be digested: their specs and key views."""
    return [part for s in specs_of(stage) for part in (s.model_dump_json(), stage.camera.view(s.frame))]


def check_paintings(stage: Stage) -> None:
    """Everything that is wrong with the shot's paintings, before any work; only headers are read. Raises InputErrors."""
    errors: list[MusterError] = []
    for i, spec in enumerate(specs_of(stage)):
        try:
            _check_one(stage, i, spec)
        except MusterError as error:
            errors += error.errors
    if errors:
        raise InputErrors(errors)


def _check_one(stage: Stage, index: int, spec: PaintingSpec) -> None:
    loc, frames = ("environment", "paintings", index), stage.plate.frames
    if spec.frame not in frames:
        raise InputError(
            "a painting of a frame that the plate has not", where=stage.shot.where(*loc, "frame"),
            expected=f"{frames[0]}-{frames[-1]}", got=str(spec.frame),
        )  # fmt: skip
    if spec.picture is None:
        with located(stage.shot, *loc, "bundle"):
            bundle_of(stage, spec)
        return
    with located(stage.shot, *loc, "picture"):
        check_picture(stage, read_info(stage.shot.path(spec.picture)), spec.frame)
    with located(stage.shot, *loc, "colorspace"):
        if spec.colorspace is not None:
            stage.color.space(spec.colorspace)


def bundle_of(stage: Stage, spec: PaintingSpec | RepairSpec) -> Bundle:
    """The bundle that a spec names, or the folder of one, as paths in the shot are. Raises InputError."""
    name = str(spec.bundle)
    folder = stage.shot.path(name)
    return find_bundle(str(folder) if "/" in name or (folder / "bundle.yaml").is_file() else name)


def check_picture(stage: Stage, info: ImageInfo, frame: int) -> None:
    """Whether a picture can be the painting of that frame: its size, and what it says of itself. Raises InputError."""
    where, size = Where(file=info.path), plate_size(stage)
    if info.size_px != size:
        raise InputError(
            "a painting has the plate's size", where=where, expected=f"{size[0]} x {size[1]}",
            got=f"{info.size_px[0]} x {info.size_px[1]}",
        )  # fmt: skip
    said = info.attributes.get("muster:key_frame")
    if said is not None and str(said) != str(frame):
        hint = "name the frame that it was painted for"
        raise InputError("a painting of another frame", where=where, expected=str(frame), got=str(said), hint=hint)
    shot = info.attributes.get("muster:shot")
    if shot is not None and shot != stage.shot.shot:
        raise InputError("a painting of another shot", where=where, expected=stage.shot.shot, got=str(shot))


def plate_size(stage: Stage) -> tuple[int, int]:
    """(W, H) of the plate as it was shot, also where a smaller one is rendered."""
    plate = stage.plate
    return plate.full.size_px if isinstance(plate, ReducedPlate) and plate.full is not None else plate.size_px


def space_of(stage: Stage, spec: PaintingSpec, info: ImageInfo) -> str:
    """The colour space of a painting's file."""
    if spec.colorspace is not None:
        return stage.color.space(spec.colorspace)
    if info.dtype in ("half", "float", "float16", "float32", "double"):
        return stage.color.space(info.colorspace) if info.colorspace else stage.plate.delivery_colorspace
    return stage.color.space("sRGB")


def read_painting(stage: Stage, index: int) -> tuple[F32, F32 | None]:
    """float32 [H, W, 3], ACEScg, not premultiplied; and its alpha [H, W], None where the file has none. At the stage's
    size."""
    spec = specs_of(stage)[index]
    assert spec.picture is not None
    with located(stage.shot, "environment", "paintings", index, "picture"):
        pixels, info = read_image(stage.shot.path(spec.picture))
        check_picture(stage, info, spec.frame)
    pixels = np.nan_to_num(pixels, nan=0.0, posinf=65504.0, neginf=-65504.0)
    alpha = np.clip(pixels[..., 3], 0, 1) if pixels.shape[-1] == 4 else None
    floats = info.dtype in ("half", "float", "float16", "float32", "double")
    rgb = np.ascontiguousarray(pixels[..., :3])
    if alpha is not None and floats:  # premultiplied, as EXR is; integers are straight
        rgb = rgb / np.maximum(alpha, 1e-4)[..., None]
    rgb = stage.color.to_working(rgb.astype(np.float32), space_of(stage, spec, info))
    size = stage.plate.size_px
    if (rgb.shape[1], rgb.shape[0]) == size:
        return rgb, alpha
    if alpha is None:
        return smaller(rgb, size), None
    small = smaller(alpha, size)
    return smaller(rgb * alpha[..., None], size) / np.maximum(small, 1e-4)[..., None], small


_kept: OrderedDict[tuple[object, ...], tuple[object, tuple[KeyPicture, ...]]] = OrderedDict()
_lock = RLock()


def key_pictures(scene: Scene) -> tuple[KeyPicture, ...]:
    """The shot's paintings as key views, in its order; those of bundles only where the scene has a painter for them."""
    specs, place = specs_of(scene.stage), scene.environment
    if not specs or place is None or not place.meshes:
        return ()
    key = (id(scene.stage), id(place), scene.samples, scene.device, id(scene.place_painter))
    with _lock:
        if key not in _kept:
            chosen = [i for i, s in enumerate(specs) if s.picture is not None or scene.place_painter is not None]
            _kept[key] = ((scene.stage, place, scene.place_painter), tuple(_key(scene, place, i) for i in chosen))
            while len(_kept) > 2:
                _kept.popitem(last=False)
        _kept.move_to_end(key)
        return _kept[key][1]


def _key(scene: Scene, place: Environment, index: int) -> KeyPicture:
    spec = specs_of(scene.stage)[index]
    sight = sight_at(scene, place, spec.frame, normals=False)
    if spec.picture is not None:
        rgb, alpha = read_painting(scene.stage, index)
    else:
        assert scene.place_painter is not None
        rgb, alpha = scene.place_painter.painted(scene, index), None
    picture = key_picture(place, sight, rgb, alpha)
    if spec.pieces is None:
        return picture
    chosen = [n for n, name in place.names.items() if name in spec.pieces or name.rpartition(".")[0] in spec.pieces]
    return picture.on(np.array(chosen, np.uint32))


def sight_at(scene: Scene, place: Environment, number: int, *, normals: bool = True) -> PlaceSight:
    """The place alone at a frame."""
    view = scene.stage.camera.view(number)
    ground = ground_depth(scene.stage.ground, view, device=scene.device)
    agents = scene.people.at((number, number, number))
    cast = scene.people.cast
    return place_sight(agents, cast, place, view, ground, scene.samples, scene.device, normals=normals)


def key_picture(place: Environment, sight: PlaceSight, rgb: F32, alpha: F32 | None) -> KeyPicture:
    """rgb: float32 [H, W, 3], ACEScg, not premultiplied, with its air. alpha: float32 [H, W], the place's coverage where it
    is painted; None: painted everywhere."""
    cover = sight.coverage
    if alpha is None:
        rgb, painted = _to_the_edge(rgb, cover), (cover > 0).astype(np.float32)
    else:
        painted = np.clip(alpha / np.maximum(cover, 1e-3), 0, 1) * (cover > 0)
    if place.haze is not None:
        through = air_before(sight.nearest_m, place.haze, sight.view)[..., None]
        clear = (rgb - (1 - through) * place.haze.colour.astype(np.float32)) / np.maximum(through, LEAST_THROUGH)
        rgb = np.where(through > LEAST_THROUGH, clear, rgb)
    return KeyPicture(sight, np.concatenate([rgb, painted[..., None]], axis=-1).astype(np.float32))


def air_before(depth_m: F32, haze: Haze, view: View) -> F32:
    """How much the place's air lets through of what lies at that depth, float32 [H, W]: of black through white air, what is
    not white."""
    black, none = np.zeros((*depth_m.shape, 3), np.float32), np.zeros(0, np.float32)
    nobody = Samples(np.zeros(depth_m.size + 1, np.int64), none.astype(np.uint32), none, none, none.reshape(0, 3))
    still = black[..., :2]
    seen = np.isfinite(depth_m).astype(np.float32)
    passes = PlacePasses(depth_m, black, seen.astype(np.uint32), still, still, seen, black, black, nobody)
    return 1.0 - hazed(passes, replace(haze, colour=np.ones(3)), view)[..., 0]


def _to_the_edge(rgb: F32, cover: F32) -> F32:
    """The colour of wholly covered pixels carried to those beside them that hold something else too."""
    whole = cover > 0.999
    if not whole.any() or whole.all():
        return rgb
    away, label = cv2.distanceTransformWithLabels(
        (~whole).astype(np.uint8), cv2.DIST_L2, cv2.DIST_MASK_5, labelType=cv2.DIST_LABEL_PIXEL
    )
    table = np.zeros((int(label.max()) + 1, 3), np.float32)
    table[label[whole]] = rgb[whole]
    near = (cover > 0) & ~whole & (away <= EDGE_PX)
    return np.where(near[..., None], table[label], rgb)


def with_paintings(
    scene: Scene, guides: GuidePasses, number: int, keys: Sequence[KeyPicture] | None = None
) -> PaintedPlace:  # fmt: skip
    """The guides of a frame with the shot's paintings on its place; or with `keys` in place of these."""
    keys, place = key_pictures(scene) if keys is None else keys, scene.environment
    if not keys or place is None or guides.place is None:
        return PaintedPlace(guides)
    done = project_paintings(guides.place, sight_at(scene, place, number), keys, scene.device)
    notes = tuple(n for said in (scene.place_painter.said.values() if scene.place_painter else ()) for n in said)
    if done.unseen > WORTH_A_NOTE:
        notes += (f"paintings: {100 * done.unseen:.0f} % of what is painted on is in none of them: rendered there",)
    return PaintedPlace(replace(guides, place=done.place), notes)


def painting_notes(stage: Stage) -> tuple[str, ...]:
    """What the job says of its paintings; raises what is wrong with them."""
    check_paintings(stage)
    specs = specs_of(stage)
    if not specs:
        return ()
    place = build_environment(stage)
    if place is None or not place.meshes:
        raise InputError(
            "nothing that a painting could be projected on", where=stage.shot.where("environment", "paintings"),
            expected="environment.terrain or environment.pieces",
        )  # fmt: skip
    return tuple(f"paintings: frame {s.frame}: {s.picture or f'by {s.bundle}'}" for s in specs)
