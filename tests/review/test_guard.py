"""The one set of safety rules: who may ask, for what, how much and how often. Everything here goes over a real socket."""

from __future__ import annotations

import http.client
import json
import shutil
import socket
import threading
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from urllib.parse import quote

import pytest

from composer.color.spaces import ColorManager
from composer.errors import InputError
from composer.render.decisions import NAME
from composer.review.guard import LARGEST_REQUEST, Bucket, Rules
from composer.review.review_app import review_app
from composer.review.server import Hasty, PageServer
from composer.review.table import Table

#: What leads out of the folder, in sixteen spellings.
TRAVERSALS = (
    "../secret.txt", "..%2fsecret.txt", "%2e%2e/secret.txt", "%2e%2e%2fsecret.txt", "..%5csecret.txt", "..\\secret.txt",
    "%252e%252e%252fsecret.txt", "..%252fsecret.txt", "..%c0%afsecret.txt", "%c0%ae%c0%ae/secret.txt", "..%ef%bc%8fsecret.txt",
    "....//secret.txt", "..;/secret.txt", "./.././secret.txt", "%2e%2e%00/secret.txt", "..%u2215secret.txt",
)  # fmt: skip


class Client:
    def __init__(self, server: PageServer) -> None:
        self.server = server

    def raw(self, target: str, *headers: str, method: str = "GET", body: bytes = b"") -> tuple[int, bytes]:
        """A request as it is written, nothing tidied."""
        usual = [f"Host: {self.server.hosts[0]}", f"X-Muster-Token: {self.server.token}", "Connection: close"]
        named = {h.split(":", 1)[0].lower() for h in headers}
        lines = [h for h in usual if h.split(":", 1)[0].lower() not in named] + [
            h for h in headers if not h.endswith(":-")
        ]
        text = f"{method} {target} HTTP/1.1\r\n" + "\r\n".join(lines) + "\r\n\r\n"
        with socket.create_connection(("127.0.0.1", self.server.server_port), timeout=30) as line:
            line.sendall(text.encode("utf-8") + body)
            answer = http.client.HTTPResponse(line)
            answer.begin()
            self.headers = answer.headers
            return answer.status, answer.read()

    def post(self, told: object, *headers: str) -> tuple[int, dict]:
        body = told if isinstance(told, bytes) else json.dumps(told).encode()
        given = [f"Content-Length: {len(body)}", "Content-Type: application/json"]
        named = {h.split(":", 1)[0].lower() for h in headers}
        given = [h for h in given if h.split(":", 1)[0].lower() not in named]
        status, answer = self.raw("/api/decide", *given, *headers, method="POST", body=body)
        return status, json.loads(answer)


@pytest.fixture(scope="module")
def served(_options_once: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[PageServer, Path]]:
    """One server for this file, and its folder of options."""
    folder = Path(shutil.copytree(_options_once, tmp_path_factory.mktemp("served") / "out" / "tiny" / "options"))
    for place in (folder, *folder.parents[:3]):
        (place / "secret.txt").write_text("s3cret")
    with PageServer(review_app(Table([folder]), ColorManager.open()), 0) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield server, folder


@pytest.fixture
def folder(served: tuple[PageServer, Path]) -> Path:
    (served[1] / NAME).unlink(missing_ok=True)
    return served[1]


@pytest.fixture
def client(served: tuple[PageServer, Path], folder: Path) -> Client:
    rules = served[0].rules
    rules.__dict__.update(Rules(rules.hosts, rules.token, rules.open_paths).__dict__)
    return Client(served[0])


def comment(**more: object) -> dict[str, object]:
    return {"do": "comment", "item": "30", "frame": 1002, "who": "Ada", "text": "hm", **more}


@pytest.mark.parametrize("way", TRAVERSALS)
def test_no_spelling_of_a_path_leads_out(client: Client, way: str) -> None:
    targets = [f"/{way}", f"/api/{way}", f"/30/pictures/../../{way}", f"/review.css/{way}"]
    for name in (way, f"30/{way}", quote(way, safe="")):
        targets += [f"/api/proxy?item={name}&frame=1001", f"/api/overlay?item=30&frame=1001&name={name}"]
    for target in targets:
        status, body = client.raw(target)
        assert status in (400, 403, 404, 422) and b"s3cret" not in body, (target, status)


