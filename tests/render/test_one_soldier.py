"""Moving one soldier changes the picture where he was and is, and where his shadow falls; nothing else, bit for bit."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray

from composer.camera.camera import View
from composer.comp.layer import Frame
from composer.crowd.people import People
from composer.errors import InputErrors
from composer.guides.ground import ground_depth
from composer.render.check import check_shot
from composer.render.depends import frame_key
from composer.render.frame import Scene, read_inputs, render_frame
from composer.render.job import prepare_job
from composer.render.people import people_on, picker
from composer.render.quality import load_quality
from composer.render.ready import slate_of
from composer.shot.load import load_shot, parse_shot
from composer.shot.stage import Stage, prepare

Bools = NDArray[np.bool_]
FRAME = 1002
#: His reach with spear and shield about the line from feet to spear tip, and the widest filter of a shadow there.
TALL_M, GEAR_M, FILTER_M = 2.3, 0.8, 0.5
#: How far his contact with the ground goes, and how far he takes sky light from those beside him.
CONTACT_M, CROWDING_M = 1.0, 1.55


def scene(shot: Path, stage: Stage, *entries: str) -> Scene:
    text = shot.read_text() + ("overrides:\n" + "".join(f"  - {{{e}}}\n" for e in entries) if entries else "")
    staged = replace(stage, shot=parse_shot(text, shot))
    return Scene(staged, people_on(staged), 4, "cpu")


def silhouette(frame: Frame, agent: int) -> Bools:
    """Pixels with a sample of his: what he covers."""
    samples, shape = frame.guides.samples, frame.guides.depth_m.shape
    pixel = np.repeat(np.arange(shape[0] * shape[1]), np.diff(samples.start))
    return (np.bincount(pixel[samples.agent_id == agent], minlength=shape[0] * shape[1]) > 0).reshape(shape)


def surfaces(frame: Frame, view: View, ground_m: NDArray[np.float32]) -> tuple[NDArray[np.int64], ...]:
    """Everything that any pixel shows: (pixel [M], agent or 0 [M], world place [M, 3], the pixel's size on it [M])."""
    samples = frame.guides.samples
    h, w = ground_m.shape
    every = np.arange(h * w)
    pixel = np.concatenate([every, np.repeat(every, np.diff(samples.start))])
    agent = np.concatenate([np.zeros(h * w, np.int64), samples.agent_id])
    depth = np.concatenate([ground_m.ravel(), samples.depth_m])
    depth = np.where(np.isfinite(depth), depth, 1e6)
    place = view.position_m + view.rays(np.stack([pixel % w + 0.5, pixel // w + 0.5], -1)) * depth[:, None]
    size_m = depth / view.focal_px[1] * np.where(agent > 0, 1.0, depth / 1.7)  # the ground is seen flat
    return pixel, agent, place, np.minimum(size_m, 3.0)


def his_shade(
    people: People, agent: int, points: NDArray[np.float64], sun: NDArray[np.float64], pixel_m: NDArray[np.float64]
) -> Bools:
    """Points whose way to the sun passes his body, or that lie at his feet; by geometry alone. The points are those of
    pixel centres, so the size of a pixel comes on top."""
    agents = people.layout.at([FRAME])
    at = np.flatnonzero(agents.agent_id == agent)
    if not len(at):
        return np.zeros(len(points), dtype=bool)
    foot = agents.position_m[0, at[0]].astype(np.float64)
    beside = np.full(len(points), np.inf)
    for height in np.linspace(0, TALL_M, 6):
        away = np.add(foot, [0, height, 0]) - points
        along = np.maximum((away * sun).sum(-1), 0)  # what is behind him casts nothing
        np.minimum(beside, np.linalg.norm(away - along[..., None] * sun, axis=-1), out=beside)
    near = np.linalg.norm(points - foot, axis=-1)
    return (beside < GEAR_M + FILTER_M + pixel_m) | (near < CONTACT_M + pixel_m)


@pytest.mark.parametrize(
    "order",
    [
        "move_m: [1.5, 2.0]", "place_m: [9, -14]", "hide: true", "turn_deg: 120", "clip: cheer", "kit: archer",
        "kill_at: 1001", "reroll: 4", "delay_s: 0.4",
    ],
)  # fmt: skip
@pytest.mark.parametrize("name", ["host.00004", "host.00017"])
def test_only_what_he_covers_and_shades_changes(make_shot, name: str, order: str) -> None:
    shot = make_shot(frames=3)
    stage = prepare(load_shot(shot))
    before, after = scene(shot, stage), scene(shot, stage, f"soldier: {name}, {order}")
    old, new = (render_frame(s, read_inputs(stage, FRAME)) for s in (before, after))
    agent = next(i for i, n in before.people.names.agent.items() if n == name)
    view = stage.camera.view(FRAME)
    covered = silhouette(old, agent) | silhouette(new, agent)
    sun = np.array(before.light.sun_direction)
    ground_m = ground_depth(stage.ground, view)
    press = beside_him(before.people, after.people, agent)
    shaded = np.zeros(covered.size, dtype=bool)
    for frame in (old, new):
        pixel, who, place, size_m = surfaces(frame, view, ground_m)
        # neighbours in a press take each other's sky light: those within reach of him may change all over
        touched = np.isin(who, press)
        for at in (before, after):
            touched |= his_shade(at.people, agent, place, sun, size_m)
        shaded[pixel[touched]] = True
    shaded = shaded.reshape(covered.shape)
    changed = (old.composite != new.composite).any(-1)
    assert changed.any(), "he is in the picture"
    stray = changed & ~covered & ~shaded
    assert not stray.any(), (
        f"{int(stray.sum())} of {int(changed.sum())} changed pixels are not his: {np.argwhere(stray)[:5]}"
    )
    assert changed.mean() < 0.12, "the bound is no bound if it takes half the picture"
    assert (covered | shaded).mean() < 0.3
    for key in ("depth_m", "agent_id", "coverage", "motion_px", "albedo", "normal"):  # no light in these: only he
        a, b = getattr(old.guides, key), getattr(new.guides, key)
        differs = a != b if a.ndim == 2 else (a != b).any(-1)
        assert not (differs & ~covered).any(), key


def beside_him(before: People, after: People, agent: int) -> list[int]:
    """Ids of those who stand within arm's length of where he stood or stands."""
    found: set[int] = set()
    for people in (before, after):
        agents = people.layout.at([FRAME])
        at = np.flatnonzero(agents.agent_id == agent)
        if len(at):
            near = np.linalg.norm(agents.position_m[0] - agents.position_m[0, at[0]], axis=1) < CROWDING_M
            found |= set(agents.agent_id[near].tolist())
    return sorted(found)


def test_one_pixel_of_the_id_pass_is_the_id_pass(make_shot) -> None:
    """Drawn alone, a pixel names the same soldier as in the whole picture."""
    shot = make_shot(frames=3)
    stage = prepare(load_shot(shot))
    made = replace(scene(shot, stage), samples=16)
    ids = render_frame(made, read_inputs(stage, FRAME)).guides.agent_id
    rng = np.random.default_rng(3)
    seen, empty = np.argwhere(ids > 0), np.argwhere(ids == 0)
    pick = picker(stage, made.people.cast)
    for y, x in [*rng.permutation(seen)[:12].tolist(), *rng.permutation(empty)[:3].tolist()]:
        assert pick(made.people.layout, FRAME, (x + 0.3, y + 0.8)) == ids[y, x]


def test_a_pixel_of_the_plate_or_of_a_delivered_frame_names_him(make_shot, tmp_path: Path) -> None:
    from composer.render.job import run_job

    shot = make_shot(frames=3)
    job = prepare_job(load_shot(shot), tmp_path, load_quality("preview"), frames=[FRAME])
    run_job(job)
    made = render_frame(job.scene, read_inputs(job.scene.stage, FRAME))
    samples, width = made.guides.samples, made.guides.depth_m.shape[1]
    whole = np.flatnonzero((np.diff(samples.start) == 1) & (made.guides.coverage.ravel() == 1))[0]
    name = job.scene.people.names.agent[int(samples.agent_id[samples.start[whole]])]
    at = f"[{whole % width + 0.5}, {whole // width + 0.5}]"
    exr = next((job.delivery / "exr").glob("*.exr"))
    for pixel in (f"{{frame: {FRAME}, at_px: {at}}}", f"{{exr: {exr}, at_px: {at}}}"):
        people = scene(shot, job.scene.stage, f"pixel: {pixel}, hide: true").people
        assert name not in people.names.agent.values() and len(people.layout) == 29
        assert any(name in n for n in people.notes)
    shot.write_text(
        shot.read_text()
        + "overrides:\n  - {pixel: {frame: 1001, at_px: [2, 2]}, hide: true}\n  - {soldier: host.99, hide: true}\n"
    )
    errors = check_shot(shot).errors
    last = len(shot.read_text().splitlines())
    assert [e.where.line for e in errors] == [last - 1, last]
    with pytest.raises(InputErrors):
        prepare_job(load_shot(shot), tmp_path, load_quality("preview"))


def test_the_key_of_a_frame_follows_who_changes_in_it(make_shot, tmp_path: Path) -> None:
    shot = make_shot(frames=3)
    job = prepare_job(load_shot(shot), tmp_path, load_quality("preview"))
    dying = scene(shot, job.scene.stage, "soldier: host.00004, kill_at: 1003")
    keys = [[frame_key(s, slate_of(job), n) for n in (1001, 1002, 1003)] for s in (scene(shot, job.scene.stage), dying)]
    assert keys[0][0] == keys[1][0], "frames before he falls stay"
    assert keys[0][2] != keys[1][2]
