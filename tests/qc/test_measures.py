"""Each measure of a frame finds the fault that was planted for it, by as much as was planted, and is quiet without."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from support.delivered import GRAIN, SIZE, STEP_PX, TILES, Made, grain_field, made_frame, over, plate_of, write_frame

from composer.io.exr import ExrPart
from composer.qc.edges import fringe_readings
from composer.qc.frames import Delivered, read_delivered
from composer.qc.grain import grain_of
from composer.qc.limits import load_limits
from composer.qc.motion import motion_readings
from composer.qc.painted import painted_readings, silhouette_kept
from composer.qc.pixels import half_of, level_readings, odd_readings, untouched_readings
from composer.qc.reading import Reading
from composer.qc.silhouette import silhouette_readings

Deliver = Callable[..., Delivered]


@pytest.fixture
def deliver(tmp_path: Path) -> Deliver:
    """`deliver(made)`: written and read again."""

    def go(made: Made | None = None) -> Delivered:
        made = made or made_frame(1001)
        return read_delivered(write_frame(tmp_path, made), made.number)

    return go


def _all(frame: Delivered, number: int = 1001) -> list[Reading]:
    plate = plate_of(number)
    found = [
        *untouched_readings(frame, plate),
        *odd_readings(frame),
        *silhouette_readings(frame),
        *level_readings(frame),
    ]
    return [*found, *fringe_readings(frame, plate), *fringe_readings(frame, None), *grain_of(frame).readings]


def _value(readings: object, name: str) -> float:
    value = {r.measure: r.value for r in readings}[name]  # type: ignore[attr-defined]
    assert value is not None
    return value


def test_a_good_frame_keeps_every_limit(deliver: Deliver) -> None:
    limits = load_limits()
    readings = _all(deliver())
    assert {r.measure for r in readings} >= {"untouched_px", "nonfinite_px", "id_iou", "depth_iou", "grain_ratio"}
    for r in readings:
        assert r.value is not None, r
        assert r.measure not in limits or limits[r.measure].keeps(r.value), r


# --- plate and pixels ---


@pytest.mark.parametrize("channel", [0, 2])
def test_one_bit_of_one_plate_pixel_is_found(deliver: Deliver, channel: int) -> None:
    made = made_frame(1001)
    half = made.rgb.astype(np.float16)
    half.view(np.uint16)[4, 7, channel] ^= 1
    made.rgb = half.astype(np.float32)
    seen = next(iter(untouched_readings(deliver(made), plate_of(1001))))
    assert (seen.value, seen.at) == (1, (7, 4))


def test_touched_pixels_are_not_the_plates(deliver: Deliver) -> None:
    made = made_frame(1001)
    made.rgb[80:90, 55:70] += 0.5  # in the first tent
    made.rgb[150, 100] += 0.5  # in the shadow
    assert _value(untouched_readings(deliver(made), plate_of(1001)), "untouched_px") == 0


def test_the_picture_of_another_frame_is_named(deliver: Deliver) -> None:
    made = made_frame(1002)
    made.number = 1001
    frame = deliver(made)
    seen = next(iter(untouched_readings(frame, plate_of(1001), lambda: {n: plate_of(n) for n in (1000, 1002)})))
    assert (seen.value or 0) > 0.5 * (~frame.touched).sum() and seen.detail == "it shows the plate of frame 1002"


def test_a_picture_moved_by_a_pixel_is_found(deliver: Deliver) -> None:
    made = made_frame(1001)
    made.rgb = np.roll(made.rgb, 1, axis=1)
    assert _value(untouched_readings(deliver(made), plate_of(1001)), "untouched_px") > 20_000


def test_plate_values_beyond_half_are_clipped_as_a_delivery_clips_them() -> None:
    values = np.array([70000.0, -70000.0, np.inf, 1 / 3, -0.0], np.float32)
    assert half_of(values).tolist() == [65504, -65504, np.inf, float(np.float16(1 / 3)), 0]
    assert np.signbit(half_of(values)[-1])


def test_without_the_plate_the_digest_speaks(deliver: Deliver) -> None:
    made = made_frame(1001)
    frame = deliver(made)
    made.attributes["muster:untouched_sha256"] = _digest(frame)
    assert _value(untouched_readings(deliver(made), None), "untouched_digest") == 0
    made.rgb[2, 2] += 0.25
    assert _value(untouched_readings(deliver(made), None), "untouched_digest") == 1


def _digest(frame: Delivered) -> str:
    """As docs/delivery.md tells anybody to make it."""
    import hashlib

    rgb, total = frame.rgb, hashlib.sha256()
    for row in range(rgb.shape[0]):
        total.update(rgb[row][~frame.touched[row]].astype("<f2").tobytes())
    return total.hexdigest()


def test_nan_and_infinity_are_counted_and_placed(deliver: Deliver) -> None:
    made = made_frame(1001)
    made.crowd[80, 60, 1] = np.nan
    made.rgb[81, 61] = np.inf
    made.forward[90, 60, 0] = np.nan
    made.depth[91, 60] = np.nan
    seen = next(iter(odd_readings(deliver(made))))
    assert (seen.value, seen.at) == (4, (60, 80))
    assert seen.detail == "in rgba, crowd, depth, motion"


def test_what_the_plate_holds_itself_and_empty_depth_are_no_faults(deliver: Deliver) -> None:
    made = made_frame(1001)
    made.rgb[3, 3] = np.nan
    z = np.where(np.isinf(made.depth), made.depth, 70.0).astype(np.float32)
    made.extra["depth"] = ExrPart("environment_depth", {"Z": z})
    assert np.isinf(made.depth).any()
    assert _value(odd_readings(deliver(made)), "nonfinite_px") == 0


def test_negative_pixels_are_a_share_of_the_generated(deliver: Deliver) -> None:
    made = made_frame(1001)
    made.crowd[78:88, 55:65, 2] = -0.05
    over(made)
    covered = (made.crowd[..., 3] > 0).sum()
    assert _value(odd_readings(deliver(made)), "negative_share") == pytest.approx(100 / covered)


@pytest.mark.parametrize(("factor", "name", "stops"), [(1 / 16, "black_stops", -4), (16, "white_stops", 4)])
def test_levels_move_by_the_stops_that_were_planted(deliver: Deliver, factor: float, name: str, stops: float) -> None:
    good = _value(level_readings(deliver()), name)
    made = made_frame(1001)
    made.crowd[..., :3] *= factor
    over(made)
    bad = _value(level_readings(deliver(made)), name)
    assert bad - good == pytest.approx(stops, abs=0.05)
    assert load_limits()[name].keeps(good) and not load_limits()[name].keeps(bad)


# --- silhouettes ---


def test_silhouettes_that_do_not_meet(deliver: Deliver) -> None:
    """The alpha slides by four pixels: the overlap of two like boxes says by how much."""
    made = made_frame(1001)
    before = made.crowd[..., 3].copy()
    made.crowd = np.roll(made.crowd, 4, axis=1)
    over(made)
    seen = {r.measure: r.value for r in silhouette_readings(deliver(made))}
    moved = made.crowd[..., 3]
    assert seen["id_iou"] == pytest.approx(np.minimum(moved, before).sum() / np.maximum(moved, before).sum(), abs=1e-3)
    assert (seen["depth_iou"] or 1) < 0.93
    assert all(not load_limits()[k].keeps(v) for k, v in seen.items() if v is not None)


def test_depth_where_nobody_is(deliver: Deliver) -> None:
    made = made_frame(1001)
    made.depth[2:22, 10:60] = 12
    seen = {r.measure: r.value for r in silhouette_readings(deliver(made))}
    there = int((made.crowd[..., 3] > 0).sum())
    assert seen["depth_iou"] == pytest.approx(there / (there + 1000)) and seen["id_iou"] == pytest.approx(1, abs=1e-3)


def test_a_blurred_alpha_is_compared_over_blocks(deliver: Deliver) -> None:
    from scipy.ndimage import gaussian_filter

    made = made_frame(1001)
    made.crowd = gaussian_filter(made.crowd, (3, 3, 0))
    over(made)
    limit = load_limits()["id_iou"]
    sharp, soft = (_value(silhouette_readings(deliver(made), spread), "id_iou") for spread in (False, True))
    assert not limit.keeps(sharp) and limit.keeps(soft)
    made.crowd = np.roll(made.crowd, 6, axis=1)
    over(made)
    assert not limit.keeps(_value(silhouette_readings(deliver(made), True), "id_iou"))


# --- fringe ---


@pytest.mark.parametrize("ground", [0.02, 1.0, 12.0], ids=["dark", "plain", "bright"])
@pytest.mark.parametrize(("power", "expected"), [(1, 0), (2, -1), (0, 1)], ids=["once", "twice", "never"])
def test_a_matte_multiplied_in_wrongly(deliver: Deliver, power: int, expected: float, ground: float) -> None:
    """Colour times alpha to a power: the slope over coverage is one less than it, in front of any ground."""
    made = made_frame(1001)
    made.plate *= ground
    colour = made.crowd[..., :3] / np.maximum(made.crowd[..., 3:], 1e-6)
    made.crowd[..., :3] = colour * np.where(made.crowd[..., 3:] > 0, made.crowd[..., 3:] ** power, 0)
    over(made)
    frame = deliver(made)
    for plate in (made.plate, None):
        value = _value(fringe_readings(frame, plate), "fringe_inside")
        assert value == pytest.approx(expected, abs=0.12)
        assert load_limits()["fringe_inside"].keeps(value) == (power == 1)


def test_light_of_another_ground_left_in_the_edge(deliver: Deliver) -> None:
    made = made_frame(1001)
    a = made.crowd[..., 3:]
    made.crowd[..., :3] += a * (1 - a) * 0.35
    over(made)
    assert _value(fringe_readings(deliver(made), plate_of(1001)), "fringe_inside") > 0.35


def test_a_dark_line_outside_the_matte(deliver: Deliver) -> None:
    from scipy.ndimage import binary_dilation

    made = made_frame(1001)
    covered = made.crowd[..., 3] > 0
    ring = binary_dilation(covered, np.ones((3, 3)), 2) & ~covered
    made.rgb[ring] *= 0.8
    value = _value(fringe_readings(deliver(made), plate_of(1001)), "fringe_outside")
    assert value == pytest.approx(np.log2(0.8), abs=0.03)
    assert not load_limits()["fringe_outside"].keeps(value)


# --- grain ---


@pytest.mark.parametrize("apart", [False, True], ids=["in the element too", "in the composite alone"])
@pytest.mark.parametrize("strength", [0.0, 0.5, 1.0, 2.0])
def test_grain_is_found_by_its_variance(deliver: Deliver, strength: float, apart: bool) -> None:
    """The tents' texture is five times as strong as their grain."""
    made = made_frame(1001, grain=strength * GRAIN)
    if apart:
        clean = made_frame(1001, grain=0)
        made.crowd = clean.crowd
    value = _value(grain_of(deliver(made)).readings, "grain_ratio")
    assert value == pytest.approx(strength**2, rel=0.2, abs=0.01)
    assert load_limits()["grain_ratio"].keeps(value) == (strength == 1)


