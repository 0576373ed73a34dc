"""The patches of a frame that are blanked, one after another, to explain a reading."""

PATCHES = 7  # along each side of a frame: a patch is nearly twice as wide as a stroke
