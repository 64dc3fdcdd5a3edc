"""What log.db and ledger.db need of the machine: a local disk, and a SQLite without a known bug.

The write-ahead log shares its index between processes through shared memory, which no network file
system gives (sqlite.org/wal.html), so there a file is refused before it is made or opened.
"""

from __future__ import annotations

import os
import re
import shutil
import sqlite3
from dataclasses import dataclass
from pathlib import Path

from ledger.errors import LedgerError
from ledger.notices import warn

UNREADABLE = (sqlite3.Error, UnicodeDecodeError)
"""What reading a file may raise. The second: Python cannot decode the message in which SQLite
quotes the schema of a damaged page.
"""
UNDECODABLE = "Could not decode to UTF-8"
"""What Python's sqlite3 says, without a code, of a damaged text."""

MOUNTS = Path("/proc/mounts")
NETWORK_FILE_SYSTEMS = frozenset(
    {
        "9p",
        "afs",
        "beegfs",
        "ceph",
        "cifs",
        "coda",
        "gfs2",
        "glusterfs",
        "gpfs",
        "lustre",
        "ncpfs",
        "nfs",
        "nfs4",
        "ocfs2",
        "orangefs",
        "smb2",
        "smb3",
        "smbfs",
        "virtiofs",
        "vboxsf",
    }
)
NETWORK_FUSE = re.compile(
    r"fuse\.(sshfs|s3fs|gcsfuse|glusterfs|ceph|juicefs|rclone|davfs|blobfuse)"
)

FIXED_SQLITE = ((3, 44, 6), (3, 50, 7), (3, 51, 3))
"""Releases in which the WAL-reset corruption bug is fixed, oldest line first (sqlite.org/wal.html).
"""

FULL_BYTES = 64 * 1024
"""Less than this is not enough for any file of SQLite's."""

SQLITE_TOLD = "ROLLOUT_LEDGER_SQLITE_TOLD"
"""Set for the processes that one starts which has warned of its SQLite."""

NEEDS_LOCAL_DISK = "SQLite's write-ahead log needs a local disk: choose another folder with --data"
SQLITE_REMEDY = (
    "nothing to do while one process writes each file, as ours do: never checkpoint them with "
    "another tool; fixed in 3.51.3"
)


@dataclass(frozen=True, slots=True)
class Mounted:
    """The file system that a path is on."""

    kind: str
    """As /proc/mounts calls it; empty where that cannot be known."""

    @property
    def is_network(self) -> bool:
        """Other machines may write there too."""
        return self.kind in NETWORK_FILE_SYSTEMS or bool(NETWORK_FUSE.match(self.kind))


def mounted(path: Path, mounts: str | None = None) -> Mounted:
    """The file system of a path, or of the nearest folder above it that exists.

    `mounts` has the form of /proc/mounts, which it is unless given.
    """
    if mounts is None:
        try:
            mounts = MOUNTS.read_text(encoding="utf-8", errors="surrogateescape")
        except OSError:
            return Mounted("")
    whole = os.path.realpath(path)
    found, longest = "", -1
    for line in mounts.splitlines():
        _, mount, kind, *_ = map(_plain, line.split(" "))
        under = whole == mount or whole.startswith(mount.rstrip("/") + "/")
        # Of two on one folder the later one is on top.
        if under and len(mount) >= longest:
            found, longest = kind, len(mount)
    return Mounted(found)


def refuse_network(path: Path, refusal: type[LedgerError], mounts: str | None = None) -> None:
    """Raise `refusal` for a file that is, or would be, on a network file system."""
    found = mounted(path, mounts)
    if found.is_network:
        raise refusal(f"{path} is on a network file system, {found.kind}", hint=NEEDS_LOCAL_DISK)


def free_bytes(path: Path) -> int:
    """How much may still be written below a path, or below the nearest folder that exists."""
    folder = next(each for each in (path, *path.absolute().parents) if each.is_dir())
    return shutil.disk_usage(folder).free


def is_full(path: Path) -> bool:
    """Whether what SQLite calls an I/O error was the lack of space, as for the -shm file."""
    try:
        return free_bytes(path.parent) < FULL_BYTES
    except OSError:
        return False


def sqlite_warning(found: tuple[int, ...] | None = None) -> str:
    """One sentence about a SQLite with the WAL-reset bug; empty for one without."""
    found = found or sqlite3.sqlite_version_info
    is_fixed = found >= FIXED_SQLITE[-1] or any(
        found[:2] == fixed[:2] and found >= fixed for fixed in FIXED_SQLITE
    )
    return "" if is_fixed else f"SQLite {'.'.join(map(str, found))} has the WAL-reset bug"


def warn_of_sqlite() -> None:
    """One line for a process that writes log.db or ledger.db, and for those it starts."""
    if (why := sqlite_warning()) and not os.environ.get(SQLITE_TOLD):
        warn(why, SQLITE_REMEDY)
        os.environ[SQLITE_TOLD] = "1"


def _plain(field: str) -> str:
    """As /proc/mounts writes a space, a tab, a line's end or a backslash: in octal."""
    return re.sub(r"\\([0-7]{3})", lambda octal: chr(int(octal[1], 8)), field)


def code_of(wrong: Exception) -> int:
    """The primary result code of one of UNREADABLE; 0 for a mistake of ours."""
    if isinstance(wrong, UnicodeDecodeError) or str(wrong).startswith(UNDECODABLE):
        return sqlite3.SQLITE_CORRUPT
    return int(getattr(wrong, "sqlite_errorcode", 0)) & 0xFF