@pytest.mark.parametrize(("sigma", "grain"), [(0.01, 0.0098), (0.8, 0.05)], ids=["finer", "coarser"])
def test_grain_of_another_size(deliver: Deliver, sigma: float, grain: float) -> None:
    """As strong in its fine part, so only the spectrum tells."""
    seen = grain_of(deliver(made_frame(1001, grain=grain, sigma=sigma)))
    assert _value(seen.readings, "grain_ratio") == pytest.approx(1, abs=0.15)
    assert not load_limits()["grain_spectrum"].keeps(_value(seen.readings, "grain_spectrum"))
    assert {c.name for c in seen.curves} == {"plate", "generated", "plate spectrum", "generated spectrum"}


def test_a_plate_without_grain_says_nothing(deliver: Deliver) -> None:
    made = made_frame(1001)
    made.rgb[...] = np.where(made.crowd[..., 3:] > 0, made.rgb, 0.25)
    made.plate[...] = 0.25
    assert {r.value for r in grain_of(deliver(made)).readings} == {None}


def test_texture_without_a_flat_place_is_no_grain(deliver: Deliver) -> None:
    seen = grain_of(deliver(made_frame(1001, grain=10 * GRAIN)))
    assert seen.readings[0].value is None and "texture" in seen.readings[0].why


