"""`history`: a table for people, kubectl's own bytes, or rows for machines."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import click

from ledger import render
from ledger.authors import UNKNOWN, ticket_of, who
from ledger.cli.options import installation, output_options, scope_options
from ledger.cli.output import (
    PHASES,
    Column,
    Screen,
    close,
    machine,
    now_fresh,
    reader_of,
    warn_of_unwatched,
)
from ledger.cli.times import moment, past, took
from ledger.errors import UsageError
from ledger.freshness import HISTORY_NEEDS, age
from ledger.history import SPEC, Wanted, WorkloadHistory, histories, kubectl_rows
from ledger.model import parse_timestamp, utc_now
from ledger.reader import LedgerReader
from ledger.settings import Settings
from ledger.sql import load
from ledger.targets import Scope

COLUMNS = (
    Column("REV", "bold"),
    Column("AGE"),
    Column("STATUS"),
    Column("TOOK"),
    Column("TRIGGER"),
    Column("BY"),
    Column("CHANGE"),
    Column("TICKET"),
    Column("CHANGE-CAUSE"),
)
NARROWER = (*COLUMNS[:3], COLUMNS[4], COLUMNS[5], Column("CHANGE"))
"""On a narrow terminal the ticket and the cause share the last column, which may wrap."""

NARROWEST = (*COLUMNS[:3], COLUMNS[4], Column("CHANGE"))
"""On a narrower one who did it does as well."""

WIDE = tuple(Column(name) for name in ("BASIS", "NAME", "GONE", "ORIGINAL", "OBSERVED"))


@click.command()
@click.argument("target", nargs=-1, metavar="[sts/NAME]...")
@scope_options
@output_options("table", "wide", "json", "yaml", "csv", "jsonl", "name", "kubectl")
@click.option("--since", default="", metavar="WHEN", help="Only since: 30m, 2h, 7d, or RFC 3339.")
@click.option("--until", default="", metavar="WHEN", help="Only before: 30m, 2h, 7d, or RFC 3339.")
@click.option("--image", default="", metavar="TEXT", help="Only revisions with this in an image.")
@click.option(
    "--limit", type=click.IntRange(min=0), default=0, metavar="N", help="Only the newest N."
)
@click.option(
    "--as-of", default="", metavar="WHEN", help="As the cluster was then: 30m, 2h, 7d, or RFC 3339."
)
@click.option("--all-changes", is_flag=True, help="Also changes that made no revision.")
@click.option("--all-incarnations", is_flag=True, help="Also those before a delete and recreate.")
@installation
@click.pass_context
def history(
    context: click.Context,
    settings: Settings,
    target: tuple[str, ...],
    namespace: str,
    selector: str,
    output: str,
    color: str,
    since: str,
    until: str,
    image: str,
    limit: int,
    as_of: str,
    *,
    all_namespaces: bool,
    no_headers: bool,
    fresh: bool,
    all_changes: bool,
    all_incarnations: bool,
) -> None:
    """List every revision a StatefulSet ever had.

    Numbers that Kubernetes renumbered or pruned stay. -o kubectl prints what kubectl rollout
    history would print now.

    \b
    Example:
      rollout-ledger history sts/web
      rollout-ledger history -A --since 2h -o json
    """
    reader = reader_of(settings)
    scope = Scope("" if all_namespaces else namespace, selector)
    freshness = now_fresh(reader)
    wanted = Wanted(
        moment(since),
        moment(until),
        image,
        limit,
        past(as_of),
        all_incarnations=all_incarnations,
        all_changes=all_changes,
    )
    if output == "kubectl":
        _print_kubectl(reader, target, scope, wanted)
        context.exit(close(freshness, screen=None, must_be_fresh=fresh))
    found = histories(reader, target, scope, wanted)
    _warn(reader, found, scope, wanted)
    items = [row for each in found for row in each.rows]
    if output == "name":
        _print_names(items)
        context.exit(close(freshness, screen=None, must_be_fresh=fresh))
    if machine(output, "History", list(load("history").columns), items, freshness):
        context.exit(close(freshness, screen=None, must_be_fresh=fresh))
    screen = Screen.of(color)
    _print_all(screen, found, wide=output == "wide", headers=not no_headers)
    context.exit(close(freshness, screen=screen, must_be_fresh=fresh))


def _print_kubectl(
    reader: LedgerReader, target: Sequence[str], scope: Scope, wanted: Wanted
) -> None:
    if wanted.as_of or wanted.all_changes or wanted.all_incarnations:
        raise UsageError(
            "-o kubectl lists what kubectl would list now", hint="leave out -o kubectl"
        )
    for name, rows in kubectl_rows(reader, target, scope):
        click.echo(render.kubectl_history(name, rows), nl=False)


def _warn(
    reader: LedgerReader, found: Sequence[WorkloadHistory], scope: Scope, wanted: Wanted
) -> None:
    namespaces = {str(each.workload["namespace"]) for each in found}
    warn_of_unwatched(reader, HISTORY_NEEDS, namespaces, wanted.as_of)
    if not found:
        where = f"in namespace {scope.namespace}" if scope.namespace else "in any namespace"
        click.echo(f"No history recorded {where}.", err=True)


def _print_names(items: Sequence[Mapping[str, Any]]) -> None:
    for row in items:
        click.echo(f"controllerrevision.apps/{row['name']}" if row["name"] else row["label"])


def _print_all(
    screen: Screen, found: Sequence[WorkloadHistory], *, wide: bool, headers: bool
) -> None:
    for index, each in enumerate(found):
        if index:
            screen.text("")
        _print(screen, each, wide=wide, headers=headers)


def _print(screen: Screen, each: WorkloadHistory, *, wide: bool, headers: bool) -> None:
    if headers:
        screen.text(_title(each), style="title")
    columns: Sequence[Column] = (*COLUMNS[:-2], *WIDE, *COLUMNS[-2:]) if wide else COLUMNS
    rows = [_cells(row, screen, wide=wide) for row in collapse(each.rows)]
    if not wide and not screen.fits(columns, rows):
        columns, rows = NARROWER, [_narrower(cells) for cells in rows]
        if not screen.fits(columns, rows):
            columns, rows = NARROWEST, [_narrowest(cells) for cells in rows]
    screen.table(columns, rows, headers=headers)
    if screen.is_terminal and headers:
        _print_next(screen, each)


def _title(each: WorkloadHistory) -> str:
    """The incarnation, and how it follows the one before."""
    workload = each.workload
    gone = workload["recorded"] - workload["live"]
    shown = f"statefulset.apps/{workload['name']}   namespace {workload['namespace']}"
    plural = "" if workload["recorded"] == 1 else "s"
    known = f"{workload['recorded']} revision{plural}, {gone} of them no longer in the cluster"
    if workload["predecessor"]:
        adopted = any(row["trigger"] == "adopted" for row in each.rows)
        before = f"{workload['name']}~{workload['predecessor'][:4]}"
        known += f"   made again after {before}" + (
            ", whose revisions and pods it adopted" if adopted else ""
        )
    if workload["deleted_at"]:
        after = f"after {workload['deleted_after']}, by " if workload["deleted_after"] else ""
        return f"{shown}   {known}   deleted {after}{workload['deleted_at']}"
    return f"{shown}   {known}"


def collapse(rows: Sequence[Mapping[str, Any]]) -> list[dict[str, Any]]:
    """Neighbouring unseen numbers as one row."""
    collapsed: list[dict[str, Any]] = []
    for row in rows:
        last = collapsed[-1] if collapsed else None
        if last and last["trigger"] == row["trigger"] == "unseen":
            first = str(row["label"]).partition("..")[0]
            newest = str(last["label"]).rpartition("..")[2]
            last["label"] = f"{first}..{newest}"
        else:
            collapsed.append(dict(row))
    return collapsed


def _cells(row: Mapping[str, Any], screen: Screen, *, wide: bool) -> list[str]:
    glyph = f"{PHASES.get(row['status'], ' ')} " if screen.is_terminal else ""
    mark = ("▸ " if row["running"] else "  ") if screen.is_terminal else ""
    seconds = (utc_now() - parse_timestamp(row["observed_at"])).total_seconds()
    cells = [
        f"{mark}{row['label']}",
        age(max(0.0, seconds)),
        f"{glyph}{row['status'] or '-'}",
        took(row["took_seconds"]),
        _trigger(row),
        who(row),
        _summary(row),
    ]
    if wide:
        cells += [row["basis"], row["name"] or "-", row["pruned_why"] or "-"]
        cells += [row["restorable_why"] if row["restorable"] else "-", row["observed_at"]]
    return [*cells, ticket_of(row), _cause(row, wide=wide)]


def _narrower(cells: list[str]) -> list[str]:
    label, seen, status, _, trigger, actor, change, *said = cells
    told = [change, *(word for word in said if word != "-")]
    return [label, seen, status, trigger, actor, " · ".join(told)]


def _narrowest(cells: list[str]) -> list[str]:
    *first, actor, told = cells
    return [*first, told if actor == UNKNOWN else f"{told} · by {actor}"]


def _summary(row: Mapping[str, Any]) -> str:
    # The TRIGGER column has said where it goes back to.
    summary = str(row["summary"])
    return summary.removeprefix(f"back to {row['undo_of']}: ") or "-"


def _trigger(row: Mapping[str, Any]) -> str:
    return f"{row['trigger']} to {row['undo_of']}" if row["undo_of"] else str(row["trigger"])


def _cause(row: Mapping[str, Any], *, wide: bool) -> str:
    """A cause that was copied from an earlier change is never repeated as this one's."""
    if row["reason"]:
        return str(row["reason"])
    if row["change_cause_stale"]:
        return f"(stale) {row['change_cause']}" if wide else "-"
    return row["change_cause"] or "-"


def _print_next(screen: Screen, each: WorkloadHistory) -> None:
    numbers = [row["label"] for row in each.rows if row["trigger"] not in ("unseen", SPEC)]
    if len(numbers) > 1:
        name, namespace = each.workload["name"], each.workload["namespace"]
        screen.text(
            f"▸ runs now.  Next: rollout-ledger diff sts/{name} {numbers[1]}..{numbers[0]}"
            f" -n {namespace}",
            style="dim",
        )
