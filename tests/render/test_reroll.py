"""Re-roll: of a thousand soldiers one is painted anew, and no pixel outside his grown matte changes, in any part."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import cv2
import numpy as np
import OpenImageIO as oiio
import pytest

from composer.cli.main import main
from composer.errors import InputError, InputErrors
from composer.io.files import sha256_file
from composer.render.approved import RerollAsk, prepare_reroll
from composer.render.job import JobResult, keys_of, prepare_job, run_job
from composer.render.quality import load_quality
from composer.render.ready import Job
from composer.render.roll import reroll_grow_px
from composer.shot.load import load_shot
from tests.support.brushes import NoiseBrush, brushed

Make = Callable[..., Path]
TINY = "paint: {bundle: tiny-sd15, strength: 0.7}"
STEADY = "paint: {bundle: tiny-sd15, strength: 0.7, steady: true}"


def approve(shot: Path, out: Path, **options: object) -> JobResult:
    return run_job(brushed(prepare_job(load_shot(shot), out, load_quality("draft"), **options)))


def reroll(shot: Path, out: Path, *agents: str, frames: list[int] | None = None, **ask: str) -> tuple[Job, JobResult]:
    job = brushed(prepare_reroll(load_shot(shot), out, RerollAsk(agents, **ask), frames=frames))
    return job, run_job(job)


def channels(path: Path) -> dict[str, np.ndarray]:
    """Every channel of every part over the display window, as its bits, by OpenImageIO."""
    found: dict[str, np.ndarray] = {}
    source, index = oiio.ImageInput.open(str(path)), 0
    while source.seek_subimage(index, 0):
        spec, index = source.spec(), index + 1
        pixels = source.read_image(index - 1, 0, 0, spec.nchannels, oiio.FLOAT)
        for i, name in enumerate(spec.channelnames):
            empty = np.inf if name.endswith("Z") and spec["name"] == "depth" else 0
            whole = np.full((spec.full_height, spec.full_width), empty, np.float32)
            whole[spec.y : spec.y + spec.height, spec.x : spec.x + spec.width] = pixels[..., i]
            found[f"{spec['name']}/{name}"] = whole.view(np.uint32)
    return found


def deep_bits(path: Path, height: int, width: int) -> list[list[tuple[float, ...]]]:
    """Each pixel's samples, one by one."""
    source = oiio.ImageInput.open(str(path))
    spec, data = source.spec(), source.read_native_deep_image()
    out: list[list[tuple[float, ...]]] = [[] for _ in range(height * width)]
    for y in range(spec.height):
        for x in range(spec.width):
            p = y * spec.width + x
            values = [
                tuple(data.deep_value(p, c, s) for c in range(data.channels)) for s in range(data.samples(p))
            ]  # fmt: skip
            out[(y + spec.y) * width + x + spec.x] = values
    return out


def matte_of(approved: dict[str, np.ndarray], name: str) -> np.ndarray:
    """bool [H, W]: where the Cryptomatte has any of him."""
    from composer.deliver.cryptomatte import name_hash

    seen = np.zeros(next(iter(approved.values())).shape, bool)
    for level in range(3):
        for rank, cover in (("R", "G"), ("B", "A")):
            mine = approved[f"crypto_agent0{level}/crypto_agent0{level}.{rank}"] == name_hash(name)
            seen |= mine & (approved[f"crypto_agent0{level}/crypto_agent0{level}.{cover}"] != 0)
    return seen


def outside(matte: np.ndarray, grow_px: float) -> np.ndarray:
    """bool [H, W]: pixels whose centre is farther than that from every pixel of the matte, one by one."""
    y, x = np.mgrid[: matte.shape[0], : matte.shape[1]]
    nearest = np.full(matte.shape, np.inf)
    for my, mx in np.argwhere(matte):
        np.minimum(nearest, np.hypot(y - my, x - mx), out=nearest)
    return nearest > grow_px


def key_names(found: dict[str, np.ndarray]) -> dict[str, np.ndarray]:
    """Channel names with the part once, however the reader gives them."""
    return {f"{k.split('/')[0]}/{k.split('/')[0]}.{k.rsplit('.', 1)[-1].split('/')[-1]}": v for k, v in found.items()}


