"""The kit by name."""

from __future__ import annotations

from composer.environment.kit import camp, castle, nature, siege
from composer.environment.solid import Shape
from composer.shot.schema_environment import PieceSpec

#: Heights of the kit's pieces as modelled, metres.
_USUAL_M = {
    "wall": 9.0, "tower": 14.0, "gate": 11.0, "keep": 20.0, "palisade": 3.2, "siege_tower": 12.0, "banner": 6.0, "tree": 9.0,
    "rock": 1.6,
}  # fmt: skip


def _size(spec: PieceSpec) -> float:
    return float(spec.size_m) if isinstance(spec.size_m, int | float) else _USUAL_M.get(spec.kind or "", 1.0)


def footprint_of(spec: PieceSpec) -> float:
    """Radius of the ground that a great piece stands on, metres, before its scale."""
    if spec.kind == "fortress":
        wide, deep = _court(spec)
        return 0.5 * max(wide, deep) + 3.0
    return {"keep": 9.0, "gate": 9.0, "tower": 5.5}.get(spec.kind or "", 0.0)


def _court(spec: PieceSpec) -> tuple[float, float]:
    if isinstance(spec.size_m, tuple):
        return spec.size_m
    return (spec.size_m, 0.72 * spec.size_m) if spec.size_m is not None else (70.0, 50.0)


def kit_shape(spec: PieceSpec, seed: int, length_m: float = 0.0, fine: int = 2) -> Shape:
    """A model of the kit. length_m: of a panel along a path, 0 for one that stands alone. fine: 1 to 3, of a tree."""
    kind, size = spec.kind, _size(spec)
    colour = spec.colour
    match kind:
        case "wall":
            return castle.wall(length_m or 8.0, size)
        case "tower":
            return castle.tower(size, 0.26 * size)
        case "gate":
            return castle.gate(size)
        case "keep":
            return castle.keep(size, 0.325 * size)
        case "fortress":
            return castle.fortress(*_court(spec), seed)
        case "tent":
            return camp.tent(colour or camp.CANVAS, seed)
        case "palisade":
            return camp.palisade(length_m or 6.0, size, seed)
        case "banner":
            return camp.banner(colour or (0.20, 0.030, 0.026), size, seed)
        case "fire":
            return camp.fire(seed)
        case "trebuchet":
            return siege.trebuchet(seed % 2 == 0)
        case "ram":
            return siege.ram()
        case "siege_tower":
            return siege.siege_tower(size)
        case "tree":
            return nature.tree(seed, size, fine)
        case _:
            return nature.rock(seed, size)
