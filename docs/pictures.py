"""Make the documentation's pictures again, into docs/pictures/:

python docs/pictures.py             # the demo's frame and sheet
python docs/pictures.py charge      # the charge: charge.mp4 and a frame of it, charge.jpg (about 5 minutes on two cores)
python docs/pictures.py options     # 100, 1,000 and 10,000 soldiers of one shot, one under the other
python docs/pictures.py match       # the demo's crowd before and after it is matched to the plate, and through a lens
python docs/pictures.py truth       # the demo's crowd in a hazy, soft, grainy plate: plain, matched, and the truth
python docs/pictures.py fortress    # the valley with a fortress: fortress.jpg
python docs/pictures.py smoke       # the same with smoke and dust: smoke.jpg
python docs/pictures.py hill        # people on terrain: hill.jpg
python docs/pictures.py painting    # a key view of that fortress, painted over, and seen from two other frames: painting.jpg
python docs/pictures.py review      # the review page over those options (needs playwright and Chromium)
python docs/pictures.py charge --out out    # the same as charge; frames that lie in out/ already are not rendered again
"""

from __future__ import annotations

import argparse
import io
import json
import shutil
import sys
import tempfile
import threading
from collections.abc import Iterator
from fractions import Fraction
from functools import partial
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from composer.cli.main import build_parser
from composer.color.spaces import ColorManager
from composer.deliver.proxy import to_display
from composer.io.image import read_channels
from composer.io.movie_write import write_movie
from composer.render.job import prepare_job, run_job
from composer.render.quality import load_quality
from composer.shot.load import load_shot, parse_shot
from composer.shot.schema_match import DefocusSpec, MotionBlurSpec

ROOT = Path(__file__).resolve().parents[1]
HERE = ROOT / "docs" / "pictures"
CHARGE = ROOT / "scenes" / "valley" / "charge.yaml"
FORTRESS, SMOKE, HILL = (ROOT / "scenes" / "valley" / f"{name}.yaml" for name in ("fortress", "smoke", "hill"))
OPTIONS = ROOT / "scenes" / "valley" / "options.yaml"
FRAME = 1012
#: Of the movie: its width, how coarsely it is coded (H.264 CRF), and the frame that is shown as a picture.
MOVIE_PX, MOVIE_CRF, STILL = 1920, 23, 1016
#: Of the options: how many soldiers, the width, and the part of each picture that is shown, in shares of its height.
COUNTS, OPTIONS_PX, STRIP = (100, 1_000, 10_000), 1280, (0.26, 0.86)
#: Of the painting: what is shown (left, top, right, bottom), px.
PAINTED = (660, 40, 1700, 480)
#: Of the match: what is shown (left, top, right, bottom), px, and the lens of its last picture.
CROP = (400, 300, 1300, 640)
#: Of the truth: what is shown of the box that was compared.
TRUTH_CROP = (300, 80, 1240, 400)
LENS = {
    "defocus": DefocusSpec(f_stop=1.4, focus_m=12, blades=7),
    "motion_blur": MotionBlurSpec(shutter_deg=180),
}


def shown(exr: Path, width_px: int) -> NDArray[np.uint8]:
    """The composite of a delivered frame, for the screen."""
    planes = read_channels(exr, [f"rgba.{c}" for c in "RGB"])
    rgb = np.stack(list(planes.values()), axis=-1)
    return to_display(rgb, "ACEScg", 1.0, ColorManager.open(None, {}, HERE), width_px)


def run(*words: str) -> dict[str, object]:
    """A `muster` command; what it reports."""
    args = build_parser().parse_args([*words, "--json"])
    return dict(args.run(args).data)


def demo(out: str) -> None:
    done = run("demo", "--frames", str(FRAME), "--out", out, "--quality", "draft")
    exr = next(Path(str(done["delivery"])).glob("exr/*.exr"))
    Image.fromarray(shown(exr, 1920)).save(HERE / "valley.jpg", quality=88)
    Image.open(str(done["sheet"])).convert("RGB").save(HERE / "sheet.jpg", quality=85)


