"""The layout page in a real browser: drag, keys, undo, both themes, and no word to any other host."""

from __future__ import annotations

import re
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

from composer.review.desk import Desk
from composer.review.layout_app import layout_app
from composer.review.server import PageServer
from composer.shot.load import load_shot

playwright = pytest.importorskip("playwright.sync_api", reason="no playwright: pip install playwright")
pytestmark = pytest.mark.browser


class Opened:
    def __init__(self, page: playwright.Page, file: Path) -> None:
        self.page, self.file = page, file
        self.status = page.locator("#status")

    def settled(self, words: str) -> None:
        playwright.expect(self.status).to_have_text(re.compile(words), timeout=30_000)

    def paper(self, name: str) -> tuple[float, float]:
        """Where a soldier is on the page, from what the inspector says and what fits the paper."""
        self.page.fill("#find", name)
        self.page.keyboard.press("Enter")
        self.settled(re.escape(name))
        x, z = (float(v) for v in re.search(r"at (-?[\d.]+), (-?[\d.]+) m", self.status.inner_text()).groups())
        box = self.page.locator("#plan").bounding_box()
        x0, z0, x1, z1 = self.extent
        scale = min(box["width"] / (x1 - x0), box["height"] / (z1 - z0))
        return (
            box["x"] + box["width"] / 2 + (x - (x0 + x1) / 2) * scale,
            box["y"] + box["height"] / 2 + (z - (z0 + z1) / 2) * scale,
        )


@pytest.fixture(params=["dark", "light"])
def opened(chromium: playwright.Browser, make_shot, request: pytest.FixtureRequest) -> Iterator[Opened]:
    shot = make_shot(frames=2)
    shot.write_text(shot.read_text() + "# the end\n")
    desk = Desk(shot)
    with PageServer(layout_app(desk), 0) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        context = chromium.new_context(viewport={"width": 1400, "height": 900}, color_scheme=request.param)
        page = context.new_page()
        asked, faults = [], []
        page.on("request", lambda r: asked.append(r.url))
        page.on("pageerror", lambda e: faults.append(str(e)))
        page.on(
            "console", lambda m: faults.append(m.text) if m.type == "error" and "status of 422" not in m.text else None
        )
        page.goto(server.address(frame=1001))
        page.get_by_text("point at a soldier").wait_for(timeout=60_000)
        made = Opened(page, shot)
        made.extent = desk.state(1001)["extent"]
        yield made
        context.close()
        server.shutdown()
    assert not faults
    assert all(u.startswith((f"http://127.0.0.1:{server.server_port}/", "blob:")) for u in asked), asked


def test_a_soldier_is_dragged_and_the_file_says_so(opened: Opened, request: pytest.FixtureRequest) -> None:
    page = opened.page
    before = opened.file.read_bytes()
    x, y = opened.paper("host.00004")
    page.mouse.move(x, y)
    playwright.expect(page.locator("#tip")).to_contain_text("host.00004")
    page.mouse.down()
    page.mouse.move(x + 30, y - 10, steps=5)
    page.mouse.up()
    opened.settled("host.00004 moved")
    (order,) = load_shot(opened.file).overrides
    assert order.soldier == ("host.00004",) and order.place_m is not None
    assert opened.file.read_bytes().startswith(before), "comments and all are kept"
    page.locator("#plan").focus()
    page.keyboard.press("Shift+ArrowRight")
    opened.settled("host.00004 stands at")
    playwright.expect(page.locator("#undo")).to_be_enabled()
    assert load_shot(opened.file).overrides[0].place_m[0] == pytest.approx(order.place_m[0] + 1, abs=2e-3)
    page.keyboard.press("r")
    opened.settled("host.00004 turned")
    page.keyboard.press("h")
    opened.settled("host.00004 is hidden")
    for _ in range(4):
        page.keyboard.press("Control+z")
        opened.settled("undone")
        page.wait_for_timeout(300)
    assert opened.file.read_bytes() == before
    page.get_by_text("point at a soldier").wait_for(timeout=60_000)
    page.screenshot(path=str(opened.file.parent / "page.png"))


def test_a_regions_corner_is_dragged_and_a_bad_shape_is_refused(opened: Opened) -> None:
    page = opened.page
    opened.paper("host.00000")
    box = page.locator("#plan").bounding_box()
    x0, z0, x1, z1 = opened.extent
    scale = min(box["width"] / (x1 - x0), box["height"] / (z1 - z0))

    def at(px: float, pz: float) -> tuple[float, float]:
        middle = box["x"] + box["width"] / 2, box["y"] + box["height"] / 2
        return middle[0] + (px - (x0 + x1) / 2) * scale, middle[1] + (pz - (z0 + z1) / 2) * scale

    page.mouse.click(*at(0, -19))
    opened.settled("region host")
    for target, said in (((8, -9), "drawn anew"), ((-8, -21), "crosses itself|too small")):
        page.mouse.move(*at(6, -9) if said == "drawn anew" else at(8, -9))
        page.mouse.down()
        page.mouse.move(*at(*target), steps=4)
        page.mouse.up()
        opened.settled(said)
    polygon = load_shot(opened.file).crowd.regions[0].polygon_m
    assert polygon[1] == pytest.approx((8, -9), abs=0.1) and polygon[0] == (-6, -9)