# --- motion ---


def _pair(deliver: Deliver, *, slip: float = 0.0, grain: float = 0.0) -> dict[str, Reading]:
    now, later = made_frame(1001, grain=grain), made_frame(1002, slip_px=slip, grain=grain)
    return {r.measure: r for r in motion_readings(deliver(now), deliver(later), None)}


def test_what_moves_as_it_should_has_no_warp_error(deliver: Deliver) -> None:
    assert (_pair(deliver)["warp_error"].value or 9) < 0.1


@pytest.mark.parametrize("slip", [1.0, 2.0])
def test_a_texture_that_slips_by_a_pixel(deliver: Deliver, slip: float) -> None:
    """Against the same slip measured with plain arrays on the tents' own texture."""
    from support.delivered import texture

    u, v = np.meshgrid(np.arange(-30, 31, dtype=float), np.arange(-48, 49, dtype=float))
    t = np.log2(0.2 * texture(u, v) + 2**-7)
    beside = np.mean(np.diff(t, axis=1) ** 2) + np.mean(np.diff(t, axis=0) ** 2)
    apart = np.mean((np.log2(0.2 * texture(u - slip, v) + 2**-7) - t) ** 2)
    value = _pair(deliver, slip=slip)["warp_error"].value
    assert value == pytest.approx(np.sqrt(apart / (beside / 2)), rel=0.06)


