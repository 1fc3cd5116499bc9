"""`cast.yaml`: read strictly, and the same people in every shot that has them."""

from __future__ import annotations

from fractions import Fraction
from pathlib import Path

import numpy as np
import pytest

from composer.camera.camera import View
from composer.crowd.agents import MATERIALS, Agents
from composer.crowd.cast import average_albedo, clips_of_the_fallen
from composer.crowd.cast_file import load_cast
from composer.crowd.figure.levels import shown_error
from composer.crowd.figure.measure import views
from composer.crowd.people import People, people_of
from composer.errors import InputError, InputErrors
from composer.shot.ground import plane_ground
from composer.shot.load import parse_shot

FLAT = plane_ground((0.0, 0.0, 0.0), (0.0, 1.0, 0.0))
M = {name: i for i, name in enumerate(MATERIALS)}
CAST = """\
muster_cast: 1
cast: border_war
seed: 99
sides:
  guard: {tunic: [0.03, 0.10, 0.04], shield: [0.03, 0.12, 0.05]}
types:
  farmer:
    like: levy
    height_m: [1.60, 1.70]
    age: [50, 70]
    wear: [0.8, 1.0]
    dirt: [0.7, 1.0]
  veteran:
    like: spearman
    helmet: {conical: 2, kettle: 1}
    shield: [round, kite]
    greaves: true
    variants: 2
    colors: {shield: "#204020", metal: [[0.30, 0.28, 0.26]]}
companies:
  host: {side: guard, types: {farmer: 1, veteran: 2}}
heroes:
  Aldric: {soldier: host.00004, like: officer, cloak: long, helmet: crested, builds: broad, face: 4711, height_m: 1.9}
  Berta: {at_m: [2.0, -9.0], heading_deg: 30, type: veteran, side: guard, colors: {cloak: "#101010"}, reference: b.png}
"""
SHOT = """\
muster: 1
shot: {name}
plate: {{path: plate.exr}}
camera: {{locked: {{focal_mm: 35, filmback_mm: [36, 24], height_m: 1.6}}}}
cast: cast.yaml
crowd:
  seed: {seed}
  count: {count}
  regions:
    - {{name: host, polygon_m: {polygon}, clip: {clip}, moving: {moving}}}
    - {{name: {other}, polygon_m: [[30, -10], [40, -10], [40, -30], [30, -30]], side: blue}}
"""


def no_view(frame: int) -> View:
    raise AssertionError("no region is drawn on the plate")


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "cast.yaml").write_text(CAST)
    (tmp_path / "b.png").write_bytes(b"picture")
    return tmp_path


def people(folder: Path, **changed: object) -> People:
    said: dict[str, object] = {"name": "one", "seed": 1, "count": 60, "clip": "idle", "moving": "false", "other": "foe"}
    said["polygon"] = "[[-10, -20], [10, -20], [10, -30], [-10, -30]]"
    shot = parse_shot(SHOT.format(**{**said, **changed}), folder / "shot.yaml")
    return people_of(shot, FLAT, no_view, Fraction(24), 1001)


def looks(crowd: People) -> dict[str, tuple[object, ...]]:
    """What everybody looks like, by name."""
    agents: Agents = crowd.layout.at([1001])
    return {
        crowd.names.agent[int(agent)]: (
            crowd.cast.figures[agents.cast[k]].name,
            float(agents.height_scale[k]),
            int(agents.seed[k]),
            agents.albedo[k].tobytes(),
        )
        for k, agent in enumerate(agents.agent_id)
    }


def test_a_soldier_looks_the_same_in_every_shot(folder: Path) -> None:
    """Other seed, count, ground, clip, formation and neighbours; the same men."""
    one = looks(people(folder))
    square = "[[-40, -60], [0, -60], [0, -90], [-40, -90]]"
    other = looks(
        people(folder, name="two", seed=77, count=200, clip="march", moving="true", polygon=square, other="rabble")
    )
    both = [name for name in one if name in other and name.startswith("host.")]
    assert len(both) >= 25
    for name in both:
        assert one[name] == other[name], name
    assert one["Aldric"] == other["Aldric"] and one["Berta"] == other["Berta"]
    assert len({one[name] for name in both}) == len(both)


