"""The figures that Levy is accepted by, on held-out pairs, through the real engine."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass, fields, replace

import numpy as np

from composer.inference.bundle import Bundle
from composer.inference.engine import EngineOptions
from composer.inference.request import Prompt
from models.levy.recipe import measures as m
from models.levy.recipe.data import Stored, stored
from models.levy.recipe.painted import Brushes, request_from
from models.levy.recipe.pairs import pair_from
from models.levy.recipe.scenes import reworn, scene_of, wear_of

SEEDS, FOLDS = (1, 2, 3, 4), (2, 3, 4, 5)
FRAME_PX = (1280, 720)
#: Of the pictures, every so many is painted again with other seeds and words.
SEVERAL = 6
AIR = (", dust", ", smoke")


@dataclass(frozen=True)
class Figures:
    """low_*: PSNR of 4x4 means in the crowd, dB; guide_*: the guide render's own. one_step: PSNR of one step. colour:
    mean error per agent. detail_*: high-frequency energy over the target's. blind_*: from depth and pose alone, low-
    pass, 4 steps. iou: of silhouettes. spread: over seeds; spread_rendered: of the
    reference's own folds and stains. text_*: RMS that another word of wear makes in the crowd and
    elsewhere, over the guide and from depth and pose alone; text_rendered: what the reference renderer makes of the same
    word; text_air: what a word of dust or smoke makes. tiled: PSNR of the engine's own tiles against the whole
    frame, dB. near_*, far_*: RMS along true motion from each of the demo's first steady_frames to the next, and from the
    first to each: as the demo is painted, by themselves with world-locked and screen-locked noise, and of the guide, whose own
    light and poses change; *_noise: of what the noise alone makes. frame_s, frame_gib: 1280x720, 4 steps."""

    guide: float
    guide_low: float
    one_step: float
    low_4: float
    low_8: float
    colour_4: float
    colour_8: float
    guide_colour: float
    detail_4: float
    detail_8: float
    guide_detail: float
    blind_low: float
    blind_low_no_pose: float
    blind_low_no_depth: float
    iou: float
    blind_iou: float
    spread: float
    text_crowd: float
    text_elsewhere: float
    blind_text_crowd: float
    spread_rendered: float = float("nan")
    text_rendered: float = float("nan")
    text_air: float = float("nan")
    tiled: float = float("nan")
    same_again: float = float("nan")
    near_demo: float = float("nan")
    near_world: float = float("nan")
    near_screen: float = float("nan")
    near_guide: float = float("nan")
    far_demo: float = float("nan")
    far_world: float = float("nan")
    far_screen: float = float("nan")
    far_guide: float = float("nan")
    far_world_noise: float = float("nan")
    far_screen_noise: float = float("nan")
    steady_frames: float = float("nan")
    frame_s: float = float("nan")
    frame_gib: float = float("nan")
    cpu_cuda: float = float("nan")

    def rows(self) -> list[tuple[str, float, str]]:
        """(what, figure, wanted when trained on a CPU / on a GPU)."""
        return [
            ("1. one-step crowd PSNR over the guide's, dB", self.one_step - self.guide, "+2.5 / +4"),
            ("1. low-pass crowd PSNR over the guide's, 4 steps, dB", self.low_4 - self.guide_low, "+1.0 / +2.5"),
            ("   the same, 8 steps", self.low_8 - self.guide_low, ""),
            ("   the guide's own PSNR, dB", self.guide, ""),
            ("   the guide's own low-pass PSNR, dB", self.guide_low, ""),
            ("2. mean colour error per agent, 4 steps", self.colour_4, "0.015 / 0.010"),
            ("   the same, 8 steps", self.colour_8, ""),
            ("   the guide's", self.guide_colour, ""),
            ("2. high-frequency energy over the target's, 8 steps", self.detail_8, "0.85-1.1 / 0.9-1.1"),
            ("   the same, 4 steps", self.detail_4, ""),
            ("   the guide's", self.guide_detail, ""),
            ("3. dB lost without pose (depth and pose alone)", self.blind_low - self.blind_low_no_pose, "1 / 2"),
            ("3. dB lost without depth", self.blind_low - self.blind_low_no_depth, "1 / 2"),
            ("   low-pass PSNR from depth and pose alone, dB", self.blind_low, ""),
            ("3. silhouette IoU over the guide", self.iou, "0.95 / 0.98"),
            ("   silhouette IoU from depth and pose alone", self.blind_iou, ""),
            ("4. spread over seeds", self.spread, "0.03-0.09"),
            ("   of the reference's own folds, stains and dents", self.spread_rendered, ""),
            ("4. what a word of dust or smoke changes in the crowd, RMS", self.text_air, "0.03"),
            ("4. what another word of wear changes", self.text_crowd, "0.03"),
            ("   what the reference renderer makes of that word", self.text_rendered, ""),
            ("   elsewhere", self.text_elsewhere, "little"),
            ("   in the crowd, from depth and pose alone", self.blind_text_crowd, ""),
            ("5. tiled against whole frame, PSNR dB", self.tiled, "40"),
            ("5. error along motion between the demo's frames, over screen noise's", self.near_demo / self.near_screen, "0.5"),
            ("   the same where frames are not averaged (steady)", self.near_world / self.near_screen, ""),
            ("   the guide's own", self.near_guide / self.near_screen, ""),
            ("   from the first frame to each later one", self.far_demo / self.far_screen, ""),
            ("   the same where frames are not averaged", self.far_world / self.far_screen, ""),
            ("   of what the noise makes", self.far_world_noise / self.far_screen_noise, ""),
            ("   frames of the demo that these are over", self.steady_frames, "24"),
            ("6. 1280x720, 4 steps, seconds a frame", self.frame_s, "10"),
            ("6. memory, GiB", self.frame_gib, "3"),
            ("8. the same seed again, largest difference", self.same_again, "0"),
            ("8. CPU against CUDA, RMS", self.cpu_cuda, "stated"),
        ]  # fmt: skip

    def table(self) -> str:
        lines = ["| measure | figure | wanted (CPU / GPU trained) |", "|---|---|---|"]
        return "\n".join(
            lines + [f"| {what.strip()} | {_short(value)} | {wanted} |" for what, value, wanted in self.rows()]
        )

    def json(self) -> dict[str, float | None]:
        return {k: None if np.isnan(v) else round(float(v), 5) for k, v in asdict(self).items()}


def _short(value: float) -> str:
    return "not measured" if np.isnan(value) else f"{value:.3g}" if abs(value) < 10 else f"{value:.1f}"


def evaluate(bundle: Bundle, pairs: Sequence[Stored], device: str, told: Callable[[str], None] = print) -> Figures:
    """Acceptance 1 to 4 on every pair."""
    brushes = Brushes.of(bundle, device)
    error = {name: m.Error() for name in ("guide", "guide_low", "one", "4", "8", "blind", "no_pose", "no_depth")}
    colour = {name: list[float]() for name in ("guide", "4", "8")}
    fine = {name: 0.0 for name in ("target", "guide", "4", "8")}
    cut = {name: [0, 0] for name in ("guided", "blind")}
    several = {name: m.Error() for name in ("painted", "rendered")}
    told_words = {name: m.Error() for name in ("crowd", "elsewhere", "blind", "rendered", "air")}
    for k, pair in enumerate(pairs):
        coverage, target, guide = pair.part("coverage"), pair.part("target"), pair.part("guide")
        crowd, low_crowd = coverage > 0.5, m.low_crowd(coverage)
        if not low_crowd.any():
            continue
        painted = {n: brushes.over_guide(pair, n) for n in (1, 4, 8)}
        blind = {w: brushes.from_depth_and_pose(pair, 4, without=w) for w in ((), ("pose",), ("depth",))}
        error["guide"].add(guide, target, crowd)
        error["one"].add(painted[1], target, crowd)
        lows = {"guide_low": guide, "4": painted[4], "8": painted[8], "blind": blind[()], "no_pose": blind[("pose",)],
                "no_depth": blind[("depth",)]}  # fmt: skip
        for name, picture in lows.items():
            error[name].add(m.low(picture), m.low(target), low_crowd)
        for name, picture in (("guide", guide), ("4", painted[4]), ("8", painted[8])):
            colour[name] += m.colour_errors(picture, target, pair.agent, coverage)
        for name, picture in (("target", target), ("guide", guide), ("4", painted[4]), ("8", painted[8])):
            fine[name] += m.detail(picture, crowd)
        for name, picture in (("guided", painted[8]), ("blind", blind[()])):
            both, either = m.silhouette_iou(picture, target, pair.part("plate"), pair.part("mask"))
            cut[name][0] += both
            cut[name][1] += either
        if k % SEVERAL == 0:
            several["painted"].add_spread([painted[4], *(brushes.over_guide(pair, 4, s) for s in SEEDS[1:])], crowd)
            several["rendered"].add_spread([target, *_other_folds(pair)], crowd)
            _words(brushes, pair, painted[4], blind[()], told_words)
        told(f"{k + 1}/{len(pairs)} pictures measured")
    return Figures(
        guide=error["guide"].psnr, guide_low=error["guide_low"].psnr, one_step=error["one"].psnr, low_4=error["4"].psnr,
        low_8=error["8"].psnr, colour_4=_mean(colour["4"]), colour_8=_mean(colour["8"]),
        guide_colour=_mean(colour["guide"]), detail_4=fine["4"] / fine["target"], detail_8=fine["8"] / fine["target"],
        guide_detail=fine["guide"] / fine["target"], blind_low=error["blind"].psnr,
        blind_low_no_pose=error["no_pose"].psnr, blind_low_no_depth=error["no_depth"].psnr,
        iou=cut["guided"][0] / max(cut["guided"][1], 1), blind_iou=cut["blind"][0] / max(cut["blind"][1], 1),
        spread=several["painted"].rms, spread_rendered=several["rendered"].rms,
        text_crowd=told_words["crowd"].rms, text_elsewhere=told_words["elsewhere"].rms,
        blind_text_crowd=told_words["blind"].rms, text_rendered=told_words["rendered"].rms,
        text_air=told_words["air"].rms,
    )  # fmt: skip


def _words(brushes: Brushes, pair: Stored, plain: m.F32, blind: m.F32, into: dict[str, m.Error]) -> None:
    """The people in their other state of wear, painted and rendered; and the scene's air."""
    crowd, outside = pair.part("coverage") > 0.5, pair.part("mask") < 0.01
    changed = brushes.over_guide(pair, 4, prompts=(Prompt(pair.other_text),))
    into["crowd"].add(plain, changed, crowd)
    into["elsewhere"].add(plain, changed, outside)
    into["blind"].add(blind, brushes.from_depth_and_pose(replace(pair, text=pair.other_text), 4), crowd)
    hazy = next((air for air in AIR if pair.text.endswith(air)), None)
    other = pair.text.removesuffix(hazy) if hazy else pair.text + AIR[0]
    into["air"].add(plain, brushes.over_guide(pair, 4, prompts=(Prompt(other),)), crowd)
    into["rendered"].add(pair.part("target"), pair.part("other"), crowd)


