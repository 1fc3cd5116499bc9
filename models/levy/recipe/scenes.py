"""Random scenes: who stands where, under which sun, seen from where. A function of a number: the same on every machine."""

from __future__ import annotations

from dataclasses import dataclass, replace
from fractions import Fraction
from functools import lru_cache

import numpy as np
from numpy.typing import NDArray

from composer.camera.camera import View
from composer.crowd.agents import MATERIALS, Agents, Cast
from composer.crowd.cast import default_cast
from composer.crowd.dyes import AP1_FROM_REC709
from composer.crowd.figure.outfit import OUTFITS
from composer.crowd.layout import layout
from composer.crowd.wardrobe import wardrobe
from composer.errors import InputError
from composer.guides.passes import Light
from composer.shot.ground import Ground, plane_ground
from composer.shot.schema_crowd import CrowdSpec
from models.levy.recipe.reference import Wear

F32 = NDArray[np.float32]
F64 = NDArray[np.float64]

FOOT, RIDING = (
    ("spearman", "swordsman", "heavy", "levy", "archer", "officer", "bannerman", "slinger"),
    ("lancer", "horseman"),
)
FORMATIONS = ("rank_and_file", "phalanx", "loose", "mob", "skirmish_line", "wedge", "square")
CLIPS = ("idle", "idle_lean", "idle_rest", "walk", "march", "run", "jog", "brace", "guard", "strike", "strike_low",
         "strike_thrust", "parry", "cheer", "rout", "draw_and_loose")  # fmt: skip
FALLS = ("fall_back", "fall_forward", "fall_side")
DYED = ("tunic", "trousers", "cloak", "shield", "crest")
#: Figures' heights in the picture, pixels.
HEIGHTS_PX = (6.0, 420.0)
#: How thick the air is where the text says `dust` or `smoke`: a word means one amount, since what it leaves open can only be
#: painted as its mean.
HAZE = 0.15
#: Numbers from here on are held out: other mixtures of kits and other heights of the sun than any below.
HELD_OUT = 10_000_000
SUN_HELD_DEG = ((12.0, 15.0), (24.0, 29.0), (44.0, 50.0))
SPACING_M = {"phalanx": (0.7, 0.95), "skirmish_line": (2.2, 2.6)}


@dataclass(frozen=True)
class LevyScene:
    """view: one camera, still. ground: a plane, sloping a little. haze: 0 clear air, 1 thick dust. text: what it is told, see
    `words`."""

    number: int
    cast: Cast
    agents: Agents
    view: View
    ground: Ground
    light: Light
    sun_spread: float
    wear: Wear
    haze: float
    text: str


@lru_cache(maxsize=1)
def levy_cast() -> Cast:
    """Muster's own people, riders and the fallen."""
    return wardrobe(default_cast(), None, dict.fromkeys((*FOOT, *RIDING, "wounded", "dead"))).cast


def scene_of(number: int, size_px: tuple[int, int], height_px: float | None = None) -> LevyScene:
    """The scene with this number, seen in a picture of this size (width, height). height_px: of a man in its middle, in
    place of the scene's own."""
    for attempt in range(20):
        rng = np.random.default_rng((1415, number, attempt))
        try:
            return _scene(number, rng, size_px, height_px)
        except InputError:  # a region that came out too small for anybody
            continue
    raise InputError("no scene could be laid out", got=str(number))


def _scene(number: int, rng: np.random.Generator, size_px: tuple[int, int], height_px: float | None) -> LevyScene:
    cast = levy_cast()
    tilt = rng.normal(0, 0.03, 2)
    ground = plane_ground((0.0, 0.0, 0.0), (tilt[0], 1.0, tilt[1]))
    own = float(np.exp(rng.uniform(*np.log(HEIGHTS_PX))))
    height_px = own if height_px is None else height_px
    view = _view(rng, size_px, height_px, ground)
    held = number >= HELD_OUT
    told = _Told.of(rng)
    crowd = _crowd(rng, view, ground, told, held)
    placed = layout(crowd, cast, ground, lambda frame: view, {}, frame_rate=Fraction(24), first_frame=2, fit=True)
    agents = _mixed(rng, placed.at((1, 2, 3)), cast, told)
    light, spread, weather = _light(rng, held)
    wear = _wear(number, len(agents), told.wear)
    haze = HAZE if rng.random() < 0.18 else 0.0
    if haze:
        weather += ", dust" if number % 2 else ", smoke"
    return LevyScene(number, cast, agents, view, ground, light, spread, wear, haze, told.words(weather))


# --- where it is seen from ---


