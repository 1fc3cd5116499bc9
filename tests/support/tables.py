"""A director's table small enough for a test: three options of a tiny shot, rendered once, copied for each test."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from composer.render import costs
from composer.render.forecast import Load, Measure, load_rates
from composer.render.quality import load_quality
from composer.render.ready import Job
from composer.review import options as made
from composer.review.option_axes import options_of
from composer.shot.load import load_shot
from support.tiny import SHOT, write_plate

COUNTS, FRAMES = (8, 20, 30), (1001, 1002, 1003)


def quick(job: Job, covered: float, key_s: float, folder: Path) -> Measure:
    """A measure that is not taken."""
    width, height = job.scene.stage.plate.size_px
    load = Load(len(job.scene.people.layout), width * height / 1e6, job.scene.samples, covered)
    return Measure(load, 0.1 + load.megapixels, 0.0, 0.5, 300, 2)


@pytest.fixture(scope="session")
def _options_once(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("table")
    write_plate(folder, "exr", range(FRAMES[0], FRAMES[-1] + 1))
    text = SHOT.format(ext="exr", space="Linear Rec.709 (sRGB)", seed=7, count=30)
    (folder / "shot.yaml").write_text(text)
    shot = load_shot(folder / "shot.yaml")
    ask = made.Ask(
        options_of(shot, ",".join(map(str, COUNTS))), load_quality("preview"), load_rates(None), folder, "3", 192
    )
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(costs, "measure", quick)
        patch.setattr(made, "write_sheets", lambda *_, **__: None)
        made.run_options(made.prepare_options(shot, ask))
    return folder / "tiny" / "options"


@pytest.fixture
def options_folder(_options_once: Path, tmp_path: Path) -> Path:
    """A folder of `muster options` with 8, 20 and 30 soldiers, three frames each."""
    return Path(shutil.copytree(_options_once, tmp_path / "out" / "tiny" / "options"))
