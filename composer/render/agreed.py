"""The tile that a shot is painted in. A smaller tile is another picture, so where memory runs out in one frame, on one node,
all frames must be painted in the smaller one: whoever finds it leaves word beside the manifest, everybody reads it before a
frame, and frames that were painted in larger tiles are painted again.

The tile only ever becomes smaller, so it does not matter who comes first: in the end all frames have the same.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from composer.io.files import atomic_write
from composer.io.lock import held
from composer.render.manifest import all_records

#: The largest sides that a tile may have, (height, width) in latents; None: the model's own.
Limit = tuple[int, int] | None


@dataclass(frozen=True)
class TileWord:
    """file: `.muster/tiles.json` of a delivery, there once memory has run out. sha256: of the bundle that it holds for.
    parent: the word of the version that this one is a re-roll of, which holds here too."""

    file: Path
    sha256: str
    parent: Path | None = None

    def read(self) -> Limit:
        """What is agreed upon."""
        limit: Limit = None
        for file in (self.file, self.parent):
            limit = smaller(limit, None if file is None else _said(file, self.sha256))
        return limit

    def lower(self, limit: Limit) -> Limit:
        """Agree upon tiles no larger than `limit`; what then holds."""
        if smaller(self.read(), limit) != self.read():
            with held(self.file.with_suffix(".lock")):
                now = smaller(self.read(), limit)
                assert now is not None
                with atomic_write(self.file) as temporary:
                    told = {"largest_tile_latents": list(now), "bundle_sha256": self.sha256}
                    temporary.write_text(json.dumps(told, indent=1) + "\n", encoding="utf-8")
        return self.read()

    def holds(self, paint: Mapping[str, object] | None) -> bool:
        """Whether a frame's record (`PaintRecord`, as a mapping) is of the tile that is agreed upon, or of none."""
        limit = None if paint is None else paint.get("tile_limit")
        return limit is None or limit == named(self.read())


def behind(word: TileWord | None, delivery: Path) -> tuple[int, ...]:
    """The frames of a delivery that were painted in larger tiles than all are to have by now."""
    return () if word is None else tuple(r.frame for r in all_records(delivery)[0] if not word.holds(r.paint))


def word_file(delivery: Path) -> Path:
    return delivery / ".muster" / "tiles.json"


def smaller(one: Limit, other: Limit) -> Limit:
    """Within both."""
    if one is None or other is None:
        return one or other
    return min(one[0], other[0]), min(one[1], other[1])


def named(limit: Limit) -> str:
    """As a frame's record has it: `48x64`, empty for the model's own."""
    return "" if limit is None else f"{limit[0]}x{limit[1]}"


def _said(file: Path, sha256: str) -> Limit:
    """What a file says of this bundle."""
    try:
        told = json.loads(file.read_text(encoding="utf-8"))
        height, width = (int(side) for side in told["largest_tile_latents"])
        return (height, width) if told["bundle_sha256"] == sha256 and min(height, width) > 0 else None
    except (OSError, ValueError, TypeError, KeyError):
        return None
