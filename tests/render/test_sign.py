"""Content credentials: what they say, that they hold, and with whose certificate."""

from __future__ import annotations

import builtins
import json
import os
from collections.abc import Callable
from pathlib import Path

import pytest

c2pa = pytest.importorskip("c2pa", reason="the extra `provenance` is not installed")

import av  # noqa: E402
import numpy as np  # noqa: E402
from PIL import Image  # noqa: E402

from composer.cli.main import main  # noqa: E402
from composer.deliver.claims import Claim, Model, check, embed  # noqa: E402
from composer.deliver.signing import open_signing  # noqa: E402
from composer.errors import InputError  # noqa: E402
from composer.render.job import JobResult, prepare_job, prepare_jobs, run_job  # noqa: E402
from composer.render.manifest import read_record  # noqa: E402
from composer.render.quality import load_quality  # noqa: E402
from composer.render.sign import SignAsk  # noqa: E402
from composer.render.verify import verify_delivery  # noqa: E402
from composer.shot.load import load_shot  # noqa: E402
from tests.support.brushes import GuideBrush, brushed  # noqa: E402

MakeShot = Callable[..., Path]


@pytest.fixture
def render(make_shot: MakeShot, tmp_path: Path) -> Callable[..., JobResult]:
    """`render(*lines, sign=None, **of_make_shot)`: the tiny shot, two frames, with further lines in shot.yaml."""

    def made(*lines: str, sign: SignAsk | None = None, **options: object) -> JobResult:
        shot = make_shot(**{"frames": 2, **options})
        shot.write_text(shot.read_text() + "\n".join(lines) + "\n")
        return run_job(prepare_jobs(load_shot(shot), tmp_path / "out", load_quality("preview"), sign=sign)[0])

    return made


SIGNED = "delivery: {sign: true, deep: true}"


def _store(path: Path, mime: str, sidecar: Path | None = None) -> dict:
    with path.open("rb") as stream:
        reader = c2pa.Reader(mime, stream, manifest_data=sidecar.read_bytes() if sidecar else None)
        return json.loads(reader.json())


def _assertions(store: dict) -> dict:
    return {a["label"]: a["data"] for a in store["manifests"][store["active_manifest"]]["assertions"]}


def test_nothing_is_signed_unless_asked(render: Callable[..., JobResult]) -> None:
    result = render()
    assert result.signed is None and not list(result.delivery.rglob("*.c2pa"))
    assert json.loads(result.manifest.read_text())["signatures"] == []
    assert b"c2pa" not in result.proxy.read_bytes()


def test_frames_have_sidecars_and_the_proxy_holds_its_own(render: Callable[..., JobResult]) -> None:
    """Read back with c2pa itself, not with ours."""
    result = render(SIGNED)
    head = json.loads(result.manifest.read_text())
    assert len(head["signatures"]) == 5 and all(s["test"] for s in head["signatures"])
    for number in (1001, 1002):
        for name in (f"exr/tiny_v001.{number}", f"deep/tiny_v001_deep.{number}"):
            exr, sidecar = (result.delivery / f"{name}.{kind}" for kind in ("exr", "c2pa"))
            store = _store(exr, "image/x-exr", sidecar)
            assert store["validation_state"] == "Valid"
            told = _assertions(store)
            assert told["org.muster.delivery"]["frames"] == str(number)
            assert (
                told["org.muster.delivery"]["untouched_sha256"] == read_record(result.delivery, number).untouched_sha256
            )
    store = _store(result.proxy, "video/mp4")
    assert store["validation_state"] == "Valid"
    told = _assertions(store)
    assert (told["org.muster.delivery"]["shot"], told["org.muster.delivery"]["frames"]) == ("tiny", "1001-1002")
    action = told["c2pa.actions.v2"]["actions"][0]
    assert action["digitalSourceType"].endswith("/composite") and action["softwareAgent"]["name"] == "Muster"
    uses = told["cawg.training-mining"]["entries"]
    assert {e["use"] for e in uses.values()} == {"notAllowed"} and "cawg.ai_generative_training" in uses
    with av.open(str(result.proxy)) as movie:
        assert len(list(movie.decode(video=0))) == 2
    assert verify_delivery(result.delivery).findings == ()


