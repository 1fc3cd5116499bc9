"""The review page's application: what one table answers. Who may ask, the guard decides."""

from __future__ import annotations

from dataclasses import asdict
from http import HTTPStatus
from typing import Annotated

from fastapi import FastAPI, Query, Request, Response
from pydantic import ValidationError
from starlette.concurrency import run_in_threadpool

from composer.color.spaces import ColorManager
from composer.review.guard import Refused
from composer.review.looks import Looks
from composer.review.server import json_answer, new_app
from composer.review.table import Asked, Table

Frame = Annotated[int, Query(gt=-(10**9), lt=10**9)]
Name = Annotated[str, Query(min_length=1, max_length=128)]
Place = Annotated[float, Query(ge=0, le=1, allow_inf_nan=False)]

SCRIPTS = (
    "review", "review_glass", "review_store", "review_notes", "review_clock", "review_hand", "review_keys", "ask",
)  # fmt: skip
PAGES = {"/": "review.html", "/review.css": "review.css", **{f"/{name}.js": f"{name}.js" for name in SCRIPTS}}


def review_app(table: Table, color: ColorManager) -> FastAPI:
    """Every answer of the page about one table."""
    app, looks = new_app(PAGES), Looks(color)

    @app.get("/api/state")
    def state() -> Response:
        return json_answer(table.state())

    @app.get("/api/decisions")
    def decided() -> Response:
        return json_answer(table.decided())

    @app.get("/api/proxy")
    def proxy(item: Name, frame: Frame, thumb: bool = False) -> Response:
        catalog = table.catalog
        picture = looks.proxy(catalog.item(item), frame, catalog.frame(item, frame), thumb)
        return Response(picture, media_type="image/jpeg")

    @app.get("/api/half")
    def half(item: Name, frame: Frame) -> Response:
        made = looks.half(table.catalog.frame(item, frame))
        size = "{} {}".format(*made.size_px)
        return Response(made.data, media_type="application/octet-stream", headers={"X-Muster-Size": size})

    @app.get("/api/table")
    def display(item: Name, frame: Frame) -> Response:
        return Response(looks.table(table.catalog.frame(item, frame)), media_type="application/octet-stream")

    @app.get("/api/overlay")
    def overlay(item: Name, frame: Frame, name: Name) -> Response:
        return Response(looks.overlay(table.catalog.frame(item, frame), name), media_type="image/png")

    @app.get("/api/who")
    def who(item: Name, frame: Frame, x: Place, y: Place) -> Response:
        found = looks.who(table.catalog.frame(item, frame), x, y)
        return json_answer(asdict(found) if found else None)

    def decide(body: bytes) -> Response:
        try:
            asked = Asked.model_validate_json(body)
        except (ValidationError, ValueError, RecursionError) as error:
            what = "not a decision"
            if isinstance(error, ValidationError):
                first = error.errors()[0]
                what = f"{what}: {'.'.join(map(str, first['loc']))} {first['msg']}"
            raise Refused(HTTPStatus.BAD_REQUEST, what) from None
        return json_answer(table.decide(asked))

    @app.post("/api/decide")
    async def decide_route(request: Request) -> Response:
        return await run_in_threadpool(decide, await request.body())

    return app
