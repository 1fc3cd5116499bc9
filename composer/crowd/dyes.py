"""What colour his things are: dyes, leathers, metals, skin and hair, each man's own, faded and dirty to his own degree.

Colours are picked in sRGB, as a painter would, and handed out as linear ACEScg reflectances.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from difflib import get_close_matches

import numpy as np
from numpy.typing import ArrayLike, NDArray

from composer.crowd.agents import F32, MATERIALS
from composer.crowd.seeds import hash01
from composer.errors import InputError

#: Linear Rec.709 to ACEScg (AP1), white adapted from D65 to the ACES white by CAT02 (ACES S-2014-004, OCIO's own).
AP1_FROM_REC709 = np.array(
    ((0.6131178, 0.3395231, 0.0473591), (0.0701918, 0.9163553, 0.0134529), (0.0206155, 0.1095697, 0.8698148))
)
LOWEST, HIGHEST = 0.012, 0.78


def from_srgb(*picks: str) -> F32:
    """ACEScg reflectances float32 [K, 3] of colours picked in sRGB ('7A2A20')."""
    code = np.array([[int(p[i : i + 2], 16) for i in (0, 2, 4)] for p in picks], np.float64) / 255.0
    linear = np.where(code <= 0.04045, code / 12.92, ((code + 0.055) / 1.055) ** 2.4)
    return (linear @ AP1_FROM_REC709.T).astype(np.float32)


@dataclass(frozen=True)
class Palette:
    """A side's dyes, each float32 [K, 3] ACEScg; a man gets one of each, the first most often."""

    tunic: F32
    cloak: F32
    shield: F32
    crest: F32
    trousers: F32


_HOSE = from_srgb("5E4E3B", "4B4034", "6E614C", "3F3A35", "57503F")
SIDES: dict[str, Palette] = {
    "red": Palette(
        from_srgb("85291D", "93381F", "722128", "7C4326", "9A4A2C"),
        from_srgb("651F1A", "77291B", "4C2820", "5B1C26"),
        from_srgb("86291B", "953A1E", "6E2018"),
        from_srgb("C2AC7C", "B68B3C", "CBBD9C"),
        _HOSE,
    ),
    "blue": Palette(
        from_srgb("2C4A6B", "365673", "26395A", "485F70", "2E5562"),
        from_srgb("21364F", "2A4A5A", "2F3B4C", "1F2E4A"),
        from_srgb("2B4F78", "35607F", "233F66"),
        from_srgb("C9C3AE", "A9B1AC", "CFC7A8"),
        _HOSE,
    ),
    "levy": Palette(
        from_srgb("8C7C5E", "75684C", "9C8E72", "625C48", "837053"),
        from_srgb("5D513C", "6B5A40", "4D4A3C"),
        from_srgb("7C6646", "8A7350", "5F4E38"),
        from_srgb("4F4534", "A08E6C", "6E3B28"),
        _HOSE,
    ),
}
_NATURAL = from_srgb("8C7C5E", "75684C", "9C8E72", "6A614E", "7D6B50")
_SKIN = from_srgb("C79A78", "B98762", "D3AC8B", "A87450", "936445", "734C33", "C28F6C")
_HAIR = from_srgb("2B1F17", "1D1713", "4B3422", "6A4C2E", "3A2A1E", "86683F", "6D6860", "7A3F20")
_LEATHER = from_srgb("4E3423", "5E3F28", "35281E", "6C4C31", "443026")
_WOOD = from_srgb("93794F", "7B6344", "604B35", "86704F")
_STEEL = from_srgb("84858A", "76767A", "8F8C88", "66666A", "7C7468")
_BRONZE = from_srgb("977040", "A67C44", "86643C")
_COAT = from_srgb("5A3A22", "6E4426", "4A2E1E", "7A5A3A", "2E241E", "8A8178", "8C5A34", "3A2A20")
_MANE = from_srgb("1E1814", "2A201A", "3A2A1E", "B09A74", "6A6058")
_DIRT = from_srgb("4A3E2C")[0]
_DUST = from_srgb("9C8B6B")[0]


def _pick(choices: F32, seed: NDArray[np.uint32], purpose: str) -> F32:
    """One of `choices` [K, 3] for each seed, earlier ones more often; -> [N, 3]."""
    h = hash01(seed, purpose).astype(np.float64)
    return choices[np.minimum((h**1.35 * len(choices)).astype(np.int64), len(choices) - 1)]


