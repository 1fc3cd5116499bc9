"""What a quality paints with where nobody names a bundle."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest

from composer.errors import InputError
from composer.render import quality as quality_room
from composer.render.job import prepare_job
from composer.render.painters import PaintAsk, usual_bundle
from composer.render.quality import load_quality
from composer.shot.load import load_shot

Make = Callable[..., Path]


def test_draft_takes_levy_where_it_is_there(with_models: Path) -> None:
    assert load_quality("draft").bundle == "levy" and load_quality("preview").bundle is None
    draft = replace(load_quality("draft"), bundle="tiny-sd15")
    assert usual_bundle(draft) == ("tiny-sd15",)
    assert usual_bundle(replace(draft, bundle="nobody")) == () == usual_bundle(replace(draft, bundle=None))
    assert usual_bundle(replace(draft, paints=False)) == ()


def test_a_shot_that_names_none_is_painted_with_it(paint_shot: Make, with_models: Path, tmp_path: Path) -> None:
    draft = replace(load_quality("draft"), bundle="tiny-sd15")
    shot = load_shot(paint_shot(frames=1))
    job = prepare_job(shot, tmp_path / "a", draft, ask=PaintAsk(steps=2))
    assert job.scene.painter is not None and job.scene.painter.plan.bundle.name == "tiny-sd15"
    assert job.scene.painter.plan.brief.steps == 2
    without = prepare_job(shot, tmp_path / "b", replace(draft, bundle="nobody"))
    assert without.scene.painter is None and any("no bundle is named" in note for note in without.notes)


def test_a_bundle_that_is_no_name_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "quality.yaml"
    path.write_text("draft: {samples: 8, paint: true, bundle: 3}\n")
    monkeypatch.setattr(quality_room, "find_content", lambda _: path)
    with pytest.raises(InputError, match="no bundle is named"):
        load_quality("draft")
