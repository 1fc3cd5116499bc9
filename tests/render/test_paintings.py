"""Matte paintings from shot.yaml to delivery: out for a painter, in again, seen from the frames; mistakes at their line."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import OpenImageIO as oiio
import pytest

from composer.cli.main import main
from composer.errors import InputErrors
from composer.io.exr import read_exr_parts, read_header
from composer.io.image import read_channels, read_image
from composer.render.check import check_shot
from composer.render.job import prepare_job, run_job
from composer.render.paintings import key_picture, with_paintings
from composer.render.quality import load_quality
from composer.shot.load import load_shot

MakeShot = Callable[..., Path]
#: Far enough from the crowd that none of its shadows falls on it.
PLACE = """\
environment:
  seed: 3
  terrain:
    - {name: hill, polygon_m: [[-40, -60], [40, -60], [40, -34], [-40, -34]], height_m: 9, falloff_m: 12, cell_m: 1.5}
  pieces:
    - {name: keep, kind: tower, at_m: [6, -46], size_m: 10}
    - {name: camp, kind: tent, polygon_m: [[-25, -32], [-10, -32], [-10, -40], [-25, -40]], count: 2, spacing_m: 5}
  haze: {visibility_m: 300, color: [0.5, 0.5, 0.55]}  # thick
"""


@pytest.fixture
def shot(make_shot: MakeShot) -> Path:
    """The tiny shot with a hill, a keep and a camp."""
    path = make_shot(frames=2)
    path.write_text(path.read_text().replace("crowd:\n", PLACE + "crowd:\n", 1))
    return path


def rendered(shot: Path, out: Path, frame: int = 1001, quality: str = "final") -> dict[str, np.ndarray]:
    result = run_job(prepare_job(load_shot(shot), out, load_quality(quality), frames=(frame,)))
    path = next((result.delivery / "exr").glob(f"*{frame}.exr"))
    names = [*"RGB", *(f"environment.{c}" for c in "RGBA"), "environment_depth.Z", "crowd.A"]
    planes = read_channels(path, names)
    return {
        "rgb": np.stack([planes[c] for c in "RGB"], -1),
        "place": np.stack([planes[f"environment.{c}"] for c in "RGBA"], -1),
        "depth": planes["environment_depth.Z"],
        "crowd": planes["crowd.A"],
    }


def paint_out(shot: Path, out: Path, *more: str) -> Path:
    assert main(["paint", "out", str(shot), "--frame", "1001", "--out", str(out), "--device", "cpu", *more]) == 0
    return out / "tiny" / "paint" / "tiny_key.1001.exr"


def test_out_and_in_again_unchanged_gives_the_same_picture(shot: Path, tmp_path: Path) -> None:
    before, text = rendered(shot, tmp_path / "a"), shot.read_text()
    key = paint_out(shot, tmp_path / "keys")
    assert shot.read_text() == text
    assert main(["paint", "in", str(shot), str(key)]) == 0  # the frame is in the file
    added = set(shot.read_text().splitlines()) - set(text.splitlines())
    assert len(added) == 2 and "# thick" in shot.read_text()
    after = rendered(shot, tmp_path / "b")
    there = np.isfinite(before["depth"])
    assert there.mean() > 0.15
    assert np.array_equal(before["rgb"][~there], after["rgb"][~there])
    off = np.abs(after["rgb"] - before["rgb"]).max(-1)
    # half float in the key view and in the delivery, the haze taken out and put back, places to a thousandth of a pixel
    assert off[there & (before["crowd"] == 0)].max() < 2e-3
    # where a soldier cuts through a pixel of two pieces, the painting knows only their mean
    assert off[there].max() < 0.02
    assert np.array_equal(before["place"][..., 3], after["place"][..., 3])


def test_a_key_view_holds_what_a_painter_needs(shot: Path, tmp_path: Path) -> None:
    key = paint_out(shot, tmp_path, "--png")
    parts = {p.name: p for p in read_exr_parts(key)}
    assert set(parts) == {"rgba", "over", "plate", "depth", "normal", "mattes"}
    assert set(parts["mattes"].channels) == {"hill", "keep", "camp"}
    assert read_header(key).parts[0].attributes["muster:key_frame"] == 1001
    rgba, info = read_image(key)
    assert info.size_px == (192, 108) and rgba.shape[-1] == 4
    mattes = sum(m.astype(float) for m in parts["mattes"].channels.values())
    assert np.abs(mattes - rgba[..., 3]).max() < 2e-3
    straight, _ = read_image(key.with_suffix(".png"))
    whole = rgba[..., 3] > 0.999
    linear = rgba[whole][:, :3] @ np.eye(3)  # the plate is linear Rec.709 already
    encoded = np.where(linear < 0.0031308, 12.92 * linear, 1.055 * np.maximum(linear, 0) ** (1 / 2.4) - 0.055)
    assert np.abs(straight[whole][:, :3] - encoded.clip(0, 1)).max() < 2e-3
    over, _ = read_image(key.with_name(key.stem + "_over.png"))
    assert over.shape == (108, 192, 3)


def painted_red(key: Path, target: Path, alpha: bool) -> Path:
    """The key view painted plain red, as a paint program would save it: with the place's alpha, or without any."""
    rgba, _ = read_image(key)
    picture = np.zeros_like(rgba)
    picture[..., 0], picture[..., 3] = 0.5, 1
    if alpha:
        picture *= rgba[..., 3:]
    count = 4 if alpha else 3
    spec = oiio.ImageSpec(192, 108, count, "half" if target.suffix == ".exr" else "uint16")
    output = oiio.ImageOutput.create(str(target))
    assert output.open(str(target), spec) and output.write_image(np.ascontiguousarray(picture[..., :count]))
    output.close()
    return target


