"""The files of a report: CSV, JSON lines, a page that prints, and a manifest with their digests.

The same ledger, period and filters give the same bytes: nothing in them says when they were made.
"""

from __future__ import annotations

import csv
import hashlib
import io
import json
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ledger import __version__
from ledger.errors import LedgerError
from ledger.reader import LedgerReader
from ledger.report.rows import EXCEPTIONS, FIELDS, row_of

CSV, JSONL, PAGE, MANIFEST = "changes.csv", "changes.jsonl", "report.html", "manifest.json"
EXCEPTIONS_CSV = "exceptions.csv"
BASES = ("exact", "strong", "probable", "claimed", "unknown")
FORMULA = ("=", "+", "-", "@", "\t", "\r")
"""A spreadsheet would compute a cell that begins so; an apostrophe makes it text (OWASP, CSV
Injection).
"""


@dataclass(frozen=True, slots=True)
class Report:
    """The changes of a period, and what they rest on."""

    since: str
    until: str
    namespace: str
    scope: Mapping[str, Any]
    rows: Sequence[Mapping[str, Any]]
    gaps: Sequence[Mapping[str, Any]]

    @property
    def exceptions(self) -> list[Mapping[str, Any]]:
        """The changes that an auditor would look at, those with the most reasons first."""
        found = [row for row in self.rows if row["exceptions"]]
        return sorted(found, key=lambda row: -str(row["exceptions"]).count(","))

    def counts(self, column: str, names: Sequence[str]) -> dict[str, int]:
        """How many changes have each value."""
        found = Counter(
            value for row in self.rows for value in str(row[column] or "").split(", ") if value
        )
        return {name: found[name] for name in names}


def collect(reader: LedgerReader, *, since: str, until: str, namespace: str) -> Report:
    """The report of a period. Raises as the reader does."""
    [scope] = reader.query("report_scope", {})
    period = {"since": since, "until": until}
    raw_rows = reader.query("report_changes", {"namespace": namespace, **period})
    gaps = [
        gap
        for gap in reader.query("not_recorded", {})
        if (not until or gap["last_seen_at"] < until)
        and (not since or (gap["closed_at"] or "~") > since)
    ]
    rows = [row_of(raw, scope["cluster"]) for raw in raw_rows]
    return Report(since, until, namespace, scope, rows, gaps)


def write(report: Report, folder: Path) -> dict[str, int]:
    """Write the files into a folder that is made for them; the rows of each.

    Raises LedgerError where the folder cannot be written, or holds anything else.
    """
    files = {
        CSV: (_csv(report.rows), len(report.rows)),
        EXCEPTIONS_CSV: (_csv(report.exceptions), len(report.exceptions)),
        JSONL: (_jsonl(report.rows), len(report.rows)),
        PAGE: (_page(report), len(report.rows)),
    }
    manifest = json.dumps(_manifest(report, files), indent=2, ensure_ascii=False) + "\n"
    try:
        folder.mkdir(parents=True, exist_ok=True)
        foreign = {each.name for each in folder.iterdir()} - {*files, MANIFEST}
        if foreign:
            raise LedgerError(
                f"{folder} holds other files, such as {min(foreign)}",
                hint="name a folder of its own with --out",
            )
        for name, (content, _) in files.items():
            (folder / name).write_bytes(content)
        (folder / MANIFEST).write_text(manifest, "utf-8")
    except OSError as wrong:
        raise LedgerError(f"{folder} cannot be written: {wrong.strerror}") from wrong
    return {name: rows for name, (_, rows) in files.items()}


def _manifest(report: Report, files: Mapping[str, tuple[bytes, int]]) -> dict[str, Any]:
    return {
        "kind": "rollout-ledger/changes-report/v1",
        "tool": __version__,
        "period": {"since": report.since or None, "until": report.until or None},
        "filters": {"namespace": report.namespace or None},
        "cluster": report.scope["cluster"],
        "log": {name: report.scope[name] for name in ("position", "records", "as_of")},
        "changes": len(report.rows),
        "by_basis": report.counts("actor_confidence", BASES),
        "exceptions": report.counts("exceptions", EXCEPTIONS),
        "gaps": [
            {name: gap[name] for name in ("cause", "story", "last_seen_at", "closed_at")}
            for gap in report.gaps
        ],
        "files": {
            name: {
                "rows": rows,
                "bytes": len(content),
                "sha256": hashlib.sha256(content).hexdigest(),
            }
            for name, (content, rows) in files.items()
        },
        "policies": [],
        "signatures": [],
    }


def _csv(rows: Sequence[Mapping[str, Any]]) -> bytes:
    text = io.StringIO(newline="")
    writer = csv.writer(text, lineterminator="\r\n")
    writer.writerow(FIELDS)
    writer.writerows([_safe(row[name]) for name in FIELDS] for row in rows)
    # Spreadsheets take a file for UTF-8 only when it says so.
    return b"\xef\xbb\xbf" + text.getvalue().encode()


def _safe(value: Any) -> Any:
    if isinstance(value, str) and value.startswith(FORMULA):
        return f"'{value}"
    return "" if value is None else value


def _jsonl(rows: Sequence[Mapping[str, Any]]) -> bytes:
    return "".join(json.dumps(row, ensure_ascii=False) + "\n" for row in rows).encode()


def _page(report: Report) -> bytes:
    from jinja2 import Environment, PackageLoader, StrictUndefined

    environment = Environment(
        loader=PackageLoader("ledger.report", ""),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    return (
        environment.get_template("changes.html")
        .render(
            report=report,
            by_basis=report.counts("actor_confidence", BASES),
            by_exception=report.counts("exceptions", EXCEPTIONS),
            version=__version__,
        )
        .encode()
    )
