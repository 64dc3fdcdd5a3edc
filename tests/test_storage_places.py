"""Where the files may not live, and the SQLite that is warned of."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

import pytest

from ledger.disk import SQLITE_TOLD, mounted, refuse_network, sqlite_warning
from ledger.errors import LedgerUnusable, LogUnusable
from tests.disks import log_of, missing_real
from tests.faults import row
from tests.invariants import examine
from tests.line import environment
from tests.recorded import values_of

MOUNTS = r"""overlay / overlay rw,relatime 0 0
proc /proc proc rw 0 0
/dev/sda1 /srv ext4 rw 0 0
server:/export /srv/shared nfs4 rw,vers=4.2 0 0
tmpfs /srv/shared/scratch tmpfs rw 0 0
//nas/x /srv/nas\040one cifs rw 0 0
me@host:/ /srv/ssh fuse.sshfs rw 0 0
/dev/sdb1 /srv/mine fuseblk rw 0 0
host /srv/later ext4 rw 0 0
host /srv/later 9p rw 0 0
"""


@pytest.mark.parametrize(
    ("path", "kind", "is_network"),
    [
        ("/srv/data/ledger.db", "ext4", False),
        ("/srv/shared/ledger.db", "nfs4", True),
        ("/srv/sharedbutnot/ledger.db", "ext4", False),
        ("/srv/shared/scratch/ledger.db", "tmpfs", False),
        ("/srv/nas one/a/ledger.db", "cifs", True),
        ("/srv/ssh/ledger.db", "fuse.sshfs", True),
        ("/srv/mine/ledger.db", "fuseblk", False),
        ("/srv/later/ledger.db", "9p", True),
        ("/elsewhere/ledger.db", "overlay", False),
    ],
)
def test_the_file_system_of_a_path_is_that_of_the_nearest_and_latest_mount(
    path: str, kind: str, is_network: bool
) -> None:
    found = mounted(Path(path), MOUNTS)
    assert (found.kind, found.is_network) == (kind, is_network)


def test_a_link_onto_a_network_disk_is_followed(tmp_path: Path) -> None:
    (tmp_path / "real").mkdir()
    (tmp_path / "link").symlink_to(tmp_path / "real")
    mounts = f"a / ext4 rw 0 0\nb {tmp_path / 'real'} nfs rw 0 0\n"
    with pytest.raises(LedgerUnusable) as refused:
        refuse_network(tmp_path / "link" / "ledger.db", LedgerUnusable, mounts)
    assert refused.value.message.endswith("ledger.db is on a network file system, nfs")
    refuse_network(tmp_path / "ledger.db", LogUnusable, mounts)


def elsewhere(
    mounts: str, folder: Path, *arguments: str | Path
) -> subprocess.CompletedProcess[str]:
    """A command of the product that finds other mounts in /proc/mounts."""
    (folder / "mounts").write_text(mounts)
    script = 'mount --bind "$0" /proc/$$/mounts && exec "$@"'
    command = ["unshare", "-m", "sh", "-c", script, folder / "mounts", sys.executable, *arguments]
    done = subprocess.run(
        [str(word) for word in command],
        capture_output=True,
        text=True,
        timeout=30,
        env=environment(),
        check=False,
    )
    if "unshare" in done.stderr or "mount:" in done.stderr:
        missing_real(f"no mounts of a process's own can be made here: {done.stderr.strip()}")
    return done


@row("S10", how="a process with a /proc/mounts that says nfs4", part="real")
@pytest.mark.parametrize("command", ["consume", "watch", "serve"])
def test_s10_nothing_is_written_to_a_network_file_system(
    command: str, tutorial: Path, tmp_path: Path
) -> None:
    values: Sequence[bytes] = values_of(tutorial)[:20]
    data = tmp_path / "data"
    if command == "consume":
        log_of(values, data / "log" / "log.db")
    mounts = f"overlay / overlay rw 0 0\nserver:/x {data} nfs4 rw 0 0\n"
    done = elsewhere(mounts, tmp_path, "-m", "ledger", command, "--data", data)
    assert done.returncode == 1, done.stderr
    assert done.stderr.splitlines() == [
        f"error: {data / 'log' / 'log.db'} is on a network file system, nfs4",
        "hint: SQLite's write-ahead log needs a local disk: choose another folder with --data",
    ]
    assert not list(data.rglob("ledger.db*"))
    examine(values)


@row("S9", how="SQLite's release as a parameter", part="fake")
@pytest.mark.parametrize(
    ("found", "warned"),
    [
        ((3, 40, 1), True),
        ((3, 44, 5), True),
        ((3, 44, 6), False),
        ((3, 45, 0), True),
        ((3, 50, 6), True),
        ((3, 50, 7), False),
        ((3, 51, 2), True),
        ((3, 51, 3), False),
        ((3, 52, 0), False),
        ((4, 0, 0), False),
    ],
)
def test_s09_a_sqlite_with_the_wal_reset_bug_is_warned_of(
    found: tuple[int, ...], warned: bool, tutorial: Path
) -> None:
    release = ".".join(map(str, found))
    expected = f"SQLite {release} has the WAL-reset bug" if warned else ""
    assert sqlite_warning(found) == expected
    examine(values_of(tutorial)[:20])


SAYS = """
import sqlite3, sys
sqlite3.sqlite_version_info = (3, 50, 6)
from ledger.cli import run
sys.exit(run(sys.argv[1:]))
"""


@row("S9", how="a consume process whose SQLite says it is 3.50.6, and 3.51.3", part="fake")
@pytest.mark.parametrize("release", [(3, 50, 6), (3, 51, 3)])
def test_s09_a_consumer_says_so_in_one_line_and_works(
    release: tuple[int, ...], tutorial: Path, tmp_path: Path
) -> None:
    values = values_of(tutorial)[:20]
    log = log_of(values, tmp_path / "log" / "log.db")
    script = SAYS.replace("(3, 50, 6)", str(release))
    done = subprocess.run(
        [sys.executable, "-c", script, "consume", "--once", "--data", str(tmp_path)],
        capture_output=True,
        text=True,
        timeout=30,
        env={key: value for key, value in environment().items() if key != SQLITE_TOLD},
        check=False,
    )
    warning = (
        "warning: SQLite 3.50.6 has the WAL-reset bug; nothing to do while one process writes "
        "each file, as ours do: never checkpoint them with another tool; fixed in 3.51.3"
    )
    assert done.stderr.splitlines() == ([warning] if release == (3, 50, 6) else [])
    assert done.returncode == 0
    examine(log, tmp_path / "ledger" / "ledger.db")
