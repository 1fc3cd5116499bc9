"""What the camera sees of the crowd: the visibility buffer and the passes resolved from it."""
