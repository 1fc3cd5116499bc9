"""The tiled core: diffusion at any resolution, bound to the guides. Nothing here is loaded until a shot is painted."""
