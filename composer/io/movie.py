"""Movies in and out through PyAV."""
from __future__ import annotations
from dataclasses import dataclass
from pathlib import Path
MOVIE_SUFFIXES = frozenset((".mp4", ".mov", ".mkv", ".m4v", ".mxf"))
@dataclass
class Movie:
    path: Path
    frame_count: int = 0
    notes: tuple[str, ...] = ()
    @staticmethod
    def open(path: Path) -> Movie:
        raise NotImplementedError
