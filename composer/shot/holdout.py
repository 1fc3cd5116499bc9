"""What stands on the plate in front of the crowd, frame by frame: mattes, Cryptomattes, depth, difference mattes."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import numpy as np

from composer.camera.camera import Camera
from composer.errors import InputError, Where
from composer.io.sequence import FrameSequence
from composer.shot.found import Found, open_found
from composer.shot.located import located
from composer.shot.matte import F32, HoldoutFrame, as_matte, check_size, matte_channel, read_channel
from composer.shot.plate import Plate, listed, rgb_of
from composer.shot.refine import Refiner, refiner_of
from composer.shot.schema import DifferenceSpec, HoldoutSpec, ShotFile

if TYPE_CHECKING:
    from composer.shot.clean import CleanPlate


@dataclass(frozen=True)
class Holdouts:
    """Callable: `holdouts(frame)`, in the order of the shot."""

    sources: tuple[Callable[[int], HoldoutFrame], ...]
    notes: tuple[str, ...] = ()

    def __call__(self, frame: int) -> list[HoldoutFrame]:
        return [source(frame) for source in self.sources]


def open_holdouts(shot: ShotFile, plate: Plate, camera: Camera) -> Holdouts:
    """Opens every holdout of the shot. Clean plates are made when the first frame asks for one. Raises InputError."""
    sources, notes = [], []
    for index, spec in enumerate(shot.holdouts):
        with located(shot, "holdouts", index, spec.kind):
            source = open_holdout(shot, spec, plate, camera)
        sources.append(source)
        notes += [f"holdout {index + 1}: {note}" for note in source.notes]
    return Holdouts(tuple(sources), tuple(notes))


def open_holdout(shot: ShotFile, spec: HoldoutSpec, plate: Plate, camera: Camera) -> Pictures | Difference | Found:
    """One holdout. Raises InputError."""
    if spec.difference is not None:
        return _open_difference(shot, spec, spec.difference, plate, camera)
    if spec.finds is not None:
        return open_found(shot, spec, plate)
    pattern = spec.matte or spec.cryptomatte or spec.depth
    assert isinstance(pattern, str)
    sequence = FrameSequence.find(pattern, shot.folder)
    missing = () if sequence.is_still else tuple(f for f in plate.frames if f not in set(sequence.frames))
    if missing:
        raise InputError(
            "frames are missing",
            where=Where(file=sequence.pattern),
            expected=listed(plate.frames),
            got=f"no {listed(missing)}",
        )
    info = sequence.info(plate.frames[0])
    check_size(info, plate.size_px)
    channel, note = "", f"{spec.kind} {sequence.pattern}"
    if spec.kind == "matte":
        channel, why = matte_channel(sequence, spec.channel or "auto", plate.frames)
        note += f", channel {channel} ({why})"
    elif spec.kind == "depth":
        channel = _depth_channel(info.channels, spec.channel or "auto", info.path)
        note += f", channel {channel}, taken for planar depth"
    else:
        from composer.shot.cryptomatte import coverage_of

        coverage_of(sequence.path(plate.frames[0]), spec.names or ())  # names that are not there are told now
    refiner = refiner_of(spec.refined, spec.edge_px, plate)
    note += f"; {refiner.note}" if refiner else ""
    return Pictures(spec, sequence, plate.size_px, channel, (note,), refiner)


@dataclass(frozen=True)
class Pictures:
    """A matte, Cryptomatte or depth sequence."""

    spec: HoldoutSpec
    sequence: FrameSequence
    size_px: tuple[int, int]
    channel: str
    notes: tuple[str, ...] = ()
    refiner: Refiner | None = None

    def __call__(self, frame: int) -> HoldoutFrame:
        where = Where(file=self.sequence.path(frame), frame=frame)
        if self.spec.kind == "cryptomatte":
            from composer.shot.cryptomatte import coverage_of

            values = coverage_of(self.sequence.path(frame), self.spec.names or ())
        else:
            values = read_channel(self.sequence, frame, self.channel)
        if values.shape != (self.size_px[1], self.size_px[0]):
            raise InputError(
                "not the plate's size",
                where=where,
                expected=f"{self.size_px[0]} x {self.size_px[1]}",
                got=f"{values.shape[1]} x {values.shape[0]}",
            )
        if self.spec.kind == "depth":
            return depth_holdout(values, self.spec.scale, self.spec.bias_m)
        alpha = as_matte(values, where, self.spec.invert)
        if self.refiner is not None:
            alpha = self.refiner(alpha, frame)
        return HoldoutFrame(alpha, self.spec.distance_m or 0.0)


def depth_holdout(z: F32, scale: float, bias_m: float) -> HoldoutFrame:
    """Whatever is `bias_m` or more behind the plate's own surface is hidden. Depth that is not finite or not positive
    is empty."""
    with np.errstate(invalid="ignore", over="ignore"):
        there = np.isfinite(z) & (z > 0)
        depth = np.where(there, z * np.float32(scale) + np.float32(bias_m), np.float32(np.inf)).astype(np.float32)
    return HoldoutFrame(there.astype(np.float32), depth)


def _depth_channel(channels: tuple[str, ...], asked: str, path: object) -> str:
    if asked == "auto":
        found = next(
            (c for n in ("Z", "depth.Z", "z", "depth", "R", "Y") for c in channels if c == n or c.endswith(f".{n}")),
            None,
        )
        if found is None and len(channels) == 1:
            found = channels[0]
        if found is not None:
            return found
        asked = "Z"
    if asked not in channels:
        raise InputError(f"no channel {asked}", where=Where(file=str(path)), expected=", ".join(channels[:12]))
    return asked


# --- difference mattes ---


@dataclass(frozen=True)
class Difference:
    """A difference matte; its clean plate is made at the first use and kept."""

    spec: DifferenceSpec
    distance_m: float
    plate: Plate
    source: FrameSequence | None
    notes: tuple[str, ...] = ()
    _made: list[object] = field(default_factory=list, repr=False, compare=False)

    def __call__(self, frame: int) -> HoldoutFrame:
        from composer.shot.difference import DifferenceMatte

        if not self._made:
            self._made.append(
                DifferenceMatte(
                    self.clean_plate(), self.plate.read, self.plate.frames, self.spec.threshold, self.spec.soften_px
                )
            )
        matte = self._made[0]
        assert isinstance(matte, DifferenceMatte)
        return HoldoutFrame(matte.alpha(frame), self.distance_m, matte.clean.rgb)

    def clean_plate(self) -> CleanPlate:
        """The clean plate, in the delivery space: made of the plate, of a longer clip, or read."""
        from composer.shot import clean

        plate = self.plate
        if self.source is None:
            return clean.build_clean(plate.read, clean.sampled(plate.frames, plate.size_px), "the plate")
        source = self.source
        if len(source.frames) > 1:
            return clean.build_clean(
                lambda f: self._to_delivery(rgb_of(source.read(f)[0])),
                clean.sampled(source.frames, plate.size_px),
                source.pattern,
            )
        rgb = self._to_delivery(rgb_of(source.read(source.frames[0])[0]))
        height, width = rgb.shape[:2]
        return clean.CleanPlate(
            rgb,
            np.ones((height, width), dtype=bool),
            np.zeros((height, width), dtype=np.float32),
            ("clean plate: given",),
        )

    def _to_delivery(self, rgb: F32) -> F32:
        plate = self.plate
        return rgb if plate.colorspace == plate.delivery_colorspace else plate.color.to_working(rgb, plate.colorspace)


def _open_difference(
    shot: ShotFile, holdout: HoldoutSpec, spec: DifferenceSpec, plate: Plate, camera: Camera
) -> Difference:
    poses = np.stack([camera.view(f).world_from_camera for f in plate.frames])
    if np.abs(poses - poses[0]).max() > 1e-6:
        raise InputError(
            "a difference matte needs a locked-off camera", got="a camera that moves", hint="use a matte sequence"
        )
    source = None
    notes = [f"difference matte, clean plate {spec.clean}, taken to be in the plate's colour space"]
    if spec.clean == "auto":
        if len(plate.frames) < 5:
            raise InputError(
                "too few frames to make a clean plate of",
                expected="5 or more",
                got=str(len(plate.frames)),
                hint="give difference.clean a picture or a longer clip",
            )
        notes = ["difference matte, clean plate made of the plate itself"]
    else:
        source = FrameSequence.find(spec.clean, shot.folder)
        info = source.info(source.frames[0])
        if info.size_px != plate.size_px:
            raise InputError(
                "the clean plate has not the plate's size",
                where=Where(file=info.path),
                expected=f"{plate.size_px[0]} x {plate.size_px[1]}",
                got=f"{info.size_px[0]} x {info.size_px[1]}",
            )
    return Difference(spec, holdout.distance_m or 0.0, plate, source, tuple(notes))
