"""Writes a log as fast as it can and rotates it meanwhile, in a process of its own.

`python -m tests.rotating FILE HOW LINES EVERY`: so many numbered lines, rotated after every so
many, as the API server does (`rename`), as logrotate does for writers that keep their file open
(`copy`; with `hole` for those that do not append), or by turns (`both`).
"""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

FILLING = "x" * 600
PAUSE_SECONDS = 0.02
"""After a rotation: names and times of files tell nothing of what comes within a millisecond."""


def line(number: int) -> bytes:
    """The line of a number: longer than what tells two files apart."""
    return f'{{"auditID":"{number:08}","filling":"{FILLING}"}}\n'.encode()


class Rotating:
    """A log with its writer's end open."""

    def __init__(self, path: Path, *, appends: bool = True) -> None:
        self.path = path
        self.appends = appends
        self.rotations = 0
        self.written = 0
        self._file = self._opened()

    def write(self, count: int) -> None:
        """So many more lines."""
        for _ in range(count):
            os.write(self._file, line(self.written))
            self.written += 1

    def rename(self) -> None:
        """Close it, move it away and begin a new one."""
        self.close()
        self.path.rename(self._next())
        self._file = self._opened()

    def copy(self) -> None:
        """Copy it and cut it to nothing; what is written next to it goes on."""
        shutil.copyfile(self.path, self._next())
        os.truncate(self.path, 0)

    def close(self) -> None:
        os.close(self._file)

    def _opened(self) -> int:
        how = os.O_APPEND if self.appends else 0
        return os.open(self.path, os.O_WRONLY | os.O_CREAT | how)

    def _next(self) -> Path:
        self.rotations += 1
        return self.path.with_name(f"{self.path.stem}-2026-11-26T10-{self.rotations:06}.000.log")


@contextmanager
def writing(path: Path, how: str, lines: int, every: int) -> Iterator[subprocess.Popen[bytes]]:
    """The process, while the block lasts."""
    arguments = [sys.executable, "-m", "tests.rotating", str(path), how, str(lines), str(every)]
    process = subprocess.Popen(arguments, cwd=Path(__file__).parent.parent)
    try:
        yield process
        assert process.wait(60) == 0
    finally:
        process.kill()
        process.wait()


def main(path: str, how: str, lines: str, every: str) -> None:
    log = Rotating(Path(path), appends=how != "hole")
    for number in range(int(lines) // int(every)):
        log.write(int(every))
        if how == "rename" or (how == "both" and number % 2):
            log.rename()
        else:
            log.copy()
        time.sleep(PAUSE_SECONDS)
    log.write(1)
    log.close()


if __name__ == "__main__":
    main(*sys.argv[1:])
