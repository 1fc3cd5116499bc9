"""The kits: who wears what. One figure a kit and build, the full mesh first; builds of one kit differ in details
too."""

from __future__ import annotations

from collections.abc import Callable

from composer.crowd.agents import Figure, Mesh
from composer.crowd.figure import armour, arms, body, dress
from composer.crowd.figure.body import BUILDS, Build
from composer.crowd.figure.fits import FITS
from composer.crowd.figure.levels import levels
from composer.crowd.figure.loft import mirrored


def _both(mesh: Mesh) -> list[Mesh]:
    return [mesh, mirrored(mesh)]


def _of(build: Build, lean: str, sturdy: str, broad: str) -> str:
    """The variant that this build has."""
    return {"lean": lean, "broad": broad}.get(build.name, sturdy)


def _limbs(
    build: Build,
    *,
    sleeve_m: float,
    bracer: str = "",
    arm_from_m: float = -0.075,
    boots_y: float = 0.40,
    legs: str = "trousers",
    shins: str = "leather",
) -> list[Mesh]:
    arm = body.arm(build, sleeve_m=sleeve_m, bracer=bracer, from_m=arm_from_m)
    parts = _both(arm) + _both(body.hand(build))
    return (
        parts
        + _both(body.leg(build, to_y=boots_y, upper=legs, lower=shins, wrapped=shins == "wood"))
        + _both(body.foot(build))
    )


def spearman(build: Build) -> list[Mesh]:
    """Mail shirt, conical helmet with nasal, round shield, spear."""
    parts = body.head(covered=True) + body.beard(build.beard) + armour.conical_helmet() + [armour.aventail(build)]
    parts += armour.mail_shirt(build) + dress.belt(build, out_m=0.022)
    parts += [dress.skirt(build, hem_y=0.585, material="tunic", trim="crest", from_y=0.80)]
    parts += _limbs(
        build,
        sleeve_m=0.555,
        arm_from_m=0.10,
        boots_y=0.42 if build.name == "lean" else 0.37,
        shins="wood" if build.name == "lean" else "leather",
    )
    return parts + arms.spear() + [arms.shield(paint=_of(build, "quarters", "cross", "ring"))]


def swordsman(build: Build) -> list[Mesh]:
    """Padded coat, kettle hat, sword, long oval or kite shield."""
    parts = body.head(covered=True) + body.beard(build.beard) + armour.kettle_hat() + [armour.aventail(build)]
    parts += [body.trunk(build, out_m=0.014, from_y=1.0), *dress.belt(build, out_m=0.014), *arms.scabbard(0.215)]
    parts += [dress.skirt(build, hem_y=0.62, material="tunic", out_m=0.012, trim="leather", depth=0.035)]
    parts += _limbs(build, sleeve_m=0.40, bracer="leather", boots_y=0.40)
    tail = 0.0 if build.name == "broad" else 1.0
    board = arms.shield(
        half_width_m=0.30,
        half_height_m=0.50,
        curve=1.0,
        dome_m=0.02,
        paint=_of(build, "pale", "cross", "rays"),
        point=tail,
        boss=tail == 0.0,
    )
    return parts + arms.sword() + [board]


def heavy(build: Build) -> list[Mesh]:
    """Cuirass with straps, crested helmet, greaves, big oval shield, spear, short cloak."""
    parts = body.head(covered=True) + body.beard(build.beard) + armour.crested_helmet("along")
    parts += [body.trunk(build, from_y=1.3), *armour.cuirass(build), *armour.shoulder_flaps(build)]
    parts += [
        dress.skirt(build, hem_y=0.63, material="tunic", from_y=0.84),
        dress.strips(build),
        *dress.belt(build, out_m=0.03, buckle=False),
    ]
    parts += _limbs(
        build, sleeve_m=0.21, bracer="leather", arm_from_m=0.04, boots_y=0.16, legs="skin"
    ) + armour.greaves(build)
    board = arms.shield(
        half_width_m=0.36,
        half_height_m=0.52,
        curve=0.8,
        dome_m=0.03,
        paint=_of(build, "rays", "pale", "ring"),
        rim="metal",
        power=2.3,
    )
    parts += [*arms.spear(), board]
    return parts + ([dress.cloak(build, hem_y=0.62, columns=11)] if build.name != "broad" else [])


