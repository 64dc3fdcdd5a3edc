"""The audit log's file, read line by line across rotations.

A place in it is an inode, an offset, and digests of the bytes before the offset and of the file's
beginning: so a file that was renamed is found again, one that was copied and cut is read on in its
copy, and one that has grown anew is not taken for the same. Blocking; tail.py brings it into the
event loop.
"""

from __future__ import annotations

import errno
import hashlib
import io
import os
import stat
from dataclasses import dataclass, field
from pathlib import Path

from ledger.audit.rotation import Sibling, siblings

CHUNK_BYTES = 1024 * 1024
LINE_BYTES = 8 * 1024 * 1024
"""A longer line is passed over."""

PRINT_BYTES = 512
"""Each event has an id of its own within so many bytes, so equal ones are the same bytes."""

Lines = list[tuple[bytes, "Place"]]


@dataclass(frozen=True, slots=True)
class Place:
    """How far a file was read; offset 0 where nothing was."""

    inode: int = 0
    offset: int = 0
    digest: str = ""
    """SHA-256 of up to 512 bytes before the offset."""

    head: str = ""
    """SHA-256 of the file's first 512 bytes, or of those before the offset."""


@dataclass(slots=True)
class AuditFile:
    """Reads on from a place; without one from the oldest file that is there."""

    path: Path
    place: Place | None = None
    lost: int = 0
    """How often what came next was not to be found: some of it may be gone."""

    too_long: int = 0
    """How many lines were passed over."""

    is_readable: bool = True
    """Whether the last read went well."""

    _file: int | None = None
    _tail: bytes = b""
    _head: bytes = b""
    _done: set[tuple[int, int]] = field(default_factory=set)

    def close(self) -> None:
        """Free the file; reading goes on where it was."""
        if self._file is not None:
            os.close(self._file)
            self._file = None

    def read(self) -> Lines:
        """The complete lines that came since, each with the place behind it; none at the end, or
        while there is no file.

        Raises OSError where the file may not be read; the next one tries again.
        """
        self.is_readable = False
        try:
            lines = self._read()
        except OSError:
            self.close()
            raise
        self.is_readable = True
        return lines

    def _read(self) -> Lines:
        if self._file is None and not self._open():
            return []
        lines = self._lines()
        if not lines and (following := self._following()):
            # Whoever writes has gone over to another file: nothing more comes to this one.
            lines = self._lines() or self._rest(following)
            if not lines and self._go_over(following):
                lines = self._lines()
        return lines

    def _open(self) -> bool:
        """Open the file that goes on at the place; False while there is none."""
        found = siblings(self.path)
        place = self.place
        if place is not None and place.offset:
            found.sort(key=lambda each: (each.inode != place.inode, -each.written_ns))
            if any(self._open_at(each, place) for each in found):
                return True
            if not found:
                return False
            self.lost += 1
        # What is read twice is absorbed; what is left out is gone.
        found.sort(key=_by_age)
        if not found and self.path.exists():
            raise OSError(errno.EINVAL, "not a regular file")
        return any(self._open_at(each, Place()) for each in found)

    def _open_at(self, sibling: Sibling, place: Place) -> bool:
        """Open a file at a place of it. Raises OSError when the file itself may not be read; its
        rotated ones may be out of reach."""
        try:
            file = os.open(sibling.path, os.O_RDONLY | os.O_CLOEXEC | os.O_NONBLOCK)
        except FileNotFoundError:
            return False
        except PermissionError:
            if sibling.is_current:
                raise
            return False
        status = os.fstat(file)
        offset = _matching(file, status.st_size, place) if stat.S_ISREG(status.st_mode) else None
        if offset is None:
            os.close(file)
            return False
        self.close()
        self._file = file
        self._tail = _before(file, offset)
        self._head = os.pread(file, min(offset, PRINT_BYTES), 0)
        self._move(status.st_ino, offset)
        return True

    def _following(self) -> Sibling | None:
        """The file that was begun after this one, once something is in it."""
        if self._file is None or self.place is None:
            return None
        inode, ended_ns = self.place.inode, os.fstat(self._file).st_mtime_ns
        found = siblings(self.path)
        if not (found and found[0].is_current and found[0].inode != inode):
            return None
        later = [
            each
            for each in found
            if each.inode != inode
            and each.size
            and each.key not in self._done
            and (each.is_current or each.written_ns >= ended_ns)
        ]
        return min(later, key=_by_age, default=None)

    def _go_over(self, following: Sibling) -> bool:
        if self._file is not None:
            status = os.fstat(self._file)
            self._done.add((status.st_ino, status.st_mtime_ns))
        if self._open_at(following, Place()):
            return True
        # Gone meanwhile, or out of reach for good: the one after it must do.
        self._done.add(following.key)
        self.lost += 1
        return False

    def _lines(self) -> Lines:
        data = self._data()
        if data is None:
            # Cut, and a copy made of it before: that goes on at the place.
            self.close()
            data = self._data() if self._open() else None
        end = data.rfind(b"\n") + 1 if data else 0
        if data and not end and len(data) >= LINE_BYTES:
            self._pass_over(len(data))
        return self._split(data[:end]) if data and end else []

    def _data(self) -> bytes | None:
        """The bytes behind the place, up to a line's end at least; None when the file is no longer
        what it was before the place."""
        if self._file is None or self.place is None:
            return b""
        while True:
            data = os.pread(self._file, CHUNK_BYTES, self.place.offset)
            while data and b"\n" not in data and len(data) < LINE_BYTES:
                more = os.pread(self._file, CHUNK_BYTES, self.place.offset + len(data))
                if not more:
                    break
                data += more
            # Afterwards: what is read while a file is cut may be of another place.
            known = self._tail + data[:PRINT_BYTES]
            start = self.place.offset - len(self._tail)
            if os.pread(self._file, len(known), start) != known:
                return None
            if not data.startswith(b"\0"):
                return data
            # Who goes on where it was in a file that was cut leaves a hole before it.
            written = data.lstrip(b"\0")
            self._advance(data[: len(data) - len(written)])

    def _split(self, data: bytes) -> Lines:
        lines: Lines = []
        for line in io.BytesIO(data):
            place = self._advance(line)
            if line.strip():
                lines.append((line, place))
        return lines

    def _advance(self, data: bytes) -> Place:
        """Move on by bytes that were read at the place."""
        place = self.place or Place()
        if place.offset < PRINT_BYTES:
            self._head = (self._head + data)[:PRINT_BYTES]
        self._tail = (self._tail + data[-PRINT_BYTES:])[-PRINT_BYTES:]
        return self._move(place.inode, place.offset + len(data))

    def _move(self, inode: int, offset: int) -> Place:
        self.place = Place(inode, offset, _digest(self._tail), _digest(self._head))
        return self.place

    def _pass_over(self, length: int) -> None:
        """Leave out a line that is too long, once it has an end."""
        if self._file is None or self.place is None:
            return
        offset = self.place.offset + length
        while chunk := os.pread(self._file, CHUNK_BYTES, offset):
            end = chunk.find(b"\n") + 1
            offset += end or len(chunk)
            if end:
                self.too_long += 1
                self._tail = _before(self._file, offset)
                self._head = os.pread(self._file, PRINT_BYTES, 0)
                self._move(self.place.inode, offset)
                return

    def _rest(self, following: Sibling) -> Lines:
        """A file that nobody writes to any more may end without a newline."""
        if self.place is None or self.place.inode == following.inode:
            return []
        data = self._data()
        if data and len(data) >= LINE_BYTES:
            self.too_long += 1
            return []
        return self._split(data) if data else []


def _by_age(sibling: Sibling) -> tuple[bool, int]:
    return sibling.is_current, sibling.written_ns


def _matching(file: int, size: int, place: Place) -> int | None:
    """Where to go on in a file, if it is the place's or a copy of it; None if it is another."""
    if size >= place.offset:
        is_same = not place.offset or _digest(_before(file, place.offset)) == place.digest
        return place.offset if is_same else None
    # A copy that was made before its last lines came: those were read before it was cut.
    is_copy = size >= PRINT_BYTES and _digest(os.pread(file, PRINT_BYTES, 0)) == place.head
    return size if is_copy else None


def _before(file: int, offset: int) -> bytes:
    start = max(0, offset - PRINT_BYTES)
    return os.pread(file, offset - start, start)


def _digest(data: bytes) -> str:
    return hashlib.sha256(data).hexdigest()
