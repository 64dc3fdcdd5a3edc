"""`status`: the rollout now, followed to its end as kubectl follows it."""

from __future__ import annotations

import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict
from typing import Any

import click

from ledger.cli.options import installation, output_options, scope_options
from ledger.cli.output import Screen, close, machine, now_fresh, reader_of, warn_of_unwatched
from ledger.cli.standing import COLUMNS, drawn, line_of, summary_cells
from ledger.cli.times import past, seconds_of
from ledger.errors import LedgerError, NotRecorded
from ledger.reader import LedgerReader
from ledger.rollout.kubectl import status_line
from ledger.settings import Settings
from ledger.status import Standing, standing, standing_at
from ledger.targets import Scope, find, find_at, names_of

NEEDS = ("statefulsets", "controllerrevisions", "pods")
POLL_SECONDS = 0.5


@click.command()
@click.argument("target", nargs=-1, metavar="[sts/NAME]...")
@scope_options
@output_options("table", "json", "yaml", "jsonl", "kubectl")
@click.option(
    "-w",
    "--watch",
    "follows",
    type=bool,
    default=True,
    is_flag=False,
    flag_value="true",
    metavar="BOOL",
    show_default=True,
    help="Follow one workload until its rollout is done.",
)
@click.option("--timeout", default="", metavar="TIME", help="Give up after: 30s, 5m, 1h.")
@click.option("--as-of", default="", metavar="WHEN", help="As it stood then: 30m, 2h, RFC 3339.")
@click.option("--revision", default=0, metavar="N", help="As kubectl takes it: of no effect.")
@installation
@click.pass_context
def status(
    context: click.Context,
    settings: Settings,
    target: tuple[str, ...],
    namespace: str,
    selector: str,
    output: str,
    color: str,
    timeout: str,
    as_of: str,
    revision: int,
    *,
    follows: bool,
    all_namespaces: bool,
    no_headers: bool,
    fresh: bool,
) -> None:
    """Show what a rollout is doing, pod by pod, and what holds it up.

    One workload is followed until its rollout is complete or held back on purpose; --watch=false
    looks once. -o kubectl prints kubectl's own lines.

    \b
    Example:
      rollout-ledger status sts/web
      rollout-ledger status -A --watch=false
      rollout-ledger status sts/web --as-of 2026-11-01T03:12:00Z
    """
    if revision < 0:
        raise LedgerError(f"revision must be a positive integer: {revision}")
    reader = reader_of(settings)
    scope = Scope("" if all_namespaces else namespace, selector)
    at, seconds = past(as_of), seconds_of(timeout)
    chosen = _chosen(reader, target, scope, output, at)
    looks = _looks(reader, settings, chosen, at)
    screen = Screen.of(color)
    freshness = now_fresh(reader, needs=NEEDS)
    ends = len(chosen) != 1 or as_of or freshness.state == "ended"
    if output == "kubectl":
        follow_as_kubectl(looks, follows=follows and not ends, seconds=seconds)
        context.exit(close(freshness, screen=None, must_be_fresh=fresh))
    found = next(looks)
    warn_of_unwatched(reader, NEEDS, {str(row["namespace"]) for row in chosen}, at)
    if machine(output, "Status", [], [_document(each) for each in found], freshness):
        context.exit(close(freshness, screen=None, must_be_fresh=fresh))
    if len(found) != 1:
        _print_all(screen, found, headers=not no_headers)
    elif follows and not ends:
        follow(screen, found[0], looks, seconds=seconds)
    else:
        _refuse_deleted(found[0])
        _print(screen, drawn(found[0], screen))
    context.exit(close(now_fresh(reader, needs=NEEDS), screen=screen, must_be_fresh=fresh))


def _chosen(
    reader: LedgerReader, words: Sequence[str], scope: Scope, output: str, at: str
) -> list[dict[str, Any]]:
    if output == "kubectl" and not words and not scope.selector:
        raise LedgerError("required resource not specified")
    try:
        found = find_at(reader, words, scope, at) if at else find(reader, words, scope)
    except NotRecorded as wrong:
        if output != "kubectl":
            raise
        raise _not_found(names_of(words)[0]) from wrong
    living = [row for row in found if (row["deleted_at"] or "9") > (at or "8")]
    if not words or living == found:
        return living
    gone = next(row for row in found if row not in living)
    if output == "kubectl":
        raise _not_found(gone["name"])
    raise NotRecorded(
        f'statefulsets.apps "{gone["name"]}" was deleted at {gone["deleted_at"]}',
        hint=f"rollout-ledger history sts/{gone['name']} -n {gone['namespace']} tells its story; "
        "--as-of shows how it stood",
    )


