"""A cast file's types and heroes as figures: for each type a few variants out of its parts, each with fitted levels."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from functools import lru_cache, partial
from pathlib import Path

import numpy as np

from composer.crowd.agents import F32, Cast, Clip, Figure, Hero, Kit, Skeleton
from composer.crowd.cast import KITS, average_albedo, clips_of_the_fallen, default_cast, figures_of_kit
from composer.crowd.cast_file import CastFile, HeroSpec, TypeSpec
from composer.crowd.casting import MAN_M
from composer.crowd.characters.character import character
from composer.crowd.figure.body import BUILDS, Build
from composer.crowd.figure.fits import FITS
from composer.crowd.figure.kits import KITS as BUILT_IN
from composer.crowd.figure.levels import fit_levels, levels
from composer.crowd.figure.measure import Views, views
from composer.crowd.figure.outfit import OUTFITS, Outfit, dressed
from composer.crowd.horse.falls import rider_falls
from composer.crowd.horse.levels import fit_mounted, mounted_levels, rider_views
from composer.crowd.horse.riders import rider_clips
from composer.crowd.horse.skeleton import MOUNTED
from composer.crowd.lying import INSTEAD
from composer.crowd.seeds import hash01, hash_u32, purpose_key
from composer.crowd.skeleton import SKELETON
from composer.errors import InputError
from composer.shot.schema_crowd import CrowdSpec, RegionSpec

#: How builds are shared out where nobody says.
_USUAL_BUILDS = {"lean": 1.0, "sturdy": 1.0, "broad": 1.0}
_HERO = "hero."


@dataclass(frozen=True)
class Wardrobe:
    """A cast with the types and heroes of a cast file. references: hero's name to his picture. notes: what was done."""

    cast: Cast
    references: Mapping[str, Path]
    notes: tuple[str, ...]


def look_seed(seed: int, who: str) -> int:
    """uint32, out of the cast's seed and a name."""
    return int(hash_u32(((seed ^ (seed >> 32)) & 0xFFFFFFFF) ^ int(purpose_key(who)), "look"))


def wardrobe(base: Cast, file: CastFile | None, wanted: Iterable[str]) -> Wardrobe:
    """`base` with figures for the kits and types named in `wanted` (those it has not), and all heroes of `file`."""
    made = _Making(base, file)
    for name in wanted:
        made.kit(name)
    references: dict[str, Path] = {}
    heroes: list[Hero] = []
    for name, spec in (file.heroes if file else {}).items():
        assert file is not None
        made.hero(name, spec)
        face = spec.face if spec.face is not None else look_seed(file.seed, name)
        heroes.append(Hero(name, _HERO + name, spec.soldier or f"{name}.00000", face))
        if spec.reference is not None:
            references[name] = _reference(file, name, spec.reference)
    seed = None if file is None else look_seed(file.seed, "everybody")
    fallen = clips_of_the_fallen() if any(f.instead for f in made.figures) else ()
    cast = replace(
        base,
        clips=(*base.clips, *fallen, *made.clips),
        more_skeletons=(*base.more_skeletons, *made.skeletons),
        figures=tuple(made.figures),
        kits=(*base.kits, *made.kits.values()),
        types=tuple(file.types) if file else (),
        heroes=tuple(heroes),
        look_seed=seed,
    )
    return Wardrobe(cast, references, tuple(made.notes))


def _reference(file: CastFile, hero: str, written: str) -> Path:
    path = file.folder / written
    if not path.is_file():
        raise InputError("no such file", where=file.where("heroes", hero, "reference"), got=written)
    return path


def company_of(region: RegionSpec, file: CastFile) -> RegionSpec:
    """The region with what the cast file says of the company of its name; what the shot says wins."""
    company = file.companies.get(region.name)
    if company is None:
        return region
    told: dict[str, object] = {}
    if region.kits is None:
        told["kits"] = company.types
    if company.side is not None and "side" not in region.model_fields_set:
        told["side"] = company.side
    return region.model_copy(update=told)


