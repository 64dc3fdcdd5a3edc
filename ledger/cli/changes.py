"""`changes`: the fleet's timeline, the first question of an incident."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import click

from ledger.authors import UNKNOWN, full, ticket_of, who
from ledger.cli.options import installation, output_options, scope_options
from ledger.cli.output import Column, Screen, close, machine, now_fresh, reader_of
from ledger.cli.times import moment
from ledger.reader import LedgerReader
from ledger.settings import Settings
from ledger.sql import load
from ledger.targets import Scope, find

COLUMNS = (
    Column("TIME"),
    Column("NAMESPACE"),
    Column("WORKLOAD", "bold"),
    Column("WHAT"),
    Column("REV"),
    Column("BY"),
    Column("CHANGE"),
)
NARROW_COLUMNS = (COLUMNS[0], COLUMNS[2], COLUMNS[3], COLUMNS[6])
"""On a narrow terminal the name is whole, and who did it shares the last column, which may wrap."""

WIDE = (Column("BASIS"), Column("TICKET"), Column("CHANGE-CAUSE"))
BY = ("people", "pipelines", "kubernetes", "claimed", "unknown")


@click.command()
@click.argument("target", nargs=-1, metavar="[sts/NAME]...")
@scope_options
@output_options("table", "wide", "json", "yaml", "csv", "jsonl")
@click.option("--since", default="", metavar="WHEN", help="Only since: 30m, 2h, 7d, or RFC 3339.")
@click.option("--until", default="", metavar="WHEN", help="Only before: 30m, 2h, 7d, or RFC 3339.")
@click.option(
    "--limit", type=click.IntRange(min=0), default=0, metavar="N", help="Only the newest N."
)
@click.option(
    "--actor", default="", metavar="USER", help="Only what this user did, or was done as them."
)
@click.option("--by", default="", type=click.Choice(("", *BY)), help="Only what these did.")
@installation
@click.pass_context
def changes(
    context: click.Context,
    settings: Settings,
    target: tuple[str, ...],
    namespace: str,
    selector: str,
    output: str,
    color: str,
    since: str,
    until: str,
    limit: int,
    actor: str,
    by: str,
    *,
    all_namespaces: bool,
    no_headers: bool,
    fresh: bool,
) -> None:
    """Show everything that changed, newest first.

    \b
    Example:
      rollout-ledger changes -A --since 30m
      rollout-ledger changes -A --by unknown -o wide
    """
    reader = reader_of(settings)
    scope = Scope("" if all_namespaces else namespace, selector)
    asked = {"since": moment(since), "until": moment(until), "actor": full(actor), "by": by}
    items = _items(reader, target, scope, asked)
    items = items[:limit] if limit else items
    freshness = now_fresh(reader)
    if machine(output, "Change", list(load("changes").columns), items, freshness):
        context.exit(close(freshness, screen=None, must_be_fresh=fresh))
    screen = Screen.of(color)
    is_wide = output == "wide"
    columns: Sequence[Column] = (*COLUMNS[:-1], *WIDE, COLUMNS[-1]) if is_wide else COLUMNS
    if items:
        rows = [_cells(item, wide=is_wide) for item in items]
        if not is_wide and not screen.fits(columns, rows):
            columns, rows = NARROW_COLUMNS, [_narrowed(cells) for cells in rows]
        screen.table(columns, rows, headers=not no_headers)
    else:
        click.echo("No changes recorded.", err=True)
    context.exit(close(freshness, screen=screen, must_be_fresh=fresh))


def _items(
    reader: LedgerReader, words: tuple[str, ...], scope: Scope, asked: dict[str, str]
) -> list[dict[str, Any]]:
    rows = reader.query("changes", {"namespace": scope.namespace, **asked})
    if not words and not scope.selector:
        return rows
    chosen = {(row["namespace"], row["name"]) for row in find(reader, words, scope)}
    return [row for row in rows if (row["namespace"], row["workload"]) in chosen]


def _cells(item: dict[str, Any], *, wide: bool) -> list[str]:
    more = [item["basis"], ticket_of(item), item["change_cause"] or "-"] if wide else []
    return [
        str(item["at"])[:19] + "Z",
        item["namespace"] or "*",
        item["workload"] or "-",
        item["what"],
        _which(item),
        who(item),
        *more,
        item["summary"] or "-",
    ]


def _narrowed(cells: list[str]) -> list[str]:
    at, namespace, name, what, which, actor, change = cells
    known = [] if actor == UNKNOWN else [f"by {actor}"]
    place = f"{namespace}/{name}" if name != "-" else namespace
    return [at, place, f"{what} {which}".removesuffix(" -"), " · ".join([change, *known])]


def _which(item: dict[str, Any]) -> str:
    """The number of a revision, or the generation of what made none."""
    if item["number"] is not None:
        return str(item["number"])
    return "-" if item["generation"] is None else f"g{item['generation']}"
