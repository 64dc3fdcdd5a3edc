"""What `kubectl rollout status` says of a StatefulSet, byte for byte; pure.

Words and order of the checks are kubectl's own (pkg/polymorphichelpers/rollout_status.go): it goes
by the status' counters alone, ignores minReadySeconds, and words a bare `type: RollingUpdate`
otherwise than one with a partition.
"""

from __future__ import annotations

from ledger.errors import LedgerError
from ledger.rollout.sets import ROLLING_UPDATE, SetStatus


def status_line(status: SetStatus) -> tuple[str, bool]:
    """kubectl's line, with its newline, and whether kubectl would stop waiting.

    Raises LedgerError in kubectl's words for a strategy it does not follow.
    """
    if status.strategy != ROLLING_UPDATE:
        raise LedgerError("rollout status is only available for RollingUpdate strategy type")
    if not 0 < status.observed_generation >= status.generation:
        return "Waiting for statefulset spec update to be observed...\n", False
    if status.ready_pods < status.replicas:
        return f"Waiting for {status.replicas - status.ready_pods} pods to be ready...\n", False
    if status.has_rolling_update:
        return _partitioned(status)
    if status.update_revision != status.current_revision:
        waits = f"waiting for statefulset rolling update to complete {status.updated_pods} pods"
        return f"{waits} at revision {status.update_revision}...\n", False
    done = f"statefulset rolling update complete {status.current_pods} pods"
    return f"{done} at revision {status.current_revision}...\n", True


def _partitioned(status: SetStatus) -> tuple[str, bool]:
    updated, wanted = status.updated_pods, status.replicas - status.update_partition
    if updated < wanted:
        waits = f"Waiting for partitioned roll out to finish: {updated} out of {wanted}"
        return f"{waits} new pods have been updated...\n", False
    return f"partitioned roll out complete: {updated} new pods have been updated...\n", True
