"""How a standing looks: the lines of one workload, one line of it, or a row among many."""

from __future__ import annotations

from ledger.authors import who
from ledger.cli.output import PHASES, Column, Screen
from ledger.cli.times import instant, took
from ledger.freshness import age
from ledger.model import parse_timestamp
from ledger.rollout.pods import PodState
from ledger.rollout.sets import PARALLEL
from ledger.rollout.stale import StaleClaim
from ledger.rollout.verdict import Blocker, newest_by_ordinal, targeted_ordinals
from ledger.status import Standing, remedies

COLUMNS = (
    Column("NAMESPACE"),
    Column("WORKLOAD", "bold"),
    Column("REV"),
    Column("PHASE"),
    Column("UPDATED"),
    Column("READY"),
    Column("HELD UP BY"),
)
MOST_NAMES = 5
"""So many pods are named in a line; the others are counted."""

MOST_MISSING = 20
"""So many pods that are not there have a line each."""

BARS = {True: "██████████", False: "▒▒▒▒▒▒▒▒▒▒"}

Line = tuple[str, str]
"""A line and its style."""


def drawn(each: Standing, screen: Screen) -> list[Line]:
    """Header, a line for each pod, counts, and what holds it up."""
    lines: list[Line] = [(_header(each), "title")]
    pods = [(pod.ordinal, _pod_cells(each, pod, screen)) for pod in each.pods]
    by_ordinal = sorted(pods + _missing(each), key=_ordinal, reverse=True)
    rows = [cells for _, cells in by_ordinal]
    widths = [max(len(row[column]) for row in rows) for column in range(4)] if rows else []
    for row in rows:
        cells = [cell.ljust(width) for cell, width in zip(row, widths, strict=False)]
        lines.append((("  " + "  ".join([*cells, *row[4:]])).rstrip(), _pod_style(row)))
    if each.has_unseen_pods:
        lines.append(("  its pods are not recorded, so it cannot be judged by them", "bad"))
    lines.append((f"  {_counts(each)}", ""))
    return [*lines, *_unavailable(each), *_stall(each)]


def line_of(each: Standing) -> str:
    """The standing in one line, for logs."""
    return f"{each.row['name']}: {each.verdict.phase}, {_counts(each)}{_held_up(each)}"


def summary_cells(each: Standing, screen: Screen) -> list[str]:
    """The standing as a row of a table."""
    judged = each.verdict
    glyph = f"{PHASES[judged.phase]} " if screen.is_terminal else ""
    number = each.row["number"]
    return [
        str(each.row["namespace"]),
        str(each.row["name"]),
        "-" if number is None else str(number),
        f"{glyph}{judged.phase}",
        f"{judged.updated}/{judged.wanted}",
        f"{judged.ready}/{judged.wanted}",
        _held_up(each).removeprefix("; ") or "-",
    ]


def _header(each: Standing) -> str:
    row, status = each.row, each.status
    way = "rev ?" if row["number"] is None else f"rev {row['number']}"
    if row["from_number"] is not None and each.verdict.phase != "complete":
        way = f"rev {row['from_number']} → {row['number']}"
    rules = status.strategy
    if status.strategy == "RollingUpdate":
        rules += f", partition {status.update_partition}"
    told = [f"statefulset.apps/{row['name']}", way, f"{rules}, {status.pod_management}"]
    if row["started_at"]:
        told.append(f"started {_ago(each, row['started_at'])} ago by {who(row)}")
    return "   ".join([*told, each.verdict.phase])


def _pod_cells(each: Standing, pod: PodState, screen: Screen) -> list[str]:
    updated = pod.revision == each.status.update_revision
    number = each.numbers.get(pod.revision)
    bar = [BARS[updated]] if screen.is_terminal else ["new" if updated else "old"]
    return [
        pod.name,
        *bar,
        f"rev {number}" if number is not None else pod.revision or "no revision",
        _condition(pod),
        _note(each, pod),
    ]


def _condition(pod: PodState) -> str:
    if pod.terminating_at is not None:
        return "Terminating"
    if pod.ready:
        return "Ready"
    times = f" ×{pod.restarts}" if pod.restarts else ""
    return f"{pod.reason or pod.phase or 'NotReady'}{times}"


def _note(each: Standing, pod: PodState) -> str:
    """What there is to say of the pod beside its condition."""
    if any(blocker.pod == pod.name for blocker in each.verdict.blockers):
        since = next(b.since for b in each.verdict.blockers if b.pod == pod.name)
        waited = f"not ready for {_ago(each, since)}   " if since else ""
        return f"{waited}← blocks the rollout"
    if newest_by_ordinal(each.pods).get(pod.ordinal or 0) is not pod and pod.ordinal is not None:
        return "an earlier pod of this name"
    if pod.ordinal not in each.status.ordinals:
        return "being scaled away"
    if pod.revision == each.status.update_revision:
        return ""
    if pod.ordinal not in targeted_ordinals(each.status):
        held = "OnDelete" if each.status.strategy == "OnDelete" else "the partition"
        return f"held back by {held}"
    return "waiting"


