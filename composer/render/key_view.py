"""A key view for a painter: the place as one frame's camera sees it, without the crowd, with all that it was made from."""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np

import composer
from composer.comp.layer import F32
from composer.crowd.agents import Agents
from composer.crowd.people import People
from composer.deliver.attributes import INTEROP_ID, world_to_camera, world_to_ndc
from composer.environment.model import Environment
from composer.errors import InputError
from composer.guides.ground import ground_depth
from composer.guides.passes import PlacePasses
from composer.guides.pieces import without_people
from composer.guides.project import unseen_share
from composer.guides.render import render_guides
from composer.io.exr import Chromaticities, ExrPart, write_exr
from composer.io.files import atomic_write, not_written
from composer.render.look import Look, Scene, look_at, read_inputs
from composer.render.paintings import key_pictures, sight_at, with_paintings
from composer.render.place import hazed


class Deserted(People):
    """The same people, gone."""

    def at(self, frames) -> Agents:  # type: ignore[no-untyped-def]
        return without_people(super().at(frames))


def deserted(scene: Scene) -> Scene:
    """The scene without its crowd."""
    fields = {name: getattr(scene.people, name) for name in scene.people.__dataclass_fields__}
    return replace(scene, people=Deserted(**fields), painter=None)


@dataclass(frozen=True)
class KeyView:
    """number: of the frame. place: float32 [H, W, 4], premultiplied, in the delivery space, with its air and the paintings
    that the shot has already; before any holdout. passes: of the same. over: float32 [H, W, 3], place and plate together
    as they are delivered, but for the crowd; plate: the plate, with its new sky."""

    number: int
    place: F32
    passes: PlacePasses
    over: F32
    plate: F32


def place_alone(scene: Scene, number: int, painted: bool = True) -> tuple[PlacePasses, F32]:
    """The place at a frame without crowd and holdouts, with the shot's paintings unless `painted` is False; and float32
    [H, W, 3], its light through its air, premultiplied, ACEScg."""
    environment, stage = _environment(scene), scene.stage
    numbers = (number - 1, number, number + 1)
    views = (stage.camera.view(number - 1), stage.camera.view(number), stage.camera.view(number + 1))
    ground = ground_depth(stage.ground, views[1], device=scene.device)
    guides = render_guides(
        without_people(scene.people.at(numbers)), scene.people.cast, views, ground, [], scene.light,
        samples=scene.samples, device=scene.device, environment=environment,
    )  # fmt: skip
    place = (with_paintings(scene, guides, number).guides if painted else guides).place
    assert place is not None
    return place, place.beauty if environment.haze is None else hazed(place, environment.haze, views[1])


def key_view(scene: Scene, number: int) -> KeyView:
    """Everything that is written out for a painter."""
    passes, light = place_alone(scene, number)
    look: Look = look_at(deserted(scene), read_inputs(scene.stage, number))
    matrix = look.delivery_from_working.T.astype(np.float32)
    rgba = np.concatenate([light @ matrix, passes.coverage[..., None]], axis=-1)
    plate = look.plate if look.place is None else look.place.plate
    return KeyView(number, rgba, passes, look.composite(look.guides).rgb.astype(np.float32), plate)


def _environment(scene: Scene) -> Environment:
    place = scene.environment
    if place is None or not place.meshes:
        raise InputError(
            "this shot has no place to paint", where=scene.stage.shot.where("environment"),
            expected="environment.terrain or environment.pieces", got="neither",
        )  # fmt: skip
    return place


