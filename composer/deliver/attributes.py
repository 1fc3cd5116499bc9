"""EXR attributes of a frame: the OpenEXR standard ones, and Muster's own under `muster:`.

Sources: OpenEXR `ImfStandardAttributes.h`; Color Interop Forum, "Color Space Encodings" (`colorInteropID`).
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from composer.camera.camera import View

#: Canonical scene-linear spaces to the interoperability id that OpenEXR 3.4 and OCIO 2.5 know.
INTEROP_ID = {
    "ACEScg": "lin_ap1_scene",
    "ACES2065-1": "lin_ap0_scene",
    "Linear Rec.709 (sRGB)": "lin_rec709_scene",
    "Linear Rec.2020": "lin_rec2020_scene",
    "Linear P3-D65": "lin_p3d65_scene",
    "Linear AdobeRGB": "lin_adobergb_scene",
}


def world_to_camera(view: View) -> NDArray[np.float32]:
    """`worldToCamera` [4, 4]: row vectors (p @ M), x right, y up, z INTO the picture (left-handed), as the standard has it."""
    flip = np.diag([1.0, 1.0, -1.0, 1.0])
    return (flip @ view.camera_from_world).T.astype(np.float32)


def world_to_ndc(view: View) -> NDArray[np.float32]:
    """`worldToNDC` [4, 4]: row vectors; after the divide (0, 0) is the upper left and (1, 1) the lower right corner of the
    display window. The lens's distortion is not in it."""
    (w, h), (fx, fy), (cx, cy) = view.size_px, view.focal_px, view.centre_px
    clip_from_camera = np.array(
        [[fx / w, 0.0, cx / w, 0.0], [0.0, -fy / h, cy / h, 0.0], [0.0, 0.0, 1.0, 0.0], [0.0, 0.0, 1.0, 0.0]]
    )
    flip = np.diag([1.0, 1.0, -1.0, 1.0])
    return (clip_from_camera @ flip @ view.camera_from_world).T.astype(np.float32)
