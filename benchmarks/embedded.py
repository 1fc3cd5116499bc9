"""The truth of acceptance: a crowd rendered into the embedded scene's plate by the scene's own renderer, against Muster's
composite of the same soldiers over the plate without them, before and after `muster match`.

The renderer of scenes/valley shares no code with Muster's: it gives the soldiers other cloth and iron, its own soft shadows, the
grass that they stand in, the valley's air; then come a lens and grain, in numpy. What Muster gets is the plate without soldiers,
with a grey ball in it. Its numbers are those that `muster match` writes, unseen by anybody. Two plates: the
embedded one, and the same place through thick air, a soft lens with vignette and fringe, and coarse grain.

    python benchmarks/embedded.py --keep /tmp/embedded      # renders are kept there, with a picture of each step

PSNR in dB and FLIP (0 alike .. 1) on display pictures, in the crowd region: where soldiers or their shadows are, in either. Grain
of the truth can't be guessed, so PSNR is told against the truth without grain as well; `ceiling` is the truth with other
grain.
"""

from __future__ import annotations

import argparse
import json
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import cv2
import numpy as np
from embedded_host import SCENE, ball_mesh, host_mesh, maker, posed
from flip import flip
from numpy.typing import NDArray
from PIL import Image
from ruamel.yaml import YAML

from composer.color.spaces import ColorManager
from composer.comp.measure.look import measure_look
from composer.comp.measure.written import light_yaml, match_yaml
from composer.comp.plate_look import PlateLook
from composer.deliver.proxy import to_display
from composer.render.job import prepare_job
from composer.render.look import look_at, read_inputs
from composer.render.match import matching_of
from composer.render.quality import load_quality
from composer.shot.light_measure import measure_light
from composer.shot.load import parse_shot
from composer.shot.stage import prepare

F32 = NDArray[np.float32]
#: The frame; a grey ball that stands in it (x, height above the ground, z), its radius and reflectance.
FRAME, BALL_M, BALL_RADIUS_M, GREY = 1012, (1.8, 0.55, -8.7), 0.16, 0.18
#: Of the plate's EXR: so little is lost that the grain stays.
LOSSLESS_ENOUGH = 1.0
#: A pixel is the crowd's where the truth differs from the empty plate by so much of its own light.
DIFFERS = 0.02
STEPS = ("air", "vignette", "fringe", "edge", "grain")


@dataclass(frozen=True)
class Plate:
    """How a plate is taken. thick: air, times the valley's. soft_px: sigma of a lens behind the pixel filter's own.
    vignette: k of r^2. red, blue: scale beside green. grain: times the valley's, in variance."""

    name: str
    thick: float = 1.0
    soft_px: float = 0.0
    vignette: float = 0.0
    red: float = 1.0
    blue: float = 1.0
    grain: float = 1.0


PLATES = (Plate("valley"), Plate("marked", 14.0, 0.9, -0.2, 1.0009, 0.9993, 6.0))


def through_lens(rgb: F32, plate: Plate) -> F32:
    """Blur, fringe and fall-off of a grain-free picture."""
    h, w = rgb.shape[:2]
    out = rgb if plate.soft_px == 0 else cv2.GaussianBlur(rgb, (0, 0), plate.soft_px)
    planes = []
    for c, scale in enumerate((plate.red, 1.0, plate.blue)):
        move = np.array([[scale, 0, (1 - scale) * (w - 1) / 2], [0, scale, (1 - scale) * (h - 1) / 2]])
        plane = np.ascontiguousarray(out[..., c])
        if scale != 1.0:
            plane = cv2.warpAffine(plane, move, (w, h), flags=cv2.INTER_CUBIC, borderMode=cv2.BORDER_REPLICATE)
        planes.append(plane)
    y, x = np.mgrid[:h, :w] + 0.5
    r2 = ((x - w / 2) ** 2 + (y - h / 2) ** 2) / ((w / 2) ** 2 + (h / 2) ** 2)
    return (np.stack(planes, axis=-1) * (1 + plate.vignette * r2)[..., None]).astype(np.float32)


def with_grain(rgb: F32, plate: Plate, frame: int) -> F32:
    return rgb + (maker().files.grain(rgb, frame) - rgb) * np.float32(plate.grain**0.5)


def shot_words(folder: Path, light: dict[str, Any], match: dict[str, Any] | None, name: str) -> Any:
    """The embedded shot over the plate in `folder`, as a ShotFile."""
    words = YAML(typ="safe").load((SCENE / "shot.yaml").read_text(encoding="utf-8"))
    words["plate"] |= {"path": str(folder / "plate.####.exr"), "frames": str(FRAME)}
    words["camera"]["path"], words["ground"]["mesh"] = str(SCENE / "camera.json"), str(SCENE / "ground.obj")
    for holdout in words["holdouts"]:
        key = "matte" if "matte" in holdout else "depth"
        holdout[key] = str(SCENE / holdout[key])
    words["light"], words["version"] = light, name
    words.pop("match", None)  # the shot's own, made by hand
    if match:
        words["match"] = match
    return parse_shot(json.dumps(words), folder / "shot.yaml")


