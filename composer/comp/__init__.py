"""Layers into picture: shadow, holdout edges and over, in scene-linear light."""
