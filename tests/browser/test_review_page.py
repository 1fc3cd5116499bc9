"""The review page in a real browser: compare, zoom, expose, circle, decide; both themes, a tablet, and no word to any other
host."""

from __future__ import annotations

import io
import json
import re
import threading
from collections.abc import Callable, Iterator
from itertools import pairwise
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from composer.color.spaces import ColorManager
from composer.io.exr import read_exr_parts
from composer.io.files import sha256_file
from composer.render.decisions import NAME, read
from composer.review.review_app import review_app
from composer.review.server import PageServer
from composer.review.table import Table

playwright = pytest.importorskip("playwright.sync_api", reason="no playwright: pip install playwright")
pytestmark = pytest.mark.browser
expect = playwright.expect
WIDE, TABLET = (1280, 800), (820, 1180)
Pixels = np.ndarray


class Opened:
    """A page that somebody has open."""

    def __init__(self, page: playwright.Page, folder: Path) -> None:
        self.page, self.folder = page, folder
        self.keys = page.keyboard

    def settled(self, drawn: str = "half") -> None:
        """Until every pane shows the scene-linear picture (or what else is asked for)."""
        self.page.wait_for_function(
            "want => document.querySelector('#glass').dataset.drawn?.split(' ').every((d) => d === want)",
            arg=drawn,
            timeout=30_000,
        )
        self.page.wait_for_timeout(120)

    def pixels(self) -> Pixels:
        """The stage as it is seen, uint8 [H, W, 3], without what lies over the picture."""
        over = "(v) => { for (const e of document.querySelectorAll('#stage > :not(canvas)')) e.style.visibility = v; }"
        self.page.evaluate(over, "hidden")
        shot = self.page.locator("#stage").screenshot()
        self.page.evaluate(over, "")
        return np.asarray(Image.open(io.BytesIO(shot)).convert("RGB"))

    def picture(self, name: str, frame: int = 1002) -> Pixels:
        """An option's picture, as `muster options` wrote it."""
        return np.asarray(Image.open(self.folder / name / "pictures" / f"tiny.{frame}.png").convert("RGB"))

    def said(self, words: str) -> None:
        expect(self.page.locator("#status")).to_have_text(re.compile(words), timeout=10_000)


def shown(pixels: Pixels, size: tuple[int, int] = (192, 108)) -> Pixels:
    """The picture in the middle of a pane, scaled to `size`."""
    height, width = pixels.shape[:2]
    across = min(width, round(height * size[0] / size[1]))
    down = round(across * size[1] / size[0])
    x, y = (width - across) // 2, (height - down) // 2
    return np.asarray(Image.fromarray(pixels[y : y + down, x : x + across]).resize(size, Image.Resampling.BOX))


def halves(pixels: Pixels) -> tuple[Pixels, Pixels]:
    """Two panes, one above the other with a gap of 4 pixels: as they are largest on this stage."""
    down = (len(pixels) - 4) // 2
    return pixels[:down], pixels[-down:]


def apart(one: Pixels, other: Pixels) -> float:
    """Mean absolute difference in 8-bit codes."""
    return float(np.abs(one.astype(np.int16) - other.astype(np.int16)).mean())


@pytest.fixture
def visit(chromium: playwright.Browser, options_folder: Path) -> Iterator[Callable[..., Opened]]:
    """`visit(theme, size)` opens the page; asked-for hosts and console errors are looked at in the end."""
    asked, faults, contexts = [], [], []
    with PageServer(review_app(Table([options_folder]), ColorManager.open()), 0) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()

        def visit(theme: str = "dark", size: tuple[int, int] = WIDE) -> Opened:
            viewport = {"width": size[0], "height": size[1]}
            context = chromium.new_context(
                viewport=viewport, color_scheme=theme, permissions=["clipboard-read", "clipboard-write"]
            )
            contexts.append(context)
            page = context.new_page()
            page.on("request", lambda r: asked.append(r.url))
            page.on("pageerror", lambda e: faults.append(str(e)))
            page.on("console", lambda m: faults.append(m.text) if m.type in ("error", "warning") else None)
            page.goto(server.address())
            made = Opened(page, options_folder)
            made.settled()
            return made

        yield visit
        for context in contexts:
            context.close()
    assert not faults, faults
    own = (f"http://127.0.0.1:{server.server_port}/", f"blob:http://127.0.0.1:{server.server_port}/")
    assert asked and all(url.startswith(own) for url in asked), [u for u in asked if not u.startswith(own)]


