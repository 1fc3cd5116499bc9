"""`Camera`, lens distortion, and one reader for each track format."""
