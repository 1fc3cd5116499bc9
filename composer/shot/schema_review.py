"""`review:` of `shot.yaml`: whether somebody must have approved before the final render."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field

from composer.shot.schema_base import Part

Fingerprint = Annotated[str, Field(pattern=r"^[0-9a-f]{16}$")]


class ReviewSpec(Part):
    """`approval: required`: quality `final` asks for an approved option or version of this count. `keys`: fingerprints of
    those who may approve; anybody where none is given."""

    approval: Literal["none", "required"] = "none"
    keys: Annotated[tuple[Fingerprint, ...], Field(max_length=256)] = ()
