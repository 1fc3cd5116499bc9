"""What a delivered file says of how it was made, as a C2PA manifest: embedded in MP4 and PNG, beside an EXR as `.c2pa`.

Sources: C2PA Technical Specification 2.2; CAWG Training and Data Mining Assertion 1.1; IPTC digital source types. Nothing
here uses the network: no time-stamp server is asked, no remote manifest or revocation list fetched.
"""

from __future__ import annotations

import io
import json
from collections.abc import Mapping
from contextlib import closing
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

from composer.deliver.local_certificate import ORGANISATION
from composer.deliver.signing import Signing, need_cryptography
from composer.errors import InputError, MachineError, Where
from composer.io.files import atomic_write

if TYPE_CHECKING:
    from c2pa import Builder, Context, Signer

MIME = {".exr": "image/x-exr", ".mp4": "video/mp4", ".png": "image/png"}
SOURCE = "http://cv.iptc.org/newscodes/digitalsourcetype/"
PAINTED, GUIDES = SOURCE + "compositeWithTrainedAlgorithmicMedia", SOURCE + "composite"
DELIVERY = "org.muster.delivery"
_MINING = ("data_mining", "ai_training", "ai_generative_training", "ai_inference")
_UNTRUSTED = "signingCredential.untrusted"


@dataclass(frozen=True)
class Model:
    """A bundle that painted. sha256: of its list of files."""

    name: str
    sha256: str
    licence: str


@dataclass(frozen=True)
class Claim:
    """frames: `1001`, or `1001-1024`. models: that painted, none for the guide render. more: further things that the
    delivery's assertion says."""

    shot: str
    version: str
    frames: str
    muster: str
    models: tuple[Model, ...] = ()
    more: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True)
class Told:
    """What a signature says. wrong: what does not hold, empty where all does; signer: whom its certificate names; trusted:
    whether an anchor that was given stands behind it; painted: whether the file says that a model painted."""

    wrong: tuple[str, ...]
    signer: str
    test: bool
    trusted: bool
    painted: bool
    shot: str
    version: str
    frames: str


def sidecar_of(path: Path) -> Path:
    """Where readers look for the manifest of a file that cannot hold one."""
    return path.with_suffix(".c2pa")


def write_sidecar(path: Path, claim: Claim, signing: Signing) -> Path:
    """Sign a delivered EXR; returns the sidecar."""
    target = sidecar_of(path)
    with path.open("rb") as source:
        manifest = _sign(path, claim, signing, source, _Nowhere(), embed=False)
    with atomic_write(target) as temporary:
        temporary.write_bytes(manifest)
    return target


def embed(path: Path, claim: Claim, signing: Signing) -> None:
    """Sign an MP4 or PNG in place: whole with its manifest, or as it was."""
    with atomic_write(path) as temporary, path.open("rb") as source, temporary.open("w+b") as target:
        _sign(path, claim, signing, source, target, embed=True)


def try_out(signing: Signing) -> None:
    """One signature over nothing much: raises InputError where C2PA will not take this certificate."""
    claim = Claim("try", "v000", "", "0")
    _sign(Path("try.exr"), claim, signing, io.BytesIO(b"\x76\x2f\x31\x01" + bytes(60)), io.BytesIO(), embed=False)


def check(path: Path, anchors_pem: str | None = None) -> Told | None:
    """What the signature of a file says; None where it has none. anchors_pem: certificates to trust."""
    need_cryptography()
    import c2pa

    beside = sidecar_of(path).read_bytes() if path.suffix == ".exr" else None
    with path.open("rb") as source, closing(_context(anchors_pem)) as context:
        try:
            reader = c2pa.Reader(MIME[path.suffix], source, manifest_data=beside, context=context)
        except c2pa.C2paError.ManifestNotFound:
            return None
        except c2pa.C2paError as error:
            return Told((f"cannot be read: {str(error)[:120]}",), "", False, False, False, "", "", "")
        with closing(reader):
            return _told(reader.get_validation_state(), json.loads(reader.json()), anchors_pem is not None)


def _told(state: str | None, store: dict, anchored: bool) -> Told:  # type: ignore[type-arg]
    active = store.get("manifests", {}).get(store.get("active_manifest"), {})
    assertions = {a.get("label"): a.get("data", {}) for a in active.get("assertions", ())}
    ours = assertions.get(DELIVERY) or {}
    actions = (assertions.get("c2pa.actions.v2") or {}).get("actions", ())
    info = active.get("signature_info") or {}
    failed = store.get("validation_status") or ()
    wrong = [f.get("code", "?") for f in failed if anchored or f.get("code") != _UNTRUSTED]
    if state == "Invalid" and not wrong:
        wrong.append("the signature does not hold")
    return Told(
        tuple(dict.fromkeys(map(str, wrong))),
        f"{info.get('common_name', '')} ({info.get('issuer', '')})",
        info.get("issuer") == ORGANISATION,
        state == "Trusted",
        any(a.get("digitalSourceType") == PAINTED for a in actions),
        str(ours.get("shot", "")),
        str(ours.get("version", "")),
        str(ours.get("frames", "")),
    )


