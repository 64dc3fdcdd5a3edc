"""`query` and `gaps`: named SQL, the same files that Datasette serves."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import click

from ledger import sql
from ledger.cli.options import installation, output_options
from ledger.cli.output import Column, Screen, close, machine, now_fresh, reader_of
from ledger.cli.times import moment
from ledger.errors import UsageError
from ledger.model import KINDS
from ledger.reader import LedgerReader
from ledger.settings import Settings

GAP_COLUMNS = ("cause", "kind", "scope", "last_seen_at", "closed_at", "covered", "story")


@click.command()
@click.argument("name", required=False)
@click.option("--list", "list_all", is_flag=True, help="List the named queries.")
@click.option(
    "--param",
    "-p",
    "parameters",
    multiple=True,
    metavar="NAME=VALUE",
    help="A parameter of the query; may be given several times.",
)
@output_options("table", "json", "yaml", "csv", "jsonl")
@installation
@click.pass_context
def query(
    context: click.Context,
    settings: Settings,
    name: str | None,
    parameters: tuple[str, ...],
    output: str,
    color: str,
    *,
    list_all: bool,
    no_headers: bool,
    fresh: bool,
) -> None:
    """Ask the ledger one of its named questions.

    \b
    Example:
      rollout-ledger query --list
      rollout-ledger query history -p name=web -o csv
    """
    screen = Screen.of(color)
    if list_all or name is None:
        rows = [
            [each.name, " ".join(each.parameters) or "-", each.title] for each in sql.questions()
        ]
        columns = (Column("NAME", "bold"), Column("PARAMETERS"), Column("QUESTION"))
        screen.table(columns, rows, headers=not no_headers)
        return
    asked = dict(_parameter(text) for text in parameters)
    reader = reader_of(settings)
    items = reader.query(name, asked)
    _answer(context, reader, name, items, screen, output, no_headers=no_headers, fresh=fresh)


@click.command()
@output_options("table", "json", "yaml", "csv", "jsonl")
@click.option("--since", default="", metavar="WHEN", help="Only still open since: 30m, 2h, 7d …")
@installation
@click.pass_context
def gaps(
    context: click.Context,
    settings: Settings,
    output: str,
    color: str,
    since: str,
    *,
    no_headers: bool,
    fresh: bool,
) -> None:
    """Show the stretches that were not recorded, and why.

    \b
    Example:
      rollout-ledger gaps --since 7d
    """
    reader = reader_of(settings)
    items = reader.query("not_recorded", {"since": moment(since)})
    screen = Screen.of(color)
    if not items and output == "table":
        screen.text("No gaps recorded.")
    _answer(
        context,
        reader,
        "not_recorded",
        items,
        screen,
        output,
        no_headers=no_headers,
        fresh=fresh,
        shown=GAP_COLUMNS,
    )


def _answer(
    context: click.Context,
    reader: LedgerReader,
    name: str,
    items: list[dict[str, Any]],
    screen: Screen,
    output: str,
    *,
    no_headers: bool,
    fresh: bool,
    shown: Sequence[str] = (),
) -> None:
    """An answer as it was asked for; a table has the columns `shown`, or all of them."""
    columns = list(items[0]) if items else list(sql.load(name).columns)
    freshness = now_fresh(reader, needs=[kind.plural for kind in KINDS])
    kind = "".join(part.title() for part in name.split("_"))
    if machine(output, kind, columns, items, freshness):
        context.exit(close(freshness, screen=None, must_be_fresh=fresh))
    if items:
        shown = shown or columns
        rows = [["" if item[c] is None else str(item[c]) for c in shown] for item in items]
        heads = [Column(column.upper().replace("_", " ")) for column in shown]
        screen.table(heads, rows, headers=not no_headers)
    context.exit(close(freshness, screen=screen, must_be_fresh=fresh))


def _parameter(text: str) -> tuple[str, str]:
    name, equals, value = text.partition("=")
    if not equals:
        raise UsageError(f"{text!r} is not NAME=VALUE", hint="-p namespace=shop")
    return name, value