def levy(build: Build) -> list[Mesh]:
    """A farmer called up: tunic, hood or cap, spear, small plain shield."""
    cover = {"lean": [body.hair()], "sturdy": dress.hood(), "broad": [dress.cap(peaked=True), body.hair()]}[
        build.name if build in BUILDS else "sturdy"
    ]
    parts = body.head() + body.beard("full" if build.name == "lean" else build.beard) + cover
    parts += [
        body.trunk(build, from_y=1.0),
        dress.skirt(build, hem_y=0.56, material="tunic", depth=0.085),
        *dress.belt(build, out_m=0.006, buckle=False, half_m=0.016),
    ]
    parts += _limbs(
        build,
        sleeve_m=0.34 if build.name == "broad" else 0.50,
        boots_y=0.17 if build.name == "broad" else 0.42,
        shins="leather" if build.name == "broad" else "wood",
    )
    return (
        parts
        + arms.spear(2.2, "long")
        + [
            arms.shield(
                half_width_m=0.34, half_height_m=0.34, paint=_of(build, "plain", "quarters", "plain"), rim="wood"
            )
        ]
    )


def archer(build: Build) -> list[Mesh]:
    """Short tunic, leather jerkin, cap or hood, bow and quiver."""
    cover = (
        dress.hood()
        if build.name == "broad"
        else [dress.cap(), body.hair()]
        if build.name == "sturdy"
        else [dress.cap("cloak", True), body.hair()]
    )
    parts = body.head() + body.beard(build.beard) + cover
    parts += [
        body.trunk(build, upper="leather", out_m=0.01, from_y=1.0),
        dress.skirt(build, hem_y=0.68, material="tunic"),
        *dress.belt(build, out_m=0.012),
    ]
    parts += _limbs(build, sleeve_m=0.40, bracer="leather", boots_y=0.30)
    return parts + arms.bow() + [arms.quiver()]


def officer(build: Build) -> list[Mesh]:
    """Cuirass, straps, crest across, long cloak, sword."""
    parts = body.head(covered=True) + body.beard(build.beard) + armour.crested_helmet("across")
    parts += [body.trunk(build, from_y=1.3), *armour.cuirass(build), *armour.shoulder_flaps(build)]
    parts += [
        dress.skirt(build, hem_y=0.60, material="tunic", trim="crest", from_y=0.84),
        dress.strips(build, colours=("leather", "crest")),
    ]
    parts += dress.belt(build, out_m=0.030) + arms.scabbard(0.225) + [dress.cloak(build, hem_y=0.32)]
    parts += _limbs(build, sleeve_m=0.21, bracer="leather", arm_from_m=0.04, boots_y=0.40, legs="trousers")
    if build.name == "sturdy":
        parts += armour.greaves(build)
    return parts + arms.sword(0.74)


def bannerman(build: Build) -> list[Mesh]:
    """Mail, helmet, cloak, and the banner."""
    parts = body.head(covered=True) + body.beard(build.beard) + armour.conical_helmet() + [dress.collar()]
    parts += armour.mail_shirt(build, hem_y=0.68) + dress.belt(build, out_m=0.022)
    parts += [dress.skirt(build, hem_y=0.58, material="tunic", from_y=0.80), dress.cloak(build, hem_y=0.45, columns=11)]
    parts += _limbs(build, sleeve_m=0.555, arm_from_m=0.10, boots_y=0.37)
    return parts + arms.banner() + arms.scabbard(0.225)


#: Kit by name. Their order and names are part of saved shots: add at the end.
KITS: dict[str, Callable[[Build], list[Mesh]]] = {
    "spearman": spearman,
    "swordsman": swordsman,
    "heavy": heavy,
    "levy": levy,
    "archer": archer,
    "officer": officer,
    "bannerman": bannerman,
}


def figure(kit: str, build: Build) -> Figure:
    """One figure: `kit` on a man of `build`, named 'kit_build', full and at its coarser levels."""
    name = f"{kit}_{build.name}"
    return Figure(name, levels(lambda: KITS[kit](build), FITS.get(name)))
