"""Lines come out of a watch's bytes whole or not at all."""

from __future__ import annotations

import hashlib
import itertools
import tracemalloc

from hypothesis import given
from hypothesis import strategies as st

from ledger.lines import LineSplitter, LongLine


def fed(splitter: LineSplitter, *chunks: bytes) -> list[bytes | LongLine]:
    """Everything that the chunks complete."""
    return [line for chunk in chunks for line in splitter.feed(chunk)]


@given(st.binary(max_size=200), st.lists(st.integers(0, 200), max_size=8))
def test_lines_are_the_same_however_the_bytes_are_cut(raw: bytes, cuts: list[int]) -> None:
    edges = [0, *sorted(min(cut, len(raw)) for cut in cuts), len(raw)]
    chunks = [raw[a:b] for a, b in itertools.pairwise(edges)]
    *whole, _half = raw.split(b"\n")
    assert fed(LineSplitter(), *chunks) == [line for line in whole if line]


@given(st.integers(0, 60), st.integers(1, 25))
def test_a_line_over_the_limit_is_passed_over_and_the_next_one_comes(
    length: int, chunk_bytes: int
) -> None:
    line = b"x" * length
    raw = line + b"\nafter\n"
    chunks = [raw[at : at + chunk_bytes] for at in range(0, len(raw), chunk_bytes)]
    expected: list[bytes | LongLine] = [line] if 0 < length <= 20 else []
    if length > 20:
        expected = [LongLine(length, hashlib.sha256(line).hexdigest())]
    assert fed(LineSplitter(limit_bytes=20), *chunks) == [*expected, b"after"]


def test_a_long_line_is_not_held_in_memory() -> None:
    splitter = LineSplitter(limit_bytes=1_000_000)
    tracemalloc.start()
    try:
        for _ in range(40):
            assert splitter.feed(b"x" * 500_000) == []
        _, peak_bytes = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert peak_bytes < 4_000_000


def test_half_a_line_is_never_handed_out() -> None:
    assert fed(LineSplitter(), b'{"type":"ADDED"}\n{"type":"MODI') == [b'{"type":"ADDED"}']
