"""Shared fixtures. Real inputs lie beside the checkout in `../shared/data`; tests that need them skip where it is absent."""

from __future__ import annotations

from pathlib import Path

import pytest
from support.tiny import make_shot  # noqa: F401 (a fixture for every room)

ROOT = Path(__file__).resolve().parents[1]
SHARED_DATA = ROOT.parent / "shared" / "data"


@pytest.fixture(scope="session")
def shared_data() -> Path:
    """The folder of real plates, tracks, mocap and malformed files."""
    if not SHARED_DATA.is_dir():
        pytest.skip(f"no real inputs: {SHARED_DATA.name} is not beside the checkout")
    return SHARED_DATA