def _weathered(
    colour: F32,
    seed: NDArray[np.uint32],
    what: str,
    *,
    fade: float | F32,
    dirt: float | F32,
    hue: float = 0.06,
) -> F32:
    """The colour after sun, mud and an uneven dye bath; amounts are the most that anyone gets, or each man's [N, 1]."""
    out = colour.astype(np.float64)
    shift = np.stack([hash01(seed, f"{what} hue {c}") for c in "rgb"], -1) - 0.5
    out = out * (1.0 + 2.0 * hue * shift)
    f = fade * hash01(seed, f"{what} fade")[:, None] ** 1.5
    grey = out.mean(-1, keepdims=True)
    out = out + f * (0.6 * grey + 0.4 * _DUST - out)
    d = dirt * (0.25 + 0.75 * hash01(seed, f"{what} dirt")[:, None])
    out = out + d * (_DIRT - out)
    return (out * (0.82 + 0.36 * hash01(seed, f"{what} value")[:, None])).astype(np.float32)


def palettes_with(own: Mapping[str, Mapping[str, Sequence[float]]]) -> dict[str, Palette]:
    """The built-in sides and the shot's own: side -> {tunic, cloak, shield, crest, trousers: ACEScg rgb}. What a
    side of the
    shot leaves out comes from the built-in side of that name, or from 'levy'."""
    out = dict(SIDES)
    for name, colours in own.items():
        given = {key: np.clip(np.array([rgb], np.float32), LOWEST, HIGHEST) for key, rgb in colours.items()}
        unknown = set(given) - set(Palette.__dataclass_fields__)
        if unknown:
            raise InputError(
                f"side {name}: no such colour: {', '.join(sorted(unknown))}",
                expected=", ".join(Palette.__dataclass_fields__),
                got=", ".join(sorted(unknown)),
            )
        out[name] = replace(out.get(name, SIDES["levy"]), **given)
    return out


def _of_sides(
    names: Sequence[str], side: NDArray[np.int64], what: str, seed: NDArray[np.uint32], palettes: Mapping[str, Palette]
) -> F32:
    out = np.empty((len(seed), 3), np.float32)
    for i, name in enumerate(names):
        mine = side == i
        out[mine] = _pick(getattr(palettes[name], what), seed[mine], what)
    return out


@dataclass(frozen=True)
class Person:
    """What a cast says of each of N men; NaN where it says nothing. own: material to (colours float32 [K, 3], who may
    wear them, bool [N])."""

    wear: F32
    dirt: F32
    age: F32
    own: Mapping[str, Sequence[tuple[F32, NDArray[np.bool_]]]]

    @classmethod
    def unknown(cls, count: int) -> Person:
        """Nothing is known."""
        nothing = np.full(count, np.nan, np.float32)
        return cls(nothing, nothing, nothing, {})

    def fade(self) -> F32:
        """How many times as far as usual his clothes are faded."""
        return np.where(np.isfinite(self.wear), 2.2 * np.nan_to_num(self.wear), 1.0).astype(np.float32)

    def mud(self) -> F32:
        """How many times as dirty as usual he is."""
        return np.where(np.isfinite(self.dirt), 2.6 * np.nan_to_num(self.dirt), 1.0).astype(np.float32)

    def grey(self, seed: NDArray[np.uint32]) -> F32:
        """How grey his hair is, from 0 to 1."""
        years = np.nan_to_num(self.age)
        return (np.clip((years - 36) / 30, 0, 1) * (0.35 + 0.65 * hash01(seed, "grey"))).astype(np.float32)


_GREY = from_srgb("A9A59E")[0]
_BUILT_IN: Mapping[str, Callable[[NDArray[np.uint32], F32], F32]] = {
    "skin": lambda seed, metal: _pick(_SKIN, seed, "skin"),
    "hair": lambda seed, metal: _pick(_HAIR, seed, "hair"),
    "leather": lambda seed, metal: _pick(_LEATHER, seed, "leather"),
    "wood": lambda seed, metal: _pick(_WOOD, seed, "wood"),
    "metal": lambda seed, metal: metal,
    "coat": lambda seed, metal: _pick(_COAT, seed, "coat"),
    "mane": lambda seed, metal: _pick(_MANE, seed, "mane"),
}


