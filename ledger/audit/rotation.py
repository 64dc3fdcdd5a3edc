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

_NUMBERED = re.compile(r"\.\d{1,4}")
_DATED = re.compile(r"[-.]\d{4}[\dTZ:.+_-]*")

LOOKS = 20
"""A file that is renamed while the folder is looked through can be missed; two looks agree that
none was.
"""


@dataclass(frozen=True, slots=True)
class Sibling:
    """One of the files, as it was found."""

    path: Path
    is_current: bool
    inode: int
    size: int
    written_ns: int


def is_irregular(path: Path) -> bool:
    """Whether what is there is no file; one that is renamed at this moment is not there."""
    try:
        return not stat.S_ISREG(path.stat().st_mode)
    except FileNotFoundError:
        return False


def siblings(path: Path) -> list[Sibling]:
    """The rotated files, the oldest first, and the file at the path, if there is one, last."""
    found = _looked(path)
    for _ in range(LOOKS):
        again = _looked(path)
        if [(each.path, each.inode) for each in again] == [(e.path, e.inode) for e in found]:
            return again
        found = again
    return found


def _looked(path: Path) -> list[Sibling]:
    # The current one first: what it is moved away as meanwhile is another name for it.
    current = _sibling(path, is_current=True)
    added = {
        each: _added(each.name, path)
        for each in path.parent.glob(f"{escape(path.stem)}*")
        if each != path
    }
    rotated = {each: rest for each, rest in added.items() if _ROTATED.fullmatch(rest)}
    found = [each for path in rotated if (each := _sibling(path, is_current=False))]
    return _ordered(found, rotated) + ([current] if current else [])


def _ordered(found: list[Sibling], added: dict[Path, str]) -> list[Sibling]:
    """By their names, where all are numbered (`.2` is older than `.1`) or all dated; clocks of file
    systems are coarse. Otherwise by when they were written.
    """
    rests = [added[each.path] for each in found]
    if all(_NUMBERED.fullmatch(rest) for rest in rests):
        return sorted(found, key=lambda each: -int(added[each.path].removeprefix(".")))
    if all(_DATED.fullmatch(rest) for rest in rests):
        return sorted(found, key=lambda each: added[each.path])
    return sorted(found, key=lambda each: (each.written_ns, each.path.name))


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
