"""Things painted out of the plate by a bundle of random weights: once, in the region only, kept, and with the plate's grain."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field, replace
from pathlib import Path

import numpy as np
import pytest

from composer.cli.main import main
from composer.io.image import read_channels
from composer.render.check import check_shot
from composer.render.depends import place_key
from composer.render.job import keys_of, prepare_job, run_job
from composer.render.paint_repair import BundleRepairer
from composer.render.quality import load_quality
from composer.render.repairs import Hole, check_repairs, repaired
from composer.shot.load import load_shot
from composer.shot.stage import Stage
from tests.render.test_match import MATCH
from tests.render.test_repairs import SIZE, asked, marked, moving, post, with_post
from tests.render.test_repairs import field as ground

MakeShot = Callable[..., Path]
REGION = "[[20, 60], [60, 60], [60, 90], [20, 90]]"
BY = "name: van, frame: 1001, polygon_px: " + REGION + ", bundle: tiny-sd15-inpaint"
LINE = "{" + BY + ", prompt: wet grass, seed: 3, steps: 2}"


@pytest.fixture(scope="module")
def models(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Bundles that inpaint, and two that cannot."""
    pytest.importorskip("diffusers")
    from tests.support.bundles import tiny_bundle

    folder = tmp_path_factory.mktemp("models")
    tiny_bundle(folder / "tiny-sd15-inpaint", "sd15-inpaint")
    guided = tiny_bundle(folder / "guided", "sd15-inpaint", options={"masked_picture": "guide"}) / "bundle.yaml"
    guided.write_text(guided.read_text().replace("bundle: tiny-sd15-inpaint", "bundle: guided"))
    tiny_bundle(folder / "tiny-wan-vace", "wan-vace")
    return folder


@dataclass
class Listening:
    """A painter, and what it gave."""

    inner: BundleRepairer
    gave: list[tuple[Hole, np.ndarray]] = field(default_factory=list)

    @property
    def said(self) -> dict[int, tuple[str, ...]]:
        return self.inner.said

    def key(self) -> tuple[object, ...]:
        return self.inner.key()

    def painted(self, stage: Stage, index: int, hole: Hole) -> np.ndarray:
        self.gave.append((hole, self.inner.painted(stage, index, hole)))
        return self.gave[-1][1]


def planes(delivery: Path, number: int) -> dict[str, np.ndarray]:
    path = next((delivery / "exr").glob(f"*{number}.exr"))
    found = read_channels(path, [*"RGB", *(f"repair.{c}" for c in "RGBA"), "crowd.A", "shadow.A"])
    return {
        "rgb": np.stack([found[c] for c in "RGB"], -1), "repair": np.stack([found[f"repair.{c}"] for c in "RGBA"], -1),
        "alone": (found["crowd.A"] == 0) & (found["shadow.A"] == 0),
    }  # fmt: skip


def test_the_key_frame_is_painted_once_and_in_the_region_only(
    make_shot: MakeShot, with_models: Path, tmp_path: Path
) -> None:
    shot = asked(make_shot(frames=2), LINE)
    job = prepare_job(load_shot(shot), tmp_path, load_quality("draft"))
    assert "repair van: tiny-sd15-inpaint (Apache-2.0) paints it out of frame 1001" in job.notes
    painter = job.scene.repair_painter
    assert isinstance(painter, BundleRepairer)
    ear = Listening(painter)
    job = replace(job, scene=replace(job.scene, repair_painter=ear))
    result = run_job(job)
    (hole, picture), *more = ear.gave
    assert not more and hole.mask[75, 40] == 1 and hole.mask.mean() < 0.1
    store = result.delivery / ".muster" / "paintings"
    kept = [(p, p.stat().st_mtime_ns) for p in store.rglob("*.npy")]
    assert len(kept) == 1
    # what is kept is what is laid there: a painted value far from black and white is only decoded
    four = np.load(kept[0][0]).astype(np.float32)
    plain = job.scene.stage.color.from_working(
        painter.range.decode(four[..., :3]), job.scene.stage.plate.delivery_colorspace
    )
    inside = (hole.mask > 0) & (four[..., :3].max(-1) < 0.85) & (four[..., :3].min(-1) > 0.05)
    assert inside.sum() > 200 and np.allclose(picture[inside], plain[inside], rtol=1e-3, atol=1e-3)
    assert np.array_equal(picture[hole.mask == 0], hole.plate[hole.mask == 0])
    assert np.array_equal(hole.filled[hole.mask == 0], hole.plate[hole.mask == 0])
    for number in (1001, 1002):  # locked off
        plate, got = job.scene.stage.plate.read(number), planes(result.delivery, number)
        clean = got["alone"] & (got["repair"][..., 3] == 0)
        assert clean.mean() > 0.5
        assert np.array_equal(got["rgb"][clean].astype(np.float16), plate[clean].astype(np.float16))
        whole = got["alone"] & (got["repair"][..., 3] == 1)
        assert whole.sum() > 300 and np.allclose(got["rgb"][whole], picture[whole], rtol=2e-3, atol=2e-3)
        assert np.abs(got["rgb"] - plate)[whole].mean() > 0.01
    # another job finds all of it, also where only one frame is to be made again
    again = prepare_job(load_shot(shot), tmp_path, load_quality("draft"))
    assert run_job(again).skipped == (1001, 1002)
    before = planes(result.delivery, 1002)["rgb"]
    next((result.delivery / "exr").glob("*1002.exr")).unlink()
    again = prepare_job(load_shot(shot), tmp_path, load_quality("draft"))

    def never(bundle: object) -> None:
        raise AssertionError("painted anew")

    again = replace(
        again, scene=replace(again.scene, repair_painter=replace(again.scene.repair_painter, open_brush=never))
    )
    assert run_job(again).rendered == (1002,)
    assert np.array_equal(planes(result.delivery, 1002)["rgb"], before)
    assert [(p, p.stat().st_mtime_ns) for p in store.rglob("*.npy")] == kept


