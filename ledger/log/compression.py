"""zstd frames for records: small on disk, and never told apart from what they were.

A dictionary trained on the log's own records makes a record a seventh of its size. Every frame carries a
checksum, so a flipped bit is noticed when the record is read and not taken for content. Where dictionaries are
kept is left to sqlite.py.
"""

from __future__ import annotations

import hashlib
from collections.abc import Sequence

import zstandard

from ledger.errors import PoisonRecord

LEVEL = 3
DICTIONARY_BYTES = 112 * 1024
SAMPLE_BYTES = 128 * 1024
"""Of a larger record only the beginning is learnt from: training holds every sample in memory."""

LARGEST_VALUE_BYTES = 1 << 30
"""SQLite's own limit for a value. A frame that claims more is damaged, and must not be given the memory it asks."""


class Frames:
    """Packs values into frames, with the newest dictionary it was taught, and unpacks what any of them packed."""

    def __init__(self) -> None:
        self.dictionary: int | None = None
        self._compressor = zstandard.ZstdCompressor(level=LEVEL, write_checksum=True)
        self._decompressors = {None: zstandard.ZstdDecompressor()}

    def teach(self, dictionary: int, content: bytes) -> None:
        """Know a dictionary from here on, and pack with it when it is the newest."""
        known = zstandard.ZstdCompressionDict(content)
        self._decompressors[dictionary] = zstandard.ZstdDecompressor(dict_data=known)
        if self.dictionary is None or dictionary > self.dictionary:
            self.dictionary = dictionary
            self._compressor = zstandard.ZstdCompressor(
                level=LEVEL, write_checksum=True, dict_data=known
            )

    def knows(self, dictionary: int | None) -> bool:
        """Whether frames packed with this dictionary can be unpacked."""
        return dictionary in self._decompressors

    def pack(self, value: bytes) -> bytes:
        """The value as a frame, packed with `self.dictionary`."""
        return self._compressor.compress(value)

    def unpack(self, frame: bytes, dictionary: int | None) -> bytes:
        """The value that was packed. Raises PoisonRecord, with the reason, when it cannot be told any more."""
        try:
            size = zstandard.frame_content_size(frame)
            if not 0 <= size <= LARGEST_VALUE_BYTES:
                raise PoisonRecord("its stored bytes are damaged: no size that a record can have")
            return self._decompressors[dictionary].decompress(frame)
        except zstandard.ZstdError as wrong:
            raise PoisonRecord(f"its stored bytes are damaged: {wrong}") from None


def train(samples: Sequence[bytes], *, dictionary: int) -> bytes | None:
    """A dictionary with this id for values like the samples; None when they have too little in common."""
    short = [sample[:SAMPLE_BYTES] for sample in samples]
    try:
        trained = zstandard.train_dictionary(
            DICTIONARY_BYTES, short, level=LEVEL, dict_id=dictionary
        )
    except zstandard.ZstdError:
        return None
    return trained.as_bytes()


def digest(content: bytes) -> str:
    """SHA-256 in hex: says whether a stored dictionary is still the one that was trained."""
    return hashlib.sha256(content).hexdigest()
