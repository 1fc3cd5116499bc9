"""The layout page's server: edits reach the file, and nobody else reaches the server."""

from __future__ import annotations

import http.client
import json
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

from composer.errors import InputError
from composer.review.desk import Desk
from composer.review.guard import LARGEST_REQUEST
from composer.review.layout_app import layout_app
from composer.review.server import PageServer
from composer.shot.load import load_shot

COMMENTED = "# mine\noverrides:\n  - {soldier: host.00001, turn_deg: 5}   # a little\n"


class Client:
    def __init__(self, server: PageServer) -> None:
        self.server = server

    def ask(self, method: str, path: str, body: object = None, **headers: str | None) -> tuple[int, bytes]:
        connection = http.client.HTTPConnection("127.0.0.1", self.server.server_port, timeout=60)
        data = body if isinstance(body, bytes) or body is None else json.dumps(body).encode()
        usual = {"X-Muster-Token": self.server.token, "Host": self.server.hosts[0]}
        if data is not None:
            usual |= {"Content-Type": "application/json", "Content-Length": str(len(data))}
        given = {**usual, **{k.replace("_", "-"): v for k, v in headers.items()}}
        connection.putrequest(method, path, skip_host=True, skip_accept_encoding=True)
        for key, value in given.items():
            if value is not None:
                connection.putheader(key, value)
        # what a server has not read when it closes resets the connection, and its answer is lost
        true = data is not None and given["Content-Length"] == str(len(data))
        connection.endheaders(data if true else None)
        response = connection.getresponse()
        self.headers = response.headers
        answer = response.status, response.read()
        connection.close()
        return answer

    def state(self, frame: int = 1001) -> dict:
        status, body = self.ask("GET", f"/api/state?frame={frame}")
        assert status == 200, body
        return json.loads(body)

    def edit(self, revision: str | None = None, frame: int = 1001, **edit: object) -> tuple[int, dict]:
        revision = self.state()["revision"] if revision is None else revision
        edit |= {"frame": frame} if edit["do"] in ("move", "turn") else {}
        status, body = self.ask("POST", "/api/edit", {"edit": edit, "revision": revision, "frame": frame})
        return status, json.loads(body)


@pytest.fixture
def file(make_shot) -> Path:
    shot = make_shot(frames=3)
    shot.write_text(shot.read_text() + COMMENTED)
    return shot


@pytest.fixture
def client(file: Path) -> Iterator[Client]:
    with PageServer(layout_app(Desk(file)), 0) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield Client(server)
        server.shutdown()


def place(state: dict, name: str) -> tuple[float, float]:
    i = state["name"].index(name)
    return state["x"][i], state["z"][i]


def test_the_page_and_what_it_draws(client: Client) -> None:
    for path, kind in (("/", "text/html"), ("/layout.js", "text/javascript"), ("/layout.css", "text/css")):
        status, body = client.ask("GET", path, X_Muster_Token=None)
        assert status == 200 and len(body) > 500 and client.headers["Content-Type"].startswith(kind)
        assert b"http://" not in body and b"https://" not in body, "no request to another host"
    assert "default-src 'none'" in client.headers["Content-Security-Policy"]
    state = client.state(1002)
    assert len(state["name"]) == 30 == len(state["x"]) == len(state["px"]) and state["frames"] == [1001, 1003]
    assert state["regions"][0]["points"] == [[-6, -9], [6, -9], [6, -22], [-6, -22]]
    assert state["name"][state["directed"][0]] == "host.00001"
    status, body = client.ask("GET", "/api/view.jpg?frame=1002")
    assert status == 200 and body[:2] == b"\xff\xd8"
    x, y = state["px"][state["name"].index("host.00000")]
    status, body = client.ask("GET", f"/api/who?frame=1002&x={x}&y={y - 14}")
    assert json.loads(body)["name"] == "host.00000"
    assert json.loads(client.ask("GET", "/api/who?frame=1002&x=2&y=2")[1]) == {"name": None}


