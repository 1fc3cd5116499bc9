"""A certificate that Muster makes itself, for tests: it shows that nothing was changed, and says nothing of who made it."""

from __future__ import annotations

import os
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING

from composer.io.files import atomic_write
from composer.io.lock import held

if TYPE_CHECKING:
    from cryptography.hazmat.primitives.asymmetric.ec import EllipticCurvePrivateKey
    from cryptography.x509 import CertificateBuilder, KeyUsage, Name

ORGANISATION = "Muster local test"
NAME = "TEST CERTIFICATE"
_DAYS = 3650


def data_folder() -> Path:
    """Where keys are kept: MUSTER_DATA, or Muster's folder among the user's data."""
    given = os.environ.get("MUSTER_DATA")
    home = os.environ.get("XDG_DATA_HOME") or Path.home() / ".local" / "share"
    return Path(given) if given else Path(home) / "muster"


def local_certificate() -> Path:
    """A PEM file with key, certificate and the authority's certificate, in the data folder; made where there is none, or
    none that is still valid for a day."""
    data = data_folder()
    file = data / "test-certificate.pem"
    with held(data / ".lock"):
        if not _is_good(file):
            with atomic_write(file) as temporary:
                handle = os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
                with os.fdopen(handle, "wb") as stream:
                    stream.write(_made())
    return file


def _is_good(file: Path) -> bool:
    from cryptography import x509

    try:
        own = x509.load_pem_x509_certificates(file.read_bytes())[0]
    except (OSError, ValueError):
        return False
    return own.not_valid_after_utc > datetime.now(UTC) + timedelta(days=1)


def _made() -> bytes:
    from cryptography import x509
    from cryptography.hazmat.primitives.asymmetric import ec
    from cryptography.hazmat.primitives.hashes import SHA256
    from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat

    above, own = (ec.generate_private_key(ec.SECP256R1()) for _ in range(2))
    root, leaf = _name(f"{NAME} authority"), _name(NAME)
    mail = x509.ExtendedKeyUsage([x509.ExtendedKeyUsageOID.EMAIL_PROTECTION])  # what C2PA asks of a signer
    authority = _base(root, root, above, above).add_extension(x509.BasicConstraints(True, 0), True)
    authority = authority.add_extension(_usage(authority=True), True)
    signer = _base(leaf, root, own, above).add_extension(x509.BasicConstraints(False, None), True)
    signer = signer.add_extension(_usage(authority=False), True).add_extension(mail, False)
    key = own.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
    return key + b"".join(b.sign(above, SHA256()).public_bytes(Encoding.PEM) for b in (signer, authority))


def _name(common: str) -> Name:
    from cryptography import x509
    from cryptography.x509.oid import NameOID

    organisation = x509.NameAttribute(NameOID.ORGANIZATION_NAME, ORGANISATION)
    return x509.Name([organisation, x509.NameAttribute(NameOID.COMMON_NAME, common)])


def _base(
    subject: Name, issuer: Name, key: EllipticCurvePrivateKey, above: EllipticCurvePrivateKey
) -> CertificateBuilder:
    from cryptography import x509

    now = datetime.now(UTC)
    builder = x509.CertificateBuilder().subject_name(subject).issuer_name(issuer).public_key(key.public_key())
    builder = builder.serial_number(x509.random_serial_number()).not_valid_before(now - timedelta(days=1))
    builder = builder.not_valid_after(now + timedelta(days=_DAYS))
    builder = builder.add_extension(x509.SubjectKeyIdentifier.from_public_key(key.public_key()), False)
    return builder.add_extension(x509.AuthorityKeyIdentifier.from_issuer_public_key(above.public_key()), False)


def _usage(authority: bool) -> KeyUsage:
    from cryptography import x509

    others = "content_commitment key_encipherment data_encipherment key_agreement encipher_only decipher_only"
    none = dict.fromkeys(others.split(), False)
    return x509.KeyUsage(digital_signature=not authority, key_cert_sign=authority, crl_sign=authority, **none)
