"""Whether a namespace has come to rest, judged from its objects alone.

After a step of a scenario a test may compare once, without retries, only if nothing
more will happen by itself. That is so when the controllers have seen the last write
and every rollout is complete, staged behind a partition or OnDelete, or known to be
stuck. The functions name what is still under way, or None.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Iterator
from dataclasses import dataclass
from typing import Any

Raw = dict[str, Any]

WATCHED = (
    "statefulsets",
    "controllerrevisions",
    "pods",
    "persistentvolumeclaims",
    "persistentvolumes",
)
STUCK_REASONS = (
    "ImagePullBackOff",
    "ErrImagePull",
    "CrashLoopBackOff",
    "CreateContainerConfigError",
)
UNSCHEDULABLE = "Unschedulable"
NEVER_READY = "-unready"


@dataclass(frozen=True)
class Snapshot:
    """The kept objects of one namespace, by plural name of their kind."""

    raw: dict[str, list[Raw]]

    def versions(self) -> dict[str, str]:
        """The resourceVersion of every object, by uid."""
        metadata = [item["metadata"] for items in self.raw.values() for item in items]
        return {row["uid"]: row["resourceVersion"] for row in metadata}

    def only(self, names: Collection[str]) -> Snapshot:
        """The StatefulSets of these names with all that is theirs; no names means all."""
        if not names:
            return self
        claims = re.compile(f"-({'|'.join(map(re.escape, names))})-[0-9]+$")
        theirs = {
            "statefulsets": lambda item: _name(item) in names,
            "controllerrevisions": lambda item: bool(_owner_names(item) & set(names)),
            "pods": lambda item: bool(_owner_names(item) & set(names)),
            "persistentvolumeclaims": lambda item: claims.search(_name(item)),
            "persistentvolumes": lambda item: claims.search(_claim(item)),
        }
        return Snapshot({kind: list(filter(theirs[kind], self.raw[kind])) for kind in self.raw})

    def owned(self, resource: str, owner_uid: str) -> list[Raw]:
        """The objects that the StatefulSet with this uid controls."""
        return [item for item in self.raw[resource] if owner_uid in set(_owners(item))]


def kept(resource: str, item: Raw, namespace: str | None) -> bool:
    """Whether Rollout Ledger keeps this object, seen from one namespace."""
    labels = item["metadata"].get("labels", {})
    if resource == "controllerrevisions":
        return "controller.kubernetes.io/hash" in labels
    if resource == "pods":
        return "statefulset.kubernetes.io/pod-name" in labels
    if resource == "persistentvolumes" and namespace:
        return bool(item["spec"].get("claimRef", {}).get("namespace") == namespace)
    return True


def under_way(snapshot: Snapshot) -> str | None:
    """What is still going to change by itself, in a few words, or None."""
    sets = snapshot.raw["statefulsets"]
    known = {item["metadata"]["uid"] for item in sets}
    for resource in ("controllerrevisions", "pods"):
        for item in snapshot.raw[resource]:
            if set(_owners(item)) - known:
                return f"{_name(item)} still belongs to a StatefulSet that is gone"
    for claim in snapshot.raw["persistentvolumeclaims"]:
        if claim["status"].get("phase") != "Bound":
            return f"claim {_name(claim)} is not bound"
    for item in sets:
        if reason := _set_under_way(item, snapshot):
            return f"{_name(item)}: {reason}"
    return None


def stuck_pods(snapshot: Snapshot) -> list[str]:
    """The names of the pods that will never become ready by themselves."""
    return [_name(pod) for pod in snapshot.raw["pods"] if _stuck(pod)]


def _set_under_way(workload: Raw, snapshot: Snapshot) -> str | None:
    """What is still going to happen to one StatefulSet, or None."""
    metadata, status = workload["metadata"], workload.get("status", {})
    if "deletionTimestamp" in metadata:
        return "is being deleted"
    if status.get("observedGeneration") != metadata["generation"]:
        return "the controller has not seen the last write"
    pods = snapshot.owned("pods", metadata["uid"])
    if any("deletionTimestamp" in pod["metadata"] for pod in pods):
        return "a pod is being deleted"
    if status.get("replicas", 0) != len(pods):
        return "the status does not count the pods"
    if reason := _history_under_way(workload, pods, snapshot):
        return reason
    if waiting := [pod for pod in pods if not _ready(pod)]:
        return None if all(map(_stuck, waiting)) else f"{_name(waiting[0])} is not ready"
    return _rollout_under_way(workload, pods)


def _history_under_way(workload: Raw, pods: list[Raw], snapshot: Snapshot) -> str | None:
    """Whether the controller still has revisions to make or to prune."""
    status, revisions = (
        workload["status"],
        snapshot.owned("controllerrevisions", workload["metadata"]["uid"]),
    )
    names = {_name(revision) for revision in revisions}
    live = {status.get("currentRevision"), status.get("updateRevision"), *map(_revision, pods)}
    if status.get("updateRevision") not in names:
        return "its update revision is missing"
    if len(names - live) > workload["spec"].get("revisionHistoryLimit", 10):
        return "its history is not pruned"
    return None


def _rollout_under_way(workload: Raw, pods: list[Raw]) -> str | None:
    """Whether all pods are ready but some must still be made or replaced."""
    spec, status = workload["spec"], workload["status"]
    if len(pods) != spec["replicas"] or status.get("availableReplicas", 0) != len(pods):
        return "it has not as many available pods as wanted"
    if spec["updateStrategy"]["type"] == "OnDelete":
        return None
    partition = spec["updateStrategy"].get("rollingUpdate", {}).get("partition", 0)
    first = spec.get("ordinals", {}).get("start", 0) + partition
    expected = status["updateRevision"]
    if any(_revision(pod) != expected for pod in pods if _ordinal(pod) >= first):
        return "pods are still to be replaced"
    if partition == 0 and status["currentRevision"] != expected:
        return "the rollout is not yet declared complete"
    return None


def _owners(item: Raw) -> Iterator[str]:
    """The uids of the StatefulSets that control an object."""
    for owner in item["metadata"].get("ownerReferences", []):
        if owner["kind"] == "StatefulSet":
            yield owner["uid"]


def _owner_names(item: Raw) -> set[str]:
    """The names of the StatefulSets that control an object, alive or not."""
    owners = item["metadata"].get("ownerReferences", [])
    return {owner["name"] for owner in owners if owner["kind"] == "StatefulSet"}


def _claim(volume: Raw) -> str:
    """The name of the claim a volume is bound to, or nothing."""
    return str(volume["spec"].get("claimRef", {}).get("name", ""))


def _ready(pod: Raw) -> bool:
    """Whether the pod's Ready condition is true."""
    conditions = pod.get("status", {}).get("conditions", [])
    return any(row["type"] == "Ready" and row["status"] == "True" for row in conditions)