def definition(title: str, mime: str, claim: Claim) -> dict[str, object]:
    """The manifest as c2pa-python takes it."""
    used = [
        {
            "title": model.name,
            "format": "application/octet-stream",
            "relationship": "inputTo",
            "label": f"model{i}",
            "instance_id": f"sha256:{model.sha256}",
            "data_types": [{"type": "c2pa.types.model"}],
            "description": f"model bundle {model.name}, sha256 {model.sha256}, licence {model.licence}",
        }
        for i, model in enumerate(claim.models)
    ]
    action: dict[str, object] = {
        "action": "c2pa.created",
        "digitalSourceType": PAINTED if used else GUIDES,
        "softwareAgent": {"name": "Muster", "version": claim.muster},
        "description": f"A {'generated' if used else 'rendered'} crowd in a live-action plate",
    }
    if used:
        action["parameters"] = {"ingredientIds": [u["label"] for u in used]}
    told: dict[str, object] = {"shot": claim.shot, "version": claim.version, "frames": claim.frames, **claim.more}
    told["models"] = [{"name": m.name, "sha256": m.sha256, "licence": m.licence} for m in claim.models]
    return {
        "claim_generator_info": [{"name": "Muster", "version": claim.muster}],
        "title": title,
        "format": mime,
        "ingredients": used,
        "assertions": [
            {"label": "c2pa.actions.v2", "data": {"actions": [action]}},
            {
                "label": "cawg.training-mining",
                "data": {"entries": {f"cawg.{use}": {"use": "notAllowed"} for use in _MINING}},
            },
            {"label": DELIVERY, "data": told},
        ],
    }


def _sign(path: Path, claim: Claim, signing: Signing, source: io.IOBase, target: io.IOBase, embed: bool) -> bytes:
    import c2pa

    mime = MIME[path.suffix]
    try:
        with closing(_context(None)) as context, closing(_signer(signing)) as signer:
            builder: Builder = c2pa.Builder(json.dumps(definition(path.name, mime, claim)), context)
            with closing(builder):
                if not embed:
                    builder.set_no_embed()
                return bytes(builder.sign(signer, mime, source, target))
    except c2pa.C2paError.Io as error:
        raise MachineError("cannot be signed", where=Where(file=path), got=str(error)[:160]) from error
    except c2pa.C2paError as error:
        raise InputError(
            "cannot be signed", where=Where(file=path), got=f"{signing.signer}: {str(error)[:160]}",
            hint="the certificate must be one for C2PA (or e-mail protection), issued by an authority",
        ) from error  # fmt: skip


def _signer(signing: Signing) -> Signer:
    import c2pa

    return c2pa.Signer.from_info(
        c2pa.C2paSignerInfo(signing.algorithm.encode(), signing.chain_pem, signing.key_pem, None)
    )


def _context(anchors_pem: str | None) -> Context:
    import c2pa

    told: dict[str, object] = {
        "verify": {"verify_trust": True, "remote_manifest_fetch": False, "ocsp_fetch": False},
        "core": {"allowed_network_hosts": []},
        "builder": {"thumbnail": {"enabled": False}},
    }
    if anchors_pem is not None:
        told["trust"] = {"trust_anchors": anchors_pem}
    return c2pa.Context.from_dict(told)


class _Nowhere(io.RawIOBase):
    """Takes what is written and keeps nothing: a file that is signed beside itself is not copied."""

    def __init__(self) -> None:
        self._at = self._end = 0

    def readable(self) -> bool:
        return True

    def writable(self) -> bool:
        return True

    def seekable(self) -> bool:
        return True

    def seek(self, offset: int, whence: int = 0) -> int:
        self._at = offset + (0, self._at, self._end)[whence]
        return self._at

    def tell(self) -> int:
        return self._at

    def write(self, data) -> int:  # type: ignore[no-untyped-def, override]
        self._at += len(data)
        self._end = max(self._end, self._at)
        return len(data)

    def readinto(self, buffer) -> int:  # type: ignore[no-untyped-def, override]
        return 0

    def truncate(self, size: int | None = None) -> int:
        self._end = self._at if size is None else size
        return self._end
