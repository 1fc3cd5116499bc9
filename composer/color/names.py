"""What people call colour spaces, and published primaries."""

from __future__ import annotations

import re

Primaries = tuple[float, float, float, float, float, float, float, float]

COMMON_NAMES: dict[str, tuple[str, ...]] = {
    "linear": ("lin_rec709_scene", "lin_rec709", "Linear Rec.709 (sRGB)"),
    "linearrec709": ("lin_rec709_scene", "lin_rec709"),
    "linearsrgb": ("lin_rec709_scene", "lin_rec709"),
    "rec709linear": ("lin_rec709_scene", "lin_rec709"),
    "scenelinearrec709": ("lin_rec709_scene", "lin_rec709"),
    "srgblinear": ("lin_rec709_scene", "lin_rec709"),
    "linearp3d65": ("lin_p3d65_scene", "lin_p3d65"),
    "linearrec2020": ("lin_rec2020_scene", "lin_rec2020"),
    "srgb": ("srgb_rec709_scene", "srgb_tx", "sRGB - Texture"),
    "srgbtexture": ("srgb_rec709_scene", "srgb_tx", "sRGB - Texture"),
    "rec709": ("camera_rec709", "rec709_camera", "Camera Rec.709"),
    "bt709": ("camera_rec709", "rec709_camera"),
    "itur709": ("camera_rec709", "rec709_camera"),
    "gamma22": ("g22_rec709_scene", "g22_rec709"),
    "gamma24": ("g24_rec709_tx", "g24_rec709"),
    "aces": ("ACES2065-1",),
    "acesap0": ("ACES2065-1",),
    "ap0": ("ACES2065-1",),
    "ap1": ("ACEScg",),
    "logc": ("arri_logc3_ei800",),
    "logc3": ("arri_logc3_ei800",),
    "logc3ei800": ("arri_logc3_ei800",),
    "arrilogc": ("arri_logc3_ei800",),
    "arrilogc3": ("arri_logc3_ei800",),
    "alexav3logc": ("arri_logc3_ei800",),
    "alexalogc": ("arri_logc3_ei800",),
    "logc4": ("arri_logc4",),
    "arrilogc4": ("arri_logc4",),
    "slog3": ("slog3_sgamut3",),
    "sonyslog3": ("slog3_sgamut3",),
    "slog3sgamut3": ("slog3_sgamut3",),
    "slog3cine": ("slog3_sgamut3cine",),
    "slog3sgamut3cine": ("slog3_sgamut3cine",),
    "log3g10": ("log3g10_redwidegamutrgb",),
    "redlog3g10": ("log3g10_redwidegamutrgb",),
    "vlog": ("vlog_vgamut",),
    "clog2": ("canonlog2_cinemagamut_d55",),
    "clog3": ("canonlog3_cinemagamut_d55",),
    "canonlog2": ("canonlog2_cinemagamut_d55",),
    "canonlog3": ("canonlog3_cinemagamut_d55",),
    "dlog": ("dlog_dgamut",),
    "bmdfilm": ("bmdfilm_widegamut_gen5",),
    "davinciintermediate": ("davinci_intermediate_widegamut",),
    "cineon": ("ADX10",),
    "raw": ("Raw", "raw"),
}
"""Keys as `plain` makes them; the first name that a config has wins."""

_ACES_WHITE = (0.32168, 0.33767)
_D65 = (0.3127, 0.3290)

PRIMARIES: dict[str, Primaries] = {
    "ACES2065-1": (0.7347, 0.2653, 0.0, 1.0, 0.0001, -0.077, *_ACES_WHITE),
    "ACEScg": (0.713, 0.293, 0.165, 0.830, 0.128, 0.044, *_ACES_WHITE),
    "lin_rec709_scene": (0.64, 0.33, 0.30, 0.60, 0.15, 0.06, *_D65),
    "lin_p3d65_scene": (0.680, 0.320, 0.265, 0.690, 0.150, 0.060, *_D65),
    "lin_rec2020_scene": (0.708, 0.292, 0.170, 0.797, 0.131, 0.046, *_D65),
    "lin_adobergb_scene": (0.64, 0.33, 0.21, 0.71, 0.15, 0.06, *_D65),
    "lin_arri_wide_gamut_3": (0.6840, 0.3130, 0.2210, 0.8480, 0.0861, -0.1020, *_D65),
    "lin_arri_wide_gamut_4": (0.7347, 0.2653, 0.1424, 0.8576, 0.0991, -0.0308, *_D65),
    "lin_sgamut3": (0.730, 0.280, 0.140, 0.855, 0.100, -0.050, *_D65),
    "lin_sgamut3cine": (0.766, 0.275, 0.225, 0.800, 0.089, -0.087, *_D65),
    "lin_redwidegamutrgb": (0.780308, 0.304253, 0.121595, 1.493994, 0.095612, -0.084589, *_D65),
    "lin_vgamut": (0.730, 0.280, 0.165, 0.840, 0.100, -0.030, *_D65),
    "lin_bmd_widegamut_gen5": (0.7177215, 0.3171181, 0.2280410, 0.8615690, 0.1005841, -0.0820452, *_D65),
    "lin_davinci_widegamut": (0.8000, 0.3130, 0.1682, 0.9877, 0.0790, -0.1155, *_D65),
}
"""xy of red, green, blue and white as the makers publish them, by an alias that OCIO's own configs know."""


def plain(name: str) -> str:
    """Letters and digits only, in lower case: how names are compared."""
    return re.sub(r"[^a-z0-9]+", "", name.lower())
