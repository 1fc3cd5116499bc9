"""The one set of safety rules of every page that Muster serves, around the application and before anything of it runs.

A request must name this server as its host (so that no other name can be pointed at it), come from its own page if it comes
from a page at all, carry the token of the address that was printed (the page's own files excepted), ask for a plain path, be
small, and be one of not too many. What is answered may be read by this page alone and can load nothing from elsewhere.
"""

from __future__ import annotations

import asyncio
import hmac
import json
import re
import time
from collections import OrderedDict
from collections.abc import Awaitable, Callable, MutableMapping
from dataclasses import dataclass, field
from http import HTTPStatus

Message = MutableMapping[str, object]
Receive = Callable[[], Awaitable[Message]]
Send = Callable[[Message], Awaitable[None]]
App = Callable[[Message, Receive, Send], Awaitable[None]]

LARGEST_REQUEST = 256 * 1024
LARGEST_QUERY = 2048
BODY_S = 20.0
#: Nothing else is a path: no escapes, no dots but that of a file's ending, no double strokes.
_PATH = re.compile(rb"/(?:[a-z0-9_]+(?:/[a-z0-9_]+)*(?:\.[a-z0-9]{1,5})?)?")
_ALWAYS = {
    "Content-Security-Policy": "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' blob:; "
    "connect-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'",
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "no-referrer",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Cross-Origin-Opener-Policy": "same-origin",
    "Permissions-Policy": "camera=(), microphone=(), geolocation=()",
    "Cache-Control": "no-store",
}


@dataclass
class Bucket:
    """Lets `burst` through at once and `per_s` after that; one bucket for each caller."""

    burst: float
    per_s: float
    _left: OrderedDict[str, tuple[float, float]] = field(default_factory=OrderedDict)

    def takes(self, caller: str, now_s: float, cost: float = 1.0) -> bool:
        """Whether there is room for one more; then it is taken."""
        left, at_s = self._left.pop(caller, (self.burst, now_s))
        left = min(self.burst, left + (now_s - at_s) * self.per_s)
        enough = left >= cost
        self._left[caller] = (left - cost if enough else left, now_s)
        while len(self._left) > 4096:
            self._left.popitem(last=False)
        return enough


@dataclass
class Rules:
    """hosts: names (with port) under which the server may be asked. token: what the page must carry. open_paths: the page's
    own files, which need none."""

    hosts: tuple[str, ...]
    token: str
    open_paths: frozenset[str]
    requests: Bucket = field(default_factory=lambda: Bucket(600, 120))
    writes: Bucket = field(default_factory=lambda: Bucket(40, 5))
    wrong_tokens: Bucket = field(default_factory=lambda: Bucket(20, 0.2))
    clock: Callable[[], float] = time.monotonic


class Refused(Exception):
    """A request that is not answered, and why."""

    def __init__(self, status: HTTPStatus, why: str) -> None:
        self.status, self.why = status, why
        super().__init__(why)