@pytest.mark.parametrize(
    "target", ["/30", "/30/", "/api", "/api/", "/exr/", "/page", "//", "/options.json", "/decisions.jsonl", "*"]
)
def test_there_are_no_listings_and_no_files_but_the_pages_own(client: Client, target: str) -> None:
    status, body = client.raw(target)
    assert status in (400, 404) and b"manifest" not in body


@pytest.mark.parametrize(
    "header",
    [
        "Host: evil.example", "Host: localhost", "Host: 127.0.0.1:1", "Host: 127.0.0.1.evil.example", "Host: [::1]",
        "Origin: http://evil.example", "Origin: null", "Origin: https://{host}", "Origin: http://{host}.evil.example",
        "Origin: http://localhost", "Origin: http://127.0.0.1:1", "Sec-Fetch-Site: cross-site", "Sec-Fetch-Site: same-site",
        "X-Muster-Token: x", "X-Muster-Token:-", "X-Muster-Token: ",
    ],
)  # fmt: skip
def test_strangers_are_refused_to_read_and_to_write(client: Client, folder: Path, header: str) -> None:
    header = header.format(host=client.server.hosts[0])
    status, body = client.raw("/api/state", header)
    assert status == 403 and b"soldiers" not in body
    status, _ = client.post(comment(), header)
    assert status == 403 and not (folder / NAME).exists()
    assert "access-control-allow-origin" not in client.headers


def test_the_own_page_may(client: Client, folder: Path) -> None:
    for host in client.server.hosts:
        own = (f"Host: {host}", f"Origin: http://{host}", "Sec-Fetch-Site: same-origin")
        assert client.raw("/api/state", *own)[0] == 200
        assert client.post(comment(), *own)[0] == 200
    assert len((folder / NAME).read_text().splitlines()) == 2
    assert client.raw("/", "X-Muster-Token:-")[0] == 200
    policy = client.headers["content-security-policy"]
    assert "default-src 'none'" in policy and "connect-src 'self'" in policy and "unsafe" not in policy
    assert client.headers["x-content-type-options"] == "nosniff" and client.headers["cache-control"] == "no-store"
    assert "server" not in client.headers


@pytest.mark.parametrize(
    ("headers", "body", "status"),
    [
        (("Content-Type: text/plain",), b"{}", 415),
        (("Content-Type: application/x-www-form-urlencoded",), b"a=b", 415),
        ((f"Content-Length: {LARGEST_REQUEST + 1}",), b"", 413),
        (("Content-Length: 99999999999999",), b"", 411),
        (("Content-Length:-", "Transfer-Encoding: chunked"), b"0\r\n\r\n", 411),
        ((), b"", 400),
        ((), b"[" * 5000, 400),
        ((), b"\xff", 400),
        ((), json.dumps(comment(who="")).encode(), 400),
        ((), json.dumps(comment(who="\u202e\x00")).encode(), 400),
        ((), json.dumps(comment(who="a" * 81)).encode(), 400),
        ((), json.dumps(comment(text="a" * 4001)).encode(), 400),
        ((), json.dumps(comment(marks=[[[0, 0]]])).encode(), 400),
        ((), json.dumps(comment(marks=[[[0, 9], [0, 0]]])).encode(), 400),
        ((), json.dumps(comment(more=1)).encode(), 400),
        ((), json.dumps(comment(do="delete")).encode(), 400),
        ((), json.dumps(comment(text="", marks=[])).encode(), 422),
        ((), json.dumps(comment(item="../30")).encode(), 422),
        ((), json.dumps(comment(frame=7)).encode(), 422),
    ],
)
def test_what_is_no_decision_or_too_large_is_refused_and_not_kept(
    client: Client, folder: Path, headers: tuple[str, ...], body: bytes, status: int
) -> None:
    assert client.post(body, *headers)[0] == status
    assert not (folder / NAME).exists()


