"""Make the documentation's pictures again: `python docs/pictures.py` renders the demo's frame and sheet into docs/pictures/."""

from __future__ import annotations

import json
import tempfile
from pathlib import Path

import numpy as np
from PIL import Image

from composer.cli.main import build_parser
from composer.color.spaces import ColorManager
from composer.deliver.proxy import to_display
from composer.io.image import read_channels

HERE = Path(__file__).parent / "pictures"
FRAME = 1012


def main() -> None:
    HERE.mkdir(exist_ok=True)
    with tempfile.TemporaryDirectory() as out:
        args = build_parser().parse_args(["demo", "--frames", str(FRAME), "--out", out, "--quality", "final", "--json"])
        done = args.run(args).data
        exr = next(Path(str(done["delivery"])).glob("exr/*.exr"))
        planes = read_channels(exr, [f"rgba.{c}" for c in "RGB"])
        rgb = np.stack(list(planes.values()), axis=-1)
        color = ColorManager.open(None, {}, HERE)
        Image.fromarray(to_display(rgb, "ACEScg", 1.0, color, 1920)).save(HERE / "valley.jpg", quality=88)
        Image.open(str(done["sheet"])).convert("RGB").save(HERE / "sheet.jpg", quality=85)
    print(json.dumps({p.name: p.stat().st_size for p in sorted(HERE.iterdir())}))


if __name__ == "__main__":
    main()
