"""The plate's own look, measured on the plate: grain, edge, air, grade, lens."""