def test_a_painted_frame_says_which_model_painted_it(paint_shot: MakeShot, with_models: Path, tmp_path: Path) -> None:
    shot = paint_shot("paint: {bundle: tiny-sd15}", "delivery: {sign: true}", frames=1)
    job = prepare_job(load_shot(shot), tmp_path / "out", load_quality("draft"))
    delivery = run_job(brushed(job, GuideBrush())).delivery
    assert job.scene.painter is not None
    bundle = job.scene.painter.plan.bundle
    exr = delivery / "exr" / "tiny_v001.1001.exr"
    for path, mime, beside in (
        (exr, "image/x-exr", exr.with_suffix(".c2pa")),
        (delivery / "proxy" / "tiny_v001.mp4", "video/mp4", None),
    ):
        store = _store(path, mime, beside)
        told = _assertions(store)
        action = told["c2pa.actions.v2"]["actions"][0]
        assert action["digitalSourceType"].endswith("/compositeWithTrainedAlgorithmicMedia")
        model = {"name": "tiny-sd15", "sha256": bundle.sha256, "licence": "Apache-2.0"}
        assert told["org.muster.delivery"]["models"] == [model]
        ingredient = store["manifests"][store["active_manifest"]]["ingredients"][0]
        assert ingredient["title"] == "tiny-sd15" and bundle.sha256 in ingredient["instance_id"]
    assert verify_delivery(delivery).findings == ()


def test_a_delivery_can_be_signed_later(render: Callable[..., JobResult]) -> None:
    before = render()
    files = {p.name: p.read_bytes() for p in (before.delivery / "exr").iterdir()}
    after = render(sign=SignAsk())
    assert after.rendered == () and after.signed is not None
    assert {p.name: p.read_bytes() for p in (after.delivery / "exr").glob("*.exr")} == files
    assert len(list(after.delivery.rglob("*.c2pa"))) == 2 and verify_delivery(after.delivery).findings == ()


def test_every_touched_byte_breaks_the_signature(render: Callable[..., JobResult]) -> None:
    delivery = render(SIGNED).delivery
    exr = delivery / "exr" / "tiny_v001.1001.exr"
    data = exr.read_bytes()
    for at in np.random.default_rng(1).integers(0, len(data), 40).tolist():
        changed = bytearray(data)
        changed[at] ^= 1
        exr.write_bytes(changed)
        assert check(exr).wrong == ("assertion.dataHash.mismatch",)
    exr.write_bytes(data)
    assert check(exr).wrong == ()


def test_sidecars_that_are_touched_gone_or_strange_are_named(render: Callable[..., JobResult]) -> None:
    delivery = render(SIGNED).delivery
    one, two = (delivery / "exr" / f"tiny_v001.{n}.c2pa" for n in (1001, 1002))
    data = one.read_bytes()
    for at in np.random.default_rng(2).integers(0, len(data), 25).tolist():
        changed = bytearray(data)
        changed[at] ^= 4
        one.write_bytes(changed)
        assert (1001, f"exr/{one.name}") in [(f.frame, f.file) for f in verify_delivery(delivery).findings]
    one.write_bytes(two.read_bytes())
    assert {f.frame for f in verify_delivery(delivery).findings} == {1001}
    one.unlink()
    assert [(f.frame, f.file, f.what) for f in verify_delivery(delivery).findings] == [
        (1001, f"exr/{one.name}", "missing")
    ]
    one.write_bytes(data)
    stray = delivery / "exr" / "tiny_v001.1009.c2pa"
    stray.write_bytes(data)
    assert [f.file for f in verify_delivery(delivery).findings] == [f"exr/{stray.name}"]


def test_signing_again_keeps_what_fits_and_replaces_what_does_not(render: Callable[..., JobResult]) -> None:
    first = render(SIGNED)
    before = {p.name: p.read_bytes() for p in first.delivery.rglob("*.c2pa")}
    again = render(SIGNED)
    assert again.rendered == ()
    assert {p.name: p.read_bytes() for p in again.delivery.rglob("*.c2pa")} == before
    changed = render(SIGNED, seed=8)
    after = {p.name: p.read_bytes() for p in changed.delivery.rglob("*.c2pa")}
    assert all(after[name] != data for name, data in before.items())
    assert verify_delivery(changed.delivery).findings == ()
    unsigned = render("delivery: {deep: true}", seed=9)
    assert not list(unsigned.delivery.rglob("*.c2pa")), "a signature of pixels that are gone"
    assert verify_delivery(unsigned.delivery).findings == ()


def test_only_who_is_trusted_may_have_signed(render: Callable[..., JobResult]) -> None:
    delivery = render(SIGNED).delivery
    own = _root_of(Path(os.environ["MUSTER_DATA"]) / "test-certificate.pem")
    assert verify_delivery(delivery, own).findings == ()
    other = _root_of(_certificate(delivery.parent / "other"))
    findings = verify_delivery(delivery, other).findings
    assert len(findings) == 5 and all("untrusted" in f.what for f in findings)


def _root_of(file: Path) -> str:
    text = file.read_text()
    return text[text.rindex("-----BEGIN CERTIFICATE") :]


def _certificate(folder: Path) -> Path:
    """Another certificate with its key, in one PEM file."""
    from composer.deliver.local_certificate import local_certificate

    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("MUSTER_DATA", str(folder))
        return local_certificate()


