"""`show`: a workload, or one revision with the evidence for it."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

import click

from ledger import render
from ledger.authors import ticket_of, who
from ledger.cli.options import installation, output_options, scope_options
from ledger.cli.output import Screen, close, now_fresh, reader_of
from ledger.diff import TAG
from ledger.reader import LedgerReader
from ledger.settings import Settings
from ledger.show import RecordedRevision, evidence_of, revision, statements_of
from ledger.targets import Scope, find

ORIGINALS = {
    "live": "yes: from its ControllerRevision in the cluster",
    "sealed": "yes: from its sealed original, by whoever holds the age identity",
    "recorded": "yes: the recorded template is whole",
}
"""Where the original of a revision's template is."""

NAME_HASHES = {
    "matches": "matches the template",
    "differs": "does not match the template: corrupted, or made by hand",
    "unchecked": "not checked: values are hidden",
}
"""What the hash in a revision's name says of its template."""

Entry = tuple[str, str, list[str]]
"""Two short words, and the lines that say more."""


@click.command()
@click.argument("target", nargs=-1, required=True, metavar="sts/NAME")
@click.option(
    "--revision",
    "word",
    default="",
    metavar="N",
    help="A number or label; -1 is the newest, live the one that runs.",
)
@scope_options
@output_options("table", "yaml", "json")
@installation
@click.pass_context
def show(
    context: click.Context,
    settings: Settings,
    target: tuple[str, ...],
    word: str,
    namespace: str,
    selector: str,
    output: str,
    color: str,
    *,
    all_namespaces: bool,
    no_headers: bool,
    fresh: bool,
) -> None:
    """Show a workload, or one of its revisions.

    With -o yaml or json the pod template of the revision alone, as it was recorded; there is no
    re-implementation of kubectl describe.

    \b
    Example:
      rollout-ledger show sts/web
      rollout-ledger show sts/web --revision 3 -o yaml
    """
    del no_headers
    reader = reader_of(settings)
    scope = Scope("" if all_namespaces else namespace, selector)
    freshness = now_fresh(reader)
    screen = Screen.of(color)
    for workload in find(reader, target, scope):
        if output != "table":
            shown = revision(reader, workload, word or "live")
            click.echo(_machine(output, shown.template), nl=False)
        elif word:
            shown = revision(reader, workload, word)
            _print(screen, _facts(shown))
            _print_evidence(screen, reader, shown)
        else:
            _print(screen, _summary(workload))
    is_human = output == "table"
    context.exit(close(freshness, screen=screen if is_human else None, must_be_fresh=fresh))


def _machine(output: str, template: dict[str, Any]) -> str:
    if output == "yaml":
        return render.to_yaml(template)
    return json.dumps(template, indent=2, ensure_ascii=False) + "\n"


def _print(screen: Screen, facts: list[tuple[str, Any]]) -> None:
    width = max(len(name) for name, _ in facts)
    for name, value in facts:
        screen.text(f"{name:<{width}}   {'-' if value in (None, '') else value}")


def _print_evidence(screen: Screen, reader: LedgerReader, shown: RecordedRevision) -> None:
    """Who made it and why we say so, each with the record that an auditor can look up."""
    _print_section(
        screen,
        "Who made it",
        [_author(row) for row in evidence_of(reader, shown)],
        "nobody is known: no audit record, stamp or field manager speaks of it",
    )
    said = [_statement(row) for row in statements_of(reader, shown)]
    if said:
        _print_section(screen, "What was said of it, as claimed", said, "")


def _print_section(screen: Screen, title: str, entries: list[Entry], nothing: str) -> None:
    """Entries of two short words and the lines that say more."""
    screen.text("")
    screen.text(title, style="title")
    widths = [max((len(entry[place]) for entry in entries), default=0) for place in (0, 1)]
    for first, second, lines in entries:
        for index, line in enumerate(lines):
            words = (first, second) if index == 0 else ("", "")
            shown = "   ".join(word.ljust(width) for word, width in zip(words, widths, strict=True))
            screen.text(f"{shown}   {line}")
    if not entries:
        screen.text(nothing)


def _author(row: Mapping[str, Any]) -> Entry:
    record = f"record {row['position']}"
    if row["source"] == "stamp":
        return row["basis"], who(row), [f"stamped by the admission policy, {record}"]
    if row["source"] == "manager":
        return row["basis"], who(row), [f"field manager in managedFields, {record}"]
    imported = f", imported from {row['imported']}" if row["imported"] else ""
    lines = [
        f"{row['verb']} at {row['received_at']}, answered {row['code']}",
        f"audit id {row['audit_id']}, {record}{imported}",
        f"{row['agent'] or 'no agent'} from {', '.join(json.loads(row['addresses'])) or 'nowhere'}",
    ]
    return row["basis"], who(row), lines


def _statement(row: Mapping[str, Any]) -> Entry:
    said, record = TAG.sub("(hidden)", row["said"]), f"record {row['position']}"
    if row["source"] != "note":
        return row["role"], row["source"], [f"{said}, {record}"]
    return row["role"], "later", [said, f"{row['said_by']} at {row['said_at']}, {record}"]


def _summary(workload: dict[str, Any]) -> list[tuple[str, Any]]:
    settled = "every pod ready on it" if workload["settled"] else "not every pod is ready on it"
    state = f"deleted {workload['deleted_at']}" if workload["deleted_at"] else settled
    return [
        ("Name", f"statefulset.apps/{workload['name']}"),
        ("Namespace", workload["namespace"]),
        ("Uid", workload["uid"]),
        ("Predecessor", workload["predecessor"]),
        ("Created", workload["created_at"]),
        ("Replicas", workload["replicas"]),
        ("Strategy", f"{workload['strategy']}, partition {workload['update_partition']}"),
        ("Revision now", f"{workload['update_revision']} ({state})"),
        ("Recorded", f"{workload['recorded']} revisions, {workload['live']} still in the cluster"),
        ("Team", workload["team"]),
    ]


def _facts(shown: RecordedRevision) -> list[tuple[str, Any]]:
    row = shown.row
    origin = f"{row['trigger']} to {row['undo_of']}" if row["undo_of"] else row["trigger"]
    gone = f"{row['pruned_why']} at {row['pruned_at']}" if row["pruned_at"] else "still there"
    cause = f"{row['change_cause']} ({row['change_cause_state']})" if row["change_cause"] else None
    restorable = ORIGINALS.get(row["restorable_why"], f"no: {row['restorable_why']}")
    return [
        ("Revision", row["label"]),
        ("Name", row["name"]),
        ("Name hash", NAME_HASHES[shown.name_hash]),
        ("Trigger", origin),
        ("Change", row["summary"]),
        ("Made by", f"{who(row)}, {row['basis']}" if row["actor"] else who(row)),
        ("Ticket", ticket_of(row)),
        ("Change cause", cause),
        ("Status", row["status"]),
        ("Generation", _written(row)),
        ("First seen", f"{row['observed_at']}, record {row['position']}"),
        ("In the cluster", gone),
        ("Restorable", restorable),
        ("Template", f"sha256:{row['template_digest']}"),
        ("Redaction key", row["redaction_key"]),
    ]


def _written(row: Mapping[str, Any]) -> str:
    """The spec write that caused it; what was not seen to be written has none."""
    if row["generation"] is None:
        return ""
    where = f", record {row['write_position']}" if row["write_position"] is not None else ""
    return f"{row['generation']}{where}"
