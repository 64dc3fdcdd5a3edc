"""How an undo looks: what it would do, what there is to know, and what it did."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict
from typing import TYPE_CHECKING, Any

import click

from ledger.cli.diff import COLUMNS, told
from ledger.cli.output import Screen
from ledger.cli.undo_options import Call

if TYPE_CHECKING:
    from ledger.diff import Change
    from ledger.undo import Deleted, Outcome, Plan

SIGNS = {"refusal": "✗", "warning": "!", "note": "-"}
STYLES = {"refusal": "bad", "warning": "bad", "note": ""}
SOURCES = {
    "live": "from its ControllerRevision",
    "sealed": "from its sealed original",
    "recorded": "as it was recorded",
}
HASHES = {
    "matches": "the hash in its name agrees",
    "differs": "the hash in its name DIFFERS",
    "unchecked": "it never had a name to check",
}
SUFFIXES = {"none": "", "client": " (dry run)", "server": " (server dry run)"}
APPLIED = (
    "Warning: resource statefulsets/{} was previously managed with 'kubectl apply'. Rolling back "
    "will not update the kubectl.kubernetes.io/last-applied-configuration annotation, which may "
    "cause unexpected behavior on future 'kubectl apply' operations. Consider using 'kubectl "
    "apply' with your previous configuration file instead."
)


def print_plan(screen: Screen, plan: Plan) -> None:
    """What would change, and everything that should be known first."""
    where = f"statefulset.apps/{plan.name}   namespace {plan.namespace}"
    screen.text(f"{where}   back to revision {plan.target.label}", style="title")
    origin = f"{SOURCES[plan.original.source]}; {HASHES[plan.original.name_hash]}"
    screen.text(f"  {plan.target.name or 'a template without a name'}, {origin}", style="dim")
    rows = [[f"  {each.path}", _told(each)] for each in plan.changes]
    if rows:
        screen.table(COLUMNS, rows, headers=False)
    count = len(plan.changes)
    fields = "field changes" if count == 1 else "fields change"
    screen.text(f"  {count} {fields}, {plan.unchanged} stay")
    for finding in plan.findings:
        screen.text(f"{SIGNS[finding.weight]} {finding.text}", style=STYLES[finding.weight])


def tell_outcome(call: Call, plan: Plan, outcome: Outcome) -> None:
    """The line that says what was done; kubectl's, where kubectl has one."""
    is_kubectl = call.output == "kubectl"
    suffix = SUFFIXES[outcome.dry_run]
    name = f"statefulset.apps/{plan.name}"
    if outcome.ending == "skipped":
        number = call.word if is_kubectl else plan.target.label
        what = f"skipped rollback (current template already matches revision {number})"
    elif outcome.dry_run == "client":
        what = f"will roll back to revision {plan.target.label}"
    else:
        what = "rolled back"
    click.echo(f"{name} {what}{suffix}")


def tell_deleted(call: Call, deleted: Sequence[Deleted]) -> None:
    """The pods that were deleted, one a line."""
    for each in deleted:
        why = "" if call.output == "kubectl" else f" ({each.reason} on {each.revision})"
        click.echo(f'pod "{each.pod}" deleted{why}{SUFFIXES[call.orders.dry_run]}')


def warn_of_apply(plan: Plan) -> None:
    """kubectl's own warning for a set that `kubectl apply` manages (kubectl rollout_undo.go)."""
    if any(each.kind == "owner" and "kubectl apply" in each.text for each in plan.findings):
        click.echo(APPLIED.format(plan.name), err=True)


def document_of(plan: Plan, outcome: Outcome, deleted: Sequence[Deleted]) -> dict[str, Any]:
    """The undo as one item of `-o json`."""
    target = plan.target
    return {
        "namespace": plan.namespace,
        "workload": plan.name,
        "workload_uid": plan.live.raw_set["metadata"]["uid"],
        "ending": outcome.ending,
        "dry_run": outcome.dry_run,
        "number": target.number,
        "label": target.label,
        "name": target.name,
        "source": plan.original.source,
        "name_hash": plan.original.name_hash,
        "base_generation": plan.live.status.generation,
        "generation": outcome.generation,
        "nonce": outcome.nonce or None,
        "changed_meanwhile": outcome.changed or None,
        "altered": list(outcome.altered),
        "changes": [
            {"path": each.path, "kind": each.kind, "old": each.old, "new": each.new}
            for each in plan.changes
        ],
        "findings": [asdict(each) for each in plan.findings],
        "blockers": [each.pod for each in plan.blockers],
        "deleted": [asdict(each) for each in deleted],
    }


def _told(change: Change) -> str:
    shown = told(change)
    return "changed (hidden)" if shown == "(hidden) → (hidden)" else shown
