"""The brush: the tile engine over a bundle's adapter, and the noise that it paints out of. The one place of `render` that
loads networks; nothing of torch is imported before the first frame is painted."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from composer.errors import InputError, Where
from composer.inference.bundle import Bundle
from composer.inference.families import FAMILIES
from composer.inference.request import NoiseSource, Painting, PaintRequest
from composer.render.agreed import Limit

if TYPE_CHECKING:
    from composer.inference.engine import Engine
    from composer.render.look import Look, Scene

#: How many points of the surface a pixel can have.
PATTERNS = (1, 4, 8, 16)

#: Told of each step of a picture: done so far, all.
Steps = Callable[[int, int], None]


@dataclass
class EngineBrush:
    """engine: with its networks loaded. factor: pixels a latent. told: of each step, where somebody
    listens."""

    engine: Engine
    factor: int
    told: Steps | None = None

    @property
    def limit(self) -> Limit:
        return self.engine.limit

    @limit.setter
    def limit(self, limit: Limit) -> None:
        self.engine.limit = limit

    def paint(self, request: PaintRequest, told: Steps | None = None) -> Painting:
        self.told = told
        return self.engine.paint(request)


def window_of(bundle: Bundle) -> int:
    """How many frames a bundle's model paints together; 1 for picture models."""
    family = FAMILIES.get(bundle.family)
    usual = 1 if family is None else family.options.get("frames", 1)
    return int(bundle.options.get("frames", usual))


def open_brush(bundle: Bundle, device: str) -> EngineBrush:
    """Load the networks. Raises InputError where they do not fit what bundle.yaml says."""
    from composer.inference.engine import Engine, EngineOptions
    from composer.inference.families import open_adapter

    adapter = open_adapter(bundle, device)
    if adapter.space.frames != window_of(bundle):
        raise InputError(
            "the model paints another number of frames than its bundle says",
            where=Where(file=bundle.folder / "bundle.yaml", field="options.frames"),
            expected=str(adapter.space.frames),
            got=str(window_of(bundle)),
        )

    def progress(done: int, steps: int) -> None:
        if brush.told is not None:
            brush.told(done, steps)

    brush = EngineBrush(Engine(adapter, EngineOptions(progress=progress)), adapter.space.factor)
    return brush


def noise_of(kind: str) -> Callable[[Scene, Sequence[Look], int, int], NoiseSource]:
    """`world`: a function of the place on body, ground or sky, so that texture stays on what it is painted on. `screen`:
    of the pixel, for comparison."""
    return _screen_noise if kind == "screen" else _world_noise


def _screen_noise(scene: Scene, looks: Sequence[Look], seed: int, factor: int) -> NoiseSource:
    from composer.inference.noise import ScreenNoise

    return ScreenNoise(seed, scene.device)


def _world_noise(scene: Scene, looks: Sequence[Look], seed: int, factor: int) -> NoiseSource:
    from composer.guides.surface import Surface, surface_pass
    from composer.inference.noise import WorldNoise

    by_number = {look.number: look for look in looks}

    def surface_of(number: int, rows: tuple[int, int] | None = None) -> Surface:
        look = by_number[number]
        cast, samples = scene.people.cast, surface_samples(factor)
        return surface_pass(look.agents, cast, look.views, look.ground_m, samples, scene.device, rows=rows)

    return WorldNoise(surface_of, seed, scene.device, rows_of=surface_of)


def surface_samples(factor: int) -> int:
    """Points of the surface in a pixel, so that a latent of `factor` x `factor` pixels has 64 or nearly so."""
    return next((n for n in PATTERNS if n * factor * factor >= 64), PATTERNS[-1])