def test_too_many_are_told_to_wait(client: Client, folder: Path) -> None:
    rules, now = client.server.rules, [100.0]
    rules.clock = lambda: now[0]
    rules.writes = Bucket(3, 1)
    assert [client.post(comment())[0] for _ in range(5)] == [200, 200, 200, 429, 429]
    assert client.headers["retry-after"] == "5" and len((folder / NAME).read_text().splitlines()) == 3
    now[0] += 1.5
    assert [client.post(comment())[0] for _ in range(2)] == [200, 429]
    rules.wrong_tokens = Bucket(2, 0.1)
    assert [client.raw("/api/state", "X-Muster-Token: guess")[0] for _ in range(3)] == [403, 403, 429]
    rules.requests = Bucket(2, 1)
    assert [client.raw("/api/state")[0] for _ in range(3)] == [200, 200, 429]
    assert client.raw("/" + "a" * 20000)[0] in (400, 404, 429, 431)


def test_who_does_not_finish_his_request_is_put_out(client: Client, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Hasty, "header_s", 0.3)
    with socket.create_connection(("127.0.0.1", client.server.server_port), timeout=10) as line:
        line.sendall(b"GET / HTTP/1.1\r\nHost: ")
        assert line.recv(100) == b"", "closed by the server"
    with socket.create_connection(("127.0.0.1", client.server.server_port), timeout=10) as line:
        host = client.server.hosts[0].encode()
        line.sendall(b"GET / HTTP/1.1\r\nHost: " + host + b"\r\n\r\n")
        assert line.recv(100).startswith(b"HTTP/1.1 200")


@pytest.mark.parametrize(
    ("options", "said"),
    [
        ({"address": "0.0.0.0"}, "which of this machine"),
        ({"address": "::"}, "which of this machine"),
        ({"address": "example.com"}, "not an address"),
        ({"token": "short"}, "not a token"),
        ({"port": 70000}, "no such port"),
    ],
)
def test_what_it_does_not_listen_to(options_folder: Path, options: dict, said: str) -> None:
    app = review_app(Table([options_folder]), ColorManager.open())
    with pytest.raises(InputError, match=said):
        PageServer(app, **{"port": 0, **options})


def test_another_address_has_its_own_name_and_still_a_token(options_folder: Path) -> None:
    app = review_app(Table([options_folder]), ColorManager.open())
    with PageServer(app, 0, "127.0.0.2", "abcdefgh12345678") as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        assert server.hosts[0] == f"127.0.0.2:{server.server_port}" and server.address().endswith(
            "?token=abcdefgh12345678"
        )
        for host, token, status in ((server.hosts[0], server.token, 200), (server.hosts[0], "x", 403)):
            line = http.client.HTTPConnection("127.0.0.2", server.server_port, timeout=30)
            line.request("GET", "/api/state", headers={"Host": host, "X-Muster-Token": token})
            assert line.getresponse().status == status
            line.close()
        with pytest.raises(OSError):
            socket.create_connection(("127.0.0.1", server.server_port), timeout=2)


def test_an_index_that_points_elsewhere_is_refused(options_folder: Path) -> None:
    index = options_folder / "options.json"
    told = json.loads(index.read_text())
    outside = options_folder.parent / "outside.exr"
    outside.write_bytes(Path(options_folder / told["options"][0]["exr"]["1001"]).read_bytes())
    (options_folder / "link.exr").symlink_to(outside)
    for name in ("../outside.exr", str(outside), "link.exr", "30", "nowhere.exr", "a\0b"):
        told["options"][0]["exr"]["1001"] = name
        index.write_text(json.dumps(told))
        with pytest.raises(InputError, match="not in its folder"):
            Table([options_folder])


def test_a_bucket_is_each_callers_own() -> None:
    bucket = Bucket(2, 1)
    assert [bucket.takes("a", 0.0) for _ in range(3)] == [True, True, False]
    assert bucket.takes("b", 0.0) and bucket.takes("a", 1.0) and not bucket.takes("a", 1.0)
    fresh = replace(Bucket(1, 0), burst=5)
    assert sum(fresh.takes("a", float(i)) for i in range(10)) == 5


def test_a_fault_is_shown_and_the_server_lives(client: Client, monkeypatch: pytest.MonkeyPatch) -> None:
    def broken(_: Table) -> dict[str, object]:
        raise ZeroDivisionError("oh")

    monkeypatch.setattr(Table, "decided", broken)
    status, body = client.raw("/api/decisions")
    assert status == 500 and "a fault in Muster itself: ZeroDivisionError: oh" in json.loads(body)["errors"][0]
    monkeypatch.undo()
    assert client.raw("/api/decisions")[0] == 200