def test_another_cast_seed_makes_other_men(folder: Path) -> None:
    one = looks(people(folder))
    (folder / "cast.yaml").write_text((folder / "cast.yaml").read_text().replace("seed: 99", "seed: 100"))
    other = looks(people(folder))
    same = [name for name in one if name.startswith("host.") and one[name] == other[name]]
    assert not same
    assert one["Aldric"] == other["Aldric"]  # his face is written down


def test_types_are_what_is_said_of_them(folder: Path) -> None:
    crowd = people(folder, count=400, polygon="[[-30, -20], [30, -20], [30, -60], [-30, -60]]")
    agents = crowd.layout.at([1001])
    of = np.array([crowd.cast.figures[c].name.rsplit("_", 1)[0] for c in agents.cast])
    mine = np.array([crowd.names.agent[int(a)].startswith("host.") for a in agents.agent_id])
    share = (of[mine] == "veteran").mean()
    assert 0.55 < share < 0.78 and set(of[mine]) == {"veteran", "levy"}
    farmer, veteran = mine & (of == "levy"), mine & (of == "veteran")
    tall = agents.height_scale[farmer] * 1.75
    assert tall.min() >= 1.60 and tall.max() <= 1.70 and np.ptp(tall) > 0.05
    shield = agents.albedo[veteran][:, M["shield"]]
    assert (shield.argmax(1) == 1).all()  # green, whatever the side
    hair = agents.albedo[:, M["hair"]]
    assert np.median(hair[farmer].mean(1)) > 1.5 * np.median(hair[veteran].mean(1))  # they are grey
    names = {f.name for f in crowd.cast.figures}
    assert {"veteran_1", "veteran_2"} <= names and not any(n.startswith("farmer") for n in names)


def test_the_company_gives_side_and_types_and_the_shot_may_say_otherwise(folder: Path) -> None:
    crowd = people(folder)
    assert crowd.layout.casting.side_names == ("blue", "guard")
    text = SHOT.replace("clip: {clip}", "side: red, kits: {{archer: 1}}, clip: {clip}")
    shot = parse_shot(
        text.format(
            name="x", seed=1, count=20, clip="idle", moving="false", other="foe",
            polygon="[[-10, -20], [10, -20], [10, -30], [-10, -30]]",
        ),
        folder / "shot.yaml",
    )  # fmt: skip
    told = people_of(shot, FLAT, no_view, Fraction(24), 1001)
    assert "red" in told.layout.casting.side_names
    agents = told.layout.at([1001])
    worn = {
        told.cast.figures[c].name.split("_")[0]
        for a, c in zip(agents.agent_id, agents.cast, strict=True)
        if told.names.agent[int(a)].startswith("host")
    }
    assert worn == {"archer"}


def test_heroes(folder: Path) -> None:
    crowd = people(folder)
    agents = crowd.layout.at([1001])
    by_name = {crowd.names.agent[int(a)]: k for k, a in enumerate(agents.agent_id)}
    assert "host.00004" not in by_name and dict(agents.name) == {
        int(agents.agent_id[by_name[h]]): h for h in ("Aldric", "Berta")
    }
    aldric, berta = by_name["Aldric"], by_name["Berta"]
    assert agents.seed[aldric] == 4711 and agents.height_scale[aldric] == pytest.approx(1.9 / 1.75)
    assert crowd.cast.figures[agents.cast[aldric]].name == "hero.Aldric_1"
    np.testing.assert_allclose(agents.position_m[0, berta], (2.0, 0.0, -9.0), atol=1e-3)
    assert np.degrees(agents.heading_rad[0, berta]) == pytest.approx(-30.0, abs=3.0)
    assert agents.albedo[berta, M["cloak"]].max() < 0.05
    assert crowd.references == {int(agents.agent_id[berta]): folder / "b.png"}
    few = people(folder, count=4)
    assert any("Aldric" in note and "host.00004" in note for note in few.notes)


