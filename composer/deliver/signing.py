"""With what a delivery is signed: the studio's own certificate, or a local one for tests.

Looked up in this order: the files given, MUSTER_SIGN_CERT and MUSTER_SIGN_KEY, `configs/signing.yaml`, the local test
certificate. All that can be wrong with them is found before anything is rendered.

Source: C2PA Technical Specification 2.2, "X.509 Certificates".
"""

from __future__ import annotations

import hashlib
import os
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING

from pydantic import Field

from composer.deliver.local_certificate import ORGANISATION, local_certificate
from composer.errors import InputError, Where
from composer.io.content import find_content
from composer.shot.load import read_strictly
from composer.shot.schema_base import Part

if TYPE_CHECKING:
    from cryptography.hazmat.primitives.asymmetric.types import PrivateKeyTypes
    from cryptography.x509 import Certificate

HINT = "pip install 'muster-vfx[provenance]'"


@dataclass(frozen=True)
class Signing:
    """chain_pem: the certificate and those above it, its own first. algorithm: as C2PA calls it (es256). signer: whom the
    certificate names; sha256: its fingerprint. test: whether it is the local test certificate."""

    chain_pem: bytes
    key_pem: bytes = field(repr=False)
    algorithm: str
    signer: str
    sha256: str
    test: bool


class _Configured(Part):
    """`configs/signing.yaml`. Paths are relative to it."""

    certificate: str | None = Field(default=None)
    key: str | None = Field(default=None)


def need_cryptography() -> None:
    """Raises InputError where what signs is not installed."""
    try:
        import c2pa
        import cryptography
    except (ImportError, OSError) as error:
        raise InputError(
            "signing needs the packages c2pa-python and cryptography", got=str(error)[:120], hint=HINT
        ) from None
    del c2pa, cryptography


def open_signing(given: tuple[Path, Path] | None = None) -> Signing:
    """given: files of certificate and key, PEM. Raises InputError."""
    need_cryptography()
    found = given or _from_environment() or _configured()
    if found is None:
        file = local_certificate()
        found = (file, file)
    chain_pem, key_pem = (_bytes(path) for path in found)
    chain, key = _chain(found[0], chain_pem), _key(found[1], key_pem)
    algorithm = _algorithm(key, found[1])
    _check(chain, key, found)
    return Signing(*_pem(chain, key), algorithm, _named(chain[0]), _fingerprint(chain[0]), _is_test(chain[0]))


def _from_environment() -> tuple[Path, Path] | None:
    cert, key = (os.environ.get(f"MUSTER_SIGN_{what}") for what in ("CERT", "KEY"))
    if bool(cert) != bool(key):
        absent = "MUSTER_SIGN_KEY" if cert else "MUSTER_SIGN_CERT"
        raise InputError("a certificate and its key go together", where=Where(field=absent), got="nothing")
    return (Path(cert), Path(key)) if cert and key else None


def _configured() -> tuple[Path, Path] | None:
    try:
        file = find_content("configs/signing.yaml")
    except InputError:
        return None
    told, _ = read_strictly(file, _Configured, "signing")
    if bool(told.certificate) != bool(told.key):
        raise InputError("a certificate and its key go together", where=Where(file=file))
    return (file.parent / told.certificate, file.parent / told.key) if told.certificate and told.key else None


def _bytes(path: Path) -> bytes:
    try:
        return path.expanduser().read_bytes()
    except OSError as error:
        raise InputError("cannot be read", where=Where(file=path), got=error.strerror or str(error)) from None


def _chain(path: Path, pem: bytes) -> list[Certificate]:
    from cryptography import x509

    try:
        return x509.load_pem_x509_certificates(pem)
    except ValueError as error:
        raise InputError(
            "not a certificate", where=Where(file=path), expected="PEM, its own first", got=str(error)[:80]
        ) from None


def _key(path: Path, pem: bytes) -> PrivateKeyTypes:
    from cryptography.hazmat.primitives.serialization import load_pem_private_key

    try:
        return load_pem_private_key(pem, None)
    except TypeError:
        raise InputError("the key has a password", where=Where(file=path), expected="a key without one") from None
    except ValueError as error:
        raise InputError("not a private key", where=Where(file=path), expected="PEM", got=str(error)[:80]) from None


def _pem(chain: list[Certificate], key: PrivateKeyTypes) -> tuple[bytes, bytes]:
    """Only what signing needs, in the form that it needs."""
    from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat

    certificates = b"".join(c.public_bytes(Encoding.PEM) for c in chain)
    return certificates, key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())


def _algorithm(key: PrivateKeyTypes, path: Path) -> str:
    from cryptography.hazmat.primitives.asymmetric import ec, ed25519, rsa

    if isinstance(key, ec.EllipticCurvePrivateKey) and key.curve.name in _CURVES:
        return _CURVES[key.curve.name]
    if isinstance(key, rsa.RSAPrivateKey) and key.key_size >= 2048:
        return "ps256"
    if isinstance(key, ed25519.Ed25519PrivateKey):
        return "ed25519"
    raise InputError("C2PA takes no such key", where=Where(file=path), expected="P-256, P-384, P-521, RSA, Ed25519")


_CURVES = {"secp256r1": "es256", "secp384r1": "es384", "secp521r1": "es512"}


def _check(chain: list[Certificate], key: PrivateKeyTypes, files: tuple[Path, Path]) -> None:
    """What is wrong with the certificate, in the words that help most."""
    own, where = chain[0], Where(file=files[0])
    if own.public_key() != key.public_key():
        raise InputError("this key does not belong to the certificate", where=Where(file=files[1]), got=_named(own))
    now = datetime.now(UTC)
    if not own.not_valid_before_utc <= now <= own.not_valid_after_utc:
        until = f"{own.not_valid_before_utc:%Y-%m-%d} to {own.not_valid_after_utc:%Y-%m-%d}"
        raise InputError("the certificate is not valid today", where=where, got=until)
    if own.issuer == own.subject:
        raise InputError(
            "C2PA takes no certificate that signed itself",
            where=where,
            expected="one that an authority issued, followed by the authority's",
            got=_named(own),
        )


def _named(certificate: Certificate) -> str:
    """`Common name (Organisation)`."""
    from cryptography.x509.oid import NameOID

    told = {}
    for what in (NameOID.COMMON_NAME, NameOID.ORGANIZATION_NAME):
        values = certificate.subject.get_attributes_for_oid(what)
        told[what] = str(values[0].value) if values else ""
    name, organisation = told.values()
    return f"{name} ({organisation})" if name and organisation else name or organisation or "unnamed"


def _is_test(certificate: Certificate) -> bool:
    return f"({ORGANISATION})" in _named(certificate)


def _fingerprint(certificate: Certificate) -> str:
    from cryptography.hazmat.primitives.serialization import Encoding

    return hashlib.sha256(certificate.public_bytes(Encoding.DER)).hexdigest()
