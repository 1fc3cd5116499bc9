"""A soldier put together from parts: what `cast.yaml` names, as closed meshes like those of the built-in kits."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal

from composer.crowd.agents import Mesh
from composer.crowd.figure import armour, arms, body, dress
from composer.crowd.figure.body import Build
from composer.crowd.figure.loft import mirrored

Helmet = Literal[
    "none", "hair", "cap", "peaked_cap", "hood", "bandage", "conical", "kettle", "crested", "crested_across", "bowl"
]
Armour = Literal["none", "padded", "jerkin", "mail", "cuirass"]
Tunic = Literal["short", "knee", "long"]
Sleeves = Literal["short", "half", "long"]
Legs = Literal["trousers", "bare"]
Shins = Literal["boots", "wraps", "shoes"]
Cloak = Literal["none", "short", "long"]
Shield = Literal["none", "round", "small", "oval", "kite", "tall"]
Paint = Literal["plain", "cross", "quarters", "ring", "pale", "rays"]
Weapon = Literal["none", "spear", "long_spear", "sword", "long_sword", "bow", "sling", "mace", "banner"]
Neck = Literal["none", "aventail", "collar"]
Beard = Literal["none", "short", "full"]
Mount = Literal["none", "horse"]


@dataclass(frozen=True)
class Outfit:
    """One choice of each part. Fields are the parts' names in `cast.yaml`."""

    helmet: Helmet = "hair"
    neck: Neck = "none"
    beard: Beard = "none"
    armour: Armour = "none"
    tunic: Tunic = "knee"
    trim: bool = False
    sleeves: Sleeves = "long"
    bracers: bool = False
    legs: Legs = "trousers"
    shins: Shins = "boots"
    greaves: bool = False
    cloak: Cloak = "none"
    shield: Shield = "none"
    paint: Paint = "plain"
    weapon: Weapon = "none"
    quiver: bool = False
    mount: Mount = "none"


_HEM_Y: dict[str, float] = {"short": 0.68, "knee": 0.58, "long": 0.46}
_SLEEVE_M: dict[str, float] = {"short": 0.21, "half": 0.38, "long": 0.555}
_SHIN_Y: dict[str, float] = {"boots": 0.40, "wraps": 0.42, "shoes": 0.16}
_CLOSED = ("conical", "kettle", "crested", "crested_across", "bowl")

_HELMETS: dict[str, Callable[[], list[Mesh]]] = {
    "none": list,
    "hair": lambda: [body.hair()],
    "cap": lambda: [dress.cap(), body.hair()],
    "peaked_cap": lambda: [dress.cap("cloak", True), body.hair()],
    "hood": dress.hood,
    "bandage": lambda: [body.hair(), dress.bandage()],
    "conical": armour.conical_helmet,
    "kettle": armour.kettle_hat,
    "crested": lambda: armour.crested_helmet("along"),
    "crested_across": lambda: armour.crested_helmet("across"),
    "bowl": lambda: armour.crested_helmet("none"),
}


def dressed(outfit: Outfit, build: Build) -> list[Mesh]:
    """The parts of a man of `build` in `outfit`, on the human joints. His mount is not among them."""
    parts = body.head(covered=outfit.helmet in _CLOSED) + body.beard(outfit.beard) + _HELMETS[outfit.helmet]()
    if outfit.neck != "none":
        parts.append(armour.aventail(build) if outfit.neck == "aventail" else dress.collar())
    return parts + _trunk(outfit, build) + _limbs(outfit, build) + _carried(outfit, build)


def _trunk(outfit: Outfit, build: Build) -> list[Mesh]:
    hem = _HEM_Y[outfit.tunic]
    trim = "crest" if outfit.trim else ""
    if outfit.armour == "mail":
        parts = armour.mail_shirt(build) + dress.belt(build, out_m=0.022)
        parts.append(dress.skirt(build, hem_y=min(hem, 0.60), material="tunic", trim=trim, from_y=0.80))
    elif outfit.armour == "cuirass":
        parts = [body.trunk(build, from_y=1.3), *armour.cuirass(build), *armour.shoulder_flaps(build)]
        parts += [
            dress.skirt(build, hem_y=min(hem, 0.63), material="tunic", trim=trim, from_y=0.84),
            dress.strips(build, colours=("leather", "crest") if outfit.trim else ("leather", "leather")),
            *dress.belt(build, out_m=0.03, buckle=False),
        ]
    else:
        out = {"padded": 0.014, "jerkin": 0.010}.get(outfit.armour, 0.0)
        upper = "leather" if outfit.armour == "jerkin" else "tunic"
        parts = [body.trunk(build, upper=upper, out_m=out, from_y=1.0)]
        parts += dress.belt(build, out_m=out + 0.006, buckle=outfit.armour != "none", half_m=0.020)
        parts.append(dress.skirt(build, hem_y=hem, material="tunic", out_m=out, trim=trim, depth=0.06))
    if outfit.cloak != "none":
        columns = 14 if outfit.cloak == "long" else 11
        parts.append(dress.cloak(build, hem_y=0.34 if outfit.cloak == "long" else 0.62, columns=columns))
    return parts