def test_types_of_ones_own_have_all_levels_and_keep_their_area(folder: Path) -> None:
    cast = people(folder).cast
    clips = (*cast.clips, *clips_of_the_fallen())
    seen = views(clips, cast.skeleton.bind_m, phases=6, directions=4, elevation_deg=(1.0, 14.0))
    own = [f for f in cast.figures if f.name.startswith(("veteran", "hero"))]
    assert len(own) == 4
    for figure in own:
        assert len(figure.lods) == 4 and len(figure.lods[3].triangle) <= 84
        for mesh in figure.lods[1:]:
            area, colour = shown_error(mesh, figure.lods[0], seen, average_albedo("spearman")[0])
            assert abs(area) < 0.01 and colour < 0.02, figure.name


@pytest.mark.parametrize(
    ("was", "now", "told"),
    [
        ("seed: 99", "sede: 99", r"cast\.yaml:3:1: sede: unknown key; did you mean seed"),
        ("like: levy", "like: levi", r"cast\.yaml:8:5: .*did you mean levy"),
        ("shield: [round, kite]", "shield: [round, kyte]", r"cast\.yaml:16:5: .*kyte; did you mean kite"),
        ("shield: [round, kite]", "shield: {round: 0}", r"cast\.yaml:16:\d+: .*more than 0"),
        ('"#204020"', '"204020"', r"cast\.yaml:19:\d+: .*not a colour.*#85291D"),
        ("height_m: [1.60, 1.70]", "height_m: [1.70, 1.60]", r"cast\.yaml:9:5: .*not a range"),
        ("farmer: 1, veteran", "farmer: 1, veterans", r"no such type.*veterans, in host"),
        ("type: veteran,", "type: ghost,", r"no such type.*ghost, of Berta"),
        ("at_m: [2.0, -9.0], heading_deg: 30,", "", r"just one of these keys.*soldier or at_m"),
        ("soldier: host.00004", "soldier: host", r"cast\.yaml:23:\d+: .*not a soldier's name.*host\.00042"),
        ("muster_cast: 1", "muster_cast: 1\nmuster_cast: 1", r"given twice"),
        ("seed: 99", "seed: &a 99", r"anchor"),
    ],
)  # fmt: skip
def test_mistakes_are_told_with_their_line(folder: Path, was: str, now: str, told: str) -> None:
    text = (folder / "cast.yaml").read_text()
    assert was in text
    (folder / "cast.yaml").write_text(text.replace(was, now))
    with pytest.raises(InputErrors, match=told):
        load_cast(folder / "cast.yaml")


def test_a_reference_that_is_not_there(folder: Path) -> None:
    (folder / "b.png").unlink()
    with pytest.raises((InputError, InputErrors), match=r"cast\.yaml:24:\d+: .*no such file.*b\.png"):
        people(folder)


def test_the_dead_lie_and_the_wounded_stay_behind(folder: Path) -> None:
    text = SHOT.replace("clip: {clip}", "kits: {{dead: 1, wounded: 1, spearman: 2}}, clip: {clip}")
    shot = parse_shot(
        text.replace("cast: cast.yaml\n", "").format(
            name="x", seed=1, count=80, clip="march", moving="true", other="foe",
            polygon="[[-10, -20], [10, -20], [10, -30], [-10, -30]]",
        ),
        folder / "shot.yaml",
    )  # fmt: skip
    crowd = people_of(shot, FLAT, no_view, Fraction(24), 1001)
    agents = crowd.layout.at([1001, 1011])
    kind = np.array([crowd.cast.figures[c].name.split("_")[0] for c in agents.cast])
    clip = np.array([crowd.cast.clips[c].name.split("_")[0] for c in agents.clip[0]])
    gone = np.linalg.norm(agents.position_m[1] - agents.position_m[0], axis=-1)
    for name in ("dead", "wounded"):
        assert (kind == name).sum() > 3 and (clip[kind == name] == name).all() and (gone[kind == name] == 0).all()
    marching = (kind == "spearman") & (clip == "march")
    assert marching.sum() > 5 and (gone[marching] > 0.3).all()


