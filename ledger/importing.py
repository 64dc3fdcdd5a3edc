"""`import`: audit logs from before installation, or kept elsewhere, into the log."""

from __future__ import annotations

import gzip
import zlib
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import IO

import zstandard

from ledger.appending import appending
from ledger.audit.file import LINE_BYTES
from ledger.audit.source import UNREADABLE
from ledger.errors import LogUnusable
from ledger.model import utc_now
from ledger.own_rules import OwnRules
from ledger.settings import Settings

GZIP, ZSTANDARD = b"\x1f\x8b", b"\x28\xb5\x2f\xfd"
READ_BYTES = 256 * 1024


async def import_files(
    settings: Settings, rules: OwnRules, files: tuple[Path, ...], *, cluster: str = ""
) -> Counter[str]:
    """Append what is kept of each file's events, marked with the file's name; events by outcome:
    `kept`, `dropped`, `unreadable`. Importing a file twice changes nothing in the ledger.

    Raises LogUnusable for a file that cannot be read: at its beginning before anything is appended,
    further on with all before it in the log; and as ledger/appending.py does.
    """
    counts: Counter[str] = Counter()
    for file in files:
        _open(file).close()
    async with appending(settings, rules, cluster=cluster) as opened:
        for file in files:
            for raw_event in _events(file):
                try:
                    envelope = opened.observer.audited(raw_event, at=utc_now(), imported=file.name)
                except UNREADABLE:
                    counts["unreadable"] += 1
                    continue
                counts["kept" if envelope else "dropped"] += 1
                if envelope is not None:
                    await opened.add(envelope)
    return counts


def _events(file: Path) -> Iterator[bytes]:
    """The lines of a file, plain or compressed; one that is too long comes as an empty line."""
    try:
        rest, is_too_long = b"", False
        for chunk in _chunks(file):
            *lines, rest = (rest + chunk).split(b"\n")
            for line in lines:
                if is_too_long or line.strip():
                    yield b"" if is_too_long else line
                is_too_long = False
            if len(rest) > LINE_BYTES:
                rest, is_too_long = b"", True
        if is_too_long or rest.strip():
            yield b"" if is_too_long else rest
    except (OSError, EOFError, zlib.error, zstandard.ZstdError) as wrong:
        raise LogUnusable(
            f"{file} cannot be read to its end: {wrong}",
            hint="what came before is imported; import it again when it is mended",
        ) from wrong


def _chunks(file: Path) -> Iterator[bytes]:
    """The bytes of a file, expanded. What it is, its first bytes say: rotation renames files."""
    with _open(file) as stream:
        begins_with = stream.read(len(ZSTANDARD))
        stream.seek(0)
        if begins_with == ZSTANDARD:
            yield from _expanded(stream)
        elif begins_with.startswith(GZIP):
            with gzip.open(stream) as expanded:
                while chunk := expanded.read(READ_BYTES):
                    yield chunk
        else:
            while chunk := stream.read(READ_BYTES):
                yield chunk


def _expanded(stream: IO[bytes]) -> Iterator[bytes]:
    """Frame after frame; zstandard's own reader takes a file that was cut off for a whole one."""
    frame = zstandard.ZstdDecompressor().decompressobj()
    is_begun = False
    while compressed := stream.read(READ_BYTES):
        while compressed:
            yield frame.decompress(compressed)
            is_begun, compressed = not frame.eof, frame.unused_data
            if frame.eof:
                frame = zstandard.ZstdDecompressor().decompressobj()
    if is_begun:
        raise EOFError("it is cut off")


def _open(file: Path) -> IO[bytes]:
    try:
        return file.open("rb")
    except OSError as wrong:
        raise LogUnusable(f"{file} cannot be read: {wrong.strerror}") from wrong
