"""The key that signs what people decide: one for each user of a machine, made where there is none.

Ed25519. A signature says that a line was written with this key and not changed since; whose key it is, the studio knows by
its fingerprint (`muster review` prints it, `review.keys` in `shot.yaml` lists those that count).
"""

from __future__ import annotations

import hashlib
import os
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from composer.deliver.local_certificate import data_folder
from composer.errors import InputError, Where
from composer.io.files import atomic_write
from composer.io.lock import held

if TYPE_CHECKING:
    from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey


@dataclass(frozen=True)
class LocalKey:
    """public: 32 bytes."""

    private: Ed25519PrivateKey
    public: bytes

    @property
    def fingerprint(self) -> str:
        return fingerprint_of(self.public)

    def sign(self, data: bytes) -> bytes:
        return self.private.sign(data)


def fingerprint_of(public: bytes) -> str:
    """16 hexadecimal digits that name a public key."""
    return hashlib.sha256(public).hexdigest()[:16]


def local_key() -> LocalKey:
    """The key in MUSTER_DATA or the user's data folder. Raises InputError where a file there is no key."""
    from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
    from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat, load_pem_private_key

    file = data_folder() / "review-key.pem"
    with held(file.parent / ".lock"):
        if not file.exists():
            _write(file)
    try:
        private = load_pem_private_key(file.read_bytes(), None)
    except (OSError, ValueError, TypeError) as error:
        raise InputError("not a key to sign decisions with", where=Where(file=file), got=str(error)[:80]) from None
    if not isinstance(private, Ed25519PrivateKey):
        raise InputError("not a key to sign decisions with", where=Where(file=file), expected="Ed25519")
    return LocalKey(private, private.public_key().public_bytes(Encoding.Raw, PublicFormat.Raw))


def holds(public: bytes, signature: bytes, data: bytes) -> bool:
    """Whether `data` was signed with the key that belongs to `public`."""
    from cryptography.exceptions import InvalidSignature
    from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey

    try:
        Ed25519PublicKey.from_public_bytes(public).verify(signature, data)
    except (InvalidSignature, ValueError):
        return False
    return True


def _write(file: Path) -> None:
    from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
    from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat

    made = Ed25519PrivateKey.generate().private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
    with atomic_write(file) as temporary:
        handle = os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
        with os.fdopen(handle, "wb") as stream:
            stream.write(made)