def test_dragging_a_soldier_writes_his_place_and_keeps_every_other_byte(client: Client, file: Path) -> None:
    before = file.read_text()
    x, z = place(client.state(1003), "host.00004")
    status, state = client.edit(frame=1003, do="move", soldier="host.00004", to_m=[x + 1.5, z - 0.5])
    assert status == 200 and state["frame"] == 1003, state
    assert place(state, "host.00004") == pytest.approx((x + 1.5, z - 0.5), abs=2e-3), "at the frame he was dragged in"
    after = file.read_text()
    assert after.startswith(before) and after.count("\n") == before.count("\n") + 1
    assert len(load_shot(file).overrides[1].place_m) == 2
    status, state = client.edit(frame=1003, do="turn", soldier="host.00004", azimuth_deg=-30)
    assert state["azimuth"][state["name"].index("host.00004")] == pytest.approx(-30, abs=0.1)
    assert "# a little" in file.read_text() and file.read_text().count("host.00004") == 1
    status, state = client.edit(do="set", soldier="host.00004", changes={"kit": "heavy", "kill_at": 1002, "hide": True})
    assert status == 200 and [h["name"] for h in state["hidden"]] == ["host.00004"]
    status, state = client.edit(do="set", soldier="host.00004", changes={"hide": False})
    assert not state["hidden"] and state["kit"][state["name"].index("host.00004")] == "heavy"


def test_undo_and_redo_are_the_files_own_bytes(client: Client, file: Path) -> None:
    texts = [file.read_bytes()]
    client.edit(do="set", soldier="host.00002", changes={"pin": True})
    texts.append(file.read_bytes())
    client.edit(do="shape", region="host", points_m=[[-6, -9], [7, -9], [7, -22], [-6, -22]])
    texts.append(file.read_bytes())
    assert load_shot(file).crowd.regions[0].polygon_m[1] == (7, -9)
    for wanted in texts[-2::-1]:
        status, state = client.edit(do="undo")
        assert status == 200 and file.read_bytes() == wanted
    assert (state["undo"], state["redo"]) == (0, 2)
    assert client.edit(do="undo")[0] == 422
    for wanted in texts[1:]:
        client.edit(do="redo")
        assert file.read_bytes() == wanted


@pytest.mark.parametrize(
    ("edit", "said"),
    [
        ({"do": "shape", "region": "host", "points_m": [[-6, -9], [6, -22], [6, -9], [-6, -22]]}, "crosses itself"),
        ({"do": "shape", "region": "host", "points_m": [[-1, -9], [1, -9], [1, -10], [-1, -10]]}, "too small"),
        ({"do": "shape", "region": "nobody", "points_m": [[0, 0], [1, 0], [1, 1]]}, "no such polygon"),
        ({"do": "set", "soldier": "host.00002", "changes": {"kit": "cook"}}, "no such kit"),
        ({"do": "set", "soldier": "host.00002", "changes": {"speed": -1}}, "out of range"),
        ({"do": "set", "soldier": "host.00002", "changes": {"soldier": "x"}}, "no such key"),
        ({"do": "set", "soldier": "host.99999", "changes": {"pin": True}}, "no such soldier"),
        ({"do": "move", "soldier": "host.00002", "frame": 1001, "to_m": [0]}, "not an edit"),
        ({"do": "move", "soldier": "host.00002", "frame": 7, "to_m": [0, 0]}, "no such frame"),
        ({"do": "remove", "number": 7}, "no such override"),
        ({"do": "format"}, "not an edit"),
        (None, "not an edit"),
    ],
)
def test_what_does_not_load_is_told_and_not_written(client: Client, file: Path, edit: object, said: str) -> None:
    before = file.read_bytes(), file.stat().st_mtime_ns
    body = {"edit": edit, "revision": client.state()["revision"]}
    status, answer = client.ask("POST", "/api/edit", body)
    assert status == 422 and said in json.loads(answer)["errors"][0], answer
    assert (file.read_bytes(), file.stat().st_mtime_ns) == before
    assert sorted(p.name for p in file.parent.iterdir()) == [
        "plate.1001.exr",
        "plate.1002.exr",
        "plate.1003.exr",
        "shot.yaml",
    ]


def test_a_file_that_somebody_else_changed_is_not_written_over(client: Client, file: Path) -> None:
    revision = client.state()["revision"]
    file.write_text(file.read_text().replace("seed: 7", "seed: 8"))
    theirs = file.read_bytes()
    status, answer = client.edit(revision, do="set", soldier="host.00002", changes={"pin": True})
    assert status == 409 and "changed elsewhere" in answer["errors"][0] and file.read_bytes() == theirs
    assert client.edit(do="set", soldier="host.00002", changes={"pin": True})[0] == 200
    file.write_text("muster: 1\n")
    assert client.ask("GET", "/api/state?frame=1001")[0] == 422
    file.write_bytes(theirs)
    assert client.ask("GET", "/api/state?frame=1001")[0] == 200


