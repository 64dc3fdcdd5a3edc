"""What counts in a pod of a StatefulSet: whose it is, what it runs, and how far it got; pure."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from ledger.errors import PoisonRecord
from ledger.keep import controller_of
from ledger.rollout.raw import items, mapping, number, server_time, text

REVISION_LABEL = "controller-revision-hash"
ON_THE_WAY = ("ContainerCreating", "PodInitializing")
"""Waiting reasons of a container that is simply being started."""

_NAME = re.compile(r"(.*)-([0-9]+)$")


@dataclass(frozen=True, slots=True)
class Container:
    """A container of a pod: the image it was told to run, and the digest (`imageID`) that ran."""

    name: str
    image: str
    image_id: str


@dataclass(frozen=True, slots=True)
class PodState:
    """One state of a pod; times are RFC 3339, those of the API server.

    `revision` is the pod's label: what the controller believes it runs. `ordinal` is None for a
    name that no StatefulSet gives. `reason` says why the pod is not ready, in Kubernetes' own word
    (a container's waiting reason, `Unschedulable`, `Evicted`), empty when it is ready or simply
    starting; `message` is Kubernetes' sentence about it.
    """

    uid: str
    namespace: str
    name: str
    ordinal: int | None
    revision: str
    owner_uid: str
    owner_name: str
    node: str
    phase: str
    ready: bool
    reason: str
    message: str
    restarts: int
    created_at: str | None
    scheduled_at: str | None
    started_at: str | None
    ready_changed_at: str | None
    terminating_at: str | None
    containers: tuple[Container, ...]
    claims: tuple[tuple[str, str], ...]
    """(volume name in the pod, claim name), as the pod's spec has them."""

    @property
    def is_terminal(self) -> bool:
        """Whether its containers have ended for good: the controller replaces such a pod."""
        return self.phase in ("Failed", "Succeeded")


def pod_state(raw_pod: Mapping[str, Any]) -> PodState:
    """The state of a pod. Raises PoisonRecord for what no API server serves."""
    try:
        return _pod_state(raw_pod)
    except (KeyError, TypeError, AttributeError, ValueError, IndexError) as wrong:
        raise PoisonRecord(f"not a Pod: {type(wrong).__name__} {wrong}") from None


def _pod_state(raw_pod: Mapping[str, Any]) -> PodState:
    metadata, spec = raw_pod["metadata"], mapping(raw_pod.get("spec"))
    status, labels = mapping(raw_pod.get("status")), mapping(metadata.get("labels"))
    owner = controller_of(raw_pod) or {}
    conditions = {each.get("type"): each for each in items(status.get("conditions"))}
    ready, statuses = mapping(conditions.get("Ready")), _statuses(status)
    is_ready = ready.get("status") == "True"
    reason, message = ("", "") if is_ready else _why_not(status, conditions, statuses)
    return PodState(
        uid=text(metadata["uid"]),
        namespace=text(metadata.get("namespace", "")),
        name=text(metadata["name"]),
        ordinal=ordinal_of(text(metadata["name"])),
        revision=text(labels.get(REVISION_LABEL, "")),
        owner_uid=text(owner.get("uid", "")),
        owner_name=text(owner.get("name", "")),
        node=text(spec.get("nodeName", "")),
        phase=text(status.get("phase", "")),
        ready=is_ready,
        reason=reason,
        message=message,
        restarts=sum(number(each.get("restartCount", 0)) for each in statuses),
        created_at=server_time(metadata.get("creationTimestamp")),
        scheduled_at=_since(conditions.get("PodScheduled"), wanted="True"),
        started_at=server_time(status.get("startTime")),
        ready_changed_at=server_time(ready.get("lastTransitionTime")),
        terminating_at=server_time(metadata.get("deletionTimestamp")),
        containers=tuple(_containers(spec, statuses)),
        claims=tuple(_claims(spec)),
    )


def ordinal_of(name: str) -> int | None:
    """The number at the end of a pod's name, None without one (stateful_set_utils.go,
    getParentNameAndOrdinal: the controller goes by the name, not by the index label).
    """
    found = _NAME.fullmatch(name)
    return int(found[2]) if found and len(found[2]) < 10 else None


def _statuses(status: Mapping[str, Any]) -> list[Mapping[str, Any]]:
    return items(status.get("initContainerStatuses")) + items(status.get("containerStatuses"))


def _why_not(
    status: Mapping[str, Any],
    conditions: Mapping[Any, Mapping[str, Any]],
    statuses: Iterable[Mapping[str, Any]],
) -> tuple[str, str]:
    if status.get("reason"):
        return text(status["reason"]), text(status.get("message", ""))
    for each in statuses:
        state = mapping(each.get("state"))
        waiting, ended = mapping(state.get("waiting")), mapping(state.get("terminated"))
        if waiting.get("reason") and waiting["reason"] not in ON_THE_WAY:
            return text(waiting["reason"]), text(waiting.get("message", ""))
        if ended.get("reason") and ended.get("exitCode") != 0:
            return text(ended["reason"]), text(ended.get("message", ""))
    scheduled = mapping(conditions.get("PodScheduled"))
    if scheduled.get("status") == "False":
        return text(scheduled.get("reason", "")), text(scheduled.get("message", ""))
    return "", ""


def _since(condition: Mapping[str, Any] | None, *, wanted: str) -> str | None:
    if condition is None or condition.get("status") != wanted:
        return None
    return server_time(condition.get("lastTransitionTime"))


def _containers(
    spec: Mapping[str, Any], statuses: Iterable[Mapping[str, Any]]
) -> Iterable[Container]:
    ran = {each.get("name"): text(each.get("imageID", "")) for each in statuses}
    for each in items(spec.get("initContainers")) + items(spec.get("containers")):
        name = text(each.get("name", ""))
        yield Container(name, text(each.get("image", "")), ran.get(name, ""))


def _claims(spec: Mapping[str, Any]) -> Iterable[tuple[str, str]]:
    for volume in items(spec.get("volumes")):
        claim = mapping(volume.get("persistentVolumeClaim"))
        if claim.get("claimName"):
            yield text(volume.get("name", "")), text(claim["claimName"])
