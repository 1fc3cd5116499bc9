"""Brushes that are no networks: what the painter makes of a painting can be known beforehand."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import numpy as np

from composer.inference.request import F32, Painting, PaintRequest
from composer.render.ready import Job


class GuideBrush:
    """Gives the guide back: a model that changes nothing. asked: the requests it was given."""

    factor = 8
    limit: tuple[int, int] | None = None

    def __init__(self) -> None:
        self.asked: list[PaintRequest] = []

    def paint(self, request: PaintRequest, told: Callable[[int, int], None] | None = None) -> Painting:
        self.asked.append(request)
        if told is not None:
            told(1, 1)
        return Painting(self.picture(request), ("id",), ("a note of the engine",), {"jobs": 1}, {"denoise": 0.5}, 123)

    def picture(self, request: PaintRequest) -> F32:
        return request.guide.copy()


class NoiseBrush(GuideBrush):
    """The guide with its noise laid on as colour, as far as mask and strength let it."""

    def picture(self, request: PaintRequest) -> F32:
        h, w = request.size
        size = -(-h // 8), -(-w // 8)
        noise = np.stack([request.noise.latents(n, 3, size, 8, "initial") for n in request.frames])
        fine = np.repeat(np.repeat(noise, 8, 2), 8, 3)[:, :, :h, :w].transpose(0, 2, 3, 1)
        change = (request.mask * request.strength)[..., None]
        return (request.guide + 0.25 * change * fine).clip(0, 1).astype(np.float32)


def brushed(job: Job, brush: GuideBrush | None = None, window: int | None = None) -> Job:
    """The job with another brush in its painter's hand, noise if none is named: a new roll is another colour, and takes no
    network. window: of a model that paints so many frames together."""
    painter, mine = job.scene.painter, brush or NoiseBrush()
    assert painter is not None
    plan = painter.plan if window is None else replace(painter.plan, window=window)
    return replace(job, scene=replace(job.scene, painter=replace(painter, plan=plan, open_brush=lambda: mine)))


class SmoothBrush(GuideBrush):
    """The guide with its noise laid on as soft spots, a latent large: what a decoder makes that draws nothing finer than its
    latents. Nothing of its own moves or stands still: how still the picture is, is how still the noise is."""

    def picture(self, request: PaintRequest) -> F32:
        import cv2

        (h, w), f = request.size, self.factor
        size = -(-h // f), -(-w // f)
        pictures = []
        for number in request.frames:
            noise = request.noise.latents(number, 3, size, f, "initial").transpose(1, 2, 0)
            spots = cv2.resize(noise, (size[1] * f, size[0] * f), interpolation=cv2.INTER_CUBIC)
            pictures.append(spots[:h, :w])
        change = (request.mask * request.strength)[..., None]
        return (request.guide + 0.15 * change * np.stack(pictures)).clip(0, 1).astype(np.float32)
