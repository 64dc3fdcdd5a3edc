"""An audit log's file and those that rotation has named after it."""

from __future__ import annotations

import re
import stat
from dataclasses import dataclass
from glob import escape
from pathlib import Path

_ROTATED = re.compile(r"[-._]\d[\dTZ:.+_-]*|\.(old|bak)")
"""What rotation adds to a name: `audit.log.1`, `audit.log-20261124`, and as the API server itself
does, `audit-2026-11-24T10-00-00.000.log` (lumberjack). Compressed ones are for `import`.
"""


@dataclass(frozen=True, slots=True)
class Sibling:
    """One of the files, as it was found."""

    path: Path
    is_current: bool
    inode: int
    size: int
    written_ns: int

    @property
    def key(self) -> tuple[int, int]:
        """Tells it from others, also from one that has taken its inode over."""
        return self.inode, self.written_ns


def siblings(path: Path) -> list[Sibling]:
    """The file at the path, if there is one, and then its rotated ones, in no order."""
    found = [
        each
        for each in path.parent.glob(f"{escape(path.stem)}*")
        if each != path and _ROTATED.fullmatch(_added(each.name, path))
    ]
    known = (_sibling(each, is_current=each == path) for each in (path, *found))
    return [each for each in known if each is not None]


def _added(name: str, path: Path) -> str:
    if name.startswith(path.name):
        return name.removeprefix(path.name)
    return name.removeprefix(path.stem).removesuffix(path.suffix)


def _sibling(path: Path, *, is_current: bool) -> Sibling | None:
    try:
        status = path.stat()
    except FileNotFoundError:
        return None
    if not stat.S_ISREG(status.st_mode):
        return None
    return Sibling(path, is_current, status.st_ino, status.st_size, status.st_mtime_ns)