@pytest.fixture
def thousand(paint_shot: Make) -> Path:
    shot = paint_shot(TINY, "delivery: {deep: true, light_set: true}", count=1000, frames=1)
    text = shot.read_text().replace(
        "[[-6, -9], [6, -9], [6, -22], [-6, -22]]", "[[-14, -9], [14, -9], [30, -70], [-30, -70]]"
    )
    shot.write_text(text)
    return shot


def test_of_a_thousand_one_changes_and_nothing_else(thousand: Path, with_models: Path, tmp_path: Path) -> None:
    out = tmp_path / "out"
    approved = approve(thousand, out)
    assert approved.soldiers == 1000
    before_file = next((approved.delivery / "exr").iterdir())
    digest, before = sha256_file(before_file), key_names(channels(before_file))
    name = _most_seen(before, approved)
    job, result = reroll(thousand, out, name)
    assert result.delivery.name == "v001_r1" and sha256_file(before_file) == digest
    after = key_names(channels(next((result.delivery / "exr").iterdir())))
    matte = matte_of(before, name)
    painter = job.scene.painter
    assert painter is not None and matte.any()
    away = outside(matte, reroll_grow_px(painter))
    assert set(after) == set(before)
    changed = np.zeros(matte.shape, bool)
    for channel, bits in before.items():
        changed |= bits != after[channel]
    assert np.count_nonzero(changed & away) == 0, [c for c, b in before.items() if ((b != after[c]) & away).any()]
    assert np.count_nonzero(changed & matte) > 0.5 * np.count_nonzero(matte)
    h, w = matte.shape
    one, two = (deep_bits(next((d / "deep").iterdir()), h, w) for d in (approved.delivery, result.delivery))
    differ = np.array([a != b for a, b in zip(one, two, strict=True)]).reshape(h, w)
    assert np.count_nonzero(differ & away) == 0 and differ.any()
    record = json.loads(result.manifest.read_text())
    told = record["frames"][0]["paint"]["reroll"]
    assert record["reroll"] == told and told["parent"] == "v001" and told["names"] == [name]
    assert told["seed"] != record["paint"]["seed"]


def _most_seen(found: dict[str, np.ndarray], approved: JobResult) -> str:
    """Somebody with many pixels, and with others before and behind him."""
    ids, counts = np.unique(found["crypto_agent00/crypto_agent00.R"], return_counts=True)
    from composer.io.exr import read_exr_parts

    part = next(p for p in read_exr_parts(next((approved.delivery / "exr").iterdir())) if p.name == "crypto_agent00")
    key = next(k for k, v in part.attributes.items() if v == "crypto_agent")
    names = json.loads(part.attributes[key.replace("/name", "/manifest")])
    code = {int(v, 16): k for k, v in names.items()}
    order = [int(i) for i in ids[np.argsort(-counts)] if int(i) in code]
    return code[order[3]]


def test_the_untouched_digest_is_that_of_the_new_file(paint_shot: Make, with_models: Path, tmp_path: Path) -> None:
    import hashlib

    shot, out = paint_shot(TINY, frames=1), tmp_path / "out"
    approve(shot, out)
    _, result = reroll(shot, out, "host.00003")
    path = next((result.delivery / "exr").iterdir())
    found = key_names(channels(path))
    touched = (found["crowd/crowd.A"] != 0) | (found["shadow/shadow.A"] != 0)
    rgb = np.stack([found[f"rgba/rgba.{c}"].view(np.float32) for c in "RGB"], -1)[~touched].astype("<f2")
    head = json.loads(result.manifest.read_text())["frames"][0]
    assert head["untouched_sha256"] == hashlib.sha256(np.ascontiguousarray(rgb)).hexdigest()