def _stuck(pod: Raw) -> bool:
    """Whether a container waits for a reason that does not go away by itself, or no node has what
    the pod selects.
    """
    containers = pod.get("status", {}).get("containerStatuses", [])
    reasons = [row["state"].get("waiting", {}).get("reason") for row in containers]
    runs_in_vain = any(
        row["image"].endswith(NEVER_READY) and "running" in row["state"] for row in containers
    )
    return runs_in_vain or _selects_in_vain(pod) or any(row in STUCK_REASONS for row in reasons)


def _selects_in_vain(pod: Raw) -> bool:
    """Whether the scheduler refused a pod that is choosy about nodes.

    Others it refuses for a moment only: while a claim is being bound, or while the nodes have not
    yet been heard of again after a restart of the API server.
    """
    conditions = pod.get("status", {}).get("conditions", [])
    refused = any(
        row["type"] == "PodScheduled" and row.get("reason") == UNSCHEDULABLE for row in conditions
    )
    return refused and bool(pod["spec"].get("nodeSelector"))


def _revision(pod: Raw) -> str:
    """The name of the revision a pod was made from."""
    return str(pod["metadata"]["labels"]["controller-revision-hash"])


def _ordinal(pod: Raw) -> int:
    """The pod's place in its set."""
    return int(_name(pod).rpartition("-")[2])


def _name(item: Raw) -> str:
    """The object's name."""
    return str(item["metadata"]["name"])
