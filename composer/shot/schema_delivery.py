"""`delivery:` in `shot.yaml`: the parts of the delivered files, and how they are written."""

from __future__ import annotations

import difflib
from typing import Annotated, Literal, Self

from pydantic import Field, model_validator

from composer.shot.schema_base import Name, Part, Positive, mistake

#: The parts of a delivered EXR, in its order.
LIGHT_SET = ("light_sun", "light_sky", "light_bounce")
CRYPTOMATTES = ("crypto_agent", "crypto_side", "crypto_cast")
#: Those of the place around the crowd; only of a shot with `environment:`.
PLACE_PARTS = (
    "environment", "environment_depth", "environment_normal", "environment_motion", "environment_albedo", "crypto_environment",
    "air", "ground",
)  # fmt: skip
#: What was painted out of the plate; only of a shot with `repairs:`.
REPAIR = "repair"
PARTS = (
    "rgba", "crowd", *LIGHT_SET, "shadow", REPAIR, "depth", "control_depth", "normal", "motion", "albedo", "pose",
    *CRYPTOMATTES, *PLACE_PARTS,
)  # fmt: skip
PARTS_BY_DEFAULT = tuple(p for p in PARTS if p not in (*LIGHT_SET, "control_depth"))


class DeliverySpec(Part):
    """What is written. parts: those wanted, beside the composite (none given: PARTS_BY_DEFAULT); light_set adds its
    three; deep: a deep file with each frame. control_depth_m: near and far of `control_depth`, in place of the crowd's
    own. compression: of every part, in place of the quickest for each. sign: content credentials (C2PA) for what is
    delivered."""

    parts: tuple[Name, ...] | None = None
    light_set: bool = False
    deep: bool = False
    control_depth_m: tuple[Positive, Positive] | None = None
    compression: Literal["zip", "piz"] | None = None
    slate: Annotated[str, Field(max_length=200)] = ""
    sign: bool = False

    @model_validator(mode="after")
    def _known(self) -> Self:
        for name in self.parts or ():
            if name not in PARTS:
                near = difflib.get_close_matches(name.rstrip("0123456789"), PARTS, 1)
                hint = f"did you mean {near[0]}?" if near else ""
                if name == "deep":
                    hint = "deep: true asks for the deep files"
                raise mistake("no such part", expected=", ".join(PARTS), got=name, hint=hint, key="parts")
        if self.control_depth_m and self.control_depth_m[0] >= self.control_depth_m[1]:
            raise mistake(
                "near must be nearer than far",
                expected="[near, far] in metres",
                got=str(list(self.control_depth_m)),
                key="control_depth_m",
            )
        return self

    @property
    def wanted(self) -> tuple[str, ...]:
        """The parts asked for, in the file's order. The composite is always among them."""
        asked = {"rgba", *(PARTS_BY_DEFAULT if self.parts is None else self.parts)}
        asked |= set(LIGHT_SET) if self.light_set else set()
        return tuple(p for p in PARTS if p in asked)