def _ordinal(row: tuple[int | None, list[str]]) -> int:
    return -1 if row[0] is None else row[0]


def _missing(each: Standing) -> list[tuple[int | None, list[str]]]:
    there = {pod.ordinal for pod in each.pods}
    if each.has_unseen_pods:
        return []
    name = each.row["name"]
    blocked = {blocker.pod: blocker for blocker in each.verdict.blockers}
    absent = [ordinal for ordinal in each.status.ordinals if ordinal not in there]
    rows: list[tuple[int | None, list[str]]] = []
    if len(absent) > MOST_MISSING:
        more = f"and {len(absent) - MOST_MISSING} more"
        rows.append((absent[MOST_MISSING], [more, "", "", "not there", ""]))
    for ordinal in absent[:MOST_MISSING]:
        blocker = blocked.get(f"{name}-{ordinal}")
        told = blocker.reason if blocker else "not there"
        note = "← blocks the rollout" if blocker else _awaited(each.stale.get(ordinal))
        rows.append((ordinal, [f"{name}-{ordinal}", "", "", told, note]))
    return rows


def _awaited(stale: StaleClaim | None) -> str:
    return f"waits for claim {stale.claim} of an earlier {stale.owner.name} to go" if stale else ""


def _pod_style(row: list[str]) -> str:
    return "bad" if "blocks" in row[-1] else ""


def _counts(each: Standing) -> str:
    judged = each.verdict
    told = [f"{judged.updated}/{judged.wanted} updated", f"{judged.ready}/{judged.wanted} ready"]
    if judged.phase == "settling" and judged.due_at:
        told.append(
            f"available {judged.available}/{judged.wanted}, all at {instant(judged.due_at)}"
        )
    if each.usual is not None:
        usual = f"{took(each.usual['p50_seconds'])} (p50 of {each.usual['rollouts']})"
        told.append(f"usual time for this workload {usual}")
    return " · ".join(told)


def _stall(each: Standing) -> list[Line]:
    lines: list[Line] = []
    for blocker in each.verdict.blockers:
        lines.append((f"! Stalled: {_why(each, blocker)}", "bad"))
        if blocker.message:
            lines.append((f"  {blocker.message}", ""))
        told = [f"  {command}    # {what}" for command, what in remedies(each, blocker)]
        lines += [(line, "") for line in told]
    return lines


def _unavailable(each: Standing) -> list[Line]:
    """In numbers why ready pods are not replaced beside stuck ones, or that they still are."""
    budget = each.budget if each.verdict.blockers else None
    if budget is None or not budget.waiting:
        return []
    names = [_unavailable_name(each, ordinal) for ordinal in budget.unavailable]
    shown = ", ".join(names[:MOST_NAMES])
    more = f" and {len(names) - MOST_NAMES} more" if len(names) > MOST_NAMES else ""
    line = f"  {len(names)} of {budget.allowed} allowed unavailable: {shown}{more}"
    if not budget.is_spent and each.status.pod_management == PARALLEL:
        line += "; the others are still replaced"
    elif not budget.is_spent:
        line += "; OrderedReady waits for every pod all the same"
    return [(line, "")]


def _unavailable_name(each: Standing, ordinal: int) -> str:
    below = "" if ordinal in each.status.target_ordinals else " (below the partition)"
    return f"{each.row['name']}-{ordinal}{below}"


def _why(each: Standing, blocker: Blocker) -> str:
    if blocker.is_trap:
        return (
            f"{blocker.pod} is {blocker.reason} on a template that is no longer wanted, and "
            "OrderedReady waits for it for ever (kubernetes#67250). Only deleting it helps."
        )
    if each.was_complete:
        return f"{blocker.pod}: {blocker.reason}, after the rollout had been complete"
    return f"{blocker.pod}: {blocker.reason}"


def _held_up(each: Standing) -> str:
    if not each.verdict.blockers:
        return ""
    blocker = each.verdict.blockers[0]
    trap = " (kubernetes#67250: delete the pod)" if blocker.is_trap else ""
    return f"; {blocker.pod} {blocker.reason}{trap}"


def _ago(each: Standing, at: str | None) -> str:
    if at is None:
        return "-"
    return age(max(0.0, (parse_timestamp(each.at) - parse_timestamp(at)).total_seconds()))