def test_grain_alone_measures_as_much_as_neighbours_differ(deliver: Deliver) -> None:
    assert _pair(deliver, grain=1.0)["warp_error"].value == pytest.approx(1, abs=0.25)


def test_only_points_that_both_frames_see_count(deliver: Deliver) -> None:
    now, later = made_frame(1001, grain=0), made_frame(1002, grain=0)
    hidden = np.zeros(SIZE[::-1], bool)
    hidden[60:100, 130:170] = True
    later.crowd[hidden, :3] = 3.0  # somebody else passes in front, with his own id
    later.ids[hidden] = 0x3E000000
    over(later)
    assert _value(motion_readings(deliver(now), deliver(later), None), "warp_error") < 0.1
    later.ids[hidden] = now.ids[80, 150]  # now it is the same one, who has changed
    assert _value(motion_readings(deliver(now), deliver(later), None), "warp_error") > 1


def test_motion_points_the_way_files_have_it(deliver: Deliver) -> None:
    """x right, y up: told the wrong way round, the tents do not hold."""
    now, later = made_frame(1001, grain=0), made_frame(1002, grain=0)
    right = _value(motion_readings(deliver(now), deliver(later), None), "warp_error")
    now.forward *= -1
    later.forward *= -1
    wrong = _value(motion_readings(deliver(now), deliver(later), None), "warp_error")
    assert wrong > 5 * right and STEP_PX > 0


def test_a_plate_that_is_a_still_is_no_yardstick(deliver: Deliver) -> None:
    from composer.camera.camera import View
    from composer.qc.motion import Ground

    view = View(1, SIZE, np.eye(4), (300.0, 300.0), (SIZE[0] / 2, SIZE[1] / 2))
    ground = (Ground(view, np.full(SIZE[::-1], 12, np.float32)),) * 2
    for same in (False, True):
        now, later = made_frame(1001), made_frame(1002)
        if same:
            later.plate = now.plate
            over(later)
        seen = {r.measure: r for r in motion_readings(deliver(now), deliver(later), ground)}
        assert (seen["warp_ratio"].value is None) == same
        assert (seen["plate_warp_error"].value == pytest.approx(0, abs=1e-6)) == same


