"""Data sets: what a path holds, decoded once to uint8; the doctor that looks it over; the owners' downloads."""

from ganvas.data.cache import cache_directory
from ganvas.data.doctor import check, contact_sheet
from ganvas.data.fetch import fetch
from ganvas.data.images import Images, Kind, load, peek
from ganvas.data.report import Report
from ganvas.data.toys import toy_modes, toy_std

__all__ = [
    "Images",
    "Kind",
    "Report",
    "cache_directory",
    "check",
    "contact_sheet",
    "fetch",
    "load",
    "peek",
    "toy_modes",
    "toy_std",
]
