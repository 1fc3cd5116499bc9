"""How still a projected painting holds: the warp error of a fortress on a ridge, painted over in one frame and projected into 24
frames of parallax, against that of the plate's own static ground; and the round trip of a key view that nobody touched.

python benchmarks/painting.py [width]     # 1920

Each pixel is followed to the next frame by its true depth and the true camera, where both frames see the same surface. The
root mean square difference is in stops; `error` divides it by the difference between neighbouring pixels, so that a soft
picture is not better for being soft.
"""

from __future__ import annotations

import json
import sys
import time
from dataclasses import dataclass, replace
from pathlib import Path

import cv2
import numpy as np
from numpy.typing import NDArray

ROOT = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT / "docs"))

from overpaint import overpaint  # noqa: E402

from composer.camera.camera import View  # noqa: E402
from composer.guides.project import KeyPicture, project_paintings  # noqa: E402
from composer.io.content import find_content  # noqa: E402
from composer.render.key_view import KeyView, key_view, mattes_of  # noqa: E402
from composer.render.look import Look, Scene, look_at, read_inputs  # noqa: E402
from composer.render.paintings import key_picture, sight_at  # noqa: E402
from composer.render.people import people_on  # noqa: E402
from composer.shot.load import load_shot  # noqa: E402
from composer.shot.reduced import reduced  # noqa: E402
from composer.shot.stage import prepare  # noqa: E402

F32 = NDArray[np.float32]
KEY, FLOOR, SOLID = 1012, 2.0**-7, 0.999
#: Ground nearer than this is left out: its grass stands up from it by more than a pixel and moves otherwise.
GRASS_M = 60.0
PAINTED = ("ridge", "castle", "wood")


@dataclass(frozen=True)
class Seen:
    """One frame. pictures: float32 [H, W, 3], composites by name. solid: bool [H, W], painted pieces and nothing else; bare:
    the plate's ground and nothing else. depth_m: float32 [H, W] by the same names. piece: uint32 [H, W]."""

    view: View
    pictures: dict[str, F32]
    where: dict[str, NDArray[np.bool_]]
    depth_m: dict[str, F32]
    piece: NDArray[np.uint32]
    unseen: float
    seconds: float


def scene_of(width: int, samples: int = 4) -> Scene:
    stage = prepare(load_shot(find_content("scenes/valley/fortress.yaml")))
    people = people_on(stage)
    return Scene(reduced(stage, width), people, samples, "cpu")


def half(picture: F32) -> F32:
    return picture.astype(np.float16).astype(np.float32)


def key_of(scene: Scene, view: KeyView, painted: F32) -> KeyPicture:
    """The painting (premultiplied, float32 [H, W, 4]) as it comes back out of a half float file."""
    place = scene.environment
    assert place is not None
    rgba = half(painted)
    straight = rgba[..., :3] / np.maximum(rgba[..., 3:], 1e-4)
    return key_picture(place, sight_at(scene, place, view.number, normals=False), straight, rgba[..., 3])


def painted_over(view: KeyView) -> F32:
    return overpaint(view.place, view.passes.normal, mattes_of(view.passes))


def on_pieces(scene: Scene, key: KeyPicture) -> KeyPicture:
    """Only on what a painter would paint: not on the engines in the field."""
    assert scene.environment is not None
    names = scene.environment.names
    ids = np.array([i for i, n in names.items() if n in PAINTED or n.rpartition(".")[0] in PAINTED], np.uint32)
    return key.on(ids)


def composed(scene: Scene, number: int, keys: tuple[KeyPicture, ...]) -> tuple[F32, Look]:
    """The composite with these paintings, and what it was made from."""
    look = replace(look_at(scene, read_inputs(scene.stage, number), keys=keys), matching=None)  # grain moves by itself
    return look.composite(look.guides).rgb.astype(np.float32), look


def seen_at(scene: Scene, number: int, key: KeyPicture) -> Seen:
    place = scene.environment
    rendered, look = composed(scene, number, ())
    painted, _ = composed(scene, number, (key,))
    assert place is not None and look.guides.place is not None
    passes, sight = look.guides.place, sight_at(scene, place, number)
    begin = time.perf_counter()
    unseen = project_paintings(passes, sight, [key]).unseen
    seconds = time.perf_counter() - begin
    ours = np.array([i for i, n in place.names.items() if n in PAINTED or n.rpartition(".")[0] in PAINTED], np.uint32)
    solid = (passes.coverage > SOLID) & np.isin(passes.piece_id, ours) & (sight.piece == sight.piece[..., :1]).all(-1)
    clear = (
        ~look.composite(look.guides).touched
        & (look.matte <= 0)
        & np.isfinite(look.ground_m)
        & (look.ground_m > GRASS_M)
    )
    for one in look.holdouts:
        if isinstance(one.depth_m, np.ndarray):  # trees and stones on the ground are not the ground
            clear &= ~(one.depth_m < 0.97 * look.ground_m)
    return Seen(
        look.views[1], {"painted": painted, "rendered": rendered, "plate": look.plate},
        {"painted": solid, "rendered": solid, "plate": clear},
        {"painted": passes.depth_m, "rendered": passes.depth_m, "plate": look.ground_m}, passes.piece_id, unseen, seconds,
    )  # fmt: skip


