"""Quality tiers, as `configs/quality.yaml` has them."""

from __future__ import annotations

from dataclasses import dataclass

from composer.errors import InputError, Where
from composer.inference.bundle import Bundle
from composer.io.content import find_content
from composer.io.settings import read_settings

SAMPLE_COUNTS = (1, 4, 8, 16)
MOST_STEPS = 1000


@dataclass(frozen=True)
class Quality:
    """samples: visibility samples a pixel. paints: whether a bundle paints the crowd. steps: of the sampler, where
    neither shot nor bundle says. bundle: what paints where nobody names one, if it is there."""

    name: str
    samples: int
    paints: bool = False
    steps: int = 20
    bundle: str | None = None

    def steps_of(self, bundle: Bundle) -> int:
        """The sampler's steps that suit a bundle."""
        return bundle.steps.get(self.name) or self.steps


def load_quality(name: str) -> Quality:
    """The tier called `name`; InputError names those there are."""
    path = find_content("configs/quality.yaml")
    tiers = read_settings(path)
    if not isinstance(tiers, dict):
        raise InputError("not a file of quality tiers", where=Where(file=path), got=type(tiers).__name__)
    if name not in tiers:
        raise InputError("unknown quality", expected=" or ".join(tiers), got=name)
    tier = tiers[name]
    samples, paints, steps = tier.get("samples"), tier.get("paint", False), tier.get("steps", 20)
    if samples not in SAMPLE_COUNTS:
        raise _wrong(name, "samples", "samples a pixel out of range", f"one of {SAMPLE_COUNTS}", samples)
    if not isinstance(paints, bool):
        raise _wrong(name, "paint", "whether it is painted", "true or false", paints)
    if not isinstance(steps, int) or isinstance(steps, bool) or not 1 <= steps <= MOST_STEPS:
        raise _wrong(name, "steps", "steps of the sampler out of range", f"1 to {MOST_STEPS}", steps)
    bundle = tier.get("bundle")
    if bundle is not None and not isinstance(bundle, str):
        raise _wrong(name, "bundle", "what paints where no bundle is named", "a bundle's name", bundle)
    return Quality(name, samples, paints, steps, bundle)


def _wrong(name: str, key: str, what: str, expected: str, got: object) -> InputError:
    where = Where(file=find_content("configs/quality.yaml"), field=f"{name}.{key}")
    return InputError(what, where=where, expected=expected, got=str(got))
