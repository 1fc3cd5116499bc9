"""`measure_look`: everything that the plate shows of its own look."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import TypeVar

from composer.comp.measure.air import measure_air
from composer.comp.measure.edges import measure_edges
from composer.comp.measure.fringe import measure_fringe
from composer.comp.measure.grain import measure_grain
from composer.comp.measure.measured import (
    TRUSTED,
    AirSamples,
    EdgeSamples,
    Found,
    GrainSamples,
    LensSamples,
)
from composer.comp.measure.sights import Sights, frames_to_measure, read_sights
from composer.comp.measure.vignette import measure_vignette
from composer.comp.plate_look import Air, Edge, Fringe, Grade, Grain, PlateLook, Vignette
from composer.shot.stage import Stage

T = TypeVar("T")


@dataclass(frozen=True)
class Evidence:
    """What each number was measured on; None where there was nothing."""

    grain: GrainSamples | None
    edge: EdgeSamples | None
    air: AirSamples | None
    vignette: LensSamples | None


@dataclass(frozen=True)
class Measured:
    """The plate's look and how it was found. A number that can't be trusted is None, with a note that says why. grade:
    only where a layer and a region of the plate were given."""

    frames: tuple[int, ...]
    size_px: tuple[int, int]
    grain: Found[Grain]
    edge: Found[Edge]
    air: Found[Air]
    vignette: Found[Vignette]
    fringe: Found[Fringe]
    evidence: Evidence
    grade: Found[Grade] | None = None
    notes: tuple[str, ...] = ()

    @property
    def look(self) -> PlateLook:
        """What there is, ready to be put onto layers."""
        return PlateLook(
            grade=None if self.grade is None else self.grade.value,
            air=self.air.value,
            grain=self.grain.value,
            edge=self.edge.value,
            vignette=self.vignette.value,
            fringe=self.fringe.value,
        )

    @property
    def all_notes(self) -> tuple[str, ...]:
        """Every note, one sentence each."""
        found = (self.grain, self.edge, self.air, self.vignette, self.fringe, *([self.grade] if self.grade else []))
        return (*self.notes, *(n for f in found for n in f.notes))


def measure_look(stage: Stage, frames: Sequence[int] | None = None) -> Measured:
    """Measures these frames of the shot's plate; a few spread over it where none are given."""
    return measure_sights(read_sights(stage, frames or frames_to_measure(stage)))


def measure_sights(sights: Sights) -> Measured:
    """The same on frames that have been read."""
    size = sights.frames[0].view.size_px
    grain, grain_samples = measure_grain(sights)
    edge, edge_samples = measure_edges(sights)
    air, air_samples = measure_air(sights)
    vignette, lens_samples = measure_vignette(sights)
    fringe = measure_fringe(edge_samples, size, sights.locked)
    return Measured(
        tuple(s.number for s in sights.frames),
        size,
        _trusted(grain, "grain"),
        _trusted(edge, "edge"),
        _trusted(air, "air"),
        _trusted(vignette, "vignette"),
        _trusted(fringe, "fringe"),
        Evidence(grain_samples, edge_samples, air_samples, lens_samples),
        notes=sights.notes,
    )


def _trusted(found: Found[T], name: str) -> Found[T]:
    """Without its value where the confidence is too low."""
    if found.value is None or found.confidence >= TRUSTED:
        return found
    why = f"{name}: left out, the confidence of {found.confidence:.2f} is below {TRUSTED}"
    return replace(found, value=None, notes=(*found.notes, why))
