"""Projected paintings against a ray caster of numpy alone: what is where, what is hidden, which painting is taken."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from support.rays import F64, box, hits, piece

from composer.environment.model import PIECE_BITS, Environment
from composer.environment.solid import Builder, moved_by, placed
from composer.errors import InputError
from composer.guides.passes import PlacePasses
from composer.guides.project import KeyPicture, PlaceSight, place_sight, project_paintings, unseen_share
from composer.guides.render import render_guides

SIZE = (176, 100)


@pytest.fixture(scope="module")
def place() -> Environment:
    """A long wall, a tower before it, a block beside it."""
    tower = Builder(cell_m=3.0)
    tower.lathe([(0.7, -0.5), (0.6, 3.0), (0.0, 3.4)], "stone", (0.3, 0.3, 0.3), sides=10)
    shapes = (
        placed(box((-6, -0.3, -0.3), (6, 2.6, 0.3)), moved_by(0.0, 0, -11.0, 0.25)),
        placed(tower.shape(), moved_by(-0.4, 0, -7.5, 0.1)),
        placed(box((-0.6, -0.3, -0.6), (0.6, 1.4, 0.6)), moved_by(1.8, 0, -8.5, 0.4)),
    )
    return Environment(tuple(piece(k, s) for k, s in enumerate(shapes)), {PIECE_BITS + k: str(k) for k in range(3)})


def colour(at: F64) -> F64:
    """A painting in the world: smooth colours of a place, [..., 3]."""
    return 1.2 + np.sin(at * np.array([2.1, 2.6, 1.7]) + np.array([0.0, 1.0, 2.0]))


def pixels() -> F64:
    return np.stack(np.meshgrid(np.arange(SIZE[0]) + 0.5, np.arange(SIZE[1]) + 0.5), -1)


def painting(place: Environment, sight: PlaceSight) -> KeyPicture:
    """`colour` as the key view sees it, by rays."""
    view = sight.view
    ways = view.rays(pixels()).reshape(-1, 3)
    depth, who = hits(place.meshes, view.position_m, ways)
    at = view.position_m + np.where(who > 0, depth, 0)[:, None] * ways
    rgba = np.concatenate([colour(at), (who > 0)[:, None]], -1).reshape(SIZE[1], SIZE[0], 4)
    return KeyPicture(sight, rgba.astype(np.float32))


class Stand:
    """The place seen through a lens from some steps aside."""

    def __init__(self, place: Environment, cast, kit) -> None:  # type: ignore[no-untyped-def]
        self.place, self.cast, self.kit = place, cast, kit
        self.nobody = kit.agents(np.zeros((0, 3)))

    def view(self, aside: float, nearer: float = 0.0):  # type: ignore[no-untyped-def]
        view = self.kit.view(size=SIZE, lens=self.kit.Radial(-0.06, 0.0))
        moved = view.world_from_camera.copy()
        moved[:3, 3] += [aside, 0.0, -nearer]
        return replace(view, world_from_camera=moved)

    def sight(self, view, samples: int = 4, normals: bool = True) -> PlaceSight:  # type: ignore[no-untyped-def]
        return place_sight(self.nobody, self.cast, self.place, view, None, samples, normals=normals)

    def passes(self, view, samples: int = 4) -> PlacePasses:  # type: ignore[no-untyped-def]
        got = render_guides(
            self.nobody, self.cast, (view,) * 3, None, [], self.kit.LIGHT, samples=samples, environment=self.place
        ).place
        assert got is not None
        return got

    def key(self, view) -> KeyPicture:  # type: ignore[no-untyped-def]
        return painting(self.place, self.sight(view, normals=False))


@pytest.fixture(scope="module")
def stand(place, cast, kit) -> Stand:  # type: ignore[no-untyped-def]
    return Stand(place, cast, kit)


def eroded(mask: np.ndarray, by: int) -> np.ndarray:
    from scipy.ndimage import binary_erosion

    return binary_erosion(mask, iterations=by)


def test_a_sight_is_what_the_guides_see(stand: Stand) -> None:
    view = stand.view(0.3)
    passes, sight = stand.passes(view), stand.sight(view)
    assert np.array_equal(sight.coverage, passes.coverage)
    assert np.array_equal(sight.nearest_m, passes.depth_m)


@pytest.mark.parametrize("aside", [1.2, -1.1])
def test_a_painting_stays_on_its_surface_and_never_on_what_was_hidden(stand: Stand, aside: float) -> None:
    key_view, view = stand.view(0.0), stand.view(aside)
    passes = stand.passes(view)
    done = project_paintings(passes, stand.sight(view), [stand.key(key_view)])
    ways = view.rays(pixels()).reshape(-1, 3)
    depth, who = hits(stand.place.meshes, view.position_m, ways)
    at = view.position_m + np.where(who > 0, depth, 0)[:, None] * ways
    # what the key camera sees of those places: nothing nearer on the way
    way = at - key_view.position_m
    blocked = hits(stand.place.meshes, key_view.position_m, way)[0] < 0.999
    px, _ = key_view.project(at)
    inside, beyond = (((px > m) & (px < np.array(SIZE) - m)).all(-1) for m in (3, -1))
    seen, unseen = (m.reshape(SIZE[::-1]) for m in ((who > 0) & ~blocked & inside, (who > 0) & (blocked | ~beyond)))
    one = np.ones(SIZE[::-1], bool)  # away from edges between pieces
    one[:, 1:] &= who.reshape(SIZE[::-1])[:, 1:] == who.reshape(SIZE[::-1])[:, :-1]
    one[1:] &= who.reshape(SIZE[::-1])[1:] == who.reshape(SIZE[::-1])[:-1]
    whole = eroded(seen & one, 3)
    expected = colour(at).reshape(*SIZE[::-1], 3)
    assert whole.sum() > 2000
    off = np.abs(done.place.beauty - expected)[whole].max(-1)
    # a cubic through pixels of 0.06 m of waves 2.4 m long or more; the round tower is taken for flat facets
    assert np.quantile(off, 0.99) < 0.02 and off.max() < 0.15
    hidden = eroded(unseen & one, 2)  # the painting reaches a pixel and a half over
    assert hidden.sum() > 40
    assert np.array_equal(done.place.beauty[hidden], passes.beauty[hidden])
    assert 0.5 < done.by_key[0] < 1 and abs(done.by_key[0] + done.unseen - 1) < 1e-5


def test_the_key_view_shows_its_own_painting_pixel_by_pixel(stand: Stand) -> None:
    view = stand.view(0.0)
    passes, sight = stand.passes(view), stand.sight(view)
    share = passes.coverage[..., None]
    rng = np.random.default_rng(5)  # noise: any filter would show
    rgba = np.concatenate([rng.uniform(0, 2, (*SIZE[::-1], 3)), share > 0], -1).astype(np.float32)
    done = project_paintings(passes, sight, [KeyPicture(sight, rgba)])
    assert np.abs(done.place.beauty - rgba[..., :3] * share).max() < 4e-3
    assert done.unseen < 1e-6
    entries = done.place.samples
    pixel = np.repeat(np.arange(SIZE[0] * SIZE[1]), np.diff(entries.start))
    summed = np.stack([np.bincount(pixel, c, minlength=SIZE[0] * SIZE[1]) for c in entries.rgb.T], -1)
    assert np.abs(summed.reshape(*SIZE[::-1], 3) - done.place.beauty).max() < 1e-5


def test_unpainted_and_unnamed_parts_stay_as_they_are(stand: Stand) -> None:
    view = stand.view(0.4)
    passes, sight, key = stand.passes(view), stand.sight(view), stand.key(stand.view(0.0))
    bare = replace(key, rgba=key.rgba * np.array([1, 1, 1, 0], np.float32))
    assert np.array_equal(project_paintings(passes, sight, [bare]).place.beauty, passes.beauty)
    tower = np.uint32(PIECE_BITS + 1)
    only = replace(key, sight=replace(key.sight, piece=np.where(key.sight.piece == tower, tower, np.uint32(0))))
    done = project_paintings(passes, sight, [only]).place.beauty
    changed = np.abs(done - passes.beauty).max(-1) > 1e-6
    alone = (sight.piece == tower).any(-1)
    assert changed[alone].mean() > 0.8 and not changed[~alone].any()


def test_the_first_painting_has_the_word_and_a_finer_one_takes_over(stand: Stand) -> None:
    view = stand.view(0.0)
    passes, sight = stand.passes(view), stand.sight(view)
    red, blue = np.array([1, 0, 0, 1], np.float32), np.array([0, 0, 1, 1], np.float32)

    def flat(where, rgba) -> KeyPicture:  # type: ignore[no-untyped-def]
        return KeyPicture(stand.sight(where, normals=False), np.broadcast_to(rgba, (*SIZE[::-1], 4)).copy())

    full = passes.coverage > 0.999
    both = project_paintings(passes, sight, [flat(stand.view(0.0), red), flat(stand.view(0.9), blue)])
    assert np.allclose(both.place.beauty[full], [1, 0, 0], atol=1e-3)  # as fine as the other: the first
    seen_aside = project_paintings(passes, sight, [flat(stand.view(0.9), blue), flat(stand.view(0.0), red)])
    got = seen_aside.place.beauty[full]
    assert np.allclose(got.sum(-1), 1, atol=1e-2)  # no hole between them
    assert 0.6 < (got[:, 2] > 0.9).mean() < 0.98 and (got[:, 0] > 0.9).mean() > 0.02
    near, far = flat(stand.view(0.0, nearer=5.0), blue), flat(stand.view(0.0), red)
    closer = stand.view(0.0, nearer=4.0)
    sharp = project_paintings(stand.passes(closer), stand.sight(closer), [far, near]).place.beauty
    assert sharp[SIZE[1] // 2, SIZE[0] // 2, 2] > 0.9  # four times the pixels on the patch: the finer


def test_what_no_painting_shows_is_measured(stand: Stand) -> None:
    key = stand.key(stand.view(0.0))
    shares = [unseen_share(stand.sight(stand.view(x), samples=1), [key]) for x in (0.0, 0.5, 1.5)]
    assert shares[0] < 1e-3 < shares[1] < shares[2] < 0.6
    view = stand.view(1.5)
    exact = project_paintings(stand.passes(view), stand.sight(view), [key]).unseen
    assert abs(exact - shares[2]) < 0.02


def test_a_painting_of_another_size_is_refused(stand: Stand) -> None:
    view = stand.view(0.0)
    key = stand.key(view)
    with pytest.raises(InputError, match="does not fit its key view"):
        project_paintings(stand.passes(view), stand.sight(view), [replace(key, rgba=key.rgba[:, 1:])])
    with pytest.raises(InputError, match="needs normals"):
        project_paintings(stand.passes(view), stand.sight(view, normals=False), [key])


@pytest.mark.gpu
def test_the_card_gives_the_same(stand: Stand) -> None:
    view = stand.view(0.6)
    passes, key = stand.passes(view), stand.key(stand.view(0.0))
    host = project_paintings(passes, stand.sight(view), [key]).place.beauty
    sight = place_sight(stand.nobody, stand.cast, stand.place, view, None, 4, "cuda")
    card = project_paintings(passes, sight, [key], "cuda").place.beauty
    # depths differ in the last bit, which may turn a tap at an edge
    assert np.quantile(np.abs(card - host), 0.999) < 1e-3
