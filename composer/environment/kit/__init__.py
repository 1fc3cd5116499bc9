"""Muster's own set pieces, by code."""
