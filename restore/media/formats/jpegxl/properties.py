"""Keys of `Picture.info` that only JPEG XL has."""

from __future__ import annotations

NAME = "JPEGXL"
GAIN_MAP, PEAK_OF_FILE = "jpegxl_gain_map", "jpegxl_peak"
"""The box of the gain map, and the intensity of white in cd/m2."""