def _other_folds(pair: Stored) -> list[m.F32]:
    """The same people in the same state, rendered with other folds, stains and dents."""
    h, w = pair.depth.shape
    scene = scene_of(pair.number, (w, h))
    several = [reworn(scene, wear_of(scene), other) for other in FOLDS]
    pairs = [pair_from(*two) for two in zip(several[::2], several[1::2], strict=True)]
    return [picture for pair in pairs for picture in (pair.target, pair.other)]


def _mean(values: Sequence[float]) -> float:
    return float(np.mean(values)) if values else float("nan")


def whole_frame(bundle: Bundle, device: str, figures: Figures, number: int) -> Figures:
    """Acceptance 5 (tiles), 6 and 8 on one large held-out picture."""
    pair = stored(number, FRAME_PX, 60.0)
    brushes = Brushes.of(bundle, device)
    request = request_from(pair)
    brushes.guided.paint(replace(request, steps=1))  # what is done once only
    begin = time.perf_counter()
    first = brushes.guided.paint(request).rgb[0]
    seconds = time.perf_counter() - begin
    again = brushes.guided.paint(request).rgb[0]
    adapter = brushes.guided.adapter
    from composer.inference.engine import Engine

    measured = Engine(adapter, EngineOptions(measure=True)).paint(replace(request, steps=1))
    whole = Engine(adapter, EngineOptions(whole=True)).paint(request).rgb[0]
    crowd = pair.part("coverage") > 0.5
    error = m.Error()
    error.add(first, whole, crowd)
    found = replace(
        figures, frame_s=seconds, frame_gib=measured.peak_bytes / 2**30, tiled=error.psnr,
        same_again=float(np.abs(first - again).max()),
    )  # fmt: skip
    if device.startswith("cuda"):
        other = Brushes.of(bundle, "cpu").guided.paint(request).rgb[0]
        found = replace(found, cpu_cuda=m.rms(first, other, crowd))
    return found


def from_json(told: dict[str, float | None]) -> Figures:
    return Figures(**{f.name: float("nan") if told.get(f.name) is None else told[f.name] for f in fields(Figures)})  # type: ignore[arg-type]