def overridden(folder: Path, *entries: str, count: int = 60) -> People:
    text = SHOT.format(
        name="one", seed=1, count=count, clip="idle", moving="false", other="foe",
        polygon="[[-10, -20], [10, -20], [10, -30], [-10, -30]]",
    ) + "overrides:\n" + "".join(f"  - {{{e}}}\n" for e in entries)  # fmt: skip
    return people_of(parse_shot(text, folder / "shot.yaml"), FLAT, no_view, Fraction(24), 1001)


def test_an_override_recasts_into_a_type_of_the_cast(folder: Path) -> None:
    before, after = people(folder), overridden(folder, "soldier: foe.00003, recast: veteran")
    who = {name: agent for agent, name in after.names.agent.items()}
    one = int(np.flatnonzero(after.layout.agent_id == who["foe.00003"])[0])
    agents = after.layout.at([1001])
    assert after.cast.figures[agents.cast[one]].name in ("veteran_1", "veteran_2")
    assert agents.albedo[one, M["shield"]].argmax() == 1, "a veteran's shield is green"
    assert after.names.cast[who["foe.00003"]] == "veteran"
    same, now = looks(before), looks(after)
    assert {n for n in same if same[n] != now[n]} == {"foe.00003"}
    small = overridden(folder, "soldier: foe.00003, kit: farmer").layout.at([1001])
    assert 1.60 <= small.height_scale[one] * 1.75 <= 1.70, "a farmer is as small as farmers are"
    kind = overridden(folder, "soldier: foe.00003, kit: slinger", "region: host, recast: heavy")
    assert kind.names.cast[who["foe.00003"]] == "slinger"
    assert {kind.names.cast[a] for a, n in kind.names.agent.items() if n.startswith("host.")} == {"heavy"}


def test_sides_rolls_and_heroes_of_a_cast_can_be_directed(folder: Path) -> None:
    before = looks(overridden(folder, "soldier: foe.00003, pin: true"))
    assert before == looks(people(folder)), "one who is only pinned looks as he did"
    crowd = overridden(folder, "soldier: foe.00003, side: guard", "soldier: [host.00002, Aldric, Berta], reroll: 1")
    now = looks(crowd)
    assert {n for n in now if now[n] != before[n]} == {"foe.00003", "host.00002", "Aldric", "Berta"}
    assert now["host.00002"][2] != before["host.00002"][2], "another man, not only another step"
    who = {name: agent for agent, name in crowd.names.agent.items()}
    assert crowd.names.side[who["foe.00003"]] == "guard" and crowd.names.cast[who["Aldric"]] == "officer"


def test_names_by_cast_are_types(folder: Path) -> None:
    crowd = people(folder)
    by_name = {n: crowd.names.cast[a] for a, n in crowd.names.agent.items()}
    assert {v for n, v in by_name.items() if n.startswith("host.")} == {"farmer", "veteran"}
    assert by_name["Aldric"] == "officer" and by_name["Berta"] == "veteran"
    assert {v for n, v in by_name.items() if n.startswith("foe.")} == {"spearman", "swordsman"}


@pytest.mark.parametrize(
    ("entry", "told"),
    [
        ("soldier: foe.00003, recast: vetran", r"overrides\.0\.recast: no such kit.*farmer.*got vetran; did you mean veteran"),
        ("soldier: foe.00003, kit: sliner", r"overrides\.0\.kit: no such kit.*did you mean slinger"),
        ("soldier: foe.00003, kit: hero.Aldric", r"no such kit"),
        ("soldier: foe.00003, kit: levy, recast: levy", r"exclude each other"),
        ("soldier: foe.00003, side: gard", r"did you mean guard"),
    ],
)  # fmt: skip
def test_a_wrong_recast_is_told_with_the_nearest_name(folder: Path, entry: str, told: str) -> None:
    with pytest.raises(InputErrors, match=told):
        overridden(folder, entry)