def _not_found(name: str) -> LedgerError:
    return LedgerError(f'Error from server (NotFound): statefulsets.apps "{name}" not found')


def _looks(
    reader: LedgerReader, settings: Settings, chosen: Sequence[Mapping[str, Any]], at: str
) -> Iterator[list[Standing]]:
    """One look after the other."""
    while True:
        if at:
            yield _at(reader, settings, chosen, at)
        else:
            yield [standing(reader, row["uid"]) for row in chosen]


def _at(
    reader: LedgerReader, settings: Settings, chosen: Sequence[Mapping[str, Any]], at: str
) -> list[Standing]:
    from ledger.log.sqlite import LogFile

    if not settings.log_file.exists() or (settings.ledger and not settings.log):
        raise NotRecorded(
            "what was there then is in the log, which is not at hand",
            hint="ask on the machine that holds log.db, or name it with --log sqlite:///path",
        )
    with LogFile.open(settings.log_file, writable=False) as log:
        return [standing_at(reader, log.get, row["uid"], at) for row in chosen]


def follow_as_kubectl(
    looks: Iterator[list[Standing]], *, follows: bool, seconds: float | None
) -> None:
    """kubectl's lines, each change of the status once; until kubectl would be done."""
    deadline = None if seconds is None else time.monotonic() + seconds
    last = None
    for found in looks:
        for each in found:
            _refuse_deleted(each)
        told = [status_line(each.status) for each in found]
        if (told, [each.status for each in found]) != last:
            click.echo("".join(line for line, _ in told), nl=False)
        last = (told, [each.status for each in found])
        if not follows or all(done for _, done in told):
            return
        _wait(deadline)


def follow(
    screen: Screen,
    first: Standing,
    looks: Iterator[list[Standing]],
    *,
    seconds: float | None,
) -> None:
    """Draw one standing after the other until its rollout is done.

    Raises LedgerError when that takes longer, or the set was deleted.
    """
    deadline = None if seconds is None else time.monotonic() + seconds
    shown = 0
    last: object = None
    each = first
    while True:
        _refuse_deleted(each)
        if screen.is_terminal:
            lines = drawn(each, screen)
            if lines != last:
                click.echo(f"\x1b[{shown}F\x1b[J" if shown else "", nl=False, color=True)
                shown = _print(screen, lines)
            last = lines
        elif (line := line_of(each)) != last:
            screen.text(line)
            last = line
        if each.is_done:
            break
        _wait(deadline)
        each = next(looks)[0]
    if not screen.is_terminal:
        _print(screen, drawn(each, screen))


def _wait(deadline: float | None) -> None:
    if deadline is not None and time.monotonic() >= deadline:
        raise LedgerError("timed out waiting for the condition")
    time.sleep(POLL_SECONDS)


def _refuse_deleted(each: Standing) -> None:
    """Another StatefulSet of the same name is not followed (kubectl's rollout_status.go)."""
    if each.is_deleted:
        raise LedgerError("object has been deleted")


def _print(screen: Screen, lines: Sequence[tuple[str, str]]) -> int:
    for line, style in lines:
        screen.text(line, style=style)
    return len(lines)


def _print_all(screen: Screen, found: Sequence[Standing], *, headers: bool) -> None:
    if not found:
        click.echo("No StatefulSets recorded.", err=True)
        return
    screen.table(COLUMNS, [summary_cells(each, screen) for each in found], headers=headers)


def _document(each: Standing) -> dict[str, Any]:
    judged, budget = asdict(each.verdict), each.budget
    return dict(each.row) | {
        "phase": judged.pop("phase"),
        "updated": judged.pop("updated"),
        "wanted": judged["wanted"],
        "blockers": judged["blockers"],
        "due_at": judged["due_at"],
        "budget": None if budget is None else asdict(budget),
        "stale_claims": [asdict(claim) for _, claim in sorted(each.stale.items())],
        "pods": [
            {name: value for name, value in asdict(pod).items() if name in _POD_KEYS}
            | {"number": each.numbers.get(pod.revision)}
            for pod in each.pods
        ],
    }


_POD_KEYS = (
    "name",
    "ordinal",
    "revision",
    "ready",
    "reason",
    "message",
    "phase",
    "restarts",
    "created_at",
    "ready_changed_at",
    "terminating_at",
    "uid",
)
