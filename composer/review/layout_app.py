"""The layout page's application: what one desk answers. Who may ask, the guard decides."""

from __future__ import annotations

import json
from http import HTTPStatus
from typing import Annotated

from fastapi import FastAPI, Query, Request, Response
from starlette.concurrency import run_in_threadpool

from composer.review.desk import Desk
from composer.review.guard import Refused
from composer.review.server import json_answer, new_app

Number = Annotated[float, Query(gt=-1e9, lt=1e9, allow_inf_nan=False)]
Frame = Annotated[int, Query(gt=-(10**9), lt=10**9)]
PAGES = {"/": "layout.html", "/layout.css": "layout.css", "/layout.js": "layout.js", "/ask.js": "ask.js"}


def layout_app(desk: Desk) -> FastAPI:
    """Every answer of the page about one shot."""
    app = new_app(PAGES)

    @app.get("/api/state")
    def state(frame: Frame | None = None) -> Response:
        return json_answer(desk.state(desk.frames[0] if frame is None else frame))

    @app.get("/api/view.jpg")
    def view(frame: Frame) -> Response:
        return Response(desk.view_jpeg(frame), media_type="image/jpeg")

    @app.get("/api/relief.png")
    def relief() -> Response:
        return Response(desk.relief_png(), media_type="image/png")

    @app.get("/api/who")
    def who(frame: Frame, x: Number, y: Number) -> Response:
        return json_answer({"name": desk.name_at(frame, x, y)})

    def edit(body: bytes) -> Response:
        try:
            asked = json.loads(body)
        except (ValueError, RecursionError):
            raise Refused(HTTPStatus.BAD_REQUEST, "not JSON") from None
        if not isinstance(asked, dict) or not isinstance(asked.get("revision"), str):
            raise Refused(HTTPStatus.BAD_REQUEST, "an edit has a revision")
        frame = asked.get("frame", desk.frames[0])
        desk.edit(asked.get("edit"), asked["revision"])
        shown = frame if isinstance(frame, int) and frame in desk.frames else desk.frames[0]
        return json_answer(desk.state(shown))

    @app.post("/api/edit")
    async def edit_route(request: Request) -> Response:
        return await run_in_threadpool(edit, await request.body())

    return app
