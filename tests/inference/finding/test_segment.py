from __future__ import annotations

import numpy as np
import pytest
import torch
from support.finders import SIDE

from composer.errors import InputError
from composer.inference.bundle import Bundle
from composer.inference.finding.prompt import Prompt
from composer.inference.finding.segment import SegmentNet, matte_of

POINTED = Prompt(click=((40, 20), (60, 30)), background=((5, 5),), box=(20, 10, 100, 70))


def film(count: int, height: int = 90, width: int = 160) -> list[np.ndarray]:
    rng = np.random.default_rng(6)
    return [rng.random((height, width, 3)).astype(np.float32) for _ in range(count)]


# --- coordinates ---


def test_points_go_in_from_the_plate_s_corner_to_the_model_s_pixel_middle(finders: dict[str, Bundle]) -> None:
    net = SegmentNet(finders["sam2"])
    points, labels = net.points(POINTED, (160, 90))
    assert points.shape == (1, 1, 5, 2) and labels.tolist() == [[[2, 3, 1, 1, 0]]]  # box, clicks, background
    x, y = points[0, 0, 2].tolist()  # the click at (40, 20): a quarter across, two ninths down
    assert x == pytest.approx(SIDE / 4 - 0.5) and y == pytest.approx(SIDE * 20 / 90 - 0.5)
    # the middle of the plate's first pixel lies where the picture's resize puts it: half a plate pixel into the square
    first = net.points(Prompt(click=((0.5, 0.5),)), (SIDE, SIDE))[0]
    assert first[0, 0, 0].tolist() == [0, 0]


def test_a_mask_on_the_square_comes_out_where_it_was_clicked_on_the_plate(finders: dict[str, Bundle]) -> None:
    """A blob drawn round the model's own point, as a model that is right would: at the plate's size it is round the click."""
    net = SegmentNet(finders["sam2"])
    for click in ((40.0, 20.0), (150.0, 80.0), (12.0, 66.0)):
        point = net.points(Prompt(click=(click,)), (160, 90))[0][0, 0, 0].numpy()
        low = SIDE // 4
        y, x = np.mgrid[0:low, 0:low]
        away = np.hypot((x + 0.5) * 4 - (point[0] + 0.5), (y + 0.5) * 4 - (point[1] + 0.5))
        matte = matte_of((5 - away).astype(np.float32), (160, 90))
        assert matte.shape == (90, 160) and set(np.unique(matte)) == {0, 1}
        rows, columns = np.nonzero(matte)
        assert columns.mean() + 0.5 == pytest.approx(click[0], abs=2) and rows.mean() + 0.5 == pytest.approx(
            click[1], abs=2
        )


# --- against transformers' own video loop ---


def normal(pictures: list[np.ndarray]) -> torch.Tensor:
    """[T, 3, h, w] as ImageNet's networks see them, no size changed."""
    mean, deviation = np.float32([0.485, 0.456, 0.406]), np.float32([0.229, 0.224, 0.225])
    return torch.from_numpy(((np.stack(pictures) - mean) / deviation).transpose(0, 3, 1, 2))


def theirs(bundle: Bundle, pictures: list[np.ndarray]) -> list[np.ndarray]:
    """transformers' session with the whole film in it, and its own propagation; POINTED written out by hand."""
    from transformers import Sam2VideoModel
    from transformers.models.sam2_video.modeling_sam2_video import Sam2VideoInferenceSession

    model = Sam2VideoModel.from_pretrained(bundle.components["network"]).eval()
    session = Sam2VideoInferenceSession(
        video=normal(pictures), video_height=SIDE, video_width=SIDE, dtype=torch.float32
    )
    points = torch.tensor([[[[19.5, 9.5], [99.5, 69.5], [39.5, 19.5], [59.5, 29.5], [4.5, 4.5]]]])
    inputs = {"point_coords": points, "point_labels": torch.tensor([[[2, 3, 1, 1, 0]]])}
    session.add_point_inputs(session.obj_id_to_idx(1), 0, inputs)
    session.obj_with_new_inputs = [1]
    outputs = model.propagate_in_video_iterator(session, start_frame_idx=0)
    return [out.pred_masks[0, 0].float().numpy() for out in outputs]


