"""Quality tiers, as `configs/quality.yaml` has them."""

from __future__ import annotations

from dataclasses import dataclass

from ruamel.yaml import YAML

from composer.errors import InputError, Where
from composer.io.content import find_content

SAMPLE_COUNTS = (1, 4, 8, 16)


@dataclass(frozen=True)
class Quality:
    """samples: visibility samples a pixel."""

    name: str
    samples: int


def load_quality(name: str) -> Quality:
    """The tier called `name`; InputError names those there are."""
    path = find_content("configs/quality.yaml")
    tiers = YAML(typ="safe").load(path.read_text())
    if name not in tiers:
        raise InputError("unknown quality", expected=" or ".join(tiers), got=name)
    samples = tiers[name].get("samples")
    if samples not in SAMPLE_COUNTS:
        raise InputError(
            "samples a pixel out of range",
            where=Where(file=path, field=f"{name}.samples"),
            expected=f"one of {SAMPLE_COUNTS}",
            got=str(samples),
        )
    return Quality(name, samples)
