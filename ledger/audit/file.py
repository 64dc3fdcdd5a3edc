"""The audit log's file, read line by line across rotations.

A place in it is an inode, an offset, and a digest of the bytes before the offset, so that a file
that was renamed is found again, and one that was cut and has grown anew is not taken for the same.
Blocking; tail.py brings it into the event loop.
"""

from __future__ import annotations

import hashlib
import os
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

CHUNK_BYTES = 1024 * 1024
LINE_BYTES = 8 * 1024 * 1024
"""A longer line is passed over."""

FINGERPRINT_BYTES = 512


@dataclass(frozen=True, slots=True)
class Place:
    """How far a file was read."""

    inode: int
    offset: int
    digest: str
    """SHA-256 of up to 512 bytes before the offset."""


class AuditFile:
    """Reads on from a place; `lost` counts the times that what came next was not to be found."""

    def __init__(self, path: Path, place: Place | None = None) -> None:
        self.path = path
        self.place = place
        self.lost = 0
        self.too_long = 0
        self._file: int | None = None

    def close(self) -> None:
        """Free the file; reading goes on where it was."""
        if self._file is not None:
            os.close(self._file)
            self._file = None

    def read(self) -> list[tuple[bytes, Place]]:
        """The complete lines that came since, each with the place behind it; none at the end, or
        while there is no file.

        Raises OSError where the file may not be read.
        """
        if self._file is None and not self._open():
            return []
        if not self._is_same():
            self._find_copy()
        lines = self._lines()
        if lines or not self._is_rotated():
            return lines
        # What was written before the file was moved away is all in it now.
        return self._lines() or self._last_line() or self._open_next()

    def _open(self) -> bool:
        place = self.place
        if place is None:
            return self._open_at(self.path, 0)
        for path in self._siblings():
            if path.stat().st_ino == place.inode and self._open_at(path, place.offset, place):
                return True
        for path in self._siblings():
            if self._open_at(path, place.offset, place):
                return True
        if not self.path.exists():
            return False
        self.lost += 1
        # What is read twice is absorbed; what is left out is gone.
        oldest = min(self._siblings(), key=lambda path: path.stat().st_mtime_ns)
        return self._open_at(oldest, 0)

    def _open_at(self, path: Path, offset: int, place: Place | None = None) -> bool:
        """Open a file, at a place only if it is that place's file."""
        try:
            file = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
        except FileNotFoundError:
            return False
        status = os.fstat(file)
        if place and (status.st_size < offset or _digest(file, offset) != place.digest):
            os.close(file)
            return False
        self.close()
        self._file = file
        self.place = Place(status.st_ino, offset, _digest(file, offset))
        return True

    def _lines(self) -> list[tuple[bytes, Place]]:
        if self._file is None or self.place is None:
            return []
        data = os.pread(self._file, CHUNK_BYTES, self.place.offset)
        while data and b"\n" not in data and len(data) < LINE_BYTES:
            more = os.pread(self._file, CHUNK_BYTES, self.place.offset + len(data))
            if not more:
                break
            data += more
        end = data.rfind(b"\n") + 1
        if not end and len(data) >= LINE_BYTES:
            self._pass_over(len(data))
            return []
        return list(self._split(data[:end]))

    def _split(self, data: bytes) -> Iterator[tuple[bytes, Place]]:
        if self._file is None or self.place is None:
            return
        inode, offset = self.place.inode, self.place.offset
        for line in data.splitlines(keepends=True):
            offset += len(line)
            self.place = Place(inode, offset, _digest(self._file, offset))
            if line.strip():
                yield line, self.place

    def _pass_over(self, length: int) -> None:
        if self._file is None or self.place is None:
            return
        self.too_long += 1
        offset = self.place.offset + length
        while chunk := os.pread(self._file, CHUNK_BYTES, offset):
            end = chunk.find(b"\n")
            offset += len(chunk) if end < 0 else end + 1
            if end >= 0:
                break
        self.place = Place(self.place.inode, offset, _digest(self._file, offset))

    def _is_same(self) -> bool:
        """Whether what was read is still before the place: not when the file was cut."""
        if self._file is None or self.place is None:
            return True
        is_long_enough = os.fstat(self._file).st_size >= self.place.offset
        return is_long_enough and _digest(self._file, self.place.offset) == self.place.digest

    def _find_copy(self) -> None:
        """The file was copied and cut: go on in the copy, or else at the new beginning."""
        place = self.place
        self.close()
        if place is not None:
            for path in self._siblings():
                if path != self.path and self._open_at(path, place.offset, place):
                    return
        self.lost += 1
        self._open_at(self.path, 0)

    def _is_rotated(self) -> bool:
        """Whether the file that is read is no longer the one that is written to."""
        try:
            return self.place is not None and self.path.stat().st_ino != self.place.inode
        except FileNotFoundError:
            return False

    def _last_line(self) -> list[tuple[bytes, Place]]:
        """A file that was moved away may end without a newline."""
        if self._file is None or self.place is None:
            return []
        data = os.pread(self._file, LINE_BYTES, self.place.offset)
        return list(self._split(data))

    def _open_next(self) -> list[tuple[bytes, Place]]:
        """The file that was begun after this one; rotations may have outrun us."""
        if self._file is None or self.place is None:
            return []
        ended, inode = os.fstat(self._file).st_mtime_ns, self.place.inode
        later = [
            (status.st_mtime_ns, path)
            for path in self._siblings()
            if (status := path.stat()).st_ino != inode
            and (path == self.path or status.st_mtime_ns > ended)
        ]
        between = sorted(each for each in later if each[1] != self.path)
        following = between[0][1] if between else self.path
        return self._lines() if self._open_at(following, 0) else []

    def _siblings(self) -> list[Path]:
        """The file and those that rotation has named after it (`audit.log.1`,
        `audit-2026-11-24T10-00-00.000.log`); compressed ones are for `import`.
        """
        found = {self.path, *self.path.parent.glob(f"{self.path.stem}*")}
        plain = [p for p in found if p.suffix not in (".gz", ".zst", ".bz2") and p.is_file()]
        return sorted(plain, key=lambda path: (path != self.path, path.name))


def _digest(file: int, offset: int) -> str:
    start = max(0, offset - FINGERPRINT_BYTES)
    return hashlib.sha256(os.pread(file, offset - start, start)).hexdigest()
