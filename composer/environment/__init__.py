"""What stands around the crowd: terrain, set pieces, the sky."""
