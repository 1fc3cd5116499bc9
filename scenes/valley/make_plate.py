"""Makes the embedded scene's plate, mattes, depth, ground and camera.

    python scenes/valley/make_plate.py                        # everything, into this folder
    python scenes/valley/make_plate.py --frames 1001-1012     # a part (run two at a time on two cores)
    python scenes/valley/make_plate.py --scale 0.25 --samples 4 --out /tmp/look    # a quick look
    python scenes/valley/make_plate.py --charge               # what charge.yaml needs: one still from a rise

A frame depends on its number only.
"""

from __future__ import annotations

import argparse
import sys
import time
from pathlib import Path

HERE = Path(__file__).resolve().parent
sys.path.insert(0, str(HERE))

from maker import files, move  # noqa: E402
from maker.renderer import SAMPLES, Renderer  # noqa: E402

DWA_LEVEL = 560.0  # no visible blocks at 2:1; 45 would be four times the size


def main() -> None:
    ap = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    ap.add_argument("--frames", default=f"{move.FIRST_FRAME}-{move.LAST_FRAME}")
    ap.add_argument("--samples", type=int, default=SAMPLES, help="samples a pixel")
    ap.add_argument("--scale", type=float, default=1.0)
    ap.add_argument("--charge", action="store_true", help="the plate, depth, ground and camera of charge.yaml instead")
    ap.add_argument("--out", type=Path, default=HERE)
    args = ap.parse_args()
    first, last = (int(v) for v in (args.frames + "-" + args.frames).split("-")[:2])
    if args.charge:
        make_charge(args.out / "charge", args.samples, args.scale)
        return
    began = time.perf_counter()
    args.out.mkdir(parents=True, exist_ok=True)
    renderer = Renderer()
    move.write_transforms(args.out / "camera.json", renderer.ground_m)
    files.write_ground(args.out / "ground.obj")
    print(f"scene built in {time.perf_counter() - began:.1f} s", flush=True)
    for frame in range(first, last + 1):
        t = time.perf_counter()
        picture = renderer.draw(frame, args.samples, args.scale)
        name = f"{frame:04d}.exr"
        files.write_plate(args.out / "plate" / f"valley.{name}", files.grain(picture.rgb, frame), frame, DWA_LEVEL)
        files.write_matte(args.out / "matte" / f"figures.{name}", picture.matte, frame)
        files.write_depth(args.out / "depth" / f"depth.{name}", picture.depth_m, frame)
        print(f"{frame}: {time.perf_counter() - t:.1f} s", flush=True)


def make_charge(out: Path, samples: int, scale: float) -> None:
    """One frame without grain or wind, for a locked camera; no boulders where the hosts meet."""
    out.mkdir(parents=True, exist_ok=True)
    renderer = Renderer(at=move.charge_from_camera, clear=files.CHARGE_LAND_M)
    frame = move.FIRST_FRAME
    picture = renderer.draw(frame, samples, scale)
    files.write_plate(out / "plate.exr", picture.rgb, frame, DWA_LEVEL)
    files.write_depth(out / "depth.exr", picture.depth_m, frame)
    files.write_charge_ground(out / "ground.obj")
    move.write_charge_transforms(out / "camera.json", renderer.ground_m)


if __name__ == "__main__":
    main()
