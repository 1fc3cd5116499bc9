"""Fetch from a hub of our own on localhost: whole, interrupted, tampered with, gone; and that nothing else reaches out."""

from __future__ import annotations

import ast
import hashlib
import shutil
import threading
from collections.abc import Iterator
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest
from support.weights import packed, write_network, write_weights

from composer.errors import InputError, InputErrors, MachineError
from composer.inference.bundle import Bundle, load_bundle
from composer.inference.bundle_add import add_bundle
from composer.inference.bundle_text import Told
from composer.inference.bundle_verify import verify_bundle
from composer.inference.fetch import fetch_bundle

ROOT = Path(__file__).resolve().parents[2]
PIN = "0123456789abcdef0123456789abcdef01234567"
BIG = "unet/diffusion_pytorch_model.safetensors"


@dataclass
class Hub:
    """A repository as the hub serves it. answer: the status of every request. asked: (method, file, Range)."""

    folder: Path
    revision: str = PIN
    answer: int = 200
    asked: list[tuple[str, str, str | None]] = field(default_factory=list)
    url: str = ""


def _handler(hub: Hub) -> type[BaseHTTPRequestHandler]:
    class Handler(BaseHTTPRequestHandler):
        def log_message(self, *_: object) -> None: ...

        def do_HEAD(self) -> None:
            self._serve(body=False)

        def do_GET(self) -> None:
            self._serve(body=True)

        def _serve(self, body: bool) -> None:
            head, _, inside = self.path.lstrip("/").partition(f"/resolve/{PIN}/")
            hub.asked.append((self.command, inside, self.headers.get("Range")))
            path = hub.folder / inside
            if hub.answer != 200 or head != "somebody/model" or not path.is_file():
                self.send_response(hub.answer if hub.answer != 200 else 404)
                if hub.answer == 200:
                    self.send_header("X-Error-Code", "EntryNotFound")
                self.send_header("Content-Length", "0")
                self.end_headers()
                return
            data = path.read_bytes()
            start = int((self.headers.get("Range") or "bytes=0-")[6:].split("-")[0])
            self.send_response(206 if self.headers.get("Range") else 200)
            self.send_header("ETag", f'"{hashlib.sha256(data).hexdigest()}"')
            self.send_header("X-Repo-Commit", hub.revision)
            self.send_header("Content-Length", str(len(data) - start))
            if start:
                self.send_header("Content-Range", f"bytes {start}-{len(data) - 1}/{len(data)}")
            self.end_headers()
            if body:
                self.wfile.write(data[start:])

    return Handler


@pytest.fixture
def hub(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Hub]:
    hub = Hub(tmp_path / "hub")
    server = ThreadingHTTPServer(("127.0.0.1", 0), _handler(hub))
    threading.Thread(target=lambda: server.serve_forever(0.02), daemon=True).start()
    hub.url = f"http://127.0.0.1:{server.server_address[1]}"
    monkeypatch.setenv("HF_ENDPOINT", hub.url)
    monkeypatch.setenv("NO_PROXY", "127.0.0.1")
    yield hub
    server.shutdown()
    server.server_close()