def test_versions_count_up_are_another_roll_and_are_made_again_the_same(
    paint_shot: Make, with_models: Path, tmp_path: Path
) -> None:
    shot, out = paint_shot(TINY, frames=1), tmp_path / "out"
    approve(shot, out)
    _, first = reroll(shot, out, "host.00003")
    _, second = reroll(shot, out, "host.00003")
    _, third = reroll(shot, out, "host.00004", approved="v001_r1")
    _, named = reroll(shot, out, "host.00003", version="v009")
    names = [r.delivery.name for r in (first, second, third, named)]
    assert names == ["v001_r1", "v001_r2", "v001_r3", "v009"]
    files = [next((r.delivery / "exr").iterdir()) for r in (first, second, third, named)]
    pictures = [key_names(channels(f))["rgba/rgba.R"] for f in files]
    assert not np.array_equal(pictures[0], pictures[1])
    # the third has both: the first's soldier, and his neighbour anew
    assert not np.array_equal(pictures[0], pictures[2])
    digest = sha256_file(files[3])
    files[3].unlink()
    _, again = reroll(shot, out, "host.00003", version="v009")
    assert again.rendered == (1001,) and sha256_file(files[3]) == digest
    with pytest.raises(InputError, match="such a version already"):
        reroll(shot, out, "host.00005", version="v009")


