"""`volumes`: the passport of every claim, and what deleting or scaling a set would do to them."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any

from ledger.errors import NotRecorded, UsageError
from ledger.reader import LedgerReader
from ledger.rollout.claims import Owner
from ledger.rollout.retention import Consequence, Holding, SetWish, if_deleted, if_scaled
from ledger.targets import Scope, find, matches

Row = Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class Wanted:
    """Which claims."""

    only_orphans: bool = False
    with_deleted: bool = False


def claims(
    reader: LedgerReader, words: Sequence[str], scope: Scope, wanted: Wanted
) -> list[dict[str, Any]]:
    """The claims of the workloads that are meant: rows of queries/claim_status.sql with `findings`,
    which tell the same in words. Raises NotRecorded, UsageError.
    """
    asked = {
        "namespace": scope.namespace,
        "orphans": "yes" if wanted.only_orphans else "",
        "deleted": "yes" if wanted.with_deleted else "",
    }
    if words:
        chosen = find(reader, words, scope)
        rows = [
            row
            for workload in chosen
            for row in reader.query(
                "claim_status",
                asked | {"namespace": workload["namespace"], "name": workload["name"]},
            )
        ]
    else:
        rows = reader.query("claim_status", asked)
        if scope.selector:
            rows = [row for row in rows if matches(row["labels"] or "{}", scope.selector)]
    return [row | {"findings": findings(row)} for row in rows]


def consequences(
    reader: LedgerReader, word: str, scope: Scope, *, replicas: int | None
) -> list[dict[str, Any]]:
    """What would happen to each claim of a workload if it were scaled to `replicas`, or (None)
    deleted: the fields of Consequence and the namespace.

    Raises NotRecorded for a workload that is not there, or that is deleted, and UsageError for a
    number of replicas that no set can have.
    """
    if replicas is not None and replicas < 0:
        raise UsageError(f"{replicas} is no number of replicas", hint="--if-scaled 0 is the least")
    (workload, *others) = find(reader, [word], scope)
    if others:
        raise UsageError(f"{word} is in several namespaces", hint="say which one with -n")
    if workload["deleted_at"] is not None:
        raise NotRecorded(
            f'statefulsets.apps "{workload["name"]}" was deleted at {workload["deleted_at"]}',
            hint="rollout-ledger volumes --orphans lists what it left behind",
        )
    key = {"namespace": workload["namespace"], "name": workload["name"]}
    rows = [
        row for row in reader.query("claim_status", key) if row["workload_uid"] == workload["uid"]
    ]
    told = _consequences(workload, rows, replicas)
    return [{"namespace": workload["namespace"], **asdict(each)} for each in told]


def findings(row: Row) -> list[str]:
    """What is worth knowing about a claim, in words."""
    told = [
        _drift(row),
        _lineage(row),
        f"readopted from incarnation {row['readopted_from'][:4]}" if row["readopted_from"] else "",
        f"owned by {row['dead_owner']}, which is gone" if row["dead_owner"] else "",
        f"may belong to {row['ambiguous']}" if row["ambiguous"] else "",
        _deletion(row),
    ]
    return [each for each in told if each]


def _consequences(workload: Row, rows: Sequence[Row], replicas: int | None) -> list[Consequence]:
    if not rows:
        return []
    first = rows[0]
    start = first["ordinals_start"]
    wish = SetWish(
        uid=workload["uid"],
        name=workload["name"],
        when_deleted=first["when_deleted"],
        when_scaled=first["when_scaled"],
        ordinals=range(start, start + first["replicas"]),
    )
    gone = frozenset(uid for row in rows for uid in json.loads(row["gone_owners"]))
    holdings = [_holding(row) for row in rows]
    if replicas is None:
        return if_deleted(wish, holdings, gone=gone)
    return if_scaled(wish, holdings, replicas, gone=gone)


def _holding(row: Row) -> Holding:
    return Holding(
        name=row["claim"],
        ordinal=row["ordinal"],
        owners=tuple(Owner(**owner) for owner in json.loads(row["owners"])),
        finalizers=tuple(row["finalizers"].split()),
        is_terminating=row["terminating_at"] is not None,
        pod=row["living_pod"] or "",
        pod_uid=row["living_pod_uid"] or "",
        volume=row["volume"],
        reclaim_policy=row["reclaim_policy"] or "",
    )


def _drift(row: Row) -> str:
    drift = (row["drift"] or "").split()
    if drift == ["size"] and row["enlarged"]:
        return (
            f"enlarged by hand: {row['first_asked']} → {row['asked']}, "
            f"template asks {row['template_asked']}"
        )
    if not drift:
        return f"enlarged: {row['first_asked']} → {row['asked']}" if row["enlarged"] else ""
    columns = {"size": "asked", "class": "class", "access_modes": "access_modes"}
    wanted = " ".join(str(row[f"template_{columns[each]}"]) for each in drift)
    has = " ".join(str(row[columns[each]] or "no class") for each in drift)
    return f"drift: template asks {wanted}, claim has {has}"


def _lineage(row: Row) -> str:
    if row["volume_before"]:
        now = row["volume_before_phase"] or "gone"
        pod = f"{row['workload']}-{row['ordinal']}" if row["workload"] else "this name"
        return f"not the volume {pod} had before: {row['volume_before']}, {now}"
    if row["rebound"]:
        return f"back on the volume of the claim before it, by {row['rebound_by'] or 'unknown'}"
    return ""


def _deletion(row: Row) -> str:
    if not row["deleted_why"]:
        return ""
    told = f"deleted: {row['deleted_why']}"
    when_deleted, when_scaled = row["decided_when_deleted"], row["decided_when_scaled"]
    if not when_deleted:
        return told
    return f"{told} (whenDeleted {when_deleted}, whenScaled {when_scaled} then)"
