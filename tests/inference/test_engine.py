"""The engine end to end, on small networks with random weights."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
import torch
from support.adapters import SeededNoise, SmallAdapter, small_request, straight_schedule, within

from composer.errors import InputError, MachineError
from composer.inference.adapter import TileBatch
from composer.inference.engine import Engine, EngineOptions
from composer.inference.padding import pad_request
from composer.inference.request import F32, WHOLE, PaintRequest, Part, Prompt
from composer.inference.schedule import schedule_of
from composer.inference.seams import borders_of, seam_measure
from composer.inference.window import axis_of


@pytest.fixture(autouse=True)
def one_thread() -> None:
    torch.set_num_threads(1)


def by_hand(adapter: SmallAdapter, request: PaintRequest) -> F32:
    """The same picture without engine, tiles or kernels: one network call a step over the whole picture."""
    padded = pad_request(request, adapter.space)
    schedule, prepared = adapter.schedule(request.steps), adapter.prepare(padded)
    h, w = prepared.known.shape[2:]
    z = np.stack([padded.noise.latents(f, len(prepared.known), (h, w), 4, "initial") for f in padded.frames], axis=1)
    x = torch.from_numpy(z) * float(schedule.sigma[0]) + prepared.known * float(schedule.signal[0])
    before = torch.zeros_like(x)
    for i in range(len(schedule)):
        with torch.no_grad():
            canvases = {k: c.data[None] for k, c in prepared.canvases.items()}
            now = float(schedule.timestep[i])
            batch = TileBatch(
                x[None] * float(schedule.scale_in[i]), canvases, 0, torch.tensor([now]),
                torch.zeros(1, 2, dtype=torch.int32), (h, w), now,
            )  # fmt: skip
            p = adapter.denoise(batch)[0]
        x = float(schedule.keep[i]) * x + float(schedule.pred[i]) * p + float(schedule.previous[i]) * before
        before = p
    rgb = adapter.codec().decode(x[None])[0].permute(1, 2, 3, 0).numpy()
    return rgb[: len(request.frames), : request.size[0], : request.size[1]]


@pytest.mark.parametrize("tile", [(8, 8), (16, 16), (12, 20)])
def test_a_convolution_only_network_gives_the_untiled_picture(tile: tuple[int, int]) -> None:
    request, adapter = small_request((97, 130)), SmallAdapter(steps=straight_schedule(3, momentum=0.4))
    whole = by_hand(adapter, request)
    tiled = Engine(adapter, EngineOptions(tile=tile)).paint(request)
    assert tiled.rgb.shape == (1, 97, 130, 3) and tiled.tiles["jobs"] > 1
    assert np.abs(whole - request.guide).mean() > 0.1  # it is a painting, not the guide
    assert np.abs(tiled.rgb - whole).max() < 1e-4


@pytest.mark.gpu
def test_the_same_on_a_card() -> None:
    if not torch.cuda.is_available():
        pytest.skip("no CUDA device")
    request = small_request((97, 130), steps=6)
    on_cpu = Engine(SmallAdapter(), EngineOptions(tile=(16, 16))).paint(request)
    card = Engine(SmallAdapter(device="cuda"), EngineOptions(tile=(16, 16)))
    painted = [card.paint(request) for _ in range(2)]  # graphs from the second on
    assert np.abs(painted[0].rgb - on_cpu.rgb).max() < 2e-2  # TF32 convolutions
    np.testing.assert_array_equal(painted[0].rgb, painted[1].rgb)
    assert painted[0].peak_bytes > 0 and not painted[0].notes


def test_tiles_leave_no_seams() -> None:
    request, measured = small_request((192, 256), steps=2), []
    adapter = SmallAdapter(attention=True)
    for tile in ((12, 12), (16, 20), (24, 24), (48, 64)):
        rgb = Engine(adapter, EngineOptions(tile=tile)).paint(request).rgb[0]
        axes = [axis_of(side // 4, t, t // 4) for side, t in zip(request.size, tile, strict=True)]
        rows, columns = (borders_of(axis, 4) for axis in axes)
        measured.append(seam_measure(rgb, rows, columns, (tile[0] * 4, tile[1] * 4)))
    # this picture keeps its noise (random weights remove little), so lines differ by chance: a few per cent
    assert measured == pytest.approx([1.0] * 4, abs=0.05)


def test_outside_the_mask_the_guide_stays() -> None:
    request = within(small_request((96, 128)), 20, 60, 24, 80)
    adapter = SmallAdapter(attention=True)
    painting = Engine(adapter).paint(request)
    changed = np.abs(painting.rgb - request.guide).max(axis=-1)[0]
    assert changed[20:60, 24:80].max() > 0.1
    changed[20:60, 24:80] = 0
    assert changed.max() < 1e-6
    assert painting.tiles["jobs"] < 24


def test_a_sampler_that_ends_above_zero_leaves_no_noise_outside_the_mask() -> None:
    """DDIM as Stable Diffusion 1.5 has it: its last level keeps about three per cent of noise."""
    config = {"_class_name": "DDIMScheduler", "set_alpha_to_one": False, "clip_sample": False,
              "beta_schedule": "scaled_linear", "beta_start": 0.00085, "beta_end": 0.012, "steps_offset": 1}  # fmt: skip
    steps = schedule_of(config, 4)
    assert 0.02 < float(steps.sigma[-1]) < 0.04
    request = within(small_request((96, 128), steps=4), 20, 60, 24, 80)
    changed = np.abs(Engine(SmallAdapter(steps=steps)).paint(request).rgb - request.guide).max(axis=-1)[0]
    assert changed[20:60, 24:80].max() > 0.1
    changed[20:60, 24:80] = 0
    assert changed.max() < 1e-6


def test_what_runs_in_place_of_the_bundles_sampler_is_noted() -> None:
    adapter = SmallAdapter()
    adapter.notes = lambda: ("sampler: another one",)  # type: ignore[method-assign]
    engine = Engine(adapter)
    for _ in range(2):  # with every frame: each has a record of its own
        assert engine.paint(small_request((64, 64))).notes == ("sampler: another one",)


def test_nothing_to_paint_gives_the_guide_without_a_call() -> None:
    request = within(small_request((64, 64)), 0, 0, 0, 0)
    adapter = SmallAdapter()
    painting = Engine(adapter).paint(request)
    np.testing.assert_allclose(painting.rgb, request.guide, atol=1e-6)
    assert adapter.calls == 0 and painting.tiles["jobs"] == 0


def test_a_weaker_strength_stays_closer_to_the_guide() -> None:
    away = []
    for strength in (1.0, 0.6, 0.2):
        request = within(small_request((64, 64), steps=10), 0, 64, 0, 64, strength)
        away.append(float(np.abs(Engine(SmallAdapter()).paint(request).rgb - request.guide).mean()))
    assert away[0] > 1.3 * away[1] > 1.3 * 1.3 * away[2] > 0


def test_prompts_speak_where_they_are_told() -> None:
    base = small_request((64, 160))
    left = np.zeros((1, 64, 160), np.float32)
    left[..., :80] = 1
    adapter = SmallAdapter()

    def paint(*prompts: Prompt) -> F32:
        return Engine(adapter).paint(replace(base, prompts=prompts)).rgb

    snow, mud = paint(Prompt("snow")), paint(Prompt("mud"))
    both = paint(Prompt("snow", weight=left), Prompt("mud", weight=1 - left))
    np.testing.assert_allclose(both[:, :, :60], snow[:, :, :60], atol=1e-5)
    np.testing.assert_allclose(both[:, :, 100:], mud[:, :, 100:], atol=1e-5)
    assert np.abs(snow - mud).mean() > 0.1
    half = paint(Prompt("snow", weight=left * 0 + 0.5), Prompt("mud", weight=left * 0 + 0.5))
    assert np.abs(half - snow).mean() < 0.7 * np.abs(mud - snow).mean()


def test_a_text_is_not_run_where_it_is_silent() -> None:
    left = np.zeros((1, 64, 192), np.float32)
    left[..., :40] = 1
    adapter = SmallAdapter(native=(16, 16))
    request = replace(
        small_request((64, 192), steps=1), prompts=(Prompt("a", weight=left), Prompt("b", weight=1 - left))
    )
    tiles = Engine(adapter, EngineOptions(batch=1)).paint(request).tiles
    calls = [sum(seen[4] == text for seen in adapter.seen[1:]) for text in (0, 1)]  # the first call measures
    assert tiles["jobs"] == sum(calls) and calls[0] < calls[1] < 8


def test_a_frame_alone_is_the_frame_in_the_sequence_bit_for_bit() -> None:
    frames = [replace(small_request((80, 112), (n,)), noise=SeededNoise(3)) for n in (1001, 1002, 1003)]
    engine = Engine(SmallAdapter(attention=True))
    sequence = [engine.paint(frame).rgb for frame in frames]
    alone = Engine(SmallAdapter(attention=True)).paint(frames[2]).rgb
    np.testing.assert_array_equal(alone, sequence[2])
    np.testing.assert_array_equal(engine.paint(frames[0]).rgb, sequence[0])
    assert np.abs(sequence[0] - sequence[1]).max() > 0.1


def test_stochastic_samplers_take_their_noise_from_the_source() -> None:
    steps = straight_schedule(4, stochastic=0.3)
    asked: list[str] = []

    class Listening(SeededNoise):
        def latents(
            self, frame: int, channels: int, size: tuple[int, int], factor: int, purpose: str,
            part: Part = WHOLE
        ) -> F32:  # fmt: skip
            asked.append(purpose)
            return super().latents(frame, channels, size, factor, purpose, part)

    request = small_request((64, 64), steps=4, noise=Listening())
    first = Engine(SmallAdapter(steps=steps)).paint(request).rgb
    assert asked == ["initial", "step 0", "step 1", "step 2"]  # the last step lands on the data
    np.testing.assert_array_equal(first, Engine(SmallAdapter(steps=steps)).paint(request).rgb)
    assert np.abs(first - Engine(SmallAdapter(steps=straight_schedule(4))).paint(request).rgb).max() > 0.1


def test_windows_of_a_video_model_blend() -> None:
    request = small_request((48, 48), tuple(range(1001, 1010)))
    painting = Engine(SmallAdapter(frames=5)).paint(request)
    assert painting.tiles["tile"] == "5x12x12" and painting.tiles["grid"] == "2x1x1"
    assert painting.rgb.shape == (9, 48, 48, 3)
    # this network sees one frame at a time: windows along time change nothing
    np.testing.assert_allclose(painting.rgb[6], Engine(SmallAdapter()).paint(small_frame(request, 6)).rgb[0], atol=1e-5)


def small_frame(request: PaintRequest, k: int) -> PaintRequest:
    names = ("plate", "guide", "mask", "strength", "depth", "normal", "pose", "agent_id")
    return replace(request, frames=request.frames[k : k + 1], **{n: getattr(request, n)[k : k + 1] for n in names})


def no_more_than(side: int, batch: int = 99):
    def fault(size: tuple[int, int, int]) -> None:
        if size[1] > side or size[0] > batch:
            raise torch.OutOfMemoryError("injected")

    return fault


def test_out_of_memory_leads_to_smaller_tiles_for_the_whole_shot() -> None:
    request = small_request((96, 128))
    expected = Engine(SmallAdapter()).paint(request)
    engine = Engine(SmallAdapter(), EngineOptions(fault=no_more_than(11)))
    first, second = engine.paint(request), engine.paint(request)
    assert len(first.notes) == 1 and "16x16 latents made 8x8" in first.notes[0]
    assert second.notes == ()  # said once
    assert first.tiles["tile"] == second.tiles["tile"] == "1x8x8" and first.tiles["smaller"] == 1
    assert np.abs(first.rgb - expected.rgb).max() < 1e-4
    np.testing.assert_array_equal(first.rgb, second.rgb)


def test_fewer_tiles_at_once_come_before_smaller_ones() -> None:
    request = small_request((96, 128))
    painting = Engine(SmallAdapter(), EngineOptions(fault=no_more_than(99, batch=1))).paint(request)
    assert painting.tiles["tile"] == "1x16x16" and painting.tiles["batch"] == 1 and len(painting.notes) == 1


def test_the_smallest_tile_that_does_not_fit_is_an_error() -> None:
    with pytest.raises(MachineError, match="out of memory with the smallest tile"):
        Engine(SmallAdapter(), EngineOptions(fault=no_more_than(1))).paint(small_request((64, 64)))


def test_a_limit_on_memory_is_kept_and_foreseen() -> None:
    request = small_request((192, 256))
    free = Engine(SmallAdapter(attention=True, native=(24, 24)), EngineOptions(measure=True)).paint(request)
    assert free.peak_bytes == pytest.approx(free.tiles["forecast_bytes"], rel=0.1)
    limit = int(free.peak_bytes * 0.8)
    tight = EngineOptions(measure=True, memory_bytes=limit)
    painting = Engine(SmallAdapter(attention=True, native=(24, 24)), tight).paint(request)
    assert painting.peak_bytes <= limit and painting.tiles["batch"] < free.tiles["batch"]
    assert np.abs(painting.rgb - free.rgb).max() < 1e-4


def test_progress_is_told_and_may_end_it() -> None:
    told: list[tuple[int, int]] = []
    Engine(SmallAdapter(), EngineOptions(progress=lambda *at: told.append(at))).paint(small_request((64, 64)))
    assert told == [(1, 3), (2, 3), (3, 3)]

    def stop(done: int, _: int) -> None:
        if done == 2:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        Engine(SmallAdapter(), EngineOptions(progress=stop)).paint(small_request((64, 64)))


def test_it_says_what_the_family_does_not_take() -> None:
    assert Engine(SmallAdapter()).paint(small_request((64, 64))).dropped == ("normal",)


@pytest.mark.parametrize(
    ("options", "word"),
    [
        (EngineOptions(overlap=0.9), "overlap"),
        (EngineOptions(attention="fast"), "flash"),
        (EngineOptions(batch=0), "1 or"),
    ],
)
def test_bad_options(options: EngineOptions, word: str) -> None:
    with pytest.raises(InputError, match=word):
        Engine(SmallAdapter(), options)


def test_the_record_says_where_the_tiles_lay() -> None:
    tiles = Engine(SmallAdapter(), EngineOptions(tile=(12, 20))).paint(small_request((96, 128))).tiles
    for name, length, tile in (("row_starts", 24, 12), ("column_starts", 32, 20)):
        starts = [int(n) for n in str(tiles[name]).split()]
        assert starts[0] == 0 and starts[-1] == length - tile and starts == sorted(starts)
    assert tiles["grid"] == f"1x{len(str(tiles['row_starts']).split())}x{len(str(tiles['column_starts']).split())}"