def charge(out: str, frames: str | None = None, pictures: Path = HERE) -> None:
    """frames: only these, for a look."""
    some = ["--frames", frames] if frames else []
    done = run("render", str(CHARGE), "--out", out, "--quality", "final", *some)
    files = sorted(Path(str(done["delivery"])).glob("exr/*.exr"))

    def each() -> Iterator[NDArray[np.uint8]]:
        for path in files:
            yield shown(path, MOVIE_PX)

    write_movie(pictures / "charge.mp4", each(), Fraction(24), crf=MOVIE_CRF)
    still = next((f for f in files if f.stem.endswith(str(STILL))), files[-1])
    Image.fromarray(shown(still, min(MOVIE_PX, 1600))).save(pictures / "charge.jpg", quality=86)


def still(shot: Path, out: str) -> None:
    """A frame of another shot of the valley, under that shot's name."""
    done = run("render", str(shot), "--frames", str(FRAME), "--out", out, "--quality", "final")
    exr = next(Path(str(done["delivery"])).glob(f"exr/*{FRAME}.exr"))
    Image.fromarray(shown(exr, 1920)).save(HERE / f"{shot.stem}.jpg", quality=88)


def painting(out: str) -> None:
    """A key view as it is written out; painted over; and how two other frames show it."""
    from overpaint import paint_over

    key = Path(run("paint", "out", str(FORTRESS), "--frame", str(FRAME), "--out", out)["files"][0])
    painted = Path(out).resolve() / "painted.exr"
    paint_over(key, painted)
    entry = f'  paintings: [{{frame: {FRAME}, picture: "{painted}", pieces: [ridge, castle, wood]}}]\n'
    shot = parse_shot(FORTRESS.read_text().replace("  haze: {", entry + "  haze: {"), FORTRESS)
    result = run_job(prepare_job(shot, Path(out), load_quality("final"), frames=[1001, 1024]))
    over = np.stack(list(read_channels(key, [f"over.{c}" for c in "RGB"]).values()), axis=-1)
    color = ColorManager.open(None, {}, HERE)
    pictures = [to_display(over, "ACEScg", 1.0, color, 1920)]
    pictures += [shown(path, 1920) for path in sorted(result.delivery.glob("exr/*.exr"))]
    left, top, right, bottom = PAINTED
    strips = [
        part for p in pictures for part in (p[top:bottom, left:right], np.full((4, right - left, 3), 255, np.uint8))
    ]
    Image.fromarray(np.concatenate(strips[:-1])).save(HERE / "painting.jpg", quality=88)


def options(out: str) -> None:
    """The same shot with each number of soldiers."""
    strips = []
    for count in COUNTS:
        folder = str(Path(out) / str(count))
        more = ("--frames", str(FRAME), "--count", str(count), "--out", folder, "--quality", "final")
        picture = shown(next(Path(str(run("render", str(OPTIONS), *more)["delivery"])).glob("exr/*.exr")), OPTIONS_PX)
        top, bottom = (round(share * len(picture)) for share in STRIP)
        strips += [picture[top:bottom], np.full((6, OPTIONS_PX, 3), 255, np.uint8)]
    Image.fromarray(np.concatenate(strips[:-1])).save(HERE / "options.jpg", quality=86)


def match(out: str) -> None:
    """Part of one frame at its own size: as it is drawn, with the plate's look, and with a lens wide open in a pan."""
    shot, strips = load_shot(ROOT / "scenes" / "valley" / "shot.yaml"), []
    assert shot.match is not None
    for name, look in (("plain", None), ("match", shot.match), ("lens", shot.match.model_copy(update=LENS))):
        own = shot.model_copy(update={"version": name, "match": look})
        result = run_job(prepare_job(own, Path(out), load_quality("final"), frames=[FRAME]))
        picture = shown(next(result.delivery.glob("exr/*.exr")), 1920)
        left, top, right, bottom = CROP
        strips += [picture[top:bottom, left:right], np.full((4, right - left, 3), 255, np.uint8)]
    Image.fromarray(np.concatenate(strips[:-1])).save(HERE / "match.jpg", quality=90)


