"""The layout page, served to this machine alone.

It listens on the loopback address only. A request must name this server as its host (so no other name can be pointed at
it), come from its own page if it comes from a page at all, and carry the random token of the address that was printed.
Files are three, by name; nothing else of the disk can be reached. Nothing is asked of any other host.
"""

from __future__ import annotations

import hmac
import json
import secrets
from collections.abc import Mapping
from http import HTTPStatus
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from importlib.resources import files
from urllib.parse import parse_qs, urlsplit

from composer.errors import InputError, MachineError, MusterError
from composer.review.desk import Desk, Stale, told

LARGEST_REQUEST = 256 * 1024
_PAGE = {
    "/": ("layout.html", "text/html; charset=utf-8"),
    "/layout.js": ("layout.js", "text/javascript; charset=utf-8"),
    "/layout.css": ("layout.css", "text/css; charset=utf-8"),
}
_ALWAYS = {
    "Content-Security-Policy": "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' blob:; "
    "connect-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'",
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "no-referrer",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Cache-Control": "no-store",
}


class LayoutServer(ThreadingHTTPServer):
    """Serves one desk. port 0: any free one. Raises InputError for ports that cannot be had."""

    daemon_threads = True

    def __init__(self, desk: Desk, port: int) -> None:
        if not 0 <= port < 65536:
            raise InputError("no such port", expected="0 to 65535", got=str(port))
        self.desk, self.token = desk, secrets.token_urlsafe(24)
        try:
            super().__init__(("127.0.0.1", port), _Handler)
        except OSError as error:
            raise MachineError(
                f"port {port} cannot be had ({error.strerror})", hint="choose another: --serve 8700"
            ) from error

    @property
    def hosts(self) -> tuple[str, ...]:
        return tuple(f"{name}:{self.server_port}" for name in ("127.0.0.1", "localhost"))

    def address(self, frame: int | None = None) -> str:
        """What to open in a browser."""
        return f"http://{self.hosts[0]}/?token={self.token}" + ("" if frame is None else f"&frame={frame}")


class _Refused(Exception):
    def __init__(self, status: HTTPStatus, why: str) -> None:
        self.status, self.why = status, why
        super().__init__(why)


class _Handler(BaseHTTPRequestHandler):
    server: LayoutServer
    server_version, sys_version = "Muster", ""
    timeout = 60

    def do_GET(self) -> None:
        self._answer(self._get)

    def do_POST(self) -> None:
        self._answer(self._post)

    def log_message(self, *_: object) -> None:
        """A page that is looked at is no news."""

    def _answer(self, work) -> None:  # type: ignore[no-untyped-def]
        try:
            self._check_caller()
            body, kind = work()
            self._send(HTTPStatus.OK, body, kind)
        except _Refused as refused:
            self.close_connection = True
            self._send_json(refused.status, {"errors": [refused.why]})
        except Stale as error:
            self._send_json(HTTPStatus.CONFLICT, {"errors": told(error)})
        except MusterError as error:
            self._send_json(HTTPStatus.UNPROCESSABLE_ENTITY, {"errors": told(error)})
        except (BrokenPipeError, ConnectionResetError, TimeoutError):
            self.close_connection = True
        except Exception as error:  # a page must not die of a fault; it shows it
            what = f"a fault in Muster itself: {type(error).__name__}: {error}"
            self._send_json(HTTPStatus.INTERNAL_SERVER_ERROR, {"errors": [what]})

    def _check_caller(self) -> None:
        hosts = self.headers.get_all("Host") or []
        if len(hosts) != 1 or hosts[0].lower() not in self.server.hosts:
            raise _Refused(HTTPStatus.FORBIDDEN, "this is not the host that was asked for")
        origin = self.headers.get("Origin")
        if origin is not None and origin.lower() not in {f"http://{h}" for h in self.server.hosts}:
            raise _Refused(HTTPStatus.FORBIDDEN, "another page may not ask")
        if self.headers.get("Sec-Fetch-Site", "same-origin") not in ("same-origin", "none"):
            raise _Refused(HTTPStatus.FORBIDDEN, "another page may not ask")

    def _check_token(self) -> None:
        given = self.headers.get("X-Muster-Token", "")
        if not hmac.compare_digest(given.encode(), self.server.token.encode()):
            raise _Refused(HTTPStatus.FORBIDDEN, "open the address that `muster layout` printed: it has the token")

    def _get(self) -> tuple[bytes, str]:
        url = urlsplit(self.path)
        if url.path == "/favicon.ico":
            return b"", "image/x-icon"
        if url.path in _PAGE:
            name, kind = _PAGE[url.path]
            return (files("composer.review") / "page" / name).read_bytes(), kind
        self._check_token()
        query = parse_qs(url.query)
        desk = self.server.desk
        if url.path == "/api/state":
            return _json(desk.state(int(_number(query, "frame", desk.frames[0])))), "application/json"
        if url.path == "/api/view.jpg":
            return desk.view_jpeg(int(_number(query, "frame"))), "image/jpeg"
        if url.path == "/api/relief.png":
            return desk.relief_png(), "image/png"
        if url.path == "/api/who":
            frame, x, y = (_number(query, k) for k in ("frame", "x", "y"))
            return _json({"name": desk.name_at(int(frame), x, y)}), "application/json"
        raise _Refused(HTTPStatus.NOT_FOUND, "there is nothing here")

    def _post(self) -> tuple[bytes, str]:
        self._check_token()
        if urlsplit(self.path).path != "/api/edit":
            raise _Refused(HTTPStatus.NOT_FOUND, "there is nothing here")
        if self.headers.get_content_type() != "application/json":
            raise _Refused(HTTPStatus.UNSUPPORTED_MEDIA_TYPE, "edits are JSON")
        length = self.headers.get("Content-Length", "")
        if not (length.isascii() and length.isdecimal()) or len(length) > 12:
            raise _Refused(HTTPStatus.LENGTH_REQUIRED, "how long is it?")
        if int(length) > LARGEST_REQUEST:
            raise _Refused(HTTPStatus.REQUEST_ENTITY_TOO_LARGE, f"at most {LARGEST_REQUEST} bytes")
        try:
            asked = json.loads(self.rfile.read(int(length)))
        except (ValueError, RecursionError) as error:
            raise _Refused(HTTPStatus.BAD_REQUEST, "not JSON") from error
        if not isinstance(asked, dict) or not isinstance(asked.get("revision"), str):
            raise _Refused(HTTPStatus.BAD_REQUEST, "an edit has a revision")
        desk = self.server.desk
        frame = asked.get("frame", desk.frames[0])
        desk.edit(asked.get("edit"), asked["revision"])
        shown = frame if isinstance(frame, int) and frame in desk.frames else desk.frames[0]
        return _json(desk.state(shown)), "application/json"

    def _send_json(self, status: HTTPStatus, data: Mapping[str, object]) -> None:
        self._send(status, _json(data), "application/json")

    def _send(self, status: HTTPStatus, body: bytes, kind: str) -> None:
        self.send_response(status)
        for key, value in {**_ALWAYS, "Content-Type": kind, "Content-Length": str(len(body))}.items():
            self.send_header(key, value)
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(body)


def _json(data: object) -> bytes:
    return json.dumps(data, allow_nan=False, separators=(",", ":")).encode()


def _number(query: Mapping[str, list[str]], key: str, usual: float | None = None) -> float:
    try:
        value = float(query[key][0]) if key in query else usual
    except ValueError:
        value = None
    if value is None or not abs(value) < 1e9:
        raise _Refused(HTTPStatus.BAD_REQUEST, f"{key} is a number")
    return value
