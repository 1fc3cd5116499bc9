"""What the artist writes: the schema of `shot.yaml`, strict loading, plate, ground and holdouts."""
