"""A preview of 1,000 soldiers at 1920x1080, all passes, EXR included: seconds a frame and peak memory.

`muster render scenes/valley` runs in a process of its own, once for one frame and once for all; the difference is the cost of
a frame without start-up and kernel loading.
"""

from __future__ import annotations

import json
import subprocess
import sys
import tempfile
from pathlib import Path

SCENE = Path(__file__).resolve().parents[1] / "scenes" / "valley"


def render(out: Path, *arguments: str) -> dict[str, object]:
    """The JSON result of one `muster render`."""
    command = [sys.executable, "-m", "composer", "render", str(SCENE), "--out", str(out), "--json", *arguments]
    return json.loads(subprocess.run(command, check=True, capture_output=True, text=True).stdout)


def measure() -> dict[str, object]:
    with tempfile.TemporaryDirectory() as folder:
        render(Path(folder) / "warm", "--frames", "1001")  # compiles kernels where that was never done
        one = render(Path(folder) / "one", "--frames", "1001")
        every = render(Path(folder) / "all")
        manifest = json.loads(Path(str(every["manifest"])).read_text())
    frames = len(every["rendered"])
    stages: dict[str, float] = {}
    for record in manifest["frames"]:
        for stage, seconds in record["seconds"].items():
            stages[stage] = stages.get(stage, 0.0) + seconds / frames
    return {
        "what": "muster render scenes/valley, 1,000 soldiers, 1920x1080, 4 samples a pixel, all passes, EXR included",
        "frames": frames,
        "soldiers": every["soldiers"],
        "seconds_a_frame": round((every["seconds"] - one["seconds"]) / (frames - 1), 3),
        "seconds_first_frame": one["seconds"],
        "seconds_by_stage": {k: round(v, 3) for k, v in stages.items()},
        "peak_memory_mib": every["peak_memory_mib"],
    }


if __name__ == "__main__":
    print(json.dumps(measure(), indent=1))