def with_cast(crowd: CrowdSpec, file: CastFile) -> CrowdSpec:
    """The crowd with its companies' types, and a region of one for every hero who has a place of his own."""
    regions = [company_of(r, file) for r in crowd.regions]
    taken = {r.name for r in regions}
    for name, spec in file.heroes.items():
        if spec.at_m is None:
            continue
        if name in taken:
            raise InputError("a hero is called like a region", where=file.where("heroes", name), got=name)
        x, z = spec.at_m
        corners = tuple((x + 0.3 * a, z + 0.3 * b) for a, b in ((-1, -1), (1, -1), (1, 1), (-1, 1)))
        regions.append(
            RegionSpec(
                name=name,
                polygon_m=corners,
                spacing_m=(0.6, 0.6),
                jitter=0.0,
                heading_deg=spec.heading_deg,
                side=spec.side,
                kits={_HERO + name: 1.0},
                clip=spec.clip,
                count=1,
            )
        )
    return crowd.model_copy(update={"regions": tuple(regions)})


class _Making:
    """Figures and kits, as they are asked for."""

    def __init__(self, base: Cast, file: CastFile | None) -> None:
        self.base, self.file = base, file
        self.figures = list(base.figures)
        self.kits: dict[str, Kit] = {}
        self.notes: list[str] = []
        self.skeletons: list[Skeleton] = []
        self.clips: list[Clip] = []
        self.riders = 0

    def kit(self, name: str) -> None:
        """Have a kit of this name, if the file or the built-in outfits know it."""
        if name in self.kits or name.startswith(_HERO):
            return
        if self.file is not None and name in self.file.types:
            self.kits[name] = self._of_type(name, self.file.types[name])
        elif name not in KITS and name in OUTFITS:
            self.kits[name] = self._of_type(name, TypeSpec(like=name, variants=3))

    def hero(self, name: str, spec: HeroSpec) -> None:
        """A kit of one figure: his type's, with what is said of himself."""
        assert self.file is not None
        base = self.file.types.get(spec.type or "") or TypeSpec(like=spec.type or spec.like)
        given = {f: getattr(spec, f) for f in TypeSpec.model_fields if f in spec.model_fields_set}
        colours = {**base.colors.model_dump(exclude_none=True), **spec.colors.model_dump(exclude_none=True)}
        own = base.model_copy(update={**given, "colors": base.colors.model_copy(update=colours), "variants": 1})
        kind = spec.type or (None if spec.character else spec.like)
        self.kits[_HERO + name] = replace(self._of_type(_HERO + name, own), kind=kind or name)

    def mounted(self) -> int:
        """The riders' rig."""
        if not self.riders:
            self.riders = len(self.base.skeletons) + len(self.skeletons)
            self.skeletons.append(MOUNTED)
            clips = rider_clips(self.riders)
            seated, lying = (
                next(c for c in clips if c.name == "brace"),
                [c for c in self.base.clips if c.name == "fall_back"],
            )
            self.clips += [*clips, *(rider_falls(seated, c, self.riders) for c in lying[:1])]
        return self.riders

    def _of_character(self, name: str, spec: TypeSpec) -> Kit:
        assert self.file is not None and spec.character is not None
        rig = len(self.base.skeletons) + len(self.skeletons)
        path = self.file.folder / spec.character
        middle = None if spec.height_m is None else sum(spec.height_m) / 2
        try:
            made = character(path, rig, height_m=middle, clips=spec.clips, openpose=spec.openpose, forward=spec.forward)
        except InputError as error:
            loc = ("heroes", name.removeprefix(_HERO)) if name.startswith(_HERO) else ("types", name)
            about = f"{spec.character}: {error.what}"
            where = self.file.where(*loc)
            raise InputError(about, where=where, expected=error.expected, got=error.got, hint=error.hint) from error
        self.skeletons.append(made.skeleton)
        self.clips += made.clips
        self.notes += made.notes
        self.figures.append(Figure(name, made.lods, rig))
        tall = None if spec.height_m is None else tuple(h * MAN_M / made.height_m for h in spec.height_m)
        return Kit(name, (len(self.figures) - 1,), (1.0,), "levy", height_m=tall, own_albedo=made.albedo)

    def _of_type(self, name: str, spec: TypeSpec) -> Kit:
        if spec.character is not None:
            return self._of_character(name, spec)
        parts = spec.given()
        builds = spec.builds or _USUAL_BUILDS
        if not parts and spec.like in KITS and not name.startswith(_HERO):
            figures = figures_of_kit(spec.like)
            weight = tuple(builds.get(b.name, 0.0) for b in BUILDS)
            kept = [(f, w) for f, w in zip(figures, weight, strict=True) if w > 0]
            figures, weight = tuple(f for f, _ in kept), tuple(w for _, w in kept)
        else:
            figures = tuple(self._variants(name, spec))
            weight = (1.0,) * len(figures)
        colours = spec.colors.model_dump(exclude_none=True)
        return Kit(
            name=name,
            figures=figures,
            weight=weight,
            like=spec.like,
            albedo={m: np.array(c, np.float32) for m, c in colours.items()},
            height_m=spec.height_m,
            age=spec.age,
            wear=spec.wear,
            dirt=spec.dirt,
        )

    def _variants(self, name: str, spec: TypeSpec) -> list[int]:
        seed = look_seed(self.file.seed if self.file else 0, f"type {name}")
        out = []
        for number in range(spec.variants):
            outfit, build = _variant(spec, seed, number)
            lods = _figure_lods(spec.like, outfit, build)
            instead = INSTEAD.get(spec.like, ())
            motion = {"*": instead[number % len(instead)]} if instead else {}
            rig = self.mounted() if outfit.mount == "horse" else 0
            self.figures.append(Figure(f"{name}_{number + 1}", lods, rig, motion))
            out.append(len(self.figures) - 1)
        return out