def _view(rng: np.random.Generator, size_px: tuple[int, int], height_px: float, ground: Ground) -> View:
    """A camera that sees men at the world's origin `height_px` high."""
    w, h = size_px
    focal = h * float(np.exp(rng.uniform(np.log(0.9), np.log(5.0))))
    distance = max(focal * 1.78 / height_px, 1.2)
    up = np.clip(1.6 + distance * float(rng.uniform(0.0, 0.45)) * float(rng.random()), 0.6, 0.7 * distance)
    turn = rng.uniform(0, 2 * np.pi)
    flat = np.sqrt(max(distance**2 - up**2, 0.3))
    place = np.array([flat * np.sin(turn), up, flat * np.cos(turn)])
    place[1] += float(ground.height_m(place[0], place[2]))
    aim = np.array([0.0, rng.uniform(0.4, 1.5), 0.0])
    back = (place - aim) / np.linalg.norm(place - aim)
    right = np.cross([0, 1, 0], back)
    right /= np.linalg.norm(right)
    pose = np.eye(4)
    pose[:3, 0], pose[:3, 1], pose[:3, 2], pose[:3, 3] = right, np.cross(back, right), back, place
    return View(2, size_px, pose, (focal, focal), (w / 2, h / 2))


# --- who is there ---


@dataclass(frozen=True)
class _Told:
    """What the text names. side: of most people; cast: of most people or 'mixed'; wear: one of WEARS."""

    side: str
    other: str
    kit: str
    wear: str
    action: str

    @staticmethod
    def of(rng: np.random.Generator) -> _Told:
        sides = rng.permutation(["red", "blue", "levy"])
        kit = str(rng.choice([*FOOT, *RIDING, "mixed", "mixed", "mixed"]))
        wear = str(rng.choice(WEARS))
        action = str(rng.choice(["standing", "marching", "fighting", "fighting", "cheering"]))
        return _Told(str(sides[0]), str(sides[1]), kit, wear, action)

    def words(self, weather: str) -> str:
        side = {"red": "red army", "blue": "blue army", "levy": "plain levy"}[self.side]
        kit = PLURAL[self.kit]
        return f"{side}, {kit}, {self.wear}, {weather}"


PLURAL = {
    "mixed": "soldiers", "spearman": "spearmen", "swordsman": "swordsmen", "heavy": "heavy infantry", "levy": "peasants",
    "archer": "archers", "officer": "officers", "bannerman": "bannermen", "slinger": "slingers", "lancer": "lancers",
    "horseman": "horsemen",
}  # fmt: skip
WEARS = ("clean", "worn", "muddy", "bloody", "dusty and torn")
#: Of each, the farthest from it.
OPPOSITE = {"clean": "muddy", "worn": "clean", "muddy": "clean", "bloody": "clean", "dusty and torn": "clean"}


def may_meet(kit: str, other: str, held: bool) -> bool:
    """Whether these two kits share a region: a fifth of the pairs do so in held-out scenes only."""
    kits = (*FOOT, *RIDING)
    return ((kits.index(kit) + 2 * kits.index(other)) % 5 == 0) == held


def _crowd(rng: np.random.Generator, view: View, ground: Ground, told: _Told, held: bool) -> CrowdSpec:
    """One to three regions about the origin, larger than what the camera sees."""
    w, focal = view.size_px[0], view.focal_px[0]
    distance = float(np.linalg.norm(view.position_m))
    wide = w / focal * distance
    parts = []
    away = view.position_m[[0, 2]] / np.linalg.norm(view.position_m[[0, 2]])
    across = np.array([away[1], -away[0]])
    for k in range(int(rng.integers(1, 4))):
        half = wide * rng.uniform(0.35, 0.8) + 0.8
        deep = np.clip(half * rng.uniform(0.3, 1.5), 1.0, 60.0)
        middle = across * rng.normal(0, 0.15 * wide) - away * (k * deep + rng.uniform(-0.3, 0.5) * deep)
        corners = [middle + across * half * a + away * deep * b for a, b in ((-1, -1), (1, -1), (1, 1), (-1, 1))]
        formation = str(rng.choice(FORMATIONS))
        # nobody stands in the camera
        gap = float(np.dot(view.position_m[[0, 2]] - middle, away)) - deep
        if gap < 0.35 * distance:
            corners = [c - away * (0.35 * distance - gap) for c in corners]
        kit = told.kit if told.kit != "mixed" and rng.random() < 0.8 else str(rng.choice(FOOT))
        others = [k for k in FOOT if may_meet(kit, k, held)]
        kits = {kit: 3.0} | ({str(rng.choice(others)): 1.0} if others else {})
        clip = {"standing": "idle", "marching": "march", "fighting": "guard", "cheering": "cheer"}[told.action]
        parts.append(
            {
                "name": f"part{k}",
                "polygon_m": tuple((float(c[0]), float(c[1])) for c in corners),
                "formation": formation,
                "spacing_m": SPACING_M.get(formation, (float(rng.uniform(0.8, 1.6)), float(rng.uniform(0.95, 2.0)))),
                "heading_deg": float(rng.uniform(-180, 180)),
                "side": told.side if k == 0 or rng.random() < 0.4 else told.other,
                "kits": kits,
                "clip": clip,
                "count": int(np.clip(4 * half * deep * rng.uniform(0.3, 0.9), 1, 260)),
            }
        )
    return CrowdSpec.model_validate({"seed": int(rng.integers(1 << 40)), "regions": tuple(parts)})