def second_frame(scene: Scene) -> tuple[int, float]:
    """The frame whose place the shot's paintings show least of, of nine spread over the shot, and how much they do not
    show; without paintings the middle frame."""
    place, frames = _environment(scene), scene.stage.plate.frames
    keys = key_pictures(scene)
    if not keys:
        return frames[len(frames) // 2], 1.0
    chosen = sorted({frames[i] for i in np.linspace(0, len(frames) - 1, 9).astype(int)})
    coarse = replace(scene, samples=1)
    missing = {n: unseen_share(sight_at(coarse, place, n), keys, scene.device) for n in chosen}
    worst = max(missing, key=lambda n: missing[n])
    return worst, missing[worst]


def write_key_view(view: KeyView, scene: Scene, folder: Path, png: bool) -> tuple[Path, ...]:
    """`<shot>_key.<frame>.exr`: parts rgba (the place, to be painted on), over, plate, depth, normal, mattes; and where asked
    for the first as a 16-bit PNG with straight alpha and `over` beside it. Returns what was written."""
    stage = scene.stage
    name = f"{stage.shot.shot}_key.{view.number:04d}"
    folder.mkdir(parents=True, exist_ok=True)
    exr = folder / f"{name}.exr"
    write_exr(exr, _parts(view, scene), stage.plate.size_px, _header(view, scene), stage.plate.pixel_aspect)
    if not png:
        return (exr,)
    alpha = view.place[..., 3:]
    straight = np.where(alpha > 0, view.place[..., :3] / np.maximum(alpha, 1e-4), 0)
    own, over = folder / f"{name}.png", folder / f"{name}_over.png"
    _write_png(own, _display(scene, straight), alpha, view, scene)
    _write_png(over, _display(scene, view.over), None, view, scene)
    return exr, own, over


def _parts(view: KeyView, scene: Scene) -> list[ExrPart]:
    passes = view.passes

    def half(letters: str, picture: F32) -> dict[str, np.ndarray]:
        held = np.clip(picture, -65504, 65504).astype(np.float16)
        return {c: np.ascontiguousarray(held[..., i]) for i, c in enumerate(letters)}

    return [
        ExrPart("rgba", half("RGBA", view.place)),
        ExrPart("over", half("RGB", view.over)),
        ExrPart("plate", half("RGB", view.plate)),
        ExrPart("depth", {"Z": np.ascontiguousarray(passes.depth_m)}),
        ExrPart("normal", half("XYZ", passes.normal)),
        ExrPart("mattes", {n: m.astype(np.float16) for n, m in mattes_of(passes).items()}),
    ]


def mattes_of(passes: PlacePasses) -> dict[str, F32]:
    """By part of `environment:`, float32 [H, W], how much of each pixel it covers."""
    h, w = passes.coverage.shape
    samples = passes.samples
    pixel = np.repeat(np.arange(h * w), np.diff(samples.start))
    groups = {number: name.rpartition(".")[0] or name for number, name in passes.names.items()}
    seen = {piece: groups[piece] for piece in np.unique(samples.agent_id).tolist()}
    out = {}
    for group in sorted(set(seen.values())):
        ids = np.array([p for p, g in seen.items() if g == group], np.uint32)
        mine = np.isin(samples.agent_id, ids)
        cover = np.bincount(pixel[mine], samples.coverage[mine], minlength=h * w)
        out[group] = cover.reshape(h, w).astype(np.float32)
    return out or {"none": np.zeros((h, w), np.float32)}


def _header(view: KeyView, scene: Scene) -> dict[str, object]:
    stage, camera = scene.stage, scene.stage.camera.view(view.number)
    space = stage.plate.delivery_colorspace
    header: dict[str, object] = {
        "muster:shot": stage.shot.shot, "muster:key_frame": view.number, "muster:colorspace": space,
        "muster:code_version": composer.__version__, "worldToCamera": world_to_camera(camera),
        "worldToNDC": world_to_ndc(camera),
    }  # fmt: skip
    known = stage.color.chromaticities(space)
    if known:
        header["chromaticities"] = Chromaticities.of(known)
    if space in INTEROP_ID:
        header["colorInteropID"] = INTEROP_ID[space]
    return header


def _display(scene: Scene, rgb: F32) -> F32:
    """From the delivery space to sRGB, 0..1."""
    color = scene.stage.color
    working = color.to_working(rgb.astype(np.float32), scene.stage.plate.delivery_colorspace)
    return color.from_working(working, "sRGB").clip(0, 1)


def _write_png(path: Path, rgb: F32, alpha: F32 | None, view: KeyView, scene: Scene) -> None:
    """16 bits a channel; alpha [H, W, 1], straight."""
    import OpenImageIO as oiio

    picture = rgb if alpha is None else np.concatenate([rgb, alpha], axis=-1)
    whole = np.ascontiguousarray((picture * 65535 + 0.5).astype(np.uint16))
    spec = oiio.ImageSpec(whole.shape[1], whole.shape[0], whole.shape[2], "uint16")
    spec.attribute("oiio:UnassociatedAlpha", 1)
    spec.attribute("oiio:ColorSpace", "sRGB")
    spec.attribute("muster:key_frame", view.number)
    spec.attribute("muster:shot", scene.stage.shot.shot)
    with atomic_write(path) as temporary:
        output = oiio.ImageOutput.create(str(temporary))
        if not (output.open(str(temporary), spec) and output.write_image(whole) and output.close()):
            raise not_written(path, output.geterror()[:120])
