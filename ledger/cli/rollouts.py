"""`rollouts`: a list of them, or one ordinal by ordinal."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import click

from ledger.authors import who
from ledger.cli.options import installation, output_options, scope_options
from ledger.cli.output import PHASES, Column, Screen, close, machine, now_fresh, reader_of
from ledger.cli.times import clock, instant, moment, took
from ledger.rollouts import Timeline, Wanted, rollout_id, rollouts, timeline
from ledger.settings import Settings
from ledger.sql import load
from ledger.targets import Scope

GLYPHS = PHASES | {"unobserved": "?"}
NEEDS = ("statefulsets", "controllerrevisions", "pods")
COLUMNS = (
    Column("ROLLOUT", "bold"),
    Column("STARTED"),
    Column("PHASE"),
    Column("TOOK"),
    Column("PODS"),
    Column("WHAT"),
    Column("HELD UP BY"),
)
NARROW = 150
"""On a narrower terminal what held it up follows in the last column, which may wrap."""

NARROW_COLUMNS = (COLUMNS[0], COLUMNS[2], COLUMNS[3], COLUMNS[5])
POD_COLUMNS = (
    Column("ORDINAL"),
    Column("POD", "bold"),
    Column("GOING"),
    Column("CREATED"),
    Column("SCHEDULED"),
    Column("READY"),
    Column("TOOK"),
    Column("RESTARTS"),
    Column("REASON"),
)


@click.command("rollouts")
@click.argument("target", nargs=-1, metavar="[ID | sts/NAME]...")
@scope_options
@output_options("table", "json", "yaml", "csv", "jsonl")
@click.option("--open", "is_open", is_flag=True, help="Only those that are under way.")
@click.option("--since", default="", metavar="WHEN", help="Only since: 30m, 2h, 7d, or RFC 3339.")
@click.option("--until", default="", metavar="WHEN", help="Only before: 30m, 2h, 7d, or RFC 3339.")
@click.option(
    "--limit", type=click.IntRange(min=0), default=0, metavar="N", help="Only the newest N."
)
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
    since: str,
    until: str,
    limit: int,
    *,
    is_open: bool,
    all_namespaces: bool,
    no_headers: bool,
    fresh: bool,
) -> None:
    """List rollouts, or show one of them ordinal by ordinal.

    An ID is namespace/name/number, or name/number: the pods made for it, how long each took, the
    slowest, and what is usual for this workload.

    \b
    Example:
      rollout-ledger rollouts -A --open
      rollout-ledger rollouts shop/web/7
    """
    reader = reader_of(settings)
    scope = Scope("" if all_namespaces else namespace, selector)
    freshness = now_fresh(reader, needs=NEEDS)
    screen = Screen.of(color)
    if len(target) == 1 and rollout_id(target[0]):
        shown = timeline(reader, target[0], scope)
        if not machine(
            output, "RolloutPod", list(load("rollout_pods").columns), shown.pods, freshness
        ):
            _print_timeline(screen, shown, headers=not no_headers)
            context.exit(close(freshness, screen=screen, must_be_fresh=fresh))
        context.exit(close(freshness, screen=None, must_be_fresh=fresh))
    wanted = Wanted("open" if is_open else "", moment(since), moment(until), limit)
    items = rollouts(reader, target, scope, wanted)
    if machine(output, "Rollout", list(load("rollout_history").columns), items, freshness):
        context.exit(close(freshness, screen=None, must_be_fresh=fresh))
    if items:
        _print_list(screen, [_cells(item, screen) for item in items], headers=not no_headers)
    else:
        click.echo("No rollouts recorded." if not is_open else "Nothing is rolling out.", err=True)
    context.exit(close(freshness, screen=screen, must_be_fresh=fresh))


def _print_list(screen: Screen, rows: list[list[str]], *, headers: bool) -> None:
    if screen.is_terminal and screen.width < NARROW:
        narrow = [
            [name, phase, time, _told(what, held)] for name, _, phase, time, _, what, held in rows
        ]
        screen.table(NARROW_COLUMNS, narrow, headers=headers)
    else:
        screen.table(COLUMNS, rows, headers=headers)


def _told(what: str, held_up: str) -> str:
    return what if held_up == "-" else f"{what} · held up by {held_up}"


def _cells(item: Mapping[str, Any], screen: Screen) -> list[str]:
    glyph = f"{GLYPHS[item['phase']]} " if screen.is_terminal else ""
    return [
        str(item["id"]),
        instant(item["started_at"]),
        f"{glyph}{item['phase']}",
        took(item["took_seconds"]),
        "-" if item["wanted"] is None else f"{item['updated']}/{item['wanted']}",
        f"{item['trigger']}: {item['summary'] or '-'}",
        _held_up(item),
    ]


def _held_up(item: Mapping[str, Any]) -> str:
    if not item["stalled_at"]:
        return "-"
    if not item["blocking_pod"]:
        return f"was stuck at {instant(item['stalled_at'])}"
    return f"{item['blocking_pod']} {item['blocking_reason']}" + (
        " (kubernetes#67250)" if item["trap"] else ""
    )


def _print_timeline(screen: Screen, shown: Timeline, *, headers: bool) -> None:
    rollout = shown.rollout
    if headers:
        screen.text(
            f"rollout {rollout['id']}   {_way(rollout)}   {rollout['phase']}", style="title"
        )
        screen.text(f"{rollout['trigger']}: {rollout['summary'] or '-'}")
        screen.text(_times(rollout))
    if shown.pods:
        screen.table(POD_COLUMNS, [_pod_cells(pod) for pod in shown.pods], headers=headers)
    else:
        screen.text("No pod was made for it.")
    for line in _remarks(shown):
        screen.text(line)


def _way(rollout: Mapping[str, Any]) -> str:
    if rollout["from_number"] is None:
        return f"rev {rollout['label']}"
    return f"rev {rollout['from_number']} → {rollout['label']}"


def _times(rollout: Mapping[str, Any]) -> str:
    told = [f"started {instant(rollout['started_at'])} by {who(rollout)}"]
    if rollout["stalled_at"]:
        told.append(f"stuck {instant(rollout['stalled_at'])}")
    if rollout["finished_at"]:
        told.append(
            f"complete {instant(rollout['finished_at'])}, took {took(rollout['took_seconds'])}"
        )
    elif rollout["ended_at"]:
        told.append(f"ended {instant(rollout['ended_at'])}")
    if rollout["undone_by"] is not None:
        told.append(f"undone by rev {rollout['undone_by']}")
    return "   ".join(told)


def _pod_cells(pod: Mapping[str, Any]) -> list[str]:
    return [
        str(pod["ordinal"]),
        str(pod["pod"]),
        clock(pod["going_at"]),
        clock(pod["created_at"]),
        clock(pod["scheduled_at"]),
        clock(pod["ready_at"]),
        took(pod["took_seconds"]),
        str(pod["restarts"]),
        "-" if pod["ready_at"] else pod["last_reason"] or "-",
    ]


def _remarks(shown: Timeline) -> list[str]:
    told, slowest, usual = [], shown.slowest, shown.usual
    if slowest is not None and len(shown.pods) > 1:
        told.append(f"slowest: {slowest['pod']}, {took(slowest['took_seconds'])}")
    if usual is not None:
        told.append(
            f"usual for this workload: p50 {took(usual['p50_seconds'])}, "
            f"p95 {took(usual['p95_seconds'])} of {usual['rollouts']}"
        )
    if shown.rollout["blocking_pod"]:
        message = shown.rollout["blocking_message"]
        told.append(f"held up by {_held_up(shown.rollout)}" + (f": {message}" if message else ""))
    return told
