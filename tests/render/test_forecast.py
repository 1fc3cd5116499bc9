"""The model of cost finds the costs that made its measures, and money follows from the rates."""

from __future__ import annotations

import math
from dataclasses import asdict, replace
from itertools import product
from pathlib import Path

import pytest

from composer.errors import InputError
from composer.render.forecast import CostModel, Load, Measure, forecast, load_rates
from composer.render.tiling import Tiles


def true_s(load: Load) -> float:
    return (
        0.08
        + 0.3 * load.megapixels
        + 0.05 * load.megapixels * load.samples * load.covered
        + 0.004 * load.soldiers / 1000
    )


def measured(load: Load, seconds: float | None = None, paint_s: float = 0.0) -> Measure:
    value = true_s(load) if seconds is None else seconds
    return Measure(load, value + paint_s, 0.0, 1.0, 400 + round(200 * load.megapixels), 6, paint_s)


def some() -> list[Load]:
    sizes = ((0.5184, 4), (2.0736, 8), (2.0736, 16))
    crowds = ((100, 0.02), (1000, 0.12), (10_000, 0.3), (100_000, 0.45))
    return [Load(n, mp, s, c) for (mp, s), (n, c) in product(sizes, crowds)]


def test_costs_that_made_the_measures_are_found_again() -> None:
    seen = [at for at in some() if not (at.soldiers == 10_000 and at.megapixels > 1)]
    model = CostModel.fit([measured(at) for at in seen])
    for at in some():
        assert model.frame_s(at) == pytest.approx(true_s(at), rel=0.02)
    assert model.seconds.error is not None and model.seconds.error < 0.03
    assert min(model.seconds.costs.values()) >= 0


def test_the_memory_that_was_measured_is_forecast_to_the_mebibyte() -> None:
    load = Load(30, 0.020736, 4, 0.1386766940355301)
    for peak in range(200, 2000, 3):
        one = replace(measured(load), peak_mib=peak)
        assert forecast(CostModel.fit([one]), load, "preview", 5, 0.0, load_rates(), 0.1).peak_mib == peak


def test_the_error_grows_with_what_the_model_can_not_know() -> None:
    noisy = [measured(at, true_s(at) * (1.15 if i % 2 else 0.87)) for i, at in enumerate(some())]
    error = CostModel.fit(noisy).error(some()[0])
    assert error is not None and 0.1 < error < 0.3
    assert CostModel.fit(noisy[:2]).error(some()[0]) is None


def test_painting_is_forecast_from_tiles_and_steps() -> None:
    plain = [measured(at) for at in some()]
    painted = [measured(replace(some()[0], tile_steps=n), paint_s=0.4 * 0.5184 + 0.25 * n) for n in (4.0, 8.0, 16.0)]
    model = CostModel.fit([*plain, *painted])
    large = replace(some()[-1], tile_steps=400.0)
    assert model.frame_s(large) == pytest.approx(true_s(some()[-1]) + 0.4 * 2.0736 + 0.25 * 400, rel=0.03)
    assert model.frame_s(some()[-1]) == pytest.approx(true_s(some()[-1]), rel=0.03)


def test_what_is_painted_errs_by_itself() -> None:
    """Painting that scatters says nothing against the forecast of a frame that is not painted."""
    plain = [measured(at) for at in some()]
    seconds = [
        (0.4 * 0.5184 + 0.25 * n) * scatter for n, scatter in ((4.0, 1.3), (8.0, 0.75), (16.0, 1.25), (32.0, 0.8))
    ]
    painted = [
        measured(replace(some()[0], tile_steps=n), paint_s=s)
        for n, s in zip((4.0, 8.0, 16.0, 32.0), seconds, strict=True)
    ]
    model, load = CostModel.fit([*plain, *painted]), some()[-1]
    clear, heavy = model.error(load), model.error(replace(load, tile_steps=4000.0))
    assert clear is not None and heavy is not None and clear < 0.03 and 0.15 < heavy < 0.6
    assert CostModel.fit([*plain, *painted[:2]]).error(replace(load, tile_steps=40.0)) is None
    assert CostModel.fit([*plain, *painted[:2]]).error(load) == clear


def test_hours_and_money() -> None:
    rates = replace(load_rates(), core_hour=0.5, gpu_hour=3.0, frames_per_task=10, busy_share=0.5)
    model = CostModel.fit([measured(at) for at in some()])
    load = some()[4]
    told = forecast(model, load, "draft", 24, 5.0, rates, rates.hour("cpu", 2))
    assert told.tasks == 3 and not told.painted
    assert told.alone_s == pytest.approx(5 + 24 * told.frame_s)
    assert told.machine_hours == pytest.approx((3 * 5 + 24 * told.frame_s) / 3600 / 0.5)
    assert told.money == pytest.approx(told.machine_hours * 1.0)
    assert rates.hour("cuda", 64) == 3.0


def test_a_measure_reads_back() -> None:
    plain = measured(some()[0])
    cut = replace(plain, tiles=Tiles(0.5, 2, 0.6, (64, 64), 8, (0.5, 1.0)))
    assert Measure.read(asdict(plain)) == plain and Measure.read(asdict(cut)) == cut


def test_tiles_at_another_size_are_counted_as_the_plan_would() -> None:
    from composer.inference.window import axis_of

    record = {
        "tiles": {"tile": "1x64x64", "grid": "1x3x5", "canvas": "128x240", "texts": 1, "jobs": 15, "start_step": 2}
    }
    tiles = Tiles.of({**record, "steps": 8}, 1920, (512, 512))
    assert tiles is not None and tiles.factor == 8 and tiles.share == 1.0 and tiles.active == 0.75
    for width, height in ((960, 540), (1920, 1080), (4096, 2160)):
        grid = [len(axis_of(math.ceil(n / 8), 64, 16)) for n in (height, width)]
        assert tiles.tile_steps((width, height), 20) == pytest.approx(math.prod(grid) * 15)
    assert Tiles.of(None, 1920, (512, 512)) is None
    half = {**record["tiles"], "grid": "1x1x5", "jobs": 5, "region": "40 0 64 240"}
    tiles = Tiles.of({"tiles": half, "steps": 8}, 1920, (512, 512))
    assert tiles is not None and tiles.factor == 8 and tiles.share == 1.0 and tiles.region == (0.5, 1.0)
    grid = [len(axis_of(n, 64, 16)) for n in (135, 512)]
    assert tiles.tile_steps((4096, 2160), 20) == pytest.approx(math.prod(grid) * 15)


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("currency: USD", "not a file of rates"),
        ("[1, 2]", "not a file of rates"),
        ("{", "not YAML"),
        ("{currency: USD, core_hour: -1, gpu_hour: 1, frames_per_task: 1, busy_share: 1}", "core_hour"),
        ("{currency: USD, core_hour: 1, gpu_hour: 1, frames_per_task: 0, busy_share: 1}", "frames_per_task"),
        ("{currency: USD, core_hour: 1, gpu_hour: .nan, frames_per_task: 1, busy_share: 1}", "gpu_hour"),
        ("{currency: 3, core_hour: 1, gpu_hour: 1, frames_per_task: 1, busy_share: 1}", "currency"),
    ],
)
def test_wrong_rates_are_told(tmp_path: Path, text: str, said: str) -> None:
    file = tmp_path / "rates.yaml"
    file.write_text(text)
    with pytest.raises(InputError, match=said):
        load_rates(file)
    with pytest.raises(InputError, match="cannot be read"):
        load_rates(tmp_path / "none.yaml")