def _with_own(usual: F32, own: Sequence[tuple[F32, NDArray[np.bool_]]], seed: NDArray[np.uint32], what: str) -> F32:
    """`usual` [N, 3], and colours of their own for those who have them."""
    out = usual.copy()
    for choices, mine in own:
        out[mine] = _pick(choices, seed[mine], what)
    return out


def dyed(
    kit: Sequence[str],
    names: Sequence[str],
    side: ArrayLike,
    seed: NDArray[np.uint32],
    palettes: Mapping[str, Palette] | None = None,
    person: Person | None = None,
) -> F32:
    """Reflectances float32 [N, len(MATERIALS), 3] of N men. kit: each man's kit name. side: int [N], index into
    `names`. person: what is known of each beside that."""
    palettes = SIDES if palettes is None else palettes
    side = np.asarray(side).astype(np.int64)
    for name in names:
        if name not in palettes:
            near = get_close_matches(name, list(palettes), 1)
            raise InputError(
                f"no such side: {name}",
                expected=", ".join(palettes),
                got=name,
                hint=f"did you mean {near[0]}?" if near else "give its colours under `sides`",
            )
    seed = np.asarray(seed, np.uint32)
    worn = {what: _of_sides(names, side, what, seed, palettes) for what in Palette.__dataclass_fields__}
    kits = np.asarray(kit)
    poor, rich = np.isin(kits, ("levy", "archer")), np.isin(kits, ("officer", "bannerman"))
    undyed = poor & (hash01(seed, "undyed") < 0.6)
    worn["tunic"][undyed] = _pick(_NATURAL, seed[undyed], "natural wool")
    metal = _pick(_STEEL, seed, "steel")
    bronze = (np.isin(kits, ("heavy", "officer"))) & (hash01(seed, "bronze") < np.where(rich, 0.75, 0.35))
    metal[bronze] = _pick(_BRONZE, seed[bronze], "bronze")
    wear = np.where(rich, 0.4, np.where(poor, 1.3, 1.0))[:, None].astype(np.float32)
    person = Person.unknown(len(seed)) if person is None else person
    fade_more, dirt_more = person.fade()[:, None], person.mud()[:, None]
    wear = np.where(np.isfinite(person.wear)[:, None], np.float32(1.0), np.minimum(wear, 1.25))

    def aged(colour: F32, what: str, fade: float, dirt: float, hue: float = 0.06) -> F32:
        fresh = _weathered(colour, seed, what, fade=0.0, dirt=0.0, hue=hue)
        old = _weathered(colour, seed, what, fade=fade * fade_more, dirt=dirt * dirt_more, hue=hue)
        return fresh + wear * (old - fresh)

    for what, own in person.own.items():
        usual = worn[what] if what in worn else _BUILT_IN[what](seed, metal)
        worn[what] = _with_own(usual, own, seed, what)
    hair = worn.get("hair", _pick(_HAIR, seed, "hair"))
    hair = hair + person.grey(seed)[:, None] * (_GREY - hair)
    rows = {
        "skin": _weathered(
            worn.get("skin", _pick(_SKIN, seed, "skin")), seed, "skin", fade=0.1, dirt=0.18 * dirt_more, hue=0.03
        ),
        "hair": _weathered(hair, seed, "hair", fade=0.1, dirt=0.0, hue=0.05),
        "tunic": aged(worn["tunic"], "tunic", 0.35, 0.22),
        "trousers": aged(worn["trousers"], "trousers", 0.25, 0.3),
        "leather": aged(worn.get("leather", _pick(_LEATHER, seed, "leather")), "leather", 0.2, 0.25),
        "metal": _weathered(worn.get("metal", metal), seed, "metal", fade=0.0, dirt=0.30 * dirt_more, hue=0.03),
        "wood": aged(worn.get("wood", _pick(_WOOD, seed, "wood")), "wood", 0.2, 0.15),
        "cloak": aged(worn["cloak"], "cloak", 0.3, 0.25),
        "shield": aged(worn["shield"], "shield", 0.22, 0.25),
        "crest": aged(worn["crest"], "crest", 0.15, 0.28),
        "coat": aged(worn.get("coat", _pick(_COAT, seed, "coat")), "coat", 0.1, 0.15),
        "mane": aged(worn.get("mane", _pick(_MANE, seed, "mane")), "mane", 0.1, 0.1),
    }
    return np.clip(np.stack([rows[m] for m in MATERIALS], axis=1), LOWEST, HIGHEST)
