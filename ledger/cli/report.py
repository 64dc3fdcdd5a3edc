"""`report`: evidence bundles."""

from __future__ import annotations

from pathlib import Path

import click

from ledger.cli.options import installation
from ledger.cli.output import reader_of
from ledger.cli.times import moment
from ledger.settings import Settings


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
    "--out",
    "folder",
    required=True,
    type=click.Path(file_okay=False, path_type=Path),
    help="Folder to write into; a report that is there is replaced.",
)
def changes(settings: Settings, since: str, until: str, namespace: str, folder: Path) -> None:
    """Write the changes of a period: CSV, JSON lines, a page to print, a manifest.

    Exceptions come first: no ticket, unknown actor, in a gap, undone within an hour. The same
    ledger and period give the same bytes.

    \b
    Example:
      rollout-ledger report changes --since 2026-11-01T00:00:00Z --out evidence
    """
    from ledger.report.bundle import BASES, collect, write

    found = collect(
        reader_of(settings), since=moment(since), until=moment(until), namespace=namespace
    )
    written = write(found, folder)
    for name, rows in written.items():
        click.echo(f"{folder / name}   {rows} rows")
    click.echo(f"{folder / 'manifest.json'}")
    by_basis = ", ".join(
        f"{n} {b}" for b, n in found.counts("actor_confidence", BASES).items() if n
    )
    click.echo(
        f"{len(found.rows)} changes, {len(found.exceptions)} to look at, {len(found.gaps)} gaps; "
        f"actors: {by_basis or 'none'}"
    )
