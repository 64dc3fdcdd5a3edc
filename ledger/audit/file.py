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
import time
from dataclasses import dataclass, field
from pathlib import Path

from ledger.audit.rotation import Sibling, is_irregular, siblings

CHUNK_BYTES = 1024 * 1024
LINE_BYTES = 8 * 1024 * 1024
"""A longer line is passed over."""

PRINT_BYTES = 512
"""An event begins with an id of its own and ends with its time: files whose first so many bytes are
the same, and those before a place too, are the same up to there.
"""

HOLE_BYTES = 4096
"""A hole ends at a block: so much of it may be before the first byte that was written."""

STILL_SECONDS = 1.0
"""Whoever copies a file to cut it does not pause so long within a line."""

TRIES = 20
"""So often a file is looked for that is renamed while it is opened; then again at the next read."""

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
    _first: bytes = b""
    _is_begun: bool = False
    _previous: Place | None = None
    _unreachable: set[int] = field(default_factory=set)

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
        if lines or not self._is_rotated():
            return lines
        first = _beginning_of(self.path)
        following = self._following()
        if following and (first or not following.is_current):
            # Whoever writes has gone over to another file: nothing more comes to this one.
            place, lines = self.place, self._lines()
            # Should it have been cut meanwhile, its copy has another successor.
            if not lines and self.place == place and not self._is_growing():
                lines = self._rest() or self._go_over(following, first)
        return lines

    def _open(self) -> bool:
        """Open the file that goes on at the place; False while there is none."""
        if is_irregular(self.path):
            raise OSError(errno.EINVAL, "not a regular file")
        for _ in range(TRIES):
            try:
                # Looked at before the others are: should it be copied and cut meanwhile, it is
                # another.
                first = _beginning_of(self.path)
                return self._open_one_of(siblings(self.path), first)
            except _MovedError:
                continue
        return False

    def _open_one_of(self, found: list[Sibling], first: bytes) -> bool:
        place = self.place
        if place is not None and place.offset:
            likely = sorted(found, key=lambda each: each.inode != place.inode)
            if any(self._open_at(each, place) for each in likely):
                return True
            if not found:
                return False
            self.lost += 1
            self.place = None
        # An empty one may be copied and cut before it is looked at again. What is read twice is
        # absorbed; what is left out is gone.
        begun = [each for each in found if each.size and (first or not each.is_current)]
        return any(self._open_at(each, Place(), first) for each in begun)

    def _open_at(self, sibling: Sibling, place: Place, first: bytes = b"") -> bool:
        """Open a file at a place, if it is a place of this file; `first` is how the current one
        began when it was looked at.

        Raises OSError when the file itself may not be read (its rotated ones may be out of reach),
        and _MovedError when it is no longer what was found.
        """
        try:
            file = os.open(sibling.path, os.O_RDONLY | os.O_CLOEXEC | os.O_NONBLOCK)
        except FileNotFoundError:
            raise _MovedError from None
        except PermissionError:
            if sibling.is_current:
                raise
            return False
        status = os.fstat(file)
        if status.st_ino != sibling.inode or status.st_size < sibling.size:
            os.close(file)
            raise _MovedError
        offset = _matching(file, status.st_size, place)
        if offset is None:
            os.close(file)
            return False
        self.close()
        self._file = file
        self._tail = _before(file, offset)
        self._head = os.pread(file, min(offset, PRINT_BYTES), 0)
        self._first = (first if sibling.is_current else b"") or _beginning(file)
        self._is_begun = offset > 0
        self._move(status.st_ino, offset)
        return True

    def _is_rotated(self) -> bool:
        """Whether the file that is read is no longer the one that is written to."""
        try:
            return self.place is not None and self.path.stat().st_ino != self.place.inode
        except FileNotFoundError:
            return False

    def _following(self) -> Sibling | None:
        """The file that was begun after this one, once something is in it."""
        if self._file is None or self.place is None:
            return None
        inode, found = self.place.inode, siblings(self.path)
        inodes = [each.inode for each in found]
        if inode in inodes:
            later = found[inodes.index(inode) + 1 :]
        else:
            ended_ns = os.fstat(self._file).st_mtime_ns
            later = [each for each in found if each.is_current or each.written_ns >= ended_ns]
        reachable = (each for each in later if each.size and each.inode not in self._unreachable)
        return next(reachable, None)

    def _go_over(self, following: Sibling, first: bytes) -> Lines:
        previous = self.place
        try:
            if self._open_at(following, Place(), first):
                self._previous = previous
                return self._lines()
        except _MovedError:
            if any(each.inode == following.inode for each in siblings(self.path)):
                return []
        # Gone, or out of reach for good: the one after it must do.
        self._unreachable.add(following.inode)
        self.lost += 1
        return []

    def _lines(self) -> Lines:
        while True:
            data = self._data()
            if data is None:
                # Cut, and a copy made of it before: that goes on at the place.
                self.close()
                if not self._is_begun:
                    self.place = self._previous
                data = self._data() if self._open() else None
            if not data:
                return []
            if end := data.rfind(b"\n") + 1:
                return self._split(data[:end])
            if len(data) < LINE_BYTES or not self._passed_over(len(data)):
                return []

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
            is_same = _beginning(self._file).startswith(self._first)
            if not is_same or os.pread(self._file, len(known), start) != known:
                return None
            if not data.startswith(b"\0"):
                return data
            # Who goes on where it was in a file that was cut leaves a hole before it.
            written = data.lstrip(b"\0")
            self._advance(data[: len(data) - len(written)])

    def _split(self, data: bytes) -> Lines:
        self._is_begun = True
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

    def _passed_over(self, length: int) -> bool:
        """Leave out a line that is too long, once it has an end."""
        if self._file is None or self.place is None:
            return False
        offset = self.place.offset + length
        while chunk := os.pread(self._file, CHUNK_BYTES, offset):
            end = chunk.find(b"\n") + 1
            offset += end or len(chunk)
            if end:
                self.too_long += 1
                self._tail = _before(self._file, offset)
                self._head = os.pread(self._file, PRINT_BYTES, 0)
                self._move(self.place.inode, offset)
                return True
        return False

    def _is_growing(self) -> bool:
        """Whether it may end in half a line because a copy of it is being made at this moment."""
        if self._file is None or not self._data():
            return False
        age_ns = time.time_ns() - os.fstat(self._file).st_mtime_ns
        return 0 <= age_ns < STILL_SECONDS * 1e9

    def _rest(self) -> Lines:
        """A file that nobody writes to any more may end without a newline."""
        data = self._data()
        if data and len(data) >= LINE_BYTES:
            self.too_long += 1
            return []
        return self._split(data) if data else []


