"""The RFC 6962 Merkle tree over the log: entry i is the SHA-256 of record i's bytes.

Only the frontier (the roots of the perfect subtrees, left to right) is needed to append and to name
the root, so a tree of a billion leaves is thirty hashes. Proofs and signatures are left to
`verify`.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable
from dataclasses import dataclass

HASH_BYTES = 32


@dataclass(frozen=True, slots=True)
class Tree:
    """A tree's size and frontier: one hash for each one-bit of the size, widest subtree first."""

    size: int = 0
    frontier: tuple[bytes, ...] = ()

    def grown(self, entries: Iterable[bytes]) -> Tree:
        """The tree with more entries at its right edge."""
        size, frontier = self.size, list(self.frontier)
        for entry in entries:
            node = leaf_hash(entry)
            carry = size
            while carry & 1:
                node = node_hash(frontier.pop(), node)
                carry >>= 1
            frontier.append(node)
            size += 1
        return Tree(size, tuple(frontier))

    def root(self) -> bytes:
        """The root hash; of an empty tree, the hash of nothing (RFC 6962 section 2.1)."""
        if not self.frontier:
            return hashlib.sha256(b"").digest()
        root = self.frontier[-1]
        for subtree in reversed(self.frontier[:-1]):
            root = node_hash(subtree, root)
        return root

    def to_bytes(self) -> bytes:
        """The frontier as one blob; the size is kept beside it."""
        return b"".join(self.frontier)

    @classmethod
    def from_bytes(cls, size: int, blob: bytes) -> Tree:
        """Read `to_bytes` back. Raises ValueError when the blob is not a frontier of that size."""
        if len(blob) != size.bit_count() * HASH_BYTES:
            raise ValueError("the Merkle frontier does not fit the tree's size")
        return cls(
            size, tuple(blob[at : at + HASH_BYTES] for at in range(0, len(blob), HASH_BYTES))
        )


def leaf_hash(entry: bytes) -> bytes:
    """SHA-256(0x00 || entry)."""
    return hashlib.sha256(b"\x00" + entry).digest()


def node_hash(left: bytes, right: bytes) -> bytes:
    """SHA-256(0x01 || left || right)."""
    return hashlib.sha256(b"\x01" + left + right).digest()
