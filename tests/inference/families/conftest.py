"""Tiny bundles, made once a run and opened once a module."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest
from support.bundles import tiny_bundle

from composer.inference.adapter import Adapter
from composer.inference.bundle import load_bundle
from composer.inference.families import open_adapter


@pytest.fixture(scope="session")
def bundle_folder(tmp_path_factory: pytest.TempPathFactory) -> Callable[[str], Path]:
    """The folder of a tiny bundle of a variant. Read only."""
    made: dict[str, Path] = {}

    def folder(variant: str) -> Path:
        if variant not in made:
            made[variant] = tiny_bundle(tmp_path_factory.mktemp(variant), variant)
        return made[variant]

    return folder


@pytest.fixture(scope="module")
def adapter_of(bundle_folder: Callable[[str], Path]) -> Callable[[str], Adapter]:
    """The adapter of a tiny bundle of a variant."""
    opened: dict[str, Adapter] = {}

    def adapter(variant: str) -> Adapter:
        if variant not in opened:
            opened[variant] = open_adapter(load_bundle(bundle_folder(variant)))
        return opened[variant]

    return adapter
