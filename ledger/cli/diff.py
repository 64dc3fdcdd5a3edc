"""`diff`: field by field, or through the diff program that kubectl diff would use."""

from __future__ import annotations

import json
import os
import re
import shlex
import subprocess
import tempfile
from pathlib import Path
from typing import Any

import click

from ledger import render
from ledger.cli.options import installation, output_options
from ledger.cli.output import Column, Screen, close, machine, now_fresh, reader_of
from ledger.compare import Comparison, compare
from ledger.diff import Change
from ledger.errors import UsageError
from ledger.settings import Settings
from ledger.targets import KINDS, Scope, find

EXTERNAL = "KUBECTL_EXTERNAL_DIFF"
COLUMNS = (Column("FIELD", "bold"), Column("CHANGE"))
_TAG = re.compile(r"redacted:[0-9a-f]+:[0-9a-f]+")


@click.command(context_settings={"ignore_unknown_options": True})
@click.argument("words", nargs=-1, required=True, metavar="sts/NAME [A..B | A B | A]")
@click.option("-n", "--namespace", default="default", show_default=True, help="Namespace.")
@click.option("--stat", is_flag=True, help="Only how many fields differ.")
@output_options("table", "json", "yaml", "jsonl", "csv")
@installation
@click.pass_context
def diff(
    context: click.Context,
    settings: Settings,
    words: tuple[str, ...],
    namespace: str,
    output: str,
    color: str,
    *,
    stat: bool,
    no_headers: bool,
    fresh: bool,
) -> None:
    """Show what differs between two revisions.

    A and B are numbers, -1 for the newest, or live. Without B, A against the one before it; without
    A, the last change. Exits with 0 when nothing differs, 1 when something does, as kubectl diff,
    and honours KUBECTL_EXTERNAL_DIFF.

    \b
    Example:
      rollout-ledger diff sts/web 7..9
      rollout-ledger diff sts/web
    """
    reader = reader_of(settings)
    target, revisions = _split(words)
    (workload,) = find(reader, target, Scope(namespace))
    compared = compare(reader, workload, revisions)
    freshness = now_fresh(reader)
    code = 1 if compared.changes else 0
    screen = Screen.of(color)
    items = [_item(change) for change in compared.changes]
    if machine(output, "Change", list(_item_columns()), items, freshness):
        screen_or_none = None
    elif os.environ.get(EXTERNAL) and not stat:
        context.exit(_external(compared))
    else:
        screen_or_none = screen
        _print(screen, compared, stat=stat, headers=not no_headers)
    stale = close(freshness, screen=screen_or_none, must_be_fresh=fresh)
    context.exit(stale or code)


def _split(words: tuple[str, ...]) -> tuple[list[str], list[str]]:
    """The target is `sts/web`, `web` or `statefulset web`; the rest names revisions."""
    if words[0].lower() in KINDS and len(words) > 1:
        return [f"sts/{words[1]}"], list(words[2:])
    for word in words:
        # -1 names a revision, so click leaves unknown options to us.
        if word.startswith("-") and not word[1:].isdigit():
            raise UsageError(f"no such option: {word}", hint="rollout-ledger diff --help")
    return [words[0]], list(words[1:])


def _print(screen: Screen, compared: Comparison, *, stat: bool, headers: bool) -> None:
    old, new = compared.old, compared.new
    if headers:
        title = f"{compared.workload['name']}   revision {old.label} ({old.row['observed_at']})"
        screen.text(f"{title} → {new.label} ({new.row['observed_at']})", style="title")
    if not stat and compared.changes:
        rows = [[_path(change), told(change)] for change in compared.changes]
        screen.table(COLUMNS, rows, headers=False)
    differing = len(compared.changes)
    fields = "field differs" if differing == 1 else "fields differ"
    screen.text(f"{differing} {fields}, {compared.unchanged} unchanged")


def told(change: Change) -> str:
    """One change in words; what was redacted is never shown, only that it differs."""
    if not change.comparable:
        return "hidden under two redaction keys: cannot be compared"
    if change.kind == "added":
        return f"added: {_shown(change.new)}"
    if change.kind == "removed":
        return f"removed: {_shown(change.old)}"
    return f"{_shown(change.old)} → {_shown(change.new)}"


def _path(change: Change) -> str:
    return f"{change.path} (order)" if change.kind == "reordered" else change.path


def _shown(value: Any) -> str:
    text = value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)
    return _TAG.sub("(hidden)", text) or '""'


def _item_columns() -> tuple[str, ...]:
    return ("path", "kind", "old", "new", "comparable")


def _item(change: Change) -> dict[str, Any]:
    return {name: getattr(change, name) for name in _item_columns()}


def _external(compared: Comparison) -> int:
    """Hand two YAML files to the program kubectl diff would use; its exit code."""
    with tempfile.TemporaryDirectory(prefix="rollout-ledger-") as folder:
        files = []
        for side in (compared.old, compared.new):
            file = Path(folder) / f"revision-{side.label}.yaml"
            file.write_text(render.to_yaml(side.template), encoding="utf-8")
            files.append(str(file))
        return subprocess.run([*shlex.split(os.environ[EXTERNAL]), *files], check=False).returncode