def _limbs(outfit: Outfit, build: Build) -> list[Mesh]:
    shoulder = {"mail": 0.10, "cuirass": 0.04}.get(outfit.armour, -0.075)
    sleeve = max(_SLEEVE_M[outfit.sleeves], shoulder + 0.12)
    bracer = "leather" if outfit.bracers and sleeve < 0.42 else ""
    arm = body.arm(build, sleeve_m=sleeve, bracer=bracer, from_m=shoulder)
    leg = body.leg(
        build,
        to_y=_SHIN_Y[outfit.shins],
        upper="trousers" if outfit.legs == "trousers" else "skin",
        lower="wood" if outfit.shins == "wraps" else "leather",
        wrapped=outfit.shins == "wraps",
    )
    parts = [m for one in (arm, body.hand(build), leg, body.foot(build)) for m in (one, mirrored(one))]
    return parts + (armour.greaves(build) if outfit.greaves else [])


def _carried(outfit: Outfit, build: Build) -> list[Mesh]:
    parts: list[Mesh] = []
    if outfit.weapon in ("spear", "long_spear"):
        parts += arms.spear(2.4 if outfit.weapon == "spear" else 3.2, "leaf")
    elif outfit.weapon in ("sword", "long_sword"):
        parts += arms.sword(0.70 if outfit.weapon == "sword" else 0.86) + arms.scabbard(0.225)
    elif outfit.weapon == "bow":
        parts += arms.bow()
    elif outfit.weapon == "sling":
        parts += arms.sling()
    elif outfit.weapon == "mace":
        parts += arms.mace()
    elif outfit.weapon == "banner":
        parts += arms.banner()
    if outfit.shield != "none" and outfit.weapon != "bow":
        parts.append(_shield(outfit))
    if outfit.quiver:
        parts.append(arms.quiver())
    return parts


def _shield(outfit: Outfit) -> Mesh:
    if outfit.shield == "round":
        return arms.shield(paint=outfit.paint)
    if outfit.shield == "small":
        return arms.shield(half_width_m=0.34, half_height_m=0.34, paint=outfit.paint, rim="wood")
    if outfit.shield == "oval":
        return arms.shield(
            half_width_m=0.36, half_height_m=0.52, curve=0.8, dome_m=0.03, paint=outfit.paint, rim="metal", power=2.3
        )
    if outfit.shield == "tall":
        return arms.shield(
            half_width_m=0.34, half_height_m=0.58, curve=1.1, dome_m=0.02, paint=outfit.paint, rim="metal", power=4.0
        )
    return arms.shield(
        half_width_m=0.30, half_height_m=0.50, curve=1.0, dome_m=0.02, paint=outfit.paint, point=1.0, boss=False
    )


#: Where `like: NAME` starts from; the built-in kits, as outfits of a middling man.
OUTFITS: dict[str, Outfit] = {
    "spearman": Outfit(
        "conical", "aventail", "short", "mail", trim=True, shield="round", paint="cross", weapon="spear",
    ),
    "swordsman": Outfit(
        "kettle", "aventail", "short", "padded", sleeves="half", bracers=True, shield="kite", paint="cross",
        weapon="sword",
    ),
    "heavy": Outfit(
        "crested", "none", "short", "cuirass", sleeves="short", bracers=True, legs="bare", shins="shoes", greaves=True,
        cloak="short", shield="oval", paint="pale", weapon="spear",
    ),
    "levy": Outfit(
        "hood", "none", "short", sleeves="long", shins="wraps", shield="small", paint="quarters", weapon="spear",
    ),
    "archer": Outfit(
        "cap", "none", "short", "jerkin", tunic="short", sleeves="half", bracers=True, weapon="bow", quiver=True,
    ),
    "officer": Outfit(
        "crested_across", "none", "short", "cuirass", trim=True, sleeves="short", bracers=True, cloak="long",
        weapon="sword",
    ),
    "bannerman": Outfit("conical", "collar", "short", "mail", cloak="long", weapon="banner"),
    "slinger": Outfit("peaked_cap", "none", "none", sleeves="short", legs="bare", shins="shoes", weapon="sling"),
    "wounded": Outfit("bandage", "none", "short", sleeves="half", shins="wraps", weapon="none"),
    "dead": Outfit("hair", "none", "short", "padded", sleeves="half", weapon="none"),
    "lancer": Outfit(
        "conical", "aventail", "short", "mail", trim=True, shield="kite", paint="pale", weapon="spear", mount="horse"
    ),
    "horseman": Outfit(
        "kettle", "none", "short", "padded", sleeves="half", bracers=True, cloak="short", weapon="sword", mount="horse"
    ),
}  # fmt: skip
