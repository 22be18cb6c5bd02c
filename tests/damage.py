"""Damage for fuzz tests: bytes flipped, cut, doubled, put in; always the same damage, and bounded."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

Edit = tuple[str, int, bytes]
POSITIONS = st.integers(0, 1 << 20)  # modulo the length; small ones are headers
_EDITS = st.tuples(
    st.sampled_from(["put", "put", "cut", "insert", "delete", "double"]),
    st.one_of(st.integers(0, 200), POSITIONS),
    st.one_of(st.binary(min_size=1, max_size=8), st.sampled_from([b"\xff" * 8, b"\0" * 8, b"\x7f\xff\xff\xff", b"["])),
)
EDITS = st.lists(_EDITS, min_size=1, max_size=4)


def damaged(data: bytes, edits: list[Edit]) -> bytes:
    """The bytes after the edits."""
    for kind, where, value in edits:
        at = where % (len(data) + 1)
        if kind == "cut":
            data = data[:at]
        elif kind == "delete":
            data = data[:at] + data[at + len(value) :]
        elif kind == "insert":
            data = data[:at] + value + data[at:]
        elif kind == "double":
            data = data[:at] + data[at : at + 64] + data[at:]
        else:
            data = data[:at] + value + data[at + len(value) :]
    return data


def fuzzed(examples: int = 40) -> Callable[[Callable[..., Any]], Callable[..., Any]]:
    """A test that gets `edits`, this often, in the same way every time."""
    bounded = settings(
        max_examples=examples,
        derandomize=True,
        database=None,
        deadline=None,
        suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
    )
    return lambda test: bounded(given(edits=EDITS)(test))
