"""Cost against count, 100 to 100,000 soldiers, of the guides and of the whole chain; how many show; how steady they are.

All at 1920x1080 with every pass; 4 samples a pixel unless said. The steadiness is that of the crowd alone, in a
display's encoding.
"""

from __future__ import annotations

import itertools
import json
import os
import resource
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import guides
import numpy as np
import warp as wp
from numpy.typing import NDArray
from plot import Line, plot

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from composer.camera.camera import View
from composer.crowd.agents import Agents, Cast
from composer.crowd.cast import default_cast
from composer.guides.assets import LOD_PX, assets_of
from composer.guides.bands import fill_visibility
from composer.guides.device import Pool, eye_of, upload
from composer.guides.frame import look, skin
from composer.guides.kernel_raster import EMPTY
from composer.guides.lens_table import lens_tables
from composer.guides.passes import GuidePasses
from composer.guides.pattern import sample_places
from composer.guides.render import render_guides

PLOT = Path(__file__).parent / "results" / "scale.png"
COUNTS = (100, 1_000, 10_000, 100_000)
FRAMES = 24
F64 = NDArray[np.float64]


def triangles(agents: Agents, cast: Cast, view: View, samples: int = 4) -> tuple[int, int]:
    """Triangles that own at least one sample of the picture, and those of everyone in view, hidden or not."""
    assets, tables = assets_of(cast, "cpu"), lens_tables(view)
    eye = eye_of(view, tables, view.position_m, "cpu")
    pool = Pool("cpu", None)
    slots = skin(agents, look(agents, assets, view, tables), guides.NO_SUN, assets, eye, pool, "cpu")
    pool.close()
    offset = upload(sample_places(samples), wp.vec2i, "cpu")
    w, h = view.size_px
    names = [np.zeros(0, np.uint64)]
    for row0 in range(0, h, 135):
        filled = fill_visibility(assets, slots, eye, (row0, min(row0 + 135, h)), w, samples, offset, "cpu")
        if filled is not None:
            keys = filled[0].numpy()
            names.append(np.unique(keys[keys != EMPTY] & np.uint64(0xFFFFFFFF)))
    in_view = assets.meshes.tris.numpy()[slots.draws.mesh.numpy()[slots.seen & (slots.box[:, 3] >= 0)]]
    return len(np.unique(np.concatenate(names))), int(in_view.sum())


def shown(passes: GuidePasses) -> int:
    return len(np.unique(passes.samples.agent_id))


def cost(cast: Cast) -> list[dict[str, object]]:
    """A row for each count; memory is the process's peak so far, counts rising."""
    view = guides.camera()
    ground = guides.ground_of(view)
    rows = []
    for n in COUNTS:
        agents = guides.crowd_of(n, cast)
        last: list[GuidePasses] = []

        def frame(agents: Agents = agents, last: list[GuidePasses] = last) -> None:
            last[:] = [render_guides(agents, cast, (view, view, view), ground, [], guides.LIGHT)]

        seconds, cpu_seconds = guides.best_of(frame, 5)
        peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 2**20
        visible, in_view = triangles(agents, cast, view)
        rows.append(
            {
                "soldiers": n,
                "seconds": round(seconds, 3),
                "cpu_seconds": round(cpu_seconds, 3),
                "peak_memory_gib": round(peak, 2),
                "covered_pixels": int((last[0].coverage > 0).sum()),
                "visible_soldiers": shown(last[0]),
                "visible_triangles": visible,
                "triangles_in_view": in_view,
                "stages": {name: round(s, 4) for name, s in last[0].seconds.items()},
                "chain": chain(n),
            }
        )
    return rows


def distinct(cast: Cast, n: int = 100_000) -> dict[str, object]:
    """Soldiers with a sample in the picture, by samples a pixel."""
    view = guides.camera()
    ground = guides.ground_of(view)
    agents = guides.crowd_of(n, cast)
    four, sixteen = (
        shown(render_guides(agents, cast, (view, view, view), ground, [], guides.LIGHT, samples=s)) for s in (4, 16)
    )
    return {"soldiers": n, "samples_4": four, "samples_16": sixteen, "share": round(four / sixteen, 4)}


def moved(view: View, frame: int, step_m: tuple[float, float, float], pan_deg: float = 0.0) -> View:
    """The view after `frame` frames of a slow truck and pan."""
    a = np.radians(pan_deg * frame)
    m = view.world_from_camera.copy()
    m[:3, :3] = np.array([[np.cos(a), 0, np.sin(a)], [0, 1, 0], [-np.sin(a), 0, np.cos(a)]]) @ m[:3, :3]
    m[:3, 3] += np.array(step_m) * frame
    return View(frame, view.size_px, m, view.focal_px, view.centre_px)


