"""The server of every page: one application behind the guard, on one address of this machine.

Loopback unless another address is named; then a token must be chosen or is made, as always. Nothing is asked of any other host.
"""

from __future__ import annotations

import asyncio
import ipaddress
import json
import secrets
import socket
import threading
from collections.abc import Mapping
from importlib.resources import files
from types import TracebackType
from typing import Self

import uvicorn
from fastapi import FastAPI, Request
from fastapi.exceptions import RequestValidationError
from fastapi.responses import JSONResponse, Response
from starlette.exceptions import HTTPException
from uvicorn.protocols.http.h11_impl import H11Protocol

from composer.errors import InputError, MachineError, MusterError, Where
from composer.review.guard import Guard, Refused, Rules

LOOPBACK = "127.0.0.1"
SHORTEST_TOKEN = 16
#: Connections at a time; what is more is told to come again.
MOST_CONNECTIONS = 64
_KINDS = {"html": "text/html; charset=utf-8", "js": "text/javascript; charset=utf-8", "css": "text/css; charset=utf-8"}


class Hasty(H11Protocol):
    """Puts out who opens a connection and does not say in time what he wants."""

    header_s = 15.0

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        super().connection_made(transport)
        self.loop.call_later(self.header_s, self._hurry)

    def _hurry(self) -> None:
        if self.cycle is None and not self.transport.is_closing():
            self.transport.close()


class PageServer:
    """Serves one application. port 0: any free one. Raises InputError for an address or a token that will not do,
    MachineError for a port that cannot be had."""

    def __init__(self, app: FastAPI, port: int, address: str = LOOPBACK, token: str | None = None) -> None:
        host = _address(address)
        if not 0 <= port < 65536:
            raise InputError("no such port", expected="0 to 65535", got=str(port))
        if token is not None and (len(token) < SHORTEST_TOKEN or not token.isascii() or not token.isprintable()):
            raise InputError(
                "not a token", where=Where(field="--token"), expected=f"{SHORTEST_TOKEN} letters and digits or more"
            )
        self.token = token or secrets.token_urlsafe(24)
        self._socket = _bound(host, port)
        self.server_port = int(self._socket.getsockname()[1])
        self.is_loopback = host.is_loopback
        names = (f"[{host}]" if host.version == 6 else str(host), *(("localhost",) if host.is_loopback else ()))
        self.hosts = tuple(f"{name}:{self.server_port}" for name in names)
        self.rules = Rules(self.hosts, self.token, frozenset(app.state.open_paths))
        config = uvicorn.Config(
            Guard(app, self.rules), loop="asyncio", http=Hasty, ws="none", lifespan="off", log_config=None,
            access_log=False, server_header=False, date_header=False, proxy_headers=False,
            limit_concurrency=MOST_CONNECTIONS, timeout_keep_alive=15, timeout_graceful_shutdown=3,
            h11_max_incomplete_event_size=16384,
        )  # fmt: skip
        self._server = uvicorn.Server(config)
        self._idle = threading.Event()
        self._idle.set()

    def address(self, **query: object) -> str:
        """What to open in a browser."""
        more = "".join(f"&{k}={v}" for k, v in query.items() if v is not None)
        return f"http://{self.hosts[0]}/?token={self.token}{more}"

    def serve_forever(self) -> None:
        """Until `shutdown` from another thread, or Ctrl-C."""
        self._idle.clear()
        try:
            asyncio.run(self._server.serve(sockets=[self._socket]))
        finally:
            self._idle.set()

    def shutdown(self) -> None:
        """Ends `serve_forever` and waits for it."""
        self._server.should_exit = True
        self._idle.wait(10)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        self.shutdown()
        self._socket.close()


def new_app(pages: Mapping[str, str]) -> FastAPI:
    """An application with nothing in it but these files of `page/`, by path, and errors told as JSON."""
    app = FastAPI(docs_url=None, redoc_url=None, openapi_url=None, redirect_slashes=False)
    app.state.open_paths = {*pages, "/favicon.ico"}

    def page(name: str) -> Response:
        kind = _KINDS[name.rsplit(".", 1)[1]]
        return Response((files("composer.review") / "page" / name).read_bytes(), media_type=kind)

    for path, name in pages.items():
        app.add_api_route(path, lambda name=name: page(name), methods=["GET"], response_model=None)
    app.add_api_route("/favicon.ico", lambda: Response(b"", media_type="image/x-icon"), response_model=None)

    def told(status: int, *lines: str) -> JSONResponse:
        return JSONResponse({"errors": list(lines)}, status)

    @app.exception_handler(MusterError)
    def _muster(_: Request, error: MusterError) -> JSONResponse:
        return told(getattr(error, "status", 422), *lines_of(error))

    @app.exception_handler(Refused)
    def _refused(_: Request, error: Refused) -> JSONResponse:
        return told(int(error.status), error.why)

    @app.exception_handler(RequestValidationError)
    def _invalid(_: Request, error: RequestValidationError) -> JSONResponse:
        first = error.errors()[0]
        return told(400, f"{'.'.join(str(p) for p in first['loc'][1:])}: {first['msg']}".lstrip(": "))

    @app.exception_handler(HTTPException)
    def _http(_: Request, error: HTTPException) -> JSONResponse:
        return told(error.status_code, "there is nothing here" if error.status_code == 404 else str(error.detail))

    @app.exception_handler(Exception)
    def _fault(_: Request, error: Exception) -> JSONResponse:  # a page must not die of a fault; it shows it
        return told(500, f"a fault in Muster itself: {type(error).__name__}: {error}")

    return app


def json_answer(data: object) -> Response:
    """Data as JSON, small, without NaN."""
    body = json.dumps(data, allow_nan=False, separators=(",", ":")).encode()
    return Response(body, media_type="application/json")


def lines_of(error: MusterError) -> list[str]:
    """An error's lines, for a page."""
    return [e.line() for e in error.errors]


def _address(text: str) -> ipaddress.IPv4Address | ipaddress.IPv6Address:
    """One address of this machine: with a list of all, no Host could be checked."""
    where = Where(field="--address")
    try:
        host = ipaddress.ip_address(LOOPBACK if text == "localhost" else text)
    except ValueError:
        raise InputError("not an address", where=where, expected="192.0.2.10", got=text) from None
    if host.is_unspecified or host.is_multicast:
        raise InputError("which of this machine's addresses?", where=where, expected="just one", got=text)
    return host


def _bound(host: ipaddress.IPv4Address | ipaddress.IPv6Address, port: int) -> socket.socket:
    made = socket.socket(socket.AF_INET6 if host.version == 6 else socket.AF_INET)
    try:
        made.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        made.bind((str(host), port))
        made.listen(MOST_CONNECTIONS)
    except OSError as error:
        made.close()
        why = f"{host} port {port} cannot be had ({error.strerror})"
        raise MachineError(why, hint="choose another") from error
    return made
