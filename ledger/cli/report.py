"""`report`: evidence bundles."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING

import click

from ledger.cli.options import installation
from ledger.cli.output import Screen, close, now_fresh, reader_of
from ledger.cli.times import moment
from ledger.errors import NotRecorded
from ledger.model import Position
from ledger.reader import LedgerReader, LocalReader
from ledger.settings import Settings

if TYPE_CHECKING:
    from ledger.report.bundle import File
    from ledger.report.collect import Report


@click.group()
def report() -> None:
    """Write evidence that an auditor can read.

    \b
    Example:
      rollout-ledger report changes --since 30d --out evidence
    """


@report.command()
@installation
@click.option("--since", default="", metavar="WHEN", help="From: 7d, or RFC 3339.")
@click.option("--until", default="", metavar="WHEN", help="To, not included: 1d, or RFC 3339.")
@click.option("-n", "--namespace", default="", metavar="NAME", help="Only this namespace.")
@click.option(
    "--at-position",
    type=click.IntRange(min=0),
    metavar="P",
    help="As the ledger was when the log ended at this position: folds it again.",
)
@click.option(
    "--out",
    "folder",
    required=True,
    type=click.Path(file_okay=False, path_type=Path),
    help="Folder to write into; a report that is there is replaced.",
)
def changes(
    settings: Settings,
    since: str,
    until: str,
    namespace: str,
    at_position: int | None,
    folder: Path,
) -> None:
    """Write the changes of a period: CSV, JSON lines, a page to print, a manifest.

    Exceptions come first: unknown actor, no ticket, in a gap, undone within an hour and others. The
    same period and log position give the same bytes; manifest.json names both.

    \b
    Example:
      rollout-ledger report changes --since 2026-11-01T00:00:00Z --out evidence
      rollout-ledger report changes --since 30d -n shop --out evidence
    """
    from ledger.report.bundle import write
    from ledger.report.collect import Period, collect

    reader = reader_of(settings)
    period = Period(moment(since), moment(until), namespace)
    with _pinned(reader, settings, at_position) as pinned:
        found = collect(pinned, period)
    if namespace and not found.rows and not reader.query("incarnations", {"namespace": namespace}):
        click.echo(f"warning: nothing of namespace {namespace} is recorded", err=True)
    _print(Screen.of("auto"), found, write(found, folder), folder)
    close(now_fresh(reader), screen=Screen.of("auto"), must_be_fresh=False)


@contextmanager
def _pinned(
    reader: LedgerReader, settings: Settings, position: int | None
) -> Iterator[LedgerReader]:
    """The ledger, or one beside it that is folded up to a position."""
    if position is None:
        yield reader
        return
    if not settings.log_file.exists() or (settings.ledger and not settings.log):
        raise NotRecorded(
            "what the ledger was then is folded from the log, which is not at hand",
            hint="ask on the machine that holds log.db, or name it with --log sqlite:///path",
        )
    from consumers.pinned import fold_until
    from ledger.log.sqlite import LogFile

    with TemporaryDirectory(prefix="rollout-ledger-") as folder:
        path = Path(folder) / "ledger.db"
        with LogFile.open(settings.log_file, writable=False) as log:
            fold_until(log, Position(position), path)
        yield LocalReader(path)


def _print(screen: Screen, found: Report, files: dict[str, File], folder: Path) -> None:
    period = found.period
    when = f"{period.since or 'the beginning'} to {period.until or 'the end of the recording'}"
    where = f", namespace {period.namespace}" if period.namespace else ""
    screen.text(f"Changes from {when}{where}, at log position {found.scope['position']}")
    names = max(len(name) for name in files)
    for name, file in files.items():
        rows = "" if file.rows is None else f"   {file.rows} rows"
        screen.text(f"{folder / name.ljust(names) if rows else folder / name}{rows}")
    bases = ", ".join(f"{count} {basis}" for basis, count in found.by_basis().items() if count)
    reasons = ", ".join(f"{count} {why}" for why, count in found.by_exception().items() if count)
    screen.text(f"{len(found.rows)} changes; actors: {bases or 'none'}; {len(found.gaps)} gaps")
    screen.text(f"{len(found.exceptions)} to look at: {reasons or 'none'}")