# --- what is rendered by the scene's own renderer -------------------------------------------------------------------


def rendered(folder: Path) -> dict[str, F32]:
    """Without lens and grain: `empty` and `truth` through each plate's air; kept in `folder`."""
    kept = folder / "renders.npz"
    if kept.exists():
        with np.load(kept) as file:
            return {name: file[name] for name in file.files}
    maker().files.write_plate(folder / "plate.1012.exr", np.zeros((1080, 1920, 3), np.float32), FRAME, LOSSLESS_ENOUGH)
    job = prepare_job(shot_words(folder, {"sky": {}}, None, "posed"), folder, load_quality("preview"), frames=[FRAME])
    people, view = job.scene.people, job.scene.stage.camera.view(FRAME)
    soldiers = host_mesh(posed(people.at((FRAME - 1, FRAME, FRAME + 1)), people.cast, view))
    ball = ball_mesh(ball_at(), BALL_RADIUS_M, GREY)
    out = {}
    for name, host in (("truth", maker().meshes.join([soldiers, ball])), ("empty", ball)):
        renderer = maker().renderer.Renderer(host=host)
        for plate in PLATES:
            renderer.scene.thick = plate.thick
            out[f"{name} {plate.name}"] = renderer.draw(FRAME, maker().renderer.SAMPLES).rgb
            print(f"rendered: {name} {plate.name}", flush=True)
    np.savez(kept, **out)
    return out


def ball_at() -> tuple[float, float, float]:
    x, above, z = BALL_M
    return x, float(maker().world.height_m(np.float32(x), np.float32(z))) + above, z


def ball_in_picture() -> dict[str, Any]:
    """`light: ball:` of the ball's place, as an artist would draw a circle around it."""
    from composer.shot.load import load_shot

    view = prepare(load_shot(SCENE / "shot.yaml")).camera.view(FRAME)
    middle = np.array(ball_at())
    side = np.cross(view.position_m - middle, [0.0, 1.0, 0.0])
    side *= BALL_RADIUS_M / np.linalg.norm(side)
    px, _ = view.project(np.stack([middle, middle + side]))
    return {
        "kind": "grey", "frame": FRAME, "centre_px": [round(float(v), 1) for v in px[0]],
        "radius_px": round(float(np.linalg.norm(px[1] - px[0])), 1), "reflectance": GREY,
    }  # fmt: skip


# --- Muster's side --------------------------------------------------------------------------------------------------


def measured(folder: Path) -> tuple[dict[str, Any], PlateLook, list[str]]:
    """What `muster match` says of the plate in `folder`: light, look and its notes."""
    stage = prepare(shot_words(folder, {"ball": ball_in_picture()}, None, "measured"))
    found = measure_look(stage)
    light = measure_light(stage.shot, stage.plate, stage.camera, stage.ground)
    return YAML(typ="safe").load(light_yaml(light))["light"], found.look, [*found.all_notes, *light.notes]


def as_written(look: PlateLook) -> dict[str, Any] | None:
    """Through the text that an artist would paste."""
    return (YAML(typ="safe").load(match_yaml(look)) or {}).get("match")


def only(look: PlateLook, names: tuple[str, ...]) -> PlateLook:
    return replace(PlateLook(), **{n: getattr(look, n) for n in names})


class Compositor:
    """The embedded shot's frame over the plate in `folder`; the crowd is drawn once for each light."""

    def __init__(self, folder: Path, quality: str = "final") -> None:
        self.folder, self.quality = folder, quality
        self._drawn: dict[str, tuple[Any, Any]] = {}

    def picture(self, light: dict[str, Any], look: PlateLook) -> tuple[F32, NDArray[np.bool_]]:
        """The composite as it is delivered, and where it is not the plate."""
        key = json.dumps(light)
        if key not in self._drawn:
            shot = shot_words(self.folder, light, None, "drawn")
            scene = prepare_job(shot, self.folder / "out", load_quality(self.quality), frames=[FRAME]).scene
            self._drawn[key] = scene, look_at(scene, read_inputs(scene.stage, FRAME))
        scene, drawn = self._drawn[key]
        asked = shot_words(self.folder, light, as_written(look), "matched")
        matching = matching_of(replace(scene.stage, shot=asked), FRAME)
        made = replace(drawn, matching=matching).composite(drawn.guides)
        crowd = made.layers[-1].rgba[..., 3]
        return made.rgb.astype(np.float32), (crowd > 0.01) | (drawn.shadow.taken().max(axis=-1) > 0.02)


