"""The files of a report: CSV, JSON lines, a page that prints, the questions asked, and a manifest
with the digest of each.

The same rows give the same bytes: nothing in them says when they were made, or where.
"""

from __future__ import annotations

import csv
import hashlib
import io
import json
import os
import re
import shutil
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ledger import __version__, sql
from ledger.errors import LedgerError
from ledger.report.collect import QUESTIONS, Report
from ledger.report.page import page
from ledger.report.rows import FIELDS

CSV, EXCEPTIONS_CSV, JSONL = "changes.csv", "exceptions.csv", "changes.jsonl"
PAGE, QUERIES, MANIFEST = "report.html", "queries.sql", "manifest.json"
NAMES = (CSV, EXCEPTIONS_CSV, JSONL, PAGE, QUERIES, MANIFEST)
PARTIAL = ".partial-"
"""Begins the name of the folder in which the files are made before they are put in their place."""

_UNSEEN = r"\x00-\x1f\x7f\u00ad\u061c\u180e\u200b-\u200f\u202a-\u202e\u2060-\u206f\ufeff"
_FORMULA = re.compile(rf"[\s\"'`{_UNSEEN}]*[=+\-@\uff1d\uff0b\uff0d\uff20]|[\t\r\n]")
"""A spreadsheet would compute a cell that begins so (OWASP, CSV Injection): some leave out spaces,
quotes and characters that nobody sees first, and some take full-width signs for the narrow ones.
"""


@dataclass(frozen=True, slots=True)
class File:
    """The content of one file, and how many rows it has; None where rows mean nothing."""

    content: bytes
    rows: int | None = None


def write(report: Report, folder: Path) -> dict[str, File]:
    """Write the files into `folder`, which is made if need be; an earlier report is replaced.

    The manifest comes last and goes first: a folder that has one holds the whole of one report,
    whatever interrupted the writing. Raises LedgerError where the folder cannot be written, or
    holds anything else.
    """
    files = files_of(report)
    try:
        folder.mkdir(parents=True, exist_ok=True)
        _refuse_foreign(folder)
        made = folder / f"{PARTIAL}{os.getpid()}"
        try:
            made.mkdir()
            for name, file in files.items():
                _write_durably(made / name, file.content)
            (folder / MANIFEST).unlink(missing_ok=True)
            _sync(folder)
            for name in files:
                (made / name).replace(folder / name)
            _sync(folder)
        finally:
            shutil.rmtree(made, ignore_errors=True)
    except OSError as wrong:
        raise LedgerError(f"{folder} cannot be written: {wrong.strerror}") from wrong
    return files


def files_of(report: Report) -> dict[str, File]:
    """The files by name, the manifest last."""
    files = {
        CSV: File(_csv(report.rows), len(report.rows)),
        EXCEPTIONS_CSV: File(_csv(report.exceptions), len(report.exceptions)),
        JSONL: File(_jsonl(report.rows), len(report.rows)),
        PAGE: File(page(report).encode()),
        QUERIES: File(_queries(report).encode()),
    }
    manifest = json.dumps(_manifest(report, files), indent=2, ensure_ascii=False) + "\n"
    return files | {MANIFEST: File(manifest.encode())}


def _refuse_foreign(folder: Path) -> None:
    for each in sorted(folder.iterdir()):
        if each.name.startswith(PARTIAL) and not each.is_symlink():
            # Of a run that was killed.
            shutil.rmtree(each)
        elif each.name not in NAMES or not each.is_file() or each.is_symlink():
            raise LedgerError(
                f"{folder} holds something else: {each.name}",
                hint="name a folder of its own with --out",
            )


def _write_durably(path: Path, content: bytes) -> None:
    with path.open("wb") as file:
        file.write(content)
        file.flush()
        os.fsync(file.fileno())


def _sync(folder: Path) -> None:
    handle = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


def _manifest(report: Report, files: Mapping[str, File]) -> dict[str, Any]:
    period = report.period
    return {
        "kind": "rollout-ledger/changes-report/v1",
        "tool": __version__,
        "cluster": report.scope["cluster"],
        "period": {"since": period.since or None, "until": period.until or None},
        "filters": {"namespace": period.namespace or None},
        "log": {name: report.scope[name] for name in ("position", "records", "as_of")},
        "changes": len(report.rows),
        "by_basis": report.by_basis(),
        "exceptions": report.by_exception(),
        "gaps": [
            {name: gap[name] for name in ("kind", "scope", "cause", "story", "covered")}
            | {"from": gap["last_seen_at"], "until": gap["closed_at"]}
            for gap in report.gaps
        ],
        "coverage": [dict(row) for row in report.coverage],
        "files": {
            name: ({} if file.rows is None else {"rows": file.rows})
            | {
                "bytes": len(file.content),
                "sha256": hashlib.sha256(file.content).hexdigest(),
            }
            for name, file in files.items()
        },
        "policies": [],
        "signatures": [],
    }


def _csv(rows: Sequence[Mapping[str, Any]]) -> bytes:
    text = io.StringIO(newline="")
    writer = csv.writer(text, lineterminator="\r\n")
    writer.writerow(FIELDS)
    writer.writerows([safe(row[name]) for name in FIELDS] for row in rows)
    # Spreadsheets take a file for UTF-8 only when it says so.
    return b"\xef\xbb\xbf" + text.getvalue().encode()


def safe(value: Any) -> Any:
    """A value as a cell that no spreadsheet computes: an apostrophe makes text of it. Numbers stay
    numbers.
    """
    if isinstance(value, str) and _FORMULA.match(value):
        return f"'{value}"
    return "" if value is None else value


def _jsonl(rows: Sequence[Mapping[str, Any]]) -> bytes:
    return "".join(json.dumps(row, ensure_ascii=False) + "\n" for row in rows).encode()


def _queries(report: Report) -> str:
    """What was asked, with its parameters filled in: runs as it is on the ledger's file."""
    return "\n".join(_filled(sql.load(name), report.period.parameters(name)) for name in QUESTIONS)


def _filled(question: sql.Query, asked: Mapping[str, str]) -> str:
    def literal(found: re.Match[str]) -> str:
        return "'{}'".format(asked.get(found[1], "").replace("'", "''"))

    named = "|".join(question.parameters)
    text = question.sql.rstrip()
    if named:
        # A colon within a time format stands beside a percent sign, never beside a name.
        text = re.sub(rf"(?<![:\w]):({named})\b", literal, text)
    return f"{text};\n"
