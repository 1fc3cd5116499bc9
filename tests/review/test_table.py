"""What lies on the director's table, and the pictures behind the page."""

from __future__ import annotations

import io
import json
import shutil
import signal
import subprocess
import sys
import time
import urllib.request
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from composer.color.spaces import ColorManager
from composer.errors import InputError
from composer.io.exr import read_exr_parts
from composer.render.decisions import NAME
from composer.render.job import prepare_job, run_job
from composer.render.quality import Quality
from composer.review.catalog import open_catalog
from composer.review.looks import Looks, overlays_of
from composer.review.table import Asked, Table
from composer.shot.load import load_shot

#: Linear Rec.709 to ACEScg, Bradford (public figures, four digits).
AP1_FROM_709 = np.array([[0.6131, 0.3395, 0.0474], [0.0702, 0.9164, 0.0135], [0.0206, 0.1096, 0.8698]])


@pytest.fixture(scope="module")
def looks() -> Looks:
    return Looks(ColorManager.open())


def exr_of(folder: Path, name: str = "30", frame: int = 1002) -> Path:
    return folder / name / "exr" / f"tiny_v001.{frame}.exr"


def test_options_with_their_price(options_folder: Path) -> None:
    catalog = open_catalog([options_folder])
    assert list(catalog.items) == ["8", "20", "30"] and catalog.frames == (1001, 1002, 1003)
    assert (catalog.kind, catalog.shot, catalog.frame_rate, catalog.complete) == ("option", "tiny", 24.0, True)
    item = catalog.item("20")
    assert item.soldiers == 20 and item.asked["count"] == 20 and item.exr[1002] == exr_of(options_folder, "20")
    assert [p["quality"] for p in item.price] == ["draft", "final"]
    assert item.lines[0] == "all of them fit" and "measured" in item.lines[1]
    for name, frame in (("31", 1001), ("20", 7)):
        with pytest.raises(InputError, match="no such"):
            catalog.frame(name, frame)


def test_options_that_are_still_coming_in(options_folder: Path) -> None:
    index = options_folder / "options.json"
    whole = index.read_text()
    told = json.loads(whole)
    told |= {"complete": False, "options": told["options"][:1]}
    told["options"][0] |= {"measured": None, "forecast": {}}
    index.write_text(json.dumps(told))
    table = Table([options_folder])
    assert [i["name"] for i in table.state()["items"]] == ["8"] and not table.state()["complete"]
    index.write_text(whole)
    assert [i["name"] for i in table.state()["items"]] == ["8", "20", "30"] and table.state()["complete"]


@pytest.mark.parametrize(
    "text", ["", "[]", "{}", '{"options": 3}', '{"shot": "a", "rates": {}, "options": []}', "[" * 9999]
)
def test_an_index_that_cannot_be_read_is_one_error(options_folder: Path, text: str) -> None:
    (options_folder / "options.json").write_text(text)
    with pytest.raises(InputError, match=r"options\.json: cannot be read"):
        open_catalog([options_folder])


def test_versions_of_a_shot_side_by_side(make_shot, tmp_path: Path) -> None:
    file, out = make_shot(frames=2), tmp_path / "out"
    for version, count in (("v001", 8), ("v002", 20)):
        shot = load_shot(file).model_copy(update={"version": version})
        run_job(prepare_job(shot, out, Quality("preview", 1), count=count))
    whole = open_catalog([out / "tiny"])
    assert list(whole.items) == ["v001", "v002"] and whole.kind == "version" and whole.frames == (1001, 1002)
    assert whole.items["v002"].soldiers == 20 and "crowd" in whole.items["v002"].parts
    assert list(open_catalog([out / "tiny/v002"]).items) == ["v002"]
    table = Table([out / "tiny"])
    table.decide(Asked(do="approve", item="v002", frame=1002, who="Ada"))
    assert (out / "tiny/v002" / NAME).is_file() and not (out / "tiny/v001" / NAME).exists()
    assert table.decided()["states"]["v002"]["do"] == "approve"
    with pytest.raises(InputError, match="two of them have one name"):
        open_catalog([out / "tiny/v002", out / "tiny/v002"])
    for nothing in (tmp_path, tmp_path / "nowhere"):
        with pytest.raises(InputError, match="nothing to review here"):
            open_catalog([nothing])


def test_a_half_is_the_composite_scene_linear_in_acescg(looks: Looks, options_folder: Path) -> None:
    path = exr_of(options_folder)
    half = looks.half(path)
    pixels = np.frombuffer(half.data, "<f2").reshape(half.size_px[1], half.size_px[0], 3).astype(np.float32)
    rgba = next(p for p in read_exr_parts(path) if p.name == "rgba").channels
    wanted = np.stack([rgba[c] for c in "RGB"], axis=-1).astype(np.float32) @ AP1_FROM_709.T
    assert half.size_px == (192, 108) and pixels.max() > 12, "nothing is clipped"
    np.testing.assert_allclose(pixels, wanted, rtol=2e-3, atol=2e-4)


