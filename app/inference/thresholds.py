"""Thresholds that several layers share. Imports nothing, so that the command line starts quickly."""

LEGIBLE = 0.5  # legibility below which a frame probably does not show one whole digit
SMALL_BYTES = 8192  # of a small picture's file, which takes less time to read than to ask for