def test_toggle_and_scrub_show_what_was_rendered(visit: Callable[..., Opened]) -> None:
    opened = visit()
    assert apart(shown(opened.pixels()), opened.picture("30")) < 3
    assert apart(opened.picture("30"), opened.picture("8")) > 4, "they can be told apart"
    opened.keys.press("t")
    opened.settled()
    assert apart(shown(opened.pixels()), opened.picture("20")) < 3
    opened.keys.press("1")
    opened.settled()
    assert apart(shown(opened.pixels()), opened.picture("8")) < 3
    opened.page.locator("#scrub").fill("0")
    expect(opened.page.locator("#frame")).to_have_text("1001")
    opened.settled()
    assert apart(shown(opened.pixels()), opened.picture("8", 1001)) < 3
    opened.keys.press(".")
    expect(opened.page.locator("#frame")).to_have_text("1002")


def test_the_wipe_shows_one_left_and_the_other_right_of_it(visit: Callable[..., Opened]) -> None:
    opened = visit()
    opened.keys.press("1")
    opened.keys.press("Shift+Digit3")
    opened.settled()
    wipe = opened.page.locator("#wipe")
    expect(wipe).to_have_attribute("aria-valuenow", "50")
    seen, half = shown(opened.pixels()), 96
    left, right = opened.picture("8"), opened.picture("30")
    assert apart(seen[:, : half - 2], left[:, : half - 2]) < 3 and apart(seen[:, half + 2 :], right[:, half + 2 :]) < 3
    box = wipe.bounding_box()
    opened.page.mouse.move(box["x"] + box["width"] / 2, box["y"] + box["height"] / 2)
    opened.page.mouse.down()
    opened.page.mouse.move(opened.page.locator("#stage").bounding_box()["width"] * 0.25, box["y"] + 40, steps=3)
    opened.page.mouse.up()
    expect(wipe).to_have_attribute("aria-valuenow", "25")
    wipe.focus()
    opened.keys.press("ArrowRight")
    opened.keys.press("Shift+ArrowLeft")
    expect(wipe).to_have_attribute("aria-valuenow", "17")
    seen = shown(opened.pixels())
    assert apart(seen[:, 40:], right[:, 40:]) < 3 and apart(seen[:, :28], left[:, :28]) < 3


def test_zoom_and_pan_are_linked_and_keep_what_is_under_the_pointer(visit: Callable[..., Opened]) -> None:
    opened = visit()
    opened.keys.press("p")
    opened.settled()
    stage = opened.page.locator("#stage").bounding_box()
    above, below = halves(opened.pixels())
    assert apart(shown(above), opened.picture("30")) < 4 and apart(shown(below), opened.picture("20")) < 4
    middle = stage["width"] / 2, stage["height"] / 4
    opened.page.mouse.move(stage["x"] + middle[0], stage["y"] + middle[1])
    opened.page.mouse.wheel(0, -300)
    opened.settled()
    above, below = halves(opened.pixels())
    for pane, name in ((above, "30"), (below, "20")):
        zoomed = Image.fromarray(opened.picture(name)[27:81, 48:144]).resize((192, 108), Image.Resampling.BILINEAR)
        assert apart(shown(pane), np.asarray(zoomed)) < 5, name
    opened.page.mouse.down()
    opened.page.mouse.move(stage["x"] + middle[0] + 80, stage["y"] + middle[1], steps=3)
    opened.page.mouse.up()
    for pane, before in zip(halves(opened.pixels()), (above, below), strict=True):
        assert apart(pane[:, 80:], before[:, :-80]) < 3
    opened.keys.press("0")
    opened.settled()
    assert apart(shown(halves(opened.pixels())[0]), opened.picture("30")) < 4


def test_a_stop_is_a_stop(visit: Callable[..., Opened]) -> None:
    """Against the exact display transform of the half-float composite times two to the stops; what was above white comes
    back when it is exposed down."""
    opened, color = visit(), ColorManager.open()
    exr = opened.folder / "30" / "exr" / "tiny_v001.1002.exr"
    rgba = next(p for p in read_exr_parts(exr) if p.name == "rgba").channels
    linear = color.to_working(np.stack([rgba[c] for c in "RGB"], axis=-1).astype(np.float32), "Linear Rec.709 (sRGB)")
    assert linear.max() > 10
    for stops in (1.0, -3.0):
        opened.keys.press("\\")
        for _ in range(round(abs(stops) * 4)):
            opened.keys.press("]" if stops > 0 else "[")
        expect(opened.page.locator("#evZero")).to_have_text(f"{'+' if stops > 0 else ''}{stops:g} EV")
        opened.settled()
        wanted = color.display_rgb8(linear * np.float32(2.0**stops))
        assert apart(shown(opened.pixels()), wanted) < 2.5, stops
        assert apart(shown(opened.pixels()), opened.picture("30")) > 15
    sky = shown(opened.pixels())[2:6, 4:26]
    assert sky.min() > 150 and sky.mean() < 250, "the patch of 12.5 is not clipped any more"


