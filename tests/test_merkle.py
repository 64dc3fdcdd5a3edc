"""The tree is RFC 6962's, whatever the steps in which it grew."""

from __future__ import annotations

import hashlib

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ledger.merkle import Tree, leaf_hash, node_hash


def textbook_root(entries: list[bytes]) -> bytes:
    """MTH of RFC 6962 section 2.1, as it is written there."""
    if not entries:
        return hashlib.sha256(b"").digest()
    if len(entries) == 1:
        return leaf_hash(entries[0])
    split = 1
    while split * 2 < len(entries):
        split *= 2
    return node_hash(textbook_root(entries[:split]), textbook_root(entries[split:]))


@given(st.lists(st.lists(st.binary(max_size=4), max_size=9), max_size=9))
def test_growing_in_steps_gives_the_textbook_root(steps: list[list[bytes]]) -> None:
    tree = Tree()
    for step in steps:
        tree = Tree.from_bytes(tree.size, tree.to_bytes()).grown(step)
    entries = [entry for step in steps for entry in step]
    assert tree.size == len(entries)
    assert tree.root() == textbook_root(entries)


def test_the_root_of_known_entries_is_the_known_one() -> None:
    entries = [bytes.fromhex(e) for e in ("", "00", "10", "2021", "3031", "40414243")]
    assert Tree().grown(entries).root().hex() == (
        "76e67dadbcdf1e10e1b74ddc608abd2f98dfb16fbce75277b5232a127f2087ef"
    )


def test_a_frontier_of_another_size_is_refused() -> None:
    with pytest.raises(ValueError, match="does not fit"):
        Tree.from_bytes(3, b"\0" * 32)