def variants(light: dict[str, Any], look: PlateLook) -> Iterator[tuple[str, dict[str, Any], PlateLook]]:
    """Name, light and look of each composite: plain, then step after step, then all but one."""
    sun = {k: light["sun"][k] for k in ("elevation_deg", "azimuth_deg")}
    plain, have = {"sun": sun}, [s for s in STEPS if getattr(look, s) is not None]
    yield "plain", plain, PlateLook()
    yield "light", light, PlateLook()
    for n in range(1, len(have) + 1):
        yield f"+ {have[n - 1]}", light, only(look, tuple(have[:n]))
    for name in have[:-1]:
        yield f"all but {name}", light, only(look, tuple(n for n in have if n != name))
    yield "all but light", plain, look


# --- comparison -----------------------------------------------------------------------------------------------------


def psnr(a: NDArray[np.uint8], b: NDArray[np.uint8], where: NDArray[np.bool_]) -> float:
    error = (a[where].astype(np.float64) - b[where].astype(np.float64)) / 255
    return float(-10 * np.log10((error**2).mean()))


def region_of(truth: F32, empty: F32) -> NDArray[np.bool_]:
    """Where soldiers and their shadows change the plate, bool [H, W]; without grain."""
    change = np.abs(truth - empty).max(axis=-1)
    return cv2.dilate((change > DIFFERS * np.maximum(empty.max(axis=-1), 0.05)).astype(np.uint8), np.ones((5, 5))) > 0


def compare(plate: Plate, folder: Path) -> dict[str, Any]:
    folder = folder.resolve()
    renders = rendered(folder)
    clear = {name: through_lens(renders[f"{name} {plate.name}"], plate) for name in ("truth", "empty")}
    folder = folder / plate.name
    folder.mkdir(exist_ok=True)
    maker().files.write_plate(
        folder / f"plate.{FRAME}.exr", with_grain(clear["empty"], plate, FRAME), FRAME, LOSSLESS_ENOUGH
    )
    light, look, notes = measured(folder)
    compositor = Compositor(folder)
    made = {name: compositor.picture(*rest) for name, *rest in variants(light, look)}
    where = region_of(clear["truth"], clear["empty"])
    for _, region in made.values():
        where |= region
    where &= ~near_ball(where.shape)
    pictures = {name: rgb for name, (rgb, _) in made.items()}
    pictures["ceiling"] = with_grain(clear["truth"], plate, FRAME + 500)
    truths = with_grain(clear["truth"], plate, FRAME), clear["truth"]
    return {
        "plate": plate.name, "region_share": round(float(where.mean()), 4), "measured": list(look.parts),
        "notes": notes, "steps": compared(pictures, truths, where, folder),
    }  # fmt: skip


def near_ball(shape: tuple[int, int]) -> NDArray[np.bool_]:
    ball = ball_in_picture()
    y, x = np.mgrid[: shape[0], : shape[1]] + 0.5
    return np.hypot(x - ball["centre_px"][0], y - ball["centre_px"][1]) < 1.3 * ball["radius_px"]


def compared(
    pictures: dict[str, F32], truths: tuple[F32, F32], where: NDArray[np.bool_], folder: Path | None
) -> dict[str, dict[str, float]]:
    """truths: with grain and without."""
    color = ColorManager.open(None, {}, SCENE)
    rows, columns = (np.flatnonzero(where.any(axis=axis)) for axis in (1, 0))
    box = np.s_[max(rows[0] - 32, 0) : rows[-1] + 33, max(columns[0] - 32, 0) : columns[-1] + 33]

    def shown(rgb: F32) -> NDArray[np.uint8]:
        part = np.ascontiguousarray(rgb[box])
        return to_display(part, "ACEScg", 1.0, color, part.shape[1], exact=False)

    (truth, clean), where, out = (shown(t) for t in truths), where[box], {}
    for name, rgb in pictures.items():
        picture = shown(rgb)
        out[name] = {
            "psnr_db": round(psnr(picture, truth, where), 2),
            "psnr_clean_db": round(psnr(picture, clean, where), 2),
            "flip": round(float(flip(truth, picture)[where].mean()), 4),
        }
        print(name, out[name], flush=True)
        if folder is not None:
            Image.fromarray(picture).save(folder / f"{name.replace(' ', '_')}.png")
    if folder is not None:
        Image.fromarray(truth).save(folder / "truth.png")
    return out


def measure(keep: Path | None = None) -> dict[str, Any]:
    with tempfile.TemporaryDirectory() as scratch:
        folder = keep or Path(scratch)
        folder.mkdir(parents=True, exist_ok=True)
        return {"frame": FRAME, "plates": [compare(plate, folder) for plate in PLATES]}


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument(
        "--keep", type=Path, help="renders, composites and pictures go there, and renders are used again"
    )
    print(json.dumps(measure(parser.parse_args().keep), indent=1))
