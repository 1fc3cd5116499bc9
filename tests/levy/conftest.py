"""Two small pairs, rendered once, and a network small enough to train in a moment."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
import torch

from models.levy.recipe import net
from models.levy.recipe.data import Stored, stored
from models.levy.recipe.scenes import HELD_OUT

SIZE_PX = (160, 128)
#: A pair to train on, and one that is held out: men 40 px tall.
NUMBERS = (3, HELD_OUT + 1)


@pytest.fixture(autouse=True)
def one_thread() -> Iterator[None]:
    """Nets as small as these only wait for each other's threads."""
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)


@pytest.fixture(scope="session")
def pairs() -> list[Stored]:
    return [stored(n, SIZE_PX, 40.0) for n in NUMBERS]


@pytest.fixture
def tiny(monkeypatch: pytest.MonkeyPatch) -> str:
    """The name of a tiny network."""
    monkeypatch.setitem(net.SIZES, "tiny", net.Size((16, 16, 32), hints=((16, 16), (16, 16)), heads=2))
    return "tiny"
