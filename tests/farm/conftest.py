"""Shots that are painted, as in the tests of `render`."""

from tests.render.conftest import models, paint_shot, with_models  # noqa: F401