def test_what_is_decided_is_signed_and_is_there_after_a_reload(visit: Callable[..., Opened]) -> None:
    opened = visit("light")
    page, stage = opened.page, opened.page.locator("#stage").bounding_box()
    page.click("button[value=approve]")
    expect(page.locator("#who")).to_be_focused()
    page.fill("#who", "Ada")
    page.locator("#glass").focus()
    opened.keys.press("d")
    x, y = stage["x"] + stage["width"] / 2, stage["y"] + stage["height"] / 2
    page.mouse.move(x + 60, y)
    page.mouse.down()
    for i in range(1, 13):
        page.mouse.move(x + 60 * np.cos(i * np.pi / 6), y + 60 * np.sin(i * np.pi / 6))
    page.mouse.up()
    expect(page.locator("#drawn")).to_contain_text("1 stroke on frame 1002")
    page.fill("#text", "Too thin here <b>&amp;")
    page.click("button[value=comment]")
    opened.said("commented on 30 soldiers")
    page.locator("#glass").focus()
    opened.keys.press("Shift+A")
    opened.said("approved 30 soldiers")
    opened.keys.press("1")
    opened.keys.press("Shift+R")
    opened.said("rejected 8 soldiers")
    lines = read(opened.folder)
    deeds = [(x.decision.do, x.decision.item) for x in lines if not x.wrong]
    assert deeds == [("comment", "30"), ("approve", "30"), ("reject", "8")]
    exr = opened.folder / lines[0].decision.file
    assert lines[0].decision.sha256 == sha256_file(exr) and exr.name == "tiny_v001.1002.exr"
    assert lines[0].decision.text == "Too thin here <b>&amp;" and lines[1].decision.who == "Ada"
    ring = np.array(lines[0].decision.marks[0])
    assert len(ring) > 8 and np.allclose(ring.mean(axis=0), 0.5, atol=0.05) and 0.05 < np.ptp(ring[:, 0]) < 0.3
    page.reload()
    opened.settled()
    expect(page.locator("#said li")).to_have_count(3)
    expect(page.locator("#said")).to_contain_text("Too thin here <b>&amp;")
    expect(page.locator("#stands")).to_contain_text("approved by Ada")
    expect(page.locator("#who")).to_have_value("Ada")
    expect(page.locator("#ink polyline")).to_have_count(2)
    expect(page.locator('.card[data-item="8"] .mark')).to_have_text("✗ rejected")
    expect(page.locator("#sealed")).to_have_text("all lines signed and in their chain")
    page.click("#withdraw")
    opened.said("withdrew")
    expect(page.locator("#stands")).to_be_empty()


def test_two_at_one_table_see_each_other(visit: Callable[..., Opened]) -> None:
    ada, bea = visit(), visit("light", TABLET)
    for opened, who in ((ada, "Ada"), (bea, "Bea")):
        opened.page.fill("#who", who)
        opened.page.fill("#text", f"of {who}")
    for opened in (ada, bea):
        opened.page.evaluate("document.querySelector('button[value=comment]').click()")
    for opened in (ada, bea):
        expect(opened.page.locator("#said li")).to_have_count(2, timeout=10_000)
        expect(opened.page.locator("#said")).to_contain_text("of Ada")
        expect(opened.page.locator("#said")).to_contain_text("of Bea")
    assert not [line for line in read(ada.folder) if line.wrong]


def test_a_ledger_that_was_touched_is_said_on_the_page(visit: Callable[..., Opened]) -> None:
    opened = visit()
    opened.page.fill("#who", "Ada")
    opened.page.click("button[value=reject]")
    opened.said("rejected")
    file = opened.folder / NAME
    file.write_text(file.read_text().replace('"reject"', '"approve"'))
    opened.page.reload()
    expect(opened.page.locator("#sealed")).to_contain_text("its signature does not hold")
    expect(opened.page.locator("#stands")).to_be_empty()


