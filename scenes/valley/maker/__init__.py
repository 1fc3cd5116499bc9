"""What makes the valley plate: the place, the things in it, the light, the camera and the renderer.

Each module knows one thing and can be imported alone: `world.height_m`, `light.SUN_DIRECTION`, `move.camera_at`.
"""
