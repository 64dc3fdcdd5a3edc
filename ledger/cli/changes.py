"""`changes`: the fleet's timeline, the first question of an incident."""

from __future__ import annotations

from typing import Any

import click

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


@click.command()
@click.argument("target", nargs=-1, metavar="[sts/NAME]...")
@scope_options
@output_options("table", "json", "yaml", "csv", "jsonl")
@click.option("--since", default="", metavar="WHEN", help="Only since: 30m, 2h, 7d, or RFC 3339.")
@click.option("--until", default="", metavar="WHEN", help="Only before: 30m, 2h, 7d, or RFC 3339.")
@click.option("--limit", default=0, metavar="N", help="Only the newest N.")
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
    *,
    all_namespaces: bool,
    no_headers: bool,
    fresh: bool,
) -> None:
    """Show everything that changed, newest first.

    \b
    Example:
      rollout-ledger changes -A --since 30m
    """
    reader = reader_of(settings)
    scope = Scope("" if all_namespaces else namespace, selector)
    items = _items(reader, target, scope, moment(since), moment(until))
    items = items[:limit] if limit else items
    freshness = now_fresh(reader)
    if machine(output, "Change", list(load("changes").columns), items, freshness):
        context.exit(close(freshness, screen=None, must_be_fresh=fresh))
    screen = Screen.of(color)
    if items:
        screen.table(COLUMNS, [_cells(item) for item in items], headers=not no_headers)
    else:
        click.echo("No changes recorded.", err=True)
    context.exit(close(freshness, screen=screen, must_be_fresh=fresh))


def _items(
    reader: LedgerReader, words: tuple[str, ...], scope: Scope, since: str, until: str
) -> list[dict[str, Any]]:
    asked = {"namespace": scope.namespace, "since": since, "until": until}
    rows = reader.query("changes", asked)
    if not words and not scope.selector:
        return rows
    chosen = {(row["namespace"], row["name"]) for row in find(reader, words, scope)}
    return [row for row in rows if (row["namespace"], row["workload"]) in chosen]


def _cells(item: dict[str, Any]) -> list[str]:
    return [
        str(item["at"])[:19] + "Z",
        item["namespace"] or "*",
        item["workload"] or "-",
        item["what"],
        _which(item),
        item["actor"] or "unknown",
        item["summary"] or "-",
    ]


def _which(item: dict[str, Any]) -> str:
    """The number of a revision, or the generation of what made none."""
    if item["number"] is not None:
        return str(item["number"])
    return "-" if item["generation"] is None else f"g{item['generation']}"
