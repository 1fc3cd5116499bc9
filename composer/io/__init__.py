"""Bytes on disk: EXR parts, image sequences, movies, atomic writes, digests, limits. Knows arrays, not films."""
