"""What is painted with in tests: a bundle of random weights, made once, and shots that ask for it."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest


@pytest.fixture(autouse=True)
def no_other_bundles(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Bundles are those that a test names: Muster's own is elsewhere."""
    monkeypatch.setattr("composer.inference.library.content_roots", lambda: (tmp_path / "content",))


@pytest.fixture(scope="session")
def models(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A models folder with `tiny-sd15`."""
    pytest.importorskip("diffusers")
    from tests.support.bundles import tiny_bundle

    folder = tmp_path_factory.mktemp("models")
    tiny_bundle(folder / "tiny-sd15", "sd15")
    return folder


@pytest.fixture
def with_models(models: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("MUSTER_MODELS", str(models))
    return models


@pytest.fixture
def paint_shot(make_shot: Callable[..., Path]) -> Callable[..., Path]:
    """`paint_shot("paint: {...}", **of_make_shot)`: the tiny shot with further lines."""

    def make(*lines: str, **options: object) -> Path:
        shot = make_shot(**options)
        shot.write_text(shot.read_text() + "\n".join(lines) + "\n")
        return shot

    return make
