"""What it costs to put the plate's look on a crowd: the fused kernels at 4096x2160, against the time that the memory alone
takes and against the same steps in torch eager, kornia and OpenImageIO, all in one run; then the lens, against brute force.

python benchmarks/chain.py [width height]     # 4096 2160
"""

from __future__ import annotations

import json
import math
import sys
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import chain_rivals as rivals
import numpy as np
from chain_rivals import Job

from composer.comp.look_apply import composite_with_look
from composer.comp.plate_look import Air, Edge, Fringe, Grade, Grain, Optics, PlateLook, Vignette

ROOT = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT / "tests"))

SIZE, THREADS, REPEATS = (4096, 2160), 2, 3


def look() -> PlateLook:
    """Every part but the lens."""
    y, x = np.mgrid[-3:4, -3:4]
    blob = np.exp(-0.5 * (x**2 + y**2) / 0.8**2)
    kernel = np.stack([blob / np.sqrt((blob**2).sum())] * 3).astype(np.float32)
    variance = np.array([[1e-6, 1e-5, 7e-5]] * 3)
    mix = np.linalg.cholesky(np.array([[1, 0.3, 0.2], [0.3, 1, 0.3], [0.2, 0.3, 1.0]]))
    return PlateLook(
        grade=Grade(np.diag([1.05, 1.0, 0.95]), np.zeros(3)),
        air=Air((4e-4, 5e-4, 6e-4), (0.4, 0.45, 0.5)),
        grain=Grain(np.array([0.0, 0.2, 1.0]), variance, kernel, mix),
        edge=Edge(1.1, 0.2, 16.0),
        vignette=Vignette(np.array([-0.15, 0.02, 0.0])),
        fringe=Fringe(1.0004, 0.9997),
    )


def timed(work: Callable[[], object], repeats: int = REPEATS) -> dict[str, float]:
    """The best of a few, after one to warm up: wall seconds, and the processor's over all threads."""
    work()
    wall, cpu = math.inf, math.inf
    for _ in range(repeats):
        begin, used = time.perf_counter(), time.process_time()
        work()
        wall, cpu = min(wall, time.perf_counter() - begin), min(cpu, time.process_time() - used)
    return {"seconds": round(wall, 4), "cpu_seconds": round(cpu, 4)}


def bandwidth() -> float:
    """Bytes a second, read and written, of plain copies on as many threads."""
    block = [np.ones(1 << 26, np.uint8) for _ in range(2 * THREADS)]

    def copy(k: int) -> None:
        np.copyto(block[2 * k], block[2 * k + 1])

    with ThreadPoolExecutor(THREADS) as pool:
        best = timed(lambda: list(pool.map(copy, range(THREADS))), 8)["seconds"]
    return THREADS * 2 * (1 << 26) / best


def least_bytes(job: Job) -> int:
    """What must be read and written once, whatever the program: pictures in, halves out."""
    h, w = job.guides.coverage.shape
    samples = job.guides.samples
    read = h * w * 4 * (3 + 1 + 1 + 1) + samples.start.nbytes + samples.rgb.nbytes + 2 * samples.depth_m.nbytes
    return read + h * w * (2 * (3 + 4 + 4) + 2)


def lens_rows() -> list[dict[str, object]]:
    """PSNR and time against many views, at a small size."""
    from support.lens_truth import Take, plates, psnr

    centred = {"shutter_deg": 180.0, "shutter_offset_deg": -90.0}
    takes = {
        "defocus, focus near": Take(Optics(0.2, 7.0), size=(384, 216)),
        "defocus, focus far": Take(Optics(0.2, 22.0), size=(384, 216)),
        "motion blur, walking": Take(Optics(**centred), walk_m=0.25, size=(384, 216)),
        "motion blur, panning": Take(Optics(**centred), pan_deg=4.0, walk_m=0.1, size=(384, 216)),
        "both": Take(Optics(0.5, 9.0, **centred), walk_m=0.2, pan_deg=1.5, size=(384, 216)),
    }
    rows = []
    for name, take in takes.items():
        truth = timed_once(lambda take=take: take.truth(256))
        ours = timed_once(take.ours)
        guides = take.guides((-1.0, 0.0, 1.0))
        plain = guides.beauty.astype(np.float64), guides.coverage.astype(np.float64)
        touched = (truth[1][1] > 0) | (ours[1][1] > 0)
        kinds = ("white", "dark", "striped")
        row: dict[str, object] = {"what": name, "views": 256, "truth_cpu_seconds": round(truth[0], 3)}
        row["cpu_seconds"] = round(ours[0], 3)
        for key, layer in (("psnr_db", ours[1]), ("unblurred_psnr_db", plain)):
            values = [psnr(layer, truth[1], plate, touched) for plate in plates(take.size)]
            row[key] = dict(zip(kinds, [round(v, 1) for v in values], strict=True))
        rows.append(row)
    return rows


def timed_once(work: Callable[[], object]) -> tuple[float, tuple[np.ndarray, np.ndarray]]:
    begin = time.process_time()
    result = work()
    return time.process_time() - begin, result  # type: ignore[return-value]


def measure(size: tuple[int, int] = SIZE) -> dict[str, object]:
    job = rivals.job_of(size)
    speed = bandwidth()
    floor = least_bytes(job) / speed
    full, own = look(), {}

    def ours(one: PlateLook) -> Callable[[], object]:
        return lambda: composite_with_look(one, job.guides, job.pictures, job.setting, threads=THREADS)

    lens = {"motion blur": Optics(shutter_deg=180, shutter_offset_deg=-90)}
    lens |= {"defocus": Optics(2.8, 20.0), "both": Optics(2.8, 20.0, shutter_deg=180, shutter_offset_deg=-90)}
    rows = {"without a look": timed(ours(PlateLook())), "whole chain, no lens": timed(ours(full))}
    for name, optics in lens.items():
        with_lens = PlateLook(full.grade, full.air, full.grain, full.edge, full.vignette, full.fringe, optics)
        rows[f"whole chain, {name}"] = timed(ours(with_lens), 1)
    for name, work in rivals.works(job, full, THREADS).items():
        own[name] = timed(work, 1)
    chain = rows["whole chain, no lens"]
    return {
        "size": list(size), "threads": THREADS, "covered": round(float((job.guides.coverage > 0).mean()), 3),
        "copy_gb_per_s": round(speed / 1e9, 2), "least_mb": round(least_bytes(job) / 1e6), "floor_seconds": round(floor, 4),
        "ours": rows, "others": own,
        "over_floor": round(chain["seconds"] / floor, 2),
        "times_ours": {k: round(v["seconds"] / chain["seconds"], 2) for k, v in own.items()},
        "times_ours_cpu": {k: round(v["cpu_seconds"] / chain["cpu_seconds"], 2) for k, v in own.items()},
        "lens": lens_rows(),
    }  # fmt: skip


if __name__ == "__main__":
    asked = tuple(int(n) for n in sys.argv[1:3])
    print(json.dumps(measure(asked if len(asked) == 2 else SIZE), indent=1))  # type: ignore[arg-type]
