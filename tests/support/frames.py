"""A small frame that was never rendered: every pass has known values."""

from __future__ import annotations

from fractions import Fraction

import numpy as np

from composer.camera.camera import View
from composer.comp.composite import composite
from composer.comp.layer import Frame
from composer.comp.shade import Shade
from composer.crowd.names import Names
from composer.deliver.exr import Slate
from composer.guides.passes import GuidePasses, LightSet, Samples

H, W = 40, 64
AGENTS = (7, 4711, 90210)
NAMES = Names(
    {7: "host.00007", 4711: "host.04711", 90210: "guard.00010"},
    {7: "red", 4711: "red", 90210: "blue"},
    {7: "spearman", 4711: "swordsman", 90210: "swordsman"},
)


def view() -> View:
    world_from_camera = np.eye(4)
    world_from_camera[:3, :3] = np.array([[0.8, 0.0, 0.6], [0.0, 1.0, 0.0], [-0.6, 0.0, 0.8]])
    world_from_camera[:3, 3] = (3.0, 1.7, 10.0)
    return View(1003, (W, H), world_from_camera, (70.0, 72.0), (33.0, 19.0))


def slate(**changes: object) -> Slate:
    values = {
        "shot": "test_010",
        "version": "v003",
        "frame_rate": Fraction(24000, 1001),
        "timecode": "01:00:00:02",
        "pixel_aspect": 1.0,
        "colorspace": "ACEScg",
        "chromaticities": (0.713, 0.293, 0.165, 0.83, 0.128, 0.044, 0.32168, 0.33767),
        "seed": 7,
        "code_version": "0.1.0",
        "display": "sRGB - Display",
        "view": "Un-tone-mapped",
        "extra": {"quality": "preview"},
    }
    return Slate(**{**values, **changes})


def plate() -> np.ndarray:
    return np.random.default_rng(1).uniform(0, 3, (H, W, 3)).astype(np.float16).astype(np.float32)


def frame(empty: bool = False) -> Frame:
    """Three agents in a row of columns, each covering half a pixel more than the last; or nobody."""
    rng = np.random.default_rng(2)
    entries: list[list[tuple[int, float]]] = [[] for _ in range(H * W)]
    if not empty:
        for y in range(10, 30):
            for x in range(8, 50):
                entries[y * W + x] = [(AGENTS[x % 3], 0.5), (AGENTS[(x + 1) % 3], 0.25)]
    start = np.cumsum([0, *(len(e) for e in entries)])
    flat = [e for pixel in entries for e in pixel]
    coverage = np.array([c for _, c in flat], np.float32)
    samples = Samples(
        start.astype(np.int64),
        np.array([a for a, _ in flat], np.uint32),
        coverage,
        np.array([12.5 + 0.5 * i for e in entries for i in range(len(e))], np.float32),
        coverage[:, None] * rng.uniform(0, 2, (len(flat), 3)).astype(np.float32),
    )
    total = np.array([sum(c for _, c in e) for e in entries], np.float32).reshape(H, W)
    covered = total > 0
    pixel = np.repeat(np.arange(H * W), np.diff(start))
    beauty = np.stack([np.bincount(pixel, samples.rgb[:, i], H * W) for i in range(3)], -1)
    beauty = beauty.reshape(H, W, 3).astype(np.float32)
    split = rng.dirichlet((1, 1, 1), (H, W)).astype(np.float32)
    shadow = np.zeros((H, W), np.float32)
    if not empty:
        shadow[28:36, 8:56] = 0.5
    guides = GuidePasses(
        depth_m=np.where(covered, 12.5, np.inf).astype(np.float32),
        normal=np.where(covered[..., None], (0.0, 0.6, 0.8), 0.0).astype(np.float32),
        agent_id=np.array([e[0][0] if e else 0 for e in entries], np.uint32).reshape(H, W),
        motion_px=np.where(covered[..., None], (1.5, -0.5), 0.0).astype(np.float32),
        motion_back_px=np.where(covered[..., None], (-1.25, 0.75), 0.0).astype(np.float32),
        coverage=total,
        albedo=beauty * np.float32(0.5),
        beauty=beauty,
        shadow=shadow,
        contact=np.zeros_like(shadow),
        pose_px=np.zeros((0, 18, 3), np.float32),
        pose_agent=np.zeros(0, np.uint32),
        pose_visible=np.zeros((0, 18), bool),
        samples=samples,
        lights=LightSet(*(beauty * split[..., i : i + 1] for i in range(3))),
    )
    done = composite(plate(), beauty, total, Shade.grey(shadow), np.zeros((H, W), np.float32), None)
    pose = np.zeros((H, W, 3), np.float32)
    if not empty:
        pose[12:14, 10:40] = (1.0, 0.5, 0.0)
    return Frame(1003, done.rgb, done.layers, done.touched, done.untouched_sha256, guides, pose)
