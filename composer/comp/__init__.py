"""Layers into picture: over, holdouts, shadow."""
