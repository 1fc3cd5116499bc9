"""Which clip a figure really plays: its own rig's of that name, or the nearest that the rig has."""

from __future__ import annotations

import numpy as np

from composer.crowd.agents import I16, Cast, Clip, Figure


def played(cast: Cast) -> I16:
    """int16 [figures, clips]: the clip that each figure plays when told each clip. A clip of the figure's own rig is
    itself, unless the figure plays another `instead`; others are found by name, then by pace, then the rig's first."""
    kinds: dict[tuple[int, tuple[tuple[str, str], ...]], list[int]] = {}
    out = np.empty((len(cast.figures), len(cast.clips)), np.int16)
    for f, figure in enumerate(cast.figures):
        key = (figure.rig, tuple(sorted(figure.instead.items())))
        if key not in kinds:
            kinds[key] = [_played(cast, figure, k) for k in range(len(cast.clips))]
        out[f] = kinds[key]
    return out


def _played(cast: Cast, figure: Figure, told: int) -> int:
    clip = cast.clips[told]
    name = figure.instead.get(clip.name, figure.instead.get("*", clip.name))
    if clip.rig == figure.rig and name == clip.name:
        return told
    own = [k for k, c in enumerate(cast.clips) if c.rig == figure.rig]
    for wanted in (name, name.split("_")[0]):
        for k in own:
            if cast.clips[k].name == wanted:
                return k
    return nearest(cast, clip, own)


def nearest(cast: Cast, clip: Clip, own: list[int]) -> int:
    """Of the clips `own`, one that goes about as fast as `clip`; the first for what is done on the spot."""
    gaits = [k for k in own if cast.clips[k].stride_m > 0]
    if clip.stride_m <= 0 or not gaits:
        return own[0]
    pace = clip.stride_m / clip.duration_s
    return min(gaits, key=lambda k: abs(np.log(cast.clips[k].stride_m / cast.clips[k].duration_s / pace)))