def test_the_table_is_the_display_transform(looks: Looks, options_folder: Path) -> None:
    """Looked up with three linear interpolations, as the page does it, against the transform itself."""
    table = np.frombuffer(looks.table(exr_of(options_folder)), "<f2").reshape(65, 65, 65, 3).astype(np.float64)
    rgb = np.random.default_rng(5).lognormal(-2, 1.5, (4000, 1)) * np.random.default_rng(6).uniform(0.6, 1.4, (4000, 3))
    at = np.clip((np.log2(rgb + 2.0**-12) + 12) / 20, 0, 1) * 64
    low = np.minimum(at.astype(int), 63)
    share = at - low
    seen = np.zeros_like(rgb)
    for corner in np.ndindex(2, 2, 2):
        weight = np.prod(np.where(corner, share, 1 - share), axis=1)
        seen += weight[:, None] * table[tuple((low + corner).T)]
    wanted = looks.color.display_rgb8(rgb[None].astype(np.float32))[0]
    off = np.abs(seen * 255 - wanted)
    assert off.mean() < 0.6 and np.percentile(off, 99) < 3


def test_proxies_are_the_pictures_and_thumbs_are_small(looks: Looks, options_folder: Path) -> None:
    item = open_catalog([options_folder]).item("30")
    made = np.asarray(Image.open(io.BytesIO(looks.proxy(item, 1002, item.exr[1002]))))
    ready = np.asarray(Image.open(options_folder / "30/pictures/tiny.1002.png").convert("RGB"))
    assert np.abs(made.astype(int) - ready).mean() < 3
    bare = replace(item, pictures={})
    anew = np.asarray(Image.open(io.BytesIO(Looks(looks.color).proxy(bare, 1002, item.exr[1002]))))
    assert np.abs(anew.astype(int) - ready).mean() < 3
    assert Image.open(io.BytesIO(looks.proxy(item, 1002, item.exr[1002], thumb=True))).size == (192, 108)


def test_who_is_by_the_cryptomatte_and_nobody_outside(looks: Looks, options_folder: Path) -> None:
    path = exr_of(options_folder)
    parts = {p.name: p for p in read_exr_parts(path)}
    part = parts["crypto_agent00"]
    row, column = np.unravel_index(np.argmax(part.channels["G"]), part.channels["G"].shape)
    who = looks.who(path, (part.window.x + column + 0.5) / 192, (part.window.y + row + 0.5) / 108)
    assert who.name.startswith("host.") and who.side == "red" and who.cast
    assert looks.who(path, 0, 0) is None and looks.who(path, 1, 1) is None


def test_every_pass_can_be_laid_over_and_no_other(looks: Looks, options_folder: Path) -> None:
    path = exr_of(options_folder)
    names = overlays_of(tuple(p.name for p in read_exr_parts(path)))
    assert {"crowd", "shadow", "depth", "normal", "motion", "crypto_agent00"} <= set(names)
    for name in names:
        picture = Image.open(io.BytesIO(looks.overlay(path, name)))
        assert picture.mode == "RGBA" and picture.size == (192, 108)
        assert 0 < (np.asarray(picture)[..., 3] > 0).mean() < 1, name
    for name in ("rgba", "light_sun", "../crowd"):
        with pytest.raises(InputError, match="no such pass"):
            looks.overlay(path, name)


def test_a_frame_that_is_rendered_anew_is_shown_anew(looks: Looks, options_folder: Path) -> None:
    path, other = exr_of(options_folder), exr_of(options_folder, "8")
    before = looks.half(path).data
    path.unlink()
    shutil.copy(other, path)
    assert looks.half(path).data == looks.half(other).data != before


def test_the_command_serves_until_it_is_stopped(options_folder: Path) -> None:
    ask = [sys.executable, "-m", "composer", "review", str(options_folder), "--port", "0", "--json"]
    with subprocess.Popen(ask, stderr=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as done:
        line = done.stderr.readline()
        assert line.startswith("review: http://127.0.0.1:") and "?token=" in line
        address = line.removeprefix("review: ").strip()
        for _ in range(50):
            try:
                page = urllib.request.urlopen(address, timeout=10).read()
                break
            except OSError:
                time.sleep(0.1)
        assert b"<main>" in page
        done.send_signal(signal.SIGINT)
        told, _ = done.communicate(timeout=20)
    assert json.loads(told)["decisions"] == 0 and done.returncode == 0
