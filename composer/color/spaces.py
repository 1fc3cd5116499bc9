"""`ColorManager`: named colour spaces through OpenColorIO, with ACEScg as the working space."""

from __future__ import annotations

import copy
import difflib
import os
from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from functools import lru_cache
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from composer.color.baked import bake, table
from composer.color.names import COMMON_NAMES, PRIMARIES, Primaries, plain
from composer.errors import InputError, Where

if TYPE_CHECKING:
    import PyOpenColorIO as ocio

Image = NDArray[np.float32]

DEFAULT_CONFIG = "studio-config-v4.0.0_aces-v2.0_ocio-v2.5"
WORKING = "ACEScg"
UNTONEMAPPED = "Un-tone-mapped"
MAX_CONFIG_BYTES = 64 << 20
_BAND_PIXELS = 1 << 17

# SMPTE/AMPAS S-2014-004: luminance of ACEScg (AP1, ACES white), the middle row of AP1 to XYZ.
_AP1_LUMINANCE = (0.2722287168, 0.6740817658, 0.0536895174)


@dataclass(frozen=True)
class ColorManager:
    """A colour config with its context. Images are float32 [H, W, 3], C-contiguous; nothing is done in place.

    config_name: for the manifest. working: the config's own name of the working space. notes: what was assumed.
    """

    config_name: str
    working: str
    notes: tuple[str, ...] = ()
    _config: ocio.Config = field(default=None, repr=False, compare=False)  # type: ignore[assignment]
    _context: ocio.Context = field(default=None, repr=False, compare=False)  # type: ignore[assignment]
    _processors: dict[tuple[str, ...], ocio.CPUProcessor] = field(default_factory=dict, repr=False, compare=False)

    @staticmethod
    def open(
        config: str | Path | None = None, context: Mapping[str, str] | None = None, base: Path = Path()
    ) -> ColorManager:
        """Opens a built-in config by name (default: the ACES studio config) or a file (.ocio, .ocioz; relative to
        `base`).

        context sets the config's variables; unknown ones are allowed, as configs may use them undeclared. Environment
        variables do not reach the config, so that a frame is the same on every machine. Raises InputError.
        """
        loaded = _load(config, base)
        try:
            loaded.validate()
        except _failures() as error:
            raise InputError("colour config is not valid", where=_where(config), got=_first_line(error)) from None
        loaded, working, notes = _with_working_space(loaded)
        name = loaded.getName() or str(config or DEFAULT_CONFIG)
        return ColorManager(name, working, notes, loaded, _context(loaded, context or {}))

    def space(self, name: str) -> str:
        """The config's canonical name. Accepts names, aliases, roles and what people say ("LogC3", "S-Log3",
        "Rec.709", "sRGB", "linear Rec.709"). Raises InputError with the nearest names."""
        found = self._lookup(name)
        if found is None:
            raise InputError("unknown colour space", got=repr(name), expected=self._nearest(name))
        return found

    def _lookup(self, name: str) -> str | None:
        for candidate in (name, *COMMON_NAMES.get(plain(name), ())):
            space = self._config.getColorSpace(candidate)
            if space is not None:
                return str(space.getName())
        wanted = plain(name)
        for space in self._config.getColorSpaces():
            if wanted and wanted in (plain(n) for n in (space.getName(), *space.getAliases())):
                return str(space.getName())
        return None

    def _nearest(self, name: str) -> str:
        known: dict[str, str] = {}
        for space in self._config.getColorSpaces():
            for n in (space.getName(), *space.getAliases()):
                known.setdefault(plain(n), space.getName())
        for common in COMMON_NAMES:
            found = self._lookup(common)
            if found:
                known.setdefault(common, found)
        near = difflib.get_close_matches(plain(name), list(known), n=6, cutoff=0.4)
        names = list(dict.fromkeys(known[n] for n in near))[:3] or sorted(set(known.values()))[:5]
        return ", ".join(f'"{n}"' for n in names)

    def is_scene_linear(self, name: str) -> bool:
        """True where values are proportional to light in the scene: by the config's word, else by trying."""
        space = self._config.getColorSpace(self.space(name))
        if space.isData():
            return False
        if space.getEncoding():
            return bool(space.getEncoding() == "scene-linear")
        probe = np.array([[[0.02, 0.11, 0.05], [0.2, 1.1, 0.5], [2.0, 11.0, 5.0]]], np.float32)
        out = self.to_working(probe, name)[0]
        return bool(np.allclose(out[1] / 10, out[0], rtol=1e-4) and np.allclose(out[2] / 10, out[1], rtol=1e-4))

    def to_working(self, rgb: Image, space: str) -> Image:
        """float32 [H, W, 3] in `space` to the working space, as a new array."""
        return self._apply(rgb, self._processor(self.space(space), self.working))

    def from_working(self, rgb: Image, space: str) -> Image:
        """float32 [H, W, 3] in the working space to `space`, as a new array."""
        return self._apply(rgb, self._processor(self.working, self.space(space)))

    def matrix_from_working(self, space: str) -> NDArray[np.float64]:
        """float64 [3, 3] that takes working RGB (a column) to a scene-linear space. Raises InputError for others."""
        name = self.space(space)
        if not self.is_scene_linear(name):
            raise InputError("not a scene-linear colour space", got=repr(name))
        matrix = _matrix_of(self._config.getProcessor(self._context, self.working, name).createGroupTransform())
        if matrix is not None:
            return matrix
        columns = self.from_working(np.eye(3, dtype=np.float32)[None], name)[0]
        return columns.T.astype(np.float64)

    def chromaticities(self, space: str) -> Primaries | None:
        """xy of red, green, blue and white as published for a scene-linear space, None where they are not known."""
        name = self.space(space)
        for alias, primaries in PRIMARIES.items():
            known = self._config.getColorSpace(alias)
            if known is not None and known.getName() == name:
                return primaries
        return None

    def luminance_weights(self) -> NDArray[np.float64]:
        """float64 [3]: CIE Y of unit red, green and blue in ACEScg."""
        return np.array(_AP1_LUMINANCE)

    def displays(self) -> dict[str, tuple[str, ...]]:
        """Displays and their views, as the config lists them."""
        return {d: tuple(self._config.getViews(d)) for d in self._config.getDisplays()}

    def display_view(self, display: str | None = None, view: str | None = None) -> tuple[str, str]:
        """The display and view that are meant; defaults are the config's (sRGB, ACES SDR). Raises InputError."""
        known = self.displays()
        chosen = _pick(display, list(known), self._config.getDefaultDisplay(), "display")
        return chosen, _pick(view, list(known[chosen]), self._config.getDefaultView(chosen), f"view of {chosen}")

    def natural_view(self, space: str, display: str | None = None) -> str:
        """The view that shows pictures made in `space` as people know them: without a tone scale where they were made for a
        display (their own is in them already), the display's default view otherwise."""
        chosen, default = self.display_view(display)
        plain_view = "Un-tone-mapped"
        made_for_display = self._config.getColorSpace(self.space(space)).getEncoding() in ("sdr-video", "hdr-video")
        return plain_view if made_for_display and plain_view in self.displays()[chosen] else default

    def display_rgb8(
        self, rgb: Image, display: str | None = None, view: str | None = None, *, exact: bool = True
    ) -> NDArray[np.uint8]:
        """Working-space float32 [H, W, 3] as seen: uint8 [H, W, 3], rounded, clipped to the display. NaN is shown
        black.

        exact False goes through a table (see `baked`): for proxies, where speed counts.
        """
        chosen = self.display_view(display, view)
        finite = np.nan_to_num(rgb, nan=0.0, posinf=65504.0, neginf=0.0)
        shown = self._apply(finite, self._view(*chosen) if exact else self._baked(*chosen))
        np.multiply(shown, np.float32(255), out=shown)
        np.rint(np.clip(shown, 0, 255, out=shown), out=shown)
        return shown.astype(np.uint8)

    def display_table(self, display: str | None = None, view: str | None = None) -> Image:
        """The display view as a table (see `baked.table`), for pages that draw by themselves."""
        chosen = self.display_view(display, view)
        return table(lambda rgb: self._apply(rgb, self._view(*chosen)))

    def _baked(self, display: str, view: str) -> ocio.CPUProcessor:
        key = (self.working, display, view, "baked")
        if key not in self._processors:
            self._processors[key] = bake(lambda rgb: self._apply(rgb, self._view(display, view)))
        return self._processors[key]

    def _processor(self, source: str, target: str) -> ocio.CPUProcessor | None:
        if source == target:
            return None
        key = (source, target)
        if key not in self._processors:
            try:
                self._processors[key] = self._config.getProcessor(
                    self._context, source, target
                ).getDefaultCPUProcessor()
            except _failures() as error:
                raise InputError(f"no transform from {source} to {target}", got=_first_line(error)) from None
        return self._processors[key]

    def _view(self, display: str, view: str) -> ocio.CPUProcessor:
        key = (self.working, display, view)
        if key not in self._processors:
            try:
                transform = _ocio().DisplayViewTransform(src=self.working, display=display, view=view)
                self._processors[key] = self._config.getProcessor(
                    self._context, transform, _ocio().TRANSFORM_DIR_FORWARD
                ).getDefaultCPUProcessor()
            except _failures() as error:
                raise InputError(f"no transform for {display}, {view}", got=_first_line(error)) from None
        return self._processors[key]

    def _apply(self, rgb: Image, processor: ocio.CPUProcessor | None) -> Image:
        if rgb.ndim != 3 or rgb.shape[-1] != 3:
            raise ValueError(f"colour wants [H, W, 3], not {list(rgb.shape)}")
        out = np.array(rgb, dtype=np.float32, order="C", copy=True)
        if processor is None or out.size == 0:
            return out
        rows = max(1, _BAND_PIXELS // out.shape[1])
        bands = [out[k : k + rows] for k in range(0, len(out), rows)]
        if len(bands) == 1:
            processor.applyRGB(out)
        else:
            list(_pool().map(processor.applyRGB, bands))
        return out


@lru_cache(maxsize=1)
def _pool() -> ThreadPoolExecutor:
    return ThreadPoolExecutor(os.cpu_count() or 1, thread_name_prefix="colour")


def _ocio():  # type: ignore[no-untyped-def]
    import PyOpenColorIO

    return PyOpenColorIO


def _failures() -> tuple[type[Exception], ...]:
    return (_ocio().Exception, _ocio().ExceptionMissingFile)


def _where(config: str | Path | None) -> Where:
    return Where(file=config or DEFAULT_CONFIG)


def _first_line(error: Exception) -> str:
    return " ".join(str(error).split())[:200]


def _load(config: str | Path | None, base: Path) -> ocio.Config:
    """A built-in config by name, or a file."""
    name = str(config) if config is not None else DEFAULT_CONFIG
    builtin = {c[0]: c[0] for c in _ocio().BuiltinConfigRegistry().getBuiltinConfigs()}
    path = Path(name).expanduser()
    path = path if path.is_absolute() else base / path
    try:
        if name.removeprefix("ocio://") in builtin:
            return _ocio().Config.CreateFromBuiltinConfig(name.removeprefix("ocio://"))
        if not path.is_file():
            near = difflib.get_close_matches(name, builtin, n=2, cutoff=0.5)
            hint = f"did you mean {near[0]}?" if near else f"built-in configs: {', '.join(builtin)}"
            raise InputError("no such colour config", where=Where(file=name), hint=hint)
        if path.stat().st_size > MAX_CONFIG_BYTES:
            raise InputError("colour config too large", where=Where(file=path), expected=f"{MAX_CONFIG_BYTES} bytes")
        return _ocio().Config.CreateFromFile(str(path))
    except _failures() as error:
        raise InputError("colour config cannot be read", where=Where(file=path), got=_first_line(error)) from None


def _context(config: ocio.Config, variables: Mapping[str, str]) -> ocio.Context:
    """The config's context: its declared defaults and the given values, whatever this machine's environment says."""
    context = copy.deepcopy(config.getCurrentContext())
    for name in config.getEnvironmentVarNames():
        context[name] = config.getEnvironmentVarDefault(name)
    for name, value in variables.items():
        context[name] = str(value)
    return context


def _with_working_space(config: ocio.Config) -> tuple[ocio.Config, str, tuple[str, ...]]:
    """The config and its name for ACEScg. A config without ACEScg but with the ACES interchange role gets it added; one
    without either works in its own scene-linear space."""
    for name in (WORKING, "lin_ap1_scene", "lin_ap1", "ACES - ACEScg"):
        space = config.getColorSpace(name)
        if space is not None:
            return config, space.getName(), ()
    interchange = config.getColorSpace("aces_interchange")
    if interchange is not None:
        config.addColorSpace(_acescg_beside(interchange))
        return config, WORKING, ("the colour config has no ACEScg: added through its aces_interchange role",)
    linear = config.getColorSpace("scene_linear") or config.getColorSpace("default")
    if linear is None:
        raise InputError(
            "colour config has neither ACEScg nor a scene_linear role", where=Where(file=config.getName() or None)
        )
    return (
        config,
        linear.getName(),
        (f'the colour config has no ACEScg: its scene-linear space "{linear.getName()}" is worked in instead',),
    )


def _acescg_beside(ap0: ocio.ColorSpace) -> ocio.ColorSpace:
    """ACEScg as a colour space of the config whose ACES2065-1 is given."""
    o = _ocio()
    group = o.GroupTransform()
    group.appendTransform(o.BuiltinTransform("ACEScg_to_ACES2065-1"))
    to_reference = ap0.getTransform(o.COLORSPACE_DIR_TO_REFERENCE)
    from_reference = ap0.getTransform(o.COLORSPACE_DIR_FROM_REFERENCE)
    if to_reference is not None:
        group.appendTransform(to_reference)
    elif from_reference is not None:
        group.appendTransform(o.GroupTransform([from_reference], o.TRANSFORM_DIR_INVERSE))
    space = o.ColorSpace(o.REFERENCE_SPACE_SCENE, WORKING)
    space.setEncoding("scene-linear")
    space.setTransform(group, o.COLORSPACE_DIR_TO_REFERENCE)
    return space


def _matrix_of(group: ocio.GroupTransform) -> NDArray[np.float64] | None:
    """The product of a chain that is matrices only, None where it is not."""
    total = np.eye(3)
    for transform in group:
        if not isinstance(transform, _ocio().MatrixTransform):
            return None
        matrix = np.array(transform.getMatrix(), np.float64).reshape(4, 4)[:3, :3]
        if any(transform.getOffset()):
            return None
        if transform.getDirection() == _ocio().TRANSFORM_DIR_INVERSE:
            matrix = np.linalg.inv(matrix)
        total = matrix @ total
    return total


def _pick(wanted: str | None, known: list[str], default: str, what: str) -> str:
    if wanted is None:
        return default
    for name in known:
        if plain(name) == plain(wanted):
            return name
    for name in known:
        if plain(name).startswith(plain(wanted)):
            return name
    near = difflib.get_close_matches(wanted, known, n=3, cutoff=0.3) or known[:5]
    raise InputError(f"unknown {what}", got=repr(wanted), expected=", ".join(f'"{n}"' for n in near))
