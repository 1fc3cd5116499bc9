"""OCIO spaces: the plate's own space, the working space ACEScg, and the display."""