@pytest.mark.parametrize(
    ("method", "path", "headers", "status"),
    [
        ("GET", "/api/state", {"X_Muster_Token": None}, 403),
        ("GET", "/api/state", {"X_Muster_Token": "x"}, 403),
        ("GET", "/api/state", {"X_Muster_Token": "\u00e9"}, 403),
        ("GET", "/", {"Host": "evil.example"}, 403),
        ("GET", "/", {"Host": None}, 400),
        ("GET", "/", {"Host": "127.0.0.1"}, 403),
        ("GET", "/api/state", {"Origin": "http://evil.example"}, 403),
        ("GET", "/api/state", {"Origin": "null"}, 403),
        ("GET", "/layout.js", {"Sec_Fetch_Site": "cross-site"}, 403),
        ("GET", "/../../shot.yaml", {}, 404),
        ("GET", "/%2e%2e/desk.py", {}, 404),
        ("GET", "/layout.html", {}, 404),
        ("GET", "/api/state?frame=x", {}, 400),
        ("GET", "/api/state?frame=nan", {}, 400),
        ("GET", "/api/state?frame=9", {}, 422),
        ("GET", "/docs", {}, 404),
        ("GET", "/openapi.json", {}, 404),
        ("POST", "/api/state", {}, 405),
        ("POST", "/api/edit", {"X_Muster_Token": None}, 403),
        ("POST", "/api/edit", {"Content_Type": "text/plain"}, 415),
        ("POST", "/api/edit", {"Content_Length": None}, 411),
        ("POST", "/api/edit", {"Content_Length": "-1"}, 400),
        ("POST", "/api/edit", {"Content_Length": str(LARGEST_REQUEST + 1)}, 413),
        ("PUT", "/api/edit", {}, 405),
    ],
)
def test_who_may_not_ask(client: Client, file: Path, method: str, path: str, headers: dict, status: int) -> None:
    before = file.read_bytes()
    body = {"edit": {"do": "remove", "number": 0}, "revision": "x"} if method != "GET" else None
    assert client.ask(method, path, body, **headers)[0] == status
    assert file.read_bytes() == before


@pytest.mark.parametrize("body", [b"", b"{", b"[]", b'"x"', b"[" * 5000, b'{"revision": 1}', b"\xff"])
def test_what_is_no_edit_is_refused(client: Client, body: bytes) -> None:
    assert client.ask("POST", "/api/edit", body)[0] == 400


def test_it_listens_to_this_machine_alone_and_its_token_is_new(file: Path) -> None:
    desk = Desk(file)
    with PageServer(layout_app(desk), 0) as one, PageServer(layout_app(desk), 0) as other:
        assert one.hosts[0].startswith("127.0.0.1:") and one.token != other.token and len(one.token) >= 32
        assert one.address(frame=1002).endswith(f"?token={one.token}&frame=1002")
        with pytest.raises(Exception, match="cannot be had"):
            PageServer(layout_app(desk), one.server_port)
    with pytest.raises(InputError, match="no such port"):
        PageServer(layout_app(desk), 70000)


def test_a_region_drawn_on_the_plate_stays_drawn_on_the_plate(make_shot) -> None:
    shot = make_shot(frames=2)
    drawn = "polygon_px: {frame: 1001, points: [[20, 100], [170, 100], [140, 62.5], [50, 62.5]]}"
    shot.write_text(shot.read_text().replace("polygon_m: [[-6, -9], [6, -9], [6, -22], [-6, -22]]", drawn))
    desk = Desk(shot)
    points = desk.state(1001)["regions"][0]["points"]
    points[1] = [points[1][0] + 1, points[1][1]]
    desk.edit({"do": "shape", "region": "host", "points_m": points}, desk.revision)
    new = load_shot(shot).crowd.regions[0].polygon_px.points
    assert new[0] == (20, 100) and new[2:] == ((140, 62.5), (50, 62.5)), "corners that stay keep their numbers"
    assert new[1][0] > 170 and desk.state(1001)["regions"][0]["points"][1] == pytest.approx(points[1], abs=0.02)
