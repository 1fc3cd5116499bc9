"""The bundle: weights, tokenizer and scheduler in half precision, bundle.yaml with their hashes, and the card."""

from __future__ import annotations

import os
import shutil
from collections.abc import Mapping
from pathlib import Path

from composer.errors import MachineError, Where
from composer.inference.bundle import Bundle, load_bundle
from composer.inference.bundle_verify import verify_bundle
from composer.io.files import sha256_file
from models.levy.recipe.net import FACTOR, Levy

#: Of all weights together.
MOST_BYTES = 40_000_000
NATIVE_PX = (768, 768)

_BUNDLE = """\
# Levy: Muster's own small painter. Written by `python -m models.levy.recipe export`.
muster_bundle: 1
bundle: {name}
family: levy
licence: {{id: Apache-2.0, name: Apache License 2.0, commercial: true}}
trained_on: pictures that Muster rendered itself; no photograph, no scraped picture
conditions: [depth, normal, albedo, pose, mask, plate, guide, text]
native_px: [{native[0]}, {native[1]}]
steps: {{preview: 4, draft: 8, final: 8}}
guidance: 1
options: {{masked_picture: {masked}, unshuffle: {factor}, says_change: true, hold_px: 1.5, beside_px: 32,
  varied: "clean, worn, muddy, bloody, dusty and torn", default_prompt: "soldiers, worn"}}
sources:
  base:
    files:
{files}
controls: {{depth: base/controlnet_depth, normal: base/controlnet_depth, albedo: base/controlnet_depth,
  pose: base/controlnet_pose}}
"""


def write_bundle(net: Levy, folder: Path, name: str = "levy", masked_picture: str = "guide", card: str = "") -> Bundle:
    """A bundle in a folder, in place of what lay in its weights/. masked_picture: 'guide', or 'plate' for a model that is
    shown depth and pose alone. The bundle is verified before it is returned."""
    new, base = folder / "weights.new" / "base", folder / "weights" / "base"
    shutil.rmtree(new.parent, ignore_errors=True)
    new.mkdir(parents=True)
    net.save(new)
    size = sum(p.stat().st_size for p in new.rglob("*.safetensors"))
    if size > MOST_BYTES:
        raise MachineError("these weights are too large", where=Where(folder), expected=f"{MOST_BYTES}", got=f"{size}")
    shutil.rmtree(base.parent, ignore_errors=True)
    os.replace(new.parent, base.parent)
    hashes = {p.relative_to(base).as_posix(): sha256_file(p) for p in sorted(base.rglob("*")) if p.is_file()}
    files = "\n".join(f"      {path}: {digest}" for path, digest in hashes.items())
    text = _BUNDLE.format(name=name, native=NATIVE_PX, masked=masked_picture, factor=FACTOR, files=files)
    (folder / "bundle.yaml").write_text(text, encoding="utf-8")
    (folder / "card.md").write_text(card or f"# {name}\n\nNot evaluated.\n", encoding="utf-8")
    bundle = load_bundle(folder)
    verify_bundle(bundle)
    return bundle


_CARD = """\
# Levy

A small diffusion model of Muster's own: it paints a crowd over its guide render, or from depth and pose alone. Family `levy`:
the networks of Stable Diffusion 1.5 with two ControlNets (depth with normals and albedo; pose), small, over pixels rearranged
without loss. Licence: Apache-2.0, commercial use allowed.

- Trained on: {pairs} scenes, each in two states of wear, that Muster rendered itself (`models/levy/recipe`):
  no photograph, no scraped picture.
- Training: {seconds:.0f} s on {device}, {steps} steps{before}; network `{size}`, {parameters:.1f} M parameters,
  {megabytes:.1f} MB.
- Good at: soldiers 10 to 150 px tall over their guide: light, shade between men, weathered cloth and metal, mud and dust. Bad
  at: figures much taller, to which it adds little; anything but Muster's own people; places. From depth and pose alone it gives
  shapes, no people; depth with normals tells nearly all of these, and what is wrong in them are colours, which pose does not
  tell. It hardly reads its pose: another picture's in its place changes next to nothing, another depth everything.
- Its words: dust and smoke show; those of wear too, as strongly as its renderer means them, not always in the same places.
- From seed to seed it varies where wear lies on each man, not his mean colour.
- In time: what is finer than a pixel holds still where the shot says `paint.steady` is true, as the demo's does.
- Words it knows: {words}.

## Measured

On {count} pictures whose scenes, suns, kits and seeds were never trained on.

{table}

![depth, pose, guide, target, 4 steps, 8 steps, depth and pose only]({picture})
"""


def card_text(facts: Mapping[str, object], table: str, picture: str) -> str:
    """facts: `pairs`, `seconds`, `before`, `device`, `steps`, `size`, `parameters`, `megabytes`, `words`, `count`."""
    return _CARD.format(**facts, table=table, picture=picture)
