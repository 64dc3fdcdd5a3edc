"""`import`: audit logs from before installation, or kept elsewhere, into the log."""

from __future__ import annotations

import gzip
import io
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import IO

import msgspec
import zstandard

from ledger.appending import appending
from ledger.errors import LogUnusable, RedactionFailed
from ledger.model import utc_now
from ledger.own_rules import OwnRules
from ledger.settings import Settings


async def import_files(
    settings: Settings, rules: OwnRules, files: tuple[Path, ...], *, cluster: str = ""
) -> Counter[str]:
    """Append what is kept of each file's events, marked with the file's name; events by outcome:
    `kept`, `dropped`, `unreadable`. Importing a file twice changes nothing in the ledger.

    Raises LogUnusable for a file that cannot be read, before anything of it is appended, and as
    ledger/appending.py does.
    """
    counts: Counter[str] = Counter()
    for file in files:
        _raw(file).close()
    async with appending(settings, rules, cluster=cluster) as opened:
        for file in files:
            for raw_event in _events(file):
                try:
                    envelope = opened.observer.audited(raw_event, at=utc_now(), imported=file.name)
                except (msgspec.DecodeError, ValueError, RecursionError, RedactionFailed):
                    counts["unreadable"] += 1
                    continue
                counts["kept" if envelope else "dropped"] += 1
                if envelope is not None:
                    await opened.add(envelope)
    return counts


def _events(file: Path) -> Iterator[bytes]:
    try:
        with _raw(file) as stream:
            yield from (line for line in stream if line.strip())
    except (OSError, EOFError, zstandard.ZstdError) as wrong:
        raise LogUnusable(
            f"{file} cannot be read to its end: {wrong}",
            hint="what came before is imported; import it again when it is mended",
        ) from wrong


def _raw(file: Path) -> IO[bytes]:
    try:
        if file.suffix == ".gz":
            return gzip.open(file)  # type: ignore[return-value]
        if file.suffix == ".zst":
            return io.BufferedReader(zstandard.ZstdDecompressor().stream_reader(file.open("rb")))
        return file.open("rb")
    except OSError as wrong:
        raise LogUnusable(f"{file} cannot be read: {wrong.strerror}") from wrong
