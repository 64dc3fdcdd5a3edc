"""zstd frames for records, and the dictionaries that make them small.

A dictionary trained on the log's own records makes a record a seventh of its size. Every frame
carries a checksum, so a flipped bit is noticed when the record is read and not taken for content.
Rows that were written before a dictionary was trained stay as they are: each names the dictionary
that it needs.
"""

from __future__ import annotations

import hashlib
import sqlite3
from collections.abc import Sequence

import zstandard

from ledger.errors import PoisonRecord
from ledger.log.schema import transaction

LEVEL = 3
DICTIONARY_BYTES = 112 * 1024
TRAINING_RECORDS = 2_000
"""How many records a dictionary is trained on: about the first list of a cluster of some size."""

SAMPLE_BYTES = 16 * 1024
"""Of a larger record only the beginning is learnt from: training holds every sample in memory."""

LARGEST_VALUE_BYTES = 1 << 30
"""SQLite's own limit for a value. A frame that claims more is damaged, and must not be given the
memory it asks.
"""

FIRST = """
select value, dictionary
from records
order by position
limit ?
"""


class Frames:
    """Packs values with the log's newest dictionary, unpacks what was packed with any of them."""

    def __init__(self, connection: sqlite3.Connection) -> None:
        self.dictionary: int | None = None
        self._connection = connection
        self._compressor = zstandard.ZstdCompressor(level=LEVEL, write_checksum=True)
        self._decompressors: dict[int | None, zstandard.ZstdDecompressor] = {
            None: zstandard.ZstdDecompressor()
        }
        self._due_at = TRAINING_RECORDS
        self._use_newest()

    def pack(self, value: bytes) -> bytes:
        """The value as a frame, packed with `self.dictionary` (None: without one)."""
        return self._compressor.compress(value)

    def unpack(self, frame: bytes, dictionary: int | None) -> bytes:
        """The value that was packed. Raises PoisonRecord, with the reason, when it cannot be told
        any more.
        """
        try:
            size = zstandard.frame_content_size(frame)
            if not 0 <= size <= LARGEST_VALUE_BYTES:
                raise PoisonRecord("its stored bytes are damaged: no record has that size")
            return self._decompressor(dictionary).decompress(frame)
        except zstandard.ZstdError as wrong:
            raise PoisonRecord(f"its stored bytes are damaged: {wrong}") from None

    def train_when_due(self, records: int) -> None:
        """Train a dictionary once the log holds enough records. Values that have too little in
        common, and a full disk, put it off; what is recorded stays recorded either way.
        """
        if self.dictionary is not None or records < self._due_at:
            return
        self._due_at = 2 * records
        self._use_newest()
        if self.dictionary is None:
            self._train()

    def _train(self) -> None:
        number = self._newest_number() + 1
        content = _trained(self._samples(), number)
        if content is None:
            return
        row = (number, content, _digest(content))
        try:
            with transaction(self._connection):
                self._connection.execute("insert into dictionaries values (?, ?, ?)", row)
        except sqlite3.Error:
            # A full disk, or another process that was quicker: the next time it is due will show.
            return
        self._use_newest()

    def _samples(self) -> list[bytes]:
        samples = []
        for frame, dictionary in self._connection.execute(FIRST, (TRAINING_RECORDS,)):
            try:
                samples.append(self.unpack(frame, dictionary)[:SAMPLE_BYTES])
            except PoisonRecord:
                continue
        return samples

    def _use_newest(self) -> None:
        number = self._newest_number()
        if not number:
            return
        try:
            known = self._dictionary(number)
        except PoisonRecord:
            return
        self._compressor = zstandard.ZstdCompressor(
            level=LEVEL, write_checksum=True, dict_data=known
        )
        self.dictionary = number

    def _newest_number(self) -> int:
        (number,) = self._connection.execute("select max(id) from dictionaries").fetchone()
        return number or 0

    def _decompressor(self, dictionary: int | None) -> zstandard.ZstdDecompressor:
        if dictionary is not None and dictionary not in self._decompressors:
            known = self._dictionary(dictionary)
            self._decompressors[dictionary] = zstandard.ZstdDecompressor(dict_data=known)
        return self._decompressors[dictionary]

    def _dictionary(self, number: int) -> zstandard.ZstdCompressionDict:
        row = self._connection.execute(
            "select content, digest from dictionaries where id = ?", (number,)
        ).fetchone()
        if row is None:
            raise PoisonRecord(f"its dictionary {number} is missing")
        content, digest = row
        if _digest(content) != digest:
            raise PoisonRecord(f"its dictionary {number} is damaged")
        return zstandard.ZstdCompressionDict(content)


def _trained(samples: Sequence[bytes], number: int) -> bytes | None:
    try:
        return zstandard.train_dictionary(
            DICTIONARY_BYTES, list(samples), level=LEVEL, dict_id=number
        ).as_bytes()
    except zstandard.ZstdError:
        return None


def _digest(content: bytes) -> str:
    return hashlib.sha256(content).hexdigest()