def _variant(spec: TypeSpec, seed: int, number: int) -> tuple[Outfit, Build]:
    """Variant `number` of a type: each part by its weights, spread evenly over the variants."""

    def pick(part: str, words: Mapping[str, float]) -> str:
        share = float(np.mod(float(hash01(seed, part)) + number * 0.618034, 1.0))
        edges = np.cumsum(list(words.values())) / sum(words.values())
        return list(words)[min(int(np.searchsorted(edges, share, side="right")), len(words) - 1)]

    picked: dict[str, str | bool] = {}
    for part, words in spec.given().items():
        word = pick(part, words)
        picked[part] = word == "yes" if set(words) <= {"yes", "no"} else word
    build = pick("builds", spec.builds or _USUAL_BUILDS)
    return replace(OUTFITS[spec.like], **picked), next(b for b in BUILDS if b.name == build)


@lru_cache(maxsize=512)
def _figure_lods(like: str, outfit: Outfit, build: Build) -> tuple:  # type: ignore[type-arg]
    """The levels of one outfit; fitted here, or as it was fitted before where it is a built-in one."""
    if outfit == OUTFITS[like] and like in BUILT_IN:
        return levels(partial(BUILT_IN[like], build), FITS[f"{like}_{build.name}"])
    parts = partial(dressed, outfit, build)
    fit = FITS.get(f"{like}_{build.name}") if outfit == OUTFITS[like] and like not in BUILT_IN else None
    if outfit.mount == "horse":
        return mounted_levels(parts, fit or fit_mounted(parts, _rider_views(), _albedo(like), rounds=8))
    return levels(parts, fit or fit_levels(parts, _views(), _albedo(like), rounds=10))


@lru_cache(maxsize=1)
def _views() -> Views:
    return views((*default_cast().clips, *clips_of_the_fallen()), SKELETON.bind_m, phases=3, directions=5)


@lru_cache(maxsize=1)
def _rider_views() -> Views:
    return rider_views(phases=3, directions=5)


@lru_cache(maxsize=64)
def _albedo(like: str) -> F32:
    return average_albedo(like)