def truth(out: str) -> None:
    """The same part of three pictures by benchmarks/embedded.py: laid over plainly, matched by measured numbers, the truth."""
    sys.path.insert(0, str(ROOT / "benchmarks"))
    import embedded

    made = embedded.compare(embedded.PLATES[1], Path(out))
    last = [name for name in made["steps"] if name.startswith("+")][-1]
    left, top, right, bottom = TRUTH_CROP
    strips = []
    for name in ("plain", last, "truth"):
        picture = Image.open(Path(out) / "marked" / f"{name.replace(' ', '_')}.png").crop((left, top, right, bottom))
        strips += [np.asarray(picture), np.full((4, right - left, 3), 255, np.uint8)]
    Image.fromarray(np.concatenate(strips[:-1])).save(HERE / "truth.jpg", quality=88)


def review(out: str) -> None:
    """The review page: a wipe between the two largest options, a circle and an approval."""
    from playwright.sync_api import sync_playwright

    from composer.review.review_app import review_app
    from composer.review.server import PageServer
    from composer.review.table import Asked, Table

    counts = ",".join(map(str, COUNTS))
    folder = Path(str(run("options", str(OPTIONS), "--counts", counts, "--frames", "8", "--out", out)["folder"]))
    (folder / "decisions.jsonl").unlink(missing_ok=True)
    table = Table([folder])
    frame, turn = table.catalog.frames[4], np.linspace(0, 2 * np.pi, 40)
    ring = tuple((round(0.42 + 0.05 * np.cos(t), 4), round(0.43 + 0.06 * np.sin(t), 4)) for t in turn)
    for ask in (
        {"do": "comment", "item": "10000", "text": "Open a gap here, the flag gets lost.", "marks": (ring,)},
        {"do": "approve", "item": "10000"},
        {"do": "reject", "item": "100"},
    ):
        table.decide(Asked(frame=frame, who="Ada", **ask))
    with PageServer(review_app(table, ColorManager.open(None, {}, HERE)), 0) as server, sync_playwright() as engine:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        drawn = ["--no-sandbox", "--use-angle=swiftshader", "--enable-unsafe-swiftshader"]
        browser = engine.chromium.launch(executable_path=shutil.which("chromium"), args=drawn)
        page = browser.new_page(viewport={"width": 1440, "height": 900}, color_scheme="dark")
        page.goto(server.address())
        page.wait_for_selector("#glass[data-drawn*=half]")
        page.keyboard.press("w")
        page.wait_for_selector("#glass[data-drawn='half half']")
        page.wait_for_timeout(6000)  # what is said at the start is gone then
        shot = page.screenshot()
        browser.close()
    Image.open(io.BytesIO(shot)).convert("RGB").save(HERE / "review.jpg", quality=86)


MAKE = {
    "demo": demo, "charge": charge, "options": options, "match": match, "truth": truth,
    "fortress": partial(still, FORTRESS), "smoke": partial(still, SMOKE), "hill": partial(still, HILL),
    "painting": painting, "review": review,
}  # fmt: skip


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("what", nargs="?", default="demo", choices=MAKE)
    parser.add_argument("--out", help="where frames are rendered to (default: a folder that is deleted again)")
    parser.add_argument("--frames", metavar="1001-1048", help="of the charge: only these")
    args = parser.parse_args()
    HERE.mkdir(exist_ok=True)
    make = partial(charge, frames=args.frames) if args.what == "charge" else MAKE[args.what]
    with tempfile.TemporaryDirectory() as scratch:
        make(args.out or scratch)
    print(json.dumps({p.name: p.stat().st_size for p in sorted(HERE.iterdir())}))


if __name__ == "__main__":
    main()
