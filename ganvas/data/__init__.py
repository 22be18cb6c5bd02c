"""Data sets: what a path holds, decoded once to uint8; the doctor that looks it over; the owners' downloads."""

from ganvas.data.cache import cache_directory
from ganvas.data.images import Images, Kind, load, peek
from ganvas.data.toys import toy_modes, toy_std

__all__ = ["Images", "Kind", "cache_directory", "load", "peek", "toy_modes", "toy_std"]
