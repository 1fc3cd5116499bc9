"""Cavalry: a horse by code, its gaits keyed by hand with planted hooves, and its rider."""