def test_what_the_model_sees_holds_nothing_of_the_thing(make_shot: MakeShot, with_models: Path, tmp_path: Path) -> None:
    shot = make_shot()
    stage = moving(shot)
    line = f"{{name: post, frame: 1002, polygon_px: {marked(stage)}, bundle: tiny-sd15-inpaint}}"
    stage = replace(stage, shot=load_shot(asked(shot, line)))
    job = prepare_job(stage.shot, tmp_path, load_quality("draft"))
    painter = job.scene.repair_painter
    assert isinstance(painter, BundleRepairer)
    holes = []

    class Brush:
        def paint(self, request):  # type: ignore[no-untyped-def]
            from composer.inference.request import Painting

            holes.append(request)
            return Painting(request.guide.copy(), (), (), {}, {})

    painter = replace(painter, open_brush=lambda bundle: Brush())
    clean = ground(stage, 1002, 0.0)
    plates = {n: with_post(ground(stage, n, 0.0), post(stage, n)) for n in (1001, 1002, 1003)}

    class Plate:
        def __getattr__(self, name: str) -> object:
            return getattr(job.scene.stage.plate, name)

        def read(self, number: int) -> np.ndarray:
            return plates[number]

    stage = replace(stage, plate=Plate())  # type: ignore[arg-type]
    got = repaired(stage, 1002, plates[1002], None, painter)
    assert got is not None and len(holes) == 1
    request = holes[0]
    spoilt = np.abs(plates[1002] - clean).max(-1) > 0.02
    want = painter.range.encode(stage.color.to_working(clean, stage.plate.delivery_colorspace))
    assert request.mask[0][spoilt].all() and np.abs(request.guide[0] - want)[spoilt].max() < 0.08
    assert np.array_equal(request.plate, request.guide)
    # the ground rises towards the camera in inverse depth, and looks up: half of it to the lens' own up and side
    on = request.depth[0][70:, 96]
    assert (np.diff(on) >= 0).all() and on[-1] > on[0] + 0.2
    normal = request.normal[0][90, 96] * 2 - 1
    up = stage.camera.view(1002).camera_from_world[:3, :3] @ np.array([0.0, 1.0, 0.0])
    assert np.allclose(normal, up, atol=0.02)


class Flat:
    """Paints one grey."""

    def __init__(self) -> None:
        self.said: dict[int, tuple[str, ...]] = {}

    def key(self) -> tuple[object, ...]:
        return ()

    def painted(self, stage: Stage, index: int, hole: Hole) -> np.ndarray:
        return np.where(hole.mask[..., None] > 0, np.float32(0.5), hole.plate).astype(np.float32)


def test_a_painted_patch_has_the_plates_grain_of_each_frame(make_shot: MakeShot, with_models: Path) -> None:
    base = make_shot(frames=2)
    line = "{name: van, frame: 1001, polygon_px: [[20, 20], [160, 20], [160, 90], [20, 90]], bundle: tiny-sd15-inpaint}"
    bare = moving(asked(base, line))
    assert any("no match: grain" in n for n in check_repairs(bare))
    locked = prepare_stage(base, line, MATCH)
    assert not any("no match: grain" in n for n in check_repairs(locked))
    patches = []
    for number in (1001, 1002):
        plate = locked.plate.read(number)
        got = repaired(locked, number, plate, None, Flat())
        assert got is not None
        alpha = got.rgba[..., 3]
        assert np.array_equal(got.plate[alpha == 0], plate[alpha == 0])
        patches.append(got.plate[alpha > 0.9999] - 0.5)
    want = 0.5 * (1e-4 + 1e-3)  # half way between levels 0 and 1
    for patch in patches:
        assert len(patch) > 5000 and np.allclose(patch.var(0), want, rtol=0.12)
    assert abs(np.corrcoef(patches[0].ravel(), patches[1].ravel())[0, 1]) < 0.05
    flat = repaired(prepare_stage(base, line, ""), 1001, locked.plate.read(1001), None, Flat())
    assert flat is not None and np.abs(flat.plate[flat.rgba[..., 3] > 0.9999] - 0.5).max() < 1e-4