def test_the_environment_is_followed_along_its_own_motion(deliver: Deliver) -> None:
    """A wall that glides by two pixels; a layer that holds, and one that slips."""

    def wall(number: int, slip: float) -> Made:
        made = made_frame(number, grain=0)
        y, x = np.mgrid[: SIZE[1], : SIZE[0]].astype(np.float32)
        made.crowd[...] = 0
        made.ids[...] = 0
        alpha = np.where((y > 20) & (y < 120) & (x > 40) & (x < 280), 1, 0).astype(np.float16)
        u = x - (2 + slip) * (number - 1001)
        rgb = np.repeat((0.3 + 0.1 * np.sin(u * 0.5) * np.cos(y * 0.4))[..., None], 3, axis=-1)
        made.rgb = np.where(alpha[..., None] > 0, rgb, made.plate).astype(np.float32)
        still = np.zeros(alpha.shape, np.float16)
        two = np.full(alpha.shape, 2, np.float16)
        colour = {c: (rgb[..., 0] * alpha).astype(np.float16) for c in "RGB"}
        made.extra["environment"] = ExrPart("environment", {**colour, "A": alpha})
        planes = {"forward.u": two, "forward.v": still, "backward.u": -two, "backward.v": still}
        made.extra["motion"] = ExrPart("environment_motion", planes)
        return made

    holds, slips = (
        {r.measure: r.value for r in motion_readings(deliver(wall(1001, s)), deliver(wall(1002, s)), None)}
        for s in (0, 1)
    )
    assert holds["place_warp_error"] == pytest.approx(0, abs=0.01) and (slips["place_warp_error"] or 0) > 0.9
    assert holds["warp_error"] is None


# --- painted ---


def test_a_seam_is_found(deliver: Deliver) -> None:
    paint = {"tiles": TILES, "adherence": 0.9}
    good = made_frame(1001)
    rows, columns = (np.array(TILES[k].split(), int) for k in ("row_starts", "column_starts"))
    height, width = (int(n) for n in TILES["tile"].split("x")[1:])
    value = _value(painted_readings(deliver(good), paint), "seam")
    assert load_limits()["seam"].keeps(value)
    bad = made_frame(1001)
    for y in {*(rows[1:] * 8), *((rows[:-1] + height) * 8)}:
        bad.crowd[y:, :, :3] *= 1.08
    for x in {*(columns[1:] * 8), *((columns[:-1] + width) * 8)}:
        bad.crowd[:, x:, :3] *= 1.08
    over(bad)
    worse = _value(painted_readings(deliver(bad), paint), "seam")
    assert worse > value + 0.3 and not load_limits()["seam"].keeps(worse)


def test_what_was_not_painted_has_no_seams(deliver: Deliver) -> None:
    assert [r.value for r in painted_readings(deliver(), None)] == [None, None]
    older = {k: v for k, v in TILES.items() if not k.endswith("starts")}
    seen = list(painted_readings(deliver(), {"tiles": older, "adherence": 0.5}))
    assert seen[0].value is None and "does not say" in seen[0].why and seen[1].value == 0.5


def test_a_painted_silhouette_is_held_against_the_flat_guides_own(deliver: Deliver) -> None:
    for paint, kept in (
        ({"adherence": 0.72, "guide_adherence": 0.9}, 0.8),
        ({"adherence": 0.72, "guide_adherence": 0.6}, 1.0),
        ({"adherence": 0.72}, 0.72),
    ):
        assert _value(painted_readings(deliver(), {"tiles": TILES, **paint}), "adherence") == pytest.approx(kept)
    assert silhouette_kept({"adherence": None, "guide_adherence": 0.9}) is None


def test_the_made_grain_is_what_it_says() -> None:
    """The oracle's own field: unit variance, and softer than white."""
    noise = grain_field(3)
    assert noise.std() == pytest.approx(1, abs=1e-3)
    assert np.mean(noise[:, 1:] * noise[:, :-1]) > 0.2
