"""What quality control costs: `muster qc` a frame, and the line after a render against the render itself."""

from __future__ import annotations

import tempfile
import time
from pathlib import Path

from composer.io.content import find_content
from composer.qc.delivery import list_delivery, open_source
from composer.qc.measure import Ask, measure_delivery
from composer.qc.quick import quick_look
from composer.render.job import prepare_job, run_job
from composer.render.quality import load_quality
from composer.shot.load import load_shot

FRAMES = tuple(range(1001, 1007))


def measure() -> dict[str, object]:
    """Seconds a frame of the embedded scene, 1920x1080 with 1,000 soldiers."""
    shot = load_shot(find_content("scenes/valley/shot.yaml"))
    with tempfile.TemporaryDirectory() as folder:
        job = prepare_job(shot, Path(folder), load_quality("preview"), frames=FRAMES)
        run_job(job)
        for path in sorted((job.delivery / "exr").iterdir()):
            path.unlink()  # what was compiled and read for the first time is not counted
        rendered = run_job(job)
        begin = time.perf_counter()
        quick_look(job.delivery, rendered.rendered, job.scene.stage)
        quick = time.perf_counter() - begin
        listing = list_delivery(job.delivery)
        source = open_source(listing, shot.file)
        seconds = {n: measure_delivery(listing, source, Ask(workers=n)).seconds / len(FRAMES) for n in (1, 2)}
    return {
        "render_s_a_frame": round(rendered.seconds / len(FRAMES), 3),
        "line_after_a_render_s": round(quick, 3),
        "qc_s_a_frame_one_worker": round(seconds[1], 3),
        "qc_s_a_frame_two_workers": round(seconds[2], 3),
    }


if __name__ == "__main__":
    print(measure())
