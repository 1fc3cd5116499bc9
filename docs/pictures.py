"""Make the documentation's pictures again: `python docs/pictures.py` renders the demo's frame and sheet, and the three options
of `scenes/valley/options.yaml` one under the other, into docs/pictures/."""

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
OPTIONS = Path(__file__).parents[1] / "scenes" / "valley" / "options.yaml"
COUNTS = (100, 1_000, 10_000)
#: The part of each option's picture that is shown, in shares of its height.
STRIP = (0.26, 0.86)


def shown(delivery: Path, color: ColorManager, width_px: int) -> Image.Image:
    """The one frame of a delivery, as a display shows it."""
    planes = read_channels(next(delivery.glob("exr/*.exr")), [f"rgba.{c}" for c in "RGB"])
    rgb = np.stack(list(planes.values()), axis=-1)
    return Image.fromarray(to_display(rgb, "ACEScg", 1.0, color, width_px))


def rendered(out: str, *arguments: str) -> dict[str, object]:
    args = build_parser().parse_args([*arguments, "--frames", str(FRAME), "--out", out, "--quality", "final", "--json"])
    return dict(args.run(args).data)


def options(color: ColorManager, width_px: int = 1280) -> Image.Image:
    """The same shot with each number of soldiers."""
    strips = []
    for count in COUNTS:
        with tempfile.TemporaryDirectory() as out:
            done = rendered(out, "render", str(OPTIONS), "--count", str(count))
            picture = shown(Path(str(done["delivery"])), color, width_px)
        top, bottom = (round(share * picture.height) for share in STRIP)
        strips.append(picture.crop((0, top, width_px, bottom)))
    sheet = Image.new("RGB", (width_px, sum(s.height for s in strips) + 6 * (len(strips) - 1)), "white")
    y = 0
    for strip in strips:
        sheet.paste(strip, (0, y))
        y += strip.height + 6
    return sheet


def main() -> None:
    HERE.mkdir(exist_ok=True)
    color = ColorManager.open(None, {}, HERE)
    with tempfile.TemporaryDirectory() as out:
        done = rendered(out, "demo")
        shown(Path(str(done["delivery"])), color, 1920).save(HERE / "valley.jpg", quality=88)
        Image.open(str(done["sheet"])).convert("RGB").save(HERE / "sheet.jpg", quality=85)
    options(color).save(HERE / "options.jpg", quality=86)
    print(json.dumps({p.name: p.stat().st_size for p in sorted(HERE.iterdir())}))


if __name__ == "__main__":
    main()
