"""`blame`: which revision last set a field."""

from __future__ import annotations

import json

import click

from ledger.authors import who
from ledger.blame import COLUMNS as FIELDS
from ledger.blame import Setting, blame
from ledger.cli.options import installation, output_options, scope_options
from ledger.cli.output import Column, Screen, close, machine, now_fresh, reader_of
from ledger.cli.times import instant
from ledger.diff import TAG
from ledger.errors import UsageError
from ledger.settings import Settings
from ledger.targets import KINDS, Scope, find

COLUMNS = (
    Column("FIELD", "bold"),
    Column("REV"),
    Column("SET"),
    Column("TRIGGER"),
    Column("BY"),
    Column("VALUE"),
)
NARROW = 150
"""On a narrower terminal field, value and time share the last column, which may wrap."""

NARROW_COLUMNS = (COLUMNS[1], COLUMNS[3], COLUMNS[0])


@click.command("blame")
@click.argument("words", nargs=-1, required=True, metavar="sts/NAME [FIELD]")
@scope_options
@output_options("table", "json", "yaml", "csv", "jsonl")
@click.option("--all", "is_all", is_flag=True, help="Also who set it before.")
@installation
@click.pass_context
def command(
    context: click.Context,
    settings: Settings,
    words: tuple[str, ...],
    namespace: str,
    selector: str,
    output: str,
    color: str,
    *,
    is_all: bool,
    all_namespaces: bool,
    no_headers: bool,
    fresh: bool,
) -> None:
    """Show which revision last set a field, and to what.

    FIELD is written as diff shows it (containers[web].image), or its end (image, env[LOG_LEVEL]),
    or a field of the spec (replicas, partition). Without one every field that is set now is listed.

    \b
    Example:
      rollout-ledger blame sts/web image
      rollout-ledger blame sts/web env[LOG_LEVEL] --all
    """
    target, word = _split(words)
    reader = reader_of(settings)
    found = find(reader, target, Scope("" if all_namespaces else namespace, selector))
    if len(found) > 1:
        named = ", ".join(f"-n {row['namespace']}" for row in found)
        raise UsageError(f"{len(found)} workloads have that name", hint=f"say which: {named}")
    told = blame(reader, found[0], word, is_all=is_all)
    freshness = now_fresh(reader)
    if machine(output, "Blame", FIELDS, [each.row() for each in told], freshness):
        context.exit(close(freshness, screen=None, must_be_fresh=fresh))
    screen = Screen.of(color)
    rows = [_cells(each) for each in told]
    if screen.is_terminal and screen.width < NARROW:
        rows = [[rev, why, f"{f}: {value} · {at} by {by}"] for f, rev, at, why, by, value in rows]
        screen.table(NARROW_COLUMNS, rows, headers=not no_headers)
    else:
        screen.table(COLUMNS, rows, headers=not no_headers)
    context.exit(close(freshness, screen=screen, must_be_fresh=fresh))


def _split(words: tuple[str, ...]) -> tuple[list[str], str]:
    """The target, and the field if one was given."""
    count = 2 if words[0].lower() in KINDS else 1
    if len(words) < count or len(words) > count + 1:
        raise UsageError("blame takes one StatefulSet and at most one field")
    return list(words[:count]), words[count] if len(words) > count else ""


def _cells(each: Setting) -> list[str]:
    return [
        each.field,
        f"g{each.generation}" if each.number is None else str(each.number),
        instant(each.at),
        each.trigger,
        who(each.author),
        f"{_shown(each.old)} → {_shown(each.new)}",
    ]


def _shown(value: str | None) -> str:
    if value is None:
        return "none"
    plain = json.loads(value)
    return TAG.sub("(hidden)", plain if isinstance(plain, str) else value) or '""'
