"""The measures by name: what each of them means, in words and units."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Measure:
    """name: in limits and JSON. unit: '' for a plain number. whole: of the delivery, not of its frames."""

    name: str
    title: str
    unit: str
    means: str
    whole: bool = False


MEASURES = {
    m.name: m
    for m in (
        Measure("untouched_px", "Untouched plate", "px", "Pixels outside the touched region without the plate's bits."),
        Measure("untouched_digest", "Untouched plate, by digest", "",
                "1 where the untouched pixels are not those of the header's digest; for deliveries without their plate."),
        Measure("nonfinite_px", "Not finite", "px", "NaN or infinite values in any part, the plate's own left out."),
        Measure("negative_share", "Negative", "share", "Generated pixels with a negative channel."),
        Measure("lowest_value", "Lowest value", "", "Of the composite, scene-linear."),
        Measure("highest_value", "Highest value", "", "Of the composite, scene-linear."),
        Measure("id_iou", "Silhouette against ids", "IoU", "The crowd's alpha against the Cryptomatte's coverage."),
        Measure("depth_iou", "Silhouette against depth", "IoU", "The crowd's alpha against the pixels that have a depth."),
        Measure("adherence", "Painted silhouette", "IoU", "What was painted against the guides, over the flat guide's own."),
        Measure("warp_error", "Warp error of the crowd", "",
                "Slip off true motion to the next frame: 0 holds still, 1 is no nearer than the pixel beside."),
        Measure("plate_warp_error", "Warp error of the plate", "", "The same for the plate's ground, at the crowd's distances."),
        Measure("warp_ratio", "Warp error, crowd to plate", "ratio", "The crowd's warp error over the plate's own."),
        Measure("place_warp_error", "Warp error of the environment", "", "The same for set pieces, terrain and paintings."),
        Measure("place_warp_ratio", "Warp error, environment to plate", "ratio", "The environment's over the plate's own."),
        Measure("seam", "Seams", "ratio", "Roughness across tile borders over that between them; 1 cannot be seen."),
        Measure("grain_ratio", "Grain, variance", "ratio", "Variance of generated grain over the plate's, at like levels."),
        Measure("grain_spectrum", "Grain, spectrum", "", "Distance of the grain's spectra: 0 the same, 1 nothing in common."),
        Measure("fringe_inside", "Edge fringe, inside", "stops",
                "What soft edges gain in light for each halving of their coverage: below 0 a dark line, above a bright one."),
        Measure("fringe_outside", "Edge fringe, outside", "stops", "The plate just outside the matte against further out."),
        Measure("black_stops", "Black level", "stops", "Darkest generated pixels over the plate's darkest."),
        Measure("white_stops", "White level", "stops", "Brightest generated pixels over the plate's brightest."),
        Measure("missing_frames", "Missing frames", "frames", "Frames that should be there and are not.", True),
        Measure("unreadable_frames", "Unreadable frames", "frames", "Frames that are damaged or no picture of Muster's.", True),
        Measure("duplicate_frames", "Duplicate frames", "frames",
                "Frames with another's picture though the plate moves on.", True),
        Measure("extra_files", "Extra files", "files", "Files in exr/ that neither manifest nor records know.", True),
        Measure("changed_files", "Changed files", "files", "Listed files that are gone or have another digest.", True),
        Measure("rule_breaks", "Rules of a delivery", "breaks", "Names, sizes, rates, time codes and colour spaces.", True),
        Measure("preset_breaks", "Rules of the preset", "breaks", "What the chosen delivery preset asks for.", True),
    )
}  # fmt: skip