@pytest.fixture
def bundle(tmp_path: Path, hub: Hub) -> Bundle:
    """Its base on the hub only, its ControlNet here."""
    size = 3 << 20
    header = b'{"w":{"dtype":"U8","shape":[%d],"data_offsets":[0,%d]}}' % (size, size)
    source = write_weights(tmp_path / "source")
    (source / BIG).write_bytes(packed(header, bytes(range(256)) * (size // 256)))
    write_network(tmp_path / "control", "ControlNetModel")
    told = Told(
        source,
        name="tiny",
        controls={"depth": tmp_path / "control"},
        repository="somebody/model",
        revision=PIN,
        copy=True,
        models=tmp_path / "models",
    )
    made = add_bundle(told).bundle
    shutil.move(made.folder / "weights/base", hub.folder)
    return made


def left_over(bundle: Bundle) -> list[str]:
    return [p.name for p in (bundle.folder / "weights").iterdir() if p.name.startswith(".")]


def test_brings_everything_and_verifies(bundle: Bundle, hub: Hub) -> None:
    with pytest.raises(InputErrors, match="muster models fetch"):
        verify_bundle(bundle)
    seen: list[tuple[str, int, int]] = []
    fetched = fetch_bundle(bundle, lambda *told: seen.append(told), quiet=True)
    base = sorted(p for p in bundle.files if p.startswith("base/"))
    assert list(fetched.files) == base and [s[0] for s in seen] == base and seen[-1][1:] == (len(base), len(base))
    assert fetched.verified.files == len(bundle.files) and verify_bundle(bundle) and not left_over(bundle)
    asked = len(hub.asked)
    assert fetch_bundle(bundle, quiet=True).files == () and len(hub.asked) == asked, "what is there is not asked for"


def test_an_interrupted_fetch_goes_on(bundle: Bundle, hub: Hub, monkeypatch: pytest.MonkeyPatch) -> None:
    from huggingface_hub import file_download

    monkeypatch.setattr(file_download.time, "sleep", lambda _: None)
    whole = (hub.folder / BIG).read_bytes()
    partial = bundle.folder / "weights/.base.partial" / BIG
    partial.parent.mkdir(parents=True)
    partial.write_bytes(whole[: 1 << 20])
    fetch_bundle(bundle, quiet=True)
    ranges = [r for method, name, r in hub.asked if method == "GET" and name == BIG]
    assert ranges == [f"bytes={1 << 20}-"] and verify_bundle(bundle) and not left_over(bundle)


def test_a_broken_line_leaves_what_has_come(bundle: Bundle, hub: Hub, monkeypatch: pytest.MonkeyPatch) -> None:
    from huggingface_hub import file_download

    monkeypatch.setattr(file_download.time, "sleep", lambda _: None)

    real = file_download.http_get

    def once(url: str, file: object, **told: object) -> None:
        if url.endswith(BIG):
            file.write((hub.folder / BIG).read_bytes()[: 1 << 20])  # type: ignore[attr-defined]
            raise OSError("connection lost")
        real(url, file, **told)

    monkeypatch.setattr(file_download, "http_get", once)
    with pytest.raises(MachineError, match="goes on where it stopped") as caught:
        fetch_bundle(bundle, quiet=True)
    assert "\n" not in caught.value.line() and "connection lost" in caught.value.line()
    assert not (bundle.folder / "weights/base" / BIG).exists() and left_over(bundle) == [".base.partial"]
    monkeypatch.setattr(file_download, "http_get", real)
    hub.asked.clear()
    fetch_bundle(bundle, quiet=True)
    assert ("GET", BIG, f"bytes={1 << 20}-") in hub.asked
    assert sum(method == "GET" for method, _, _ in hub.asked) < len(bundle.files), (
        "finished files are not asked for again"
    )
    assert verify_bundle(bundle) and not left_over(bundle)


def test_another_file_than_was_pinned_is_thrown_away(bundle: Bundle, hub: Hub) -> None:
    data = bytearray((hub.folder / BIG).read_bytes())
    data[-1] ^= 1
    (hub.folder / BIG).write_bytes(data)
    with pytest.raises(InputError, match="another file than bundle"):
        fetch_bundle(bundle, quiet=True)
    assert not (bundle.folder / "weights/base" / BIG).exists()
    assert not (bundle.folder / "weights/.base.partial" / BIG).exists()


def test_another_revision_is_refused(bundle: Bundle, hub: Hub) -> None:
    hub.revision = "f" * 40
    with pytest.raises(InputError, match="another revision"):
        fetch_bundle(bundle, quiet=True)
    assert not (bundle.folder / "weights/base").exists()


@pytest.mark.parametrize(
    ("answer", "said"), [(404, "no such file"), (500, "cannot be reached"), (403, "cannot be reached")]
)
def test_what_a_hub_may_answer(
    bundle: Bundle, hub: Hub, answer: int, said: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    from huggingface_hub import file_download

    monkeypatch.setattr(file_download, "_ETAG_RETRY_TIMEOUT", 1, raising=False)
    if answer == 404:
        (hub.folder / BIG).unlink()
    else:
        hub.answer = answer
    with pytest.raises((InputError, MachineError), match=said) as caught:
        fetch_bundle(bundle, quiet=True)
    assert "\n" not in caught.value.line()
    assert isinstance(caught.value, InputError) == (answer == 404)


def test_without_a_network(bundle: Bundle, monkeypatch: pytest.MonkeyPatch) -> None:
    from huggingface_hub import constants

    monkeypatch.setenv("HF_ENDPOINT", "http://127.0.0.1:9")
    with pytest.raises(MachineError, match="the hub cannot be reached") as caught:
        fetch_bundle(bundle, quiet=True)
    assert "without a network, bring the files on a disk" in caught.value.line() and caught.value.exit_code == 1
    monkeypatch.setattr(constants, "HF_HUB_OFFLINE", True)
    with pytest.raises(MachineError, match="HF_HUB_OFFLINE forbids"):
        fetch_bundle(bundle, quiet=True)


def test_only_into_its_own_folder_and_only_from_a_repository(bundle: Bundle, hub: Hub, tmp_path: Path) -> None:
    file = bundle.folder / "bundle.yaml"
    text = file.read_text()
    file.write_text(text.replace("  base:\n", f'  base:\n    path: "{tmp_path}/outside"\n'))
    with pytest.raises(InputErrors, match=r"bundle\.yaml:\d+:\d+: sources\.base: fetch writes into the bundle's own"):
        fetch_bundle(load_bundle(bundle.folder), quiet=True)
    file.write_text(
        "\n".join(line for line in text.splitlines() if not line.startswith(("    repository", "    revision")))
    )
    with pytest.raises(InputErrors, match="come from no repository"):
        fetch_bundle(load_bundle(bundle.folder), quiet=True)
    file.write_text(text)
    (tmp_path / "away").mkdir()
    (bundle.folder / "weights/base").symlink_to(tmp_path / "away")
    with pytest.raises(InputErrors, match="a link out of the bundle"):
        fetch_bundle(bundle, quiet=True)
    assert not hub.asked and not (tmp_path / "outside").exists() and not list((tmp_path / "away").iterdir())


def test_only_fetch_reaches_out() -> None:
    """Neither the hub's client nor a way to the network is imported anywhere else; pages listen on this machine, and a farm
    asks whether the cluster that it was told of answers."""
    ways = {
        "huggingface_hub",
        "requests",
        "httpx",
        "httpx2",
        "urllib",
        "urllib3",
        "aiohttp",
        "ftplib",
        "socket",
        "ssl",
        "smtplib",
    }
    allowed = {
        "composer/inference/fetch.py": {"huggingface_hub"},
        "composer/farm/cluster.py": {"socket"},
        "composer/review/server.py": {"socket"},
    }
    for path in sorted((ROOT / "composer").rglob("*.py")):
        name = path.relative_to(ROOT).as_posix()
        found = set()
        for node in ast.walk(ast.parse(path.read_text())):
            if isinstance(node, ast.Import):
                found |= {alias.name for alias in node.names}
            elif isinstance(node, ast.ImportFrom) and node.module:
                found |= {node.module} | {f"{node.module}.{alias.name}" for alias in node.names}
        reached = {m for m in found if m.split(".")[0] in ways and not m.startswith("urllib.parse")} - {"urllib"}
        reached |= {m for m in found if m.startswith("http.client")}
        assert {m.split(".")[0] for m in reached} <= allowed.get(name, set()), f"{name}: {reached}"
