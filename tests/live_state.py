"""What the API says of pods, claims and volumes, beside what the ledger says."""

from __future__ import annotations

import sqlite3
from contextlib import closing
from pathlib import Path
from typing import Any

from tests.lab.settling import Snapshot

PODS = """
    select name, ordinal, revision, phase, ready from pod_runs
    where namespace = :namespace and deleted_at is null order by name"""
CLAIMS = """
    select name, phase, volume, asked, coalesce(class, '') from claims
    where namespace = :namespace and deleted_at is null order by name"""
VOLUMES = """
    select name, phase, claim_name from volumes
    where claim_namespace = :namespace and deleted_at is null order by name"""


def differences(snapshot: Snapshot, ledger: Path, namespace: str) -> list[str]:
    """Where the ledger says otherwise than the API, in words; empty when all is right."""
    wanted = {
        PODS: [_pod(raw) for raw in snapshot.raw["pods"]],
        CLAIMS: [_claim(raw) for raw in snapshot.raw["persistentvolumeclaims"]],
        VOLUMES: [_volume(raw) for raw in snapshot.raw["persistentvolumes"]],
    }
    with closing(sqlite3.connect(f"{ledger.as_uri()}?mode=ro", uri=True)) as connection:
        told = {
            statement: connection.execute(statement, {"namespace": namespace}).fetchall()
            for statement in wanted
        }
    return [
        f"the API has {sorted(wanted[each])}, the ledger {told[each]}"
        for each in wanted
        if told[each] != sorted(wanted[each])
    ]


def _pod(raw: dict[str, Any]) -> tuple[Any, ...]:
    metadata, status = raw["metadata"], raw.get("status", {})
    ready = {row["type"]: row["status"] for row in status.get("conditions", [])}.get("Ready")
    ordinal = int(metadata["name"].rpartition("-")[2])
    revision = metadata["labels"]["controller-revision-hash"]
    return metadata["name"], ordinal, revision, status.get("phase", ""), int(ready == "True")


def _claim(raw: dict[str, Any]) -> tuple[Any, ...]:
    spec = raw["spec"]
    return (
        raw["metadata"]["name"],
        raw["status"]["phase"],
        spec.get("volumeName", ""),
        spec["resources"]["requests"]["storage"],
        spec.get("storageClassName", ""),
    )


def _volume(raw: dict[str, Any]) -> tuple[Any, ...]:
    return raw["metadata"]["name"], raw["status"]["phase"], raw["spec"]["claimRef"]["name"]