class Guard:
    """ASGI around ASGI."""

    def __init__(self, app: App, rules: Rules) -> None:
        self.app, self.rules = app, rules

    async def __call__(self, scope: Message, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            raise RuntimeError("only http is served")
        began = False

        async def sent(message: Message) -> None:
            nonlocal began
            if message["type"] == "http.response.start":
                began = True
                message["headers"] = [*message.get("headers", []), *_HEADERS]  # type: ignore[misc]
            await send(message)

        try:
            told = Told(scope)
            self._check(told)
            body = await _body(told, receive)
            await self.app(scope, _again(body, receive), sent)
        except Refused as refused:
            await _refuse(sent, refused.status, refused.why)
        except Exception as error:  # a page must not die of a fault; it shows it
            if not began:
                what = f"a fault in Muster itself: {type(error).__name__}: {error}"
                await _refuse(sent, HTTPStatus.INTERNAL_SERVER_ERROR, what)

    def _check(self, told: Told) -> None:
        rules, now_s = self.rules, self.rules.clock()
        if not rules.requests.takes(told.caller, now_s):
            raise Refused(HTTPStatus.TOO_MANY_REQUESTS, "too many requests: wait a little")
        hosts = told.all(b"host")
        if len(hosts) != 1 or hosts[0].lower() not in rules.hosts:
            raise Refused(HTTPStatus.FORBIDDEN, "this is not the host that was asked for")
        if any(o.lower() not in {f"http://{h}" for h in rules.hosts} for o in told.all(b"origin")):
            raise Refused(HTTPStatus.FORBIDDEN, "another page may not ask")
        if any(site not in ("same-origin", "none") for site in told.all(b"sec-fetch-site")):
            raise Refused(HTTPStatus.FORBIDDEN, "another page may not ask")
        if told.method not in ("GET", "HEAD", "POST"):
            raise Refused(HTTPStatus.METHOD_NOT_ALLOWED, "only GET and POST")
        if not _PATH.fullmatch(told.raw_path) or len(told.query) > LARGEST_QUERY:
            raise Refused(HTTPStatus.NOT_FOUND, "there is nothing here")
        if told.method != "POST" and told.raw_path.decode() in rules.open_paths:
            return
        given = (told.all(b"x-muster-token") or [""])[0]
        if not hmac.compare_digest(given.encode(), rules.token.encode()):
            if not rules.wrong_tokens.takes(told.caller, now_s):
                raise Refused(HTTPStatus.TOO_MANY_REQUESTS, "too many wrong tokens: wait a minute")
            raise Refused(HTTPStatus.FORBIDDEN, "open the address that `muster` printed: it has the token")
        if told.method == "POST" and not rules.writes.takes(told.caller, now_s):
            raise Refused(HTTPStatus.TOO_MANY_REQUESTS, "too many at once: wait a little")


class Told:
    """What a request says of itself."""

    def __init__(self, scope: Message) -> None:
        self.headers: list[tuple[bytes, bytes]] = scope["headers"]  # type: ignore[assignment]
        self.method = str(scope["method"])
        self.raw_path: bytes = bytes(scope.get("raw_path") or b"").split(b"?", 1)[0]  # type: ignore[arg-type]
        self.query: bytes = bytes(scope.get("query_string") or b"")  # type: ignore[arg-type]
        client = scope.get("client")
        self.caller = str(client[0]) if isinstance(client, tuple | list) else ""

    def all(self, name: bytes) -> list[str]:
        """The values of a header."""
        return [value.decode("latin-1") for key, value in self.headers if key == name]


async def _body(told: Told, receive: Receive) -> bytes:
    """What a POST brings, within the limits; nothing is read of others."""
    if told.method != "POST":
        return b""
    if (told.all(b"content-type") or [""])[0].partition(";")[0].strip() != "application/json":
        raise Refused(HTTPStatus.UNSUPPORTED_MEDIA_TYPE, "this takes JSON")
    lengths = told.all(b"content-length")
    if len(lengths) != 1 or not (lengths[0].isascii() and lengths[0].isdecimal()) or len(lengths[0]) > 12:
        raise Refused(HTTPStatus.LENGTH_REQUIRED, "how long is it?")
    if int(lengths[0]) > LARGEST_REQUEST:
        raise Refused(HTTPStatus.REQUEST_ENTITY_TOO_LARGE, f"at most {LARGEST_REQUEST} bytes")
    try:
        async with asyncio.timeout(BODY_S):
            return await _read(receive)
    except TimeoutError:
        raise Refused(HTTPStatus.REQUEST_TIMEOUT, "too slow") from None


async def _read(receive: Receive) -> bytes:
    body = b""
    while True:
        message = await receive()
        if message["type"] != "http.request":
            raise Refused(HTTPStatus.BAD_REQUEST, "cut short")
        body += message.get("body", b"")  # type: ignore[operator]
        if len(body) > LARGEST_REQUEST:
            raise Refused(HTTPStatus.REQUEST_ENTITY_TOO_LARGE, f"at most {LARGEST_REQUEST} bytes")
        if not message.get("more_body"):
            return body


def _again(body: bytes, receive: Receive) -> Receive:
    """`receive` for the application: the body that was read, then what else comes."""
    given = False

    async def once() -> Message:
        nonlocal given
        if given:
            return await receive()
        given = True
        return {"type": "http.request", "body": body, "more_body": False}

    return once


async def _refuse(send: Send, status: HTTPStatus, why: str) -> None:
    body = json.dumps({"errors": [why]}).encode()
    headers = [(b"content-type", b"application/json"), (b"content-length", str(len(body)).encode())]
    headers += [(b"connection", b"close")]
    if status is HTTPStatus.TOO_MANY_REQUESTS:
        headers += [(b"retry-after", b"5")]
    await send({"type": "http.response.start", "status": int(status), "headers": headers})
    await send({"type": "http.response.body", "body": body})


_HEADERS = [(k.lower().encode(), v.encode()) for k, v in _ALWAYS.items()]
