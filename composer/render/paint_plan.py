"""What the painted pictures of a shot depend on beside its scene."""

from __future__ import annotations

from dataclasses import asdict, dataclass, field, replace

from composer.inference.bundle import Bundle
from composer.inference.conditions import Brief
from composer.inference.record import PaintRecord
from composer.render.anchors import Anchors
from composer.render.steady import neighbours
from composer.render.windows import Windows


@dataclass(frozen=True)
class Plan:
    """window: how many frames the model paints together, 1 for picture models. references: digests of the pictures in `brief`.
    anchors: frames that are painted first. steady: each frame is averaged with those beside it."""

    bundle: Bundle
    brief: Brief
    seed: int
    noise: str
    edge_px: int
    frames: tuple[int, ...]
    window: int = 1
    references: tuple[str, ...] = ()
    anchors: Anchors = field(default_factory=lambda: Anchors((), ()))
    steady: bool = False

    @property
    def windows(self) -> Windows:
        return Windows(self.frames, self.window)

    def by_itself(self) -> Plan:
        """The same for frames that wait for no other, as they are timed."""
        return replace(self, anchors=Anchors((), self.frames), steady=False)

    def beside(self, number: int) -> tuple[int, ...]:
        """The frames that one is averaged with."""
        return neighbours(number, self.frames) if self.steady else ()

    def together(self, number: int) -> tuple[int, ...]:
        """The frames that are painted with one: its windows'."""
        inside = {n for part in self.windows.of(number) for n in self.windows.frames_from(part.start)}
        return tuple(sorted(inside | {number}))

    def reads(self, number: int) -> tuple[int, ...]:
        """The frames whose plate and crowd are read to paint one: its windows' or anchors', its own, and those of the frames
        that it is averaged with."""
        read: set[int] = set()
        for each in (number, *self.beside(number)):
            anchors = [a for a, _ in self.anchors.of(each)]
            read |= {*anchors, each} if anchors else set(self.together(each))
        return tuple(sorted(read))

    def key(self) -> tuple[object, ...]:
        """Everything above as values that can be digested."""
        brief = self.brief
        return (
            self.bundle.sha256, self.bundle.family, brief.direction, brief.range, brief.near_far_m, brief.steps,
            float(brief.guidance), brief.grow_px, self.references, self.seed, self.noise, self.edge_px, self.window,
            self.anchors.chosen, self.steady,
        )  # fmt: skip

    def told(self) -> dict[str, object]:
        """The same for the head of the manifest."""
        bundle, brief, direction = self.bundle, self.brief, self.brief.direction
        return {
            "bundle": bundle.name,
            "family": bundle.family,
            "sha256": bundle.sha256,
            "licence": {"id": bundle.licence.id, "name": bundle.licence.name, "commercial": bundle.licence.commercial},
            "trained_on": bundle.trained_on,
            "steps": brief.steps,
            "guidance": float(brief.guidance),
            "strength": direction.shot_strength,
            "seed": self.seed,
            "noise": self.noise,
            "texts": [asdict(t) for t in direction.texts],
            "references_sha256": list(self.references),
            "control_range_m": list(brief.near_far_m),
            "edge_px": self.edge_px,
            "grow_px": brief.grow_px,
            "window": self.window,
            "anchors": list(self.anchors.chosen),
            "waits_for": self.anchors.plan(),
            "steady": self.steady,
        }

    def record(self) -> PaintRecord:
        bundle, brief = self.bundle, self.brief
        return PaintRecord(
            bundle.name, bundle.sha256, bundle.licence.id, bundle.licence.commercial, bundle.family, brief.steps,
            float(brief.guidance), brief.direction.shot_strength, self.seed, self.noise,
        )  # fmt: skip
