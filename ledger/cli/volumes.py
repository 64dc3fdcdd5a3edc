"""`volumes`: claims by ordinal, or what would become of them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from itertools import groupby
from typing import Any

import click

from ledger.cli.options import installation, output_options, scope_options
from ledger.cli.output import Column, Screen, close, machine, now_fresh, reader_of
from ledger.errors import UsageError
from ledger.settings import Settings
from ledger.sql import load
from ledger.targets import Scope
from ledger.volumes import Wanted, claims, consequences

NEEDS = ("statefulsets", "pods", "persistentvolumeclaims", "persistentvolumes")
COLUMNS = (
    Column("CLAIM", "bold"),
    Column("ORDINAL"),
    Column("STATUS"),
    Column("VOLUME"),
    Column("SIZE"),
    Column("CLASS"),
    Column("USED-BY"),
    Column("FINDINGS"),
)
WIDE = (Column("CAPACITY"), Column("ACCESS"), Column("RECLAIM"), Column("PHASE"), Column("OWNER"))
NARROW = 140
"""On a narrower terminal volume, size and user share the last column, which may wrap."""

NARROW_COLUMNS = (*COLUMNS[:3], Column("FINDINGS"))
WHAT_IF = (
    Column("CLAIM", "bold"),
    Column("ORDINAL"),
    Column("CLAIM WOULD BE"),
    Column("VOLUME"),
    Column("VOLUME WOULD BE"),
    Column("WHY"),
)
CONSEQUENCE = ("namespace", "claim", "ordinal", "outcome", "why", "volume", "volume_outcome")


@click.command("volumes")
@click.argument("target", nargs=-1, metavar="[sts/NAME]...")
@scope_options
@output_options("table", "wide", "json", "yaml", "csv", "jsonl")
@click.option("--orphans", is_flag=True, help="Only claims that no pod will use again by itself.")
@click.option("--deleted", is_flag=True, help="Also claims that are gone, with who deleted them.")
@click.option("--if-deleted", is_flag=True, help="What deleting the StatefulSet would do.")
@click.option("--if-scaled", type=int, metavar="N", help="What scaling it to N would do.")
@installation
@click.pass_context
def command(
    context: click.Context,
    settings: Settings,
    target: tuple[str, ...],
    namespace: str,
    selector: str,
    output: str,
    color: str,
    *,
    all_namespaces: bool,
    no_headers: bool,
    fresh: bool,
    orphans: bool,
    deleted: bool,
    if_deleted: bool,
    if_scaled: int | None,
) -> None:
    """Show the claims of StatefulSets: their volumes, their users, and what is odd.

    With --if-deleted or --if-scaled: which claims would be kept or deleted, and why. Nothing is
    changed in the cluster.

    \b
    Example:
      rollout-ledger volumes sts/web
      rollout-ledger volumes -A --orphans
      rollout-ledger volumes sts/web --if-scaled 1
    """
    reader = reader_of(settings)
    scope = Scope("" if all_namespaces else namespace, selector)
    freshness = now_fresh(reader, needs=NEEDS)
    screen = Screen.of(color)
    if if_deleted or if_scaled is not None:
        word = _one(target, both=if_deleted and if_scaled is not None)
        items = consequences(reader, word, scope, replicas=None if if_deleted else if_scaled)
        if machine(output, "Consequence", CONSEQUENCE, items, freshness):
            context.exit(close(freshness, screen=None, must_be_fresh=fresh))
        _print_consequences(screen, items, headers=not no_headers)
        context.exit(close(freshness, screen=screen, must_be_fresh=fresh))
    items = claims(reader, target, scope, Wanted(orphans, deleted))
    columns = [*load("claim_status").columns, "findings"]
    if machine(output, "Claim", columns, items, freshness):
        context.exit(close(freshness, screen=None, must_be_fresh=fresh))
    if items:
        _print(screen, items, wide=output == "wide", headers=not no_headers)
    else:
        click.echo("No claims left behind." if orphans else "No claims recorded.", err=True)
    context.exit(close(freshness, screen=screen, must_be_fresh=fresh))


def _one(target: Sequence[str], *, both: bool) -> str:
    words = target[1:] if len(target) == 2 and "/" not in target[0] else target
    if both or len(words) != 1:
        raise UsageError(
            "one StatefulSet and one question at a time",
            hint="rollout-ledger volumes sts/web --if-deleted",
        )
    return words[0]


def _print(
    screen: Screen, items: Sequence[Mapping[str, Any]], *, wide: bool, headers: bool
) -> None:
    groups = groupby(items, key=lambda item: (item["namespace"], item["workload"]))
    columns: Sequence[Column] = (*COLUMNS[:-1], *WIDE, COLUMNS[-1]) if wide else COLUMNS
    is_narrow = screen.is_terminal and screen.width < NARROW and not wide
    for index, (_, found) in enumerate(groups):
        group = list(found)
        if index:
            screen.text("")
        if headers:
            screen.text(_title(group), style="title")
        rows = [_cells(item, wide=wide) for item in group]
        if is_narrow:
            rows = [_narrowed(cells) for cells in rows]
        screen.table(NARROW_COLUMNS if is_narrow else columns, rows, headers=headers)


def _title(group: Sequence[Mapping[str, Any]]) -> str:
    first = group[0]
    living = sum(item["deleted_at"] is None for item in group)
    count = f"{living} claim" + ("" if living == 1 else "s")
    if first["workload"] is None:
        return f"no StatefulSet known   namespace {first['namespace']}   {count}"
    shown = f"statefulset.apps/{first['workload']}   namespace {first['namespace']}   {count}"
    if first["workload_deleted_at"]:
        return f"{shown}   deleted {_instant(first['workload_deleted_at'])}"
    kept = f"whenDeleted {first['when_deleted']}, whenScaled {first['when_scaled']}"
    return f"{shown}   replicas {first['replicas']}   {kept}"


def _cells(item: Mapping[str, Any], *, wide: bool) -> list[str]:
    used_by = f"{item['pod']} ({item['pod_revision']})" if item["pod"] else "-"
    cells = [
        item["claim"],
        "-" if item["ordinal"] is None else str(item["ordinal"]),
        _status(item),
        item["volume"] or "-",
        item["asked"] or "-",
        item["class"] or "-",
        used_by,
    ]
    if wide:
        cells += [
            item["capacity"] or "-",
            item["access_modes"] or "-",
            item["reclaim_policy"] or "-",
            item["volume_phase"] or "-",
            "set or pod" if item["owners"] != "[]" else "-",
        ]
    return [*cells, "; ".join(item["findings"]) or "-"]


def _status(item: Mapping[str, Any]) -> str:
    since = _instant(item["since"])
    match item["status"]:
        case "mounted":
            return f"mounted by {item['pod']}"
        case "awaited":
            return f"awaited by {item['pod']}"
        case "left behind":
            return f"left behind since {since} by {item['left_by']}"
        case "never mounted":
            return "never mounted"
        case "deleted":
            return f"deleted {since}"
        case status:
            return f"{status} since {since}" if item["since"] else str(status)


def _narrowed(cells: list[str]) -> list[str]:
    claim, ordinal, status, volume, asked, storage_class, used_by, findings = cells
    told = [f"{volume} {asked} {storage_class}", used_by, findings]
    return [claim, ordinal, status, " · ".join(each for each in told if each != "-")]


def _print_consequences(
    screen: Screen, items: Sequence[Mapping[str, Any]], *, headers: bool
) -> None:
    if not items:
        click.echo("It has no claims.", err=True)
        return
    rows = [
        [
            item["claim"],
            str(item["ordinal"]),
            item["outcome"],
            item["volume"] or "-",
            item["volume_outcome"] or "-",
            item["why"],
        ]
        for item in items
    ]
    screen.table(WHAT_IF, rows, headers=headers)


def _instant(at: str | None) -> str:
    return f"{at[:19]}Z" if at else "-"