def prepare_stage(base: Path, line: str, match: str) -> Stage:
    from composer.shot.stage import prepare

    shot = asked(base, line)
    shot.write_text(shot.read_text() + match)
    return prepare(load_shot(shot))


def test_an_artists_picture_gets_the_grain_too(make_shot: MakeShot) -> None:
    base = make_shot(frames=1)
    write_picture(base.with_name("clean.exr"), 0.3)
    stage = prepare_stage(base, "{name: van, frame: 1001, polygon_px: " + REGION + ", picture: clean.exr}", MATCH)
    got = repaired(stage, 1001, stage.plate.read(1001))
    assert got is not None
    patch = got.plate[got.rgba[..., 3] > 0.9999]
    assert np.allclose(patch.var(0), 1e-4 + 0.3 * 9e-4, rtol=0.25) and np.allclose(patch.mean(0), 0.3, atol=0.01)


def write_picture(path: Path, value: float) -> None:
    import OpenImageIO as oiio

    output = oiio.ImageOutput.create("x.exr")
    assert output.open(str(path), oiio.ImageSpec(*SIZE, 3, "float"))
    assert output.write_image(np.full((*SIZE[::-1], 3), value, np.float32))
    output.close()


def test_what_a_repair_is_made_of_is_in_every_frames_key(
    make_shot: MakeShot, with_models: Path, tmp_path: Path
) -> None:
    base = make_shot(frames=2)

    def keys(line: str) -> dict[int, str]:
        job = prepare_job(load_shot(asked(base, line)), tmp_path, load_quality("draft"))
        return {**keys_of(job), 0: place_key(job.scene, 1002)}  # and a key view's of the place

    first = keys(LINE)
    assert keys(LINE) == first
    for other in (LINE.replace("seed: 3", "seed: 4"), LINE.replace("wet", "dry"), LINE.replace("steps: 2", "steps: 3")):
        assert all(keys(other)[n] != first[n] for n in first)
    plate = prepare_job(load_shot(asked(base, LINE)), tmp_path, load_quality("draft")).scene.stage.plate
    write_picture(plate.path(1001), 0.2)  # the key frame's plate
    assert all(keys(LINE)[n] != first[n] for n in first)
    by_hand = "{name: van, frame: 1001, polygon_px: " + REGION + ", picture: clean.exr}"
    write_picture(base.with_name("clean.exr"), 0.3)
    first = keys(by_hand)
    write_picture(base.with_name("clean.exr"), 0.4)
    assert all(keys(by_hand)[n] != first[n] for n in first)


@pytest.mark.parametrize(
    ("more", "told"),
    [
        ("bundle: nothing", "nothing"),
        ("bundle: guided", "guided cannot paint a thing out: it is shown a whole picture"),
        ("bundle: tiny-wan-vace", "cannot paint a thing out: it paints windows of frames"),
        ("clone_px: [80, 0], prompt: grass", "this tells a bundle how to paint"),
        ("picture: a.exr, seed: 3", "this tells a bundle how to paint"),
        ("clone_px: [80, 0], bundle: tiny-sd15-inpaint", "just one of these keys is needed"),
        ("bundle: tiny-sd15-inpaint, colorspace: ACEScg", "the plate has a space of its own"),
        ("bundle: tiny-sd15-inpaint, steps: 0", "steps"),
    ],
)
def test_mistakes_are_told_at_their_line_and_nothing_is_written(
    make_shot: MakeShot, with_models: Path, tmp_path: Path, more: str, told: str
) -> None:
    shot = asked(make_shot(frames=1), "{name: van, frame: 1001, polygon_px: " + REGION + ", " + more + "}")
    errors = check_shot(shot).errors
    assert len(errors) == 1 and told in errors[0].line() and errors[0].where.line
    assert main(["render", str(shot), "--quality", "draft", "--out", str(tmp_path / "o"), "--device", "cpu"]) == 2
    assert not (tmp_path / "o").exists()


def test_a_quality_that_is_not_painted_leaves_the_thing_and_says_so(
    make_shot: MakeShot, with_models: Path, tmp_path: Path
) -> None:
    shot = asked(make_shot(frames=1), LINE)
    job = prepare_job(load_shot(shot), tmp_path, load_quality("preview"))
    assert any("the plate keeps what bundles are to paint out: van" in n for n in job.notes)
    stage = job.scene.stage
    plate = stage.plate.read(1001)
    got = repaired(stage, 1001, plate)
    assert got is not None and np.array_equal(got.plate, plate) and not got.rgba.any()