def test_a_soldier_says_his_name_and_a_click_copies_his_override(visit: Callable[..., Opened]) -> None:
    opened = visit()
    part = next(p for p in read_exr_parts(opened.folder / "30/exr/tiny_v001.1002.exr") if p.name == "crypto_agent00")
    cover = part.channels["G"]
    row, column = np.unravel_index(np.argmax(cover), cover.shape)
    key = next(k for k, v in part.attributes.items() if v == "crypto_agent").removesuffix("name")
    names = {int(v, 16): k for k, v in json.loads(part.attributes[key + "manifest"]).items()}
    ids = np.ascontiguousarray(part.channels["R"]).view(np.uint32)
    name = names[int(ids[row, column])]
    stage = opened.page.locator("#stage").bounding_box()
    across = min(stage["width"], stage["height"] * 192 / 108)
    u, v = (part.window.x + column + 0.5) / 192, (part.window.y + row + 0.5) / 108
    x = stage["x"] + stage["width"] / 2 + (u - 0.5) * across
    y = stage["y"] + stage["height"] / 2 + (v - 0.5) * across * 108 / 192
    opened.page.mouse.move(x, y)
    expect(opened.page.locator("#tip")).to_contain_text(name)
    expect(opened.page.locator("#tip")).to_contain_text("red")
    opened.page.mouse.click(x, y)
    expect(opened.page.locator("#soldierName")).to_have_text(name)
    opened.said("copied")
    clip = "navigator.clipboard.readText()"
    assert opened.page.evaluate(clip) == f"overrides:\n  - {{soldier: {name}, hide: true}}\n"
    opened.page.get_by_role("button", name="turn").click()
    opened.said("copied")
    assert "turn_deg: 15" in opened.page.evaluate(clip)
    opened.keys.press("Escape")
    expect(opened.page.locator("#soldier")).to_be_hidden()


def test_mattes_and_passes_lie_over_the_picture(visit: Callable[..., Opened]) -> None:
    opened = visit()
    plain = shown(opened.pixels())
    names = opened.page.locator("#pass option").all_inner_texts()
    assert names[:3] == ["none", "crowd matte", "shadow matte"] and {
        "depth",
        "normal",
        "motion",
        "crypto agent",
    } <= set(names)
    crowd = next(p for p in read_exr_parts(opened.folder / "30/exr/tiny_v001.1002.exr") if p.name == "crowd")
    alpha = np.zeros((108, 192))
    box = crowd.window
    alpha[box.y : box.y + box.height, box.x : box.x + box.width] = crowd.channels["A"]
    opened.keys.press("m")
    opened.page.wait_for_timeout(800)
    changed = np.abs(shown(opened.pixels()).astype(int) - plain).max(axis=-1)
    assert changed[alpha > 0.9].mean() > 60 and changed[alpha == 0].mean() < 4
    opened.keys.press("m")
    opened.page.wait_for_timeout(300)
    assert apart(shown(opened.pixels()), plain) < 1


def test_playback_shows_every_frame_of_all_panes_in_step(visit: Callable[..., Opened]) -> None:
    opened = visit()
    opened.keys.press("l")
    opened.settled()
    opened.page.evaluate(
        """() => { window.seen = []; new MutationObserver(() => window.seen.push(document.querySelector('#frame').textContent))
        .observe(document.querySelector('#frame'), { childList: true }); }"""
    )
    opened.keys.press(" ")
    expect(opened.page.locator("#play")).to_have_attribute("aria-label", "stop")
    opened.page.wait_for_function("() => window.seen.length >= 7")
    assert set(opened.page.get_attribute("#glass", "data-drawn").split()) == {"proxy"}, (
        "all have it, or the frame waits"
    )
    opened.keys.press(" ")
    opened.settled()
    seen = opened.page.evaluate("window.seen")
    order = ["1001", "1002", "1003"]
    assert all(order[(order.index(a) + 1) % 3] == b for a, b in pairwise(seen[:7])), seen


@pytest.mark.parametrize("theme", ["dark", "light"])
def test_a_tablet_is_wide_enough_and_a_screen_reader_finds_its_way(visit: Callable[..., Opened], theme: str) -> None:
    opened = visit(theme, TABLET)
    page = opened.page
    assert page.evaluate("document.documentElement.scrollWidth <= innerWidth")
    box = page.locator("#stage").bounding_box()
    assert box["width"] == TABLET[0] and box["y"] + box["height"] < TABLET[1] * 0.6
    for where in ("banner", "main", "navigation", "complementary"):
        assert page.get_by_role(where).count() == 1, where
    for name in ("picture", "frames and exposure"):
        assert page.get_by_role("region", name=name).count() == 1
    assert page.locator("#status").get_attribute("aria-live") == "polite"
    nameless = (
        "e => e.filter((x) => !(x.getAttribute('aria-label') || x.textContent.trim() || x.labels?.length)).length"
    )
    assert page.eval_on_selector_all("button, input, select, textarea, [tabindex]", nameless) == 0
    background = page.evaluate("getComputedStyle(document.body).backgroundColor")
    assert (sum(map(int, re.findall(r"\d+", background)[:3])) > 380) == (theme == "light")
    page.locator("#glass").focus()
    opened.keys.press("?")
    expect(page.get_by_role("dialog", name="Keys")).to_be_visible()
    assert "play or stop" in page.locator("#keyList").inner_text()
    page.screenshot(path=str(opened.folder.parent / f"tablet_{theme}.png"))
    opened.keys.press("Escape")
    page.click("#theme")
    expect(page.locator("html")).to_have_attribute("data-theme", "light" if theme == "dark" else "dark")
