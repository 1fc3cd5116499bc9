"""Real plates with real cameras: the soldiers stand on the ground at human scale, and the rest is the plate."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import OpenImageIO as oiio
import pytest

from composer.render.job import JobResult, prepare_job, run_job
from composer.render.quality import load_quality
from composer.shot.load import load_shot

SHOTS = Path(__file__).parents[1] / "shot" / "shots"
#: Linear Rec.709 to ACEScg, from the ACES documentation.
TO_AP1 = np.array([[0.613097, 0.339523, 0.047379], [0.070194, 0.916354, 0.013452], [0.020616, 0.109570, 0.869815]])


def _render(name: str, shared: Path, folder: Path, frames: list[int], count: int | None = None) -> JobResult:
    shot = folder / f"{name}.yaml"
    shot.write_text((SHOTS / f"{name}.yaml").read_text().replace("{shared}", str(shared)))
    job = prepare_job(load_shot(shot), folder / "out", load_quality("preview"), frames=frames, count=count)
    return run_job(job)


def _parts(path: Path) -> dict[str, np.ndarray]:
    """Every part over the display window, float32 [H, W, C], by OpenImageIO."""
    parts: dict[str, np.ndarray] = {}
    source, index = oiio.ImageInput.open(str(path)), 0
    while source.seek_subimage(index, 0):
        spec = source.spec()
        pixels = source.read_image(index, 0, 0, spec.nchannels, oiio.FLOAT).reshape(spec.height, spec.width, -1)
        full = np.zeros((spec.full_height, spec.full_width, spec.nchannels), np.float32)
        full[spec.y : spec.y + spec.height, spec.x : spec.x + spec.width] = pixels
        parts[spec["name"]] = full
        index += 1
    return parts


def _touched(parts: dict[str, np.ndarray]) -> np.ndarray:
    return (parts["crowd"][..., 3] > 0) | (parts["shadow"][..., 3] > 0)


def _exr(result: JobResult, frame: int) -> Path:
    return next((result.delivery / "exr").glob(f"*.{frame}.exr"))


def test_crissy_field_in_its_own_linear_space(shared_data: Path, tmp_path: Path) -> None:
    result = _render("crissy", shared_data, tmp_path, [1001])
    parts = _parts(_exr(result, 1001))
    plate = oiio.ImageBuf(str(shared_data / "plates/crissy_field_still/CrissyField_rgb_half.exr"))
    own = plate.get_pixels(oiio.FLOAT)[..., :3]
    untouched = ~_touched(parts)
    assert 0.005 < 1 - untouched.mean() < 0.5
    assert np.abs(parts["rgba"][..., :3] - own)[untouched].max() == 0.0
    assert json.loads(result.manifest.read_text())["colorspace"] == "Linear Rec.709 (sRGB)"
    bright = own.max(axis=-1) > 1
    assert bright[untouched].sum() == (parts["rgba"][..., :3].max(axis=-1) > 1)[untouched].sum()


def test_sceaux_stands_on_its_forecourt(shared_data: Path, tmp_path: Path) -> None:
    """500 soldiers on the plane fitted to the solve: feet where the layout says, through the plate's lens, human in height."""
    shot = tmp_path / "sceaux.yaml"
    shot.write_text((SHOTS / "sceaux.yaml").read_text().replace("{shared}", str(shared_data)))
    job = prepare_job(load_shot(shot), tmp_path / "out", load_quality("preview"), frames=[7105])
    result = run_job(job)
    parts = _parts(_exr(result, 7105))
    assert result.soldiers == 500
    view = job.scene.stage.camera.view(7105)
    agents = job.scene.people.layout.at([7105])
    feet, depth = view.project(agents.position_m[0].astype(np.float64))
    heads, _ = view.project(agents.position_m[0] + np.array([0.0, 1.8, 0.0]))
    seen = (feet[:, 0] > 20) & (feet[:, 0] < 2812) & (feet[:, 1] < 2100)
    assert seen.sum() > 300
    height = (feet - heads)[seen, 1]
    assert np.allclose(height, 1.8 * view.focal_px[1] / depth[seen], rtol=0.05)
    alpha = parts["crowd"][..., 3]
    rows = np.flatnonzero((alpha > 0.5).any(axis=1))
    assert abs(rows[-1] - feet[seen, 1].max()) < 0.12 * height.max(), "the nearest feet end where the ground is"
    code = oiio.ImageBuf(str(shared_data / "plates/sceaux_castle/images/100_7105.jpg")).get_pixels(oiio.FLOAT)
    linear = np.where(code <= 0.04045, code / 12.92, ((code.astype(np.float64) + 0.055) / 1.055) ** 2.4) @ TO_AP1.T
    untouched = ~_touched(parts)
    assert np.allclose(parts["rgba"][..., :3][untouched], linear[untouched], rtol=2e-3, atol=2e-4)
    exact = job.scene.stage.plate.read(7105).astype(np.float16).astype(np.float32)
    assert np.abs(parts["rgba"][..., :3] - exact)[untouched].max() == 0.0


@pytest.mark.slow
def test_juggler_stays_in_front(shared_data: Path, tmp_path: Path) -> None:
    """The clean plate comes out of the whole clip; the man's body keeps the plate's own pixels."""
    result = _render("juggle", shared_data, tmp_path, [1001, 1025])
    for frame, chest in ((1001, (700, 260)), (1025, (748, 290))):
        parts = _parts(_exr(result, frame))
        x, y = chest
        assert parts["crowd"][y - 10 : y + 10, x - 10 : x + 10, 3].max() == 0.0
        assert parts["crowd"][200:400, :500, 3].max() == 1.0