def display(rgb: NDArray[np.float32]) -> F64:
    """Scene light to a display's 0..1: a soft shoulder and the sRGB curve."""
    x = np.maximum(rgb.astype(np.float64), 0.0)
    x = x / (1.0 + x)
    return np.where(x <= 0.0031308, 12.92 * x, 1.055 * x ** (1 / 2.4) - 0.055)


def bilinear(image: NDArray, x: F64, y: F64) -> F64:  # type: ignore[type-arg]
    i, j = np.floor(x).astype(int), np.floor(y).astype(int)
    u, v = (x - i)[:, None], (y - j)[:, None]
    top = image[j, i] * (1 - u) + image[j, i + 1] * u
    return top * (1 - v) + (image[j + 1, i] * (1 - u) + image[j + 1, i + 1] * u) * v


def sequence(cast: Cast, n: int) -> Iterator[GuidePasses]:
    """A slow truck and pan over soldiers who play their clips."""
    base, view = guides.crowd_of(n, cast), guides.camera()
    seconds = np.array([clip.duration_s for clip in cast.clips])[base.clip[1]]
    for frame in range(FRAMES + 1):
        phase = (base.phase[1] + (frame + np.array([[-1.0], [0.0], [1.0]])) / (24.0 * seconds)) % 1.0
        views = tuple(moved(view, frame + k, (0.02, 0.0, -0.02), 0.01) for k in (-1, 0, 1))
        agents = replace(base, phase=phase.astype(np.float32))
        yield render_guides(agents, cast, views, None, [], guides.LIGHT)  # type: ignore[arg-type]


def steadiness(cast: Cast, n: int = 20_000) -> dict[str, object]:
    """Mean squared difference between each frame and the next one fetched along its true motion, where the same soldier
    shows at both ends and the way back leads home; whole figures' insides and edges alike."""
    error = still = share = 0.0
    pixels = 0
    last: GuidePasses | None = None
    for now in sequence(cast, n):
        if last is not None:
            h, w = last.agent_id.shape
            y, x = np.nonzero(last.agent_id)
            to = np.stack([x, y], -1) + last.motion_px[y, x].astype(np.float64)
            fits = (to > 0).all(1) & (to[:, 0] < w - 1.001) & (to[:, 1] < h - 1.001)
            y, x, to = y[fits], x[fits], to[fits]
            i, j = np.rint(to).astype(int).T
            home = np.abs(last.motion_px[y, x] + now.motion_back_px[j, i]).max(1) < 0.5
            same = (now.agent_id[j, i] == last.agent_id[y, x]) & home
            y, x, to = y[same], x[same], to[same]
            before, after = display(last.beauty), display(now.beauty)
            error += float(((bilinear(after, to[:, 0], to[:, 1]) - before[y, x]) ** 2).mean(1).sum())
            still += float(((after[y, x] - before[y, x]) ** 2).mean(1).sum())
            share += len(y) / max(int((last.agent_id > 0).sum()), 1)
            pixels += len(y)
        last = now
    return {
        "soldiers": n,
        "frames": FRAMES,
        "warp_mse": round(error / pixels, 6),
        "warp_rms": round(float(np.sqrt(error / pixels)), 4),
        "unwarped_mse": round(still / pixels, 6),
        "share_of_crowd_pixels": round(share / FRAMES, 3),
    }


def line_up(cast: Cast, height_px: float, seed: int) -> Agents:
    """Soldiers one beside the other, each to change his level of detail as the camera comes 3.6 m nearer."""
    rng = np.random.default_rng(seed)
    d = float(np.sqrt((guides.camera().focal_px[1] * 1.8 / height_px) ** 2 - 16.0))
    n = int(d * 0.9 / 2.5)
    x = (np.arange(n) - (n - 1) / 2) * 2.5
    where = np.stack([x, np.zeros(n), -d - rng.uniform(0.2, 3.4, n)], axis=1)
    base = guides.crowd_of(n, cast)
    return replace(
        base,
        position_m=np.repeat(where[None], 3, 0).astype(np.float32),
        heading_rad=np.repeat(rng.uniform(-np.pi, np.pi, n)[None], 3, 0).astype(np.float32),
        phase=np.repeat(rng.random(n)[None], 3, 0).astype(np.float32),
        cast=rng.integers(0, len(cast.figures), n).astype(np.int16),
        height_scale=np.ones(n, np.float32),
    )


