"""The file format of recorded streams: what the API said, line by line, verbatim.

One JSON object per line, in order of arrival, compressed with zstd:

    {"op":"header","format":1,"kubernetes":…,"cluster":<kube-system uid>,"began_at":…}
    {"at":…,"op":"list","stream":"statefulsets","raw":<the response body>}
    {"at":…,"op":"watch","stream":"pods","raw":<the line, without its newline>}
    {"at":…,"op":"audit","raw":<the line of the audit log>}
    {"at":…,"op":"step","raw":<JSON of a driver's Command>}
    {"at":…,"op":"end"}

Streams are plural resource names. A `step` whose command is `kubectl rollout history`
by the watcher is the recording's own oracle: every line before it had been delivered.
"""

from __future__ import annotations

import io
import json
import tempfile
import threading
from collections.abc import Iterable, Iterator
from pathlib import Path
from types import TracebackType
from typing import Any

import zstandard

from tests.lab.driver import now

STREAMS = Path(__file__).parent.parent / "streams"
LEVEL = 19


class Recording:
    """A recording being written; it appears at `path` only when it is complete."""

    def __init__(self, path: Path, *, header: dict[str, Any]) -> None:
        """Begin with the header; lines may be added from any thread."""
        self.path = path
        self._lock = threading.Lock()
        self._lines = tempfile.TemporaryFile("w+", encoding="utf-8")  # noqa: SIM115
        self._write({"op": "header", "format": 1, **header, "began_at": now()})

    def __enter__(self) -> Recording:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._lines.close()

    def add(self, op: str, raw: str, *, stream: str | None = None) -> None:
        """Add a line that has just arrived."""
        with self._lock:
            where = {} if stream is None else {"stream": stream}
            self._write({"at": now(), "op": op, **where, "raw": raw})

    def finish(self, *, forbidden: Iterable[str]) -> None:
        """Close and publish the recording; refuse if it holds a forbidden text."""
        with self._lock:
            self._write({"at": now(), "op": "end"})
            self._lines.seek(0)
            text = self._lines.read()
        if any(secret in text for secret in forbidden) or "Bearer " in text:
            raise ValueError("the recording holds a credential")
        unfinished = self.path.with_suffix(".unfinished")
        unfinished.write_bytes(zstandard.ZstdCompressor(level=LEVEL).compress(text.encode()))
        unfinished.rename(self.path)

    def _write(self, line: dict[str, Any]) -> None:
        """Append one line."""
        self._lines.write(json.dumps(line, ensure_ascii=False, separators=(",", ":")) + "\n")


def book_of(path: Path) -> Path:
    """Where a recording's book is: who really did what (tests/lab/book.py)."""
    return path.with_name(path.name.removesuffix(".jsonl.zst") + ".book.json")


def read_recording(path: Path) -> Iterator[dict[str, Any]]:
    """Yield every line of a recording, in order."""
    with path.open("rb") as compressed:
        reader = zstandard.ZstdDecompressor().stream_reader(compressed)
        for line in io.TextIOWrapper(reader, encoding="utf-8", newline="\n"):
            yield json.loads(line)