@pytest.mark.parametrize("alpha", [True, False])
def test_a_repainted_key_view_is_projected_with_its_air(shot: Path, tmp_path: Path, alpha: bool) -> None:
    key = paint_out(shot, tmp_path / "keys")
    red = painted_red(key, shot.with_name("red.exr"), alpha)
    assert main(["paint", "in", str(shot), str(red), "--frame", "1001"]) == 0
    assert "picture: red.exr" in shot.read_text()
    got = rendered(shot, tmp_path / "b", 1002)["place"]  # the camera is locked off: the same place
    solid = got[..., 3] > 0.999
    assert solid.sum() > 2000
    assert np.abs(got[solid] - [0.5, 0, 0, 1]).max() < 4e-3
    soft = (got[..., 3] > 0.05) & ~solid & (got[..., 1] >= 0)
    assert np.abs(got[soft][:, 0] / got[soft][:, 3] - 0.5).max() < 0.02  # no fringe


def test_only_the_pieces_named(shot: Path, tmp_path: Path) -> None:
    before = rendered(shot, tmp_path / "a")
    painted_red(paint_out(shot, tmp_path / "keys"), shot.with_name("red.png"), False)
    line = "  paintings: [{frame: 1001, picture: red.png, pieces: [camp]}]\n  haze"
    shot.write_text(shot.read_text().replace("  haze", line))
    after = rendered(shot, tmp_path / "b")
    changed = np.abs(after["rgb"] - before["rgb"]).max(-1) > 1e-3
    mattes = {p.name: p for p in read_exr_parts(tmp_path / "keys" / "tiny" / "paint" / "tiny_key.1001.exr")}["mattes"]
    camp = mattes.channels["camp"].astype(float) > 0
    assert changed.any() and not changed[~camp].any()


def test_without_a_frame_out_takes_one_and_says_why(shot: Path, tmp_path: Path, capsys) -> None:  # type: ignore[no-untyped-def]
    assert main(["paint", "out", str(shot), "--out", str(tmp_path / "k"), "--device", "cpu"]) == 0
    assert "tiny_key.1002.exr" in capsys.readouterr().out  # the middle of two


def test_frames_are_made_again_when_the_painting_changes(shot: Path, tmp_path: Path) -> None:
    red = painted_red(paint_out(shot, tmp_path / "keys"), shot.with_name("red.exr"), False)
    assert main(["paint", "in", str(shot), str(red), "--frame", "1001"]) == 0

    def again() -> tuple[int, ...]:
        return run_job(prepare_job(load_shot(shot), tmp_path / "out", load_quality("preview"), frames=(1001,))).rendered

    assert again() == (1001,) and again() == ()
    pixels, _ = read_image(red)
    output = oiio.ImageOutput.create(str(red))
    assert output.open(str(red), oiio.ImageSpec(192, 108, 3, "half")) and output.write_image(pixels * 0.5)
    output.close()
    assert again() == (1001,)


