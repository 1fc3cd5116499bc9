"""The kits: who wears what. One figure a kit and build, the full mesh first."""

from __future__ import annotations

from collections.abc import Callable

from composer.crowd.agents import Figure, Mesh
from composer.crowd.figure import arms, armour, body, dress
from composer.crowd.figure.body import BUILDS, Build
from composer.crowd.figure.loft import merge, mirrored

CHARGES = ("cross", "ring", "quarters")


def _both(mesh: Mesh) -> list[Mesh]:
    return [mesh, mirrored(mesh)]


def _man(build: Build, *, sleeve_m: float, bracer: str = "", boots_y: float = 0.40, legs: str = "trousers", shins: str = "leather", hem_y: float = 0.60,
         trim: str = "", fore: str = "skin") -> list[Mesh]:
    """The man in tunic, hose and boots that every kit starts from."""
    parts = body.head() + body.beard(build.beard)
    parts += [body.trunk(build, from_y=0.99), dress.skirt(build, hem_y=hem_y, material="tunic", trim=trim)]
    parts += _both(body.arm(build, sleeve_m=sleeve_m, bracer=bracer, fore=fore)) + _both(body.hand(build))
    parts += _both(body.leg(build, to_y=boots_y, upper=legs, lower=shins)) + _both(body.foot(build))
    return parts


def spearman(build: Build) -> list[Mesh]:
    """Mail shirt, conical helmet with nasal, round shield, spear."""
    kit = _man(build, sleeve_m=0.56, boots_y=0.36, hem_y=0.585, trim="crest")
    kit += armour.mail_shirt(build) + dress.belt(build, out_m=0.028) + armour.conical_helmet() + [armour.aventail(build)]
    paint = CHARGES[BUILDS.index(build)] if build in BUILDS else "plain"
    return kit + arms.spear() + [arms.shield(paint=paint)]


KITS: dict[str, Callable[[Build], list[Mesh]]] = {"spearman": spearman}


def figure(kit: str, build: Build) -> Figure:
    """One figure: `kit` on a man of `build`, named 'kit_build'."""
    return Figure(f"{kit}_{build.name}", (merge(KITS[kit](build)),))