def stops(rgb: F32) -> F32:
    return np.log2(np.maximum(rgb, 0) + FLOOR)


def warp_error(now: Seen, later: Seen, name: str) -> tuple[float, float, int]:
    """Sum of squared differences along true motion, of those between neighbours, and how many points. Cubic."""
    kernel = np.ones((3, 3), np.uint8)
    where, where_later = (cv2.erode(s.where[name].astype(np.uint8), kernel) > 0 for s in (now, later))
    where[:, -1] = where[-1] = False
    y, x = np.nonzero(where)
    at = np.stack([x + 0.5, y + 0.5], -1)
    point = now.view.position_m + now.view.rays(at) * now.depth_m[name][y, x, None].astype(np.float64)
    to, depth = later.view.project(point)
    w, h = later.view.size_px
    inside = np.isfinite(to).all(-1) & (to > 2).all(-1) & (to[:, 0] < w - 2) & (to[:, 1] < h - 2)
    to = np.where(inside[:, None], to, 3.0)
    v, u = to[:, 1].astype(int), to[:, 0].astype(int)
    ok = inside & where_later[v, u] & (np.abs(later.depth_m[name][v, u] / depth - 1) < 0.01)
    if name != "plate":
        ok &= later.piece[v, u] == now.piece[y, x]
    y, x, to = y[ok], x[ok], to[ok].astype(np.float32)
    light, there = stops(now.pictures[name]), stops(later.pictures[name])
    strips = np.array_split(to - 0.5, len(to) // 32_000 + 1)  # remap takes no longer rows
    moved = np.concatenate([cv2.remap(there, p[None, :, 0], p[None, :, 1], cv2.INTER_CUBIC)[0] for p in strips])
    here = light[y, x]
    beside = ((here - light[y, x + 1]) ** 2 + (here - light[y + 1, x]) ** 2) / 2
    return float(((here - moved) ** 2).sum()), float(beside.sum()), here.size


def psnr(a: F32, b: F32, where: NDArray[np.bool_]) -> float:
    """Of display-like values (square root, clipped at 1), decibel."""
    off = np.sqrt(a.clip(0, 1)) - np.sqrt(b.clip(0, 1))
    return round(float(-10 * np.log10(np.mean(off[where] ** 2) + 1e-12)), 1)


def measure(scene: Scene | None = None, frames: tuple[int, ...] | None = None) -> dict[str, object]:
    """scene: of the fortress; at full size where not given. frames: in a row, all of the shot where not given."""
    scene = scene or scene_of(1920)
    numbers = frames or scene.stage.plate.frames
    view = key_view(scene, KEY)
    key = on_pieces(scene, key_of(scene, view, painted_over(view)))
    untouched = key_of(scene, view, view.place)
    sums: dict[str, list[tuple[float, float, int]]] = {"painted": [], "rendered": [], "plate": []}
    trips, unseen, seconds = {}, [], []
    before: Seen | None = None
    for number in numbers:
        now = seen_at(scene, number, key)
        unseen.append(now.unseen)
        seconds.append(now.seconds)
        if number in (numbers[0], KEY, numbers[-1]):
            same, _ = composed(scene, number, (untouched,))
            trips[str(number)] = psnr(same, now.pictures["rendered"], np.isfinite(now.depth_m["painted"]))
        if before is not None:
            for name, each in sums.items():
                each.append(warp_error(before, now, name))
        before = now
    error, rms = {}, {}
    for name, each in sums.items():
        off, beside, count = (sum(part[i] for part in each) for i in range(3))
        error[name], rms[name] = round(float(np.sqrt(off / beside)), 4), round(float(np.sqrt(off / count)), 4)
    return {
        "size_px": list(scene.stage.plate.size_px),
        "frames": [numbers[0], numbers[-1]],
        "warp_error": error,
        "warp_rms_stops": rms,
        "painted_to_plate": round(error["painted"] / error["plate"], 3),
        "painted_to_plate_stops": round(rms["painted"] / rms["plate"], 3),
        "points_a_pair": {name: sum(p[2] for p in each) // (3 * len(each)) for name, each in sums.items()},
        "round_trip_psnr_db": trips,
        "unseen_share": [round(min(unseen), 4), round(max(unseen), 4)],
        "projection_s_a_frame": round(float(np.median(seconds)), 3),
    }


if __name__ == "__main__":
    print(json.dumps(measure(scene_of(int(sys.argv[1]) if len(sys.argv) > 1 else 1920)), indent=1))