def _mixed(rng: np.random.Generator, agents: Agents, cast: Cast, told: _Told) -> Agents:
    """Some do something else, look elsewhere, lie on the ground; colours stray beyond the sides' own."""
    names = [c.name for c in cast.clips]
    n = len(agents)
    clip, phase, heading = agents.clip.copy(), agents.phase.copy(), agents.heading_rad.copy()
    free = rng.random(n) < {"standing": 0.3, "marching": 0.25, "fighting": 0.85, "cheering": 0.3}[told.action]
    pick = np.array([names.index(c) for c in CLIPS])[rng.integers(len(CLIPS), size=n)]
    down = rng.random(n) < (0.12 if told.action == "fighting" else 0.02)
    pick[down] = np.array([names.index(c) for c in FALLS])[rng.integers(len(FALLS), size=int(down.sum()))]
    free |= down
    clip[:, free] = pick[free]
    step = np.array([-1.0, 0.0, 1.0])[:, None] / 24 / 1.1
    start = rng.random(n)
    start[down] = np.where(rng.random(int(down.sum())) < 0.7, 0.99, start[down])
    phase[:, free] = np.mod(start[free] + step * ~down[free], 1.0)
    heading[:, free] += rng.normal(0, 0.9, int(free.sum()))
    dyed = np.isin(np.array(MATERIALS), DYED)[None, :, None]
    tint = np.exp(rng.normal(0, 0.15, (1, len(MATERIALS), 3)) * dyed + rng.normal(0, 0.12, (1, len(MATERIALS), 1)))
    albedo = np.clip(agents.albedo * tint, 0.008, 0.85).astype(np.float32)
    return replace(agents, clip=clip, phase=phase.astype(np.float32), heading_rad=heading, albedo=albedo)


def reworn(scene: LevyScene, wear: str, other: int = 0) -> LevyScene:
    """The same people in another state, one of WEARS; the text says so. other: as in `Wear`."""
    state = replace(_wear(scene.number, len(scene.agents), wear), other=other)
    return replace(scene, wear=state, text=scene.text.replace(wear_of(scene), wear, 1))


def wear_of(scene: LevyScene) -> str:
    return next(word for word in WEARS if word in scene.text)


def other_wear(scene: LevyScene) -> str:
    """The state that the same people are shown in beside their own: any other, in held-out scenes the farthest."""
    own = wear_of(scene)
    if scene.number >= HELD_OUT:
        return OPPOSITE[own]
    others = [word for word in WEARS if word != own]
    return others[int(np.random.default_rng((1618, scene.number)).integers(len(others)))]


def _wear(number: int, n: int, wear: str) -> Wear:
    most = {
        "clean": (0.12, 0.06, 0.0, 0.04), "worn": (1.0, 0.35, 0.0, 0.25), "muddy": (0.5, 1.0, 0.05, 0.0),
        "bloody": (0.8, 0.5, 1.0, 0.1), "dusty and torn": (0.9, 0.15, 0.05, 0.85),
    }[wear]  # fmt: skip
    rng, least = np.random.default_rng((2718, number)), 0.85
    return Wear(*((m * (least + (1 - least) * rng.random(n))).astype(np.float32) for m in most))


# --- how it is lit ---


def _sun_deg(rng: np.random.Generator, held: bool) -> float:
    """Height of the sun: held-out scenes have theirs in bands that the others leave out."""
    if held:
        return float(rng.uniform(*SUN_HELD_DEG[int(rng.integers(len(SUN_HELD_DEG)))]))
    while True:
        high = float(rng.uniform(4, 65))
        if not any(a <= high <= b for a, b in SUN_HELD_DEG):
            return high


def _light(rng: np.random.Generator, held: bool) -> tuple[Light, float, str]:
    """Sun, sky and ground bounce; the tangent of the sun's half angle; and in words."""
    high = _sun_deg(rng, held)
    cloud = float(rng.choice([0.0, 0.0, 0.25, 0.6, 0.95]))
    around = rng.uniform(0, 2 * np.pi)
    e = np.radians(high)
    toward = (float(np.cos(e) * np.sin(around)), float(np.sin(e)), float(-np.cos(e) * np.cos(around)))
    warm = np.clip(1.0 - high / 40, 0, 1)
    sun = np.array([1.0, 0.93 - 0.22 * warm, 0.84 - 0.42 * warm]) * (3.6 + rng.normal(0, 0.4)) * (1 - cloud)
    blue = np.array([0.55, 0.72, 1.0]) * (1 - cloud) + np.array([0.86, 0.90, 0.95]) * cloud
    sky = blue * rng.uniform(0.35, 0.9) * (1 + 0.5 * cloud)
    earth = np.array([0.30, 0.26, 0.18]) * np.exp(rng.normal(0, 0.35, 3))
    bounce = earth * (sun * max(np.sin(e), 0.15) + sky) * 0.55
    level = float(np.exp(rng.normal(-0.2, 0.45)))
    sun, sky, bounce = ((AP1_FROM_REC709 @ x) * level for x in (sun, sky, bounce))
    words = "overcast" if cloud > 0.5 else ("low sun" if high < 20 else "high sun")
    spread = 0.006 + 0.02 * cloud
    return Light(toward, tuple(map(float, sun)), tuple(map(float, sky)), tuple(map(float, bounce))), spread, words


ALL_KITS = tuple(OUTFITS)
