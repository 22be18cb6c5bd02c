"""Data sets: what a path holds, decoded once to uint8; the doctor that looks it over; the owners' downloads."""

from collections.abc import Callable
from dataclasses import dataclass

from ganvas.data.cache import cache_directory
from ganvas.data.dataset import Dataset, Take, Wanted
from ganvas.data.doctor import check, contact_sheet
from ganvas.data.fetch import fetch
from ganvas.data.images import Images, Kind, load, load_wanted, looked_over, peek
from ganvas.data.instances import Instances, Stock, load_instances, peek_instances
from ganvas.data.made_pairs import MADE
from ganvas.data.pair_doctor import PairReport, check_pairs
from ganvas.data.pair_files import holds_pairs
from ganvas.data.pair_set import PairSet, load_pair_set, peek_pair_set
from ganvas.data.pairs import PairKind, Pairs, load_pairs, peek_pairs
from ganvas.data.report import Report
from ganvas.data.toys import EMBEDDED, toy_modes, toy_std

__all__ = [
    "EMBEDDED",
    "MADE",
    "READERS",
    "Dataset",
    "Images",
    "Instances",
    "Kind",
    "PairKind",
    "PairReport",
    "PairSet",
    "Pairs",
    "Reader",
    "Report",
    "Stock",
    "Take",
    "Wanted",
    "cache_directory",
    "check",
    "check_pairs",
    "contact_sheet",
    "fetch",
    "holds_pairs",
    "load",
    "load_pairs",
    "looked_over",
    "peek",
    "peek_pairs",
    "toy_modes",
    "toy_std",
]


@dataclass(frozen=True)
class Reader:
    """One way to read a path for training: what is there, and its rows."""

    peek: Callable[[str], Kind]
    load: Callable[[str, Wanted], Dataset]


# what a paper reads (`GAN.reads`) -> how
READERS: dict[str, Reader] = {
    "images": Reader(peek, load_wanted),
    "pairs": Reader(peek_pair_set, load_pair_set),
    "instances": Reader(peek_instances, load_instances),
}
