"""What counts in a StatefulSet for its rollout: the spec's wishes and the status' counters; pure.

Read open-endedly: an unknown strategy, condition or field passes (`Recreate` and `Progressing` of
1.37 among them), and a counter that a server leaves out is zero, as in the API's own encoding.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from ledger.errors import PoisonRecord
from ledger.rollout.raw import count, mapping, number, text

ROLLING_UPDATE = "RollingUpdate"
ON_DELETE = "OnDelete"
ORDERED_READY = "OrderedReady"
PARALLEL = "Parallel"
RETAIN = "Retain"

MOST_PODS = 5_000
"""So many pods of a set are judged one by one. The API server takes two thousand million replicas,
which is what a slip of the hand asks for.
"""


@dataclass(frozen=True, slots=True)
class SetStatus:
    """One state of a StatefulSet, by the API's own names (apps/v1 types.go).

    `has_rolling_update` tells `rollingUpdate: {partition: 0}`, which the server fills in for an
    omitted strategy, from a bare `type: RollingUpdate` (defaults.go): kubectl words them otherwise.
    `available_replicas` is None where the server does not count it (before 1.22).
    """

    generation: int
    observed_generation: int
    replicas: int
    strategy: str
    has_rolling_update: bool
    update_partition: int
    max_unavailable: str
    pod_management: str
    ordinals_start: int
    min_ready_seconds: int
    when_deleted: str
    when_scaled: str
    current_revision: str
    update_revision: str
    pods: int
    ready_pods: int
    available_pods: int | None
    current_pods: int
    updated_pods: int
    terminating: bool

    @property
    def is_observed(self) -> bool:
        """Whether the controller has seen the newest spec."""
        return 0 < self.generation <= self.observed_generation

    @property
    def wanted(self) -> int:
        """How many pods the spec asks for."""
        return max(0, self.replicas)

    @property
    def ordinals(self) -> range:
        """The ordinals that the spec asks for, the first of them where it asks for more than any
        cluster runs.
        """
        return range(self.ordinals_start, self.ordinals_start + min(self.wanted, MOST_PODS))

    @property
    def target_ordinals(self) -> range:
        """The ordinals that a rolling update moves to the update revision.

        The partition counts from the first ordinal: the controller compares it with an index into
        the replicas, not with the pod's number (stateful_set_control.go; KEP-3335 says otherwise).
        """
        return self.ordinals[max(0, self.update_partition) :]


def set_status(raw_set: Mapping[str, Any]) -> SetStatus:
    """The status of a StatefulSet. Raises PoisonRecord for what no API server serves."""
    try:
        return _set_status(raw_set["metadata"], raw_set["spec"], mapping(raw_set.get("status")))
    except (KeyError, TypeError, AttributeError, ValueError, IndexError) as wrong:
        raise PoisonRecord(f"not a StatefulSet: {type(wrong).__name__} {wrong}") from None


def _set_status(
    metadata: Mapping[str, Any], spec: Mapping[str, Any], status: Mapping[str, Any]
) -> SetStatus:
    strategy = mapping(spec.get("updateStrategy"))
    rolling = mapping(strategy.get("rollingUpdate"))
    retention = mapping(spec.get("persistentVolumeClaimRetentionPolicy"))
    available = status.get("availableReplicas")
    max_unavailable = rolling.get("maxUnavailable")
    return SetStatus(
        generation=number(metadata.get("generation", 0)),
        observed_generation=number(status.get("observedGeneration", 0)),
        replicas=count(spec.get("replicas", 1)),
        strategy=text(strategy.get("type", ROLLING_UPDATE)),
        has_rolling_update=strategy.get("rollingUpdate") is not None,
        update_partition=count(rolling.get("partition", 0)),
        max_unavailable="" if max_unavailable is None else str(max_unavailable),
        pod_management=text(spec.get("podManagementPolicy", ORDERED_READY)),
        ordinals_start=count(mapping(spec.get("ordinals")).get("start", 0)),
        min_ready_seconds=count(spec.get("minReadySeconds", 0)),
        when_deleted=text(retention.get("whenDeleted", RETAIN)),
        when_scaled=text(retention.get("whenScaled", RETAIN)),
        current_revision=text(status.get("currentRevision", "")),
        update_revision=text(status.get("updateRevision", "")),
        pods=count(status.get("replicas", 0)),
        ready_pods=count(status.get("readyReplicas", 0)),
        available_pods=None if available is None else count(available),
        current_pods=count(status.get("currentReplicas", 0)),
        updated_pods=count(status.get("updatedReplicas", 0)),
        terminating=bool(metadata.get("deletionTimestamp")),
    )
