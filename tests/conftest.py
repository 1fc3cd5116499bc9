"""Shared fixtures. Real inputs lie beside the checkout in `../shared/data`; tests that need them skip where it is absent."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

#: Before torch comes in: several workers with several threads each wait for one another more than they work.
os.environ.setdefault("OMP_NUM_THREADS", "1")

import pytest
from support.tables import _options_once, options_folder  # noqa: F401 (fixtures for every room)
from support.tiny import make_shot  # noqa: F401 (a fixture for every room)

ROOT = Path(__file__).resolve().parents[1]
SHARED_DATA = ROOT.parent / "shared" / "data"


@pytest.fixture(scope="session")
def shared_data() -> Path:
    """The folder of real plates, tracks, mocap and malformed files."""
    if not SHARED_DATA.is_dir():
        pytest.skip(f"no real inputs: {SHARED_DATA.name} is not beside the checkout")
    return SHARED_DATA


@pytest.fixture(scope="session", autouse=True)
def _own_cache(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    """Tests leave nothing in the user's cache, nor among his certificates."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("MUSTER_CACHE", str(tmp_path_factory.mktemp("cache")))
        patch.setenv("MUSTER_DATA", str(tmp_path_factory.mktemp("data")))
        for name in ("MUSTER_SIGN_CERT", "MUSTER_SIGN_KEY"):
            patch.delenv(name, raising=False)
        yield


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Tests marked `gpu` skip where there is no CUDA device; nothing heavy is imported where none is marked."""
    marked = [item for item in items if item.get_closest_marker("gpu")]
    if not marked:
        return
    import torch

    if not torch.cuda.is_available():
        for item in marked:
            item.add_marker(pytest.mark.skip(reason="no CUDA device"))