def test_a_stopped_reroll_goes_on(
    paint_shot: Make, with_models: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    import composer.render.job as jobs

    shot, out = paint_shot(TINY, frames=2), tmp_path / "out"
    approve(shot, out)
    real = jobs.reroll_frame

    def stop(scene, inputs, *rest):  # type: ignore[no-untyped-def]
        if inputs.number == 1002:
            raise KeyboardInterrupt
        return real(scene, inputs, *rest)

    monkeypatch.setattr(jobs, "reroll_frame", stop)
    with pytest.raises(KeyboardInterrupt):
        reroll(shot, out, "host.00003")
    monkeypatch.setattr(jobs, "reroll_frame", real)
    _, rest = reroll(shot, out, "host.00003")
    assert rest.delivery.name == "v001_r1" and rest.skipped == (1001,) and rest.rendered == (1002,)


def test_one_who_is_not_seen_changes_nothing(thousand: Path, with_models: Path, tmp_path: Path) -> None:
    out = tmp_path / "out"
    approved = approve(thousand, out)
    before = key_names(channels(next((approved.delivery / "exr").iterdir())))
    job = prepare_reroll(load_shot(thousand), out, RerollAsk(("host.00000",)))
    everyone = job.scene.people.names.agent.values()
    hidden = next(n for n in everyone if not matte_of(before, n).any())
    _, result = reroll(thousand, out, hidden)
    after = key_names(channels(next((result.delivery / "exr").iterdir())))
    assert all(np.array_equal(bits, after[c]) for c, bits in before.items())
    assert "none of them is seen" in json.loads(result.manifest.read_text())["frames"][0]["paint"]["notes"]


def test_what_cannot_be_rerolled_is_told_and_nothing_is_written(
    paint_shot: Make, with_models: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    shot, out = paint_shot(TINY, frames=1), tmp_path / "out"

    def said(*arguments: str) -> str:
        assert main(["render", str(shot), "--out", str(out), *arguments]) == 2
        return capsys.readouterr().err

    assert "no such version to re-roll in" in said("--reroll", "host.00003")
    assert not out.exists()
    assert main(["render", str(shot), "--out", str(out)]) == 0  # a preview
    capsys.readouterr()
    assert "this version was not painted: got quality preview" in said("--reroll", "host.00003")
    approved = approve(shot, out)
    there = sorted(p.name for p in out.rglob("*"))
    assert "got host.0003; did you mean host.000" in said("--reroll", "host.0003")
    assert "a preview is not painted: nothing to re-roll" in said("--reroll", "host.00003", "--quality", "preview")
    assert "expected 1001, got 1002" in said("--reroll", "host.00003", "--frames", "1002")
    assert "expected v001, got" in said("--reroll", "host.00003", "--approved", "v007")
    assert sorted(p.name for p in out.rglob("*")) == there
    file = next((approved.delivery / "exr").iterdir())
    file.write_bytes(file.read_bytes()[:-1])
    with pytest.raises(InputErrors, match="not the one that was rendered"):
        prepare_reroll(load_shot(shot), out, RerollAsk(("host.00003",)))


def test_a_smaller_version_is_rerolled_at_its_own_size(paint_shot: Make, with_models: Path, tmp_path: Path) -> None:
    shot, out = paint_shot(TINY.replace("}", ", steady: true}"), frames=3), tmp_path / "out"
    approved = approve(shot, out, width_px=128)
    assert approved.delivery.name == "v001_w128"
    job, done = reroll(shot, out, "host.00003", approved="v001_w128", frames=[1002])
    assert job.delivery.name == "v001_w128_r1" and done.rendered == (1002,)
    was, now = (channels(next((r.delivery / "exr").glob("*.1002.exr"))) for r in (approved, done))
    differs = np.logical_or.reduce([was[k] != now[k] for k in was])
    assert was.keys() == now.keys() and differs.shape[1] == 128 and 0 < differs.sum() < 0.5 * differs.size
    told = json.loads((approved.delivery / "manifest.json").read_text())
    for size in ([128, 90], [256, 144]):
        (approved.delivery / "manifest.json").write_text(json.dumps({**told, "size_px": size}))
        with pytest.raises(InputError, match=f"another shape than the plate has now.*got {size[0]} x {size[1]}"):
            reroll(shot, out, "host.00003", approved="v001_w128")


def test_a_rolled_soldier_is_averaged_as_the_others_are(paint_shot: Make, with_models: Path, tmp_path: Path) -> None:
    """Screen noise is another in each frame: the mean of three frames has less fine contrast than one."""
    contrast = {}
    for steady in ("true", "false"):
        paint = STEADY.replace("steady: true", f"noise: screen, steady: {steady}")
        shot, out = paint_shot(paint, frames=3), tmp_path / steady
        approved = approve(shot, out)
        name = _most_seen(key_names(channels(_frame(approved, 1002))), approved)
        _, done = reroll(shot, out, name)
        found = key_names(channels(_frame(done, 1002)))
        whole = found["crowd/crowd.A"].view(np.float32) > 0.99
        inside = matte_of(found, name) & whole
        crowd = np.stack([found[f"crowd/crowd.{c}"].view(np.float32) for c in "RGB"], -1)
        contrast[steady] = float((crowd - cv2.blur(crowd, (3, 3)))[inside].std())
        record = json.loads(done.manifest.read_text())["frames"]
        assert inside.sum() > 50
        assert [f["paint"]["frames"] for f in record] == (
            [[1001, 1002], [1001, 1002, 1003], [1002, 1003]] if steady == "true" else [[1001], [1002], [1003]]
        )
    assert contrast["true"] < 0.85 * contrast["false"]


def test_an_averaged_roll_of_one_frame_is_that_of_the_sequence(
    paint_shot: Make, with_models: Path, tmp_path: Path
) -> None:
    shot, out, brush = paint_shot(STEADY, frames=3), tmp_path / "out", NoiseBrush()
    approve(shot, out)
    whole = run_job(brushed(prepare_reroll(load_shot(shot), out, RerollAsk(("host.00003",))), brush))
    assert sorted(r.frames for r in brush.asked) == [(1001,), (1002,), (1003,)]  # each once
    _, one = reroll(shot, out, "host.00003", frames=[1002], version="v001_r1")
    assert one.skipped == (1002,)
    digest = sha256_file(_frame(whole, 1002))
    _frame(whole, 1002).unlink()
    _, one = reroll(shot, out, "host.00003", frames=[1002], version="v001_r1")
    assert one.rendered == (1002,) and sha256_file(_frame(one, 1002)) == digest


def test_a_roll_is_averaged_with_what_was_approved_beside_it(
    paint_shot: Make, with_models: Path, tmp_path: Path
) -> None:
    shot, out = paint_shot(STEADY, frames=3), tmp_path / "out"
    approve(shot, out, frames=[1002])
    job, alone = reroll(shot, out, "host.00003", frames=[1002])
    assert json.loads(alone.manifest.read_text())["frames"][0]["paint"]["frames"] == [1002]
    approved = approve(shot, out)
    again = brushed(prepare_reroll(load_shot(shot), out, RerollAsk(("host.00003",), version="v001_r1"), frames=[1002]))
    assert keys_of(job) != keys_of(again)
    result = run_job(again)
    assert result.rendered == (1002,)
    assert json.loads(result.manifest.read_text())["frames"][0]["paint"]["frames"] == [1001, 1002, 1003]
    _frame(approved, 1003).write_bytes(b"cut off")
    with pytest.raises(InputErrors, match="not the one that was rendered") as found:
        prepare_reroll(load_shot(shot), out, RerollAsk(("host.00003",)), frames=[1002])
    assert found.value.errors[0].where is not None and found.value.errors[0].where.frame == 1003


def _frame(result: JobResult, number: int) -> Path:
    return next((result.delivery / "exr").glob(f"*.{number}.exr"))


def test_a_shot_that_has_changed_since_is_refused(paint_shot: Make, with_models: Path, tmp_path: Path) -> None:
    shot, out = paint_shot(TINY, frames=1), tmp_path / "out"
    approve(shot, out)
    text = shot.read_text()
    shot.write_text(text.replace("heading_deg: 180", "heading_deg: 170"))
    with pytest.raises(InputError, match="the shot has changed since this version was rendered"):
        reroll(shot, out, "host.00003")
    shot.write_text(text.replace("delivery: {}", "") + "delivery: {parts: [crowd]}\n")
    with pytest.raises(InputError, match="needs this part in the approved files: expected shadow"):
        reroll(shot, out, "host.00003")
    assert not (out / "tiny" / "v001_r1").exists()


@pytest.fixture
def tracked(paint_shot: Make) -> Callable[[float], Path]:
    """Three frames through a camera whose last position can be moved sideways by so many metres."""

    def make(aside_m: float) -> Path:
        shot = paint_shot(TINY, frames=3)
        text = shot.read_text().splitlines()
        text = [
            "camera: {path: cam.chan, rotation_order: ZXY, filmback_mm: [36, 20.25]}" if t.startswith("camera:") else t
            for t in text
        ]
        shot.write_text("\n".join(text) + "\n")
        x = (0.0, 0.0, aside_m)
        rows = [f"{1001 + i} {x[i]:.3f} 1.7 0 -4 0 0 35" for i in range(3)]
        (shot.parent / "cam.chan").write_text("\n".join(rows) + "\n")
        return shot

    return make


def test_a_change_in_a_later_frame_is_found(
    tracked: Callable[[float], Path], with_models: Path, tmp_path: Path
) -> None:
    out, shot = tmp_path / "out", tracked(0.0)
    approve(shot, out)
    tracked(0.4)
    with pytest.raises(InputError, match="the shot has changed since") as found:
        prepare_reroll(load_shot(shot), out, RerollAsk(("host.00003",)))
    assert found.value.where is not None and found.value.where.frame == 1003
    # the first frame alone is what it was
    prepare_reroll(load_shot(shot), out, RerollAsk(("host.00003",)), frames=[1001])


def test_frames_of_its_window_are_held_against_the_approved_ones_too(
    tracked: Callable[[float], Path], with_models: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    import composer.render.painters as painters

    monkeypatch.setattr(painters, "window_of", lambda bundle: 3)
    out, shot = tmp_path / "out", tracked(0.0)
    approve(shot, out)
    tracked(0.4)
    with pytest.raises(InputError, match="the shot has changed since") as found:
        prepare_reroll(load_shot(shot), out, RerollAsk(("host.00003",)), frames=[1001])
    assert found.value.where is not None and found.value.where.frame == 1003


def test_what_is_made_of_the_same_things_is_not_drawn_to_know_it(
    tracked: Callable[[float], Path], with_models: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    import composer.render.approved as approving

    out, shot = tmp_path / "out", tracked(0.0)
    approve(shot, out)
    drawn: list[int] = []
    real = approving.look_at
    monkeypatch.setattr(approving, "look_at", lambda scene, inputs: drawn.append(inputs.number) or real(scene, inputs))
    prepare_reroll(load_shot(shot), out, RerollAsk(("host.00003",)))
    assert drawn == []
    (shot.parent / "plate.1003.exr").write_bytes((shot.parent / "plate.1001.exr").read_bytes())
    prepare_reroll(load_shot(shot), out, RerollAsk(("host.00003",)))
    assert drawn == [1003]  # another plate: the soldiers still stand where they stood


def test_another_bundle_than_the_approved_one_is_refused(paint_shot: Make, with_models: Path, tmp_path: Path) -> None:
    from tests.support.bundles import tiny_bundle

    shot, out = paint_shot(TINY, frames=1), tmp_path / "out"
    approve(shot, out)
    other = tiny_bundle(tmp_path / "other", "sd15", seed=3)
    from composer.render.painters import PaintAsk

    with pytest.raises(InputError, match="not the bundle that this version was painted with"):
        prepare_reroll(load_shot(shot), out, RerollAsk(("host.00003",)), paint=PaintAsk((str(other),)))