class _MovedError(Exception):
    """A file is no longer the one that was found there a moment ago."""


def _matching(file: int, size: int, place: Place) -> int | None:
    """Where to go on in a file, if it is the place's or a copy of it; None if it is another."""
    if not place.offset:
        return 0
    first = os.pread(file, min(place.offset, PRINT_BYTES), 0)
    if _digest(first) != place.head:
        return None
    if size < place.offset:
        # A copy that was made before its last lines came: those were read before it was cut.
        return size if first.strip(b"\0") else None
    return place.offset if _digest(_before(file, place.offset)) == place.digest else None


def _beginning_of(path: Path) -> bytes:
    try:
        file = os.open(path, os.O_RDONLY | os.O_CLOEXEC | os.O_NONBLOCK)
    except FileNotFoundError:
        return b""
    try:
        return _beginning(file)
    finally:
        os.close(file)


def _beginning(file: int) -> bytes:
    """The first bytes that were written, behind a hole if there is one."""
    try:
        start = os.lseek(file, 0, os.SEEK_DATA)
    except OSError:
        # Nothing at all, or nothing but a hole.
        return b""
    return os.pread(file, HOLE_BYTES + PRINT_BYTES, start).lstrip(b"\0")[:PRINT_BYTES]


def _before(file: int, offset: int) -> bytes:
    start = max(0, offset - PRINT_BYTES)
    return os.pread(file, offset - start, start)


def _digest(data: bytes) -> str:
    return hashlib.sha256(data).hexdigest()
