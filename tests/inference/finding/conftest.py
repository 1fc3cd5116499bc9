from __future__ import annotations

from pathlib import Path

import pytest
from support.finders import NETS, finder_bundle

from composer.inference.bundle import Bundle


@pytest.fixture(scope="session")
def finders(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Bundle]:
    """A tiny bundle of each kind of network, by NETS' names."""
    folder: Path = tmp_path_factory.mktemp("finders")
    return {kind: finder_bundle(folder, kind, kind) for kind in NETS}
