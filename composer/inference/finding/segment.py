"""A thing pointed at, and followed from frame to frame: SAM 2 (Ravi et al., "SAM 2: Segment Anything in Images and Videos",
2024), as transformers has it.

The video model remembers a few frames. It is fed frame by frame here, forwards from the first frame that is pointed at and, as a
track of its own, backwards from it; what it no longer looks at is dropped, so that a long plate costs no more memory than a short
one. Its memory can be taken out and put back: a track that was cut off goes on as if nothing had been.
"""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.nn.functional import interpolate

from composer.errors import InputError, Where
from composer.inference.bundle import Bundle
from composer.inference.finding.opening import Network, as_input, open_network
from composer.inference.finding.prompt import Prompt

F32 = NDArray[np.float32]
FAMILY = "sam2"
_OBJECT = 1
#: What of a frame the model looks at again later. The mask at full size is not among it.
_KEPT = ("object_pointer", "object_score_logits", "maskmem_features", "maskmem_pos_enc", "pred_masks")


class SegmentNet:
    """A bundle of the family sam2."""

    def __init__(self, bundle: Bundle, device: str = "cpu") -> None:
        """Raises InputError where the bundle does not load."""
        self.network: Network = open_network(bundle, FAMILY, device)
        self._where = bundle.folder / "bundle.yaml"
        net = self.network.net
        encoder = net.config.prompt_encoder_config
        side = encoder.image_size
        self.size: tuple[int, int] = (side, side) if isinstance(side, int) else tuple(side)
        self.follows = self.network.class_name == "Sam2VideoModel"

    def seen(self, picture: F32) -> Tensor:
        """Tensor [1, 3, h, w]. picture: float32 [H, W, 3] in 0..1. The whole plate on the model's square."""
        return as_input(self.network, picture, self.size, "bilinear")

    def points(self, prompt: Prompt, size_px: tuple[int, int]) -> tuple[Tensor, Tensor]:
        """(points [1, 1, P, 2], labels [1, 1, P]) as the model takes them. size_px: (W, H) of the plate.

        The model counts from the middle of its first pixel, the plate from its corner. A box is two points of its own kind.
        """
        corners = [] if prompt.box is None else [prompt.box[:2], prompt.box[2:]]
        places = torch.tensor([*corners, *prompt.click, *prompt.background], dtype=torch.float32).view(-1, 2)
        scale = torch.tensor([self.size[1] / size_px[0], self.size[0] / size_px[1]])
        labels = [2, 3][: len(corners)] + [1] * len(prompt.click) + [0] * len(prompt.background)
        device = self.network.device
        return (places * scale - 0.5)[None, None].to(device), torch.tensor(labels, dtype=torch.int32, device=device)[
            None, None
        ]

    @torch.inference_mode()
    def still(self, picture: F32, prompt: Prompt) -> F32:
        """Mask logits float32 [h, w] of one picture by itself, by the image model."""
        height, width = picture.shape[:2]
        points, labels = self.points(prompt, (width, height))
        told = self.network.net(
            pixel_values=self.seen(picture),
            input_points=points,
            input_labels=labels,
            multimask_output=points.shape[2] == 1,
        )
        best = int(told.iou_scores[0, 0].argmax())
        return self._sound(told.pred_masks[0, 0, best])

    def track(self) -> Track:
        """A new track, its first frame to come. Raises InputError where the bundle's model has no memory."""
        if not self.follows:
            raise InputError(
                "this model finds in single pictures and follows nothing", where=Where(file=self._where),
                expected="a Sam2VideoModel", got=self.network.class_name,
                hint="point at the thing on each frame (also:), or take a bundle of the video model",
            )  # fmt: skip
        return Track(self)

    def _sound(self, logits: Tensor) -> F32:
        logits = logits.float()
        if not bool(torch.isfinite(logits).all()):
            raise InputError("the model's mask is not finite", where=Where(file=self._where))
        return logits.cpu().numpy()


class Track:
    """One thing through frames that come one after the other, whichever way."""

    def __init__(self, net: SegmentNet) -> None:
        from transformers.models.sam2_video.modeling_sam2_video import Sam2VideoInferenceSession

        self.net = net
        self.index = 0
        config = net.network.net.config
        self._reach = max(config.num_maskmem, config.max_object_pointers_in_encoder)
        self._session = Sam2VideoInferenceSession(
            inference_device=net.network.device, inference_state_device=net.network.device,
            video_storage_device=net.network.device, dtype=net.network.dtype,
        )  # fmt: skip

    def step(self, picture: F32, prompt: Prompt | None = None) -> F32:
        """Mask logits float32 [h, w] of the next frame; above 0 is the thing. The first frame needs a prompt."""
        session, net = self._session, self.net
        height, width = picture.shape[:2]
        if prompt is not None:
            place = session.obj_id_to_idx(_OBJECT)
            points, labels = net.points(prompt, (width, height))
            session.add_point_inputs(place, self.index, {"point_coords": points, "point_labels": labels})
            session.obj_with_new_inputs = [_OBJECT]
        told = net.network.net(session, frame_idx=self.index, frame=net.seen(picture))
        logits = net._sound(told.pred_masks[0, 0])
        self._forget()
        self.index += 1
        return logits

    def _forget(self) -> None:
        """Drop what no later frame looks at."""
        session = self._session
        session.processed_frames.clear()
        session.cache.clear_all()
        session.frames_tracked_per_obj[0].clear()
        session.point_inputs_per_obj[0].clear()
        for group in session.output_dict_per_obj[0].values():
            for frame in group.values():
                for name in [n for n in frame if n not in _KEPT]:
                    del frame[name]
        later = session.output_dict_per_obj[0]["non_cond_frame_outputs"]
        for number in [n for n in later if n <= self.index - self._reach]:
            del later[number]

    def memory(self) -> dict[str, Tensor]:
        """All that the next step depends on, by plain names, on the CPU."""
        out = {"index": torch.tensor(self.index)}
        for group, frames in self._session.output_dict_per_obj[0].items():
            for number, kept in frames.items():
                for name, value in kept.items():
                    if isinstance(value, Tensor):
                        out[f"{group}.{number}.{name}"] = value.cpu().contiguous().clone()
        return out

    def remember(self, memory: Mapping[str, Tensor]) -> None:
        """Put back what `memory` gave; the next step is that after it."""
        session = self._session
        place = session.obj_id_to_idx(_OBJECT)
        groups = session.output_dict_per_obj[place]
        for key, value in memory.items():
            if key == "index":
                self.index = int(value)
                continue
            group, number, name = key.split(".")
            groups[group].setdefault(int(number), {})[name] = value.to(self.net.network.device)


def matte_of(logits: F32, size_px: tuple[int, int]) -> F32:
    """float32 [H, W], 0 or 1, at the plate's size (W, H): the model's mask over the whole plate."""
    up = interpolate(torch.from_numpy(logits)[None, None], size_px[::-1], mode="bilinear", align_corners=False)
    return (up[0, 0] > 0).float().numpy()