def test_the_certificate_comes_from_flag_environment_or_is_made(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    one, two = (_certificate(tmp_path / n) for n in ("one", "two"))
    made = open_signing()
    assert made.test and "TEST CERTIFICATE" in made.signer and made == open_signing()
    assert (Path(os.environ["MUSTER_DATA"]) / "test-certificate.pem").stat().st_mode & 0o077 == 0
    monkeypatch.setenv("MUSTER_SIGN_CERT", str(one))
    with pytest.raises(InputError, match="MUSTER_SIGN_KEY"):
        open_signing()
    monkeypatch.setenv("MUSTER_SIGN_KEY", str(one))
    by_environment, by_flag = open_signing(), open_signing((two, two))
    assert len({made.sha256, by_environment.sha256, by_flag.sha256}) == 3
    content = tmp_path / "content" / "configs"
    content.mkdir(parents=True)
    (content / "signing.yaml").write_text(f"certificate: {two}\nkey: ../../two/test-certificate.pem\n")
    for name in ("CERT", "KEY"):
        monkeypatch.delenv(f"MUSTER_SIGN_{name}")
    monkeypatch.setenv("MUSTER_CONTENT", str(tmp_path / "content"))
    assert open_signing().sha256 == by_flag.sha256
    (content / "signing.yaml").write_text(f"certificate: {two}\n")
    with pytest.raises(InputError, match="go together"):
        open_signing()


def test_what_is_wrong_with_a_certificate_is_said_before_anything_is_rendered(
    make_shot: MakeShot, tmp_path: Path
) -> None:
    one, two = (_certificate(tmp_path / n) for n in ("one", "two"))
    garbage = tmp_path / "garbage.pem"
    garbage.write_text("no certificate")
    root = tmp_path / "root.pem"
    root.write_text(_root_of(one))
    shot = load_shot(make_shot(frames=1))
    cases = {
        (one, two): "does not belong",
        (garbage, one): "not a certificate",
        (one, garbage): "not a private key",
        (tmp_path / "absent", one): "cannot be read",
        (root, one): "does not belong",
    }
    for files, words in cases.items():
        with pytest.raises(InputError, match=words):
            prepare_jobs(shot, tmp_path / "out", load_quality("preview"), sign=SignAsk(*files))
    assert not (tmp_path / "out").exists()


def test_without_the_package_it_says_what_to_install(
    make_shot: MakeShot, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, render: Callable[..., JobResult]
) -> None:
    signed = render(SIGNED)
    real = builtins.__import__

    def absent(name: str, *args: object, **options: object) -> object:
        if name == "c2pa":
            raise ImportError("No module named 'c2pa'")
        return real(name, *args, **options)

    monkeypatch.setattr(builtins, "__import__", absent)
    with pytest.raises(InputError, match=r"pip install 'muster-vfx\[provenance\]'"):
        open_signing()
    assert prepare_job(load_shot(make_shot(frames=2)), tmp_path / "out", load_quality("preview")).signing is None
    findings = verify_delivery(signed.delivery).findings
    assert len(findings) == 1 and "could not be checked" in findings[0].what


def test_a_signed_sheet_still_is_a_picture(render: Callable[..., JobResult], tmp_path: Path) -> None:
    delivery = render(SIGNED).delivery
    assert main(["sheet", str(delivery), "--width", "640"]) == 0
    sheet = next(delivery.glob("*.png"))
    plain = np.asarray(Image.open(sheet))
    assert main(["sheet", str(delivery), "--width", "640", "--sign"]) == 0
    assert np.array_equal(np.asarray(Image.open(sheet)), plain)
    assert _store(sheet, "image/png")["validation_state"] == "Valid"
    assert verify_delivery(delivery).findings == ()
    data = bytearray(sheet.read_bytes())
    data[-300] ^= 1
    sheet.write_bytes(data)
    assert [f.file for f in verify_delivery(delivery).findings] == [sheet.name]


def test_a_failed_signature_leaves_the_picture_as_it_was(tmp_path: Path) -> None:
    path = tmp_path / "a.png"
    path.write_bytes(b"no picture at all")
    with pytest.raises(InputError, match="cannot be signed"):
        embed(path, Claim("a", "v001", "1", "0", (Model("m", "0" * 64, "x"),)), open_signing())
    assert path.read_bytes() == b"no picture at all" and os.listdir(tmp_path) == ["a.png"]


def test_the_flag_takes_two_files_or_none(make_shot: MakeShot, tmp_path: Path) -> None:
    shot = str(make_shot(frames=1))
    assert main(["render", shot, "--out", str(tmp_path / "o"), "--device", "cpu", "--sign", "one.pem"]) == 2
    assert not (tmp_path / "o").exists()
