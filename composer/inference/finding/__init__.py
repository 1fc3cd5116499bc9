"""Models that find holdouts on the plate: depth and segmentation networks of transformers, out of bundles."""