def test_each_frame_as_transformers_own_loop_finds_it(finders: dict[str, Bundle]) -> None:
    pictures = film(8, SIDE, SIDE)
    expected = theirs(finders["sam2"], pictures)
    track = SegmentNet(finders["sam2"]).track()
    for index, picture in enumerate(pictures):
        found = track.step(picture, POINTED if index == 0 else None)
        assert found.std() > 0.01  # it says something
        assert np.abs(found - expected[index]).max() < 2e-3 * np.abs(expected[index]).max(), index


# --- memory ---


def test_a_long_film_takes_no_more_memory_than_a_short_one(finders: dict[str, Bundle]) -> None:
    track = SegmentNet(finders["sam2"]).track()
    sizes = []
    for index, picture in enumerate(film(14)):
        track.step(picture, POINTED if index == 0 else None)
        session = track._session
        assert not session.processed_frames and len(track.memory()) <= 1 + 5 * 6
        sizes.append(sum(t.numel() for t in track.memory().values()))
    assert len(set(sizes[6:])) == 1


def test_a_track_that_was_cut_off_goes_on_as_if_nothing_had_been(finders: dict[str, Bundle]) -> None:
    pictures, net = film(9), SegmentNet(finders["sam2"])
    whole = net.track()
    straight = [whole.step(p, POINTED if i == 0 else None) for i, p in enumerate(pictures)]
    first, second = net.track(), net.track()
    for index, picture in enumerate(pictures[:5]):
        first.step(picture, POINTED if index == 0 else None)
    second.remember(first.memory())
    assert second.index == 5
    for index in range(5, 9):
        assert (second.step(pictures[index]) == straight[index]).all()
    fresh = net.track()
    assert np.abs(fresh.step(pictures[8], POINTED) - straight[8]).max() > 0.01  # the memory counts


def test_a_second_prompt_on_a_later_frame_counts(finders: dict[str, Bundle]) -> None:
    pictures, net = film(5), SegmentNet(finders["sam2"])

    def run(again: Prompt | None) -> list[np.ndarray]:
        track = net.track()
        return [track.step(p, POINTED if i == 0 else again if i == 3 else None) for i, p in enumerate(pictures)]

    plain, told = run(None), run(Prompt(click=((120, 70),)))
    assert all((a == b).all() for a, b in zip(plain[:3], told[:3], strict=True))
    assert all(np.abs(a - b).max() > 1e-3 for a, b in zip(plain[3:], told[3:], strict=True))


# --- the model of single pictures ---


def test_single_pictures_as_transformers_own_model_finds_them(finders: dict[str, Bundle]) -> None:
    from transformers import Sam2Model

    (picture,) = film(1, SIDE, SIDE)
    model = Sam2Model.from_pretrained(finders["sam2-still"].components["network"]).eval()
    shown = {"input_points": torch.tensor([[[[9.5, 19.5]]]]), "input_labels": torch.tensor([[[1]]])}
    with torch.inference_mode():
        told = model(pixel_values=normal([picture]), **shown, multimask_output=True)
    expected = told.pred_masks[0, 0, int(told.iou_scores[0, 0].argmax())].numpy()
    found = SegmentNet(finders["sam2-still"]).still(picture, Prompt(click=((10, 20),)))
    assert np.abs(found - expected).max() < 2e-3 * np.abs(expected).max() and expected.std() > 0.01


def test_it_follows_nothing_and_says_so(finders: dict[str, Bundle]) -> None:
    with pytest.raises(InputError, match="follows nothing: expected a Sam2VideoModel, got Sam2Model"):
        SegmentNet(finders["sam2-still"]).track()


@pytest.mark.gpu
def test_on_a_card_as_on_the_cpu(finders: dict[str, Bundle]) -> None:
    """Its twin on the CPU is the comparison with transformers' own loop."""
    pictures = film(3)
    here, there = (SegmentNet(finders["sam2"], device).track() for device in ("cpu", "cuda"))
    for index, picture in enumerate(pictures):
        a, b = (t.step(picture, POINTED if index == 0 else None) for t in (here, there))
        assert np.abs(a - b).max() < 0.02 * np.abs(a).max()
