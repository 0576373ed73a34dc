"""Thresholds and sizes shared by several layers. Imports nothing, so that the command line starts quickly."""

LEGIBLE = 0.5  # legibility below which a frame probably does not show one whole digit
SMALL_BYTES = 8192  # maximum size of a small picture's file; such a picture takes longer to request than to read
MAX_PIXELS = 50_000_000  # of a picture, by default
MAX_DIGITS = 64  # per line of a number
PATCHES = 7  # along each side of a frame; each is 4×4 pixels, whose side is nearly twice the stroke width