def popping(cast: Cast, seeds: int = 2) -> list[dict[str, object]]:
    """Change of an agent's area in the picture from a frame to the next, agents holding still, camera 0.15 m nearer, the
    picture's own growth (distance squared) taken out: of those who change level, and of those who do not."""
    assets, view = assets_of(cast, "cpu"), guides.camera()
    rows: list[dict[str, object]] = []
    for height_px in LOD_PX:
        jump, quiet = [np.zeros(0)], [np.zeros(0)]
        for seed in range(seeds):
            agents = line_up(cast, height_px, seed)
            whole = np.ones(len(agents), bool)
            steps: list[tuple[NDArray[np.int32], F64]] = []
            for frame in range(FRAMES + 1):
                here = moved(view, frame, (0.0, 0.0, -0.15))
                passes = render_guides(agents, cast, (here, here, here), None, [], guides.LIGHT)
                crowd = look(agents, assets, here, lens_tables(here))
                area = np.bincount(passes.samples.agent_id, passes.samples.coverage, len(agents) + 1)[1:]
                steps.append((assets.lod(agents.cast, crowd.height_px), area / crowd.height_px**2))
                ids = passes.agent_id
                edge = np.unique(np.concatenate([ids[0], ids[-1], ids[:, 0], ids[:, -1]]))
                whole &= ~np.isin(agents.agent_id, edge)
            for (old, before), (new, after) in itertools.pairwise(steps):
                change = np.abs(after[whole] / np.maximum(before[whole], 1e-9) - 1.0)
                switched = (old != new)[whole]
                jump.append(change[switched])
                quiet.append(change[~switched])
        row: dict[str, object] = {"height_px": height_px}
        for name, parts in (("changing", jump), ("keeping", quiet)):
            values = np.concatenate(parts)
            row[name] = {"count": len(values)}
            if len(values):
                row[name] |= {"largest": round(float(values.max()), 4), "mean": round(float(values.mean()), 4)}  # type: ignore[operator]
        rows.append(row)
    return rows


def chain(n: int) -> dict[str, object]:
    """What `muster render` costs, in a process of its own."""
    command = [sys.executable, str(Path(__file__).with_name("army.py")), str(n)]
    return dict(json.loads(subprocess.run(command, check=True, capture_output=True, text=True).stdout))


def growth(rows: list[dict[str, object]]) -> list[dict[str, object]]:
    """By how much each decade of soldiers grows the guides' seconds, by the clock and of all cores, and the triangles that
    show."""
    found = []
    for a, b in [*itertools.pairwise(rows), (rows[0], rows[-1])]:
        ratio = {k: float(str(b[k])) / float(str(a[k])) for k in ("seconds", "cpu_seconds", "visible_triangles")}
        counts = {"from": a["soldiers"], "to": b["soldiers"]}
        found.append({**counts, **{name: round(value, 2) for name, value in ratio.items()}})
    return found


def draw(rows: list[dict[str, object]], path: Path) -> None:
    """Seconds against count, in all and by stage, and the triangles that show."""

    def of(part: str) -> list[float]:
        return [float(row["stages"][part]) for row in rows]  # type: ignore[index]

    def total(row: dict[str, object], key: str) -> float:
        return float(str(row[key]))

    lines = [
        Line("guides, all passes", "#c0392b", [total(row, "seconds") for row in rows], thick=True),
        Line(
            "visible triangles (1 s = 1 million)",
            "#2c5f9e",
            [total(row, "visible_triangles") for row in rows],
            1e6,
            True,
        ),
        Line("whole chain, EXR written", "#222222", [float(row["chain"]["seconds"]) for row in rows], thick=True),  # type: ignore[index]
        Line("raster and resolve", "#e08e0b", of("raster and resolve")),
        Line("sun", "#b9a11b", of("sun")),
        Line("ground", "#4f8f3a", of("ground")),
        Line("cull, pose and skin", "#8e5bb5", [a + b for a, b in zip(of("cull"), of("skin"), strict=True)]),
    ]
    plot(COUNTS, lines, (-3, 1), path)


def table(rows: list[dict[str, object]]) -> str:
    """Cost against count, for people."""
    head = f"{'soldiers':>9s}{'visible':>9s}{'triangles':>11s}{'guides':>9s}{'chain':>8s}{'CPU':>8s}{'GiB':>7s}"
    lines = [head]
    for row in rows:
        whole: dict[str, object] = row["chain"]  # type: ignore[assignment]
        lines.append(
            f"{row['soldiers']:>9,d}{row['visible_soldiers']:>9,d}{row['visible_triangles']:>11,d}{row['seconds']:>9.3f}"
            f"{whole['seconds']:>8.3f}{whole['cpu_seconds']:>8.3f}{whole['peak_memory_gib']:>7.2f}"
        )
    return "\n".join(lines)


def measure() -> dict[str, object]:
    cast = default_cast()
    rows = cost(cast)
    PLOT.parent.mkdir(exist_ok=True)
    draw(rows, PLOT)
    print(table(rows), file=sys.stderr)
    return {
        "what": "guides at 1920x1080, all passes, 4 samples a pixel, default cast",
        "load": os.getloadavg()[0],
        "chain": "muster render, default parts, reading ahead and writing behind, 1920x1080 plate, another layout",
        "rows": rows,
        "growth": growth(rows),
        "distinct_soldiers": distinct(cast),
        "slow_camera_move": steadiness(cast),
        "level_changes": popping(cast),
    }


if __name__ == "__main__":
    print(json.dumps(measure(), indent=2))