@pytest.mark.parametrize(
    ("line", "told"),
    [
        ("{frame: 1001, picture: gone.exr}", "gone.exr"),
        ("{frame: 1001, picture: small.exr}", "a painting has the plate's size: expected 192 x 108, got 96 x 54"),
        ("{frame: 1009, picture: small.exr}", "a painting of a frame that the plate has not: expected 1001-1002"),
        ("{frame: 1001}", "just one of these keys is needed"),
        ("{frame: 1001, picture: a.exr, prompt: snow}", "this tells a bundle how to paint"),
        ("{frame: 1001, picture: a.exr, pieces: [moat]}", "a painting on a part that the place lacks"),
        ("{frame: 1001, picture: a.exr, colour: red}", "colour"),
    ],
)
def test_mistakes_are_told_once_at_their_line(shot: Path, line: str, told: str) -> None:
    output = oiio.ImageOutput.create(str(shot.with_name("small.exr")))
    assert output.open(str(shot.with_name("small.exr")), oiio.ImageSpec(96, 54, 3, "half"))
    assert output.write_image(np.zeros((54, 96, 3), np.float32))
    output.close()
    shot.write_text(shot.read_text().replace("  haze", f"  paintings:\n    - {line}\n  haze"))
    errors = check_shot(shot).errors
    assert len(errors) == 1 and told in errors[0].line()
    assert errors[0].where.line and errors[0].where.line in range(10, 40)


def test_in_refuses_what_cannot_be_and_writes_nothing(shot: Path, tmp_path: Path, capsys) -> None:  # type: ignore[no-untyped-def]
    key, text = paint_out(shot, tmp_path / "keys"), shot.read_text()
    for more, told in (
        (("--frame", "1002"), "a painting of another frame: expected 1002, got 1001"),
        (("--frame", "1050"), "the plate has no such frame"),
        (("--colorspace", "no such"), "unknown colour space"),
    ):
        assert main(["paint", "in", str(shot), str(key), *more]) == 2
        assert told in capsys.readouterr().err
    damaged = shot.with_name("damaged.exr")
    damaged.write_bytes(key.read_bytes()[:-5000])
    assert main(["paint", "in", str(shot), str(damaged), "--frame", "1001"]) == 2
    assert shot.read_text() == text


def test_two_paintings_of_one_frame_need_pieces(shot: Path) -> None:
    twice = "  paintings: [{frame: 1001, picture: a.exr}, {frame: 1001, picture: b.exr}]\n  haze"
    shot.write_text(shot.read_text().replace("  haze", twice))
    with pytest.raises(InputErrors, match="two paintings of one frame"):
        load_shot(shot)


def test_a_shot_without_paintings_is_left_alone(make_shot: MakeShot) -> None:
    from composer.render.look import Scene, look_at, read_inputs
    from composer.render.people import people_on
    from composer.shot.stage import prepare

    stage = prepare(load_shot(make_shot(frames=1)))
    scene = Scene(stage, people_on(stage), 1, "cpu")
    look = look_at(scene, read_inputs(stage, 1001))
    assert with_paintings(scene, look.guides, 1001).guides is look.guides and callable(key_picture)


def test_a_bundle_paints_a_key_view_once_and_on_the_place_only(shot: Path, with_models: Path, tmp_path: Path) -> None:
    line = "  paintings: [{frame: 1001, bundle: tiny-sd15, strength: 0.9, prompt: a ruin, seed: 3, steps: 2}]\n  haze"
    bare = rendered(shot, tmp_path / "bare", quality="draft")
    shot.write_text(shot.read_text().replace("  haze", line))
    job = prepare_job(load_shot(shot), tmp_path / "out", load_quality("draft"), frames=(1001,))
    assert any("tiny-sd15" in n for n in job.notes)
    painted = rendered(shot, tmp_path / "out", quality="draft")
    there = np.isfinite(bare["depth"])
    changed = np.abs(painted["rgb"] - bare["rgb"]).max(-1) > 0.01
    assert changed[there].mean() > 0.5 and not changed[~there].any()
    store = tmp_path / "out" / "tiny" / "v001" / ".muster" / "paintings"
    kept = [(p, p.stat().st_mtime_ns) for p in store.rglob("*.npy")]
    assert len(kept) == 1
    second = rendered(shot, tmp_path / "out", 1002, quality="draft")  # locked off: the same place
    assert [(p, p.stat().st_mtime_ns) for p in store.rglob("*.npy")] == kept
    both = there & (painted["place"][..., 3] > 0.999) & (second["place"][..., 3] > 0.999)
    assert np.abs(painted["rgb"] - second["rgb"])[both].max() < 5e-3
    preview = prepare_job(load_shot(shot), tmp_path / "p", load_quality("preview"))
    assert any("key views of bundles are left" in n for n in preview.notes)


def test_a_bundle_that_is_not_there_is_told_at_its_line(shot: Path, with_models: Path, tmp_path: Path) -> None:
    shot.write_text(shot.read_text().replace("  haze", "  paintings: [{frame: 1001, bundle: nothing}]\n  haze"))
    with pytest.raises(InputErrors, match="nothing") as error:
        prepare_job(load_shot(shot), tmp_path, load_quality("draft"))
    assert error.value.errors[0].where.line
