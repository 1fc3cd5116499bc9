"""What a delivery's pictures are, to compare them bit for bit."""

from __future__ import annotations

from pathlib import Path

from composer.io.files import sha256_file


def digests(delivery: Path) -> dict[str, str]:
    """SHA-256 of whatever lies in `exr`, by name."""
    return {p.name: sha256_file(p) for p in sorted((delivery / "exr").iterdir())}
