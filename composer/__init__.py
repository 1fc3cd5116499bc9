"""Muster puts a battle into a shot.

`composer` is the import package of the project Muster (command `muster`). Importing it loads nothing heavy:
torch, warp and the image libraries are loaded by the rooms that need them.
"""

__version__ = "0.1.0"
